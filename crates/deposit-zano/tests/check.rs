//! What a check of the set-up finds, against the emulated wallet and daemon.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use deposit_core::{CheckContext, CheckItem, PaymentProvider as _, Secret};
use deposit_sandbox::Faults;
use deposit_testkit::{World, impatient, told, unreachable_url, wrong};
use deposit_zano::{Config, Zano};

fn config(world: &World) -> Config {
    let mut config = Config::new(world.setting("wallet_url"), world.setting("jwt_secret"));
    config.daemon_url = world.setting("daemon_url");
    config.fusd_asset_id = world.setting("fusd_asset_id");
    config
}

async fn found(config: Config) -> Vec<CheckItem> {
    Zano::with_http(config, impatient()).unwrap().check(&CheckContext::default()).await
}

async fn world() -> (World, Arc<deposit_sandbox::zano::Zano>) {
    let world = World::start("zano").await;
    let emulator = world.sandbox().emulators().zano.clone();
    (world, emulator)
}

#[tokio::test]
async fn what_is_set_up_has_nothing_wrong() {
    let (world, _) = world().await;
    let items = found(config(&world)).await;
    assert_eq!(wrong(&items), Vec::<&str>::new());
    let text = told(&items);
    assert!(!text.contains(&world.setting("jwt_secret")));
    insta::assert_snapshot!(text);
    let mut alone = config(&world);
    alone.daemon_url = String::new();
    assert_eq!(wrong(&found(alone).await), Vec::<&str>::new());
}

#[tokio::test]
async fn each_mistake_is_named() {
    type Mistake = (&'static str, fn(&mut Config, &deposit_sandbox::zano::Zano));
    let mistakes: [Mistake; 7] = [
        ("credentials", |c, _| c.jwt_secret = Secret::new("of-another-wallet")),
        ("reachable", |c, _| c.wallet_url = unreachable_url()),
        ("daemon", |c, _| c.daemon_url = unreachable_url()),
        ("wallet height", |_, e| {
            e.stick(true);
            e.mine(40);
        }),
        ("asset FUSD", |c, e| e.set_decimals(&c.fusd_asset_id, 12)),
        ("asset FUSD", |c, _| c.fusd_asset_id = "0".repeat(64)),
        ("", |c, _| c.confirmations = 3),
    ];
    let mut lines = Vec::new();
    for (name, mistake) in mistakes {
        let (world, emulator) = world().await;
        let mut config = config(&world);
        mistake(&mut config, &emulator);
        let items = found(config).await;
        let expected: Vec<_> = Some(name).filter(|name| !name.is_empty()).into_iter().collect();
        assert_eq!(wrong(&items), expected);
        lines.extend(
            items.into_iter().filter(|i| i.is_wrong() || (name.is_empty() && i.what == "confirmations")),
        );
    }
    insta::assert_snapshot!(told(&lines));
}

#[tokio::test]
async fn a_daemon_that_synchronises_is_told() {
    let (world, _) = world().await;
    world.set_faults(Faults { not_synchronized: true, ..Faults::default() });
    assert!(found(config(&world)).await.iter().any(CheckItem::is_wrong));
}

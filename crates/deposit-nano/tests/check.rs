//! What a check of the set-up finds, against the emulated node.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use deposit_core::{CheckContext, CheckItem, PaymentProvider as _, Secret};
use deposit_nano::{Config, Nano};
use deposit_sandbox::Faults;
use deposit_sandbox::nano::Dialect;
use deposit_testkit::{World, impatient, told, unreachable_url, wrong};

fn config(world: &World) -> Config {
    let mut config =
        Config::new(world.setting("rpc_url"), world.setting("seed"), world.setting("representative"));
    config.ws_url = world.setting("ws_url");
    config.rpc_authorization = Secret::new(world.setting("rpc_authorization"));
    config
}

async fn found(config: Config) -> Vec<CheckItem> {
    Nano::with_http(config, impatient()).unwrap().check(&CheckContext::default()).await
}

async fn world() -> (World, Arc<deposit_sandbox::nano::Nano>) {
    let world = World::start("nano").await;
    let emulator = world.sandbox().emulators().nano.clone();
    (world, emulator)
}

#[tokio::test]
async fn a_node_that_is_set_up_has_nothing_wrong_in_either_dialect() {
    for dialect in [Dialect::Cpp, Dialect::RsNano] {
        let (world, emulator) = world().await;
        emulator.speak(dialect);
        let items = found(config(&world)).await;
        assert_eq!(wrong(&items), Vec::<&str>::new(), "{dialect:?}");
        let text = told(&items);
        for secret in ["seed", "rpc_authorization"] {
            assert!(!text.contains(&world.setting(secret)), "{secret} is printed");
        }
        insta::assert_snapshot!(format!("{dialect:?}"), text);
    }
}

#[tokio::test]
async fn each_mistake_is_named() {
    type Mistake = (&'static str, fn(&mut Config, &deposit_sandbox::nano::Nano));
    let mistakes: [Mistake; 6] = [
        ("credentials", |c, _| c.rpc_authorization = Secret::new("Bearer a-key-of-nobody-0001")),
        ("reachable", |c, _| c.rpc_url = unreachable_url()),
        ("websocket", |c, _| c.ws_url = unreachable_url().replace("http", "ws")),
        ("rpc block_info", |_, e| e.forbid("block_info")),
        ("rpc account_history", |_, e| e.forbid("account_history")),
        ("", |_, e| e.forbid("accounts_receivable")),
    ];
    let mut lines = Vec::new();
    for (name, mistake) in mistakes {
        let (world, emulator) = world().await;
        let mut config = config(&world);
        mistake(&mut config, &emulator);
        let items = found(config).await;
        let expected: Vec<_> = Some(name).filter(|name| !name.is_empty()).into_iter().collect();
        assert_eq!(wrong(&items), expected);
        let advice = |i: &CheckItem| i.what == "rpc accounts_receivable" && i.outcome.word() == "advice";
        lines.extend(items.into_iter().filter(|i| i.is_wrong() || advice(i)));
    }
    insta::assert_snapshot!(told(&lines));
}

#[tokio::test]
async fn a_node_that_is_behind_is_told() {
    let (world, _) = world().await;
    world.set_faults(Faults { not_synchronized: true, ..Faults::default() });
    assert_eq!(wrong(&found(config(&world)).await), ["synchronised"]);
}

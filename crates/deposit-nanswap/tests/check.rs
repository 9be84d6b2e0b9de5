//! What a check of the set-up finds, against the emulator.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use deposit_core::{CheckContext, CheckItem, PaymentProvider as _, Secret};
use deposit_nanswap::{Config, Nanswap};
use deposit_sandbox::Faults;
use deposit_testkit::{World, impatient, told, unreachable_url, wrong};

fn config(world: &World) -> Config {
    let [url, key, to] = ["base_url", "api_key", "settle_address"].map(|key| world.setting(key));
    Config::new(url, key, to)
}

async fn found(config: Config) -> Vec<CheckItem> {
    Nanswap::with_http(config, impatient()).unwrap().check(&CheckContext::default()).await
}

#[tokio::test]
async fn what_is_set_up_has_nothing_wrong_and_nothing_is_ordered() {
    let world = World::start("nanswap").await;
    let items = found(config(&world)).await;
    assert_eq!(wrong(&items), Vec::<&str>::new());
    let text = told(&items);
    assert!(!text.contains(&world.setting("api_key")));
    insta::assert_snapshot!(text);
    assert!(world.emulator().truth().is_empty(), "a check makes nothing");
}

#[tokio::test]
async fn each_mistake_is_named() {
    let world = World::start("nanswap").await;
    let mut revoked = config(&world);
    revoked.api_key = Secret::new("a-key-of-nobody-0001");
    let mut lines = found(revoked).await;
    assert_eq!(wrong(&lines), ["credentials"]);
    lines.retain(CheckItem::is_wrong);
    let mut away = config(&world);
    away.base_url = unreachable_url();
    let items = found(away).await;
    assert_eq!(wrong(&items), ["reachable"]);
    lines.extend(items);
    // Our key at somebody else's door.
    let mut elsewhere = config(&world);
    elsewhere.base_url = format!("{}/nowhere", world.setting("base_url"));
    assert_eq!(wrong(&found(elsewhere).await), ["reachable"]);
    insta::assert_snapshot!(told(&lines));
}

#[tokio::test]
async fn a_provider_that_wants_to_be_left_alone_is_not_wrong() {
    let world = World::start("nanswap").await;
    world.set_faults(Faults { status_429: true, ..Faults::default() });
    assert_eq!(wrong(&found(config(&world)).await), Vec::<&str>::new());
}

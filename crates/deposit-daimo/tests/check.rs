//! What a check of the set-up finds, against the emulator.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use deposit_core::{CheckContext, CheckItem, PaymentProvider as _, Secret};
use deposit_daimo::{Api, Config, Daimo};
use deposit_testkit::{World, impatient, told, unreachable_url, wrong};

const GATEWAY: &str = "https://gw.example";

fn config(world: &World, api: Api) -> Config {
    let [key, token, refund, to] =
        ["api_key", "webhook_token", "refund_address", "destination_address"].map(|key| world.setting(key));
    let mut config = Config::new(key, token, refund, to);
    config.base_url = world.setting("base_url");
    config.api = api;
    config
}

async fn world() -> World {
    let world = World::start("daimo").await;
    world.sandbox().set_gateways(vec![GATEWAY.to_owned()]);
    world
}

async fn found(config: Config, gateway: &str) -> Vec<CheckItem> {
    Daimo::with_http(config, impatient()).unwrap().check(&CheckContext::new(gateway)).await
}

#[tokio::test]
async fn what_is_set_up_has_nothing_wrong_with_either_api() {
    let world = world().await;
    let mut all = Vec::new();
    for api in [Api::Payments, Api::Sessions] {
        let items = found(config(&world, api), GATEWAY).await;
        assert_eq!(wrong(&items), Vec::<&str>::new());
        all.extend(items);
    }
    let text = told(&all);
    assert!(!text.contains(&world.setting("api_key")) && !text.contains(&world.setting("webhook_token")));
    insta::assert_snapshot!(text);
    assert!(world.emulator().truth().is_empty(), "a check makes nothing");
}

#[tokio::test]
async fn each_mistake_is_named() {
    let world = world().await;
    let mut lines = Vec::new();
    for api in [Api::Payments, Api::Sessions] {
        let mut revoked = config(&world, api);
        revoked.api_key = Secret::new("a-key-of-nobody-0001");
        let items = found(revoked, GATEWAY).await;
        assert_eq!(wrong(&items), ["credentials"], "{api:?}");
        lines.extend(items);
        let mut away = config(&world, api);
        away.base_url = unreachable_url();
        assert_eq!(wrong(&found(away, GATEWAY).await), ["reachable"], "{api:?}");
    }
    let items = found(config(&world, Api::Sessions), "https://other.example").await;
    assert_eq!(wrong(&items), ["webhook"]);
    lines.extend(items.into_iter().filter(CheckItem::is_wrong));
    insta::assert_snapshot!(told(&lines));
}

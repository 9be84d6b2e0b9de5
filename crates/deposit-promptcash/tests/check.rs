//! What a check of the set-up finds, against the emulator.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use deposit_core::{CheckContext, CheckItem, PaymentProvider as _, Secret};
use deposit_promptcash::{Config, PromptCash};
use deposit_testkit::{World, impatient, told, unreachable_url, wrong};

const GATEWAY: &str = "https://gw.example";

fn config(world: &World) -> Config {
    let [url, public, secret] = ["base_url", "public_token", "secret_token"].map(|key| world.setting(key));
    Config::new(url, public, secret)
}

async fn found(config: Config) -> Vec<CheckItem> {
    PromptCash::with_http(config, impatient()).unwrap().check(&CheckContext::new(GATEWAY)).await
}

#[tokio::test]
async fn what_is_set_up_has_nothing_wrong() {
    let world = World::start("promptcash").await;
    let mut config = config(&world);
    let polled = found(config.clone()).await;
    config.callback_url = format!("{GATEWAY}/webhooks/promptcash");
    let called = found(config).await;
    assert_eq!(wrong(&polled), Vec::<&str>::new());
    assert_eq!(wrong(&called), Vec::<&str>::new());
    let text = told(&[polled, called].concat());
    assert!(!text.contains(&world.setting("secret_token")));
    insta::assert_snapshot!(text);
    assert!(world.emulator().truth().is_empty(), "a check makes nothing");
}

#[tokio::test]
async fn each_mistake_is_named() {
    type Mistake = (&'static str, fn(&mut Config));
    let world = World::start("promptcash").await;
    let mistakes: [Mistake; 5] = [
        ("credentials", |c| c.secret_token = Secret::new("a-key-of-nobody-0001")),
        ("reachable", |c| c.base_url = unreachable_url()),
        ("webhook", |c| c.callback_url = "https://old.example/webhooks/promptcash".to_owned()),
        ("", |c| c.confirmations = 0),
        // Another web server's 404 proves nothing, and is no success either.
        ("", |c| c.base_url.push_str("/nowhere")),
    ];
    let mut lines = Vec::new();
    for (name, mistake) in mistakes {
        let mut config = config(&world);
        mistake(&mut config);
        let items = found(config).await;
        let expected: Vec<_> = Some(name).filter(|name| !name.is_empty()).into_iter().collect();
        assert_eq!(wrong(&items), expected);
        lines.extend(
            items
                .into_iter()
                .filter(|i| i.is_wrong() || matches!(i.what.as_ref(), "credentials" | "confirmations")),
        );
    }
    insta::assert_snapshot!(told(&lines));
}

//! What a check of the set-up finds: against the emulator, and against a server that is scripted for what only a restricted key shows.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use deposit_core::{CheckContext, CheckItem, PaymentProvider as _};
use deposit_sandbox::Faults;
use deposit_stripe::{Config, Stripe};
use deposit_testkit::{World, impatient, told, unreachable_url, wrong};
use serde_json::{Value, json};

const GATEWAY: &str = "https://gw.example";

fn config(world: &World) -> Config {
    let [key, secret, url] = ["secret_key", "webhook_secret", "success_url"].map(|key| world.setting(key));
    let mut config = Config::new(key, secret, url);
    config.base_url = world.setting("base_url");
    config
}

async fn found(config: Config) -> Vec<CheckItem> {
    Stripe::with_http(config, impatient()).unwrap().check(&CheckContext::new(GATEWAY)).await
}

async fn world() -> (World, Arc<deposit_sandbox::stripe::Stripe>) {
    let world = World::start("stripe").await;
    world.sandbox().set_gateways(vec![GATEWAY.to_owned()]);
    let emulator = world.sandbox().emulators().stripe.clone();
    (world, emulator)
}

#[tokio::test]
async fn an_account_that_is_set_up_has_nothing_wrong() {
    let (world, _) = world().await;
    let text = told(&found(config(&world)).await);
    assert!(!text.contains(&world.setting("secret_key")) && !text.contains(&world.setting("webhook_secret")));
    insta::assert_snapshot!(text);
    assert!(world.emulator().truth().is_empty(), "a check makes nothing");
}

#[tokio::test]
async fn each_mistake_is_named() {
    type Mistake = (&'static str, fn(&mut Config, &World, &deposit_sandbox::stripe::Stripe));
    let mistakes: [Mistake; 6] = [
        ("credentials", |_, w, _| w.set_faults(Faults { reject_key: true, ..Faults::default() })),
        ("reachable", |c, _, _| c.base_url = unreachable_url()),
        ("account charges_enabled", |_, _, e| e.allow_charges(false)),
        ("webhook", |_, _, e| e.switch_webhook(false)),
        ("webhook", |_, _, e| e.point_webhook("https://old.example/webhooks/stripe", &["*"])),
        ("webhook events", |_, _, e| {
            e.point_webhook("https://gw.example/webhooks/stripe", &["checkout.session.completed"]);
        }),
    ];
    let mut lines = Vec::new();
    for (name, mistake) in mistakes {
        let (world, emulator) = world().await;
        let mut config = config(&world);
        mistake(&mut config, &world, &emulator);
        let items = found(config).await;
        assert_eq!(wrong(&items), [name]);
        lines.extend(items.into_iter().filter(CheckItem::is_wrong));
    }
    insta::assert_snapshot!(told(&lines));
}

/// A restricted key that may ask for these paths alone.
async fn restricted(allowed: &'static [&'static str]) -> Vec<CheckItem> {
    let reply = move |request: Request| async move {
        assert_eq!(request.method(), "GET");
        let path = request.uri().path().trim_start_matches("/v1/").to_owned();
        if !allowed.contains(&path.as_str()) {
            let error = json!({"error": {"type": "invalid_request_error", "message": "for people"}});
            return (StatusCode::FORBIDDEN, axum::Json(error)).into_response();
        }
        let data = if path == "webhook_endpoints" {
            json!([{"id": "we_1", "api_version": "2024-06-20", "enabled_events": ["*"], "livemode": true,
                    "status": "enabled", "url": "https://gw.example/webhooks/stripe"}])
        } else if path == "events" {
            json!([{"id": "evt_1", "pending_webhooks": 0}])
        } else {
            json!([])
        };
        let body: Value = if path == "account" {
            json!({"id": "acct_1", "charges_enabled": true})
        } else {
            json!({"object": "list", "data": data, "has_more": false})
        };
        axum::Json(body).into_response()
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = Config::new("rk_live_sample", "whsec_sample", "https://shop.example/paid");
    config.base_url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(reply)).await.unwrap() });
    found(config).await
}

#[tokio::test]
async fn the_rights_of_a_restricted_key_are_told_one_by_one() {
    let all = &[
        "checkout/sessions",
        "payment_intents",
        "refunds",
        "disputes",
        "events",
        "account",
        "webhook_endpoints",
    ];
    let items = restricted(all).await;
    assert_eq!(wrong(&items), Vec::<&str>::new());
    insta::assert_snapshot!("all_rights", told(&items));
    let items = restricted(&["payment_intents", "events"]).await;
    assert_eq!(
        wrong(&items),
        ["right rak_checkout_session_write", "right rak_charge_read", "right rak_dispute_read"]
    );
    insta::assert_snapshot!("few_rights", told(&items));
}

//! What a check of the set-up finds: against the emulator, and against a server that is scripted where the emulator has no word.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use deposit_btcpay::{BtcPay, Config};
use deposit_core::{CheckContext, CheckItem, PaymentProvider as _};
use deposit_testkit::{World, impatient, told, unreachable_url, wrong};
use serde_json::{Value, json};

const GATEWAY: &str = "https://gw.example";

fn config(world: &World) -> Config {
    let [url, key, store, secret] =
        ["base_url", "api_key", "store_id", "webhook_secret"].map(|key| world.setting(key));
    Config::new(url, key, store, secret)
}

async fn found(world: &World) -> Vec<CheckItem> {
    let items =
        BtcPay::with_http(config(world), impatient()).unwrap().check(&CheckContext::new(GATEWAY)).await;
    for secret in ["api_key", "webhook_secret"] {
        assert!(!format!("{items:?}").contains(&world.setting(secret)), "{secret} is printed");
    }
    items
}

async fn world() -> (World, Arc<deposit_sandbox::btcpay::BtcPay>) {
    let world = World::start("btcpay").await;
    world.sandbox().set_gateways(vec![GATEWAY.to_owned()]);
    let emulator = world.sandbox().emulators().btcpay.clone();
    (world, emulator)
}

#[tokio::test]
async fn a_store_that_is_set_up_has_nothing_wrong() {
    let (world, _) = world().await;
    insta::assert_snapshot!(told(&found(&world).await));
    assert!(world.emulator().truth().is_empty(), "a check makes nothing");
}

#[tokio::test]
async fn each_mistake_is_named_and_told_in_words_that_say_what_to_change() {
    type Mistake = (&'static str, fn(&deposit_sandbox::btcpay::BtcPay));
    let mistakes: [Mistake; 9] = [
        ("credentials", |e| e.revoke_key()),
        // The right to mark invoices holds the one to make them.
        ("", |e| e.take_right("btcpay.store.cancreateinvoice")),
        ("right btcpay.store.canmodifyinvoices", |e| e.take_right("btcpay.store.canmodifyinvoices")),
        ("right btcpay.store.canviewstoresettings", |e| e.take_right("btcpay.store.canviewstoresettings")),
        ("store networkFeeMode", |e| e.set_fee_mode("Always")),
        ("webhook", |e| e.switch_webhook(false)),
        ("webhook", |e| e.point_webhook("https://old.example/webhooks/btcpay", &[])),
        ("webhook events", |e| {
            e.point_webhook("https://gw.example/webhooks/btcpay", &["InvoiceSettled", "InvoiceExpired"]);
        }),
        ("", |e| e.take_right("btcpay.store.webhooks.canmodifywebhooks")),
    ];
    let mut lines = Vec::new();
    for (name, mistake) in mistakes {
        let (world, emulator) = world().await;
        mistake(&emulator);
        let items = found(&world).await;
        let expected: Vec<_> = Some(name).filter(|name| !name.is_empty()).into_iter().collect();
        assert_eq!(wrong(&items), expected);
        lines.extend(
            items
                .into_iter()
                .filter(|i| i.is_wrong() || (i.what == "webhook" && i.outcome.word() == "unknown")),
        );
    }
    insta::assert_snapshot!(told(&lines));
}

#[tokio::test]
async fn a_store_that_is_not_there_is_told_whatever_the_key_may_do() {
    let (world, emulator) = world().await;
    let mut config = config(&world);
    config.store_id = "another-store".to_owned();
    let scoped = BtcPay::with_http(config.clone(), impatient()).unwrap();
    let items = scoped.check(&CheckContext::new(GATEWAY)).await;
    let rights = wrong(&items);
    assert_eq!(rights.len(), 4, "the key's rights are for its own store: {rights:?}");
    config.api_key = deposit_core::Secret::new(emulator.add_key(&["unrestricted"]));
    let unrestricted = BtcPay::with_http(config, impatient()).unwrap();
    let items = unrestricted.check(&CheckContext::new(GATEWAY)).await;
    assert_eq!(wrong(&items), ["store"]);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_wrong_and_asked_nothing_else() {
    let (world, _) = world().await;
    let mut config = config(&world);
    config.base_url = unreachable_url();
    let items = BtcPay::with_http(config, impatient()).unwrap().check(&CheckContext::default()).await;
    assert_eq!(wrong(&items), ["reachable"]);
    assert_eq!(items.len(), 1);
}

/// The last delivery and the newest invoice, as a server tells them.
async fn scripted(last: Value, threshold: Value) -> Vec<CheckItem> {
    let reply = move |request: Request| {
        let (last, threshold) = (last.clone(), threshold.clone());
        async move {
            assert_eq!(request.method(), "GET");
            let path = request.uri().path().to_owned();
            let body = match path.trim_start_matches("/api/v1") {
                "/api-keys/current" => {
                    json!({"apiKey": "k", "label": "gateway", "permissions": ["unrestricted"]})
                }
                "/server/info" => json!({"version": "2.4.1+03345c28", "fullySynched": true, "syncStatus": [
                    {"available": true, "summary": {"synced": true}, "paymentMethodId": "XMR-CHAIN"}]}),
                "/stores/s/payment-methods" => json!([{"enabled": true, "paymentMethodId": "XMR-CHAIN"}]),
                "/stores/s" => json!({"id": "s", "networkFeeMode": "MultiplePaymentsOnly"}),
                "/stores/s/invoices" => json!([
                    {"id": "a", "paymentMethods": [{"paymentMethodId": "LTC-CHAIN", "additionalData": {"keyIndex": 6}}]},
                    {"id": "b", "paymentMethods": [{"paymentMethodId": "XMR-CHAIN", "additionalData":
                        {"accountIndex": 0, "invoiceSettledConfirmationThreshold": threshold}}]},
                ]),
                "/stores/s/webhooks" => json!([{"id": "w", "enabled": true, "automaticRedelivery": true,
                    "url": "https://gw.example/webhooks/btcpay",
                    "authorizedEvents": {"everything": true, "specificEvents": []}}]),
                "/stores/s/webhooks/w/deliveries" => json!([last]),
                _ => return StatusCode::NOT_FOUND.into_response(),
            };
            axum::Json(body).into_response()
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(reply)).await.unwrap() });
    let provider = BtcPay::with_http(Config::new(base, "k", "s", "w"), impatient()).unwrap();
    provider.check(&CheckContext::new(GATEWAY)).await
}

fn delivery(status: &str, code: Value) -> Value {
    json!({"id": "d", "timestamp": 1_785_000_421, "deliveryTime": 1_785_000_421, "httpCode": code,
           "errorMessage": null, "status": status})
}

#[tokio::test]
async fn the_last_delivery_and_the_threshold_of_xmr_are_told() {
    let mut lines = Vec::new();
    for (last, threshold, wrongs) in [
        (delivery("HttpSuccess", json!(200)), json!(null), vec![]),
        (delivery("HttpSuccess", json!(202)), json!(10), vec![]),
        (delivery("HttpError", json!(401)), json!(10), vec!["webhook last delivery"]),
        (delivery("HttpError", json!(502)), json!(10), vec!["webhook last delivery"]),
        (
            delivery("Failed", json!(null)),
            json!(0),
            vec!["store XMR invoiceSettledConfirmationThreshold", "webhook last delivery"],
        ),
    ] {
        let items = scripted(last, threshold).await;
        assert_eq!(wrong(&items), wrongs);
        lines.extend(items.into_iter().filter(CheckItem::is_wrong));
    }
    insta::assert_snapshot!(told(&lines));
}

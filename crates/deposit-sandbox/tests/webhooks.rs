//! Webhooks: signature, order, retries, redelivery, the four modes, subscriptions.
#![allow(missing_docs, unreachable_pub, dead_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
use common::{Gateway, Got, World, code, text};
use deposit_sandbox::Json;
use hmac::{Hmac, KeyInit as _, Mac as _};

fn verify(got: &Got, secret: &str) {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(&got.bytes);
    assert_eq!(got.signature, format!("sha256={}", hex::encode(mac.finalize().into_bytes())));
}

fn names(got: &Got) -> Vec<String> {
    got.body.members().iter().map(|(name, _)| name.clone()).collect()
}

#[tokio::test]
async fn the_first_delivery_reads_as_the_dossier_shows() {
    let w = World::new().await;
    let id = w.invoice("BTC", "0.001", "BTC", "dep_1").await;
    w.pay(&id, "", "confirmed").await;
    w.sandbox.webhooks_idle().await;
    let secret = w.sandbox.setting("btcpay", "webhook_secret").unwrap();
    for got in w.gateway.all() {
        verify(&got, &secret);
        assert_eq!(got.path, "/webhooks/btcpay");
        assert_eq!(String::from_utf8(got.bytes.clone()).unwrap(), got.body.pretty(), "pretty-printed");
        assert_eq!(got.text("deliveryId"), got.text("originalDeliveryId"));
        assert_eq!(got.body.get("isRedelivery"), Some(&Json::Bool(false)));
        assert_eq!(got.text("invoiceId"), id);
    }
    let settled = w.gateway.all().pop().unwrap();
    let order = "manuallyMarked overPaid deliveryId webhookId originalDeliveryId isRedelivery type timestamp storeId invoiceId metadata";
    assert_eq!(names(&settled).join(" "), order);
    assert_eq!(
        w.events().await,
        [
            "InvoiceCreated",
            "InvoiceReceivedPayment",
            "InvoiceProcessing",
            "InvoicePaymentSettled",
            "InvoiceSettled"
        ]
    );
}

#[tokio::test]
async fn a_failed_delivery_holds_back_the_rest_until_the_clock_moves() {
    let w = World::new().await;
    w.gateway.answer(&[500, 503, 429]);
    let id = w.invoice("BTC", "0.001", "BTC", "dep_1").await;
    w.pay(&id, "", "seen").await;
    w.sandbox.webhooks_idle().await;
    assert_eq!(w.gateway.kinds(), ["InvoiceCreated"]);
    w.advance(9).await;
    w.sandbox.webhooks_idle().await;
    assert_eq!(w.gateway.kinds().len(), 1);
    for (wait, tries) in [(1, 2), (60, 3)] {
        w.advance(wait).await;
        w.sandbox.webhooks_idle().await;
        assert_eq!(w.gateway.kinds().len(), tries);
    }
    w.advance(600).await;
    w.sandbox.webhooks_idle().await;
    let got = w.gateway.all();
    let kinds: Vec<_> = got.iter().map(Got::kind).collect();
    assert_eq!(kinds[..4], ["InvoiceCreated"; 4]);
    assert_eq!(kinds[4..], ["InvoiceReceivedPayment", "InvoiceProcessing"]);
    // Retries are redeliveries: a new id, the same original, another order of members.
    assert_eq!(got[1].text("originalDeliveryId"), got[0].text("deliveryId"));
    assert_ne!(got[1].text("deliveryId"), got[0].text("deliveryId"));
    assert_eq!(got[1].body.get("timestamp"), got[0].body.get("timestamp"));
    assert_eq!(got[1].body.get("isRedelivery"), Some(&Json::Bool(true)));
    assert_ne!(names(&got[1]), names(&got[0]));
}

#[tokio::test]
async fn a_delivery_is_given_up_after_nine_tries() {
    let w = World::new().await;
    w.gateway.answer(&[500; 9]);
    w.invoice("BTC", "0.001", "BTC", "dep_1").await;
    for tries in 1..=9 {
        w.sandbox.webhooks_idle().await;
        assert_eq!(w.gateway.kinds()[..tries], vec!["InvoiceCreated"; tries]);
        w.advance(600).await;
    }
    // What fell due meanwhile was held back until the first was given up.
    assert_eq!(w.events().await[9..], ["InvoiceExpired"]);
}

#[tokio::test]
async fn another_4xx_is_dropped_at_once() {
    let w = World::new().await;
    w.gateway.answer(&[401, 404, 302]);
    let id = w.invoice("BTC", "0.001", "BTC", "dep_1").await;
    w.pay(&id, "", "confirmed").await;
    assert_eq!(w.events().await.len(), 5);
    w.advance(4000).await;
    assert!(w.events().await.is_empty());
}

#[tokio::test]
async fn a_gateway_that_is_away_gets_its_webhooks_later_and_the_next_in_turn_gets_the_retry() {
    let w = World::new().await;
    w.sandbox.set_gateways(vec!["http://127.0.0.1:1".into(), w.gateway.url.clone()]);
    w.invoice("BTC", "0.001", "BTC", "dep_1").await;
    w.sandbox.webhooks_idle().await;
    assert!(w.gateway.kinds().is_empty());
    w.advance(10).await;
    assert_eq!(w.events().await, ["InvoiceCreated"]);
}

#[tokio::test]
async fn several_gateways_take_turns() {
    let w = World::new().await;
    let other = Gateway::start().await;
    w.sandbox.set_gateways(vec![w.gateway.url.clone(), format!("{}/", other.url)]);
    let id = w.invoice("BTC", "0.001", "BTC", "dep_1").await;
    w.pay(&id, "", "seen").await;
    w.sandbox.webhooks_idle().await;
    assert_eq!(w.gateway.kinds(), ["InvoiceCreated", "InvoiceProcessing"]);
    assert_eq!(other.kinds(), ["InvoiceReceivedPayment"]);
    assert_eq!(other.all()[0].path, "/webhooks/btcpay");
}

#[tokio::test]
async fn lost_webhooks_come_only_by_redelivery() {
    let w = World::new().await;
    w.done("/btcpay/faults", r#"{"webhooks":"lost"}"#).await;
    let id = w.invoice("BTC", "0.001", "BTC", "dep_1").await;
    w.pay(&id, "", "seen").await;
    assert!(w.events().await.is_empty());
    let done = w.done("/btcpay/redeliver", r#"{"ref":"dep_1"}"#).await;
    assert_eq!(done.get("redelivered").and_then(Json::as_i64), Some(3));
    w.sandbox.webhooks_idle().await;
    assert!(w.gateway.all().iter().all(|g| g.body.get("isRedelivery") == Some(&Json::Bool(true))));
    assert!(w.gateway.all().iter().all(|g| g.text("deliveryId") != g.text("originalDeliveryId")));
    assert_eq!(w.events().await, ["InvoiceCreated", "InvoiceReceivedPayment", "InvoiceProcessing"]);
    assert_eq!(w.control("/btcpay/redeliver", r#"{"ref":"nope"}"#).await.status, 400);
}

#[tokio::test]
async fn duplicated_webhooks_are_the_same_bytes_twice() {
    let w = World::new().await;
    w.done("/btcpay/faults", r#"{"webhooks":"duplicated"}"#).await;
    w.invoice("BTC", "0.001", "BTC", "dep_1").await;
    w.sandbox.webhooks_idle().await;
    let got = w.gateway.all();
    assert_eq!(got.len(), 2);
    assert_eq!(got[0].bytes, got[1].bytes);
    assert_eq!(got[0].signature, got[1].signature);
}

#[tokio::test]
async fn reordered_webhooks_arrive_in_reverse() {
    let w = World::new().await;
    let id = w.invoice("BTC", "0.001", "BTC", "dep_1").await;
    w.events().await;
    w.done("/btcpay/faults", r#"{"webhooks":"reordered"}"#).await;
    w.pay(&id, "", "confirmed").await;
    assert_eq!(
        w.events().await,
        ["InvoiceSettled", "InvoicePaymentSettled", "InvoiceProcessing", "InvoiceReceivedPayment"]
    );
}

#[tokio::test]
async fn subscriptions_over_http() {
    let w = World::new().await;
    let other = Gateway::start().await;
    let body = format!(
        r#"{{"url":"{}/hooks","secret":"whsec-sample-1","authorizedEvents":
           {{"everything":false,"specificEvents":["InvoiceSettled","invoicecreated"]}}}}"#,
        other.url
    );
    let made = w.store("POST", "/webhooks", Some(&body)).await.json();
    assert_eq!(text(&made, "secret"), "whsec-sample-1");
    let path = format!("/webhooks/{}", text(&made, "id"));
    assert!(w.store("GET", &path, None).await.json().get("secret").is_none());
    assert_eq!(w.store("GET", "/webhooks", None).await.json().items().len(), 2);
    assert_eq!(w.api("GET", &format!("/api/v1{path}"), None).await.status, 200);

    let id = w.invoice("BTC", "0.001", "BTC", "dep_1").await;
    w.pay(&id, "", "confirmed").await;
    w.sandbox.webhooks_idle().await;
    assert_eq!(other.kinds(), ["InvoiceSettled"], "names are matched with case");
    verify(&other.all()[0], "whsec-sample-1");

    let deliveries = w.store("GET", &format!("{path}/deliveries?count=5"), None).await.json();
    let record = deliveries.items()[0].clone();
    assert_eq!(
        (text(&record, "status"), record.get("httpCode").and_then(Json::as_i64)),
        ("HttpSuccess".into(), Some(200))
    );
    let one = format!("{path}/deliveries/{}", text(&record, "id"));
    assert_eq!(w.store("GET", &one, None).await.json(), record);
    let sent = w.store("GET", &format!("{one}/request"), None).await;
    assert_eq!(sent.bytes.to_vec(), other.all()[0].bytes);
    let again = w.store("POST", &format!("{one}/redeliver"), None).await.json();
    w.sandbox.webhooks_idle().await;
    assert_eq!(again.as_text().unwrap(), other.all()[1].text("deliveryId"));

    let missing = w.store("GET", &format!("{path}/deliveries/none"), None).await;
    assert_eq!(code(&missing), (404, "webhookdelivery-not-found".into()));
    w.advance(61 * 24 * 3600).await;
    for rest in ["request", "redeliver"] {
        let method = if rest == "request" { "GET" } else { "POST" };
        let pruned = w.store(method, &format!("{one}/{rest}"), None).await;
        assert_eq!(code(&pruned), (409, "webhookdelivery-pruned".into()));
    }

    let bad = w.store("PUT", &path, Some(r#"{"url":"nonsense"}"#)).await;
    assert_eq!(bad.text(), r#"[{"path":"Url","message":"Invalid Url"}]"#);
    let kept = format!(r#"{{"url":"{}/hooks","secret":""}}"#, other.url);
    assert_eq!(w.store("PUT", &path, Some(&kept)).await.status, 200);
    other.clear();
    w.invoice("BTC", "0.001", "BTC", "dep_2").await;
    w.sandbox.webhooks_idle().await;
    assert_eq!(other.kinds(), ["InvoiceCreated"], "everything, now");
    verify(&other.all()[0], "whsec-sample-1");

    assert_eq!(w.store("DELETE", &path, None).await.status, 200);
    assert_eq!(code(&w.store("GET", &path, None).await), (404, "webhook-not-found".into()));
    assert_eq!(
        code(&w.api("GET", &format!("/api/v1{path}"), None).await),
        (403, "missing-permission".into())
    );
}

#[tokio::test]
async fn webhooks_can_be_forged_and_of_an_unknown_type() {
    let w = World::new().await;
    w.done("/btcpay/faults", r#"{"bad_signature":true,"unknown_events":true}"#).await;
    w.invoice("BTC", "0.001", "BTC", "dep_1").await;
    w.sandbox.webhooks_idle().await;
    let got = w.gateway.all().pop().unwrap();
    assert_eq!(got.kind(), "InvoiceFrobnicated");
    let secret = w.sandbox.setting("btcpay", "webhook_secret").unwrap();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(&got.bytes);
    assert_ne!(got.signature, format!("sha256={}", hex::encode(mac.finalize().into_bytes())));
    assert_eq!(got.signature.len(), "sha256=".len() + 64);
}

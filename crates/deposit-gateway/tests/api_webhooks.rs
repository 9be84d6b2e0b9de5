//! Webhooks in (section 8), health, and the server's own limits.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::as_conversions
)]

mod common;

use std::time::Duration;

use common::{Options, TestGateway};
use deposit_gateway::http::{HttpConfig, bind};
use deposit_store::JournalFilter;
use deposit_store::prelude::*;
use hmac::{Hmac, KeyInit as _, Mac as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const PATH: &str = "/webhooks/btcpay";

fn signature(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

fn event(gateway: &TestGateway, delivery: &str, invoice: &str, order: &str) -> String {
    let store = gateway.sandbox.setting("btcpay", "store_id").unwrap();
    format!(
        r#"{{"deliveryId":"{delivery}","webhookId":"w1","originalDeliveryId":"{delivery}","isRedelivery":false,"type":"InvoiceSettled","timestamp":1772616600,"storeId":"{store}","invoiceId":"{invoice}","metadata":{{"orderId":"{order}"}},"manuallyMarked":false,"overPaid":false}}"#
    )
}

async fn deliveries(gateway: &TestGateway) -> usize {
    gateway.store.journal_rows(JournalFilter::default()).await.unwrap().len()
}

#[tokio::test]
async fn only_what_is_signed_is_taken_and_a_repeat_is_fine() {
    let gateway = TestGateway::start().await;
    let secret = gateway.sandbox.setting("btcpay", "webhook_secret").unwrap();
    let created = gateway.create("btc", r#"{"amount":0.0004}"#).await;
    let id = created.member("txId");
    let invoice = gateway.truth().await[0]["ref"].as_str().unwrap().to_owned();
    gateway.sandbox.webhooks_idle().await;
    let before = deliveries(&gateway).await;
    let body = event(&gateway, "delivery-1", &invoice, &id);
    let good = signature(&secret, &body);
    let post = async |signature: Option<&str>, body: &str| {
        let headers: Vec<_> = signature.map(|s| ("BTCPay-Sig", s)).into_iter().collect();
        gateway.send("POST", PATH, &headers, body.to_owned()).await
    };
    let wrong = "Webhook signature or token missing or wrong";
    post(None, &body).await.assert_error(401, wrong, "invalid_signature");
    post(Some(""), &body).await.assert_error(401, wrong, "invalid_signature");
    post(Some("sha256="), &body).await.assert_error(401, wrong, "invalid_signature");
    post(Some(&signature("guess", &body)), &body).await.assert_error(401, wrong, "invalid_signature");
    post(Some(&good), &body.replace("false", "true")).await.assert_error(401, wrong, "invalid_signature");
    assert_eq!(deliveries(&gateway).await, before);
    for _ in 0..3 {
        let reply = post(Some(&good), &body).await;
        assert_eq!((reply.status.as_u16(), reply.body.as_str()), (200, "{}"));
    }
    assert_eq!(deliveries(&gateway).await, before + 1);
    // Signed, and a lie: the API does not confirm it, so it credits nothing.
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(gateway.status("btc", &id).await.member("status"), "New");
    assert_eq!(gateway.post("/api/check-balance", "").await.member("usd_balance"), "0");
    let not_json = "not json";
    post(Some(&signature(&secret, not_json)), not_json).await.assert_error(
        400,
        "Webhook body cannot be read",
        "invalid_webhook",
    );
    gateway.stop().await;
}

#[tokio::test]
async fn unknown_providers_and_huge_bodies() {
    let gateway = TestGateway::start().await;
    for provider in ["stripe", "nope", "BTCPAY", "%ff"] {
        let path = format!("/webhooks/{provider}");
        gateway.send("POST", &path, &[], "{}").await.assert_error(404, "Not found", "not_found");
    }
    let body = " ".repeat(1024 * 1024 + 1);
    let reply = gateway.send("POST", PATH, &[], body.clone()).await;
    reply.assert_error(413, "Request body too large", "body_too_large");
    let reply = gateway.send("POST", PATH, &[], body[1..].to_owned()).await;
    assert_eq!(reply.status, 401);
    gateway.stop().await;
}

#[tokio::test]
async fn doubled_and_redelivered_webhooks_credit_once() {
    let gateway = TestGateway::start().await;
    gateway.faults(r#"{"webhooks":"duplicated"}"#).await;
    let id = gateway.create("btc", r#"{"amount":0.0004}"#).await.member("txId");
    gateway.pay(&id, None).await;
    gateway.wait_for("btc", &id, "Completed").await;
    gateway.control("/btcpay/redeliver", &format!(r#"{{"ref":"{id}"}}"#)).await;
    gateway.sandbox.webhooks_idle().await;
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(gateway.post("/api/check-balance", "").await.member("usd_balance"), "20");
    gateway.stop().await;
}

#[tokio::test]
async fn a_delivery_that_cannot_be_stored_is_asked_for_again() {
    let gateway = TestGateway::start_with(Options { background: false, ..Options::default() }).await;
    assert_eq!(gateway.get("/healthz").await.body, r#"{"status":"ok"}"#);
    assert_eq!(gateway.get("/readyz").await.body, r#"{"status":"ok"}"#);
    let secret = gateway.sandbox.setting("btcpay", "webhook_secret").unwrap();
    let body = event(&gateway, "delivery-1", "invoice", "order");
    let sig = signature(&secret, &body);
    gateway.store.close().await;
    let reply = gateway.send("POST", PATH, &[("btcpay-sig", &sig)], body).await;
    reply.assert_error(503, "Try again later", "not_stored");
    assert!(reply.header("retry-after").is_some());
    // The rest says what it can, and nothing of the cause.
    let ready = gateway.send("GET", "/readyz", &[], "").await;
    ready.assert_error(503, "Not ready", "not_ready");
    assert_eq!(gateway.get("/healthz").await.status, 200);
    let reply = gateway.get("/api/transaction/limits/btc").await;
    reply.assert_error(500, "Internal server error", "internal_error");
    let reply = gateway.create("btc", r#"{"amount":0.0004}"#).await;
    reply.assert_error(500, "Internal server error", "internal_error");
}

#[tokio::test]
async fn slow_clients_are_cut_off() {
    let http = HttpConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        header_timeout: Duration::from_millis(300),
        ..HttpConfig::default()
    };
    let gateway = TestGateway::start_with(Options { http, background: false, ..Options::default() }).await;
    let mut slow = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
    slow.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-slow: ").await.unwrap();
    // Others are served meanwhile.
    assert_eq!(gateway.get("/healthz").await.status, 200);
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_secs(5), slow.read_to_end(&mut rest)).await.unwrap().unwrap();
    gateway.stop().await;
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_their_turn() {
    let http = HttpConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        header_timeout: Duration::from_millis(500),
        max_connections: 1,
        ..HttpConfig::default()
    };
    let gateway = TestGateway::start_with(Options { http, background: false, ..Options::default() }).await;
    let _silent = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let started = std::time::Instant::now();
    assert_eq!(gateway.get("/healthz").await.status, 200);
    assert!(started.elapsed() > Duration::from_millis(300), "it did not wait");
    gateway.stop().await;
}

#[tokio::test]
async fn a_request_under_way_is_answered_before_the_stop() {
    let gateway = TestGateway::start().await;
    gateway.faults(r#"{"latency_ms":700}"#).await;
    let create = gateway.create("btc", r#"{"amount":0.0004}"#);
    let stop = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        gateway.begin_shutdown();
        tokio::time::sleep(Duration::from_millis(100)).await;
        tokio::net::TcpStream::connect(gateway.address).await
    };
    let (reply, refused) = tokio::join!(create, stop);
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert!(refused.is_err(), "still listening");
    gateway.stop().await;
}

#[tokio::test]
async fn idle_connections_do_not_hold_the_stop_up() {
    let gateway = TestGateway::start_with(Options { background: false, ..Options::default() }).await;
    // One that never said anything, one that waits between requests, one in the middle of a head.
    let _silent = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
    assert_eq!(gateway.get("/healthz").await.status, 200);
    let mut slow = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
    slow.write_all(b"GET /healthz HTTP/1.1\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    tokio::time::timeout(Duration::from_secs(5), gateway.stop()).await.unwrap();
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = taken.local_addr().unwrap();
    let error = bind(&HttpConfig { listen, ..HttpConfig::default() }).await.unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("server.listen: ") && text.contains(&listen.to_string()), "{text}");
}

//! What the log says about requests, and what it never says. A test binary of its own: the subscriber is global.
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

use std::io::Write;
use std::sync::{Arc, Mutex};

use common::TestGateway;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn requests_are_logged_without_secrets() {
    let log = Log::default();
    let writer = log.clone();
    // Our crates at the finest level: nothing that they could ever print is left out.
    tracing_subscriber::fmt()
        .json()
        .with_env_filter("info,deposit_gateway=trace,deposit_engine=trace,deposit_store=trace,deposit_btcpay=trace,deposit_transport=trace,deposit_facade=trace,deposit_rates=trace")
        .with_writer(move || writer.clone())
        .init();
    let gateway = TestGateway::start().await;
    let headers = [
        ("authorization", format!("Bearer {}", gateway.key)),
        ("x-request-id", "trace-me-1".to_owned()),
        ("idempotency-key", "idem-s3cr3t".to_owned()),
    ];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let path = "/api/transaction/create/btc?token=query-s3cr3t";
    let created = gateway.send("POST", path, &headers, r#"{"amount":0.0004,"note":"body-s3cr3t"}"#).await;
    assert_eq!(created.status, 200, "{}", created.body);
    let wrong = format!("{}x", gateway.key);
    gateway.send("POST", "/api/check-balance", &[("x-api-key", &wrong)], "").await;
    gateway
        .send("POST", "/webhooks/btcpay?token=query-s3cr3t", &[("btcpay-sig", "sha256=5161")], "body-s3cr3t")
        .await;
    gateway.pay(&created.member("txId"), None).await;
    gateway.wait_for("btc", &created.member("txId"), "Completed").await;
    // A key in the URL is none, and is not written down either.
    for name in ["api_key", "key"] {
        let path = format!("/api/transaction/limits/btc?{name}={}", gateway.key);
        let reply = gateway.send("GET", &path, &[], "").await;
        reply.assert_error(401, "Incorrect API key", "missing_api_key");
    }
    gateway.faults(r#"{"reject_key":true}"#).await;
    let headers = [("x-api-key", gateway.key.as_str()), ("x-request-id", "trace-me-2")];
    let path = "/api/transaction/create/ltc";
    assert_eq!(gateway.send("POST", path, &headers, r#"{"amount":1}"#).await.status, 500);
    let secrets: Vec<String> = ["api_key", "webhook_secret"]
        .iter()
        .map(|key| gateway.sandbox.setting("btcpay", key).unwrap())
        .chain([gateway.key.clone(), "s3cr3t".to_owned(), "sha256=5161".to_owned()])
        .collect();
    gateway.stop().await;

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for secret in &secrets {
        assert!(!text.contains(secret.as_str()), "the log has {secret}:\n{text}");
    }
    let why = "its signature or token is missing or wrong";
    let refused = |line: &&str| line.contains("webhook delivery refused") && line.contains(why);
    assert!(text.lines().any(|line| refused(&line)), "a refused delivery is not said:\n{text}");
    let line = text
        .lines()
        .find(|line| line.contains("trace-me-1") && line.contains("\"status\":200"))
        .unwrap_or_else(|| panic!("no line of the request in\n{text}"));
    for part in ["\"method\":\"POST\"", "\"path\":\"/api/transaction/create/btc\"", "\"millis\":"] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    // The id goes with the request into the engine and to the provider, although a create is a task of its own.
    let inner = |line: &&str| {
        line.contains("trace-me-2")
            && ["deposit_engine", "deposit_transport", "deposit_btcpay"]
                .iter()
                .any(|part| line.contains(&format!("\"target\":\"{part}")))
    };
    assert!(text.lines().any(|line| inner(&line)), "no inner line has the request's id:\n{text}");
}

//! `GET /metrics`, over a real socket.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::time::Duration;

use common::TestGateway;

/// The value of one line, by its name and labels.
fn value(text: &str, line: &str) -> Option<u64> {
    text.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(' ')?.parse().ok())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_and_what_waits_are_shown_and_nobody_is_named() {
    let gateway = TestGateway::start().await;
    let created = gateway.create("btc", r#"{"amount":0.0004}"#).await;
    assert_eq!(created.status, 200, "{}", created.body);
    let id = created.member("txId");
    gateway.status("btc", &id).await;
    gateway.status("btc", "unknown-to-everybody").await;
    gateway.send("GET", "/nowhere/4711", &[], "").await;

    // No key: the collector has none. The provider's own message about the new order comes and is worked off meanwhile.
    let mut reply = gateway.send("GET", "/metrics", &[], "").await;
    for _ in 0..400 {
        let quiet = value(&reply.body, "deposit_http_requests_under_way") == Some(1)
            && value(&reply.body, "deposit_deliveries_unhandled") == Some(0);
        if quiet {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
        reply = gateway.send("GET", "/metrics", &[], "").await;
    }
    assert_eq!(reply.status, 200);
    assert_eq!(reply.headers["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let text = reply.body;
    let route = r#"method="GET",route="/api/transaction/status/{ticker}/{txId}""#;
    let requests = |labels: &str| value(&text, &format!("deposit_http_requests_total{{{labels}}}"));
    assert_eq!(requests(&format!(r#"{route},status="200""#)), Some(1), "{text}");
    assert_eq!(requests(&format!(r#"{route},status="404""#)), Some(1), "{text}");
    assert_eq!(requests(r#"method="GET",route="none",status="404""#), Some(1), "{text}");
    assert_eq!(value(&text, "deposit_http_requests_under_way"), Some(1), "this one: {text}");
    assert_eq!(value(&text, "deposit_reviews_open"), Some(0));
    assert_eq!(value(&text, "deposit_deliveries_unhandled"), Some(0));
    assert_eq!(value(&text, r#"deposit_rate_usable{ticker="BTC"}"#), Some(1), "{text}");
    assert_eq!(value(&text, r#"deposit_provider_failing_seconds{provider="btcpay"}"#), Some(0), "{text}");
    assert_eq!(value(&text, r#"deposit_watch_oldest_unread_seconds{provider="btcpay"}"#), Some(0), "{text}");
    assert!(text.ends_with("# EOF\n"));
    for secret in [id.as_str(), gateway.key.as_str(), "4711", "unknown-to-everybody"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    gateway.stop().await;
}

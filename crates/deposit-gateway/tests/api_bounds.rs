//! A provider's own limits, as a client of the API meets them.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{Options, Reply, TestGateway};

async fn start() -> TestGateway {
    TestGateway::start_with(Options {
        background: false,
        also: &["nanswap"],
        rates: &[("BAN", "0.004"), ("KAS", "0.08"), ("XNO", "0.8")],
        ..Options::default()
    })
    .await
}

async fn limits(gateway: &TestGateway, ticker: &str) -> Reply {
    gateway.get(&format!("/api/transaction/limits/{ticker}")).await
}

fn assert_limits(reply: &Reply, minimum: &str, maximum: &str) {
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!((reply.member("minimum").as_str(), reply.member("maximum").as_str()), (minimum, maximum));
    assert_eq!(reply.member("fiatEquivalentMaximum"), "500", "as configured, whatever the provider takes");
}

#[tokio::test]
async fn nanswap_s_limits_are_quoted_and_held() {
    let gateway = start().await;
    let nanswap = &gateway.sandbox.emulators().nanswap;
    nanswap.set_limits("BAN", "40.5", "60000.000000001");
    assert_limits(&limits(&gateway, "BAN").await, "25", "125000");
    gateway.engine.refresh_bounds().await;
    let quoted = limits(&gateway, "BAN").await;
    assert_limits(&quoted, "40.5", "60000");
    assert_eq!(quoted.member("fiatEquivalentMinimum"), "0.1");
    assert_limits(&limits(&gateway, "KAS").await, "125", "6250");

    gateway.advance(61).await;
    let low = gateway.create("ban", r#"{"amount":40.4}"#).await;
    low.assert_error(400, "Minimum amount is 40.5", "amount_below_minimum");
    let high = gateway.create("ban", r#"{"amount":60000.1}"#).await;
    high.assert_error(400, "Maximum amount is 60000", "amount_above_maximum");
    for amount in ["40.5", "60000"] {
        let taken = gateway.create("ban", &format!(r#"{{"amount":{amount}}}"#)).await;
        assert_eq!(taken.status, 200, "{}", taken.body);
    }

    // A provider that cannot be asked leaves what was heard, and then ours alone; nobody waits for it.
    gateway.control("/nanswap/faults", r#"{"down":true}"#).await;
    gateway.engine.refresh_bounds().await;
    assert_limits(&limits(&gateway, "BAN").await, "40.5", "60000");
    gateway.advance(301).await;
    assert_limits(&limits(&gateway, "BAN").await, "25", "125000");
    gateway.stop().await;
}

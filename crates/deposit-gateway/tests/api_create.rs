//! Create, limits, status and balance as sections 3.1, 3.4, 3.5 and 3.7 show them; idempotency.
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

use common::{Options, START, TestGateway};
use deposit_core::Decimal;
use deposit_core::Ticker;
use serde_json::{Value, json};

#[tokio::test]
async fn a_new_deposit_has_exactly_the_members_of_the_contract() {
    let gateway = TestGateway::start().await;
    let reply = gateway.create("btc", r#"{"amount":4e-4,"ignored":true}"#).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("idempotent-replayed"), None);
    let json = reply.json();
    let id = json["txId"].as_str().unwrap().to_owned();
    assert!((16..=64).contains(&id.len()));
    assert!(id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'));
    let address = json["address"].as_str().unwrap().to_owned();
    let expected = json!({
        "txId": id, "ticker": "BTC", "amount": 0.0004, "status": "New",
        "createdAt": "2026-03-04T09:30:00.000Z", "expiresAt": "2026-03-04T10:30:00.000Z",
        "expiration": START + 3600, "remainingTime": 3600, "paidAmountCrypto": 0,
        "address": address, "paymentLink": format!("bitcoin:{address}?amount=0.0004"),
        "QRUrl": format!("http://127.0.0.1:8080/pay/{id}/qr.svg"),
        "amountCrypto": 0.0004, "amountFiat": 20,
    });
    assert_eq!(json, expected);
    assert!(
        reply.body.contains(r#""amount":0.0004,"#) && reply.body.contains(r#""amountFiat":20}"#),
        "{}",
        reply.body
    );

    // As it is a minute later.
    gateway.advance(61).await;
    let status = gateway.status("btc", &id).await;
    assert_eq!(status.header("x-poll-after"), Some("5"));
    let mut expected = expected;
    expected["remainingTime"] = json!(3539);
    expected["updatedAt"] = json!("2026-03-04T09:30:00.000Z");
    assert_eq!(status.json(), expected);
    gateway.stop().await;
}

#[tokio::test]
async fn every_btcpay_ticker() {
    let mut options = Options::default();
    options.engine.bonus.insert(Ticker::BTC_LN, Decimal::new(25, 1));
    let gateway = TestGateway::start_with(options).await;
    for (ticker, amount, link) in [
        ("BTC", "0.0004", "bitcoin:ADDR?amount=0.0004"),
        ("BTC-LN", "0.0004", "lightning:ADDR"),
        ("LTC", "0.5", "litecoin:ADDR?amount=0.5"),
        ("LTC-MWEB", "0.5", "litecoin:ADDR?amount=0.5"),
        ("XMR", "0.123456789012", "monero:ADDR?tx_amount=0.123456789012"),
        ("DOGE", "100", "dogecoin:ADDR?amount=100"),
        ("DASH", "1.5", "dash:ADDR?amount=1.5"),
        ("ZEC", "2", "zcash:ADDR?amount=2"),
    ] {
        let reply = gateway.create(&ticker.to_lowercase(), &format!(r#"{{"amount":{amount}}}"#)).await;
        assert_eq!(reply.status, 200, "{ticker}: {}", reply.body);
        assert_eq!(reply.member("ticker"), ticker);
        assert!(reply.body.contains(&format!(r#""amount":{amount},"#)), "{}", reply.body);
        assert_eq!(reply.member("paymentLink"), link.replace("ADDR", &reply.member("address")));
        let bonus = if ticker == "BTC-LN" { "2.5" } else { "null" };
        assert_eq!(reply.member("bonusPercent"), bonus);
    }
    gateway.stop().await;
}

#[tokio::test]
async fn limits_are_quoted_and_held() {
    let gateway = TestGateway::start().await;
    let reply = gateway.get("/api/transaction/limits/doge").await;
    assert_eq!(
        reply.body,
        format!(
            r#"{{"minimum":0.8,"maximum":4000,"fiatEquivalentMinimum":0.1,"fiatEquivalentMaximum":500,"timestamp":{START}}}"#
        )
    );
    for (amount, status) in [("0.8", 200), ("4000", 200), ("0.79999999", 400), ("4000.00000001", 400)] {
        let reply = gateway.create("doge", &format!(r#"{{"amount":{amount}}}"#)).await;
        assert_eq!(reply.status, status, "{amount}: {}", reply.body);
    }
    gateway.stop().await;
}

#[tokio::test]
async fn from_request_to_balance() {
    let gateway = TestGateway::start().await;
    assert_eq!(
        gateway.post("/api/check-balance", "").await.body,
        r#"{"usd_balance":"0","nano_balance":"0","nanoDepositAddress":""}"#
    );
    let id = gateway.create("btc", r#"{"amount":0.0004}"#).await.member("txId");
    // Half of it, not final yet.
    let seen = gateway
        .control("/btcpay/pay", &format!(r#"{{"ref":"{id}","amount":"0.0002","stage":"seen"}}"#))
        .await;
    let payment = seen["payment"].as_str().unwrap();
    let reply = gateway.wait_for("btc", &id, "Processing").await;
    assert_eq!(reply.header("x-poll-after"), Some("10"));
    assert!(reply.body.contains(r#""paidAmountCrypto":0.0002,"#), "{}", reply.body);
    assert_eq!(reply.json()["payments"], json!([{"id": payment, "amount": 0.0002, "stage": "seen"}]));
    assert_eq!(reply.json()["creditedUsd"], Value::Null);
    // Final: the part is credited at once.
    gateway
        .control("/btcpay/pay", &format!(r#"{{"ref":"{id}","payment":"{payment}","stage":"confirmed"}}"#))
        .await;
    let reply = gateway.wait_for("btc", &id, "Pending").await;
    assert_eq!(reply.member("creditedUsd"), "10", "{}", reply.body);
    assert!(reply.json()["statusReason"].is_string(), "{}", reply.body);
    // The rest.
    gateway.pay(&id, None).await;
    let reply = gateway.wait_for("btc", &id, "Completed").await;
    assert_eq!(reply.header("x-poll-after"), None);
    assert_eq!(reply.member("creditedUsd"), "20", "{}", reply.body);
    assert_eq!(reply.member("completedAt"), "2026-03-04T09:30:00.000Z");
    assert_eq!(reply.json()["payments"].as_array().unwrap().len(), 2);
    assert_eq!(reply.json()["late"], Value::Null);
    for body in ["", "{}", "nonsense", "\u{0}"] {
        let balance = gateway.post("/api/check-balance", body.to_owned()).await;
        assert_eq!(balance.member("usd_balance"), "20", "{}", balance.body);
    }
    // The provider's own id finds it as well.
    let truth = gateway.truth().await;
    let invoice = truth[0]["ref"].as_str().unwrap();
    assert_eq!(gateway.status("btc", invoice).await.member("txId"), id);
    gateway.stop().await;
}

#[tokio::test]
async fn a_repeat_with_the_same_key_is_the_first_answer_byte_for_byte() {
    let gateway = TestGateway::start().await;
    let first = gateway.create_with_key("btc", r#"{"amount":4e-4}"#, "k").await;
    assert_eq!(first.status, 200);
    assert_eq!(first.header("idempotent-replayed"), None);
    gateway.advance(700).await;
    gateway.pay(&first.member("txId"), None).await;
    gateway.wait_for("btc", &first.member("txId"), "Completed").await;
    for (ticker, body) in [
        ("BTC", r#"{"amount":4e-4}"#),
        ("btc", r#"{"amount":0.0004}"#),
        ("bTc", r#" {"x":[1,2],"amount":0.000400} "#),
    ] {
        let again = gateway.create_with_key(ticker, body, "k").await;
        assert_eq!(again.body, first.body);
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        assert!(again.header("ratelimit-remaining").is_some());
    }
    // Refusals are first answers too, even once they would be fine.
    let refused = gateway.create_with_key("btc", "{}", "k2").await;
    refused.assert_error(400, "No amount specified", "amount_missing");
    let again = gateway.create_with_key("btc", r#"{"amount":null}"#, "k2").await;
    assert_eq!((again.status, &again.body), (refused.status, &refused.body));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    let low = gateway.create_with_key("btc", r#"{"amount":1e-8}"#, "k3").await;
    low.assert_error(400, "Minimum amount is 0.000002", "amount_below_minimum");
    assert_eq!(gateway.create_with_key("btc", r#"{"amount":1e-8}"#, "k3").await.body, low.body);
    // Another account may use the same key; after a day so may this one.
    let other = gateway.issue_key("ben").await;
    let headers = [("x-api-key", other.as_str()), ("idempotency-key", "k")];
    let theirs = gateway.send("POST", "/api/transaction/create/btc", &headers, r#"{"amount":0.0004}"#).await;
    assert_ne!(theirs.member("txId"), first.member("txId"));
    assert_eq!(gateway.truth().await.len(), 2);
    gateway.stop().await;
}

#[tokio::test]
async fn a_key_with_other_content_is_a_conflict() {
    let gateway = TestGateway::start().await;
    assert_eq!(gateway.create_with_key("btc", r#"{"amount":0.0004}"#, "k").await.status, 200);
    for (ticker, body) in [
        ("btc", r#"{"amount":0.0005}"#),
        ("btc", r#"{"amount":"0.0004"}"#),
        ("btc", "{}"),
        ("btc", "{"),
        ("ltc", r#"{"amount":0.0004}"#),
        ("nope", r#"{"amount":0.0004}"#),
    ] {
        let reply = gateway.create_with_key(ticker, body, "k").await;
        reply.assert_error(409, "Idempotency key already used", "idempotency_conflict");
        assert_eq!(reply.header("retry-after"), None);
    }
    // Unreadable content equals nothing, not even itself.
    gateway.create_with_key("btc", "{", "k2").await.assert_error(
        400,
        "Invalid JSON in request body",
        "invalid_json",
    );
    let reply = gateway.create_with_key("btc", "{", "k2").await;
    reply.assert_error(409, "Idempotency key already used", "idempotency_conflict");
    for bad in ["", &"k".repeat(256)] {
        let reply = gateway.create_with_key("btc", r#"{"amount":0.0004}"#, bad).await;
        reply.assert_error(400, "Invalid idempotency key", "invalid_idempotency_key");
    }
    assert_eq!(gateway.create_with_key("btc", r#"{"amount":0.0004}"#, &"k".repeat(255)).await.status, 200);
    gateway.stop().await;
}

#[tokio::test]
async fn while_the_first_request_runs_a_repeat_is_told_to_wait() {
    let gateway = TestGateway::start().await;
    gateway.faults(r#"{"latency_ms":1500}"#).await;
    let body = r#"{"amount":0.0004}"#;
    let first = gateway.create_with_key("btc", body, "k");
    let second = async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        gateway.create_with_key("btc", body, "k").await
    };
    let (first, second) = tokio::join!(first, second);
    second.assert_error(409, "Idempotency key already used", "idempotency_conflict");
    assert_eq!(second.header("retry-after"), Some("1"));
    assert_eq!(first.status, 200, "{}", first.body);
    let third = gateway.create_with_key("btc", body, "k").await;
    assert_eq!(third.body, first.body);
    assert_eq!(gateway.truth().await.len(), 1);
    gateway.stop().await;
}

#[tokio::test]
async fn a_client_that_hangs_up_still_gets_one_deposit() {
    let gateway = TestGateway::start().await;
    gateway.faults(r#"{"latency_ms":600}"#).await;
    let body = r#"{"amount":0.0004}"#;
    let hung_up =
        tokio::time::timeout(Duration::from_millis(200), gateway.create_with_key("btc", body, "k")).await;
    assert!(hung_up.is_err());
    let mut reply = gateway.create_with_key("btc", body, "k").await;
    while reply.status == 409 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        reply = gateway.create_with_key("btc", body, "k").await;
    }
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.header("idempotent-replayed"), Some("true"));
    assert_eq!(gateway.truth().await.len(), 1);
    gateway.stop().await;
}

#[tokio::test]
async fn after_a_500_the_same_deposit_is_resumed() {
    let gateway = TestGateway::start().await;
    // The invoice is made, the answer is lost, and so is that of the look-up.
    gateway.faults(r#"{"drop_response_rate":1.0}"#).await;
    let body = r#"{"amount":0.0004}"#;
    let first = gateway.create_with_key("btc", body, "k").await;
    first.assert_error(500, "This payment method is currently not available", "payment_method_unavailable");
    gateway.faults("{}").await;
    gateway.advance(120).await;
    let second = gateway.create_with_key("btc", body, "k").await;
    assert_eq!(second.status, 200, "{}", second.body);
    assert_eq!(second.header("idempotent-replayed"), None);
    let truth = gateway.truth().await;
    assert_eq!(truth.len(), 1, "{truth:?}");
    assert_eq!(truth[0]["order"], json!(second.member("txId")));
    gateway.stop().await;
}

#[tokio::test]
async fn a_restart_forgets_nothing() {
    let gateway = TestGateway::start().await;
    let body = r#"{"amount":0.0004}"#;
    let paid = gateway.create_with_key("btc", body, "paid").await;
    gateway.pay(&paid.member("txId"), None).await;
    let completed = gateway.wait_for("btc", &paid.member("txId"), "Completed").await;
    let open = gateway.create_with_key("ltc", r#"{"amount":1}"#, "open").await;
    let refused = gateway.create_with_key("ltc", "{}", "refused").await;
    let gateway = gateway.restart().await;
    assert_eq!(gateway.create_with_key("btc", body, "paid").await.body, paid.body);
    assert_eq!(gateway.create_with_key("LTC", r#"{"amount":1.0}"#, "open").await.body, open.body);
    assert_eq!(gateway.create_with_key("ltc", "{}", "refused").await.body, refused.body);
    assert_eq!(gateway.status("btc", &paid.member("txId")).await.body, completed.body);
    assert_eq!(gateway.post("/api/check-balance", "").await.member("usd_balance"), "20");
    // What was open is still watched.
    gateway.pay(&open.member("txId"), None).await;
    gateway.wait_for("ltc", &open.member("txId"), "Completed").await;
    assert_eq!(gateway.truth().await.len(), 2);
    gateway.stop().await;
}

#[tokio::test]
async fn a_key_is_forgotten_after_a_day() {
    let gateway = TestGateway::start_with(Options { background: false, ..Options::default() }).await;
    let first = gateway.create_with_key("btc", r#"{"amount":0.0004}"#, "k").await.member("txId");
    gateway.advance(24 * 3600 - 1).await;
    assert_eq!(gateway.create_with_key("btc", r#"{"amount":0.0004}"#, "k").await.member("txId"), first);
    gateway.advance(2).await;
    let later = gateway.create_with_key("btc", r#"{"amount":0.0004}"#, "k").await;
    assert_eq!(later.header("idempotent-replayed"), None);
    assert_ne!(later.member("txId"), first, "{}", later.body);
    gateway.stop().await;
}

#[tokio::test]
async fn late_partial_and_reversed_deposits_say_so() {
    let gateway = TestGateway::start().await;
    let create = async || gateway.create("btc", r#"{"amount":0.0004}"#).await.member("txId");
    let scenario = async |id: &str, name: &str| {
        gateway.control("/btcpay/scenario", &format!(r#"{{"ref":"{id}","name":"{name}"}}"#)).await;
    };
    let id = create().await;
    scenario(&id, "expire").await;
    let expired = gateway.wait_for("btc", &id, "Expired").await;
    assert_eq!(expired.header("x-poll-after"), Some("60"));
    gateway.advance(1).await;
    gateway.pay(&id, Some("0.0004")).await;
    let late = gateway.wait_for("btc", &id, "Completed").await;
    assert_eq!(late.json()["late"], true, "{}", late.body);
    let id = create().await;
    scenario(&id, "partial").await;
    let partial = gateway.wait_for("btc", &id, "Pending").await;
    assert_eq!(partial.header("x-poll-after"), Some("5"));
    assert!(partial.json()["statusReason"].is_string(), "{}", partial.body);
    let id = create().await;
    gateway.pay(&id, None).await;
    gateway.wait_for("btc", &id, "Completed").await;
    scenario(&id, "reorg").await;
    gateway.advance(60).await;
    for _ in 0..400 {
        if gateway.status("btc", &id).await.json()["reversed"] == true {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
        gateway.advance(10).await;
    }
    let reversed = gateway.status("btc", &id).await;
    assert_eq!(reversed.json()["reversed"], true, "{}", reversed.body);
    assert_eq!(reversed.member("status"), "Completed");
    assert_eq!(reversed.header("x-poll-after"), Some("60"));
    assert_eq!(reversed.member("creditedUsd"), "0");
    assert_eq!(reversed.member("paidAmountCrypto"), "0");
    assert_eq!(reversed.json()["payments"][0]["stage"], "reversed");
    gateway.stop().await;
}

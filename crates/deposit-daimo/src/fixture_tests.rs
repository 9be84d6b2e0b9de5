//! What the emulator recorded (`cargo xtask fixtures`), as this adapter understands it. The snapshots are reviewed as code; ids are
//! replaced in them, so that a new recording changes only what it means.

use std::collections::BTreeMap;

use deposit_core::{IntentRecord, RawDelivery, Secret, Snapshot, Timestamp};
use deposit_testkit::{Recorded, hmac_sha256};
use serde_json::Value;

use crate::api::{Created, PaymentAnswer, SessionAnswer};
use crate::backend::Seen;
use crate::testing::{CREATED, destination, intent, usdc};
use crate::{map, webhook};

const FIXTURES: Recorded = Recorded("daimo");

/// The deposit that an order of a fixture belongs to.
fn deposit(seen: &Seen) -> IntentRecord {
    let mut intent = intent("10.5");
    intent.provider_ref = seen.id.parse().unwrap();
    intent.deposit_id = seen.metadata["depositId"].as_str().unwrap().parse().unwrap();
    intent
}

fn read(name: &str, seen: &Seen) -> Snapshot {
    let snapshot = map::snapshot(&deposit(seen), &destination(), seen);
    assert!(map::mismatch(&deposit(seen).deposit_id, usdc("10.5"), &destination(), seen).is_none(), "{name}");
    snapshot
}

#[test]
fn states() {
    let words = ["unpaid", "started", "completed", "bounced", "by_external_id", "unknown_word"];
    let mut shown = BTreeMap::new();
    for name in FIXTURES.names("payment_") {
        let state = name.strip_prefix("payment_").unwrap();
        if words.iter().any(|word| state.starts_with(word)) {
            let PaymentAnswer(payment) = FIXTURES.parsed(&name);
            let seen = Seen::from(payment);
            let text = serde_json::to_string(&read(&name, &seen)).unwrap().replace(&seen.id, "[order]");
            shown.insert(name, serde_json::from_str::<Value>(&text).unwrap());
        }
    }
    let words = ["requires", "waiting", "processing", "succeeded", "bounced", "expired", "unknown_word"];
    for name in FIXTURES.names("session_") {
        let state = name.strip_prefix("session_").unwrap();
        if words.iter().any(|word| state.starts_with(word)) {
            let answer: SessionAnswer = FIXTURES.parsed(&name);
            let seen = Seen::from(answer.session);
            let text = serde_json::to_string(&read(&name, &seen)).unwrap().replace(&seen.id, "[order]");
            shown.insert(name, serde_json::from_str::<Value>(&text).unwrap());
        }
    }
    assert_eq!(shown.len(), 17, "are the fixtures complete?");
    insta::assert_json_snapshot!("states", shown);
}

#[test]
fn creates() {
    let created: Created = FIXTURES.parsed("payment_create_ok");
    assert!(created.url.ends_with(&format!("/checkout?id={}", created.id)));
    assert_eq!(created.payment.unwrap().id, created.id);
    let answer: SessionAnswer = FIXTURES.parsed("session_create_ok");
    assert_eq!(answer.session.client_secret.as_deref(), Some("REDACTED"));
    // Without the key neither the client's secret nor our mark is told: nothing could be concluded from that.
    let public: SessionAnswer = FIXTURES.parsed("session_public");
    assert!(public.session.client_secret.is_none());
    let (mine, public) = (deposit(&Seen::from(answer.session)), Seen::from(public.session));
    assert!(map::mismatch(&mine.deposit_id, usdc("10.5"), &destination(), &public).is_some());
}

/// What is recorded was sent with bodies of the adapter's own form.
#[test]
fn requests_are_the_adapter_s_own() {
    #[derive(serde::Deserialize)]
    struct Sent {
        body: Value,
    }
    for name in ["payment_create_ok", "session_create_ok"] {
        let sent: Sent = FIXTURES.request(name);
        let id: deposit_core::DepositId =
            sent.body["metadata"]["depositId"].as_str().unwrap().parse().unwrap();
        let (to, refunds) = (destination(), crate::testing::REFUNDS);
        let asked = crate::backend::Asked {
            deposit_id: &id,
            ticker: deposit_core::Ticker::USDC,
            amount: usdc("10.5"),
        };
        let mut ours = if name.starts_with("payment") {
            serde_json::to_value(crate::payments::body(&id, &asked, &to, refunds)).unwrap()
        } else {
            serde_json::to_value(crate::sessions::body(&asked, &to, refunds)).unwrap()
        };
        assert_eq!(ours["destination"]["amountUnits"], "10.5");
        ours["destination"]["amountUnits"] = "10.50".into();
        assert_eq!(ours, sent.body, "{name}");
    }
}

#[test]
fn wrong_types_are_no_answer() {
    assert!(serde_json::from_str::<PaymentAnswer>(&FIXTURES.body("payment_wrong_types")).is_err());
    assert!(serde_json::from_str::<SessionAnswer>(&FIXTURES.body("session_wrong_types")).is_err());
}

#[test]
fn webhooks() {
    #[derive(serde::Deserialize)]
    struct Delivered {
        headers: BTreeMap<String, String>,
        body: String,
    }
    let mut shown = BTreeMap::new();
    for name in FIXTURES.names("webhook_") {
        let sent: Delivered = FIXTURES.request(&name);
        let event: Value = serde_json::from_str(&sent.body).unwrap();
        let mut headers: Vec<_> = sent.headers.into_iter().collect();
        let secret = Secret::new("REDACTED");
        if name.starts_with("webhook_session") {
            // Its secret is not recorded: signed anew, over the recorded bytes and with the recorded time.
            let (_, header) = headers.iter_mut().find(|(name, _)| name == "daimo-signature").unwrap();
            let stamp = header.split(',').next().unwrap().strip_prefix("t=").unwrap().to_owned();
            let proof = hmac_sha256("REDACTED", &[format!("{stamp}.{}", sent.body).as_bytes()]);
            *header = format!("t={stamp},v1={proof}");
        }
        let received_at = Timestamp::from_secs(CREATED);
        let raw = RawDelivery { headers: &headers, query: &[], body: sent.body.as_bytes(), received_at };
        let delivery = if name.starts_with("webhook_session") {
            webhook::of_sessions(&secret, &raw)
        } else {
            webhook::of_payments(&secret, &raw)
        };
        let delivery = delivery.unwrap_or_else(|error| panic!("{name}: {error}"));
        let order = event["paymentId"].as_str().or(event["data"]["session"]["sessionId"].as_str()).unwrap();
        let text = serde_json::to_string(&(&delivery.observations, &delivery.concerns)).unwrap();
        shown.insert(name, serde_json::from_str::<Value>(&text.replace(order, "[order]")).unwrap());
    }
    insta::assert_json_snapshot!("webhooks", shown);
    let id = |name: &str| {
        let sent: Delivered = FIXTURES.request(name);
        sent.headers["idempotency-key"].clone()
    };
    assert_eq!(id("webhook_payment_bounced"), id("webhook_payment_bounced_again"));
}

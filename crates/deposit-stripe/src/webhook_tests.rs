use deposit_core::Timestamp;
use deposit_testkit::hmac_sha256;
use serde_json::{Value, json};

use super::*;
use crate::testing::{DEPOSIT, INTENT, S1, S2, SESSION, config, merge};

const A: &[u8] = br#"{"id":"evt_test_0001","object":"event"}"#;
const A_S1: &str = "9d0ad21825aac46c0ca4bc99bb6c742cbcb4015b0db593bd12756d5e1fc4614b";
const A_S2: &str = "50afc063b9111caec56d106122723dad7692ffd87f5511d5c28b588e802940f6";
const B: &[u8] = br#"{"id":"evt_1QDepositAAA0001","object":"event","api_version":"2026-06-24.dahlia","created":1790000100,"livemode":false,"pending_webhooks":1,"request":{"id":null,"idempotency_key":null},"type":"checkout.session.completed","data":{"object":{"id":"cs_test_a1DepositAAA0001","object":"checkout.session","amount_total":2500,"currency":"usd","client_reference_id":"dep_0001","payment_intent":"pi_3QDepositAAA0001","payment_status":"paid","status":"complete","livemode":false}}}"#;
const NOW: i64 = 1_790_000_010;

fn webhooks() -> Webhooks {
    Webhooks::new(&config().check().unwrap())
}

fn take_at(hooks: &Webhooks, header: &str, body: &[u8], now: i64) -> Result<Delivery, WebhookError> {
    let headers = [(SIGNATURE.to_owned(), header.to_owned())];
    let received_at = Timestamp::from_secs(now);
    hooks.take(&RawDelivery { headers: &headers, query: &[], body, received_at })
}

fn sign(secret: &str, body: &[u8]) -> String {
    format!("t={NOW},v1={}", hmac_sha256(secret, &[format!("{NOW}.").as_bytes(), body]))
}

/// Body A is authentic and no whole event: what follows the signature refuses it with other words.
fn is_authentic(result: &Result<Delivery, WebhookError>) -> bool {
    match result {
        Ok(_) | Err(WebhookError::Malformed(_)) => true,
        Err(WebhookError::Unauthenticated) => false,
        Err(other) => panic!("{other}"),
    }
}

/// Section 4 of the dossier: its header cases.
#[test]
fn the_header_cases() {
    let zeros = "0".repeat(64);
    for (header, now, accepted) in [
        (format!("t=1790000000,v1={A_S1}"), NOW, true),
        (format!("t=1790000000,v1={A_S2},v1={A_S1},v0=00"), NOW, true),
        (format!("v1={A_S1},t=1790000000"), NOW, true),
        (format!("t=1790000000,v1={A_S2}"), NOW, false),
        (format!("t=1790000000,v0={A_S1}"), NOW, false),
        (format!("t=1790000001,v1={A_S1}"), NOW, false),
        (format!("t=1790000000,v1={A_S1}"), 1_790_000_300, true),
        (format!("t=1790000000,v1={A_S1}"), 1_790_000_301, false),
        (format!("t=1790000000,v1={A_S1}"), 1_789_999_700, true),
        (format!("t=1790000000,v1={A_S1}"), 1_789_999_699, false),
        (format!("v1={A_S1}"), NOW, false),
        (String::new(), NOW, false),
        (format!("t=01790000000,v1={A_S1}"), NOW, false),
        (format!("t=x,v1={A_S1}"), NOW, false),
        (format!("t=1790000000,v1={zeros}"), NOW, false),
        // The mistakes: without `t.`, without `whsec_`, with the secret decoded, with a newline more.
        (
            "t=1790000000,v1=3cb062bf3e61a8dd67a9b6390af72268d5bd4f26ada948cfa71e5dedecbd993d".into(),
            NOW,
            false,
        ),
        (
            "t=1790000000,v1=8329cfd88cf7f4fa9c7e4176c8d403137e8c105ea5d4263a574676bc27ea86ae".into(),
            NOW,
            false,
        ),
        (
            "t=1790000000,v1=ae1f4f1c73a7f5ff5b95c6016a7b6f30ef2a34a40660eb9909230253b7a7dbf4".into(),
            NOW,
            false,
        ),
        (
            "t=1790000000,v1=536928f4abe1b682d9b896b9aeb7937ffa5afd558c9927a2cb075ac1b36864be".into(),
            NOW,
            false,
        ),
    ] {
        assert_eq!(is_authentic(&take_at(&webhooks(), &header, A, now)), accepted, "{header} at {now}");
    }
}

/// Section 4 of the dossier: its bodies.
#[test]
fn the_vectors() {
    let c = "{\n  \"id\": \"evt_test_0002\",\n  \"object\": \"event\",\n  \"note\": \"Zahlung über 25 €\"\n}";
    let both = {
        let mut config = config();
        config.webhook_secret = Secret::new(format!("{S1},{S2}"));
        Webhooks::new(&config.check().unwrap())
    };
    for (body, stamp, v1, by_s1) in [
        (A, 1_790_000_000, A_S1, true),
        (A, 1_790_000_000, A_S2, false),
        (B, 1_790_000_123, "89e35f815e1d1bbe0975391943bcb69d9364d493263507364b1a85d7247f4231", true),
        (B, 1_790_000_123, "ffaf8c8578c3796ae83dafcc902956bf02c2466190420a16d5d861c81abc9211", false),
        (
            c.as_bytes(),
            1_790_000_200,
            "8b60bf2771ad06970a1a248b2e63fa5e949b2861c415e4e51cbb2b1ddf1418df",
            true,
        ),
        (
            c.as_bytes(),
            1_790_000_200,
            "408620a588cac1dd5f08661f6cad0c37f0d5fa506b83472a88e6616aeaf3e5c7",
            false,
        ),
        (b"", 1_790_000_300, "e0df91aae0b58588f3791fe1024fbb16b2bc1287d0706e4cf985fdf735b577b9", true),
    ] {
        let header = format!("t={stamp},v1={v1}");
        assert_eq!(is_authentic(&take_at(&webhooks(), &header, body, stamp)), by_s1, "{v1}");
        assert!(
            is_authentic(&take_at(&both, &header, body, stamp)),
            "{v1}: either secret while one is rolled"
        );
    }
    let header = "t=1790000123,v1=89e35f815e1d1bbe0975391943bcb69d9364d493263507364b1a85d7247f4231";
    let delivery = take_at(&webhooks(), header, B, 1_790_000_123).unwrap();
    assert_eq!(delivery.id.as_str(), "evt_1QDepositAAA0001");
    // The abridged session has no metadata: whose it is cannot be told from it.
    assert_eq!(delivery.observations, [observation(SESSION_OF_B, None, Observed::PaymentHint)]);
}

const SESSION_OF_B: &str = "cs_test_a1DepositAAA0001";

fn observation(order: &str, ours: Option<bool>, observed: Observed) -> Observation {
    let target = Target::Order(order.parse().unwrap());
    Observation { provider: ID, target, ticker: None, ours, observed }
}

fn event(kind: &str, object: Value, changes: Value) -> Value {
    let mut event = json!({
        "id": "evt_1", "object": "event", "api_version": "2026-06-24.dahlia", "created": NOW, "livemode": false,
        "pending_webhooks": 1, "request": {"id": null, "idempotency_key": null}, "type": kind, "data": {"object": object}
    });
    merge(&mut event, &changes);
    event
}

fn take(event: &Value) -> Result<Delivery, WebhookError> {
    let body = event.to_string();
    take_at(&webhooks(), &sign(S1, body.as_bytes()), body.as_bytes(), NOW)
}

fn marker() -> Value {
    json!({"deposit_id": DEPOSIT, "deposit_gateway": "deposit/1"})
}

fn session() -> Value {
    json!({"id": SESSION, "object": "checkout.session", "payment_intent": INTENT, "metadata": marker()})
}

#[test]
fn every_type_of_a_session() {
    for (kind, observed) in [
        ("checkout.session.completed", Observed::PaymentHint),
        ("checkout.session.async_payment_succeeded", Observed::PaymentHint),
        ("checkout.session.async_payment_failed", Observed::Hint),
        ("checkout.session.expired", Observed::Hint),
    ] {
        let delivery = take(&event(kind, session(), json!({}))).unwrap();
        assert_eq!(delivery.observations, [observation(SESSION, Some(true), observed)], "{kind}");
        assert_eq!(delivery.concerns, [], "{kind}");
        let foreign = json!({"data": {"object": {"metadata": {"deposit_gateway": "another/1"}}}});
        let delivery = take(&event(kind, session(), foreign)).unwrap();
        assert_eq!(delivery.observations[0].ours, Some(false), "{kind}");
        let nameless = event(kind, json!({"object": "checkout.session"}), json!({}));
        assert_eq!(take(&nameless), Err(WebhookError::Malformed("no session id")), "{kind}");
    }
}

#[test]
fn a_charge_is_ours_by_its_metadata() {
    let charge = json!({"id": "ch_1", "object": "charge", "payment_intent": INTENT, "metadata": marker()});
    let delivery = take(&event("charge.refunded", charge.clone(), json!({}))).unwrap();
    let target = Target::Deposit(DEPOSIT.parse().unwrap());
    let ours = Observation { target, ..observation(INTENT, Some(true), Observed::Hint) };
    assert_eq!(delivery.observations, [ours]);
    let mut foreign = charge;
    foreign["metadata"] = json!({"deposit_id": DEPOSIT});
    let delivery = take(&event("charge.refunded", foreign, json!({}))).unwrap();
    assert_eq!(delivery.observations, [observation(INTENT, Some(false), Observed::Hint)]);
}

#[test]
fn refunds_and_disputes_are_known_by_their_payment_alone() {
    let object = json!({"id": "xx_1", "payment_intent": INTENT, "metadata": {}});
    for (kind, concerns) in [
        ("refund.created", 0),
        ("refund.updated", 0),
        ("refund.failed", 0),
        ("charge.refund.updated", 0),
        ("charge.dispute.created", 1),
        ("charge.dispute.updated", 0),
        ("charge.dispute.funds_withdrawn", 0),
        ("charge.dispute.funds_reinstated", 0),
        ("charge.dispute.closed", 1),
    ] {
        let delivery = take(&event(kind, object.clone(), json!({}))).unwrap();
        assert_eq!(delivery.observations, [observation(INTENT, None, Observed::Hint)], "{kind}");
        assert_eq!(delivery.concerns.len(), concerns, "{kind}");
        let bare = take(&event(kind, json!({"id": "xx_1", "payment_intent": null}), json!({}))).unwrap();
        assert_eq!(bare.observations, [], "{kind}: a charge without a PaymentIntent is not ours");
    }
}

#[test]
fn what_tells_nothing_new_is_dropped() {
    for kind in [
        "payment_intent.created",
        "payment_intent.requires_action",
        "payment_intent.processing",
        "payment_intent.succeeded",
        "payment_intent.payment_failed",
        "payment_intent.canceled",
        "charge.succeeded",
        "charge.failed",
        "charge.pending",
        "charge.updated",
    ] {
        let delivery = take(&event(kind, session(), json!({}))).unwrap();
        assert_eq!((delivery.observations, delivery.concerns), (vec![], vec![]), "{kind}");
    }
    assert!(WANTED.len() <= 20 && WANTED.iter().all(|kind| use_of(kind) != Use::Nothing));
    assert!(WANTED.iter().all(|kind| use_of(kind) != Use::Unknown));
}

#[test]
fn strangers_are_acknowledged_and_nothing_more() {
    for (kind, changes, code) in [
        ("checkout.session.dissolved", json!({}), "unknown_event"),
        ("checkout.session.completed", json!({"livemode": true}), "other_mode"),
        ("checkout.session.completed", json!({"account": "acct_1"}), "other_account"),
    ] {
        let delivery = take(&event(kind, session(), changes)).unwrap();
        assert_eq!(delivery.observations, []);
        assert_eq!(delivery.concerns.iter().map(|c| c.code.as_str()).collect::<Vec<_>>(), [code]);
    }
    let thin = event("v1.something", session(), json!({"object": "v2.core.event"}));
    assert_eq!(take(&thin), Err(WebhookError::Malformed("not an event of API v1")));
}

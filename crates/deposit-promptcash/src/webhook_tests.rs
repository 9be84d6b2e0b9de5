use deposit_core::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::testing::{SECRET, TX_ID};

fn take(body: &[u8]) -> Result<Delivery, WebhookError> {
    let delivery = RawDelivery { headers: &[], query: &[], body, received_at: Timestamp::EPOCH };
    Webhooks::new(Secret::new(SECRET)).take(&delivery)
}

/// A callback with some members of its payment changed; `null` takes one away.
fn callback(changes: Value) -> Vec<u8> {
    let mut payment = json!({
        "id": 4711, "tx_id": TX_ID, "status": "PAID", "amount_crypto": 0.04321987, "amount_fiat": 12.5,
        "paid_amount_crypto": 0.04321987, "fiat_currency": "USD", "crypto_currency": "BCH",
        "address": "bitcoincash:qexample", "hash": "ab12", "confirmations": 0, "paid": "2026-01-02T03:06:00Z"
    });
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            payment.as_object_mut().unwrap().remove(name);
        } else {
            payment[name] = value.clone();
        }
    }
    serde_json::to_vec(&json!({ "token": SECRET, "payment": payment })).unwrap()
}

fn taken(changes: Value) -> Delivery {
    take(&callback(changes)).unwrap()
}

#[test]
fn a_callback_is_a_hint_about_a_payment_and_no_more() {
    let delivery = taken(json!({}));
    assert_eq!(delivery.id.as_str(), format!("{TX_ID}:PAID:0.04321987"));
    let expected = Observation {
        provider: ID,
        target: Target::Order(TX_ID.parse().unwrap()),
        ticker: Some(Ticker::BCH),
        ours: None,
        observed: Observed::PaymentHint,
    };
    assert_eq!((delivery.observations, delivery.concerns), (vec![expected], vec![]));
}

#[test]
fn every_status() {
    for (status, paid, observed) in [
        ("PENDING", 0.01, Observed::PaymentHint),
        ("CONFIRMING", 0.01, Observed::PaymentHint),
        ("PAID", 0.01, Observed::PaymentHint),
        ("HOLD", 0.0, Observed::PaymentHint),
        ("REFUNDED", 0.0, Observed::PaymentHint),
        ("EXPIRED", 0.0, Observed::Hint),
        ("EXPIRED", 0.01, Observed::PaymentHint),
        ("CANCELLED", 0.0, Observed::Hint),
    ] {
        let delivery = taken(json!({"status": status, "paid_amount_crypto": paid}));
        assert_eq!(delivery.observations[0].observed, observed, "{status}");
        assert!(delivery.concerns.is_empty(), "{status}");
    }
    let unknown = taken(json!({"status": "FROBNICATED"}));
    assert_eq!(unknown.observations[0].observed, Observed::Hint);
    assert_eq!(unknown.concerns[0].code, "unknown_event");
}

#[test]
fn the_same_event_has_the_same_id_and_another_has_not() {
    let id = |changes| taken(changes).id;
    assert_eq!(id(json!({})), id(json!({"confirmations": 5})));
    let others = [
        json!({"status": "EXPIRED"}),
        json!({"paid_amount_crypto": 1}),
        json!({"tx_id": "another-deposit-1"}),
    ];
    for other in others {
        assert_ne!(id(json!({})), id(other));
    }
}

#[test]
fn whose_it_is() {
    let of = |changes| taken(changes).observations.remove(0);
    assert_eq!(of(json!({"tx_id": "wc-17"})).ours, Some(false));
    assert_eq!(of(json!({"crypto_currency": "SLP", "slp_token": "BCH"})).ticker, None);
    assert_eq!(of(json!({"slp_token": "SPICE"})).ticker, Some(Ticker::BCH));
}

#[test]
fn nothing_is_believed_without_the_secret() {
    let with = |token: Value| {
        let mut body: Value = serde_json::from_slice(&callback(json!({}))).unwrap();
        body["token"] = token;
        take(&serde_json::to_vec(&body).unwrap())
    };
    assert!(with(json!(SECRET)).is_ok());
    let public = crate::testing::config().public_token;
    for wrong in
        [json!(""), json!(null), json!(7), json!([SECRET]), json!(public), json!(format!("{SECRET} "))]
    {
        assert_eq!(with(wrong.clone()), Err(WebhookError::Unauthenticated), "{wrong}");
    }
    // Which of two members a reader takes is nobody's business: none.
    let twice = format!(r#"{{"token":"x","token":"{SECRET}","payment":{{}}}}"#);
    assert_eq!(take(twice.as_bytes()), Err(WebhookError::Unauthenticated));
    for body in [&b""[..], b"{}", b"null", b"[]", b"\xff"] {
        assert_eq!(take(body), Err(WebhookError::Unauthenticated));
    }
    let empty = RawDelivery {
        headers: &[],
        query: &[],
        body: br#"{"token":"","payment":{"tx_id":"x","status":"PAID"}}"#,
        received_at: Timestamp::EPOCH,
    };
    assert_eq!(Webhooks::new(Secret::default()).take(&empty), Err(WebhookError::Unauthenticated));
}

#[test]
fn authentic_nonsense_is_malformed() {
    let with = |payment: &str| take(format!(r#"{{"token":"{SECRET}","payment":{payment}}}"#).as_bytes());
    for payment in ["null", "{}", "[]", r#"{"tx_id":7,"status":"PAID"}"#, r#"{"tx_id":"","status":"PAID"}"#] {
        assert!(matches!(with(payment), Err(WebhookError::Malformed(_))), "{payment}");
    }
    assert!(matches!(with(r#"{"tx_id":"a","status":"a\nb"}"#), Err(WebhookError::Malformed(_))));
    assert!(matches!(take(format!(r#"{{"token":"{SECRET}"}}"#).as_bytes()), Err(WebhookError::Malformed(_))));
}

#[test]
fn the_account_s_secret_is_not_journalled() {
    let body = br#"{"token":"hush-\u0068ush","payment":{"id":1,"paid_amount_crypto":0.04321987000}}"#;
    let kept = String::from_utf8(without_token(body).into_owned()).unwrap();
    assert_eq!(kept, r#"{"payment":{"id":1,"paid_amount_crypto":0.04321987000},"token":"REDACTED"}"#);
    assert!(without_token(b"hush").is_empty());
}

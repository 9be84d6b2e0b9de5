use deposit_core::Timestamp;
use deposit_testkit::hmac_sha256;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::testing::{CREATED, ORDER_ID, PAYMENT, TOKEN};

fn pairs(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
}

fn payments(headers: &[(&str, &str)], body: &[u8]) -> Result<Delivery, WebhookError> {
    let headers = pairs(headers);
    let received_at = Timestamp::from_secs(CREATED);
    of_payments(&Secret::new(TOKEN), &RawDelivery { headers: &headers, query: &[], body, received_at })
}

fn right(body: &Value) -> Result<Delivery, WebhookError> {
    payments(&[("authorization", "Basic token-sample-1")], body.to_string().as_bytes())
}

fn event(kind: &str) -> Value {
    json!({"type": kind, "paymentId": PAYMENT, "chainId": 8453, "txHash": "0xde00",
           "payment": {"id": PAYMENT, "status": "payment_completed", "externalId": ORDER_ID,
                       "metadata": {"depositId": ORDER_ID, "depositGateway": "deposit/1"}}})
}

fn signed(secret: &str, stamp: i64, body: &[u8]) -> String {
    format!("t={stamp},v1={}", hmac_sha256(secret, &[format!("{stamp}.").as_bytes(), body]))
}

fn sessions(signature: &str, body: &[u8]) -> Result<Delivery, WebhookError> {
    let headers = pairs(&[("daimo-signature", signature)]);
    let received_at = Timestamp::from_secs(CREATED);
    of_sessions(&Secret::new(TOKEN), &RawDelivery { headers: &headers, query: &[], body, received_at })
}

fn session_event(kind: &str) -> Value {
    json!({"id": "evt_1", "type": kind, "createdAt": CREATED,
           "data": {"session": {"sessionId": PAYMENT, "status": "succeeded",
                                "metadata": {"depositGateway": "deposit/1"}}}})
}

/// The token is compared as it is: neither decoded nor trimmed.
#[test]
fn the_token_of_payments() {
    let body = event("payment_completed").to_string();
    for fine in ["Basic token-sample-1", "basic token-sample-1", "BASIC token-sample-1"] {
        assert!(payments(&[("authorization", fine)], body.as_bytes()).is_ok(), "{fine}");
    }
    for bad in [
        "",
        "Basic",
        "Basic ",
        "Basic  token-sample-1",
        "Basic token-sample-1 ",
        "Basic token-sample-2",
        "Basic dG9rZW4tc2FtcGxlLTE=",
        "Basic OnRva2VuLXNhbXBsZS0x",
        "Bearer token-sample-1",
        "token-sample-1",
    ] {
        let answer = payments(&[("authorization", bad)], body.as_bytes());
        assert_eq!(answer, Err(WebhookError::Unauthenticated), "{bad}");
    }
    assert_eq!(payments(&[], body.as_bytes()), Err(WebhookError::Unauthenticated));
    // An invention of other people's code.
    let invented = [("x-daimo-signature", "token-sample-1")];
    assert_eq!(payments(&invented, body.as_bytes()), Err(WebhookError::Unauthenticated));
    let headers = pairs(&[("authorization", "Basic ")]);
    let raw =
        RawDelivery { headers: &headers, query: &[], body: body.as_bytes(), received_at: Timestamp::EPOCH };
    assert_eq!(of_payments(&Secret::default(), &raw), Err(WebhookError::Unauthenticated), "no token: closed");
}

#[test]
fn the_signature_of_sessions() {
    let body = session_event("session.succeeded").to_string().into_bytes();
    assert!(sessions(&signed(TOKEN, CREATED, &body), &body).is_ok());
    for stamp in [CREATED - 300, CREATED + 300] {
        assert!(sessions(&signed(TOKEN, stamp, &body), &body).is_ok());
    }
    let pretty = serde_json::to_string_pretty(&session_event("session.succeeded")).unwrap();
    let refused = [
        (signed("another", CREATED, &body), &body[..]),
        (signed("", CREATED, &body), &body[..]),
        (signed(TOKEN, CREATED - 301, &body), &body[..]),
        (signed(TOKEN, CREATED + 301, &body), &body[..]),
        // The same JSON, written anew.
        (signed(TOKEN, CREATED, &body), pretty.as_bytes()),
        (signed(TOKEN, CREATED, &body).replace("t=1785000000", "t=1785000001"), &body[..]),
        (String::new(), &body[..]),
    ];
    for (signature, body) in refused {
        assert_eq!(sessions(&signature, body), Err(WebhookError::Unauthenticated), "{signature}");
    }
}

#[test]
fn each_event_is_a_hint_to_read() {
    let hint = |delivery: Delivery, id: &str| {
        assert!(delivery.concerns.is_empty());
        let [one] = &delivery.observations[..] else { panic!("{delivery:?}") };
        assert_eq!((one.provider, one.ours, one.ticker), (ID, Some(true), None));
        assert_eq!(one.target, Target::Order(PAYMENT.parse().unwrap()));
        assert_eq!(one.observed, Observed::PaymentHint);
        assert_eq!(delivery.id.as_str(), id);
    };
    for kind in ["payment_started", "payment_completed", "payment_bounced"] {
        hint(right(&event(kind)).unwrap(), &format!("{PAYMENT}:{kind}:0xde00"));
    }
    for kind in ["session.processing", "session.succeeded", "session.bounced"] {
        let body = session_event(kind).to_string().into_bytes();
        hint(sessions(&signed(TOKEN, CREATED, &body), &body).unwrap(), "evt_1");
    }
    for kind in ["payment_unpaid", "payment_settled", "session.succeeded"] {
        let delivery = right(&event(kind)).unwrap();
        assert!(delivery.observations.is_empty());
        assert_eq!(delivery.concerns[0].code, "unknown_event", "{kind}");
    }
    let body = session_event("session.expired").to_string().into_bytes();
    assert_eq!(sessions(&signed(TOKEN, CREATED, &body), &body).unwrap().concerns[0].code, "unknown_event");
}

fn refund(amount: &Value) -> Value {
    let usdc = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913";
    let mut event = event("payment_refunded");
    event["payment"]["destination"] = json!({"amountUnits": "10", "tokenAddress": usdc, "txHash": "0xde00"});
    event["tokenAddress"] = usdc.into();
    event["amountUnits"] = amount.clone();
    event
}

#[test]
fn how_much_was_refunded_is_told_by_the_event_alone() {
    let told = right(&refund(&json!("4"))).unwrap();
    assert!(told.concerns.is_empty());
    let [facts, hint] = &told.observations[..] else { panic!("{told:?}") };
    assert_eq!((&facts.target, facts.ours), (&hint.target, Some(true)));
    assert_eq!(hint.observed, Observed::PaymentHint);
    let Observed::Facts(facts) = &facts.observed else { panic!("{facts:?}") };
    let payment = &facts.payments[&PAYMENT.parse().unwrap()];
    let takings: Vec<_> =
        payment.takings.iter().map(|(id, t)| (id.as_str(), t.taken, t.given_back)).collect();
    assert_eq!(takings, [("refund", 10_000_000, 10_000_000), ("refund:0xde00", 4_000_000, 0)]);
    assert_eq!((payment.seen, payment.confirmed), (0, 0), "the read says whether it ever arrived");

    let mut bare = refund(&json!("4"));
    bare["payment"]["destination"] = Value::Null;
    for unnamed in
        [event("payment_refunded"), refund(&Value::Null), refund(&json!([4])), refund(&json!("10.5")), bare]
    {
        let told = right(&unnamed).unwrap();
        assert_eq!(told.observations.len(), 1, "read all the same: {unnamed}");
        let [concern] = &told.concerns[..] else { panic!("{told:?}") };
        let money = concern.money.as_ref().unwrap();
        assert!(money.taken_back && money.payment.as_ref().is_some_and(|id| id.as_str() == PAYMENT));
    }
    let mut strangers = refund(&Value::Null);
    strangers["payment"]["metadata"] = json!({});
    assert!(right(&strangers).unwrap().concerns.is_empty(), "another program's");
}

#[test]
fn the_id_of_an_event() {
    let body = event("payment_completed").to_string();
    let auth = ("authorization", "Basic token-sample-1");
    let with_header = payments(&[auth, ("idempotency-key", "evt-7")], body.as_bytes()).unwrap();
    assert_eq!(with_header.id.as_str(), "evt-7");
    let empty = payments(&[auth, ("idempotency-key", "")], body.as_bytes()).unwrap();
    assert_eq!(empty.id.as_str(), format!("{PAYMENT}:payment_completed:0xde00"));
    let mut seen = event("payment_started");
    seen["txHash"] = Value::Null;
    assert_eq!(right(&seen).unwrap().id.as_str(), format!("{PAYMENT}:payment_started:"));
}

#[test]
fn whose_an_order_is() {
    let ours = |metadata: Value| {
        let mut event = event("payment_completed");
        event["payment"]["metadata"] = metadata;
        right(&event).unwrap().observations[0].ours
    };
    assert_eq!(ours(json!({"depositGateway": "deposit/1"})), Some(true));
    assert_eq!(ours(json!({"depositGateway": "another"})), Some(false));
    assert_eq!(ours(json!({})), Some(false));
    assert_eq!(ours(Value::Null), None, "nothing to tell by");
    let mut bare = event("payment_completed");
    bare.as_object_mut().unwrap().remove("payment").unwrap();
    assert_eq!(right(&bare).unwrap().observations[0].ours, None);
}

#[test]
fn test_events_are_taken_and_mean_nothing() {
    for kind in ["payment_completed", "payment_bounced", "anything"] {
        let mut event = event(kind);
        event["isTestEvent"] = true.into();
        let delivery = right(&event).unwrap();
        assert!(delivery.observations.is_empty() && delivery.concerns.is_empty());
    }
    let mut event = session_event("session.succeeded");
    event["isTestEvent"] = true.into();
    let body = event.to_string().into_bytes();
    let delivery = sessions(&signed(TOKEN, CREATED, &body), &body).unwrap();
    assert!(delivery.observations.is_empty() && delivery.concerns.is_empty());
}

#[test]
fn what_cannot_be_read_is_malformed() {
    let auth = [("authorization", "Basic token-sample-1")];
    for body in ["", "null", "[]", "{", "{\"type\":7}", "{}", "\u{feff}{}"] {
        let answer = payments(&auth, body.as_bytes());
        assert!(matches!(answer, Err(WebhookError::Malformed(_))), "{body:?}: {answer:?}");
    }
    let mut nobodys = event("payment_completed");
    nobodys["paymentId"] = Value::Null;
    assert_eq!(right(&nobodys), Err(WebhookError::Malformed("no order id")));
    let mut yes = event("payment_completed");
    yes["isTestEvent"] = "yes".into();
    assert_eq!(right(&yes), Err(WebhookError::Malformed("not an event")));
}

proptest! {
    /// Nothing but the token opens the door, and nothing behind it makes a panic.
    #[test]
    fn any_bytes(header in "\\PC{0,40}", body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let answer = payments(&[("authorization", &header)], &body);
        prop_assume!(!header.to_ascii_lowercase().starts_with("basic token-sample-1"));
        prop_assert_eq!(answer, Err(WebhookError::Unauthenticated));
        let known = payments(&[("authorization", "Basic token-sample-1")], &body);
        prop_assert!(!matches!(known, Err(WebhookError::Unauthenticated)));
        prop_assert_eq!(sessions(&header, &body), Err(WebhookError::Unauthenticated));
    }
}

use deposit_core::{Ticker, Timestamp};
use deposit_testkit::hmac_sha256;
use serde_json::{Value, json};

use super::*;
use crate::testing::{INVOICE, ORDER_ID, STORE, config};

fn sign(secret: &str, body: &[u8]) -> String {
    format!("sha256={}", hmac_sha256(secret, &[body]))
}

fn take(signature: Option<&str>, body: &[u8]) -> Result<Delivery, WebhookError> {
    let headers: Vec<_> = signature.map(|s| (SIGNATURE.to_owned(), s.to_owned())).into_iter().collect();
    let delivery = RawDelivery { headers: &headers, query: &[], body, received_at: Timestamp::EPOCH };
    Webhooks::new(&config().check().unwrap()).take(&delivery)
}

fn signed(body: &[u8]) -> Result<Delivery, WebhookError> {
    take(Some(&sign("whsec-sample-1", body)), body)
}

/// An event with some members changed; `null` takes one away.
fn event(changes: Value) -> Vec<u8> {
    let mut event = json!({
        "deliveryId": "Hs8mR5cWq2LzKx7VbT4nYd", "webhookId": "7WcFh2RkUe9aVtJq4XnGzB",
        "originalDeliveryId": "Hs8mR5cWq2LzKx7VbT4nYd", "isRedelivery": false,
        "type": "InvoiceReceivedPayment", "timestamp": 1785000421, "storeId": STORE, "invoiceId": INVOICE,
        "afterExpiration": false, "paymentMethodId": "BTC-CHAIN", "payment": {"id": "x", "value": "1000"},
        "metadata": {"orderId": ORDER_ID, "depositGateway": "deposit/1"}
    });
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            event.as_object_mut().unwrap().remove(name);
        } else {
            event[name] = value.clone();
        }
    }
    serde_json::to_vec(&event).unwrap()
}

fn taken(changes: Value) -> Delivery {
    signed(&event(changes)).unwrap()
}

#[test]
fn an_event_is_a_hint_about_an_invoice_and_no_more() {
    let delivery = taken(json!({}));
    assert_eq!(delivery.id.as_str(), "Hs8mR5cWq2LzKx7VbT4nYd");
    let expected = Observation {
        provider: ID,
        target: Target::Order(INVOICE.parse().unwrap()),
        ticker: Some(Ticker::BTC),
        ours: Some(true),
        observed: Observed::PaymentHint,
    };
    assert_eq!((delivery.observations, delivery.concerns), (vec![expected], vec![]));
}

#[test]
fn every_type_of_the_dossier() {
    for (kind, observed) in [
        ("InvoiceReceivedPayment", Observed::PaymentHint),
        ("InvoicePaymentSettled", Observed::PaymentHint),
        ("InvoiceProcessing", Observed::PaymentHint),
        ("InvoiceSettled", Observed::Hint),
        ("InvoiceExpired", Observed::Hint),
        ("InvoiceInvalid", Observed::Hint),
        ("InvoiceExpiredPaidPartial", Observed::PaymentHint),
        ("InvoicePaidAfterExpiration", Observed::PaymentHint),
        ("InvoiceRefund", Observed::Hint),
    ] {
        let delivery = taken(json!({ "type": kind }));
        assert_eq!(delivery.observations.len(), 1, "{kind}");
        assert_eq!(delivery.observations[0].observed, observed, "{kind}");
        let money = delivery.concerns.iter().filter_map(|concern| concern.money.clone());
        let handed = (kind == "InvoiceRefund").then(|| ConcernedMoney::of_order().that_went_back());
        assert_eq!(money.collect::<Vec<_>>(), handed.into_iter().collect::<Vec<_>>(), "{kind}");
    }
    let created = taken(json!({"type": "InvoiceCreated"}));
    assert!(created.observations.is_empty() && created.concerns.is_empty());
    for kind in ["PaymentRequestCompleted", "PayoutCreated", "InvoiceTeleported", ""] {
        let delivery = taken(json!({"type": kind, "invoiceId": null}));
        assert!(delivery.observations.is_empty());
        assert_eq!(delivery.concerns[0].code, "unknown_event");
    }
}

#[test]
fn a_redelivery_has_the_id_of_the_first() {
    let again = json!({"deliveryId": "Zz1", "isRedelivery": true});
    assert_eq!(taken(again).id.as_str(), "Hs8mR5cWq2LzKx7VbT4nYd");
    let typo = json!({"deliveryId": "Zz1", "originalDeliveryId": null, "orignalDeliveryId": "First"});
    assert_eq!(taken(typo).id.as_str(), "First");
    assert_eq!(taken(json!({"deliveryId": "Zz1", "originalDeliveryId": null})).id.as_str(), "Zz1");
    let none = event(json!({"deliveryId": null, "originalDeliveryId": ""}));
    assert_eq!(signed(&none), Err(WebhookError::Malformed("no delivery id")));
}

#[test]
fn whose_it_is() {
    let ours = |metadata: Value| taken(json!({ "metadata": metadata })).observations[0].ours;
    assert_eq!(ours(json!({"orderId": ORDER_ID})), Some(false));
    assert_eq!(ours(json!({"depositGateway": "deposit/2"})), Some(false));
    assert_eq!(taken(json!({"metadata": null})).observations[0].ours, None);
    let other = taken(json!({"storeId": "another-store"}));
    assert!(other.observations.is_empty());
    assert_eq!(other.concerns[0].code, "other_store");
}

#[test]
fn the_way_of_paying_in_both_vocabularies() {
    let ticker = |changes: Value| taken(changes).observations[0].ticker;
    assert_eq!(ticker(json!({"paymentMethodId": "LTC-MWEB"})), Some(Ticker::LTC_MWEB));
    assert_eq!(
        ticker(json!({"paymentMethodId": null, "paymentMethod": "BTC-LightningNetwork"})),
        Some(Ticker::BTC_LN)
    );
    assert_eq!(ticker(json!({"paymentMethodId": "BTC-LNURL"})), None);
    assert_eq!(ticker(json!({"paymentMethodId": null})), None);
}

#[test]
fn nothing_is_believed_without_its_signature() {
    let body = event(json!({}));
    let right = sign("whsec-sample-1", &body);
    assert!(take(Some(&right), &body).is_ok());
    let bare = right.strip_prefix("sha256=").unwrap();
    for wrong in [
        None,
        Some(""),
        Some("sha256="),
        Some(bare),
        Some(sign("", &body).as_str()),
        Some(sign("x", &body).as_str()),
    ] {
        assert_eq!(take(wrong, &body), Err(WebhookError::Unauthenticated), "{wrong:?}");
    }
    for i in 0..body.len() {
        let mut altered = body.clone();
        altered[i] ^= 1;
        assert_eq!(take(Some(&right), &altered), Err(WebhookError::Unauthenticated), "byte {i}");
    }
}

#[test]
fn signed_nonsense_is_malformed() {
    for body in [&b""[..], b"{", b"[]", b"null", br#"{"type":5}"#, b"\xff"] {
        assert!(matches!(signed(body), Err(WebhookError::Malformed(_))), "{body:?}");
    }
    assert!(matches!(signed(&event(json!({"invoiceId": null}))), Err(WebhookError::Malformed(_))));
    assert!(matches!(signed(&event(json!({"invoiceId": "a\nb"}))), Err(WebhookError::Malformed(_))));
}

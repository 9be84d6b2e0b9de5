//! Webhooks: verified, then read as hints. What they say about money is not taken from them, the order is read; but for how much of a payment
//! was refunded, which no read tells. That matters most for payments, whose token proves the sender and not the body.

use std::time::Duration;

use deposit_core::{
    Concern, ConcernedMoney, Delivery, DeliveryId, Observation, Observed, PaymentRef, RawDelivery, Secret,
    Target, WebhookError, printable,
};
use deposit_transport::{VerifiedBody, signature};
use serde_json::Value;

use crate::api::{self, PaymentEvent, SessionEvent};
use crate::error::ID;
use crate::map::{NamedRefund, provider_ref, refunded};

/// How far a signature's time may be from ours.
const TOLERANCE: Duration = Duration::from_secs(300);

/// `Authorization: Basic TOKEN`: the token as it is, *not* a user and password in Base64.
fn verify_token<'a>(token: &Secret, delivery: &RawDelivery<'a>) -> Result<VerifiedBody<'a>, WebhookError> {
    let candidate = delivery
        .header("authorization")
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
        .map(|(_, token)| token);
    Ok(signature::token(token, candidate, delivery.body)?)
}

/// `Daimo-Signature: t=…,v1=…` over time and raw body.
fn verify_signature<'a>(
    secret: &Secret,
    delivery: &RawDelivery<'a>,
) -> Result<VerifiedBody<'a>, WebhookError> {
    let header = delivery.header("daimo-signature").ok_or(WebhookError::Unauthenticated)?;
    let secrets = std::slice::from_ref(secret);
    Ok(signature::timestamped(secrets, delivery.body, header, delivery.received_at, TOLERANCE)?)
}

pub(crate) fn of_payments(token: &Secret, delivery: &RawDelivery<'_>) -> Result<Delivery, WebhookError> {
    let body = verify_token(token, delivery)?;
    let event: PaymentEvent =
        serde_json::from_slice(body.as_bytes()).map_err(|_| WebhookError::Malformed("not an event"))?;
    let order = event.payment_id.as_deref().unwrap_or_default();
    // The header is not documented as the event's id; without it there is what tells events apart.
    let named = delivery.header("idempotency-key").and_then(|id| DeliveryId::new(id).ok());
    let made = || {
        let hash = event.tx_hash.as_deref().unwrap_or_default();
        DeliveryId::new(format!("{order}:{}:{hash}", event.kind))
    };
    let id = named.map_or_else(made, Ok).map_err(|_| WebhookError::Malformed("no delivery id"))?;
    let metadata = event.payment.as_ref().map(|payment| &payment.metadata);
    let money = |kind: &str| {
        matches!(kind, "payment_started" | "payment_completed" | "payment_bounced" | "payment_refunded")
    };
    let known = money(&event.kind);
    let mut delivery =
        read(Event { id, kind: &event.kind, known, test: event.is_test_event, order, metadata })?;
    if event.kind == "payment_refunded" {
        name_refund(&event, &mut delivery);
    }
    Ok(delivery)
}

/// How much went back is told by the event alone: taken as facts, before the read that the hint is for. One that names no usable figure
/// goes to an operator.
fn name_refund(event: &PaymentEvent, delivery: &mut Delivery) {
    let Some(hint) = delivery.observations.first() else { return };
    let Target::Order(order) = &hint.target else { return };
    let of = event.payment.as_ref().and_then(|payment| payment.destination.as_ref());
    let named = NamedRefund {
        tx_hash: event.tx_hash.as_deref(),
        token: event.token_address.as_deref(),
        amount: event.amount_units.as_ref(),
        order_token: of.and_then(|to| to.token_address.as_deref()),
        order_amount: of.and_then(|to| to.amount_units.as_ref()),
        delivered: of.and_then(|to| to.tx_hash.as_deref()).is_some_and(|hash| !hash.is_empty()),
    };
    if let Some(facts) = refunded(order, &named) {
        let facts = Observation { observed: Observed::Facts(Box::new(facts)), ..hint.clone() };
        delivery.observations.insert(0, facts);
    } else if hint.ours != Some(false)
        && let Ok(payment) = PaymentRef::new(order.as_str())
    {
        let detail = "a refund event names no amount of this order's token: all of it counts as taken back";
        let money = ConcernedMoney::of_payment(payment).that_went_back();
        delivery.concerns.push(Concern::money("refunded", detail, money));
    }
}

pub(crate) fn of_sessions(secret: &Secret, delivery: &RawDelivery<'_>) -> Result<Delivery, WebhookError> {
    let body = verify_signature(secret, delivery)?;
    let event: SessionEvent =
        serde_json::from_slice(body.as_bytes()).map_err(|_| WebhookError::Malformed("not an event"))?;
    let id = DeliveryId::new(event.id.as_str()).map_err(|_| WebhookError::Malformed("no event id"))?;
    let session = event.data.as_ref().and_then(|data| data.session.as_ref());
    let order = session.and_then(|session| session.session_id.as_deref()).unwrap_or_default();
    let metadata = session.map(|session| &session.metadata);
    let known = matches!(event.kind.as_str(), "session.processing" | "session.succeeded" | "session.bounced");
    read(Event { id, kind: &event.kind, known, test: event.is_test_event, order, metadata })
}

/// An authentic event of either generation.
struct Event<'a> {
    id: DeliveryId,
    kind: &'a str,
    /// Every kind that is documented speaks of a payment.
    known: bool,
    test: bool,
    order: &'a str,
    metadata: Option<&'a Value>,
}

fn read(event: Event<'_>) -> Result<Delivery, WebhookError> {
    let mut delivery = Delivery { id: event.id, observations: Vec::new(), concerns: Vec::new() };
    // Real in every other way, and about nothing.
    if event.test {
        return Ok(delivery);
    }
    if !event.known {
        let detail = format!("unknown event {}: ignored", printable(event.kind));
        delivery.concerns.push(Concern::new("unknown_event", detail));
        return Ok(delivery);
    }
    let order = provider_ref(event.order).ok_or(WebhookError::Malformed("no order id"))?;
    delivery.observations.push(Observation {
        provider: ID,
        target: Target::Order(order),
        ticker: None,
        ours: event.metadata.and_then(api::is_ours),
        observed: Observed::PaymentHint,
    });
    Ok(delivery)
}

#[cfg(test)]
#[path = "webhook_tests.rs"]
mod tests;

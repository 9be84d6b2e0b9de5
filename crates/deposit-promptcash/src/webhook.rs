//! Callbacks: authenticated by the account's secret in the body, then read as hints. The secret crosses the wire and the body is
//! not signed, so nothing else in it is believed: the payment is read.

use std::borrow::Cow;
use std::collections::BTreeMap;

use deposit_core::{
    Concern, Delivery, DeliveryId, DepositId, Observation, Observed, ProviderRef, RawDelivery, Secret,
    Target, Ticker, WebhookError, printable,
};
use deposit_transport::{VerifiedBody, signature};
use serde_json::value::RawValue;

use crate::api::{self, Callback, CallbackPayment, Proof, Status};
use crate::error::ID;

#[derive(Debug)]
pub(crate) struct Webhooks {
    secret: Secret,
}

impl Webhooks {
    pub(crate) fn new(secret: Secret) -> Self {
        Self { secret }
    }

    pub(crate) fn take(&self, delivery: &RawDelivery<'_>) -> Result<Delivery, WebhookError> {
        let proof: Option<Proof> = serde_json::from_slice(delivery.body).ok();
        let token = proof.as_ref().map(|proof| proof.token.as_str());
        read(signature::token(&self.secret, token, delivery.body)?)
    }
}

/// The body without the account's secret, for the journal. What cannot be read has no place to hold one that was accepted.
pub(crate) fn without_token(body: &[u8]) -> Cow<'_, [u8]> {
    let Ok(mut members) = serde_json::from_slice::<BTreeMap<String, Box<RawValue>>>(body) else {
        return Cow::Borrowed(&[]);
    };
    // The other members keep their very text.
    if let (Some(token), Ok(redacted)) =
        (members.get_mut("token"), RawValue::from_string("\"REDACTED\"".to_owned()))
    {
        *token = redacted;
    }
    serde_json::to_vec(&members).map_or(Cow::Borrowed(&[]), Cow::Owned)
}

fn read(body: VerifiedBody<'_>) -> Result<Delivery, WebhookError> {
    let callback: Callback =
        serde_json::from_slice(body.as_bytes()).map_err(|_| WebhookError::Malformed("not a payment"))?;
    let payment = callback.payment;
    let order = ProviderRef::new(payment.tx_id.as_str())
        .map_err(|_| WebhookError::Malformed("no usable transaction id"))?;
    let mut delivery =
        Delivery { id: delivery_id(&payment)?, observations: Vec::new(), concerns: Vec::new() };
    let observed = match &payment.status {
        Status::Pending | Status::Confirming | Status::Paid | Status::Hold | Status::Refunded => {
            Observed::PaymentHint
        }
        Status::Expired | Status::Cancelled => {
            let part = payment.paid_amount_crypto.as_ref().is_some_and(|paid| !paid.decimal().is_zero());
            if part { Observed::PaymentHint } else { Observed::Hint }
        }
        Status::Other(other) => {
            let detail =
                format!("a callback with the unknown status {}: the payment is read", printable(other));
            delivery.concerns.push(Concern::new("unknown_event", detail));
            Observed::Hint
        }
    };
    let bch = payment.crypto_currency.as_deref() == Some(api::COIN);
    delivery.observations.push(Observation {
        provider: ID,
        target: Target::Order(order),
        ticker: bch.then_some(Ticker::BCH),
        // What cannot be an id of ours is another program's; of what can be, nobody can tell.
        ours: DepositId::new(payment.tx_id.as_str()).is_err().then_some(false),
        observed,
    });
    Ok(delivery)
}

/// The service gives no id. The same payment at the same word and figure is the same event; a second payment on a paid order has
/// another figure.
fn delivery_id(payment: &CallbackPayment) -> Result<DeliveryId, WebhookError> {
    let status = match &payment.status {
        Status::Pending => "PENDING",
        Status::Confirming => "CONFIRMING",
        Status::Paid => "PAID",
        Status::Expired => "EXPIRED",
        Status::Cancelled => "CANCELLED",
        Status::Hold => "HOLD",
        Status::Refunded => "REFUNDED",
        Status::Other(other) => other,
    };
    let paid = payment.paid_amount_crypto.as_ref().map(|paid| paid.decimal().to_string()).unwrap_or_default();
    DeliveryId::new(format!("{}:{status}:{paid}", payment.tx_id))
        .map_err(|_| WebhookError::Malformed("no usable transaction id, status or amount"))
}

#[cfg(test)]
#[path = "webhook_tests.rs"]
mod tests;

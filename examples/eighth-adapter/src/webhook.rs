//! Webhooks: verified, then read as hints. Money is counted by reading the order, never from an event.

use deposit_core::{
    Concern, Delivery, DeliveryId, Observation, Observed, ProviderRef, RawDelivery, Secret, Target, Ticker,
    WebhookError, printable,
};
use deposit_transport::signature;

use crate::api::{self, Event};
use crate::error::ID;

const SIGNATURE: &str = "acorn-signature";

#[derive(Debug)]
pub(crate) struct Webhooks {
    pub(crate) secret: Secret,
    pub(crate) merchant: String,
    pub(crate) ticker: Ticker,
}

impl Webhooks {
    pub(crate) fn take(&self, delivery: &RawDelivery<'_>) -> Result<Delivery, WebhookError> {
        let signature = delivery.header(SIGNATURE).ok_or(WebhookError::Unauthenticated)?;
        let body = signature::hmac_sha256_hex(&self.secret, delivery.body, signature)?;
        let event: Event =
            serde_json::from_slice(body.as_bytes()).map_err(|_| WebhookError::Malformed("not an event"))?;
        let id = DeliveryId::new(event.id).map_err(|_| WebhookError::Malformed("no event id"))?;
        let mut delivery = Delivery { id, observations: Vec::new(), concerns: Vec::new() };
        if event.merchant != self.merchant {
            let detail = "an event of another merchant came: one signing secret serves two merchants";
            delivery.concerns.push(Concern::new("other_merchant", detail));
            return Ok(delivery);
        }
        let observed = match event.kind.as_str() {
            "payment.seen" | "payment.confirmed" | "payment.orphaned" => Observed::PaymentHint,
            "order.expired" | "order.cancelled" => Observed::Hint,
            other => {
                let detail = format!("unknown event {}: ignored", printable(other));
                delivery.concerns.push(Concern::new("unknown_event", detail));
                return Ok(delivery);
            }
        };
        let order = event.order_id.and_then(|id| ProviderRef::new(id).ok());
        delivery.observations.push(Observation {
            provider: ID,
            target: Target::Order(order.ok_or(WebhookError::Malformed("no order id"))?),
            ticker: Some(self.ticker),
            ours: event.external_id.as_deref().map(api::is_ours),
            observed,
        });
        Ok(delivery)
    }
}

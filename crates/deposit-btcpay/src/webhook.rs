//! Webhooks: verified, then read as hints. What they say about money is never taken from them; the invoice is read.

use deposit_core::{
    Concern, ConcernedMoney, Delivery, DeliveryId, Observation, Observed, RawDelivery, Secret, Target,
    WebhookError, printable,
};
use deposit_transport::{VerifiedBody, signature};

use crate::api::{self, Event};
use crate::coin::Methods;
use crate::config::Checked;
use crate::error::ID;
use crate::map::provider_ref;

const SIGNATURE: &str = "btcpay-sig";

#[derive(Debug)]
pub(crate) struct Webhooks {
    secret: Secret,
    store_id: String,
    methods: Methods,
}

/// What an event is to us.
enum Use {
    /// Something may have changed.
    Hint,
    /// A payment is what it speaks of.
    Payment,
    /// Something may have changed, and a credit is not taken back for it by any rule.
    NotTakenBack(&'static str, &'static str),
    /// Our own doing.
    Nothing,
    /// Never heard of.
    Unknown,
}

/// Dossier, section 11; every type by name.
fn use_of(kind: &str) -> Use {
    match kind {
        "InvoiceReceivedPayment"
        | "InvoicePaymentSettled"
        | "InvoiceProcessing"
        | "InvoiceExpiredPaidPartial"
        | "InvoicePaidAfterExpiration" => Use::Payment,
        // Settled may be marked by hand, without any payment; with one, the events of the payment come too.
        "InvoiceSettled" | "InvoiceExpired" | "InvoiceInvalid" => Use::Hint,
        "InvoiceRefund" => Use::NotTakenBack(
            "refund_at_provider",
            "a refund of this invoice was made at the provider: it is not among the payments, so nothing is taken back for it",
        ),
        "InvoiceCreated" => Use::Nothing,
        _ => Use::Unknown,
    }
}

impl Webhooks {
    pub(crate) fn new(config: &Checked) -> Self {
        Self {
            secret: config.webhook_secret.clone(),
            store_id: config.store_id.clone(),
            methods: config.methods.clone(),
        }
    }

    pub(crate) fn take(&self, delivery: &RawDelivery<'_>) -> Result<Delivery, WebhookError> {
        self.read(self.verify(delivery)?)
    }

    fn verify<'a>(&self, delivery: &RawDelivery<'a>) -> Result<VerifiedBody<'a>, WebhookError> {
        let hex = delivery
            .header(SIGNATURE)
            .and_then(|header| header.strip_prefix("sha256="))
            .ok_or(WebhookError::Unauthenticated)?;
        Ok(signature::hmac_sha256_hex(&self.secret, delivery.body, hex)?)
    }

    fn read(&self, body: VerifiedBody<'_>) -> Result<Delivery, WebhookError> {
        let event: Event =
            serde_json::from_slice(body.as_bytes()).map_err(|_| WebhookError::Malformed("not an event"))?;
        // A redelivery has an id of its own, but names the first.
        let id = [&event.original_delivery_id, &event.orignal_delivery_id, &event.delivery_id]
            .into_iter()
            .flatten()
            .find(|id| !id.is_empty())
            .ok_or(WebhookError::Malformed("no delivery id"))?;
        let id = DeliveryId::new(id.as_str()).map_err(|_| WebhookError::Malformed("no delivery id"))?;
        let mut delivery = Delivery { id, observations: Vec::new(), concerns: Vec::new() };

        if event.store_id.as_deref().is_some_and(|store| store != self.store_id) {
            let detail = "an event of another store came: one webhook secret serves two stores";
            delivery.concerns.push(Concern::new("other_store", detail));
            return Ok(delivery);
        }
        let observed = match use_of(&event.kind) {
            Use::Nothing => return Ok(delivery),
            Use::Hint => Observed::Hint,
            Use::Payment => Observed::PaymentHint,
            Use::NotTakenBack(code, detail) => {
                // How much is not told: a refund is a pull payment, which is none of the invoice's.
                let money = ConcernedMoney::of_order().that_went_back();
                delivery.concerns.push(Concern::money(code, detail, money));
                Observed::Hint
            }
            Use::Unknown => {
                let detail = format!("unknown event {}: ignored", printable(&event.kind));
                delivery.concerns.push(Concern::new("unknown_event", detail));
                return Ok(delivery);
            }
        };
        let invoice = event.invoice_id.as_deref().and_then(provider_ref);
        let order = invoice.ok_or(WebhookError::Malformed("no invoice id"))?;
        let method = event.payment_method_id.as_deref().or(event.payment_method.as_deref());
        delivery.observations.push(Observation {
            provider: ID,
            target: Target::Order(order),
            ticker: method.and_then(|id| self.methods.by_id(id)).map(|method| method.coin.ticker),
            ours: api::is_ours(&event.metadata),
            observed,
        });
        Ok(delivery)
    }
}

#[cfg(test)]
#[path = "webhook_tests.rs"]
mod tests;

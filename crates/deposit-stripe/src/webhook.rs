//! Webhooks: verified, then read as hints. What they say about money is never taken from them; the session is read.

use std::time::Duration;

use deposit_core::{
    Concern, Delivery, DeliveryId, DepositId, Observation, Observed, ProviderRef, RawDelivery, Secret,
    Target, WebhookError, printable,
};
use deposit_transport::{VerifiedBody, signature};

use crate::api::{DEPOSIT_ID, Event, EventObject, is_ours};
use crate::config::Checked;
use crate::error::ID;

const SIGNATURE: &str = "stripe-signature";
/// How old a signature may be, and how far ahead; each try is signed anew.
const TOLERANCE: Duration = Duration::from_secs(300);

#[derive(Debug)]
pub(crate) struct Webhooks {
    secrets: Vec<Secret>,
    livemode: bool,
}

/// What an event is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// A session changed.
    Session,
    /// A session's payer finished: there is money in it, or on its way.
    Paid,
    /// A charge of ours, by its metadata, which are copied from the PaymentIntent.
    Charge,
    /// A refund or dispute, known by its PaymentIntent only.
    Taking,
    /// The same, and a person should know.
    Dispute,
    /// Tells nothing that another one does not.
    Nothing,
    /// Never heard of.
    Unknown,
}

/// Dossier, section 5; every type by name. Crediting on more than one family of events would credit twice: here they only
/// say what to read.
pub(crate) fn use_of(kind: &str) -> Use {
    match kind {
        "checkout.session.completed" | "checkout.session.async_payment_succeeded" => Use::Paid,
        "checkout.session.async_payment_failed" | "checkout.session.expired" => Use::Session,
        "charge.refunded" => Use::Charge,
        "refund.created"
        | "refund.updated"
        | "refund.failed"
        | "charge.refund.updated"
        | "charge.dispute.updated"
        | "charge.dispute.funds_withdrawn"
        | "charge.dispute.funds_reinstated" => Use::Taking,
        "charge.dispute.created" | "charge.dispute.closed" => Use::Dispute,
        "payment_intent.created"
        | "payment_intent.requires_action"
        | "payment_intent.processing"
        | "payment_intent.succeeded"
        | "payment_intent.payment_failed"
        | "payment_intent.canceled"
        | "charge.succeeded"
        | "charge.failed"
        | "charge.pending"
        | "charge.updated" => Use::Nothing,
        _ => Use::Unknown,
    }
}

/// Every type that a scan asks for: at most 20.
pub(crate) const WANTED: &[&str] = &[
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "charge.refunded",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
];

fn order(id: Option<&str>) -> Option<Target> {
    ProviderRef::new(id?).ok().map(Target::Order)
}

/// A charge carries our id in its metadata; else its PaymentIntent has to do.
fn of_charge(object: &EventObject) -> Option<Target> {
    let ours = is_ours(object.metadata.as_ref()) == Some(true);
    let id = object.metadata.as_ref().and_then(|metadata| metadata.get(DEPOSIT_ID)).filter(|_| ours);
    id.and_then(|id| DepositId::new(id.as_str()).ok()).map(Target::Deposit).or_else(|| order(object.intent()))
}

/// Whom an event is about, and what an operator should see. `None` in place of an observation: of no use to us.
///
/// # Errors
/// Where an event of a known type does not say whom it is about.
pub(crate) fn observe(
    event: &Event,
    livemode: bool,
    concerns: &mut Vec<Concern>,
) -> Result<Option<Observation>, WebhookError> {
    if event.livemode.is_some_and(|mode| mode != livemode) {
        let detail = "an event of the other mode (live or test) came: nothing is concluded from it";
        concerns.push(Concern::new("other_mode", detail));
        return Ok(None);
    }
    if event.account.is_some() {
        concerns.push(Concern::new("other_account", "an event of a connected account came: it is not ours"));
        return Ok(None);
    }
    let object = &event.data.object;
    let used = use_of(&event.kind);
    let (target, ours, observed) = match used {
        Use::Nothing => return Ok(None),
        Use::Unknown => {
            let detail = format!("unknown event {}: ignored", printable(&event.kind));
            concerns.push(Concern::new("unknown_event", detail));
            return Ok(None);
        }
        Use::Session => (order(object.id.as_deref()), is_ours(object.metadata.as_ref()), Observed::Hint),
        Use::Paid => (order(object.id.as_deref()), is_ours(object.metadata.as_ref()), Observed::PaymentHint),
        Use::Charge => (of_charge(object), is_ours(object.metadata.as_ref()), Observed::Hint),
        // Their metadata are their own: whose they are cannot be told from them.
        Use::Taking | Use::Dispute => (order(object.intent()), None, Observed::Hint),
    };
    if used == Use::Dispute {
        let detail =
            format!("{}: see the provider's dashboard, evidence has a deadline", printable(&event.kind));
        concerns.push(Concern::new("dispute", detail));
    }
    let target = match (target, used) {
        (Some(target), _) => target,
        // A charge that was made without a PaymentIntent: another program's.
        (None, Use::Taking | Use::Dispute | Use::Charge) => return Ok(None),
        (None, Use::Session | Use::Paid | Use::Nothing | Use::Unknown) => {
            return Err(WebhookError::Malformed("no session id"));
        }
    };
    Ok(Some(Observation { provider: ID, target, ticker: None, ours, observed }))
}

impl Webhooks {
    pub(crate) fn new(config: &Checked) -> Self {
        Self { secrets: config.webhook_secrets.clone(), livemode: config.livemode }
    }

    pub(crate) fn take(&self, delivery: &RawDelivery<'_>) -> Result<Delivery, WebhookError> {
        self.read(self.verify(delivery)?)
    }

    fn verify<'a>(&self, delivery: &RawDelivery<'a>) -> Result<VerifiedBody<'a>, WebhookError> {
        let header = delivery.header(SIGNATURE).ok_or(WebhookError::Unauthenticated)?;
        Ok(signature::timestamped(&self.secrets, delivery.body, header, delivery.received_at, TOLERANCE)?)
    }

    fn read(&self, body: VerifiedBody<'_>) -> Result<Delivery, WebhookError> {
        let event: Event =
            serde_json::from_slice(body.as_bytes()).map_err(|_| WebhookError::Malformed("not an event"))?;
        if event.object.as_deref().is_some_and(|object| object != "event") {
            return Err(WebhookError::Malformed("not an event of API v1"));
        }
        let id = DeliveryId::new(event.id.as_str()).map_err(|_| WebhookError::Malformed("no event id"))?;
        let mut concerns = Vec::new();
        let observations = observe(&event, self.livemode, &mut concerns)?.into_iter().collect();
        Ok(Delivery { id, observations, concerns })
    }
}

#[cfg(test)]
#[path = "webhook_tests.rs"]
mod tests;

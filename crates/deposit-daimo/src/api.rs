//! Both APIs as they are on the wire.

use deposit_core::json::NumberText;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::backend::{Seen, Stage};
use crate::evm::Destination;

/// Says that an order is ours and not another program's with the same key.
pub(crate) const MARKER: (&str, &str) = ("depositGateway", "deposit/1");

/// What we write into an order: texts of at most 500 characters under names of at most 40.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Metadata<'a> {
    pub(crate) deposit_id: &'a str,
    /// [`MARKER`].
    pub(crate) deposit_gateway: &'a str,
    /// [`Destination::mark`]: what the order was opened with, whatever is configured later.
    pub(crate) destination: String,
}

impl<'a> Metadata<'a> {
    pub(crate) fn new(deposit_id: &'a str, destination: &Destination) -> Self {
        Self { deposit_id, deposit_gateway: MARKER.1, destination: destination.mark() }
    }
}

/// Whether metadata carry our marker; `None` where there are none to tell by.
pub(crate) fn is_ours(metadata: &Value) -> Option<bool> {
    let (key, value) = MARKER;
    metadata.as_object().map(|members| members.get(key).and_then(Value::as_str) == Some(value))
}

// Payments.

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreatePayment<'a> {
    pub(crate) display: PaymentDisplay,
    pub(crate) destination: PaymentDestination<'a>,
    pub(crate) refund_address: &'a str,
    pub(crate) external_id: &'a str,
    pub(crate) metadata: Metadata<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PaymentDisplay {
    pub(crate) intent: &'static str,
    /// Order of the choices that the payer is shown, no more.
    pub(crate) preferred_tokens: Vec<PreferredToken>,
}

#[derive(Debug, Serialize)]
pub(crate) struct PreferredToken {
    pub(crate) chain: u64,
    pub(crate) address: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PaymentDestination<'a> {
    pub(crate) destination_address: &'a str,
    /// A number here, a text in the answer.
    pub(crate) chain_id: u64,
    pub(crate) token_address: &'a str,
    /// Whole tokens, not their smallest units.
    pub(crate) amount_units: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Created {
    pub(crate) id: String,
    pub(crate) url: String,
    pub(crate) payment: Option<Payment>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Payment {
    pub(crate) id: String,
    pub(crate) status: PaymentStatus,
    pub(crate) destination: PaymentTarget,
    pub(crate) external_id: Option<String>,
    #[serde(default)]
    pub(crate) metadata: Value,
    /// Not documented for a read; taken if it is there.
    pub(crate) url: Option<String>,
}

/// Of `source` nothing is read: it is the payer's coin, not what is credited.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PaymentTarget {
    pub(crate) destination_address: String,
    pub(crate) chain_id: NumberText,
    pub(crate) token_address: String,
    pub(crate) amount_units: NumberText,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PaymentStatus {
    PaymentUnpaid,
    PaymentStarted,
    PaymentCompleted,
    PaymentBounced,
    PaymentRefunded,
    #[serde(untagged)]
    Other(String),
}

impl PaymentStatus {
    /// Dossier, A3.
    fn stage(self) -> Stage {
        match self {
            Self::PaymentUnpaid => Stage::Unpaid,
            Self::PaymentStarted => Stage::InFlight,
            Self::PaymentCompleted => Stage::Delivered,
            Self::PaymentBounced => Stage::Bounced,
            Self::PaymentRefunded => Stage::Refunded,
            Self::Other(word) => Stage::Unknown(word),
        }
    }
}

impl From<Payment> for Seen {
    fn from(payment: Payment) -> Self {
        let to = payment.destination;
        Self {
            id: payment.id,
            stage: payment.status.stage(),
            address: Some(to.destination_address),
            chain: Some(to.chain_id),
            token: Some(to.token_address),
            // The destination receives what was asked for, exactly: there is one figure for both.
            delivered: Some(to.amount_units.clone()),
            amount: Some(to.amount_units),
            external_id: payment.external_id,
            metadata: payment.metadata,
        }
    }
}

/// A payment by itself, or in an object `{"payment":…}`: which of them a read answers is not documented.
#[derive(Debug)]
pub(crate) struct PaymentAnswer(pub(crate) Payment);

impl<'de> Deserialize<'de> for PaymentAnswer {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Wrapped {
            payment: Option<Box<RawValue>>,
        }
        // Read twice from its text: figures would lose theirs in an untagged type.
        let whole = Box::<RawValue>::deserialize(d)?;
        let wrapped: Wrapped = serde_json::from_str(whole.get()).map_err(serde::de::Error::custom)?;
        let payment = wrapped.payment.unwrap_or(whole);
        serde_json::from_str(payment.get()).map(Self).map_err(serde::de::Error::custom)
    }
}

// Sessions.

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateSession<'a> {
    pub(crate) destination: SessionDestination<'a>,
    pub(crate) display: SessionDisplay,
    pub(crate) metadata: Metadata<'a>,
    pub(crate) refund_address: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionDestination<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) address: &'a str,
    pub(crate) chain_id: u64,
    pub(crate) token_address: &'a str,
    pub(crate) amount_units: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct SessionDisplay {
    pub(crate) title: &'static str,
    pub(crate) verb: &'static str,
}

#[derive(Debug, Deserialize)]
pub(crate) struct SessionAnswer {
    pub(crate) session: Session,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Session {
    pub(crate) session_id: String,
    pub(crate) status: SessionStatus,
    pub(crate) destination: SessionTarget,
    #[serde(default)]
    pub(crate) metadata: Value,
    /// For the payer's page alone.
    pub(crate) client_secret: Option<String>,
}

/// Without the client's secret.
impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.session_id)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionTarget {
    pub(crate) address: Option<String>,
    pub(crate) chain_id: Option<NumberText>,
    pub(crate) token_address: Option<String>,
    pub(crate) amount_units: Option<NumberText>,
    /// On a bounce this is the *refund*.
    pub(crate) delivery: Option<SessionDelivery>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionDelivery {
    pub(crate) received_units: Option<NumberText>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SessionStatus {
    RequiresPaymentMethod,
    WaitingPayment,
    Processing,
    Succeeded,
    Bounced,
    Expired,
    #[serde(untagged)]
    Other(String),
}

impl SessionStatus {
    /// Dossier, B3.
    fn stage(self) -> Stage {
        match self {
            Self::RequiresPaymentMethod | Self::WaitingPayment => Stage::Unpaid,
            Self::Processing => Stage::InFlight,
            Self::Succeeded => Stage::Delivered,
            Self::Bounced => Stage::Bounced,
            Self::Expired => Stage::Expired,
            Self::Other(word) => Stage::Unknown(word),
        }
    }
}

impl From<Session> for Seen {
    fn from(session: Session) -> Self {
        let to = session.destination;
        let stage = session.status.stage();
        // What is called the delivery of a bounced session went to the refund address.
        let delivery = to.delivery.filter(|_| stage == Stage::Delivered);
        Self {
            id: session.session_id,
            stage,
            address: to.address,
            chain: to.chain_id,
            token: to.token_address,
            amount: to.amount_units,
            delivered: delivery.and_then(|delivery| delivery.received_units),
            external_id: None,
            metadata: session.metadata,
        }
    }
}

// Webhooks.

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PaymentEvent {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) payment_id: Option<String>,
    pub(crate) tx_hash: Option<String>,
    #[serde(default)]
    pub(crate) is_test_event: bool,
    /// Of a refund: what went back, and in which token. Odd ones are as good as none.
    #[serde(default, deserialize_with = "if_readable")]
    pub(crate) amount_units: Option<NumberText>,
    #[serde(default, deserialize_with = "if_readable")]
    pub(crate) token_address: Option<String>,
    pub(crate) payment: Option<EventOrder>,
}

fn if_readable<'de, D: Deserializer<'de>, T: DeserializeOwned>(d: D) -> Result<Option<T>, D::Error> {
    let raw = Box::<RawValue>::deserialize(d)?;
    Ok(serde_json::from_str(raw.get()).ok())
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionEvent {
    pub(crate) id: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) is_test_event: bool,
    pub(crate) data: Option<SessionEventData>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct SessionEventData {
    pub(crate) session: Option<EventOrder>,
}

/// Of the order in an event only what tells whose it is, and what a refund is a part of: the rest is read by its id.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventOrder {
    pub(crate) session_id: Option<String>,
    #[serde(default, deserialize_with = "if_readable")]
    pub(crate) destination: Option<EventDestination>,
    #[serde(default)]
    pub(crate) metadata: Value,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventDestination {
    #[serde(default, deserialize_with = "if_readable")]
    pub(crate) amount_units: Option<NumberText>,
    #[serde(default, deserialize_with = "if_readable")]
    pub(crate) token_address: Option<String>,
    #[serde(default, deserialize_with = "if_readable")]
    pub(crate) tx_hash: Option<String>,
}

// Errors.

/// The body of an error. Payments answer a text, sessions an object.
#[derive(Debug, Deserialize)]
pub(crate) struct ApiError {
    pub(crate) error: Value,
}

impl ApiError {
    /// The member that an error is about, where it says so.
    pub(crate) fn param(&self) -> Option<&str> {
        self.error.get("param").and_then(Value::as_str)
    }
}
/// `GET /webhooks` of the sessions API.
#[derive(Debug, Deserialize)]
pub(crate) struct WebhookList {
    #[serde(default)]
    pub(crate) webhooks: Vec<WebhookEntry>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WebhookEntry {
    pub(crate) url: Option<String>,
}

//! The API as it is on the wire, version `2026-06-24.dahlia`. Unknown members are ignored, every enumeration is open.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Says that a session is ours and not another program's in the same account: key and value of its metadata.
pub(crate) const MARKER: (&str, &str) = ("deposit_gateway", "deposit/1");
/// The metadata's key of our id.
pub(crate) const DEPOSIT_ID: &str = "deposit_id";

pub(crate) type Metadata = BTreeMap<String, String>;

/// Whether metadata carry our marker; `None` where there are none to tell by.
pub(crate) fn is_ours(metadata: Option<&Metadata>) -> Option<bool> {
    let (key, value) = MARKER;
    metadata.map(|metadata| metadata.get(key).is_some_and(|found| found == value))
}

/// An id, or the object in its place.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Expandable<T> {
    Id(String),
    Object(Box<T>),
}

/// A list; newest first.
#[derive(Debug, Deserialize)]
pub(crate) struct List<T> {
    pub(crate) data: Vec<T>,
    pub(crate) has_more: bool,
}

/// What has an id, to go on behind it.
pub(crate) trait Listed {
    fn id(&self) -> &str;
}

#[derive(Debug, Deserialize)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) livemode: bool,
    pub(crate) mode: Option<String>,
    pub(crate) status: Option<SessionStatus>,
    pub(crate) payment_status: PaymentStatus,
    pub(crate) amount_total: Option<u64>,
    pub(crate) currency: Option<String>,
    pub(crate) client_reference_id: Option<String>,
    pub(crate) metadata: Option<Metadata>,
    /// `null` until the payer confirms.
    pub(crate) payment_intent: Option<Expandable<Intent>>,
    /// `null` once the session is no longer open.
    pub(crate) url: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SessionStatus {
    Open,
    Complete,
    Expired,
    #[serde(untagged)]
    Other(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PaymentStatus {
    Paid,
    Unpaid,
    NoPaymentRequired,
    #[serde(untagged)]
    Other(String),
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Intent {
    pub(crate) id: String,
    pub(crate) status: IntentStatus,
    pub(crate) amount_received: Option<u64>,
    pub(crate) currency: Option<String>,
    pub(crate) latest_charge: Option<Expandable<Charge>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum IntentStatus {
    RequiresPaymentMethod,
    RequiresConfirmation,
    RequiresAction,
    Processing,
    RequiresCapture,
    Canceled,
    Succeeded,
    #[serde(untagged)]
    Other(String),
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Charge {
    /// Unix seconds.
    pub(crate) created: i64,
    /// All refunds that count, together.
    pub(crate) amount_refunded: Option<u64>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Refund {
    pub(crate) id: String,
    pub(crate) amount: u64,
    pub(crate) currency: String,
    pub(crate) payment_intent: Option<String>,
    pub(crate) status: Option<RefundStatus>,
}

impl Listed for Refund {
    fn id(&self) -> &str {
        &self.id
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RefundStatus {
    Pending,
    RequiresAction,
    Succeeded,
    Failed,
    Canceled,
    #[serde(untagged)]
    Other(String),
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Dispute {
    pub(crate) id: String,
    pub(crate) amount: u64,
    pub(crate) currency: String,
    pub(crate) payment_intent: Option<String>,
    pub(crate) status: DisputeStatus,
}

impl Listed for Dispute {
    fn id(&self) -> &str {
        &self.id
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DisputeStatus {
    WarningNeedsResponse,
    WarningUnderReview,
    WarningClosed,
    NeedsResponse,
    UnderReview,
    Won,
    Lost,
    Prevented,
    /// `appeal_…` too, which came with `2026-09-30.endive`.
    #[serde(untagged)]
    Other(String),
}

/// An event; what its object is follows from the type.
#[derive(Debug, Deserialize)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) object: Option<String>,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// Unix seconds.
    pub(crate) created: Option<i64>,
    /// Left out: nothing speaks against it, and the session that is read has its own.
    pub(crate) livemode: Option<bool>,
    /// Of a connected account: not ours.
    pub(crate) account: Option<String>,
    pub(crate) data: EventData,
}

impl Listed for Event {
    fn id(&self) -> &str {
        &self.id
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct EventData {
    pub(crate) object: EventObject,
}

/// The members that say whom an event is about: of a session, a charge, a refund or a dispute.
#[derive(Debug, Deserialize)]
pub(crate) struct EventObject {
    pub(crate) id: Option<String>,
    pub(crate) metadata: Option<Metadata>,
    pub(crate) payment_intent: Option<Expandable<IntentId>>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct IntentId {
    pub(crate) id: String,
}

impl EventObject {
    pub(crate) fn intent(&self) -> Option<&str> {
        match self.payment_intent.as_ref()? {
            Expandable::Id(id) => Some(id),
            Expandable::Object(intent) => Some(&intent.id),
        }
    }
}

/// The envelope of every error.
#[derive(Debug, Deserialize)]
pub(crate) struct Envelope {
    pub(crate) error: ApiError,
}

/// The message is for people and is never looked at.
#[derive(Debug, Deserialize)]
pub(crate) struct ApiError {
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    pub(crate) code: Option<String>,
    pub(crate) param: Option<String>,
}

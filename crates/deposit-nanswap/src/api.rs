//! The exchange API v1 as it is on the wire (dossier, sections 3 to 6).

use deposit_core::json::{NumberText, PlainNumber};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateOrder<'a> {
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    /// A number, without exponent.
    pub(crate) amount: PlainNumber,
    pub(crate) to_address: &'a str,
    pub(crate) max_duration_seconds: u32,
}

/// An entry of `all-currencies`: what may be missing is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Currency {
    pub(crate) has_external_id: Option<bool>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Limits {
    pub(crate) min: NumberText,
    /// Follows the liquidity.
    pub(crate) max: NumberText,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Order {
    pub(crate) id: String,
    /// May be absent from the answer of a create.
    pub(crate) status: Option<Status>,
    pub(crate) expected_amount_from: Option<NumberText>,
    /// What was announced for `expected_amount_from`.
    pub(crate) expected_amount_to: Option<NumberText>,
    pub(crate) amount_from: Option<NumberText>,
    pub(crate) amount_to: Option<NumberText>,
    pub(crate) payin_address: Option<String>,
    /// A text or a number.
    payin_extra_id: Option<Box<RawValue>>,
    pub(crate) payout_address: Option<String>,
    pub(crate) payout_hash: Option<String>,
    /// ISO 8601 or seconds or milliseconds of the Unix epoch: unconfirmed.
    valid_until: Option<Box<RawValue>>,
}

/// A JSON text or number, as text; `None` for anything else.
fn scalar(raw: &RawValue) -> Option<String> {
    let text = raw.get();
    match text.as_bytes().first()? {
        b'"' => serde_json::from_str(text).ok(),
        b'-' | b'0'..=b'9' => Some(text.to_owned()),
        _ => None,
    }
}

impl Order {
    /// `Err` where there is one that cannot be read: the order must not be shown then.
    pub(crate) fn extra_id(&self) -> Result<Option<String>, ()> {
        match self.payin_extra_id.as_deref().map(scalar) {
            None => Ok(None),
            Some(Some(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
            Some(None) => Err(()),
        }
    }

    pub(crate) fn valid_until(&self) -> Option<String> {
        self.valid_until.as_deref().and_then(scalar)
    }

    pub(crate) fn has_payout_hash(&self) -> bool {
        self.payout_hash.as_ref().is_some_and(|hash| !hash.is_empty())
    }
}

/// The five words that there are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Waiting,
    Exchanging,
    Sending,
    Completed,
    Error,
    #[serde(untagged)]
    Other(String),
}

/// A refusal, whatever the HTTP status.
#[derive(Debug, Deserialize)]
pub(crate) struct Refusal {
    error: Option<IgnoredAny>,
}

/// Whether a body is a refusal: an object with an `error` that is not null.
pub(crate) fn is_refusal(body: &[u8]) -> bool {
    serde_json::from_slice::<Refusal>(body).is_ok_and(|refusal| refusal.error.is_some())
}

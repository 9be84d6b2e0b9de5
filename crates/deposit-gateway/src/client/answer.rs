//! What the gateway answers, read with amounts as text.

use std::time::Duration;

use deposit_core::Status;
use deposit_core::json::NumberText;
use serde::Deserialize;

/// An answer, and the text that it was read from.
#[derive(Debug, Clone)]
pub(crate) struct Answer<T> {
    pub(crate) value: T,
    /// As it was received, on one line: every number has the digits that the gateway wrote.
    pub(crate) raw: String,
    /// `x-poll-after`: when asking again is worth while.
    pub(crate) poll_after: Option<Duration>,
}

/// A deposit: section 3.1 of the API contract, with what 3.5 adds. What counts down by itself (`remainingTime`) is left out, so that two
/// that are equal tell the same.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Deposit {
    pub(crate) tx_id: String,
    pub(crate) ticker: String,
    pub(crate) status: Status,
    pub(crate) amount: Option<NumberText>,
    pub(crate) created_at: String,
    pub(crate) expires_at: Option<String>,
    pub(crate) paid_amount_crypto: NumberText,
    pub(crate) address: Option<String>,
    pub(crate) payment_link: Option<String>,
    #[serde(rename = "QRUrl")]
    pub(crate) qr_url: Option<String>,
    pub(crate) amount_fiat: Option<NumberText>,
    pub(crate) payment_id: Option<String>,
    pub(crate) memo: Option<String>,
    pub(crate) bonus_percent: Option<NumberText>,
    pub(crate) updated_at: Option<String>,
    pub(crate) confirmations: Option<u64>,
    pub(crate) required_confirmations: Option<u64>,
    pub(crate) credited_usd: Option<NumberText>,
    pub(crate) credited_nano: Option<NumberText>,
    pub(crate) bonus_usd: Option<NumberText>,
    pub(crate) completed_at: Option<String>,
    #[serde(default)]
    pub(crate) late: bool,
    #[serde(default)]
    pub(crate) reversed: bool,
    pub(crate) status_reason: Option<String>,
    #[serde(default)]
    pub(crate) payments: Vec<Payment>,
}

/// One payment of a deposit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Payment {
    pub(crate) id: String,
    pub(crate) amount: NumberText,
    pub(crate) stage: String,
    pub(crate) confirmations: Option<u64>,
    pub(crate) reversed: Option<NumberText>,
}

/// Section 3.4.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Limits {
    pub(crate) minimum: NumberText,
    pub(crate) maximum: NumberText,
    pub(crate) fiat_equivalent_minimum: Option<NumberText>,
    pub(crate) fiat_equivalent_maximum: Option<NumberText>,
    /// Unix seconds of the rate.
    pub(crate) timestamp: Option<i64>,
}

/// Section 3.7.
#[cfg(feature = "sandbox")]
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Balance {
    pub(crate) nano_deposit_address: String,
}

/// The error body.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ErrorBody {
    pub(super) error: String,
    #[serde(default)]
    pub(super) code: String,
    pub(super) details: Option<String>,
}

/// A text on one line. Between the tokens of JSON a line end is blank space, and inside a string it is always escaped.
pub(super) fn one_line(text: String) -> String {
    if text.contains(['\n', '\r']) { text.replace(['\n', '\r'], " ") } else { text }
}

//! Prompt.Cash as it is on the wire: one payment object in three envelopes (dossier, sections 2, 3 and 6).

use deposit_core::json::NumberText;
use serde::Deserialize;
use serde_json::value::RawValue;

/// What a payment is priced in.
pub(crate) const FIAT: &str = "USD";
/// What it is paid in.
pub(crate) const COIN: &str = "BCH";

/// The answer of `create-payment`.
#[derive(Debug, Deserialize)]
pub(crate) struct Created {
    pub(crate) payment: Payment,
    /// Whether this `tx_id` had been used before and the old payment came back.
    #[serde(default)]
    pub(crate) existing: bool,
}

/// The answer of `get-payment`: without `data`, or without an id in it, there is no such payment.
#[derive(Debug, Deserialize)]
pub(crate) struct Got {
    #[serde(default)]
    pub(crate) data: Option<Box<RawValue>>,
}

impl Got {
    /// `Ok(None)`: the service does not know the payment.
    pub(crate) fn payment(&self) -> Result<Option<Payment>, serde_json::Error> {
        #[derive(Deserialize)]
        struct Probe {
            #[serde(default)]
            id: Option<Box<RawValue>>,
        }
        let Some(data) = self.data.as_deref().filter(|data| data.get() != "null") else { return Ok(None) };
        if serde_json::from_str::<Probe>(data.get())?.id.is_none_or(|id| id.get() == "null") {
            return Ok(None);
        }
        serde_json::from_str(data.get()).map(Some)
    }
}

/// A payment. `slp_token` is left out on purpose: the reference shows a token's name there even for a BCH payment.
#[derive(Debug, Deserialize)]
pub(crate) struct Payment {
    /// The vendor's own number; nothing is looked up by it. Only its presence and type matter.
    #[serde(rename = "id")]
    _id: u64,
    pub(crate) tx_id: String,
    pub(crate) status: Status,
    /// May have more than 8 decimals.
    pub(crate) amount_crypto: NumberText,
    pub(crate) amount_fiat: NumberText,
    /// Received so far, in all.
    pub(crate) paid_amount_crypto: NumberText,
    pub(crate) fiat_currency: String,
    pub(crate) crypto_currency: String,
    /// CashAddr with its prefix.
    pub(crate) address: String,
    #[serde(default)]
    pub(crate) confirmations: Option<u32>,
    #[serde(default)]
    pub(crate) callback_url: Option<String>,
    #[serde(default)]
    pub(crate) created_at: Option<String>,
    /// `0001-01-01T00:00:00Z` while unpaid.
    #[serde(default)]
    pub(crate) paid: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Status {
    Pending,
    Confirming,
    Paid,
    Expired,
    Cancelled,
    Hold,
    Refunded,
    #[serde(untagged)]
    Other(String),
}

/// The proof of a callback. Read first and alone: nothing else is looked at before it was right.
#[derive(Deserialize)]
pub(crate) struct Proof {
    pub(crate) token: String,
}

/// What a callback is about; its figures are not believed.
#[derive(Debug, Deserialize)]
pub(crate) struct Callback {
    pub(crate) payment: CallbackPayment,
}

#[derive(Debug, Deserialize)]
pub(crate) struct CallbackPayment {
    pub(crate) tx_id: String,
    pub(crate) status: Status,
    #[serde(default)]
    pub(crate) crypto_currency: Option<String>,
    #[serde(default)]
    pub(crate) paid_amount_crypto: Option<NumberText>,
}

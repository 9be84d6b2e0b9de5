//! What the two generations of the API have in common: the adapter speaks to either through one trait, chosen once by the
//! configuration.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use deposit_core::json::NumberText;
use deposit_core::{Amount, Delivery, DepositId, ProviderError, RawDelivery, Ticker, WebhookError};
use serde_json::Value;

/// Requests, words and webhook proofs of one generation.
#[async_trait]
pub(crate) trait Backend: fmt::Debug + Send + Sync {
    /// Opens an order.
    async fn open(&self, asked: &Asked<'_>) -> Result<Opened, ProviderError>;
    /// Reads an order.
    async fn read(&self, id: &str) -> Result<Seen, ProviderError>;
    /// Verifies and reads a webhook.
    fn webhook(&self, delivery: &RawDelivery<'_>) -> Result<Delivery, WebhookError>;
    /// Whether the key is taken, and the addresses of webhooks where the API lists them.
    async fn look(&self) -> Result<Option<Vec<String>>, ProviderError>;
    /// Where bounced money goes.
    fn refund_address(&self) -> &str;
    /// Longest time that a call of `open` may stay unanswered.
    fn patience(&self) -> Duration;
}

/// What is asked for. The same for every repeat.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) deposit_id: &'a DepositId,
    pub(crate) ticker: Ticker,
    /// USDC.
    pub(crate) amount: Amount,
}

/// An order as it was opened.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) id: String,
    /// Where the payer goes.
    pub(crate) url: String,
}

/// An order as one read shows it, in the words of neither generation.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) id: String,
    pub(crate) stage: Stage,
    pub(crate) address: Option<String>,
    /// A text in answers of payments, a number in those of sessions.
    pub(crate) chain: Option<NumberText>,
    pub(crate) token: Option<String>,
    /// What was asked for, in whole tokens.
    pub(crate) amount: Option<NumberText>,
    /// What arrived. Only of use with [`Stage::Delivered`].
    pub(crate) delivered: Option<NumberText>,
    pub(crate) external_id: Option<String>,
    pub(crate) metadata: Value,
}

/// How far an order is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing was seen.
    Unpaid,
    /// The payer's transaction was seen, nothing was delivered.
    InFlight,
    /// The destination has it.
    Delivered,
    /// The delivery was reverted, the money is at the refund address.
    Bounced,
    /// The money went back to the payer.
    Refunded,
    /// The provider's time is over.
    Expired,
    /// A word that no document lists.
    Unknown(String),
}

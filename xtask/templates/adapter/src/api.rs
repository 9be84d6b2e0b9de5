//! @Name@ on the wire. The types here are a beginning: take members, words and number formats from the provider's documents.

use deposit_core::json::NumberText;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize)]
pub(crate) struct CreateOrder<'a> {
    /// Our id.
    pub(crate) reference: &'a str,
    /// As text: a number may be read through floating point.
    pub(crate) amount: String,
    pub(crate) expires_at: i64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) address: String,
    pub(crate) status: OrderStatus,
    /// Required: a missing list is not an empty one.
    pub(crate) payments: Vec<Payment>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OrderStatus {
    Open,
    Expired,
    Cancelled,
    #[serde(untagged)]
    Other(String),
}

#[derive(Debug, Deserialize)]
pub(crate) struct Payment {
    pub(crate) id: String,
    pub(crate) amount: NumberText,
    pub(crate) status: PaymentStatus,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PaymentStatus {
    Pending,
    Confirmed,
    Gone,
    #[serde(untagged)]
    Other(String),
}

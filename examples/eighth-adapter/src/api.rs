//! AcornPay on the wire. Amounts are whole nuts (10^-8 ACORN) as text, times Unix seconds.

use serde::{Deserialize, Serialize};

/// Stands before our id in `external_id`: orders of other programs of the merchant lack it.
const MARKER: &str = "deposit:";

pub(crate) fn external_id(deposit_id: &str) -> String {
    format!("{MARKER}{deposit_id}")
}

/// Whether an order is one of ours.
pub(crate) fn is_ours(external_id: &str) -> bool {
    external_id.starts_with(MARKER)
}

#[derive(Debug, Serialize)]
pub(crate) struct CreateOrder<'a> {
    /// AcornPay makes one order for one external id, however often it is asked.
    pub(crate) external_id: &'a str,
    pub(crate) amount_nuts: String,
    pub(crate) expires_at: i64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) external_id: String,
    pub(crate) amount_nuts: String,
    pub(crate) address: String,
    pub(crate) status: OrderStatus,
    pub(crate) expires_at: i64,
    pub(crate) payments: Vec<Payment>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OrderStatus {
    Open,
    Paid,
    Expired,
    Cancelled,
    #[serde(untagged)]
    Other(String),
}

#[derive(Debug, Deserialize)]
pub(crate) struct Payment {
    pub(crate) id: String,
    pub(crate) amount_nuts: String,
    pub(crate) status: PaymentStatus,
    pub(crate) seen_at: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PaymentStatus {
    Pending,
    Confirmed,
    Orphaned,
    #[serde(untagged)]
    Other(String),
}

#[derive(Debug, Deserialize)]
pub(crate) struct Event {
    pub(crate) id: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) merchant: String,
    pub(crate) order_id: Option<String>,
    pub(crate) external_id: Option<String>,
}

/// The body of a refusal.
#[derive(Debug, Deserialize)]
pub(crate) struct Refusal {
    pub(crate) error: String,
}

//! The Greenfield API as it is on the wire: BTCPay Server 2.x, readable from 1.x too.

use deposit_core::json::NumberText;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::config::SpeedPolicy;

/// Says that an invoice is ours and not another program's in the same store.
pub(crate) const MARKER: (&str, &str) = ("depositGateway", "deposit/1");

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateInvoice<'a> {
    /// As text: some servers read a number through floating point.
    pub(crate) amount: String,
    pub(crate) currency: &'a str,
    pub(crate) metadata: CreateMetadata<'a>,
    pub(crate) checkout: CreateCheckout<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateMetadata<'a> {
    pub(crate) order_id: &'a str,
    /// [`MARKER`].
    pub(crate) deposit_gateway: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateCheckout<'a> {
    pub(crate) payment_methods: [&'a str; 1],
    pub(crate) expiration_minutes: i64,
    pub(crate) monitoring_minutes: i64,
    pub(crate) speed_policy: SpeedPolicy,
    /// In percent.
    pub(crate) payment_tolerance: u8,
    pub(crate) lazy_payment_methods: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct Mark {
    pub(crate) status: &'static str,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Invoice {
    pub(crate) id: String,
    pub(crate) store_id: Option<String>,
    pub(crate) amount: Option<NumberText>,
    pub(crate) currency: Option<String>,
    pub(crate) status: InvoiceStatus,
    pub(crate) additional_status: Option<String>,
    #[serde(default)]
    pub(crate) created_time: i64,
    pub(crate) expiration_time: Option<i64>,
    #[serde(default)]
    pub(crate) metadata: Value,
    pub(crate) checkout: Option<Checkout>,
}

/// Which invoice an item of a list is: readable where the rest of it is not.
#[derive(Debug, Deserialize)]
pub(crate) struct ListedId {
    pub(crate) id: String,
}

/// The payment methods in an item of a list; a server that does not know the parameter (before 2.3.6) lists none.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListedMethods {
    pub(crate) payment_methods: Option<Vec<PaymentMethod>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Checkout {
    pub(crate) payment_methods: Option<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) enum InvoiceStatus {
    New,
    Processing,
    Settled,
    Expired,
    Invalid,
    #[serde(untagged)]
    Other(String),
}

/// A payment method of an invoice.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PaymentMethod {
    payment_method_id: Option<String>,
    /// The same before 2.0.0.
    payment_method: Option<String>,
    currency: Option<String>,
    /// The same before 2.0.0.
    crypto_code: Option<String>,
    pub(crate) activated: Option<bool>,
    pub(crate) destination: Option<String>,
    pub(crate) due: Option<NumberText>,
    #[serde(default)]
    additional_data: Value,
    /// Required: a missing list is not an empty one.
    pub(crate) payments: Vec<Payment>,
}

impl PaymentMethod {
    pub(crate) fn id(&self) -> &str {
        self.payment_method_id.as_deref().or(self.payment_method.as_deref()).unwrap_or_default()
    }

    /// Of the Monero plugin, where its settings have one: how many confirmations settle a payment, whatever the speed policy says.
    pub(crate) fn threshold(&self) -> Option<i64> {
        self.additional_data.get("invoiceSettledConfirmationThreshold")?.as_i64()
    }

    pub(crate) fn currency(&self) -> Option<&str> {
        self.currency.as_deref().or(self.crypto_code.as_deref())
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Payment {
    pub(crate) id: String,
    /// Unix seconds of the detection; of a Lightning payment the time it was paid.
    pub(crate) received_date: Option<i64>,
    /// Gross. `fee` is the part that does not count towards the invoice, but it arrived.
    pub(crate) value: NumberText,
    pub(crate) status: PaymentStatus,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) enum PaymentStatus {
    Processing,
    Settled,
    Invalid,
    #[serde(untagged)]
    Other(String),
}

/// An unspent output of the wallet.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Output {
    /// As `payments[].id`: transaction and index.
    pub(crate) outpoint: String,
    pub(crate) address: Option<String>,
    pub(crate) amount: NumberText,
    pub(crate) confirmations: i64,
    /// Unix seconds.
    #[serde(default)]
    pub(crate) timestamp: i64,
}

/// A transaction of the wallet, asked for by itself: in a list the figures are not to be believed.
#[derive(Debug, Deserialize)]
pub(crate) struct Transaction {
    pub(crate) confirmations: i64,
    status: String,
}

impl Transaction {
    /// Not in the chain, both by its number and by its word.
    pub(crate) fn is_lost(&self) -> bool {
        self.confirmations <= 0 && self.status == "Unconfirmed"
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rate {
    pub(crate) currency_pair: String,
    pub(crate) rate: Option<Box<RawValue>>,
}

/// The object of most errors; validation errors are an array of [`FieldError`].
#[derive(Debug, Deserialize)]
pub(crate) struct ApiError {
    pub(crate) code: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct FieldError {
    pub(crate) path: String,
}

/// The members of an event that we look at.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) delivery_id: Option<String>,
    pub(crate) original_delivery_id: Option<String>,
    /// Very old servers misspelled it.
    #[serde(rename = "orignalDeliveryId")]
    pub(crate) orignal_delivery_id: Option<String>,
    pub(crate) store_id: Option<String>,
    pub(crate) invoice_id: Option<String>,
    #[serde(default)]
    pub(crate) metadata: Value,
    pub(crate) payment_method_id: Option<String>,
    /// The same before 2.0.0.
    pub(crate) payment_method: Option<String>,
}

/// Whether metadata carry our marker; `None` where there are none to tell by.
pub(crate) fn is_ours(metadata: &Value) -> Option<bool> {
    let (key, value) = MARKER;
    metadata.as_object().map(|members| members.get(key).and_then(Value::as_str) == Some(value))
}

//! The public JSON: what sections 3.1, 3.4, 3.5 and 3.7 of the API contract promise. Nothing else writes it.
//!
//! A success body has no top-level `error` or `message`: public clients take either as failure, whatever the status.

use deposit_core::json::PlainNumber;
use deposit_core::{Asset, PayInstructions, Rounding, Stage, Status, Timestamp};
use deposit_engine::{Balances, DepositView, LimitsView, PaymentView};
use serde::Serialize;

/// A deposit. Members that do not apply are left out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Deposit<'a> {
    tx_id: &'a str,
    ticker: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<PlainNumber>,
    status: Status,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining_time: Option<i64>,
    paid_amount_crypto: PlainNumber,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_link: Option<String>,
    #[serde(rename = "QRUrl", skip_serializing_if = "Option::is_none")]
    qr_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount_crypto: Option<PlainNumber>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount_fiat: Option<PlainNumber>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memo: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bonus_percent: Option<PlainNumber>,
    #[serde(flatten)]
    state: Option<State<'a>>,
}

/// What a status answer adds (section 3.5).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct State<'a> {
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmations: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    required_confirmations: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credited_usd: Option<PlainNumber>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credited_nano: Option<PlainNumber>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bonus_usd: Option<PlainNumber>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<String>,
    #[serde(skip_serializing_if = "is_false")]
    late: bool,
    #[serde(skip_serializing_if = "is_false")]
    reversed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    payments: Vec<Payment<'a>>,
}

#[derive(Debug, Serialize)]
struct Payment<'a> {
    id: &'a str,
    amount: PlainNumber,
    stage: Stage,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmations: Option<u32>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// RFC 3339 in UTC with milliseconds and `Z`. Times beyond the year 9999, which only a broken clock makes, are held there.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    let held = jiff::Timestamp::from_millisecond(at.millis()).unwrap_or(jiff::Timestamp::MAX);
    format!("{held:.3}")
}

/// USD at the locked rate, cents, half up.
pub(crate) fn cents(view: &DepositView) -> Option<PlainNumber> {
    let cents = Asset::new("USD", 2).ok()?;
    let value = view.unit_price?.value_in(view.amount?, cents, Rounding::HalfUp).ok()?;
    Some(PlainNumber::from(value))
}

impl<'a> Deposit<'a> {
    /// As it was created: time left is that at creation, so that a repeat with the same idempotency key gets the same bytes.
    pub(crate) fn created(view: &'a DepositView, public_url: &str) -> Self {
        Self::terms(view, public_url, view.created_at)
    }

    /// As it is now.
    pub(crate) fn current(view: &'a DepositView, public_url: &str, now: Timestamp) -> Self {
        Self { state: Some(State::of(view)), ..Self::terms(view, public_url, now) }
    }

    fn terms(view: &'a DepositView, public_url: &str, now: Timestamp) -> Self {
        let page = || format!("{public_url}/pay/{}", view.id);
        let how = &view.instructions;
        let (is_order, is_crypto, payment_id) = match how {
            PayInstructions::Address { .. } | PayInstructions::LightningInvoice { .. } => (true, true, None),
            PayInstructions::HostedPage { payment_id, .. } => (true, false, payment_id.as_deref()),
            PayInstructions::StandingAddress { .. } => (false, true, None),
        };
        // A multi-chain order (the one kind with an id of the provider's own) is paid from our page.
        let link = how.link().filter(|_| payment_id.is_none());
        let amount = view.amount.map(PlainNumber::from);
        Self {
            tx_id: view.id.as_str(),
            ticker: view.ticker.as_str(),
            status: view.status,
            created_at: rfc3339(view.created_at),
            expires_at: view.expires_at.map(rfc3339),
            expiration: view.expires_at.map(Timestamp::secs),
            remaining_time: view.expires_at.map(|end| (end.millis_since(now) / 1000).max(0)),
            paid_amount_crypto: view.paid.into(),
            address: how.address(),
            payment_link: is_order.then(|| link.map_or_else(page, str::to_owned)),
            qr_url: is_order.then(|| format!("{}/qr.svg", page())),
            amount_crypto: amount.clone().filter(|_| is_crypto),
            amount_fiat: cents(view),
            payment_id,
            memo: how.memo(),
            bonus_percent: PlainNumber::new(&view.bonus_percent).ok().filter(|p| p.as_str() != "0"),
            amount,
            state: None,
        }
    }
}

impl<'a> State<'a> {
    fn of(view: &'a DepositView) -> Self {
        let counted = least_confirmed(&view.payments);
        let credited = |is_nano: bool| {
            view.credited.filter(|c| (c.asset() == Asset::XNO) == is_nano).map(PlainNumber::from)
        };
        Self {
            updated_at: rfc3339(view.updated_at),
            confirmations: counted.and_then(|p| p.confirmations),
            required_confirmations: counted.and_then(|p| p.required_confirmations),
            credited_usd: credited(false),
            credited_nano: credited(true),
            bonus_usd: view.bonus.filter(|b| !b.is_zero()).map(PlainNumber::from),
            completed_at: view.completed_at.map(rfc3339),
            late: view.late,
            reversed: view.reversed,
            status_reason: view.reason.as_deref(),
            payments: view.payments.iter().map(Payment::of).collect(),
        }
    }
}

/// The payment that everybody waits for: of those that count, the one with the fewest confirmations.
pub(crate) fn least_confirmed(payments: &[PaymentView]) -> Option<&PaymentView> {
    let counted = payments.iter().filter(|p| p.confirmations.is_some() && p.stage != Stage::Reversed);
    counted.min_by_key(|p| p.confirmations)
}

impl<'a> Payment<'a> {
    fn of(payment: &'a PaymentView) -> Self {
        Self {
            id: payment.id.as_str(),
            amount: payment.amount.into(),
            stage: payment.stage,
            confirmations: payment.confirmations,
        }
    }
}

/// `x-poll-after`: seconds until asking again is worth while.
pub(crate) fn poll_after_secs(view: &DepositView) -> Option<u16> {
    match view.status {
        Status::New | Status::Pending => Some(5),
        Status::Processing | Status::Paid => Some(10),
        Status::Expired | Status::Failed => Some(60),
        Status::Completed => view.reversed.then_some(60),
    }
}

/// Section 3.4.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Limits {
    minimum: PlainNumber,
    maximum: PlainNumber,
    fiat_equivalent_minimum: Option<PlainNumber>,
    fiat_equivalent_maximum: Option<PlainNumber>,
    timestamp: i64,
}

impl Limits {
    /// The limits as quoted.
    pub(crate) fn of(view: &LimitsView) -> Self {
        let usd = |figure: deposit_core::Decimal| PlainNumber::new(&figure.to_string()).ok();
        Self {
            minimum: view.limits.minimum.into(),
            maximum: view.limits.maximum.into(),
            fiat_equivalent_minimum: usd(view.usd.minimum),
            fiat_equivalent_maximum: usd(view.usd.maximum),
            timestamp: view.at.secs(),
        }
    }
}

/// Section 3.7: balances are strings, here alone.
#[derive(Debug, Serialize)]
pub(crate) struct Balance {
    usd_balance: String,
    nano_balance: String,
    #[serde(rename = "nanoDepositAddress")]
    nano_deposit_address: String,
}

impl From<Balances> for Balance {
    fn from(balances: Balances) -> Self {
        Self {
            usd_balance: balances.usd.to_string(),
            nano_balance: balances.xno.to_string(),
            nano_deposit_address: balances.nano_address.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests;

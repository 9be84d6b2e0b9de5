//! The public JSON: what sections 3.1, 3.4, 3.5 and 3.7 of the API contract promise. Nothing else writes it.
//!
//! A success body has no top-level `error` or `message`: public clients take either as failure, whatever the status.

use deposit_core::json::PlainNumber;
use deposit_core::{Asset, PayInstructions, Rounding, Stage, Status, Timestamp};
use deposit_engine::{Balances, DepositView, LimitsView, PaymentView};
use serde::Serialize;
use utoipa::ToSchema;

/// A deposit. Members that do not apply are left out.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Deposit<'a> {
    /// Id of the deposit, ours: 16 to 64 of `A-Z a-z 0-9 _ -`. (Of a direct Nano payment likewise.)
    #[schema(min_length = 1, max_length = 255, pattern = "^[A-Za-z0-9_-]+$")]
    tx_id: &'a str,
    /// Ticker, in upper case.
    ticker: &'a str,
    /// The amount as requested, in the unit of the ticker: the coin itself; USD for USDC, USDT, ETH, SOL; the currency for USD, EUR, GBP. An exact decimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = deposit_core::Decimal, format = "decimal", nullable = false)]
    amount: Option<PlainNumber>,
    /// Where the deposit stands; see *Statuses*.
    #[schema(value_type = super::docs::schemas::DepositStatusName)]
    status: Status,
    /// When it was created: RFC 3339, UTC, milliseconds.
    #[schema(format = "date-time")]
    created_at: String,
    /// When the quote ends: RFC 3339, UTC, milliseconds. A payment first seen later is still credited, at the rate of its own time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time", nullable = false)]
    expires_at: Option<String>,
    /// `expiresAt` in whole Unix seconds, rounded down.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    expiration: Option<i64>,
    /// Whole seconds until `expiresAt`, 0 after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0)]
    remaining_time: Option<i64>,
    /// All that was seen paid so far, less what was reversed, in the unit of `amount`; 0 at first. An exact decimal.
    #[schema(value_type = deposit_core::Decimal, format = "decimal")]
    paid_amount_crypto: PlainNumber,
    /// Where to pay: the coin's address; for BTC-LN the BOLT11 invoice. Cryptocurrency deposits only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, nullable = false)]
    address: Option<&'a str>,
    /// What opens the payer's wallet (`bitcoin:…?amount=…`, `lightning:…`), a page of this gateway, or the card checkout.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, nullable = false)]
    payment_link: Option<String>,
    /// A QR code of the payment link, as SVG.
    #[serde(rename = "QRUrl", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, nullable = false)]
    qr_url: Option<String>,
    /// Same as `amount`. Cryptocurrency deposits only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = deposit_core::Decimal, format = "decimal", nullable = false)]
    amount_crypto: Option<PlainNumber>,
    /// Worth of `amount` in USD at the rate locked for this deposit, in cents, rounded half up.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = deposit_core::Decimal, format = "decimal", nullable = false)]
    amount_fiat: Option<PlainNumber>,
    /// The provider's own id of a multi-chain order (USDC, USDT, ETH, SOL); opaque. The status call takes it in place of `txId`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, nullable = false)]
    payment_id: Option<&'a str>,
    /// Memo or tag that the payment must carry, on chains that need one. It is in `paymentLink` too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, nullable = false)]
    memo: Option<&'a str>,
    /// Percent that is added to the credit; left out where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = deposit_core::Decimal, format = "decimal", nullable = false)]
    bonus_percent: Option<PlainNumber>,
    /// Left out of the schema: an answer to create has none of it, see `DepositStatus` of the OpenAPI document.
    #[serde(flatten)]
    #[schema(ignore)]
    state: Option<State<'a>>,
}

/// What a status answer adds.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DepositState)]
#[serde(rename_all = "camelCase")]
pub(crate) struct State<'a> {
    /// When the deposit last changed: RFC 3339, UTC, milliseconds.
    #[schema(format = "date-time")]
    updated_at: String,
    /// Confirmations of the payment that is waited for, on chains that count them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0)]
    confirmations: Option<u32>,
    /// Confirmations that it needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0)]
    required_confirmations: Option<u32>,
    /// USD credited for this deposit, net of reversals, with bonus; at most 8 decimals.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = deposit_core::Decimal, format = "decimal", nullable = false)]
    credited_usd: Option<PlainNumber>,
    /// XNO credited, net of reversals (direct Nano payments, in place of `creditedUsd`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = deposit_core::Decimal, format = "decimal", nullable = false)]
    credited_nano: Option<PlainNumber>,
    /// USD of the credit that are bonus; left out where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = deposit_core::Decimal, format = "decimal", nullable = false)]
    bonus_usd: Option<PlainNumber>,
    /// When it first became `Completed`: RFC 3339, UTC, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "date-time", nullable = false)]
    completed_at: Option<String>,
    /// `true` where a payment was first seen after the expiry; else left out.
    #[serde(skip_serializing_if = "is_false")]
    late: bool,
    /// `true` where a credit was undone (reorganisation, refund, lost dispute); else left out.
    #[serde(skip_serializing_if = "is_false")]
    reversed: bool,
    /// What went wrong or is unusual, for a person: of `Failed`, a part or an excess payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, nullable = false)]
    status_reason: Option<&'a str>,
    /// The payments seen so far; left out while there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    payments: Vec<Payment<'a>>,
}

/// One payment towards a deposit.
#[derive(Debug, Serialize, ToSchema)]
struct Payment<'a> {
    /// The provider's id of the payment: a transaction hash where there is one.
    id: &'a str,
    /// What came, also where it is gone or taken back by now, in the unit of the deposit's `amount`. An exact decimal.
    #[schema(value_type = deposit_core::Decimal, format = "decimal")]
    amount: PlainNumber,
    /// `seen`, `confirming`, `confirmed`, or `reversed`.
    #[schema(value_type = super::docs::schemas::PaymentStage)]
    stage: Stage,
    /// Its confirmations, on chains that count them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0)]
    confirmations: Option<u32>,
    /// How much of `amount` is gone (replaced, undone by the chain) or taken back (refund, lost dispute); left out where nothing is. An
    /// exact decimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = deposit_core::Decimal, format = "decimal", nullable = false)]
    reversed: Option<PlainNumber>,
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
            reversed: payment.reversed.map(PlainNumber::from),
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

/// Least and greatest amount, in the unit of the ticker and in USD.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Limits {
    /// Least `amount` that create takes, in the unit of the ticker, rounded up.
    #[schema(value_type = deposit_core::Decimal, format = "decimal")]
    minimum: PlainNumber,
    /// Most `amount` that create takes, in the unit of the ticker, rounded down.
    #[schema(value_type = deposit_core::Decimal, format = "decimal")]
    maximum: PlainNumber,
    /// The configured least worth in USD.
    #[schema(value_type = deposit_core::Decimal, format = "decimal", nullable = false)]
    fiat_equivalent_minimum: Option<PlainNumber>,
    /// The configured greatest worth in USD.
    #[schema(value_type = deposit_core::Decimal, format = "decimal", nullable = false)]
    fiat_equivalent_maximum: Option<PlainNumber>,
    /// Unix seconds of the rate that `minimum` and `maximum` were made with.
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

/// Balances, as strings.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Balance {
    /// USD, an exact plain decimal as a string; `"0"` if empty, negative after a reversal of what was spent.
    usd_balance: String,
    /// XNO, an exact plain decimal as a string; `"0"` if empty.
    nano_balance: String,
    /// The account's own Nano address, for good: what arrives there is credited in XNO. `""` where no Nano provider is configured.
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

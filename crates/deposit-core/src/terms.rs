//! Everything that a credit depends on, frozen when the deposit is made.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString};

use crate::amount::Amount;
use crate::asset::{Asset, Ticker};
use crate::price::Price;
use crate::time::Timestamp;

/// Version of the crediting formula. Old versions stay in the code: a new release posts nothing on old payments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Display, EnumString, EnumIter)]
pub enum FormulaVersion {
    /// Worth at the payment's price, rounded down to the ledger's scale, plus the bonus, rounded down.
    V1,
}

/// Which figure of a payment is credited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Display, EnumString, EnumIter)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Basis {
    /// What was received, net of takings-back.
    Received,
    /// What a swap paid out, in the share that net has of confirmed.
    Settled,
}

/// What a deposit of this ticker is credited by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CreditRule {
    /// Which figure counts.
    pub basis: Basis,
    /// Currency of the ledger: [`Asset::USD`], or [`Asset::XNO`] for direct Nano.
    pub ledger: Asset,
    /// Whose rate prices the figure; `None`: in kind, or one to one (USDC for USD), see `fixed_price`.
    pub priced_by: Option<Ticker>,
}

impl CreditRule {
    /// The received coin at its own ticker's rate, in USD.
    #[must_use]
    pub const fn at_rate_of(ticker: Ticker) -> Self {
        Self { basis: Basis::Received, ledger: Asset::USD, priced_by: Some(ticker) }
    }

    /// One USD for each unit received (USDC).
    #[must_use]
    pub const fn one_to_one() -> Self {
        Self { basis: Basis::Received, ledger: Asset::USD, priced_by: None }
    }

    /// In the asset that was received (XNO).
    #[must_use]
    pub const fn in_kind(asset: Asset) -> Self {
        Self { basis: Basis::Received, ledger: asset, priced_by: None }
    }

    /// What a swap paid out, at the rate of `ticker`, in USD.
    #[must_use]
    pub const fn settled_at_rate_of(ticker: Ticker) -> Self {
        Self { basis: Basis::Settled, ledger: Asset::USD, priced_by: Some(ticker) }
    }

    /// The price that holds without any rate: one to one where nothing prices it.
    #[must_use]
    pub fn fixed_price(&self) -> Option<Price> {
        self.priced_by.is_none().then_some(Price::ONE)
    }
}

/// What the payer was told: how much, until when, at which rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    /// What was asked for, in the received asset.
    pub amount: Amount,
    /// USD for one unit of the asset that is priced (`CreditRule::priced_by`), locked until `expires_at`.
    pub rate: Price,
    /// USD for one unit of the asset of `amount`, at creation: for the fiat figure that the payer sees. The same as `rate`
    /// but for a swap, which is priced by what it settles in.
    pub unit_price: Price,
    /// End of the quote, never of the watch.
    pub expires_at: Timestamp,
}

/// The terms of a deposit, frozen at creation. A changed configuration or release changes nothing here.
///
/// ```
/// use deposit_core::{Asset, CreditRule, Terms, Ticker, Timestamp};
/// let terms = Terms::new(Ticker::BTC, Asset::BTC, CreditRule::at_rate_of(Ticker::BTC), Timestamp::EPOCH);
/// assert_eq!(terms.requested(), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Terms {
    /// The way of paying.
    pub ticker: Ticker,
    /// What is received. A payment in another asset is not credited but shown to an operator.
    pub asset: Asset,
    /// How it is credited.
    pub credit: CreditRule,
    /// Bonus in percent on the credited amount; zero for none.
    #[serde(with = "crate::price::decimal_text")]
    pub bonus_percent: Decimal,
    /// Version of the formula.
    pub formula: FormulaVersion,
    /// When the deposit was made.
    pub created_at: Timestamp,
    /// The quote; `None` for a payment to a standing address, which is nobody's order.
    pub quote: Option<Quote>,
    /// Whether the provider confirms only full payments (a part then waits, `Pending`, and is never credited).
    pub confirms_only_full: bool,
    /// The least that a payer can send, in the smallest units of `asset`: 1 where any amount can be sent. A remainder below it is
    /// not asked for. Terms from before there was such a figure have none, which is 1.
    #[serde(default = "any_amount", skip_serializing_if = "is_any_amount", with = "minor_text")]
    pub least_payment: u128,
}

const fn any_amount() -> u128 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
const fn is_any_amount(minor: &u128) -> bool {
    *minor <= 1
}

/// Smallest units as text, since they pass 2^53.
mod minor_text {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(minor: &u128, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(minor)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<u128, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Terms {
    /// Terms without a quote and without a bonus, by the newest formula.
    #[must_use]
    pub const fn new(ticker: Ticker, asset: Asset, credit: CreditRule, created_at: Timestamp) -> Self {
        Self {
            ticker,
            asset,
            credit,
            bonus_percent: Decimal::ZERO,
            formula: FormulaVersion::V1,
            created_at,
            quote: None,
            confirms_only_full: false,
            least_payment: 1,
        }
    }

    /// With this quote, or with `None` as a payment that nobody asked for.
    #[must_use]
    pub fn with_quote(mut self, quote: impl Into<Option<Quote>>) -> Self {
        self.quote = quote.into();
        self
    }

    /// With a bonus, in percent.
    #[must_use]
    pub const fn with_bonus_percent(mut self, percent: Decimal) -> Self {
        self.bonus_percent = percent;
        self
    }

    /// Of a provider that does, or does not, confirm full payments only.
    #[must_use]
    pub const fn confirming_only_full(mut self, only_full: bool) -> Self {
        self.confirms_only_full = only_full;
        self
    }

    /// Where less than this many smallest units cannot be sent.
    #[must_use]
    pub const fn with_least_payment(mut self, minor: u128) -> Self {
        self.least_payment = minor;
        self
    }

    /// End of the quote, if there is one.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.quote.as_ref().map(|q| q.expires_at)
    }

    /// What was asked for, if anything.
    #[must_use]
    pub fn requested(&self) -> Option<Amount> {
        self.quote.as_ref().map(|q| q.amount)
    }
}

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
}

impl Terms {
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

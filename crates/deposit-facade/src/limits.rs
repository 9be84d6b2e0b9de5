//! Amounts of a request, and the limits they are held to.

use std::collections::BTreeMap;

use deposit_core::{
    Amount, ConfigError, Decimal, DecimalText, LimitError, Limits, ParseAmountError, Price, Ticker,
    TickerSpec, UsdLimits,
};

use crate::limits_config::LimitsConfig;
use crate::registry::Registry;

/// A number is no amount of this ticker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Zero or below.
    #[error("must be a positive number")]
    NotPositive,
    /// Finer than the ticker allows; trailing zeros do not count.
    #[error("at most {decimals} decimals")]
    Precision {
        /// How many decimals are allowed.
        decimals: u8,
    },
    /// Beyond every amount that can be stored, so above the maximum.
    #[error("above every maximum")]
    AboveRange,
}

/// An amount of the request, in the unit of the API's `amount`; nothing is ever rounded. Sign is judged before precision, and that before size.
///
/// # Errors
/// See [`AmountError`].
pub fn parse_amount(spec: &TickerSpec, number: &DecimalText) -> Result<Amount, AmountError> {
    match Amount::from_decimal(number, spec.asset, spec.quote_decimals) {
        Ok(amount) if amount.is_zero() => Err(AmountError::NotPositive),
        Ok(amount) => Ok(amount),
        Err(ParseAmountError::TooPrecise { decimals }) => Err(AmountError::Precision { decimals }),
        Err(ParseAmountError::TooLarge) => Err(AmountError::AboveRange),
        Err(ParseAmountError::Negative | ParseAmountError::NotANumber) => Err(AmountError::NotPositive),
    }
}

/// There are no limits at this price, so the way of paying cannot be offered at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unquotable {
    /// No price was given.
    #[error("no price is in force")]
    NoPrice,
    /// One unit is worth so little that the minimum does not fit an amount.
    #[error("the minimum does not fit an amount at this price")]
    Overflow,
    /// Nothing lies between minimum and maximum: the smallest unit is worth too much, or the provider takes nothing of what we do.
    #[error("no amount lies between minimum and maximum at this price")]
    Empty,
}

/// An amount is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// Outside the limits: the payer's error.
    #[error(transparent)]
    Outside(#[from] LimitError),
    /// There are no limits to hold it to: the way of paying is not available.
    #[error(transparent)]
    Unquotable(#[from] Unquotable),
}

/// The USD limits of every ticker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitBook {
    default: UsdLimits,
    tickers: BTreeMap<Ticker, UsdLimits>,
}

/// Built in: 0.10 to 500 USD.
const DEFAULT: UsdLimits = UsdLimits {
    minimum: Decimal::from_parts(10, 0, 0, false, 2),
    maximum: Decimal::from_parts(500, 0, 0, false, 0),
};

/// Built in: least USD where 0.10 is too little.
const RAISED: [(Ticker, Decimal); 4] = [
    (Ticker::KAS, Decimal::TEN),
    (Ticker::USD, Decimal::ONE),
    (Ticker::EUR, Decimal::ONE),
    (Ticker::GBP, Decimal::ONE),
];

/// Only what is built in.
impl Default for LimitBook {
    fn default() -> Self {
        Self::with_default(DEFAULT)
    }
}

impl LimitBook {
    fn with_default(default: UsdLimits) -> Self {
        let raised = |minimum: Decimal| {
            // A maximum that was configured below a built-in minimum wins: the minimum is then the default one.
            let minimum = minimum.max(default.minimum);
            UsdLimits {
                minimum: if minimum > default.maximum { default.minimum } else { minimum },
                ..default
            }
        };
        Self {
            default,
            tickers: RAISED.into_iter().map(|(ticker, minimum)| (ticker, raised(minimum))).collect(),
        }
    }

    /// The limits of a configuration. Every ticker in it is a known one or served by `registry`.
    ///
    /// # Errors
    /// A figure below zero, a minimum above its maximum, a ticker that does not exist; by the key.
    pub fn new(config: &LimitsConfig, registry: &Registry) -> Result<Self, ConfigError> {
        let mut book =
            Self::with_default(config.default.over(DEFAULT).map_err(|rule| rule.at("limits.default"))?);
        for (ticker, entry) in &config.tickers {
            let key = || format!("limits.{ticker}");
            if !ticker.is_known() && !registry.tickers().any(|served| served == *ticker) {
                return Err(ConfigError::new(key(), "no such ticker"));
            }
            let limits = entry.over(book.usd(*ticker)).map_err(|rule| rule.at(&key()))?;
            book.tickers.insert(*ticker, limits);
        }
        Ok(book)
    }

    /// The same with limits of one ticker.
    #[must_use]
    pub fn with(mut self, ticker: Ticker, limits: UsdLimits) -> Self {
        self.tickers.insert(ticker, limits);
        self
    }

    /// The limits of a ticker in USD, as configured.
    #[must_use]
    pub fn usd(&self, ticker: Ticker) -> UsdLimits {
        self.tickers.get(&ticker).copied().unwrap_or(self.default)
    }

    /// As [`limits`](Self::limits), within what the provider itself takes, where that is known.
    ///
    /// # Errors
    /// See [`Unquotable`].
    pub fn limits_within(
        &self,
        spec: &TickerSpec,
        price: Price,
        bounds: Option<&Limits>,
    ) -> Result<Limits, Unquotable> {
        let ours = self.limits(spec, price)?;
        let Some(bounds) = bounds else { return Ok(ours) };
        let both = ours.within(bounds, spec.quote_decimals);
        if both.minimum.minor() > both.maximum.minor() { Err(Unquotable::Empty) } else { Ok(both) }
    }

    /// The limits in the unit of the API's `amount`. `price` is the rate of the spec's `quoted_by`, or [`Price::ONE`] where that is `None`.
    ///
    /// # Errors
    /// See [`Unquotable`].
    pub fn limits(&self, spec: &TickerSpec, price: Price) -> Result<Limits, Unquotable> {
        let limits = self
            .usd(spec.ticker)
            .quote(price, spec.asset, spec.quote_decimals)
            .map_err(|_| Unquotable::Overflow)?;
        if limits.minimum.minor() > limits.maximum.minor() { Err(Unquotable::Empty) } else { Ok(limits) }
    }

    /// Whether the amount is inside the limits at any of the prices. `prices`: all that were in force in the last 60 seconds, newest
    /// first.
    ///
    /// # Errors
    /// The limit that it breaks at the newest price; [`Unquotable`] where the newest price has no limits and no other takes it.
    pub fn check_amount(
        &self,
        spec: &TickerSpec,
        amount: Amount,
        prices: &[Price],
    ) -> Result<(), CheckError> {
        self.check_amount_within(spec, amount, prices, &[None])
    }

    /// As [`check_amount`](Self::check_amount), within what the provider itself takes. `bounds`: all that were in force in the last 60 seconds, newest
    /// first; `None` where nothing was known, as is an empty list.
    ///
    /// # Errors
    /// As there, with the newest price and the newest bounds.
    pub fn check_amount_within(
        &self,
        spec: &TickerSpec,
        amount: Amount,
        prices: &[Price],
        bounds: &[Option<Limits>],
    ) -> Result<(), CheckError> {
        let check = |price: Price, bounds: Option<&Limits>| {
            Ok::<_, CheckError>(self.limits_within(spec, price, bounds)?.check(amount)?)
        };
        let bounds = if bounds.is_empty() { &[None] } else { bounds };
        let newest = bounds.first().and_then(Option::as_ref);
        let verdict = check(*prices.first().ok_or(Unquotable::NoPrice)?, newest);
        let quoted = |price: &Price| bounds.iter().any(|b| check(*price, b.as_ref()).is_ok());
        if verdict.is_err() && prices.iter().any(quoted) { Ok(()) } else { verdict }
    }
}

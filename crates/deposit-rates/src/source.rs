//! Where prices come from.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use deposit_core::{ConfigError, ErrorKind, Price, ProviderError, Ticker, Timestamp};

/// Why there is no rate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RateError {
    /// No source has ever said one.
    #[error("no rate is known for {ticker}")]
    Unknown {
        /// Of what.
        ticker: Ticker,
    },
    /// Nobody has confirmed the last one for longer than the maximum age.
    #[error("the rate of {ticker} is stale: {age_secs} s old")]
    Stale {
        /// Of what.
        ticker: Ticker,
        /// Whole seconds since it was last confirmed.
        age_secs: u64,
    },
    /// A source could not answer. What it says carries no body, query or credential, as a provider's error.
    #[error("the rate source {source_name} failed")]
    Source {
        /// Which.
        source_name: String,
        /// How long it wants to be left alone, where it said so.
        retry_after: Option<Duration>,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync + 'static>,
    },
}

impl RateError {
    /// The failure of a source.
    #[must_use]
    pub fn source(
        name: impl Into<String>,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync + 'static>>,
    ) -> Self {
        Self::Source { source_name: name.into(), retry_after: None, cause: cause.into() }
    }

    /// The same from a source that wants to be left alone for so long.
    #[must_use]
    pub fn busy(
        name: impl Into<String>,
        retry_after: Option<Duration>,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync + 'static>>,
    ) -> Self {
        Self::Source { source_name: name.into(), retry_after, cause: cause.into() }
    }

    /// The failure of a source that is asked like a provider.
    #[must_use]
    pub fn of_provider(name: impl Into<String>, error: ProviderError) -> Self {
        let retry_after =
            if let ErrorKind::Transient { retry_after } = error.kind() { *retry_after } else { None };
        Self::busy(name, retry_after, error)
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        if let Self::Source { retry_after, .. } = self { *retry_after } else { None }
    }
}

/// What a source says of one ticker.
///
/// ```
/// use deposit_core::Ticker;
/// let quote = deposit_rates::Quote::new(Ticker::BTC, "50000".parse().unwrap());
/// assert_eq!(quote.as_of, None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote {
    /// Of what.
    pub ticker: Ticker,
    /// USD for one unit.
    pub price: Price,
    /// When the figure was made, where the source tells: the day of publication, the last update. It is judged by
    /// [`RateSource::max_figure_age`].
    pub as_of: Option<Timestamp>,
}

impl Quote {
    /// A figure of now.
    #[must_use]
    pub fn new(ticker: Ticker, price: Price) -> Self {
        Self { ticker, price, as_of: None }
    }

    /// A figure of a time that the source tells.
    #[must_use]
    pub fn dated(ticker: Ticker, price: Price, as_of: Timestamp) -> Self {
        Self { ticker, price, as_of: Some(as_of) }
    }
}

/// Somebody who says what a unit of a ticker is worth in USD. Object-safe.
#[async_trait]
pub trait RateSource: fmt::Debug + Send + Sync {
    /// Its name in configuration, logs and stored rates.
    fn name(&self) -> &str;

    /// USD for one unit of each ticker that it knows; the others are left out. Never asked about USD. An implementation
    /// bounds its own time and may be repeated at will.
    ///
    /// # Errors
    /// Where it cannot answer at all: [`RateError::source`], or [`RateError::busy`].
    async fn fetch(&self, tickers: &[Ticker]) -> Result<Vec<Quote>, RateError>;

    /// Whether it is meant to price this ticker. One that it leaves out of an answer all the same is told to an operator, once, and counted
    /// ([`Rates::sources`](crate::Rates::sources)). By default nothing is expected of it.
    fn knows(&self, _ticker: Ticker) -> bool {
        false
    }

    /// How often it may be asked, for a source with a budget. It is asked at least twice in the maximum age of a rate all the same.
    fn every(&self) -> Duration {
        Duration::ZERO
    }

    /// How long after its [`Quote::as_of`] a figure is still one of now. A daily source says the same for days, and being asked again
    /// confirms it; one whose figures are older than this has stopped being kept up, whatever it answers.
    fn max_figure_age(&self) -> Duration {
        Duration::MAX
    }
}

/// The ticker whose rate stands in where there is none of its own: another way of paying the same coin.
///
/// ```
/// use deposit_core::Ticker;
/// assert_eq!(deposit_rates::fallback(Ticker::BTC_LN), Some(Ticker::BTC));
/// assert_eq!(deposit_rates::fallback(Ticker::BTC), None);
/// ```
#[must_use]
pub fn fallback(ticker: Ticker) -> Option<Ticker> {
    match ticker {
        Ticker::BTC_LN => Some(Ticker::BTC),
        Ticker::LTC_MWEB => Some(Ticker::LTC),
        _ => None,
    }
}

/// Prices from the configuration. They never go stale: each refresh confirms them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticRates {
    prices: BTreeMap<Ticker, Price>,
}

impl StaticRates {
    /// Its name.
    pub const NAME: &'static str = "static";

    /// USD for one unit of each ticker.
    ///
    /// # Errors
    /// `rates.static.USD` other than 1.
    pub fn new(prices: BTreeMap<Ticker, Price>) -> Result<Self, ConfigError> {
        match prices.get(&Ticker::USD) {
            Some(price) if *price != Price::ONE => {
                Err(ConfigError::new("rates.static.USD", "must be 1: prices are in USD"))
            }
            _ => Ok(Self { prices }),
        }
    }

    /// The price of a ticker, or of the one that stands in for it; USD is 1.
    #[must_use]
    pub fn price(&self, ticker: Ticker) -> Option<Price> {
        if ticker == Ticker::USD {
            return Some(Price::ONE);
        }
        let of = |ticker| self.prices.get(&ticker).copied();
        of(ticker).or_else(|| fallback(ticker).and_then(of))
    }
}

#[async_trait]
impl RateSource for StaticRates {
    fn name(&self) -> &str {
        Self::NAME
    }

    async fn fetch(&self, tickers: &[Ticker]) -> Result<Vec<Quote>, RateError> {
        Ok(tickers.iter().filter_map(|ticker| Some(Quote::new(*ticker, self.price(*ticker)?))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(text: &str) -> Price {
        text.parse().unwrap()
    }

    #[test]
    fn a_ticker_s_own_price_comes_before_the_fallback() {
        let rates = StaticRates::new(BTreeMap::from([
            (Ticker::BTC, price("50000")),
            (Ticker::LTC, price("80")),
            (Ticker::LTC_MWEB, price("79")),
        ]))
        .unwrap();
        assert_eq!(rates.price(Ticker::BTC_LN), Some(price("50000")));
        assert_eq!(rates.price(Ticker::LTC_MWEB), Some(price("79")));
        assert_eq!(rates.price(Ticker::USD), Some(Price::ONE));
        assert_eq!(rates.price(Ticker::XMR), None);
    }

    #[test]
    fn a_dollar_is_a_dollar() {
        assert!(StaticRates::new(BTreeMap::from([(Ticker::USD, price("1.00"))])).is_ok());
        let error = StaticRates::new(BTreeMap::from([(Ticker::USD, price("1.01"))])).unwrap_err();
        assert!(error.to_string().contains("rates.static.USD"), "{error}");
    }

    #[tokio::test]
    async fn it_says_only_what_it_was_asked() {
        let rates =
            StaticRates::new(BTreeMap::from([(Ticker::BTC, price("2")), (Ticker::LTC, price("3"))])).unwrap();
        let said = rates.fetch(&[Ticker::LTC, Ticker::XMR]).await.unwrap();
        assert_eq!(said, [Quote::new(Ticker::LTC, price("3"))]);
    }
}

//! Frankfurter: the reference rates of the European Central Bank, `GET /v1/latest`.

use std::time::Duration;

use async_trait::async_trait;
use deposit_core::{Asset, ConfigError, Price, ProviderId, Rounding, Ticker, Timestamp, plain_decimal};
use serde::Deserialize;

use super::{Members, Site, price_of};
use crate::source::{Quote, RateError, RateSource};

/// Decimals of a figure that is a quotient of two others: the bank's have four or five.
const QUOTIENT_DECIMALS: u8 = 10;

#[derive(Deserialize)]
struct Answer {
    base: String,
    date: String,
    rates: Members,
}

/// The central bank's figures, as the public service Frankfurter tells them.
///
/// They are asked for with the base EUR, as the bank publishes them: USD for one EUR is its own figure; USD for one GBP is USD by GBP, at
/// ten decimals, half up.
#[derive(Debug)]
pub struct Frankfurter(Site);

impl Frankfurter {
    /// Its name.
    pub const NAME: &'static str = "frankfurter";
    /// Where it is.
    pub const BASE_URL: &'static str = "https://api.frankfurter.dev";

    /// No key is needed.
    ///
    /// # Errors
    /// A value that cannot work, by its key.
    pub fn new(base_url: &str) -> Result<Self, ConfigError> {
        Site::new(ProviderId::constant("frankfurter"), Self::NAME, base_url).map(Self)
    }
}

#[async_trait]
impl RateSource for Frankfurter {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn knows(&self, ticker: Ticker) -> bool {
        matches!(ticker, Ticker::EUR | Ticker::GBP)
    }

    /// The figures change once a day; being asked again confirms them.
    fn every(&self) -> Duration {
        Duration::from_secs(120)
    }

    /// From the beginning of the day of publication. The longest pause is at Easter: Thursday's figures stand until Tuesday afternoon.
    fn max_figure_age(&self) -> Duration {
        Duration::from_secs(6 * 86_400)
    }

    async fn fetch(&self, tickers: &[Ticker]) -> Result<Vec<Quote>, RateError> {
        if !tickers.iter().any(|ticker| matches!(*ticker, Ticker::EUR | Ticker::GBP)) {
            return Ok(Vec::new());
        }
        let request = self.0.get("/v1/latest").query("base", "EUR").query("symbols", "USD,GBP");
        let answer: Answer = self.0.ask(request).await?;
        let date = answer.date.parse::<jiff::civil::Date>().ok();
        let begun = date.and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC).ok());
        let as_of = begun
            .filter(|_| answer.base == "EUR")
            .map(|begun| Timestamp::from_secs(begun.timestamp().as_second()))
            .ok_or_else(|| self.0.refused("the answer has no date or another base", None))?;
        let per_euro = |currency: &str| price_of(answer.rates.get(currency)?);
        let price = |ticker: Ticker| match ticker {
            Ticker::EUR => per_euro("USD"),
            Ticker::GBP => quotient(per_euro("USD")?, per_euro("GBP")?),
            _ => None,
        };
        Ok(tickers.iter().filter_map(|ticker| Some(Quote::dated(*ticker, price(*ticker)?, as_of))).collect())
    }
}

/// One division, one rounding.
fn quotient(usd: Price, other: Price) -> Option<Price> {
    let scale = Asset::new("USD", QUOTIENT_DECIMALS).ok()?;
    let units = other.units_for(usd.usd(), scale, QUOTIENT_DECIMALS, Rounding::HalfUp).ok()?;
    plain_decimal(units.minor(), QUOTIENT_DECIMALS).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quotient_is_rounded_once() {
        let of = |usd: &str, other: &str| {
            quotient(usd.parse().unwrap(), other.parse().unwrap()).map(|price| price.to_string())
        };
        assert_eq!(of("1.08", "0.864").as_deref(), Some("1.25"));
        assert_eq!(of("1", "3").as_deref(), Some("0.3333333333"));
        assert_eq!(of("2", "3").as_deref(), Some("0.6666666667"));
        assert_eq!(of("0.000000000001", "1000000000"), None);
    }
}

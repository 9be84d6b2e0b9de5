//! Public sources over HTTP: an aggregator, two exchanges, a central bank's figures.
//!
//! | source | what it says | unit | pace |
//! |---|---|---|---|
//! | [`CoinGecko`] | prices over many exchanges, of every coin that is paid with here | USD | 60 s |
//! | [`Kraken`] | the middle of bid, ask and last trade of the pair with USD; EUR and GBP too | USD | each round |
//! | [`KuCoin`] | the exchange's own USD price | USD | each round |
//! | [`Frankfurter`] | the European Central Bank's reference rates of the last working day: EUR and GBP | USD per EUR, GBP per EUR | 120 s |
//!
//! Each has a client of its own: time-bounded (5 s a try, 8 s in all), with the transport's circuit breaker. A figure that is no price (zero,
//! negative, no number, beyond 28 digits, beyond a billion USD or below a trillionth) is refused for its ticker alone. Numbers are read
//! from their text.

mod coingecko;
mod frankfurter;
mod kraken;
mod kucoin;

use std::collections::BTreeMap;
use std::time::Duration;

use deposit_core::json::NumberText;
use deposit_core::{ConfigError, Operation, Price, ProviderId};
use deposit_transport::{HttpClient, HttpConfig, Method, Request, Safety};
use rust_decimal::Decimal;
use serde_json::value::RawValue;
use url::Url;

pub use coingecko::CoinGecko;
pub use frankfurter::Frankfurter;
pub use kraken::Kraken;
pub use kucoin::KuCoin;

use crate::source::RateError;

/// Members by name, each still as its text: one that cannot be read spoils no other.
type Members = BTreeMap<String, Box<RawValue>>;

/// A client of one source.
#[derive(Debug)]
struct Site {
    name: &'static str,
    base: Url,
    http: HttpClient,
}

impl Site {
    /// `base_url` is the root of the service, to which the documented path is added.
    fn new(provider: ProviderId, name: &'static str, base_url: &str) -> Result<Self, ConfigError> {
        let key = format!("rates.{name}.base_url");
        let rule = "must be an http or https URL with a host, and without user, query and fragment";
        let base: Url = base_url.parse().map_err(|_| ConfigError::new(&key, rule))?;
        let plain = base.username().is_empty()
            && base.password().is_none()
            && base.query().is_none()
            && base.fragment().is_none();
        if !matches!(base.scheme(), "http" | "https") || !base.has_host() || !plain {
            return Err(ConfigError::new(key, rule));
        }
        let mut config = HttpConfig::default();
        config.timeout = Duration::from_secs(5);
        config.read_timeout = Duration::from_secs(5);
        config.deadline = Duration::from_secs(8);
        config.max_tries = 2;
        config.max_concurrent = 2;
        let http = HttpClient::new(provider, config)
            .map_err(|error| ConfigError::new(&key, format!("no HTTP client: {error}")))?;
        Ok(Self { name, base, http })
    }

    fn get(&self, path: &str) -> Request<'_> {
        let mut url = self.base.clone();
        // The base may have a path of its own, with or without a slash at its end.
        let path = format!("{}{path}", self.base.path().trim_end_matches('/'));
        url.set_path(&path);
        self.http.request(Operation::Rates, Safety::Idempotent, Method::GET, url)
    }

    /// Sends the request and reads the answer.
    async fn ask<T: serde::de::DeserializeOwned>(&self, request: Request<'_>) -> Result<T, RateError> {
        let answer = match request.send().await {
            Ok(answer) => answer.json(),
            Err(error) => Err(error),
        };
        answer.map_err(|error| RateError::of_provider(self.name, error))
    }

    /// The source said no in a way of its own. The word is ours, never the source's text.
    fn refused(&self, word: &'static str, retry_after: Option<Duration>) -> RateError {
        RateError::busy(self.name, retry_after, word)
    }
}

/// The price in a number or a text that holds one; `None` of everything that is none, or is no price of anything.
fn price_of(raw: &RawValue) -> Option<Price> {
    let number: NumberText = serde_json::from_str(raw.get()).ok()?;
    let price: Price = number.decimal().to_string().parse().ok()?;
    let sane = Decimal::new(1, 12)..=Decimal::from(1_000_000_000);
    sane.contains(&price.usd()).then_some(price)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<String> {
        let raw: Box<RawValue> = serde_json::from_str(json).unwrap();
        price_of(&raw).map(|price| price.to_string())
    }

    #[test]
    fn prices_are_read_from_their_text_and_nothing_else_is_one() {
        for (json, price) in [
            ("50000", "50000"),
            ("\"50000.10\"", "50000.1"),
            ("1e-7", "0.0000001"),
            ("0.930000000000000001", "0.930000000000000001"),
            ("1e9", "1000000000"),
        ] {
            assert_eq!(read(json).as_deref(), Some(price), "{json}");
        }
        let digits = format!("1.{}", "3".repeat(40));
        let many = "9".repeat(9_000);
        for json in [
            "0",
            "-1",
            "null",
            "true",
            "[]",
            "{}",
            "\"\"",
            "\"NaN\"",
            "\"Infinity\"",
            "1e400",
            "-1e400",
            "1e-400",
            "1e10",
            "1e-13",
            "\"0x10\"",
            "\"1,5\"",
            digits.as_str(),
            many.as_str(),
        ] {
            assert_eq!(read(json), None, "{json}");
        }
    }

    #[test]
    fn a_base_url_is_checked_by_its_key() {
        let built = |url: &str| KuCoin::new(url).map(|_| ()).map_err(|error| error.key);
        assert_eq!(built("http://127.0.0.1:1/kucoin/"), Ok(()));
        for bad in ["", "kucoin", "ftp://x", "http://u:p@x", "http://x?a=b", "http://x#y", "file:///x"] {
            assert_eq!(built(bad), Err("rates.kucoin.base_url".to_owned()), "{bad}");
        }
    }
}

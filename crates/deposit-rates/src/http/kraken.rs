//! Kraken: `GET /0/public/Ticker`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use deposit_core::{ConfigError, Price, ProviderId, Ticker};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Site, price_of};
use crate::median::median;
use crate::source::{Quote, RateError, RateSource};

/// Kraken's own name of each pair with USD, under which it answers.
const PAIRS: &[(Ticker, &str)] = &[
    (Ticker::BTC, "XXBTZUSD"),
    (Ticker::LTC, "XLTCZUSD"),
    (Ticker::XMR, "XXMRZUSD"),
    (Ticker::DOGE, "XDGUSD"),
    (Ticker::DASH, "DASHUSD"),
    (Ticker::ZEC, "XZECZUSD"),
    (Ticker::BCH, "BCHUSD"),
    (Ticker::KAS, "KASUSD"),
    (Ticker::TON, "TONUSD"),
    (Ticker::NEAR, "NEARUSD"),
    (Ticker::EGLD, "EGLDUSD"),
    (Ticker::VVV, "VVVUSD"),
    (Ticker::USDC, "USDCUSD"),
    (Ticker::USDT, "USDTZUSD"),
    (Ticker::ETH, "XETHZUSD"),
    (Ticker::SOL, "SOLUSD"),
    (Ticker::EUR, "ZEURZUSD"),
    (Ticker::GBP, "ZGBPZUSD"),
    (Ticker::XNO, "NANOUSD"),
];

/// One unknown pair spoils the whole answer.
const UNKNOWN_PAIR: &str = "EQuery:Unknown asset pair";
/// How long it is left alone when it says that it was asked too often.
const TOO_OFTEN: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    error: Vec<String>,
    #[serde(default)]
    result: Option<BTreeMap<String, Box<RawValue>>>,
}

/// Best ask, best bid and last trade; the price is the first of each list.
#[derive(Deserialize)]
struct Pair {
    a: Vec<Box<RawValue>>,
    b: Vec<Box<RawValue>>,
    c: Vec<Box<RawValue>>,
}

impl Pair {
    /// The middle of the three: the last trade, held within what is bid and asked now. An old trade in a thin market, or an order book
    /// with one side far away, says little by itself.
    fn price(raw: &RawValue) -> Option<Price> {
        let pair: Self = serde_json::from_str(raw.get()).ok()?;
        let first = |list: &[Box<RawValue>]| price_of(list.first()?);
        median(&mut [first(&pair.a)?, first(&pair.b)?, first(&pair.c)?])
    }
}

/// The exchange Kraken.
#[derive(Debug)]
pub struct Kraken {
    site: Site,
    /// Which of our pairs it lists. Not known before its first answer, which is to the question for all pairs.
    listed: Mutex<Option<BTreeSet<&'static str>>>,
}

impl Kraken {
    /// Its name.
    pub const NAME: &'static str = "kraken";
    /// Where it is.
    pub const BASE_URL: &'static str = "https://api.kraken.com";

    /// No key is needed.
    ///
    /// # Errors
    /// A value that cannot work, by its key.
    pub fn new(base_url: &str) -> Result<Self, ConfigError> {
        let site = Site::new(ProviderId::constant("kraken"), Self::NAME, base_url)?;
        Ok(Self { site, listed: Mutex::new(None) })
    }

    fn listed(&self) -> Option<BTreeSet<&'static str>> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn ask(&self, pairs: Option<&[&str]>) -> Result<Answer, RateError> {
        let request = self.site.get("/0/public/Ticker");
        let request = match pairs {
            Some(pairs) => request.query("pair", &pairs.join(",")),
            None => request,
        };
        self.site.ask(request).await
    }

    /// Asks for all pairs and learns which of ours there are.
    async fn ask_for_all(&self) -> Result<Answer, RateError> {
        let answer = self.ask(None).await?;
        if let Some(result) = answer.result.as_ref().filter(|_| answer.error.is_empty()) {
            let ours = PAIRS.iter().map(|(_, pair)| *pair).filter(|pair| result.contains_key(*pair));
            *self.listed.lock().unwrap_or_else(PoisonError::into_inner) = Some(ours.collect());
        }
        Ok(answer)
    }

    /// What the error list comes to; its texts stay here.
    fn refusal(&self, errors: &[String]) -> RateError {
        let about = |words: &[&str]| errors.iter().any(|error| words.iter().any(|word| error.contains(word)));
        if about(&["Rate limit", "Too many requests", "Throttled"]) {
            self.site.refused("asked too often", Some(TOO_OFTEN))
        } else if about(&["EService:"]) {
            self.site.refused("the service is not available", None)
        } else {
            self.site.refused("the answer is an error", None)
        }
    }
}

#[async_trait]
impl RateSource for Kraken {
    fn name(&self) -> &str {
        Self::NAME
    }

    async fn fetch(&self, tickers: &[Ticker]) -> Result<Vec<Quote>, RateError> {
        let wanted: Vec<&(Ticker, &str)> =
            PAIRS.iter().filter(|(ticker, _)| tickers.contains(ticker)).collect();
        let answer = match self.listed() {
            Some(listed) => {
                let pairs: Vec<&str> =
                    wanted.iter().map(|(_, pair)| *pair).filter(|pair| listed.contains(pair)).collect();
                if pairs.is_empty() {
                    return Ok(Vec::new());
                }
                let answer = self.ask(Some(&pairs)).await?;
                // A pair was taken off the list.
                if answer.error.iter().any(|error| error.starts_with(UNKNOWN_PAIR)) {
                    self.ask_for_all().await?
                } else {
                    answer
                }
            }
            None if wanted.is_empty() => return Ok(Vec::new()),
            None => self.ask_for_all().await?,
        };
        if !answer.error.is_empty() {
            return Err(self.refusal(&answer.error));
        }
        let result = answer.result.ok_or_else(|| self.site.refused("the answer has no result", None))?;
        let quote =
            |(ticker, pair): &(Ticker, &str)| Some(Quote::new(*ticker, Pair::price(result.get(*pair)?)?));
        Ok(wanted.into_iter().filter_map(quote).collect())
    }
}

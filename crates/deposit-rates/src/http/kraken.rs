//! Kraken: `GET /0/public/Ticker`.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use deposit_core::{ConfigError, Price, ProviderId, Ticker};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Members, Site, price_of};
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

/// One pair that it does not know, or that is not to be had here, spoils the whole answer.
const ABOUT_THE_QUESTION: &str = "EQuery:";
/// How often it is asked for all pairs again while one of ours is not listed: about once an hour.
const LOOK_AGAIN: u32 = 180;
/// How long it is left alone when it says that it was asked too often.
const TOO_OFTEN: Duration = Duration::from_secs(60);

/// Each member as its text: one that cannot be read spoils no other.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    error: Option<Box<RawValue>>,
    #[serde(default)]
    result: Option<Box<RawValue>>,
}

impl Answer {
    /// The error list; what is no list of texts is one error, and `null` is none.
    fn errors(&self) -> Vec<String> {
        let Some(raw) = &self.error else { return Vec::new() };
        serde_json::from_str(raw.get()).unwrap_or_else(|_| vec![raw.get().to_owned()])
    }

    /// What is listed by its name, errors or not.
    fn pairs(&self) -> Option<Members> {
        serde_json::from_str(self.result.as_ref()?.get()).ok()
    }
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
    listed: Mutex<Option<Listed>>,
}

#[derive(Debug, Clone)]
struct Listed {
    pairs: BTreeSet<&'static str>,
    /// Questions since then.
    asked: u32,
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

    /// The pairs to ask for; `None`: all. A pair that was not there may have come back.
    fn to_ask(&self, wanted: &[&(Ticker, &'static str)]) -> Option<Vec<&'static str>> {
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        let listed = listed.as_mut()?;
        let pairs: Vec<&str> =
            wanted.iter().map(|(_, pair)| *pair).filter(|pair| listed.pairs.contains(pair)).collect();
        listed.asked = listed.asked.saturating_add(1);
        (pairs.len() == wanted.len() || listed.asked < LOOK_AGAIN).then_some(pairs)
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
        // With an error beside it the list may not be all of it.
        if let Some(result) = answer.pairs().filter(|_| answer.errors().is_empty()) {
            let ours = PAIRS.iter().map(|(_, pair)| *pair).filter(|pair| result.contains_key(*pair));
            let listed = Listed { pairs: ours.collect(), asked: 0 };
            *self.listed.lock().unwrap_or_else(PoisonError::into_inner) = Some(listed);
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

    fn knows(&self, ticker: Ticker) -> bool {
        PAIRS.iter().any(|(known, _)| *known == ticker)
    }

    async fn fetch(&self, tickers: &[Ticker]) -> Result<Vec<Quote>, RateError> {
        let wanted: Vec<&(Ticker, &'static str)> =
            PAIRS.iter().filter(|(ticker, _)| tickers.contains(ticker)).collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let answer = match self.to_ask(&wanted) {
            None => self.ask_for_all().await?,
            Some(pairs) if pairs.is_empty() => return Ok(Vec::new()),
            Some(pairs) => {
                let answer = self.ask(Some(&pairs)).await?;
                // A pair was taken off the list.
                if answer.errors().iter().any(|error| error.starts_with(ABOUT_THE_QUESTION)) {
                    self.ask_for_all().await?
                } else {
                    answer
                }
            }
        };
        let errors = answer.errors();
        // What is usable is used, whatever else it complains of.
        let result = match answer.pairs() {
            Some(result) if errors.is_empty() || !result.is_empty() => result,
            _ if !errors.is_empty() => return Err(self.refusal(&errors)),
            _ => return Err(self.site.refused("the answer has no result", None)),
        };
        let quote =
            |(ticker, pair): &(Ticker, &str)| Some(Quote::new(*ticker, Pair::price(result.get(*pair)?)?));
        Ok(wanted.into_iter().filter_map(quote).collect())
    }
}

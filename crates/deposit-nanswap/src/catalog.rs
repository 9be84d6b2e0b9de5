//! What the provider offers now: keys of the coins and limits of the pairs, kept for as long as they may be.

use std::collections::BTreeMap;
use std::time::Duration;

use deposit_core::{Amount, Asset, ErrorKind, LimitError, Limits, Operation, ProviderError, Ticker};
use serde_json::value::RawValue;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::api::{self, Currency};
use crate::client::Client;
use crate::coin::{Coin, Settle};
use crate::error::ID;

/// Currencies come and go seldom.
const CURRENCIES_KEPT: Duration = Duration::from_secs(600);
/// Limits follow the liquidity: never older than a minute (dossier, section 4).
const LIMITS_KEPT: Duration = Duration::from_secs(60);

/// One coin and what it is swapped for, under their keys, with the limits of the pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) from: String,
    pub(crate) to: String,
    /// Whether an order has to come with a memo.
    pub(crate) needs_memo: bool,
    pub(crate) limits: Limits,
}

#[derive(Debug)]
struct Keys {
    at: Instant,
    all: BTreeMap<String, Box<RawValue>>,
}

/// Asked for when a create needs it, or the limits are asked for.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    keys: Mutex<Option<Keys>>,
    /// One lock a coin, so that concurrent creates of one ask once, and those of another do not wait.
    limits: BTreeMap<Ticker, Mutex<Option<(Instant, Limits)>>>,
}

fn error(kind: ErrorKind) -> ProviderError {
    ProviderError::new(ID, Operation::Open, kind)
}

impl Catalog {
    pub(crate) fn new() -> Self {
        let limits = Coin::ALL.iter().map(|coin| (coin.ticker, Mutex::new(None))).collect();
        Self { keys: Mutex::new(None), limits }
    }

    /// The pair as it stands now. Only reads: it can be given up at any point.
    pub(crate) async fn pair(
        &self,
        client: &Client,
        coin: &Coin,
        settle: &Settle,
    ) -> Result<Pair, ProviderError> {
        let ((from, from_entry), (to, to_entry)) = {
            let mut keys = self.keys.lock().await;
            if keys.as_ref().is_none_or(|keys| keys.at.elapsed() >= CURRENCIES_KEPT) {
                *keys = Some(Keys { at: Instant::now(), all: client.currencies().await? });
            }
            let find = |ticker| keys.as_ref().and_then(|keys| resolve(&keys.all, ticker));
            let entry = |found: Option<(&str, &RawValue)>| match found {
                Some((key, raw)) => Ok((key.to_owned(), Client::currency(raw)?)),
                None => Err(error(ErrorKind::Rejected("currency_unavailable"))),
            };
            (entry(find(coin.ticker))?, entry(find(settle.ticker))?)
        };
        if needs_memo(&to_entry) {
            // The configuration has no memo for our own address.
            return Err(error(ErrorKind::Configuration));
        }
        let limits = self.limits(client, coin, &from, &to).await?;
        Ok(Pair { from, to, needs_memo: needs_memo(&from_entry), limits })
    }

    async fn limits(
        &self,
        client: &Client,
        coin: &Coin,
        from: &str,
        to: &str,
    ) -> Result<Limits, ProviderError> {
        let slot =
            self.limits.get(&coin.ticker).ok_or_else(|| error(ErrorKind::Rejected("unknown_ticker")))?;
        let mut slot = slot.lock().await;
        if let Some((_, limits)) = slot.filter(|(at, _)| at.elapsed() < LIMITS_KEPT) {
            return Ok(limits);
        }
        // The age counts from the question: the answer is not younger.
        let asked = Instant::now();
        let limits = read_limits(&client.limits(from, to).await?, coin.asset)
            .ok_or_else(|| error(ErrorKind::Protocol))?;
        *slot = Some((asked, limits));
        Ok(limits)
    }
}

impl Pair {
    /// Whether the provider takes this amount.
    pub(crate) fn check(&self, amount: Amount) -> Result<(), ErrorKind> {
        self.limits.check(amount).map_err(|broken| match broken {
            LimitError::BelowMinimum(_) => ErrorKind::Rejected("below_minimum"),
            LimitError::AboveMaximum(_) => ErrorKind::Rejected("above_maximum"),
        })
    }
}

fn needs_memo(currency: &Currency) -> bool {
    currency.has_external_id == Some(true)
}

/// The exact key, else the only `TICKER-NETWORK`; none or several is no answer, and nothing is guessed (dossier, section 3).
fn resolve(all: &BTreeMap<String, Box<RawValue>>, ticker: Ticker) -> Option<(&str, &RawValue)> {
    if let Some((key, raw)) = all.get_key_value(ticker.as_str()) {
        return Some((key, raw));
    }
    let on_network = |key: &str| {
        key.strip_prefix(ticker.as_str()).is_some_and(|rest| rest.len() > 1 && rest.starts_with('-'))
    };
    let mut found = all.iter().filter(|(key, _)| on_network(key));
    let (key, raw) = found.next()?;
    found.next().is_none().then_some((key.as_str(), raw.as_ref()))
}

/// The minimum up, the maximum down.
fn read_limits(limits: &api::Limits, asset: Asset) -> Option<Limits> {
    let (min, exact) = Amount::floor_from_decimal(limits.min.decimal(), asset).ok()?;
    let min = Amount::new(min.minor().checked_add(u128::from(!exact))?, asset);
    let (max, _) = Amount::floor_from_decimal(limits.max.decimal(), asset)
        .unwrap_or((Amount::new(u128::MAX, asset), false));
    Some(Limits { minimum: min, maximum: max })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn currencies(json: &str) -> BTreeMap<String, Box<RawValue>> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_key_is_exact_or_unique_or_none() {
        let all = currencies(
            r#"{"VVV-BASE":{},"USDC-BASE":{},"USDC-SOL":{},"TON":{},"TON-ETH":{},"KASX":{},"EGLD-":{}}"#,
        );
        let key = |ticker| resolve(&all, ticker).map(|(key, _)| key);
        assert_eq!(key(Ticker::VVV), Some("VVV-BASE"));
        assert_eq!(key(Ticker::TON), Some("TON"));
        assert_eq!(key(Ticker::USDC), None, "two networks");
        assert_eq!(key(Ticker::KAS), None);
        assert_eq!(key(Ticker::EGLD), None);
    }

    #[test]
    fn limits_are_rounded_into_themselves() {
        let read = |text: &str| {
            let limits: api::Limits = serde_json::from_str(text).unwrap();
            read_limits(&limits, Asset::KAS).map(|l| (l.minimum.minor(), l.maximum.minor()))
        };
        assert_eq!(read(r#"{"min":0.229492,"max":3370.85}"#), Some((22_949_200, 337_085_000_000)));
        assert_eq!(read(r#"{"min":1.000000001,"max":2.999999999}"#), Some((100_000_001, 299_999_999)));
        assert_eq!(read(r#"{"min":1e-9,"max":1e60}"#), Some((1, u128::MAX)));
        assert_eq!(read(r#"{"min":-1,"max":2}"#), None);
    }

    #[test]
    fn an_amount_is_held_within_both_limits() {
        let limits = Limits { minimum: Amount::new(10, Asset::KAS), maximum: Amount::new(20, Asset::KAS) };
        let pair = Pair { from: "KAS".into(), to: "XNO".into(), needs_memo: false, limits };
        let check = |minor| pair.check(Amount::new(minor, Asset::KAS));
        assert_eq!(check(9), Err(ErrorKind::Rejected("below_minimum")));
        assert_eq!((check(10), check(20)), (Ok(()), Ok(())));
        assert_eq!(check(21), Err(ErrorKind::Rejected("above_maximum")));
    }
}

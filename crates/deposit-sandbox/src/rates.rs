//! What the emulated rate sources say: US dollars for one unit of a ticker.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use deposit_core::{DecimalText, Ticker};

use crate::json::Json;

/// Invented, round and stable figures; `POST /control/rates` changes them.
const DEFAULTS: &[(Ticker, &str)] = &[
    (Ticker::BTC, "50000"),
    (Ticker::BTC_LN, "50000"),
    (Ticker::LTC, "80"),
    (Ticker::LTC_MWEB, "80"),
    (Ticker::XMR, "160"),
    (Ticker::DOGE, "0.125"),
    (Ticker::DASH, "25"),
    (Ticker::ZEC, "40"),
    (Ticker::BCH, "400"),
    (Ticker::BAN, "0.004"),
    (Ticker::KAS, "0.08"),
    (Ticker::TON, "4"),
    (Ticker::NEAR, "5"),
    (Ticker::EGLD, "20"),
    (Ticker::VVV, "2"),
    (Ticker::ZANO, "10"),
    (Ticker::FUSD, "1"),
    (Ticker::USDC, "1"),
    (Ticker::USDT, "1"),
    (Ticker::ETH, "2500"),
    (Ticker::SOL, "125"),
    (Ticker::USD, "1"),
    (Ticker::EUR, "1.08"),
    (Ticker::GBP, "1.25"),
    (Ticker::XNO, "0.8"),
];

/// The table of rates that every emulator reads.
#[derive(Debug)]
pub struct Rates(RwLock<Table>);

#[derive(Debug)]
struct Table {
    all: BTreeMap<Ticker, DecimalText>,
    /// What one source says instead.
    own: BTreeMap<(&'static str, Ticker), DecimalText>,
}

impl Default for Rates {
    fn default() -> Self {
        let parsed = DEFAULTS.iter().filter_map(|(ticker, usd)| Some((*ticker, usd.parse().ok()?)));
        Self(RwLock::new(Table { all: parsed.collect(), own: BTreeMap::new() }))
    }
}

impl Rates {
    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// US dollars for one unit, if the sources know this ticker.
    #[must_use]
    pub fn usd(&self, ticker: Ticker) -> Option<DecimalText> {
        self.read().all.get(&ticker).cloned()
    }

    /// The same as one source of rates says it.
    pub(crate) fn said_by(&self, source: &'static str, ticker: Ticker) -> Option<DecimalText> {
        let table = self.read();
        table.own.get(&(source, ticker)).or_else(|| table.all.get(&ticker)).cloned()
    }

    /// What the sources say from now on, all of them.
    pub fn set(&self, rates: impl IntoIterator<Item = (Ticker, DecimalText)>) {
        let mut table = self.write();
        for (ticker, usd) in rates {
            table.own.retain(|(_, of), _| *of != ticker);
            table.all.insert(ticker, usd);
        }
    }

    /// What one source says from now on, until all of them are told something else.
    pub(crate) fn set_of(
        &self,
        source: &'static str,
        rates: impl IntoIterator<Item = (Ticker, DecimalText)>,
    ) {
        self.write().own.extend(rates.into_iter().map(|(ticker, usd)| ((source, ticker), usd)));
    }

    /// As an object of ticker and text, in the order of the contract.
    pub(crate) fn json(&self) -> Json {
        let table = self.read();
        let known = Ticker::KNOWN.iter().filter_map(|ticker| Some((ticker, table.all.get(ticker)?)));
        Json::Object(known.map(|(ticker, usd)| (ticker.to_string(), Json::text(usd.to_string()))).collect())
    }

    /// The `[rates]` and `[rates.static]` sections of a gateway's configuration.
    pub(crate) fn config_toml(&self) -> String {
        let mut text = "[rates]\nsources = [\"static\"]\n\n[rates.static]\n".to_owned();
        let table = self.read();
        for ticker in Ticker::KNOWN {
            if let Some(usd) = table.all.get(ticker) {
                text.push_str(&format!("{ticker} = \"{usd}\"\n"));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ticker_has_a_rate() {
        let rates = Rates::default();
        for ticker in Ticker::KNOWN {
            assert!(rates.usd(*ticker).is_some(), "{ticker}");
        }
    }

    #[test]
    fn one_source_may_say_something_else_until_all_are_told() {
        let rates = Rates::default();
        let usd = |text: &str| text.parse::<DecimalText>().unwrap();
        rates.set_of("a", [(Ticker::BTC, usd("1"))]);
        assert_eq!(rates.said_by("a", Ticker::BTC), Some(usd("1")));
        assert_eq!(rates.said_by("a", Ticker::LTC), Some(usd("80")));
        assert_eq!(rates.said_by("b", Ticker::BTC), Some(usd("50000")));
        assert_eq!(rates.usd(Ticker::BTC), Some(usd("50000")));
        rates.set([(Ticker::BTC, usd("2"))]);
        assert_eq!(rates.said_by("a", Ticker::BTC), Some(usd("2")));
    }
}

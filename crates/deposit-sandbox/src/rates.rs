//! What the emulated rate sources say: US dollars for one unit of a ticker.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use deposit_core::{DecimalText, Ticker};

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
pub struct Rates(RwLock<BTreeMap<Ticker, DecimalText>>);

impl Default for Rates {
    fn default() -> Self {
        let parsed = DEFAULTS.iter().filter_map(|(ticker, usd)| Some((*ticker, usd.parse().ok()?)));
        Self(RwLock::new(parsed.collect()))
    }
}

impl Rates {
    /// US dollars for one unit, if the sources know this ticker.
    #[must_use]
    pub fn usd(&self, ticker: Ticker) -> Option<DecimalText> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&ticker).cloned()
    }

    /// What the sources say from now on.
    pub fn set(&self, rates: impl IntoIterator<Item = (Ticker, DecimalText)>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).extend(rates);
    }

    /// The `[rates]` and `[rates.static]` sections of a gateway's configuration.
    pub(crate) fn config_toml(&self) -> String {
        let mut text = "[rates]\nsources = [\"static\"]\n\n[rates.static]\n".to_owned();
        let rates = self.0.read().unwrap_or_else(PoisonError::into_inner);
        for ticker in Ticker::KNOWN {
            if let Some(usd) = rates.get(ticker) {
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
}

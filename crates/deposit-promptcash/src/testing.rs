//! Invented deposits for the tests of this crate.

use deposit_core::{Amount, Asset, CreditRule, IntentRecord, Quote, Terms, Ticker, Timestamp};

use crate::config::Config;
use crate::map;
use crate::provider::PromptCash;

pub(crate) const CREATED: i64 = 1_785_000_000;
pub(crate) const TX_ID: &str = "dep_01J9Z3K7QmWx";
pub(crate) const SECRET: &str = "s3cret-token-sample-1";
pub(crate) const ADDRESS: &str = "qzq9zryqj3w0vejq5m0yp8cpqg9vpn84ty6cjhfqgd";

pub(crate) fn config() -> Config {
    Config::new("https://prompt.cash", "1-bOLAua5k", SECRET)
}

pub(crate) fn bch(text: &str) -> Amount {
    Amount::parse(text, Asset::BCH).unwrap()
}

pub(crate) fn terms(amount: &str, rate: &str) -> Terms {
    let rate = rate.parse().unwrap();
    Terms::new(Ticker::BCH, Asset::BCH, CreditRule::at_rate_of(Ticker::BCH), Timestamp::from_secs(CREATED))
        .with_quote(Quote {
            amount: bch(amount),
            rate,
            unit_price: rate,
            expires_at: Timestamp::from_secs(CREATED + 3600),
        })
        .confirming_only_full(true)
}

/// For 0.03125 BCH, 12.50 USD.
pub(crate) fn intent() -> IntentRecord {
    IntentRecord {
        deposit_id: TX_ID.parse().unwrap(),
        provider: PromptCash::ID,
        provider_ref: TX_ID.parse().unwrap(),
        terms: terms("0.03125", "400"),
        instructions: map::instructions(ADDRESS, bch("0.03125")),
    }
}

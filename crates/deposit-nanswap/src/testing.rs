//! Invented deposits for the tests of this crate.

use deposit_core::{Amount, IntentRecord, Price, ProviderRef, Quote, Terms, Ticker, Timestamp};

use crate::coin::Coin;
use crate::provider::Nanswap;

pub(crate) const CREATED: i64 = 1_785_000_000;
pub(crate) const ORDER: &str = "0a1b2c3d4e5f60";
pub(crate) const SETTLE: &str = "nano_1settle";

pub(crate) fn terms(ticker: Ticker, asked: Amount) -> Terms {
    let spec = Coin::of(ticker).unwrap().spec(Ticker::XNO);
    spec.terms(Timestamp::from_secs(CREATED)).with_quote(Quote {
        amount: asked,
        rate: Price::ONE,
        unit_price: Price::ONE,
        expires_at: Timestamp::from_secs(CREATED + 3600),
    })
}

pub(crate) fn intent(
    ticker: Ticker,
    asked: &str,
    order: &str,
    address: &str,
    memo: Option<&str>,
) -> IntentRecord {
    let coin = Coin::of(ticker).unwrap();
    let asked = Amount::parse(asked, coin.asset).unwrap();
    IntentRecord {
        deposit_id: "dep_01J9Z3K7QmWx".parse().unwrap(),
        provider: Nanswap::ID,
        provider_ref: ProviderRef::new(order).unwrap(),
        terms: terms(ticker, asked),
        instructions: coin.instructions(address, memo, asked).unwrap(),
    }
}

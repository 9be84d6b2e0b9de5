//! Invented deposits for the tests of this crate.

use deposit_core::{
    Amount, IntentRecord, PayInstructions, Price, ProviderRef, Quote, Terms, Ticker, Timestamp,
};

use crate::coin::{Coin, Methods};
use crate::config::Config;
use crate::map;
use crate::provider::BtcPay;

pub(crate) const CREATED: i64 = 1_785_000_000;
pub(crate) const ORDER_ID: &str = "dep_01J9Z3K7QmWx";
pub(crate) const INVOICE: &str = "Vx7KdQm2Rj8nTzW4cYhB6p";
pub(crate) const STORE: &str = "4hTzE6mQ9kVwXbNcRyJ2sGfUa8LdPp3oM7iAeB1tKxCD";

pub(crate) fn config() -> Config {
    Config::new("https://pay.example", "key-1", STORE, "whsec-sample-1")
}

pub(crate) fn methods() -> Methods {
    config().check().unwrap().methods
}

pub(crate) fn amount(ticker: Ticker, text: &str) -> Amount {
    Amount::parse(text, Coin::of(ticker).unwrap().asset).unwrap()
}

pub(crate) fn terms(ticker: Ticker, asked: Amount) -> Terms {
    let spec = Coin::of(ticker).unwrap().spec();
    spec.terms(Timestamp::from_secs(CREATED)).with_quote(Quote {
        amount: asked,
        rate: Price::ONE,
        unit_price: Price::ONE,
        expires_at: Timestamp::from_secs(CREATED + 3600),
    })
}

pub(crate) fn intent(ticker: Ticker, asked: &str, destination: &str) -> IntentRecord {
    let asked = amount(ticker, asked);
    let instructions = map::instructions(methods().of(ticker).unwrap(), destination, asked);
    IntentRecord {
        deposit_id: ORDER_ID.parse().unwrap(),
        provider: BtcPay::ID,
        provider_ref: ProviderRef::new(INVOICE).unwrap(),
        terms: terms(ticker, asked),
        instructions: instructions.unwrap_or(PayInstructions::Address {
            address: destination.to_owned(),
            memo: None,
            uri: None,
        }),
    }
}

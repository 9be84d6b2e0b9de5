//! Invented deposits for the tests of this crate.

use deposit_core::{
    Amount, Asset, CreditRule, IntentRecord, PayInstructions, Price, Quote, Terms, Ticker, Timestamp,
};

use crate::evm::{Chain, Destination};
use crate::provider::Daimo;

pub(crate) const CREATED: i64 = 1_785_000_000;
pub(crate) const ORDER_ID: &str = "dep_01J9Z3K7QmWx";
pub(crate) const PAYMENT: &str = "7Example44CharsBase58";
pub(crate) const TREASURY: &str = "0xde709f2102306220921060314715629080e2fb77";
pub(crate) const REFUNDS: &str = "0x52908400098527886E0F7030069857D2E4169EE7";
pub(crate) const TOKEN: &str = "token-sample-1";

pub(crate) fn destination() -> Destination {
    Destination { address: TREASURY.to_owned(), chain: Chain::by_id(8453).unwrap() }
}

pub(crate) fn usdc(text: &str) -> Amount {
    Amount::parse(text, Asset::USDC).unwrap()
}

pub(crate) fn intent(asked: &str) -> IntentRecord {
    let asked = usdc(asked);
    IntentRecord {
        deposit_id: ORDER_ID.parse().unwrap(),
        provider: Daimo::ID,
        provider_ref: PAYMENT.parse().unwrap(),
        terms: Terms::new(Ticker::ETH, Asset::USDC, CreditRule::one_to_one(), Timestamp::from_secs(CREATED))
            .with_quote(Quote {
                amount: asked,
                rate: Price::ONE,
                unit_price: Price::ONE,
                expires_at: Timestamp::from_secs(CREATED + 3600),
            })
            .confirming_only_full(true),
        instructions: PayInstructions::HostedPage {
            url: "https://pay.daimo.com/checkout?id=7Example44CharsBase58".to_owned(),
            payment_id: Some(PAYMENT.to_owned()),
        },
    }
}

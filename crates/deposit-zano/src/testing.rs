//! Invented deposits for the tests of this crate.

use deposit_core::{
    Amount, Asset, CreditRule, IntentRecord, PayInstructions, Price, ProviderRef, Quote, Terms, Ticker,
    Timestamp,
};

use crate::address::payment_id;
use crate::asset::{AssetId, Assets, FUSD_ID, ZANO_ID};
use crate::entry::{Entry, Group, Line};
use crate::map::Rules;
use crate::provider::Zano;

pub(crate) const CREATED: i64 = 1_785_000_000;
pub(crate) const DEPOSIT: &str = "dep_01J9Z3K7QmWx";
/// Any other token.
pub(crate) const OTHER_ID: &str = "f4a1e5ed0000000000000000000000000000000000000000000000000000f00d";

pub(crate) fn assets() -> Assets {
    Assets { fusd: AssetId::parse(FUSD_ID).unwrap() }
}

pub(crate) fn rules(assets: &Assets) -> Rules<'_> {
    Rules { assets, required: 10, fusd_fits: true, doubted: false, fusd_unknown: false }
}

pub(crate) fn intent(deposit: &str, ticker: Ticker, address: &str) -> IntentRecord {
    let asset = if ticker == Ticker::FUSD { Asset::FUSD } else { Asset::ZANO };
    let deposit_id = deposit.parse().unwrap();
    IntentRecord {
        provider: Zano::ID,
        provider_ref: ProviderRef::new(payment_id(&deposit_id)).unwrap(),
        deposit_id,
        terms: Terms::new(ticker, asset, CreditRule::at_rate_of(ticker), Timestamp::from_secs(CREATED))
            .with_quote(Quote {
                amount: Amount::parse("1.5", asset).unwrap(),
                rate: Price::ONE,
                unit_price: Price::ONE,
                expires_at: Timestamp::from_secs(CREATED + 3_600),
            }),
        instructions: PayInstructions::Address { address: address.to_owned(), memo: None, uri: None },
    }
}

pub(crate) fn line(asset_id: &str, amount: u64, is_income: bool) -> Line {
    Line { amount, asset_id: asset_id.to_owned(), is_income, odd: false }
}

pub(crate) fn entry(number: u64, height: u64, groups: &[(&str, Vec<Line>)]) -> Entry {
    let group =
        |(id, lines): &(&str, Vec<Line>)| Group { payment_id: (*id).to_owned(), subtransfers: lines.clone() };
    Entry {
        tx_hash: format!("{number:064x}"),
        height,
        timestamp: 1_785_000_600,
        transfer_internal_index: Some(number),
        unlock_time: 0,
        is_mining: false,
        subtransfers_by_pid: groups.iter().map(group).collect(),
    }
}

/// A transaction that pays so much ZANO on this payment id.
pub(crate) fn zano(number: u64, height: u64, payment_id: &str, amount: u64) -> Entry {
    entry(number, height, &[(payment_id, vec![line(ZANO_ID, amount, true)])])
}

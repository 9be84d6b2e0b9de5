use deposit_core::Asset;

use super::*;
use crate::testing::{CREATED, amount, config, terms};

#[test]
fn an_invoice_outlives_our_quote() {
    let of = |ticker: Ticker, seconds: i64| {
        let terms = terms(ticker, amount(ticker, "1"));
        expiration_minutes(&terms, Timestamp::from_secs(CREATED + seconds), Coin::of(ticker).unwrap())
    };
    assert_eq!(of(Ticker::BTC, 3600), 65);
    assert_eq!(of(Ticker::BTC, 3601), 66);
    assert_eq!(of(Ticker::BTC, 30), 6);
    assert_eq!(of(Ticker::BTC, -5), 5);
    // The address is given to somebody else as soon as the invoice is no longer watched.
    assert_eq!(of(Ticker::LTC_MWEB, 3600), 60 + 24 * 60);
}

#[test]
fn amounts_that_the_server_would_round_are_refused() {
    let check = |coin, amount| check_amount(Coin::of(coin).unwrap(), amount);
    assert_eq!(check(Ticker::BTC, amount(Ticker::BTC, "0.00000001")), Ok(()));
    assert_eq!(check(Ticker::BTC_LN, amount(Ticker::BTC_LN, "0.00000001")), Ok(()));
    assert_eq!(check(Ticker::XMR, amount(Ticker::XMR, "0.000000000001")), Ok(()));
    let finer = amount(Ticker::BTC_LN, "0.00000000001");
    assert_eq!(check(Ticker::BTC_LN, finer), Err(ErrorKind::Rejected("amount_precision")));
    assert_eq!(check(Ticker::BTC, Amount::zero(Asset::BTC)), Err(ErrorKind::Rejected("amount_zero")));
    assert_eq!(check(Ticker::BTC, amount(Ticker::LTC, "1")), Err(ErrorKind::Rejected("wrong_asset")));
}

#[test]
fn what_is_not_declared_is_unsupported() {
    let provider = BtcPay::new(config()).unwrap();
    let caps = provider.capabilities();
    assert_eq!(
        (caps.replay, caps.scan, caps.standing_address, caps.read_batch),
        (Replay::LookUp, true, false, 100)
    );
    let error = provider.standing_address(deposit_core::AccountIndex(0)).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unsupported);
}

#[test]
fn no_secret_is_printed() {
    let config = Config::new("https://pay.example", "S3CR3T-A", "store", "S3CR3T-B");
    let shown =
        format!("{:?} {:?}", BtcPay::new(config.clone()).unwrap(), crate::StoreRates::new(&config).unwrap());
    assert!(!shown.contains("S3CR3T"), "{shown}");
}

use deposit_core::Asset;

use super::*;

#[test]
fn amounts_that_the_chain_can_have() {
    let check = |ticker, minor, asset| check_amount(ticker, Amount::new(minor, asset));
    assert_eq!(check(Ticker::ZANO, 1, Asset::ZANO), Ok(()));
    assert_eq!(check(Ticker::FUSD, u128::from(u64::MAX), Asset::FUSD), Ok(()));
    let rejected = |word| Err(ErrorKind::Rejected(word));
    assert_eq!(check(Ticker::FUSD, u128::from(u64::MAX) + 1, Asset::FUSD), rejected("amount_too_large"));
    assert_eq!(check(Ticker::ZANO, 0, Asset::ZANO), rejected("amount_zero"));
    assert_eq!(check(Ticker::ZANO, 1, Asset::FUSD), rejected("wrong_asset"));
    assert_eq!(check(Ticker::BTC, 1, Asset::BTC), rejected("wrong_asset"));
}

#[test]
fn a_wallet_behind_its_daemon_shows_not_everything() {
    let of = |height, top: u64, state, status: Status| {
        let mut feed = Feed { height: Some(height), complete: true, ..Feed::default() };
        compare(&Info { height: top + 1, daemon_network_state: state, status }, &mut feed);
        assert_eq!(feed.doubted, feed.concerns.first().is_some_and(|c| c.code == "wallet_behind"));
        (feed.complete, feed.concerns.first().map(|c| c.code.clone()))
    };
    assert_eq!(of(100, 100, 2, Status::Ok), (true, None));
    assert_eq!(of(97, 100, 2, Status::Ok), (true, None));
    assert_eq!(of(101, 100, 2, Status::Ok), (true, None), "the wallet was asked first, but may be quicker");
    assert_eq!(of(96, 100, 2, Status::Ok), (false, Some("wallet_behind".into())));
    let unsynchronized = (false, Some("daemon_not_synchronized".to_owned()));
    for state in [0, 1, 3, 4, 5, 6, 7] {
        assert_eq!(of(100, 100, state, Status::Ok), unsynchronized);
    }
    assert_eq!(of(100, 100, 2, Status::Busy), unsynchronized);
    assert_eq!(of(100, 100, 2, Status::Other("FAILED".into())), unsynchronized);
}

#[test]
fn what_is_declared() {
    let zano = |daemon: &str| {
        let mut config = Config::new("http://wallet", "secret");
        config.daemon_url = daemon.to_owned();
        Zano::new(config).unwrap()
    };
    let alone = zano("");
    let declared = alone.capabilities();
    assert_eq!((declared.replay, declared.scan, declared.webhooks), (Replay::Key, true, false));
    assert_eq!((declared.open_timeout, declared.requests_per_read), (Duration::from_secs(10), 2));
    assert_eq!(zano("http://daemon").capabilities().requests_per_read, 3);
}

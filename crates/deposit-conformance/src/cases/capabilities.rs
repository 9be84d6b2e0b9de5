//! What an adapter declares, and what it does not.

use std::collections::BTreeSet;

use deposit_core::{
    AccountIndex, Amount, Asset, ErrorKind, PayInstructions, RawDelivery, Replay, ScanCursor, Ticker,
    TickerKind, WebhookError,
};

use crate::harness::{Ability, Fault, Harness, Variant};
use crate::support::{
    UNSUPPORTED, cannot, chain, first_ticker, open_usual, order_tickers, request, request_for,
};

/// Tickers are unique and make sense, numbers are above zero, and it is the same after a restart.
pub async fn capabilities_are_consistent(harness: &dyn Harness) {
    let provider = harness.provider();
    let declared = provider.capabilities();
    assert!(!declared.tickers.is_empty(), "no way of paying is declared");
    let mut seen = BTreeSet::new();
    let mut assets: Vec<Asset> = Vec::new();
    for spec in &declared.tickers {
        let name = spec.ticker;
        assert!(seen.insert(name), "{name} is declared twice");
        let (quoted, stored) = (spec.quote_decimals, spec.asset.scale());
        assert!(quoted <= stored, "{name}: {quoted} quote decimals, but stored with {stored}");
        let other = assets.iter().find(|a| a.code() == spec.asset.code() && a.scale() != stored);
        assert!(other.is_none(), "{name}: {} is declared with two scales", spec.asset);
        assets.push(spec.asset);
        if let Some(known) = Asset::KNOWN.iter().find(|a| a.code() == spec.asset.code()) {
            assert_eq!(*known, spec.asset, "{name}: another scale than the known asset's");
        }
    }
    let standing = declared.tickers.iter().any(|spec| spec.kind == TickerKind::Standing);
    assert!(!standing || declared.standing_address, "a standing ticker needs standing_address");
    assert!(declared.budget.requests > 0, "a budget of no requests");
    assert!(!declared.budget.per.is_zero(), "a budget over no time");
    assert!(declared.budget.concurrency > 0, "no request at once");
    assert!(declared.requests_per_read > 0, "a read that costs nothing");
    assert!(declared.read_batch > 0, "reads of no order");
    assert!(!declared.open_timeout.is_zero(), "no time for open");
    let again = harness.provider();
    assert_eq!(again.id(), provider.id());
    assert_eq!(again.capabilities().tickers, declared.tickers, "other tickers after a restart");
    assert_eq!(again.capabilities().replay, declared.replay);
}

/// Declared capabilities answer, undeclared ones answer `Unsupported`; none pretends.
pub async fn undeclared_capabilities_are_unsupported(harness: &dyn Harness) {
    let provider = harness.provider();
    let declared = provider.capabilities();
    if !declared.scan {
        for cursor in [None, Some(ScanCursor("1".to_owned()))] {
            let error = provider.scan(cursor.as_ref()).await.expect_err("scan is not declared");
            UNSUPPORTED.check("scan", &error);
        }
    }
    if !declared.standing_address {
        let error = provider.standing_address(AccountIndex(0)).expect_err("standing_address is not declared");
        UNSUPPORTED.check("standing_address", &error);
    }
    if !declared.webhooks {
        let delivery = RawDelivery { headers: &[], query: &[], body: b"{}", received_at: harness.now() };
        assert_eq!(provider.webhook(&delivery), Err(WebhookError::Unsupported), "webhooks are not declared");
    }
    if !declared.bounds {
        for spec in &declared.tickers {
            let error = provider.bounds(spec.ticker).await.expect_err("bounds are not declared");
            UNSUPPORTED.check("bounds", &error);
        }
    }
    let Some(spec) = first_ticker(provider.as_ref()) else { return };
    if declared.replay != Replay::LookUp {
        let wanted = request(harness, &spec);
        let wanted = deposit_core::LookUpRequest { deposit_id: wanted.deposit_id, terms: wanted.terms };
        let Err(error) = provider.look_up(&wanted).await else { panic!("look_up is not declared") };
        UNSUPPORTED.check("look_up", &error);
    }
    let order = open_usual(harness, &spec).await;
    if declared.read_batch == 1 {
        let error = provider.read_many(&[order]).await.expect_err("read_many is not declared");
        UNSUPPORTED.check("read_many", &error);
    }
}

/// A declared scan starts at the beginning, goes on from its cursor, and comes to an end.
pub async fn a_declared_scan_comes_to_an_end(harness: &dyn Harness) {
    let provider = harness.provider();
    if !provider.capabilities().scan {
        return;
    }
    let mut cursor = None;
    for _ in 0..1_000 {
        let page = match provider.scan(cursor.as_ref()).await {
            Ok(page) => page,
            Err(error) => panic!("scan failed: {}", chain(&error)),
        };
        for observation in &page.observations {
            assert_eq!(observation.provider, provider.id(), "an observation of another provider");
        }
        if !page.more {
            return;
        }
        cursor = Some(page.next);
    }
    panic!("a scan of 1000 pages says that there is more");
}

/// A standing address is the same for the same account, another for another, and needs nobody's answer.
pub async fn a_standing_address_stands(harness: &dyn Harness) {
    let provider = harness.provider();
    if !provider.capabilities().standing_address {
        return;
    }
    let of = |index| match provider.standing_address(AccountIndex(index)) {
        Ok(PayInstructions::StandingAddress { address, uri }) => {
            assert!(!address.trim().is_empty(), "an empty address");
            assert!(uri.is_none_or(|uri| uri.contains(&address)), "the link has not the address in it");
            address
        }
        Ok(other) => panic!("no standing address: {other:?}"),
        Err(error) => panic!("standing_address failed: {}", chain(&error)),
    };
    let all: BTreeSet<_> = (0..50).chain([u32::MAX]).map(of).collect();
    assert_eq!(all.len(), 51, "two accounts have one address");
    assert_eq!(of(7), of(7), "another address at the second call");
    let again = harness.provider().standing_address(AccountIndex(7)).ok();
    assert_eq!(
        again.as_ref().and_then(PayInstructions::address),
        Some(of(7).as_str()),
        "another address after a restart"
    );
}

/// The harness can do what every provider can suffer, and its variants are as it says.
pub async fn the_harness_can_do_what_any_provider_suffers(harness: &dyn Harness) {
    for fault in [Fault::Down, Fault::LostAnswer, Fault::Slow, Fault::HugeBody, Fault::WrongTypes] {
        assert!(harness.cannot(Ability::Fault(fault)).is_none(), "every provider can suffer {fault:?}");
    }
    assert!(
        harness.cannot(Ability::Variant(Variant::Unreachable)).is_none(),
        "every provider can be unreachable"
    );
    for variant in [Variant::Unreachable, Variant::WrongKey, Variant::NoWebhookSecret, Variant::Impatient] {
        let missing = cannot(harness, Ability::Variant(variant));
        assert_eq!(
            harness.variant(variant).is_none(),
            missing,
            "{variant:?}: the harness contradicts itself"
        );
    }
    let provider = harness.provider();
    assert_eq!(
        harness.webhook_auth().is_some(),
        provider.capabilities().webhooks,
        "webhook_auth and the capability"
    );
    for spec in order_tickers(provider.as_ref()) {
        let amount = harness.amount(&spec);
        let fine = 10_u128.pow(u32::from(spec.asset.scale() - spec.quote_decimals));
        assert_eq!(amount.asset(), spec.asset, "{}: the harness's usual amount", spec.ticker);
        assert!(
            !amount.is_zero() && amount.minor() % fine == 0,
            "{}: the harness's usual amount",
            spec.ticker
        );
    }
}

/// Declared bounds are in the ticker's own unit, take what the harness pays, and what is outside them is refused and opens nothing.
pub async fn declared_bounds_are_held_by_open(harness: &dyn Harness) {
    let provider = harness.provider();
    if !provider.capabilities().bounds {
        return;
    }
    let unknown: Ticker = "NO-SUCH-COIN".parse().expect("a ticker");
    let error = provider.bounds(unknown).await.expect_err("bounds of a ticker that is not offered");
    assert!(matches!(error.kind(), ErrorKind::Rejected(_)), "unknown ticker: {}", chain(&error));
    for spec in &provider.capabilities().tickers {
        let bounds = match provider.bounds(spec.ticker).await {
            Ok(bounds) => bounds,
            Err(error) => panic!("{}: bounds failed: {}", spec.ticker, chain(&error)),
        };
        assert_eq!(
            (bounds.minimum.asset(), bounds.maximum.asset()),
            (spec.asset, spec.asset),
            "{}",
            spec.ticker
        );
        assert_eq!(bounds.check(harness.amount(spec)), Ok(()), "{}: a usual amount", spec.ticker);
        let step = 10_u128.pow(u32::from(spec.asset.scale() - spec.quote_decimals));
        let (least, most) = (bounds.minimum.minor(), bounds.maximum.minor());
        let below = least.saturating_sub(1) / step * step;
        let above = (most / step).checked_add(1).and_then(|n| n.checked_mul(step));
        for minor in [Some(below).filter(|minor| *minor > 0), above].into_iter().flatten() {
            let request = request_for(harness, spec, Amount::new(minor, spec.asset));
            match provider.open(&request).await {
                Ok(_) => panic!("{}: {minor} is outside {bounds:?} and was opened", spec.ticker),
                Err(error) => assert!(
                    matches!(error.kind(), ErrorKind::Rejected(_)),
                    "{}: {minor} is outside: {}",
                    spec.ticker,
                    chain(&error)
                ),
            }
        }
    }
}

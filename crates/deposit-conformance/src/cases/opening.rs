//! Opening orders, and how a repeat is safe.

use std::collections::BTreeSet;

use deposit_core::{
    Amount, DepositIntent as _, IntentRecord, OpenRequest, OrderState, PayInstructions, Replay, Ticker,
    TickerKind, TickerSpec,
};
use futures_util::future::join_all;

use crate::harness::Harness;
use crate::support::{
    NOT_FOUND, assert_shows, first_ticker, look_up, open_usual, opened, order_tickers, request, request_for,
    snapshot,
};

/// What an opened order has to be like.
#[track_caller]
fn assert_usable(harness: &dyn Harness, spec: &TickerSpec, request: &OpenRequest, order: &IntentRecord) {
    let name = spec.ticker;
    assert_eq!(order.deposit_id, request.deposit_id, "{name}: our id");
    assert_eq!(order.provider, harness.provider().id(), "{name}: the provider's name");
    assert_eq!(order.terms, request.terms, "{name}: the terms are frozen");
    assert_eq!(order.ticker(), name);
    let link = order.instructions.link();
    let amount = request.amount.to_string();
    match (&order.instructions, spec.kind) {
        (PayInstructions::Address { address, .. }, TickerKind::Address | TickerKind::Swap) => {
            // Kaspa's prefix is a part of the address; all others are shown without a scheme.
            let bare = match name {
                Ticker::KAS => address.strip_prefix("kaspa:").unwrap_or_default(),
                _ => address.as_str(),
            };
            assert!(
                !bare.is_empty() && !bare.contains([' ', ':', '?']),
                "{name}: {address:?} is no bare address"
            );
            if let Some(link) = link {
                assert!(link.contains(address), "{name}: the link {link} has not the address in it");
                // Some schemes count in smallest units.
                let raw = request.amount.minor();
                assert!(
                    link.contains(&format!("={amount}")) || link.contains(&format!("={raw}")),
                    "{name}: the link {link} has not the amount {amount} in it"
                );
            }
        }
        (PayInstructions::LightningInvoice { bolt11, uri }, TickerKind::Invoice) => {
            assert!(bolt11.starts_with("ln"), "{name}: {bolt11:?} is no bare BOLT11 text");
            assert_eq!(*bolt11, bolt11.to_lowercase(), "{name}: BOLT11 in lower case");
            assert!(uri.contains(bolt11), "{name}: the link {uri} has not the invoice in it");
        }
        (
            PayInstructions::HostedPage { url, .. },
            TickerKind::MultiChain | TickerKind::Card | TickerKind::Invoice,
        ) => {
            let web = url.starts_with("https://") || url.starts_with("http://");
            assert!(web && url.len() > 10, "{name}: {url:?} is no page");
        }
        (other, kind) => panic!("{name}: {other:?} is no way to pay of kind {kind}"),
    }
    let stored = serde_json::to_string(order).expect("a record is JSON");
    let back: IntentRecord = serde_json::from_str(&stored).expect("a record comes back from JSON");
    assert_eq!(back, *order, "{name}: the stored record");
}

/// Every declared ticker opens, says where to pay, and survives being stored.
pub async fn every_ticker_opens_with_usable_instructions(harness: &dyn Harness) {
    let provider = harness.provider();
    for spec in order_tickers(provider.as_ref()) {
        let request = request(harness, &spec);
        let order = opened(provider.as_ref(), &request).await;
        assert_usable(harness, &spec, &request, &order);
        assert_eq!(
            harness.orders_at_provider(&request.deposit_id).await,
            1,
            "{}: orders of ours",
            spec.ticker
        );
    }
}

/// The amount that is asked for arrives to the last decimal of the quote.
pub async fn the_last_decimal_is_asked_for(harness: &dyn Harness) {
    let provider = harness.provider();
    for spec in order_tickers(provider.as_ref()) {
        let last = 10_u128.pow(u32::from(spec.asset.scale() - spec.quote_decimals));
        let usual = harness.amount(&spec);
        for amount in [usual.minor() + last, usual.minor() + 9 * last] {
            let request = request_for(harness, &spec, Amount::new(amount, spec.asset));
            let order = opened(provider.as_ref(), &request).await;
            assert_usable(harness, &spec, &request, &order);
        }
    }
}

/// An order that nobody paid reads as open and empty.
pub async fn an_unpaid_order_reads_as_empty(harness: &dyn Harness) {
    let provider = harness.provider();
    for spec in order_tickers(provider.as_ref()) {
        let order = open_usual(harness, &spec).await;
        let read = snapshot(provider.as_ref(), &order).await;
        let name = spec.ticker;
        assert_shows(harness, &format!("{name}"), &read, &[]);
        assert_eq!(read.state, OrderState::Open, "{name}");
        assert!(read.concerns.is_empty(), "{name}: nothing is wrong, but: {:?}", read.concerns);
        assert!(
            read.instructions.is_none_or(|i| i == order.instructions),
            "{name}: pays elsewhere without a reason"
        );
        assert_eq!(
            snapshot(provider.as_ref(), &order).await.payments,
            read.payments,
            "{name}: a second read differs"
        );
    }
}

/// Two deposits never share an order or, while both are open, a place to pay. At the same time, too.
pub async fn two_deposits_share_nothing(harness: &dyn Harness) {
    let provider = harness.provider();
    for spec in order_tickers(provider.as_ref()) {
        let requests: Vec<_> = (0..6).map(|_| request(harness, &spec)).collect();
        let orders = join_all(requests.iter().map(|r| opened(provider.as_ref(), r))).await;
        let refs: BTreeSet<_> = orders.iter().map(|o| o.provider_ref.clone()).collect();
        assert_eq!(refs.len(), orders.len(), "{}: one order for two deposits", spec.ticker);
        let place = |o: &IntentRecord| o.instructions.link().or(o.instructions.address()).map(str::to_owned);
        let places: BTreeSet<_> = orders.iter().filter_map(place).collect();
        assert_eq!(places.len(), orders.len(), "{}: one place to pay for two deposits", spec.ticker);
    }
}

/// A repeat of `open` with the same id does what the declared replay kind says.
pub async fn a_repeat_behaves_as_declared(harness: &dyn Harness) {
    for spec in order_tickers(harness.provider().as_ref()) {
        let request = request(harness, &spec);
        let first = opened(harness.provider().as_ref(), &request).await;
        harness.advance(5).await;
        let second = opened(harness.provider().as_ref(), &request).await;
        let orders = harness.orders_at_provider(&request.deposit_id).await;
        let name = spec.ticker;
        match harness.provider().capabilities().replay {
            Replay::Key => {
                assert_eq!(
                    second.provider_ref, first.provider_ref,
                    "{name}: the provider deduplicates by our id"
                );
                assert_eq!(second.instructions, first.instructions, "{name}: where to pay, asked again");
                assert_eq!(orders, 1, "{name}: orders at the provider");
            }
            Replay::LookUp => {
                let found = look_up(harness.provider().as_ref(), &request).await;
                let refs: Vec<_> = found.iter().map(|o| &o.provider_ref).collect();
                assert_eq!(
                    refs,
                    [&first.provider_ref, &second.provider_ref],
                    "{name}: every order, oldest first"
                );
                assert_eq!(orders, 2, "{name}: orders at the provider");
            }
            Replay::None => {
                assert_ne!(second.provider_ref, first.provider_ref, "{name}: a fresh order");
            }
        }
    }
}

/// A look-up finds what was opened as it was opened, paid or not; nothing of another deposit.
pub async fn a_look_up_finds_what_was_opened(harness: &dyn Harness) {
    let provider = harness.provider();
    if provider.capabilities().replay != Replay::LookUp {
        return;
    }
    for spec in order_tickers(provider.as_ref()) {
        let name = spec.ticker;
        let (ours, other) = (request(harness, &spec), request(harness, &spec));
        assert_eq!(look_up(provider.as_ref(), &ours).await, [], "{name}: nothing was opened");
        let order = opened(provider.as_ref(), &ours).await;
        assert_eq!(look_up(provider.as_ref(), &ours).await, std::slice::from_ref(&order), "{name}");
        assert_eq!(look_up(provider.as_ref(), &other).await, [], "{name}: an order of another deposit");
        let of_another_amount = OpenRequest {
            deposit_id: ours.deposit_id.clone(),
            ..request_for(
                harness,
                &spec,
                Amount::new(order.terms.requested().map_or(0, |a| a.minor()) * 2, spec.asset),
            )
        };
        assert_eq!(
            look_up(provider.as_ref(), &of_another_amount).await,
            [],
            "{name}: an order with other terms"
        );
        harness.pay(&order, None, crate::PayStage::Confirmed).await;
        let found = look_up(provider.as_ref(), &ours).await;
        let refs: Vec<_> = found.iter().map(|o| &o.provider_ref).collect();
        assert_eq!(refs, [&order.provider_ref], "{name}: paid in the meantime");
    }
}

/// An order that the provider does not know is `NotFound`: neither empty nor failed.
pub async fn an_unknown_order_is_not_found(harness: &dyn Harness) {
    let provider = harness.provider();
    let Some(spec) = first_ticker(provider.as_ref()) else { return };
    let mut order = open_usual(harness, &spec).await;
    order.provider_ref = harness.unknown_ref(&order.provider_ref);
    let error = provider.read(&order).await.expect_err("an unknown order");
    NOT_FOUND.check("an unknown order", &error);
}

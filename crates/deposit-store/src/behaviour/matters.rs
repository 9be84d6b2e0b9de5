//! The figures of items in review: what waits follows what is seen, and what was resolved is an amount.

use deposit_core::{Amount, Asset};
use deposit_lifecycle::review::{ByHand, Due, Waiting, sight};

use super::Fixture;
use super::fixtures::{
    OTHER_PROVIDER, PROVIDER, account, assert_balanced, at, credit, id, open, review, row,
};
use super::reviews::{assign, assigned, dismiss, item, usd};
use crate::{
    AccountId, AssignReview, Assigned, Commit, Committed, DismissReview, Dismissed, ResolutionKind,
    ReviewFilter, ReviewReason, ReviewRow, SightedDue, Sighting, Store,
};

pub(super) const ALL: ReviewFilter = ReviewFilter { open: false, after: 0, limit: 999 };

pub(super) fn btc(minor: u128) -> SightedDue {
    SightedDue::Amount(Amount::new(minor, Asset::BTC))
}

/// What waits, as `reference reason amount of seen`.
async fn waits(store: &dyn Store) -> Vec<String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let line =
        |r: &ReviewRow| format!("{} {} {} of {}", r.reference, r.reason, text(&r.amount), text(&r.seen));
    store.open_reviews().await.unwrap().iter().map(line).collect()
}

async fn see(store: &dyn Store, reference: &str, reason: ReviewReason, due: SightedDue, when: i64) {
    store.sight(vec![Sighting { due, ..review(reference, reason, when) }]).await.unwrap();
}

async fn only(store: &dyn Store) -> ReviewRow {
    let mut all = store.open_reviews().await.unwrap();
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

/// Resolves the only item that waits: for this many dollars, or dismisses it.
async fn resolve(store: &dyn Store, to: AccountId, amount: Option<&str>) {
    let item = only(store).await;
    match amount {
        Some(amount) => {
            let command = AssignReview { seen: item.amount, again: true, ..assign(item.id, to, amount) };
            assigned(store, command).await;
        }
        None => {
            let command = DismissReview { seen: item.amount, ..dismiss(item.id) };
            assert_eq!(store.dismiss_review(command).await.unwrap(), Dismissed::Yes);
        }
    }
}

pub async fn one_item_of_each_payment_waits(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    for (reference, reason, since) in [
        ("tx-1", ReviewReason::NoDeposit, 5),
        ("tx-1", ReviewReason::NoDeposit, 6),
        ("tx-1", ReviewReason::WrongAsset, 7),
        ("tx-2", ReviewReason::NoDeposit, 8),
        // Another matter: what went back is no money to credit.
        ("tx-1", ReviewReason::NotTakenBack, 9),
    ] {
        store.sight(vec![review(reference, reason, since)]).await.unwrap();
    }
    assert_eq!(
        waits(&*store).await,
        [
            "tx-1 wrong_asset 0.0004 of 0.0004",
            "tx-2 no_deposit 0.0004 of 0.0004",
            "tx-1 not_taken_back 0.0004 of 0.0004",
        ]
    );
    let rows = store.open_reviews().await.unwrap();
    assert_eq!((rows[0].since, rows[0].provider), (at(5), PROVIDER));
    assert_eq!(
        store.open_reviews_by_reason().await.unwrap(),
        [
            (PROVIDER, ReviewReason::NoDeposit, 1),
            (PROVIDER, ReviewReason::NotTakenBack, 1),
            (PROVIDER, ReviewReason::WrongAsset, 1),
        ]
    );
    assert!(store.was_reviewed(PROVIDER, "tx-2").await.unwrap());
    assert!(!store.was_reviewed(OTHER_PROVIDER, "tx-2").await.unwrap());
}

pub async fn an_item_follows_what_is_seen(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let reason = ReviewReason::NeverConfirmed;
    see(&*store, "tx", reason, btc(30_000_000), 5).await;
    see(&*store, "tx", reason, btc(50_000_000), 6).await;
    assert_eq!(waits(&*store).await, ["tx never_confirmed 0.5 of 0.5"]);
    assert_eq!(only(&*store).await.since, at(5));
    see(&*store, "tx", ReviewReason::AccountClosed, btc(20_000_000), 7).await;
    assert_eq!(waits(&*store).await, ["tx account_closed 0.2 of 0.2"]);
    see(&*store, "tx", reason, btc(0), 8).await;
    assert_eq!(waits(&*store).await, Vec::<String>::new());
    let all = store.reviews(ALL).await.unwrap();
    let how = all[0].resolution.clone().unwrap();
    assert_eq!((all.len(), how.kind, how.at), (1, ResolutionKind::Settled, at(8)));
    // And once more.
    see(&*store, "tx", reason, btc(10_000_000), 9).await;
    assert_eq!(waits(&*store).await, ["tx never_confirmed 0.1 of 0.1"]);
}

pub async fn what_comes_after_a_resolution_waits_again(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    let reason = ReviewReason::NeverConfirmed;
    see(&*store, "tx", reason, btc(30_000_000), 5).await;
    see(&*store, "tx", reason, btc(50_000_000), 6).await;
    resolve(&*store, ana, Some("5")).await;
    see(&*store, "tx", reason, btc(50_000_000), 7).await;
    assert_eq!(waits(&*store).await, Vec::<String>::new());
    see(&*store, "tx", reason, btc(70_000_000), 8).await;
    assert_eq!(waits(&*store).await, ["tx never_confirmed 0.2 of 0.7"]);
    resolve(&*store, ana, None).await;
    see(&*store, "tx", reason, btc(80_000_000), 9).await;
    assert_eq!(waits(&*store).await, ["tx never_confirmed 0.1 of 0.8"]);
    // What was dismissed lapses where rules take over; what was given away stays given.
    see(&*store, "tx", reason, btc(50_000_000), 10).await;
    see(&*store, "tx", reason, btc(70_000_000), 11).await;
    assert_eq!(waits(&*store).await, ["tx never_confirmed 0.2 of 0.7"]);
    assert_balanced(&*store).await;
}

pub async fn an_unknown_amount_closes_nothing(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    let (none, told) = (ReviewReason::NoDeposit, ReviewReason::ProviderReports);
    see(&*store, "order", none, SightedDue::News, 5).await;
    see(&*store, "order", none, SightedDue::News, 6).await;
    see(&*store, "p", told, btc(40_000), 7).await;
    see(&*store, "p", told, SightedDue::Unknown, 8).await;
    assert_eq!(waits(&*store).await, ["order no_deposit - of -", "p provider_reports 0.0004 of 0.0004"]);
    // Another coin's amount is not an amount of it.
    let litecoin = SightedDue::Amount(Amount::new(90_000, Asset::LTC));
    see(&*store, "p", told, litecoin, 9).await;
    assert_eq!(waits(&*store).await[1], "p provider_reports 0.0004 of 0.0004");
    see(&*store, "p", told, SightedDue::NotShown, 10).await;
    assert_eq!(waits(&*store).await, ["order no_deposit - of -"]);
    see(&*store, "order", none, SightedDue::NotShown, 11).await;
    resolve(&*store, ana, Some("20")).await;
    // A message from before the resolution says nothing new; one from after it does.
    see(&*store, "order", none, SightedDue::Unknown, 700).await;
    see(&*store, "order", none, SightedDue::News, 400).await;
    assert_eq!(waits(&*store).await, Vec::<String>::new());
    see(&*store, "order", none, SightedDue::News, 700).await;
    assert_eq!(waits(&*store).await, ["order no_deposit - of -"]);
    // Money of this order was given away before: who gives more has to say so.
    let item = only(&*store).await;
    let command = AssignReview { seen: None, ..assign(item.id, ana, "1") };
    assert!(matches!(store.assign_review(command.clone()).await.unwrap(), Assigned::Elsewhere(_)));
    assigned(&*store, AssignReview { again: true, ..command }).await;
    assert_eq!(store.balances(ana).await.unwrap(), [usd("21")]);
    assert_balanced(&*store).await;
}

pub async fn what_rules_credit_waits_no_longer(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    let own = id(1).to_string();
    for reference in ["tx", "invoice-1", "bc1qexample1", own.as_str(), "else"] {
        see(&*store, reference, ReviewReason::NoDeposit, SightedDue::News, 5).await;
    }
    open(&*store, 1, ana, 100).await;
    let seen = Sighting { due: btc(0), ..review("tx", ReviewReason::AlreadyAssigned, 110) };
    let command = Commit { reviews: vec![seen], ..credit(&row(&*store, 1).await, "tx", "20", 110) };
    assert!(matches!(store.commit(command).await.unwrap(), Committed::Yes { .. }));
    assert_eq!(waits(&*store).await, ["else no_deposit - of -"]);
    let all = store.reviews(ALL).await.unwrap();
    let settled = all.iter().filter_map(|row| row.resolution.as_ref());
    assert!(settled.clone().all(|how| how.kind == ResolutionKind::Settled && how.at == at(110)));
    assert_eq!(settled.count(), 4);
}

pub async fn money_that_only_its_provider_told_of_is_assigned_once(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    let (told, known) = (ReviewReason::ProviderReports, ReviewReason::AlreadyAssigned);
    see(&*store, "p", told, btc(50_000), 5).await;
    resolve(&*store, ana, Some("5")).await;
    // It becomes evidence: the provider no longer tells of it apart.
    see(&*store, "p", told, SightedDue::NotShown, 700).await;
    see(&*store, "p", known, btc(50_000), 700).await;
    assert_eq!(waits(&*store).await, Vec::<String>::new());
    see(&*store, "p", known, btc(60_000), 710).await;
    assert_eq!(waits(&*store).await, ["p already_assigned 0.0001 of 0.0006"]);
    // While it is told of, what is evidence beside it is other money.
    see(&*store, "q", told, btc(50_000), 5).await;
    see(&*store, "q", known, btc(30_000), 5).await;
    assert_eq!(
        waits(&*store).await[1..],
        ["q provider_reports 0.0005 of 0.0005", "q already_assigned 0.0003 of 0.0003"]
    );
}

pub async fn an_item_that_has_changed_is_not_resolved(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    let first = item(&*store, review("tx", ReviewReason::NeverConfirmed, 5)).await;
    see(&*store, "tx", ReviewReason::NeverConfirmed, btc(50_000), 6).await;
    let Assigned::Changed(now) = store.assign_review(assign(first, ana, "1")).await.unwrap() else {
        panic!()
    };
    assert_eq!(now.amount.as_deref(), Some("0.0005"));
    assert!(matches!(store.dismiss_review(dismiss(first)).await.unwrap(), Dismissed::Changed(_)));
    assert_eq!(store.balances(ana).await.unwrap(), []);
    resolve(&*store, ana, Some("1")).await;
}

pub async fn reviews_are_listed_by_page(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    for n in 1..=5 {
        see(&*store, &format!("tx-{n}"), ReviewReason::NoDeposit, btc(40_000), 10 - n).await;
    }
    let second = store.open_reviews().await.unwrap()[1].id;
    store.dismiss_review(dismiss(second)).await.unwrap();
    let page = |open, after, limit| {
        let store = &store;
        async move {
            let rows = store.reviews(ReviewFilter { open, after, limit }).await.unwrap();
            rows.into_iter().map(|row| row.reference).collect::<Vec<_>>()
        }
    };
    assert_eq!(page(true, 0, 2).await, ["tx-1", "tx-3"]);
    assert_eq!(page(true, second + 1, 9).await, ["tx-4", "tx-5"]);
    assert_eq!(page(false, 0, 2).await, ["tx-1", "tx-2"]);
}

/// The figures of the store and of the pure rules agree over every order of sightings and resolutions, and add up.
pub async fn all_that_was_seen_is_accounted_for(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    // A small generator of its own: every run plays the same.
    let mut state = 7_u64;
    let mut draw = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for payment in 0..12 {
        let reference = format!("tx-{payment}");
        let (mut due, mut given, mut dismissed) = (0_u128, 0_u128, 0_u128);
        let (mut by_hand, mut waiting) = (ByHand::default(), Waiting::Nothing);
        for step in 0..25 {
            let open = match waiting {
                Waiting::Amount(open) => open,
                Waiting::Nothing | Waiting::Unknown => 0,
            };
            match draw(4) {
                0 => due += u128::from(draw(1000)),
                1 => due -= u128::from(draw(1000)).min(due - given),
                how if open > 0 => {
                    resolve(&*store, ana, (how == 2).then_some("1")).await;
                    if how == 2 {
                        given += open
                    } else {
                        dismissed += open
                    }
                    by_hand = ByHand { assigned: given, dismissed, unknown: false };
                    waiting = Waiting::Nothing;
                }
                _ => {}
            }
            see(&*store, &reference, ReviewReason::NeverConfirmed, btc(due), 1000 + step).await;
            (by_hand, waiting) = sight(by_hand, waiting, Due::Amount(due));
            dismissed = by_hand.dismissed;
            let shown = store.open_reviews().await.unwrap();
            let shown = shown.first().map_or(0, |row| {
                let amount = row.amount.as_deref().unwrap();
                Amount::parse(amount, Asset::BTC).unwrap().minor()
            });
            assert_eq!(due, given + dismissed + shown, "payment {payment}, step {step}");
        }
        see(&*store, &reference, ReviewReason::NeverConfirmed, btc(0), 2000).await;
    }
    assert_balanced(&*store).await;
}

//! Observe: reads in any order, conflicts, money that no rule can credit.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions
)]

mod common;

use deposit_store::prelude::*;
use std::sync::Arc;

use common::*;
use tokio::sync::Semaphore;

/// Facts about one confirmed payment.
fn fact(payment: &str, confirmed: &str) -> Facts {
    let minor = Amount::parse(confirmed, Asset::BTC).unwrap().minor();
    let evidence = PaymentEvidence { seen: minor, confirmed: minor, ..PaymentEvidence::none(Asset::BTC) };
    Facts {
        payments: [(PaymentRef::new(payment).unwrap(), evidence)].into(),
        order: OrderEvidence::default(),
    }
}

/// Begins a read that has seen what there is now, and answers when the gate has a permit.
async fn begun_read(
    bench: &Bench,
    id: &DepositId,
    gate: &Arc<Semaphore>,
) -> tokio::task::JoinHandle<Observation> {
    bench.till().next_read(Reading::Waits(Arc::clone(gate)));
    let before = bench.till().reads();
    let (engine, id) = (bench.engine.clone(), id.clone());
    let read = tokio::spawn(async move { engine.observe(&id, None).await.unwrap() });
    while bench.till().reads() == before {
        tokio::task::yield_now().await;
    }
    read
}

#[tokio::test]
async fn an_older_snapshot_is_dropped_and_asked_again() {
    let bench = bench().await;
    let id = bench.create().await;
    let gate = Arc::new(Semaphore::new(0));
    let old = begun_read(&bench, &id, &gate).await;
    assert_eq!(bench.paid(&id, "p", "0", "0.004").await, Status::Completed);
    gate.add_permits(1);
    // It showed no payment; taken for the truth it would be a reversal.
    assert_eq!(old.await.unwrap(), Observation::Unchanged);
    assert_eq!(bench.till().reads(), 3);
    assert_eq!(bench.postings(&id).await, ["200"]);
    assert_eq!(bench.path(&id).await, [Status::New, Status::Completed]);
}

#[tokio::test]
async fn a_read_that_changed_nothing_makes_older_ones_stale_too() {
    let bench = bench().await;
    let id = bench.create().await;
    bench.till().pay(&id, "p", "0.004", "0");
    let gate = Arc::new(Semaphore::new(0));
    let old = begun_read(&bench, &id, &gate).await;
    bench.till().change(&id, |snapshot| snapshot.payments.clear());
    assert_eq!(bench.observe(&id).await, Observation::Unchanged);
    gate.add_permits(1);
    old.await.unwrap();
    assert_eq!(bench.status(&id).await, Status::New, "the payment was gone before it was written");
}

#[tokio::test]
async fn a_conflict_is_merged_and_committed_again() {
    let bench = bench().await;
    let id = bench.create().await;
    bench.till().pay(&id, "read", "0", "0.001");
    let gate = Arc::new(Semaphore::new(0));
    let read = begun_read(&bench, &id, &gate).await;
    // Facts have no snapshot number: they only change the version.
    let heard = bench.engine.observe_facts(&id, &fact("heard", "0.002"), None).await.unwrap();
    assert_eq!(heard, Observation::Changed);
    gate.add_permits(1);
    assert_eq!(read.await.unwrap(), Observation::Changed);
    assert_eq!(bench.till().reads(), 1, "merged, not asked again");
    assert_eq!(bench.postings(&id).await, ["100", "50"]);
    bench.check_settled(&id).await;
}

#[tokio::test]
async fn many_observers_at_once_post_once() {
    let bench = bench().await;
    let id = bench.create().await;
    bench.till().pay(&id, "p", "0", "0.004");
    let other = bench.another_engine();
    let reads = (0..10).map(|n| {
        let engine = if n % 2 == 0 { &bench.engine } else { &other };
        engine.observe(&id, None)
    });
    for outcome in futures_util::future::join_all(reads).await {
        outcome.unwrap();
    }
    bench.observe(&id).await;
    assert_eq!(bench.postings(&id).await, ["200"]);
    assert_eq!(bench.path(&id).await, [Status::New, Status::Completed]);
    bench.check().await;
}

#[tokio::test]
async fn what_is_known_already_changes_and_posts_nothing() {
    let bench = bench().await;
    let id = bench.create().await;
    bench.paid(&id, "p", "0", "0.004").await;
    let before = bench.row(&id).await;
    for _ in 0..3 {
        assert_eq!(bench.observe(&id).await, Observation::Unchanged);
        let known = bench.engine.observe_facts(&id, &fact("p", "0.004"), None).await.unwrap();
        assert_eq!(known, Observation::Unchanged);
        assert_eq!(bench.engine.price(&id).await.unwrap(), Observation::Unchanged);
    }
    let after = bench.row(&id).await;
    assert_eq!((after.version, after.history), (before.version, before.history));
    assert_eq!(bench.postings(&id).await, ["200"]);
}

#[tokio::test]
async fn a_payment_that_shows_up_on_a_second_deposit_goes_to_review() {
    let bench = bench().await;
    let (first, second) = (bench.create().await, bench.create().await);
    bench.paid(&first, "p", "0", "0.004").await;
    bench.till().pay(&second, "q", "0", "0.001");
    assert_eq!(bench.paid(&second, "p", "0", "0.004").await, Status::Pending, "q is its own");
    assert_eq!(bench.postings(&second).await, ["50"]);
    assert_eq!(bench.reviews().await, [("p".to_owned(), ReviewReason::PaymentOnSecondDeposit)]);
    assert_eq!(bench.usd().await, "250");
    // Seen again and again, it is one item, and nothing is written.
    let before = bench.row(&second).await.version;
    assert_eq!(bench.observe(&second).await, Observation::Unchanged);
    assert_eq!(bench.row(&second).await.version, before);
    assert_eq!(bench.reviews().await.len(), 1);
    bench.check().await;
}

#[tokio::test]
async fn a_payment_in_another_asset_goes_to_review() {
    let bench = bench().await;
    let id = bench.create().await;
    bench.till().change(&id, |s| till::stand(s, "p", Asset::LTC, "0", "3", None));
    bench.observe(&id).await;
    assert_eq!(bench.status(&id).await, Status::Pending);
    assert_eq!(bench.reviews().await, [("p".to_owned(), ReviewReason::WrongAsset)]);
    assert!(bench.postings(&id).await.is_empty());
    assert!(bench.view(&id).await.reason.is_some());
    // The right one is credited all the same.
    assert_eq!(bench.paid(&id, "q", "0", "0.004").await, Status::Completed);
    assert_eq!(bench.postings(&id).await, ["200"]);
}

#[tokio::test]
async fn a_known_payment_that_turns_into_another_asset_changes_nothing_and_is_shown() {
    let bench = bench().await;
    let id = bench.create().await;
    bench.paid(&id, "p", "0", "0.004").await;
    let before = bench.row(&id).await;
    bench.till().change(&id, |s| till::stand(s, "p", Asset::LTC, "0", "3", None));
    assert_eq!(bench.observe(&id).await, Observation::Unchanged);
    assert_eq!(bench.row(&id).await.evidence, before.evidence);
    assert_eq!(bench.reviews().await, [("p".to_owned(), ReviewReason::AssetChanged)]);
    // Also where a message says so, and there is no read to note it.
    let id = bench.create().await;
    bench.paid(&id, "q", "0", "0.004").await;
    let mut facts = fact("q", "0.004");
    facts.payments.values_mut().for_each(|payment| payment.asset = Asset::LTC);
    bench.engine.observe_facts(&id, &facts, None).await.unwrap();
    assert_eq!(bench.reviews().await.len(), 2);
    assert_eq!(bench.postings(&id).await, ["200"]);
}

#[tokio::test]
async fn unknown_words_change_nothing() {
    let bench = bench().await;
    let id = bench.create().await;
    bench.paid(&id, "p", "0", "0.004").await;
    let before = bench.row(&id).await;
    bench.till().change(&id, |snapshot| {
        snapshot.payments.clear();
        snapshot.undecided = vec![PaymentRef::new("p").unwrap(), PaymentRef::new("never-seen").unwrap()];
        snapshot.concerns.push(Concern::new("unknown_status", "status Frozen"));
    });
    assert_eq!(bench.observe(&id).await, Observation::Unchanged);
    let after = bench.row(&id).await;
    assert_eq!((after.evidence, after.status), (before.evidence, Status::Completed));
    assert_eq!(bench.usd().await, "200");
}

#[tokio::test]
async fn an_incomplete_read_takes_nothing_back() {
    let bench = bench().await;
    let id = bench.create().await;
    bench.paid(&id, "p", "0", "0.004").await;
    bench.till().change(&id, |snapshot| {
        snapshot.payments.clear();
        snapshot.complete = false;
    });
    assert_eq!(bench.observe(&id).await, Observation::Unchanged);
    bench.till().change(&id, |snapshot| snapshot.complete = true);
    assert_eq!(bench.observe(&id).await, Observation::Changed);
    assert_eq!(bench.usd().await, "0");
}

#[tokio::test]
async fn a_failed_read_is_no_verdict() {
    let bench = bench().await;
    let id = bench.create().await;
    bench.paid(&id, "p", "0.004", "0").await;
    let before = bench.row(&id).await;
    for kind in [transient(), ErrorKind::NotFound, ErrorKind::Protocol, ErrorKind::OutcomeUnknown] {
        bench.till().next_read(Reading::Fails(kind));
        assert_eq!(bench.observe(&id).await, Observation::Unread);
    }
    let after = bench.row(&id).await;
    assert_eq!((after.version, after.status), (before.version, Status::Processing));
    assert_eq!(bench.paid(&id, "p", "0", "0.004").await, Status::Completed);
}

#[tokio::test]
async fn a_new_address_is_shown_and_the_old_one_still_counts() {
    let bench = bench().await;
    let id = bench.create().await;
    let new = PayInstructions::Address { address: "fresh".into(), memo: None, uri: None };
    bench.till().change(&id, |snapshot| snapshot.instructions = Some(new.clone()));
    assert_eq!(bench.paid(&id, "p", "0", "0.001").await, Status::Pending);
    assert_eq!(bench.view(&id).await.instructions, new);
    for address in ["till-address-1", "fresh"] {
        let found = bench.store.deposit_by_address(ProviderId::constant("till"), address).await.unwrap();
        assert_eq!(found.as_ref(), Some(&id), "{address}");
    }
}

#[tokio::test]
async fn each_change_is_told_after_its_commit_and_is_in_the_history() {
    let bench = bench().await;
    let mut changes = bench.engine.changes();
    let id = bench.create().await;
    bench.paid(&id, "p", "0.004", "0").await;
    bench.observe(&id).await;
    bench.paid(&id, "p", "0", "0.004").await;
    let mut told = Vec::new();
    while let Ok(change) = changes.try_recv() {
        assert_eq!(change.id, id);
        told.push(change.n);
    }
    assert_eq!(told, [1, 2, 3]);
    let rows = bench.store.history(&id, 0).await.unwrap();
    let statuses: Vec<Status> = rows.iter().map(|row| row.status).collect();
    assert_eq!(statuses, [Status::New, Status::Processing, Status::Completed]);
    let last: DepositView = serde_json::from_str(&rows[2].view).unwrap();
    assert_eq!(last, bench.view(&id).await);
}

#[tokio::test]
async fn what_is_not_there_or_not_open_is_not_observed() {
    let bench = bench().await;
    bench.till().next_open(Opening::RequestLost);
    assert!(bench.try_create("0.004", None).await.result.is_err());
    let creating = bench.till().state().opened[0].deposit_id.clone();
    for id in [creating, DepositId::new("nobody-knows-this-one").unwrap()] {
        assert_eq!(bench.observe(&id).await, Observation::NotOpen);
        assert_eq!(bench.engine.expire(&id).await.unwrap(), Observation::NotOpen);
    }
}

#[tokio::test]
async fn a_part_that_its_provider_never_confirms_goes_to_review() {
    let till = Till::new("till", Ticker::BTC, Asset::BTC, Replay::Key).all_or_nothing();
    let bench = Setup::of(vec![till]).bench().await;
    let id = bench.create().await;
    assert_eq!(bench.paid(&id, "p", "0.001", "0").await, Status::Pending);
    bench.pass(3600).await;
    bench.observe(&id).await;
    assert_eq!(bench.status(&id).await, Status::Expired);
    bench.pass(3 * 24 * 3600 - 1).await;
    bench.observe(&id).await;
    assert!(bench.reviews().await.is_empty(), "it may still come");
    bench.pass(1).await;
    bench.observe(&id).await;
    bench.observe(&id).await;
    assert_eq!(bench.reviews().await, [("p".to_owned(), ReviewReason::NeverConfirmed)]);
    assert!(bench.postings(&id).await.is_empty());
    // Late, but whole: it is credited all the same, and an operator need not look any more.
    assert_eq!(bench.paid(&id, "p", "0", "0.004").await, Status::Completed);
    assert!(bench.reviews().await.is_empty());
}

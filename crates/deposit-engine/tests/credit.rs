//! Credit: at which rate, when, to whom; and taken back.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions
)]

mod common;

use common::*;
use deposit_store::prelude::*;

#[tokio::test]
async fn the_locked_rate_holds_until_the_end_of_the_quote() {
    let bench = bench().await;
    let id = bench.create().await;
    bench.set_price("60000");
    bench.pass(3600).await;
    assert_eq!(bench.paid(&id, "p", "0", "0.004").await, Status::Completed);
    assert_eq!(bench.postings(&id).await, ["200"]);
    assert!(!bench.view(&id).await.late);
}

#[tokio::test]
async fn a_late_payment_is_priced_by_the_rate_in_force() {
    let bench = bench().await;
    let id = bench.create().await;
    bench.set_price("60000");
    bench.pass(3601).await;
    bench.engine.run_timers().await.unwrap();
    assert_eq!(bench.status(&id).await, Status::Expired);
    assert_eq!(bench.paid(&id, "p", "0.004", "0").await, Status::Processing);
    // Its time is when it was first seen: a rate that comes later is not its rate.
    bench.set_price("70000");
    bench.pass(100).await;
    assert_eq!(bench.paid(&id, "p", "0", "0.004").await, Status::Completed);
    assert_eq!(bench.postings(&id).await, ["240"]);
    assert!(bench.view(&id).await.late);
    bench.check_settled(&id).await;
}

#[tokio::test]
async fn the_time_that_the_provider_or_the_journal_tells_counts() {
    let bench = bench().await;
    let (told, heard, future) = (bench.create().await, bench.create().await, bench.create().await);
    bench.set_price("60000");
    bench.pass(3700).await;
    // The provider's own time.
    bench.till().pay_at(&told, "told", "0.004", START.plus_secs(3600));
    bench.observe(&told).await;
    assert_eq!(bench.postings(&told).await, ["200"]);
    // When its delivery entered the journal.
    bench.till().pay(&heard, "heard", "0", "0.004");
    bench.engine.observe(&heard, Some(START.plus_secs(3600))).await.unwrap();
    assert_eq!(bench.postings(&heard).await, ["200"]);
    // A time that is still to come is now.
    bench.till().pay_at(&future, "future", "0.004", START.plus_secs(9999));
    bench.observe(&future).await;
    assert_eq!(bench.postings(&future).await, ["240"]);
    let row = bench.row(&future).await;
    assert_eq!(row.credit.payments.values().next().unwrap().at, START.plus_secs(3700));
}

#[tokio::test]
async fn without_a_rate_it_stays_paid_until_the_first_later_one() {
    let bench = bench().await;
    let id = bench.create().await;
    bench.prices.clear();
    bench.pass(3600 + 301).await;
    assert_eq!(bench.paid(&id, "p", "0", "0.004").await, Status::Paid);
    for _ in 0..3 {
        bench.engine.run_timers().await.unwrap();
    }
    assert!(bench.postings(&id).await.is_empty());
    assert_eq!(bench.store.unpriced(10).await.unwrap(), std::slice::from_ref(&id));

    bench.set_price("80000");
    bench.pass(60).await;
    bench.set_price("90000");
    bench.pass(60).await;
    bench.engine.run_timers().await.unwrap();
    assert_eq!(bench.status(&id).await, Status::Completed);
    assert_eq!(bench.postings(&id).await, ["320"]);
    assert!(bench.store.unpriced(10).await.unwrap().is_empty());
    bench.pass(60).await;
    bench.engine.run_timers().await.unwrap();
    bench.observe(&id).await;
    assert_eq!(bench.postings(&id).await, ["320"], "priced once");
}

#[tokio::test]
async fn a_part_waits_for_the_rest_and_completes_at_expiry() {
    let bench = bench().await;
    let id = bench.create().await;
    assert_eq!(bench.paid(&id, "p", "0", "0.001").await, Status::Pending);
    assert_eq!(bench.postings(&id).await, ["50"], "credited at once");
    assert!(bench.view(&id).await.reason.is_some());
    bench.pass(3599).await;
    bench.engine.run_timers().await.unwrap();
    assert_eq!(bench.status(&id).await, Status::Pending);
    bench.pass(1).await;
    bench.engine.run_timers().await.unwrap();
    assert_eq!(bench.status(&id).await, Status::Completed);
    assert_eq!(bench.postings(&id).await, ["50"]);
    assert_eq!(bench.view(&id).await.completed_at, Some(START.plus_secs(3600)));
}

#[tokio::test]
async fn expiry_is_committed_once_also_after_a_restart() {
    let mut bench = bench().await;
    let (unpaid, paid) = (bench.create().await, bench.create().await);
    bench.paid(&paid, "p", "0", "0.004").await;
    bench.clock.advance_secs(3600);
    bench.restart().await;
    bench.engine.run_timers().await.unwrap();
    assert_eq!(bench.path(&unpaid).await, [Status::New, Status::Expired]);
    assert_eq!(bench.path(&paid).await, [Status::New, Status::Completed]);
    assert!(bench.store.due_expiries(bench.clock.now(), 10).await.unwrap().is_empty());
    let before = bench.row(&unpaid).await;
    bench.engine.run_timers().await.unwrap();
    assert_eq!(bench.row(&unpaid).await, before);
}

#[tokio::test]
async fn part_excess_and_second_payments_are_each_credited() {
    let bench = bench().await;
    let id = bench.create().await;
    assert_eq!(bench.paid(&id, "a", "0", "0.001").await, Status::Pending);
    assert_eq!(bench.paid(&id, "b", "0.003", "0").await, Status::Processing);
    assert_eq!(bench.paid(&id, "b", "0", "0.003").await, Status::Completed);
    assert_eq!(bench.paid(&id, "c", "0", "0.01").await, Status::Completed);
    // One that the provider tells as a total only grows.
    assert_eq!(bench.paid(&id, "a", "0", "0.0015").await, Status::Completed);
    assert_eq!(bench.postings(&id).await, ["50", "150", "500", "25"]);
    assert_eq!(bench.view(&id).await.credited.unwrap().to_string(), "725");
    bench.check_settled(&id).await;
    bench.check().await;
}

#[tokio::test]
async fn what_is_taken_back_is_reversed_and_credited_again_when_it_returns() {
    let bench = bench().await;
    let id = bench.create().await;
    bench.paid(&id, "p", "0", "0.004").await;
    bench.till().change(&id, |snapshot| snapshot.payments.clear());
    bench.observe(&id).await;
    let view = bench.view(&id).await;
    assert_eq!((view.status, view.reversed), (Status::Completed, true));
    assert_eq!((view.credited.unwrap().to_string(), bench.usd().await), ("0".to_owned(), "0".to_owned()));
    bench.paid(&id, "p", "0", "0.004").await;
    assert!(!bench.view(&id).await.reversed);
    bench.paid(&id, "p", "0", "0.001").await;
    assert_eq!(bench.postings(&id).await, ["200", "-200", "200", "-150"]);
    assert_eq!(bench.usd().await, "50");
    let kinds: Vec<String> =
        bench.store.deposit_entries(&id).await.unwrap().iter().map(|entry| entry.kind.to_string()).collect();
    assert_eq!(kinds, ["credit", "reversal", "credit", "reversal"]);
    bench.check_settled(&id).await;
    bench.check().await;
}

#[tokio::test]
async fn gone_before_it_was_confirmed_nothing_is_posted() {
    let bench = bench().await;
    let id = bench.create().await;
    bench.paid(&id, "p", "0.004", "0").await;
    bench.till().change(&id, |snapshot| snapshot.payments.clear());
    bench.observe(&id).await;
    assert_eq!(bench.path(&id).await, [Status::New, Status::Processing, Status::Pending]);
    assert!(bench.postings(&id).await.is_empty());
    assert_eq!(bench.paid(&id, "p2", "0", "0.004").await, Status::Completed);
    assert_eq!(bench.usd().await, "200");
}

#[tokio::test]
async fn the_end_of_the_order_at_the_provider_is_not_the_end_of_the_watch() {
    for (state, ended) in
        [(OrderState::Expired, Status::Expired), (OrderState::Failed(Failure::Invalid), Status::Failed)]
    {
        let bench = bench().await;
        let id = bench.create().await;
        bench.till().change(&id, |snapshot| snapshot.state = state);
        bench.observe(&id).await;
        assert_eq!(bench.status(&id).await, ended);
        bench.pass(10).await;
        assert_eq!(bench.paid(&id, "p", "0", "0.004").await, Status::Completed);
        assert_eq!(bench.postings(&id).await, ["200"]);
        bench.check_settled(&id).await;
    }
}

async fn close(bench: &Bench) {
    bench.store.close_account(&bench.caller.account.name, bench.clock.now()).await.unwrap().unwrap();
}

#[tokio::test]
async fn money_for_a_closed_account_goes_to_review() {
    let bench = bench().await;
    let (seen, unseen) = (bench.create().await, bench.create().await);
    bench.paid(&seen, "seen-before", "0.004", "0").await;
    close(&bench).await;
    assert_eq!(bench.paid(&seen, "seen-before", "0", "0.004").await, Status::Paid);
    bench.paid(&unseen, "unseen", "0.004", "0").await;
    assert_eq!(bench.paid(&unseen, "unseen", "0", "0.004").await, Status::Paid);
    let mut reviews = bench.reviews().await;
    reviews.sort();
    let closed = ReviewReason::AccountClosed;
    assert_eq!(reviews, [("seen-before".to_owned(), closed), ("unseen".to_owned(), closed)]);
    bench.engine.run_timers().await.unwrap();
    bench.observe(&seen).await;
    assert!(bench.postings(&seen).await.is_empty() && bench.postings(&unseen).await.is_empty());
    assert!(bench.store.unpriced(10).await.unwrap().is_empty(), "no timer asks for it again and again");
    assert_eq!(bench.usd().await, "0");
}

#[tokio::test]
async fn closed_while_it_waits_for_a_rate() {
    let bench = bench().await;
    let id = bench.create().await;
    bench.prices.clear();
    bench.pass(3600 + 301).await;
    assert_eq!(bench.paid(&id, "p", "0", "0.004").await, Status::Paid);
    close(&bench).await;
    bench.set_price("50000");
    bench.pass(1).await;
    bench.engine.run_timers().await.unwrap();
    assert_eq!(bench.reviews().await, [("p".to_owned(), ReviewReason::AccountClosed)]);
    assert!(bench.postings(&id).await.is_empty());
    assert!(bench.store.unpriced(10).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_was_credited_before_the_account_was_closed_is_still_taken_back() {
    let bench = bench().await;
    let id = bench.create().await;
    bench.paid(&id, "p", "0", "0.004").await;
    close(&bench).await;
    bench.till().change(&id, |snapshot| snapshot.payments.clear());
    bench.observe(&id).await;
    assert_eq!(bench.postings(&id).await, ["200", "-200"]);
    assert!(bench.reviews().await.is_empty());
    bench.check().await;
}

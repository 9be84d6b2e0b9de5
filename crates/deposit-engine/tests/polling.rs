//! Polling: when, in which order, how often after a failure, by whom.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions
)]

mod common;

use std::time::Duration;

use common::*;

/// One round; how many were read.
async fn poll(bench: &Bench) -> usize {
    bench.engine.poll(bench.till(), 100).await.unwrap()
}

/// Asserts that the next read is due after `secs`, give or take a tenth, and makes it.
async fn due_in(bench: &Bench, secs: i64) {
    let tenth = secs / 10 + 1;
    bench.pass(secs - tenth).await;
    assert_eq!(poll(bench).await, 0, "too early for {secs} s");
    bench.pass(2 * tenth).await;
    assert_eq!(poll(bench).await, 1, "due after {secs} s");
}

fn last_read(bench: &Bench) -> String {
    bench.till().state().read.last().unwrap().to_string()
}

const DAY: i64 = 86_400;

#[tokio::test]
async fn young_ones_often_older_ones_less_and_never_not_at_all() {
    let bench = bench().await;
    let id = bench.create().await;
    due_in(&bench, 10).await;
    due_in(&bench, 10).await;
    bench.pass(3600).await;
    assert_eq!(poll(&bench).await, 1);
    due_in(&bench, 600).await;
    bench.engine.run_timers().await.unwrap();
    assert_eq!(bench.status(&id).await, Status::Expired);
    assert_eq!(poll(&bench).await, 0);
    due_in(&bench, 600).await;
    // The watch: thirty days after the end of the quote.
    bench.pass(30 * DAY).await;
    assert_eq!(poll(&bench).await, 1);
    due_in(&bench, DAY).await;
    bench.pass(3650 * DAY).await;
    assert_eq!(poll(&bench).await, 1, "after ten years");
    bench.till().pay(&id, "p", "0", "0.004");
    bench.pass(2 * DAY).await;
    poll(&bench).await;
    assert_eq!(bench.status(&id).await, Status::Completed);
}

#[tokio::test]
async fn a_payment_under_way_is_asked_about_often_whatever_its_age_and_first() {
    let bench = bench().await;
    let (first, second) = (bench.create().await, bench.create().await);
    bench.pass(2 * DAY).await;
    bench.paid(&second, "p", "0.004", "0").await;
    bench.observe(&first).await;
    bench.pass(12).await;
    assert_eq!(poll(&bench).await, 1, "only the one under way");
    bench.pass(700).await;
    assert_eq!(bench.engine.poll(bench.till(), 1).await.unwrap(), 1);
    assert_eq!(last_read(&bench), bench.order(&second).await);
    assert_eq!(bench.engine.poll(bench.till(), 1).await.unwrap(), 1);
    assert_eq!(last_read(&bench), bench.order(&first).await);
}

#[tokio::test]
async fn the_longest_unasked_come_first() {
    let bench = bench().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(bench.create().await);
        bench.pass(1).await;
    }
    bench.observe(&ids[0]).await;
    bench.pass(60).await;
    assert_eq!(bench.engine.poll(bench.till(), 2).await.unwrap(), 2);
    let mut asked: Vec<String> = bench.till().state().read[1..].iter().map(ToString::to_string).collect();
    asked.sort();
    assert_eq!(asked, [bench.order(&ids[1]).await, bench.order(&ids[2]).await]);
}

#[tokio::test]
async fn failed_reads_are_repeated_ever_more_slowly() {
    let bench = bench().await;
    let id = bench.create().await;
    for _ in 0..40 {
        bench.till().next_read(Reading::Fails(transient()));
    }
    bench.pass(11).await;
    assert_eq!(poll(&bench).await, 1);
    let mut waits = Vec::new();
    for _ in 0..6 {
        let mut waited = 0;
        while poll(&bench).await == 0 {
            bench.pass(1).await;
            waited += 1;
        }
        waits.push(waited);
    }
    assert!((5..=6).contains(&waits[0]), "{waits:?}");
    assert!(waits.iter().is_sorted(), "{waits:?}");
    assert!((60..=67).contains(waits.last().unwrap()), "{waits:?}");
    // One that works, and all is as before.
    bench.till().state().readings.clear();
    bench.till().pay(&id, "p", "0", "0.004");
    bench.pass(67).await;
    assert_eq!(poll(&bench).await, 1);
    assert_eq!(bench.status(&id).await, Status::Completed);
    bench.till().next_read(Reading::Fails(transient()));
    bench.pass(11).await;
    assert_eq!(poll(&bench).await, 1);
    due_in(&bench, 5).await;
}

#[tokio::test]
async fn a_provider_that_asks_for_quiet_gets_it() {
    let bench = bench().await;
    let (first, second) = (bench.create().await, bench.create().await);
    let wait = Duration::from_secs(300);
    bench.till().next_read(Reading::Fails(ErrorKind::Transient { retry_after: Some(wait) }));
    bench.pass(11).await;
    // The first is told off; the second is not even asked for.
    assert_eq!(bench.engine.poll(bench.till(), 1).await.unwrap(), 1);
    for _ in 0..300 {
        assert_eq!(poll(&bench).await, 0);
        bench.pass(1).await;
    }
    bench.pass(1).await;
    assert!(poll(&bench).await >= 1, "the second at least");
    bench.pass(40).await;
    poll(&bench).await;
    let asked = bench.till().state().read.clone();
    let (first, second) = (bench.order(&first).await, bench.order(&second).await);
    for order in [first, second] {
        assert!(asked.iter().filter(|read| read.as_str() == order).count() >= 1, "{order}");
    }
    assert!(asked.len() >= 3);
}

#[tokio::test]
async fn an_order_that_is_gone_is_asked_for_now_and_then() {
    let bench = bench().await;
    let (gone, well) = (bench.create().await, bench.create().await);
    bench.pass(11).await;
    bench.till().state().orders.retain(|order| order.record.deposit_id != gone);
    assert_eq!(poll(&bench).await, 2);
    bench.pass(530).await;
    assert_eq!(poll(&bench).await, 1);
    assert_eq!(last_read(&bench), bench.order(&well).await);
    bench.pass(131).await;
    assert_eq!(poll(&bench).await, 2);
    assert_eq!(bench.status(&gone).await, Status::New, "nothing is concluded");
}

#[tokio::test]
async fn two_engines_never_read_the_same_deposit_at_once() {
    let bench = bench().await;
    for _ in 0..8 {
        bench.create().await;
    }
    bench.pass(11).await;
    let other = bench.another_engine();
    let (a, b) = tokio::join!(bench.engine.poll(bench.till(), 5), other.poll(bench.till(), 5));
    assert_eq!(a.unwrap() + b.unwrap(), 8);
    let mut asked = bench.till().state().read.clone();
    asked.sort();
    asked.dedup();
    assert_eq!((asked.len(), bench.till().reads()), (8, 8));
}

#[tokio::test]
async fn what_a_dead_process_had_claimed_is_free_after_its_lease() {
    let mut bench = bench().await;
    bench.create().await;
    bench.pass(11).await;
    let now = bench.clock.now();
    let claimed = bench.store.claim_checks(bench.till().id(), now, now.plus_secs(120), 10).await.unwrap();
    assert_eq!(claimed.len(), 1);
    bench.restart().await;
    bench.pass(119).await;
    assert_eq!(poll(&bench).await, 0);
    bench.pass(1).await;
    assert_eq!(poll(&bench).await, 1);
}

#[tokio::test]
async fn one_order_that_is_gone_spoils_no_other_of_its_batch() {
    let till = Till::new("till", Ticker::BTC, Asset::BTC, Replay::Key).in_batches(10);
    let bench = Setup::of(vec![till]).bench().await;
    let mut ids = Vec::new();
    for n in 0..3 {
        let id = bench.create().await;
        bench.till().change(&id, |s| till::stand(s, &format!("p{n}"), Asset::BTC, "0", "0.004", None));
        ids.push(id);
    }
    let gone = ids.remove(1);
    bench.till().state().orders.retain(|order| order.record.deposit_id != gone);
    let provider = bench.engine.registry().providers().next().unwrap().clone();
    bench.pass(20).await;
    assert_eq!(bench.engine.poll(&*provider, 64).await.unwrap(), 3);
    assert_eq!(bench.till().state().batches, 1);
    assert_eq!(bench.status(&gone).await, Status::New);
    for id in &ids {
        assert_eq!(bench.status(id).await, Status::Completed);
    }
}

#[tokio::test]
async fn what_a_batch_does_not_show_is_asked_for_before_it_is_taken_back() {
    let till = Till::new("till", Ticker::BTC, Asset::BTC, Replay::Key).in_batches(10);
    let bench = Setup::of(vec![till]).bench().await;
    let id = bench.create().await;
    bench.till().change(&id, |s| till::stand(s, "p", Asset::BTC, "0", "0.004", None));
    let provider = bench.engine.registry().providers().next().unwrap().clone();
    bench.pass(20).await;
    bench.engine.poll(&*provider, 64).await.unwrap();
    assert_eq!(bench.status(&id).await, Status::Completed);
    let before = bench.row(&id).await.evidence;
    // The list leaves it out, the read of the one order shows it: nothing is taken back.
    bench.till().state().list_hides = vec![PaymentRef::new("p").unwrap()];
    bench.pass(1000).await;
    assert_eq!(bench.engine.poll(&*provider, 64).await.unwrap(), 1);
    assert_eq!(bench.row(&id).await.evidence, before);
    bench.check_settled(&id).await;
}

#[tokio::test]
async fn a_provider_that_answers_for_many_is_asked_once() {
    let till = Till::new("till", Ticker::BTC, Asset::BTC, Replay::Key).in_batches(10);
    let bench = Setup::of(vec![till]).bench().await;
    let mut ids = Vec::new();
    for n in 0..5 {
        let id = bench.create().await;
        bench.till().change(&id, |s| till::stand(s, &format!("p{n}"), Asset::BTC, "0", "0.004", None));
        ids.push(id);
    }
    let provider = bench.engine.registry().providers().next().unwrap().clone();
    // An answer that cannot be told apart says nothing of any of them.
    bench.till().state().loses_one = true;
    bench.pass(20).await;
    assert_eq!(bench.engine.poll(&*provider, 64).await.unwrap(), 5);
    assert_eq!(bench.till().state().batches, 1);
    for id in &ids {
        assert_eq!(bench.status(id).await, Status::New);
    }
    bench.till().state().loses_one = false;
    bench.pass(1000).await;
    assert_eq!(bench.engine.poll(&*provider, 64).await.unwrap(), 5);
    assert_eq!(bench.till().state().batches, 2);
    for id in &ids {
        assert_eq!(bench.status(id).await, Status::Completed);
        bench.check_settled(id).await;
    }
}

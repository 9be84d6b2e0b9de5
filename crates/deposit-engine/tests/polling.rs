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

use deposit_store::prelude::*;
use std::time::Duration;

use common::*;
use deposit_lifecycle::watch::{Ending, Lane, Lanes};

/// One round; how many were read.
async fn poll(bench: &Bench) -> usize {
    bench.engine.poll(bench.till(), 100).await.unwrap()
}

/// Asserts that the next read is due after `secs`, give or take an eighth, and makes it: reads are spread by a tenth, and a deposit has aged a little
/// while the test went on.
async fn due_in(bench: &Bench, secs: i64) {
    let eighth = secs / 8 + 1;
    bench.pass(secs - eighth).await;
    assert_eq!(poll(bench).await, 0, "too early for {secs} s");
    bench.pass(2 * eighth).await;
    assert_eq!(poll(bench).await, 1, "due after {secs} s");
}

fn last_read(bench: &Bench) -> String {
    bench.till().state().read.last().unwrap().to_string()
}

const DAY: i64 = 86_400;

#[tokio::test]
async fn young_ones_often_older_ones_less_and_to_the_end_of_the_window() {
    let bench = bench().await;
    let id = bench.create().await;
    due_in(&bench, 10).await;
    due_in(&bench, 10).await;
    bench.pass(3600).await;
    bench.engine.run_timers().await.unwrap();
    assert_eq!(bench.status(&id).await, Status::Expired);
    assert_eq!(poll(&bench).await, 1);
    due_in(&bench, 600).await;
    // An eighth of its age, at most a day.
    bench.pass(4 * DAY).await;
    assert_eq!(poll(&bench).await, 1);
    due_in(&bench, DAY / 2).await;
    bench.pass(10 * DAY).await;
    assert_eq!(poll(&bench).await, 1);
    due_in(&bench, DAY).await;
    // Thirty days after the end of the quote it is read a last time; why nobody looks any more is kept.
    bench.pass(20 * DAY).await;
    assert_eq!(poll(&bench).await, 1);
    let ended = bench.row(&id).await.watch.ended.unwrap();
    assert_eq!((ended.at, ended.why), (bench.clock.now(), Ending::WindowOver));
    bench.pass(3650 * DAY).await;
    assert_eq!(poll(&bench).await, 0);
    // What is heard of it is read all the same, and the watch is taken up again.
    bench.till().pay(&id, "p", "0.002", "0");
    bench.tell("late", &bench.order(&id).await, Observed::PaymentHint).await;
    bench.engine.handle_deliveries().await.unwrap();
    assert!(bench.row(&id).await.watch.ended.is_none());
    bench.till().pay(&id, "p", "0", "0.004");
    bench.pass(12).await;
    assert_eq!(poll(&bench).await, 1);
    assert_eq!(bench.status(&id).await, Status::Completed);
}

#[tokio::test]
async fn a_payment_under_way_is_asked_about_ever_more_slowly() {
    let bench = bench().await;
    let id = bench.create().await;
    bench.paid(&id, "p", "0.004", "0").await;
    due_in(&bench, 10).await;
    bench.pass(1600).await;
    assert_eq!(poll(&bench).await, 1);
    due_in(&bench, 100).await;
    bench.pass(10 * 3600).await;
    assert_eq!(poll(&bench).await, 1);
    due_in(&bench, 600).await;
    bench.pass(DAY * 2).await;
    assert_eq!(poll(&bench).await, 1);
    let check = bench.row(&id).await.watch.next.unwrap();
    assert_eq!(check.lane, Lane::Old);
    assert!(check.at.millis_since(bench.clock.now()) > 2 * 3600 * 1000, "not often any more");
}

#[tokio::test]
async fn those_that_were_due_first_come_first() {
    let bench = bench().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(bench.create().await);
        bench.pass(4).await;
    }
    bench.observe(&ids[0]).await;
    bench.pass(60).await;
    assert_eq!(bench.engine.poll(bench.till(), 2).await.unwrap(), 2);
    let mut asked: Vec<String> = bench.till().state().read[1..].iter().map(ToString::to_string).collect();
    asked.sort();
    assert_eq!(asked, [bench.order(&ids[1]).await, bench.order(&ids[2]).await]);
}

/// Whatever waits in other lanes, a deposit that a payer may be at is read in its turn.
#[tokio::test]
async fn no_lane_starves_another() {
    let bench = bench().await;
    let mut old = Vec::new();
    for _ in 0..60 {
        old.push(bench.create().await);
    }
    // Twenty whose payments never get confirmed, forty that are just old.
    for (n, id) in old.iter().take(20).enumerate() {
        bench.paid(id, &format!("p{n}"), "0.004", "0").await;
    }
    bench.pass(3700).await;
    bench.engine.run_timers().await.unwrap();
    for id in &old {
        bench.observe(id).await;
    }
    bench.pass(1000).await;
    let fresh = bench.create().await;
    bench.pass(12).await;
    // One read at a time, as a provider allows that answers once a second.
    assert_eq!(bench.engine.poll(bench.till(), 1).await.unwrap(), 1);
    assert_eq!(last_read(&bench), bench.order(&fresh).await);
    // And neither does the fresh one keep the others waiting.
    let before = bench.till().reads();
    for _ in 0..32 {
        bench.pass(12).await;
        assert_eq!(bench.engine.poll(bench.till(), 1).await.unwrap(), 1);
    }
    let asked = bench.till().state().read[before..].to_vec();
    let order = bench.order(&fresh).await;
    let fresh_reads = asked.iter().filter(|read| read.as_str() == order).count();
    assert!((18..=22).contains(&fresh_reads), "{fresh_reads} of 32: its share");
}

/// What was measured: 11 part-paid orders at a provider that never confirms a part, and a 15th order that is paid in full.
#[tokio::test]
async fn part_paid_orders_do_not_hide_a_paid_one() {
    let till = Till::new("till", Ticker::BTC, Asset::BTC, Replay::Key).all_or_nothing();
    let bench = Setup::of(vec![till]).bench().await;
    let mut ids = Vec::new();
    for _ in 0..15 {
        ids.push(bench.create().await);
    }
    for (n, id) in ids.iter().take(11).enumerate() {
        bench.paid(id, &format!("part{n}"), "0.002", "0").await;
    }
    bench.till().pay(&ids[14], "whole", "0", "0.004");
    // One request a second: every order has its turn within as many seconds as there are orders.
    for _ in 0..26 {
        bench.pass(1).await;
        bench.engine.poll(bench.till(), 1).await.unwrap();
    }
    assert_eq!(bench.status(&ids[14]).await, Status::Completed);
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
async fn an_order_that_is_gone_is_not_read_for_ever() {
    let bench = bench().await;
    let (gone, well) = (bench.create().await, bench.create().await);
    bench.pass(11).await;
    let orders = std::mem::take(&mut bench.till().state().orders);
    // Hours of nothing: it ends neither within its quote nor as long as the provider knows no order at all.
    for _ in 0..60 {
        poll(&bench).await;
        bench.pass(3600).await;
    }
    assert!(bench.row(&gone).await.watch.ended.is_none(), "perhaps it is the wrong provider that answers");
    bench.till().state().orders = orders.iter().filter(|o| o.record.deposit_id == well).cloned().collect();
    let before = bench.till().reads();
    for _ in 0..60 {
        poll(&bench).await;
        bench.pass(3600).await;
    }
    let ended = bench.row(&gone).await.watch.ended.unwrap();
    assert_eq!(ended.why, Ending::Gone);
    let asked = bench.till().state().read[before..].to_vec();
    let order = bench.order(&gone).await;
    assert!(asked.iter().filter(|read| read.as_str() == order).count() < 12, "and not often before");
    assert_eq!(bench.status(&gone).await, Status::New, "nothing is concluded");
    // It is read when something is heard of it.
    bench.till().state().orders = orders;
    bench.till().pay(&gone, "p", "0", "0.004");
    bench.tell("back", &order, Observed::PaymentHint).await;
    bench.engine.handle_deliveries().await.unwrap();
    assert_eq!(bench.status(&gone).await, Status::Completed);
}

#[tokio::test]
async fn one_bad_answer_costs_a_young_deposit_seconds() {
    for kind in [ErrorKind::Protocol, ErrorKind::Rejected("no"), ErrorKind::NotFound] {
        let bench = bench().await;
        let id = bench.create().await;
        bench.pass(11).await;
        bench.till().next_read(Reading::Fails(kind.clone()));
        assert_eq!(poll(&bench).await, 1);
        bench.till().next_read(Reading::Fails(kind));
        due_in(&bench, 10).await;
        bench.till().pay(&id, "p", "0", "0.004");
        due_in(&bench, 20).await;
        assert_eq!(bench.status(&id).await, Status::Completed);
        assert_eq!(bench.row(&id).await.watch.failures, 0);
    }
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
    let claimed =
        bench.store.claim_checks(bench.till().id(), now, now.plus_secs(120), Lanes::all(10)).await.unwrap();
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

#[tokio::test]
async fn the_end_of_a_quote_puts_no_read_off() {
    let bench = bench().await;
    let id = bench.create().await;
    bench.observe(&id).await;
    bench.pass(3595).await;
    assert_eq!(poll(&bench).await, 1);
    bench.till().pay_at(&id, "p", "0.004", bench.clock.now());
    bench.pass(6).await;
    bench.engine.run_timers().await.unwrap();
    assert_eq!(bench.status(&id).await, Status::Expired);
    bench.pass(6).await;
    assert_eq!(poll(&bench).await, 1, "as it was due before");
    assert_eq!(bench.status(&id).await, Status::Completed);
}

#[tokio::test]
async fn what_was_credited_a_moment_ago_is_looked_at_soon() {
    let bench = bench().await;
    let id = bench.create().await;
    assert_eq!(bench.paid(&id, "p", "0", "0.004").await, Status::Completed);
    due_in(&bench, 10).await;
    // Reorganised, and nobody says so.
    bench.till().pay(&id, "p", "0", "0");
    due_in(&bench, 10).await;
    assert_eq!(bench.postings(&id).await, ["200", "-200"]);
    bench.pass(4000).await;
    assert_eq!(poll(&bench).await, 1);
    due_in(&bench, 500).await;
}

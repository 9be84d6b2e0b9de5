//! The idempotency key, and creates that did not finish.
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
use std::time::Duration;

use common::*;

const KEY: Option<&str> = Some("key-1");

/// A create whose answer from the provider got lost.
async fn lost(bench: &Bench, opening: Opening) -> DepositId {
    bench.till().next_open(opening);
    let outcome = bench.try_create("0.004", KEY).await;
    assert!(matches!(outcome.result, Err(CreateError::Unavailable { retry_after: Some(_) })), "{outcome:?}");
    bench.till().state().opened.last().unwrap().deposit_id.clone()
}

async fn wait_asked(bench: &Bench) -> Duration {
    match bench.try_create("0.004", KEY).await.result {
        Err(CreateError::Unavailable { retry_after: Some(wait) }) => wait,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_repeat_gets_the_first_answer_as_it_was() {
    let bench = bench().await;
    let first = bench.try_create("0.004", KEY).await.result.unwrap();
    bench.paid(&first.id, "p", "0", "0.004").await;
    bench.pass(60).await;
    // By value, and whatever the case.
    let mut again = bench.request("4e-3", KEY);
    again.ticker = "BTC".into();
    let outcome = bench.engine.create(again).await;
    assert!(outcome.replayed);
    assert_eq!(outcome.result.unwrap(), first, "New, though it is paid by now");
    assert_eq!(bench.till().opened(), 1);
    assert_eq!(outcome.rate.unwrap().remaining, 999, "a replay is not counted");
}

#[tokio::test]
async fn a_refusal_is_repeated_too() {
    let bench = bench().await;
    let first = refusal(bench.try_create("1", KEY).await);
    assert!(matches!(first, Refusal::AboveMaximum { .. }));
    bench.set_price("100");
    bench.pass(1).await;
    let again = bench.try_create("1", KEY).await;
    assert!(again.replayed);
    assert_eq!(refusal(again), first, "though it would be fine by now");
}

#[tokio::test]
async fn other_content_under_the_same_key_is_a_conflict() {
    let bench = bench().await;
    bench.try_create("0.004", KEY).await.result.unwrap();
    let outcome = bench.try_create("0.005", KEY).await;
    assert!(matches!(outcome.result, Err(CreateError::IdempotencyConflict)));
    let unreadable = CreateRequest { amount: AmountInput::Unreadable, ..bench.request("1", Some("other")) };
    assert_eq!(refusal(bench.engine.create(unreadable.clone()).await), Refusal::InvalidJson);
    let outcome = bench.engine.create(unreadable).await;
    assert!(
        matches!(outcome.result, Err(CreateError::IdempotencyConflict)),
        "equals nothing, itself included"
    );
    // After a day the key is forgotten.
    bench.pass(86_401).await;
    let outcome = bench.try_create("0.005", KEY).await;
    assert!(!outcome.replayed && outcome.result.is_ok());
}

#[tokio::test]
async fn while_the_first_is_running_a_repeat_is_told_so() {
    let bench = bench().await;
    bench.till().next_open(Opening::Hangs);
    let request = bench.request("0.004", KEY);
    let engine = bench.engine.clone();
    let running = tokio::spawn(async move { engine.create(request).await });
    while bench.till().opened() == 0 {
        tokio::task::yield_now().await;
    }
    let outcome = bench.try_create("0.004", KEY).await;
    assert!(matches!(outcome.result, Err(CreateError::IdempotencyRunning)));
    assert_eq!(outcome.rate.unwrap().remaining, 999, "not counted");
    running.abort();
}

#[tokio::test]
async fn a_create_that_was_cut_off_is_taken_up_after_its_lease() {
    for replay in [Replay::Key, Replay::LookUp, Replay::None] {
        let mut bench = Setup::replay(replay).bench().await;
        bench.till().next_open(Opening::Hangs);
        let mut create = Box::pin(bench.engine.create(bench.request("0.004", KEY)));
        let opened = async {
            while bench.till().opened() == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            _ = &mut create => panic!("it hangs"),
            () = opened => {}
        }
        // As a process that is killed between the provider's answer and our own write.
        drop(create);
        let id = bench.till().state().opened[0].deposit_id.clone();
        assert_eq!(bench.row(&id).await.phase, Phase::Creating);
        bench.restart().await;
        bench.pass(74).await;
        let early = bench.try_create("0.004", KEY).await;
        assert!(matches!(early.result, Err(CreateError::IdempotencyRunning)), "{replay}: {early:?}");
        bench.pass(1).await;
        let view = bench.try_create("0.004", KEY).await.result.unwrap();
        assert_eq!(view.id, id, "{replay}");
        // Only one whose provider cannot tell opens a second order.
        let orders = bench.till().state().orders.len();
        assert_eq!(orders, if replay == Replay::None { 2 } else { 1 }, "{replay}");
        assert_eq!(bench.status(&id).await, Status::New);
        bench.paid(&id, "p", "0", "0.004").await;
        assert_eq!(bench.postings(&id).await, ["200"]);
    }
}

/// A start proves that the process is dead that was at it: nobody waits for its lease, and each provider's own rule holds all the same.
#[tokio::test]
async fn a_create_that_was_cut_off_is_taken_up_at_the_next_start() {
    for (replay, opening) in [
        (Replay::Key, Opening::Hangs),
        (Replay::None, Opening::Hangs),
        (Replay::LookUp, Opening::Hangs),
        (Replay::LookUp, Opening::AnswerLost { hidden: true }),
    ] {
        let mut bench = Setup::replay(replay).bench().await;
        let hidden = matches!(opening, Opening::AnswerLost { .. });
        bench.store.begin_serving(bench.clock.now()).await.unwrap();
        // The order is there, or on its way and not to be seen yet; the process ends before it says so.
        let id = if hidden {
            lost(&bench, opening).await
        } else {
            bench.till().next_open(opening);
            let mut create = Box::pin(bench.engine.create(bench.request("0.004", KEY)));
            let opened = async {
                while bench.till().opened() == 0 {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                _ = &mut create => panic!("it hangs"),
                () = opened => {}
            }
            drop(create);
            bench.till().state().opened[0].deposit_id.clone()
        };
        bench.restart().await;
        bench.store.begin_serving(bench.clock.now()).await.unwrap();
        if hidden {
            // Only a look-up after the lost call's own time proves that there is no order.
            bench.pass(29).await;
            assert_eq!(wait_asked(&bench).await, Duration::from_secs(1), "{replay}");
            assert_eq!(bench.till().opened(), 1);
            bench.pass(1).await;
        }
        let view = bench.try_create("0.004", KEY).await.result.unwrap();
        assert_eq!(view.id, id, "{replay}: one row");
        let orders = bench.till().state().orders.len();
        let twice = replay == Replay::None || hidden;
        assert_eq!(orders, if twice { 2 } else { 1 }, "{replay}");
    }
}

#[tokio::test]
async fn with_a_key_the_same_terms_are_sent_again() {
    let bench = Setup::replay(Replay::Key).bench().await;
    let id = lost(&bench, Opening::AnswerLost { hidden: false }).await;
    bench.set_price("60000");
    bench.pass(30).await;
    let view = bench.try_create("0.004", KEY).await.result.unwrap();
    assert_eq!(view.id, id);
    assert_eq!(view.unit_price.unwrap().to_string(), "50000", "the terms of the first attempt");
    let state = bench.till().state();
    assert_eq!(state.opened[0].terms, state.opened[1].terms);
    assert_eq!(state.opened[1].attempt, 1);
    assert_eq!(state.orders.len(), 1);
}

#[tokio::test]
async fn with_a_key_a_quote_that_is_over_is_asked_for_anew() {
    let bench = Setup::replay(Replay::Key).bench().await;
    lost(&bench, Opening::AnswerLost { hidden: false }).await;
    bench.pass(3600).await;
    let view = bench.try_create("0.004", KEY).await.result.unwrap();
    assert_eq!(view.expires_at, Some(START.plus_secs(7200)));
    let state = bench.till().state();
    assert_ne!(state.opened[1].attempt, state.opened[0].attempt, "a changed body needs another key");
}

#[tokio::test]
async fn without_any_help_a_retry_opens_a_fresh_order() {
    let bench = Setup::replay(Replay::None).bench().await;
    let id = lost(&bench, Opening::AnswerLost { hidden: false }).await;
    assert_eq!(bench.till().opened(), 1, "nothing is repeated within a request");
    bench.set_price("60000");
    bench.pass(10).await;
    let view = bench.try_create("0.004", KEY).await.result.unwrap();
    assert_eq!((&view.id, view.instructions.address()), (&id, Some("till-address-2")));
    assert_eq!(view.unit_price.unwrap().to_string(), "60000", "a fresh order has a fresh quote");
    let state = bench.till().state();
    assert_eq!((state.opened[1].attempt, state.look_ups), (2, 0));
}

#[tokio::test]
async fn a_lost_answer_is_found_within_the_same_request() {
    let bench = bench().await;
    bench.till().next_open(Opening::AnswerLost { hidden: false });
    let view = bench.try_create("0.004", KEY).await.result.unwrap();
    assert_eq!(view.instructions.address(), Some("till-address-1"));
    assert_eq!((bench.till().opened(), bench.till().state().look_ups), (1, 1));
}

#[tokio::test]
async fn nothing_is_opened_twice_before_the_lost_call_has_timed_out() {
    let bench = bench().await;
    let id = lost(&bench, Opening::AnswerLost { hidden: true }).await;
    // A client that asks just when it is told to, and one that asks all the time: neither makes the wait begin anew.
    bench.pass(10).await;
    assert_eq!(wait_asked(&bench).await, Duration::from_secs(20));
    for _ in 0..19 {
        bench.pass(1).await;
        wait_asked(&bench).await;
    }
    assert_eq!(bench.till().opened(), 1);
    // It shows up at last.
    bench.till().settle();
    let view = bench.try_create("0.004", KEY).await.result.unwrap();
    assert_eq!((&view.id, view.instructions.address()), (&id, Some("till-address-1")));
    assert_eq!(bench.till().opened(), 1);
}

#[tokio::test]
async fn after_the_time_out_an_order_that_is_not_there_is_opened_anew() {
    let bench = bench().await;
    let id = lost(&bench, Opening::RequestLost).await;
    bench.pass(29).await;
    assert_eq!(wait_asked(&bench).await, Duration::from_secs(1));
    bench.set_price("60000");
    bench.pass(1).await;
    let view = bench.try_create("0.004", KEY).await.result.unwrap();
    assert_eq!((&view.id, view.unit_price.unwrap().to_string().as_str()), (&id, "60000"));
    assert_eq!(bench.till().opened(), 2);
}

#[tokio::test]
async fn a_look_up_that_fails_proves_nothing() {
    let bench = bench().await;
    lost(&bench, Opening::RequestLost).await;
    bench.pass(60).await;
    bench.till().state().blind = Some(transient());
    wait_asked(&bench).await;
    assert_eq!(bench.till().opened(), 1);
    bench.till().state().blind = None;
    bench.pass(30).await;
    bench.try_create("0.004", KEY).await.result.unwrap();
    assert_eq!(bench.till().opened(), 2);
}

#[tokio::test]
async fn of_several_orders_the_oldest_is_shown_and_all_are_observed() {
    let bench = bench().await;
    let id = lost(&bench, Opening::AnswerLost { hidden: true }).await;
    bench.pass(30).await;
    // The first one is not to be seen yet, so a second one is made, whose answer is lost as well.
    bench.till().next_open(Opening::AnswerLost { hidden: true });
    wait_asked(&bench).await;
    bench.till().settle();
    let view = bench.try_create("0.004", KEY).await.result.unwrap();
    assert_eq!((&view.id, view.instructions.address()), (&id, Some("till-address-1")));
    let orders: Vec<String> =
        bench.store.orders_of(&id).await.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(orders, ["till-order-1", "till-order-2"]);
    // Paid on the second (`pay` takes the newest) and then on the first.
    assert_eq!(bench.paid(&id, "on-second", "0", "0.001").await, Status::Pending);
    {
        let mut state = bench.till().state();
        common::till::stand(&mut state.orders[0].snapshot, "on-first", Asset::BTC, "0", "0.003", None);
    }
    bench.observe(&id).await;
    assert_eq!(bench.status(&id).await, Status::Completed);
    assert_eq!(bench.postings(&id).await, ["50", "150"]);
    bench.check_settled(&id).await;
    // The second is gone at the provider: the first is read all the same.
    bench.till().state().orders.truncate(1);
    bench.till().state().orders[0].snapshot.payments.clear();
    assert_eq!(bench.observe(&id).await, Observation::Changed);
    assert_eq!(
        bench.usd().await,
        "50",
        "absent in the first order's list; nothing is concluded of the second"
    );
}

#[tokio::test]
async fn a_found_order_that_is_over_is_quoted_anew_and_still_observed() {
    let bench = bench().await;
    let id = lost(&bench, Opening::AnswerLost { hidden: true }).await;
    bench.till().settle();
    bench.set_price("60000");
    bench.pass(3600).await;
    // The answer to the new one is lost too: the look-up must not take the old one for it.
    bench.till().next_open(Opening::AnswerLost { hidden: false });
    let view = bench.try_create("0.004", KEY).await.result.unwrap();
    assert_eq!((&view.id, view.instructions.address()), (&id, Some("till-address-2")));
    assert_eq!(view.expires_at, Some(START.plus_secs(7200)));
    assert_eq!(view.unit_price.unwrap().to_string(), "60000");
    assert_eq!(bench.row(&id).await.terms.quote.unwrap().rate.to_string(), "60000");
    let orders = bench.store.orders_of(&id).await.unwrap();
    assert_eq!(orders.len(), 2);
    assert_eq!(orders[0].as_str(), "till-order-2", "the shown one first");
}

#[tokio::test]
async fn a_rate_that_moved_does_not_refuse_what_was_begun() {
    let bench = bench().await;
    let id = {
        bench.till().next_open(Opening::RequestLost);
        assert!(bench.try_create("0.01", KEY).await.result.is_err());
        bench.till().state().opened[0].deposit_id.clone()
    };
    bench.set_price("60000");
    bench.pass(60).await;
    bench.pass(60).await;
    let view = bench.try_create("0.01", KEY).await.result.unwrap();
    assert_eq!(view.id, id);
    assert!(matches!(refusal(bench.try_create("0.01", None).await), Refusal::AboveMaximum { .. }));
}

#[tokio::test]
async fn whoever_lost_the_lease_answers_with_what_the_other_opened() {
    let bench = Setup::of(vec![Till::new("till", Ticker::BTC, Asset::BTC, Replay::Key)]).bench().await;
    // The first hangs in its call; meanwhile its lease ends and a second one opens the order.
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    bench.till().state().slow_open = Some(Arc::clone(&gate));
    let (engine, request) = (bench.engine.clone(), bench.request("0.004", KEY));
    let slow = tokio::spawn(async move { engine.create(request).await });
    while bench.till().opened() == 0 {
        tokio::task::yield_now().await;
    }
    bench.till().state().slow_open = None;
    bench.pass(75).await;
    let second = bench.try_create("0.004", KEY).await.result.unwrap();
    gate.add_permits(1);
    let first = slow.await.unwrap();
    assert_eq!(first.result.unwrap(), second);
    assert_eq!(bench.store.history(&second.id, 0).await.unwrap().len(), 1);
    assert_eq!(bench.till().state().orders.len(), 1);
}

#[tokio::test]
async fn whoever_lost_the_lease_to_one_that_is_still_at_it_shows_nothing() {
    let bench = Setup::replay(Replay::None).bench().await;
    let mut attempts = Vec::new();
    for n in 0..2 {
        let gate = Arc::new(tokio::sync::Semaphore::new(0));
        bench.till().state().slow_open = Some(Arc::clone(&gate));
        let (engine, request) = (bench.engine.clone(), bench.request("0.004", KEY));
        attempts.push((gate, tokio::spawn(async move { engine.create(request).await })));
        while bench.till().opened() == n {
            tokio::task::yield_now().await;
        }
        bench.pass(75).await;
    }
    let (gate, second) = attempts.pop().unwrap();
    let (first_gate, first) = attempts.pop().unwrap();
    first_gate.add_permits(1);
    assert!(matches!(first.await.unwrap().result, Err(CreateError::IdempotencyRunning)));
    assert_eq!(bench.till().state().orders.len(), 1);
    gate.add_permits(1);
    let view = second.await.unwrap().result.unwrap();
    // Of the two orders only the one whose answer was stored is ever shown.
    assert_eq!(view.instructions.address(), Some("till-address-2"));
    assert_eq!(bench.view(&view.id).await, view);
}

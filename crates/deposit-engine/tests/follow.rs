//! Following one deposit.
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

/// No wait of these tests is as long as this: whoever waits until its end was not woken.
const LONG: Duration = Duration::from_secs(60);

/// Pays `part` of 10^-8 BTC more each time, so that each read is a change.
async fn change(bench: &Bench, id: &DepositId, part: u32) {
    bench.till().pay(id, &format!("p-{id}"), &format!("0.{part:08}"), "0");
    assert_eq!(bench.observe(id).await, Observation::Changed);
}

#[tokio::test]
async fn the_present_state_then_each_change() {
    let bench = bench().await;
    let id = bench.create().await;
    let mut follower = bench.engine.follow(&id);
    let first = follower.next(LONG).await.unwrap().unwrap();
    assert_eq!((first.n, first.at, &first.view), (1, START, &bench.view(&id).await));
    assert_eq!(follower.next(Duration::ZERO).await.unwrap(), None);
    bench.paid(&id, "p", "0.004", "0").await;
    let second = follower.next(LONG).await.unwrap().unwrap();
    assert_eq!((second.n, second.view.status), (2, Status::Processing));
    bench.paid(&id, "p", "0", "0.004").await;
    assert_eq!(follower.next(LONG).await.unwrap().unwrap().view, bench.view(&id).await);
    assert_eq!(follower.newest().await.unwrap().unwrap().n, 3);
}

#[tokio::test]
async fn whoever_comes_back_gets_every_newer_state_and_whoever_is_slow_the_newest() {
    let bench = bench().await;
    let id = bench.create().await;
    let mut slow = bench.engine.follow(&id);
    assert_eq!(slow.next(LONG).await.unwrap().unwrap().n, 1);
    for part in 1..=9 {
        change(&bench, &id, part).await;
    }
    // A little behind: still one after another.
    for n in 2..=10 {
        assert_eq!(slow.next(LONG).await.unwrap().unwrap().n, n);
    }
    for part in 10..=99 {
        change(&bench, &id, part).await;
    }
    assert_eq!(slow.next(LONG).await.unwrap().unwrap().n, 100);
    assert_eq!(slow.next(Duration::ZERO).await.unwrap(), None);

    let mut back = bench.engine.follow(&id);
    back.resume_after(40);
    for n in 41..=100 {
        assert_eq!(back.next(LONG).await.unwrap().unwrap().n, n);
    }
    assert_eq!(back.next(Duration::ZERO).await.unwrap(), None);
    // From here on it is a reader like any other.
    for part in 100..=150 {
        change(&bench, &id, part).await;
    }
    assert_eq!(back.next(LONG).await.unwrap().unwrap().n, 151);
}

#[tokio::test]
async fn a_bell_wakes_its_own_followers_and_goes_with_the_last() {
    let bench = bench().await;
    let (id, other) = (bench.create().await, bench.create().await);
    let (mut first, mut second) = (bench.engine.follow(&id), bench.engine.follow(&id));
    let mut apart = bench.engine.follow(&other);
    assert_eq!(bench.engine.followed(), 2);
    for follower in [&mut first, &mut second, &mut apart] {
        assert_eq!(follower.next(LONG).await.unwrap().unwrap().n, 1);
    }
    let mut waiting = Box::pin(apart.next(LONG));
    assert!(futures_util::poll!(&mut waiting).is_pending());
    let reads = || async { bench.till().state().read.len() };
    let before = reads().await;
    change(&bench, &id, 1).await;
    assert_eq!(reads().await, before + 1);
    assert_eq!(first.next(LONG).await.unwrap().unwrap().n, 2);
    assert!(futures_util::poll!(&mut waiting).is_pending(), "a change of another deposit");
    drop(waiting);
    drop((first, apart));
    assert_eq!(bench.engine.followed(), 1);
    assert_eq!(second.next(LONG).await.unwrap().unwrap().n, 2);
    drop(second);
    assert_eq!(bench.engine.followed(), 0);
    // Nobody listens: nothing is kept.
    change(&bench, &id, 2).await;
    assert_eq!(bench.engine.followed(), 0);
}

#[tokio::test]
async fn a_change_by_another_process_is_seen_at_the_next_look() {
    let bench = bench().await;
    let id = bench.create().await;
    let mut follower = bench.engine.follow(&id);
    assert_eq!(follower.next(LONG).await.unwrap().unwrap().n, 1);
    bench.till().pay(&id, "p", "0.004", "0");
    let another = bench.another_engine();
    let look = Duration::from_millis(300);
    let (seen, _) = tokio::join!(follower.next(look), async {
        // Only now it waits, and no bell of its own will ring.
        tokio::task::yield_now().await;
        another.observe(&id, None).await.unwrap()
    });
    let state = match seen.unwrap() {
        Some(state) => state,
        None => follower.next(look).await.unwrap().unwrap(),
    };
    assert_eq!((state.n, state.view.status), (2, Status::Processing));
}

#[tokio::test]
async fn a_wait_that_is_dropped_loses_nothing() {
    let bench = bench().await;
    let id = bench.create().await;
    let mut follower = bench.engine.follow(&id);
    let mut seen = Vec::new();
    for part in 1..=20 {
        change(&bench, &id, part).await;
        // At whatever point the wait is given up.
        for polls in 0..6 {
            let mut next = Box::pin(follower.next(LONG));
            for _ in 0..polls {
                if let std::task::Poll::Ready(state) = futures_util::poll!(&mut next) {
                    seen.push(state.unwrap().unwrap().n);
                    break;
                }
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
        }
    }
    while let Some(state) = follower.next(Duration::ZERO).await.unwrap() {
        seen.push(state.n);
    }
    assert_eq!(seen.last(), Some(&21));
    assert!(seen.is_sorted_by(|a, b| a < b), "{seen:?}");
}

/// Followers come, wait and go on several threads while others change the deposits: each that stays sees the last state, and is woken for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_wake_up_is_lost() {
    const CHANGES: u32 = 60;
    let bench = std::sync::Arc::new(bench().await);
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(bench.create().await);
    }
    let last = u64::from(CHANGES) + 1;
    let mut followers = Vec::new();
    for number in 0..120 {
        let (bench, id) = (bench.clone(), ids[number % ids.len()].clone());
        followers.push(tokio::spawn(async move {
            let mut follower = bench.engine.follow(&id);
            let mut newest = 0;
            while newest < last {
                let state = follower.next(LONG).await.unwrap().expect("woken in time");
                assert!(state.n > newest, "{} after {newest}", state.n);
                newest = state.n;
                if number % 3 == 0 && newest % 5 == 0 {
                    // Leaves and comes back where it was.
                    follower = bench.engine.follow(&id);
                    follower.resume_after(newest);
                }
                if number % 7 == 0 {
                    tokio::time::sleep(Duration::from_millis(3)).await;
                }
            }
        }));
    }
    let writers = ids.iter().map(|id| {
        let (bench, id) = (bench.clone(), id.clone());
        tokio::spawn(async move {
            for part in 1..=CHANGES {
                change(&bench, &id, part).await;
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    for follower in followers {
        follower.await.unwrap();
    }
    assert_eq!(bench.engine.followed(), 0);
}

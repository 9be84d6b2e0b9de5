//! The schedule: shares, budgets, intervals and ends, for any figures.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use deposit_core::Timestamp;
use deposit_lifecycle::watch::simulation::{Load, Provider, run};
use deposit_lifecycle::watch::{
    DAY_SECS, Ending, Failure, GONE_ANSWERS, LANES, Lane, Lanes, Next, Pace, SHARES, Tokens, Turns, Watched,
    after_failure, after_read,
};
use proptest::collection::vec;
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_secs(1_772_616_600);
const PACE: Pace = Pace { young_secs: 10, old_secs: 600, window_secs: 30 * DAY_SECS, feed: false };

fn lanes() -> impl Strategy<Value = Lanes<u32>> {
    let any = || prop_oneof![Just(0_u32), 0_u32..4, 0_u32..200];
    (any(), any(), any()).prop_map(|(young, under_way, old)| Lanes { young, under_way, old })
}

fn watched() -> impl Strategy<Value = Watched> {
    let ago = || -(40 * DAY_SECS)..DAY_SECS;
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (prop::option::of(ago()), ago(), flags, prop::option::of(Just(DAY_SECS))).prop_map(
        |(end, moved, (paid, in_flight, credited, money), final_after)| Watched {
            payable_until: end.map(|secs| NOW.plus_secs(secs)),
            moved_at: NOW.plus_secs(moved.min(0)),
            paid,
            in_flight,
            credited: credited && !in_flight,
            money: money || paid || in_flight,
            final_after,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn shares_are_guaranteed_and_nothing_is_idle(rounds in vec((0_u32..40, lanes()), 1..60)) {
        let mut turns = Turns::default();
        // What a lane got, and what all got, in the rounds since it was last served all that it wanted.
        let mut waited: Lanes<(u64, u64)> = Lanes::all((0, 0));
        for (budget, wanted) in rounds {
            let given = turns.share(budget, wanted);
            prop_assert_eq!(given.sum(), budget.min(wanted.sum()), "no more than the budget, no less than is wanted");
            for lane in LANES {
                let (got, want) = (*given.get(lane), *wanted.get(lane));
                prop_assert!(got <= want);
                if got == want {
                    *waited.get_mut(lane) = (0, 0);
                    continue;
                }
                let (mine, all) = waited.get_mut(lane);
                *mine += u64::from(got);
                *all += u64::from(given.sum());
                let due = *all * u64::from(*SHARES.get(lane)) / 16;
                prop_assert!(*mine + 2 >= due, "{lane}: {mine} of {all}");
            }
        }
    }

    #[test]
    fn polling_alone_never_gets_more_than_the_budget(
        requests in 1_u32..60,
        per in 1_u64..10_000,
        cost in 1_u32..4,
        steps in vec((0_u64..3000, 0_u32..50), 1..80),
    ) {
        let cost = cost.min(requests);
        let mut tokens = Tokens::full(requests, per);
        let (mut passed, mut taken) = (0_u64, 0_u64);
        for (millis, wanted) in steps {
            tokens.pass(millis);
            passed += millis;
            taken += u64::from(tokens.take(wanted, cost)) * u64::from(cost);
            prop_assert!(taken <= u64::from(requests) + passed * u64::from(requests) / per, "{taken} in {passed} ms");
        }
    }

    #[test]
    fn what_comes_first_leaves_polling_a_quarter(requests in 1_u32..60, storm in 0_u32..1000) {
        let mut tokens = Tokens::full(requests, 1000);
        let mut taken = 0;
        for _ in 0..1000 {
            tokens.spend(storm);
            tokens.pass(100);
            taken += tokens.take(u32::MAX, 1);
        }
        prop_assert!(taken + taken / 16 + 2 >= 100 * requests / 4, "{taken} reads in 100 s of {requests} a second");
        // The debt is paid back within two buckets' time.
        tokens.pass(2000);
        prop_assert!(tokens.take(1, 1) == 1);
    }

    #[test]
    fn no_deposit_is_left_alone_for_longer_than_a_day(watched in watched(), feed in any::<bool>(), failures in 1_u32..90) {
        let pace = Pace { feed, ..PACE };
        let awaited = !watched.paid && watched.payable_until.is_some_and(|end| NOW < end);
        match after_read(&watched, &pace, NOW) {
            Next::Read { secs, lane } => {
                prop_assert!((10..=DAY_SECS).contains(&secs));
                prop_assert_eq!(awaited, lane == Lane::Young);
                prop_assert!(!awaited || secs == 10);
            }
            Next::End(_) => prop_assert!(!awaited, "expiry comes first"),
        }
        // Once, or without end, or where the provider knows nobody: an order is not given up.
        for (failures, hours, knows_others) in [(1, 100, true), (failures, 23, true), (failures, 1000, false)] {
            let gone_since = Some(NOW.plus_secs(-3600 * hours));
            let next = after_failure(&watched, &pace, &Failure { failures, gone_since, knows_others }, NOW);
            let Next::Read { secs, .. } = next else { panic!("{next:?}") };
            prop_assert!((10..=DAY_SECS).contains(&secs));
            prop_assert!(failures > 1 || secs == 10);
        }
    }
}

const EXPIRED: Watched = Watched {
    payable_until: Some(NOW),
    moved_at: NOW,
    paid: false,
    in_flight: false,
    credited: false,
    money: false,
    final_after: None,
};

/// The reads of a deposit from now to its end, in seconds from now.
fn reads(of: Watched, pace: &Pace) -> (Vec<i64>, Ending) {
    let (mut at, mut reads) = (0, Vec::new());
    loop {
        match after_read(&of, pace, NOW.plus_secs(at)) {
            Next::Read { secs, .. } => at += secs,
            Next::End(why) => return (reads, why),
        }
        reads.push(at);
    }
}

#[test]
fn every_watch_ends_and_costs_little() {
    let (all, why) = reads(EXPIRED, &PACE);
    assert_eq!((all.len(), why), (73, Ending::WindowOver));
    assert!(all.last().unwrap() - 30 * DAY_SECS < DAY_SECS);
    // Where a feed shows what changes, it does the looking.
    let (all, _) = reads(EXPIRED, &Pace { feed: true, ..PACE });
    assert_eq!(all.len(), 30);
    // A part that is never confirmed ages too; where money was seen, a short window is no excuse.
    let (all, why) =
        reads(Watched { money: true, in_flight: true, ..EXPIRED }, &Pace { window_secs: 0, ..PACE });
    assert_eq!(why, Ending::WindowOver);
    assert!((200..400).contains(&all.len()) && *all.last().unwrap() >= 7 * DAY_SECS, "{}", all.len());
    // Final money is looked at once more.
    let settled = Watched { money: true, paid: true, credited: true, final_after: Some(DAY_SECS), ..EXPIRED };
    let (_, why) = reads(settled, &PACE);
    assert_eq!(why, Ending::Settled);
}

#[test]
fn gone_is_said_after_a_day_of_answers() {
    let gone =
        Failure { failures: GONE_ANSWERS, gone_since: Some(NOW.plus_secs(-DAY_SECS)), knows_others: true };
    assert_eq!(after_failure(&EXPIRED, &PACE, &gone, NOW), Next::End(Ending::Gone));
    let payable = Watched { payable_until: Some(NOW.plus_secs(1)), ..EXPIRED };
    assert!(matches!(after_failure(&payable, &PACE, &gone, NOW), Next::Read { .. }));
    let with_money = Watched { in_flight: true, money: true, ..EXPIRED };
    assert!(matches!(after_failure(&with_money, &PACE, &gone, NOW), Next::Read { .. }));
}

/// A payment is read within the bound while the young ones fit their share, whatever else waits; else in turn. Nothing is unread for longer than stated.
#[test]
fn the_simulation_keeps_the_bounds() {
    let slow =
        Provider { requests: 1, per_millis: 1000, requests_per_read: 1, read_batch: 1, concurrency: 1 };
    let swaps = Provider { requests: 14, per_millis: 6000, concurrency: 4, ..slow };
    let batches =
        Provider { requests: 50, per_millis: 1000, requests_per_read: 2, read_batch: 100, concurrency: 8 };
    for (provider, deposits, under_way, hours) in [
        (slow, 2_000, 0, 6),
        (slow, 3_000, 40, 6),
        (swaps, 5_000, 24, 6),
        // Old ones in plenty: what was measured as 292 s.
        (swaps, 8_400, 700, 4),
        (swaps, 40_000, 100, 4),
        (batches, 60_000, 250, 2),
    ] {
        let load = Load { deposits, under_way, lifetime_secs: 3600, horizon_secs: hours * 3600 };
        let outcome = run(&provider, &PACE, &load);
        assert!(outcome.payments > 0 && outcome.used_permille <= 1001, "{provider:?} {load:?} {outcome:?}");
        assert!(outcome.worst_secs <= outcome.bound_secs, "{provider:?} {load:?} {outcome:?}");
        assert!(outcome.longest_unread_secs <= outcome.old_bound_secs, "{provider:?} {load:?} {outcome:?}");
    }
}

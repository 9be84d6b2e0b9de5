//! What the schedule promises, shown by running it: events in order, a provider that answers at once, webhooks that are all lost. Decisions, shares
//! and tokens are the very functions that the engine uses; only the store is a set in memory. No clock and no chance: numbers that repeat.

use std::collections::BTreeSet;

use deposit_core::Timestamp;

use super::{Lane, Lanes, Next, Pace, SHARES, Tokens, Turns, Watched, after_read};

/// A provider, as far as the schedule looks at it.
#[derive(Debug, Clone, Copy)]
pub struct Provider {
    /// Requests …
    pub requests: u32,
    /// … in so many milliseconds.
    pub per_millis: u64,
    /// What a read costs.
    pub requests_per_read: u32,
    /// How many deposits one read answers for.
    pub read_batch: u32,
    /// Reads at once.
    pub concurrency: u32,
}

/// What is simulated.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Deposits in the window, made evenly over it, none of them paid.
    pub deposits: u32,
    /// Of them so many have a payment under way that is never confirmed and is half an hour old.
    pub under_way: u32,
    /// How long a quote lasts, in seconds.
    pub lifetime_secs: i64,
    /// For how long to look, in seconds.
    pub horizon_secs: i64,
}

/// What came of it. Times in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Deposits that could be paid at the beginning.
    pub young: u32,
    /// Whether the young ones alone fit the lane's own share of the budget.
    pub fits: bool,
    /// Within what a payment has to be read where they fit; else how long all of them take in turn.
    pub bound_secs: i64,
    /// The longest time from a payment to its read, over payments to deposits that could be paid.
    pub worst_secs: i64,
    /// Payments that were read.
    pub payments: u32,
    /// The longest time between two reads of a deposit that is past its quote.
    pub longest_unread_secs: i64,
    /// Within what it has to be read.
    pub old_bound_secs: i64,
    /// Requests made for each thousand that the budget allows.
    pub used_permille: u32,
}

#[derive(Debug, Clone, Copy)]
struct Deposit {
    watched: Watched,
    last_read: i64,
    /// When it is paid, in milliseconds; read once after it.
    paid_at: Option<i64>,
}

/// How soon the engine's polling looks again where there was enough to do, in milliseconds …
const BREATH: i64 = 20;
/// … and where there was not.
const LOOK_EVERY: i64 = 500;

/// Runs it.
#[must_use]
pub fn run(provider: &Provider, pace: &Pace, load: &Load) -> Outcome {
    Run::new(provider, pace, load).whole()
}

struct Run<'a> {
    provider: &'a Provider,
    pace: &'a Pace,
    load: &'a Load,
    deposits: Vec<Deposit>,
    due: Lanes<BTreeSet<(i64, usize)>>,
    random: u64,
    outcome: Outcome,
}

impl<'a> Run<'a> {
    fn new(provider: &'a Provider, pace: &'a Pace, load: &'a Load) -> Self {
        let due = Lanes::from_fn(|_| BTreeSet::new());
        let outcome = bounds(provider, pace, load);
        let mut run = Self { provider, pace, load, deposits: Vec::new(), due, random: 1, outcome };
        let window = pace.window_secs.saturating_add(load.lifetime_secs).saturating_mul(1000);
        for n in 0..load.deposits {
            // From the oldest to the newest.
            let made = -window + i64::from(n) * window / i64::from(load.deposits.max(1));
            run.add(made, n < load.under_way);
        }
        run
    }

    /// Numbers below `below` that repeat from run to run.
    fn chance(&mut self, below: i64) -> i64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(self.random >> 33).unwrap_or(0) % below.max(1)
    }

    fn add(&mut self, made: i64, under_way: bool) {
        let lifetime = self.load.lifetime_secs.saturating_mul(1000);
        let end = made.saturating_add(lifetime);
        let moved_at = if under_way { -1_800_000 } else { made };
        let watched = Watched {
            payable_until: Some(Timestamp::from_millis(end)),
            moved_at: Timestamp::from_millis(moved_at),
            paid: under_way,
            in_flight: under_way,
            credited: false,
            money: under_way,
            final_after: None,
        };
        let paid_at = (end > 0 && !under_way).then(|| made.max(0) + self.chance(end - made.max(0)));
        let begin = made.max(0);
        let n = self.deposits.len();
        self.deposits.push(Deposit { watched, last_read: begin, paid_at });
        // As in a store that has run for long: somewhere within its interval; a fresh one after the first interval.
        if let Next::Read { secs, lane } = after_read(&watched, self.pace, Timestamp::from_millis(begin)) {
            let within =
                if made < 0 { self.chance(secs.saturating_mul(1000)) } else { secs.saturating_mul(1000) };
            self.due.get_mut(lane).insert((begin.saturating_add(within), n));
        }
    }

    fn whole(mut self) -> Outcome {
        let horizon = self.load.horizon_secs.saturating_mul(1000);
        let window = self.pace.window_secs.saturating_add(self.load.lifetime_secs).saturating_mul(1000);
        let apart = (window / i64::from(self.load.deposits.max(1))).max(1);
        let cost = self.provider.requests_per_read.min(self.provider.requests).max(1);
        let mut tokens = Tokens::full(self.provider.requests, self.provider.per_millis);
        // What a start has saved up is no part of the promise.
        tokens.take(u32::MAX, 1);
        let mut turns = Turns::default();
        let (mut now, mut next_made, mut used) = (0_i64, 0_i64, 0_u64);
        while now < horizon {
            while next_made <= now {
                self.add(next_made, false);
                next_made = next_made.saturating_add(apart);
            }
            let (reads, busy) = self.round(now, cost, &mut tokens, &mut turns);
            used = used.saturating_add(u64::from(reads));
            let pause = if busy { BREATH } else { LOOK_EVERY };
            tokens.pass(pause.unsigned_abs());
            now = now.saturating_add(pause);
        }
        self.finish(horizon, used.saturating_mul(u64::from(cost)))
    }

    /// One round of polling; how many reads it made, and whether there was enough to do.
    fn round(&mut self, now: i64, cost: u32, tokens: &mut Tokens, turns: &mut Turns) -> (u32, bool) {
        let batch = self.provider.read_batch.max(1);
        let most = usize::try_from(self.provider.concurrency.saturating_mul(batch)).unwrap_or(usize::MAX);
        let wanted = Lanes::from_fn(|lane| {
            let due = self.due.get(lane).range(..(now + 1, 0)).take(most).count();
            u32::try_from(due).unwrap_or(u32::MAX).div_ceil(batch)
        });
        let paid = tokens.take(self.provider.concurrency.min(wanted.sum()), cost);
        let reads = turns.share(paid, wanted);
        let mut done = 0_u32;
        for lane in super::LANES {
            for _ in 0..reads.get(lane).saturating_mul(batch) {
                let Some(first) = self.due.get(lane).first().copied().filter(|(at, _)| *at <= now) else {
                    break;
                };
                self.due.get_mut(lane).remove(&first);
                self.read(first.1, now);
                done += 1;
            }
        }
        // One request answers for many: unless one was full it is worth waiting.
        (reads.sum(), done > 0 && done >= batch)
    }

    fn read(&mut self, n: usize, now: i64) {
        let Some(mut deposit) = self.deposits.get(n).copied() else { return };
        let at = Timestamp::from_millis(now);
        self.unread(&deposit, now);
        if let Some(paid_at) = deposit.paid_at.filter(|paid| *paid <= now) {
            self.outcome.payments += 1;
            self.outcome.worst_secs = self.outcome.worst_secs.max((now - paid_at) / 1000);
            // Seen and credited in one: what follows is an old one's watch.
            deposit.paid_at = None;
            let moved_at = at;
            deposit.watched =
                Watched { paid: true, credited: true, money: true, moved_at, ..deposit.watched };
        }
        deposit.last_read = now;
        if let Next::Read { secs, lane } = after_read(&deposit.watched, self.pace, at) {
            // Within a tenth, as the engine spreads them.
            let millis = secs.saturating_mul(1000);
            let spread = millis - millis / 10 + self.chance(millis / 5);
            self.due.get_mut(lane).insert((now.saturating_add(spread), n));
        }
        if let Some(slot) = self.deposits.get_mut(n) {
            *slot = deposit;
        }
    }

    /// For how long a deposit that is past its quote has not been read.
    fn unread(&mut self, deposit: &Deposit, now: i64) {
        let end = deposit.watched.payable_until.map_or(0, Timestamp::millis);
        let since = deposit.last_read.max(end);
        if end < now {
            self.outcome.longest_unread_secs = self.outcome.longest_unread_secs.max((now - since) / 1000);
        }
    }

    fn finish(mut self, horizon: i64, used: u64) -> Outcome {
        for n in 0..self.deposits.len() {
            let Some(deposit) = self.deposits.get(n).copied() else { continue };
            let watched = super::LANES.into_iter().any(|_| {
                matches!(
                    after_read(&deposit.watched, self.pace, Timestamp::from_millis(deposit.last_read)),
                    Next::Read { .. }
                )
            });
            if watched {
                self.unread(&deposit, horizon);
            }
            // Paid, and not read to the end: it counts as long as it waits.
            if let Some(paid_at) = deposit.paid_at.filter(|paid| *paid <= horizon) {
                self.outcome.worst_secs = self.outcome.worst_secs.max((horizon - paid_at) / 1000);
            }
        }
        let allowed = u64::from(self.provider.requests).saturating_mul(u64::try_from(horizon).unwrap_or(0))
            / self.provider.per_millis.max(1);
        self.outcome.used_permille =
            u32::try_from(used.saturating_mul(1000) / allowed.max(1)).unwrap_or(u32::MAX);
        self.outcome
    }
}

/// What is promised.
fn bounds(provider: &Provider, pace: &Pace, load: &Load) -> Outcome {
    let window = pace.window_secs.saturating_add(load.lifetime_secs).max(1);
    let deposits = i64::from(load.deposits);
    let young = deposits.saturating_mul(load.lifetime_secs) / window + 1;
    // Deposits read in a thousand seconds by the whole budget.
    let cost = i64::from(provider.requests_per_read.min(provider.requests).max(1));
    let per = i64::try_from(provider.per_millis.max(1)).unwrap_or(i64::MAX);
    let in_1000_secs = i64::from(provider.requests)
        .saturating_mul(1_000_000)
        .saturating_mul(i64::from(provider.read_batch.max(1)))
        / per
        / cost;
    let share = |lane: Lane| (in_1000_secs.saturating_mul(i64::from(*SHARES.get(lane))) / 16).max(1);
    let own = share(Lane::Young);
    // The shortest interval is a tenth below the usual one.
    let wanted = young.saturating_mul(1000) / (pace.young_secs * 9 / 10).max(1);
    let turn = |count: i64, share: i64| count.saturating_mul(1000) / share + 1;
    // In turn with the young ones wait those that have expired since their last read, each once.
    let expiring = young.saturating_mul(1000) / load.lifetime_secs.max(1);
    let in_turn = turn(young, own.saturating_sub(expiring).max(1));
    let round = 1_i64.max(turn(1, in_1000_secs / i64::from(provider.read_batch.max(1))));
    let fits = wanted <= own;
    let bound_secs = if fits { pace.young_secs * 2 + round } else { pace.young_secs * 2 + in_turn + round };
    let old_bound_secs = super::DAY_SECS * 11 / 10 + turn(deposits, share(Lane::Old)) + round;
    Outcome {
        young: u32::try_from(young).unwrap_or(u32::MAX),
        fits,
        bound_secs,
        old_bound_secs,
        ..Outcome::default()
    }
}

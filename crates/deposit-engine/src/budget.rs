//! A provider's request budget: polling never takes more than the provider allows.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use deposit_core::{Capabilities, RequestBudget, Timestamp};
use deposit_lifecycle::watch::Tokens;
use governor::clock::MonotonicClock;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

/// How often is looked whether a read fits.
const LOOK: Duration = Duration::from_millis(20);

/// Tells how many reads fit now.
pub(crate) struct Budget {
    limiter: RateLimiter<NotKeyed, InMemoryState, MonotonicClock>,
    cost: NonZeroU32,
    concurrency: usize,
}

impl Budget {
    pub(crate) fn new(capabilities: &Capabilities) -> Self {
        let RequestBudget { requests, per, concurrency } = capabilities.budget;
        let requests = NonZeroU32::new(requests).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(per / requests.get())
            .unwrap_or_else(|| Quota::per_second(requests))
            .allow_burst(requests);
        let cost = NonZeroU32::new(capabilities.requests_per_read).unwrap_or(NonZeroU32::MIN).min(requests);
        Self {
            limiter: RateLimiter::direct_with_clock(quota, MonotonicClock),
            cost,
            concurrency: usize::try_from(concurrency.max(1)).unwrap_or(1),
        }
    }

    /// Half of the provider's budget: for who reads beside a gateway that has the other half.
    pub(crate) fn half(capabilities: &Capabilities) -> Self {
        let mut half = capabilities.clone();
        half.budget.requests = (half.budget.requests / 2).max(1);
        half.budget.concurrency = (half.budget.concurrency / 2).max(1);
        Self::new(&half)
    }

    /// Waits until one read fits.
    pub(crate) async fn turn(&self) {
        while self.take(1) == 0 {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// How many reads may be made at once.
    pub(crate) fn concurrency(&self) -> usize {
        self.concurrency
    }

    /// Takes as many reads as fit, at most `wanted`, off the budget; returns how many.
    pub(crate) fn take(&self, wanted: u32) -> u32 {
        let mut taken = 0;
        while taken < wanted && matches!(self.limiter.check_n(self.cost), Ok(Ok(()))) {
            taken += 1;
        }
        taken
    }
}

/// A provider's budget, shared by all that this process asks of it.
#[derive(Debug)]
pub(crate) struct Shared {
    cost: u32,
    filled: Mutex<Filled>,
}

#[derive(Debug)]
struct Filled {
    tokens: Tokens,
    at: Timestamp,
    since: Instant,
}

impl Shared {
    pub(crate) fn new(capabilities: &Capabilities, now: Timestamp) -> Self {
        let RequestBudget { requests, per, .. } = capabilities.budget;
        let tokens = Tokens::full(requests, millis(per));
        Self {
            cost: capabilities.requests_per_read,
            filled: Mutex::new(Filled { tokens, at: now, since: Instant::now() }),
        }
    }

    /// Fills up by the time that has passed on either clock: one that is set back stops no polling, and one that leaps fills one bucket at most.
    fn with<T>(&self, now: Timestamp, then: impl FnOnce(&mut Tokens, u32) -> T) -> T {
        // Whoever panicked in here left a whole bucket.
        let mut filled = self.filled.lock().unwrap_or_else(PoisonError::into_inner);
        let ran = millis(filled.since.elapsed());
        let told = u64::try_from(now.millis_since(filled.at)).unwrap_or(0);
        let passed = ran.max(told);
        // What is less than a millisecond is not lost: it counts from the same beginning the next time.
        if passed > 0 {
            filled.tokens.pass(passed);
            filled.since = Instant::now();
            filled.at = now;
        }
        then(&mut filled.tokens, self.cost)
    }

    /// Whether it pays for a read now.
    pub(crate) fn pays(&self, now: Timestamp) -> bool {
        self.with(now, |tokens, cost| { *tokens }.take(1, cost) > 0)
    }

    /// Takes up to `wanted` reads off it; how many it paid for.
    pub(crate) fn take(&self, wanted: u32, now: Timestamp) -> u32 {
        self.with(now, |tokens, cost| tokens.take(wanted, cost))
    }

    /// Gives reads back that were not made.
    pub(crate) fn give_back(&self, reads: u32, now: Timestamp) {
        self.with(now, |tokens, cost| tokens.give_back(reads, cost));
    }

    /// Takes requests without asking.
    pub(crate) fn spend(&self, requests: u32, now: Timestamp) {
        self.with(now, |tokens, _| tokens.spend(requests));
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use deposit_core::Replay;

    #[test]
    fn no_more_reads_than_the_budget_pays_for() {
        let budget = Budget::new(&Capabilities {
            tickers: Vec::new(),
            replay: Replay::None,
            open_timeout: Duration::ZERO,
            scan: false,
            standing_address: false,
            webhooks: false,
            bounds: false,
            read_batch: 1,
            budget: RequestBudget { requests: 10, per: Duration::from_secs(3600), concurrency: 4 },
            requests_per_read: 2,
        });
        assert_eq!(budget.take(3), 3);
        assert_eq!(budget.take(100), 2);
        assert_eq!(budget.take(1), 0);
        assert_eq!(budget.concurrency(), 4);
    }
}

//! A provider's request budget: polling never takes more than the provider allows.

use std::num::NonZeroU32;
use std::time::Duration;

use deposit_core::{Capabilities, RequestBudget};
use governor::clock::MonotonicClock;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

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

//! A provider's request budget as a bucket of tokens.

/// Of the budget polling keeps at least a quarter, whatever comes first.
const RESERVE: i128 = 4;
/// Tokens are counted in millionths, so that nothing is lost between two looks.
const UNIT: i128 = 1_000_000;

/// How many requests a provider's budget pays for now.
///
/// What comes first (reads that webhooks ask for, scans, creates) is [`spent`](Self::spend) without asking; so the bucket may hold a debt, of one
/// bucket at most, which polling pays back by waiting. A storm of webhooks cannot silence polling: a quarter of the budget stays its own. Polling
/// alone never gets more than the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tokens {
    /// Requests in one `per`: the bucket's size.
    size: i128,
    per_millis: i128,
    /// What is there, in millionths; below zero: a debt.
    left: i128,
    /// What polling may take while there is a debt, in millionths.
    reserve: i128,
}

impl Tokens {
    /// A full bucket of `requests`, filled once in `per_millis`.
    #[must_use]
    pub fn full(requests: u32, per_millis: u64) -> Self {
        let size = i128::from(requests.max(1)) * UNIT;
        Self { size, per_millis: i128::from(per_millis.max(1)), left: size, reserve: 0 }
    }

    /// So much time has passed.
    pub fn pass(&mut self, millis: u64) {
        let more = self.size.saturating_mul(i128::from(millis)) / self.per_millis;
        self.left = self.left.saturating_add(more).min(self.size);
        self.reserve = self.reserve.saturating_add(more / RESERVE).min(self.reserve_size());
    }

    /// Enough for one read, be the budget ever so small; never more than the budget.
    fn reserve_size(&self) -> i128 {
        (self.size / RESERVE).max(self.size.min(RESERVE * UNIT))
    }

    /// Takes up to `wanted` reads at `cost` requests each; how many it paid for.
    pub fn take(&mut self, wanted: u32, cost: u32) -> u32 {
        // A read that costs more than the bucket ever holds could never be paid.
        let cost = (i128::from(cost.max(1)) * UNIT).min(self.size);
        let left = self.left.max(if cost <= self.reserve { self.reserve } else { 0 });
        let taken = u32::try_from((left.max(0)) / cost).unwrap_or(u32::MAX).min(wanted);
        let paid = cost.saturating_mul(i128::from(taken));
        self.left = self.left.saturating_sub(paid).max(-self.size);
        self.reserve = self.reserve.saturating_sub(paid).max(0);
        taken
    }

    /// Gives back what was taken and not used.
    pub fn give_back(&mut self, reads: u32, cost: u32) {
        let cost = (i128::from(cost.max(1)) * UNIT).min(self.size);
        self.left = self.left.saturating_add(cost.saturating_mul(i128::from(reads))).min(self.size);
    }

    /// Takes without asking.
    pub fn spend(&mut self, requests: u32) {
        self.left = self.left.saturating_sub(i128::from(requests) * UNIT).max(-self.size);
    }
}

//! What an operator can set of the engine.

use std::collections::BTreeMap;

use deposit_core::{Decimal, Ticker};
use deposit_facade::LimitBook;
use deposit_store::RateLimit;

/// Settings of the engine; the defaults are those of the configuration contract.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Lifetime of a quote, in seconds.
    pub lifetime_secs: i64,
    /// How many days after the end of its quote, or after its last movement, a deposit is asked about; then its watch ends.
    pub watch_days: i64,
    /// How long after the end of its order a payment is waited for that was seen and never confirmed, before an operator sees it, in seconds.
    pub undecided_secs: i64,
    /// How often a deposit that can be paid, or whose payment was just seen, is asked about, in seconds.
    pub young_secs: i64,
    /// How often an older one is at most, in seconds; see `docs/watch.md`.
    pub old_secs: i64,
    /// How many days the bodies of handled deliveries are kept.
    pub body_days: i64,
    /// The sliding window on creation.
    pub create_limit: RateLimit,
    /// Limits by ticker, in USD.
    pub limits: LimitBook,
    /// Bonus on the credited amount, in percent.
    pub bonus: BTreeMap<Ticker, Decimal>,
    /// How long a rate is in force after it was last heard of, in seconds.
    pub rate_max_age_secs: i64,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            lifetime_secs: 3600,
            watch_days: 30,
            undecided_secs: 259_200,
            young_secs: 10,
            old_secs: 600,
            body_days: 90,
            create_limit: RateLimit { requests: 10, window_millis: 600_000 },
            limits: LimitBook::default(),
            bonus: BTreeMap::new(),
            rate_max_age_secs: 300,
        }
    }
}

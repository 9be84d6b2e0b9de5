//! Prices that were in force, for as long as a deposit may need them.

use async_trait::async_trait;
use deposit_core::{Price, Ticker, Timestamp};

use crate::StoreResult;

/// Prices that were in force, for as long as a deposit may need them.
#[async_trait]
pub trait RateStore: Send + Sync + 'static {
    /// Stores rates. One that equals the newest of its ticker (price and source) only moves that row's `seen_until`.
    async fn store_rates(&self, rates: Vec<StoredRate>) -> StoreResult<()>;
    /// Removes rates that were replaced before `before`, at most `limit` of them, the oldest first; answers how many. The newest of a ticker
    /// stays, and so does what was in force at `before`, and all since the oldest deposit with a payment that has no price yet was made.
    async fn prune_rates(&self, before: Timestamp, limit: u32) -> StoreResult<u64>;
    /// The newest rate of each ticker.
    async fn newest_rates(&self) -> StoreResult<Vec<StoredRate>>;
    /// The rate whose `valid_from` is the newest not after `at`.
    async fn rate_at(&self, ticker: Ticker, at: Timestamp) -> StoreResult<Option<StoredRate>>;
    /// The oldest rate with `valid_from` after `at`.
    async fn rate_after(&self, ticker: Ticker, at: Timestamp) -> StoreResult<Option<StoredRate>>;
    /// Rates in force at any time since `since`, newest first.
    async fn rates_since(&self, ticker: Ticker, since: Timestamp) -> StoreResult<Vec<StoredRate>>;
}

/// A price as stored: in force from `valid_from`, last heard at `seen_until`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRate {
    /// The ticker.
    pub ticker: Ticker,
    /// USD for one unit.
    pub price: Price,
    /// Where it is from.
    pub source: String,
    /// In force since.
    pub valid_from: Timestamp,
    /// Last heard of at.
    pub seen_until: Timestamp,
}

//! What is to be done next: reads, expiries, prices, scans.

use async_trait::async_trait;
use deposit_core::{DepositId, ProviderId, ScanCursor, Timestamp};
use deposit_lifecycle::watch::{Lane, Lanes};

use crate::StoreResult;

/// What is to be done next: reads, expiries, prices, scans.
#[async_trait]
pub trait ScheduleStore: Send + Sync + 'static {
    /// How many deposits of a provider are due in each lane, counted up to `most`. Writes nothing.
    async fn due_checks(&self, provider: ProviderId, now: Timestamp, most: u32) -> StoreResult<Lanes<u32>>;
    /// Deposits of a provider whose next check is due, those that were due first, at most so many of each lane; each is pushed to
    /// `lease_until` so that no other process takes it meanwhile. In one transaction.
    async fn claim_checks(
        &self,
        provider: ProviderId,
        now: Timestamp,
        lease_until: Timestamp,
        limits: Lanes<u32>,
    ) -> StoreResult<Vec<DepositId>>;
    /// Gives back what was claimed and not read: due at `at`. In one transaction.
    async fn release_checks(&self, ids: Vec<DepositId>, at: Timestamp) -> StoreResult<()>;
    /// When the deposit that has been due for longest in this lane was due; in the future where none is due yet, `None` where there is none.
    async fn first_due(&self, provider: ProviderId, lane: Lane) -> StoreResult<Option<Timestamp>>;
    /// Brings a deposit's next check forward to `at` (a webhook hinted at it); one whose watch has ended is watched again.
    async fn check_at(&self, id: &DepositId, at: Timestamp) -> StoreResult<()>;
    /// Open deposits whose expiry is due and not yet committed.
    async fn due_expiries(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<DepositId>>;
    /// Open deposits with a confirmed payment that has no price yet.
    async fn unpriced(&self, limit: u32) -> StoreResult<Vec<DepositId>>;
    /// Where the scan of a provider stands.
    async fn scan_cursor(&self, provider: ProviderId) -> StoreResult<Option<ScanCursor>>;
    /// Moves the scan of a provider on; to be called after what the page showed is committed.
    async fn move_scan_cursor(&self, provider: ProviderId, cursor: &ScanCursor) -> StoreResult<()>;
    /// What waits, counted: for an operator's dashboard.
    async fn backlog(&self) -> StoreResult<Backlog>;
}

/// What waits for somebody or something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Review items that are not resolved.
    pub reviews: u64,
    /// Deliveries that are not handled.
    pub deliveries: u64,
    /// When the oldest of them came.
    pub oldest_delivery: Option<Timestamp>,
    /// Deposits with a confirmed payment that has no price.
    pub unpriced: u64,
}

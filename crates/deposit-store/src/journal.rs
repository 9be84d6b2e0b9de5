//! Verified deliveries of providers, each once.

use async_trait::async_trait;
use deposit_core::{DeliveryId, ProviderId, Timestamp};

use crate::StoreResult;

/// Verified deliveries of providers, each once.
#[async_trait]
pub trait JournalStore: Send + Sync + 'static {
    /// Stores a verified delivery, unique by the provider's own delivery id.
    async fn journal(&self, entry: JournalEntry) -> StoreResult<JournalOutcome>;
    /// Deliveries that are not handled and not leased by another: leased until `lease_until`, oldest first.
    async fn claim_journal(
        &self,
        now: Timestamp,
        lease_until: Timestamp,
        limit: u32,
    ) -> StoreResult<Vec<JournalRow>>;
    /// Marks a delivery as handled, with a short word for what came of it.
    async fn finish_journal(&self, id: i64, outcome: &str, now: Timestamp) -> StoreResult<()>;
    /// Stored deliveries, newest last.
    async fn journal_rows(&self, filter: JournalFilter) -> StoreResult<Vec<JournalRow>>;
    /// Removes bodies of handled deliveries received before `before`, at most `limit` of them; ids, digests and outcomes stay. Answers how many.
    async fn purge_journal_bodies(&self, before: Timestamp, limit: u32) -> StoreResult<u64>;
}

/// A verified delivery to store.
#[derive(Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// Who sent it.
    pub provider: ProviderId,
    /// The provider's own id of the event.
    pub delivery: DeliveryId,
    /// The raw body.
    pub body: Vec<u8>,
    /// What the adapter read in it, as the engine's JSON.
    pub observations: String,
    /// When it came.
    pub received_at: Timestamp,
}

impl std::fmt::Debug for JournalEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JournalEntry")
            .field("provider", &self.provider)
            .field("delivery", &self.delivery)
            .finish_non_exhaustive()
    }
}

/// What storing a delivery came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JournalOutcome {
    /// Stored under this id.
    New(i64),
    /// It was there already, under this id; nothing was written.
    Duplicate(i64),
}

/// A stored delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalRow {
    /// Its id.
    pub id: i64,
    /// Who sent it.
    pub provider: ProviderId,
    /// The provider's own id of the event.
    pub delivery: DeliveryId,
    /// What the adapter read in it.
    pub observations: String,
    /// When it came.
    pub received_at: Timestamp,
    /// When it was handled.
    pub handled_at: Option<Timestamp>,
    /// What came of it, in a short word.
    pub outcome: Option<String>,
}

/// Which deliveries to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JournalFilter {
    /// Only these ids; empty for all.
    pub ids: Vec<i64>,
    /// Only this provider's.
    pub provider: Option<ProviderId>,
    /// Only those that are not handled; with `outcomes`, those too.
    pub unhandled: bool,
    /// Only those with one of these outcomes; empty: whatever it was.
    pub outcomes: Vec<String>,
    /// At most so many (the newest).
    pub limit: Option<u32>,
}

#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod accounts;
mod admission;
#[cfg(any(test, feature = "behaviour"))]
pub mod behaviour;
mod crash;
mod creating;
mod deposits;
mod error;
mod journal;
mod ledger;
mod observing;
mod rates;
mod reviews;
mod schedule;
mod sqlite;
mod standing;

pub use accounts::{Account, AccountId, AccountStore, ApiKeyRow, NewApiKey};
pub use admission::{
    Admission, AdmissionStore, Admit, IdempotencyClaim, RateLimit, RateState, Refuse, StoredAnswer,
};
pub use crash::crash_point;
pub use creating::{BeginCreate, Begun, CreateStore, FinishCreate, Finished, Lease, ResumeCreate, Resumed};
pub use deposits::{DepositRow, DepositStore, HistoryRow, Phase};
pub use error::{StoreError, StoreResult};
pub use journal::{JournalEntry, JournalFilter, JournalOutcome, JournalRow, JournalStore};
pub use ledger::{EntryKind, LedgerCheck, LedgerEntry, LedgerStore};
pub use observing::{Commit, Committed, ObservationStore, Posting, Touch};
pub use rates::{RateStore, StoredRate};
pub use reviews::{
    AssignReview, Assigned, Credited, DismissReview, Dismissed, Resolution, ResolutionKind, ReviewFilter,
    ReviewReason, ReviewRow, ReviewStore, ReviewTopic, SightedDue, Sighting,
};
pub use schedule::{Backlog, ScheduleStore};
pub use sqlite::{BackedUp, Skipped, SqliteStore};
pub use standing::{OpenStanding, StandingStore};

use std::fmt;

use async_trait::async_trait;

/// Whether the database serves; for readiness.
#[async_trait]
pub trait Availability: Send + Sync + 'static {
    /// Whether the database answers.
    async fn ping(&self) -> StoreResult<()>;
    /// Makes a write durable that changes nothing. Fails as any other command where the disk is full or another process
    /// holds the database.
    async fn try_write(&self) -> StoreResult<()>;
}

/// Durable state: whole use cases with commands as data, never a transaction handle. So SQLite can have one writer that commits
/// many commands at once, and another database one statement.
///
/// Every method that changes something answers only after it is durable. Time always comes in with the command.
pub trait Store:
    fmt::Debug
    + Availability
    + AccountStore
    + AdmissionStore
    + CreateStore
    + DepositStore
    + JournalStore
    + LedgerStore
    + ObservationStore
    + RateStore
    + ReviewStore
    + ScheduleStore
    + StandingStore
{
}

impl<T> Store for T where
    T: fmt::Debug
        + Availability
        + AccountStore
        + AdmissionStore
        + CreateStore
        + DepositStore
        + JournalStore
        + LedgerStore
        + ObservationStore
        + RateStore
        + ReviewStore
        + ScheduleStore
        + StandingStore
{
}

/// The traits of a store, for calling their methods on a store of a known type; a `dyn Store` has them all without.
///
/// ```
/// use deposit_store::prelude::*;
/// # async fn example(store: deposit_store::SqliteStore) -> deposit_store::StoreResult<()> {
/// store.ping().await
/// # }
/// ```
pub mod prelude {
    pub use crate::{
        AccountStore as _, AdmissionStore as _, Availability as _, CreateStore as _, DepositStore as _,
        JournalStore as _, LedgerStore as _, ObservationStore as _, RateStore as _, ReviewStore as _,
        ScheduleStore as _, StandingStore as _, Store as _,
    };
}

//! What providers showed: evidence, history and postings, in one commit.

use async_trait::async_trait;
use deposit_core::{DepositId, Evidence, IntentRecord, PaymentRef, Signed, Status, Timestamp};
use deposit_lifecycle::watch::Watch;
use deposit_lifecycle::{Credit, PostingKind};

use crate::{DepositRow, Sighting, StoreResult, StoredRate};

/// What providers showed: evidence, history and postings, in one commit.
#[async_trait]
pub trait ObservationStore: Send + Sync + 'static {
    /// The row of an open deposit and its next snapshot number: taken *before* the provider is asked.
    async fn begin_read(&self, id: &DepositId) -> StoreResult<Option<(DepositRow, u64)>>;
    /// Commits what an observation changed: evidence, history row, postings, in one transaction.
    async fn commit(&self, command: Commit) -> StoreResult<Committed>;
    /// A read that changed nothing: only the schedule moves. `false`: a newer snapshot has committed.
    async fn touch(&self, command: Touch) -> StoreResult<bool>;
}

/// A posting to commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// The payment.
    pub payment: PaymentRef,
    /// Its number for this payment, from 1: (provider, payment, number) is unique.
    pub number: u32,
    /// How much; its asset is the currency.
    pub amount: Signed,
    /// Credit or reversal.
    pub kind: PostingKind,
}

/// Commits an observation (or an expiry, or a pricing).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Which deposit.
    pub id: DepositId,
    /// The version that was read: postings commit only against it.
    pub expected_version: u64,
    /// The number of the snapshot, if it was one.
    pub snapshot: Option<u64>,
    /// The evidence after.
    pub evidence: Evidence,
    /// The credit after.
    pub credit: Credit,
    /// The status after.
    pub status: Status,
    /// Where to pay now, if that changed; old addresses still map to the deposit.
    pub intent: Option<IntentRecord>,
    /// The public object, if it changed: the next history row.
    pub view: Option<String>,
    /// What to post.
    pub postings: Vec<Posting>,
    /// What an operator should see, or need not see any more.
    pub reviews: Vec<Sighting>,
    /// Rates that were used and may not be stored yet.
    pub rates: Vec<StoredRate>,
    /// Whether a confirmed payment still has no price.
    pub unpriced: bool,
    /// Whether a payment is under way.
    pub under_way: bool,
    /// Whether the expiry is still to be committed.
    pub expiry_pending: bool,
    /// When to read next, or why no more.
    pub watch: Watch,
    /// Now.
    pub now: Timestamp,
}

/// What a commit came to. Only `Yes` has changed anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committed {
    /// Done; the number of the newest history row and the new version.
    Yes {
        /// Newest history row.
        history: u64,
        /// New version.
        version: u64,
    },
    /// Somebody else has committed since: read again.
    Conflict,
    /// A newer snapshot has committed: dropped, ask again.
    StaleSnapshot,
    /// This payment belongs to another deposit: leave it out and put it to review.
    PaymentTaken {
        /// The payment.
        payment: PaymentRef,
        /// Whose it is.
        owner: DepositId,
    },
    /// A posting of this number exists: somebody has posted it already, read again.
    Duplicate,
    /// An operator has assigned this payment's money meanwhile: it is not credited by rule, read again.
    Assigned {
        /// The payment.
        payment: PaymentRef,
    },
}

/// A read that changed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch {
    /// Which deposit.
    pub id: DepositId,
    /// The number of the snapshot.
    pub snapshot: u64,
    /// When to read next, or why no more.
    pub watch: Watch,
    /// Now.
    pub now: Timestamp,
}

//! The double-entry ledger, read.

use async_trait::async_trait;
use deposit_core::{Asset, DepositId, PaymentRef, Signed, Timestamp};
use deposit_lifecycle::PostingKind;

use crate::{AccountId, StoreResult};

/// The double-entry ledger, read.
#[async_trait]
pub trait LedgerStore: Send + Sync + 'static {
    /// The account's balance in each currency that it ever had a posting in.
    async fn balances(&self, account: AccountId) -> StoreResult<Vec<Signed>>;
    /// Postings of an account with an id above `after`, rising. Whoever reads on from the last id misses nothing: no posting becomes visible
    /// after one with a higher id was, and none ever changes.
    async fn ledger_entries(
        &self,
        account: AccountId,
        after: i64,
        limit: u32,
    ) -> StoreResult<Vec<LedgerEntry>>;
    /// Postings of one deposit, rising.
    async fn deposit_entries(&self, id: &DepositId) -> StoreResult<Vec<LedgerEntry>>;
    /// Adds the whole ledger up in wide signed integers: every transaction and currency sums to zero, every balance equals its postings.
    async fn check_ledger(&self) -> StoreResult<LedgerCheck>;
}

/// A posting to an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Rising over the whole store.
    pub id: i64,
    /// When it was posted.
    pub at: Timestamp,
    /// The amount in the ledger's currency.
    pub amount: Signed,
    /// The deposit.
    pub deposit: Option<DepositId>,
    /// The payment.
    pub payment: Option<PaymentRef>,
    /// Credit, reversal or adjustment.
    pub kind: EntryKind,
}

/// What a posting is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::Display, strum::EnumString, strum::EnumIter)]
#[strum(serialize_all = "lowercase")]
pub enum EntryKind {
    /// A payment raised the balance.
    Credit,
    /// A payment was taken back.
    Reversal,
    /// An operator's own entry, never tied to a payment.
    Adjustment,
}

impl From<PostingKind> for EntryKind {
    fn from(kind: PostingKind) -> Self {
        match kind {
            PostingKind::Credit => Self::Credit,
            PostingKind::Reversal => Self::Reversal,
        }
    }
}

/// The ledger, added up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerCheck {
    /// Whether every transaction sums to zero and every balance equals its postings.
    pub balanced: bool,
    /// What all accounts have together, by currency; signed decimal text of whole units.
    pub totals: Vec<(Asset, String)>,
    /// What is wrong, in words.
    pub faults: Vec<String>,
    /// How many credit postings there are.
    pub credits: u64,
}

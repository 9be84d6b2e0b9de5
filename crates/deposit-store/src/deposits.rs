//! Deposits as they stand, and their history.

use async_trait::async_trait;
use deposit_core::{
    DepositId, Evidence, IntentRecord, PaymentRef, ProviderId, ProviderRef, Status, Terms, Ticker, Timestamp,
};
use deposit_lifecycle::Credit;
use deposit_lifecycle::watch::Watch;

use crate::{AccountId, StoreResult};

/// Deposits as they stand, and their history.
#[async_trait]
pub trait DepositStore: Send + Sync + 'static {
    /// The row, in whatever phase.
    async fn deposit(&self, id: &DepositId) -> StoreResult<Option<DepositRow>>;
    /// The deposit to which a provider's order belongs.
    async fn deposit_by_ref(
        &self,
        provider: ProviderId,
        order: &ProviderRef,
    ) -> StoreResult<Option<DepositId>>;
    /// The deposit on which a payment was seen.
    async fn deposit_by_payment(
        &self,
        provider: ProviderId,
        payment: &PaymentRef,
    ) -> StoreResult<Option<DepositId>>;
    /// The deposit to which an address belongs that was shown at any time.
    async fn deposit_by_address(&self, provider: ProviderId, address: &str)
    -> StoreResult<Option<DepositId>>;
    /// All orders at the provider that carry this deposit's id, the shown one first.
    async fn orders_of(&self, id: &DepositId) -> StoreResult<Vec<ProviderRef>>;
    /// Notes a further order of a deposit (a repeat made two); it is observed like the first.
    async fn add_order(&self, id: &DepositId, provider: ProviderId, order: &ProviderRef) -> StoreResult<()>;
    /// Open deposits of a provider that were made or have changed since `since`, by rising id; `after` is the last id of the page before.
    async fn deposits_since(
        &self,
        provider: ProviderId,
        since: Timestamp,
        after: Option<&DepositId>,
        limit: u32,
    ) -> StoreResult<Vec<DepositRow>>;
    /// History rows with a number above `after`, in order.
    async fn history(&self, id: &DepositId, after: u64) -> StoreResult<Vec<HistoryRow>>;
    /// At most `limit` history rows with a number above `after`, the oldest of them first. This one reads them all; a store that can stop
    /// earlier does.
    async fn history_page(&self, id: &DepositId, after: u64, limit: u32) -> StoreResult<Vec<HistoryRow>> {
        let mut rows = self.history(id, after).await?;
        rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(rows)
    }
    /// The newest history row. This one reads them all; a store that can find it alone does.
    async fn newest_history(&self, id: &DepositId) -> StoreResult<Option<HistoryRow>> {
        Ok(self.history(id, 0).await?.pop())
    }
}

/// Where a deposit's row stands between request and answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::Display, strum::EnumString, strum::EnumIter)]
#[strum(serialize_all = "snake_case")]
pub enum Phase {
    /// The provider has not answered yet; unknown outside, no history.
    Creating,
    /// Shown to the payer.
    Open,
    /// Never opened, and no retry came.
    Abandoned,
}

/// A deposit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DepositRow {
    /// Our id.
    pub id: DepositId,
    /// Whose balance it raises.
    pub account: AccountId,
    /// The way of paying.
    pub ticker: Ticker,
    /// Who takes the money.
    pub provider: ProviderId,
    /// Where the row stands.
    pub phase: Phase,
    /// The frozen terms.
    pub terms: Terms,
    /// Where to pay; `None` while `Creating`.
    pub intent: Option<IntentRecord>,
    /// How many times opening was begun, from 1.
    pub attempt: u32,
    /// When the last attempt to open it began (a look-up waits for its timeout).
    pub attempted_at: Timestamp,
    /// All that is known.
    pub evidence: Evidence,
    /// What the ledger has posted.
    pub credit: Credit,
    /// The committed status.
    pub status: Status,
    /// Rises with every commit.
    pub version: u64,
    /// The highest snapshot number that has committed.
    pub snapshot: u64,
    /// The number of the newest history row.
    pub history: u64,
    /// When it is read next, or why no more.
    pub watch: Watch,
    /// When the row was written.
    pub created_at: Timestamp,
    /// When it last changed as seen from outside.
    pub updated_at: Timestamp,
}

/// One committed change of the public object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRow {
    /// 1, 2, … for each deposit.
    pub n: u64,
    /// When it was committed.
    pub at: Timestamp,
    /// The status since then.
    pub status: Status,
    /// The public object, as the engine's JSON.
    pub view: String,
}

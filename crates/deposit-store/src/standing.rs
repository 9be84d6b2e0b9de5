//! Standing addresses: whose they are, how far they were shown, and the payments that came to them.

use async_trait::async_trait;
use deposit_core::{
    AccountIndex, DepositId, IntentRecord, ProviderId, ProviderRef, StandingPosition, Taken, Timestamp,
};

use crate::{Account, AccountId, StoreResult};

/// Standing addresses: whose they are, how far they were shown, and the payments that came to them.
#[async_trait]
pub trait StandingStore: Send + Sync + 'static {
    /// Notes whose these standing addresses are. An address keeps its first account; noting one again changes nothing.
    async fn note_standing(
        &self,
        provider: ProviderId,
        addresses: Vec<(String, AccountIndex)>,
    ) -> StoreResult<()>;
    /// The account whose standing address this is.
    async fn standing_owner(&self, provider: ProviderId, address: &str) -> StoreResult<Option<Account>>;
    /// The highest account index of which a standing address is noted.
    async fn standing_mark(&self, provider: ProviderId) -> StoreResult<Option<AccountIndex>>;
    /// Notes how far these standing addresses were shown, in the adapter's words; passes over addresses that nobody has. To be called after what
    /// was shown is committed.
    async fn note_positions(&self, provider: ProviderId, positions: Vec<StandingPosition>)
    -> StoreResult<()>;
    /// How far the standing addresses of the accounts from `first` to `last` were shown.
    async fn positions(
        &self,
        provider: ProviderId,
        first: AccountIndex,
        last: AccountIndex,
    ) -> StoreResult<Vec<StandingPosition>>;
    /// Opens a deposit for a payment to a standing address, at first sight: nobody ordered it, so there is no create. Answers which deposit has
    /// the payment as its order: this one, or the one that was opened for it before. It has no history before its first commit.
    async fn open_standing(&self, command: OpenStanding) -> StoreResult<DepositId>;
    /// Notes by which blocks of ours payments to standing addresses were taken in. Answers with those whose payment no deposit has: nothing is
    /// noted of them. Noting one again changes nothing.
    async fn note_taken(&self, provider: ProviderId, taken: Vec<Taken>) -> StoreResult<Vec<Taken>>;
    /// The deposit whose payment was taken in by this block of ours.
    async fn deposit_by_block(
        &self,
        provider: ProviderId,
        block: &ProviderRef,
    ) -> StoreResult<Option<DepositId>>;
}

/// Opens a deposit for a payment to a standing address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenStanding {
    /// A fresh id, for the case that the payment has no deposit yet.
    pub id: DepositId,
    /// Whose address it is.
    pub account: AccountId,
    /// Who takes the money.
    pub provider: ProviderId,
    /// The payment as an order, with terms that have no quote.
    pub intent: IntentRecord,
    /// Now.
    pub now: Timestamp,
}

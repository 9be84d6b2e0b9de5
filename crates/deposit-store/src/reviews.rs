//! Money that waits for an operator.

use async_trait::async_trait;
use deposit_core::{AccountName, Amount, DepositId, PaymentRef, ProviderId, Signed, Ticker, Timestamp};

use crate::{AccountId, StoreResult};

/// Money that waits for an operator.
#[async_trait]
pub trait ReviewStore: Send + Sync + 'static {
    /// Notes what was seen of money that no rule credits: opens, raises, lowers or closes the item about it. What changes nothing costs the
    /// writer nothing.
    async fn sight(&self, sightings: Vec<Sighting>) -> StoreResult<()>;
    /// Review items by their ids, rising.
    async fn reviews(&self, filter: ReviewFilter) -> StoreResult<Vec<ReviewRow>>;
    /// All items that wait, by their ids, rising. As long as what is open: a list for people asks [`ReviewStore::reviews`] for pages.
    async fn open_reviews(&self) -> StoreResult<Vec<ReviewRow>> {
        const PAGE: u32 = 1000;
        let mut all: Vec<ReviewRow> = Vec::new();
        loop {
            let after = all.last().map_or(0, |last| last.id);
            let page = self.reviews(ReviewFilter { open: true, after, limit: PAGE }).await?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }
    /// Open items, counted by provider and reason.
    async fn open_reviews_by_reason(&self) -> StoreResult<Vec<(ProviderId, ReviewReason, u64)>>;
    /// Whether there was ever an item about this payment or order.
    async fn was_reviewed(&self, provider: ProviderId, reference: &str) -> StoreResult<bool>;
    /// Whether an item about this deposit waits for an operator.
    async fn in_review(&self, id: &DepositId) -> StoreResult<bool>;
    /// One review item.
    async fn review(&self, id: i64) -> StoreResult<Option<ReviewRow>>;
    /// Resolves an item by an `adjustment`, in one transaction: the account's entry and its other leg at the provider, the balance, and how it was
    /// resolved. From then on no rule credits this money (see [`ReviewStore::assignment`]).
    async fn assign_review(&self, command: AssignReview) -> StoreResult<Assigned>;
    /// Resolves an item without crediting anything. Rules may still credit the payment.
    async fn dismiss_review(&self, command: DismissReview) -> StoreResult<Dismissed>;
    /// The assigned review item that stands for a payment on this deposit, if there is one: about the payment itself; or, from when nobody
    /// knew the deposit, about its order, its address or its id. The first posting of such a payment is refused ([`Committed::Assigned`](crate::Committed::Assigned)).
    async fn assignment(
        &self,
        deposit: &DepositId,
        provider: ProviderId,
        payment: &PaymentRef,
    ) -> StoreResult<Option<ReviewRow>>;
}

/// What was seen of money that no rule credits, or of a credit that no rule takes back. Cumulative: the same sighting twice is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// Who took the money.
    pub provider: ProviderId,
    /// The payment's reference; the order's, address's or deposit's where nothing tells payments apart.
    pub reference: String,
    /// The order that the payment was seen on, where it is known and is not the reference.
    pub order: Option<String>,
    /// How much no rule credits, all of it.
    pub due: SightedDue,
    /// The way of paying, which is the amount's unit.
    pub ticker: Option<Ticker>,
    /// The deposit it was seen on.
    pub deposit: Option<DepositId>,
    /// Why. Its topic and the reference are what the item is about.
    pub reason: ReviewReason,
    /// The provider adapter's word for it.
    pub code: Option<String>,
    /// What is known of it, in a sentence.
    pub detail: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// How much of a matter no rule credits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SightedDue {
    /// So much; zero closes the item.
    Amount(Amount),
    /// Something; shown again at every look.
    Unknown,
    /// Something, told in a message of its own: opens an item again after a resolution before the message.
    News,
    /// The provider no longer tells of it: closes an item whose amount is known.
    NotShown,
}

/// Resolves a review item by an `adjustment` of the operator's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignReview {
    /// Which item.
    pub id: i64,
    /// Whose balance to raise.
    pub account: AccountId,
    /// By how much, above zero; its asset is the currency.
    pub amount: Amount,
    /// The item's amount as the operator has seen it: one that has changed since is not resolved.
    pub seen: Option<String>,
    /// Whatever there is to say.
    pub note: Option<String>,
    /// Who does it.
    pub by: String,
    /// Whether money of this payment or order may be assigned once more: the operator knows of the first time and has named what is still missing.
    pub again: bool,
    /// Now.
    pub now: Timestamp,
}

/// What assigning came to. Only `Yes` has changed anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assigned {
    /// Credited by this entry, the item is resolved.
    Yes {
        /// The entry's id in the ledger.
        entry: i64,
    },
    /// No item has this id.
    Unknown,
    /// The item was resolved before, so.
    Resolved(Box<ReviewRow>),
    /// The item has changed since it was looked at, to this.
    Changed(Box<ReviewRow>),
    /// Money of this payment or its order was assigned before, and how much of it nobody can say.
    Elsewhere(Box<ReviewRow>),
    /// The ledger has postings for it by rule.
    Posted {
        /// Of this deposit.
        deposit: DepositId,
    },
    /// The account is closed, or there is none.
    NoAccount,
    /// The amount is zero, or too large for the balance.
    BadAmount,
}

/// Resolves a review item without crediting anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DismissReview {
    /// Which item.
    pub id: i64,
    /// The item's amount as the operator has seen it: one that has changed since is not resolved.
    pub seen: Option<String>,
    /// Why.
    pub reason: String,
    /// Who does it.
    pub by: String,
    /// Now.
    pub now: Timestamp,
}

/// What dismissing came to. Only `Yes` has changed anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dismissed {
    /// The item is resolved.
    Yes,
    /// No item has this id.
    Unknown,
    /// The item was resolved before, so.
    Resolved(Box<ReviewRow>),
    /// The item has changed since it was looked at, to this.
    Changed(Box<ReviewRow>),
}

/// Why money waits for an operator.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    strum::Display,
    strum::EnumString,
    strum::EnumIter,
)]
#[strum(serialize_all = "snake_case")]
pub enum ReviewReason {
    /// No deposit is known for it.
    NoDeposit,
    /// Paid in another asset than was asked.
    WrongAsset,
    /// The account is closed.
    AccountClosed,
    /// The same payment reference shows up on a second deposit.
    PaymentOnSecondDeposit,
    /// Its value does not fit the ledger.
    Overflow,
    /// Seen in part, and the provider never confirmed it.
    NeverConfirmed,
    /// A rule would credit it now, but an operator has assigned this money already.
    AlreadyAssigned,
    /// An operator has assigned it, and the provider has taken it back since: the ledger follows only what rules have posted.
    AssignedReversed,
    /// A payment that is known in one asset shows up in another.
    AssetChanged,
    /// The order is gone at its provider, with a payment of it still on its way.
    OrderGone,
    /// The provider shows money that no rule credits; its code and detail say which.
    ProviderReports,
    /// The provider shows that credited money went back in a way that no rule follows; its code and detail say which.
    NotTakenBack,
}

impl ReviewReason {
    /// What kind of matter it is about.
    #[must_use]
    pub const fn topic(self) -> ReviewTopic {
        match self {
            Self::NoDeposit
            | Self::WrongAsset
            | Self::AccountClosed
            | Self::Overflow
            | Self::NeverConfirmed
            | Self::AlreadyAssigned
            | Self::OrderGone => ReviewTopic::Uncredited,
            Self::ProviderReports => ReviewTopic::Reported,
            Self::AssignedReversed => ReviewTopic::TakenBack,
            Self::NotTakenBack => ReviewTopic::NotTakenBack,
            Self::PaymentOnSecondDeposit => ReviewTopic::SecondDeposit,
            Self::AssetChanged => ReviewTopic::AssetChanged,
        }
    }

    /// Whether it is about money that went back: there is nothing to credit.
    #[must_use]
    pub const fn takes_back(self) -> bool {
        matches!(self.topic(), ReviewTopic::TakenBack | ReviewTopic::NotTakenBack)
    }
}

/// What kind of matter an item is about. Of each payment or order one item of each kind is open at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, strum::Display, strum::EnumIter)]
#[strum(serialize_all = "snake_case")]
pub enum ReviewTopic {
    /// Money that is known here, or that has no deposit, and that no rule credits.
    Uncredited,
    /// Money that is no evidence: its provider tells of it in a way that no rule follows.
    Reported,
    /// Money that an operator has credited and that went back.
    TakenBack,
    /// Money that a rule has credited and that went back in a way that no rule follows.
    NotTakenBack,
    /// Money of one deposit that shows up on another.
    SecondDeposit,
    /// Money of one asset that shows up in another.
    AssetChanged,
}

/// Money that waits for an operator: one payment, or one order where nothing tells its payments apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewRow {
    /// Its id.
    pub id: i64,
    /// Who took the money.
    pub provider: ProviderId,
    /// The payment's or order's reference.
    pub reference: String,
    /// The order that the payment was seen on, where it is known.
    pub order: Option<String>,
    /// How much waits, as decimal text, where it is known: what was seen less what was resolved before. While the item is open it follows what is
    /// seen.
    pub amount: Option<String>,
    /// All that was seen, as decimal text; what was resolved before is part of it.
    pub seen: Option<String>,
    /// The way of paying, where it is known.
    pub ticker: Option<Ticker>,
    /// The deposit it was seen on.
    pub deposit: Option<DepositId>,
    /// Why.
    pub reason: ReviewReason,
    /// The provider adapter's word for it.
    pub code: Option<String>,
    /// What is known of it, in a sentence.
    pub detail: Option<String>,
    /// Since when.
    pub since: Timestamp,
    /// What an operator did about it; `None` while it waits.
    pub resolution: Option<Resolution>,
}

/// Which review items.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReviewFilter {
    /// Only those that wait.
    pub open: bool,
    /// Only those with a higher id.
    pub after: i64,
    /// How many at most.
    pub limit: u32,
}

/// What an operator can do about a review item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::Display, strum::EnumString, strum::EnumIter)]
#[strum(serialize_all = "snake_case")]
pub enum ResolutionKind {
    /// Credited by an entry of the operator's own.
    Assigned,
    /// Nothing to credit.
    Dismissed,
    /// By nobody: a rule has credited it since, or its provider no longer shows it.
    Settled,
}

/// How a review item was resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// Which way.
    pub kind: ResolutionKind,
    /// When.
    pub at: Timestamp,
    /// By whom, in the operator's own words.
    pub by: String,
    /// Why, or whatever there was to say.
    pub note: Option<String>,
    /// What was credited to whom.
    pub credited: Option<Credited>,
}

/// The entry by which a review item was assigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credited {
    /// Its id in the ledger.
    pub entry: i64,
    /// Whose balance it raised.
    pub account: AccountName,
    /// By how much.
    pub amount: Signed,
}

//! Rows as the engine sees them.

use deposit_core::{
    AccountIndex, AccountName, Asset, DeliveryId, DepositId, Evidence, IntentRecord, PaymentRef, Price,
    ProviderId, Signed, Status, Terms, Ticker, Timestamp,
};
use deposit_lifecycle::watch::Watch;
use deposit_lifecycle::{Credit, PostingKind};
use serde::{Deserialize, Serialize};

/// An account's number in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(pub i64);

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its number.
    pub id: AccountId,
    /// The operator's name for it.
    pub name: AccountName,
    /// Its durable index, never reused.
    pub index: AccountIndex,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
}

/// A new API key: only its hash is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct NewApiKey {
    /// Its public id.
    pub id: String,
    /// Whose it is.
    pub account: AccountId,
    /// The part of the key by which its row is found; not secret by itself.
    pub prefix: String,
    /// SHA-256 of the whole key.
    pub hash: [u8; 32],
    /// When it was made.
    pub created_at: Timestamp,
}

impl std::fmt::Debug for NewApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewApiKey")
            .field("id", &self.id)
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

/// An API key as stored.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKeyRow {
    /// Its public id.
    pub id: String,
    /// Whose it is.
    pub account: Account,
    /// SHA-256 of the whole key.
    pub hash: [u8; 32],
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl std::fmt::Debug for ApiKeyRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiKeyRow")
            .field("id", &self.id)
            .field("account", &self.account)
            .finish_non_exhaustive()
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

/// Who works on a row, and until when the others keep off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// A random name of the request.
    pub owner: String,
    /// End of the lease.
    pub until: Timestamp,
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

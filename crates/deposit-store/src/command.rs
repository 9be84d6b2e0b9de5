//! Commands and their answers, as data.

use deposit_core::{
    Amount, DepositId, Evidence, IntentRecord, PaymentRef, ProviderId, ProviderRef, Signed, Status, Terms,
    Ticker, Timestamp,
};
use deposit_lifecycle::watch::Watch;
use deposit_lifecycle::{Credit, PostingKind};

use crate::model::{AccountId, DepositRow, Lease, ReviewReason, ReviewRow, StoredRate};

/// A sliding window: at most `requests` in any `window_millis`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// How many.
    pub requests: u32,
    /// In how long.
    pub window_millis: i64,
}

/// Where a limiter stands after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateState {
    /// Whether the request was let through (and counted).
    pub allowed: bool,
    /// How many more would be let through now.
    pub remaining: u32,
    /// When the oldest counted request leaves the window; `now` if there is none.
    pub reset_at: Timestamp,
}

/// What a client's idempotency key claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyClaim {
    /// The key, 1-255 printable ASCII; unique per account.
    pub key: String,
    /// Digest of ticker and amount; `None` where the content is unreadable, which equals nothing.
    pub fingerprint: Option<String>,
    /// Random name of this request.
    pub owner: String,
    /// Until when a repeat is `Running`.
    pub lease_until: Timestamp,
    /// Claims older than this are forgotten (24 h before now).
    pub forget_before: Timestamp,
}

/// Asks for a create to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admit {
    /// Whose key it is.
    pub account: AccountId,
    /// What is counted: `key:ID`.
    pub limiter: String,
    /// The window.
    pub limit: RateLimit,
    /// The client's idempotency key.
    pub claim: Option<IdempotencyClaim>,
    /// Now.
    pub now: Timestamp,
}

/// Whether a create is let in. Idempotency is looked at first: a replay and a `Running` never count, a `Conflict` counts where
/// there is room and is answered even where there is none; only a request that would do something can be `Limited`, which counts nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Go ahead; the key, if any, is claimed.
    Admitted {
        /// The limiter.
        rate: RateState,
        /// The deposit that an earlier attempt with this key has begun and not finished.
        resume: Option<DepositId>,
    },
    /// The first answer again.
    Replay {
        /// What it was.
        answer: StoredAnswer,
        /// The limiter, not counted.
        rate: RateState,
    },
    /// The first request with this key is still running.
    Running {
        /// The limiter, not counted.
        rate: RateState,
    },
    /// The key was used with other content.
    Conflict {
        /// The limiter.
        rate: RateState,
    },
    /// Too many requests.
    Limited {
        /// The limiter, not counted.
        rate: RateState,
    },
}

/// The first answer of an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredAnswer {
    /// 200: this deposit, as its history row 1 shows it.
    Created(DepositId),
    /// 400: this body.
    Refused {
        /// HTTP status.
        status: u16,
        /// The body as it was sent.
        body: String,
    },
}

/// Stores a refusal under an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refuse {
    /// The account.
    pub account: AccountId,
    /// The key.
    pub key: String,
    /// Who claimed it.
    pub owner: String,
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// Begins a create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BeginCreate {
    /// Our id, fresh and random.
    pub id: DepositId,
    /// Whose.
    pub account: AccountId,
    /// Who takes the money.
    pub provider: ProviderId,
    /// The frozen terms.
    pub terms: Terms,
    /// Who creates.
    pub lease: Lease,
    /// The idempotency key to link, claimed by `lease.owner`.
    pub idempotency_key: Option<String>,
    /// The rate that the terms lock: stored first.
    pub rate: Option<StoredRate>,
    /// Now.
    pub now: Timestamp,
}

/// How a create began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// Written.
    Yes,
    /// The idempotency claim is no longer ours: the request took too long.
    ClaimLost,
}

/// Takes up a create that did not finish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumeCreate {
    /// Which.
    pub id: DepositId,
    /// Who takes it up.
    pub lease: Lease,
    /// Now.
    pub now: Timestamp,
}

/// How taking up went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resumed {
    /// Ours now; `attempt` in the row is already the new one, `attempted_at` still that of the attempt before.
    Yes(Box<DepositRow>),
    /// Somebody else is at it.
    Busy,
    /// It is open already.
    Open(Box<DepositRow>),
    /// No such row, or it was abandoned.
    Gone,
}

/// Finishes a create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishCreate {
    /// Which.
    pub id: DepositId,
    /// Who holds the lease.
    pub owner: String,
    /// Where to pay; its terms replace the row's (an unopened deposit may be quoted anew when it is resumed).
    pub intent: IntentRecord,
    /// Further orders that carry our id.
    pub other_orders: Vec<ProviderRef>,
    /// The public object, history row 1.
    pub view: String,
    /// The rate that the terms lock, if it is a new one: stored first.
    pub rate: Option<StoredRate>,
    /// When to read it first.
    pub next_check_at: Timestamp,
    /// Now.
    pub now: Timestamp,
}

/// How a create finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finished {
    /// Visible.
    Yes,
    /// The lease was lost to another, which has opened it: its row.
    Open(Box<DepositRow>),
    /// The lease was lost and the row is not open.
    LeaseLost,
    /// The order belongs to another deposit already. (An address may: MWEB hands old ones out again. It stays with the deposit that it
    /// was first shown for, and no money is told apart by it where the provider has orders.)
    OrderTaken(DepositId),
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

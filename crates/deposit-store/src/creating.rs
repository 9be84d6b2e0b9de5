//! Creating a deposit, in steps that a crash may come between.

use async_trait::async_trait;
use deposit_core::{DepositId, IntentRecord, ProviderId, ProviderRef, Terms, Timestamp};

use crate::{AccountId, DepositRow, StoreResult, StoredRate};

/// Creating a deposit, in steps that a crash may come between.
#[async_trait]
pub trait CreateStore: Send + Sync + 'static {
    /// Says that this process creates deposits from now on, for as long as the store is open; called once, before its first create. What creates of
    /// processes that are dead still held is freed, as far as it can be proved that they are: on a single file, where no other process has said this
    /// and lives. Answers how many were freed. Without a proof leases end by themselves. A process that does not create (a command of an
    /// operator) never calls it, and frees nothing.
    async fn begin_serving(&self, now: Timestamp) -> StoreResult<u64>;
    /// Writes the deposit's row, `Creating`, under a lease; links the idempotency key; stores the locked rate first.
    async fn begin_create(&self, command: BeginCreate) -> StoreResult<Begun>;
    /// Takes the lease of a row that is still `Creating` over, if the old one has ended.
    async fn resume_create(&self, command: ResumeCreate) -> StoreResult<Resumed>;
    /// Writes where to pay, makes the row visible with history row 1, answers the idempotency key; one transaction.
    async fn finish_create(&self, command: FinishCreate) -> StoreResult<Finished>;
    /// Ends the lease of a row that could not be opened; a retry takes it up at once.
    async fn release_create(&self, id: &DepositId, owner: &str, now: Timestamp) -> StoreResult<()>;
    /// Gives up rows that have been `Creating` since before `before` and have no living lease. Nobody was ever shown where to pay.
    async fn abandon_stale_creates(&self, before: Timestamp, now: Timestamp) -> StoreResult<u64>;
}

/// Who works on a row, and until when the others keep off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// A random name of the request.
    pub owner: String,
    /// End of the lease.
    pub until: Timestamp,
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

#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "behaviour"))]
pub mod behaviour;
mod command;
mod crash;
mod error;
mod model;
mod sqlite;

pub use command::{
    Admission, Admit, AssignReview, Assigned, BeginCreate, Begun, Commit, Committed, DismissReview,
    Dismissed, FinishCreate, Finished, IdempotencyClaim, OpenStanding, Posting, RateLimit, RateState, Refuse,
    ResumeCreate, Resumed, SightedDue, Sighting, StoredAnswer, Touch,
};
pub use crash::crash_point;
pub use error::{StoreError, StoreResult};
pub use model::{
    Account, AccountId, ApiKeyRow, Backlog, Credited, DepositRow, EntryKind, HistoryRow, JournalEntry,
    JournalFilter, JournalOutcome, JournalRow, Lease, LedgerCheck, LedgerEntry, NewApiKey, Phase, Resolution,
    ResolutionKind, ReviewFilter, ReviewReason, ReviewRow, ReviewTopic, StoredRate,
};
pub use sqlite::{BackedUp, Skipped, SqliteStore};

use std::fmt;

use async_trait::async_trait;
use deposit_core::{
    AccountIndex, AccountName, DepositId, PaymentRef, ProviderId, ProviderRef, ScanCursor, Signed,
    StandingPosition, Taken, Ticker, Timestamp,
};
use deposit_lifecycle::watch::{Lane, Lanes};

/// Durable state: whole use cases with commands as data, never a transaction handle. So SQLite can have one writer that commits
/// many commands at once, and another database one statement.
///
/// Every method that changes something answers only after it is durable. Time always comes in with the command.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Whether the database answers; for readiness.
    async fn ping(&self) -> StoreResult<()>;
    /// Makes a write durable that changes nothing; for readiness. Fails as any other command where the disk is full or another process
    /// holds the database.
    async fn try_write(&self) -> StoreResult<()>;

    // -- accounts and keys ---------------------------------------------------------------------------------

    /// The account of this name, made if it is new. Its index is the next never-used one.
    async fn ensure_account(&self, name: &AccountName, now: Timestamp) -> StoreResult<Account>;
    /// All accounts, oldest first: for an operator's listing, never for a request, a credit or a scan.
    async fn accounts(&self) -> StoreResult<Vec<Account>>;
    /// The account of this number.
    async fn account(&self, id: AccountId) -> StoreResult<Option<Account>>;
    /// At most `limit` accounts with an index above `after`, by rising index. Whoever reads on from the last index misses nothing: no account
    /// becomes visible after one with a higher index was.
    async fn accounts_after(&self, after: AccountIndex, limit: u32) -> StoreResult<Vec<Account>>;
    /// Notes whose these standing addresses are. An address keeps its first account; noting one again changes nothing.
    async fn note_standing(
        &self,
        provider: ProviderId,
        addresses: Vec<(String, AccountIndex)>,
    ) -> StoreResult<()>;
    /// The account whose standing address this is.
    async fn standing_owner(&self, provider: ProviderId, address: &str) -> StoreResult<Option<Account>>;
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
    /// The highest account index of which a standing address is noted.
    async fn standing_mark(&self, provider: ProviderId) -> StoreResult<Option<AccountIndex>>;
    /// The account of this name.
    async fn account_by_name(&self, name: &AccountName) -> StoreResult<Option<Account>>;
    /// Closes an account: its keys stop working, money that still comes goes to review. `None`: no such account.
    async fn close_account(&self, name: &AccountName, now: Timestamp) -> StoreResult<Option<Account>>;
    /// Stores an API key's hash.
    async fn insert_api_key(&self, key: NewApiKey) -> StoreResult<()>;
    /// The key row with this look-up prefix, revoked or not, with its account's state.
    async fn api_key_by_prefix(&self, prefix: &str) -> StoreResult<Option<ApiKeyRow>>;
    /// All keys, oldest first.
    async fn api_keys(&self) -> StoreResult<Vec<ApiKeyRow>>;
    /// Revokes a key; `false`: no such key. Revoking twice keeps the first time.
    async fn revoke_api_key(&self, id: &str, now: Timestamp) -> StoreResult<bool>;

    // -- create --------------------------------------------------------------------------------------------

    /// Says that this process creates deposits from now on, for as long as the store is open; called once, before its first create. What creates of
    /// processes that are dead still held is freed, as far as it can be proved that they are: on a single file, where no other process has said this
    /// and lives. Answers how many were freed. Without a proof leases end by themselves. A process that does not create (a command of an
    /// operator) never calls it, and frees nothing.
    async fn begin_serving(&self, now: Timestamp) -> StoreResult<u64>;
    /// Idempotency look-up, then the rate limit, in one transaction (see [`Admission`] for which wins and what counts). A refusal for the limit and
    /// a replay write nothing, and wait for no writer.
    async fn admit(&self, command: Admit) -> StoreResult<Admission>;
    /// Counts one request without a key against `limiter` (an IP address, or a network of them), if there is room; else writes nothing.
    async fn count_request(&self, limiter: &str, limit: RateLimit, now: Timestamp) -> StoreResult<RateState>;
    /// The limiter as it stands; nothing is counted.
    async fn rate_state(&self, limiter: &str, limit: RateLimit, now: Timestamp) -> StoreResult<RateState>;
    /// Stores a refusal (400) as the first answer of an idempotency key.
    async fn refuse(&self, command: Refuse) -> StoreResult<()>;
    /// Gives an idempotency claim back without an answer (after a 500), so that a retry need not wait for the lease.
    async fn release_claim(&self, account: AccountId, key: &str, owner: &str) -> StoreResult<()>;
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

    /// Opens a deposit for a payment to a standing address, at first sight: nobody ordered it, so there is no create. Answers which deposit has
    /// the payment as its order: this one, or the one that was opened for it before. It has no history before its first commit.
    async fn open_standing(&self, command: OpenStanding) -> StoreResult<DepositId>;

    // -- read deposits -------------------------------------------------------------------------------------

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
    /// Notes by which blocks of ours payments to standing addresses were taken in. Answers with those whose payment no deposit has: nothing is
    /// noted of them. Noting one again changes nothing.
    async fn note_taken(&self, provider: ProviderId, taken: Vec<Taken>) -> StoreResult<Vec<Taken>>;
    /// The deposit whose payment was taken in by this block of ours.
    async fn deposit_by_block(
        &self,
        provider: ProviderId,
        block: &ProviderRef,
    ) -> StoreResult<Option<DepositId>>;
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

    // -- observe -------------------------------------------------------------------------------------------

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
    /// The row of an open deposit and its next snapshot number: taken *before* the provider is asked.
    async fn begin_read(&self, id: &DepositId) -> StoreResult<Option<(DepositRow, u64)>>;
    /// Commits what an observation changed: evidence, history row, postings, in one transaction.
    async fn commit(&self, command: Commit) -> StoreResult<Committed>;
    /// A read that changed nothing: only the schedule moves. `false`: a newer snapshot has committed.
    async fn touch(&self, command: Touch) -> StoreResult<bool>;
    /// How many deposits of a provider are due in each lane, counted up to `most`. Writes nothing.
    async fn due_checks(&self, provider: ProviderId, now: Timestamp, most: u32) -> StoreResult<Lanes<u32>>;
    /// Deposits of a provider whose next check is due, those that were due first, at most so many of each lane; each is pushed to
    /// `lease_until` so that no other process takes it meanwhile. In one transaction.
    async fn claim_checks(
        &self,
        provider: ProviderId,
        now: Timestamp,
        lease_until: Timestamp,
        limits: Lanes<u32>,
    ) -> StoreResult<Vec<DepositId>>;
    /// Gives back what was claimed and not read: due at `at`. In one transaction.
    async fn release_checks(&self, ids: Vec<DepositId>, at: Timestamp) -> StoreResult<()>;
    /// When the deposit that has been due for longest in this lane was due; in the future where none is due yet, `None` where there is none.
    async fn first_due(&self, provider: ProviderId, lane: Lane) -> StoreResult<Option<Timestamp>>;
    /// Brings a deposit's next check forward to `at` (a webhook hinted at it); one whose watch has ended is watched again.
    async fn check_at(&self, id: &DepositId, at: Timestamp) -> StoreResult<()>;
    /// Open deposits whose expiry is due and not yet committed.
    async fn due_expiries(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<DepositId>>;
    /// Open deposits with a confirmed payment that has no price yet.
    async fn unpriced(&self, limit: u32) -> StoreResult<Vec<DepositId>>;

    /// Where the scan of a provider stands.
    async fn scan_cursor(&self, provider: ProviderId) -> StoreResult<Option<ScanCursor>>;
    /// Moves the scan of a provider on; to be called after what the page showed is committed.
    async fn move_scan_cursor(&self, provider: ProviderId, cursor: &ScanCursor) -> StoreResult<()>;

    // -- rates ---------------------------------------------------------------------------------------------

    /// Stores rates. One that equals the newest of its ticker (price and source) only moves that row's `seen_until`.
    async fn store_rates(&self, rates: Vec<StoredRate>) -> StoreResult<()>;
    /// Removes rates that were replaced before `before`, at most `limit` of them, the oldest first; answers how many. The newest of a ticker
    /// stays, and so does what was in force at `before`, and all since the oldest deposit with a payment that has no price yet was made.
    async fn prune_rates(&self, before: Timestamp, limit: u32) -> StoreResult<u64>;
    /// The newest rate of each ticker.
    async fn newest_rates(&self) -> StoreResult<Vec<StoredRate>>;
    /// The rate whose `valid_from` is the newest not after `at`.
    async fn rate_at(&self, ticker: Ticker, at: Timestamp) -> StoreResult<Option<StoredRate>>;
    /// The oldest rate with `valid_from` after `at`.
    async fn rate_after(&self, ticker: Ticker, at: Timestamp) -> StoreResult<Option<StoredRate>>;
    /// Rates in force at any time since `since`, newest first.
    async fn rates_since(&self, ticker: Ticker, since: Timestamp) -> StoreResult<Vec<StoredRate>>;

    // -- ledger and review ---------------------------------------------------------------------------------

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
    /// Notes what was seen of money that no rule credits: opens, raises, lowers or closes the item about it. What changes nothing costs the
    /// writer nothing.
    async fn sight(&self, sightings: Vec<Sighting>) -> StoreResult<()>;
    /// Review items by their ids, rising.
    async fn reviews(&self, filter: ReviewFilter) -> StoreResult<Vec<ReviewRow>>;
    /// All items that wait, by their ids, rising. As long as what is open: a list for people asks [`Store::reviews`] for pages.
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
    /// resolved. From then on no rule credits this money (see [`Store::assignment`]).
    async fn assign_review(&self, command: AssignReview) -> StoreResult<Assigned>;
    /// Resolves an item without crediting anything. Rules may still credit the payment.
    async fn dismiss_review(&self, command: DismissReview) -> StoreResult<Dismissed>;
    /// The assigned review item that stands for a payment on this deposit, if there is one: about the payment itself; or, from when nobody
    /// knew the deposit, about its order, its address or its id. The first posting of such a payment is refused ([`Committed::Assigned`]).
    async fn assignment(
        &self,
        deposit: &DepositId,
        provider: ProviderId,
        payment: &PaymentRef,
    ) -> StoreResult<Option<ReviewRow>>;
    /// What waits, counted: for an operator's dashboard.
    async fn backlog(&self) -> StoreResult<Backlog>;
}

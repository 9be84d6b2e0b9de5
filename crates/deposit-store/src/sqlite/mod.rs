//! SQLite: one writer that commits many waiting commands at once, and readers beside it.

mod accounts;
mod admit;
mod assigned;
mod backup;
#[cfg(test)]
mod backup_tests;
mod check;
mod commit;
mod create;
mod deposits;
mod journal;
mod ledger;
mod mark;
mod matter;
mod open;
#[cfg(test)]
mod plans;
mod presence;
mod rates;
mod reviews;
mod row;
mod schedule;
mod standing;
mod taken;
#[cfg(test)]
mod tests;
mod writer;

pub use self::backup::BackedUp;
pub use self::mark::Skipped;

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use async_trait::async_trait;
use deposit_core::{
    AccountIndex, AccountName, DepositId, PaymentRef, ProviderId, ProviderRef, ScanCursor, Signed,
    StandingPosition, Taken, Ticker, Timestamp,
};
use deposit_lifecycle::watch::{Lane, Lanes};
use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqlitePool};

use self::mark::Mark;
use self::presence::Presence;
use self::row::Doing;
use self::writer::Writer;
use crate::{
    Account, AccountId, Admission, Admit, ApiKeyRow, AssignReview, Assigned, Backlog, BeginCreate, Begun,
    Commit, Committed, DepositRow, DismissReview, Dismissed, FinishCreate, Finished, HistoryRow,
    JournalEntry, JournalFilter, JournalOutcome, JournalRow, LedgerCheck, LedgerEntry, NewApiKey,
    OpenStanding, RateLimit, RateState, Refuse, ResumeCreate, Resumed, ReviewFilter, ReviewReason, ReviewRow,
    Sighting, Store, StoreError, StoreResult, StoredRate, Touch,
};

/// Durable state in one SQLite file, in WAL mode with full synchronous commits.
///
/// Commands of many tasks share a transaction, each in a savepoint of its own, and are answered after the commit; dropping a
/// method's future does not stop a command that is in the queue. Another process may have the same file open.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    writer: Writer,
    readers: SqlitePool,
    presence: Presence,
    mark: Mark,
}

impl SqliteStore {
    /// Opens `sqlite://PATH` (`sqlite://deposit.db`, `sqlite:///var/lib/deposit.db`), creates the file where there is none, and
    /// brings its tables up to date. To be called on a tokio runtime, where the writer then runs.
    ///
    /// # Errors
    /// [`StoreError::Url`] names the path and why it cannot be used: a missing directory, no permission, not a database, the database of
    /// another program, a schema of a newer release.
    pub async fn open(url: &str) -> StoreResult<Self> {
        // A wrong clock does no harm: it is one of two reasons why the numbers of a restored backup are new, see `mark`.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let millis = now.ok().and_then(|now| i64::try_from(now.as_millis()).ok());
        Self::open_at(url, Timestamp::from_millis(millis.unwrap_or(0))).await
    }

    async fn open_at(url: &str, now: Timestamp) -> StoreResult<Self> {
        let path = open::path_of(url)?;
        let (connection, options) = open::open_writer(&path, now).await?;
        let readers = open::open_readers(&path).await?;
        let (presence, mark) = (Presence::beside(&path), Mark::beside(&path));
        Ok(Self { writer: Writer::start(connection, options), readers, presence, mark, path })
    }

    /// Whether [`SqliteStore::open`] knows this kind of URL; nothing is opened.
    ///
    /// # Errors
    /// [`StoreError::Url`].
    pub fn check_url(url: &str) -> StoreResult<()> {
        open::path_of(url).map(drop)
    }

    /// The database file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Finishes the commands that wait already, then closes the file. Later calls answer [`StoreError::Closed`].
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
        self.presence.leave().await;
    }

    async fn reader(&self) -> StoreResult<PoolConnection<Sqlite>> {
        match self.readers.acquire().await {
            Err(sqlx::Error::PoolClosed) => Err(StoreError::Closed),
            other => other.doing("read"),
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn ping(&self) -> StoreResult<()> {
        if self.writer.is_closed() {
            return Err(StoreError::Closed);
        }
        sqlx::query("SELECT 1")
            .execute(&mut *self.reader().await?)
            .await
            .doing("ask for a sign of life")
            .map(|_| ())
    }

    async fn try_write(&self) -> StoreResult<()> {
        self.writer.run(|c| Box::pin(open::rewrite_first_page(c))).await
    }

    async fn ensure_account(&self, name: &AccountName, now: Timestamp) -> StoreResult<Account> {
        let (name, mark) = (name.clone(), self.mark.clone());
        self.writer
            .run(move |c| {
                Box::pin(async move {
                    let account = accounts::ensure(c, name, now).await?;
                    // Before the commit: a number that anybody can have seen is below the mark.
                    mark.raise(account.index).await?;
                    Ok(account)
                })
            })
            .await
    }

    async fn accounts(&self) -> StoreResult<Vec<Account>> {
        accounts::all(&mut *self.reader().await?).await
    }

    async fn account(&self, id: AccountId) -> StoreResult<Option<Account>> {
        accounts::by_id(&mut *self.reader().await?, id).await
    }

    async fn accounts_after(&self, after: AccountIndex, limit: u32) -> StoreResult<Vec<Account>> {
        accounts::after(&mut *self.reader().await?, after, limit).await
    }

    async fn note_standing(
        &self,
        provider: ProviderId,
        addresses: Vec<(String, AccountIndex)>,
    ) -> StoreResult<()> {
        self.writer.run(move |c| Box::pin(standing::note(c, provider, addresses))).await
    }

    async fn standing_owner(&self, provider: ProviderId, address: &str) -> StoreResult<Option<Account>> {
        standing::owner(&mut *self.reader().await?, provider, address).await
    }

    async fn note_positions(
        &self,
        provider: ProviderId,
        positions: Vec<StandingPosition>,
    ) -> StoreResult<()> {
        self.writer.run(move |c| Box::pin(standing::note_positions(c, provider, positions))).await
    }

    async fn positions(
        &self,
        provider: ProviderId,
        first: AccountIndex,
        last: AccountIndex,
    ) -> StoreResult<Vec<StandingPosition>> {
        standing::positions(&mut *self.reader().await?, provider, first, last).await
    }

    async fn standing_mark(&self, provider: ProviderId) -> StoreResult<Option<AccountIndex>> {
        standing::mark(&mut *self.reader().await?, provider).await
    }

    async fn account_by_name(&self, name: &AccountName) -> StoreResult<Option<Account>> {
        accounts::by_name(&mut *self.reader().await?, name).await
    }

    async fn close_account(&self, name: &AccountName, now: Timestamp) -> StoreResult<Option<Account>> {
        let name = name.clone();
        self.writer.run(move |c| Box::pin(accounts::close(c, name, now))).await
    }

    async fn insert_api_key(&self, key: NewApiKey) -> StoreResult<()> {
        self.writer.run(move |c| Box::pin(accounts::insert_key(c, key))).await
    }

    async fn api_key_by_prefix(&self, prefix: &str) -> StoreResult<Option<ApiKeyRow>> {
        accounts::key_by_prefix(&mut *self.reader().await?, prefix).await
    }

    async fn api_keys(&self) -> StoreResult<Vec<ApiKeyRow>> {
        accounts::keys(&mut *self.reader().await?).await
    }

    async fn revoke_api_key(&self, id: &str, now: Timestamp) -> StoreResult<bool> {
        let id = id.to_owned();
        self.writer.run(move |c| Box::pin(accounts::revoke_key(c, id, now))).await
    }

    async fn begin_serving(&self, now: Timestamp) -> StoreResult<u64> {
        self.presence.enter(&self.writer, now).await
    }

    async fn admit(&self, command: Admit) -> StoreResult<Admission> {
        {
            let mut connection = self.reader().await?;
            let mut transaction = sqlx::Connection::begin(&mut *connection).await.doing("begin to read")?;
            if let Some(answer) = admit::without_a_write(&mut transaction, &command).await? {
                return Ok(answer);
            }
        }
        self.writer.run(move |c| Box::pin(admit::admit(c, command))).await
    }

    async fn count_request(&self, limiter: &str, limit: RateLimit, now: Timestamp) -> StoreResult<RateState> {
        let standing = admit::look(&mut *self.reader().await?, limiter, limit, now).await?;
        if standing.remaining == 0 {
            return Ok(standing);
        }
        let limiter = limiter.to_owned();
        self.writer.run(move |c| Box::pin(admit::count(c, limiter, limit, now))).await
    }

    async fn rate_state(&self, limiter: &str, limit: RateLimit, now: Timestamp) -> StoreResult<RateState> {
        admit::look(&mut *self.reader().await?, limiter, limit, now).await
    }

    async fn refuse(&self, command: Refuse) -> StoreResult<()> {
        self.writer.run(move |c| Box::pin(admit::refuse(c, command))).await
    }

    async fn release_claim(&self, account: AccountId, key: &str, owner: &str) -> StoreResult<()> {
        let (key, owner) = (key.to_owned(), owner.to_owned());
        self.writer.run(move |c| Box::pin(admit::release(c, account, key, owner))).await
    }

    async fn begin_create(&self, command: BeginCreate) -> StoreResult<Begun> {
        self.writer.run(move |c| Box::pin(create::begin(c, command))).await
    }

    async fn resume_create(&self, command: ResumeCreate) -> StoreResult<Resumed> {
        self.writer.run(move |c| Box::pin(create::resume(c, command))).await
    }

    async fn finish_create(&self, command: FinishCreate) -> StoreResult<Finished> {
        self.writer.run(move |c| Box::pin(create::finish(c, command))).await
    }

    async fn release_create(&self, id: &DepositId, owner: &str, now: Timestamp) -> StoreResult<()> {
        let (id, owner) = (id.clone(), owner.to_owned());
        self.writer.run(move |c| Box::pin(create::release(c, id, owner, now))).await
    }

    async fn open_standing(&self, command: OpenStanding) -> StoreResult<DepositId> {
        self.writer.run(move |c| Box::pin(create::open_standing(c, command))).await
    }

    async fn scan_cursor(&self, provider: ProviderId) -> StoreResult<Option<ScanCursor>> {
        schedule::scan_cursor(&mut *self.reader().await?, provider).await
    }

    async fn move_scan_cursor(&self, provider: ProviderId, cursor: &ScanCursor) -> StoreResult<()> {
        let cursor = cursor.clone();
        self.writer.run(move |c| Box::pin(schedule::move_scan_cursor(c, provider, cursor))).await
    }

    async fn abandon_stale_creates(&self, before: Timestamp, now: Timestamp) -> StoreResult<u64> {
        self.writer.run(move |c| Box::pin(create::abandon(c, before, now))).await
    }

    async fn deposit(&self, id: &DepositId) -> StoreResult<Option<DepositRow>> {
        deposits::read(&mut *self.reader().await?, id).await
    }

    async fn deposit_by_ref(
        &self,
        provider: ProviderId,
        order: &ProviderRef,
    ) -> StoreResult<Option<DepositId>> {
        deposits::by_ref(&mut *self.reader().await?, provider, order).await
    }

    async fn deposit_by_payment(
        &self,
        provider: ProviderId,
        payment: &PaymentRef,
    ) -> StoreResult<Option<DepositId>> {
        commit::owner(&mut *self.reader().await?, provider, payment).await
    }

    async fn deposit_by_address(
        &self,
        provider: ProviderId,
        address: &str,
    ) -> StoreResult<Option<DepositId>> {
        deposits::by_address(&mut *self.reader().await?, provider, address).await
    }

    async fn note_taken(&self, provider: ProviderId, taken: Vec<Taken>) -> StoreResult<Vec<Taken>> {
        if taken.is_empty() {
            return Ok(taken);
        }
        self.writer.run(move |c| Box::pin(taken::note(c, provider, taken))).await
    }

    async fn deposit_by_block(
        &self,
        provider: ProviderId,
        block: &ProviderRef,
    ) -> StoreResult<Option<DepositId>> {
        taken::deposit_by_block(&mut *self.reader().await?, provider, block).await
    }

    async fn orders_of(&self, id: &DepositId) -> StoreResult<Vec<ProviderRef>> {
        deposits::orders(&mut *self.reader().await?, id).await
    }

    async fn add_order(&self, id: &DepositId, provider: ProviderId, order: &ProviderRef) -> StoreResult<()> {
        let (id, order) = (id.clone(), order.clone());
        self.writer
            .run(move |c| Box::pin(async move { deposits::add_order(c, &id, provider, &order).await }))
            .await
    }

    async fn deposits_since(
        &self,
        provider: ProviderId,
        since: Timestamp,
        after: Option<&DepositId>,
        limit: u32,
    ) -> StoreResult<Vec<DepositRow>> {
        deposits::since(&mut *self.reader().await?, provider, since, after, limit).await
    }

    async fn history(&self, id: &DepositId, after: u64) -> StoreResult<Vec<HistoryRow>> {
        deposits::history(&mut *self.reader().await?, id, after, u32::MAX).await
    }

    async fn history_page(&self, id: &DepositId, after: u64, limit: u32) -> StoreResult<Vec<HistoryRow>> {
        deposits::history(&mut *self.reader().await?, id, after, limit).await
    }

    async fn newest_history(&self, id: &DepositId) -> StoreResult<Option<HistoryRow>> {
        deposits::newest_history(&mut *self.reader().await?, id).await
    }

    async fn journal(&self, entry: JournalEntry) -> StoreResult<JournalOutcome> {
        self.writer.run(move |c| Box::pin(journal::store(c, entry))).await
    }

    async fn claim_journal(
        &self,
        now: Timestamp,
        lease_until: Timestamp,
        limit: u32,
    ) -> StoreResult<Vec<JournalRow>> {
        self.writer.run(move |c| Box::pin(journal::claim(c, now, lease_until, limit))).await
    }

    async fn finish_journal(&self, id: i64, outcome: &str, now: Timestamp) -> StoreResult<()> {
        let outcome = outcome.to_owned();
        self.writer.run(move |c| Box::pin(journal::finish(c, id, outcome, now))).await
    }

    async fn journal_rows(&self, filter: JournalFilter) -> StoreResult<Vec<JournalRow>> {
        journal::rows(&mut *self.reader().await?, filter).await
    }

    async fn purge_journal_bodies(&self, before: Timestamp, limit: u32) -> StoreResult<u64> {
        self.writer.run(move |c| Box::pin(journal::purge_bodies(c, before, limit))).await
    }

    async fn prune_rates(&self, before: Timestamp, limit: u32) -> StoreResult<u64> {
        self.writer.run(move |c| Box::pin(rates::prune(c, before, limit))).await
    }

    async fn begin_read(&self, id: &DepositId) -> StoreResult<Option<(DepositRow, u64)>> {
        let id = id.clone();
        self.writer.run(move |c| Box::pin(schedule::begin_read(c, id))).await
    }

    async fn commit(&self, command: Commit) -> StoreResult<Committed> {
        self.writer.run(move |c| Box::pin(commit::commit(c, command))).await
    }

    async fn touch(&self, command: Touch) -> StoreResult<bool> {
        self.writer.run(move |c| Box::pin(commit::touch(c, command))).await
    }

    async fn claim_checks(
        &self,
        provider: ProviderId,
        now: Timestamp,
        lease_until: Timestamp,
        limits: Lanes<u32>,
    ) -> StoreResult<Vec<DepositId>> {
        self.writer
            .run(move |c| Box::pin(schedule::claim_checks(c, provider, now, lease_until, limits)))
            .await
    }

    async fn due_checks(&self, provider: ProviderId, now: Timestamp, most: u32) -> StoreResult<Lanes<u32>> {
        schedule::due_checks(&mut *self.reader().await?, provider, now, most).await
    }

    async fn release_checks(&self, ids: Vec<DepositId>, at: Timestamp) -> StoreResult<()> {
        self.writer.run(move |c| Box::pin(schedule::release_checks(c, ids, at))).await
    }

    async fn first_due(&self, provider: ProviderId, lane: Lane) -> StoreResult<Option<Timestamp>> {
        schedule::first_due(&mut *self.reader().await?, provider, lane).await
    }

    async fn check_at(&self, id: &DepositId, at: Timestamp) -> StoreResult<()> {
        let id = id.clone();
        self.writer.run(move |c| Box::pin(schedule::check_at(c, id, at))).await
    }

    async fn due_expiries(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<DepositId>> {
        schedule::due_expiries(&mut *self.reader().await?, now, limit).await
    }

    async fn unpriced(&self, limit: u32) -> StoreResult<Vec<DepositId>> {
        schedule::unpriced(&mut *self.reader().await?, limit).await
    }

    async fn store_rates(&self, rates: Vec<StoredRate>) -> StoreResult<()> {
        self.writer.run(move |c| Box::pin(rates::store_all(c, rates))).await
    }

    async fn newest_rates(&self) -> StoreResult<Vec<StoredRate>> {
        rates::newest(&mut *self.reader().await?).await
    }

    async fn rate_at(&self, ticker: Ticker, at: Timestamp) -> StoreResult<Option<StoredRate>> {
        rates::at(&mut *self.reader().await?, ticker, at).await
    }

    async fn rate_after(&self, ticker: Ticker, at: Timestamp) -> StoreResult<Option<StoredRate>> {
        rates::after(&mut *self.reader().await?, ticker, at).await
    }

    async fn rates_since(&self, ticker: Ticker, since: Timestamp) -> StoreResult<Vec<StoredRate>> {
        rates::since(&mut *self.reader().await?, ticker, since).await
    }

    async fn balances(&self, account: AccountId) -> StoreResult<Vec<Signed>> {
        ledger::balances(&mut *self.reader().await?, account).await
    }

    async fn ledger_entries(
        &self,
        account: AccountId,
        after: i64,
        limit: u32,
    ) -> StoreResult<Vec<LedgerEntry>> {
        ledger::of_account(&mut *self.reader().await?, account, after, limit).await
    }

    async fn deposit_entries(&self, id: &DepositId) -> StoreResult<Vec<LedgerEntry>> {
        ledger::of_deposit(&mut *self.reader().await?, id).await
    }

    async fn check_ledger(&self) -> StoreResult<LedgerCheck> {
        // One transaction: all of it as of one moment, while the writer goes on.
        let mut connection = self.reader().await?;
        let mut transaction = sqlx::Connection::begin(&mut *connection).await.doing("begin to read")?;
        check::check(&mut transaction).await
    }

    async fn sight(&self, sightings: Vec<Sighting>) -> StoreResult<()> {
        // Most of what a look shows is known: the writer is left alone.
        if !reviews::any_news(&mut *self.reader().await?, &sightings).await? {
            return Ok(());
        }
        self.writer.run(move |c| Box::pin(async move { reviews::sight_all(c, &sightings).await })).await
    }

    async fn reviews(&self, filter: ReviewFilter) -> StoreResult<Vec<ReviewRow>> {
        reviews::list(&mut *self.reader().await?, filter).await
    }

    async fn open_reviews_by_reason(&self) -> StoreResult<Vec<(ProviderId, ReviewReason, u64)>> {
        reviews::by_reason(&mut *self.reader().await?).await
    }

    async fn was_reviewed(&self, provider: ProviderId, reference: &str) -> StoreResult<bool> {
        reviews::was_reviewed(&mut *self.reader().await?, provider, reference).await
    }

    async fn in_review(&self, id: &DepositId) -> StoreResult<bool> {
        reviews::waits(&mut *self.reader().await?, id).await
    }

    async fn review(&self, id: i64) -> StoreResult<Option<ReviewRow>> {
        reviews::read(&mut *self.reader().await?, id).await
    }

    async fn assign_review(&self, command: AssignReview) -> StoreResult<Assigned> {
        self.writer.run(move |c| Box::pin(reviews::assign(c, command))).await
    }

    async fn dismiss_review(&self, command: DismissReview) -> StoreResult<Dismissed> {
        self.writer.run(move |c| Box::pin(reviews::dismiss(c, command))).await
    }

    async fn assignment(
        &self,
        deposit: &DepositId,
        provider: ProviderId,
        payment: &PaymentRef,
    ) -> StoreResult<Option<ReviewRow>> {
        assigned::assignment(&mut *self.reader().await?, deposit, provider, payment).await
    }

    async fn backlog(&self) -> StoreResult<Backlog> {
        schedule::backlog(&mut *self.reader().await?).await
    }
}

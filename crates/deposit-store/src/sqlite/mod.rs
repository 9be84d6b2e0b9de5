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
mod review_row;
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
use deposit_core::Timestamp;
use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqlitePool};

use self::mark::Mark;
use self::presence::Presence;
use self::row::Doing;
use self::writer::Writer;
use crate::{Availability, StoreError, StoreResult};

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
impl Availability for SqliteStore {
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
}

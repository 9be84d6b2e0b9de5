//! A copy of the database while it is in use.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};

use deposit_core::Timestamp;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use super::mark::{self, Skipped};
use super::row::{Doing, corrupt};
use super::{SqliteStore, open};
use crate::{StoreError, StoreResult};

/// What a copy holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackedUp {
    /// Size of the file.
    pub bytes: u64,
    /// How many accounts.
    pub accounts: u64,
    /// How many deposits.
    pub deposits: u64,
    /// The last id of a ledger entry; 0 where there is none.
    pub last_entry: i64,
}

impl SqliteStore {
    /// Writes a copy as of one moment into a new file, while this and other processes go on. It is checked and on disk when this answers, and is there
    /// in whole or not at all. Opened as a database, it knows that it is a copy: numbers of accounts and ids of ledger entries that were given
    /// since are skipped.
    ///
    /// # Errors
    /// [`StoreError::Url`] where `to` exists or cannot be written; the database's own.
    pub async fn backup(&self, to: &Path) -> StoreResult<BackedUp> {
        let refused = |why: &str| StoreError::Url(format!("{}: {why}", to.display()));
        if to.exists() {
            return Err(refused("exists already; a backup never replaces a file"));
        }
        let part = part_of(to);
        // Of a backup that was interrupted.
        if let Err(error) = std::fs::remove_file(&part)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(refused(&error.to_string()));
        }
        let copied = self.copy_into(&part).await;
        let done = match copied {
            Ok(done) => {
                put_in_place(&part, to, self.path()).map(|()| done).map_err(|e| refused(&e.to_string()))
            }
            Err(error) => Err(error),
        };
        if done.is_err() {
            let _ = std::fs::remove_file(&part);
        }
        done
    }

    async fn copy_into(&self, part: &Path) -> StoreResult<BackedUp> {
        let name = part.to_str().ok_or_else(|| StoreError::Url("the path is not UTF-8".to_owned()))?;
        // A reader of its own: the pool's may not write, not even elsewhere.
        let options = open::options(self.path()).create_if_missing(false);
        let mut source = options.connect().await.doing("open the database")?;
        sqlx::query("VACUUM INTO ?").bind(name).execute(&mut source).await.doing("copy the database")?;
        source.close().await.doing("close the database")?;
        let options = open::options(part).create_if_missing(false);
        let mut copy = options.connect().await.doing("open the copy")?;
        let found: String =
            sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&mut copy).await.doing("check the copy")?;
        if found != "ok" {
            return Err(corrupt("a backup", found));
        }
        sqlx::query("INSERT INTO counters (name, value) VALUES ('copied', 1) ON CONFLICT (name) DO NOTHING")
            .execute(&mut copy)
            .await
            .doing("mark the copy as one")?;
        let done = BackedUp {
            bytes: 0,
            accounts: count(&mut copy, "SELECT count(*) FROM accounts").await?,
            deposits: count(&mut copy, "SELECT count(*) FROM deposits WHERE phase = 'open'").await?,
            last_entry: sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM ledger_entries")
                .fetch_one(&mut copy)
                .await
                .doing("read the last ledger entry")?,
        };
        copy.close().await.doing("close the copy")?;
        let bytes = std::fs::metadata(part).map_or(0, |metadata| metadata.len());
        Ok(BackedUp { bytes, ..done })
    }

    /// Skips at least so many numbers of accounts and ids of ledger entries: for a database that was restored together with its mark, so that nothing tells
    /// which were given since.
    ///
    /// # Errors
    /// The database's; [`StoreError::Corrupt`] where no numbers are left.
    pub async fn skip_numbers(&self, by: u32, now: Timestamp) -> StoreResult<Skipped> {
        let mark = self.mark.clone();
        self.writer.run(move |c| Box::pin(async move { mark::skip(c, &mark, by, now).await })).await
    }
}

async fn count(connection: &mut SqliteConnection, sql: &'static str) -> StoreResult<u64> {
    let count: i64 = sqlx::query_scalar(sql).fetch_one(connection).await.doing("count what was copied")?;
    u64::try_from(count).map_err(|e| corrupt("a count", e))
}

fn part_of(to: &Path) -> PathBuf {
    let mut name = OsString::from(to);
    name.push(".part");
    PathBuf::from(name)
}

/// Who may read the database may read its copy, and nobody else.
fn put_in_place(part: &Path, to: &Path, database: &Path) -> std::io::Result<()> {
    std::fs::set_permissions(part, std::fs::metadata(database)?.permissions())?;
    File::open(part)?.sync_all()?;
    std::fs::rename(part, to)?;
    mark::sync_directory_of(&std::path::absolute(to)?)
}

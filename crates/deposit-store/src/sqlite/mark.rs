//! How far accounts were numbered, kept outside of the database: a restored backup must not give an account the address that another one was
//! given after the backup was made.
//!
//! The mark is a file beside the database, written durably before a new account's number is committed. [`settle`] compares the two whenever the
//! database is opened, under its write lock.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use deposit_core::{AccountIndex, Timestamp};
use sqlx::SqliteConnection;

use super::row::{Doing, corrupt};
use crate::{StoreError, StoreResult};

/// At least so many numbers are skipped where nobody knows how many were given: more accounts than are made between two backups.
pub(super) const GAP: u32 = 1_000_000;
/// Up to so many accounts that are known to be lost get a place holder each.
const PLACES: u32 = 1_000;
const HEADER: &str = "account_index ";

/// The file.
#[derive(Debug, Clone)]
pub(super) struct Mark(PathBuf);

/// A file beside the database, by whatever name that was opened.
pub(super) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let database = std::fs::canonicalize(database).unwrap_or_else(|_| database.to_path_buf());
    let mut name = OsString::from(database);
    name.push(suffix);
    PathBuf::from(name)
}

impl Mark {
    pub(super) fn beside(database: &Path) -> Self {
        Self(beside(database, "-mark"))
    }

    /// The highest number that was given; `None` where there is no file.
    fn read(&self) -> StoreResult<Option<u32>> {
        let text = match std::fs::read_to_string(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.unusable(&error.to_string())),
        };
        let number = text.trim_end().strip_prefix(HEADER).and_then(|number| number.parse().ok());
        number.map(Some).ok_or_else(|| self.unusable("its content is not what was written"))
    }

    fn unusable(&self, why: &str) -> StoreError {
        StoreError::Url(format!(
            "{}: {why}. It keeps a restored backup from giving an address twice; without it {GAP} numbers are skipped",
            self.0.display()
        ))
    }

    /// On disk when it answers, in whole or not at all.
    fn write(&self, index: u32) -> std::io::Result<()> {
        let mut part = self.0.clone().into_os_string();
        part.push(".part");
        let mut file = File::create(&part)?;
        file.write_all(format!("{HEADER}{index}\n").as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&part, &self.0)?;
        sync_directory_of(&self.0)
    }

    fn put(&self, index: u32) -> StoreResult<()> {
        self.write(index).map_err(|source| StoreError::Unavailable {
            context: "keep the mark of the accounts' numbers",
            source: Box::new(source),
        })
    }

    /// Notes a number that is about to be committed. Called under the database's write lock.
    pub(super) async fn raise(&self, index: AccountIndex) -> StoreResult<()> {
        let mark = self.clone();
        let raised = tokio::task::spawn_blocking(move || match mark.read()? {
            Some(known) if known >= index.0 => Ok(()),
            Some(_) | None => mark.put(index.0),
        });
        raised.await.unwrap_or(Err(StoreError::Closed))
    }
}

/// A rename is durable with its directory.
pub(super) fn sync_directory_of(file: &Path) -> std::io::Result<()> {
    match file.parent() {
        Some(directory) if cfg!(unix) => File::open(directory)?.sync_all(),
        Some(_) | None => Ok(()),
    }
}

/// What was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skipped {
    /// The next new account's number is above this.
    pub account_index: u32,
    /// The next ledger entry's id is above this.
    pub ledger_entry: i64,
}

/// Compares the database (a new one, if it was made just now) with its mark. Where it is behind, or where nobody can tell, numbers are skipped that may have been given before.
pub(super) async fn settle(
    connection: &mut SqliteConnection,
    mark: &Mark,
    is_new: bool,
    now: Timestamp,
) -> StoreResult<()> {
    let counter = counter(connection).await?;
    let is_copy: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM counters WHERE name = 'copied')")
        .fetch_one(&mut *connection)
        .await
        .doing("read whether this is a copy")?;
    let known = mark.read()?;
    let to = match known {
        _ if is_copy => above(counter.max(known.unwrap_or(0)), GAP, now)?,
        // From now on there is one, so that an empty backup is told from an empty database.
        None if is_new => return mark.put(0),
        None => above(counter, GAP, now)?,
        Some(known) if known == counter => return Ok(()),
        // Made by an older release, which keeps no mark.
        Some(known) if known < counter => return mark.put(counter),
        Some(known) => known,
    };
    mark.put(to)?;
    let skipped = skip_to(connection, to, GAP, now).await?;
    if is_copy {
        sqlx::query("DELETE FROM counters WHERE name = 'copied'")
            .execute(&mut *connection)
            .await
            .doing("take a copy into use")?;
    }
    if let Some(known) = known {
        hold_places(connection, counter, known, now).await?;
    }
    tracing::warn!(
        account_index = skipped.account_index,
        ledger_entry = skipped.ledger_entry,
        was = counter,
        mark = known,
        is_copy,
        "the database is not the one that was last in use here (a restored backup, one that was moved without its mark, or one of an older \
         release): numbers that may have been given before are skipped, see docs/backup.md"
    );
    Ok(())
}

async fn counter(connection: &mut SqliteConnection) -> StoreResult<u32> {
    let counter: i64 = sqlx::query_scalar("SELECT value FROM counters WHERE name = 'account_index'")
        .fetch_one(connection)
        .await
        .doing("read how far accounts are numbered")?;
    u32::try_from(counter).map_err(|e| corrupt("account_index", e))
}

/// A number that was never given, as far as that can be: `by` further; and, since one old backup may be restored again and again, the time in
/// seconds, which is another one each time, and ahead of all that were given where less than one account is made in a second.
fn above(index: u32, by: u32, now: Timestamp) -> StoreResult<u32> {
    let further =
        index.checked_add(by).ok_or_else(|| corrupt("account_index", "no numbers are left to skip"))?;
    Ok(further.max(u32::try_from(now.secs()).unwrap_or(0)))
}

/// The operator's own word that numbers may have been given before.
pub(super) async fn skip(
    connection: &mut SqliteConnection,
    mark: &Mark,
    by: u32,
    now: Timestamp,
) -> StoreResult<Skipped> {
    let to = above(counter(connection).await?.max(mark.read()?.unwrap_or(0)), by, now)?;
    let skipped = skip_to(connection, to, by, now).await?;
    mark.put(to)?;
    Ok(skipped)
}

/// Ids of ledger entries are skipped as well: who follows them by the last id must neither miss one nor take another for it.
///
/// In milliseconds where the number of an account is in seconds: there are more of them, and 64 bits for their ids.
async fn skip_to(
    connection: &mut SqliteConnection,
    index: u32,
    entries: u32,
    now: Timestamp,
) -> StoreResult<Skipped> {
    sqlx::query("UPDATE counters SET value = ? WHERE name = 'account_index'")
        .bind(i64::from(index))
        .execute(&mut *connection)
        .await
        .doing("skip account numbers")?;
    // The table of SQLite's own counters has no unique key.
    let done =
        sqlx::query("UPDATE sqlite_sequence SET seq = max(seq + ?1, ?2) WHERE name = 'ledger_entries'")
            .bind(i64::from(entries))
            .bind(now.millis())
            .execute(&mut *connection)
            .await
            .doing("skip ids of ledger entries")?;
    if done.rows_affected() == 0 {
        sqlx::query("INSERT INTO sqlite_sequence (name, seq) VALUES ('ledger_entries', max(?1, ?2))")
            .bind(i64::from(entries))
            .bind(now.millis())
            .execute(&mut *connection)
            .await
            .doing("skip ids of ledger entries")?;
    }
    let ledger_entry: i64 =
        sqlx::query_scalar("SELECT seq FROM sqlite_sequence WHERE name = 'ledger_entries'")
            .fetch_one(connection)
            .await
            .doing("read the last id of a ledger entry")?;
    Ok(Skipped { account_index: index, ledger_entry })
}

/// Whoever had the lost numbers may still pay to their addresses: each gets a closed account, so that what comes goes to review.
async fn hold_places(
    connection: &mut SqliteConnection,
    after: u32,
    to: u32,
    now: Timestamp,
) -> StoreResult<()> {
    if to.saturating_sub(after) > PLACES {
        tracing::warn!(
            after,
            to,
            "too many lost accounts for place holders: payments to their addresses are not looked for"
        );
        return Ok(());
    }
    for index in after.saturating_add(1)..=to {
        sqlx::query(
            "INSERT INTO accounts (name, account_index, created_at, closed_at) \
             SELECT 'lost-in-restore-' || ?1, ?1, ?2, ?2 WHERE NOT EXISTS (SELECT 1 FROM accounts WHERE account_index = ?1 OR name = 'lost-in-restore-' || ?1)",
        )
        .bind(i64::from(index))
        .bind(now.millis())
        .execute(&mut *connection)
        .await
        .doing("hold the place of a lost account")?;
    }
    Ok(())
}

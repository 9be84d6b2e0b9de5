//! Opening a database file: the URL, the settings, the migrations.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqlSafeStr, SqliteConnection};

use crate::{StoreError, StoreResult};

/// How long a writer waits for another process's transaction.
pub(super) const BUSY: Duration = Duration::from_secs(5);
/// Connections that only read.
const READERS: u32 = 4;

/// Forward only: a migration that has been released is never changed, its checksum is checked.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "initial", include_str!("../../migrations/sqlite/0001_initial.sql")),
    (2, "scans", include_str!("../../migrations/sqlite/0002_scans.sql")),
    (3, "taken_in", include_str!("../../migrations/sqlite/0003_taken_in.sql")),
    (4, "reviews", include_str!("../../migrations/sqlite/0004_reviews.sql")),
    (5, "watch", include_str!("../../migrations/sqlite/0005_watch.sql")),
    (7, "standing", include_str!("../../migrations/sqlite/0007_standing.sql")),
];

/// The file of `sqlite://PATH`.
pub(super) fn path_of(url: &str) -> StoreResult<PathBuf> {
    let Some(path) = url.strip_prefix("sqlite://") else {
        // The rest of a URL may hold a password: only the scheme is repeated.
        let scheme = url.split_once("://").map_or("none", |(scheme, _)| scheme);
        return Err(StoreError::Url(format!("only sqlite://PATH can be opened here (scheme: {scheme})")));
    };
    if path.is_empty() || path.contains('?') || path.contains('\0') || path == ":memory:" {
        return Err(StoreError::Url("sqlite://PATH wants the path of a file, without parameters".to_owned()));
    }
    Ok(PathBuf::from(path))
}

/// Settings of every connection.
pub(super) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY)
        .foreign_keys(true)
        // Each commit reaches the disk before it is answered.
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging()
}

/// Creates or opens the file for writing and brings its tables up to date.
pub(super) async fn open_writer(path: &Path) -> StoreResult<(SqliteConnection, SqliteConnectOptions)> {
    if let Some(directory) = path.parent().filter(|d| !d.as_os_str().is_empty())
        && !directory.is_dir()
    {
        return Err(unusable(path, &format!("the directory {} does not exist", directory.display())));
    }
    if path.is_dir() {
        return Err(unusable(path, "is a directory"));
    }
    let created = options(path).create_if_missing(true).connect().await;
    let mut connection = created.map_err(|e| refused(path, e))?;
    refuse_foreign(path, &mut connection).await?;
    turn_wal_on(path, &mut connection).await?;
    migrate(path, &mut connection).await?;
    // Later on a vanished file is an error, never a new and empty ledger.
    Ok((connection, options(path).create_if_missing(false)))
}

/// Another program's database is left as it is. Ours has all its tables from one transaction.
async fn refuse_foreign(path: &Path, connection: &mut SqliteConnection) -> StoreResult<()> {
    let foreign: bool = sqlx::query_scalar(
        "SELECT count(*) > 0 AND NOT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'ledger_transactions') \
         FROM sqlite_master",
    )
    .fetch_one(connection)
    .await
    .map_err(|e| refused(path, e))?;
    if foreign { Err(unusable(path, "is the database of another program")) } else { Ok(()) }
}

/// WAL stays on in the file. Turning it on does not wait for a lock by itself, and two processes may create the file at the same
/// moment.
async fn turn_wal_on(path: &Path, connection: &mut SqliteConnection) -> StoreResult<()> {
    const PAUSE: Duration = Duration::from_millis(20);
    let mut waited = Duration::ZERO;
    loop {
        let mode: Result<String, _> =
            sqlx::query_scalar("PRAGMA journal_mode = WAL").fetch_one(&mut *connection).await;
        match mode {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(_) => return Err(unusable(path, "its file system cannot do write-ahead logging")),
            Err(error) if is_busy(&error) && waited < BUSY => {
                tokio::time::sleep(PAUSE).await;
                waited += PAUSE;
            }
            Err(error) => return Err(refused(path, error)),
        }
    }
}

/// A few connections that see committed states only and cannot write.
pub(super) async fn open_readers(path: &Path) -> StoreResult<SqlitePool> {
    let options = options(path).create_if_missing(false).pragma("query_only", "ON");
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(BUSY)
        .connect_with(options)
        .await
        .map_err(|error| refused(path, error))
}

/// All missing migrations in one transaction that holds the write lock, so that two processes do not migrate at once (the
/// library's own lock does nothing for SQLite).
async fn migrate(path: &Path, connection: &mut SqliteConnection) -> StoreResult<()> {
    let migrations = MIGRATIONS.iter().map(|&(version, name, sql)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    let migrator = Migrator::with_migrations(migrations.collect());
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(|e| refused(path, e))?;
    match migrator.run_direct(None, &mut *transaction, false).await {
        Ok(()) => transaction.commit().await.map_err(|e| refused(path, e)),
        Err(MigrateError::VersionMissing(version)) => Err(unusable(
            path,
            &format!(
                "was written by a newer release (schema version {version}); use that release or a later one"
            ),
        )),
        Err(MigrateError::VersionMismatch(version)) => {
            Err(unusable(path, &format!("has another schema version {version} than this release")))
        }
        Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => {
            Err(refused(path, error))
        }
        Err(other) => Err(unusable(path, &other.to_string())),
    }
}

fn unusable(path: &Path, why: &str) -> StoreError {
    StoreError::Url(format!("{}: {why}", path.display()))
}

/// The primary result code of SQLite, <https://www.sqlite.org/rescode.html>.
fn code_of(error: &sqlx::Error) -> Option<u32> {
    let code: u32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

fn is_busy(error: &sqlx::Error) -> bool {
    // SQLITE_BUSY, SQLITE_LOCKED
    matches!(code_of(error), Some(5 | 6))
}

/// The library's error in words for the person who wrote the configuration.
fn refused(path: &Path, error: sqlx::Error) -> StoreError {
    let why = match code_of(&error) {
        Some(3 | 23) => "permission denied".to_owned(),
        Some(5 | 6) => "is locked by another process".to_owned(),
        Some(8) => "is not writable".to_owned(),
        Some(11) => "is damaged".to_owned(),
        Some(13) => "the disk is full".to_owned(),
        Some(14) => "cannot be opened (not a file that can be read and written here)".to_owned(),
        Some(26) => "is not a SQLite database".to_owned(),
        Some(_) | None => error.to_string(),
    };
    unusable(path, &why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_are_taken_and_no_password_is_repeated() {
        assert_eq!(path_of("sqlite://deposit.db").unwrap(), Path::new("deposit.db"));
        assert_eq!(path_of("sqlite:///var/lib/x.db").unwrap(), Path::new("/var/lib/x.db"));
        for bad in ["", "sqlite://", "sqlite://:memory:", "sqlite://x.db?mode=ro", "x.db"] {
            assert!(path_of(bad).is_err(), "{bad}");
        }
        let error = path_of("postgres://user:hunter2@host/db").unwrap_err().to_string();
        assert!(error.contains("postgres") && !error.contains("hunter2"), "{error}");
    }
}

//! Who creates on this file: proof that nobody else does, so that what a dead process held can be freed.
//!
//! Each process that creates holds a shared lock on a file beside the database for as long as it lives; the system lets go of it when the
//! process dies, however it dies. Who gets the exclusive lock at its start is alone. The lock is not on the database itself: SQLite has locks of
//! its own there, and loses them when another handle of the process is closed.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use deposit_core::Timestamp;
use sqlx::SqliteConnection;
use tokio::sync::Mutex;

use super::open::BUSY;
use super::row::Doing;
use super::writer::Writer;
use crate::StoreResult;

/// How often a lock is tried again that another process holds while it starts.
const PAUSE: Duration = Duration::from_millis(20);

/// The lock of this store, once it serves.
#[derive(Debug)]
pub(super) struct Presence {
    path: PathBuf,
    held: Mutex<Option<File>>,
}

impl Presence {
    pub(super) fn beside(database: &Path) -> Self {
        Self { path: super::mark::beside(database, "-serving"), held: Mutex::new(None) }
    }

    /// Says that this process creates from now on. If no other does, what creates of dead ones held is freed before: how many were.
    pub(super) async fn enter(&self, writer: &Writer, now: Timestamp) -> StoreResult<u64> {
        let mut held = self.held.lock().await;
        if held.is_some() {
            return Ok(0);
        }
        let file = match File::options().create(true).append(true).open(&self.path) {
            Ok(file) => file,
            Err(error) => return Ok(self.unproved(&error)),
        };
        let freed = match file.try_lock() {
            Ok(()) => {
                let freed = writer.run(move |c| Box::pin(free(c, now))).await;
                // Between the two locks another process may find itself alone: it frees nothing of ours, since we create nothing yet.
                if let Err(error) = file.unlock() {
                    return Ok(self.unproved(&error));
                }
                freed?
            }
            Err(TryLockError::WouldBlock) => 0,
            Err(TryLockError::Error(error)) => return Ok(self.unproved(&error)),
        };
        let mut waited = Duration::ZERO;
        loop {
            match file.try_lock_shared() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if waited < BUSY => {
                    tokio::time::sleep(PAUSE).await;
                    waited += PAUSE;
                }
                Err(TryLockError::WouldBlock) => {
                    tracing::warn!(lock = %self.path.display(), "another process holds the lock of those that create for long");
                    return Ok(freed);
                }
                Err(TryLockError::Error(error)) => {
                    self.unproved(&error);
                    return Ok(freed);
                }
            }
        }
        *held = Some(file);
        Ok(freed)
    }

    /// Lets go of it. Nothing is created any more.
    pub(super) async fn leave(&self) {
        self.held.lock().await.take();
    }

    /// Without proof nothing is freed: leases end by themselves.
    fn unproved(&self, error: &std::io::Error) -> u64 {
        tracing::warn!(
            lock = %self.path.display(), %error, "cannot tell whether another process creates on this database: what a dead one held is free \
             when its lease ends"
        );
        0
    }
}

pub(super) const FREE_KEYS: &str =
    "UPDATE idempotency SET lease_until = ?2 WHERE status IS NULL AND lease_until > ?1";
pub(super) const FREE_DEPOSITS: &str =
    "UPDATE deposits SET lease_until = ?1 WHERE phase = 'creating' AND lease_until > ?1";

/// Ends the leases of all creates that are under way.
async fn free(connection: &mut SqliteConnection, now: Timestamp) -> StoreResult<u64> {
    // As a claim that was given back: the fingerprint and the deposit stay.
    let keys = sqlx::query(FREE_KEYS)
        .bind(now.millis())
        .bind(i64::MIN)
        .execute(&mut *connection)
        .await
        .doing("free idempotency keys")?
        .rows_affected();
    let deposits = sqlx::query(FREE_DEPOSITS)
        .bind(now.millis())
        .execute(connection)
        .await
        .doing("free deposits that were being created")?
        .rows_affected();
    Ok(keys.max(deposits))
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection as _, Row as _, SqliteConnection};

    use super::{FREE_DEPOSITS, FREE_KEYS};
    use crate::SqliteStore;
    use crate::behaviour::fixtures::{account, at, begin, id, lease};
    use crate::prelude::*;
    use crate::{Admission, Admit, BeginCreate, IdempotencyClaim, RateLimit, ResumeCreate, Resumed};

    async fn open(folder: &tempfile::TempDir) -> SqliteStore {
        let url = format!("sqlite://{}", folder.path().join("deposit.db").display());
        SqliteStore::open(&url).await.unwrap()
    }

    async fn admit(store: &SqliteStore, owner: &str, now: i64) -> Admission {
        let account = account(store, "ana").await.id;
        let claim = IdempotencyClaim {
            key: "k".to_owned(),
            fingerprint: Some("f".to_owned()),
            owner: owner.to_owned(),
            lease_until: at(now + 35),
            forget_before: at(0),
        };
        let limit = RateLimit { requests: 10, window_millis: 600_000 };
        let limiter = "key:1".to_owned();
        store.admit(Admit { account, limiter, limit, claim: Some(claim), now: at(now) }).await.unwrap()
    }

    /// A create that is under way when its process ends.
    async fn create(store: &SqliteStore) {
        assert!(matches!(admit(store, "first", 100).await, Admission::Admitted { .. }));
        let account = account(store, "ana").await.id;
        let key = Some("k".to_owned());
        store.begin_create(BeginCreate { idempotency_key: key, ..begin(1, account, 100) }).await.unwrap();
    }

    async fn resume(store: &SqliteStore, now: i64) -> Resumed {
        store
            .resume_create(ResumeCreate { id: id(1), lease: lease("second", now + 35), now: at(now) })
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn what_a_dead_process_held_is_free_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let first = open(&folder).await;
        assert_eq!(first.begin_serving(at(99)).await.unwrap(), 0);
        create(&first).await;
        drop(first);
        // A command of an operator beside it: it does not serve, and frees nothing.
        let command = open(&folder).await;
        assert!(matches!(admit(&command, "second", 101).await, Admission::Running { .. }));
        let next = open(&folder).await;
        assert!(matches!(resume(&next, 101).await, Resumed::Busy));
        assert_eq!(next.begin_serving(at(101)).await.unwrap(), 1);
        let Admission::Admitted { resume: Some(taken), .. } = admit(&next, "second", 101).await else {
            panic!("the key is still held");
        };
        assert_eq!(taken, id(1));
        assert!(matches!(resume(&next, 101).await, Resumed::Yes(_)));
        // Said again, by another engine of the same process: its own creates are no dead one's.
        assert_eq!(next.begin_serving(at(102)).await.unwrap(), 0);
        assert!(matches!(admit(&next, "third", 102).await, Admission::Running { .. }));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn what_a_living_process_holds_stays_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let first = open(&folder).await;
        first.begin_serving(at(99)).await.unwrap();
        create(&first).await;
        // By another name of the same file as well.
        let other = tempfile::tempdir().unwrap();
        let link = other.path().join("link.db");
        std::os::unix::fs::symlink(folder.path().join("deposit.db"), &link).unwrap();
        let url = format!("sqlite://{}", link.display());
        for second in [open(&folder).await, SqliteStore::open(&url).await.unwrap()] {
            assert_eq!(second.begin_serving(at(101)).await.unwrap(), 0);
            assert!(matches!(admit(&second, "second", 101).await, Admission::Running { .. }));
            assert!(matches!(resume(&second, 101).await, Resumed::Busy));
            second.close().await;
        }
        // Two serve, one of them dies and comes back: the other may be at it.
        let second = open(&folder).await;
        second.begin_serving(at(101)).await.unwrap();
        drop(first);
        let again = open(&folder).await;
        assert_eq!(again.begin_serving(at(102)).await.unwrap(), 0);
        assert!(matches!(resume(&again, 102).await, Resumed::Busy));
        again.close().await;
        // An orderly end lets go as well.
        second.close().await;
        assert_eq!(open(&folder).await.begin_serving(at(103)).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_start_looks_at_what_is_under_way_alone() {
        let folder = tempfile::tempdir().unwrap();
        open(&folder).await.close().await;
        let options = super::super::open::options(&folder.path().join("deposit.db"));
        let mut raw = SqliteConnection::connect_with(&options).await.unwrap();
        for (sql, index) in [(FREE_KEYS, "idempotency_running"), (FREE_DEPOSITS, "deposits_creating")] {
            let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
            let rows = sqlx::query(explain).bind(1).bind(2).fetch_all(&mut raw).await.unwrap();
            let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
            assert!(plan.iter().all(|line| line.contains(index)), "{plan:?}");
        }
    }
}

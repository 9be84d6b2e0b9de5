//! Idempotency keys and the rate limit.

use super::SqliteStore;
use async_trait::async_trait;
use deposit_core::{DepositId, Timestamp};
use sqlx::SqliteConnection;

use super::row::{Doing, corrupt, int, int_opt, number, parsed_opt, text_opt};
use crate::{
    AccountId, Admission, AdmissionStore, Admit, IdempotencyClaim, RateLimit, RateState, Refuse, StoreResult,
    StoredAnswer,
};

#[async_trait]
impl AdmissionStore for SqliteStore {
    async fn admit(&self, command: Admit) -> StoreResult<Admission> {
        {
            let mut connection = self.reader().await?;
            let mut transaction = sqlx::Connection::begin(&mut *connection).await.doing("begin to read")?;
            if let Some(answer) = without_a_write(&mut transaction, &command).await? {
                return Ok(answer);
            }
        }
        self.writer.run(move |c| Box::pin(admit(c, command))).await
    }

    async fn count_request(&self, limiter: &str, limit: RateLimit, now: Timestamp) -> StoreResult<RateState> {
        let standing = look(&mut *self.reader().await?, limiter, limit, now).await?;
        if standing.remaining == 0 {
            return Ok(standing);
        }
        let limiter = limiter.to_owned();
        self.writer.run(move |c| Box::pin(count(c, limiter, limit, now))).await
    }

    async fn rate_state(&self, limiter: &str, limit: RateLimit, now: Timestamp) -> StoreResult<RateState> {
        look(&mut *self.reader().await?, limiter, limit, now).await
    }

    async fn refuse(&self, command: Refuse) -> StoreResult<()> {
        self.writer.run(move |c| Box::pin(refuse(c, command))).await
    }

    async fn release_claim(&self, account: AccountId, key: &str, owner: &str) -> StoreResult<()> {
        let (key, owner) = (key.to_owned(), owner.to_owned());
        self.writer.run(move |c| Box::pin(release(c, account, key, owner))).await
    }
}

/// What an idempotency key holds.
struct Held {
    fingerprint: Option<String>,
    lease_until: i64,
    deposit: Option<DepositId>,
    answer: Option<StoredAnswer>,
    created_at: i64,
}

/// The answer where it needs no write: to who is over the limit, to a repeat whose first answer is there or is being made. `None`: it is for the
/// writer, which looks again. To be asked within one transaction, so that key and window are seen at one moment.
pub(super) async fn without_a_write(
    connection: &mut SqliteConnection,
    command: &Admit,
) -> StoreResult<Option<Admission>> {
    let Admit { account, limiter, limit, claim, now } = command;
    let held = match claim {
        Some(claim) => held(connection, *account, &claim.key).await?.filter(|held| {
            // The next write forgets it.
            let is_running = held.answer.is_none() && held.lease_until > now.millis();
            held.created_at >= claim.forget_before.millis() || is_running
        }),
        None => None,
    };
    let rate = look(connection, limiter, *limit, *now).await?;
    let is_full = rate.remaining == 0;
    let (Some(claim), Some(held)) = (claim, held) else {
        return Ok(is_full.then_some(Admission::Limited { rate }));
    };
    Ok(if claim.fingerprint.is_none() || held.fingerprint != claim.fingerprint {
        is_full.then_some(Admission::Conflict { rate })
    } else if let Some(answer) = held.answer {
        Some(Admission::Replay { answer, rate })
    } else if held.lease_until > now.millis() {
        Some(Admission::Running { rate })
    } else {
        is_full.then_some(Admission::Limited { rate })
    })
}

pub(super) async fn admit(connection: &mut SqliteConnection, command: Admit) -> StoreResult<Admission> {
    let Admit { account, limiter, limit, claim, now } = command;
    let Some(claim) = claim else {
        let rate = count(connection, limiter, limit, now).await?;
        return Ok(if rate.allowed {
            Admission::Admitted { rate, resume: None }
        } else {
            Admission::Limited { rate }
        });
    };
    forget(connection, claim.forget_before, now).await?;
    let Some(held) = held(connection, account, &claim.key).await? else {
        let rate = count(connection, limiter, limit, now).await?;
        if !rate.allowed {
            return Ok(Admission::Limited { rate });
        }
        insert_claim(connection, account, &claim, now).await?;
        return Ok(Admission::Admitted { rate, resume: None });
    };
    // Unreadable content equals nothing, itself included.
    if claim.fingerprint.is_none() || held.fingerprint != claim.fingerprint {
        return Ok(Admission::Conflict { rate: count(connection, limiter, limit, now).await? });
    }
    if let Some(answer) = held.answer {
        return Ok(Admission::Replay { answer, rate: look(connection, &limiter, limit, now).await? });
    }
    if held.lease_until > now.millis() {
        return Ok(Admission::Running { rate: look(connection, &limiter, limit, now).await? });
    }
    let rate = count(connection, limiter, limit, now).await?;
    if !rate.allowed {
        return Ok(Admission::Limited { rate });
    }
    take_over(connection, account, &claim).await?;
    Ok(Admission::Admitted { rate, resume: held.deposit })
}

async fn held(connection: &mut SqliteConnection, account: AccountId, key: &str) -> StoreResult<Option<Held>> {
    let row = sqlx::query(
        "SELECT fingerprint, lease_until, deposit, status, body, created_at FROM idempotency \
         WHERE account = ? AND idem_key = ?",
    )
    .bind(account.0)
    .bind(key)
    .fetch_optional(connection)
    .await
    .doing("read an idempotency key")?;
    let Some(row) = row else { return Ok(None) };
    let deposit: Option<DepositId> = parsed_opt(&row, "deposit")?;
    let answer = match int_opt(&row, "status")? {
        None => None,
        Some(200) => {
            let created =
                deposit.clone().ok_or_else(|| corrupt("idempotency", "an answer without its deposit"))?;
            Some(StoredAnswer::Created(created))
        }
        Some(_) => Some(StoredAnswer::Refused {
            status: number(&row, "status")?,
            body: text_opt(&row, "body")?
                .ok_or_else(|| corrupt("idempotency", "an answer without its body"))?,
        }),
    };
    Ok(Some(Held {
        fingerprint: text_opt(&row, "fingerprint")?,
        lease_until: int(&row, "lease_until")?,
        deposit,
        answer,
        created_at: int(&row, "created_at")?,
    }))
}

/// Old claims go, except one that is running: its request is still to be answered.
async fn forget(connection: &mut SqliteConnection, before: Timestamp, now: Timestamp) -> StoreResult<()> {
    sqlx::query("DELETE FROM idempotency WHERE created_at < ?1 AND (status IS NOT NULL OR lease_until <= ?2)")
        .bind(before.millis())
        .bind(now.millis())
        .execute(connection)
        .await
        .doing("forget idempotency keys")
        .map(|_| ())
}

async fn insert_claim(
    connection: &mut SqliteConnection,
    account: AccountId,
    claim: &IdempotencyClaim,
    now: Timestamp,
) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO idempotency (account, idem_key, fingerprint, owner, lease_until, created_at) \
         VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(account.0)
    .bind(&claim.key)
    .bind(claim.fingerprint.as_deref())
    .bind(&claim.owner)
    .bind(claim.lease_until.millis())
    .bind(now.millis())
    .execute(connection)
    .await
    .doing("claim an idempotency key")
    .map(|_| ())
}

async fn take_over(
    connection: &mut SqliteConnection,
    account: AccountId,
    claim: &IdempotencyClaim,
) -> StoreResult<()> {
    sqlx::query("UPDATE idempotency SET owner = ?3, lease_until = ?4 WHERE account = ?1 AND idem_key = ?2")
        .bind(account.0)
        .bind(&claim.key)
        .bind(&claim.owner)
        .bind(claim.lease_until.millis())
        .execute(connection)
        .await
        .doing("take an idempotency key over")
        .map(|_| ())
}

/// Counts one request if there is room; where there is none, nothing is written.
pub(super) async fn count(
    connection: &mut SqliteConnection,
    limiter: String,
    limit: RateLimit,
    now: Timestamp,
) -> StoreResult<RateState> {
    let before = look(connection, &limiter, limit, now).await?;
    if before.remaining == 0 {
        return Ok(before);
    }
    // Of all limiters: one that is never heard of again would leave its hits behind.
    sqlx::query("DELETE FROM rate_hits WHERE leaves_at <= ?")
        .bind(now.millis())
        .execute(&mut *connection)
        .await
        .doing("purge the rate limit")?;
    sqlx::query("INSERT INTO rate_hits (limiter, at, leaves_at) VALUES (?, ?, ?)")
        .bind(&limiter)
        .bind(now.millis())
        .bind(now.plus_millis(limit.window_millis).millis())
        .execute(&mut *connection)
        .await
        .doing("count a request")?;
    Ok(RateState { allowed: true, ..look(connection, &limiter, limit, now).await? })
}

/// The limiter as it stands, nothing counted.
pub(super) async fn look(
    connection: &mut SqliteConnection,
    limiter: &str,
    limit: RateLimit,
    now: Timestamp,
) -> StoreResult<RateState> {
    let row = sqlx::query(
        "SELECT count(*) AS hits, min(at) AS oldest FROM rate_hits WHERE limiter = ?1 AND at > ?2",
    )
    .bind(limiter)
    .bind(window_start(limit, now))
    .fetch_one(connection)
    .await
    .doing("read the rate limit")?;
    let hits: u32 = number(&row, "hits")?;
    let reset_at = match int_opt(&row, "oldest")? {
        Some(oldest) => Timestamp::from_millis(oldest).plus_millis(limit.window_millis),
        None => now,
    };
    Ok(RateState { allowed: false, remaining: limit.requests.saturating_sub(hits), reset_at })
}

/// A hit at this time or before has left the window: one at `t` leaves at `t + window`.
fn window_start(limit: RateLimit, now: Timestamp) -> i64 {
    now.millis().saturating_sub(limit.window_millis)
}

pub(super) async fn refuse(connection: &mut SqliteConnection, command: Refuse) -> StoreResult<()> {
    sqlx::query(
        "UPDATE idempotency SET status = ?4, body = ?5 \
         WHERE account = ?1 AND idem_key = ?2 AND owner = ?3 AND status IS NULL",
    )
    .bind(command.account.0)
    .bind(&command.key)
    .bind(&command.owner)
    .bind(i64::from(command.status))
    .bind(&command.body)
    .execute(connection)
    .await
    .doing("store a refusal")
    .map(|_| ())
}

pub(super) async fn release(
    connection: &mut SqliteConnection,
    account: AccountId,
    key: String,
    owner: String,
) -> StoreResult<()> {
    // The fingerprint stays: other content under this key is still a conflict, and the deposit is still found.
    sqlx::query(
        "UPDATE idempotency SET lease_until = ?4 \
         WHERE account = ?1 AND idem_key = ?2 AND owner = ?3 AND status IS NULL",
    )
    .bind(account.0)
    .bind(key)
    .bind(owner)
    .bind(i64::MIN)
    .execute(connection)
    .await
    .doing("release an idempotency key")
    .map(|_| ())
}

/// Whether the claim is this owner's and unanswered.
pub(super) async fn is_ours(
    connection: &mut SqliteConnection,
    account: AccountId,
    key: &str,
    owner: &str,
) -> StoreResult<bool> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM idempotency \
                        WHERE account = ?1 AND idem_key = ?2 AND owner = ?3 AND status IS NULL)",
    )
    .bind(account.0)
    .bind(key)
    .bind(owner)
    .fetch_one(connection)
    .await
    .doing("read an idempotency key")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sqlx::{Connection as _, SqliteConnection};

    use crate::behaviour::fixtures::{account, at};
    use crate::prelude::*;
    use crate::{Admission, Admit, IdempotencyClaim, RateLimit, Refuse, SqliteStore};

    const LIMIT: RateLimit = RateLimit { requests: 3, window_millis: 600_000 };

    fn claim(key: &str, fingerprint: &str) -> Option<IdempotencyClaim> {
        Some(IdempotencyClaim {
            key: key.to_owned(),
            fingerprint: Some(fingerprint.to_owned()),
            owner: "o".to_owned(),
            lease_until: at(135),
            forget_before: at(0),
        })
    }

    /// Whoever holds the write lock: a refusal neither waits for it nor changes the file.
    #[tokio::test]
    async fn a_refusal_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deposit.db");
        let store = SqliteStore::open(&format!("sqlite://{}", path.display())).await.unwrap();
        let ana = account(&store, "ana").await.id;
        let admit = async |claim| {
            let limiter = "key:1".to_owned();
            let asked = store.admit(Admit { account: ana, limiter, limit: LIMIT, claim, now: at(100) });
            tokio::time::timeout(Duration::from_secs(2), asked)
                .await
                .expect("it waits for the writer")
                .unwrap()
        };
        for key in ["answered", "running", "ended"] {
            assert!(matches!(admit(claim(key, "f")).await, Admission::Admitted { .. }));
            assert!(store.count_request("ip:192.0.2.7", LIMIT, at(100)).await.unwrap().allowed);
        }
        let refused = |key: &str| Refuse {
            account: ana,
            key: key.to_owned(),
            owner: "o".to_owned(),
            status: 400,
            body: "{}".to_owned(),
        };
        store.refuse(refused("answered")).await.unwrap();
        store.release_claim(ana, "ended", "o").await.unwrap();

        let mut other = SqliteConnection::connect_with(&super::super::open::options(&path)).await.unwrap();
        let wal = || std::fs::metadata(folder.path().join("deposit.db-wal")).unwrap().len();
        let before = wal();
        sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
        for _ in 0..20 {
            assert!(matches!(admit(None).await, Admission::Limited { .. }));
            assert!(matches!(admit(claim("new", "f")).await, Admission::Limited { .. }));
            assert!(matches!(admit(claim("ended", "f")).await, Admission::Limited { .. }));
            assert!(matches!(admit(claim("ended", "other")).await, Admission::Conflict { .. }));
            assert!(matches!(admit(claim("running", "f")).await, Admission::Running { .. }));
            assert!(matches!(admit(claim("answered", "f")).await, Admission::Replay { .. }));
            let stranger = store.count_request("ip:192.0.2.7", LIMIT, at(100));
            let stranger = tokio::time::timeout(Duration::from_secs(2), stranger).await.unwrap().unwrap();
            assert!(!stranger.allowed && stranger.remaining == 0);
        }
        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
        assert_eq!(wal(), before);
        // Who is let through is counted as ever: when the window has passed, three and no more.
        for n in 0..4 {
            let state = store.count_request("ip:192.0.2.7", LIMIT, at(700)).await.unwrap();
            assert_eq!(state.allowed, n < 3);
        }
    }

    #[tokio::test]
    async fn at_once_no_more_are_let_through_than_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("deposit.db").display());
        let store = std::sync::Arc::new(SqliteStore::open(&url).await.unwrap());
        let asked: Vec<_> = (0..50)
            .map(|_| {
                let store = std::sync::Arc::clone(&store);
                tokio::spawn(
                    async move { store.count_request("ip:192.0.2.7", LIMIT, at(100)).await.unwrap() },
                )
            })
            .collect();
        let mut allowed = 0;
        for one in asked {
            allowed += u32::from(one.await.unwrap().allowed);
        }
        assert_eq!(allowed, LIMIT.requests);
    }
}

//! Idempotency keys and the rate limit.

use deposit_core::{DepositId, Timestamp};
use sqlx::SqliteConnection;

use super::row::{Doing, corrupt, int, int_opt, number, parsed_opt, text_opt};
use crate::{
    AccountId, Admission, Admit, IdempotencyClaim, RateLimit, RateState, Refuse, StoreResult, StoredAnswer,
};

/// What an idempotency key holds.
struct Held {
    fingerprint: Option<String>,
    lease_until: i64,
    deposit: Option<DepositId>,
    answer: Option<StoredAnswer>,
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
        "SELECT fingerprint, lease_until, deposit, status, body FROM idempotency WHERE account = ? AND idem_key = ?",
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

/// Counts one request if there is room.
pub(super) async fn count(
    connection: &mut SqliteConnection,
    limiter: String,
    limit: RateLimit,
    now: Timestamp,
) -> StoreResult<RateState> {
    // Of all limiters: one that is never heard of again would leave its hits behind.
    sqlx::query("DELETE FROM rate_hits WHERE leaves_at <= ?")
        .bind(now.millis())
        .execute(&mut *connection)
        .await
        .doing("purge the rate limit")?;
    let before = look(connection, &limiter, limit, now).await?;
    if before.remaining == 0 {
        return Ok(before);
    }
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

//! Money that waits for an operator.

use deposit_core::{DepositId, PaymentRef, ProviderId, Signed, Timestamp};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::commit;
use super::row::{
    Doing, corrupt, currency, int, int_opt, parsed, parsed_opt, text, text_opt, time, time_opt,
};
use crate::{
    AssignReview, Assigned, Credited, DismissReview, Dismissed, NewReview, Resolution, ResolutionKind,
    ReviewReason, ReviewRow, StoreResult,
};

pub(super) async fn open(connection: &mut SqliteConnection, review: &NewReview) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO reviews (provider, reference, amount, ticker, deposit, reason, since) \
         VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(review.provider.as_str())
    .bind(&review.reference)
    .bind(review.amount.as_deref())
    .bind(review.ticker.map(|t| t.as_str().to_owned()))
    .bind(review.deposit.as_ref().map(|d| d.as_str()))
    .bind(review.reason.to_string())
    .bind(review.since.millis())
    .execute(connection)
    .await
    .doing("open a review")
    .map(|_| ())
}

const SELECT: &str = "SELECT r.*, e.id AS entry_id, e.currency, e.scale, e.amount AS entry_amount, a.name AS account_name \
     FROM reviews r LEFT JOIN ledger_entries e ON e.id = r.entry LEFT JOIN accounts a ON a.id = e.account ";
/// A payment that was made so long after an item was resolved is other money than the item's, however wrong a clock is.
const APART_MILLIS: i64 = 24 * 3600 * 1000;

fn review(row: &SqliteRow) -> StoreResult<ReviewRow> {
    Ok(ReviewRow {
        id: int(row, "id")?,
        provider: parsed(row, "provider")?,
        reference: text(row, "reference")?,
        amount: text_opt(row, "amount")?,
        ticker: parsed_opt(row, "ticker")?,
        deposit: parsed_opt(row, "deposit")?,
        reason: parsed(row, "reason")?,
        since: time(row, "since")?,
        resolution: resolution(row)?,
    })
}

fn resolution(row: &SqliteRow) -> StoreResult<Option<Resolution>> {
    let Some(at) = time_opt(row, "resolved_at")? else { return Ok(None) };
    let credited = match int_opt(row, "entry_id")? {
        Some(entry) => Some(Credited {
            entry,
            account: parsed(row, "account_name")?,
            amount: Signed::parse_minor(&text(row, "entry_amount")?, currency(row)?)
                .map_err(|e| corrupt("entry_amount", e))?,
        }),
        None => None,
    };
    Ok(Some(Resolution {
        kind: parsed(row, "resolution")?,
        at,
        by: text(row, "resolved_by")?,
        note: text_opt(row, "note")?,
        credited,
    }))
}

pub(super) async fn all(connection: &mut SqliteConnection, open: bool) -> StoreResult<Vec<ReviewRow>> {
    let sql = if open {
        format!("{SELECT} WHERE r.resolved_at IS NULL ORDER BY r.since, r.id")
    } else {
        format!("{SELECT} ORDER BY r.since, r.id")
    };
    sqlx::query(AssertSqlSafe(sql))
        .fetch_all(connection)
        .await
        .doing("read reviews")?
        .iter()
        .map(review)
        .collect()
}

pub(super) async fn read(connection: &mut SqliteConnection, id: i64) -> StoreResult<Option<ReviewRow>> {
    sqlx::query(AssertSqlSafe(format!("{SELECT} WHERE r.id = ?")))
        .bind(id)
        .fetch_optional(connection)
        .await
        .doing("read a review")?
        .as_ref()
        .map(review)
        .transpose()
}

/// By the index of what is open, so that what was resolved costs nothing.
pub(super) async fn waits(connection: &mut SqliteConnection, id: &DepositId) -> StoreResult<bool> {
    let open = "SELECT EXISTS (SELECT 1 FROM reviews WHERE resolved_at IS NULL AND deposit = ?)";
    let found: i64 =
        sqlx::query_scalar(open).bind(id.as_str()).fetch_one(connection).await.doing("look for a review")?;
    Ok(found != 0)
}

/// The assigned item about this very reference.
async fn assigned_item(
    connection: &mut SqliteConnection,
    provider: ProviderId,
    reference: &str,
) -> StoreResult<Option<ReviewRow>> {
    let sql = format!(
        "{SELECT} WHERE r.provider = ? AND r.reference = ? AND r.resolution = 'assigned' ORDER BY r.id LIMIT 1"
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(provider.as_str())
        .bind(reference)
        .fetch_optional(connection)
        .await
        .doing("find an assignment")?
        .as_ref()
        .map(review)
        .transpose()
}

pub(super) async fn assignment(
    connection: &mut SqliteConnection,
    deposit: &DepositId,
    provider: ProviderId,
    payment: &PaymentRef,
    paid_at: Option<Timestamp>,
) -> StoreResult<Option<ReviewRow>> {
    let sql = format!(
        "{SELECT} WHERE r.provider = ?1 AND r.resolution = 'assigned' AND (r.reference = ?2 \
             OR (r.reason = 'no_deposit' AND (?4 IS NULL OR ?4 < r.resolved_at + ?5) AND (r.reference = ?3 \
                 OR r.reference IN (SELECT ref FROM orders WHERE deposit = ?3 AND provider = ?1) \
                 OR r.reference IN (SELECT address FROM addresses WHERE deposit = ?3 AND provider = ?1)))) \
         ORDER BY r.id LIMIT 1"
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(provider.as_str())
        .bind(payment.as_str())
        .bind(deposit.as_str())
        .bind(paid_at.map(Timestamp::millis))
        .bind(APART_MILLIS)
        .fetch_optional(connection)
        .await
        .doing("find an assignment")?
        .as_ref()
        .map(review)
        .transpose()
}

/// The deposit for which the ledger has postings of what the item is about.
async fn posted(connection: &mut SqliteConnection, item: &ReviewRow) -> StoreResult<Option<DepositId>> {
    sqlx::query(
        "SELECT deposit FROM ledger_transactions WHERE provider = ?1 AND payment IS NOT NULL AND (payment = ?2 \
             OR (?3 AND (deposit = ?2 OR deposit IN (SELECT deposit FROM orders WHERE provider = ?1 AND ref = ?2) \
                 OR deposit IN (SELECT deposit FROM addresses WHERE provider = ?1 AND address = ?2)))) \
         ORDER BY id LIMIT 1",
    )
    .bind(item.provider.as_str())
    .bind(&item.reference)
    .bind(item.reason == ReviewReason::NoDeposit)
    .fetch_optional(connection)
    .await
    .doing("find postings")?
    .map(|row| parsed(&row, "deposit"))
    .transpose()
}

pub(super) async fn assign(
    connection: &mut SqliteConnection,
    command: AssignReview,
) -> StoreResult<Assigned> {
    let Some(item) = read(connection, command.id).await? else { return Ok(Assigned::Unknown) };
    if item.resolution.is_some() {
        return Ok(Assigned::Resolved(Box::new(item)));
    }
    if let Some(deposit) = posted(connection, &item).await? {
        return Ok(Assigned::Posted { deposit });
    }
    if !command.again
        && let Some(other) = assigned_item(connection, item.provider, &item.reference).await?
    {
        return Ok(Assigned::Elsewhere(Box::new(other)));
    }
    let open: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM accounts WHERE id = ? AND closed_at IS NULL)")
            .bind(command.account.0)
            .fetch_one(&mut *connection)
            .await
            .doing("read an account")?;
    if !open {
        return Ok(Assigned::NoAccount);
    }
    let amount = Signed::credit(command.amount);
    if amount.is_zero() || !commit::fits(connection, command.account, amount).await? {
        return Ok(Assigned::BadAmount);
    }
    let entry = commit::adjust(connection, command.account, item.provider, amount, command.now).await?;
    let resolution = Outcome {
        kind: ResolutionKind::Assigned,
        by: &command.by,
        note: command.note.as_deref(),
        entry: Some(entry),
        now: command.now,
    };
    resolve(connection, command.id, resolution).await?;
    Ok(Assigned::Yes { entry })
}

pub(super) async fn dismiss(
    connection: &mut SqliteConnection,
    command: DismissReview,
) -> StoreResult<Dismissed> {
    let Some(item) = read(connection, command.id).await? else { return Ok(Dismissed::Unknown) };
    if item.resolution.is_some() {
        return Ok(Dismissed::Resolved(Box::new(item)));
    }
    let resolution = Outcome {
        kind: ResolutionKind::Dismissed,
        by: &command.by,
        note: Some(&command.reason),
        entry: None,
        now: command.now,
    };
    resolve(connection, command.id, resolution).await?;
    Ok(Dismissed::Yes)
}

struct Outcome<'a> {
    kind: ResolutionKind,
    by: &'a str,
    note: Option<&'a str>,
    entry: Option<i64>,
    now: Timestamp,
}

async fn resolve(connection: &mut SqliteConnection, id: i64, outcome: Outcome<'_>) -> StoreResult<()> {
    sqlx::query(
        "UPDATE reviews SET resolved_at = ?2, resolution = ?3, resolved_by = ?4, note = ?5, entry = ?6 WHERE id = ?1",
    )
    .bind(id)
    .bind(outcome.now.millis())
    .bind(outcome.kind.to_string())
    .bind(outcome.by)
    .bind(outcome.note)
    .bind(outcome.entry)
    .execute(connection)
    .await
    .doing("resolve a review")
    .map(|_| ())
}

//! The commit of an observation: evidence, history, postings, in one savepoint.

use super::SqliteStore;
use async_trait::async_trait;
use std::collections::BTreeSet;

use deposit_core::{DepositId, PaymentRef, ProviderId, Timestamp};
use sqlx::SqliteConnection;

use super::row::{Doing, number, to_int, to_json};
use super::{assigned, deposits, ledger, rates, reviews};
use crate::{Commit, Committed, DepositRow, ObservationStore, Phase, StoreResult, Touch, crash_point};

#[async_trait]
impl ObservationStore for SqliteStore {
    async fn begin_read(&self, id: &DepositId) -> StoreResult<Option<(DepositRow, u64)>> {
        let id = id.clone();
        self.writer.run(move |c| Box::pin(begin_read(c, id))).await
    }

    async fn commit(&self, command: Commit) -> StoreResult<Committed> {
        self.writer.run(move |c| Box::pin(commit(c, command))).await
    }

    async fn touch(&self, command: Touch) -> StoreResult<bool> {
        self.writer.run(move |c| Box::pin(touch(c, command))).await
    }
}

async fn begin_read(
    connection: &mut SqliteConnection,
    id: DepositId,
) -> StoreResult<Option<(DepositRow, u64)>> {
    let row = sqlx::query(
        "UPDATE deposits SET snapshot_taken = snapshot_taken + 1 WHERE id = ? AND phase = 'open' RETURNING *",
    )
    .bind(id.as_str())
    .fetch_optional(connection)
    .await
    .doing("number a snapshot")?;
    row.map(|row| Ok((deposits::deposit(&row)?, number(&row, "snapshot_taken")?))).transpose()
}

pub(super) async fn commit(connection: &mut SqliteConnection, command: Commit) -> StoreResult<Committed> {
    let Some(row) = deposits::read(connection, &command.id).await? else { return Ok(Committed::Conflict) };
    if row.phase != Phase::Open {
        return Ok(Committed::Conflict);
    }
    if let Some(refusal) = refusal(connection, &command, &row).await? {
        return Ok(refusal);
    }
    let version = deposits::next(row.version)?;
    let history = if command.view.is_some() { deposits::next(row.history)? } else { row.history };

    for rate in &command.rates {
        rates::store(connection, rate).await?;
    }
    for payment in command.evidence.payments.keys() {
        own(connection, row.provider, payment, &command.id).await?;
    }
    if let Some(intent) = &command.intent {
        deposits::show(connection, &command.id, intent).await?;
    }
    update(connection, &command, version, history).await?;
    if let Some(view) = &command.view {
        deposits::write_history(connection, &command.id, history, command.now, command.status, view).await?;
    }
    crash_point("store.in_commit.evidence");
    for posting in &command.postings {
        ledger::post(connection, &command, &row, posting, version).await?;
    }
    crash_point("store.in_commit.postings");
    reviews::sight_all(connection, &command.reviews).await?;
    if !command.postings.is_empty() {
        reviews::settle_order(connection, &command.id, row.provider, command.now).await?;
    }
    Ok(Committed::Yes { history, version })
}

/// Whether the command may not be committed; nothing has been written yet.
async fn refusal(
    connection: &mut SqliteConnection,
    command: &Commit,
    row: &DepositRow,
) -> StoreResult<Option<Committed>> {
    // Before the version: an old snapshot stays old however often the row is read again.
    if command.snapshot.is_some_and(|number| number <= row.snapshot) {
        return Ok(Some(Committed::StaleSnapshot));
    }
    if command.expected_version != row.version {
        return Ok(Some(Committed::Conflict));
    }
    for payment in command.evidence.payments.keys() {
        if let Some(owner) = deposits::owner(connection, row.provider, payment).await?
            && owner != command.id
        {
            return Ok(Some(Committed::PaymentTaken { payment: payment.clone(), owner }));
        }
    }
    let mut fresh = BTreeSet::new();
    for posting in &command.postings {
        if !fresh.insert((&posting.payment, posting.number))
            || is_posted(connection, row.provider, &posting.payment, posting.number).await?
        {
            return Ok(Some(Committed::Duplicate));
        }
        // Within the transaction: an operator may have assigned the money since the row was read.
        if posting.number == 1
            && assigned::assignment(connection, &command.id, row.provider, &posting.payment).await?.is_some()
        {
            return Ok(Some(Committed::Assigned { payment: posting.payment.clone() }));
        }
    }
    Ok(None)
}

async fn own(
    connection: &mut SqliteConnection,
    provider: ProviderId,
    payment: &PaymentRef,
    id: &DepositId,
) -> StoreResult<()> {
    sqlx::query("INSERT INTO payments (provider, payment, deposit) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
        .bind(provider.as_str())
        .bind(payment.as_str())
        .bind(id.as_str())
        .execute(connection)
        .await
        .doing("note a payment")
        .map(|_| ())
}

async fn is_posted(
    connection: &mut SqliteConnection,
    provider: ProviderId,
    payment: &PaymentRef,
    posting: u32,
) -> StoreResult<bool> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM ledger_transactions WHERE provider = ? AND payment = ? AND posting = ?)",
    )
    .bind(provider.as_str())
    .bind(payment.as_str())
    .bind(i64::from(posting))
    .fetch_one(connection)
    .await
    .doing("find a posting")
}

async fn update(
    connection: &mut SqliteConnection,
    command: &Commit,
    version: u64,
    history: u64,
) -> StoreResult<()> {
    let intent = command.intent.as_ref().map(|intent| to_json(intent, "intent")).transpose()?;
    let snapshot = command.snapshot.map(to_int).transpose()?;
    sqlx::query(
        "UPDATE deposits SET evidence = ?2, credit = ?3, status = ?4, version = ?5, history = ?6, \
                intent = coalesce(?7, intent), \
                snapshot = coalesce(?8, snapshot), \
                last_read_at = CASE WHEN ?8 IS NULL THEN last_read_at ELSE ?9 END, \
                updated_at = CASE WHEN ?6 = history THEN updated_at ELSE ?9 END, \
                unpriced = ?10, under_way = ?11, expiry_pending = ?12, next_check_at = ?13, lane = ?14, \
                failures = ?15, gone_since = ?16, ended_at = ?17, ended_reason = ?18 \
         WHERE id = ?1",
    )
    .bind(command.id.as_str())
    .bind(to_json(&command.evidence, "evidence")?)
    .bind(to_json(&command.credit, "credit")?)
    .bind(command.status.to_string())
    .bind(to_int(version)?)
    .bind(to_int(history)?)
    .bind(intent)
    .bind(snapshot)
    .bind(command.now.millis())
    .bind(command.unpriced)
    .bind(command.under_way)
    .bind(command.expiry_pending)
    .bind(command.watch.next.map(|check| check.at.millis()))
    .bind(command.watch.next.map(|check| check.lane.to_string()))
    .bind(i64::from(command.watch.failures))
    .bind(command.watch.gone_since.map(Timestamp::millis))
    .bind(command.watch.ended.map(|ended| ended.at.millis()))
    .bind(command.watch.ended.map(|ended| ended.why.to_string()))
    .execute(connection)
    .await
    .doing("write a deposit")
    .map(|_| ())
}

/// A read that changed nothing. It is the newest word all the same: an older snapshot that comes later is stale.
pub(super) async fn touch(connection: &mut SqliteConnection, command: Touch) -> StoreResult<bool> {
    sqlx::query(
        "UPDATE deposits SET snapshot = ?2, next_check_at = ?3, last_read_at = ?4, lane = ?5, failures = ?6, gone_since = ?7, \
                ended_at = ?8, ended_reason = ?9 \
         WHERE id = ?1 AND phase = 'open' AND snapshot < ?2",
    )
    .bind(command.id.as_str())
    .bind(to_int(command.snapshot)?)
    .bind(command.watch.next.map(|check| check.at.millis()))
    .bind(command.now.millis())
    .bind(command.watch.next.map(|check| check.lane.to_string()))
    .bind(i64::from(command.watch.failures))
    .bind(command.watch.gone_since.map(Timestamp::millis))
    .bind(command.watch.ended.map(|ended| ended.at.millis()))
    .bind(command.watch.ended.map(|ended| ended.why.to_string()))
    .execute(connection)
    .await
    .doing("note a read")
    .map(|done| done.rows_affected() > 0)
}

//! The journal of verified deliveries.

use super::SqliteStore;
use async_trait::async_trait;
use deposit_core::Timestamp;
use sha2::{Digest, Sha256};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::row::{Doing, int, parsed, text, text_opt, time, time_opt, to_json};
use crate::{JournalEntry, JournalFilter, JournalOutcome, JournalRow, JournalStore, StoreResult};

#[async_trait]
impl JournalStore for SqliteStore {
    async fn journal(&self, entry: JournalEntry) -> StoreResult<JournalOutcome> {
        self.writer.run(move |c| Box::pin(store(c, entry))).await
    }

    async fn claim_journal(
        &self,
        now: Timestamp,
        lease_until: Timestamp,
        limit: u32,
    ) -> StoreResult<Vec<JournalRow>> {
        self.writer.run(move |c| Box::pin(claim(c, now, lease_until, limit))).await
    }

    async fn finish_journal(&self, id: i64, outcome: &str, now: Timestamp) -> StoreResult<()> {
        let outcome = outcome.to_owned();
        self.writer.run(move |c| Box::pin(finish(c, id, outcome, now))).await
    }

    async fn journal_rows(&self, filter: JournalFilter) -> StoreResult<Vec<JournalRow>> {
        rows(&mut *self.reader().await?, filter).await
    }

    async fn purge_journal_bodies(&self, before: Timestamp, limit: u32) -> StoreResult<u64> {
        self.writer.run(move |c| Box::pin(purge_bodies(c, before, limit))).await
    }
}

fn delivery(row: &SqliteRow) -> StoreResult<JournalRow> {
    Ok(JournalRow {
        id: int(row, "id")?,
        provider: parsed(row, "provider")?,
        delivery: parsed(row, "delivery")?,
        observations: text(row, "observations")?,
        received_at: time(row, "received_at")?,
        handled_at: time_opt(row, "handled_at")?,
        outcome: text_opt(row, "outcome")?,
    })
}

pub(super) async fn store(
    connection: &mut SqliteConnection,
    entry: JournalEntry,
) -> StoreResult<JournalOutcome> {
    let known = sqlx::query("SELECT id FROM journal WHERE provider = ? AND delivery = ?")
        .bind(entry.provider.as_str())
        .bind(entry.delivery.as_str())
        .fetch_optional(&mut *connection)
        .await
        .doing("find a delivery")?;
    if let Some(row) = known {
        return int(&row, "id").map(JournalOutcome::Duplicate);
    }
    let digest: [u8; 32] = Sha256::digest(&entry.body).into();
    let row = sqlx::query(
        "INSERT INTO journal (provider, delivery, body, body_sha256, observations, received_at) \
         VALUES (?, ?, ?, ?, ?, ?) RETURNING id",
    )
    .bind(entry.provider.as_str())
    .bind(entry.delivery.as_str())
    .bind(&entry.body)
    .bind(digest.as_slice())
    .bind(&entry.observations)
    .bind(entry.received_at.millis())
    .fetch_one(connection)
    .await
    .doing("store a delivery")?;
    int(&row, "id").map(JournalOutcome::New)
}

pub(super) async fn claim(
    connection: &mut SqliteConnection,
    now: Timestamp,
    lease_until: Timestamp,
    limit: u32,
) -> StoreResult<Vec<JournalRow>> {
    let due: Vec<JournalRow> = sqlx::query(
        "SELECT id, provider, delivery, observations, received_at, handled_at, outcome FROM journal \
         WHERE handled_at IS NULL AND (lease_until IS NULL OR lease_until <= ?1) ORDER BY received_at, id LIMIT ?2",
    )
    .bind(now.millis())
    .bind(i64::from(limit))
    .fetch_all(&mut *connection)
    .await
    .doing("find deliveries")?
    .iter()
    .map(delivery)
    .collect::<StoreResult<_>>()?;
    for row in &due {
        sqlx::query("UPDATE journal SET lease_until = ?2 WHERE id = ?1")
            .bind(row.id)
            .bind(lease_until.millis())
            .execute(&mut *connection)
            .await
            .doing("claim a delivery")?;
    }
    Ok(due)
}

pub(super) async fn finish(
    connection: &mut SqliteConnection,
    id: i64,
    outcome: String,
    now: Timestamp,
) -> StoreResult<()> {
    sqlx::query("UPDATE journal SET handled_at = ?2, outcome = ?3, lease_until = NULL WHERE id = ?1")
        .bind(id)
        .bind(now.millis())
        .bind(outcome)
        .execute(connection)
        .await
        .doing("finish a delivery")
        .map(|_| ())
}

pub(super) async fn rows(
    connection: &mut SqliteConnection,
    filter: JournalFilter,
) -> StoreResult<Vec<JournalRow>> {
    let ids = if filter.ids.is_empty() { None } else { Some(to_json(&filter.ids, "ids")?) };
    let outcomes =
        if filter.outcomes.is_empty() { None } else { Some(to_json(&filter.outcomes, "outcomes")?) };
    let newest_first = sqlx::query(
        "SELECT id, provider, delivery, observations, received_at, handled_at, outcome FROM journal \
         WHERE (?1 IS NULL OR provider = ?1) AND (?2 IS NULL OR id IN (SELECT value FROM json_each(?2))) \
           AND ((NOT ?4 AND ?5 IS NULL) OR (?4 AND handled_at IS NULL) \
                OR outcome IN (SELECT value FROM json_each(?5))) \
         ORDER BY id DESC LIMIT ?3",
    )
    .bind(filter.provider.map(|p| p.as_str().to_owned()))
    .bind(ids)
    // -1: all of them.
    .bind(filter.limit.map_or(-1, i64::from))
    .bind(filter.unhandled)
    .bind(outcomes)
    .fetch_all(connection)
    .await
    .doing("read the journal")?;
    newest_first.iter().rev().map(delivery).collect()
}

pub(super) async fn purge_bodies(
    connection: &mut SqliteConnection,
    before: Timestamp,
    limit: u32,
) -> StoreResult<u64> {
    sqlx::query(
        "UPDATE journal SET body = NULL WHERE id IN (SELECT id FROM journal \
         WHERE body IS NOT NULL AND handled_at IS NOT NULL AND received_at < ? ORDER BY received_at LIMIT ?)",
    )
    .bind(before.millis())
    .bind(i64::from(limit))
    .execute(connection)
    .await
    .doing("purge the journal")
    .map(|done| done.rows_affected())
}

//! What the timers ask for.

use super::SqliteStore;
use async_trait::async_trait;
use deposit_core::{DepositId, ProviderId, ScanCursor, Timestamp};
use deposit_lifecycle::watch::{LANES, Lane, Lanes};
use sqlx::SqliteConnection;

use super::row::{Doing, number, parsed, time_opt};
use crate::{Backlog, ScheduleStore, StoreResult};

#[async_trait]
impl ScheduleStore for SqliteStore {
    async fn due_checks(&self, provider: ProviderId, now: Timestamp, most: u32) -> StoreResult<Lanes<u32>> {
        due_checks(&mut *self.reader().await?, provider, now, most).await
    }

    async fn claim_checks(
        &self,
        provider: ProviderId,
        now: Timestamp,
        lease_until: Timestamp,
        limits: Lanes<u32>,
    ) -> StoreResult<Vec<DepositId>> {
        self.writer.run(move |c| Box::pin(claim_checks(c, provider, now, lease_until, limits))).await
    }

    async fn release_checks(&self, ids: Vec<DepositId>, at: Timestamp) -> StoreResult<()> {
        self.writer.run(move |c| Box::pin(release_checks(c, ids, at))).await
    }

    async fn first_due(&self, provider: ProviderId, lane: Lane) -> StoreResult<Option<Timestamp>> {
        first_due(&mut *self.reader().await?, provider, lane).await
    }

    async fn check_at(&self, id: &DepositId, at: Timestamp) -> StoreResult<()> {
        let id = id.clone();
        self.writer.run(move |c| Box::pin(check_at(c, id, at))).await
    }

    async fn due_expiries(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<DepositId>> {
        due_expiries(&mut *self.reader().await?, now, limit).await
    }

    async fn unpriced(&self, limit: u32) -> StoreResult<Vec<DepositId>> {
        unpriced(&mut *self.reader().await?, limit).await
    }

    async fn scan_cursor(&self, provider: ProviderId) -> StoreResult<Option<ScanCursor>> {
        scan_cursor(&mut *self.reader().await?, provider).await
    }

    async fn move_scan_cursor(&self, provider: ProviderId, cursor: &ScanCursor) -> StoreResult<()> {
        let cursor = cursor.clone();
        self.writer.run(move |c| Box::pin(move_scan_cursor(c, provider, cursor))).await
    }

    async fn backlog(&self) -> StoreResult<Backlog> {
        backlog(&mut *self.reader().await?).await
    }
}

/// Both are read off the index of lanes alone; a test asks SQLite for its plan.
pub(super) const COUNT_DUE: &str = "SELECT lane, count(*) AS due FROM (\
     SELECT * FROM (SELECT lane FROM deposits WHERE provider = ?1 AND lane = 'young' AND next_check_at <= ?2 LIMIT ?3) \
     UNION ALL \
     SELECT * FROM (SELECT lane FROM deposits WHERE provider = ?1 AND lane = 'under_way' AND next_check_at <= ?2 LIMIT ?3) \
     UNION ALL \
     SELECT * FROM (SELECT lane FROM deposits WHERE provider = ?1 AND lane = 'old' AND next_check_at <= ?2 LIMIT ?3)) \
     GROUP BY lane";
pub(super) const CLAIM: &str = "UPDATE deposits SET next_check_at = ?4 WHERE id IN (\
     SELECT id FROM deposits WHERE provider = ?1 AND lane = ?2 AND next_check_at <= ?3 ORDER BY next_check_at LIMIT ?5) \
     RETURNING id";
pub(super) const FIRST_DUE: &str =
    "SELECT min(next_check_at) FROM deposits WHERE provider = ?1 AND lane = ?2 AND next_check_at IS NOT NULL";

pub(super) async fn due_checks(
    connection: &mut SqliteConnection,
    provider: ProviderId,
    now: Timestamp,
    most: u32,
) -> StoreResult<Lanes<u32>> {
    let rows = sqlx::query(COUNT_DUE)
        .bind(provider.as_str())
        .bind(now.millis())
        .bind(i64::from(most))
        .fetch_all(connection)
        .await
        .doing("count due reads")?;
    let mut due = Lanes::all(0);
    for row in &rows {
        *due.get_mut(parsed(row, "lane")?) = number(row, "due")?;
    }
    Ok(due)
}

pub(super) async fn claim_checks(
    connection: &mut SqliteConnection,
    provider: ProviderId,
    now: Timestamp,
    lease_until: Timestamp,
    limits: Lanes<u32>,
) -> StoreResult<Vec<DepositId>> {
    let mut claimed = Vec::new();
    for lane in LANES {
        let limit = *limits.get(lane);
        if limit == 0 {
            continue;
        }
        let rows = sqlx::query(CLAIM)
            .bind(provider.as_str())
            .bind(lane.to_string())
            .bind(now.millis())
            .bind(lease_until.millis())
            .bind(i64::from(limit))
            .fetch_all(&mut *connection)
            .await
            .doing("claim reads")?;
        for row in &rows {
            claimed.push(parsed(row, "id")?);
        }
    }
    Ok(claimed)
}

pub(super) async fn release_checks(
    connection: &mut SqliteConnection,
    ids: Vec<DepositId>,
    at: Timestamp,
) -> StoreResult<()> {
    for id in &ids {
        check_at(&mut *connection, id.clone(), at).await?;
    }
    Ok(())
}

pub(super) async fn first_due(
    connection: &mut SqliteConnection,
    provider: ProviderId,
    lane: Lane,
) -> StoreResult<Option<Timestamp>> {
    let first: Option<i64> = sqlx::query_scalar(FIRST_DUE)
        .bind(provider.as_str())
        .bind(lane.to_string())
        .fetch_one(connection)
        .await
        .doing("find the oldest due read")?;
    Ok(first.map(Timestamp::from_millis))
}

pub(super) async fn check_at(
    connection: &mut SqliteConnection,
    id: DepositId,
    at: Timestamp,
) -> StoreResult<()> {
    sqlx::query(
        "UPDATE deposits SET next_check_at = min(coalesce(next_check_at, ?2), ?2), lane = coalesce(lane, 'old'), \
                ended_at = NULL, ended_reason = NULL \
         WHERE id = ?1 AND phase = 'open'",
    )
    .bind(id.as_str())
    .bind(at.millis())
    .execute(connection)
    .await
    .doing("bring a read forward")
    .map(|_| ())
}

pub(super) async fn due_expiries(
    connection: &mut SqliteConnection,
    now: Timestamp,
    limit: u32,
) -> StoreResult<Vec<DepositId>> {
    sqlx::query(
        "SELECT id FROM deposits WHERE expiry_pending = 1 AND expires_at <= ?1 ORDER BY expires_at, rowid LIMIT ?2",
    )
    .bind(now.millis())
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await
    .doing("find due expiries")?
    .iter()
    .map(|row| parsed(row, "id"))
    .collect()
}

pub(super) async fn unpriced(connection: &mut SqliteConnection, limit: u32) -> StoreResult<Vec<DepositId>> {
    sqlx::query("SELECT id FROM deposits WHERE unpriced = 1 ORDER BY last_read_at, rowid LIMIT ?")
        .bind(i64::from(limit))
        .fetch_all(connection)
        .await
        .doing("find unpriced deposits")?
        .iter()
        .map(|row| parsed(row, "id"))
        .collect()
}

pub(super) async fn scan_cursor(
    connection: &mut SqliteConnection,
    provider: ProviderId,
) -> StoreResult<Option<ScanCursor>> {
    sqlx::query_scalar("SELECT cursor FROM scan_cursors WHERE provider = ?")
        .bind(provider.as_str())
        .fetch_optional(connection)
        .await
        .doing("read a scan cursor")
        .map(|cursor: Option<String>| cursor.map(ScanCursor))
}

pub(super) async fn move_scan_cursor(
    connection: &mut SqliteConnection,
    provider: ProviderId,
    cursor: ScanCursor,
) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO scan_cursors (provider, cursor) VALUES (?1, ?2) \
         ON CONFLICT (provider) DO UPDATE SET cursor = excluded.cursor WHERE cursor <> excluded.cursor",
    )
    .bind(provider.as_str())
    .bind(cursor.0)
    .execute(connection)
    .await
    .doing("move a scan cursor")
    .map(|_| ())
}

/// Each count is over a partial index that holds just what waits.
pub(super) async fn backlog(connection: &mut SqliteConnection) -> StoreResult<Backlog> {
    let row = sqlx::query(
        "SELECT (SELECT COUNT(*) FROM reviews WHERE resolved_at IS NULL) AS reviews, \
                (SELECT COUNT(*) FROM journal WHERE handled_at IS NULL) AS deliveries, \
                (SELECT MIN(received_at) FROM journal WHERE handled_at IS NULL) AS oldest, \
                (SELECT COUNT(*) FROM deposits WHERE unpriced = 1) AS unpriced",
    )
    .fetch_one(connection)
    .await
    .doing("count what waits")?;
    Ok(Backlog {
        reviews: number(&row, "reviews")?,
        deliveries: number(&row, "deliveries")?,
        oldest_delivery: time_opt(&row, "oldest")?,
        unpriced: number(&row, "unpriced")?,
    })
}

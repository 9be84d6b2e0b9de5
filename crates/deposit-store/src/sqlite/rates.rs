//! Stored rates. A rate is in force from its `valid_from` until that of the next one.

use super::SqliteStore;
use async_trait::async_trait;
use deposit_core::{Ticker, Timestamp};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::row::{Doing, int, parsed, text, time};
use crate::{RateStore, StoreResult, StoredRate};

#[async_trait]
impl RateStore for SqliteStore {
    async fn store_rates(&self, rates: Vec<StoredRate>) -> StoreResult<()> {
        self.writer.run(move |c| Box::pin(store_all(c, rates))).await
    }

    async fn prune_rates(&self, before: Timestamp, limit: u32) -> StoreResult<u64> {
        self.writer.run(move |c| Box::pin(prune(c, before, limit))).await
    }

    async fn newest_rates(&self) -> StoreResult<Vec<StoredRate>> {
        newest(&mut *self.reader().await?).await
    }

    async fn rate_at(&self, ticker: Ticker, at: Timestamp) -> StoreResult<Option<StoredRate>> {
        self::at(&mut *self.reader().await?, ticker, at).await
    }

    async fn rate_after(&self, ticker: Ticker, at: Timestamp) -> StoreResult<Option<StoredRate>> {
        self::after(&mut *self.reader().await?, ticker, at).await
    }

    async fn rates_since(&self, ticker: Ticker, since: Timestamp) -> StoreResult<Vec<StoredRate>> {
        self::since(&mut *self.reader().await?, ticker, since).await
    }
}

fn rate(row: &SqliteRow) -> StoreResult<StoredRate> {
    Ok(StoredRate {
        ticker: parsed(row, "ticker")?,
        price: parsed(row, "price")?,
        source: text(row, "source")?,
        valid_from: time(row, "valid_from")?,
        seen_until: time(row, "seen_until")?,
    })
}

pub(super) async fn store(connection: &mut SqliteConnection, new: &StoredRate) -> StoreResult<()> {
    // A rate that ends before it begins was heard of once, when it began.
    let seen_until = new.seen_until.max(new.valid_from);
    let newest =
        sqlx::query("SELECT * FROM rates WHERE ticker = ? ORDER BY valid_from DESC, id DESC LIMIT 1")
            .bind(new.ticker.as_str())
            .fetch_optional(&mut *connection)
            .await
            .doing("read the newest rate")?;
    if let Some(row) = &newest {
        let known = rate(row)?;
        if known.price == new.price && known.source == new.source && known.valid_from <= new.valid_from {
            return sqlx::query("UPDATE rates SET seen_until = max(seen_until, ?2) WHERE id = ?1")
                .bind(int(row, "id")?)
                .bind(seen_until.millis())
                .execute(connection)
                .await
                .doing("note a rate again")
                .map(|_| ());
        }
    }
    sqlx::query(
        "INSERT INTO rates (ticker, price, source, valid_from, seen_until) VALUES (?, ?, ?, ?, ?) \
         ON CONFLICT (ticker, valid_from, price, source) \
         DO UPDATE SET seen_until = max(seen_until, excluded.seen_until)",
    )
    .bind(new.ticker.as_str())
    .bind(new.price.to_string())
    .bind(&new.source)
    .bind(new.valid_from.millis())
    .bind(seen_until.millis())
    .execute(connection)
    .await
    .doing("store a rate")
    .map(|_| ())
}

pub(super) async fn store_all(connection: &mut SqliteConnection, rates: Vec<StoredRate>) -> StoreResult<()> {
    for rate in &rates {
        store(connection, rate).await?;
    }
    Ok(())
}

pub(super) async fn newest(connection: &mut SqliteConnection) -> StoreResult<Vec<StoredRate>> {
    // From one ticker to the next by the index: the table is as long as the history of rates.
    sqlx::query(
        "WITH RECURSIVE tickers (ticker) AS ( \
             SELECT min(ticker) FROM rates \
             UNION ALL \
             SELECT (SELECT min(r.ticker) FROM rates r WHERE r.ticker > t.ticker) FROM tickers t \
             WHERE t.ticker IS NOT NULL) \
         SELECT r.* FROM tickers t JOIN rates r ON r.id = \
             (SELECT id FROM rates WHERE ticker = t.ticker ORDER BY valid_from DESC, id DESC LIMIT 1) \
         ORDER BY r.ticker",
    )
    .fetch_all(connection)
    .await
    .doing("read the newest rates")?
    .iter()
    .map(rate)
    .collect()
}

pub(super) async fn at(
    connection: &mut SqliteConnection,
    ticker: Ticker,
    at: Timestamp,
) -> StoreResult<Option<StoredRate>> {
    sqlx::query(
        "SELECT * FROM rates WHERE ticker = ? AND valid_from <= ? ORDER BY valid_from DESC, id DESC LIMIT 1",
    )
    .bind(ticker.as_str())
    .bind(at.millis())
    .fetch_optional(connection)
    .await
    .doing("read a rate")?
    .as_ref()
    .map(rate)
    .transpose()
}

pub(super) async fn after(
    connection: &mut SqliteConnection,
    ticker: Ticker,
    at: Timestamp,
) -> StoreResult<Option<StoredRate>> {
    sqlx::query("SELECT * FROM rates WHERE ticker = ? AND valid_from > ? ORDER BY valid_from, id LIMIT 1")
        .bind(ticker.as_str())
        .bind(at.millis())
        .fetch_optional(connection)
        .await
        .doing("read a rate")?
        .as_ref()
        .map(rate)
        .transpose()
}

pub(super) async fn since(
    connection: &mut SqliteConnection,
    ticker: Ticker,
    since: Timestamp,
) -> StoreResult<Vec<StoredRate>> {
    // The one that was in force at `since` began at that time or before.
    sqlx::query(
        "SELECT * FROM rates WHERE ticker = ?1 AND valid_from >= coalesce( \
             (SELECT max(valid_from) FROM rates WHERE ticker = ?1 AND valid_from <= ?2), ?2) \
         ORDER BY valid_from DESC, id DESC",
    )
    .bind(ticker.as_str())
    .bind(since.millis())
    .fetch_all(connection)
    .await
    .doing("read rates")?
    .iter()
    .map(rate)
    .collect()
}

pub(super) async fn prune(
    connection: &mut SqliteConnection,
    before: Timestamp,
    limit: u32,
) -> StoreResult<u64> {
    // Few are unpriced at a time, and they have an index of their own. Those of closed accounts are never priced by rule.
    let needed: Option<i64> = sqlx::query_scalar(
        "SELECT min(d.created_at) FROM deposits d INDEXED BY deposits_unpriced \
         JOIN accounts a ON a.id = d.account WHERE d.unpriced = 1 AND a.closed_at IS NULL",
    )
    .fetch_one(&mut *connection)
    .await
    .doing("read what is unpriced")?;
    let before = needed.map_or(before.millis(), |at| at.min(before.millis()));
    let (mut left, mut gone) = (u64::from(limit), 0_u64);
    for rate in newest(connection).await? {
        let done = sqlx::query(
            "DELETE FROM rates WHERE id IN (SELECT id FROM rates WHERE ticker = ?1 AND valid_from < \
                 (SELECT max(valid_from) FROM rates WHERE ticker = ?1 AND valid_from <= ?2) \
             ORDER BY valid_from, id LIMIT ?3)",
        )
        .bind(rate.ticker.as_str())
        .bind(before)
        .bind(i64::try_from(left).unwrap_or(i64::MAX))
        .execute(&mut *connection)
        .await
        .doing("remove old rates")?
        .rows_affected();
        gone = gone.saturating_add(done);
        left = left.saturating_sub(done);
        if left == 0 {
            break;
        }
    }
    Ok(gone)
}

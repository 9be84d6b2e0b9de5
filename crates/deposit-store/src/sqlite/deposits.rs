//! Deposits as stored: the row, its orders, addresses and history.

use super::SqliteStore;
use async_trait::async_trait;
use deposit_core::{DepositId, IntentRecord, PaymentRef, ProviderId, ProviderRef, Status, Timestamp};
use deposit_lifecycle::watch::{Check, Ended, Watch};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::row::{Doing, corrupt, int, json, json_opt, number, parsed, text, time, time_opt, to_int};
use crate::{AccountId, DepositRow, DepositStore, HistoryRow, Lease, StoreResult};

#[async_trait]
impl DepositStore for SqliteStore {
    async fn deposit(&self, id: &DepositId) -> StoreResult<Option<DepositRow>> {
        read(&mut *self.reader().await?, id).await
    }

    async fn deposit_by_ref(
        &self,
        provider: ProviderId,
        order: &ProviderRef,
    ) -> StoreResult<Option<DepositId>> {
        by_ref(&mut *self.reader().await?, provider, order).await
    }

    async fn deposit_by_payment(
        &self,
        provider: ProviderId,
        payment: &PaymentRef,
    ) -> StoreResult<Option<DepositId>> {
        owner(&mut *self.reader().await?, provider, payment).await
    }

    async fn deposit_by_address(
        &self,
        provider: ProviderId,
        address: &str,
    ) -> StoreResult<Option<DepositId>> {
        by_address(&mut *self.reader().await?, provider, address).await
    }

    async fn orders_of(&self, id: &DepositId) -> StoreResult<Vec<ProviderRef>> {
        orders(&mut *self.reader().await?, id).await
    }

    async fn add_order(&self, id: &DepositId, provider: ProviderId, order: &ProviderRef) -> StoreResult<()> {
        let (id, order) = (id.clone(), order.clone());
        self.writer.run(move |c| Box::pin(async move { add_order(c, &id, provider, &order).await })).await
    }

    async fn deposits_since(
        &self,
        provider: ProviderId,
        since: Timestamp,
        after: Option<&DepositId>,
        limit: u32,
    ) -> StoreResult<Vec<DepositRow>> {
        self::since(&mut *self.reader().await?, provider, since, after, limit).await
    }

    async fn history(&self, id: &DepositId, after: u64) -> StoreResult<Vec<HistoryRow>> {
        history(&mut *self.reader().await?, id, after, u32::MAX).await
    }

    async fn history_page(&self, id: &DepositId, after: u64, limit: u32) -> StoreResult<Vec<HistoryRow>> {
        history(&mut *self.reader().await?, id, after, limit).await
    }

    async fn newest_history(&self, id: &DepositId) -> StoreResult<Option<HistoryRow>> {
        newest_history(&mut *self.reader().await?, id).await
    }
}

pub(super) fn deposit(row: &SqliteRow) -> StoreResult<DepositRow> {
    Ok(DepositRow {
        id: parsed(row, "id")?,
        account: AccountId(int(row, "account")?),
        ticker: parsed(row, "ticker")?,
        provider: parsed(row, "provider")?,
        phase: parsed(row, "phase")?,
        terms: json(row, "terms")?,
        intent: json_opt(row, "intent")?,
        attempt: number(row, "attempt")?,
        attempted_at: time(row, "attempted_at")?,
        evidence: json(row, "evidence")?,
        credit: json(row, "credit")?,
        status: parsed(row, "status")?,
        version: number(row, "version")?,
        snapshot: number(row, "snapshot")?,
        history: number(row, "history")?,
        watch: watch(row)?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}

fn watch(row: &SqliteRow) -> StoreResult<Watch> {
    let next = match time_opt(row, "next_check_at")? {
        Some(at) => Some(Check { at, lane: parsed(row, "lane")? }),
        None => None,
    };
    let ended = match time_opt(row, "ended_at")? {
        Some(at) => Some(Ended { at, why: parsed(row, "ended_reason")? }),
        None => None,
    };
    Ok(Watch { next, ended, failures: number(row, "failures")?, gone_since: time_opt(row, "gone_since")? })
}

pub(super) async fn read(
    connection: &mut SqliteConnection,
    id: &DepositId,
) -> StoreResult<Option<DepositRow>> {
    Ok(read_with_lease(connection, id).await?.map(|(row, _)| row))
}

pub(super) async fn read_with_lease(
    connection: &mut SqliteConnection,
    id: &DepositId,
) -> StoreResult<Option<(DepositRow, Lease)>> {
    let row = sqlx::query("SELECT * FROM deposits WHERE id = ?")
        .bind(id.as_str())
        .fetch_optional(connection)
        .await
        .doing("read a deposit")?;
    let Some(row) = row else { return Ok(None) };
    let lease = Lease { owner: text(&row, "lease_owner")?, until: time(&row, "lease_until")? };
    Ok(Some((deposit(&row)?, lease)))
}

pub(super) async fn by_ref(
    connection: &mut SqliteConnection,
    provider: ProviderId,
    order: &ProviderRef,
) -> StoreResult<Option<DepositId>> {
    sqlx::query("SELECT deposit FROM orders WHERE provider = ? AND ref = ?")
        .bind(provider.as_str())
        .bind(order.as_str())
        .fetch_optional(connection)
        .await
        .doing("find an order")?
        .map(|row| parsed(&row, "deposit"))
        .transpose()
}

pub(super) async fn by_address(
    connection: &mut SqliteConnection,
    provider: ProviderId,
    address: &str,
) -> StoreResult<Option<DepositId>> {
    sqlx::query("SELECT deposit FROM addresses WHERE provider = ? AND address = ?")
        .bind(provider.as_str())
        .bind(address)
        .fetch_optional(connection)
        .await
        .doing("find an address")?
        .map(|row| parsed(&row, "deposit"))
        .transpose()
}

pub(super) async fn orders(
    connection: &mut SqliteConnection,
    id: &DepositId,
) -> StoreResult<Vec<ProviderRef>> {
    sqlx::query("SELECT ref FROM orders WHERE deposit = ? ORDER BY shown DESC, rowid")
        .bind(id.as_str())
        .fetch_all(connection)
        .await
        .doing("read orders")?
        .iter()
        .map(|row| parsed(row, "ref"))
        .collect()
}

pub(super) async fn add_order(
    connection: &mut SqliteConnection,
    id: &DepositId,
    provider: ProviderId,
    order: &ProviderRef,
) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO orders (provider, ref, deposit, shown) VALUES (?, ?, ?, 0) ON CONFLICT DO NOTHING",
    )
    .bind(provider.as_str())
    .bind(order.as_str())
    .bind(id.as_str())
    .execute(connection)
    .await
    .doing("note an order")
    .map(|_| ())
}

/// Notes what is shown to the payer: the order and, for good, the address.
pub(super) async fn show(
    connection: &mut SqliteConnection,
    id: &DepositId,
    intent: &IntentRecord,
) -> StoreResult<()> {
    add_order(connection, id, intent.provider, &intent.provider_ref).await?;
    sqlx::query("UPDATE orders SET shown = (ref = ?2) WHERE deposit = ?1")
        .bind(id.as_str())
        .bind(intent.provider_ref.as_str())
        .execute(&mut *connection)
        .await
        .doing("note the shown order")?;
    let Some(address) = intent.instructions.address() else { return Ok(()) };
    sqlx::query("INSERT INTO addresses (provider, address, deposit) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
        .bind(intent.provider.as_str())
        .bind(address)
        .bind(id.as_str())
        .execute(connection)
        .await
        .doing("note an address")
        .map(|_| ())
}

pub(super) async fn write_history(
    connection: &mut SqliteConnection,
    id: &DepositId,
    n: u64,
    at: Timestamp,
    status: Status,
    view: &str,
) -> StoreResult<()> {
    sqlx::query("INSERT INTO history (deposit, n, at, status, view) VALUES (?, ?, ?, ?, ?)")
        .bind(id.as_str())
        .bind(to_int(n)?)
        .bind(at.millis())
        .bind(status.to_string())
        .bind(view)
        .execute(connection)
        .await
        .doing("write history")
        .map(|_| ())
}

pub(super) async fn history(
    connection: &mut SqliteConnection,
    id: &DepositId,
    after: u64,
    limit: u32,
) -> StoreResult<Vec<HistoryRow>> {
    sqlx::query("SELECT n, at, status, view FROM history WHERE deposit = ? AND n > ? ORDER BY n LIMIT ?")
        .bind(id.as_str())
        // A cursor beyond every number that there can be.
        .bind(i64::try_from(after).unwrap_or(i64::MAX))
        .bind(i64::from(limit))
        .fetch_all(connection)
        .await
        .doing("read history")?
        .iter()
        .map(history_row)
        .collect()
}

pub(super) async fn since(
    connection: &mut SqliteConnection,
    provider: ProviderId,
    since: Timestamp,
    after: Option<&DepositId>,
    limit: u32,
) -> StoreResult<Vec<DepositRow>> {
    sqlx::query(
        "SELECT * FROM deposits WHERE id > ?3 AND provider = ?1 AND phase = 'open' \
                AND (created_at >= ?2 OR updated_at >= ?2) ORDER BY id LIMIT ?4",
    )
    .bind(provider.as_str())
    .bind(since.millis())
    .bind(after.map_or("", DepositId::as_str))
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await
    .doing("read deposits")?
    .iter()
    .map(deposit)
    .collect()
}

pub(super) async fn newest_history(
    connection: &mut SqliteConnection,
    id: &DepositId,
) -> StoreResult<Option<HistoryRow>> {
    sqlx::query("SELECT n, at, status, view FROM history WHERE deposit = ? ORDER BY n DESC LIMIT 1")
        .bind(id.as_str())
        .fetch_optional(connection)
        .await
        .doing("read history")?
        .as_ref()
        .map(history_row)
        .transpose()
}

fn history_row(row: &SqliteRow) -> StoreResult<HistoryRow> {
    Ok(HistoryRow {
        n: number(row, "n")?,
        at: time(row, "at")?,
        status: parsed(row, "status")?,
        view: text(row, "view")?,
    })
}

/// A number that has to be there.
pub(super) fn next(n: u64) -> StoreResult<u64> {
    n.checked_add(1).ok_or_else(|| corrupt("a number", "no next one"))
}

pub(super) async fn owner(
    connection: &mut SqliteConnection,
    provider: ProviderId,
    payment: &PaymentRef,
) -> StoreResult<Option<DepositId>> {
    sqlx::query("SELECT deposit FROM payments WHERE provider = ? AND payment = ?")
        .bind(provider.as_str())
        .bind(payment.as_str())
        .fetch_optional(connection)
        .await
        .doing("find a payment")?
        .map(|row| parsed(&row, "deposit"))
        .transpose()
}

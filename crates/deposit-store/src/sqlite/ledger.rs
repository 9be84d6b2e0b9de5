//! Balances and postings as the outside sees them.

use deposit_core::{DepositId, Signed};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::row::{Doing, int, parsed, parsed_opt, signed, time};
use crate::{AccountId, LedgerEntry, StoreResult};

fn entry(row: &SqliteRow) -> StoreResult<LedgerEntry> {
    Ok(LedgerEntry {
        id: int(row, "id")?,
        at: time(row, "at")?,
        amount: signed(row)?,
        deposit: parsed_opt(row, "deposit")?,
        payment: parsed_opt(row, "payment")?,
        kind: parsed(row, "kind")?,
    })
}

pub(super) async fn balances(
    connection: &mut SqliteConnection,
    account: AccountId,
) -> StoreResult<Vec<Signed>> {
    sqlx::query("SELECT currency, scale, amount FROM balances WHERE account = ? ORDER BY currency")
        .bind(account.0)
        .fetch_all(connection)
        .await
        .doing("read balances")?
        .iter()
        .map(signed)
        .collect()
}

pub(super) async fn of_account(
    connection: &mut SqliteConnection,
    account: AccountId,
    after: i64,
    limit: u32,
) -> StoreResult<Vec<LedgerEntry>> {
    sqlx::query(
        "SELECT e.id, t.at, e.currency, e.scale, e.amount, t.deposit, t.payment, t.kind \
         FROM ledger_entries e JOIN ledger_transactions t ON t.id = e.tx \
         WHERE e.account = ?1 AND e.id > ?2 ORDER BY e.id LIMIT ?3",
    )
    .bind(account.0)
    .bind(after)
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await
    .doing("read ledger entries")?
    .iter()
    .map(entry)
    .collect()
}

pub(super) async fn of_deposit(
    connection: &mut SqliteConnection,
    id: &DepositId,
) -> StoreResult<Vec<LedgerEntry>> {
    sqlx::query(
        "SELECT e.id, t.at, e.currency, e.scale, e.amount, t.deposit, t.payment, t.kind \
         FROM ledger_transactions t JOIN ledger_entries e ON e.tx = t.id AND e.account IS NOT NULL \
         WHERE t.deposit = ? ORDER BY e.id",
    )
    .bind(id.as_str())
    .fetch_all(connection)
    .await
    .doing("read ledger entries")?
    .iter()
    .map(entry)
    .collect()
}

//! The ledger: the only file that writes it.

use super::{SqliteStore, check};
use async_trait::async_trait;
use deposit_core::{DepositId, ProviderId, Signed, Timestamp};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::row::{Doing, corrupt, int, number, parsed, parsed_opt, signed, time, to_int};
use crate::{
    AccountId, Commit, DepositRow, EntryKind, LedgerCheck, LedgerEntry, LedgerStore, Posting, StoreResult,
};

#[async_trait]
impl LedgerStore for SqliteStore {
    async fn balances(&self, account: AccountId) -> StoreResult<Vec<Signed>> {
        balances(&mut *self.reader().await?, account).await
    }

    async fn ledger_entries(
        &self,
        account: AccountId,
        after: i64,
        limit: u32,
    ) -> StoreResult<Vec<LedgerEntry>> {
        of_account(&mut *self.reader().await?, account, after, limit).await
    }

    async fn deposit_entries(&self, id: &DepositId) -> StoreResult<Vec<LedgerEntry>> {
        of_deposit(&mut *self.reader().await?, id).await
    }

    async fn check_ledger(&self) -> StoreResult<LedgerCheck> {
        // One transaction: all of it as of one moment, while the writer goes on.
        let mut connection = self.reader().await?;
        let mut transaction = sqlx::Connection::begin(&mut *connection).await.doing("begin to read")?;
        check::check(&mut transaction).await
    }
}

fn listed(row: &SqliteRow) -> StoreResult<LedgerEntry> {
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
    .map(listed)
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
    .map(listed)
    .collect()
}

/// One transaction of the ledger: the account's side and the provider's, which add up to zero; and the balance.
pub(super) async fn post(
    connection: &mut SqliteConnection,
    command: &Commit,
    row: &DepositRow,
    posting: &Posting,
    version: u64,
) -> StoreResult<()> {
    let tx = sqlx::query(
        "INSERT INTO ledger_transactions (at, kind, deposit, provider, payment, posting, evidence_version) \
         VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id",
    )
    .bind(command.now.millis())
    .bind(EntryKind::from(posting.kind).to_string())
    .bind(command.id.as_str())
    .bind(row.provider.as_str())
    .bind(posting.payment.as_str())
    .bind(i64::from(posting.number))
    .bind(to_int(version)?)
    .fetch_one(&mut *connection)
    .await
    .doing("write a posting")?;
    let tx: i64 = number(&tx, "id")?;
    both_sides(connection, tx, row.account, row.provider, posting.amount).await.map(|_| ())
}

/// An operator's own transaction of the ledger: tied to no payment and no deposit. Answers the account's entry.
pub(super) async fn adjust(
    connection: &mut SqliteConnection,
    account: AccountId,
    provider: ProviderId,
    amount: Signed,
    now: Timestamp,
) -> StoreResult<i64> {
    let tx =
        sqlx::query("INSERT INTO ledger_transactions (at, kind, provider) VALUES (?, ?, ?) RETURNING id")
            .bind(now.millis())
            .bind(EntryKind::Adjustment.to_string())
            .bind(provider.as_str())
            .fetch_one(&mut *connection)
            .await
            .doing("write an adjustment")?;
    both_sides(connection, number(&tx, "id")?, account, provider, amount).await
}

/// The account's side and the provider's, which add up to zero, and the balance. Answers the account's entry.
async fn both_sides(
    connection: &mut SqliteConnection,
    tx: i64,
    account: AccountId,
    provider: ProviderId,
    amount: Signed,
) -> StoreResult<i64> {
    let id = entry(connection, tx, format!("account:{}", account.0), Some(account), amount).await?;
    entry(connection, tx, format!("provider:{provider}"), None, amount.negated()).await?;
    raise(connection, account, amount).await?;
    Ok(id)
}

async fn entry(
    connection: &mut SqliteConnection,
    tx: i64,
    book: String,
    account: Option<AccountId>,
    amount: Signed,
) -> StoreResult<i64> {
    sqlx::query(
        "INSERT INTO ledger_entries (tx, book, account, currency, scale, amount) VALUES (?, ?, ?, ?, ?, ?) \
         RETURNING id",
    )
    .bind(tx)
    .bind(book)
    .bind(account.map(|id| id.0))
    .bind(amount.asset().code().as_str())
    .bind(i64::from(amount.asset().scale()))
    .bind(amount.minor_text())
    .fetch_one(connection)
    .await
    .doing("write a ledger entry")
    .and_then(|row| number(&row, "id"))
}

/// Whether the balance can be raised by so much.
pub(super) async fn fits(
    connection: &mut SqliteConnection,
    account: AccountId,
    by: Signed,
) -> StoreResult<bool> {
    Ok(held(connection, account, by).await?.checked_add(by).is_some())
}

/// The balance in the currency of `by`.
async fn held(connection: &mut SqliteConnection, account: AccountId, by: Signed) -> StoreResult<Signed> {
    let held = sqlx::query("SELECT currency, scale, amount FROM balances WHERE account = ? AND currency = ?")
        .bind(account.0)
        .bind(by.asset().code().as_str())
        .fetch_optional(connection)
        .await
        .doing("read a balance")?;
    Ok(held.as_ref().map(signed).transpose()?.unwrap_or(Signed::zero(by.asset())))
}

async fn raise(connection: &mut SqliteConnection, account: AccountId, by: Signed) -> StoreResult<()> {
    let before = held(connection, account, by).await?;
    // Another scale under the same code would be counted wrongly: refused as well.
    let after = before
        .checked_add(by)
        .ok_or_else(|| corrupt("balance", "a balance beyond 128 bits or of another scale"))?;
    sqlx::query(
        "INSERT INTO balances (account, currency, scale, amount) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (account, currency) DO UPDATE SET amount = excluded.amount",
    )
    .bind(account.0)
    .bind(after.asset().code().as_str())
    .bind(i64::from(after.asset().scale()))
    .bind(after.minor_text())
    .execute(connection)
    .await
    .doing("write a balance")
    .map(|_| ())
}

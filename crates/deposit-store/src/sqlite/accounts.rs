//! Accounts and API keys.

use super::SqliteStore;
use async_trait::async_trait;
use deposit_core::{AccountIndex, AccountName, Timestamp};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::row::{Doing, bytes32, corrupt, int, parsed, text, time, time_opt};
use crate::{Account, AccountId, AccountStore, ApiKeyRow, NewApiKey, StoreResult};

#[async_trait]
impl AccountStore for SqliteStore {
    async fn ensure_account(&self, name: &AccountName, now: Timestamp) -> StoreResult<Account> {
        let (name, mark) = (name.clone(), self.mark.clone());
        self.writer
            .run(move |c| {
                Box::pin(async move {
                    let account = ensure(c, name, now).await?;
                    // Before the commit: a number that anybody can have seen is below the mark.
                    mark.raise(account.index).await?;
                    Ok(account)
                })
            })
            .await
    }

    async fn accounts(&self) -> StoreResult<Vec<Account>> {
        all(&mut *self.reader().await?).await
    }

    async fn account(&self, id: AccountId) -> StoreResult<Option<Account>> {
        by_id(&mut *self.reader().await?, id).await
    }

    async fn accounts_after(&self, after: AccountIndex, limit: u32) -> StoreResult<Vec<Account>> {
        self::after(&mut *self.reader().await?, after, limit).await
    }

    async fn account_by_name(&self, name: &AccountName) -> StoreResult<Option<Account>> {
        by_name(&mut *self.reader().await?, name).await
    }

    async fn close_account(&self, name: &AccountName, now: Timestamp) -> StoreResult<Option<Account>> {
        let name = name.clone();
        self.writer.run(move |c| Box::pin(close(c, name, now))).await
    }

    async fn insert_api_key(&self, key: NewApiKey) -> StoreResult<()> {
        self.writer.run(move |c| Box::pin(insert_key(c, key))).await
    }

    async fn api_key_by_prefix(&self, prefix: &str) -> StoreResult<Option<ApiKeyRow>> {
        key_by_prefix(&mut *self.reader().await?, prefix).await
    }

    async fn api_keys(&self) -> StoreResult<Vec<ApiKeyRow>> {
        keys(&mut *self.reader().await?).await
    }

    async fn revoke_api_key(&self, id: &str, now: Timestamp) -> StoreResult<bool> {
        let id = id.to_owned();
        self.writer.run(move |c| Box::pin(revoke_key(c, id, now))).await
    }
}

pub(super) fn account(row: &SqliteRow) -> StoreResult<Account> {
    let index = u32::try_from(int(row, "account_index")?).map_err(|e| corrupt("account_index", e))?;
    Ok(Account {
        id: AccountId(int(row, "account_id")?),
        name: parsed(row, "name")?,
        index: AccountIndex(index),
        created_at: time(row, "account_created_at")?,
        closed_at: time_opt(row, "closed_at")?,
    })
}

fn api_key(row: &SqliteRow) -> StoreResult<ApiKeyRow> {
    Ok(ApiKeyRow {
        id: text(row, "id")?,
        account: account(row)?,
        hash: bytes32(row, "hash")?,
        created_at: time(row, "created_at")?,
        revoked_at: time_opt(row, "revoked_at")?,
    })
}

pub(super) async fn by_name(
    connection: &mut SqliteConnection,
    name: &AccountName,
) -> StoreResult<Option<Account>> {
    sqlx::query(
        "SELECT id AS account_id, name, account_index, created_at AS account_created_at, closed_at \
         FROM accounts WHERE name = ?",
    )
    .bind(name.as_str())
    .fetch_optional(connection)
    .await
    .doing("read an account")?
    .as_ref()
    .map(account)
    .transpose()
}

pub(super) async fn all(connection: &mut SqliteConnection) -> StoreResult<Vec<Account>> {
    sqlx::query(
        "SELECT id AS account_id, name, account_index, created_at AS account_created_at, closed_at \
         FROM accounts ORDER BY id",
    )
    .fetch_all(connection)
    .await
    .doing("read accounts")?
    .iter()
    .map(account)
    .collect()
}

pub(super) async fn by_id(connection: &mut SqliteConnection, id: AccountId) -> StoreResult<Option<Account>> {
    sqlx::query(
        "SELECT id AS account_id, name, account_index, created_at AS account_created_at, closed_at \
         FROM accounts WHERE id = ?",
    )
    .bind(id.0)
    .fetch_optional(connection)
    .await
    .doing("read an account")?
    .as_ref()
    .map(account)
    .transpose()
}

pub(super) const AFTER: &str = "SELECT id AS account_id, name, account_index, created_at AS account_created_at, closed_at \
     FROM accounts WHERE account_index > ? ORDER BY account_index LIMIT ?";

pub(super) async fn after(
    connection: &mut SqliteConnection,
    after: AccountIndex,
    limit: u32,
) -> StoreResult<Vec<Account>> {
    sqlx::query(AFTER)
        .bind(i64::from(after.0))
        .bind(i64::from(limit))
        .fetch_all(connection)
        .await
        .doing("read accounts")?
        .iter()
        .map(account)
        .collect()
}

pub(super) async fn ensure(
    connection: &mut SqliteConnection,
    name: AccountName,
    now: Timestamp,
) -> StoreResult<Account> {
    if let Some(known) = by_name(connection, &name).await? {
        return Ok(known);
    }
    let index: i64 = sqlx::query_scalar(
        "UPDATE counters SET value = value + 1 WHERE name = 'account_index' RETURNING value",
    )
    .fetch_one(&mut *connection)
    .await
    .doing("number an account")?;
    sqlx::query(
        "INSERT INTO accounts (name, account_index, created_at) VALUES (?1, ?2, ?3) \
         RETURNING id AS account_id, name, account_index, created_at AS account_created_at, closed_at",
    )
    .bind(name.as_str())
    .bind(index)
    .bind(now.millis())
    .fetch_one(connection)
    .await
    .doing("open an account")
    .and_then(|row| account(&row))
}

pub(super) async fn close(
    connection: &mut SqliteConnection,
    name: AccountName,
    now: Timestamp,
) -> StoreResult<Option<Account>> {
    sqlx::query("UPDATE accounts SET closed_at = coalesce(closed_at, ?2) WHERE name = ?1")
        .bind(name.as_str())
        .bind(now.millis())
        .execute(&mut *connection)
        .await
        .doing("close an account")?;
    by_name(connection, &name).await
}

pub(super) async fn insert_key(connection: &mut SqliteConnection, key: NewApiKey) -> StoreResult<()> {
    sqlx::query("INSERT INTO api_keys (id, account, prefix, hash, created_at) VALUES (?, ?, ?, ?, ?)")
        .bind(&key.id)
        .bind(key.account.0)
        .bind(&key.prefix)
        .bind(key.hash.as_slice())
        .bind(key.created_at.millis())
        .execute(connection)
        .await
        .doing("store an API key")
        .map(|_| ())
}

pub(super) async fn key_by_prefix(
    connection: &mut SqliteConnection,
    prefix: &str,
) -> StoreResult<Option<ApiKeyRow>> {
    sqlx::query(
        "SELECT k.id, k.hash, k.created_at, k.revoked_at, a.id AS account_id, a.name, a.account_index, \
                a.created_at AS account_created_at, a.closed_at \
         FROM api_keys k JOIN accounts a ON a.id = k.account WHERE k.prefix = ?",
    )
    .bind(prefix)
    .fetch_optional(connection)
    .await
    .doing("read an API key")?
    .as_ref()
    .map(api_key)
    .transpose()
}

pub(super) async fn keys(connection: &mut SqliteConnection) -> StoreResult<Vec<ApiKeyRow>> {
    sqlx::query(
        "SELECT k.id, k.hash, k.created_at, k.revoked_at, a.id AS account_id, a.name, a.account_index, \
                a.created_at AS account_created_at, a.closed_at \
         FROM api_keys k JOIN accounts a ON a.id = k.account ORDER BY k.created_at, k.rowid",
    )
    .fetch_all(connection)
    .await
    .doing("read API keys")?
    .iter()
    .map(api_key)
    .collect()
}

pub(super) async fn revoke_key(
    connection: &mut SqliteConnection,
    id: String,
    now: Timestamp,
) -> StoreResult<bool> {
    sqlx::query("UPDATE api_keys SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1")
        .bind(id)
        .bind(now.millis())
        .execute(connection)
        .await
        .doing("revoke an API key")
        .map(|done| done.rows_affected() > 0)
}

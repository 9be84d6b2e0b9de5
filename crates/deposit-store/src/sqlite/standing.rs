//! Whose each standing address is.

use super::{SqliteStore, create, taken};
use async_trait::async_trait;
use deposit_core::{AccountIndex, DepositId, ProviderId, ProviderRef, StandingPosition, Taken};
use sqlx::SqliteConnection;

use super::accounts::account;
use super::row::{Doing, corrupt, text};
use crate::{Account, OpenStanding, StandingStore, StoreResult};

#[async_trait]
impl StandingStore for SqliteStore {
    async fn note_standing(
        &self,
        provider: ProviderId,
        addresses: Vec<(String, AccountIndex)>,
    ) -> StoreResult<()> {
        self.writer.run(move |c| Box::pin(note(c, provider, addresses))).await
    }

    async fn standing_owner(&self, provider: ProviderId, address: &str) -> StoreResult<Option<Account>> {
        owner(&mut *self.reader().await?, provider, address).await
    }

    async fn standing_mark(&self, provider: ProviderId) -> StoreResult<Option<AccountIndex>> {
        mark(&mut *self.reader().await?, provider).await
    }

    async fn note_positions(
        &self,
        provider: ProviderId,
        positions: Vec<StandingPosition>,
    ) -> StoreResult<()> {
        self.writer.run(move |c| Box::pin(note_positions(c, provider, positions))).await
    }

    async fn positions(
        &self,
        provider: ProviderId,
        first: AccountIndex,
        last: AccountIndex,
    ) -> StoreResult<Vec<StandingPosition>> {
        positions(&mut *self.reader().await?, provider, first, last).await
    }

    async fn open_standing(&self, command: OpenStanding) -> StoreResult<DepositId> {
        self.writer.run(move |c| Box::pin(create::open_standing(c, command))).await
    }

    async fn note_taken(&self, provider: ProviderId, taken: Vec<Taken>) -> StoreResult<Vec<Taken>> {
        if taken.is_empty() {
            return Ok(taken);
        }
        self.writer.run(move |c| Box::pin(taken::note(c, provider, taken))).await
    }

    async fn deposit_by_block(
        &self,
        provider: ProviderId,
        block: &ProviderRef,
    ) -> StoreResult<Option<DepositId>> {
        taken::deposit_by_block(&mut *self.reader().await?, provider, block).await
    }
}

pub(super) const OWNER: &str = "SELECT a.id AS account_id, a.name, a.account_index, a.created_at AS account_created_at, a.closed_at \
     FROM standing_addresses s JOIN accounts a ON a.account_index = s.account_index \
     WHERE s.provider = ? AND s.address = ?";
const MOVE: &str = "UPDATE standing_addresses SET position = ?3 WHERE provider = ?1 AND address = ?2";
const POSITIONS: &str = "SELECT address, position FROM standing_addresses \
     WHERE provider = ? AND account_index BETWEEN ? AND ? AND position IS NOT NULL";
pub(super) const MARK: &str = "SELECT max(account_index) FROM standing_addresses WHERE provider = ?";

pub(super) async fn note(
    connection: &mut SqliteConnection,
    provider: ProviderId,
    addresses: Vec<(String, AccountIndex)>,
) -> StoreResult<()> {
    for (address, index) in addresses {
        sqlx::query(
            "INSERT INTO standing_addresses (provider, address, account_index) VALUES (?, ?, ?) \
             ON CONFLICT (provider, address) DO NOTHING",
        )
        .bind(provider.as_str())
        .bind(address)
        .bind(i64::from(index.0))
        .execute(&mut *connection)
        .await
        .doing("note a standing address")?;
    }
    Ok(())
}

pub(super) async fn note_positions(
    connection: &mut SqliteConnection,
    provider: ProviderId,
    positions: Vec<StandingPosition>,
) -> StoreResult<()> {
    for StandingPosition { address, position } in positions {
        sqlx::query(MOVE)
            .bind(provider.as_str())
            .bind(address)
            .bind(position)
            .execute(&mut *connection)
            .await
            .doing("note how far a standing address was shown")?;
    }
    Ok(())
}

pub(super) async fn positions(
    connection: &mut SqliteConnection,
    provider: ProviderId,
    first: AccountIndex,
    last: AccountIndex,
) -> StoreResult<Vec<StandingPosition>> {
    sqlx::query(POSITIONS)
        .bind(provider.as_str())
        .bind(i64::from(first.0))
        .bind(i64::from(last.0))
        .fetch_all(connection)
        .await
        .doing("read how far standing addresses were shown")?
        .iter()
        .map(|row| Ok(StandingPosition { address: text(row, "address")?, position: text(row, "position")? }))
        .collect()
}

pub(super) async fn owner(
    connection: &mut SqliteConnection,
    provider: ProviderId,
    address: &str,
) -> StoreResult<Option<Account>> {
    sqlx::query(OWNER)
        .bind(provider.as_str())
        .bind(address)
        .fetch_optional(connection)
        .await
        .doing("read whose a standing address is")?
        .as_ref()
        .map(account)
        .transpose()
}

pub(super) async fn mark(
    connection: &mut SqliteConnection,
    provider: ProviderId,
) -> StoreResult<Option<AccountIndex>> {
    let index: Option<i64> = sqlx::query_scalar(MARK)
        .bind(provider.as_str())
        .fetch_one(connection)
        .await
        .doing("read how far standing addresses are noted")?;
    index
        .map(|index| u32::try_from(index).map(AccountIndex).map_err(|e| corrupt("account_index", e)))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SqliteStore;
    use crate::prelude::*;

    /// A credit or a scan must cost the same with ten accounts and with a million.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn look_ups_come_off_an_index() {
        let folder = tempfile::tempdir().unwrap();
        let store =
            SqliteStore::open(&format!("sqlite://{}", folder.path().join("a.db").display())).await.unwrap();
        store.ping().await.unwrap();
        for statement in [OWNER, MARK, MOVE, POSITIONS, super::super::accounts::AFTER] {
            let mut reader = store.reader().await.unwrap();
            let plan: Vec<(i64, i64, i64, String)> =
                sqlx::query_as(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")))
                    .fetch_all(&mut *reader)
                    .await
                    .unwrap();
            assert!(!plan.is_empty());
            for (_, _, _, step) in plan {
                assert!(step.starts_with("SEARCH"), "{statement}: {step}");
            }
        }
    }
}

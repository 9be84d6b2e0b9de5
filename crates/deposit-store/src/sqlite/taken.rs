//! By which blocks of ours payments were taken in.

use deposit_core::{DepositId, ProviderId, ProviderRef, Taken};
use sqlx::SqliteConnection;

use super::row::{Doing, parsed};
use crate::StoreResult;

pub(super) async fn note(
    connection: &mut SqliteConnection,
    provider: ProviderId,
    all: Vec<Taken>,
) -> StoreResult<Vec<Taken>> {
    let mut unknown = Vec::new();
    for taken in all {
        let known = sqlx::query("SELECT 1 FROM payments WHERE provider = ? AND payment = ?")
            .bind(provider.as_str())
            .bind(taken.payment.as_str())
            .fetch_optional(&mut *connection)
            .await
            .doing("find a payment that was taken in")?
            .is_some();
        if !known {
            unknown.push(taken);
            continue;
        }
        sqlx::query(
            "INSERT INTO taken_in (provider, block, payment) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(provider.as_str())
        .bind(taken.block.as_str())
        .bind(taken.payment.as_str())
        .execute(&mut *connection)
        .await
        .doing("note what was taken in")?;
    }
    Ok(unknown)
}

pub(super) async fn deposit_by_block(
    connection: &mut SqliteConnection,
    provider: ProviderId,
    block: &ProviderRef,
) -> StoreResult<Option<DepositId>> {
    sqlx::query(
        "SELECT p.deposit FROM taken_in t JOIN payments p ON p.provider = t.provider AND p.payment = t.payment \
         WHERE t.provider = ? AND t.block = ?",
    )
    .bind(provider.as_str())
    .bind(block.as_str())
    .fetch_optional(connection)
    .await
    .doing("find a block of ours")?
    .map(|row| parsed(&row, "deposit"))
    .transpose()
}

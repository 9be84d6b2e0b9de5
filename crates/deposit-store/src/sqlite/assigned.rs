//! Whose money was given away by hand, and whose by rule: so that none is given away twice.

use deposit_core::{DepositId, PaymentRef, ProviderId};
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::review_row::{SELECT, review};
use super::row::{Doing, parsed};
use crate::{ReviewReason, ReviewRow, ReviewTopic, StoreResult};

/// An assigned item whose money may be this item's, and nobody can say how much of it: about this payment under another name or of an unknown
/// amount, or about its order.
pub(super) async fn assigned_elsewhere(
    connection: &mut SqliteConnection,
    item: &ReviewRow,
    unknown: bool,
) -> StoreResult<Option<ReviewRow>> {
    let sql = format!(
        "{SELECT} WHERE r.provider = ?1 AND r.resolution = 'assigned' AND r.id IN ( \
             SELECT id FROM reviews WHERE provider = ?1 AND reference = ?2 AND (topic <> ?3 OR ?4) \
             UNION ALL SELECT id FROM reviews WHERE provider = ?1 AND reference = ?5 \
             UNION ALL SELECT id FROM reviews WHERE provider = ?1 AND order_ref = ?2) \
         ORDER BY r.id LIMIT 1"
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(item.provider.as_str())
        .bind(&item.reference)
        .bind(item.reason.topic().to_string())
        .bind(unknown)
        .bind(item.order.as_deref())
        .fetch_optional(connection)
        .await
        .doing("find an assignment")?
        .as_ref()
        .map(review)
        .transpose()
}

pub(super) async fn assignment(
    connection: &mut SqliteConnection,
    deposit: &DepositId,
    provider: ProviderId,
    payment: &PaymentRef,
) -> StoreResult<Option<ReviewRow>> {
    sqlx::query(AssertSqlSafe(format!("{SELECT} WHERE {ASSIGNED} ORDER BY r.id LIMIT 1")))
        .bind(provider.as_str())
        .bind(payment.as_str())
        .bind(deposit.as_str())
        .fetch_optional(connection)
        .await
        .doing("find an assignment")?
        .as_ref()
        .map(review)
        .transpose()
}

/// By the index of references alone: this is asked inside the writer.
pub(super) const ASSIGNED: &str = "r.provider = ?1 AND r.resolution = 'assigned' AND (r.reference = ?2 OR r.reason = 'no_deposit') \
     AND r.reference IN (SELECT ?2 UNION ALL SELECT ?3 \
                         UNION ALL SELECT ref FROM orders WHERE deposit = ?3 AND provider = ?1 \
                         UNION ALL SELECT address FROM addresses WHERE deposit = ?3 AND provider = ?1)";

/// The deposit for which the ledger has postings of what the item is about. What a provider only tells of may be beyond what rules have posted:
/// that is for the operator to say (`again`).
pub(super) async fn posted(
    connection: &mut SqliteConnection,
    item: &ReviewRow,
    again: bool,
) -> StoreResult<Option<DepositId>> {
    match item.reason.topic() {
        ReviewTopic::Uncredited | ReviewTopic::SecondDeposit | ReviewTopic::AssetChanged => {}
        ReviewTopic::Reported if !again => {}
        ReviewTopic::Reported | ReviewTopic::TakenBack | ReviewTopic::NotTakenBack => return Ok(None),
    }
    for (sql, asked) in [(POSTED_PAYMENT, true), (POSTED_ORDER, item.reason == ReviewReason::NoDeposit)] {
        if !asked {
            continue;
        }
        let found = sqlx::query(sql)
            .bind(item.provider.as_str())
            .bind(&item.reference)
            .fetch_optional(&mut *connection)
            .await
            .doing("find postings")?;
        if let Some(row) = found {
            return Ok(Some(parsed(&row, "deposit")?));
        }
    }
    Ok(None)
}

pub(super) const POSTED_PAYMENT: &str =
    "SELECT deposit FROM ledger_transactions WHERE provider = ?1 AND payment = ?2 ORDER BY posting LIMIT 1";
pub(super) const POSTED_ORDER: &str = "SELECT deposit FROM ledger_transactions \
     WHERE provider = ?1 AND payment IS NOT NULL \
       AND deposit IN (SELECT ?2 UNION ALL SELECT deposit FROM orders WHERE provider = ?1 AND ref = ?2 \
                       UNION ALL SELECT deposit FROM addresses WHERE provider = ?1 AND address = ?2) \
     LIMIT 1";

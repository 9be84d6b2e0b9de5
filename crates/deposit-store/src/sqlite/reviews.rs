//! Money that waits for an operator.

use sqlx::SqliteConnection;

use super::row::{Doing, int, parsed, parsed_opt, text, text_opt, time};
use crate::{NewReview, ReviewRow, StoreResult};

pub(super) async fn open(connection: &mut SqliteConnection, review: &NewReview) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO reviews (provider, reference, amount, ticker, deposit, reason, since) \
         VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(review.provider.as_str())
    .bind(&review.reference)
    .bind(review.amount.as_deref())
    .bind(review.ticker.map(|t| t.as_str().to_owned()))
    .bind(review.deposit.as_ref().map(|d| d.as_str()))
    .bind(review.reason.to_string())
    .bind(review.since.millis())
    .execute(connection)
    .await
    .doing("open a review")
    .map(|_| ())
}

pub(super) async fn all_open(connection: &mut SqliteConnection) -> StoreResult<Vec<ReviewRow>> {
    sqlx::query("SELECT * FROM reviews WHERE resolved_at IS NULL ORDER BY since, id")
        .fetch_all(connection)
        .await
        .doing("read reviews")?
        .iter()
        .map(|row| {
            Ok(ReviewRow {
                id: int(row, "id")?,
                provider: parsed(row, "provider")?,
                reference: text(row, "reference")?,
                amount: text_opt(row, "amount")?,
                ticker: parsed_opt(row, "ticker")?,
                deposit: parsed_opt(row, "deposit")?,
                reason: parsed(row, "reason")?,
                since: time(row, "since")?,
            })
        })
        .collect()
}

//! Money that waits for an operator.

use super::{SqliteStore, assigned};
use async_trait::async_trait;
use deposit_core::{DepositId, PaymentRef, ProviderId, Signed, Timestamp};
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::assigned::{assigned_elsewhere, posted};
use super::ledger;
use super::matter::{Change, Key, Matter};
use super::review_row::{SELECT, review};
use super::row::{Doing, number, parsed};
use crate::{
    AssignReview, Assigned, DismissReview, Dismissed, ResolutionKind, ReviewFilter, ReviewReason, ReviewRow,
    ReviewStore, Sighting, StoreResult,
};

#[async_trait]
impl ReviewStore for SqliteStore {
    async fn sight(&self, sightings: Vec<Sighting>) -> StoreResult<()> {
        // Most of what a look shows is known: the writer is left alone.
        if !any_news(&mut *self.reader().await?, &sightings).await? {
            return Ok(());
        }
        self.writer.run(move |c| Box::pin(async move { sight_all(c, &sightings).await })).await
    }

    async fn reviews(&self, filter: ReviewFilter) -> StoreResult<Vec<ReviewRow>> {
        list(&mut *self.reader().await?, filter).await
    }

    async fn open_reviews_by_reason(&self) -> StoreResult<Vec<(ProviderId, ReviewReason, u64)>> {
        by_reason(&mut *self.reader().await?).await
    }

    async fn was_reviewed(&self, provider: ProviderId, reference: &str) -> StoreResult<bool> {
        was_reviewed(&mut *self.reader().await?, provider, reference).await
    }

    async fn in_review(&self, id: &DepositId) -> StoreResult<bool> {
        waits(&mut *self.reader().await?, id).await
    }

    async fn review(&self, id: i64) -> StoreResult<Option<ReviewRow>> {
        read(&mut *self.reader().await?, id).await
    }

    async fn assign_review(&self, command: AssignReview) -> StoreResult<Assigned> {
        self.writer.run(move |c| Box::pin(assign(c, command))).await
    }

    async fn dismiss_review(&self, command: DismissReview) -> StoreResult<Dismissed> {
        self.writer.run(move |c| Box::pin(dismiss(c, command))).await
    }

    async fn assignment(
        &self,
        deposit: &DepositId,
        provider: ProviderId,
        payment: &PaymentRef,
    ) -> StoreResult<Option<ReviewRow>> {
        assigned::assignment(&mut *self.reader().await?, deposit, provider, payment).await
    }
}

/// Who resolves what no operator has to see any more.
const BY_RULE: &str = "rule";

/// Whether any of it changes what is stored.
pub(super) async fn any_news(connection: &mut SqliteConnection, sightings: &[Sighting]) -> StoreResult<bool> {
    for sighting in sightings {
        let topic = sighting.reason.topic().to_string();
        let key = Key { provider: sighting.provider, reference: &sighting.reference, topic: &topic };
        let matter = Matter::read(connection, key).await?;
        if matter.sighted(connection, key, sighting).await?.is_news() {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) async fn sight_all(connection: &mut SqliteConnection, sightings: &[Sighting]) -> StoreResult<()> {
    for sighting in sightings {
        sight(connection, sighting).await?;
    }
    Ok(())
}

async fn sight(connection: &mut SqliteConnection, sighting: &Sighting) -> StoreResult<()> {
    let topic = sighting.reason.topic().to_string();
    let key = Key { provider: sighting.provider, reference: &sighting.reference, topic: &topic };
    let matter = Matter::read(connection, key).await?;
    let sighted = matter.sighted(connection, key, sighting).await?;
    Matter::note(connection, key, &sighted).await?;
    match (sighted.change, matter.item) {
        (Change::Nothing, _) | (Change::Close, None) => Ok(()),
        (Change::Close, Some(item)) => settle(connection, item.id, sighting.at).await,
        (Change::Wait { amount, seen, asset }, item) => {
            let sql = match item {
                None => {
                    "INSERT INTO reviews (provider, reference, topic, since, order_ref, amount, seen, unit, scale, ticker, \
                                          deposit, reason, code, detail) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"
                }
                // What is not told now stays as it was told before.
                Some(_) => {
                    "UPDATE reviews SET order_ref = coalesce(?5, order_ref), amount = ?6, seen = ?7, unit = ?8, scale = ?9, \
                            ticker = coalesce(?10, ticker), deposit = coalesce(?11, deposit), reason = ?12, code = ?13, \
                            detail = ?14 \
                     WHERE provider = ?1 AND reference = ?2 AND topic = ?3 AND resolved_at IS NULL"
                }
            };
            sqlx::query(sql)
                .bind(key.provider.as_str())
                .bind(key.reference)
                .bind(key.topic)
                .bind(sighting.at.millis())
                .bind(sighting.order.as_deref())
                .bind(amount)
                .bind(seen)
                .bind(asset.map(|asset| asset.code().as_str().to_owned()))
                .bind(asset.map(|asset| i64::from(asset.scale())))
                .bind(sighting.ticker.map(|ticker| ticker.as_str().to_owned()))
                .bind(sighting.deposit.as_ref().map(DepositId::as_str))
                .bind(sighting.reason.to_string())
                .bind(sighting.code.as_deref())
                .bind(sighting.detail.as_deref())
                .execute(connection)
                .await
                .doing("note what waits")
                .map(|_| ())
        }
    }
}

/// Closes what nobody knew the deposit of, now that rules credit it.
pub(super) async fn settle_order(
    connection: &mut SqliteConnection,
    deposit: &DepositId,
    provider: ProviderId,
    now: Timestamp,
) -> StoreResult<()> {
    let items: Vec<i64> = sqlx::query_scalar(OF_ORDER)
        .bind(provider.as_str())
        .bind(deposit.as_str())
        .fetch_all(&mut *connection)
        .await
        .doing("find what waits of an order")?;
    for id in items {
        settle(connection, id, now).await?;
    }
    Ok(())
}

pub(super) const OF_ORDER: &str = "SELECT id FROM reviews INDEXED BY reviews_one_open \
     WHERE provider = ?1 AND topic = 'uncredited' AND resolved_at IS NULL AND reason = 'no_deposit' \
       AND reference IN (SELECT ?2 UNION ALL SELECT ref FROM orders WHERE deposit = ?2 AND provider = ?1 \
                         UNION ALL SELECT address FROM addresses WHERE deposit = ?2 AND provider = ?1)";

async fn settle(connection: &mut SqliteConnection, id: i64, now: Timestamp) -> StoreResult<()> {
    let kind = ResolutionKind::Settled;
    resolve(connection, id, Outcome { kind, by: BY_RULE, note: None, entry: None, now }).await
}

/// In the order of their ids, which is that of their first sighting.
pub(super) async fn list(
    connection: &mut SqliteConnection,
    filter: ReviewFilter,
) -> StoreResult<Vec<ReviewRow>> {
    let open = if filter.open { "AND r.resolved_at IS NULL " } else { "" };
    sqlx::query(AssertSqlSafe(format!("{SELECT} WHERE r.id > ? {open}ORDER BY r.id LIMIT ?")))
        .bind(filter.after)
        .bind(i64::from(filter.limit))
        .fetch_all(connection)
        .await
        .doing("read reviews")?
        .iter()
        .map(review)
        .collect()
}

/// Costs as much as is open.
pub(super) async fn by_reason(
    connection: &mut SqliteConnection,
) -> StoreResult<Vec<(ProviderId, ReviewReason, u64)>> {
    sqlx::query(
        "SELECT provider, reason, count(*) AS n FROM reviews WHERE resolved_at IS NULL GROUP BY provider, reason",
    )
    .fetch_all(connection)
    .await
    .doing("count reviews")?
    .iter()
    .map(|row| Ok((parsed(row, "provider")?, parsed(row, "reason")?, number(row, "n")?)))
    .collect()
}

pub(super) async fn was_reviewed(
    connection: &mut SqliteConnection,
    provider: ProviderId,
    reference: &str,
) -> StoreResult<bool> {
    let ever = "SELECT EXISTS (SELECT 1 FROM reviews WHERE provider = ? AND reference = ?)";
    sqlx::query_scalar(ever)
        .bind(provider.as_str())
        .bind(reference)
        .fetch_one(connection)
        .await
        .doing("look for a review")
}

pub(super) async fn read(connection: &mut SqliteConnection, id: i64) -> StoreResult<Option<ReviewRow>> {
    sqlx::query(AssertSqlSafe(format!("{SELECT} WHERE r.id = ?")))
        .bind(id)
        .fetch_optional(connection)
        .await
        .doing("read a review")?
        .as_ref()
        .map(review)
        .transpose()
}

/// By the index of what is open, so that what was resolved costs nothing.
pub(super) async fn waits(connection: &mut SqliteConnection, id: &DepositId) -> StoreResult<bool> {
    let open = "SELECT EXISTS (SELECT 1 FROM reviews WHERE resolved_at IS NULL AND deposit = ?)";
    let found: i64 =
        sqlx::query_scalar(open).bind(id.as_str()).fetch_one(connection).await.doing("look for a review")?;
    Ok(found != 0)
}

pub(super) async fn assign(
    connection: &mut SqliteConnection,
    command: AssignReview,
) -> StoreResult<Assigned> {
    let Some(item) = read(connection, command.id).await? else { return Ok(Assigned::Unknown) };
    if item.resolution.is_some() {
        return Ok(Assigned::Resolved(Box::new(item)));
    }
    if item.amount != command.seen {
        return Ok(Assigned::Changed(Box::new(item)));
    }
    if let Some(deposit) = posted(connection, &item, command.again).await? {
        return Ok(Assigned::Posted { deposit });
    }
    let topic = topic_of(connection, item.id).await?;
    let key = Key { provider: item.provider, reference: &item.reference, topic: &topic };
    let matter = Matter::read(connection, key).await?;
    if !command.again
        && let Some(other) = assigned_elsewhere(connection, &item, matter.is_unknown()).await?
    {
        return Ok(Assigned::Elsewhere(Box::new(other)));
    }
    let open: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM accounts WHERE id = ? AND closed_at IS NULL)")
            .bind(command.account.0)
            .fetch_one(&mut *connection)
            .await
            .doing("read an account")?;
    if !open {
        return Ok(Assigned::NoAccount);
    }
    let amount = Signed::credit(command.amount);
    if amount.is_zero() || !ledger::fits(connection, command.account, amount).await? {
        return Ok(Assigned::BadAmount);
    }
    let entry = ledger::adjust(connection, command.account, item.provider, amount, command.now).await?;
    matter.resolve(connection, key, ResolutionKind::Assigned).await?;
    let resolution = Outcome {
        kind: ResolutionKind::Assigned,
        by: &command.by,
        note: command.note.as_deref(),
        entry: Some(entry),
        now: command.now,
    };
    resolve(connection, command.id, resolution).await?;
    Ok(Assigned::Yes { entry })
}

pub(super) async fn dismiss(
    connection: &mut SqliteConnection,
    command: DismissReview,
) -> StoreResult<Dismissed> {
    let Some(item) = read(connection, command.id).await? else { return Ok(Dismissed::Unknown) };
    if item.resolution.is_some() {
        return Ok(Dismissed::Resolved(Box::new(item)));
    }
    if item.amount != command.seen {
        return Ok(Dismissed::Changed(Box::new(item)));
    }
    let topic = topic_of(connection, item.id).await?;
    let key = Key { provider: item.provider, reference: &item.reference, topic: &topic };
    Matter::read(connection, key).await?.resolve(connection, key, ResolutionKind::Dismissed).await?;
    let resolution = Outcome {
        kind: ResolutionKind::Dismissed,
        by: &command.by,
        note: Some(&command.reason),
        entry: None,
        now: command.now,
    };
    resolve(connection, command.id, resolution).await?;
    Ok(Dismissed::Yes)
}

/// As it is stored: an item of before amounts were followed may stand beside its successor under a topic of its own.
async fn topic_of(connection: &mut SqliteConnection, id: i64) -> StoreResult<String> {
    sqlx::query_scalar("SELECT topic FROM reviews WHERE id = ?")
        .bind(id)
        .fetch_one(connection)
        .await
        .doing("read a review's topic")
}

struct Outcome<'a> {
    kind: ResolutionKind,
    by: &'a str,
    note: Option<&'a str>,
    entry: Option<i64>,
    now: Timestamp,
}

async fn resolve(connection: &mut SqliteConnection, id: i64, outcome: Outcome<'_>) -> StoreResult<()> {
    sqlx::query(
        "UPDATE reviews SET resolved_at = ?2, resolution = ?3, resolved_by = ?4, note = ?5, entry = ?6 WHERE id = ?1",
    )
    .bind(id)
    .bind(outcome.now.millis())
    .bind(outcome.kind.to_string())
    .bind(outcome.by)
    .bind(outcome.note)
    .bind(outcome.entry)
    .execute(connection)
    .await
    .doing("resolve a review")
    .map(|_| ())
}

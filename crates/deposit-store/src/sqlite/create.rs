//! From the request to a deposit that is shown.

use super::SqliteStore;
use async_trait::async_trait;
use deposit_core::{DepositId, Evidence, Status, Timestamp};
use deposit_lifecycle::Credit;
use sqlx::SqliteConnection;

use super::row::{Doing, to_json};
use super::{admit, deposits, rates};
use crate::{
    BeginCreate, Begun, CreateStore, FinishCreate, Finished, OpenStanding, Phase, ResumeCreate, Resumed,
    StoreResult, crash_point,
};

#[async_trait]
impl CreateStore for SqliteStore {
    async fn begin_serving(&self, now: Timestamp) -> StoreResult<u64> {
        self.presence.enter(&self.writer, now).await
    }

    async fn begin_create(&self, command: BeginCreate) -> StoreResult<Begun> {
        self.writer.run(move |c| Box::pin(begin(c, command))).await
    }

    async fn resume_create(&self, command: ResumeCreate) -> StoreResult<Resumed> {
        self.writer.run(move |c| Box::pin(resume(c, command))).await
    }

    async fn finish_create(&self, command: FinishCreate) -> StoreResult<Finished> {
        self.writer.run(move |c| Box::pin(finish(c, command))).await
    }

    async fn release_create(&self, id: &DepositId, owner: &str, now: Timestamp) -> StoreResult<()> {
        let (id, owner) = (id.clone(), owner.to_owned());
        self.writer.run(move |c| Box::pin(release(c, id, owner, now))).await
    }

    async fn abandon_stale_creates(&self, before: Timestamp, now: Timestamp) -> StoreResult<u64> {
        self.writer.run(move |c| Box::pin(abandon(c, before, now))).await
    }
}

pub(super) async fn begin(connection: &mut SqliteConnection, command: BeginCreate) -> StoreResult<Begun> {
    if let Some(key) = &command.idempotency_key
        && !admit::is_ours(connection, command.account, key, &command.lease.owner).await?
    {
        return Ok(Begun::ClaimLost);
    }
    if let Some(rate) = &command.rate {
        rates::store(connection, rate).await?;
    }
    sqlx::query(
        "INSERT INTO deposits (id, account, ticker, provider, phase, terms, lease_owner, lease_until, attempt, \
                               attempted_at, evidence, credit, status, version, expires_at, last_read_at, created_at, \
                               updated_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1, ?9, ?10, ?11, ?12, 0, ?13, ?9, ?9, ?9)",
    )
    .bind(command.id.as_str())
    .bind(command.account.0)
    .bind(command.terms.ticker.as_str())
    .bind(command.provider.as_str())
    .bind(Phase::Creating.to_string())
    .bind(to_json(&command.terms, "terms")?)
    .bind(&command.lease.owner)
    .bind(command.lease.until.millis())
    .bind(command.now.millis())
    .bind(to_json(&Evidence::default(), "evidence")?)
    .bind(to_json(&Credit::default(), "credit")?)
    .bind(Status::New.to_string())
    .bind(command.terms.expires_at().map(Timestamp::millis))
    .execute(&mut *connection)
    .await
    .doing("write a deposit")?;
    if let Some(key) = &command.idempotency_key {
        sqlx::query("UPDATE idempotency SET deposit = ?3 WHERE account = ?1 AND idem_key = ?2")
            .bind(command.account.0)
            .bind(key)
            .bind(command.id.as_str())
            .execute(connection)
            .await
            .doing("link an idempotency key")?;
    }
    Ok(Begun::Yes)
}

pub(super) async fn resume(connection: &mut SqliteConnection, command: ResumeCreate) -> StoreResult<Resumed> {
    let Some((mut row, lease)) = deposits::read_with_lease(connection, &command.id).await? else {
        return Ok(Resumed::Gone);
    };
    match row.phase {
        Phase::Abandoned => return Ok(Resumed::Gone),
        Phase::Open => return Ok(Resumed::Open(Box::new(row))),
        Phase::Creating => {}
    }
    if lease.until > command.now && lease.owner != command.lease.owner {
        return Ok(Resumed::Busy);
    }
    row.attempt = row.attempt.saturating_add(1);
    sqlx::query(
        "UPDATE deposits SET lease_owner = ?2, lease_until = ?3, attempt = ?4, attempted_at = ?5 WHERE id = ?1",
    )
    .bind(command.id.as_str())
    .bind(&command.lease.owner)
    .bind(command.lease.until.millis())
    .bind(i64::from(row.attempt))
    .bind(command.now.millis())
    .execute(connection)
    .await
    .doing("take a deposit up")?;
    // `attempted_at` in the answer is still that of the lost attempt: a look-up waits until its call has timed out.
    Ok(Resumed::Yes(Box::new(row)))
}

pub(super) async fn finish(
    connection: &mut SqliteConnection,
    command: FinishCreate,
) -> StoreResult<Finished> {
    let Some((row, lease)) = deposits::read_with_lease(connection, &command.id).await? else {
        return Ok(Finished::LeaseLost);
    };
    match row.phase {
        Phase::Open => return Ok(Finished::Open(Box::new(row))),
        Phase::Abandoned => return Ok(Finished::LeaseLost),
        Phase::Creating => {}
    }
    if lease.owner != command.owner {
        return Ok(Finished::LeaseLost);
    }
    let intent = &command.intent;
    for order in std::iter::once(&intent.provider_ref).chain(&command.other_orders) {
        if let Some(owner) = deposits::by_ref(connection, intent.provider, order).await?
            && owner != command.id
        {
            return Ok(Finished::OrderTaken(owner));
        }
    }
    if let Some(rate) = &command.rate {
        rates::store(connection, rate).await?;
    }
    open(connection, &command).await?;
    crash_point("store.in_finish_create");
    deposits::show(connection, &command.id, intent).await?;
    for order in &command.other_orders {
        deposits::add_order(connection, &command.id, intent.provider, order).await?;
    }
    deposits::write_history(connection, &command.id, 1, command.now, Status::New, &command.view).await?;
    sqlx::query("UPDATE idempotency SET status = 200 WHERE deposit = ? AND status IS NULL")
        .bind(command.id.as_str())
        .execute(connection)
        .await
        .doing("answer an idempotency key")?;
    Ok(Finished::Yes)
}

async fn open(connection: &mut SqliteConnection, command: &FinishCreate) -> StoreResult<()> {
    let terms = &command.intent.terms;
    sqlx::query(
        "UPDATE deposits SET phase = ?2, provider = ?3, ticker = ?4, terms = ?5, intent = ?6, lease_until = ?7, \
                             status = ?8, version = 1, history = 1, expires_at = ?9, expiry_pending = ?10, \
                             next_check_at = ?11, lane = 'young', last_read_at = ?7, updated_at = ?7 \
         WHERE id = ?1",
    )
    .bind(command.id.as_str())
    .bind(Phase::Open.to_string())
    .bind(command.intent.provider.as_str())
    .bind(terms.ticker.as_str())
    .bind(to_json(terms, "terms")?)
    .bind(to_json(&command.intent, "intent")?)
    .bind(command.now.millis())
    .bind(Status::New.to_string())
    .bind(terms.expires_at().map(Timestamp::millis))
    .bind(terms.expires_at().is_some())
    .bind(command.next_check_at.millis())
    .execute(connection)
    .await
    .doing("open a deposit")
    .map(|_| ())
}

pub(super) async fn release(
    connection: &mut SqliteConnection,
    id: DepositId,
    owner: String,
    now: Timestamp,
) -> StoreResult<()> {
    sqlx::query(
        "UPDATE deposits SET lease_until = ?3 WHERE id = ?1 AND lease_owner = ?2 AND phase = 'creating'",
    )
    .bind(id.as_str())
    .bind(owner)
    .bind(now.millis())
    .execute(connection)
    .await
    .doing("release a deposit")
    .map(|_| ())
}

pub(super) async fn abandon(
    connection: &mut SqliteConnection,
    before: Timestamp,
    now: Timestamp,
) -> StoreResult<u64> {
    // A retry with the key then begins a new deposit.
    sqlx::query(
        "UPDATE idempotency SET deposit = NULL WHERE status IS NULL AND deposit IN \
            (SELECT id FROM deposits WHERE phase = 'creating' AND created_at < ?1 AND lease_until <= ?2)",
    )
    .bind(before.millis())
    .bind(now.millis())
    .execute(&mut *connection)
    .await
    .doing("unlink idempotency keys")?;
    sqlx::query(
        "UPDATE deposits SET phase = 'abandoned', updated_at = ?2 \
         WHERE phase = 'creating' AND created_at < ?1 AND lease_until <= ?2",
    )
    .bind(before.millis())
    .bind(now.millis())
    .execute(connection)
    .await
    .doing("give deposits up")
    .map(|done| done.rows_affected())
}

pub(super) async fn open_standing(
    connection: &mut SqliteConnection,
    command: OpenStanding,
) -> StoreResult<DepositId> {
    let OpenStanding { id, account, provider, intent, now } = command;
    if let Some(known) = deposits::by_ref(connection, provider, &intent.provider_ref).await? {
        return Ok(known);
    }
    let terms = &intent.terms;
    sqlx::query(
        "INSERT INTO deposits (id, account, ticker, provider, phase, terms, intent, lease_owner, lease_until, attempt, \
                               attempted_at, evidence, credit, status, version, last_read_at, created_at, updated_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, '', ?8, 1, ?8, ?9, ?10, ?11, 0, ?8, ?8, ?8)",
    )
    .bind(id.as_str())
    .bind(account.0)
    .bind(terms.ticker.as_str())
    .bind(provider.as_str())
    .bind(Phase::Open.to_string())
    .bind(to_json(terms, "terms")?)
    .bind(to_json(&intent, "intent")?)
    .bind(now.millis())
    .bind(to_json(&Evidence::default(), "evidence")?)
    .bind(to_json(&Credit::default(), "credit")?)
    .bind(Status::New.to_string())
    .execute(&mut *connection)
    .await
    .doing("open a standing deposit")?;
    // The address is the account's and not this deposit's: only the order is noted.
    deposits::add_order(connection, &id, provider, &intent.provider_ref).await?;
    Ok(id)
}

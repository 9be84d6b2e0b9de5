//! The commit of an observation: evidence, history, postings, in one savepoint.

use std::collections::BTreeSet;

use deposit_core::{DepositId, PaymentRef, ProviderId, Signed, Timestamp};
use sqlx::SqliteConnection;

use super::row::{Doing, corrupt, number, parsed, signed, to_int, to_json};
use super::{assigned, deposits, rates, reviews};
use crate::{
    AccountId, Commit, Committed, DepositRow, EntryKind, Phase, Posting, StoreResult, Touch, crash_point,
};

pub(super) async fn commit(connection: &mut SqliteConnection, command: Commit) -> StoreResult<Committed> {
    let Some(row) = deposits::read(connection, &command.id).await? else { return Ok(Committed::Conflict) };
    if row.phase != Phase::Open {
        return Ok(Committed::Conflict);
    }
    if let Some(refusal) = refusal(connection, &command, &row).await? {
        return Ok(refusal);
    }
    let version = deposits::next(row.version)?;
    let history = if command.view.is_some() { deposits::next(row.history)? } else { row.history };

    for rate in &command.rates {
        rates::store(connection, rate).await?;
    }
    for payment in command.evidence.payments.keys() {
        own(connection, row.provider, payment, &command.id).await?;
    }
    if let Some(intent) = &command.intent {
        deposits::show(connection, &command.id, intent).await?;
    }
    update(connection, &command, version, history).await?;
    if let Some(view) = &command.view {
        deposits::write_history(connection, &command.id, history, command.now, command.status, view).await?;
    }
    crash_point("store.in_commit.evidence");
    for posting in &command.postings {
        post(connection, &command, &row, posting, version).await?;
    }
    crash_point("store.in_commit.postings");
    reviews::sight_all(connection, &command.reviews).await?;
    if !command.postings.is_empty() {
        reviews::settle_order(connection, &command.id, row.provider, command.now).await?;
    }
    Ok(Committed::Yes { history, version })
}

/// Whether the command may not be committed; nothing has been written yet.
async fn refusal(
    connection: &mut SqliteConnection,
    command: &Commit,
    row: &DepositRow,
) -> StoreResult<Option<Committed>> {
    // Before the version: an old snapshot stays old however often the row is read again.
    if command.snapshot.is_some_and(|number| number <= row.snapshot) {
        return Ok(Some(Committed::StaleSnapshot));
    }
    if command.expected_version != row.version {
        return Ok(Some(Committed::Conflict));
    }
    for payment in command.evidence.payments.keys() {
        if let Some(owner) = owner(connection, row.provider, payment).await?
            && owner != command.id
        {
            return Ok(Some(Committed::PaymentTaken { payment: payment.clone(), owner }));
        }
    }
    let mut fresh = BTreeSet::new();
    for posting in &command.postings {
        if !fresh.insert((&posting.payment, posting.number))
            || is_posted(connection, row.provider, &posting.payment, posting.number).await?
        {
            return Ok(Some(Committed::Duplicate));
        }
        // Within the transaction: an operator may have assigned the money since the row was read.
        if posting.number == 1
            && assigned::assignment(connection, &command.id, row.provider, &posting.payment).await?.is_some()
        {
            return Ok(Some(Committed::Assigned { payment: posting.payment.clone() }));
        }
    }
    Ok(None)
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

async fn own(
    connection: &mut SqliteConnection,
    provider: ProviderId,
    payment: &PaymentRef,
    id: &DepositId,
) -> StoreResult<()> {
    sqlx::query("INSERT INTO payments (provider, payment, deposit) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
        .bind(provider.as_str())
        .bind(payment.as_str())
        .bind(id.as_str())
        .execute(connection)
        .await
        .doing("note a payment")
        .map(|_| ())
}

async fn is_posted(
    connection: &mut SqliteConnection,
    provider: ProviderId,
    payment: &PaymentRef,
    posting: u32,
) -> StoreResult<bool> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM ledger_transactions WHERE provider = ? AND payment = ? AND posting = ?)",
    )
    .bind(provider.as_str())
    .bind(payment.as_str())
    .bind(i64::from(posting))
    .fetch_one(connection)
    .await
    .doing("find a posting")
}

async fn update(
    connection: &mut SqliteConnection,
    command: &Commit,
    version: u64,
    history: u64,
) -> StoreResult<()> {
    let intent = command.intent.as_ref().map(|intent| to_json(intent, "intent")).transpose()?;
    let snapshot = command.snapshot.map(to_int).transpose()?;
    sqlx::query(
        "UPDATE deposits SET evidence = ?2, credit = ?3, status = ?4, version = ?5, history = ?6, \
                intent = coalesce(?7, intent), \
                snapshot = coalesce(?8, snapshot), \
                last_read_at = CASE WHEN ?8 IS NULL THEN last_read_at ELSE ?9 END, \
                updated_at = CASE WHEN ?6 = history THEN updated_at ELSE ?9 END, \
                unpriced = ?10, under_way = ?11, expiry_pending = ?12, next_check_at = ?13, lane = ?14, \
                failures = ?15, gone_since = ?16, ended_at = ?17, ended_reason = ?18 \
         WHERE id = ?1",
    )
    .bind(command.id.as_str())
    .bind(to_json(&command.evidence, "evidence")?)
    .bind(to_json(&command.credit, "credit")?)
    .bind(command.status.to_string())
    .bind(to_int(version)?)
    .bind(to_int(history)?)
    .bind(intent)
    .bind(snapshot)
    .bind(command.now.millis())
    .bind(command.unpriced)
    .bind(command.under_way)
    .bind(command.expiry_pending)
    .bind(command.watch.next.map(|check| check.at.millis()))
    .bind(command.watch.next.map(|check| check.lane.to_string()))
    .bind(i64::from(command.watch.failures))
    .bind(command.watch.gone_since.map(Timestamp::millis))
    .bind(command.watch.ended.map(|ended| ended.at.millis()))
    .bind(command.watch.ended.map(|ended| ended.why.to_string()))
    .execute(connection)
    .await
    .doing("write a deposit")
    .map(|_| ())
}

/// One transaction of the ledger: the account's side and the provider's, which add up to zero; and the balance.
async fn post(
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

/// A read that changed nothing. It is the newest word all the same: an older snapshot that comes later is stale.
pub(super) async fn touch(connection: &mut SqliteConnection, command: Touch) -> StoreResult<bool> {
    sqlx::query(
        "UPDATE deposits SET snapshot = ?2, next_check_at = ?3, last_read_at = ?4, lane = ?5, failures = ?6, gone_since = ?7, \
                ended_at = ?8, ended_reason = ?9 \
         WHERE id = ?1 AND phase = 'open' AND snapshot < ?2",
    )
    .bind(command.id.as_str())
    .bind(to_int(command.snapshot)?)
    .bind(command.watch.next.map(|check| check.at.millis()))
    .bind(command.now.millis())
    .bind(command.watch.next.map(|check| check.lane.to_string()))
    .bind(i64::from(command.watch.failures))
    .bind(command.watch.gone_since.map(Timestamp::millis))
    .bind(command.watch.ended.map(|ended| ended.at.millis()))
    .bind(command.watch.ended.map(|ended| ended.why.to_string()))
    .execute(connection)
    .await
    .doing("note a read")
    .map(|done| done.rows_affected() > 0)
}

//! Made-up rows.

use deposit_core::{
    AccountName, Amount, Asset, CreditRule, Decimal, DeliveryId, DepositId, Evidence, IntentRecord,
    PayInstructions, PaymentEvidence, PaymentRef, ProviderId, ProviderRef, Quote, Signed, Status, Terms,
    Ticker, Timestamp,
};
use deposit_lifecycle::watch::{Lane, Watch};
use deposit_lifecycle::{Credit, PostingKind};

use crate::{
    Account, AccountId, BeginCreate, Begun, Commit, DepositRow, FinishCreate, Finished, JournalEntry, Lease,
    Posting, ReviewReason, SightedDue, Sighting, Store, StoredRate,
};

pub(super) const PROVIDER: ProviderId = ProviderId::constant("btcpay");
pub(super) const OTHER_PROVIDER: ProviderId = ProviderId::constant("nano");

pub(crate) fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs)
}

pub(super) fn name(text: &str) -> AccountName {
    AccountName::new(text).unwrap()
}

pub(crate) fn id(n: u32) -> DepositId {
    DepositId::new(format!("deposit-number-{n:04}")).unwrap()
}

pub(super) fn order(text: &str) -> ProviderRef {
    ProviderRef::new(text).unwrap()
}

pub(super) fn payment(text: &str) -> PaymentRef {
    PaymentRef::new(text).unwrap()
}

pub(super) fn rate(ticker: Ticker, price: &str, from: i64, until: i64) -> StoredRate {
    StoredRate {
        ticker,
        price: price.parse().unwrap(),
        source: "static".to_owned(),
        valid_from: at(from),
        seen_until: at(until),
    }
}

pub(super) fn terms(now: Timestamp) -> Terms {
    Terms::new(Ticker::BTC, Asset::BTC, CreditRule::at_rate_of(Ticker::BTC), now)
        .with_quote(Quote {
            amount: Amount::new(40_000, Asset::BTC),
            rate: "50000".parse().unwrap(),
            unit_price: "50000".parse().unwrap(),
            expires_at: now.plus_secs(3600),
        })
        .with_bonus_percent(Decimal::new(25, 1))
}

pub(crate) fn lease(owner: &str, until: i64) -> Lease {
    Lease { owner: owner.to_owned(), until: at(until) }
}

pub(crate) fn begin(n: u32, account: AccountId, now: i64) -> BeginCreate {
    BeginCreate {
        id: id(n),
        account,
        provider: PROVIDER,
        terms: terms(at(now)),
        lease: lease("first", now + 30),
        idempotency_key: None,
        rate: None,
        now: at(now),
    }
}

pub(super) fn intent(n: u32, terms: Terms) -> IntentRecord {
    IntentRecord {
        deposit_id: id(n),
        provider: PROVIDER,
        provider_ref: order(&format!("invoice-{n}")),
        terms,
        instructions: PayInstructions::Address {
            address: format!("bc1qexample{n}"),
            memo: None,
            uri: Some(format!("bitcoin:bc1qexample{n}?amount=0.0004")),
        },
    }
}

pub(super) fn finish(n: u32, now: i64) -> FinishCreate {
    FinishCreate {
        id: id(n),
        owner: "first".to_owned(),
        intent: intent(n, terms(at(now))),
        other_orders: Vec::new(),
        view: format!("{{\"txId\":\"{}\"}}", id(n)),
        rate: None,
        next_check_at: at(now + 10),
        now: at(now),
    }
}

pub(crate) async fn account(store: &dyn Store, text: &str) -> Account {
    store.ensure_account(&name(text), at(1)).await.unwrap()
}

/// An open deposit of a known account, made at `now`.
pub(super) async fn open(store: &dyn Store, n: u32, account: AccountId, now: i64) -> DepositRow {
    assert_eq!(store.begin_create(begin(n, account, now)).await.unwrap(), Begun::Yes);
    assert_eq!(store.finish_create(finish(n, now)).await.unwrap(), Finished::Yes);
    row(store, n).await
}

pub(super) async fn row(store: &dyn Store, n: u32) -> DepositRow {
    store.deposit(&id(n)).await.unwrap().expect("the deposit is there")
}

pub(super) fn paid(reference: &str, minor: u128) -> Evidence {
    let mut evidence = Evidence::default();
    let known = PaymentEvidence { seen: minor, confirmed: minor, ..PaymentEvidence::none(Asset::BTC) };
    evidence.payments.insert(payment(reference), known);
    evidence
}

pub(super) fn posting(reference: &str, number: u32, amount: &str) -> Posting {
    posting_in(reference, number, Signed::parse(amount, Asset::USD).unwrap())
}

pub(super) fn posting_in(reference: &str, number: u32, amount: Signed) -> Posting {
    let kind = if amount.is_negative() { PostingKind::Reversal } else { PostingKind::Credit };
    Posting { payment: payment(reference), number, amount, kind }
}

/// A commit against the row as it stands that changes nothing yet.
pub(super) fn commit(row: &DepositRow, now: i64) -> Commit {
    Commit {
        id: row.id.clone(),
        expected_version: row.version,
        snapshot: None,
        evidence: row.evidence.clone(),
        credit: row.credit.clone(),
        status: row.status,
        intent: None,
        view: None,
        postings: Vec::new(),
        reviews: Vec::new(),
        rates: Vec::new(),
        unpriced: false,
        under_way: false,
        expiry_pending: true,
        watch: Watch::at(at(now + 600), Lane::Old),
        now: at(now),
    }
}

/// A commit that credits one payment in full.
pub(super) fn credit(row: &DepositRow, reference: &str, amount: &str, now: i64) -> Commit {
    Commit {
        evidence: paid(reference, 40_000),
        credit: Credit { completed_at: Some(at(now)), ..row.credit.clone() },
        status: Status::Completed,
        view: Some(format!("{{\"paid\":\"{reference}\"}}")),
        postings: vec![posting(reference, 1, amount)],
        expiry_pending: false,
        ..commit(row, now)
    }
}

pub(super) fn delivery(text: &str, received: i64) -> JournalEntry {
    JournalEntry {
        provider: PROVIDER,
        delivery: DeliveryId::new(text).unwrap(),
        body: format!("{{\"event\":\"{text}\"}}").into_bytes(),
        observations: "[]".to_owned(),
        received_at: at(received),
    }
}

/// 0.0004 BTC of which somebody has to know.
pub(super) fn review(reference: &str, reason: ReviewReason, since: i64) -> Sighting {
    Sighting {
        provider: PROVIDER,
        reference: reference.to_owned(),
        order: None,
        due: SightedDue::Amount(Amount::new(40_000, Asset::BTC)),
        ticker: Some(Ticker::BTC),
        deposit: None,
        reason,
        code: None,
        detail: None,
        at: at(since),
    }
}

/// The ledger adds up, and nothing else is wrong.
pub(super) async fn assert_balanced(store: &dyn Store) {
    let check = store.check_ledger().await.unwrap();
    assert!(check.balanced && check.faults.is_empty(), "{:?}", check.faults);
}

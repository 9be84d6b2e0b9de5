//! What is compared between runs: the ledger, the balances and the statuses, without ids and times; and the ledger against the truth.

use std::collections::BTreeMap;

use deposit_core::{Asset, DepositId, Signed};
use deposit_store::prelude::*;
use deposit_store::{AccountId, EntryKind, JournalFilter, LedgerEntry, ReviewRow, SqliteStore, Store};
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::Value;

use super::RATES;
use super::courier::Heard;
use super::scenario::{ACCOUNTS, Played, Shop, Site};

/// One deposit as it stands at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub status: String,
    pub paid: String,
    pub credited: String,
    pub reversed: bool,
    pub late: bool,
    /// Amount and stage, sorted: ids differ between runs.
    pub payments: Vec<(String, String)>,
    /// Which payment of the deposit, in the order of their first postings; amount; kind.
    pub postings: Vec<(usize, String, EntryKind)>,
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Book {
    pub lines: BTreeMap<String, Line>,
    /// Of `ACCOUNTS`, as the API tells them.
    pub balances: [String; 2],
    pub credits: u64,
    /// What waits for an operator: why, and the adapter's word for it.
    pub waiting: Vec<String>,
}

impl Book {
    /// Reads the end of a run over the API and in the store's file.
    pub async fn read<S: Site>(shop: &mut Shop<S>, played: &Played, store: &SqliteStore) -> Self {
        let mut lines = BTreeMap::new();
        for (name, deposit) in played {
            let state = shop.status(deposit).await;
            let id: DepositId = deposit.id.parse().unwrap();
            lines.insert(name.clone(), line(&state, &store.deposit_entries(&id).await.unwrap()));
        }
        let mut balances = [String::new(), String::new()];
        for (account, balance) in balances.iter_mut().enumerate() {
            let reply = shop.ask(account, "POST", "/api/check-balance", None, "").await;
            *balance = reply.json()["usd_balance"].as_str().unwrap().to_owned();
        }
        let check = store.check_ledger().await.unwrap();
        assert!(check.balanced, "{check:?}");
        let word = |item: &ReviewRow| match &item.code {
            Some(code) => format!("{}: {code}", item.reason),
            None => item.reason.to_string(),
        };
        let mut waiting: Vec<String> = store.open_reviews().await.unwrap().iter().map(word).collect();
        waiting.sort();
        Self { lines, balances, credits: check.credits, waiting }
    }
}

fn line(state: &Value, entries: &[LedgerEntry]) -> Line {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut payments: Vec<(String, String)> = state["payments"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|payment| (text(&payment["amount"]), text(&payment["stage"])))
        .collect();
    payments.sort();
    let mut order = Vec::new();
    let postings = entries
        .iter()
        .map(|entry| {
            let number = order.iter().position(|known| *known == &entry.payment).unwrap_or_else(|| {
                order.push(&entry.payment);
                order.len() - 1
            });
            (number, entry.amount.to_string(), entry.kind)
        })
        .collect();
    Line {
        status: text(&state["status"]),
        paid: text(&state["paidAmountCrypto"]),
        credited: text(&state["creditedUsd"]),
        reversed: state["reversed"] == true,
        late: state["late"] == true,
        payments,
        postings,
    }
}

/// Each deposit has one order; each payment that the provider has is posted as what its net is worth, to its own customer, and nothing else is posted at all; each
/// balance is the sum of that; every delivery that was acknowledged is in the journal.
pub async fn check_truth<S: Site>(shop: &Shop<S>, rounds: &[Played], store: &SqliteStore, heard: &[Heard]) {
    let accounts = store.accounts().await.unwrap();
    let account = |name: &str| -> AccountId { accounts.iter().find(|a| a.name.as_str() == name).unwrap().id };
    let mut posted: BTreeMap<(AccountId, String, String), Decimal> = BTreeMap::new();
    let mut sums: BTreeMap<AccountId, Decimal> = BTreeMap::new();
    for name in ACCOUNTS {
        for entry in store.ledger_entries(account(name), 0, 100_000).await.unwrap() {
            let amount = decimal(&entry.amount.to_string());
            let deposit = entry.deposit.unwrap().to_string();
            let payment = entry.payment.unwrap().to_string();
            *posted.entry((account(name), deposit, payment)).or_default() += amount;
            *sums.entry(account(name)).or_default() += amount;
        }
    }
    let orders = shop.truth().await;
    // One whose answer was lost is found again, not made again; and a repeated request makes no second deposit.
    let mut made: Vec<&str> = orders.iter().map(|order| order["order"].as_str().unwrap()).collect();
    let mut known: Vec<&str> =
        rounds.iter().flat_map(Played::values).map(|deposit| deposit.id.as_str()).collect();
    made.sort_unstable();
    known.sort_unstable();
    assert_eq!(made, known, "the orders at the provider, and the deposits");
    for order in &orders {
        for payment in order["payments"].as_array().unwrap() {
            let ours = order["order"].as_str().unwrap();
            let deposit = rounds.iter().flat_map(Played::values).find(|deposit| deposit.id == ours);
            let deposit = deposit.unwrap_or_else(|| panic!("paid, but no deposit: {order:#}"));
            let rate = RATES.iter().find(|(ticker, _)| *ticker == deposit.ticker).unwrap().1;
            let figure = |member: &str| decimal(payment[member].as_str().unwrap());
            let net = figure("confirmed") - figure("reversed") + figure("reinstated");
            let worth = (net * decimal(rate)).round_dp_with_strategy(8, RoundingStrategy::ToZero);
            let key = (
                account(ACCOUNTS[deposit.account]),
                ours.to_owned(),
                payment["id"].as_str().unwrap().to_owned(),
            );
            let credited = posted.remove(&key).unwrap_or_default();
            assert_eq!(credited, worth, "{} payment of {} {}: {payment:#}", deposit.ticker, ours, key.2);
        }
    }
    assert!(posted.is_empty(), "posted for what the provider never had: {posted:?}");
    for name in ACCOUNTS {
        let held = store.balances(account(name)).await.unwrap();
        let usd = held.iter().find(|b| b.asset() == Asset::USD).copied().unwrap_or(Signed::zero(Asset::USD));
        assert_eq!(
            decimal(&usd.to_string()),
            sums.get(&account(name)).copied().unwrap_or_default(),
            "{name}"
        );
    }
    let journal = store.journal_rows(JournalFilter::default()).await.unwrap();
    for delivery in heard.iter().filter(|delivery| (200..300).contains(&delivery.status)) {
        let there = journal.iter().filter(|row| row.delivery.as_str() == delivery.id).count();
        assert_eq!(there, 1, "an acknowledged delivery is {there} times in the journal: {delivery:?}");
    }
}

fn decimal(text: &str) -> Decimal {
    Decimal::from_str_exact(text).unwrap()
}

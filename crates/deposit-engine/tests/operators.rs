//! What operators do beside a running gateway: assigning reviews, replaying deliveries, comparing providers with the ledger.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions
)]

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use common::*;
use deposit_facade::Registry;
use deposit_rates::Rates;
use deposit_store::prelude::*;
use deposit_store::{
    AssignReview, Assigned, DismissReview, Dismissed, EntryKind, JournalEntry, ReviewRow, SightedDue,
    Sighting, StoredRate,
};
use tokio::sync::Semaphore;

const DAY: i64 = 86_400;

fn options() -> ReconcileOptions {
    ReconcileOptions { provider: None, since: START, again_after: vec![Duration::ZERO] }
}

/// What differs now, as `reference kind ours theirs`.
async fn differences(engine: &Engine) -> Vec<String> {
    let found = engine.reconcile(&options()).await.unwrap();
    assert!(found.ledger.balanced, "{:?}", found.ledger.faults);
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let all = found.differences.iter();
    all.map(|d| format!("{} {} {} {}", d.reference, d.kind, text(&d.ours), text(&d.theirs))).collect()
}

async fn only_review(bench: &Bench) -> ReviewRow {
    let mut all = bench.store.open_reviews().await.unwrap();
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

async fn assign(bench: &Bench, item: &ReviewRow, amount: Amount, again: bool) -> Assigned {
    let command = AssignReview {
        id: item.id,
        account: bench.caller.account.id,
        amount,
        seen: item.amount.clone(),
        note: None,
        by: "operator".to_owned(),
        again,
        now: bench.clock.now(),
    };
    bench.store.assign_review(command).await.unwrap()
}

/// Half of what is due was seen and never confirmed; an operator has assigned it.
async fn assigned_part(bench: &Bench) -> DepositId {
    let id = bench.create().await;
    bench.paid(&id, "p", "0.002", "0").await;
    bench.pass(3 * DAY + 3601).await;
    bench.observe(&id).await;
    let item = only_review(bench).await;
    assert_eq!((item.reason, item.amount.as_deref()), (ReviewReason::NeverConfirmed, Some("0.002")));
    let worth = bench.engine.value_of_review(&item).await.unwrap().unwrap();
    assert_eq!(worth.credit.to_string(), "100");
    assert!(matches!(assign(bench, &item, worth.credit, false).await, Assigned::Yes { .. }));
    id
}

async fn all_or_nothing() -> Bench {
    let till = Till::new("till", Ticker::BTC, Asset::BTC, Replay::LookUp).all_or_nothing();
    Setup::of(vec![till]).bench().await
}

#[tokio::test]
async fn money_that_was_assigned_comes_back_to_review_and_not_to_the_ledger() {
    let bench = all_or_nothing().await;
    let id = assigned_part(&bench).await;
    assert_eq!(bench.usd().await, "100");

    // The provider confirms after all, and more: what is above the assignment waits, and is worth itself.
    bench.set_price("60000");
    assert_eq!(bench.paid(&id, "p", "0", "0.004").await, Status::Paid);
    assert_eq!(bench.usd().await, "100");
    assert!(bench.postings(&id).await.is_empty());
    let item = only_review(&bench).await;
    assert_eq!((item.reason, item.amount.as_deref()), (ReviewReason::AlreadyAssigned, Some("0.002")));
    assert_eq!(item.seen.as_deref(), Some("0.004"));
    let worth = bench.engine.value_of_review(&item).await.unwrap().unwrap();
    assert_eq!(worth.paid.to_string(), "0.002");
    assert!(differences(&bench.engine).await.is_empty(), "an operator was shown it");

    // Neither time, restarts nor another read credit it.
    let mut bench = bench;
    bench.restart().await;
    bench.pass(600).await;
    bench.engine.run_timers().await.unwrap();
    bench.observe(&id).await;
    assert_eq!(bench.usd().await, "100");
    // What is still missing is for the operator to say.
    let rest = Amount::parse("100", Asset::USD).unwrap();
    assert!(matches!(assign(&bench, &item, rest, false).await, Assigned::Yes { .. }));
    assert_eq!(bench.usd().await, "200");
    let entries = bench.store.ledger_entries(bench.caller.account.id, 0, 9).await.unwrap();
    assert!(entries.iter().all(|entry| entry.kind == EntryKind::Adjustment && entry.payment.is_none()));
    // Another payment of the same deposit is credited as ever: at the rate of its time.
    bench.paid(&id, "q", "0", "0.001").await;
    assert_eq!(bench.usd().await, "260");
    bench.check().await;
}

#[tokio::test]
async fn assigned_money_that_is_taken_back_is_shown() {
    let bench = bench().await;
    let id = bench.create().await;
    bench.store.close_account(&bench.caller.account.name, START).await.unwrap();
    bench.paid(&id, "p", "0", "0.004").await;
    let item = only_review(&bench).await;
    assert_eq!((item.reason, item.amount.as_deref()), (ReviewReason::AccountClosed, Some("0.004")));
    let other = bench.store.ensure_account(&"bob".parse().unwrap(), START).await.unwrap();
    let command = AssignReview {
        id: item.id,
        account: other.id,
        amount: Amount::parse("200", Asset::USD).unwrap(),
        seen: item.amount.clone(),
        note: None,
        by: "operator".to_owned(),
        again: false,
        now: START,
    };
    assert!(matches!(bench.store.assign_review(command).await.unwrap(), Assigned::Yes { .. }));
    bench.observe(&id).await;
    assert!(bench.reviews().await.is_empty());
    bench.paid(&id, "p", "0", "0.001").await;
    let item = only_review(&bench).await;
    assert_eq!((item.reason, item.amount.as_deref()), (ReviewReason::AssignedReversed, Some("0.003")));
    assert_eq!(bench.engine.value_of_review(&item).await.unwrap(), Err(NoValue::TakenBack));
    assert!(differences(&bench.engine).await.is_empty());
    bench.check().await;
}

#[tokio::test]
async fn money_that_was_dismissed_may_be_credited_by_rule() {
    let bench = all_or_nothing().await;
    let id = bench.create().await;
    bench.paid(&id, "p", "0.002", "0").await;
    bench.pass(3 * DAY + 3601).await;
    bench.observe(&id).await;
    let item = only_review(&bench).await;
    let command = DismissReview {
        id: item.id,
        seen: item.amount,
        reason: "nothing came".to_owned(),
        by: "operator".to_owned(),
        now: bench.clock.now(),
    };
    assert_eq!(bench.store.dismiss_review(command).await.unwrap(), Dismissed::Yes);
    bench.paid(&id, "p", "0", "0.004").await;
    assert_eq!(bench.usd().await, "200");
    assert!(bench.reviews().await.is_empty());
    bench.check_settled(&id).await;
}

#[tokio::test]
async fn the_unit_of_an_amount_in_review_is_what_was_paid() {
    let bench = bench().await;
    let id = bench.create().await;
    bench.till().change(&id, |snapshot| till::stand(snapshot, "p", Asset::LTC, "0", "0.5", None));
    bench.observe(&id).await;
    let item = only_review(&bench).await;
    assert_eq!((item.reason, item.ticker), (ReviewReason::WrongAsset, Some(Ticker::LTC)));
    assert_eq!(bench.engine.value_of_review(&item).await.unwrap(), Err(NoValue::Rate(Ticker::LTC)));
    let rate = StoredRate {
        ticker: Ticker::LTC,
        price: "80".parse().unwrap(),
        source: "test".to_owned(),
        valid_from: START,
        seen_until: START,
    };
    bench.store.store_rates(vec![rate]).await.unwrap();
    let worth = bench.engine.value_of_review(&item).await.unwrap().unwrap();
    assert_eq!((worth.credit.to_string(), worth.credit.asset()), ("40".to_owned(), Asset::USD));
    assert!(matches!(assign(&bench, &item, worth.credit, false).await, Assigned::Yes { .. }));
    assert!(differences(&bench.engine).await.is_empty());
}

#[tokio::test]
async fn what_an_item_is_worth() {
    let bench = bench().await;
    bench.pass(3600).await;
    bench.set_price("60000");
    bench.pass(3600).await;
    let worth = |amount: Option<&str>, ticker: Option<Ticker>, since: i64| {
        let amount = amount.map(str::to_owned);
        let (engine, since) = (&bench.engine, START.plus_secs(since));
        async move {
            let item = ReviewRow {
                id: 1,
                provider: ProviderId::constant("till"),
                reference: "p".to_owned(),
                order: None,
                seen: amount.clone(),
                amount,
                ticker,
                deposit: None,
                reason: ReviewReason::NoDeposit,
                code: None,
                detail: None,
                since,
                resolution: None,
            };
            let worth = engine.value_of_review(&item).await.unwrap();
            worth.map(|worth| format!("{} {}", worth.credit, worth.credit.asset()))
        }
    };
    let ok = |text: &str| Ok(text.to_owned());
    assert_eq!(worth(Some("0.004"), Some(Ticker::BTC), 10).await, ok("200 USD"));
    assert_eq!(worth(Some("0.004"), Some(Ticker::BTC), 7200).await, ok("240 USD"));
    // Before any rate was known: the first one after.
    assert_eq!(worth(Some("0.004"), Some(Ticker::BTC), -DAY).await, ok("200 USD"));
    assert_eq!(worth(Some("0.00000001"), Some(Ticker::BTC), 10).await, ok("0.0005 USD"));
    // The same coin by another way, counted finer.
    assert_eq!(worth(Some("0.00000000001"), Some(Ticker::BTC_LN), 10).await, ok("0.0000005 USD"));
    assert_eq!(worth(Some("1.5"), Some(Ticker::XNO), 10).await, ok("1.5 XNO"));
    assert_eq!(worth(Some("1.5"), Some(Ticker::USD), 10).await, ok("1.5 USD"));
    assert_eq!(worth(None, Some(Ticker::BTC), 10).await, Err(NoValue::Amount));
    assert_eq!(worth(Some("1"), None, 10).await, Err(NoValue::Coin));
    assert_eq!(worth(Some("1"), Some(Ticker::NEAR), 10).await, Err(NoValue::Rate(Ticker::NEAR)));
    assert_eq!(worth(Some("0"), Some(Ticker::BTC), 10).await, Err(NoValue::Nothing));
    let bad = "0.123456789";
    assert_eq!(worth(Some(bad), Some(Ticker::BTC), 10).await, Err(NoValue::Unreadable(bad.to_owned())));
    let most = Amount::new(u128::MAX, Asset::BTC).to_string();
    assert_eq!(worth(Some(&most), Some(Ticker::BTC), 10).await, Err(NoValue::Size));
}

/// Works everything off once more; what came of each, and whether it failed.
async fn replay(bench: &Bench) -> Vec<(&'static str, bool)> {
    let done = bench.engine.replay_deliveries(bench.journal().await).await.unwrap();
    done.iter().map(|done| (done.outcome, done.failed)).collect()
}

#[tokio::test]
async fn deliveries_are_replayed_at_any_time() {
    let bench = bench().await;
    let id = bench.create().await;
    let order = bench.order(&id).await;
    bench.till().pay(&id, "p", "0", "0.004");
    bench.tell("d1", &order, Observed::Hint).await;
    bench.till().next_read(Reading::Fails(transient()));
    bench.engine.handle_deliveries().await.unwrap();
    let handled = |row: &JournalRow| (row.handled_at, row.outcome.clone());
    let before = handled(&bench.journal().await[0]);
    assert_eq!(before, (Some(bench.clock.now()), Some("to_be_read".to_owned())));

    // Still down: the journal keeps what it had.
    bench.pass(60).await;
    bench.till().next_read(Reading::Fails(transient()));
    assert_eq!(replay(&bench).await, [("to_be_read", true)]);
    assert_eq!(handled(&bench.journal().await[0]), before);
    assert_eq!(bench.usd().await, "0");

    assert_eq!(replay(&bench).await, [("changed", false)]);
    assert_eq!(handled(&bench.journal().await[0]), (Some(bench.clock.now()), Some("changed".to_owned())));
    for _ in 0..3 {
        assert_eq!(replay(&bench).await, [("unchanged", false)]);
    }
    // By several at once, as beside a running gateway.
    let other = bench.another_engine();
    let (here, there) = tokio::join!(
        bench.engine.replay_deliveries(bench.journal().await),
        other.replay_deliveries(bench.journal().await),
    );
    assert!(here.unwrap().iter().chain(&there.unwrap()).all(|done| !done.failed));
    assert_eq!((bench.usd().await, bench.postings(&id).await.len()), ("200".to_owned(), 1));
    bench.check().await;
}

#[tokio::test]
async fn what_cannot_be_replayed_is_told_and_stays() {
    let bench = bench().await;
    bench.tell("early", "nobody's", Observed::PaymentHint).await;
    for (provider, delivery, observations) in [("till", "odd", "nonsense"), ("gone", "past", "[]")] {
        let entry = JournalEntry {
            provider: provider.parse().unwrap(),
            delivery: DeliveryId::new(delivery).unwrap(),
            body: Vec::new(),
            observations: observations.to_owned(),
            received_at: bench.clock.now(),
        };
        bench.store.journal(entry).await.unwrap();
    }
    let told = [("waiting", false), ("unreadable", true), ("not_configured", true)];
    assert_eq!(replay(&bench).await, told);
    assert!(bench.journal().await.iter().all(|row| row.handled_at.is_none()));
    bench.pass(121).await;
    assert_eq!(replay(&bench).await[0], ("review", false));
    assert_eq!(bench.reviews().await, [("nobody's".to_owned(), ReviewReason::NoDeposit)]);
}

#[tokio::test]
async fn what_nobody_has_read_yet_is_a_difference_and_nothing_is_written() {
    let bench = bench().await;
    let (paid, seen, idle) = (bench.create().await, bench.create().await, bench.create().await);
    assert!(differences(&bench.engine).await.is_empty());
    bench.till().pay(&paid, "p", "0", "0.004");
    bench.till().pay(&seen, "s", "0.004", "0");
    let (rows, number) = (bench.row(&paid).await, bench.store.begin_read(&idle).await.unwrap().unwrap().1);
    let expected = ["p missing_credit - 0.004", "s missing_payment - 0.004"];
    assert_eq!(differences(&bench.engine).await, expected);
    assert_eq!(differences(&bench.engine).await, expected);
    // Not even a snapshot number was taken.
    assert_eq!(bench.store.begin_read(&idle).await.unwrap().unwrap().1, number + 1);
    assert_eq!(bench.row(&paid).await, rows);
    assert_eq!((bench.usd().await, bench.reviews().await.len()), ("0".to_owned(), 0));

    bench.observe(&paid).await;
    bench.observe(&seen).await;
    assert!(differences(&bench.engine).await.is_empty());
    // Undone at the provider; then gone.
    bench.till().pay(&paid, "p", "0.004", "0");
    assert_eq!(differences(&bench.engine).await, ["p missing_reversal 0.004 0"]);
    bench.till().change(&paid, |snapshot| snapshot.payments.clear());
    assert_eq!(differences(&bench.engine).await, ["p missing_at_provider 0.004 0"]);
    // Deposits that have not changed since are left alone.
    let later = ReconcileOptions { since: START.plus_secs(1), ..options() };
    let found = bench.engine.reconcile(&later).await.unwrap();
    assert_eq!((found.deposits, found.differences.len()), (0, 0));
    let other = ReconcileOptions { provider: Some("other".parse().unwrap()), ..options() };
    assert!(bench.engine.reconcile(&other).await.unwrap().differences.is_empty());
}

#[tokio::test]
async fn what_is_handled_meanwhile_is_no_difference() {
    let bench = bench().await;
    let id = bench.create().await;
    bench.till().pay(&id, "p", "0", "0.004");
    let gate = Arc::new(Semaphore::new(0));
    bench.till().next_read(Reading::Waits(Arc::clone(&gate)));
    let engine = bench.engine.clone();
    let once = ReconcileOptions { again_after: Vec::new(), ..options() };
    let reading = tokio::spawn(async move { engine.reconcile(&once).await.unwrap() });
    while bench.till().reads() == 0 {
        tokio::task::yield_now().await;
    }
    // The gateway credits it while its provider is being asked.
    bench.observe(&id).await;
    assert_eq!(bench.usd().await, "200");
    gate.add_permits(1);
    assert!(reading.await.unwrap().differences.is_empty());
}

#[tokio::test]
async fn a_provider_that_cannot_be_read_is_a_difference() {
    let bench = bench().await;
    let mut ids = Vec::new();
    for _ in 0..12 {
        ids.push(bench.create().await);
    }
    bench.till().next_read(Reading::Fails(transient()));
    assert!(differences(&bench.engine).await.is_empty(), "it was read the second time");
    for _ in 0..99 {
        bench.till().next_read(Reading::Fails(transient()));
    }
    let reads = bench.till().reads();
    let found = differences(&bench.engine).await;
    assert!(found.iter().all(|line| line.contains(" unreadable - ")), "{found:?}");
    // Not all of them are asked in vain.
    let rest: Vec<_> = found.iter().filter(|line| line.starts_with("* ")).collect();
    assert_eq!(rest.len(), 1, "{found:?}");
    assert_eq!(rest[0], &format!("* unreadable - {} more deposits were not asked about", 13 - found.len()));
    assert!(bench.till().reads() - reads < 20);
    bench.till().state().readings.clear();
    // An order that is gone is another thing.
    bench.till().state().orders.remove(0);
    assert_eq!(differences(&bench.engine).await, ["till-order-1 missing_at_provider - -"]);
}

#[tokio::test]
async fn deposits_are_compared_in_batches() {
    let till = Till::new("till", Ticker::BTC, Asset::BTC, Replay::LookUp).in_batches(5);
    let bench = Setup::of(vec![till]).bench().await;
    let mut ids = Vec::new();
    for n in 0..12 {
        let id = bench.create().await;
        bench.till().pay(&id, &format!("p{n}"), "0", "0.004");
        if n > 0 {
            bench.observe(&id).await;
        }
        ids.push(id);
    }
    let batches = bench.till().state().batches;
    assert_eq!(differences(&bench.engine).await, ["p0 missing_credit - 0.004"]);
    assert_eq!(bench.till().state().batches - batches, 3);
    bench.till().state().loses_one = true;
    bench.observe(&ids[0]).await;
    assert!(differences(&bench.engine).await.is_empty(), "read one by one the second time");
}

/// A provider with a feed of two lines a page and no orders.
#[derive(Debug, Clone)]
struct Feed {
    capabilities: Capabilities,
    lines: Arc<Mutex<Result<Vec<deposit_core::Observation>, ErrorKind>>>,
}

#[async_trait]
impl PaymentProvider for Feed {
    fn id(&self) -> ProviderId {
        ProviderId::constant("till")
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn open(&self, _: &OpenRequest) -> Result<Box<dyn DepositIntent>, ProviderError> {
        Err(ProviderError::unsupported(self.id(), Operation::Open))
    }

    async fn read(&self, intent: &IntentRecord) -> Result<Snapshot, ProviderError> {
        Ok(Snapshot { complete: false, ..Snapshot::empty(intent.provider_ref.clone()) })
    }

    async fn scan(&self, cursor: Option<&ScanCursor>) -> Result<ScanPage, ProviderError> {
        let lines = self.lines.lock().unwrap().clone();
        let lines = lines.map_err(|kind| ProviderError::new(self.id(), Operation::Scan, kind))?;
        let from: usize = cursor.map_or(0, |cursor| cursor.0.parse().unwrap());
        let observations: Vec<_> = lines.iter().skip(from).take(2).cloned().collect();
        let next = from + observations.len();
        let cursor = ScanCursor(next.to_string());
        Ok(ScanPage {
            observations,
            taken: Vec::new(),
            next: cursor,
            more: next < lines.len(),
            ..ScanPage::default()
        })
    }
}

#[tokio::test]
async fn a_feed_is_compared_from_its_beginning() {
    let bench = bench().await;
    let capabilities = Capabilities { scan: true, ..bench.till().capabilities().clone() };
    let feed = Feed { capabilities, lines: Arc::new(Mutex::new(Ok(Vec::new()))) };
    let registry = Registry::builder().register(Arc::new(feed.clone())).unwrap().build();
    let rates = Arc::new(Rates::new(Vec::new(), Duration::from_secs(300)));
    let store: Arc<dyn Store> = Arc::clone(&bench.store) as Arc<dyn Store>;
    let engine = Engine::new(store, registry, rates, EngineConfig::default(), Arc::new(bench.clock.clone()));
    // The stored cursor is behind all of it.
    bench.store.move_scan_cursor(feed.id(), &ScanCursor("9".to_owned())).await.unwrap();

    let known = bench.create().await;
    bench.paid(&known, "p", "0", "0.004").await;
    let payment = |id: &str, paid_at| {
        let amount = Amount::parse("0.004", Asset::BTC).unwrap();
        let reading = PaymentReading::confirmed(PaymentRef::new(id).unwrap(), amount);
        Observed::Payment(Box::new(PaymentReading { paid_at, ..reading }))
    };
    let foreign = deposit_core::Observation { ours: Some(false), ..message("else's", Observed::PaymentHint) };
    let order = bench.order(&known).await;
    *feed.lines.lock().unwrap() = Ok(vec![
        message("x", payment("p", None)),
        message("x", payment("lost", None)),
        message("x", payment("old", Some(START.plus_secs(-1)))),
        message("x", payment("reviewed", None)),
        message("session", Observed::PaymentHint),
        message("x", Observed::Hint),
        message(&order, Observed::PaymentHint),
        message(&order, payment("fresh", None)),
        foreign,
    ]);
    let review = Sighting {
        provider: feed.id(),
        reference: "reviewed".to_owned(),
        order: None,
        due: SightedDue::News,
        ticker: None,
        deposit: None,
        reason: ReviewReason::NoDeposit,
        code: None,
        detail: None,
        at: START,
    };
    bench.store.sight(vec![review]).await.unwrap();
    let expected =
        ["fresh missing_credit - 0.004", "lost unknown_payment - 0.004", "session unknown_payment - -"];
    assert_eq!(differences(&engine).await, expected);
    let cursor = bench.store.scan_cursor(feed.id()).await.unwrap().unwrap();
    assert_eq!(cursor.0, "9", "nothing is written");
    *feed.lines.lock().unwrap() = Err(transient());
    let found = differences(&engine).await;
    assert!(found.len() == 1 && found[0].starts_with("* unreadable - "), "{found:?}");
}

#[tokio::test]
async fn a_repair_commits_what_differs_and_nothing_twice() {
    let bench = bench().await;
    let id = bench.create().await;
    bench.till().pay(&id, "p", "0", "0.004");
    // Paid, and nobody has read it.
    assert_eq!(differences(&bench.engine).await, ["p missing_credit - 0.004"]);
    let found = bench.engine.reconcile(&options()).await.unwrap();
    let plan = bench.engine.plan_repair(&found);
    assert_eq!(plan.len(), 1);
    assert_eq!(plan[0].action, RepairAction::ReadDeposit(id.clone()));
    assert_eq!(differences(&bench.engine).await.len(), 1, "a plan writes nothing");
    assert_eq!(bench.engine.repair(&plan[0]).await.unwrap(), Repaired::Changed);
    assert_eq!(differences(&bench.engine).await, [""; 0]);
    assert_eq!(bench.view(&id).await.credited.unwrap().to_string(), "200");
    // Again, and by two operators at once.
    let (a, b) = tokio::join!(bench.engine.repair(&plan[0]), bench.engine.repair(&plan[0]));
    assert_eq!((a.unwrap(), b.unwrap()), (Repaired::Unchanged, Repaired::Unchanged));
    assert_eq!(bench.view(&id).await.credited.unwrap().to_string(), "200");
}

#[tokio::test]
async fn a_repair_scans_a_feed_from_its_beginning() {
    let bench = bench().await;
    let capabilities = Capabilities { scan: true, ..bench.till().capabilities().clone() };
    let feed = Feed { capabilities, lines: Arc::new(Mutex::new(Ok(Vec::new()))) };
    let registry = Registry::builder().register(Arc::new(feed.clone())).unwrap().build();
    let rates = Arc::new(Rates::new(Vec::new(), Duration::from_secs(300)));
    let store: Arc<dyn Store> = Arc::clone(&bench.store) as Arc<dyn Store>;
    let engine = Engine::new(store, registry, rates, EngineConfig::default(), Arc::new(bench.clock.clone()));
    bench.store.move_scan_cursor(feed.id(), &ScanCursor("9".to_owned())).await.unwrap();
    let amount = Amount::parse("0.004", Asset::BTC).unwrap();
    let reading = PaymentReading::confirmed(PaymentRef::new("lost").unwrap(), amount);
    *feed.lines.lock().unwrap() = Ok(vec![message("x", Observed::Payment(Box::new(reading)))]);
    assert_eq!(differences(&engine).await, ["lost unknown_payment - 0.004"]);
    let plan = engine.plan_repair(&engine.reconcile(&options()).await.unwrap());
    assert_eq!(plan.iter().map(|step| &step.action).collect::<Vec<_>>(), [&RepairAction::ScanFeed]);
    assert_eq!(engine.repair(&plan[0]).await.unwrap(), Repaired::Changed);
    // Nobody ordered it: an operator has it.
    assert_eq!(only_review(&bench).await.reference, "lost");
    assert_eq!(differences(&engine).await, [""; 0]);
    let cursor = bench.store.scan_cursor(feed.id()).await.unwrap().unwrap();
    assert_eq!(cursor.0, "9", "the scan of the gateway is left alone");
    *feed.lines.lock().unwrap() = Err(transient());
    assert_eq!(engine.repair(&plan[0]).await.unwrap(), Repaired::Failed);
}

#[tokio::test]
async fn an_order_that_is_gone_and_never_had_money_is_no_difference_for_ever() {
    let bench = bench().await;
    let (gone, well) = (bench.create().await, bench.create().await);
    bench.till().state().orders.retain(|order| order.record.deposit_id == well);
    let order = bench.order(&gone).await;
    let missing = [format!("{order} missing_at_provider - -")];
    assert_eq!(differences(&bench.engine).await, missing, "nobody has said yet that it is over");
    for _ in 0..30 {
        bench.pass(3600).await;
        bench.observe(&gone).await;
        bench.observe(&well).await;
    }
    assert!(bench.row(&gone).await.watch.ended.is_some());
    assert_eq!(differences(&bench.engine).await, [""; 0]);
}

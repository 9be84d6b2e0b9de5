//! The background tasks: a provider that is dead, slow or limited harms its own tickers alone.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions
)]

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::*;
use deposit_facade::Registry;
use deposit_rates::{Quote, RateError, RateSource, Rates};
use tokio::sync::{Semaphore, broadcast};

/// Nothing here takes so long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

fn two_tills() -> Setup {
    Setup::of(vec![
        Till::new("till", Ticker::BTC, Asset::BTC, Replay::Key),
        Till::new("other", Ticker::LTC, Asset::LTC, Replay::Key),
    ])
}

async fn create(bench: &Bench, ticker: &str, amount: &str) -> DepositId {
    let request = CreateRequest { ticker: ticker.into(), ..bench.request(amount, None) };
    bench.engine.create(request).await.result.unwrap().id
}

/// Waits for a change that brings the deposit to `status`.
async fn reaches(bench: &Bench, changes: &mut broadcast::Receiver<Change>, id: &DepositId, status: Status) {
    let reached = async {
        while bench.status(id).await != status {
            changes.recv().await.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{id} does not reach {status}"));
}

async fn deliver(bench: &Bench, provider: &'static str, id: String, order: &str) {
    let hint = deposit_core::Observation {
        provider: ProviderId::constant(provider),
        ..message(order, Observed::PaymentHint)
    };
    let body = serde_json::to_vec(&(id, [hint])).unwrap();
    let headers = [("signature".to_owned(), "genuine".to_owned())];
    let delivery = RawDelivery { headers: &headers, query: &[], body: &body, received_at: bench.clock.now() };
    bench.engine.webhook(provider, &delivery).await.unwrap();
}

#[tokio::test]
async fn a_provider_that_never_answers_keeps_nobody_else_waiting() {
    let bench = two_tills().bench().await;
    let (dead, well) = (create(&bench, "btc", "0.004").await, create(&bench, "ltc", "1").await);
    let gate = Arc::new(Semaphore::new(0));
    bench.tills[0].state().hung = Some(Arc::clone(&gate));
    // More deliveries than a batch takes, all of them waiting for the dead one, before the one that matters.
    for n in 0..40 {
        deliver(&bench, "till", format!("dead-{n}"), &bench.order(&dead).await).await;
    }
    let mut changes = bench.engine.changes();
    bench.tills[1].pay(&well, "p", "1", "0");
    bench.clock.advance_secs(11);
    let running = bench.engine.start().await.unwrap();
    // By polling, then by a delivery.
    reaches(&bench, &mut changes, &well, Status::Processing).await;
    bench.tills[1].pay(&well, "p", "0", "1");
    deliver(&bench, "other", "well".to_owned(), &bench.order(&well).await).await;
    reaches(&bench, &mut changes, &well, Status::Completed).await;
    // And its expiries are committed without it.
    bench.clock.advance_secs(3600);
    reaches(&bench, &mut changes, &dead, Status::Expired).await;
    assert!(bench.tills[0].reads() > 0 && bench.journal().await[0].outcome.is_none());

    // It comes back: nothing was lost.
    bench.tills[0].pay_at(&dead, "q", "0.004", START.plus_secs(5));
    bench.tills[0].state().hung = None;
    gate.add_permits(1000);
    deliver(&bench, "till", "back".to_owned(), &bench.order(&dead).await).await;
    reaches(&bench, &mut changes, &dead, Status::Completed).await;
    tokio::time::timeout(PATIENCE, running.stop()).await.unwrap();
    assert_eq!(bench.postings(&dead).await, ["200"]);
    bench.check_settled(&dead).await;
}

#[tokio::test]
async fn polling_takes_no_more_than_the_provider_allows() {
    // Eight of them go into opening the orders.
    let budget = RequestBudget { requests: 11, per: Duration::from_secs(3600), concurrency: 2 };
    let limited = Till::new("till", Ticker::BTC, Asset::BTC, Replay::Key).with_budget(budget);
    let free = Till::new("other", Ticker::LTC, Asset::LTC, Replay::Key);
    let bench = Setup::of(vec![limited, free]).bench().await;
    for _ in 0..8 {
        create(&bench, "btc", "0.004").await;
    }
    let well = create(&bench, "ltc", "1").await;
    let running = bench.engine.start().await.unwrap();
    // The other one's rounds tell that time goes on.
    let begun = Instant::now();
    for round in 1..=3 {
        bench.clock.advance_secs(12);
        while bench.tills[1].reads() < round {
            assert!(begun.elapsed() < PATIENCE, "round {round} does not come");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    running.stop().await;
    assert_eq!(bench.tills[0].reads(), 3, "of eight that were due");
    assert_eq!(bench.status(&well).await, Status::New);
    // What did not fit was given back: it is due at once.
    assert!(bench.engine.poll(bench.till(), 100).await.unwrap() >= 5);
}

/// A source that never answers.
#[derive(Debug)]
struct Silent;

#[async_trait::async_trait]
impl RateSource for Silent {
    fn name(&self) -> &str {
        "silent"
    }

    async fn fetch(&self, _: &[Ticker]) -> Result<Vec<Quote>, RateError> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_rate_source_that_never_answers_does_not_hold_the_start_up() {
    let bench = bench().await;
    let rates = Rates::new(vec![Arc::new(Silent)], Duration::from_secs(300));
    let till = Arc::new(bench.till().clone()) as Arc<dyn PaymentProvider>;
    let registry = Registry::builder().register(till).unwrap().build();
    let store = Arc::clone(&bench.store) as Arc<dyn Store>;
    let clock = Arc::new(bench.clock.clone());
    let engine = Engine::new(store, registry, Arc::new(rates), bench.config.clone(), clock);
    let begun = Instant::now();
    let running = engine.start().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    // The rate of before is in the store and still fresh.
    engine.create(bench.request("0.004", None)).await.result.unwrap();
    drop(running);
}

#[tokio::test]
async fn a_stop_ends_all_tasks_and_a_start_takes_up_where_it_was() {
    let mut bench = bench().await;
    let id = bench.create().await;
    bench.till().pay(&id, "p", "0", "0.004");
    let running = bench.engine.start().await.unwrap();
    tokio::time::timeout(PATIENCE, running.stop()).await.unwrap();
    assert_eq!(bench.status(&id).await, Status::New, "not due yet");
    bench.tell("d1", &bench.order(&id).await, Observed::PaymentHint).await;
    bench.restart().await;
    let mut changes = bench.engine.changes();
    let running = bench.engine.start().await.unwrap();
    reaches(&bench, &mut changes, &id, Status::Completed).await;
    running.stop().await;
    assert_eq!(bench.postings(&id).await, ["200"]);
}

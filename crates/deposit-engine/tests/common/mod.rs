//! An engine over a real store, a scripted provider, a clock and prices that a test moves.
#![allow(dead_code, unreachable_pub, unused_imports, reason = "each test binary uses a part of it")]

pub mod till;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
pub use deposit_core::*;
// Ours, not the message of the same name.
pub use deposit_engine::Observation;
pub use deposit_engine::*;
use deposit_facade::Registry;
use deposit_lifecycle as lifecycle;
use deposit_rates::{Quote, RateError, RateSource, Rates};
use deposit_store::prelude::*;
pub use deposit_store::{
    DepositRow, JournalFilter, JournalRow, Phase, RateLimit, ReviewReason, SqliteStore, Store,
};
use tempfile::TempDir;

pub use till::{Opening, Reading, Till};

/// Where a test begins: 2026-03-04 09:30 UTC.
pub const START: Timestamp = Timestamp::from_secs(1_772_616_600);

/// Prices that a test sets.
#[derive(Debug, Clone, Default)]
pub struct Prices(Arc<Mutex<BTreeMap<Ticker, Price>>>);

impl Prices {
    pub fn set(&self, ticker: Ticker, usd: &str) {
        self.0.lock().unwrap().insert(ticker, usd.parse().unwrap());
    }

    pub fn clear(&self) {
        self.0.lock().unwrap().clear();
    }
}

#[async_trait]
impl RateSource for Prices {
    fn name(&self) -> &str {
        "test"
    }

    async fn fetch(&self, tickers: &[Ticker]) -> Result<Vec<Quote>, RateError> {
        let prices = self.0.lock().unwrap();
        Ok(tickers.iter().filter_map(|ticker| Some(Quote::new(*ticker, *prices.get(ticker)?))).collect())
    }
}

/// What a bench is made of.
pub struct Setup {
    pub tills: Vec<Till>,
    pub config: EngineConfig,
}

impl Setup {
    pub fn replay(replay: Replay) -> Self {
        Self::of(vec![Till::new("till", Ticker::BTC, Asset::BTC, replay)])
    }

    pub fn of(tills: Vec<Till>) -> Self {
        let create_limit = RateLimit { requests: 1000, window_millis: 600_000 };
        Self { tills, config: EngineConfig { create_limit, ..EngineConfig::default() } }
    }

    pub async fn bench(self) -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&dir).await;
        let clock = ManualClock::at(START);
        let prices = Prices::default();
        prices.set(Ticker::BTC, "50000");
        prices.set(Ticker::LTC, "100");
        let account = store.ensure_account(&"alice".parse().unwrap(), START).await.unwrap();
        let engine = engine(&store, &self.tills, &self.config, &prices, &clock);
        engine.seed_rates().await.unwrap();
        let caller = Caller { key_id: "key".to_owned(), account };
        let Setup { tills, config } = self;
        Bench { dir, store, clock, prices, tills, config, engine, caller }
    }
}

pub struct Bench {
    dir: TempDir,
    pub store: Arc<SqliteStore>,
    pub clock: ManualClock,
    pub prices: Prices,
    pub tills: Vec<Till>,
    pub config: EngineConfig,
    pub engine: Engine,
    pub caller: Caller,
}

async fn open(dir: &TempDir) -> Arc<SqliteStore> {
    let url = format!("sqlite://{}", dir.path().join("test.db").display());
    Arc::new(SqliteStore::open(&url).await.unwrap())
}

fn engine(
    store: &Arc<SqliteStore>,
    tills: &[Till],
    config: &EngineConfig,
    prices: &Prices,
    clock: &ManualClock,
) -> Engine {
    let registry = tills.iter().fold(Registry::builder(), |builder, till| {
        builder.register(Arc::new(till.clone()) as Arc<dyn PaymentProvider>).unwrap()
    });
    let rates = Rates::new(vec![Arc::new(prices.clone())], std::time::Duration::from_secs(300));
    let store: Arc<dyn Store> = Arc::clone(store) as Arc<dyn Store>;
    Engine::new(store, registry.build(), Arc::new(rates), config.clone(), Arc::new(clock.clone()))
}

/// The bench of most tests: one provider that is searched by our id.
pub async fn bench() -> Bench {
    Setup::replay(Replay::LookUp).bench().await
}

impl Bench {
    pub fn till(&self) -> &Till {
        &self.tills[0]
    }

    /// As a process that ends and is started again: nothing in memory is left but the provider's.
    pub async fn restart(&mut self) {
        self.store.close().await;
        self.store = open(&self.dir).await;
        self.engine = engine(&self.store, &self.tills, &self.config, &self.prices, &self.clock);
        self.engine.seed_rates().await.unwrap();
    }

    /// A second engine on the same store and providers.
    pub fn another_engine(&self) -> Engine {
        engine(&self.store, &self.tills, &self.config, &self.prices, &self.clock)
    }

    /// Moves the clock, by whole refreshes of the rates.
    pub async fn pass(&self, secs: i64) {
        self.clock.advance_secs(secs);
        self.engine.seed_rates().await.unwrap();
    }

    /// What BTC costs from the next refresh on.
    pub fn set_price(&self, usd: &str) {
        self.prices.set(Ticker::BTC, usd);
    }

    pub fn request(&self, amount: &str, key: Option<&str>) -> CreateRequest {
        CreateRequest {
            caller: self.caller.clone(),
            ticker: "btc".to_owned(),
            family: None,
            amount: AmountInput::Number(amount.parse().unwrap()),
            idempotency_key: key.map(str::to_owned),
        }
    }

    pub async fn try_create(&self, amount: &str, key: Option<&str>) -> CreateOutcome {
        self.engine.create(self.request(amount, key)).await
    }

    /// A deposit of 0.004 BTC, 200 USD.
    pub async fn create(&self) -> DepositId {
        self.try_create("0.004", None).await.result.unwrap().id
    }

    pub async fn row(&self, id: &DepositId) -> DepositRow {
        self.store.deposit(id).await.unwrap().unwrap()
    }

    pub async fn view(&self, id: &DepositId) -> DepositView {
        DepositView::of(&self.row(id).await).unwrap()
    }

    pub async fn status(&self, id: &DepositId) -> Status {
        self.row(id).await.status
    }

    pub async fn observe(&self, id: &DepositId) -> Observation {
        self.engine.observe(id, None).await.unwrap()
    }

    /// Pays and reads.
    pub async fn paid(&self, id: &DepositId, payment: &str, in_flight: &str, confirmed: &str) -> Status {
        self.till().pay(id, payment, in_flight, confirmed);
        self.observe(id).await;
        self.status(id).await
    }

    /// The postings of a deposit, signed decimals.
    pub async fn postings(&self, id: &DepositId) -> Vec<String> {
        let entries = self.store.deposit_entries(id).await.unwrap();
        entries.iter().map(|entry| entry.amount.to_string()).collect()
    }

    pub async fn usd(&self) -> String {
        self.engine.balances(&self.caller.account).await.unwrap().usd.to_string()
    }

    pub async fn reviews(&self) -> Vec<(String, ReviewReason)> {
        let open = self.store.open_reviews().await.unwrap();
        open.into_iter().map(|review| (review.reference, review.reason)).collect()
    }

    pub async fn journal(&self) -> Vec<JournalRow> {
        self.store.journal_rows(JournalFilter::default()).await.unwrap()
    }

    /// The statuses of the history, one after another.
    pub async fn path(&self, id: &DepositId) -> Vec<Status> {
        let mut path: Vec<Status> =
            self.store.history(id, 0).await.unwrap().iter().map(|row| row.status).collect();
        path.dedup();
        path
    }

    /// What must always hold: the ledger sums up, and each payment's postings are what its net is worth.
    pub async fn check(&self) {
        let ledger = self.store.check_ledger().await.unwrap();
        assert!(ledger.balanced, "{:?}", ledger.faults);
    }

    /// Each payment's postings are just what its net is worth.
    pub async fn check_settled(&self, id: &DepositId) {
        let row = self.row(id).await;
        let entries = self.store.deposit_entries(id).await.unwrap();
        for (payment, evidence) in &row.evidence.payments {
            let posted = entries
                .iter()
                .filter(|entry| entry.payment.as_ref() == Some(payment))
                .fold(Signed::zero(Asset::USD), |sum, entry| sum.checked_add(entry.amount).unwrap());
            let worth = match row.credit.payments.get(payment).and_then(|credit| credit.price) {
                Some(price) => lifecycle::worth(&row.terms, evidence, price).unwrap().total(),
                None => {
                    assert_eq!(lifecycle::net(evidence), 0, "{payment} has no price");
                    Amount::zero(Asset::USD)
                }
            };
            assert_eq!(posted, Signed::credit(worth), "{payment}");
        }
        lifecycle::check_path(&self.path(id).await).unwrap();
    }

    /// A delivery, signed or not.
    pub async fn deliver(
        &self,
        signature: &str,
        id: &str,
        observations: &[deposit_core::Observation],
    ) -> Result<(), DeliveryError> {
        let body = serde_json::to_vec(&(id, observations)).unwrap();
        let headers = [("signature".to_owned(), signature.to_owned())];
        let received_at = self.clock.now();
        let delivery = RawDelivery { headers: &headers, query: &[], body: &body, received_at };
        self.engine.webhook("till", &delivery).await
    }

    /// A genuine message about an order.
    pub async fn tell(&self, id: &str, order: &str, observed: Observed) {
        self.deliver("genuine", id, &[message(order, observed)]).await.unwrap();
    }

    pub async fn order(&self, id: &DepositId) -> String {
        self.row(id).await.intent.unwrap().provider_ref.to_string()
    }
}

pub fn message(order: &str, observed: Observed) -> deposit_core::Observation {
    deposit_core::Observation {
        provider: ProviderId::constant("till"),
        target: Target::Order(ProviderRef::new(order).unwrap()),
        ticker: Some(Ticker::BTC),
        ours: Some(true),
        observed,
    }
}

pub fn transient() -> ErrorKind {
    ErrorKind::Transient { retry_after: None }
}

/// The refusal in an outcome.
pub fn refusal(outcome: CreateOutcome) -> Refusal {
    match outcome.result {
        Err(CreateError::Refused(refusal)) => refusal,
        other => panic!("no refusal: {other:?}"),
    }
}

//! A provider that does as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use deposit_core::*;
use tokio::sync::{Notify, Semaphore};

/// What the next `open` does.
#[derive(Debug, Clone)]
pub enum Opening {
    /// The order is made, the answer comes.
    Works,
    /// The order is made, the answer is lost; `look_up` does not see it before it is [`Till::settle`]d, if `hidden`.
    AnswerLost { hidden: bool },
    /// No order is made, and nobody knows.
    RequestLost,
    /// An honest error.
    Fails(ErrorKind),
    /// Never answers; the order is made.
    Hangs,
    /// A mistake in the adapter, after the order is made.
    Panics,
    /// Answers with the reference of another order.
    Reuses(ProviderRef),
}

/// What the next `read` does.
#[derive(Debug, Clone)]
pub enum Reading {
    /// An error.
    Fails(ErrorKind),
    /// Takes its snapshot now and answers when the gate has a permit.
    Waits(Arc<Semaphore>),
}

#[derive(Debug, Clone)]
pub struct Order {
    pub record: IntentRecord,
    pub hidden: bool,
    pub snapshot: Snapshot,
}

#[derive(Debug, Default)]
pub struct State {
    pub orders: Vec<Order>,
    pub openings: VecDeque<Opening>,
    pub readings: VecDeque<Reading>,
    pub opened: Vec<OpenRequest>,
    pub look_ups: usize,
    /// Fails every look-up.
    pub blind: Option<ErrorKind>,
    pub read: Vec<ProviderRef>,
    /// The next `open` waits here before it does anything.
    pub slow_open: Option<Arc<Semaphore>>,
    /// How many batches were read.
    pub batches: usize,
    /// Answers a batch with one snapshot too few.
    pub loses_one: bool,
    /// Payments that a batch leaves out and a single read shows.
    pub list_hides: Vec<PaymentRef>,
    /// What it says that it takes; `None`: it does not answer.
    pub bounds: Option<Limits>,
    /// Every read panics, of this order or (empty) of any.
    pub panics: Option<String>,
    /// The capabilities panic: so does every loop that looks at them.
    pub loops_panic: bool,
    /// Every read fails so.
    pub refuses: Option<ErrorKind>,
    /// What a check finds; `None`: the adapter has no check.
    pub checked: Option<Vec<CheckItem>>,
    /// What a scan answers, else an empty page.
    pub scans_fail: Option<ErrorKind>,
    /// How many scans there were.
    pub scans: usize,
    /// Every read waits here.
    pub hung: Option<Arc<Semaphore>>,
}

#[derive(Debug, Clone)]
pub struct Till {
    id: ProviderId,
    capabilities: Capabilities,
    state: Arc<Mutex<State>>,
    hints: Arc<Notify>,
}

pub const OPEN_TIMEOUT: Duration = Duration::from_secs(30);

impl Till {
    pub fn new(id: &'static str, ticker: Ticker, asset: Asset, replay: Replay) -> Self {
        let spec = TickerSpec::new(ticker, asset, TickerKind::Address, CreditRule::at_rate_of(ticker))
            .with_quote_decimals(8);
        let capabilities = Capabilities {
            tickers: vec![spec],
            replay,
            open_timeout: OPEN_TIMEOUT,
            scan: false,
            standing_address: false,
            webhooks: true,
            bounds: false,
            read_batch: 1,
            budget: RequestBudget { requests: 1000, per: Duration::from_secs(1), concurrency: 4 },
            requests_per_read: 1,
        };
        Self { id: ProviderId::constant(id), capabilities, state: Arc::default(), hints: Arc::default() }
    }

    pub fn with_budget(mut self, budget: RequestBudget) -> Self {
        self.capabilities.budget = budget;
        self
    }

    /// A provider that confirms only full payments.
    pub fn all_or_nothing(mut self) -> Self {
        for spec in &mut self.capabilities.tickers {
            spec.confirms_only_full = true;
        }
        self
    }

    /// One with limits of its own.
    pub fn with_bounds(mut self) -> Self {
        self.capabilities.bounds = true;
        self
    }

    /// One with a feed.
    pub fn with_feed(mut self) -> Self {
        self.capabilities.scan = true;
        self
    }

    /// One that answers for many orders at once.
    pub fn in_batches(mut self, read_batch: usize) -> Self {
        self.capabilities.read_batch = read_batch;
        self
    }

    /// Says that something came.
    pub fn hint(&self) {
        self.hints.notify_one();
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn next_open(&self, opening: Opening) {
        self.state().openings.push_back(opening);
    }

    pub fn next_read(&self, reading: Reading) {
        self.state().readings.push_back(reading);
    }

    /// How many orders were asked for.
    pub fn opened(&self) -> usize {
        self.state().opened.len()
    }

    /// How many reads there were.
    pub fn reads(&self) -> usize {
        self.state().read.len()
    }

    /// Lost orders show up.
    pub fn settle(&self) {
        self.state().orders.iter_mut().for_each(|order| order.hidden = false);
    }

    /// Changes what a read of the newest order of this deposit shows.
    pub fn change(&self, id: &DepositId, change: impl FnOnce(&mut Snapshot)) {
        let mut state = self.state();
        let order = state.orders.iter_mut().rev().find(|order| order.record.deposit_id == *id).unwrap();
        change(&mut order.snapshot);
    }

    /// Sets how a payment stands: so much in flight, so much confirmed, in the ticker's asset.
    pub fn pay(&self, id: &DepositId, payment: &str, in_flight: &str, confirmed: &str) {
        let asset = self.capabilities.tickers[0].asset;
        self.change(id, |snapshot| stand(snapshot, payment, asset, in_flight, confirmed, None));
    }

    /// As [`Till::pay`], where the provider tells the time.
    pub fn pay_at(&self, id: &DepositId, payment: &str, confirmed: &str, at: Timestamp) {
        let asset = self.capabilities.tickers[0].asset;
        self.change(id, |snapshot| stand(snapshot, payment, asset, "0", confirmed, Some(at)));
    }

    fn make(&self, request: &OpenRequest, hidden: bool) -> IntentRecord {
        let mut state = self.state();
        // With a key the provider gives the same order again.
        if self.capabilities.replay == Replay::Key
            && let Some(known) = state.orders.iter().find(|order| {
                let record = &order.record;
                record.deposit_id == request.deposit_id && record.terms == request.terms
            })
        {
            return known.record.clone();
        }
        let n = state.orders.len() + 1;
        let order = ProviderRef::new(format!("{}-order-{n}", self.id)).unwrap();
        let record = IntentRecord {
            deposit_id: request.deposit_id.clone(),
            provider: self.id,
            provider_ref: order.clone(),
            terms: request.terms,
            instructions: PayInstructions::Address {
                address: format!("{}-address-{n}", self.id),
                memo: None,
                uri: None,
            },
        };
        state.orders.push(Order { record: record.clone(), hidden, snapshot: Snapshot::empty(order) });
        record
    }

    fn error(&self, operation: Operation, kind: ErrorKind) -> ProviderError {
        ProviderError::new(self.id, operation, kind)
    }
}

pub fn stand(
    snapshot: &mut Snapshot,
    payment: &str,
    asset: Asset,
    in_flight: &str,
    confirmed: &str,
    paid_at: Option<Timestamp>,
) {
    let id = PaymentRef::new(payment).unwrap();
    snapshot.payments.retain(|reading| reading.id != id);
    let amount = |text: &str| Amount::parse(text, asset).unwrap();
    snapshot.payments.push(PaymentReading {
        in_flight: amount(in_flight).minor(),
        paid_at,
        ..PaymentReading::confirmed(id, amount(confirmed))
    });
}

#[async_trait]
impl PaymentProvider for Till {
    fn id(&self) -> ProviderId {
        self.id
    }

    fn capabilities(&self) -> &Capabilities {
        assert!(!self.state().loops_panic, "the adapter is broken");
        &self.capabilities
    }

    async fn open(&self, request: &OpenRequest) -> Result<Box<dyn DepositIntent>, ProviderError> {
        let (opening, gate) = {
            let mut state = self.state();
            state.opened.push(request.clone());
            (state.openings.pop_front().unwrap_or(Opening::Works), state.slow_open.clone())
        };
        if let Some(gate) = gate {
            gate.acquire().await.unwrap().forget();
        }
        match opening {
            Opening::Works => Ok(Box::new(self.make(request, false))),
            Opening::AnswerLost { hidden } => {
                self.make(request, hidden);
                Err(self.error(Operation::Open, ErrorKind::OutcomeUnknown))
            }
            Opening::RequestLost => Err(self.error(Operation::Open, ErrorKind::OutcomeUnknown)),
            Opening::Fails(kind) => Err(self.error(Operation::Open, kind)),
            Opening::Hangs => {
                self.make(request, false);
                std::future::pending().await
            }
            Opening::Panics => {
                self.make(request, false);
                panic!("the adapter is broken");
            }
            Opening::Reuses(order) => {
                let mut record = self.make(request, false);
                record.provider_ref = order;
                Ok(Box::new(record))
            }
        }
    }

    async fn bounds(&self, _: Ticker) -> Result<Limits, ProviderError> {
        let told = self.state().bounds;
        told.ok_or_else(|| {
            ProviderError::new(self.id, Operation::Limits, ErrorKind::Transient { retry_after: None })
        })
    }

    async fn look_up(&self, request: &LookUpRequest) -> Result<Vec<Box<dyn DepositIntent>>, ProviderError> {
        if self.capabilities.replay != Replay::LookUp {
            return Err(ProviderError::unsupported(self.id, Operation::LookUp));
        }
        let mut state = self.state();
        state.look_ups += 1;
        if let Some(kind) = state.blind.clone() {
            return Err(self.error(Operation::LookUp, kind));
        }
        let found = state.orders.iter().filter(|o| !o.hidden && o.record.deposit_id == request.deposit_id);
        // An adapter knows the terms only from the request.
        let records = found.map(|order| IntentRecord { terms: request.terms, ..order.record.clone() });
        Ok(records.map(|record| Box::new(record) as Box<dyn DepositIntent>).collect())
    }

    async fn read(&self, intent: &IntentRecord) -> Result<Snapshot, ProviderError> {
        let (found, reading, hung) = {
            let mut state = self.state();
            state.read.push(intent.provider_ref.clone());
            let found = state.orders.iter().find(|o| o.record.provider_ref == intent.provider_ref);
            let found = found.map(|order| order.snapshot.clone());
            (found, state.readings.pop_front(), state.hung.clone())
        };
        if let Some(gate) = hung {
            gate.acquire().await.unwrap().forget();
        }
        let panics = self.state().panics.clone();
        if let Some(order) = panics {
            assert!(!order.is_empty() && order != intent.provider_ref.as_str(), "the adapter is broken");
        }
        let refuses = self.state().refuses.clone();
        if let Some(kind) = refuses {
            return Err(self.error(Operation::Read, kind));
        }
        match reading {
            Some(Reading::Fails(kind)) => return Err(self.error(Operation::Read, kind)),
            Some(Reading::Waits(gate)) => gate.acquire().await.unwrap().forget(),
            None => {}
        }
        found.ok_or_else(|| self.error(Operation::Read, ErrorKind::NotFound))
    }

    async fn read_many(&self, intents: &[IntentRecord]) -> Result<Vec<ReadOutcome>, ProviderError> {
        self.state().batches += 1;
        let mut outcomes = Vec::new();
        for intent in intents {
            outcomes.push(self.read(intent).await);
        }
        // Lists of some providers leave out what is gone.
        let loses_one = self.state().loses_one;
        let hides = self.state().list_hides.clone();
        for snapshot in outcomes.iter_mut().flatten() {
            snapshot.payments.retain(|payment| !hides.contains(&payment.id));
        }
        if loses_one {
            outcomes.pop();
        }
        Ok(outcomes)
    }

    async fn scan(&self, _: Option<&ScanCursor>) -> Result<ScanPage, ProviderError> {
        let mut state = self.state();
        state.scans += 1;
        if let Some(kind) = state.scans_fail.clone() {
            return Err(self.error(Operation::Scan, kind));
        }
        Ok(ScanPage {
            observations: Vec::new(),
            taken: Vec::new(),
            next: ScanCursor("0".to_owned()),
            more: false,
            ..ScanPage::default()
        })
    }

    async fn changed(&self) {
        self.hints.notified().await;
    }

    async fn check(&self, _: &CheckContext) -> Vec<CheckItem> {
        let checked = self.state().checked.clone();
        checked.unwrap_or_else(|| vec![CheckItem::unknown("provider", "no check")])
    }

    fn webhook(&self, delivery: &RawDelivery<'_>) -> Result<Delivery, WebhookError> {
        if delivery.header("signature") != Some("genuine") {
            return Err(WebhookError::Unauthenticated);
        }
        let (id, observations): (String, Vec<Observation>) =
            serde_json::from_slice(delivery.body).map_err(|_| WebhookError::Malformed("not a message"))?;
        let id = DeliveryId::new(id).map_err(|_| WebhookError::Malformed("no delivery id"))?;
        Ok(Delivery { id, observations, concerns: Vec::new() })
    }
}

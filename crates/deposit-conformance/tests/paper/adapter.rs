//! The adapter for paper, right unless it is given a flaw.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use deposit_conformance::{Fault, PlayedStage};
use deposit_core::{
    Amount, Asset, Capabilities, CheckContext, CheckItem, Concern, CreditRule, Delivery, DeliveryId,
    DepositIntent, ErrorKind, Failure, IntentRecord, LookUpRequest, Observation, Observed, OpenRequest,
    Operation, OrderState, PayInstructions, PaymentProvider, PaymentReading, PaymentRef, ProviderError,
    ProviderId, ProviderRef, RawDelivery, Replay, RequestBudget, ScanCursor, ScanPage, Secret, Snapshot,
    Target, Ticker, TickerKind, TickerSpec, Timestamp, WebhookError,
};

use super::world::{KEY, Order, State, Word, World, signature};

/// One thing that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    TwoOfOneTicker,
    FindsAllRight,
    PretendsToScan,
    RepeatsOpenBlindly,
    LostIsTransient,
    NeverGivesUp,
    StaysDown,
    RejectsWhatIsDown,
    UnreachableIsUnknown,
    KeyRefusedIsTransient,
    RateLimitWithoutTime,
    UnreadableIsTransient,
    BelievesUnreadable,
    UnknownWordIsGone,
    UnknownWordUntold,
    UnknownOrderWordIsFailed,
    MissingMethodUnnoticed,
    UnknownOrderIsEmpty,
    NewestFirst,
    LooksUpEverything,
    IgnoresTheKey,
    SharesAnAddress,
    RoundsTheLink,
    FloatingPoint,
    ConfirmedUnderAnotherReference,
    SecondsForMilliseconds,
    ConfirmedTooEarly,
    FirstPaymentOnly,
    ForgetsLatePayments,
    KeepsReversedPayments,
    KeepsReplacedPayments,
    SubtractsNoRefund,
    SubtractsNoPartialRefund,
    NeverWhole,
    ExpiryIgnored,
    FailureIgnored,
    ShowsPaymentsOfOthers,
    AcceptsEverything,
    ComparesHalfTheSignature,
    SignatureOverTheStart,
    EmptySecretVerifies,
    FreshDeliveryIds,
    OneIdForAll,
    HidesMoney,
    BelievesStrangers,
    PanicsAtNonsense,
    PrintsItsKey,
    KeyInTheSourceOfAnError,
    HarnessExcusesLate,
}

pub struct Paper {
    world: World,
    key: Secret,
    webhook_secret: Secret,
    reachable: bool,
    flaw: Option<Flaw>,
    was_down: AtomicBool,
    capabilities: Capabilities,
}

impl fmt::Debug for Paper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Paper");
        if self.flaw == Some(Flaw::PrintsItsKey) {
            shown.field("key", &self.key.expose());
        }
        shown.finish_non_exhaustive()
    }
}

const ID: ProviderId = ProviderId::constant("paper");

fn tickers(flaw: Option<Flaw>) -> Vec<TickerSpec> {
    let spec = |name: &str, asset, quote_decimals, kind| {
        let ticker: Ticker = name.parse().unwrap();
        TickerSpec::new(ticker, asset, kind, CreditRule::at_rate_of(ticker))
            .with_quote_decimals(quote_decimals)
    };
    let twice = if flaw == Some(Flaw::TwoOfOneTicker) { "PAPER" } else { "PAGE" };
    vec![
        spec("PAPER", Asset::new("PAPER", 12).unwrap(), 8, TickerKind::Address),
        spec(twice, Asset::new("PAGE", 2).unwrap(), 2, TickerKind::MultiChain),
    ]
}

impl Paper {
    pub fn new(
        world: World,
        replay: Replay,
        key: Secret,
        webhook_secret: Secret,
        reachable: bool,
        flaw: Option<Flaw>,
    ) -> Self {
        let capabilities = Capabilities {
            tickers: tickers(flaw),
            replay,
            open_timeout: Duration::from_millis(100),
            scan: false,
            standing_address: false,
            webhooks: true,
            bounds: false,
            read_batch: 1,
            budget: RequestBudget { requests: 100, per: Duration::from_secs(1), concurrency: 4 },
            requests_per_read: 1,
        };
        Self { world, key, webhook_secret, reachable, flaw, was_down: AtomicBool::new(false), capabilities }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// One request to the provider, with whatever goes wrong on the way.
    async fn call<T>(
        &self,
        operation: Operation,
        work: impl Fn(&mut State) -> T,
    ) -> Result<T, ProviderError> {
        let open = operation == Operation::Open;
        let error = |kind| {
            let error = ProviderError::new(ID, operation, kind);
            if self.has(Flaw::KeyInTheSourceOfAnError) {
                error.with_source(format!("key {KEY}"))
            } else {
                error
            }
        };
        let transient = ErrorKind::Transient { retry_after: None };
        let unclear = if open { ErrorKind::OutcomeUnknown } else { transient.clone() };
        if !self.reachable {
            let kind = if self.has(Flaw::UnreachableIsUnknown) { unclear } else { transient };
            return Err(error(kind));
        }
        let fault = self.world.state().fault;
        let down = fault == Some(Fault::Down) || self.was_down.load(Ordering::Relaxed);
        self.was_down.store(down && self.has(Flaw::StaysDown), Ordering::Relaxed);
        if !self.key.matches(KEY) || fault == Some(Fault::RejectKey) {
            let flawed = self.has(Flaw::KeyRefusedIsTransient);
            return Err(error(if flawed { transient } else { ErrorKind::Authentication }));
        }
        match fault {
            fault if down || matches!(fault, Some(Fault::ServerError | Fault::HtmlError)) => {
                let flawed = self.has(Flaw::RejectsWhatIsDown);
                return Err(error(if flawed { ErrorKind::Rejected("down") } else { unclear }));
            }
            Some(Fault::RateLimited) => {
                let flawed = self.has(Flaw::RateLimitWithoutTime);
                let retry_after = (!flawed).then_some(Duration::from_secs(1));
                return Err(error(ErrorKind::Transient { retry_after }));
            }
            _ => {}
        }
        let done = work(&mut self.world.state());
        match fault {
            Some(Fault::LostAnswer | Fault::Slow) => {
                if fault == Some(Fault::Slow) && self.has(Flaw::NeverGivesUp) {
                    std::future::pending::<()>().await;
                }
                if open && self.has(Flaw::RepeatsOpenBlindly) {
                    work(&mut self.world.state());
                }
                Err(error(if self.has(Flaw::LostIsTransient) { transient } else { unclear }))
            }
            Some(Fault::HugeBody | Fault::WrongTypes) if !self.has(Flaw::BelievesUnreadable) => {
                let unread = if open { ErrorKind::OutcomeUnknown } else { ErrorKind::Protocol };
                Err(error(if self.has(Flaw::UnreadableIsTransient) { transient } else { unread }))
            }
            _ => Ok(done),
        }
    }

    fn intent(&self, order: &Order) -> IntentRecord {
        let reference = &order.reference;
        let asked = order.terms.requested().unwrap();
        let shared = self.has(Flaw::SharesAnAddress);
        let address =
            if shared { "paper1shared".to_owned() } else { format!("paper1{}", reference.replace('-', "")) };
        let instructions = if order.terms.ticker.as_str() == "PAGE" {
            PayInstructions::HostedPage {
                url: format!("https://paper.example/{reference}"),
                payment_id: None,
            }
        } else {
            let mut asked = asked.to_string();
            if self.has(Flaw::RoundsTheLink) {
                asked.truncate(9);
            }
            let uri = Some(format!("paper:{address}?amount={asked}"));
            PayInstructions::Address { address, memo: None, uri }
        };
        IntentRecord {
            deposit_id: order.deposit_id.clone(),
            provider: ID,
            provider_ref: ProviderRef::new(reference.clone()).unwrap(),
            terms: order.terms,
            instructions,
        }
    }

    fn reading(&self, payment: &super::world::Payment) -> PaymentReading {
        let mut amount = payment.amount;
        if self.has(Flaw::FloatingPoint) {
            let units = amount.minor() as f64 / 1e12;
            amount = Amount::new((units * 1e12) as u128, amount.asset());
        }
        let id = payment.id.clone();
        let mut reading = match payment.stage {
            PlayedStage::Seen if self.has(Flaw::ConfirmedTooEarly) => PaymentReading::confirmed(id, amount),
            PlayedStage::Seen => PaymentReading::in_flight(id, amount),
            PlayedStage::Confirmed => PaymentReading::confirmed(id, amount),
            PlayedStage::Reversed if self.has(Flaw::KeepsReversedPayments) => {
                PaymentReading::confirmed(id, amount)
            }
            PlayedStage::Withdrawn if self.has(Flaw::KeepsReplacedPayments) => {
                PaymentReading::in_flight(id, amount)
            }
            PlayedStage::Reversed | PlayedStage::Withdrawn => PaymentReading::gone(id, amount.asset()),
        };
        if reading.confirmed > 0 && self.has(Flaw::ConfirmedUnderAnotherReference) {
            reading.id = PaymentRef::new(format!("{}-confirmed", payment.id)).unwrap();
        }
        reading.takings = payment.takings.clone();
        let parts = |t: &deposit_core::Taking| t.taken < payment.amount.minor();
        if self.has(Flaw::SubtractsNoPartialRefund) {
            reading.takings.retain(|_, taking| !parts(taking));
        }
        if self.has(Flaw::SubtractsNoRefund) {
            reading.takings.clear();
        }
        let seconds = self.has(Flaw::SecondsForMilliseconds);
        let millis = payment.paid_at.millis();
        reading.paid_at = Some(Timestamp::from_millis(if seconds { millis / 1_000 } else { millis }));
        reading
    }

    fn show(
        &self,
        reference: &ProviderRef,
        order: &Order,
        others: &[Order],
        fault: Option<Fault>,
    ) -> Snapshot {
        let mut shown = Snapshot::empty(reference.clone());
        shown.state = match order.word {
            Word::Expired if !self.has(Flaw::ExpiryIgnored) => OrderState::Expired,
            Word::Cancelled if !self.has(Flaw::FailureIgnored) => OrderState::Failed(Failure::Cancelled),
            _ => OrderState::Open,
        };
        let mut payments: Vec<_> = order.payments.iter().collect();
        if self.has(Flaw::FirstPaymentOnly) {
            payments.truncate(1);
        }
        if self.has(Flaw::ForgetsLatePayments) {
            payments.retain(|p| !p.late);
        }
        if self.has(Flaw::ShowsPaymentsOfOthers) {
            payments = others
                .iter()
                .filter(|o| o.terms.ticker == order.terms.ticker)
                .flat_map(|o| &o.payments)
                .collect();
        }
        let unknown = Concern::new("unknown_status", "a word that no document lists");
        match fault {
            Some(Fault::UnknownPaymentWord) => {
                if self.has(Flaw::UnknownWordIsGone) {
                    shown.payments = payments
                        .iter()
                        .map(|p| PaymentReading::gone(p.id.clone(), p.amount.asset()))
                        .collect();
                } else {
                    shown.undecided = payments.iter().map(|p| p.id.clone()).collect();
                }
                payments.clear();
                shown.concerns.push(unknown);
            }
            Some(Fault::UnknownOrderWord) => {
                if self.has(Flaw::UnknownOrderWordIsFailed) {
                    shown.state = OrderState::Failed(Failure::ProviderError);
                }
                shown.concerns.push(unknown);
            }
            _ => {}
        }
        if self.has(Flaw::UnknownWordUntold) {
            shown.concerns.clear();
        }
        shown.payments.extend(payments.into_iter().map(|p| self.reading(p)));
        if self.has(Flaw::NeverWhole) {
            shown.complete = shown.payments.is_empty() && shown.state == OrderState::Open;
        }
        shown
    }
}

#[async_trait]
impl PaymentProvider for Paper {
    fn id(&self) -> ProviderId {
        ID
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn open(&self, request: &OpenRequest) -> Result<Box<dyn DepositIntent>, ProviderError> {
        let missing = self.world.state().fault == Some(Fault::MissingMethod);
        if missing && !self.has(Flaw::MissingMethodUnnoticed) {
            return Err(ProviderError::new(ID, Operation::Open, ErrorKind::Rejected("method_missing")));
        }
        let keyed = self.capabilities.replay == Replay::Key && !self.has(Flaw::IgnoresTheKey);
        let order = self.call(Operation::Open, |state| {
            let known = state.orders.iter().find(|o| keyed && o.deposit_id == request.deposit_id).cloned();
            known.unwrap_or_else(|| {
                let reference = format!("order-{}-x", state.next());
                let deposit_id = request.deposit_id.clone();
                let order =
                    Order { reference, deposit_id, terms: request.terms, word: Word::Open, payments: vec![] };
                state.orders.push(order.clone());
                order
            })
        });
        Ok(Box::new(self.intent(&order.await?)))
    }

    async fn look_up(&self, wanted: &LookUpRequest) -> Result<Vec<Box<dyn DepositIntent>>, ProviderError> {
        if self.capabilities.replay != Replay::LookUp {
            return Err(ProviderError::unsupported(ID, Operation::LookUp));
        }
        let all = self.has(Flaw::LooksUpEverything);
        let fits = |o: &&Order| {
            all || (o.deposit_id == wanted.deposit_id && o.terms.requested() == wanted.terms.requested())
        };
        let found = self
            .call(Operation::LookUp, |state| state.orders.iter().filter(fits).cloned().collect::<Vec<_>>());
        let mut found = found.await?;
        if self.has(Flaw::NewestFirst) {
            found.reverse();
        }
        Ok(found.iter().map(|o| Box::new(self.intent(o)) as Box<dyn DepositIntent>).collect())
    }

    async fn read(&self, intent: &IntentRecord) -> Result<Snapshot, ProviderError> {
        let reference = &intent.provider_ref;
        let fault = self.world.state().fault;
        let read = self.call(Operation::Read, |state| {
            let all = state.orders.clone();
            state.order(reference.as_str()).map(|order| self.show(reference, order, &all, fault))
        });
        match read.await? {
            Some(read) => Ok(read),
            None if self.has(Flaw::UnknownOrderIsEmpty) => Ok(Snapshot::empty(reference.clone())),
            None => Err(ProviderError::new(ID, Operation::Read, ErrorKind::NotFound)),
        }
    }

    async fn check(&self, _context: &CheckContext) -> Vec<CheckItem> {
        match self.call(Operation::Check, |_| ()).await {
            Err(error) if !self.has(Flaw::FindsAllRight) => {
                vec![CheckItem::of_first(&error, "base_url", "api_key")]
            }
            _ => vec![CheckItem::right("credentials")],
        }
    }

    async fn scan(&self, _cursor: Option<&ScanCursor>) -> Result<ScanPage, ProviderError> {
        if self.has(Flaw::PretendsToScan) {
            return Ok(ScanPage::default());
        }
        Err(ProviderError::unsupported(ID, Operation::Scan))
    }

    fn webhook(&self, delivery: &RawDelivery<'_>) -> Result<Delivery, WebhookError> {
        let proof = delivery.header("paper-sig").unwrap_or_default();
        let secret = self.webhook_secret.expose();
        let right = signature(secret, delivery.body);
        let closed = self.webhook_secret.is_empty() && !self.has(Flaw::EmptySecretVerifies);
        let fits = match self.flaw {
            Some(Flaw::AcceptsEverything) => true,
            Some(Flaw::ComparesHalfTheSignature) => proof.len() >= 8 && right.starts_with(&proof[..8]),
            Some(Flaw::SignatureOverTheStart) => {
                // Whatever stands behind byte 40 may be anything.
                let start = delivery.body.get(..40).unwrap_or(delivery.body);
                proof == right || SIGNED_STARTS.lock().unwrap().contains(start)
            }
            _ => proof == right,
        };
        if closed || !fits {
            return Err(WebhookError::Unauthenticated);
        }
        if self.has(Flaw::SignatureOverTheStart) {
            SIGNED_STARTS.lock().unwrap().insert(delivery.body.get(..40).unwrap_or(delivery.body).to_vec());
        }
        let body: serde_json::Value = match serde_json::from_slice(delivery.body) {
            Ok(body) => body,
            Err(error) if self.has(Flaw::PanicsAtNonsense) => panic!("{error}"),
            Err(_) => return Err(WebhookError::Malformed("no JSON")),
        };
        let text = |name| {
            body.get(name).and_then(|v| v.as_str()).ok_or(WebhookError::Malformed("a member is missing"))
        };
        let id = match self.flaw {
            Some(Flaw::OneIdForAll) => "event".to_owned(),
            Some(Flaw::FreshDeliveryIds) => format!("event-{}", self.world.state().next()),
            _ => text("event")?.to_owned(),
        };
        let ours = text("program")? == "deposit/1" || self.has(Flaw::BelievesStrangers);
        let target =
            Target::Order(ProviderRef::new(text("order")?).map_err(|_| WebhookError::Malformed("order"))?);
        let observed = if self.has(Flaw::HidesMoney) { Observed::Hint } else { Observed::PaymentHint };
        let hint = Observation { provider: ID, target, ticker: None, ours: Some(ours), observed };
        let known = text("kind")? == "paid" && text("shop")? == "shop-1";
        let observations = if known { vec![hint] } else { vec![] };
        let id = DeliveryId::new(id).map_err(|_| WebhookError::Malformed("event"))?;
        Ok(Delivery { id, observations, concerns: vec![] })
    }
}

/// Starts of bodies that were once rightly signed, for one flaw.
static SIGNED_STARTS: std::sync::Mutex<std::collections::BTreeSet<Vec<u8>>> =
    std::sync::Mutex::new(std::collections::BTreeSet::new());

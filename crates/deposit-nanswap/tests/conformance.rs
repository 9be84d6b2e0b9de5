//! The conformance suite, against the Nanswap emulator over real HTTP.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use deposit_conformance::{Ability, Fault, Harness, PayStage, Played, PlayedStage, Scenario, Variant};
use deposit_core::{
    AccountIndex, Amount, Capabilities, Delivery, DepositId, DepositIntent, IntentRecord, Limits,
    LookUpRequest, OpenRequest, PayInstructions, PaymentProvider, PaymentRef, ProviderError, ProviderId,
    ProviderRef, RawDelivery, ScanCursor, ScanPage, Secret, Snapshot, Ticker, TickerSpec, Timestamp,
    WebhookError,
};
use deposit_nanswap::{Config, Nanswap};
use deposit_sandbox::{
    Emulator as _, Faults, PayRequest, PayStage as Stage, Sandbox, SandboxConfig, ScenarioName,
    ScenarioRequest, TruthPayment, TruthStage,
};
use deposit_transport::HttpConfig;

deposit_conformance::provider_suite!(NanswapHarness::start().await);

const WRONG_KEY: &str = "00000000-0000-4000-8000-00000000beef";

/// Which orders were made for which deposit: this provider is not told our ids, so each `open` is watched.
#[derive(Default)]
struct Ledger {
    known: BTreeSet<String>,
    of: BTreeMap<DepositId, usize>,
}

type Orders = Arc<dyn Fn() -> Vec<String> + Send + Sync>;

struct Watched {
    inner: Nanswap,
    ledger: Arc<Mutex<Ledger>>,
    orders: Orders,
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl PaymentProvider for Watched {
    fn id(&self) -> ProviderId {
        self.inner.id()
    }
    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }
    async fn open(&self, request: &OpenRequest) -> Result<Box<dyn DepositIntent>, ProviderError> {
        let answer = self.inner.open(request).await;
        let mut ledger = self.ledger.lock().unwrap();
        let made = match &answer {
            Ok(intent) => vec![intent.provider_ref().to_string()],
            // Without an answer: whatever is new, and nobody else's.
            Err(_) => (self.orders)().into_iter().filter(|id| !ledger.known.contains(id)).collect(),
        };
        *ledger.of.entry(request.deposit_id.clone()).or_default() += made.len();
        ledger.known.extend(made);
        answer
    }
    async fn bounds(&self, ticker: Ticker) -> Result<Limits, ProviderError> {
        self.inner.bounds(ticker).await
    }
    async fn look_up(&self, request: &LookUpRequest) -> Result<Vec<Box<dyn DepositIntent>>, ProviderError> {
        self.inner.look_up(request).await
    }
    async fn read(&self, intent: &IntentRecord) -> Result<Snapshot, ProviderError> {
        self.inner.read(intent).await
    }
    async fn read_many(&self, intents: &[IntentRecord]) -> Result<Vec<Snapshot>, ProviderError> {
        self.inner.read_many(intents).await
    }
    async fn scan(&self, cursor: Option<&ScanCursor>) -> Result<ScanPage, ProviderError> {
        self.inner.scan(cursor).await
    }
    fn standing_address(&self, index: AccountIndex) -> Result<PayInstructions, ProviderError> {
        self.inner.standing_address(index)
    }
    fn webhook(&self, delivery: &RawDelivery<'_>) -> Result<Delivery, WebhookError> {
        self.inner.webhook(delivery)
    }
}

struct NanswapHarness {
    sandbox: Arc<Sandbox>,
    ledger: Arc<Mutex<Ledger>>,
}

impl NanswapHarness {
    async fn start() -> Self {
        let sandbox = Arc::new(Sandbox::start(SandboxConfig::default()).await.unwrap());
        Self { sandbox, ledger: Arc::default() }
    }

    fn setting(&self, key: &str) -> String {
        self.sandbox.setting("nanswap", key).unwrap()
    }

    fn config(&self) -> Config {
        let [url, key, address] = ["base_url", "api_key", "settle_address"].map(|key| self.setting(key));
        Config::new(url, key, address)
    }

    fn watched(&self, config: Config, http: HttpConfig) -> Arc<dyn PaymentProvider> {
        let sandbox = self.sandbox.clone();
        let orders: Orders =
            Arc::new(move || sandbox.emulators().nanswap.truth().into_iter().map(|o| o.reference).collect());
        let inner = Nanswap::with_http(config, http).unwrap();
        Arc::new(Watched { inner, ledger: self.ledger.clone(), orders })
    }

    /// Every payment of an order, from the emulator's own books.
    fn truth(&self, order: &IntentRecord) -> Vec<Played> {
        let all = self.sandbox.emulators().nanswap.truth();
        let order = all.into_iter().find(|o| o.reference == order.provider_ref.as_str()).unwrap();
        order.payments.iter().map(played).collect()
    }

    fn pays(
        &self,
        order: &IntentRecord,
        amount: Option<Amount>,
        stage: Stage,
        payment: Option<String>,
    ) -> Played {
        let request = PayRequest {
            reference: order.provider_ref.to_string(),
            amount: amount.map(|a| a.to_string().parse().unwrap()),
            stage,
            payment,
            ticker: Some(order.terms.ticker),
        };
        let id = self.sandbox.emulators().nanswap.pay(&request).unwrap();
        self.truth(order).into_iter().find(|p| p.id.as_str() == id).unwrap()
    }
}

fn played(payment: &TruthPayment) -> Played {
    let stage = match payment.stage {
        TruthStage::Seen => PlayedStage::Seen,
        TruthStage::Confirmed => PlayedStage::Confirmed,
        TruthStage::Reversed => PlayedStage::Reversed,
        TruthStage::Withdrawn => PlayedStage::Withdrawn,
    };
    let settled = payment.settled.map(|(amount, _)| amount);
    let id = PaymentRef::new(payment.id.clone()).unwrap();
    Played { settled, ..Played::new(id, payment.amount, stage) }
}

#[async_trait]
impl Harness for NanswapHarness {
    fn provider(&self) -> Arc<dyn PaymentProvider> {
        self.watched(self.config(), HttpConfig::default())
    }

    fn variant(&self, variant: Variant) -> Option<Arc<dyn PaymentProvider>> {
        let mut config = self.config();
        let mut http = HttpConfig::default();
        match variant {
            Variant::Unreachable => {
                // A port that was free a moment ago.
                let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
                config.base_url = format!("http://{}/nanswap", free.local_addr().unwrap());
            }
            Variant::WrongKey => config.api_key = Secret::new(WRONG_KEY),
            Variant::NoWebhookSecret => return None,
            Variant::Impatient => {
                http.read_timeout = Duration::from_millis(300);
                http.timeout = Duration::from_millis(400);
                http.deadline = Duration::from_millis(1_500);
                http.max_backoff = Duration::from_millis(20);
                http.min_backoff = Duration::from_millis(5);
                http.breaker.open_for = Duration::from_millis(200);
            }
        }
        Some(self.watched(config, http))
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.setting("api_key"), WRONG_KEY.to_owned()]
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_secs(self.sandbox.now())
    }

    async fn advance(&self, seconds: u32) {
        self.sandbox.advance(seconds);
    }

    async fn pay(&self, order: &IntentRecord, amount: Option<Amount>, stage: PayStage) -> Played {
        let stage = match stage {
            PayStage::Seen => Stage::Seen,
            PayStage::Confirmed => Stage::Confirmed,
        };
        self.pays(order, amount, stage, None)
    }

    async fn confirm(&self, order: &IntentRecord, payment: &PaymentRef) -> Played {
        self.pays(order, None, Stage::Confirmed, Some(payment.to_string()))
    }

    async fn scenario(&self, order: &IntentRecord, scenario: Scenario) -> Option<Vec<Played>> {
        let name = match scenario {
            Scenario::Partial => ScenarioName::Partial,
            Scenario::Over => ScenarioName::Over,
            Scenario::Late => ScenarioName::Late,
            Scenario::Expire => ScenarioName::Expire,
            Scenario::Fail => ScenarioName::Fail,
            Scenario::Double => ScenarioName::Double,
            Scenario::Replace => ScenarioName::Replace,
            Scenario::Reorg => ScenarioName::Reorg,
            Scenario::Return => ScenarioName::Return,
            Scenario::Refund => ScenarioName::Refund,
            Scenario::RefundPart => ScenarioName::RefundPart,
            Scenario::Dispute => ScenarioName::Dispute,
        };
        let reference = order.provider_ref.to_string();
        let request = ScenarioRequest { reference, name, amount: None, ticker: Some(order.terms.ticker) };
        let played = self.sandbox.emulators().nanswap.scenario(&request);
        if self.cannot(Ability::Scenario(scenario)).is_some() {
            assert!(played.is_err(), "{scenario:?} was played");
            return None;
        }
        played.unwrap();
        Some(self.truth(order))
    }

    async fn fault(&self, fault: Option<Fault>) {
        let mut faults = Faults::default();
        // Else the questions before the create would be struck, and the create never sent.
        let of_orders = || vec!["/create-order".to_owned(), "/get-order".to_owned()];
        match fault {
            None => {}
            Some(Fault::Down) => faults.down = true,
            Some(Fault::ServerError) => (faults.error_rate, faults.only_paths) = (1.0, of_orders()),
            Some(Fault::HtmlError) => (faults.html_502, faults.only_paths) = (true, of_orders()),
            Some(Fault::LostAnswer) => (faults.drop_response_rate, faults.only_paths) = (1.0, of_orders()),
            // Longer than all tries of the impatient variant together.
            Some(Fault::Slow) => (faults.answer_delay_ms, faults.only_paths) = (5_000, of_orders()),
            Some(Fault::RejectKey) => faults.reject_key = true,
            Some(Fault::RateLimited) => faults.status_429 = true,
            Some(Fault::HugeBody) => (faults.huge_body, faults.only_paths) = (true, of_orders()),
            Some(Fault::WrongTypes) => (faults.wrong_types, faults.only_paths) = (true, of_orders()),
            Some(Fault::UnknownPaymentWord) => faults.unknown_words = true,
            Some(Fault::UnknownOrderWord) => faults.unknown_order_words = true,
            Some(Fault::MissingMethod) => {
                let keys = ["BAN", "KAS", "TON", "NEAR", "EGLD", "VVV-BASE"];
                faults.omit_methods = keys.iter().map(|key| (*key).to_owned()).collect();
            }
        }
        assert!(self.sandbox.set_faults("nanswap", faults));
    }

    async fn orders_at_provider(&self, id: &DepositId) -> usize {
        self.ledger.lock().unwrap().of.get(id).copied().unwrap_or(0)
    }

    fn cannot(&self, ability: Ability) -> Option<&'static str> {
        match ability {
            Ability::Scenario(Scenario::Double) => Some("a second payment to an order is not documented"),
            Ability::Scenario(Scenario::Replace | Scenario::Reorg | Scenario::Return) => {
                Some("a pay-in that was seen is swapped; the API has no word for one that is gone")
            }
            Ability::Scenario(Scenario::Refund | Scenario::RefundPart) => Some("refunds are made by mail"),
            Ability::Scenario(Scenario::Dispute) => Some("nobody disputes a coin"),
            Ability::Fault(Fault::UnknownOrderWord) => {
                Some("one word is the order's and the payment's status")
            }
            Ability::Variant(Variant::NoWebhookSecret) | Ability::Redeliver => Some("there are no webhooks"),
            _ => None,
        }
    }

    fn reads_need_key(&self) -> bool {
        false
    }

    /// Within the limits of the pairs, in as many digits as a double holds.
    fn amount(&self, spec: &TickerSpec) -> Amount {
        let text = match spec.ticker {
            Ticker::BAN => "123.4567891234567",
            Ticker::KAS => "12.34567891",
            Ticker::TON => "1.234567891",
            Ticker::EGLD => "0.123456789123456",
            _ => "1.234567891234567",
        };
        Amount::parse(text, spec.asset).unwrap()
    }

    /// The provider's books are doubles: one that it writes with an exponent, and one with as many digits as they hold.
    fn exact_amounts(&self, spec: &TickerSpec) -> Vec<Amount> {
        ["0.0000001", "1234567.12345678"].map(|text| Amount::parse(text, spec.asset).unwrap()).to_vec()
    }

    fn unknown_ref(&self, _known: &ProviderRef) -> ProviderRef {
        ProviderRef::new("00000000000000").unwrap()
    }
}

//! The conformance suite, against the Nanswap emulator over real HTTP.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use deposit_conformance::{Ability, Fault, Harness, PayStage, Played, Scenario, Variant};
use deposit_core::{
    AccountIndex, Amount, Capabilities, Delivery, DepositId, DepositIntent, IntentRecord, Limits,
    LookUpRequest, OpenRequest, PayInstructions, PaymentProvider, PaymentRef, ProviderError, ProviderId,
    ProviderRef, RawDelivery, ReadOutcome, ScanCursor, ScanPage, Secret, Snapshot, Ticker, TickerSpec,
    Timestamp, WebhookError,
};
use deposit_nanswap::{Config, Nanswap};
use deposit_testkit::{World, impatient, unreachable_url};
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
    async fn read_many(&self, intents: &[IntentRecord]) -> Result<Vec<ReadOutcome>, ProviderError> {
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
    world: Arc<World>,
    ledger: Arc<Mutex<Ledger>>,
}

impl NanswapHarness {
    async fn start() -> Self {
        Self { world: Arc::new(World::start("nanswap").await), ledger: Arc::default() }
    }

    fn config(&self) -> Config {
        let [url, key, address] =
            ["base_url", "api_key", "settle_address"].map(|key| self.world.setting(key));
        Config::new(url, key, address)
    }

    fn watched(&self, config: Config, http: HttpConfig) -> Arc<dyn PaymentProvider> {
        let world = self.world.clone();
        let orders: Orders =
            Arc::new(move || world.emulator().truth().into_iter().map(|o| o.reference).collect());
        let inner = Nanswap::with_http(config, http).unwrap();
        Arc::new(Watched { inner, ledger: self.ledger.clone(), orders })
    }
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
            Variant::Unreachable => config.base_url = unreachable_url(),
            Variant::WrongKey => config.api_key = Secret::new(WRONG_KEY),
            Variant::NoWebhookSecret => return None,
            Variant::Impatient => http = impatient(),
        }
        Some(self.watched(config, http))
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.world.setting("api_key"), WRONG_KEY.to_owned()]
    }

    fn now(&self) -> Timestamp {
        self.world.now()
    }

    async fn advance(&self, seconds: u32) {
        self.world.advance(seconds);
    }

    async fn pay(&self, order: &IntentRecord, amount: Option<Amount>, stage: PayStage) -> Played {
        self.world.pay(order, amount, stage)
    }

    async fn confirm(&self, order: &IntentRecord, payment: &PaymentRef) -> Played {
        self.world.confirm(order, payment)
    }

    async fn scenario(&self, order: &IntentRecord, scenario: Scenario) -> Option<Vec<Played>> {
        self.world.play(order, scenario, None, self.cannot(Ability::Scenario(scenario)).is_some())
    }

    async fn fault(&self, fault: Option<Fault>) {
        let mut faults = World::faults(fault, &["BAN", "KAS", "TON", "NEAR", "EGLD", "VVV-BASE"]);
        let of_the_create = matches!(
            fault,
            Some(
                Fault::ServerError
                    | Fault::HtmlError
                    | Fault::LostAnswer
                    | Fault::Slow
                    | Fault::HugeBody
                    | Fault::WrongTypes
            )
        );
        if of_the_create {
            // Else the questions before the create would be struck, and the create never sent.
            faults.only_paths = ["/create-order", "/get-order"].map(str::to_owned).to_vec();
        }
        self.world.set_faults(faults);
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

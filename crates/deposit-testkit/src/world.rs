//! An emulator in the hands of the conformance suite.

use std::sync::Arc;

use deposit_conformance::{CaptureServer, CapturedDelivery, Fault, PayStage, Played, PlayedStage, Scenario};
use deposit_core::{Amount, DepositId, IntentRecord, PaymentRef, Timestamp};
use deposit_sandbox::{
    Emulator, Faults, PayRequest, PayStage as Stage, Sandbox, SandboxConfig, ScenarioName, ScenarioRequest,
    TruthPayment, TruthStage,
};

/// One provider's emulator over real HTTP, and whoever takes its webhooks. A harness passes the payer's part on to it.
#[derive(Debug)]
pub struct World {
    provider: &'static str,
    sandbox: Sandbox,
    webhooks: CaptureServer,
    reference: fn(&IntentRecord) -> String,
}

impl World {
    /// A sandbox of its own. An order is known by the provider's reference.
    pub async fn start(provider: &'static str) -> Self {
        let webhooks = CaptureServer::start().await.expect("a port for webhooks");
        let gateways = vec![webhooks.url().to_owned()];
        let sandbox = Sandbox::start(SandboxConfig { gateways, ..SandboxConfig::default() });
        let sandbox = sandbox.await.expect("a port for the sandbox");
        Self { provider, sandbox, webhooks, reference: |order| order.provider_ref.to_string() }
    }

    /// For a provider that knows addresses alone.
    #[must_use]
    pub fn by_address(self) -> Self {
        let reference = |order: &IntentRecord| order.instructions.address().expect("an address").to_owned();
        Self { reference, ..self }
    }

    /// The sandbox, for what is not the same everywhere.
    #[must_use]
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// The emulator, with the methods that all have.
    #[must_use]
    pub fn emulator(&self) -> Arc<dyn Emulator> {
        self.sandbox.emulator(self.provider).expect("an emulator of this name")
    }

    /// What a gateway is told under `[providers.NAME]`.
    #[must_use]
    pub fn setting(&self, key: &str) -> String {
        self.sandbox.setting(self.provider, key).unwrap_or_else(|| panic!("no setting {key}"))
    }

    /// The emulator's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_secs(self.sandbox.now())
    }

    /// Moves it.
    pub fn advance(&self, seconds: u32) {
        self.sandbox.advance(seconds);
    }

    /// Every payment of an order, from the emulator's own books.
    #[must_use]
    pub fn truth(&self, order: &IntentRecord) -> Vec<Played> {
        let reference = (self.reference)(order);
        let all = self.emulator().truth();
        all.iter().filter(|o| o.reference == reference).flat_map(|o| &o.payments).map(played).collect()
    }

    /// How many orders at the provider carry our id.
    #[must_use]
    pub fn orders_with(&self, id: &DepositId) -> usize {
        self.emulator().truth().iter().filter(|o| o.order.as_deref() == Some(id.as_str())).count()
    }

    /// What is asked of the emulator for a payment.
    #[must_use]
    pub fn request(&self, order: &IntentRecord, amount: Option<Amount>, stage: PayStage) -> PayRequest {
        PayRequest {
            reference: (self.reference)(order),
            amount: amount.map(|amount| amount.to_string().parse().expect("a decimal")),
            stage: match stage {
                PayStage::Seen => Stage::Seen,
                PayStage::Confirmed => Stage::Confirmed,
            },
            payment: None,
            ticker: Some(order.terms.ticker),
        }
    }

    /// Does it, and answers the payment as it then is.
    #[must_use]
    pub fn paid(&self, order: &IntentRecord, request: &PayRequest) -> Played {
        let id = self.emulator().pay(request).expect("a payment");
        self.truth(order).into_iter().find(|p| p.id.as_str() == id).expect("the payment in the books")
    }

    /// [`deposit_conformance::Harness::pay`].
    pub fn pay(&self, order: &IntentRecord, amount: Option<Amount>, stage: PayStage) -> Played {
        self.paid(order, &self.request(order, amount, stage))
    }

    /// [`deposit_conformance::Harness::confirm`].
    #[must_use]
    pub fn confirm(&self, order: &IntentRecord, payment: &PaymentRef) -> Played {
        let request = self.request(order, None, PayStage::Confirmed);
        self.paid(order, &PayRequest { payment: Some(payment.to_string()), ..request })
    }

    /// Plays a scenario; `due` for a provider that is never told an amount. One that is excused (by the harness's `cannot`)
    /// has to be refused by the emulator, and no other may be.
    #[must_use]
    pub fn play(
        &self,
        order: &IntentRecord,
        scenario: Scenario,
        due: Option<Amount>,
        excused: bool,
    ) -> Option<Vec<Played>> {
        let request = ScenarioRequest {
            reference: (self.reference)(order),
            name: name_of(scenario),
            amount: due.map(|due| due.to_string().parse().expect("a decimal")),
            ticker: Some(order.terms.ticker),
        };
        let answer = self.emulator().scenario(&request);
        assert_eq!(answer.is_err(), excused, "{scenario:?}, refused and excused: {answer:?}");
        (!excused).then(|| self.truth(order))
    }

    /// The emulator's faults for one of the suite's. `methods` are those that an order can miss.
    #[must_use]
    pub fn faults(fault: Option<Fault>, methods: &[&str]) -> Faults {
        let mut faults = Faults::default();
        match fault {
            None => {}
            Some(Fault::Down) => faults.down = true,
            Some(Fault::ServerError) => faults.error_rate = 1.0,
            Some(Fault::HtmlError) => faults.html_502 = true,
            Some(Fault::LostAnswer) => faults.drop_response_rate = 1.0,
            // Longer than all tries of the impatient variant together.
            Some(Fault::Slow) => faults.answer_delay_ms = 5_000,
            Some(Fault::RejectKey) => faults.reject_key = true,
            Some(Fault::RateLimited) => faults.status_429 = true,
            Some(Fault::HugeBody) => faults.huge_body = true,
            Some(Fault::WrongTypes) => faults.wrong_types = true,
            Some(Fault::UnknownPaymentWord) => faults.unknown_words = true,
            Some(Fault::UnknownOrderWord) => faults.unknown_order_words = true,
            Some(Fault::MissingMethod) => {
                faults.omit_methods = methods.iter().map(|method| (*method).to_owned()).collect();
            }
        }
        faults
    }

    /// From now on these faults alone.
    pub fn set_faults(&self, faults: Faults) {
        assert!(self.sandbox.set_faults(self.provider, faults));
    }

    /// [`deposit_conformance::Harness::deliveries`].
    pub async fn deliveries(&self) -> Vec<CapturedDelivery> {
        self.sandbox.webhooks_idle().await;
        self.webhooks.deliveries()
    }

    /// [`deposit_conformance::Harness::redeliver`].
    pub fn redeliver(&self, order: &IntentRecord) {
        self.emulator().redeliver(&(self.reference)(order)).expect("webhooks to send again");
    }
}

fn played(payment: &TruthPayment) -> Played {
    let stage = match payment.stage {
        TruthStage::Seen => PlayedStage::Seen,
        TruthStage::Confirmed => PlayedStage::Confirmed,
        TruthStage::Reversed => PlayedStage::Reversed,
        TruthStage::Withdrawn => PlayedStage::Withdrawn,
    };
    let id = PaymentRef::new(payment.id.clone()).expect("a reference");
    Played {
        taken: payment.reversed.minor().saturating_sub(payment.reinstated.minor()),
        settled: payment.settled.map(|(amount, _)| amount),
        ..Played::new(id, payment.amount, stage)
    }
}

fn name_of(scenario: Scenario) -> ScenarioName {
    match scenario {
        Scenario::Partial => ScenarioName::Partial,
        Scenario::Over => ScenarioName::Over,
        Scenario::Late => ScenarioName::Late,
        Scenario::Double => ScenarioName::Double,
        Scenario::Replace => ScenarioName::Replace,
        Scenario::Reorg => ScenarioName::Reorg,
        Scenario::Return => ScenarioName::Return,
        Scenario::Refund => ScenarioName::Refund,
        Scenario::RefundPart => ScenarioName::RefundPart,
        Scenario::Dispute => ScenarioName::Dispute,
        Scenario::Expire => ScenarioName::Expire,
        Scenario::Fail => ScenarioName::Fail,
    }
}

//! The conformance suite, against the Prompt.Cash emulator over real HTTP.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm)]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use deposit_conformance::{
    Ability, CaptureServer, CapturedDelivery, Carrier, Fault, Harness, PayStage, Played, PlayedStage,
    Scenario, Stranger, Variant, WebhookAuth,
};
use deposit_core::{Amount, DepositId, IntentRecord, PaymentProvider, PaymentRef, Secret, Ticker, Timestamp};
use deposit_promptcash::{Config, PromptCash};
use deposit_sandbox::{
    Emulator as _, Faults, PayRequest, PayStage as Stage, Sandbox, SandboxConfig, ScenarioName,
    ScenarioRequest, TruthStage,
};
use deposit_transport::HttpConfig;

deposit_conformance::provider_suite!(PromptCashHarness::start().await);

const WRONG_KEY: &str = "a-token-of-nobody-0001";

struct PromptCashHarness {
    sandbox: Sandbox,
    webhooks: CaptureServer,
}

impl PromptCashHarness {
    async fn start() -> Self {
        let webhooks = CaptureServer::start().await.unwrap();
        let gateways = vec![webhooks.url().to_owned()];
        let sandbox = Sandbox::start(SandboxConfig { gateways, ..SandboxConfig::default() }).await.unwrap();
        // The rate that the suite locks: the service makes its own figure from it.
        sandbox.emulators().promptcash.rates().set([(Ticker::BCH, "100".parse().unwrap())]);
        Self { sandbox, webhooks }
    }

    fn setting(&self, key: &str) -> String {
        self.sandbox.setting("promptcash", key).unwrap()
    }

    fn config(&self) -> Config {
        let [url, public, secret] = ["base_url", "public_token", "secret_token"].map(|key| self.setting(key));
        Config::new(url, public, secret)
    }

    /// The order's one payment, from the emulator's own books.
    fn truth(&self, order: &IntentRecord) -> Vec<Played> {
        let all = self.sandbox.emulators().promptcash.truth();
        let order = all.into_iter().find(|o| o.reference == order.provider_ref.as_str()).unwrap();
        let played = |payment: &deposit_sandbox::TruthPayment| {
            let stage = match payment.stage {
                TruthStage::Seen => PlayedStage::Seen,
                TruthStage::Confirmed => PlayedStage::Confirmed,
                TruthStage::Reversed => PlayedStage::Reversed,
                TruthStage::Withdrawn => PlayedStage::Withdrawn,
            };
            Played::new(PaymentRef::new(payment.id.clone()).unwrap(), payment.amount, stage)
        };
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
        let id = self.sandbox.emulators().promptcash.pay(&request).unwrap();
        self.truth(order).into_iter().find(|p| p.id.as_str() == id).unwrap()
    }
}

#[async_trait]
impl Harness for PromptCashHarness {
    fn provider(&self) -> Arc<dyn PaymentProvider> {
        deposit_promptcash::build(self.config()).unwrap()
    }

    fn variant(&self, variant: Variant) -> Option<Arc<dyn PaymentProvider>> {
        let mut config = self.config();
        let mut http = HttpConfig::default();
        match variant {
            Variant::Unreachable => {
                // A port that was free a moment ago.
                let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
                config.base_url = format!("http://{}/promptcash", free.local_addr().unwrap());
            }
            Variant::WrongKey => config.secret_token = Secret::new(WRONG_KEY),
            Variant::NoWebhookSecret => config.secret_token = Secret::default(),
            Variant::Impatient => {
                http.read_timeout = Duration::from_millis(300);
                http.timeout = Duration::from_millis(400);
                http.deadline = Duration::from_millis(1_500);
                http.max_backoff = Duration::from_millis(20);
                http.min_backoff = Duration::from_millis(5);
                http.breaker.open_for = Duration::from_millis(200);
            }
        }
        Some(Arc::new(PromptCash::with_http(config, http).ok()?))
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.setting("secret_token"), WRONG_KEY.to_owned()]
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
            Scenario::Double => ScenarioName::Double,
            Scenario::Replace => ScenarioName::Replace,
            Scenario::Reorg => ScenarioName::Reorg,
            Scenario::Return => ScenarioName::Return,
            Scenario::Refund => ScenarioName::Refund,
            Scenario::RefundPart => ScenarioName::RefundPart,
            Scenario::Dispute => ScenarioName::Dispute,
            Scenario::Expire => ScenarioName::Expire,
            Scenario::Fail => ScenarioName::Fail,
        };
        let reference = order.provider_ref.to_string();
        let request = ScenarioRequest { reference, name, amount: None, ticker: Some(order.terms.ticker) };
        // What the emulator refuses, the suite is told by `cannot`; it compares the two.
        self.sandbox.emulators().promptcash.scenario(&request).ok()?;
        Some(self.truth(order))
    }

    async fn fault(&self, fault: Option<Fault>) {
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
            Some(other) => panic!("{other:?} is one that this provider cannot have"),
        }
        assert!(self.sandbox.set_faults("promptcash", faults));
    }

    async fn orders_at_provider(&self, id: &DepositId) -> usize {
        let all = self.sandbox.emulators().promptcash.truth();
        all.iter().filter(|o| o.order.as_deref() == Some(id.as_str())).count()
    }

    fn cannot(&self, ability: Ability) -> Option<&'static str> {
        match ability {
            Ability::Scenario(Scenario::Refund | Scenario::RefundPart) => {
                Some("there is no call for a refund: it is another payment from the merchant's wallet")
            }
            Ability::Scenario(Scenario::Dispute) => Some("nobody disputes a coin"),
            Ability::Scenario(Scenario::Replace | Scenario::Reorg | Scenario::Return) => {
                Some("how the service shows a transaction that is gone is not documented")
            }
            Ability::Scenario(Scenario::Fail) => Some("what cancels a payment is not documented"),
            Ability::Variant(Variant::NoWebhookSecret) => Some("the configuration is refused without one"),
            Ability::Fault(Fault::UnknownOrderWord) => Some("one word says how order and payment stand"),
            Ability::Fault(Fault::MissingMethod) => Some("a payment has one way of paying"),
            _ => None,
        }
    }

    fn webhook_auth(&self) -> Option<WebhookAuth> {
        Some(WebhookAuth { carrier: Carrier::Member("token"), signs_body: false })
    }

    async fn deliveries(&self) -> Vec<CapturedDelivery> {
        self.sandbox.webhooks_idle().await;
        self.webhooks.deliveries()
    }

    async fn redeliver(&self, order: &IntentRecord) {
        self.sandbox.emulators().promptcash.redeliver(order.provider_ref.as_str()).unwrap();
    }

    fn strangers(&self, sample: &CapturedDelivery) -> Vec<Stranger> {
        let made = |what, of_our_order, member: &str, value: &str| {
            let mut body: serde_json::Value = serde_json::from_slice(&sample.body).unwrap();
            *body.get_mut("payment").unwrap().get_mut(member).unwrap() = value.into();
            let delivery = CapturedDelivery { body: body.to_string().into_bytes(), ..sample.clone() };
            Stranger { what, delivery, of_our_order }
        };
        vec![
            made("another program's", false, "tx_id", "wc-17"),
            made("of an unknown kind", true, "status", "DISSOLVED"),
        ]
    }
}

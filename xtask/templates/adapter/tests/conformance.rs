//! The conformance suite, against the @Name@ emulator over real HTTP.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm)]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use deposit_@name@::{@Name@, Config};
use deposit_conformance::{
    Ability, CaptureServer, CapturedDelivery, Carrier, Fault, Harness, PayStage, Played, PlayedStage,
    Scenario, Stranger, Variant, WebhookAuth,
};
use deposit_core::{Amount, DepositId, IntentRecord, PaymentProvider, PaymentRef, Secret, Timestamp};
use deposit_sandbox::{
    Emulator as _, Faults, PayRequest, PayStage as Stage, Sandbox, SandboxConfig, ScenarioName,
    ScenarioRequest, TruthPayment, TruthStage,
};
use deposit_transport::HttpConfig;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

deposit_conformance::provider_suite!(@Name@Harness::start().await);

const SIGNATURE: &str = "@name@-signature";
const WRONG_KEY: &str = "a-key-of-nobody-0001";

struct @Name@Harness {
    sandbox: Sandbox,
    webhooks: CaptureServer,
}

impl @Name@Harness {
    async fn start() -> Self {
        let webhooks = CaptureServer::start().await.unwrap();
        let gateways = vec![webhooks.url().to_owned()];
        let sandbox = Sandbox::start(SandboxConfig { gateways, ..SandboxConfig::default() }).await.unwrap();
        Self { sandbox, webhooks }
    }

    fn setting(&self, key: &str) -> String {
        self.sandbox.setting("@name@", key).unwrap()
    }

    fn config(&self) -> Config {
        let [url, key, secret] = ["base_url", "api_key", "webhook_secret"].map(|key| self.setting(key));
        Config::new(url, key, secret)
    }

    /// Every payment of an order, from the emulator's own books.
    fn truth(&self, order: &IntentRecord) -> Vec<Played> {
        let all = self.sandbox.emulators().@name@.truth();
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
        let id = self.sandbox.emulators().@name@.pay(&request).unwrap();
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
    Played::new(PaymentRef::new(payment.id.clone()).unwrap(), payment.amount, stage)
}

#[async_trait]
impl Harness for @Name@Harness {
    fn provider(&self) -> Arc<dyn PaymentProvider> {
        deposit_@name@::build(self.config()).unwrap()
    }

    fn variant(&self, variant: Variant) -> Option<Arc<dyn PaymentProvider>> {
        let mut config = self.config();
        let mut http = HttpConfig::default();
        match variant {
            Variant::Unreachable => {
                // A port that was free a moment ago.
                let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
                config.base_url = format!("http://{}/@name@", free.local_addr().unwrap());
            }
            Variant::WrongKey => config.api_key = Secret::new(WRONG_KEY),
            Variant::NoWebhookSecret => config.webhook_secret = Secret::default(),
            Variant::Impatient => {
                http.read_timeout = Duration::from_millis(300);
                http.timeout = Duration::from_millis(400);
                http.deadline = Duration::from_millis(1_500);
                http.max_backoff = Duration::from_millis(20);
                http.min_backoff = Duration::from_millis(5);
                http.breaker.open_for = Duration::from_millis(200);
            }
        }
        Some(Arc::new(@Name@::with_http(config, http).ok()?))
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.setting("api_key"), self.setting("webhook_secret"), WRONG_KEY.to_owned()]
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
            Scenario::Replace => {
                self.pays(order, None, Stage::Seen, None);
                ScenarioName::Replace
            }
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
        self.sandbox.emulators().@name@.scenario(&request).unwrap();
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
            Some(Fault::UnknownOrderWord) => faults.unknown_order_words = true,
            Some(Fault::MissingMethod) => faults.omit_methods = vec!["@TICKER@".to_owned()],
        }
        assert!(self.sandbox.set_faults("@name@", faults));
    }

    async fn orders_at_provider(&self, id: &DepositId) -> usize {
        let all = self.sandbox.emulators().@name@.truth();
        all.iter().filter(|o| o.order.as_deref() == Some(id.as_str())).count()
    }

    /// What the provider cannot have goes here, with the reason.
    fn cannot(&self, ability: Ability) -> Option<&'static str> {
        match ability {
            Ability::Variant(Variant::NoWebhookSecret) => Some("the configuration is refused without one"),
            _ => None,
        }
    }

    fn webhook_auth(&self) -> Option<WebhookAuth> {
        Some(WebhookAuth { carrier: Carrier::Header(SIGNATURE), signs_body: true })
    }

    async fn deliveries(&self) -> Vec<CapturedDelivery> {
        self.sandbox.webhooks_idle().await;
        self.webhooks.deliveries()
    }

    async fn redeliver(&self, order: &IntentRecord) {
        self.sandbox.emulators().@name@.redeliver(order.provider_ref.as_str()).unwrap();
    }

    fn sign(&self, body: &[u8], secret: &str) -> Option<CapturedDelivery> {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(body);
        let headers = vec![(SIGNATURE.to_owned(), hex::encode(mac.finalize().into_bytes()))];
        Some(CapturedDelivery { headers, query: vec![], body: body.to_vec() })
    }

    /// Events of another account, of another program's order, of an unknown kind: made from a real one and signed.
    fn strangers(&self, _sample: &CapturedDelivery) -> Vec<Stranger> {
        panic!("to be written: `strangers` in crates/deposit-@name@/tests/conformance.rs")
    }
}

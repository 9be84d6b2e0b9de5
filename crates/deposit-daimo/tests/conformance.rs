//! The conformance suite, twice: each generation of the API against the emulator over real HTTP.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm)]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use deposit_conformance::{
    Ability, CaptureServer, CapturedDelivery, Carrier, Fault, Harness, PayStage, Played, PlayedStage,
    Scenario, Stranger, Variant, WebhookAuth,
};
use deposit_core::{
    Amount, DepositId, IntentRecord, PaymentProvider, PaymentRef, Secret, TickerSpec, Timestamp,
};
use deposit_daimo::{Api, Config, Daimo};
use deposit_sandbox::{
    Emulator as _, Faults, PayRequest, PayStage as Stage, Sandbox, SandboxConfig, ScenarioName,
    ScenarioRequest, TruthPayment, TruthStage,
};
use deposit_transport::HttpConfig;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Map, Value};
use sha2::Sha256;

mod payments {
    deposit_conformance::provider_suite!(super::DaimoHarness::start(deposit_daimo::Api::Payments).await);
}

mod sessions {
    deposit_conformance::provider_suite!(super::DaimoHarness::start(deposit_daimo::Api::Sessions).await);
}

const WRONG_KEY: &str = "a-key-of-nobody-0001";

struct DaimoHarness {
    api: Api,
    sandbox: Sandbox,
    webhooks: CaptureServer,
}

impl DaimoHarness {
    async fn start(api: Api) -> Self {
        let webhooks = CaptureServer::start().await.unwrap();
        let gateways = vec![webhooks.url().to_owned()];
        let sandbox = Sandbox::start(SandboxConfig { gateways, ..SandboxConfig::default() }).await.unwrap();
        Self { api, sandbox, webhooks }
    }

    fn setting(&self, key: &str) -> String {
        self.sandbox.setting("daimo", key).unwrap()
    }

    fn config(&self) -> Config {
        let [key, token, refund, destination] =
            ["api_key", "webhook_token", "refund_address", "destination_address"]
                .map(|key| self.setting(key));
        let mut config = Config::new(key, token, refund, destination);
        config.base_url = self.setting("base_url");
        config.api = self.api;
        config
    }

    fn truth(&self, order: &IntentRecord) -> Vec<Played> {
        let all = self.sandbox.emulators().daimo.truth();
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
        let id = self.sandbox.emulators().daimo.pay(&request).unwrap();
        self.truth(order).into_iter().find(|p| p.id.as_str() == id).unwrap()
    }

    /// A webhook with a right proof.
    fn proved(&self, sample: &CapturedDelivery, body: &Value) -> CapturedDelivery {
        let body = body.to_string();
        match self.api {
            Api::Payments => CapturedDelivery { body: body.into_bytes(), ..sample.clone() },
            Api::Sessions => self.sign(body.as_bytes(), &self.setting("webhook_token")).unwrap(),
        }
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

/// The order inside an event.
fn order_of(api: Api, body: &mut Map<String, Value>) -> &mut Map<String, Value> {
    let order = match api {
        Api::Payments => body.get_mut("payment"),
        Api::Sessions => body.get_mut("data").and_then(|data| data.get_mut("session")),
    };
    order.and_then(Value::as_object_mut).unwrap()
}

#[async_trait]
impl Harness for DaimoHarness {
    fn provider(&self) -> Arc<dyn PaymentProvider> {
        deposit_daimo::build(self.config()).unwrap()
    }

    fn variant(&self, variant: Variant) -> Option<Arc<dyn PaymentProvider>> {
        let mut config = self.config();
        let mut http = HttpConfig::default();
        match variant {
            Variant::Unreachable => {
                // A port that was free a moment ago.
                let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
                config.base_url = format!("http://{}/daimo", free.local_addr().unwrap());
            }
            Variant::WrongKey => config.api_key = Secret::new(WRONG_KEY),
            Variant::NoWebhookSecret => config.webhook_token = Secret::default(),
            Variant::Impatient => {
                http.read_timeout = Duration::from_millis(300);
                http.timeout = Duration::from_millis(400);
                http.deadline = Duration::from_millis(1_500);
                http.max_backoff = Duration::from_millis(20);
                http.min_backoff = Duration::from_millis(5);
                http.breaker.open_for = Duration::from_millis(200);
            }
        }
        Some(Arc::new(Daimo::with_http(config, http).ok()?))
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.setting("api_key"), self.setting("webhook_token"), WRONG_KEY.to_owned()]
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
        let name = match (scenario, self.api) {
            (Scenario::Fail, _) => ScenarioName::Fail,
            (Scenario::Refund, Api::Payments) => ScenarioName::Refund,
            (Scenario::Expire, Api::Sessions) => ScenarioName::Expire,
            _ => return None,
        };
        let reference = order.provider_ref.to_string();
        let request = ScenarioRequest { reference, name, amount: None, ticker: Some(order.terms.ticker) };
        self.sandbox.emulators().daimo.scenario(&request).unwrap();
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
            Some(Fault::UnknownOrderWord | Fault::MissingMethod) => panic!("excused"),
        }
        assert!(self.sandbox.set_faults("daimo", faults));
    }

    async fn orders_at_provider(&self, id: &DepositId) -> usize {
        let all = self.sandbox.emulators().daimo.truth();
        all.iter().filter(|o| o.order.as_deref() == Some(id.as_str())).count()
    }

    fn cannot(&self, ability: Ability) -> Option<&'static str> {
        let sessions = self.api == Api::Sessions;
        match ability {
            Ability::Scenario(Scenario::Partial | Scenario::Over | Scenario::Double) => {
                Some("an order delivers its fixed amount, once")
            }
            Ability::Scenario(Scenario::Late) => Some("money after the provider's expiry is not documented"),
            Ability::Scenario(Scenario::Replace | Scenario::Reorg | Scenario::Return) => {
                Some("a status never goes back to one before")
            }
            Ability::Scenario(Scenario::RefundPart | Scenario::Dispute) => Some("there is no such status"),
            Ability::Scenario(Scenario::Refund) if sessions => Some("a session has no such status"),
            Ability::Scenario(Scenario::Expire) if !sessions => Some("a payment has no such status"),
            Ability::Fault(Fault::UnknownOrderWord) => {
                Some("there is one status, which is the payment's too")
            }
            Ability::Fault(Fault::MissingMethod) => {
                Some("the payer chooses the way of paying on the provider's page")
            }
            Ability::Variant(Variant::NoWebhookSecret) => Some("the configuration is refused without one"),
            _ => None,
        }
    }

    fn webhook_auth(&self) -> Option<WebhookAuth> {
        Some(match self.api {
            Api::Payments => WebhookAuth { carrier: Carrier::Header("authorization"), signs_body: false },
            Api::Sessions => WebhookAuth { carrier: Carrier::Header("daimo-signature"), signs_body: true },
        })
    }

    async fn deliveries(&self) -> Vec<CapturedDelivery> {
        self.sandbox.webhooks_idle().await;
        self.webhooks.deliveries()
    }

    async fn redeliver(&self, order: &IntentRecord) {
        self.sandbox.emulators().daimo.redeliver(order.provider_ref.as_str()).unwrap();
    }

    fn sign(&self, body: &[u8], secret: &str) -> Option<CapturedDelivery> {
        if self.api == Api::Payments {
            return None;
        }
        let stamp = self.sandbox.now();
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("{stamp}.").as_bytes());
        mac.update(body);
        let signature = format!("t={stamp},v1={}", hex::encode(mac.finalize().into_bytes()));
        let headers = vec![("daimo-signature".to_owned(), signature)];
        Some(CapturedDelivery { headers, query: vec![], body: body.to_vec() })
    }

    fn strangers(&self, sample: &CapturedDelivery) -> Vec<Stranger> {
        let made = |what, of_our_order, change: fn(Api, &mut Map<String, Value>)| {
            let mut body: Value = serde_json::from_slice(&sample.body).unwrap();
            change(self.api, body.as_object_mut().unwrap());
            Stranger { what, delivery: self.proved(sample, &body), of_our_order }
        };
        vec![
            made("another program's", false, |api, body| {
                let order = order_of(api, body);
                order["metadata"].as_object_mut().unwrap().remove("depositGateway").unwrap();
            }),
            made("a test event", false, |_, body| _ = body.insert("isTestEvent".into(), true.into())),
            made("of an unknown kind", true, |_, body| {
                _ = body.insert("type".into(), "order_dissolved".into())
            }),
        ]
    }

    /// An order delivers what was asked for and nothing else: the extremes are in the tests of the requests.
    fn exact_amounts(&self, spec: &TickerSpec) -> Vec<Amount> {
        vec![self.amount(spec)]
    }
}

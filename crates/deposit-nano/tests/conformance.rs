//! The conformance suite, against the emulated Nano node over real HTTP.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    clippy::indexing_slicing
)]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use deposit_conformance::{
    Ability, CaptureServer, CapturedDelivery, Carrier, Fault, Harness, PayStage, Played, PlayedStage,
    Scenario, Stranger, Variant, WebhookAuth,
};
use deposit_core::{
    Amount, Asset, DepositId, IntentRecord, PaymentProvider, PaymentRef, Secret, TickerSpec, Timestamp,
};
use deposit_nano::{Config, Nano};
use deposit_sandbox::{
    Emulator as _, Faults, PayRequest, PayStage as Stage, Sandbox, SandboxConfig, ScenarioName,
    ScenarioRequest, TruthPayment, TruthStage,
};
use deposit_transport::HttpConfig;

deposit_conformance::provider_suite!(NanoHarness::start().await);

const WRONG_KEY: &str = "Bearer a-key-of-nobody-0001";

struct NanoHarness {
    sandbox: Sandbox,
    webhooks: CaptureServer,
}

impl NanoHarness {
    async fn start() -> Self {
        let webhooks = CaptureServer::start().await.unwrap();
        let gateways = vec![webhooks.url().to_owned()];
        let sandbox = Sandbox::start(SandboxConfig { gateways, ..SandboxConfig::default() }).await.unwrap();
        Self { sandbox, webhooks }
    }

    fn setting(&self, key: &str) -> String {
        self.sandbox.setting("nano", key).unwrap()
    }

    fn config(&self) -> Config {
        let mut config =
            Config::new(self.setting("rpc_url"), self.setting("seed"), self.setting("representative"));
        config.ws_url = self.setting("ws_url");
        config.rpc_authorization = Secret::new(self.setting("rpc_authorization"));
        config.callback_token = Secret::new(self.setting("callback_token"));
        config
    }

    /// Every payment to the address, from the emulator's own books.
    fn truth(&self, order: &IntentRecord) -> Vec<Played> {
        let all = self.sandbox.emulators().nano.truth();
        let order = all.into_iter().find(|o| Some(o.reference.as_str()) == order.instructions.address());
        order.unwrap().payments.iter().map(played).collect()
    }

    fn pays(
        &self,
        order: &IntentRecord,
        amount: Option<Amount>,
        stage: Stage,
        payment: Option<String>,
    ) -> Played {
        let request = PayRequest {
            reference: order.instructions.address().unwrap().to_owned(),
            amount: amount.map(|a| a.to_string().parse().unwrap()),
            stage,
            payment,
            ticker: None,
        };
        let id = self.sandbox.emulators().nano.pay(&request).unwrap();
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
impl Harness for NanoHarness {
    fn provider(&self) -> Arc<dyn PaymentProvider> {
        deposit_nano::build(self.config()).unwrap()
    }

    fn variant(&self, variant: Variant) -> Option<Arc<dyn PaymentProvider>> {
        let mut config = self.config();
        let mut http = HttpConfig::default();
        match variant {
            Variant::Unreachable => {
                // A port that was free a moment ago.
                let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
                config.rpc_url = format!("http://{}", free.local_addr().unwrap());
            }
            Variant::WrongKey => config.rpc_authorization = Secret::new(WRONG_KEY),
            Variant::NoWebhookSecret => config.callback_token = Secret::default(),
            Variant::Impatient => {
                http.read_timeout = Duration::from_millis(300);
                http.timeout = Duration::from_millis(400);
                http.deadline = Duration::from_millis(1_500);
                http.max_backoff = Duration::from_millis(20);
                http.min_backoff = Duration::from_millis(5);
                http.breaker.open_for = Duration::from_millis(200);
            }
        }
        Some(Arc::new(Nano::with_http(config, http).ok()?))
    }

    fn secrets(&self) -> Vec<String> {
        let own = ["seed", "rpc_authorization", "callback_token"].map(|key| self.setting(key));
        own.into_iter().chain([WRONG_KEY.to_owned()]).collect()
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
            Scenario::Double => ScenarioName::Double,
            Scenario::Replace => ScenarioName::Replace,
            Scenario::Late
            | Scenario::Reorg
            | Scenario::Return
            | Scenario::Refund
            | Scenario::RefundPart
            | Scenario::Dispute
            | Scenario::Expire
            | Scenario::Fail => return None,
        };
        let reference = order.instructions.address().unwrap().to_owned();
        let amount = Some("1.5".parse().unwrap());
        let request = ScenarioRequest { reference, name, amount, ticker: None };
        self.sandbox.emulators().nano.scenario(&request).unwrap();
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
            Some(Fault::UnknownOrderWord | Fault::MissingMethod) => panic!("no such fault here"),
        }
        assert!(self.sandbox.set_faults("nano", faults));
    }

    async fn orders_at_provider(&self, _id: &DepositId) -> usize {
        0
    }

    fn cannot(&self, ability: Ability) -> Option<&'static str> {
        match ability {
            Ability::Fault(Fault::UnknownOrderWord | Fault::MissingMethod) => Some("there are no orders"),
            Ability::Scenario(Scenario::Late | Scenario::Expire | Scenario::Fail) => {
                Some("nothing is asked for, so nothing ends")
            }
            Ability::Scenario(Scenario::Reorg | Scenario::Return) => Some("what is confirmed is final"),
            Ability::Scenario(Scenario::Refund | Scenario::RefundPart | Scenario::Dispute) => {
                Some("a refund would be a payment of ours to somebody")
            }
            _ => None,
        }
    }

    fn webhook_auth(&self) -> Option<WebhookAuth> {
        Some(WebhookAuth { carrier: Carrier::Query("token"), signs_body: false })
    }

    async fn deliveries(&self) -> Vec<CapturedDelivery> {
        self.sandbox.webhooks_idle().await;
        self.webhooks.deliveries()
    }

    async fn redeliver(&self, order: &IntentRecord) {
        self.sandbox.emulators().nano.redeliver(order.instructions.address().unwrap()).unwrap();
    }

    fn strangers(&self, sample: &CapturedDelivery) -> Vec<Stranger> {
        let made = |what, of_our_order, change: fn(&mut serde_json::Map<String, serde_json::Value>)| {
            let mut body: serde_json::Value = serde_json::from_slice(&sample.body).unwrap();
            change(body.as_object_mut().unwrap());
            let body = body.to_string().into_bytes();
            let delivery = CapturedDelivery { body, ..sample.clone() };
            Stranger { what, delivery, of_our_order }
        };
        vec![
            made("a send between others", false, |body| {
                let block = body["block"].as_str().unwrap();
                let mut block: serde_json::Value = serde_json::from_str(block).unwrap();
                block["link"] = "11".repeat(32).into();
                body.insert("block".into(), block.to_string().into());
            }),
            made("a receive", false, |body| {
                body.insert("subtype".into(), "receive".into());
                body.remove("is_send").unwrap();
            }),
            made("of an unknown kind", true, |body| _ = body.insert("subtype".into(), "fold".into())),
        ]
    }

    /// From one raw on, up to more than half of what there is.
    fn exact_amounts(&self, _spec: &TickerSpec) -> Vec<Amount> {
        let xno = |text: &str| Amount::parse(text, Asset::XNO).unwrap();
        vec![
            xno("0.000000000000000000000000000001"),
            xno("0.000001"),
            xno("0.000001000000000000000000000001"),
            xno("171234567.890123456789012345678901234567"),
        ]
    }
}

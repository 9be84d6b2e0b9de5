//! The conformance suite, against the BTCPay Server emulator over real HTTP.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm)]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use deposit_btcpay::{BtcPay, Config};
use deposit_conformance::{
    Ability, CaptureServer, CapturedDelivery, Carrier, Fault, Harness, PayStage, Played, PlayedStage,
    Scenario, Stranger, Variant, WebhookAuth,
};
use deposit_core::{
    Amount, DepositId, IntentRecord, PaymentProvider, PaymentRef, Secret, Ticker, TickerSpec, Timestamp,
};
use deposit_sandbox::{
    Emulator as _, Faults, PayRequest, PayStage as Stage, Sandbox, SandboxConfig, ScenarioName,
    ScenarioRequest, TruthPayment, TruthStage,
};
use deposit_transport::HttpConfig;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

deposit_conformance::provider_suite!(BtcPayHarness::start().await);

const SIGNATURE: &str = "btcpay-sig";
const WRONG_KEY: &str = "a-key-of-nobody-0001";

struct BtcPayHarness {
    sandbox: Sandbox,
    webhooks: CaptureServer,
}

impl BtcPayHarness {
    async fn start() -> Self {
        let webhooks = CaptureServer::start().await.unwrap();
        let gateways = vec![webhooks.url().to_owned()];
        let sandbox = Sandbox::start(SandboxConfig { gateways, ..SandboxConfig::default() }).await.unwrap();
        Self { sandbox, webhooks }
    }

    fn setting(&self, key: &str) -> String {
        self.sandbox.setting("btcpay", key).unwrap()
    }

    fn config(&self) -> Config {
        let [url, key, store, secret] =
            ["base_url", "api_key", "store_id", "webhook_secret"].map(|key| self.setting(key));
        Config::new(url, key, store, secret)
    }

    /// Every payment of an invoice, from the emulator's own books.
    fn truth(&self, order: &IntentRecord) -> Vec<Played> {
        let all = self.sandbox.emulators().btcpay.truth();
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
        let id = self.sandbox.emulators().btcpay.pay(&request).unwrap();
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
impl Harness for BtcPayHarness {
    fn provider(&self) -> Arc<dyn PaymentProvider> {
        deposit_btcpay::build(self.config()).unwrap()
    }

    fn variant(&self, variant: Variant) -> Option<Arc<dyn PaymentProvider>> {
        let mut config = self.config();
        let mut http = HttpConfig::default();
        match variant {
            Variant::Unreachable => {
                // A port that was free a moment ago.
                let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
                config.base_url = format!("http://{}/btcpay", free.local_addr().unwrap());
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
        Some(Arc::new(BtcPay::with_http(config, http).ok()?))
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
        // A Lightning payment is final when it is there.
        let lightning = order.terms.ticker == Ticker::BTC_LN;
        let name = match scenario {
            Scenario::Replace | Scenario::Reorg if lightning => return None,
            Scenario::Refund | Scenario::RefundPart | Scenario::Dispute => return None,
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
            Scenario::Expire => ScenarioName::Expire,
            Scenario::Fail => ScenarioName::Fail,
        };
        let reference = order.provider_ref.to_string();
        let request = ScenarioRequest { reference, name, amount: None, ticker: Some(order.terms.ticker) };
        self.sandbox.emulators().btcpay.scenario(&request).unwrap();
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
            Some(Fault::MissingMethod) => {
                let ids = ["BTC-CHAIN", "BTC-LN", "LTC-CHAIN", "LTC-MWEB", "XMR-CHAIN"];
                let more = ["DOGE-CHAIN", "DASH-CHAIN", "ZEC-CHAIN"];
                faults.omit_methods = ids.iter().chain(&more).map(|id| (*id).to_owned()).collect();
            }
        }
        assert!(self.sandbox.set_faults("btcpay", faults));
    }

    async fn orders_at_provider(&self, id: &DepositId) -> usize {
        let all = self.sandbox.emulators().btcpay.truth();
        all.iter().filter(|o| o.order.as_deref() == Some(id.as_str())).count()
    }

    fn cannot(&self, ability: Ability) -> Option<&'static str> {
        match ability {
            Ability::Scenario(Scenario::Refund | Scenario::RefundPart) => {
                Some("a refund is another payout from the operator's wallet, not part of the invoice")
            }
            Ability::Scenario(Scenario::Dispute) => Some("nobody disputes a coin"),
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
        self.sandbox.emulators().btcpay.redeliver(order.provider_ref.as_str()).unwrap();
    }

    fn sign(&self, body: &[u8], secret: &str) -> Option<CapturedDelivery> {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(body);
        let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
        let headers = vec![(SIGNATURE.to_owned(), signature)];
        Some(CapturedDelivery { headers, query: vec![], body: body.to_vec() })
    }

    fn strangers(&self, sample: &CapturedDelivery) -> Vec<Stranger> {
        let secret = self.setting("webhook_secret");
        let made = |what, of_our_order, change: fn(&mut serde_json::Map<String, serde_json::Value>)| {
            let mut body: serde_json::Value = serde_json::from_slice(&sample.body).unwrap();
            change(body.as_object_mut().unwrap());
            let delivery = self.sign(body.to_string().as_bytes(), &secret).unwrap();
            Stranger { what, delivery, of_our_order }
        };
        vec![
            made("another store's", false, |body| _ = body.insert("storeId".into(), "AnotherStore".into())),
            made("another program's", false, |body| {
                let metadata = body.get_mut("metadata").unwrap().as_object_mut().unwrap();
                metadata.remove("depositGateway").unwrap();
            }),
            made("without an invoice", false, |body| {
                body.insert("type".into(), "PayoutCreated".into());
                body.remove("invoiceId").unwrap();
            }),
            made("of an unknown kind", true, |body| {
                _ = body.insert("type".into(), "InvoiceDissolved".into())
            }),
        ]
    }

    fn shows_in_flight(&self, spec: &TickerSpec) -> bool {
        // Lightning payments are settled when they are recorded.
        spec.ticker != Ticker::BTC_LN
    }
}

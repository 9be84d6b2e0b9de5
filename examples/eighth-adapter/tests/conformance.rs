//! The behaviour suite, against the emulated AcornPay over real HTTP.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::time::Duration;

use acornpay_emulator::{API_KEY, Emulator, MERCHANT, Payment, PaymentStatus, WEBHOOK_SECRET};
use async_trait::async_trait;
use deposit_acornpay::{AcornPay, Config};
use deposit_conformance::{
    Ability, CaptureServer, CapturedDelivery, Carrier, Fault, Harness, PayStage, Played, PlayedStage,
    Scenario, Stranger, Variant, WebhookAuth,
};
use deposit_core::{Amount, Asset, DepositId, IntentRecord, PaymentProvider, PaymentRef, Secret, Timestamp};
use deposit_transport::HttpConfig;

deposit_conformance::provider_suite!(AcornHarness::start().await);

const SIGNATURE: &str = "acorn-signature";
const WRONG_KEY: &str = "a-key-of-nobody-0001";

struct AcornHarness {
    emulator: Emulator,
    webhooks: CaptureServer,
}

impl AcornHarness {
    async fn start() -> Self {
        let webhooks = CaptureServer::start().await.unwrap();
        let emulator = Emulator::start(Some(format!("{}/webhooks/acornpay", webhooks.url()))).await.unwrap();
        Self { emulator, webhooks }
    }

    fn config(&self) -> Config {
        Config::new(self.emulator.url(), API_KEY, MERCHANT, WEBHOOK_SECRET)
    }

    /// Every payment of an order, from the emulator's own books.
    fn truth(&self, order: &IntentRecord) -> Vec<Played> {
        self.emulator.order(order.provider_ref.as_str()).unwrap().payments.iter().map(played).collect()
    }

    fn pays(&self, order: &IntentRecord, nuts: Option<u128>, status: PaymentStatus) -> Played {
        let id = self.emulator.pay(order.provider_ref.as_str(), nuts, status).unwrap();
        self.payment(order, &id)
    }

    fn payment(&self, order: &IntentRecord, id: &str) -> Played {
        self.truth(order).into_iter().find(|played| played.id.as_str() == id).unwrap()
    }
}

fn played(payment: &Payment) -> Played {
    let stage = match (payment.status, payment.was_confirmed) {
        (PaymentStatus::Pending, _) => PlayedStage::Seen,
        (PaymentStatus::Confirmed, _) => PlayedStage::Confirmed,
        (PaymentStatus::Orphaned, true) => PlayedStage::Reversed,
        (PaymentStatus::Orphaned, false) => PlayedStage::Withdrawn,
    };
    let amount = Amount::new(payment.nuts, Asset::new("ACORN", 8).unwrap());
    Played::new(PaymentRef::new(payment.id.clone()).unwrap(), amount, stage)
}

#[async_trait]
impl Harness for AcornHarness {
    fn provider(&self) -> Arc<dyn PaymentProvider> {
        deposit_acornpay::build(self.config()).unwrap()
    }

    fn variant(&self, variant: Variant) -> Option<Arc<dyn PaymentProvider>> {
        let mut config = self.config();
        let mut http = HttpConfig::default();
        match variant {
            Variant::Unreachable => {
                // A port that was free a moment ago.
                let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
                config.base_url = format!("http://{}", free.local_addr().unwrap());
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
        Some(Arc::new(AcornPay::with_http(config, http).ok()?))
    }

    fn secrets(&self) -> Vec<String> {
        vec![API_KEY.to_owned(), WEBHOOK_SECRET.to_owned(), WRONG_KEY.to_owned()]
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_secs(self.emulator.now())
    }

    async fn advance(&self, seconds: u32) {
        self.emulator.advance(seconds);
    }

    async fn pay(&self, order: &IntentRecord, amount: Option<Amount>, stage: PayStage) -> Played {
        let status = match stage {
            PayStage::Seen => PaymentStatus::Pending,
            PayStage::Confirmed => PaymentStatus::Confirmed,
        };
        self.pays(order, amount.map(|amount| amount.minor()), status)
    }

    async fn confirm(&self, order: &IntentRecord, payment: &PaymentRef) -> Played {
        assert!(self.emulator.set_payment(payment.as_str(), PaymentStatus::Confirmed));
        self.payment(order, payment.as_str())
    }

    async fn scenario(&self, order: &IntentRecord, scenario: Scenario) -> Option<Vec<Played>> {
        let reference = order.provider_ref.as_str();
        let asked = order.terms.requested().unwrap().minor();
        let pay = |nuts| self.pays(order, nuts, PaymentStatus::Confirmed);
        let turn = |status| {
            for payment in self.truth(order) {
                assert!(self.emulator.set_payment(payment.id.as_str(), status));
            }
        };
        match scenario {
            Scenario::Partial => drop(pay(Some(asked / 2))),
            Scenario::Over => drop(pay(Some(asked + asked / 2))),
            Scenario::Late => {
                self.emulator.expire(reference);
                self.emulator.advance(60);
                pay(None);
            }
            Scenario::Double => {
                pay(None);
                pay(None);
            }
            Scenario::Replace => {
                self.pays(order, None, PaymentStatus::Pending);
                turn(PaymentStatus::Orphaned);
            }
            Scenario::Reorg => {
                pay(None);
                turn(PaymentStatus::Orphaned);
            }
            Scenario::Return => turn(PaymentStatus::Confirmed),
            Scenario::Expire => assert!(self.emulator.expire(reference)),
            Scenario::Fail => assert!(self.emulator.cancel(reference)),
            Scenario::Refund | Scenario::RefundPart | Scenario::Dispute => return None,
        }
        Some(self.truth(order))
    }

    async fn fault(&self, fault: Option<Fault>) {
        self.emulator.set_fault(fault.map(|fault| match fault {
            Fault::Down => acornpay_emulator::Fault::Down,
            Fault::ServerError => acornpay_emulator::Fault::ServerError,
            Fault::HtmlError => acornpay_emulator::Fault::HtmlError,
            Fault::LostAnswer => acornpay_emulator::Fault::LostAnswer,
            Fault::Slow => acornpay_emulator::Fault::Slow,
            Fault::RejectKey => acornpay_emulator::Fault::RejectKey,
            Fault::RateLimited => acornpay_emulator::Fault::RateLimited,
            Fault::HugeBody => acornpay_emulator::Fault::HugeBody,
            Fault::WrongTypes => acornpay_emulator::Fault::WrongTypes,
            Fault::UnknownPaymentWord => acornpay_emulator::Fault::UnknownPaymentWord,
            Fault::UnknownOrderWord => acornpay_emulator::Fault::UnknownOrderWord,
            Fault::MissingMethod => unreachable!("excused below"),
        }));
    }

    async fn orders_at_provider(&self, id: &DepositId) -> usize {
        let ours = format!("deposit:{id}");
        self.emulator.orders().iter().filter(|order| order.external_id == ours).count()
    }

    fn cannot(&self, ability: Ability) -> Option<&'static str> {
        match ability {
            Ability::Scenario(Scenario::Refund | Scenario::RefundPart) => Some("AcornPay sends nothing back"),
            Ability::Scenario(Scenario::Dispute) => Some("nobody disputes an acorn"),
            Ability::Fault(Fault::MissingMethod) => Some("an order has one way of paying"),
            Ability::Variant(Variant::NoWebhookSecret) => Some("the configuration is refused without one"),
            _ => None,
        }
    }

    fn webhook_auth(&self) -> Option<WebhookAuth> {
        Some(WebhookAuth { carrier: Carrier::Header(SIGNATURE), signs_body: true })
    }

    async fn deliveries(&self) -> Vec<CapturedDelivery> {
        self.emulator.webhooks_idle().await;
        self.webhooks.deliveries()
    }

    async fn redeliver(&self, order: &IntentRecord) {
        self.emulator.redeliver(order.provider_ref.as_str());
    }

    fn sign(&self, body: &[u8], secret: &str) -> Option<CapturedDelivery> {
        let headers = vec![(SIGNATURE.to_owned(), acornpay_emulator::sign(body, secret))];
        Some(CapturedDelivery { headers, query: vec![], body: body.to_vec() })
    }

    fn strangers(&self, sample: &CapturedDelivery) -> Vec<Stranger> {
        let made = |what, member: &str, value: &str, of_our_order| {
            let mut body: serde_json::Value = serde_json::from_slice(&sample.body).unwrap();
            body.as_object_mut().unwrap().insert(member.to_owned(), value.into());
            let delivery = self.sign(body.to_string().as_bytes(), WEBHOOK_SECRET).unwrap();
            Stranger { what, delivery, of_our_order }
        };
        vec![
            made("another merchant's", "merchant", "m_beaver", false),
            made("another program's", "external_id", "shop-1", false),
            made("of an unknown kind", "type", "order.dissolved", true),
        ]
    }
}

//! The conformance suite, against the BTCPay Server emulator over real HTTP.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm)]

use std::sync::Arc;

use async_trait::async_trait;
use deposit_btcpay::{BtcPay, Config};
use deposit_conformance::{
    Ability, CapturedDelivery, Carrier, Fault, Harness, PayStage, Played, Scenario, Stranger, Variant,
    WebhookAuth,
};
use deposit_core::{
    Amount, DepositId, IntentRecord, PaymentProvider, PaymentRef, Secret, Ticker, TickerSpec, Timestamp,
};
use deposit_testkit::{World, altered, hmac_sha256, impatient, unreachable_url};
use deposit_transport::HttpConfig;
use serde_json::{Map, Value};

deposit_conformance::provider_suite!(BtcPayHarness::start().await);

const SIGNATURE: &str = "btcpay-sig";
/// What an invoice may be paid by.
const METHODS: [&str; 8] =
    ["BTC-CHAIN", "BTC-LN", "LTC-CHAIN", "LTC-MWEB", "XMR-CHAIN", "DOGE-CHAIN", "DASH-CHAIN", "ZEC-CHAIN"];
const WRONG_KEY: &str = "a-key-of-nobody-0001";

struct BtcPayHarness {
    world: World,
}

impl BtcPayHarness {
    async fn start() -> Self {
        Self { world: World::start("btcpay").await }
    }

    fn config(&self) -> Config {
        let [url, key, store, secret] =
            ["base_url", "api_key", "store_id", "webhook_secret"].map(|key| self.world.setting(key));
        Config::new(url, key, store, secret)
    }
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
            Variant::Unreachable => config.base_url = unreachable_url(),
            Variant::WrongKey => config.api_key = Secret::new(WRONG_KEY),
            Variant::NoWebhookSecret => config.webhook_secret = Secret::default(),
            Variant::Impatient => http = impatient(),
        }
        Some(Arc::new(BtcPay::with_http(config, http).ok()?))
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.world.setting("api_key"), self.world.setting("webhook_secret"), WRONG_KEY.to_owned()]
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
        // A Lightning payment is final when it is there.
        if scenario == Scenario::Replace && order.terms.ticker == Ticker::BTC_LN {
            return None;
        }
        // Only the core chains' own wallet tells what became of a settled payment; the plugins never take one back.
        let core = [Ticker::BTC, Ticker::LTC, Ticker::DOGE, Ticker::DASH].contains(&order.terms.ticker);
        if scenario == Scenario::Reorg && !core {
            return None;
        }
        if scenario == Scenario::Replace {
            self.world.pay(order, None, PayStage::Seen);
        }
        self.world.play(order, scenario, None, self.cannot(Ability::Scenario(scenario)).is_some())
    }

    async fn fault(&self, fault: Option<Fault>) {
        self.world.set_faults(World::faults(fault, &METHODS));
    }

    async fn orders_at_provider(&self, id: &DepositId) -> usize {
        self.world.orders_with(id)
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
        self.world.deliveries().await
    }

    async fn redeliver(&self, order: &IntentRecord) {
        self.world.redeliver(order);
    }

    fn sign(&self, body: &[u8], secret: &str) -> Option<CapturedDelivery> {
        let headers = vec![(SIGNATURE.to_owned(), format!("sha256={}", hmac_sha256(secret, &[body])))];
        Some(CapturedDelivery { headers, query: vec![], body: body.to_vec() })
    }

    fn strangers(&self, sample: &CapturedDelivery) -> Vec<Stranger> {
        let secret = self.world.setting("webhook_secret");
        let made = |what, of_our_order, change: fn(&mut Map<String, Value>)| {
            let delivery = self.sign(&altered(sample, change).body, &secret).unwrap();
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

    fn reads_of_ended_orders_are_whole(&self) -> bool {
        // The core chains' wallet lists unspent outputs only.
        false
    }

    fn shows_in_flight(&self, spec: &TickerSpec) -> bool {
        // Lightning payments are settled when they are recorded.
        spec.ticker != Ticker::BTC_LN
    }
}

//! The conformance suite, against the emulated Nano node over real HTTP.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    clippy::indexing_slicing
)]

use std::sync::Arc;

use async_trait::async_trait;
use deposit_conformance::{
    Ability, CapturedDelivery, Carrier, Fault, Harness, PayStage, Played, Scenario, Stranger, Variant,
    WebhookAuth,
};
use deposit_core::{
    Amount, Asset, DepositId, IntentRecord, PaymentProvider, PaymentRef, Secret, TickerSpec, Timestamp,
};
use deposit_nano::{Config, Nano};
use deposit_testkit::{World, altered, impatient, unreachable_url};
use deposit_transport::HttpConfig;
use serde_json::{Map, Value};

deposit_conformance::provider_suite!(NanoHarness::start().await);

const WRONG_KEY: &str = "Bearer a-key-of-nobody-0001";

struct NanoHarness {
    world: World,
}

impl NanoHarness {
    async fn start() -> Self {
        Self { world: World::start("nano").await.by_address() }
    }

    fn config(&self) -> Config {
        let mut config = Config::new(
            self.world.setting("rpc_url"),
            self.world.setting("seed"),
            self.world.setting("representative"),
        );
        config.ws_url = self.world.setting("ws_url");
        config.rpc_authorization = Secret::new(self.world.setting("rpc_authorization"));
        config.callback_token = Secret::new(self.world.setting("callback_token"));
        config
    }
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
            Variant::Unreachable => config.rpc_url = unreachable_url(),
            Variant::WrongKey => config.rpc_authorization = Secret::new(WRONG_KEY),
            Variant::NoWebhookSecret => config.callback_token = Secret::default(),
            Variant::Impatient => http = impatient(),
        }
        Some(Arc::new(Nano::with_http(config, http).ok()?))
    }

    fn secrets(&self) -> Vec<String> {
        let own = ["seed", "rpc_authorization", "callback_token"].map(|key| self.world.setting(key));
        own.into_iter().chain([WRONG_KEY.to_owned()]).collect()
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
        let due = Amount::parse("1.5", Asset::XNO).unwrap();
        self.world.play(order, scenario, Some(due), self.cannot(Ability::Scenario(scenario)).is_some())
    }

    async fn fault(&self, fault: Option<Fault>) {
        self.world.set_faults(World::faults(fault, &[]));
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
        self.world.deliveries().await
    }

    async fn redeliver(&self, order: &IntentRecord) {
        self.world.redeliver(order);
    }

    fn strangers(&self, sample: &CapturedDelivery) -> Vec<Stranger> {
        let made = |what, of_our_order, change: fn(&mut Map<String, Value>)| Stranger {
            what,
            delivery: altered(sample, change),
            of_our_order,
        };
        vec![
            made("a send between others", false, |body| {
                let block = body["block"].as_str().unwrap();
                let mut block: Value = serde_json::from_str(block).unwrap();
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

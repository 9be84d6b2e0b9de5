//! The conformance suite, against the @Name@ emulator over real HTTP.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm)]

use std::sync::Arc;

use async_trait::async_trait;
use deposit_@name@::{@Name@, Config};
use deposit_conformance::{
    Ability, CapturedDelivery, Carrier, Fault, Harness, PayStage, Played, Scenario, Stranger, Variant,
    WebhookAuth,
};
use deposit_core::{Amount, DepositId, IntentRecord, PaymentProvider, PaymentRef, Secret, Timestamp};
use deposit_testkit::{World, hmac_sha256, impatient, unreachable_url};
use deposit_transport::HttpConfig;

deposit_conformance::provider_suite!(@Name@Harness::start().await);

const SIGNATURE: &str = "@name@-signature";
const WRONG_KEY: &str = "a-key-of-nobody-0001";

struct @Name@Harness {
    world: World,
}

impl @Name@Harness {
    async fn start() -> Self {
        Self { world: World::start("@name@").await }
    }

    fn config(&self) -> Config {
        let [url, key, secret] = ["base_url", "api_key", "webhook_secret"].map(|key| self.world.setting(key));
        Config::new(url, key, secret)
    }
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
            Variant::Unreachable => config.base_url = unreachable_url(),
            Variant::WrongKey => config.api_key = Secret::new(WRONG_KEY),
            Variant::NoWebhookSecret => config.webhook_secret = Secret::default(),
            Variant::Impatient => http = impatient(),
        }
        Some(Arc::new(@Name@::with_http(config, http).ok()?))
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
        if scenario == Scenario::Replace {
            self.world.pay(order, None, PayStage::Seen);
        }
        self.world.play(order, scenario, None, self.cannot(Ability::Scenario(scenario)).is_some())
    }

    async fn fault(&self, fault: Option<Fault>) {
        self.world.set_faults(World::faults(fault, &["@TICKER@"]));
    }

    async fn orders_at_provider(&self, id: &DepositId) -> usize {
        self.world.orders_with(id)
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
        self.world.deliveries().await
    }

    async fn redeliver(&self, order: &IntentRecord) {
        self.world.redeliver(order);
    }

    fn sign(&self, body: &[u8], secret: &str) -> Option<CapturedDelivery> {
        let headers = vec![(SIGNATURE.to_owned(), hmac_sha256(secret, &[body]))];
        Some(CapturedDelivery { headers, query: vec![], body: body.to_vec() })
    }

    /// Events of another account, of another program's order, of an unknown kind: made from a real one and signed.
    fn strangers(&self, _sample: &CapturedDelivery) -> Vec<Stranger> {
        panic!("to be written: `strangers` in crates/deposit-@name@/tests/conformance.rs")
    }
}

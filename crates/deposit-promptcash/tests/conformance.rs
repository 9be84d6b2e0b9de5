//! The conformance suite, against the Prompt.Cash emulator over real HTTP.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm)]

use std::sync::Arc;

use async_trait::async_trait;
use deposit_conformance::{
    Ability, CapturedDelivery, Carrier, Fault, Harness, PayStage, Played, Scenario, Stranger, Variant,
    WebhookAuth,
};
use deposit_core::{Amount, DepositId, IntentRecord, PaymentProvider, PaymentRef, Secret, Ticker, Timestamp};
use deposit_promptcash::{Config, PromptCash};
use deposit_testkit::{World, altered, impatient, unreachable_url};
use deposit_transport::HttpConfig;

deposit_conformance::provider_suite!(PromptCashHarness::start().await);

const WRONG_KEY: &str = "a-token-of-nobody-0001";

struct PromptCashHarness {
    world: World,
}

impl PromptCashHarness {
    async fn start() -> Self {
        let world = World::start("promptcash").await;
        // The rate that the suite locks: the service makes its own figure from it.
        world.sandbox().emulators().promptcash.rates().set([(Ticker::BCH, "100".parse().unwrap())]);
        Self { world }
    }

    fn config(&self) -> Config {
        let [url, public, secret] =
            ["base_url", "public_token", "secret_token"].map(|key| self.world.setting(key));
        Config::new(url, public, secret)
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
            Variant::Unreachable => config.base_url = unreachable_url(),
            Variant::WrongKey => config.secret_token = Secret::new(WRONG_KEY),
            Variant::NoWebhookSecret => config.secret_token = Secret::default(),
            Variant::Impatient => http = impatient(),
        }
        Some(Arc::new(PromptCash::with_http(config, http).ok()?))
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.world.setting("secret_token"), WRONG_KEY.to_owned()]
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
        self.world.play(order, scenario, None, self.cannot(Ability::Scenario(scenario)).is_some())
    }

    async fn fault(&self, fault: Option<Fault>) {
        self.world.set_faults(World::faults(fault, &[]));
    }

    async fn orders_at_provider(&self, id: &DepositId) -> usize {
        self.world.orders_with(id)
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
        self.world.deliveries().await
    }

    async fn redeliver(&self, order: &IntentRecord) {
        self.world.redeliver(order);
    }

    fn strangers(&self, sample: &CapturedDelivery) -> Vec<Stranger> {
        let made = |what, of_our_order, member: &str, value: &str| {
            let delivery = altered(sample, |body| {
                *body.get_mut("payment").unwrap().get_mut(member).unwrap() = value.into();
            });
            Stranger { what, delivery, of_our_order }
        };
        vec![
            made("another program's", false, "tx_id", "wc-17"),
            made("of an unknown kind", true, "status", "DISSOLVED"),
        ]
    }
}

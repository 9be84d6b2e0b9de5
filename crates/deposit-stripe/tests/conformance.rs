//! The conformance suite, against the Stripe emulator over real HTTP.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm)]

use std::sync::Arc;

use async_trait::async_trait;
use deposit_conformance::{
    Ability, CapturedDelivery, Carrier, Fault, Harness, PayStage, Played, Scenario, Stranger, Variant,
    WebhookAuth,
};
use deposit_core::{
    Amount, DepositId, IntentRecord, PaymentProvider, PaymentRef, ProviderRef, Secret, TickerSpec, Timestamp,
};
use deposit_stripe::{Config, Stripe};
use deposit_testkit::{World, altered, hmac_sha256, impatient, unreachable_url};
use deposit_transport::HttpConfig;
use serde_json::{Map, Value};

deposit_conformance::provider_suite!(StripeHarness::start().await);

const SIGNATURE: &str = "stripe-signature";
const WRONG_KEY: &str = "sk_test_a-key-of-nobody-0001";

struct StripeHarness {
    world: World,
}

impl StripeHarness {
    async fn start() -> Self {
        Self { world: World::start("stripe").await }
    }

    fn config(&self) -> Config {
        let [url, key, secret, success, cancel] =
            ["base_url", "secret_key", "webhook_secret", "success_url", "cancel_url"]
                .map(|key| self.world.setting(key));
        let mut config = Config::new(key, secret, success);
        config.base_url = url;
        config.cancel_url = cancel;
        config
    }
}

#[async_trait]
impl Harness for StripeHarness {
    fn provider(&self) -> Arc<dyn PaymentProvider> {
        deposit_stripe::build(self.config()).unwrap()
    }

    fn variant(&self, variant: Variant) -> Option<Arc<dyn PaymentProvider>> {
        let mut config = self.config();
        let mut http = HttpConfig::default();
        match variant {
            Variant::Unreachable => config.base_url = unreachable_url(),
            Variant::WrongKey => config.secret_key = Secret::new(WRONG_KEY),
            Variant::NoWebhookSecret => config.webhook_secret = Secret::default(),
            Variant::Impatient => http = impatient(),
        }
        Some(Arc::new(Stripe::with_http(config, http).ok()?))
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.world.setting("secret_key"), self.world.setting("webhook_secret"), WRONG_KEY.to_owned()]
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
        self.world.set_faults(World::faults(fault, &["card"]));
    }

    async fn orders_at_provider(&self, id: &DepositId) -> usize {
        self.world.orders_with(id)
    }

    fn cannot(&self, ability: Ability) -> Option<&'static str> {
        match ability {
            Ability::Scenario(Scenario::Partial | Scenario::Over) => {
                Some("the page takes the amount that is due and no other")
            }
            Ability::Scenario(Scenario::Late) => Some("an expired page takes no payment"),
            Ability::Scenario(Scenario::Double) => Some("a session takes one payment"),
            Ability::Scenario(Scenario::Replace | Scenario::Reorg) => Some("there is no chain"),
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
        let stamp = self.now().secs();
        let proof = hmac_sha256(secret, &[format!("{stamp}.").as_bytes(), body]);
        let signature = format!("t={stamp},v1={proof}");
        let headers = vec![(SIGNATURE.to_owned(), signature)];
        Some(CapturedDelivery { headers, query: vec![], body: body.to_vec() })
    }

    fn strangers(&self, sample: &CapturedDelivery) -> Vec<Stranger> {
        let secret = self.world.setting("webhook_secret");
        let made = |what, of_our_order, change: fn(&mut Map<String, Value>)| {
            let delivery = self.sign(&altered(sample, change).body, &secret).unwrap();
            Stranger { what, delivery, of_our_order }
        };
        vec![
            made("of the live mode", false, |body| *body.get_mut("livemode").unwrap() = true.into()),
            made("of a connected account", false, |body| {
                _ = body.insert("account".into(), "acct_1Another".into());
            }),
            made("another program's", false, |body| {
                let metadata = body.get_mut("data").and_then(|data| data.pointer_mut("/object/metadata"));
                metadata.unwrap().as_object_mut().unwrap().remove("deposit_gateway").unwrap();
            }),
            made("of an unknown kind", true, |body| {
                *body.get_mut("type").unwrap() = "checkout.session.dissolved".into();
            }),
        ]
    }

    /// The page takes what is due and nothing else; it is due to the cent.
    fn exact_amounts(&self, spec: &TickerSpec) -> Vec<Amount> {
        vec![self.amount(spec)]
    }

    fn unknown_ref(&self, known: &ProviderRef) -> ProviderRef {
        ProviderRef::new(format!("{known}x")).unwrap()
    }
}

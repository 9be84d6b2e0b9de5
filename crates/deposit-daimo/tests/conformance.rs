//! The conformance suite, twice: each generation of the API against the emulator over real HTTP.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm)]

use std::sync::Arc;

use async_trait::async_trait;
use deposit_conformance::{
    Ability, CapturedDelivery, Carrier, Fault, Harness, PayStage, Played, Scenario, Stranger, Variant,
    WebhookAuth,
};
use deposit_core::{
    Amount, DepositId, IntentRecord, PaymentProvider, PaymentRef, Secret, TickerSpec, Timestamp,
};
use deposit_daimo::{Api, Config, Daimo};
use deposit_testkit::{World, altered, hmac_sha256, impatient, unreachable_url};
use deposit_transport::HttpConfig;
use serde_json::{Map, Value};

mod payments {
    deposit_conformance::provider_suite!(super::DaimoHarness::start(deposit_daimo::Api::Payments).await);
}

mod sessions {
    deposit_conformance::provider_suite!(super::DaimoHarness::start(deposit_daimo::Api::Sessions).await);
}

const WRONG_KEY: &str = "a-key-of-nobody-0001";

struct DaimoHarness {
    api: Api,
    world: World,
}

impl DaimoHarness {
    async fn start(api: Api) -> Self {
        Self { api, world: World::start("daimo").await }
    }

    fn config(&self) -> Config {
        let [key, token, refund, destination] =
            ["api_key", "webhook_token", "refund_address", "destination_address"]
                .map(|key| self.world.setting(key));
        let mut config = Config::new(key, token, refund, destination);
        config.base_url = self.world.setting("base_url");
        config.api = self.api;
        config
    }

    /// The webhook with a right proof.
    fn proved(&self, delivery: CapturedDelivery) -> CapturedDelivery {
        match self.api {
            // The proof is a token, whatever the body says.
            Api::Payments => delivery,
            Api::Sessions => self.sign(&delivery.body, &self.world.setting("webhook_token")).unwrap(),
        }
    }
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
            Variant::Unreachable => config.base_url = unreachable_url(),
            Variant::WrongKey => config.api_key = Secret::new(WRONG_KEY),
            Variant::NoWebhookSecret => config.webhook_token = Secret::default(),
            Variant::Impatient => http = impatient(),
        }
        Some(Arc::new(Daimo::with_http(config, http).ok()?))
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.world.setting("api_key"), self.world.setting("webhook_token"), WRONG_KEY.to_owned()]
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
        if scenario == Scenario::Expire && self.api == Api::Payments {
            // Its time can run out all the same; there is no word for it to read.
            return None;
        }
        self.world.play(order, scenario, None, self.cannot(Ability::Scenario(scenario)).is_some())
    }

    async fn fault(&self, fault: Option<Fault>) {
        self.world.set_faults(World::faults(fault, &[]));
    }

    async fn orders_at_provider(&self, id: &DepositId) -> usize {
        self.world.orders_with(id)
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
        self.world.deliveries().await
    }

    async fn redeliver(&self, order: &IntentRecord) {
        self.world.redeliver(order);
    }

    fn sign(&self, body: &[u8], secret: &str) -> Option<CapturedDelivery> {
        if self.api == Api::Payments {
            return None;
        }
        let stamp = self.now().secs();
        let proof = hmac_sha256(secret, &[format!("{stamp}.").as_bytes(), body]);
        let signature = format!("t={stamp},v1={proof}");
        let headers = vec![("daimo-signature".to_owned(), signature)];
        Some(CapturedDelivery { headers, query: vec![], body: body.to_vec() })
    }

    fn strangers(&self, sample: &CapturedDelivery) -> Vec<Stranger> {
        let made = |what, of_our_order, change: fn(Api, &mut Map<String, Value>)| {
            let changed = altered(sample, |body| change(self.api, body));
            Stranger { what, delivery: self.proved(changed), of_our_order }
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

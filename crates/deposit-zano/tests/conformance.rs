//! The conformance suite, against the Zano wallet emulator over real HTTP.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;

use async_trait::async_trait;
use deposit_conformance::{Ability, Fault, Harness, PayStage, Played, Scenario, Variant};
use deposit_core::{
    Amount, DepositId, IntentRecord, PaymentProvider, PaymentRef, Secret, TickerSpec, Timestamp,
};
use deposit_sandbox::PayRequest;
use deposit_testkit::{World, impatient, unreachable_url};
use deposit_transport::HttpConfig;
use deposit_zano::{Config, Zano, payment_id};

deposit_conformance::provider_suite!(ZanoHarness::start().await);

const WRONG_SECRET: &str = "a-secret-of-nobody-0001";

struct ZanoHarness {
    world: World,
}

impl ZanoHarness {
    async fn start() -> Self {
        Self { world: World::start("zano").await }
    }

    fn config(&self) -> Config {
        let mut config = Config::new(self.world.setting("wallet_url"), self.world.setting("jwt_secret"));
        config.daemon_url = self.world.setting("daemon_url");
        config.fusd_asset_id = self.world.setting("fusd_asset_id");
        config
    }
}

#[async_trait]
impl Harness for ZanoHarness {
    fn provider(&self) -> Arc<dyn PaymentProvider> {
        deposit_zano::build(self.config()).unwrap()
    }

    fn variant(&self, variant: Variant) -> Option<Arc<dyn PaymentProvider>> {
        let mut config = self.config();
        let mut http = HttpConfig::default();
        match variant {
            Variant::Unreachable => config.wallet_url = unreachable_url(),
            Variant::WrongKey => config.jwt_secret = Secret::new(WRONG_SECRET),
            Variant::NoWebhookSecret => return None,
            Variant::Impatient => http = impatient(),
        }
        Some(Arc::new(Zano::with_http(config, http).unwrap()))
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.world.setting("jwt_secret"), WRONG_SECRET.to_owned()]
    }

    fn now(&self) -> Timestamp {
        self.world.now()
    }

    async fn advance(&self, seconds: u32) {
        self.world.advance(seconds);
    }

    async fn pay(&self, order: &IntentRecord, amount: Option<Amount>, stage: PayStage) -> Played {
        // The provider is never told what is due, and the payer sees the address alone.
        let amount = amount.or_else(|| order.terms.requested());
        let reference = order.instructions.address().unwrap().to_owned();
        self.world.paid(order, &PayRequest { reference, ..self.world.request(order, amount, stage) })
    }

    async fn confirm(&self, order: &IntentRecord, payment: &PaymentRef) -> Played {
        self.world.confirm(order, payment)
    }

    async fn scenario(&self, order: &IntentRecord, scenario: Scenario) -> Option<Vec<Played>> {
        // The provider is never told what is due.
        let due = order.terms.requested();
        if scenario == Scenario::Replace {
            self.pay(order, due, PayStage::Seen).await;
        }
        self.world.play(order, scenario, due, self.cannot(Ability::Scenario(scenario)).is_some())
    }

    async fn fault(&self, fault: Option<Fault>) {
        self.world.set_faults(World::faults(fault, &[]));
    }

    async fn orders_at_provider(&self, id: &DepositId) -> usize {
        let all = self.world.emulator().truth();
        all.iter().filter(|o| o.reference == payment_id(id)).count()
    }

    fn cannot(&self, ability: Ability) -> Option<&'static str> {
        match ability {
            Ability::Fault(Fault::UnknownPaymentWord) => {
                Some("the state of a payment is its height, a number: there is no word")
            }
            Ability::Fault(Fault::UnknownOrderWord) => Some("a payment id has no state"),
            Ability::Fault(Fault::MissingMethod) => Some("one address takes every asset"),
            Ability::Scenario(Scenario::Late | Scenario::Expire) => Some("an address never expires"),
            Ability::Scenario(Scenario::Refund | Scenario::RefundPart) => {
                Some("a refund is a transfer of the operator's, not part of the payment")
            }
            Ability::Scenario(Scenario::Dispute) => Some("nobody disputes a coin"),
            Ability::Scenario(Scenario::Fail) => Some("an address does not fail"),
            Ability::Variant(Variant::NoWebhookSecret) => Some("there are no webhooks"),
            Ability::Redeliver => Some("there are no webhooks"),
            Ability::Fault(_) | Ability::Scenario(_) | Ability::Variant(_) => None,
        }
    }

    /// The chain's amounts have 64 bits: one unit, and the most that there can be.
    fn exact_amounts(&self, spec: &TickerSpec) -> Vec<Amount> {
        vec![Amount::new(1, spec.asset), Amount::new(u128::from(u64::MAX), spec.asset)]
    }
}

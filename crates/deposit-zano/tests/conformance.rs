//! The conformance suite, against the Zano wallet emulator over real HTTP.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use deposit_conformance::{Ability, Fault, Harness, PayStage, Played, PlayedStage, Scenario, Variant};
use deposit_core::{
    Amount, DepositId, IntentRecord, PaymentProvider, PaymentRef, Secret, TickerSpec, Timestamp,
};
use deposit_sandbox::{
    Emulator as _, Faults, PayRequest, PayStage as Stage, Sandbox, SandboxConfig, ScenarioName,
    ScenarioRequest, TruthPayment, TruthStage,
};
use deposit_transport::HttpConfig;
use deposit_zano::{Config, Zano, payment_id};

deposit_conformance::provider_suite!(ZanoHarness::start().await);

const WRONG_SECRET: &str = "a-secret-of-nobody-0001";

struct ZanoHarness {
    sandbox: Sandbox,
}

impl ZanoHarness {
    async fn start() -> Self {
        Self { sandbox: Sandbox::start(SandboxConfig::default()).await.unwrap() }
    }

    fn setting(&self, key: &str) -> String {
        self.sandbox.setting("zano", key).unwrap()
    }

    fn config(&self) -> Config {
        let mut config = Config::new(self.setting("wallet_url"), self.setting("jwt_secret"));
        config.daemon_url = self.setting("daemon_url");
        config.fusd_asset_id = self.setting("fusd_asset_id");
        config
    }

    /// Every payment of a payment id, from the emulator's own books.
    fn truth(&self, order: &IntentRecord) -> Vec<Played> {
        let all = self.sandbox.emulators().zano.truth();
        let ours = all.iter().filter(|o| o.reference == order.provider_ref.as_str());
        ours.flat_map(|o| &o.payments).map(played).collect()
    }

    fn pays(
        &self,
        order: &IntentRecord,
        amount: Option<Amount>,
        stage: Stage,
        payment: Option<String>,
    ) -> Played {
        // The provider is never told what is due.
        let amount = amount.or_else(|| order.terms.requested()).unwrap();
        let request = PayRequest {
            reference: order.instructions.address().unwrap().to_owned(),
            amount: Some(amount.to_string().parse().unwrap()),
            stage,
            payment,
            ticker: Some(order.terms.ticker),
        };
        let id = self.sandbox.emulators().zano.pay(&request).unwrap();
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
impl Harness for ZanoHarness {
    fn provider(&self) -> Arc<dyn PaymentProvider> {
        deposit_zano::build(self.config()).unwrap()
    }

    fn variant(&self, variant: Variant) -> Option<Arc<dyn PaymentProvider>> {
        let mut config = self.config();
        let mut http = HttpConfig::default();
        match variant {
            Variant::Unreachable => {
                // A port that was free a moment ago.
                let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
                config.wallet_url = format!("http://{}/json_rpc", free.local_addr().unwrap());
            }
            Variant::WrongKey => config.jwt_secret = Secret::new(WRONG_SECRET),
            Variant::NoWebhookSecret => return None,
            Variant::Impatient => {
                http.read_timeout = Duration::from_millis(300);
                http.timeout = Duration::from_millis(400);
                http.deadline = Duration::from_millis(1_500);
                http.max_backoff = Duration::from_millis(20);
                http.min_backoff = Duration::from_millis(5);
                http.breaker.open_for = Duration::from_millis(200);
            }
        }
        Some(Arc::new(Zano::with_http(config, http).unwrap()))
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.setting("jwt_secret"), WRONG_SECRET.to_owned()]
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
            Scenario::Replace => {
                self.pays(order, None, Stage::Seen, None);
                ScenarioName::Replace
            }
            Scenario::Reorg => ScenarioName::Reorg,
            Scenario::Return => ScenarioName::Return,
            Scenario::Late
            | Scenario::Refund
            | Scenario::RefundPart
            | Scenario::Dispute
            | Scenario::Expire
            | Scenario::Fail => return None,
        };
        let request = ScenarioRequest {
            reference: order.provider_ref.to_string(),
            name,
            amount: order.terms.requested().map(|due| due.to_string().parse().unwrap()),
            ticker: Some(order.terms.ticker),
        };
        self.sandbox.emulators().zano.scenario(&request).unwrap();
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
            Some(Fault::UnknownPaymentWord | Fault::UnknownOrderWord | Fault::MissingMethod) => {
                panic!("excused below")
            }
        }
        assert!(self.sandbox.set_faults("zano", faults));
    }

    async fn orders_at_provider(&self, id: &DepositId) -> usize {
        let all = self.sandbox.emulators().zano.truth();
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

//! The paper world: orders, payments, a clock, and a harness over them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use deposit_conformance::{
    Ability, CapturedDelivery, Carrier, Fault, Harness, PayStage, Played, PlayedStage, Scenario, Stranger,
    Variant, WebhookAuth,
};
use deposit_core::{
    Amount, DepositId, IntentRecord, PaymentProvider, PaymentRef, Replay, Secret, Taking, TakingId, Terms,
    Timestamp,
};

use super::adapter::{Flaw, Paper};

pub const KEY: &str = "paper-api-key-0001";
pub const WEBHOOK_SECRET: &str = "paper-webhook-secret-0001";
const START: i64 = 1_785_000_000;

#[derive(Debug, Clone)]
pub struct Payment {
    pub id: PaymentRef,
    pub amount: Amount,
    pub stage: PlayedStage,
    pub takings: BTreeMap<TakingId, Taking>,
    pub paid_at: Timestamp,
    pub late: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    Open,
    Expired,
    Cancelled,
}

#[derive(Debug, Clone)]
pub struct Order {
    pub reference: String,
    pub deposit_id: DepositId,
    pub terms: Terms,
    pub word: Word,
    pub payments: Vec<Payment>,
}

impl Order {
    fn due(&self) -> Amount {
        let asked = self.terms.requested().unwrap();
        let live = |p: &&Payment| matches!(p.stage, PlayedStage::Seen | PlayedStage::Confirmed);
        let paid: u128 = self.payments.iter().filter(live).map(|p| p.amount.minor()).sum();
        Amount::new(asked.minor().saturating_sub(paid), asked.asset())
    }
}

#[derive(Debug)]
pub struct State {
    pub now: i64,
    pub orders: Vec<Order>,
    pub fault: Option<Fault>,
    pub deliveries: Vec<CapturedDelivery>,
    pub number: u64,
}

#[derive(Debug, Clone)]
pub struct World(Arc<Mutex<State>>);

impl World {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    pub fn next(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    pub fn order(&mut self, reference: &str) -> Option<&mut Order> {
        self.orders.iter_mut().find(|o| o.reference == reference)
    }

    fn tell(&mut self, reference: &str) {
        let event = self.next();
        self.send(&format!(
            r#"{{"event":"event-{event}","kind":"paid","shop":"shop-1","program":"deposit/1","order":"{reference}"}}"#
        ));
    }

    fn send(&mut self, body: &str) {
        self.deliveries.push(signed(body.as_bytes(), WEBHOOK_SECRET));
    }

    fn pay(&mut self, reference: &str, amount: Option<Amount>, stage: PlayedStage) -> PaymentRef {
        let (number, paid_at) = (self.next(), Timestamp::from_secs(self.now));
        let order = self.order(reference).unwrap();
        let amount = amount.unwrap_or_else(|| order.due());
        let id = PaymentRef::new(format!("payment-{number}")).unwrap();
        let late = order.word == Word::Expired;
        order.payments.push(Payment {
            id: id.clone(),
            amount,
            stage,
            takings: BTreeMap::new(),
            paid_at,
            late,
        });
        self.tell(reference);
        id
    }
}

/// What paper signs with: no cryptography, but every byte counts.
pub fn signature(secret: &str, body: &[u8]) -> String {
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    format!("{:016x}", secret.as_bytes().iter().chain(b"\n").chain(body).fold(0xcbf2_9ce4_8422_2325, mix))
}

fn signed(body: &[u8], secret: &str) -> CapturedDelivery {
    let headers = vec![("paper-sig".to_owned(), signature(secret, body))];
    CapturedDelivery { headers, query: vec![], body: body.to_vec() }
}

fn played(payment: &Payment) -> Played {
    let taken = payment.takings.values().map(|t| t.taken - t.given_back).sum();
    Played { taken, ..Played::new(payment.id.clone(), payment.amount, payment.stage) }
}

pub struct PaperHarness {
    world: World,
    replay: Replay,
    flaw: Option<Flaw>,
}

impl PaperHarness {
    pub fn new(replay: Replay, flaw: Option<Flaw>) -> Self {
        let state = State { now: START, orders: vec![], fault: None, deliveries: vec![], number: 0 };
        Self { world: World(Arc::new(Mutex::new(state))), replay, flaw }
    }

    fn adapter(&self, key: &str, secret: &str, reachable: bool) -> Arc<dyn PaymentProvider> {
        let (key, secret) = (Secret::new(key), Secret::new(secret));
        Arc::new(Paper::new(self.world.clone(), self.replay, key, secret, reachable, self.flaw))
    }

    fn truth(&self, order: &IntentRecord) -> Vec<Played> {
        let mut state = self.world.state();
        state.order(order.provider_ref.as_str()).unwrap().payments.iter().map(played).collect()
    }
}

#[async_trait]
impl Harness for PaperHarness {
    fn provider(&self) -> Arc<dyn PaymentProvider> {
        self.adapter(KEY, WEBHOOK_SECRET, true)
    }

    fn variant(&self, variant: Variant) -> Option<Arc<dyn PaymentProvider>> {
        match variant {
            Variant::Unreachable => Some(self.adapter(KEY, WEBHOOK_SECRET, false)),
            Variant::WrongKey => Some(self.adapter("another-key", WEBHOOK_SECRET, true)),
            Variant::NoWebhookSecret => Some(self.adapter(KEY, "", true)),
            Variant::Impatient => Some(self.provider()),
        }
    }

    fn secrets(&self) -> Vec<String> {
        vec![KEY.to_owned(), WEBHOOK_SECRET.to_owned()]
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_secs(self.world.state().now)
    }

    async fn advance(&self, seconds: u32) {
        self.world.state().now += i64::from(seconds);
    }

    async fn pay(&self, order: &IntentRecord, amount: Option<Amount>, stage: PayStage) -> Played {
        let stage = match stage {
            PayStage::Seen => PlayedStage::Seen,
            PayStage::Confirmed => PlayedStage::Confirmed,
        };
        let id = self.world.state().pay(order.provider_ref.as_str(), amount, stage);
        self.truth(order).into_iter().find(|p| p.id == id).unwrap()
    }

    async fn confirm(&self, order: &IntentRecord, payment: &PaymentRef) -> Played {
        let mut state = self.world.state();
        let order = state.order(order.provider_ref.as_str()).unwrap();
        let payment = order.payments.iter_mut().find(|p| p.id == *payment).unwrap();
        payment.stage = PlayedStage::Confirmed;
        played(payment)
    }

    async fn scenario(&self, order: &IntentRecord, scenario: Scenario) -> Option<Vec<Played>> {
        let reference = order.provider_ref.as_str();
        {
            let mut state = self.world.state();
            let due = state.order(reference)?.due();
            let part = |times: u128| Some(Amount::new(due.minor() * times / 2, due.asset()));
            let mut pay = |amount, stage| state.pay(reference, amount, stage);
            match scenario {
                Scenario::Partial => _ = pay(part(1), PlayedStage::Confirmed),
                Scenario::Over => _ = pay(part(3), PlayedStage::Confirmed),
                Scenario::Double => {
                    pay(part(2), PlayedStage::Confirmed);
                    pay(part(2), PlayedStage::Confirmed);
                }
                Scenario::Replace => _ = pay(part(2), PlayedStage::Withdrawn),
                Scenario::Reorg => _ = pay(part(2), PlayedStage::Reversed),
                Scenario::Late | Scenario::Expire => state.order(reference)?.word = Word::Expired,
                Scenario::Fail => state.order(reference)?.word = Word::Cancelled,
                Scenario::Refund | Scenario::RefundPart | Scenario::Dispute => {
                    pay(part(2), PlayedStage::Confirmed);
                    let taken = if scenario == Scenario::RefundPart { due.minor() / 2 } else { due.minor() };
                    let payment = state.order(reference)?.payments.last_mut()?;
                    payment
                        .takings
                        .insert(TakingId::new("taking-1").unwrap(), Taking { taken, given_back: 0 });
                }
                Scenario::Return => {
                    for payment in &mut state.order(reference)?.payments {
                        payment.stage = PlayedStage::Confirmed;
                        payment.takings.values_mut().for_each(|t| t.given_back = t.taken);
                    }
                }
            }
            if scenario == Scenario::Late {
                state.pay(reference, None, PlayedStage::Confirmed);
            }
        }
        Some(self.truth(order))
    }

    async fn fault(&self, fault: Option<Fault>) {
        self.world.state().fault = fault;
    }

    async fn orders_at_provider(&self, id: &DepositId) -> usize {
        self.world.state().orders.iter().filter(|o| o.deposit_id == *id).count()
    }

    fn cannot(&self, ability: Ability) -> Option<&'static str> {
        let flawed = self.flaw == Some(Flaw::HarnessExcusesLate);
        (flawed && ability == Ability::Scenario(Scenario::Late)).then_some("orders of paper never expire")
    }

    fn webhook_auth(&self) -> Option<WebhookAuth> {
        Some(WebhookAuth { carrier: Carrier::Header("paper-sig"), signs_body: true })
    }

    async fn deliveries(&self) -> Vec<CapturedDelivery> {
        self.world.state().deliveries.clone()
    }

    async fn redeliver(&self, order: &IntentRecord) {
        let mut state = self.world.state();
        let about = format!("\"{}\"", order.provider_ref);
        let again: Vec<_> =
            state.deliveries.iter().map(|d| String::from_utf8(d.body.clone()).unwrap()).collect();
        for body in again.into_iter().filter(|body| body.contains(&about)) {
            // The same event in other bytes.
            state.send(&body.replace("{\"event\"", "{ \"event\""));
        }
    }

    fn sign(&self, body: &[u8], secret: &str) -> Option<CapturedDelivery> {
        Some(signed(body, secret))
    }

    fn strangers(&self, sample: &CapturedDelivery) -> Vec<Stranger> {
        let body = String::from_utf8(sample.body.clone()).unwrap();
        let made = |what, from: &str, to: &str| {
            let changed = body.replace(from, to);
            assert_ne!(changed, body);
            let of_our_order = from.contains("paid");
            Stranger { what, delivery: signed(changed.as_bytes(), WEBHOOK_SECRET), of_our_order }
        };
        vec![
            made("another shop's", "shop-1", "shop-2"),
            made("another program's", "deposit/1", "bakery"),
            made("of an unknown kind", "\"paid\"", "\"dissolved\""),
        ]
    }

    fn patience(&self, _provider: &dyn PaymentProvider) -> Duration {
        Duration::from_millis(200)
    }
}

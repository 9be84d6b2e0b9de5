//! Beyond the suite: what is Stripe's own, against the emulator over real HTTP.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;

use deposit_core::{
    Amount, Asset, CreditRule, ErrorKind, Evidence, IntentRecord, Observation, OpenRequest, OrderState,
    PaymentProvider, Price, Quote, ScanCursor, Snapshot, Target, Terms, Ticker, Timestamp,
};
use deposit_sandbox::{
    Emulator as _, Faults, PayRequest, PayStage, Sandbox, SandboxConfig, ScenarioName, ScenarioRequest,
    WebhookMode,
};
use deposit_stripe::{Config, Stripe};

struct World {
    sandbox: Sandbox,
    stripe: Stripe,
}

impl World {
    async fn new() -> Self {
        let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
        let stripe = Stripe::new(config(&sandbox)).unwrap();
        Self { sandbox, stripe }
    }

    fn request(&self, n: u32) -> OpenRequest {
        let amount = Amount::parse("25", Asset::USD).unwrap();
        let created_at = Timestamp::from_secs(self.sandbox.now());
        let expires_at = created_at.plus_secs(3_600);
        let terms = Terms::new(Ticker::USD, Asset::USD, CreditRule::one_to_one(), created_at)
            .with_quote(Quote { amount, rate: Price::ONE, unit_price: Price::ONE, expires_at })
            .confirming_only_full(true);
        let deposit_id = format!("a-deposit-of-ours-{n:04}").parse().unwrap();
        OpenRequest { deposit_id, terms, amount, expires_at, attempt: 1 }
    }

    async fn open(&self, n: u32) -> IntentRecord {
        IntentRecord::from(self.stripe.open(&self.request(n)).await.unwrap().as_ref())
    }

    fn pay(&self, order: &IntentRecord) {
        let request = PayRequest {
            reference: order.deposit_id.to_string(),
            amount: None,
            stage: PayStage::Confirmed,
            payment: None,
            ticker: None,
        };
        self.sandbox.emulators().stripe.pay(&request).unwrap();
    }

    fn play(&self, order: &IntentRecord, name: ScenarioName) {
        let reference = order.provider_ref.to_string();
        let request = ScenarioRequest { reference, name, amount: None, ticker: None };
        self.sandbox.emulators().stripe.scenario(&request).unwrap();
    }

    async fn read(&self, order: &IntentRecord) -> Snapshot {
        self.stripe.read(order).await.unwrap()
    }

    /// Every page from here to the end.
    async fn scan(&self, from: Option<ScanCursor>) -> (Vec<Observation>, ScanCursor) {
        let (mut cursor, mut all) = (from, Vec::new());
        for _ in 0..100 {
            let page = self.stripe.scan(cursor.as_ref()).await.unwrap();
            all.extend(page.observations);
            if !page.more {
                return (all, page.next);
            }
            cursor = Some(page.next);
        }
        panic!("the scan does not end");
    }
}

fn config(sandbox: &Sandbox) -> Config {
    let setting = |key: &str| sandbox.setting("stripe", key).unwrap();
    let mut config = Config::new(setting("secret_key"), setting("webhook_secret"), setting("success_url"));
    config.base_url = setting("base_url");
    config.cancel_url = setting("cancel_url");
    config
}

/// Whom they are about, each once, in their order of text.
fn orders(observations: &[Observation]) -> BTreeSet<String> {
    observations.iter().map(|observation| name(&observation.target)).collect()
}

fn name(target: &Target) -> String {
    format!("{target:?}")
}

fn net(snapshot: &Snapshot) -> u128 {
    let p = &snapshot.payments[0];
    let taken: u128 = p.takings.values().map(|t| t.taken - t.given_back).sum();
    (p.confirmed - p.confirmed.min(taken)) / 1_000_000
}

#[tokio::test]
async fn a_scan_finds_what_no_webhook_told() {
    let w = World::new().await;
    w.sandbox.set_faults("stripe", Faults { webhooks: WebhookMode::Lost, ..Faults::default() });
    let (seen, start) = w.scan(None).await;
    assert_eq!(seen, []);
    let order = w.open(1).await;
    w.pay(&order);
    let (seen, cursor) = w.scan(Some(start)).await;
    assert_eq!(orders(&seen), BTreeSet::from([name(&Target::Order(order.provider_ref.clone()))]));
    assert!(seen.iter().all(|observation| observation.ours == Some(true)));
    assert_eq!(w.scan(Some(cursor.clone())).await, (vec![], cursor.clone()));
    // Months later the bank disputes it: the event names the payment, the scan the session.
    w.sandbox.advance(90 * 86_400);
    w.play(&order, ScenarioName::Dispute);
    // The place of the last scan is older than Stripe keeps events.
    let (seen, cursor) = w.scan(Some(cursor)).await;
    assert_eq!(orders(&seen), BTreeSet::from([name(&Target::Order(order.provider_ref.clone()))]));
    assert_eq!(net(&w.read(&order).await), 0);
    w.play(&order, ScenarioName::Return);
    let (seen, _) = w.scan(Some(cursor)).await;
    assert_eq!(orders(&seen).len(), 1);
    assert_eq!(net(&w.read(&order).await), 2_500);
}

/// The list is by whole seconds, and an event may enter it after a younger one was seen.
#[tokio::test]
async fn an_event_that_appears_behind_the_cursor_is_found() {
    let w = World::new().await;
    let (first, second) = (w.open(1).await, w.open(2).await);
    w.pay(&first);
    let (_, cursor) = w.scan(None).await;
    let emulator = &w.sandbox.emulators().stripe;
    emulator.withhold_events(&["charge.refunded", "refund.created", "refund.updated"]);
    w.sandbox.advance(60);
    w.play(&first, ScenarioName::Refund);
    w.sandbox.advance(60);
    w.pay(&second);
    let (seen, cursor) = w.scan(Some(cursor)).await;
    assert_eq!(orders(&seen), BTreeSet::from([name(&Target::Order(second.provider_ref.clone()))]));
    // Now they are there, older than what was seen.
    emulator.withhold_events(&[]);
    w.sandbox.advance(600);
    let (seen, cursor) = w.scan(Some(cursor)).await;
    let refunded = [Target::Order(first.provider_ref.clone()), Target::Deposit(first.deposit_id.clone())];
    assert!(
        orders(&seen).iter().any(|order| refunded.iter().any(|target| name(target) == *order)),
        "{seen:?}"
    );
    assert!(!orders(&seen).contains(&name(&Target::Order(second.provider_ref))), "shown once");
    assert_eq!(w.scan(Some(cursor.clone())).await, (vec![], cursor));
}

#[tokio::test]
async fn a_first_scan_goes_through_every_page() {
    let w = World::new().await;
    let mut all = BTreeSet::new();
    for n in 0..60 {
        let order = w.open(n).await;
        // Two events of a kind that is asked for: 120 in all, more than a page.
        w.play(&order, ScenarioName::Refund);
        all.insert(name(&Target::Order(order.provider_ref.clone())));
        all.insert(name(&Target::Deposit(order.deposit_id.clone())));
    }
    let (seen, cursor) = w.scan(None).await;
    assert_eq!(orders(&seen), all);
    let later = w.open(1_000).await;
    w.play(&later, ScenarioName::Expire);
    assert_eq!(
        orders(&w.scan(Some(cursor)).await.0),
        BTreeSet::from([name(&Target::Order(later.provider_ref))])
    );
}

#[tokio::test]
async fn a_repeat_is_safe_and_a_late_one_is_refused() {
    let w = World::new().await;
    let request = w.request(1);
    let kind = async |stripe: &Stripe, request: &OpenRequest| {
        stripe.open(request).await.map(drop).map_err(|e| e.kind().clone())
    };
    let emulator = &w.sandbox.emulators().stripe;
    let key = format!("{}:create:1", request.deposit_id);
    emulator.hold_key(&key, true);
    assert_eq!(kind(&w.stripe, &request).await, Err(ErrorKind::OutcomeUnknown), "another one is running");
    emulator.hold_key(&key, false);
    let first = IntentRecord::from(w.stripe.open(&request).await.unwrap().as_ref());
    // Half an hour later the kept answer is given, though the same body would now be refused.
    w.sandbox.advance(3_000);
    let again = IntentRecord::from(w.stripe.open(&request).await.unwrap().as_ref());
    assert_eq!(again, first);
    let second = OpenRequest { attempt: 2, ..request.clone() };
    assert_eq!(kind(&w.stripe, &second).await, Err(ErrorKind::Rejected("too_late")));
    // A changed configuration moves the body.
    let mut changed = config(&w.sandbox);
    changed.cancel_url = "https://shop.example/elsewhere".into();
    let changed = Stripe::new(changed).unwrap();
    assert_eq!(kind(&changed, &request).await, Err(ErrorKind::Rejected("idempotency_conflict")));
    assert_eq!(emulator.truth().len(), 1, "one session in all");
}

#[tokio::test]
async fn refunds_and_a_dispute_never_take_more_than_came() {
    let w = World::new().await;
    let order = w.open(1).await;
    w.play(&order, ScenarioName::RefundPart);
    assert_eq!(net(&w.read(&order).await), 1_250);
    w.play(&order, ScenarioName::Dispute);
    assert_eq!(net(&w.read(&order).await), 0);
    w.play(&order, ScenarioName::Return);
    assert_eq!(net(&w.read(&order).await), 1_250);
    w.sandbox.emulators().stripe.fail_refund(order.provider_ref.as_str()).unwrap();
    let read = w.read(&order).await;
    assert_eq!(net(&read), 2_500);
    assert_eq!(read.payments[0].takings.len(), 2, "each under its own id");
}

#[tokio::test]
async fn a_declined_card_leaves_the_page_open() {
    let w = World::new().await;
    let order = w.open(1).await;
    let page = order.instructions.link().unwrap().to_owned();
    let path = page.split('#').next().unwrap().strip_prefix(&w.sandbox.base_url()).unwrap().to_owned();
    let body = "card=4000000000000002";
    let text = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = tokio::net::TcpStream::connect(w.sandbox.address()).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await.unwrap();
    assert!(answer.contains("declined"), "{answer}");
    let read = w.read(&order).await;
    assert_eq!((read.payments.len(), read.state, read.concerns), (0, OrderState::Open, vec![]));
    w.pay(&order);
    assert_eq!(net(&w.read(&order).await), 2_500);
}

/// What the books say is owed, in cents.
fn owed(w: &World, order: &IntentRecord) -> u128 {
    let truth = w.sandbox.emulators().stripe.truth();
    let order = truth.into_iter().find(|o| o.reference == order.provider_ref.as_str()).unwrap();
    let net = |p: &deposit_sandbox::TruthPayment| {
        let taken = p.reversed.minor() - p.reinstated.minor();
        p.confirmed.minor() - p.confirmed.minor().min(taken)
    };
    order.payments.iter().map(net).sum::<u128>() / 1_000_000
}

/// What the evidence says, in cents.
fn evident(evidence: &Evidence) -> u128 {
    let net = |p: &deposit_core::PaymentEvidence| {
        let sum = |figure: fn(&deposit_core::Taking) -> u128| p.takings.values().map(figure).sum::<u128>();
        let taken = sum(|t| t.taken).saturating_sub(sum(|t| t.given_back));
        p.confirmed - p.confirmed.min(taken)
    };
    evidence.payments.values().map(net).sum::<u128>() / 1_000_000
}

/// Whatever happens to a payment, and however often it is read: the evidence ends where the books do.
#[tokio::test]
async fn the_evidence_follows_the_books() {
    let w = World::new().await;
    let stripe = &w.sandbox.emulators().stripe;
    let mut seen = BTreeSet::new();
    for n in 0..64_u32 {
        let order = w.open(n).await;
        let mut evidence = Evidence::default();
        // Six steps, three bits of a mixed number each; what the state does not allow is refused and changes nothing.
        let steps = n.wrapping_mul(0x9E37_79B1) >> 14;
        for step in 0..6 {
            let reference = order.provider_ref.to_string();
            let play = |name| {
                let request =
                    ScenarioRequest { reference: reference.clone(), name, amount: None, ticker: None };
                _ = stripe.scenario(&request);
            };
            match (steps >> (3 * step)) & 7 {
                0 | 1 => play(ScenarioName::RefundPart),
                2 => play(ScenarioName::Refund),
                3 => play(ScenarioName::Dispute),
                4 => play(ScenarioName::Return),
                5 => _ = stripe.fail_refund(&reference),
                6 => _ = stripe.move_dispute(&reference, "lost"),
                _ => _ = stripe.inquire(&reference),
            }
            let read = w.read(&order).await;
            assert!(read.complete && read.undecided.is_empty(), "{n}: {read:?}");
            for _ in 0..2 {
                let facts =
                    deposit_lifecycle::facts_of(&evidence, &read, Timestamp::from_secs(w.sandbox.now()));
                let merged = deposit_lifecycle::merge(evidence, &facts);
                assert!(merged.conflicts.is_empty());
                evidence = merged.evidence;
                assert_eq!(evident(&evidence), owed(&w, &order), "{n}, step {step}");
            }
        }
        seen.insert(evident(&evidence));
    }
    assert!(seen.len() >= 3, "the sequences differ: {seen:?}");
}

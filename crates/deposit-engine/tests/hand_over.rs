//! Money that no rule credits: each unit of it waits for an operator once, was resolved by one, or is credited.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::arithmetic_side_effects
)]

mod common;

use std::time::Duration;

use common::*;
use deposit_core::{Concern, ConcernedMoney};
use deposit_lifecycle as lifecycle;
use deposit_store::prelude::*;
use deposit_store::{
    AssignReview, Assigned, DismissReview, Dismissed, ResolutionKind, ReviewFilter, ReviewRow,
};
use proptest::prelude::*;

const DAY: i64 = 86_400;

fn btc(text: &str) -> Amount {
    Amount::parse(text, Asset::BTC).unwrap()
}

/// What waits, as `reference reason amount`.
async fn waits(bench: &Bench) -> Vec<String> {
    let amount = |row: &ReviewRow| row.amount.clone().unwrap_or_else(|| "-".to_owned());
    let open = bench.store.open_reviews().await.unwrap();
    open.iter().map(|row| format!("{} {} {}", row.reference, row.reason, amount(row))).collect()
}

async fn assign(bench: &Bench, item: &ReviewRow, usd: &str) {
    let command = AssignReview {
        id: item.id,
        account: bench.caller.account.id,
        amount: Amount::parse(usd, Asset::USD).unwrap(),
        seen: item.amount.clone(),
        note: None,
        by: "operator".to_owned(),
        again: true,
        now: bench.clock.now(),
    };
    let answer = bench.store.assign_review(command).await.unwrap();
    assert!(matches!(answer, Assigned::Yes { .. }), "{answer:?}");
}

async fn dismiss(bench: &Bench, item: &ReviewRow) {
    let command = DismissReview {
        id: item.id,
        seen: item.amount.clone(),
        reason: "looked at".to_owned(),
        by: "operator".to_owned(),
        now: bench.clock.now(),
    };
    assert_eq!(bench.store.dismiss_review(command).await.unwrap(), Dismissed::Yes);
}

async fn only(bench: &Bench) -> ReviewRow {
    let mut all = bench.store.open_reviews().await.unwrap();
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

/// An order of ours whose deposit was lost: the store is another one than when it was made.
async fn order_without_deposit() -> (Bench, DepositId, String) {
    let first = bench().await;
    let id = first.create().await;
    let order = first.order(&id).await;
    let second = Setup::of(first.tills.clone()).bench().await;
    (second, id, order)
}

async fn hear(bench: &Bench, delivery: &str, order: &str) {
    bench.tell(delivery, order, Observed::PaymentHint).await;
    bench.pass(121).await;
    bench.engine.handle_deliveries().await.unwrap();
}

#[tokio::test]
async fn each_payment_of_an_order_without_a_deposit_waits_with_its_amount() {
    let (bench, id, order) = order_without_deposit().await;
    bench.till().pay(&id, "p1", "0", "0.001");
    hear(&bench, "d1", &order).await;
    hear(&bench, "d2", &order).await;
    assert_eq!(waits(&bench).await, ["p1 no_deposit 0.001"]);
    assert_eq!(only(&bench).await.order.as_deref(), Some(order.as_str()));
    assign(&bench, &only(&bench).await, "50").await;
    // The second payment of the same order is other money, and so is what is added to the first.
    bench.till().pay(&id, "p2", "0", "0.002");
    bench.till().pay(&id, "p1", "0.0005", "0.001");
    hear(&bench, "d3", &order).await;
    let mut waiting = waits(&bench).await;
    waiting.sort();
    assert_eq!(waiting, ["p1 no_deposit 0.0005", "p2 no_deposit 0.002"]);
    assert_eq!(bench.usd().await, "50");
}

#[tokio::test]
async fn an_order_that_cannot_be_read_waits_without_an_amount_and_again_when_it_is_heard_of_again() {
    let (bench, id, order) = order_without_deposit().await;
    bench.till().pay(&id, "p1", "0", "0.001");
    // For a while the provider is asked again.
    bench.till().next_read(till::Reading::Fails(transient()));
    hear(&bench, "d1", &order).await;
    assert_eq!(waits(&bench).await, Vec::<String>::new());
    assert_eq!(
        bench.engine.provider_troubles().len(),
        1,
        "a call that fails is health, whatever it is about"
    );
    bench.pass(3600).await;
    bench.till().next_read(till::Reading::Fails(transient()));
    bench.engine.handle_deliveries().await.unwrap();
    assert_eq!(waits(&bench).await, [format!("{order} no_deposit -")]);
    dismiss(&bench, &only(&bench).await).await;
    bench.till().next_read(till::Reading::Fails(ErrorKind::Protocol));
    hear(&bench, "d2", &order).await;
    assert_eq!(waits(&bench).await, [format!("{order} no_deposit -")]);
}

#[tokio::test]
async fn an_amount_that_waits_is_raised_and_what_comes_after_its_assignment_waits_again() {
    let bench = bench().await;
    let id = bench.create().await;
    bench.paid(&id, "p", "0.003", "0").await;
    bench.pass(3 * DAY + 3601).await;
    bench.observe(&id).await;
    assert_eq!(waits(&bench).await, ["p never_confirmed 0.003"]);
    bench.paid(&id, "p", "0.005", "0").await;
    assert_eq!(waits(&bench).await, ["p never_confirmed 0.005"]);
    assign(&bench, &only(&bench).await, "250").await;
    bench.paid(&id, "p", "0.007", "0").await;
    assert_eq!(waits(&bench).await, ["p never_confirmed 0.002"]);
    // It is confirmed: what was given away by hand is not credited, and what was not waits.
    bench.paid(&id, "p", "0", "0.007").await;
    assert_eq!(waits(&bench).await, ["p already_assigned 0.002"]);
    assert_eq!(bench.usd().await, "250");
}

#[tokio::test]
async fn what_only_its_provider_tells_of_waits_once_follows_and_closes() {
    let bench = bench().await;
    let id = bench.create().await;
    let money = |amount: &str| ConcernedMoney::of_payment(PaymentRef::new("p").unwrap()).amount(btc(amount));
    let shows = |amount: &str| {
        let concern = Concern::money("on_hold", "it is held there", money(amount));
        bench
            .till()
            .change(&id, |snapshot| snapshot.concerns = vec![concern, Concern::new("rounded", "finer")]);
    };
    shows("0.001");
    let version = bench.row(&id).await.version;
    for _ in 0..3 {
        bench.observe(&id).await;
    }
    assert_eq!(waits(&bench).await, ["p provider_reports 0.001"]);
    let item = only(&bench).await;
    assert_eq!((item.code.as_deref(), item.detail.as_deref()), (Some("on_hold"), Some("it is held there")));
    assert!(bench.store.in_review(&id).await.unwrap());
    assert_eq!(bench.row(&id).await.version, version, "nothing is written of the deposit");
    shows("0.004");
    bench.observe(&id).await;
    assert_eq!(waits(&bench).await, ["p provider_reports 0.004"]);
    // It is let go there, and a rule credits it.
    bench.till().change(&id, |snapshot| snapshot.concerns.clear());
    bench.paid(&id, "p", "0", "0.004").await;
    assert_eq!(waits(&bench).await, Vec::<String>::new());
    assert_eq!(bench.usd().await, "200");
    let all = bench.store.reviews(ReviewFilter { open: false, after: 0, limit: 9 }).await.unwrap();
    assert_eq!(all[0].resolution.as_ref().map(|how| how.kind), Some(ResolutionKind::Settled));
}

#[tokio::test]
async fn what_was_assigned_while_its_provider_held_it_is_not_credited_again() {
    let bench = bench().await;
    let id = bench.create().await;
    let money = ConcernedMoney::of_payment(PaymentRef::new("p").unwrap()).amount(btc("0.004"));
    let concern = Concern::money("on_hold", "it is held there", money);
    bench.till().change(&id, |snapshot| snapshot.concerns = vec![concern]);
    bench.observe(&id).await;
    assign(&bench, &only(&bench).await, "200").await;
    bench.till().change(&id, |snapshot| snapshot.concerns.clear());
    bench.paid(&id, "p", "0", "0.005").await;
    assert_eq!(bench.usd().await, "200");
    assert_eq!(waits(&bench).await, ["p already_assigned 0.001"]);
}

#[tokio::test]
async fn an_order_that_is_gone_with_money_on_its_way_is_shown() {
    let bench = bench().await;
    let (gone, other) = (bench.create().await, bench.create().await);
    bench.paid(&gone, "p", "0.001", "0").await;
    for _ in 0..40 {
        bench.pass(DAY / 4).await;
        bench.observe(&other).await;
        bench.till().next_read(till::Reading::Fails(ErrorKind::NotFound));
        bench.observe(&gone).await;
    }
    assert!(bench.row(&gone).await.watch.ended.is_some());
    assert_eq!(waits(&bench).await, ["p order_gone 0.001"]);
}

#[tokio::test]
async fn reconcile_tells_what_is_undecided_and_what_review_holds() {
    let bench = bench().await;
    let id = bench.create().await;
    bench.paid(&id, "p", "0.001", "0").await;
    let options = ReconcileOptions { provider: None, since: START, again_after: vec![Duration::ZERO] };
    let kinds = async || {
        let found = bench.engine.reconcile(&options).await.unwrap();
        let kinds: Vec<String> =
            found.differences.iter().map(|d| format!("{} {}", d.reference, d.kind)).collect();
        let held: Vec<String> =
            found.in_review.iter().map(|(_, reason, items)| format!("{reason} {items}")).collect();
        (kinds, held)
    };
    assert_eq!(kinds().await, (vec![], vec![]));
    bench.pass(3600 + 3600).await;
    bench.observe(&id).await;
    assert_eq!(kinds().await, (vec!["p undecided".to_owned()], vec![]));
    bench.pass(3 * DAY).await;
    bench.observe(&id).await;
    assert_eq!(kinds().await, (vec![], vec!["never_confirmed 1".to_owned()]));
    // What its provider says of it nobody understands.
    let odd = bench.create().await;
    bench.till().change(&odd, |snapshot| snapshot.undecided = vec![PaymentRef::new("q").unwrap()]);
    bench.observe(&odd).await;
    assert_eq!(kinds().await.0, ["q undecided"]);
}

/// A read that tells that money went back and not how much, and a message that names it: until then it is with an operator.
#[tokio::test]
async fn what_went_back_is_out_of_review_when_a_message_has_named_it() {
    let bench = bench().await;
    let id = bench.create().await;
    let order = bench.order(&id).await;
    bench.paid(&id, "p", "0", "0.001").await;
    assert_eq!(bench.usd().await, "50");
    let payment = PaymentRef::new("p").unwrap();
    let unnamed = deposit_core::TakingId::new("refund").unwrap();
    let named = deposit_core::TakingId::new("refund:1").unwrap();
    let taking = |taken: &str, given_back: &str| deposit_core::Taking {
        taken: btc(taken).minor(),
        given_back: btc(given_back).minor(),
    };
    bench.till().change(&id, |snapshot| {
        let money = ConcernedMoney::of_payment(payment.clone()).that_went_back();
        snapshot.concerns.push(Concern::money("refunded", "how much is not told", money));
        snapshot.payments[0].takings.insert(unnamed.clone(), taking("0.001", "0"));
    });
    bench.observe(&id).await;
    assert_eq!(waits(&bench).await, ["p not_taken_back -"]);
    assert_eq!(bench.usd().await, "0");
    let mut told = deposit_core::PaymentEvidence::none(Asset::BTC);
    told.takings.insert(unnamed, taking("0.001", "0.001"));
    told.takings.insert(named, taking("0.0004", "0"));
    let facts = deposit_core::Facts { payments: [(payment, told)].into(), ..deposit_core::Facts::default() };
    bench.tell("d1", &order, Observed::Facts(Box::new(facts))).await;
    bench.engine.handle_deliveries().await.unwrap();
    bench.observe(&id).await;
    assert_eq!(waits(&bench).await, Vec::<String>::new());
    assert_eq!(bench.usd().await, "30");
}

#[derive(Debug, Clone, Copy)]
enum Step {
    /// So much is in flight and so much confirmed, in units of 0.0001 BTC.
    Stands {
        in_flight: u8,
        confirmed: u8,
    },
    Days(u8),
    CloseAccount,
    Assign,
    Dismiss,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..9_u8, 0..9_u8).prop_map(|(in_flight, confirmed)| Step::Stands { in_flight, confirmed }),
        1 => (1..5_u8).prop_map(Step::Days),
        1 => Just(Step::CloseAccount),
        2 => Just(Step::Assign),
        2 => Just(Step::Dismiss),
    ];
    proptest::collection::vec(step, 1..14)
}

/// In units of 0.0001 BTC.
fn units(text: &str) -> u128 {
    btc(text).minor() / 10_000
}

async fn play(steps: &[Step]) {
    let bench = bench().await;
    let id = bench.create().await;
    let bob = bench.store.ensure_account(&"bob".parse().unwrap(), START).await.unwrap();
    // What the operator has given away, and what of it was looked at and left.
    let (mut given, mut dismissed) = (0_u128, 0_u128);
    let mut by_hand = 0_u128;
    for step in steps {
        match *step {
            Step::Stands { in_flight, confirmed } => {
                let text = |units: u8| btc("0.0001").minor() * u128::from(units);
                let amount = |units: u8| Amount::new(text(units), Asset::BTC).to_string();
                bench.till().pay(&id, "p", &amount(in_flight), &amount(confirmed));
            }
            Step::Days(days) => bench.pass(DAY * i64::from(days)).await,
            Step::CloseAccount => {
                let name = bench.caller.account.name.clone();
                bench.store.close_account(&name, bench.clock.now()).await.unwrap();
            }
            Step::Assign | Step::Dismiss => {
                let open = bench.store.open_reviews().await.unwrap();
                if let Some(item) = open.iter().find(|item| !item.reason.takes_back()) {
                    let amount = units(item.amount.as_deref().unwrap());
                    if matches!(step, Step::Assign) {
                        let usd = (amount * 5).to_string();
                        let command = AssignReview {
                            id: item.id,
                            account: bob.id,
                            amount: Amount::parse(&usd, Asset::USD).unwrap(),
                            seen: item.amount.clone(),
                            note: None,
                            by: "operator".to_owned(),
                            again: false,
                            now: bench.clock.now(),
                        };
                        let answer = bench.store.assign_review(command).await.unwrap();
                        if matches!(answer, Assigned::Yes { .. }) {
                            given += amount;
                            by_hand += amount;
                        } else {
                            // A rule has posted for it: it follows the payment from then on.
                            assert!(matches!(answer, Assigned::Posted { .. }), "{answer:?}");
                        }
                    } else {
                        dismiss(&bench, item).await;
                        dismissed += amount;
                    }
                }
            }
        }
        bench.observe(&id).await;
        let row = bench.row(&id).await;
        let Some((_, payment)) = row.evidence.payments.iter().next() else { continue };
        let unit = btc("0.0001").minor();
        let net = lifecycle::net(payment) / unit;
        let in_flight = lifecycle::in_flight(payment) / unit;
        let posted: Vec<String> = bench.postings(&id).await;
        let posted: i128 = posted.iter().map(|usd| usd.parse::<i128>().unwrap()).sum();
        let by_rule = u128::try_from(posted).unwrap() / 5;
        // What no rule has credited of what there is. On its way it counts once nobody expects it any more.
        let in_vain = bench.clock.now() >= row.terms.expires_at().unwrap().plus_secs(3 * DAY);
        let due = net - by_rule.min(net) + if in_vain { in_flight } else { 0 };
        let rest = due - given.min(due);
        dismissed = dismissed.min(rest);
        let open = bench.store.open_reviews().await.unwrap();
        let waiting: u128 = open
            .iter()
            .filter(|item| !item.reason.takes_back())
            .map(|item| units(item.amount.as_deref().unwrap()))
            .sum();
        assert!(open.iter().filter(|item| !item.reason.takes_back()).count() <= 1, "{open:?}");
        assert_eq!(
            net + in_flight,
            by_rule + given.min(due) + dismissed + waiting + if in_vain { 0 } else { in_flight },
            "{step:?} {row:?}"
        );
        assert!(by_rule == 0 || by_hand == 0, "one payment, credited by rule and by hand");
        // To look once more changes nothing.
        bench.observe(&id).await;
        assert_eq!(bench.store.open_reviews().await.unwrap(), open);
    }
    bench.check().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn seen_is_credited_by_rule_or_resolved_by_hand_or_waits(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(play(&steps));
    }
}

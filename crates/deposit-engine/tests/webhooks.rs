//! Deliveries: verified, journalled, acknowledged, handled; once or twice.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions
)]

mod common;

use common::*;
use deposit_store::prelude::*;

async fn handle(bench: &Bench) -> usize {
    bench.engine.handle_deliveries().await.unwrap()
}

async fn outcomes(bench: &Bench) -> Vec<Option<String>> {
    bench.journal().await.into_iter().map(|row| row.outcome).collect()
}

fn outcome(word: &str) -> Option<String> {
    Some(word.to_owned())
}

#[tokio::test]
async fn a_hint_leads_to_a_read() {
    let bench = bench().await;
    let id = bench.create().await;
    bench.till().pay(&id, "p", "0", "0.004");
    bench.tell("d1", &bench.order(&id).await, Observed::PaymentHint).await;
    assert_eq!(bench.status(&id).await, Status::New, "stored, not handled yet");
    assert_eq!(outcomes(&bench).await, [None]);
    assert_eq!(handle(&bench).await, 1);
    assert_eq!(bench.status(&id).await, Status::Completed);
    assert_eq!(outcomes(&bench).await, [outcome("changed")]);
    assert_eq!(handle(&bench).await, 0);
}

#[tokio::test]
async fn what_a_message_says_of_money_is_not_believed() {
    let bench = bench().await;
    let id = bench.create().await;
    let reading =
        PaymentReading::confirmed(PaymentRef::new("p").unwrap(), Amount::parse("0.004", Asset::BTC).unwrap());
    let mut snapshot = Snapshot::empty(ProviderRef::new(bench.order(&id).await).unwrap());
    snapshot.payments.push(reading.clone());
    bench.tell("d1", &bench.order(&id).await, Observed::Snapshot(Box::new(snapshot))).await;
    bench.tell("d2", &bench.order(&id).await, Observed::Payment(Box::new(reading))).await;
    assert_eq!(handle(&bench).await, 2);
    assert_eq!(bench.status(&id).await, Status::New, "the provider's API does not confirm it");
    // Handled side by side: the one whose read is overtaken by the other's reads again.
    assert!((2..=3).contains(&bench.till().reads()));
}

#[tokio::test]
async fn forged_or_unreadable_deliveries_are_refused_and_leave_no_trace() {
    let bench = bench().await;
    let id = bench.create().await;
    let order = bench.order(&id).await;
    let hint = [message(&order, Observed::PaymentHint)];
    for signature in ["", "forged", "Genuine"] {
        let refused = bench.deliver(signature, "d1", &hint).await;
        assert!(matches!(refused, Err(DeliveryError::Unauthenticated)));
    }
    let headers = [("signature".to_owned(), "genuine".to_owned())];
    let delivery = RawDelivery { headers: &headers, query: &[], body: b"{}", received_at: START };
    assert!(matches!(bench.engine.webhook("till", &delivery).await, Err(DeliveryError::Malformed(_))));
    for provider in ["nobody", "Till", "", "../till"] {
        let unknown = bench.engine.webhook(provider, &delivery).await;
        assert!(matches!(unknown, Err(DeliveryError::UnknownProvider)), "{provider}");
    }
    assert!(bench.journal().await.is_empty());
}

#[tokio::test]
async fn a_delivery_that_comes_twice_is_stored_and_handled_once() {
    let bench = bench().await;
    let id = bench.create().await;
    let order = bench.order(&id).await;
    bench.till().pay(&id, "p", "0", "0.004");
    for _ in 0..3 {
        bench.tell("d1", &order, Observed::PaymentHint).await;
    }
    assert_eq!(handle(&bench).await, 1);
    bench.tell("d1", &order, Observed::PaymentHint).await;
    assert_eq!(handle(&bench).await, 0);
    assert_eq!((bench.journal().await.len(), bench.till().reads()), (1, 1));
    // The same event under another id is read again, and posts nothing.
    bench.tell("d2", &order, Observed::PaymentHint).await;
    assert_eq!(handle(&bench).await, 1);
    assert_eq!(bench.postings(&id).await, ["200"]);
    assert_eq!(outcomes(&bench).await, [outcome("changed"), outcome("unchanged")]);
}

#[tokio::test]
async fn handling_a_delivery_again_is_safe() {
    let bench = bench().await;
    let id = bench.create().await;
    let order = bench.order(&id).await;
    let minor = Amount::parse("0.004", Asset::BTC).unwrap().minor();
    let evidence = PaymentEvidence { seen: minor, confirmed: minor, ..PaymentEvidence::none(Asset::BTC) };
    let payments = [(PaymentRef::new("told").unwrap(), evidence)].into();
    let facts = Facts { payments, order: OrderEvidence::default() };
    bench.tell("d1", &order, Observed::Facts(Box::new(facts))).await;
    handle(&bench).await;
    assert_eq!(bench.postings(&id).await, ["200"]);
    assert_eq!(bench.till().reads(), 0, "what only the message can show is taken from it");
    for _ in 0..3 {
        for row in bench.journal().await {
            assert!(bench.engine.handle_delivery(&row).await.unwrap());
        }
    }
    assert_eq!(bench.postings(&id).await, ["200"]);
    bench.check_settled(&id).await;
}

#[tokio::test]
async fn its_time_of_arrival_is_the_payment_s_time() {
    let bench = bench().await;
    let id = bench.create().await;
    bench.pass(3600).await;
    bench.till().pay(&id, "p", "0", "0.004");
    bench.tell("d1", &bench.order(&id).await, Observed::PaymentHint).await;
    // Handled only after the end of the quote, at another rate.
    bench.set_price("60000");
    bench.pass(100).await;
    handle(&bench).await;
    assert_eq!(bench.postings(&id).await, ["200"]);
    assert!(!bench.view(&id).await.late);
}

#[tokio::test]
async fn a_restart_handles_what_was_journalled_and_not_handled() {
    let mut bench = bench().await;
    let id = bench.create().await;
    bench.till().pay(&id, "p", "0", "0.004");
    bench.tell("d1", &bench.order(&id).await, Observed::PaymentHint).await;
    bench.restart().await;
    assert_eq!(handle(&bench).await, 1);
    assert_eq!(bench.status(&id).await, Status::Completed);

    // One that a killed process had taken is free when its lease ends.
    bench.tell("d2", &bench.order(&id).await, Observed::PaymentHint).await;
    let now = bench.clock.now();
    assert_eq!(bench.store.claim_journal(now, now.plus_secs(30), 10).await.unwrap().len(), 1);
    bench.restart().await;
    bench.pass(29).await;
    assert_eq!(handle(&bench).await, 0);
    bench.pass(1).await;
    assert_eq!(handle(&bench).await, 1);
}

#[tokio::test]
async fn money_of_no_deposit_waits_and_then_goes_to_review() {
    let bench = bench().await;
    bench.tell("d1", "unknown-order", Observed::PaymentHint).await;
    let unknown = DepositId::new("a-deposit-of-nobody").unwrap();
    let mut by_id = message("x", Observed::PaymentHint);
    by_id.target = Target::Deposit(unknown);
    bench.deliver("genuine", "d2", &[by_id.clone()]).await.unwrap();
    by_id.target = Target::Unknown;
    bench.deliver("genuine", "d3", &[by_id]).await.unwrap();
    // Its create may be under way.
    for _ in 0..4 {
        assert_eq!(handle(&bench).await, 0);
        assert!(bench.reviews().await.is_empty());
        bench.pass(30).await;
    }
    assert_eq!(handle(&bench).await, 3);
    let lost = ReviewReason::NoDeposit;
    let mut reviews = bench.reviews().await;
    reviews.sort();
    assert_eq!(
        reviews,
        [
            ("a-deposit-of-nobody".to_owned(), lost),
            ("delivery d3".to_owned(), lost),
            ("unknown-order".to_owned(), lost)
        ]
    );
    assert_eq!(outcomes(&bench).await, vec![outcome("review"); 3]);
}

#[tokio::test]
async fn a_message_that_overtakes_its_own_create_is_not_lost() {
    let bench = bench().await;
    bench.tell("d1", "till-order-1", Observed::PaymentHint).await;
    assert_eq!(handle(&bench).await, 0);
    let id = bench.create().await;
    bench.till().pay(&id, "p", "0", "0.004");
    bench.pass(30).await;
    assert_eq!(handle(&bench).await, 1);
    assert_eq!(bench.postings(&id).await, ["200"]);
    assert!(bench.reviews().await.is_empty());
}

#[tokio::test]
async fn what_is_not_ours_or_not_about_money_is_only_journalled() {
    let bench = bench().await;
    let foreign = deposit_core::Observation { ours: Some(false), ..message("x", Observed::PaymentHint) };
    bench.deliver("genuine", "d1", &[foreign]).await.unwrap();
    bench.tell("d2", "unknown-order", Observed::Hint).await;
    bench.deliver("genuine", "d3", &[]).await.unwrap();
    assert_eq!(handle(&bench).await, 3);
    bench.pass(600).await;
    handle(&bench).await;
    assert!(bench.reviews().await.is_empty());
    assert_eq!(outcomes(&bench).await, [outcome("not_ours"), outcome("no_deposit"), outcome("nothing")]);
    assert_eq!(bench.till().reads(), 0);
}

#[tokio::test]
async fn a_provider_speaks_for_its_own_deposits_alone() {
    let other = Till::new("other", Ticker::LTC, Asset::LTC, Replay::Key);
    let bench = Setup::of(vec![Till::new("till", Ticker::BTC, Asset::BTC, Replay::Key), other]).bench().await;
    let request = CreateRequest { ticker: "ltc".into(), ..bench.request("1", None) };
    let id = bench.engine.create(request).await.result.unwrap().id;
    let minor = Amount::parse("1", Asset::LTC).unwrap().minor();
    let evidence = PaymentEvidence { seen: minor, confirmed: minor, ..PaymentEvidence::none(Asset::LTC) };
    let payments = [(PaymentRef::new("p").unwrap(), evidence)].into();
    let facts = Facts { payments, order: OrderEvidence::default() };
    let mut claim = message("x", Observed::Facts(Box::new(facts)));
    claim.target = Target::Deposit(id.clone());
    bench.deliver("genuine", "d1", &[claim]).await.unwrap();
    bench.pass(120).await;
    assert_eq!(handle(&bench).await, 1);
    assert_eq!(bench.status(&id).await, Status::New);
    assert_eq!(bench.reviews().await, [(id.to_string(), ReviewReason::NoDeposit)]);
}

#[tokio::test]
async fn a_hint_whose_read_fails_is_left_to_the_next_check() {
    let bench = bench().await;
    let id = bench.create().await;
    bench.till().pay(&id, "p", "0", "0.004");
    bench.till().next_read(Reading::Fails(transient()));
    bench.tell("d1", &bench.order(&id).await, Observed::PaymentHint).await;
    assert_eq!(handle(&bench).await, 1);
    assert_eq!(outcomes(&bench).await, [outcome("to_be_read")]);
    bench.pass(6).await;
    assert_eq!(bench.engine.poll(bench.till(), 10).await.unwrap(), 1);
    assert_eq!(bench.postings(&id).await, ["200"]);
}

#[tokio::test]
async fn bodies_go_after_their_time_and_ids_stay() {
    let bench = bench().await;
    let id = bench.create().await;
    let order = bench.order(&id).await;
    bench.tell("d1", &order, Observed::Hint).await;
    handle(&bench).await;
    bench.pass(90 * 86_400 + 1).await;
    bench.engine.tidy().await.unwrap();
    // Still known: it is not handled again.
    bench.tell("d1", &order, Observed::Hint).await;
    assert_eq!(handle(&bench).await, 0);
    assert_eq!(outcomes(&bench).await, [outcome("unchanged")]);
}

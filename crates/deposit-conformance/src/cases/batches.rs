//! Reads of many orders at once: each as if it were read alone.

use deposit_core::{IntentRecord, PaymentProvider, ReadOutcome, Snapshot};

use crate::harness::{Ability, Fault, Harness, PayStage, Scenario};
use crate::support::{
    AUTHENTICATION, NOT_FOUND, assert_shows, cannot, chain, first_ticker, no_fault, open_usual,
    order_tickers, snapshot,
};

/// One request for all of them.
async fn outcomes(provider: &dyn PaymentProvider, orders: &[IntentRecord]) -> Vec<ReadOutcome> {
    let read = match provider.read_many(orders).await {
        Ok(read) => read,
        Err(error) => panic!("read_many failed: {}", chain(&error)),
    };
    assert_eq!(read.len(), orders.len(), "answers of read_many");
    read
}

fn shown(order: &IntentRecord, outcome: ReadOutcome) -> Snapshot {
    match outcome {
        Ok(snapshot) => {
            assert_eq!(snapshot.order, order.provider_ref, "read_many answers in another order");
            snapshot
        }
        Err(error) => panic!("{}: not read in a batch: {}", order.terms.ticker, chain(&error)),
    }
}

fn answers_one(provider: &dyn PaymentProvider) -> bool {
    provider.capabilities().read_batch == 1
}

/// Declared batch reads answer in the order of the question, and what single reads answer, whatever was paid and by whichever ticker.
pub async fn a_batch_answers_as_single_reads_do(harness: &dyn Harness) {
    let provider = harness.provider();
    if answers_one(provider.as_ref()) {
        return;
    }
    let mut orders = Vec::new();
    for spec in order_tickers(provider.as_ref()) {
        for stage in [None, Some(PayStage::Seen), Some(PayStage::Confirmed)] {
            let order = open_usual(harness, &spec).await;
            if let Some(stage) =
                stage.filter(|stage| *stage != PayStage::Seen || harness.shows_in_flight(&spec))
            {
                harness.pay(&order, None, stage).await;
            }
            orders.push(order);
        }
    }
    orders.reverse();
    orders.truncate(provider.capabilities().read_batch);
    let read = outcomes(provider.as_ref(), &orders).await;
    for (order, outcome) in orders.iter().zip(read) {
        let alone = snapshot(provider.as_ref(), order).await;
        assert_eq!(shown(order, outcome), alone, "read_many and read differ");
    }
    assert!(outcomes(provider.as_ref(), &[]).await.is_empty(), "a batch of none");
}

/// A batch that is as large as was declared is answered whole.
pub async fn a_full_batch_is_answered_whole(harness: &dyn Harness) {
    let provider = harness.provider();
    let Some(spec) = first_ticker(provider.as_ref()) else { return };
    // Opening more than this would only take long.
    let size = provider.capabilities().read_batch.min(120);
    if size == 1 {
        return;
    }
    let mut orders = Vec::with_capacity(size);
    for _ in 0..size {
        orders.push(open_usual(harness, &spec).await);
    }
    let (Some(first), Some(last)) = (orders.first(), orders.last()) else { return };
    let paid = [
        harness.pay(first, None, PayStage::Confirmed).await,
        harness.pay(last, None, PayStage::Confirmed).await,
    ];
    let read = outcomes(provider.as_ref(), &orders).await;
    let read: Vec<_> = orders.iter().zip(read).map(|(order, outcome)| shown(order, outcome)).collect();
    let [oldest, newest] = paid;
    for (place, snapshot) in read.iter().enumerate() {
        let played = match place {
            0 => vec![oldest.clone()],
            place if place + 1 == size => vec![newest.clone()],
            _ => Vec::new(),
        };
        assert_shows(harness, "a full batch", snapshot, &played);
    }
}

/// An order that the provider does not know (any more) is an outcome of its own and spoils no other.
pub async fn an_unknown_order_spoils_no_batch(harness: &dyn Harness) {
    let provider = harness.provider();
    let Some(spec) = first_ticker(provider.as_ref()) else { return };
    if provider.capabilities().read_batch < 3 {
        return;
    }
    let (before, after) = (open_usual(harness, &spec).await, open_usual(harness, &spec).await);
    let played = harness.pay(&after, None, PayStage::Confirmed).await;
    let known = open_usual(harness, &spec).await;
    let gone = IntentRecord { provider_ref: harness.unknown_ref(&known.provider_ref), ..known };
    let orders = [before, gone, after];
    let mut read = outcomes(provider.as_ref(), &orders).await.into_iter();
    let (Some(first), Some(second), Some(third)) = (read.next(), read.next(), read.next()) else {
        panic!("three outcomes")
    };
    let [before, _, after] = orders;
    assert_shows(harness, "before one that is gone", &shown(&before, first), &[]);
    match second {
        Ok(snapshot) => panic!("an unknown order was read: {snapshot:?}"),
        Err(error) => NOT_FOUND.check("an unknown order in a batch", &error),
    }
    assert_shows(harness, "after one that is gone", &shown(&after, third), &[played]);
}

/// What was undone is not shown as money by a batch either.
pub async fn a_batch_does_not_count_what_was_undone(harness: &dyn Harness) {
    let provider = harness.provider();
    if answers_one(provider.as_ref()) {
        return;
    }
    for scenario in [Scenario::Reorg, Scenario::Replace] {
        if cannot(harness, Ability::Scenario(scenario)) {
            continue;
        }
        for spec in order_tickers(provider.as_ref()) {
            let (order, other) = (open_usual(harness, &spec).await, open_usual(harness, &spec).await);
            let Some(played) = harness.scenario(&order, scenario).await else { continue };
            let orders = [order, other];
            let mut read = outcomes(provider.as_ref(), &orders).await.into_iter();
            let [order, _] = orders;
            let Some(first) = read.next() else { panic!("two outcomes") };
            assert_shows(harness, "a batch after it was undone", &shown(&order, first), &played);
        }
    }
}

/// A fault is an error of the whole or of each order, never a verdict.
pub async fn a_batch_under_a_fault_is_no_verdict(harness: &dyn Harness) {
    for fault in [
        Fault::Down,
        Fault::ServerError,
        Fault::HtmlError,
        Fault::HugeBody,
        Fault::WrongTypes,
        Fault::RejectKey,
    ] {
        let provider = harness.provider();
        let Some(spec) = first_ticker(provider.as_ref()) else { return };
        if answers_one(provider.as_ref()) || no_fault(harness, fault) {
            continue;
        }
        let orders = [open_usual(harness, &spec).await, open_usual(harness, &spec).await];
        harness.fault(Some(fault)).await;
        let errors = match provider.read_many(&orders).await {
            Err(error) => vec![error],
            Ok(read) => read
                .into_iter()
                .map(|outcome| match outcome {
                    Ok(snapshot) => panic!("{fault:?}: a batch was read: {snapshot:?}"),
                    Err(error) => error,
                })
                .collect(),
        };
        harness.fault(None).await;
        for error in errors {
            assert!(
                !matches!(error.kind(), deposit_core::ErrorKind::NotFound),
                "{fault:?}: {}",
                chain(&error)
            );
            if fault == Fault::RejectKey && harness.reads_need_key() {
                AUTHENTICATION.check("a refused key", &error);
            }
        }
    }
}

//! A provider that is away, slow, or says what it should not.

use std::time::Duration;

use deposit_core::{
    IntentRecord, LookUpRequest, OpenRequest, OrderState, PaymentProvider, ProviderError, Replay, TickerSpec,
};

use crate::harness::{Fault, Harness, PayStage, Played, Variant};
use crate::support::{
    AUTHENTICATION, PROTOCOL, RATE_LIMITED, TRANSIENT, TRANSIENT_OR_UNKNOWN, UNAVAILABLE, UNCLEAR, UNKNOWN,
    Wanted, assert_shows, first_ticker, look_up, no_fault, open_fails, open_usual, opened, read_fails,
    reading, request, snapshot,
};

/// A ticker, an order that was paid before anything went wrong, and its payment.
struct Before {
    spec: TickerSpec,
    order: IntentRecord,
    paid: Played,
}

async fn before(harness: &dyn Harness) -> Option<Before> {
    let spec = first_ticker(harness.provider().as_ref())?;
    let order = open_usual(harness, &spec).await;
    let paid = harness.pay(&order, None, PayStage::Confirmed).await;
    Some(Before { spec, order, paid })
}

/// Nothing of the fault is left: the order reads as before.
async fn assert_recovered(harness: &dyn Harness, what: &str, before: &Before) {
    harness.fault(None).await;
    let read = snapshot(harness.provider().as_ref(), &before.order).await;
    assert_shows(harness, &format!("{what}, over"), &read, std::slice::from_ref(&before.paid));
    open_usual(harness, &before.spec).await;
}

/// The look-up's error, where there is a look-up.
async fn look_up_error(provider: &dyn PaymentProvider, request: &OpenRequest) -> Option<ProviderError> {
    if provider.capabilities().replay != Replay::LookUp {
        return None;
    }
    let wanted = LookUpRequest { deposit_id: request.deposit_id.clone(), terms: request.terms };
    match provider.look_up(&wanted).await {
        Ok(found) => panic!("look_up said that it succeeded: {found:?}"),
        Err(error) => Some(error),
    }
}

/// Open, read and look-up all fail, each with a right kind. Answers the request.
async fn all_fail(
    harness: &dyn Harness,
    what: &str,
    before: &Before,
    open: Wanted,
    read: Wanted,
) -> OpenRequest {
    let request = request(harness, &before.spec);
    // Each call through an adapter of its own: an open circuit would answer for the provider.
    let error = open_fails(harness.provider().as_ref(), &request).await;
    open.check(&format!("{what}: open"), &error);
    let error = read_fails(harness.provider().as_ref(), &before.order).await;
    read.check(&format!("{what}: read"), &error);
    if let Some(error) = look_up_error(harness.provider().as_ref(), &request).await {
        read.check(&format!("{what}: look_up"), &error);
    }
    request
}

/// What was opened though the answer was lost is found again, or repeated safely, as declared.
async fn assert_found_again(harness: &dyn Harness, what: &str, request: &OpenRequest) {
    harness.fault(None).await;
    let id = &request.deposit_id;
    let orders = harness.orders_at_provider(id).await;
    let provider = harness.provider();
    match provider.capabilities().replay {
        Replay::LookUp => {
            assert_eq!(orders, 1, "{what}: open that was left unanswered was sent more than once, or never");
            let found = look_up(provider.as_ref(), request).await;
            assert_eq!(found.len(), 1, "{what}: look_up after the lost answer: {found:?}");
            let order = found.first().expect("one order");
            assert_eq!((&order.deposit_id, &order.terms), (id, &request.terms), "{what}");
            assert!(
                order.instructions.link().or(order.instructions.address()).is_some(),
                "{what}: where to pay"
            );
            let paid = harness.pay(order, None, PayStage::Confirmed).await;
            assert_shows(harness, what, &snapshot(provider.as_ref(), order).await, &[paid]);
        }
        Replay::Key => {
            opened(provider.as_ref(), request).await;
            assert_eq!(harness.orders_at_provider(id).await, 1, "{what}: a repeat under the same key");
        }
        Replay::None => {
            assert!(
                orders <= 1,
                "{what}: nothing is repeated within a request, but there are {orders} orders"
            );
            opened(provider.as_ref(), request).await;
        }
    }
}

/// A provider that is down: temporarily unavailable, nothing opened, nothing concluded.
pub async fn a_provider_that_is_down_is_temporary(harness: &dyn Harness) {
    let Some(before) = before(harness).await else { return };
    harness.fault(Some(Fault::Down)).await;
    let request = all_fail(harness, "down", &before, TRANSIENT_OR_UNKNOWN, TRANSIENT).await;
    assert_recovered(harness, "down", &before).await;
    assert_eq!(harness.orders_at_provider(&request.deposit_id).await, 0, "down: nothing was opened");
}

/// An adapter that saw its provider down for a while serves again, without a restart, soon after the provider does.
pub async fn an_adapter_recovers_by_itself(harness: &dyn Harness) {
    let Some(before) = before(harness).await else { return };
    let provider = harness.variant(Variant::Impatient).unwrap_or_else(|| harness.provider());
    harness.fault(Some(Fault::Down)).await;
    for _ in 0..40 {
        TRANSIENT.check("down: read", &read_fails(provider.as_ref(), &before.order).await);
    }
    harness.fault(None).await;
    let again = async {
        // Asked no more often than an engine would at most.
        while provider.read(&before.order).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let patience = harness.patience(provider.as_ref());
    tokio::time::timeout(patience, again).await.expect("the provider is back, the adapter is not");
    let read = snapshot(provider.as_ref(), &before.order).await;
    assert_shows(harness, "down, over", &read, std::slice::from_ref(&before.paid));
}

/// Nothing listens: what never left certainly did not happen, for `open` too.
pub async fn an_unreachable_provider_is_temporary(harness: &dyn Harness) {
    let Some(provider) = harness.variant(Variant::Unreachable) else { return };
    let Some(before) = before(harness).await else { return };
    let error = open_fails(provider.as_ref(), &request(harness, &before.spec)).await;
    TRANSIENT.check("unreachable: open", &error);
    let error = read_fails(provider.as_ref(), &before.order).await;
    TRANSIENT.check("unreachable: read", &error);
}

/// The provider's own 5xx: a read is asked again, an open may have happened.
pub async fn a_server_error_is_no_verdict(harness: &dyn Harness) {
    server_side(harness, Fault::ServerError).await;
}

/// A proxy's HTML page is judged by its status, never read as JSON.
pub async fn an_html_error_is_no_verdict(harness: &dyn Harness) {
    server_side(harness, Fault::HtmlError).await;
}

async fn server_side(harness: &dyn Harness, fault: Fault) {
    if no_fault(harness, fault) {
        return;
    }
    let Some(before) = before(harness).await else { return };
    let keyed = harness.provider().capabilities().replay == Replay::Key;
    harness.fault(Some(fault)).await;
    let what = format!("{fault:?}");
    // With a key a repeat is safe whatever happened.
    let open = if keyed { TRANSIENT_OR_UNKNOWN } else { UNKNOWN };
    all_fail(harness, &what, &before, open, TRANSIENT).await;
    assert_recovered(harness, &what, &before).await;
}

/// The order was opened and the answer lost: the outcome is unknown, and the order is found again.
pub async fn a_lost_answer_is_found_again(harness: &dyn Harness) {
    let Some(before) = before(harness).await else { return };
    harness.fault(Some(Fault::LostAnswer)).await;
    let request = request(harness, &before.spec);
    let error = open_fails(harness.provider().as_ref(), &request).await;
    UNKNOWN.check("lost answer: open", &error);
    let error = read_fails(harness.provider().as_ref(), &before.order).await;
    TRANSIENT.check("lost answer: read", &error);
    assert_found_again(harness, "lost answer", &request).await;
    assert_recovered(harness, "lost answer", &before).await;
}

/// An answer that does not come in time is given up within the adapter's own timeout, and the order is found again.
pub async fn a_slow_answer_is_given_up_in_time(harness: &dyn Harness) {
    let Some(before) = before(harness).await else { return };
    let impatient = || harness.variant(Variant::Impatient).unwrap_or_else(|| harness.provider());
    let patience = harness.patience(impatient().as_ref());
    harness.fault(Some(Fault::Slow)).await;
    let request = request(harness, &before.spec);
    let provider = impatient();
    let open = open_fails(provider.as_ref(), &request);
    let error =
        tokio::time::timeout(patience, open).await.expect("slow: open ends within the adapter's timeout");
    UNKNOWN.check("slow: open", &error);
    let provider = impatient();
    let read = read_fails(provider.as_ref(), &before.order);
    let error =
        tokio::time::timeout(patience, read).await.expect("slow: read ends within the adapter's timeout");
    TRANSIENT.check("slow: read", &error);
    assert_found_again(harness, "slow", &request).await;
    assert_recovered(harness, "slow", &before).await;
}

/// A refused key is the operator's affair: not the payer's, and nothing that goes away.
pub async fn a_refused_key_is_authentication(harness: &dyn Harness) {
    let Some(before) = before(harness).await else { return };
    if !no_fault(harness, Fault::RejectKey) {
        harness.fault(Some(Fault::RejectKey)).await;
        let request = all_fail(harness, "key refused", &before, AUTHENTICATION, AUTHENTICATION).await;
        assert_recovered(harness, "key refused", &before).await;
        assert_eq!(
            harness.orders_at_provider(&request.deposit_id).await,
            0,
            "key refused: nothing was opened"
        );
    }
    if let Some(provider) = harness.variant(Variant::WrongKey) {
        let request = request(harness, &before.spec);
        let error = open_fails(provider.as_ref(), &request).await;
        AUTHENTICATION.check("wrong key: open", &error);
        if harness.reads_need_key() {
            let error = read_fails(provider.as_ref(), &before.order).await;
            AUTHENTICATION.check("wrong key: read", &error);
        } else {
            let read = snapshot(provider.as_ref(), &before.order).await;
            assert_shows(harness, "wrong key: read", &read, std::slice::from_ref(&before.paid));
        }
    }
}

/// 429: not now, and when again. Nothing was opened.
pub async fn a_rate_limit_says_when_again(harness: &dyn Harness) {
    if no_fault(harness, Fault::RateLimited) {
        return;
    }
    let Some(before) = before(harness).await else { return };
    harness.fault(Some(Fault::RateLimited)).await;
    let request = all_fail(harness, "rate limited", &before, RATE_LIMITED, RATE_LIMITED).await;
    assert_recovered(harness, "rate limited", &before).await;
    assert_eq!(harness.orders_at_provider(&request.deposit_id).await, 0, "rate limited: nothing was opened");
}

/// An answer without end is not read to its end.
pub async fn a_huge_body_is_refused(harness: &dyn Harness) {
    unreadable(harness, Fault::HugeBody).await;
}

/// JSON of wrong types is no answer. An order that was opened all the same is found again.
pub async fn wrong_types_are_refused(harness: &dyn Harness) {
    unreadable(harness, Fault::WrongTypes).await;
}

async fn unreadable(harness: &dyn Harness, fault: Fault) {
    let Some(before) = before(harness).await else { return };
    harness.fault(Some(fault)).await;
    let what = format!("{fault:?}");
    let request = all_fail(harness, &what, &before, UNCLEAR, PROTOCOL).await;
    assert_found_again(harness, &what, &request).await;
    assert_recovered(harness, &what, &before).await;
}

/// A payment in words that no document lists stays as it was, and an operator is told.
pub async fn an_unknown_payment_word_changes_nothing(harness: &dyn Harness) {
    if no_fault(harness, Fault::UnknownPaymentWord) {
        return;
    }
    let Some(before) = before(harness).await else { return };
    harness.fault(Some(Fault::UnknownPaymentWord)).await;
    let read = snapshot(harness.provider().as_ref(), &before.order).await;
    let id = &before.paid.id;
    assert!(read.undecided.contains(id), "payment {id} is not undecided: {read:?}");
    assert!(reading(&read, id).is_none(), "an undecided payment has no figures: {read:?}");
    assert!(!read.concerns.is_empty(), "no operator is told of the unknown word");
    assert_eq!(read.state, OrderState::Open, "an unknown word is no verdict on the order");
    assert_recovered(harness, "unknown word", &before).await;
}

/// An order in words that no document lists is open; its payments count, and an operator is told.
pub async fn an_unknown_order_word_changes_nothing(harness: &dyn Harness) {
    if no_fault(harness, Fault::UnknownOrderWord) {
        return;
    }
    let Some(before) = before(harness).await else { return };
    harness.fault(Some(Fault::UnknownOrderWord)).await;
    let read = snapshot(harness.provider().as_ref(), &before.order).await;
    assert_shows(harness, "unknown order word", &read, std::slice::from_ref(&before.paid));
    assert!(!read.concerns.is_empty(), "no operator is told of the unknown word");
    assert_eq!(read.state, OrderState::Open, "an unknown word is no verdict on the order");
    assert_recovered(harness, "unknown order word", &before).await;
}

/// A way of paying that is silently missing from the order is an error, never an order without a place to pay.
pub async fn a_missing_method_is_noticed(harness: &dyn Harness) {
    if no_fault(harness, Fault::MissingMethod) {
        return;
    }
    let Some(before) = before(harness).await else { return };
    harness.fault(Some(Fault::MissingMethod)).await;
    let error = open_fails(harness.provider().as_ref(), &request(harness, &before.spec)).await;
    UNAVAILABLE.check("missing method: open", &error);
    assert_recovered(harness, "missing method", &before).await;
}

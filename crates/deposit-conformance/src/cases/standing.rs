//! Payments to standing addresses: nobody's order, found by a scan, read back by their own reference.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use deposit_core::{
    AccountIndex, Amount, DeliveryId, ErrorKind, IntentRecord, Observed, PaymentProvider, PaymentReading,
    PaymentRef, ProviderRef, ScanCursor, Taken, Target, TickerSpec,
};

use crate::harness::{Ability, Fault, Harness, PayStage, Played, PlayedStage, Scenario, Variant};
use crate::support::{
    AUTHENTICATION, NOT_FOUND, PROTOCOL, RATE_LIMITED, TRANSIENT, Wanted, assert_shows_whole, cannot, chain,
    no_fault, read_fails, snapshot, standing_order, standing_ticker, watching,
};

const ONE: AccountIndex = AccountIndex(1);
const TWO: AccountIndex = AccountIndex(2);

/// The ticker, an adapter that looks after the first accounts, and where the first of them is paid.
struct Scene {
    spec: TickerSpec,
    provider: Arc<dyn PaymentProvider>,
    order: IntentRecord,
    amount: Amount,
}

fn scene(harness: &dyn Harness) -> Option<Scene> {
    let provider = watching(harness);
    let spec = standing_ticker(provider.as_ref())?;
    let order = standing_order(harness, provider.as_ref(), &spec, ONE);
    Some(Scene { spec, provider, order, amount: harness.amount(&spec) })
}

/// As the engine stores a payment at first sight: the reference is the payment's own.
fn stored(order: &IntentRecord, payment: &PaymentRef) -> IntentRecord {
    let provider_ref = ProviderRef::new(payment.as_str()).expect("a payment's reference is a reference");
    IntentRecord { provider_ref, ..order.clone() }
}

/// Everything that a scan shows, page by page, by address and reference; and the last cursor.
async fn scanned(
    provider: &dyn PaymentProvider,
    cursor: Option<ScanCursor>,
) -> (BTreeMap<(String, PaymentRef), PaymentReading>, ScanCursor) {
    let (all, _, cursor) = scanned_with_taken(provider, cursor).await;
    (all, cursor)
}

/// As [`scanned`], with what was taken in, by payment.
async fn scanned_with_taken(
    provider: &dyn PaymentProvider,
    mut cursor: Option<ScanCursor>,
) -> (BTreeMap<(String, PaymentRef), PaymentReading>, BTreeMap<PaymentRef, Taken>, ScanCursor) {
    let (mut all, mut taken) = (BTreeMap::new(), BTreeMap::new());
    for _ in 0..1_000 {
        let page = match provider.scan(cursor.as_ref()).await {
            Ok(page) => page,
            Err(error) => panic!("scan failed: {}", chain(&error)),
        };
        for observation in page.observations {
            assert_eq!(observation.provider, provider.id(), "an observation of another provider");
            assert_ne!(observation.ours, Some(false), "ours was taken for another's: {observation:?}");
            if let (Target::Address(address), Observed::Payment(reading)) =
                (observation.target, observation.observed)
            {
                all.insert((address, reading.id.clone()), *reading);
            }
        }
        taken.extend(page.taken.into_iter().map(|taken| (taken.payment.clone(), taken)));
        if !page.more {
            return (all, taken, page.next);
        }
        cursor = Some(page.next);
    }
    panic!("a scan of 1000 pages says that there is more");
}

/// What a scan from the beginning shows at the address of `order`.
async fn shown(provider: &dyn PaymentProvider, order: &IntentRecord) -> Vec<PaymentReading> {
    let address = order.instructions.address().expect("a standing address");
    let (all, _) = scanned(provider, None).await;
    all.into_iter().filter(|((at, _), _)| at == address).map(|(_, reading)| reading).collect()
}

/// Scan and read show exactly these payments.
async fn assert_all_show(
    what: &str,
    provider: &dyn PaymentProvider,
    order: &IntentRecord,
    played: &[Played],
) {
    let shown = shown(provider, order).await;
    assert_eq!(shown.len(), played.len(), "{what}: the scan shows {shown:?}, there is {played:?}");
    for played in played {
        let found = shown.iter().find(|reading| reading.id == played.id);
        let found = found.unwrap_or_else(|| panic!("{what}: the scan does not show {}", played.id));
        let amount = played.amount.minor();
        let wanted = if played.stage == PlayedStage::Seen { (amount, 0) } else { (0, amount) };
        let numbers = (found.in_flight, found.confirmed);
        assert_eq!((found.asset, numbers), (played.amount.asset(), wanted), "{what}: {}", played.id);
        let read = snapshot(provider, &stored(order, &played.id)).await;
        assert_shows_whole(what, &read, std::slice::from_ref(played));
        assert!(read.concerns.is_empty(), "{what}: nothing is wrong, but: {:?}", read.concerns);
    }
}

/// A payment to a standing address is shown by the scan, first in flight and then confirmed, under one reference, at its own
/// address alone, and reads back by that reference.
pub async fn a_standing_payment_is_scanned(harness: &dyn Harness) {
    let Some(scene) = scene(harness) else { return };
    let provider = scene.provider.as_ref();
    let other = standing_order(harness, provider, &scene.spec, TWO);
    assert_all_show("unpaid", provider, &scene.order, &[]).await;
    if harness.shows_in_flight(&scene.spec) {
        let seen = harness.pay(&scene.order, Some(scene.amount), PayStage::Seen).await;
        assert_all_show("seen", provider, &scene.order, std::slice::from_ref(&seen)).await;
        let confirmed = harness.confirm(&scene.order, &seen.id).await;
        assert_eq!(confirmed.id, seen.id, "the harness confirmed another payment");
        assert_all_show("confirmed", provider, &scene.order, &[confirmed]).await;
    } else {
        let paid = harness.pay(&scene.order, Some(scene.amount), PayStage::Confirmed).await;
        assert_all_show("confirmed", provider, &scene.order, &[paid]).await;
    }
    assert_all_show("not paid", provider, &other, &[]).await;
}

/// Amounts arrive to the last unit of the asset, small and large.
pub async fn standing_amounts_are_exact(harness: &dyn Harness) {
    let Some(scene) = scene(harness) else { return };
    let mut all = Vec::new();
    for amount in harness.exact_amounts(&scene.spec) {
        let paid = harness.pay(&scene.order, Some(amount), PayStage::Confirmed).await;
        assert_eq!(paid.amount, amount, "the harness paid");
        all.push(paid);
    }
    assert_all_show("exact", scene.provider.as_ref(), &scene.order, &all).await;
}

/// Two payments to one address are two, and a payment to another account's address is that account's.
pub async fn standing_payments_are_each_their_own(harness: &dyn Harness) {
    let Some(scene) = scene(harness) else { return };
    let other = standing_order(harness, scene.provider.as_ref(), &scene.spec, TWO);
    let (one, two) = (&scene.order, &other);
    let pay = |order| harness.pay(order, Some(scene.amount), PayStage::Confirmed);
    let (first, second, third) = (pay(one).await, pay(two).await, pay(one).await);
    assert_ne!(first.id, third.id, "two payments have one reference");
    assert_all_show("of one", scene.provider.as_ref(), one, &[first, third]).await;
    assert_all_show("of two", scene.provider.as_ref(), two, &[second]).await;
}

/// Payments that came while nobody looked are shown after a restart, from the beginning and from a stored cursor; and those of an account
/// that appears later.
pub async fn standing_payments_survive_a_restart(harness: &dyn Harness) {
    let Some(scene) = scene(harness) else { return };
    let (_, cursor) = scanned(scene.provider.as_ref(), None).await;
    let paid = harness.pay(&scene.order, Some(scene.amount), PayStage::Confirmed).await;
    for from in [None, Some(cursor.clone())] {
        let (all, _) = scanned(watching(harness).as_ref(), from.clone()).await;
        assert!(all.keys().any(|(_, id)| *id == paid.id), "after a restart, from {from:?}: {all:?}");
    }
    let late = AccountIndex(70_001);
    let order = standing_order(harness, scene.provider.as_ref(), &scene.spec, late);
    let paid = harness.pay(&order, Some(scene.amount), PayStage::Confirmed).await;
    scene.provider.watch(&[late]);
    let (all, _) = scanned(scene.provider.as_ref(), Some(cursor)).await;
    assert!(all.keys().any(|(_, id)| *id == paid.id), "a payment to a new account: {all:?}");
}

/// A payment that was replaced before it was final is gone, for an adapter that saw it; one that did not see it concludes nothing else.
pub async fn a_replaced_standing_payment_is_gone(harness: &dyn Harness) {
    let Some(scene) = scene(harness) else { return };
    if cannot(harness, Ability::Scenario(Scenario::Replace)) {
        return;
    }
    let provider = scene.provider.as_ref();
    let seen = harness.pay(&scene.order, Some(scene.amount), PayStage::Seen).await;
    let order = stored(&scene.order, &seen.id);
    assert_all_show("seen", provider, &scene.order, std::slice::from_ref(&seen)).await;
    let played = harness.scenario(&scene.order, Scenario::Replace).await.expect("a replaced payment");
    assert!(played.iter().all(|p| p.stage == PlayedStage::Withdrawn), "the harness played {played:?}");
    assert_shows_whole("replaced", &snapshot(provider, &order).await, &played);
    assert_eq!(shown(provider, &scene.order).await, [], "a scan shows what is gone");
    match watching(harness).read(&order).await {
        Ok(read) => assert!(
            read.payments.iter().all(|p| p.confirmed == 0),
            "a replaced payment was never confirmed: {read:?}"
        ),
        Err(error) => NOT_FOUND.check("read of a replaced payment", &error),
    }
}

/// Taking in what waits changes nothing of what was paid, even if nobody had seen it before: scans, also after a restart, go on showing it,
/// and by what each payment was taken in. No more is taken in at once than was asked for.
pub async fn taking_in_hides_no_payment(harness: &dyn Harness) {
    let Some(scene) = scene(harness) else { return };
    let provider = scene.provider.as_ref();
    match provider.receive(ONE, usize::MAX).await {
        Ok(nothing) => assert_eq!((nothing.taken.len(), nothing.failed, nothing.waiting), (0, 0, 0)),
        Err(error) if *error.kind() == ErrorKind::Unsupported => return,
        Err(error) => panic!("receive failed: {}", chain(&error)),
    }
    let (_, cursor) = scanned(provider, None).await;
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(harness.pay(&scene.order, Some(scene.amount), PayStage::Confirmed).await);
    }
    let received = provider.receive(ONE, usize::MAX).await.expect("three payments are taken in");
    assert_eq!((received.taken.len(), received.failed, received.waiting), (3, 0, 0));
    assert!(received.taken.iter().all(|taken| taken.amount == scene.amount), "other amounts: {received:?}");
    let by_payment: BTreeMap<_, _> = received.taken.iter().map(|t| (t.payment.clone(), t.clone())).collect();
    let paid: BTreeSet<_> = all.iter().map(|paid| paid.id.clone()).collect();
    assert_eq!(
        by_payment.keys().cloned().collect::<BTreeSet<_>>(),
        paid,
        "each of the payments, by its reference"
    );
    let blocks: BTreeSet<_> = received.taken.iter().map(|taken| taken.block.as_str()).collect();
    assert_eq!(blocks.len(), 3, "each by a block of its own: {received:?}");
    let (shown, taken, _) = scanned_with_taken(provider, Some(cursor.clone())).await;
    assert_eq!(shown.len(), 3, "taken in before anybody saw it, and never shown: {shown:?}");
    assert_eq!(taken, by_payment, "a scan says the same of what was taken in");
    let (shown, taken, _) = scanned_with_taken(watching(harness).as_ref(), Some(cursor)).await;
    assert_eq!(shown.len(), 3, "taken in just before a restart, and never shown: {shown:?}");
    assert_eq!(taken, by_payment, "by what it was taken in is forgotten with the process");
    assert_all_show("taken in", provider, &scene.order, &all).await;
    let again = provider.receive(ONE, usize::MAX).await.expect("nothing is left");
    assert_eq!((again.taken.len(), again.failed, again.waiting), (0, 0, 0), "taken in twice");
    for _ in 0..2 {
        all.push(harness.pay(&scene.order, Some(scene.amount), PayStage::Confirmed).await);
    }
    let more = watching(harness).receive(ONE, 1).await.expect("one more, after a restart");
    assert_eq!((more.taken.len(), more.failed, more.waiting), (1, 0, 1), "one was asked for");
    let more = watching(harness).receive(ONE, 1).await.expect("the last one");
    assert_eq!((more.taken.len(), more.failed, more.waiting), (1, 0, 0), "the last one");
    assert_all_show("one more", provider, &scene.order, &all).await;
}

/// What is not final is not taken in.
pub async fn what_is_not_final_is_not_taken_in(harness: &dyn Harness) {
    let Some(scene) = scene(harness) else { return };
    if !harness.shows_in_flight(&scene.spec) {
        return;
    }
    harness.pay(&scene.order, Some(scene.amount), PayStage::Seen).await;
    match scene.provider.receive(ONE, usize::MAX).await {
        Ok(received) => {
            assert_eq!((received.taken.len(), received.waiting), (0, 0), "taken in too early")
        }
        Err(error) => assert_eq!(*error.kind(), ErrorKind::Unsupported, "{}", chain(&error)),
    }
}

/// Scan, read and receive all fail in the right way, each with an adapter of its own.
async fn all_fail(harness: &dyn Harness, what: &str, order: &IntentRecord, wanted: Wanted) {
    let error = watching(harness).scan(None).await.expect_err("scan said that it succeeded");
    wanted.check(&format!("{what}: scan"), &error);
    wanted.check(&format!("{what}: read"), &read_fails(watching(harness).as_ref(), order).await);
    let error = watching(harness).receive(ONE, usize::MAX).await.expect_err("receive said that it succeeded");
    if *error.kind() != ErrorKind::Unsupported {
        wanted.check(&format!("{what}: receive"), &error);
    }
}

/// Whatever goes wrong between adapter and provider, a scan says so instead of showing less, and the adapter recovers by itself.
pub async fn a_scan_under_a_fault_is_no_verdict(harness: &dyn Harness) {
    let Some(scene) = scene(harness) else { return };
    let paid = harness.pay(&scene.order, Some(scene.amount), PayStage::Confirmed).await;
    let order = stored(&scene.order, &paid.id);
    let faults = [
        (Fault::Down, TRANSIENT),
        (Fault::ServerError, TRANSIENT),
        (Fault::HtmlError, TRANSIENT),
        (Fault::LostAnswer, TRANSIENT),
        (Fault::RejectKey, AUTHENTICATION),
        (Fault::RateLimited, RATE_LIMITED),
        (Fault::HugeBody, PROTOCOL),
        (Fault::WrongTypes, PROTOCOL),
    ];
    for (fault, wanted) in faults.into_iter().filter(|(fault, _)| !no_fault(harness, *fault)) {
        harness.fault(Some(fault)).await;
        all_fail(harness, &format!("{fault:?}"), &order, wanted).await;
        harness.fault(None).await;
        let what = format!("{fault:?}, over");
        assert_all_show(&what, watching(harness).as_ref(), &scene.order, std::slice::from_ref(&paid)).await;
    }
    for (variant, wanted) in [(Variant::Unreachable, TRANSIENT), (Variant::WrongKey, AUTHENTICATION)] {
        if let Some(provider) = harness.variant(variant) {
            provider.watch(&[ONE]);
            let error = provider.scan(None).await.expect_err("scan said that it succeeded");
            wanted.check(&format!("{variant:?}: scan"), &error);
            wanted.check(&format!("{variant:?}: read"), &read_fails(provider.as_ref(), &order).await);
        }
    }

    let provider = harness.variant(Variant::Impatient).unwrap_or_else(|| harness.provider());
    provider.watch(&[ONE, TWO]);
    let patience = harness.patience(provider.as_ref());
    harness.fault(Some(Fault::Slow)).await;
    let slow = tokio::time::timeout(patience, provider.scan(None)).await;
    let error = slow.expect("slow: scan ends in time").expect_err("scan said that it succeeded");
    TRANSIENT.check("slow: scan", &error);
    harness.fault(None).await;
    let again = async {
        while provider.scan(None).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(patience, again).await.expect("the provider is back, the adapter is not");
    assert_all_show("slow, over", provider.as_ref(), &scene.order, &[paid]).await;
}

/// A word that no document lists is neither success nor failure.
pub async fn an_unknown_word_of_a_standing_payment_changes_nothing(harness: &dyn Harness) {
    let Some(scene) = scene(harness) else { return };
    if no_fault(harness, Fault::UnknownPaymentWord) {
        return;
    }
    let paid = harness.pay(&scene.order, Some(scene.amount), PayStage::Confirmed).await;
    harness.fault(Some(Fault::UnknownPaymentWord)).await;
    let shown = shown(scene.provider.as_ref(), &scene.order).await;
    assert!(shown.is_empty(), "unknown word: {shown:?}");
    let read = snapshot(scene.provider.as_ref(), &stored(&scene.order, &paid.id)).await;
    assert!(read.payments.is_empty() && read.undecided == [paid.id.clone()], "unknown word: {read:?}");
    assert!(!read.concerns.is_empty(), "unknown word: an operator should see it");
    harness.fault(None).await;
    assert_all_show("known words again", scene.provider.as_ref(), &scene.order, &[paid]).await;
}

/// A payment that the provider does not know is not found.
pub async fn an_unknown_standing_payment_is_not_found(harness: &dyn Harness) {
    let Some(scene) = scene(harness) else { return };
    let paid = harness.pay(&scene.order, Some(scene.amount), PayStage::Confirmed).await;
    let known = stored(&scene.order, &paid.id);
    let unknown = IntentRecord { provider_ref: harness.unknown_ref(&known.provider_ref), ..known };
    NOT_FOUND.check("unknown payment", &read_fails(scene.provider.as_ref(), &unknown).await);
}

/// Two events of standing payments are two deliveries, and none is about an account that was not paid.
pub async fn standing_webhooks_are_each_their_own(harness: &dyn Harness) {
    let Some(scene) = scene(harness) else { return };
    if !scene.provider.capabilities().webhooks {
        return;
    }
    let other = standing_order(harness, scene.provider.as_ref(), &scene.spec, TWO);
    for order in [&scene.order, &other] {
        harness.pay(order, Some(scene.amount), PayStage::Confirmed).await;
    }
    let mut told: BTreeMap<String, Vec<DeliveryId>> = BTreeMap::new();
    for delivery in harness.deliveries().await {
        let delivery = scene.provider.webhook(&delivery.raw(harness.now())).expect("an authentic webhook");
        for observation in delivery.observations {
            if let Target::Address(address) = observation.target {
                told.entry(address).or_default().push(delivery.id.clone());
            }
        }
    }
    let of = |order: &IntentRecord| told.get(order.instructions.address().unwrap_or_default());
    let (one, two) = (of(&scene.order).expect("told of one"), of(&other).expect("told of two"));
    assert!(told.len() == 2 && one.iter().all(|id| !two.contains(id)), "{told:?}");
}

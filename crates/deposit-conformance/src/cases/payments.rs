//! Payments, as a read shows them.

use deposit_core::{Amount, IntentRecord, OrderState, PaymentProvider, TickerSpec};

use crate::harness::{Ability, Harness, PayStage, Played, PlayedStage, Scenario};
use crate::support::{assert_shows, cannot, open_usual, opened, order_tickers, reading, request, snapshot};

/// A payment that is seen is in flight, and keeps its reference, amount and time when it is confirmed.
pub async fn a_payment_is_in_flight_then_confirmed(harness: &dyn Harness) {
    let provider = harness.provider();
    for spec in order_tickers(provider.as_ref()) {
        let name = spec.ticker;
        let order = open_usual(harness, &spec).await;
        let mut first_paid_at = None;
        let paid = if harness.shows_in_flight(&spec) {
            let seen = harness.pay(&order, None, PayStage::Seen).await;
            assert_eq!(seen.stage, PlayedStage::Seen, "{name}: the harness paid");
            let read = snapshot(provider.as_ref(), &order).await;
            assert_shows(harness, &format!("{name}, seen"), &read, std::slice::from_ref(&seen));
            first_paid_at = reading(&read, &seen.id).and_then(|p| p.paid_at);
            harness.confirm(&order, &seen.id).await
        } else {
            harness.pay(&order, None, PayStage::Confirmed).await
        };
        let read = snapshot(provider.as_ref(), &order).await;
        assert_eq!(paid.amount.asset(), spec.asset, "{name}: the harness paid");
        assert_shows(harness, &format!("{name}, confirmed"), &read, std::slice::from_ref(&paid));
        assert_eq!(read.state, OrderState::Open, "{name}: a paid order is no failed one");
        assert!(read.concerns.is_empty(), "{name}: nothing is wrong, but: {:?}", read.concerns);
        let paid_at = reading(&read, &paid.id).and_then(|p| p.paid_at);
        if let Some(at) = first_paid_at {
            assert_eq!(paid_at, Some(at), "{name}: the time of the payment changed");
        }
        if let Some(at) = paid_at {
            let off = harness.now().millis_since(at).abs();
            assert!(
                off < 3_600_000,
                "{name}: paid now, but told to be {off} ms away: seconds or milliseconds?"
            );
        }
        assert_eq!(snapshot(provider.as_ref(), &order).await, read, "{name}: a second read differs");
        assert_eq!(
            snapshot(harness.provider().as_ref(), &order).await,
            read,
            "{name}: a restart changed the read"
        );
    }
}

/// Amounts arrive to the last unit of the asset, small and large.
pub async fn amounts_are_exact(harness: &dyn Harness) {
    let provider = harness.provider();
    for spec in order_tickers(provider.as_ref()) {
        for amount in harness.exact_amounts(&spec) {
            let order = open_usual(harness, &spec).await;
            let paid = harness.pay(&order, Some(amount), PayStage::Confirmed).await;
            assert_eq!(paid.amount, amount, "{}: the harness paid", spec.ticker);
            assert_shows(
                harness,
                &format!("{} {amount}", spec.ticker),
                &snapshot(provider.as_ref(), &order).await,
                &[paid],
            );
        }
    }
}

/// Plays a scenario with each ticker that can have it and looks at the read after it.
async fn each<F>(harness: &dyn Harness, scenario: Scenario, check: F)
where
    F: AsyncFn(&dyn PaymentProvider, &TickerSpec, &IntentRecord, &[Played]),
{
    let provider = harness.provider();
    let tickers = order_tickers(provider.as_ref());
    let excused = cannot(harness, Ability::Scenario(scenario));
    let mut played = 0;
    for spec in &tickers {
        let order = open_usual(harness, spec).await;
        let Some(truth) = harness.scenario(&order, scenario).await else { continue };
        played += 1;
        let read = snapshot(provider.as_ref(), &order).await;
        assert_shows(harness, &format!("{} {scenario:?}", spec.ticker), &read, &truth);
        check(provider.as_ref(), spec, &order, &truth).await;
    }
    assert!(excused || tickers.is_empty() || played > 0, "no ticker could have {scenario:?}");
    assert!(!excused || played == 0, "{scenario:?} was played, though the harness says that it cannot be");
}

fn sum(played: &[Played]) -> u128 {
    played.iter().map(|p| p.amount.minor()).sum()
}

fn requested(order: &IntentRecord) -> u128 {
    order.terms.requested().map_or(0, |a| a.minor())
}

/// Half of what is due shows as half, the order stays open, and the place to pay the rest is usable.
pub async fn a_part_shows_as_a_part(harness: &dyn Harness) {
    each(harness, Scenario::Partial, async |provider, spec, order, played| {
        let name = spec.ticker;
        let paid = sum(played);
        assert!(
            paid > 0 && (spec.kind == deposit_core::TickerKind::Swap || paid < requested(order)),
            "{name}: half"
        );
        let read = snapshot(provider, order).await;
        assert_eq!(read.state, OrderState::Open, "{name}");
        if let Some(next) = &read.instructions {
            let (old, new) = (std::mem::discriminant(&order.instructions), std::mem::discriminant(next));
            assert_eq!(old, new, "{name}: another kind of instructions for the rest");
            let place = next.address().or(next.link());
            assert!(place.is_some_and(|p| !p.is_empty()), "{name}: no place to pay the rest");
            let rest = Amount::new(requested(order).saturating_sub(paid), spec.asset).to_string();
            if let (Some(_), Some(link)) = (next.memo().or(next.address()), next.link())
                && !matches!(next, deposit_core::PayInstructions::LightningInvoice { .. })
            {
                assert!(
                    link.contains(&format!("={rest}")),
                    "{name}: the link {link} does not ask for the rest, {rest}"
                );
            }
        }
        let rest = harness.pay(order, None, PayStage::Confirmed).await;
        let mut all = played.to_vec();
        all.retain(|p| p.id != rest.id);
        all.push(rest);
        assert_shows(harness, &format!("{name}, rest paid"), &snapshot(provider, order).await, &all);
    })
    .await;
}

/// More than is due shows as what came.
pub async fn too_much_shows_as_what_came(harness: &dyn Harness) {
    each(harness, Scenario::Over, async |_, spec, order, played| {
        let swap = spec.kind == deposit_core::TickerKind::Swap;
        assert!(swap || sum(played) > requested(order), "{}: half as much again", spec.ticker);
    })
    .await;
}

/// Money that comes after the provider's own deadline counts.
pub async fn a_late_payment_counts(harness: &dyn Harness) {
    each(harness, Scenario::Late, async |provider, spec, order, played| {
        assert!(sum(played) > 0, "{}: late money", spec.ticker);
        let state = snapshot(provider, order).await.state;
        assert!(!matches!(state, OrderState::Failed(_)), "{}: a late payment is no failure", spec.ticker);
    })
    .await;
}

/// A second payment in full counts as much as the first.
pub async fn a_second_payment_counts(harness: &dyn Harness) {
    each(harness, Scenario::Double, async |_, spec, order, played| {
        assert!(sum(played) >= 2 * requested(order), "{}: twice", spec.ticker);
    })
    .await;
}

/// A payment that was replaced before it was confirmed is in flight no longer; the one that is made then counts.
pub async fn a_replaced_payment_is_gone(harness: &dyn Harness) {
    each(harness, Scenario::Replace, async |provider, spec, order, played| {
        let paid = harness.pay(order, None, PayStage::Confirmed).await;
        let mut all = played.to_vec();
        all.push(paid);
        assert_shows(
            harness,
            &format!("{}, paid again", spec.ticker),
            &snapshot(provider, order).await,
            &all,
        );
    })
    .await;
}

/// What a chain took back counts no longer, and again when it comes back, under the same reference.
pub async fn a_reversed_payment_is_gone_and_can_return(harness: &dyn Harness) {
    let provider = harness.provider();
    each(harness, Scenario::Reorg, async |_, spec, order, played| {
        let gone = played.iter().any(|p| p.stage == PlayedStage::Reversed);
        assert!(gone, "{}: the harness reversed nothing", spec.ticker);
        if cannot(harness, Ability::Scenario(Scenario::Return)) {
            return;
        }
        let back = harness.scenario(order, Scenario::Return).await.expect("a return after a reorg");
        let read = snapshot(provider.as_ref(), order).await;
        assert_shows(harness, &format!("{} Return", spec.ticker), &read, &back);
        let ids = |all: &[Played]| all.iter().map(|p| p.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&back), ids(played), "{}: another reference after the return", spec.ticker);
        assert!(
            back.iter().all(|p| p.stage == PlayedStage::Confirmed),
            "{}: the harness returned",
            spec.ticker
        );
    })
    .await;
}

/// What a refund took back shows under the refund's own id, in part and in full.
pub async fn a_refund_shows_as_taken(harness: &dyn Harness) {
    for scenario in [Scenario::RefundPart, Scenario::Refund] {
        each(harness, scenario, async |_, spec, _, played| {
            let taken = played.iter().any(|p| p.taken > 0 || p.stage == PlayedStage::Reversed);
            assert!(taken, "{}: the harness refunded nothing", spec.ticker);
        })
        .await;
    }
}

/// What a dispute holds back shows as taken, and as given back when it is won.
pub async fn a_dispute_shows_as_taken_until_it_is_won(harness: &dyn Harness) {
    each(harness, Scenario::Dispute, async |provider, spec, order, played| {
        let taken = played.iter().any(|p| p.taken > 0 || p.stage == PlayedStage::Reversed);
        assert!(taken, "{}: the harness disputed nothing", spec.ticker);
        if cannot(harness, Ability::Scenario(Scenario::Return)) {
            return;
        }
        let back = harness.scenario(order, Scenario::Return).await.expect("a return after a dispute");
        assert_shows(harness, &format!("{} Return", spec.ticker), &snapshot(provider, order).await, &back);
    })
    .await;
}

/// An order past the provider's own deadline reads as expired, without a payment.
pub async fn an_expired_order_reads_as_expired(harness: &dyn Harness) {
    each(harness, Scenario::Expire, async |provider, spec, order, _| {
        assert_eq!(snapshot(provider, order).await.state, OrderState::Expired, "{}", spec.ticker);
    })
    .await;
}

/// An order that the provider gave up reads as failed; money that came all the same still counts.
pub async fn a_failed_order_reads_as_failed(harness: &dyn Harness) {
    each(harness, Scenario::Fail, async |provider, spec, order, _| {
        let state = snapshot(provider, order).await.state;
        assert!(matches!(state, OrderState::Failed(_)), "{}: {state:?}", spec.ticker);
    })
    .await;
}

/// Payments of one order are not shown on another.
pub async fn payments_stay_with_their_order(harness: &dyn Harness) {
    let provider = harness.provider();
    for spec in order_tickers(provider.as_ref()) {
        let ours = opened(provider.as_ref(), &request(harness, &spec)).await;
        let other = opened(provider.as_ref(), &request(harness, &spec)).await;
        let paid = harness.pay(&ours, None, PayStage::Confirmed).await;
        assert_shows(
            harness,
            &format!("{}, not paid", spec.ticker),
            &snapshot(provider.as_ref(), &other).await,
            &[],
        );
        assert_shows(
            harness,
            &format!("{}, paid", spec.ticker),
            &snapshot(provider.as_ref(), &ours).await,
            &[paid],
        );
    }
}

//! What must hold for any input.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::*;
use deposit_core::{Asset, Evidence, Facts, PaymentReading, Price, Snapshot, Status, TakingId, Timestamp};
use deposit_lifecycle::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const ONE: &[Asset] = &[Asset::BTC];
const MIXED: &[Asset] = &[Asset::BTC, Asset::BTC, Asset::BTC, Asset::LTC];

/// Something that happens to a deposit.
#[derive(Debug, Clone)]
enum Event {
    Facts(Facts),
    Snapshot(Snapshot),
    Tick,
    Prices(bool),
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => any_facts(modest().boxed(), MIXED).prop_map(Event::Facts),
        5 => any_snapshot(modest().boxed(), MIXED).prop_map(Event::Snapshot),
        1 => Just(Event::Tick),
        1 => any::<bool>().prop_map(Event::Prices),
    ]
}

fn run(deposit: &mut Deposit, event: &Event, now: Timestamp) {
    match event {
        Event::Facts(facts) => deposit.facts(facts, now),
        Event::Snapshot(snapshot) => deposit.snapshot(snapshot, now),
        Event::Tick => deposit.tick(now),
        Event::Prices(known) => {
            deposit.prices_known = *known;
            deposit.tick(now)
        }
    };
}

fn merged<'a>(facts: impl IntoIterator<Item = &'a Facts>) -> Evidence {
    facts.into_iter().fold(Evidence::default(), |evidence, facts| merge(evidence, facts).evidence)
}

/// Facts in one order, and in another with repeats.
fn reordered() -> impl Strategy<Value = (Vec<Facts>, Vec<Facts>)> {
    vec(any_facts(modest().boxed(), ONE), 1..6).prop_flat_map(|facts| {
        let all = facts.clone();
        (Just(facts.clone()), Just(facts).prop_shuffle(), vec(select(all), 0..6)).prop_map(
            |(first, mut second, repeats)| {
                second.extend(repeats);
                (first, second)
            },
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn merging_is_idempotent_commutative_and_associative(
        a in any_payment(wild().boxed(), ONE),
        b in any_payment(wild().boxed(), ONE),
        c in any_payment(wild().boxed(), ONE),
    ) {
        let join = |a: &deposit_core::PaymentEvidence, b: &deposit_core::PaymentEvidence| {
            merge_payment(a.clone(), b).unwrap()
        };
        prop_assert_eq!(join(&a, &a), a.clone());
        prop_assert_eq!(join(&a, &b), join(&b, &a));
        prop_assert_eq!(join(&join(&a, &b), &c), join(&a, &join(&b, &c)));
        prop_assert_eq!(join(&join(&a, &b), &b), join(&a, &b));
    }

    #[test]
    fn facts_in_any_order_and_number_end_alike((first, second) in reordered(), terms in any_terms()) {
        prop_assert_eq!(merged(&first), merged(&second));

        // Before the deadline, so that first sight does not decide the price.
        let now = CREATED.plus_secs(1);
        let (mut one, mut other) = (Deposit::new(terms), Deposit::new(terms));
        let last_one = first.iter().map(|f| one.facts(f, now)).last().unwrap();
        let last_other = second.iter().map(|f| other.facts(f, now)).last().unwrap();
        one.check()?;
        other.check()?;
        for id in one.evidence.payments.keys() {
            prop_assert_eq!(one.credit.payments[id].posted, other.credit.payments[id].posted);
        }
        prop_assert_eq!(last_one.view.credited, last_other.view.credited);
        prop_assert_eq!(last_one.view.paid, last_other.view.paid);
        // What was Completed, Expired or Failed on one way stays so; otherwise the ways end in one status.
        let sticky = |d: &Deposit| (d.credit.completed_at.is_some(), d.credit.closed);
        if sticky(&one) == sticky(&other) {
            prop_assert_eq!(one.status(), other.status());
        }
        // Merged at once there is but one answer.
        let fresh = |evidence: &Evidence, credit: &Credit| {
            let credit = Credit { completed_at: None, closed: None, ..credit.clone() };
            status(&terms, evidence, &credit, now).status
        };
        prop_assert_eq!(fresh(&one.evidence, &one.credit), fresh(&other.evidence, &other.credit));
    }

    /// A snapshot is committed only if no higher number was, as the store does it.
    #[test]
    fn snapshots_in_any_order_end_as_the_newest_says(
        figures in vec(vec((any_ref(), modest(), modest()), 0..4), 1..6),
        arrivals in vec(any::<prop::sample::Index>(), 0..12),
        terms in any_terms(),
    ) {
        let snapshots: Vec<Snapshot> = figures
            .iter()
            .map(|payments| {
                let mut seen = std::collections::BTreeSet::new();
                read(payments
                    .iter()
                    .filter(|(id, _, _)| seen.insert(id.clone()))
                    .map(|(id, in_flight, confirmed)| PaymentReading {
                        in_flight: *in_flight,
                        settled: Some(sats(*confirmed)),
                        ..PaymentReading::confirmed(id.clone(), sats(*confirmed))
                    })
                    .collect())
            })
            .collect();
        let newest = snapshots.len() - 1;
        let now = CREATED.plus_secs(1);
        let mut deposit = Deposit::new(terms);
        let mut highest = None;
        // The newest comes at some time: at the end, if not before.
        for number in arrivals.iter().map(|i| i.index(snapshots.len())).chain([newest]) {
            if highest.is_none_or(|h| h <= number) {
                highest = Some(number);
                deposit.snapshot(&snapshots[number], now);
                deposit.check()?;
            }
        }
        for (id, payment) in &deposit.evidence.payments {
            let (f, c) = snapshots[newest]
                .payments
                .iter()
                .find(|r| r.id == *id)
                .map_or((0, 0), |r| (r.in_flight, r.confirmed));
            prop_assert_eq!((in_flight(payment), net(payment)), (f, c));
        }
        for reading in &snapshots[newest].payments {
            prop_assert!(deposit.evidence.payments.contains_key(&reading.id));
        }
    }

    /// The central property of `facts_of`, from whatever evidence: listed payments stand as listed, and the same
    /// snapshot again changes nothing.
    #[test]
    fn a_snapshot_is_taken_exactly_and_once(
        before in any_facts(wild().boxed(), MIXED),
        snapshot in any_snapshot(modest().boxed(), MIXED),
        at in any_time(),
        later in any_time(),
    ) {
        let after = merge(before.clone(), &facts_of(&before, &snapshot, at)).evidence;
        let again = merge(after.clone(), &facts_of(&after, &snapshot, at.max(later))).evidence;
        prop_assert_eq!(&again, &after);

        for id in &snapshot.undecided {
            prop_assert_eq!(after.payments.get(id), before.payments.get(id));
        }
        for (id, payment) in &after.payments {
            let known = before.payments.get(id);
            let readings: Vec<_> = snapshot.payments.iter().filter(|r| r.id == *id).collect();
            if snapshot.undecided.contains(id) {
                continue;
            }
            // Sums at the end of 128 bits are held there.
            let chain = payment.takings.get(&TakingId::chain()).copied().unwrap_or_default();
            let held = payment.seen == u128::MAX || chain.taken == u128::MAX;
            let shown = || payment.confirmed - chain.taken.saturating_sub(chain.given_back);
            match readings.as_slice() {
                [] => {
                    let ours = known.is_some_and(|k| k.order.as_ref() == Some(&snapshot.order));
                    if !(ours && snapshot.complete) {
                        prop_assert_eq!(Some(payment), known);
                    } else if !held {
                        prop_assert_eq!((in_flight(payment), shown()), (0, 0));
                    }
                }
                [reading] if payment.asset == reading.asset && !held => {
                    prop_assert_eq!((in_flight(payment), shown()), (reading.in_flight, reading.confirmed));
                }
                // Held, or in another asset than was known: refused. Listed twice: one of the readings.
                _ => {}
            }
        }
    }

    #[test]
    fn a_run_keeps_the_ledger_and_the_table(
        terms in any_terms(),
        events in vec((any_event(), 0..400_000_i64), 1..25),
    ) {
        let mut deposit = Deposit::new(terms);
        let mut now = CREATED;
        for (event, pause) in &events {
            now = now.plus_millis(*pause);
            run(&mut deposit, event, now);
            deposit.check()?;
            // The same again: nothing to post, nothing to change.
            let before = (deposit.evidence.clone(), deposit.credit.clone(), deposit.history.clone(), deposit.postings);
            run(&mut deposit, event, now);
            let after = (deposit.evidence.clone(), deposit.credit.clone(), deposit.history.clone(), deposit.postings);
            prop_assert_eq!(before, after);
        }
        // Once prices are known, nothing confirmed waits for one.
        deposit.prices_known = true;
        let last = deposit.tick(now);
        prop_assert!(last.unpriced.is_empty());
        deposit.check()?;
    }

    /// Not even a clock that jumps about leads out of the table.
    #[test]
    fn no_clock_leads_out_of_the_table(
        terms in any_terms(),
        events in vec((any_event(), any_time()), 1..25),
    ) {
        let mut deposit = Deposit::new(terms);
        for (event, now) in &events {
            run(&mut deposit, event, *now);
            deposit.check()?;
        }
    }

    #[test]
    fn nothing_panics_and_the_path_holds_for_any_figures(
        terms in any_terms(),
        credit in any_credit(),
        facts in vec(any_facts(wild().boxed(), MIXED), 0..4),
        snapshots in vec(any_snapshot(wild().boxed(), MIXED), 0..4),
        now in any_time(),
        rate in any_price(),
    ) {
        let mut evidence = merged(&facts);
        for snapshot in &snapshots {
            let facts = facts_of(&evidence, snapshot, now);
            evidence = merge(evidence, &facts).evidence;
            let again = facts_of(&evidence, snapshot, now);
            prop_assert_eq!(&merge(evidence.clone(), &again).evidence, &evidence);
        }
        for payment in evidence.payments.values() {
            prop_assert!(net(payment) <= payment.confirmed);
            prop_assert!(in_flight(payment) <= payment.seen);
            prop_assert!(paid(payment) >= net(payment));
            let _ = stage(payment);
            for price in [rate, Price::ONE] {
                if let Ok(worth) = worth(&terms, payment, price) {
                    prop_assert_eq!(Some(worth.total()), worth.base.checked_add(worth.bonus));
                }
            }
            let _ = price_need(&terms, payment_time(&terms, payment.paid_at, now, now));
        }
        let _ = bonus_of(&terms, &evidence, &credit);
        let expect_completion = completes(&terms, &evidence, &post(credit.clone(), &owed(&terms, &evidence, &credit).owed), now);
        let first = advance(&terms, &evidence, credit.clone(), now);
        prop_assert_eq!(expect_completion, credit.completed_at.is_none() && first.credit.completed_at.is_some());
        let second = advance(&terms, &evidence, first.credit.clone(), now);
        prop_assert!(second.owed.is_empty());
        prop_assert_eq!(&second.credit, &first.credit);
        prop_assert_eq!(second.view.status, first.view.status);
        // The same postings twice count once.
        prop_assert_eq!(post(first.credit.clone(), &first.owed), first.credit);
    }

    #[test]
    fn net_agrees_with_sums_in_plain_integers(payment in any_payment((0..1_u128 << 100).boxed(), ONE)) {
        let sum = |f: fn(&deposit_core::Taking) -> u128| payment.takings.values().map(f).sum::<u128>();
        let outstanding = sum(|t| t.taken).saturating_sub(sum(|t| t.given_back));
        prop_assert_eq!(net(&payment), payment.confirmed - outstanding.min(payment.confirmed));
    }

    /// Never more than what came is worth, and more money is never worth less.
    #[test]
    fn worth_grows_with_net(terms in any_terms(), a in 0..1_000_000_000_u128, b in 0..1_000_000_000_u128, settled in modest()) {
        let value = |confirmed| {
            let payment = deposit_core::PaymentEvidence {
                confirmed: a.max(b),
                takings: [(TakingId::chain(), deposit_core::Taking { taken: a.max(b) - confirmed, given_back: 0 })].into(),
                settled: Some(deposit_core::Amount::new(settled, Asset::XNO)),
                ..deposit_core::PaymentEvidence::none(Asset::BTC)
            };
            worth(&terms, &payment, price("7.77")).unwrap().total()
        };
        prop_assert!(value(a.min(b)).minor() <= value(a.max(b)).minor());
        prop_assert!(value(0).is_zero());
    }

    #[test]
    fn a_payment_s_time_is_within_the_deposit_s_life(told in proptest::option::of(any_time()), heard in any_time(), now in any_time()) {
        let at = payment_time(&btc_terms(), told, heard, now);
        prop_assert!(at >= CREATED);
        prop_assert!(at <= now.max(CREATED));
        let wanted = told.unwrap_or(heard);
        if (CREATED..=now).contains(&wanted) {
            prop_assert_eq!(at, wanted);
        }
    }

    #[test]
    fn a_state_survives_being_stored(credit in any_credit(), evidence in any_facts(wild().boxed(), MIXED)) {
        let text = serde_json::to_string(&credit).unwrap();
        prop_assert_eq!(serde_json::from_str::<Credit>(&text).unwrap(), credit);
        let text = serde_json::to_string(&evidence).unwrap();
        prop_assert_eq!(serde_json::from_str::<Evidence>(&text).unwrap(), evidence);
    }

    #[test]
    fn a_history_is_checked_step_by_step(history in vec(select(vec![
        Status::New, Status::Pending, Status::Processing, Status::Paid, Status::Completed, Status::Expired, Status::Failed,
    ]), 0..6)) {
        let fine = history.first().is_none_or(|first| may_open(*first))
            && history.windows(2).all(|pair| can_go(pair[0], pair[1]));
        prop_assert_eq!(check_path(&history).is_ok(), fine);
    }
}

//! The status rules of the README, one by one, and every cell of the contract's table.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use Status::{Completed, Expired, Failed, New, Paid, Pending, Processing};
use common::*;
use deposit_core::{
    Amount, Asset, Failure, OrderState, PaymentReading, Snapshot, Status, Taking, Terms, Timestamp,
};
use deposit_lifecycle::*;

const NOW: Timestamp = Timestamp::from_secs(1_500);
const ALL: [Status; 7] = [New, Pending, Processing, Paid, Completed, Expired, Failed];

fn seen(id: &str, minor: u128) -> PaymentReading {
    PaymentReading::in_flight(pay(id), sats(minor))
}

fn confirmed(id: &str, minor: u128) -> PaymentReading {
    PaymentReading::confirmed(pay(id), sats(minor))
}

fn failed(payments: Vec<PaymentReading>) -> Snapshot {
    Snapshot { state: OrderState::Failed(Failure::Invalid), ..read(payments) }
}

fn expired_there(payments: Vec<PaymentReading>) -> Snapshot {
    Snapshot { state: OrderState::Expired, ..read(payments) }
}

fn only_full() -> Terms {
    btc_terms().confirming_only_full(true)
}

/// Plays reads at their times and tells the statuses after each.
fn play(terms: Terms, reads: &[(Snapshot, Timestamp)]) -> Vec<Status> {
    let mut deposit = Deposit::new(terms);
    let statuses = reads.iter().map(|(read, now)| deposit.snapshot(read, *now).view.status).collect();
    deposit.check().unwrap();
    statuses
}

#[test]
fn the_table_is_the_contract_s() {
    // Section 6, row by row, in the order of ALL.
    let table = [
        (New, [0, 1, 1, 1, 1, 1, 1]),
        (Pending, [0, 0, 1, 1, 1, 1, 1]),
        (Processing, [0, 1, 0, 1, 1, 1, 1]),
        (Paid, [0, 1, 1, 0, 1, 1, 1]),
        (Completed, [0, 0, 0, 0, 0, 0, 0]),
        (Expired, [0, 0, 1, 1, 1, 0, 0]),
        (Failed, [0, 0, 1, 1, 1, 0, 0]),
    ];
    for (from, row) in table {
        for (to, cell) in ALL.into_iter().zip(row) {
            assert_eq!(can_go(from, to), cell == 1, "{from} -> {to}");
        }
    }
}

/// Makes the deposit stand at `to`, where the table lets it.
fn go(deposit: &mut Deposit, to: Status, step: u32) {
    let now = NOW.plus_secs(i64::from(step));
    deposit.prices_known = to != Paid;
    match to {
        New => deposit.tick(now),
        Pending => deposit.snapshot(&read(vec![confirmed("part", 10)]), now),
        Processing => deposit.snapshot(&read(vec![seen("all", ASKED)]), now),
        Paid => deposit.snapshot(&read(vec![confirmed("unpriced", ASKED)]), now),
        Completed => deposit.snapshot(&read(vec![confirmed("whole", ASKED)]), now),
        Expired => deposit.snapshot(&read(vec![]), DEADLINE),
        Failed => deposit.snapshot(&failed(vec![]), now),
    };
}

#[test]
fn every_step_of_the_table_can_happen_and_no_other() {
    for from in ALL {
        for to in ALL {
            let mut deposit = Deposit::new(btc_terms());
            go(&mut deposit, from, 1);
            assert_eq!(deposit.status(), from);
            go(&mut deposit, to, 2);
            if can_go(from, to) || from == to {
                assert_eq!(deposit.status(), to, "{from} -> {to}");
            } else {
                assert_ne!(deposit.status(), to, "{from} -> {to}");
            }
            deposit.check().unwrap();
        }
    }
}

#[test]
fn histories_are_checked() {
    assert_eq!(check_path(&[]), Ok(()));
    assert_eq!(check_path(&[New, Processing, Pending, Paid, Completed]), Ok(()));
    assert_eq!(check_path(&[New, Expired, Processing, Expired]), Ok(()));
    for first in [Processing, Paid, Completed, Pending] {
        assert_eq!(check_path(&[first]), Ok(()), "opened by a standing payment");
    }
    assert_eq!(check_path(&[Expired]), Err(BadStep::Opening { first: Expired }));
    assert_eq!(check_path(&[Failed]), Err(BadStep::Opening { first: Failed }));
    let error = check_path(&[New, Processing, Expired, Pending]).unwrap_err();
    assert_eq!(error, BadStep::Step { step: 3, from: Expired, to: Pending });
    assert_eq!(error.to_string(), "step 3 goes from Expired to Pending, which is not in the table");
    assert!(check_path(&[New, New]).is_err());
}

#[test]
fn rule_1_completed_stays_and_tells_of_a_reversal() {
    let mut deposit = Deposit::new(btc_terms());
    let step = deposit.snapshot(&read(vec![confirmed("a", ASKED)]), NOW);
    assert_eq!((step.view.status, step.view.reversed, step.view.credited), (Completed, false, usd("20")));
    assert_eq!(step.credit.completed_at, Some(NOW));

    let step = deposit.snapshot(&read(vec![]), NOW.plus_secs(1));
    assert_eq!((step.view.status, step.view.reversed, step.view.credited), (Completed, true, 0));
    assert_eq!(step.view.paid, 0);
    assert_eq!(step.owed[0].kind, PostingKind::Reversal);
    assert_eq!((step.owed[0].posting, step.owed[0].amount.to_string().as_str()), (2, "-20"));

    // Confirmed again in another block: the credit is back, and nothing is reversed any more.
    let step = deposit.snapshot(&read(vec![confirmed("a", ASKED)]), NOW.plus_secs(2));
    assert_eq!((step.view.status, step.view.reversed, step.view.credited), (Completed, false, usd("20")));
    assert_eq!((step.owed[0].posting, step.owed[0].kind), (3, PostingKind::Credit));
    assert_eq!(step.credit.completed_at, Some(NOW), "the first time stays");
    assert_eq!(deposit.tick(DEADLINE.plus_secs(9)).view.status, Completed);
}

#[test]
fn rule_2_confirmed_without_its_credit_is_paid() {
    let mut deposit = Deposit::new(btc_terms());
    deposit.prices_known = false;
    let step = deposit.snapshot(&read(vec![confirmed("a", ASKED)]), DEADLINE.plus_secs(1));
    assert_eq!((step.view.status, step.view.credited, step.view.late), (Paid, 0, true));
    assert_eq!(step.unpriced, [pay("a")]);
    assert!(step.owed.is_empty());
    deposit.prices_known = true;
    let step = deposit.tick(DEADLINE.plus_secs(2));
    assert_eq!((step.view.status, step.view.credited), (Completed, usd("16")), "at the later rate");

    // Even a small unpriced part, and even while more is in flight.
    let mut deposit = Deposit::new(btc_terms());
    deposit.prices_known = false;
    let step = deposit.snapshot(&read(vec![confirmed("a", 1), seen("b", ASKED)]), NOW);
    assert_eq!(step.view.status, Paid);
}

#[test]
fn rule_2_what_is_not_posted_yet_is_paid() {
    let mut deposit = Deposit::new(btc_terms());
    deposit.snapshot(&read(vec![confirmed("a", ASKED)]), NOW);
    let mut credit = Credit { completed_at: None, ..deposit.credit.clone() };
    let entry = credit.payments.get_mut(&pay("a")).unwrap();
    (entry.posted, entry.postings) = (0, 0);
    let view = status(&deposit.terms, &deposit.evidence, &credit, NOW);
    assert_eq!(view.status, Paid);
    assert!(!completes(&deposit.terms, &deposit.evidence, &credit, NOW));
    let posted = post(credit.clone(), &owed(&deposit.terms, &deposit.evidence, &credit).owed);
    assert!(completes(&deposit.terms, &deposit.evidence, &posted, NOW));
}

#[test]
fn rule_2_a_swap_that_has_not_settled_is_not_completed_for_nothing() {
    let kas = Amount::parse("1000", Asset::KAS).unwrap();
    let mut deposit = Deposit::new(swap_terms());
    let mut reading = PaymentReading::confirmed(pay("swap"), kas);
    let step = deposit.snapshot(&read(vec![reading.clone()]), NOW);
    assert_eq!(step.view.status, Paid);
    assert!(step.owed.is_empty() && step.unpriced.is_empty(), "it waits for the provider, not for a price");
    reading.settled = Some(Amount::parse("10", Asset::XNO).unwrap());
    let step = deposit.snapshot(&read(vec![reading]), NOW.plus_secs(1));
    assert_eq!((step.view.status, step.view.credited), (Completed, usd("9.3")));
}

#[test]
fn rule_3_the_whole_completes_in_one_or_in_parts() {
    assert_eq!(play(btc_terms(), &[(read(vec![confirmed("a", ASKED)]), NOW)]), [Completed]);
    let parts = [
        (read(vec![confirmed("a", ASKED - 1)]), NOW),
        (read(vec![confirmed("a", ASKED - 1), confirmed("b", 1)]), NOW),
    ];
    assert_eq!(play(btc_terms(), &parts), [Pending, Completed]);
    // What is still on its way beside it does not matter.
    let beside = [(read(vec![confirmed("a", ASKED), seen("b", 5)]), NOW)];
    assert_eq!(play(btc_terms(), &beside), [Completed]);
}

#[test]
fn rule_3_a_rest_that_cannot_be_sent_is_not_asked_for() {
    let terms = btc_terms().with_least_payment(546);
    let at = |missing: u128| {
        let mut deposit = Deposit::new(terms);
        let view = deposit.snapshot(&read(vec![confirmed("a", ASKED - missing)]), NOW).view;
        deposit.check().unwrap();
        (view.status, view.due, view.credited, view.reason.map(|r| r.to_string()))
    };
    // Credited by what came, with no word of a rest.
    assert_eq!(at(1), (Completed, 0, usd("19.9995"), None));
    assert_eq!(at(545), (Completed, 0, usd("19.7275"), None));
    let missing = Some("Paid in part: 0.00000546 BTC is missing.".to_owned());
    assert_eq!(at(546), (Pending, 546, usd("19.727"), missing));
    // While it is on its way the rest is not asked for either.
    let seen_first = [(read(vec![seen("a", ASKED - 1)]), NOW), (read(vec![confirmed("a", ASKED - 1)]), NOW)];
    assert_eq!(play(terms, &seen_first), [Processing, Completed]);
    // Gone again before it was confirmed: all of it is due.
    let mut gone = Deposit::new(terms);
    gone.snapshot(&read(vec![seen("a", ASKED - 1)]), NOW);
    let view = gone.snapshot(&read(vec![]), NOW).view;
    assert_eq!((view.status, view.due), (Pending, ASKED));
    // A rest that comes all the same is credited, as any excess is.
    let both = read(vec![confirmed("a", ASKED - 1), confirmed("b", 1)]);
    let mut deposit = Deposit::new(terms);
    deposit.snapshot(&read(vec![confirmed("a", ASKED - 1)]), NOW);
    assert_eq!(deposit.snapshot(&both, NOW).view.credited, usd("20"));
    // An order of less than can be sent is not completed by nothing.
    let tiny = btc_terms().with_least_payment(ASKED + 1);
    assert_eq!(play(tiny, &[(read(vec![]), NOW), (read(vec![seen("a", 1)]), NOW)]), [New, Processing]);
    // Who confirms full payments only waits for the whole.
    let short = read(vec![seen("a", ASKED - 1)]);
    assert_eq!(play(only_full().with_least_payment(546), &[(short, NOW)]), [Pending]);
    // Nothing is due where nothing was asked for.
    assert_eq!(Deposit::new(nano_terms()).snapshot(&read(vec![]), NOW).view.due, 0);
}

#[test]
fn rule_4_in_flight_is_processing() {
    for minor in [1, ASKED, ASKED * 2] {
        assert_eq!(play(btc_terms(), &[(read(vec![seen("a", minor)]), NOW)]), [Processing], "{minor}");
    }
    let part_and_rest = [(read(vec![confirmed("a", 1), seen("b", 1)]), NOW)];
    assert_eq!(play(btc_terms(), &part_and_rest), [Processing]);
    // After the deadline, after the provider's, after a failure.
    assert_eq!(play(btc_terms(), &[(read(vec![seen("a", 1)]), DEADLINE)]), [Processing]);
    let steps = [(expired_there(vec![]), NOW), (expired_there(vec![seen("a", 1)]), NOW)];
    assert_eq!(play(btc_terms(), &steps), [Expired, Processing]);
    let steps = [(failed(vec![]), NOW), (failed(vec![seen("a", 1)]), NOW), (failed(vec![]), NOW)];
    assert_eq!(play(btc_terms(), &steps), [Failed, Processing, Failed]);
}

#[test]
fn rule_4_a_part_that_is_never_confirmed_waits() {
    let part = read(vec![seen("a", ASKED - 1)]);
    assert_eq!(play(only_full(), &[(part.clone(), NOW), (part.clone(), DEADLINE)]), [Pending, Expired]);
    assert_eq!(play(only_full(), &[(read(vec![seen("a", ASKED)]), NOW)]), [Processing]);
    // Failed before: it cannot be Pending again.
    let steps = [(failed(vec![]), NOW), (failed(vec![seen("a", 1)]), NOW.plus_secs(1))];
    assert_eq!(play(only_full(), &steps), [Failed, Failed]);
    // Completed by the rest, even late.
    let steps = [(part, DEADLINE), (read(vec![confirmed("a", ASKED)]), DEADLINE.plus_secs(1))];
    assert_eq!(play(only_full(), &steps), [Expired, Completed]);
    // With a credited part beside it, expiry completes.
    let both = read(vec![confirmed("a", 5), seen("b", 5)]);
    assert_eq!(play(only_full(), &[(both.clone(), NOW), (both, DEADLINE)]), [Pending, Completed]);
}

#[test]
fn rule_5_a_credited_part_waits_until_the_order_closes() {
    let part = read(vec![confirmed("a", ASKED / 2)]);
    let before = DEADLINE.plus_millis(-1);
    let steps = [(part.clone(), NOW), (part.clone(), before), (part.clone(), DEADLINE)];
    assert_eq!(play(btc_terms(), &steps), [Pending, Pending, Completed]);
    // The provider's own expiry, or failure, closes it as well.
    let theirs = expired_there(vec![confirmed("a", ASKED / 2)]);
    assert_eq!(play(btc_terms(), &[(part.clone(), NOW), (theirs, NOW.plus_secs(1))]), [Pending, Completed]);
    let gave_up = failed(vec![confirmed("a", ASKED / 2)]);
    assert_eq!(play(btc_terms(), &[(part.clone(), NOW), (gave_up.clone(), NOW)]), [Pending, Completed]);
    assert_eq!(play(btc_terms(), &[(failed(vec![]), NOW), (gave_up, NOW)]), [Failed, Completed]);
    // A part that comes late.
    assert_eq!(play(btc_terms(), &[(read(vec![]), DEADLINE), (part, DEADLINE)]), [Expired, Completed]);
}

#[test]
fn rule_6_failed_before_the_deadline_stays_failed() {
    let steps =
        [(failed(vec![]), NOW), (failed(vec![]), DEADLINE), (expired_there(vec![]), DEADLINE.plus_secs(1))];
    assert_eq!(play(btc_terms(), &steps), [Failed, Failed, Failed]);
    // At or after the deadline it is expiry.
    for at in [DEADLINE, DEADLINE.plus_secs(1)] {
        assert_eq!(play(btc_terms(), &[(failed(vec![]), at)]), [Expired]);
    }
    let steps = [(expired_there(vec![]), NOW), (failed(vec![]), NOW.plus_secs(1))];
    assert_eq!(play(btc_terms(), &steps), [Expired, Expired]);
    // Both at the same moment: the first to be committed stays.
    assert_eq!(play(btc_terms(), &[(failed(vec![]), NOW), (expired_there(vec![]), NOW)]), [Failed, Failed]);
    assert_eq!(play(btc_terms(), &[(expired_there(vec![]), NOW), (failed(vec![]), NOW)]), [Expired, Expired]);
}

#[test]
fn rule_6_what_was_observed_earlier_and_committed_later_changes_no_verdict() {
    // The timer commits the expiry while a read from before it is under way.
    let mut deposit = Deposit::new(btc_terms());
    assert_eq!(deposit.tick(DEADLINE).view.status, Expired);
    let facts = facts_of(&deposit.evidence, &failed(vec![]), DEADLINE.plus_millis(-5));
    let step = deposit.facts(&facts, DEADLINE.plus_millis(5));
    assert_eq!((step.view.status, step.credit.closed), (Expired, Some(Closed::Expired)));
    // And the other way round.
    let mut deposit = Deposit::new(btc_terms());
    deposit.snapshot(&failed(vec![]), NOW);
    let facts = facts_of(&deposit.evidence, &expired_there(vec![]), NOW.plus_secs(-5));
    let step = deposit.facts(&facts, NOW.plus_secs(5));
    assert_eq!((step.view.status, step.credit.closed), (Failed, Some(Closed::Failed)));
    assert_eq!(step.view.reason, Some(Reason::Failed(Failure::Invalid)));
}

#[test]
fn rule_6_expiry_is_at_the_deadline() {
    let empty = read(vec![]);
    let steps = [(empty.clone(), DEADLINE.plus_millis(-1)), (empty, DEADLINE)];
    assert_eq!(play(btc_terms(), &steps), [New, Expired]);
    // Gone before any credit, after expiry.
    let steps = [(read(vec![seen("a", ASKED)]), NOW), (read(vec![]), DEADLINE)];
    assert_eq!(play(btc_terms(), &steps), [Processing, Expired]);
    // A provider's expiry after ours moves nothing.
    let mut deposit = Deposit::new(btc_terms());
    deposit.tick(DEADLINE);
    deposit.snapshot(&expired_there(vec![]), DEADLINE.plus_secs(60));
    assert_eq!(deadline(&deposit.terms, &deposit.evidence.order), Some(DEADLINE));
}

#[test]
fn rule_7_gone_before_any_credit_is_pending() {
    // Never seen to stand, listed as gone at first sight: it is shown among the payments, so that the deposit is not `New`.
    let gone = read(vec![PaymentReading::gone(pay("a"), Asset::BTC)]);
    assert_eq!(play(btc_terms(), &[(gone, NOW)]), [Pending]);
    let steps = [(read(vec![seen("a", ASKED)]), NOW), (read(vec![]), NOW)];
    assert_eq!(play(btc_terms(), &steps), [Processing, Pending]);
    // Confirmed without a price, then reorganised away.
    let mut deposit = Deposit::new(btc_terms());
    deposit.prices_known = false;
    assert_eq!(deposit.snapshot(&read(vec![confirmed("a", ASKED)]), NOW).view.status, Paid);
    let step = deposit.snapshot(&read(vec![]), NOW);
    assert_eq!((step.view.status, step.view.reversed), (Pending, false), "there was no credit to undo");
    assert_eq!(deposit.tick(DEADLINE).view.status, Expired);
}

#[test]
fn rule_8_nothing_was_seen() {
    assert_eq!(play(btc_terms(), &[(read(vec![]), NOW)]), [New]);
}

#[test]
fn a_standing_address_has_no_deadline() {
    let raw = |minor| read(vec![PaymentReading::confirmed(pay("block"), Amount::new(minor, Asset::XNO))]);
    let far = DEADLINE.plus_secs(1_000_000);
    let mut deposit = Deposit::new(nano_terms());
    let step = deposit.snapshot(&raw(1), far);
    assert_eq!((step.view.status, step.view.expired, step.view.late), (Completed, false, false));
    assert_eq!((step.view.credited, step.view.reason), (1, None), "any amount, in kind");
    assert_eq!(deadline(&deposit.terms, &deposit.evidence.order), None);

    let waiting = PaymentReading::in_flight(pay("block"), Amount::new(7, Asset::XNO));
    let steps = [(read(vec![waiting]), far), (expired_there(vec![]), far.plus_secs(1))];
    assert_eq!(play(nano_terms(), &steps), [Processing, Pending]);
}

#[test]
fn late_means_after_the_deadline() {
    let late = |paid_at: Timestamp, read: fn(Vec<PaymentReading>) -> Snapshot| {
        let mut deposit = Deposit::new(btc_terms());
        deposit.snapshot(&read(vec![]), NOW);
        let payment = PaymentReading { paid_at: Some(paid_at), ..confirmed("a", ASKED) };
        let view = deposit.snapshot(&read(vec![payment]), DEADLINE.plus_secs(100)).view;
        (view.late, view.credited)
    };
    assert_eq!(late(DEADLINE, read), (false, usd("20")));
    assert_eq!(late(DEADLINE.plus_millis(1), read), (true, usd("16")));
    // After the provider's own expiry it is late, and still at the locked rate.
    assert_eq!(late(NOW, expired_there), (false, usd("20")));
    assert_eq!(late(NOW.plus_millis(1), expired_there), (true, usd("20")));
    // A late payment that is gone again leaves no mark.
    let mut deposit = Deposit::new(btc_terms());
    assert!(deposit.snapshot(&read(vec![seen("a", 1)]), DEADLINE.plus_secs(1)).view.late);
    assert!(!deposit.snapshot(&read(vec![]), DEADLINE.plus_secs(2)).view.late);
}

#[test]
fn reasons_tell_what_is_missing_over_or_wrong() {
    let reason = |snapshot: &Snapshot, now| {
        Deposit::new(btc_terms()).snapshot(snapshot, now).view.reason.map(|r| r.to_string())
    };
    assert_eq!(reason(&read(vec![]), NOW), None);
    assert_eq!(reason(&read(vec![confirmed("a", ASKED)]), NOW), None);
    let part = read(vec![confirmed("a", 30_000), seen("b", 1_000)]);
    assert_eq!(reason(&part, NOW).unwrap(), "Paid in part: 0.00009 BTC is missing.");
    let over = read(vec![confirmed("a", ASKED), confirmed("b", 1)]);
    assert_eq!(reason(&over, NOW).unwrap(), "Paid 0.00000001 BTC more than asked for.");
    assert_eq!(reason(&failed(vec![]), NOW).unwrap(), "The payment provider marked the payment as invalid.");
    assert_eq!(reason(&failed(vec![]), DEADLINE), None, "expired, not failed");
    let foreign = PaymentReading::confirmed(pay("a"), Amount::new(9, Asset::LTC));
    assert_eq!(
        reason(&read(vec![foreign, confirmed("b", 1)]), NOW).unwrap(),
        "A payment came in another currency than asked for; it is being looked at."
    );
    // A refund is no part payment.
    let mut deposit = Deposit::new(btc_terms());
    deposit.snapshot(&read(vec![confirmed("a", ASKED)]), NOW);
    let mut refunded = confirmed("a", ASKED);
    refunded.takings.insert(taking("r1"), Taking { taken: ASKED / 4, given_back: 0 });
    let view = deposit.snapshot(&read(vec![refunded]), NOW).view;
    assert_eq!((view.reversed, view.reason, view.credited), (true, None, usd("15")));
}

#[test]
fn a_payment_in_another_asset_counts_nowhere_and_is_reported() {
    let mut deposit = Deposit::new(btc_terms());
    let foreign = PaymentReading::confirmed(pay("a"), Amount::new(ASKED, Asset::LTC));
    let step = deposit.snapshot(&read(vec![foreign]), NOW);
    assert_eq!((step.view.status, step.view.reason), (Pending, Some(Reason::WrongAsset)));
    assert_eq!((step.view.paid, step.view.net, step.view.credited), (0, 0, 0));
    assert_eq!(step.foreign, [pay("a")]);
    assert!(step.owed.is_empty() && step.unpriced.is_empty());
    assert_eq!(deposit.tick(DEADLINE).view.status, Expired);
    // The right one still completes.
    let right = read(vec![confirmed("b", ASKED)]);
    let step = deposit.snapshot(&Snapshot { complete: false, ..right }, DEADLINE);
    assert_eq!((step.view.status, step.view.reason), (Completed, Some(Reason::WrongAsset)));
}

#[test]
fn a_standing_address_is_never_late_even_if_its_provider_speaks_of_expiry() {
    let mut deposit = Deposit::new(nano_terms());
    deposit.snapshot(&expired_there(vec![]), NOW);
    let block = PaymentReading::confirmed(pay("block"), Amount::new(1, Asset::XNO));
    let view = deposit.snapshot(&read(vec![block]), NOW.plus_secs(60)).view;
    assert_eq!((view.status, view.late, view.expired), (Completed, false, false));
}

#[test]
fn a_quote_of_nothing_is_not_completed_by_nothing() {
    let mut terms = btc_terms();
    terms.quote.as_mut().unwrap().amount = sats(0);
    let steps = [(read(vec![]), NOW), (read(vec![confirmed("a", 1)]), NOW)];
    assert_eq!(play(terms, &steps), [New, Completed]);
}

#[test]
fn a_reversal_that_is_not_posted_yet_is_not_paid() {
    let mut deposit = Deposit::new(btc_terms());
    deposit.snapshot(&read(vec![confirmed("a", 10)]), NOW);
    let gone = facts_of(&deposit.evidence, &read(vec![]), NOW);
    let evidence = merge(deposit.evidence.clone(), &gone).evidence;
    let view = status(&deposit.terms, &evidence, &deposit.credit, NOW);
    assert_eq!((view.status, view.reversed), (Pending, true), "nothing confirmed waits for its credit");
}

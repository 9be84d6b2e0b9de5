//! Merging, figures, snapshots and credit, by example.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::*;
use deposit_core::{
    Amount, Asset, CreditRule, Decimal, Evidence, Facts, Failure, OrderEvidence, OrderState, Overflow,
    PaymentEvidence, PaymentReading, Snapshot, Stage, Taking, TakingId, Terms, Ticker, Timestamp,
};
use deposit_lifecycle::*;

const NOW: Timestamp = Timestamp::from_secs(1_500);

fn btc(seen: u128, withdrawn: u128, confirmed: u128) -> PaymentEvidence {
    PaymentEvidence { seen, withdrawn, confirmed, ..PaymentEvidence::none(Asset::BTC) }
}

fn taken(mut payment: PaymentEvidence, id: &str, taken: u128, given_back: u128) -> PaymentEvidence {
    payment.takings.insert(taking(id), Taking { taken, given_back });
    payment
}

fn of(payment: PaymentEvidence) -> Evidence {
    Evidence { payments: [(pay("p"), payment)].into(), order: OrderEvidence::default() }
}

/// Evidence after a read of order A.
fn after(before: &Evidence, snapshot: &Snapshot) -> Evidence {
    let merged = merge(before.clone(), &facts_of(before, snapshot, NOW));
    assert_eq!(merged.conflicts, []);
    merged.evidence
}

fn one(in_flight: u128, confirmed: u128) -> Snapshot {
    read(vec![PaymentReading { in_flight, ..PaymentReading::confirmed(pay("p"), sats(confirmed)) }])
}

#[test]
fn figures_follow_the_design() {
    assert_eq!((net(&btc(10, 0, 10)), in_flight(&btc(10, 0, 10))), (10, 0));
    assert_eq!((net(&btc(10, 3, 5)), in_flight(&btc(10, 3, 5)), paid(&btc(10, 3, 5))), (5, 2, 7));
    // Never negative: more withdrawn and confirmed than seen, more taken than confirmed, more given back than taken.
    assert_eq!(in_flight(&btc(1, 2, 3)), 0);
    assert_eq!(net(&taken(btc(5, 0, 5), "r1", 9, 0)), 0);
    assert_eq!(net(&taken(btc(5, 0, 5), "r1", 1, 9)), 5);
    // Takings add up over their ids, and none of the sums wraps.
    assert_eq!(net(&taken(taken(btc(9, 0, 9), "r1", 2, 0), "d1", 4, 1)), 4);
    let huge = taken(taken(btc(9, 0, 9), "r1", u128::MAX, 0), "d1", u128::MAX, u128::MAX);
    assert_eq!(net(&huge), 0);
    let huge = taken(taken(btc(9, 0, 9), "r1", u128::MAX, u128::MAX), "d1", u128::MAX, u128::MAX - 2);
    assert_eq!(net(&huge), 7);
    assert_eq!(paid(&btc(u128::MAX, 0, u128::MAX - 1)), u128::MAX);
}

#[test]
fn stages_follow_the_figures() {
    assert_eq!(stage(&btc(5, 0, 0)), Stage::Seen);
    assert_eq!(stage(&PaymentEvidence { confirmations: Some(0), ..btc(5, 0, 0) }), Stage::Confirming);
    assert_eq!(stage(&PaymentEvidence { confirmations: Some(9), ..btc(5, 0, 5) }), Stage::Confirmed);
    assert_eq!(stage(&btc(9, 0, 5)), Stage::Seen, "not all of it");
    assert_eq!(stage(&btc(5, 5, 0)), Stage::Reversed);
    assert_eq!(stage(&taken(btc(5, 0, 5), "r1", 5, 0)), Stage::Reversed);
    assert_eq!(stage(&taken(btc(5, 0, 5), "r1", 4, 0)), Stage::Confirmed);
}

#[test]
fn merging_takes_the_maximum_of_each_figure_per_id() {
    let a = PaymentEvidence {
        order: Some(order("B")),
        paid_at: Some(NOW),
        confirmations: Some(3),
        ..taken(taken(btc(5, 4, 1), "r1", 3, 2), "d1", 1, 0)
    };
    let b = PaymentEvidence {
        order: Some(order("A")),
        paid_at: Some(NOW.plus_secs(-1)),
        required_confirmations: Some(6),
        settled: Some(Amount::new(1, Asset::XNO)),
        ..taken(btc(4, 5, 2), "r1", 2, 3)
    };
    let joined = merge_payment(a, &b).unwrap();
    let expected = PaymentEvidence {
        order: Some(order("A")),
        paid_at: Some(NOW.plus_secs(-1)),
        confirmations: Some(3),
        required_confirmations: Some(6),
        settled: Some(Amount::new(1, Asset::XNO)),
        ..taken(taken(btc(5, 5, 2), "r1", 3, 3), "d1", 1, 0)
    };
    assert_eq!(joined, expected);
}

#[test]
fn evidence_in_two_assets_is_kept_apart_and_reported() {
    let known = of(btc(5, 0, 5));
    let mut facts: Facts = of(PaymentEvidence { seen: 9, ..PaymentEvidence::none(Asset::LTC) });
    facts.payments.insert(pay("other"), btc(1, 0, 0));
    let merged = merge(known.clone(), &facts);
    assert_eq!(merged.conflicts, [pay("p")]);
    assert_eq!(merged.evidence.payments[&pay("p")], known.payments[&pay("p")]);
    assert_eq!(merged.evidence.payments[&pay("other")], btc(1, 0, 0), "the rest is joined all the same");
    // Paid out in two assets: neither is chosen.
    let settled = |asset| PaymentEvidence { settled: Some(Amount::new(1, asset)), ..btc(5, 0, 5) };
    let error = merge_payment(settled(Asset::XNO), &settled(Asset::USDC)).unwrap_err();
    assert_eq!(error, AssetMismatch { known: Asset::XNO, other: Asset::USDC });
    assert_eq!(error.to_string(), "evidence of one payment in two assets: XNO and USDC");
    // A read that shows another asset than before is refused by the merge.
    let ltc = read(vec![PaymentReading::confirmed(pay("p"), Amount::new(9, Asset::LTC))]);
    assert_eq!(merge(known.clone(), &facts_of(&known, &ltc, NOW)).conflicts, [pay("p")]);
}

#[test]
fn the_earliest_observation_of_the_order_wins() {
    let at = |secs, failure| OrderEvidence {
        expired_at: Some(Timestamp::from_secs(secs)),
        failed: Some((Timestamp::from_secs(secs), failure)),
    };
    let fact = |order| Facts { order, ..Facts::default() };
    let merged = merge(fact(at(5, Failure::Invalid)), &fact(at(3, Failure::Cancelled))).evidence;
    assert_eq!(merged.order, at(3, Failure::Cancelled));
    let tie = merge(fact(at(3, Failure::Cancelled)), &fact(at(3, Failure::Invalid))).evidence;
    assert_eq!(tie.order, at(3, Failure::Invalid), "by the word, whichever came first");
    let none = merge(fact(at(5, Failure::Invalid)), &Facts::default()).evidence;
    assert_eq!(none.order, at(5, Failure::Invalid));
}

#[test]
fn a_payment_s_way_from_sight_to_confirmation_and_back() {
    let steps = [
        // (in flight, confirmed) as read -> (seen, withdrawn, confirmed, taken, given back)
        ((7, 0), (7, 0, 0, 0, 0)),
        ((0, 0), (7, 7, 0, 0, 0)),     // replaced
        ((7, 0), (14, 7, 0, 0, 0)),    // broadcast again
        ((0, 7), (14, 7, 7, 0, 0)),    // confirmed
        ((7, 0), (21, 7, 7, 7, 0)),    // reorganised: in flight again
        ((0, 0), (21, 14, 7, 7, 0)),   // and gone
        ((0, 7), (21, 14, 7, 7, 7)),   // confirmed again, in another block
        ((0, 3), (21, 14, 7, 11, 7)),  // the provider corrects itself downward
        ((0, 9), (23, 14, 9, 11, 11)), // and upward, beyond what it ever was
    ];
    let mut evidence = Evidence::default();
    for ((f, c), expected) in steps {
        evidence = after(&evidence, &one(f, c));
        let p = &evidence.payments[&pay("p")];
        let chain = p.takings.get(&TakingId::chain()).copied().unwrap_or_default();
        assert_eq!((p.seen, p.withdrawn, p.confirmed, chain.taken, chain.given_back), expected);
        assert_eq!((in_flight(p), net(p)), (f, c));
        assert_eq!(came(p), f.max(c).max(7), "what was gone and came back is shown once");
        assert_eq!(after(&evidence, &one(f, c)), evidence, "again");
    }
}

#[test]
fn what_came_is_told_where_it_is_gone_or_taken_back_too() {
    let taken = |payment: PaymentEvidence, taken| PaymentEvidence {
        takings: [(taking("r1"), Taking { taken, given_back: 0 })].into(),
        ..payment
    };
    // Of messages alone.
    assert_eq!(came(&btc(10, 4, 6)), 10);
    assert_eq!(came(&btc(10, 10, 0)), 10);
    assert_eq!(came(&btc(0, 0, 10)), 10);
    assert_eq!(came(&taken(btc(10, 0, 10), 10)), 10);
    // Of reads, and messages on top of them.
    let read = PaymentEvidence { most: 8, ..btc(16, 8, 0) };
    assert_eq!((came(&read), paid(&read)), (8, 8), "it came back");
    assert_eq!(came(&PaymentEvidence { withdrawn: 16, ..read.clone() }), 8, "and went");
    assert_eq!(came(&taken(PaymentEvidence { confirmed: 9, ..read }, 9)), 9);
}

#[test]
fn absence_counts_only_in_a_complete_read_of_the_same_order() {
    let before = after(&Evidence::default(), &one(0, 5));
    assert_eq!(before.payments[&pay("p")].order, Some(order("A")));
    let unchanged = |snapshot: Snapshot| assert_eq!(after(&before, &snapshot), before);
    unchanged(Snapshot { complete: false, ..read(vec![]) });
    unchanged(Snapshot::empty(order("B")));
    unchanged(Snapshot { undecided: vec![pay("p")], ..read(vec![]) });
    unchanged(Snapshot { undecided: vec![pay("p")], ..one(9, 9) });
    assert_eq!(net(&after(&before, &read(vec![])).payments[&pay("p")]), 0);
    // Facts of no order are nobody's to miss.
    let loose = of(btc(5, 0, 5));
    assert_eq!(after(&loose, &read(vec![])), loose);
}

#[test]
fn takings_by_id_are_taken_over_and_not_counted_twice() {
    let mut reading = PaymentReading::confirmed(pay("p"), sats(10));
    reading.takings.insert(taking("r1"), Taking { taken: 4, given_back: 0 });
    // `chain` is ours to keep: a provider's is passed over.
    reading.takings.insert(TakingId::chain(), Taking { taken: 10, given_back: 0 });
    let evidence = after(&Evidence::default(), &read(vec![reading.clone()]));
    let p = &evidence.payments[&pay("p")];
    assert_eq!(p.takings, [(taking("r1"), Taking { taken: 4, given_back: 0 })].into());
    assert_eq!(net(p), 6);
    // Gone altogether, then back: the refund still stands.
    let gone = after(&evidence, &read(vec![]));
    assert_eq!(net(&gone.payments[&pay("p")]), 0);
    let back = after(&gone, &read(vec![reading]));
    assert_eq!(net(&back.payments[&pay("p")]), 6);
}

#[test]
fn a_reading_s_other_figures_are_taken_over() {
    let reading = PaymentReading {
        settled: Some(Amount::new(8, Asset::XNO)),
        confirmations: Some(2),
        required_confirmations: Some(3),
        paid_at: Some(NOW),
        ..PaymentReading::in_flight(pay("p"), sats(5))
    };
    let evidence = after(&Evidence::default(), &read(vec![reading]));
    let expected = PaymentEvidence {
        settled: Some(Amount::new(8, Asset::XNO)),
        order: Some(order("A")),
        confirmations: Some(2),
        required_confirmations: Some(3),
        paid_at: Some(NOW),
        most: 5,
        ..btc(5, 0, 0)
    };
    assert_eq!(evidence.payments[&pay("p")], expected);
}

#[test]
fn a_payment_that_is_listed_twice_counts_once() {
    let both = [
        PaymentReading::confirmed(pay("p"), sats(5)),
        PaymentReading { paid_at: Some(NOW), ..PaymentReading::in_flight(pay("p"), sats(7)) },
        PaymentReading::confirmed(pay("p"), Amount::new(9, Asset::LTC)),
    ];
    for payments in
        [vec![both[0].clone(), both[1].clone(), both[2].clone()], vec![both[1].clone(), both[0].clone()]]
    {
        let evidence = after(&Evidence::default(), &read(payments));
        let p = &evidence.payments[&pay("p")];
        assert_eq!((in_flight(p), net(p), p.asset, p.paid_at), (0, 5, Asset::BTC, Some(NOW)));
    }
}

#[test]
fn the_order_s_end_is_dated_by_the_observation() {
    // The provider's own date is better than that of our observation, unless its clock is ahead of ours.
    let told = |at, state| {
        let snapshot = Snapshot { state, expired_at: Some(at), ..read(vec![]) };
        facts_of(&Evidence::default(), &snapshot, NOW).order.expired_at
    };
    assert_eq!(told(NOW.plus_secs(-60), OrderState::Expired), Some(NOW.plus_secs(-60)));
    assert_eq!(told(NOW.plus_secs(-60), OrderState::Open), Some(NOW.plus_secs(-60)));
    assert_eq!(told(NOW.plus_secs(60), OrderState::Expired), Some(NOW));
    let facts = |state| facts_of(&Evidence::default(), &Snapshot { state, ..read(vec![]) }, NOW).order;
    assert_eq!(facts(OrderState::Open), OrderEvidence::default());
    assert_eq!(facts(OrderState::Expired), OrderEvidence { expired_at: Some(NOW), failed: None });
    assert_eq!(
        facts(OrderState::Failed(Failure::Declined)),
        OrderEvidence { expired_at: None, failed: Some((NOW, Failure::Declined)) }
    );
}

#[test]
fn a_payment_s_time_is_the_provider_s_where_it_can_be() {
    let terms = btc_terms();
    let early = CREATED.plus_secs(-1);
    assert_eq!(payment_time(&terms, Some(CREATED.plus_secs(5)), NOW, NOW), CREATED.plus_secs(5));
    assert_eq!(payment_time(&terms, Some(early), NOW, NOW), CREATED);
    assert_eq!(payment_time(&terms, Some(NOW.plus_secs(9)), CREATED, NOW), NOW);
    assert_eq!(payment_time(&terms, None, NOW.plus_secs(-9), NOW), NOW.plus_secs(-9));
    assert_eq!(payment_time(&terms, None, early, NOW), CREATED);
    assert_eq!(payment_time(&terms, None, NOW, early), CREATED, "a clock that went back");
}

#[test]
fn the_locked_rate_holds_up_to_the_deadline() {
    let terms = btc_terms();
    let locked = PriceNeed::Locked(price("50000"));
    let after = DEADLINE.plus_millis(1);
    assert_eq!(price_need(&terms, CREATED), locked);
    assert_eq!(price_need(&terms, DEADLINE), locked);
    assert_eq!(price_need(&terms, after), PriceNeed::RateAt(Ticker::BTC, after));
    assert_eq!(price_need(&terms.with_quote(None), CREATED), PriceNeed::RateAt(Ticker::BTC, CREATED));
    assert_eq!(price_need(&swap_terms(), after), PriceNeed::RateAt(Ticker::XNO, after));
    let mut fixed = terms;
    fixed.credit = CreditRule::one_to_one();
    assert_eq!(price_need(&fixed, after), PriceNeed::Locked(price("1")));
}

#[test]
fn worth_by_every_rule() {
    let total = |terms: &Terms, payment: &PaymentEvidence, rate: &str| {
        worth(terms, payment, price(rate))
            .map(|w| (w.base.to_string(), w.bonus.to_string(), w.total().to_string()))
    };
    let text = |a: &str, b: &str, c: &str| Ok((a.to_owned(), b.to_owned(), c.to_owned()));
    let terms = btc_terms();
    assert_eq!(total(&terms, &btc(40_000, 0, 40_000), "50000"), text("20", "0", "20"));
    assert_eq!(total(&terms, &btc(40_000, 0, 0), "50000"), text("0", "0", "0"), "in flight is worth nothing");
    // Down, both the base and the bonus: 0.00000001 BTC at 0.99 is 0.0000000099 USD.
    assert_eq!(total(&terms, &btc(1, 0, 1), "0.99"), text("0", "0", "0"));
    let bonus = terms.with_bonus_percent(Decimal::new(25, 1));
    assert_eq!(total(&bonus, &btc(40_000, 0, 40_000), "50000"), text("20", "0.5", "20.5"));
    assert_eq!(total(&bonus, &btc(1, 0, 1), "1"), text("0.00000001", "0", "0.00000001"));
    // One to one, across scales: USDC has 6 decimals, the ledger 8.
    let mut usdc = terms;
    (usdc.asset, usdc.credit) = (Asset::USDC, CreditRule::one_to_one());
    let payment = PaymentEvidence { confirmed: 10_000_001, ..PaymentEvidence::none(Asset::USDC) };
    assert_eq!(total(&usdc, &payment, "1"), text("10.000001", "0", "10.000001"));
    // In kind: to the last raw, whatever a price says.
    let raw = PaymentEvidence { confirmed: u128::MAX, ..PaymentEvidence::none(Asset::XNO) };
    let all = Amount::new(u128::MAX, Asset::XNO).to_string();
    assert_eq!(total(&nano_terms(), &raw, "7"), text(&all, "0", &all));
    // A swap: the share that net has of confirmed, of what it paid out.
    let swap = PaymentEvidence {
        confirmed: 4,
        settled: Some(Amount::parse("10", Asset::XNO).unwrap()),
        ..PaymentEvidence::none(Asset::KAS)
    };
    assert_eq!(total(&swap_terms(), &swap, "0.93"), text("9.3", "0", "9.3"));
    assert_eq!(total(&swap_terms(), &taken(swap.clone(), "r1", 1, 0), "0.93"), text("6.975", "0", "6.975"));
    assert_eq!(total(&swap_terms(), &taken(swap.clone(), "r1", 4, 0), "0.93"), text("0", "0", "0"));
    assert_eq!(total(&swap_terms(), &PaymentEvidence { settled: None, ..swap }, "0.93"), text("0", "0", "0"));
    // Beyond 128 bits, and a bonus that nobody may take.
    assert_eq!(total(&terms, &btc(0, 0, u128::MAX), "50000"), Err(Overflow));
    assert_eq!(total(&terms.with_bonus_percent(Decimal::new(-1, 0)), &btc(1, 0, 1), "1"), Err(Overflow));
    let edge = nano_terms().with_bonus_percent(Decimal::new(1, 0));
    assert_eq!(total(&edge, &raw, "1"), Err(Overflow), "each fits, the sum does not");
}

#[test]
fn a_refund_in_parts_and_its_return_net_out() {
    let mut deposit = Deposit::new(btc_terms().with_bonus_percent(Decimal::new(10, 0)));
    let refund = |taken, given_back| Facts {
        payments: [(
            pay("p"),
            PaymentEvidence {
                takings: [(taking("d1"), Taking { taken, given_back })].into(),
                ..btc(ASKED, 0, ASKED)
            },
        )]
        .into(),
        ..Facts::default()
    };
    let amounts: Vec<String> = [(0, 0), (10_000, 0), (ASKED, 0), (10_000, 0), (ASKED, ASKED), (ASKED, ASKED)]
        .into_iter()
        .map(|(taken, back)| {
            let step = deposit.facts(&refund(taken, back), NOW);
            deposit.check().unwrap();
            step.owed.iter().map(|o| format!("#{} {} {}", o.posting, o.kind, o.amount)).collect()
        })
        .collect();
    assert_eq!(amounts, ["#1 credit 22", "#2 reversal -5.5", "#3 reversal -16.5", "", "#4 credit 22", ""]);
    assert_eq!(bonus_of(&deposit.terms, &deposit.evidence, &deposit.credit).to_string(), "2");
}

#[test]
fn postings_count_once_and_only_in_turn() {
    let mut deposit = Deposit::new(btc_terms());
    let step = deposit.snapshot(&one(0, ASKED), NOW);
    let entry = |credit: &Credit| (credit.payments[&pay("p")].posted, credit.payments[&pay("p")].postings);
    assert_eq!(entry(&step.credit), (usd("20"), 1));
    assert_eq!(post(step.credit.clone(), &step.owed), step.credit);
    let mut skipped = step.owed[0].clone();
    skipped.posting = 3;
    assert_eq!(post(step.credit.clone(), &[skipped]), step.credit);
    let mut unknown = step.owed[0].clone();
    unknown.payment = pay("nobody");
    assert_eq!(post(step.credit.clone(), &[unknown]), step.credit);
}

#[test]
fn what_no_amount_can_hold_is_reported_and_never_posted() {
    let mut deposit = Deposit::new(btc_terms());
    let step = deposit.snapshot(&one(0, u128::MAX), NOW);
    assert_eq!(step.overflow, [pay("p")]);
    assert!(step.owed.is_empty());
    assert_eq!(step.view.status, deposit_core::Status::Paid);
    // Counted postings end, too.
    let mut deposit = Deposit::new(btc_terms());
    deposit.snapshot(&one(0, ASKED), NOW);
    deposit.credit.payments.get_mut(&pay("p")).unwrap().postings = u32::MAX;
    let evidence = after(&deposit.evidence, &one(0, 1));
    let reckoning = owed(&deposit.terms, &evidence, &deposit.credit);
    assert_eq!((reckoning.owed.len(), reckoning.overflow), (0, vec![pay("p")]));
}

#[test]
fn stored_credit_is_plain_and_older_rows_can_be_read() {
    let mut deposit = Deposit::new(btc_terms());
    deposit.snapshot(&one(0, ASKED), NOW);
    let text = serde_json::to_string(&deposit.credit).unwrap();
    assert_eq!(
        text,
        r#"{"payments":{"p":{"at":1500000,"late":false,"price":"50000","posted":"2000000000","postings":1}},"completed_at":1500000,"closed":null}"#
    );
    let older: Credit = serde_json::from_str(r#"{"payments":{},"completed_at":null}"#).unwrap();
    assert_eq!(older, Credit::default());
}

/// A count of confirmations is a fact of the newest read: a reorganisation makes it smaller.
#[test]
fn the_newest_read_says_how_many_confirmations_there_are() {
    let id = pay("a");
    let order: deposit_core::ProviderRef = "order".parse().unwrap();
    let amount = Amount::new(5, Asset::BTC);
    let reading = |confirmations, required_confirmations| PaymentReading {
        confirmations,
        required_confirmations,
        ..PaymentReading::in_flight(id.clone(), amount)
    };
    let mut evidence = Evidence::default();
    let mut take = |snapshot: &Snapshot| {
        let facts = facts_of(&evidence, snapshot, NOW);
        evidence = merge(std::mem::take(&mut evidence), &facts).evidence;
        deposit_lifecycle::set_newest(&mut evidence, snapshot);
        (evidence.payments[&id].confirmations, stage(&evidence.payments[&id]))
    };
    let read = |payments| Snapshot { payments, ..Snapshot::empty(order.clone()) };
    assert_eq!(take(&read(vec![reading(Some(9), Some(10))])), (Some(9), Stage::Confirming));
    assert_eq!(take(&read(vec![reading(Some(2), Some(10))])), (Some(2), Stage::Confirming));
    let mut undecided = read(vec![]);
    undecided.undecided.push(id.clone());
    assert_eq!(take(&undecided), (Some(2), Stage::Confirming), "it stays as it is");
    assert_eq!(take(&read(vec![reading(None, None)])), (Some(2), Stage::Confirming), "nothing is told");
    assert_eq!(take(&read(vec![reading(None, Some(10))])), (None, Stage::Seen), "back in the pool");
    assert_eq!(take(&read(vec![reading(Some(10), Some(10))])).0, Some(10));
    assert_eq!(take(&read(vec![])), (Some(0), Stage::Reversed), "gone");
}

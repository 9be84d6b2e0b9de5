use deposit_core::{
    AccountIndex, CreditRule, DepositId, IntentRecord, PayInstructions, PaymentReading, ProviderRef, Quote,
    Status, Taking, TakingId, Terms, Ticker,
};
use deposit_lifecycle::{Credit, PaymentCredit};
use deposit_store::{AccountId, EntryKind, Phase};
use proptest::prelude::*;

use super::*;

const PROVIDER: ProviderId = ProviderId::constant("till");
const NOW: Timestamp = Timestamp::from_secs(2_000);

fn order() -> ProviderRef {
    ProviderRef::new("order-1").unwrap()
}

fn payment(text: &str) -> PaymentRef {
    PaymentRef::new(text).unwrap()
}

/// A deposit of 0.004 BTC at 50000 USD, without payments.
fn row() -> DepositRow {
    let now = Timestamp::from_secs(1_000);
    let terms =
        Terms::new(Ticker::BTC, Asset::BTC, CreditRule::at_rate_of(Ticker::BTC), now).with_quote(Quote {
            amount: Amount::new(400_000, Asset::BTC),
            rate: "50000".parse().unwrap(),
            unit_price: "50000".parse().unwrap(),
            expires_at: now.plus_secs(3600),
        });
    let id = DepositId::new("deposit-number-0001").unwrap();
    DepositRow {
        id: id.clone(),
        account: AccountId(i64::from(AccountIndex(1).0)),
        ticker: Ticker::BTC,
        provider: PROVIDER,
        phase: Phase::Open,
        terms,
        intent: Some(IntentRecord {
            deposit_id: id,
            provider: PROVIDER,
            provider_ref: order(),
            terms,
            instructions: PayInstructions::Address { address: "a".to_owned(), memo: None, uri: None },
        }),
        attempt: 1,
        attempted_at: now,
        evidence: Evidence::default(),
        credit: Credit::default(),
        status: Status::New,
        version: 1,
        snapshot: 1,
        watch: deposit_lifecycle::watch::Watch::default(),
        history: 1,
        created_at: now,
        updated_at: now,
    }
}

fn confirmed(id: &str, minor: u128) -> PaymentReading {
    PaymentReading::confirmed(payment(id), Amount::new(minor, Asset::BTC))
}

fn shows(payments: &[PaymentReading]) -> Vec<Snapshot> {
    vec![Snapshot { payments: payments.to_vec(), ..Snapshot::empty(order()) }]
}

/// As the gateway would have it after it has seen `snapshots`: evidence, credit, postings.
fn handled(snapshots: &[Snapshot]) -> (DepositRow, Vec<LedgerEntry>) {
    let mut row = row();
    for snapshot in snapshots {
        let facts = lifecycle::facts_of(&row.evidence, snapshot, NOW);
        row.evidence = lifecycle::merge(std::mem::take(&mut row.evidence), &facts).evidence;
    }
    for id in row.evidence.payments.keys() {
        let price = Some("50000".parse().unwrap());
        row.credit.payments.insert(id.clone(), PaymentCredit::new(NOW, false, price));
    }
    let advance = lifecycle::advance(&row.terms, &row.evidence, row.credit.clone(), NOW);
    row.credit = advance.credit;
    let entries = advance.owed.into_iter().zip(1..).map(|(owed, id)| LedgerEntry {
        id,
        at: NOW,
        amount: owed.amount,
        deposit: Some(row.id.clone()),
        payment: Some(owed.payment),
        kind: EntryKind::from(owed.kind),
    });
    let entries = entries.collect();
    (row, entries)
}

fn differences(
    (row, entries): &(DepositRow, Vec<LedgerEntry>),
    reviewed: &[&str],
    snapshots: &[Snapshot],
) -> Vec<(String, DifferenceKind, Option<String>, Option<String>)> {
    let reviewed = reviewed.iter().map(|text| (*text).to_owned()).collect();
    let known = Known { row, entries, reviewed: &reviewed, undecided_secs: 3600 };
    compare(&known, snapshots, NOW).into_iter().map(|d| (d.reference, d.kind, d.ours, d.theirs)).collect()
}

fn one(
    id: &str,
    kind: DifferenceKind,
    ours: impl Into<Option<&'static str>>,
    theirs: impl Into<Option<&'static str>>,
) -> Vec<(String, DifferenceKind, Option<String>, Option<String>)> {
    vec![(id.to_owned(), kind, ours.into().map(str::to_owned), theirs.into().map(str::to_owned))]
}

#[test]
fn what_was_handled_is_no_difference() {
    let all = shows(&[
        confirmed("a", 400_000),
        PaymentReading::in_flight(payment("b"), Amount::new(7, Asset::BTC)),
    ]);
    assert!(differences(&handled(&all), &[], &all).is_empty());
    assert!(differences(&handled(&[]), &[], &shows(&[])).is_empty());
}

#[test]
fn a_payment_that_is_not_known_here() {
    let none = handled(&[]);
    let paid = shows(&[confirmed("a", 400_000)]);
    assert_eq!(differences(&none, &[], &paid), one("a", DifferenceKind::MissingCredit, None, "0.004"));
    assert!(differences(&none, &["a"], &paid).is_empty(), "an operator was shown it");
    let seen = shows(&[PaymentReading::in_flight(payment("a"), Amount::new(400_000, Asset::BTC))]);
    assert_eq!(differences(&none, &[], &seen), one("a", DifferenceKind::MissingPayment, None, "0.004"));
    assert!(differences(&none, &[], &shows(&[PaymentReading::gone(payment("a"), Asset::BTC)])).is_empty());
}

#[test]
fn a_payment_that_stands_otherwise_there() {
    let ours = handled(&shows(&[confirmed("a", 400_000)]));
    let more = shows(&[confirmed("a", 500_000)]);
    assert_eq!(differences(&ours, &[], &more), one("a", DifferenceKind::MissingCredit, "0.004", "0.005"));
    let gone = shows(&[]);
    assert_eq!(differences(&ours, &[], &gone), one("a", DifferenceKind::MissingAtProvider, "0.004", "0"));
    let vague = vec![Snapshot { complete: false, ..Snapshot::empty(order()) }];
    assert!(differences(&ours, &[], &vague).is_empty(), "what an incomplete read does not list is not gone");
    let undone = shows(&[PaymentReading::in_flight(payment("a"), Amount::new(400_000, Asset::BTC))]);
    assert_eq!(differences(&ours, &[], &undone), one("a", DifferenceKind::MissingReversal, "0.004", "0"));
    let mut refunded = confirmed("a", 400_000);
    refunded.takings.insert(TakingId::new("refund-1").unwrap(), Taking { taken: 100_000, given_back: 0 });
    let refunded = shows(&[refunded]);
    assert_eq!(
        differences(&ours, &[], &refunded),
        one("a", DifferenceKind::MissingReversal, "0.004", "0.003")
    );
    let waiting = handled(&undone);
    let less = shows(&[PaymentReading::in_flight(payment("a"), Amount::new(300_000, Asset::BTC))]);
    assert_eq!(differences(&waiting, &[], &less), one("a", DifferenceKind::Amount, "0.004", "0.003"));
    let other = shows(&[PaymentReading::confirmed(payment("a"), Amount::new(5, Asset::LTC))]);
    let mixed = one("a", DifferenceKind::Amount, "0.004 BTC", "0.00000005 LTC");
    assert_eq!(differences(&ours, &[], &other)[..1], mixed);
}

#[test]
fn a_ledger_that_lacks_or_has_too_much() {
    let all = shows(&[confirmed("a", 400_000)]);
    let (row, entries) = handled(&all);
    let lost = (row.clone(), Vec::new());
    assert_eq!(differences(&lost, &[], &all), one("a", DifferenceKind::MissingCredit, "0", "200"));
    assert!(differences(&lost, &["a"], &all).is_empty(), "assigned by hand");
    let twice = (row.clone(), [entries.clone(), entries.clone()].concat());
    assert_eq!(differences(&twice, &["a"], &all), one("a", DifferenceKind::ExcessCredit, "400", "200"));
    let mut stray = entries[0].clone();
    stray.payment = Some(payment("z"));
    let stray = (row.clone(), vec![entries[0].clone(), stray]);
    assert_eq!(differences(&stray, &[], &all), one("z", DifferenceKind::ExcessCredit, "200", "0"));

    // Confirmed, and no price is known.
    let mut unpriced = lost;
    unpriced.0.credit.payments.values_mut().for_each(|credit| credit.price = None);
    assert_eq!(differences(&unpriced, &[], &all), one("a", DifferenceKind::Undecided, "0", "0.004"));
    assert!(differences(&unpriced, &["a"], &all).is_empty(), "its account is closed");
    // In an asset that no rule credits.
    let foreign = shows(&[PaymentReading::confirmed(payment("a"), Amount::new(5, Asset::LTC))]);
    let seen = handled(&foreign);
    assert_eq!(differences(&seen, &[], &foreign), one("a", DifferenceKind::MissingCredit, "0", "0.00000005"));
    assert!(differences(&seen, &["a"], &foreign).is_empty());
}

fn reading() -> impl Strategy<Value = PaymentReading> {
    (prop::sample::select(vec!["a", "b", "c"]), 0_u128..1_000_000, 0_u128..1_000_000)
        .prop_map(|(id, in_flight, sum)| PaymentReading { in_flight, ..confirmed(id, sum) })
}

fn world() -> impl Strategy<Value = Vec<Snapshot>> {
    prop::collection::vec(reading(), 0..4).prop_map(|payments| shows(&payments))
}

proptest! {
    #[test]
    fn whoever_has_handled_the_newest_read_agrees_with_it(reads in prop::collection::vec(world(), 1..5)) {
        let all: Vec<Snapshot> = reads.iter().flatten().cloned().collect();
        let last = reads.last().unwrap();
        // Prices and postings follow; a read that takes back what was posted is handled as well.
        let (row, entries) = handled(&all);
        prop_assert_eq!(differences(&(row, entries), &[], last), vec![]);
    }

    #[test]
    fn confirmed_money_is_never_passed_over(before in world(), after in world()) {
        let ours = handled(&before);
        let found = differences(&ours, &[], &after);
        let facts = lifecycle::facts_of(&ours.0.evidence, &after[0], NOW);
        let now = lifecycle::merge(ours.0.evidence.clone(), &facts).evidence;
        for (id, payment) in &now.payments {
            let known = ours.0.evidence.payments.get(id).map_or(0, lifecycle::net);
            if lifecycle::net(payment) > known {
                let told = found.iter().any(|(reference, kind, ..)| {
                    reference == id.as_str() && *kind == DifferenceKind::MissingCredit
                });
                prop_assert!(told, "{id} {found:?}");
            }
        }
    }
}

//! Terms, generators, and a deposit as the engine keeps it.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::BTreeMap;

use deposit_core::{
    Amount, Asset, Basis, CreditRule, Decimal, Evidence, Facts, Failure, OrderEvidence, OrderState,
    PaymentEvidence, PaymentReading, PaymentRef, Price, ProviderRef, Quote, Signed, Snapshot, Status, Taking,
    TakingId, Terms, Ticker, Timestamp,
};
use deposit_lifecycle::{
    Advance, Closed, Credit, PaymentCredit, PriceNeed, advance, facts_of, is_late, merge, net, payment_time,
    price_need, worth,
};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// When the deposits of these tests are made, and when their quotes end.
pub(crate) const CREATED: Timestamp = Timestamp::from_secs(1_000);
pub(crate) const DEADLINE: Timestamp = Timestamp::from_secs(2_000);
/// What is asked for, in satoshi; worth 20 USD.
pub(crate) const ASKED: u128 = 40_000;

pub(crate) fn pay(text: &str) -> PaymentRef {
    PaymentRef::new(text).unwrap()
}

pub(crate) fn order(text: &str) -> ProviderRef {
    ProviderRef::new(text).unwrap()
}

pub(crate) fn taking(text: &str) -> TakingId {
    TakingId::new(text).unwrap()
}

pub(crate) fn price(text: &str) -> Price {
    text.parse().unwrap()
}

pub(crate) fn sats(minor: u128) -> Amount {
    Amount::new(minor, Asset::BTC)
}

pub(crate) fn usd(text: &str) -> u128 {
    Amount::parse(text, Asset::USD).unwrap().minor()
}

/// 0.0004 BTC at 50000.
pub(crate) fn btc_terms() -> Terms {
    Terms::new(Ticker::BTC, Asset::BTC, CreditRule::at_rate_of(Ticker::BTC), CREATED).with_quote(Quote {
        amount: sats(ASKED),
        rate: price("50000"),
        unit_price: price("50000"),
        expires_at: DEADLINE,
    })
}

/// Direct Nano to a standing address.
pub(crate) fn nano_terms() -> Terms {
    Terms::new(Ticker::XNO, Asset::XNO, CreditRule::in_kind(Asset::XNO), CREATED)
}

/// 1000 KAS, swapped into XNO.
pub(crate) fn swap_terms() -> Terms {
    Terms::new(Ticker::KAS, Asset::KAS, CreditRule::settled_at_rate_of(Ticker::XNO), CREATED).with_quote(
        Quote {
            amount: Amount::parse("1000", Asset::KAS).unwrap(),
            rate: price("0.93"),
            unit_price: price("1"),
            expires_at: DEADLINE,
        },
    )
}

/// A deposit as the engine keeps it: one call for each commit.
#[derive(Debug, Clone)]
pub(crate) struct Deposit {
    pub(crate) terms: Terms,
    pub(crate) evidence: Evidence,
    pub(crate) credit: Credit,
    /// Whether a price is given to payments that have none.
    pub(crate) prices_known: bool,
    /// What a rate source would tell after the deadline.
    pub(crate) later_price: Price,
    pub(crate) history: Vec<Status>,
    pub(crate) conflicts: usize,
    /// The ledger: sums of the postings that were asked for.
    pub(crate) ledger: BTreeMap<PaymentRef, Signed>,
    pub(crate) postings: usize,
}

impl Deposit {
    pub(crate) fn new(terms: Terms) -> Self {
        Self {
            terms,
            evidence: Evidence::default(),
            credit: Credit::default(),
            prices_known: true,
            later_price: price("40000"),
            history: vec![Status::New],
            conflicts: 0,
            ledger: BTreeMap::new(),
            postings: 0,
        }
    }

    pub(crate) fn status(&self) -> Status {
        *self.history.last().unwrap()
    }

    pub(crate) fn snapshot(&mut self, snapshot: &Snapshot, now: Timestamp) -> Advance {
        let facts = facts_of(&self.evidence, snapshot, now);
        self.facts(&facts, now)
    }

    pub(crate) fn tick(&mut self, now: Timestamp) -> Advance {
        self.facts(&Facts::default(), now)
    }

    pub(crate) fn facts(&mut self, facts: &Facts, now: Timestamp) -> Advance {
        let merged = merge(self.evidence.clone(), facts);
        self.evidence = merged.evidence;
        self.conflicts += merged.conflicts.len();
        for (id, payment) in &self.evidence.payments {
            let entry = self.credit.payments.entry(id.clone()).or_insert_with(|| {
                let at = payment_time(&self.terms, payment.paid_at, now, now);
                PaymentCredit::new(at, is_late(&self.terms, &self.evidence.order, at), None)
            });
            if entry.price.is_none() && self.prices_known {
                entry.price = Some(match price_need(&self.terms, entry.at) {
                    PriceNeed::Locked(price) => price,
                    PriceNeed::RateAt(_, _) => self.later_price,
                });
            }
        }
        let step = advance(&self.terms, &self.evidence, self.credit.clone(), now);
        for owed in &step.owed {
            let sum =
                self.ledger.entry(owed.payment.clone()).or_insert(Signed::zero(self.terms.credit.ledger));
            *sum = sum.checked_add(owed.amount).unwrap();
        }
        self.postings += step.owed.len();
        self.credit = step.credit.clone();
        if step.view.status != self.status() {
            self.history.push(step.view.status);
        }
        step
    }

    /// What must hold after every commit, where no figure is beyond 128 bits.
    pub(crate) fn check(&self) -> Result<(), TestCaseError> {
        deposit_lifecycle::check_path(&self.history)
            .map_err(|e| TestCaseError::fail(format!("{e}: {:?}", self.history)))?;
        for (id, payment) in &self.evidence.payments {
            prop_assert!(net(payment) <= payment.confirmed);
            let entry = self.credit.payments[id];
            let worth = match entry.price {
                Some(price) if payment.asset == self.terms.asset => {
                    worth(&self.terms, payment, price).unwrap().total().minor()
                }
                _ => 0,
            };
            prop_assert_eq!(entry.posted, worth, "{}", id);
            let ledger = self.ledger.get(id).map_or(0, |s| s.non_negative().unwrap().minor());
            prop_assert_eq!(ledger, worth, "{}", id);
        }
        Ok(())
    }
}

/// A complete read of one order.
pub(crate) fn read(payments: Vec<PaymentReading>) -> Snapshot {
    Snapshot { payments, ..Snapshot::empty(order("A")) }
}

// Generators.

/// Anything, with the edges often.
pub(crate) fn wild() -> impl Strategy<Value = u128> {
    prop_oneof![
        2 => 0..4_u128,
        2 => select(vec![u128::MAX, u128::MAX - 1, u128::MAX / 2, u128::MAX / 2 + 1]),
        3 => any::<u128>(),
        3 => modest(),
    ]
}

/// Around what is asked for: parts, the whole, too much, nothing.
pub(crate) fn modest() -> impl Strategy<Value = u128> {
    prop_oneof![
        2 => Just(0),
        2 => Just(ASKED),
        2 => select(vec![1, ASKED / 2, ASKED - 1, ASKED + 1]),
        3 => 0..=2 * ASKED,
    ]
}

pub(crate) fn any_ref() -> impl Strategy<Value = PaymentRef> {
    select(vec!["p1", "p2", "p3"]).prop_map(pay)
}

pub(crate) fn any_order() -> impl Strategy<Value = ProviderRef> {
    prop_oneof![4 => Just("A"), 1 => Just("B")].prop_map(order)
}

/// Around the life of a deposit, and now and then from nowhere.
pub(crate) fn any_time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        6 => (900_000_i64..2_600_000).prop_map(Timestamp::from_millis),
        2 => select(vec![CREATED, DEADLINE, DEADLINE.plus_millis(-1), DEADLINE.plus_millis(1)]),
        1 => any::<i64>().prop_map(Timestamp::from_millis),
    ]
}

pub(crate) fn any_failure() -> impl Strategy<Value = Failure> {
    select(vec![
        Failure::ProviderError,
        Failure::Invalid,
        Failure::Bounced,
        Failure::Declined,
        Failure::Cancelled,
    ])
}

pub(crate) fn any_takings(figure: BoxedStrategy<u128>) -> impl Strategy<Value = BTreeMap<TakingId, Taking>> {
    let id = prop_oneof![Just(TakingId::chain()), select(vec!["r1", "d1"]).prop_map(taking)];
    let one = (figure.clone(), figure).prop_map(|(taken, given_back)| Taking { taken, given_back });
    prop_oneof![2 => Just(BTreeMap::new()), 1 => btree_map(id, one, 0..3)]
}

/// Evidence of one payment in one of `assets`.
pub(crate) fn any_payment(
    figure: BoxedStrategy<u128>,
    assets: &'static [Asset],
) -> impl Strategy<Value = PaymentEvidence> {
    (
        select(assets),
        (figure.clone(), figure.clone(), figure.clone(), figure.clone()),
        option::of(figure.clone()),
        any_takings(figure),
        option::of(any_order()),
        (option::of(0..10_u32), option::of(0..10_u32)),
        option::of(any_time()),
    )
        .prop_map(
            |(asset, (seen, most, withdrawn, confirmed), settled, takings, order, counts, paid_at)| {
                PaymentEvidence {
                    asset,
                    seen,
                    most: seen.min(most),
                    withdrawn,
                    confirmed,
                    settled: settled.map(|minor| Amount::new(minor, Asset::XNO)),
                    takings,
                    order,
                    confirmations: counts.0,
                    required_confirmations: counts.1,
                    paid_at,
                }
            },
        )
}

pub(crate) fn any_facts(
    figure: BoxedStrategy<u128>,
    assets: &'static [Asset],
) -> impl Strategy<Value = Facts> {
    let payments = btree_map(any_ref(), any_payment(figure, assets), 0..3);
    let expired = prop_oneof![3 => Just(None), 1 => any_time().prop_map(Some)];
    let failed = prop_oneof![3 => Just(None), 1 => (any_time(), any_failure()).prop_map(Some)];
    (payments, expired, failed).prop_map(|(payments, expired_at, failed)| Facts {
        payments,
        order: OrderEvidence { expired_at, failed },
    })
}

pub(crate) fn any_reading(
    figure: BoxedStrategy<u128>,
    assets: &'static [Asset],
) -> impl Strategy<Value = PaymentReading> {
    (
        any_ref(),
        select(assets),
        (figure.clone(), figure.clone()),
        option::of(figure.clone()),
        any_takings(figure),
        (option::of(0..10_u32), option::of(0..10_u32)),
        option::of(any_time()),
    )
        .prop_map(|(id, asset, (in_flight, confirmed), settled, takings, counts, paid_at)| {
            PaymentReading {
                id,
                asset,
                in_flight,
                confirmed,
                settled: settled.map(|minor| Amount::new(minor, Asset::XNO)),
                takings,
                confirmations: counts.0,
                required_confirmations: counts.1,
                paid_at,
            }
        })
}

pub(crate) fn any_snapshot(
    figure: BoxedStrategy<u128>,
    assets: &'static [Asset],
) -> impl Strategy<Value = Snapshot> {
    let state = prop_oneof![
        6 => Just(OrderState::Open),
        1 => Just(OrderState::Expired),
        1 => any_failure().prop_map(OrderState::Failed),
    ];
    (
        any_order(),
        proptest::bool::weighted(0.8),
        state,
        vec(any_reading(figure, assets), 0..4),
        prop_oneof![4 => Just(Vec::new()), 1 => vec(any_ref(), 1..2)],
        option::weighted(0.2, any_time()),
    )
        .prop_map(|(order, complete, state, payments, undecided, expired_at)| Snapshot {
            complete,
            state,
            expired_at,
            payments,
            undecided,
            ..Snapshot::empty(order)
        })
}

pub(crate) fn any_price() -> impl Strategy<Value = Price> {
    (1_i128..(1 << 96), 0_u32..=28)
        .prop_map(|(mantissa, scale)| Price::new(Decimal::from_i128_with_scale(mantissa, scale)).unwrap())
}

/// Terms for BTC, with every switch.
pub(crate) fn any_terms() -> impl Strategy<Value = Terms> {
    let rule = (
        select(vec![Basis::Received, Basis::Settled]),
        select(vec![Asset::USD, Asset::XNO]),
        option::of(Just(Ticker::BTC)),
    )
        .prop_map(|(basis, ledger, priced_by)| CreditRule { basis, ledger, priced_by });
    let quote = option::weighted(0.8, (modest(), select(vec!["50000", "0.00000001", "7.77"])));
    let least = select(vec![1, 546, 5_460]);
    (rule, 0..300_i64, quote, any::<bool>(), least).prop_map(|(credit, bonus, quote, only_full, least)| {
        let quote = quote.map(|(amount, rate)| Quote {
            amount: sats(amount),
            rate: price(rate),
            unit_price: price("1"),
            expires_at: DEADLINE,
        });
        Terms::new(Ticker::BTC, Asset::BTC, credit, CREATED)
            .with_bonus_percent(Decimal::new(bonus, 1))
            .with_quote(quote)
            .confirming_only_full(only_full)
            .with_least_payment(least)
    })
}

/// A credit that no run of ours would leave behind.
pub(crate) fn any_credit() -> impl Strategy<Value = Credit> {
    let entry = (any_time(), any::<bool>(), option::of(any_price()), wild(), any::<u32>())
        .prop_map(|(at, late, price, posted, postings)| PaymentCredit { at, late, price, posted, postings });
    (
        btree_map(any_ref(), entry, 0..3),
        option::of(any_time()),
        option::of(select(vec![Closed::Expired, Closed::Failed])),
    )
        .prop_map(|(payments, completed_at, closed)| Credit { payments, completed_at, closed })
}

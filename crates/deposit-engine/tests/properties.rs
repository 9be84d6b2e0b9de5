//! Whatever happens, in whatever order: each payment is credited once, at its worth.
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
use proptest::prelude::*;

/// Payments of each deposit; the last one bears the same reference on both.
const SLOTS: usize = 4;
const SHARED: usize = SLOTS - 1;

#[derive(Debug, Clone)]
enum Step {
    /// How a payment stands at the provider, in thousandths of a BTC.
    Stands {
        deposit: usize,
        slot: usize,
        in_flight: u8,
        confirmed: u8,
    },
    /// The provider does not list it any more.
    Gone {
        deposit: usize,
        slot: usize,
    },
    /// The provider's own verdict.
    Order {
        deposit: usize,
        state: OrderState,
    },
    Read {
        deposit: usize,
    },
    /// Two processes at once.
    ReadTwice {
        deposit: usize,
    },
    FailRead,
    /// A delivery, with an id that may have come before.
    Hint {
        deposit: usize,
        delivery: u8,
    },
    Handle,
    Poll,
    Timers,
    Pass {
        secs: i64,
    },
    Price {
        usd: Option<u32>,
    },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let (deposit, slot) = (0..2_usize, 0..SLOTS);
    let state = prop_oneof![
        Just(OrderState::Open),
        Just(OrderState::Expired),
        Just(OrderState::Failed(Failure::Invalid))
    ];
    prop_oneof![
        6 => (deposit.clone(), slot.clone(), 0..5_u8, 0..5_u8).prop_map(|(deposit, slot, in_flight, confirmed)| {
            Step::Stands { deposit, slot, in_flight, confirmed }
        }),
        2 => (deposit.clone(), slot).prop_map(|(deposit, slot)| Step::Gone { deposit, slot }),
        1 => (deposit.clone(), state).prop_map(|(deposit, state)| Step::Order { deposit, state }),
        4 => deposit.clone().prop_map(|deposit| Step::Read { deposit }),
        2 => deposit.clone().prop_map(|deposit| Step::ReadTwice { deposit }),
        1 => Just(Step::FailRead),
        3 => (deposit, 0..6_u8).prop_map(|(deposit, delivery)| Step::Hint { deposit, delivery }),
        3 => Just(Step::Handle),
        2 => Just(Step::Poll),
        2 => Just(Step::Timers),
        3 => prop_oneof![Just(1), Just(31), Just(1800), Just(4000)].prop_map(|secs| Step::Pass { secs }),
        2 => prop_oneof![Just(None), (20_000..90_000_u32).prop_map(Some)].prop_map(|usd| Step::Price { usd }),
        1 => Just(Step::Restart),
    ]
}

fn name(deposit: usize, slot: usize) -> String {
    if slot == SHARED { "shared".to_owned() } else { format!("payment-{deposit}-{slot}") }
}

fn thousandths(n: u8) -> String {
    format!("0.00{n}")
}

async fn take(bench: &mut Bench, ids: &[DepositId], step: &Step) {
    match step {
        Step::Stands { deposit, slot, in_flight, confirmed } => {
            let (in_flight, confirmed) = (thousandths(*in_flight), thousandths(*confirmed));
            bench.till().pay(&ids[*deposit], &name(*deposit, *slot), &in_flight, &confirmed);
        }
        Step::Gone { deposit, slot } => {
            let gone = PaymentRef::new(name(*deposit, *slot)).unwrap();
            bench.till().change(&ids[*deposit], |s| s.payments.retain(|reading| reading.id != gone));
        }
        Step::Order { deposit, state } => bench.till().change(&ids[*deposit], |s| s.state = *state),
        Step::Read { deposit } => {
            bench.observe(&ids[*deposit]).await;
        }
        Step::ReadTwice { deposit } => {
            let (other, id) = (bench.another_engine(), &ids[*deposit]);
            let (a, b) = tokio::join!(bench.engine.observe(id, None), other.observe(id, None));
            a.unwrap();
            b.unwrap();
        }
        Step::FailRead => bench.till().next_read(Reading::Fails(transient())),
        Step::Hint { deposit, delivery } => {
            let order = bench.order(&ids[*deposit]).await;
            bench.tell(&format!("{deposit}-{delivery}"), &order, Observed::PaymentHint).await;
        }
        Step::Handle => {
            bench.engine.handle_deliveries().await.unwrap();
        }
        Step::Poll => {
            bench.engine.poll(bench.till(), 10).await.unwrap();
        }
        Step::Timers => bench.engine.run_timers().await.unwrap(),
        Step::Pass { secs } => bench.pass(*secs).await,
        Step::Price { usd: Some(usd) } => bench.set_price(&usd.to_string()),
        Step::Price { usd: None } => bench.prices.clear(),
        Step::Restart => bench.restart().await,
    }
}

/// Brings everything to rest: all is read, priced and handled.
async fn settle(bench: &mut Bench, ids: &[DepositId]) {
    bench.till().state().readings.clear();
    bench.restart().await;
    bench.set_price("50000");
    bench.pass(31).await;
    bench.engine.handle_deliveries().await.unwrap();
    for id in ids {
        bench.observe(id).await;
    }
    bench.engine.run_timers().await.unwrap();
}

async fn hold(steps: Vec<Step>) {
    let mut bench = Setup::replay(Replay::Key).bench().await;
    let ids = [bench.create().await, bench.create().await];
    for step in &steps {
        take(&mut bench, &ids, step).await;
    }
    settle(&mut bench, &ids).await;

    bench.check().await;
    let shared = PaymentRef::new("shared").unwrap();
    let mut balance = Signed::zero(Asset::USD);
    let mut owners = 0;
    for (deposit, id) in ids.iter().enumerate() {
        bench.check_settled(id).await;
        let row = bench.row(id).await;
        let snapshot = bench.till().state().orders[deposit].snapshot.clone();
        // What counts in the end is what the provider shows in the end, however it came about.
        for slot in 0..SLOTS {
            let payment = PaymentRef::new(name(deposit, slot)).unwrap();
            let shown = snapshot.payments.iter().find(|reading| reading.id == payment);
            let known = row.evidence.payments.get(&payment);
            if payment == shared {
                owners += usize::from(known.is_some());
                if known.is_none() {
                    continue;
                }
            }
            let net = known.map_or(0, deposit_lifecycle::net);
            assert_eq!(net, shown.map_or(0, |reading| reading.confirmed), "{payment}");
            let in_flight = known.map_or(0, deposit_lifecycle::in_flight);
            assert_eq!(in_flight, shown.map_or(0, |reading| reading.in_flight), "{payment}");
        }
        for entry in bench.store.deposit_entries(id).await.unwrap() {
            balance = balance.checked_add(entry.amount).unwrap();
        }
        // Paid within the quote, credited at its rate: nobody's later rate counts.
        for credit in row.credit.payments.values().filter(|credit| credit.at <= START.plus_secs(3600)) {
            assert_eq!(credit.price.map(|price| price.to_string()).unwrap_or("50000".into()), "50000");
        }
        assert!(deposit_lifecycle::check_path(&bench.path(id).await).is_ok());
    }
    assert!(owners <= 1, "a payment belongs to one deposit");
    assert_eq!(bench.usd().await, balance.to_string());
    assert!(bench.journal().await.iter().all(|row| row.handled_at.is_some()), "nothing is left over");
    assert!(bench.store.unpriced(10).await.unwrap().is_empty());

    // Once at rest it stays at rest.
    let before = [bench.row(&ids[0]).await, bench.row(&ids[1]).await].map(|row| (row.version, row.history));
    settle(&mut bench, &ids).await;
    let after = [bench.row(&ids[0]).await, bench.row(&ids[1]).await];
    for (n, row) in after.iter().enumerate() {
        // Only the end of the quote may still come in between.
        assert!(row.version - before[n].0 <= 1, "{row:?}");
    }
    assert_eq!(bench.usd().await, balance.to_string());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn each_payment_is_credited_once_at_its_worth(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(hold(steps));
    }
}

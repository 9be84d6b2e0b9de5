//! Whatever payers, chains, people and time do to an invoice: only steps of the table, and no money vanishes.

use super::fee_mode::FeeMode;
use deposit_core::Amount;
use proptest::prelude::*;

use super::decimal::Dec;
use super::invoice::{Additional, Checkout, Event, Events, Invoice, Payment, PaymentStatus, Prompt, Status};
use super::method::METHODS;
use crate::emulator::TruthStage;
use crate::json::Json;
use crate::random::Random;

#[derive(Debug, Clone)]
enum Step {
    Pay { units: u128, method: usize },
    Confirm(usize),
    Undo(usize),
    Reinstate(usize),
    Wait(i64),
    Mark(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1_u128..200_000, 0_usize..8).prop_map(|(units, method)| Step::Pay { units, method }),
        3 => (0_usize..6).prop_map(Step::Confirm),
        2 => (0_usize..6).prop_map(Step::Undo),
        1 => (0_usize..6).prop_map(Step::Reinstate),
        2 => (0_i64..100_000).prop_map(Step::Wait),
        1 => any::<bool>().prop_map(Step::Mark),
    ];
    prop::collection::vec(step, 0..24)
}

fn invoice(speed_policy: &'static str, random: &Random) -> Invoice {
    let prompts = METHODS.iter().map(|method| {
        let amount = Dec::new(100_000, 8).over_up(Dec::ONE, method.divisibility).unwrap();
        Prompt {
            method,
            rate: Dec::ONE,
            amount,
            fee_mode: FeeMode::Never,
            network_fee: Dec::ZERO,
            fee: Dec::ZERO,
            threshold: None,
            shown: vec![],
        }
    });
    let checkout = Checkout {
        speed_policy,
        default_payment_method: None,
        expiration_seconds: 3600,
        monitoring_seconds: 86_400,
        tolerance: Dec::ZERO,
        redirect_url: None,
        redirect_automatically: false,
        default_language: None,
    };
    let mut invoice = Invoice {
        id: "i".into(),
        price: Some(Dec::new(100_000, 8)),
        top_up: false,
        currency: "BTC".into(),
        currency_digits: 8,
        metadata: Json::Null,
        search_terms: vec![],
        checkout,
        receipt: Json::Null,
        status: Status::New,
        additional: Additional::None,
        created: 0,
        expiration: 3600,
        monitoring: 90_000,
        archived: false,
        prompts: prompts.collect(),
        payments: vec![],
    };
    invoice.activate(None, random);
    invoice
}

/// Whether the table has a way from one state to the other without a person.
fn follows(from: Status, to: Status) -> bool {
    use Status::{Expired, Invalid, New, Processing, Settled};
    match from {
        New => to != Invalid,
        Processing => true,
        Settled => to == Settled,
        Expired => to == Expired,
        Invalid => to == Invalid,
    }
}

proptest! {
    #[test]
    fn only_steps_of_the_table(steps in steps(), fast: bool) {
        let random = Random::new(7);
        let mut invoice = invoice(if fast { "HighSpeed" } else { "MediumSpeed" }, &random);
        let mut now = 0;
        for step in steps {
            let before = invoice.status;
            let known = invoice.payments.len();
            let mut events = Events::new();
            let marks = matches!(step, Step::Mark(_));
            match step {
                Step::Pay { units, method } => {
                    let method = &METHODS[method];
                    let zero = Amount::zero(method.asset);
                    let finer = 10_u128.pow(u32::from(method.asset.scale() - 8));
                    let n = invoice.payments.len();
                    let prompt = invoice.prompts.iter().find(|p| p.method == method).unwrap();
                    let payment = Payment {
                        id: method.payment_id(&random, "i", n, 1),
                        method,
                        destination: prompt.shown[0].clone(),
                        value: Amount::new(units * finer, method.asset),
                        fee: Dec::ZERO,
                        received: now,
                        status: PaymentStatus::Processing,
                        lost: false,
                        unseen: false,
                        confirmed: zero,
                        reversed: zero,
                        reinstated: zero,
                    };
                    invoice.receive(payment, now, &random, &mut events);
                    let told = events.iter().any(|e| matches!(e, Event::Received { .. }));
                    prop_assert!(told, "every payment is told");
                }
                Step::Confirm(i) => invoice.confirm(i, now, &mut events),
                Step::Undo(i) if invoice.payments.get(i).is_some_and(|p| p.accounted() && !p.lost) => {
                    invoice.undo(i, now, &mut events);
                }
                Step::Reinstate(i)
                    if invoice.payments.get(i).is_some_and(|p| p.stage() == TruthStage::Reversed) =>
                {
                    invoice.reinstate(i, now, &mut events);
                }
                Step::Undo(_) | Step::Reinstate(_) => {}
                Step::Wait(seconds) => {
                    now += seconds;
                    invoice.update(now, &mut events);
                }
                Step::Mark(settled) => {
                    _ = invoice.mark(if settled { Status::Settled } else { Status::Invalid }, &mut events);
                }
            }
            prop_assert!(marks || follows(before, invoice.status), "{before:?} to {:?}", invoice.status);
            prop_assert!(invoice.payments.len() >= known);
            prop_assert!(invoice.deadline().is_none_or(|d| d > now || matches!(before, Status::New | Status::Processing)));
            // A time that came is acted on once, and then quiet.
            let mut again = Events::new();
            invoice.update(now, &mut again);
            prop_assert!(again.is_empty(), "{again:?}");
            for p in &invoice.payments {
                prop_assert!(p.accounted() == (p.status != PaymentStatus::Invalid));
                let net = Dec::of(p.confirmed).minus(Dec::of(p.reversed)).plus(Dec::of(p.reinstated));
                let expected = if p.status == PaymentStatus::Settled && !p.lost { Dec::of(p.value) } else { Dec::ZERO };
                prop_assert_eq!(net, expected, "what is confirmed, less what was taken back, is what counts");
            }
        }
    }

    #[test]
    fn exactly_what_is_due_settles_and_a_unit_less_does_not(price in 1_i128..1 << 50, rate in 1_i128..1 << 40, index in 0_usize..8) {
        let random = Random::new(7);
        let mut invoice = invoice("MediumSpeed", &random);
        let (price, rate, method) = (Dec::new(price, 2), Dec::new(rate, 4), &METHODS[index]);
        let amount = price.over_up(rate, method.divisibility).unwrap();
        invoice.price = Some(price);
        invoice.prompts.retain(|p| p.method == method);
        for prompt in &mut invoice.prompts {
            (prompt.rate, prompt.amount) = (rate, amount);
        }
        let unit = 10_u128.pow(u32::from(method.asset.scale()) - method.divisibility);
        let whole = amount.minor(method.asset.scale()).unwrap();
        let zero = Amount::zero(method.asset);
        let pay = |invoice: &mut Invoice, minor: u128, n| {
            let payment = Payment {
                id: format!("p{n}"),
                method,
                destination: "a".into(),
                value: Amount::new(minor, method.asset),
                fee: Dec::ZERO,
                received: 0,
                status: PaymentStatus::Processing,
                        lost: false,
                        unseen: false,
                confirmed: zero,
                reversed: zero,
                reinstated: zero,
            };
            invoice.receive(payment, 0, &random, &mut Events::new());
        };
        prop_assume!(whole > unit);
        pay(&mut invoice, whole - unit, 0);
        prop_assert_eq!((invoice.status, invoice.additional), (Status::New, Additional::PaidPartial));
        pay(&mut invoice, unit, 1);
        prop_assert!(matches!(invoice.status, Status::Processing | Status::Settled));
        prop_assert_eq!(invoice.additional, Additional::None);
        prop_assert!(invoice.due(&invoice.prompts[0]).is_zero());
    }
}

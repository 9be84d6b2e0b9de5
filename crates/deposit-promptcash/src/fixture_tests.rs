//! What the emulator recorded (`cargo xtask fixtures`), as this adapter understands it. The snapshots are reviewed as code; addresses
//! are replaced in them.

use std::collections::BTreeMap;

use deposit_core::{IntentRecord, RawDelivery, Secret, Timestamp, WebhookError};
use deposit_testkit::Recorded;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::api::{Created, Got, Payment};
use crate::map::{self, Asked};
use crate::quote;
use crate::testing::{bch, terms};
use crate::webhook::Webhooks;

const FIXTURES: Recorded = Recorded("promptcash");

#[derive(Deserialize)]
struct Sent {
    body: Box<RawValue>,
}

/// The deposit that a recorded payment could belong to, at 400 USD.
fn deposit(payment: &Payment) -> IntentRecord {
    let amount = quote::nearest_satoshi(payment.amount_crypto.decimal()).unwrap();
    let address = map::bare_address(&payment.address).unwrap();
    let mut terms = terms(&amount.to_string(), "400");
    terms.created_at = Timestamp::from_secs(1_785_000_000);
    IntentRecord {
        provider_ref: payment.tx_id.parse().unwrap(),
        deposit_id: payment.tx_id.parse().unwrap(),
        terms,
        instructions: map::instructions(address, amount),
        ..crate::testing::intent()
    }
}

#[test]
fn states() {
    let mut count = 0;
    for name in FIXTURES.names("get_") {
        let response = FIXTURES.answer(&name);
        if response.status != 200 || name == "get_wrong_types" {
            continue;
        }
        let payment = serde_json::from_str::<Got>(response.body.get()).unwrap().payment().unwrap().unwrap();
        let intent = deposit(&payment);
        let price = quote::price(&intent.terms, intent.terms.requested().unwrap());
        let snapshot = map::snapshot(&intent, Asked { price, minutes: 120, confirmations: 1 }, &payment);
        let shown = serde_json::to_string_pretty(&snapshot).unwrap();
        let shown = shown.replace(intent.instructions.address().unwrap(), "[address]");
        insta::assert_snapshot!(name.replace("get_", "state_"), shown);
        count += 1;
    }
    assert!(count >= 12, "{count} states: are the fixtures complete?");
}

#[test]
fn created() {
    let of = |name| FIXTURES.parsed::<Created>(name);
    let (first, again) = (of("create_ok"), of("create_existing"));
    assert_eq!((first.existing, again.existing), (false, true));
    assert_eq!(
        (&first.payment.tx_id, &first.payment.address),
        (&again.payment.tx_id, &again.payment.address)
    );
    assert_eq!(quote::nearest_satoshi(first.payment.amount_crypto.decimal()), Some(bch("0.03125")));
    // 1.23456789 / 400 has more decimals than can be paid.
    let uneven = of("create_uneven").payment;
    assert_eq!(uneven.amount_crypto.as_str(), "0.003086419725");
    assert_eq!(quote::nearest_satoshi(uneven.amount_crypto.decimal()), Some(bch("0.00308642")));
}

#[test]
fn wrong_types_are_no_answer() {
    let got: Got = FIXTURES.parsed("get_wrong_types");
    assert!(got.payment().is_err());
}

#[test]
fn callbacks() {
    let mut shown = BTreeMap::new();
    for name in FIXTURES.names("callback_") {
        let body = FIXTURES.request::<Sent>(&name).body;
        let raw = RawDelivery {
            headers: &[],
            query: &[],
            body: body.get().as_bytes(),
            received_at: Timestamp::EPOCH,
        };
        let taken = Webhooks::new(Secret::new("REDACTED")).take(&raw);
        if name == "callback_wrong_token" {
            assert_eq!(taken, Err(WebhookError::Unauthenticated));
            continue;
        }
        let delivery = taken.unwrap_or_else(|error| panic!("{name}: {error}"));
        shown.insert(name, format!("{delivery:?}"));
    }
    assert_eq!(shown["callback_paid"], shown["callback_paid_again"]);
    insta::assert_json_snapshot!("callbacks", shown);
}

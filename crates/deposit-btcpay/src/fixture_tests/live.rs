//! What a real server answered (`fixtures/btcpay/live/`), as this adapter understands it: every recording is read by the decoder that reads its
//! kind, or named with the reason why the adapter has none for it.

use std::collections::{BTreeMap, BTreeSet};

use deposit_core::{Concern, PaymentReading, RawDelivery, Snapshot, Timestamp};
use deposit_testkit::Recorded;
use serde::Deserialize;
use serde_json::Value;

use crate::api::{
    ApiError, FieldError, Invoice, ListedId, ListedMethods, Output, PaymentMethod, Rate, Transaction,
};
use crate::map;
use crate::testing::{ORDER_ID, config, intent, methods};

const LIVE: Recorded = Recorded("btcpay/live");

/// Recordings without a decoder here, and why.
const NOT_READ: &[(&str, &str)] = &[
    ("archive", "the adapter archives nothing"),
    ("health", "the adapter does not ask for it"),
    ("key_current", "read by the check, with decoders of its own"),
    ("payment_methods_of_store", "read by the check, with decoders of its own"),
    ("server_info", "read by the check, with decoders of its own"),
    ("read_404_wrong_path", "an empty body: the status alone is looked at"),
    ("wallet_transactions_list", "its confirmations are always 0: single transactions are asked for"),
];

/// The invoice as if it were our deposit's: the recorded order ids are shorter than ours may be.
fn ours(mut invoice: Invoice) -> Invoice {
    assert!(invoice.metadata["orderId"].as_str().unwrap().starts_with("recorded-"));
    invoice.metadata["orderId"] = ORDER_ID.into();
    invoice
}

fn codes(concerns: &[Concern]) -> Vec<&str> {
    concerns.iter().map(|concern| concern.code.as_str()).collect()
}

/// One read in a line; opaque references are left out.
fn told(snapshot: &Snapshot) -> String {
    let payment = |p: &PaymentReading| format!("{} in flight, {} confirmed", p.in_flight, p.confirmed);
    let payments: Vec<_> = snapshot.payments.iter().map(payment).collect();
    let dated = if snapshot.expired_at.is_some() { ", dated" } else { "" };
    let whole = if snapshot.complete { "" } else { ", incomplete" };
    let elsewhere = if snapshot.instructions.is_some() { ", another address" } else { "" };
    format!(
        "{:?}{dated}{whole}{elsewhere}; payments {payments:?}; undecided {}; concerns {:?}",
        snapshot.state,
        snapshot.undecided.len(),
        codes(&snapshot.concerns)
    )
}

fn invoice(name: &str) -> String {
    let invoice = ours(LIVE.parsed(name));
    let prompts: Vec<PaymentMethod> = LIVE.parsed(&name.replacen("invoice_", "payments_", 1));
    let methods = methods();
    let method = methods.by_id(prompts.first().unwrap().id()).unwrap();
    let shown = map::destination(method, &prompts).unwrap_or("none");
    let asked = invoice.amount.as_ref().unwrap().as_str();
    let mut intent = intent(method.coin.ticker, asked, shown);
    intent.provider_ref = invoice.id.parse().unwrap();
    let snapshot = map::snapshot(&intent, method, &invoice, &prompts);
    // No payment is lost on the way, and each keeps the server's reference.
    let listed: BTreeSet<_> = prompts.iter().flat_map(|p| &p.payments).map(|p| p.id.as_str()).collect();
    let read = snapshot.payments.iter().map(|p| p.id.as_str());
    let read: BTreeSet<_> = read.chain(snapshot.undecided.iter().map(|id| id.as_str())).collect();
    assert_eq!(read, listed, "{name}");
    let nothing = map::is_paid_by_nothing(&invoice, &prompts);
    told(&snapshot) + if nothing { "; paid by nothing" } else { "" }
}

fn payments(name: &str) -> String {
    let prompts: Vec<PaymentMethod> = LIVE.parsed(name);
    let methods = methods();
    let tell = |prompt: &PaymentMethod| {
        let method = methods.by_id(prompt.id()).unwrap();
        assert_eq!(prompt.currency(), Some(method.coin.currency), "{name}");
        let unsafe_word = if map::needs_no_confirmation(method, &prompts) { ", unconfirmed" } else { "" };
        let statuses: Vec<_> = prompt.payments.iter().map(|p| format!("{:?}", p.status)).collect();
        let due = prompt.due.as_ref().map(|due| due.decimal().to_string());
        let shown = map::destination(method, &prompts).is_some();
        format!("{} shown {shown}, due {due:?}, {statuses:?}{unsafe_word}", method.coin.ticker)
    };
    prompts.iter().map(tell).collect::<Vec<_>>().join("; ")
}

fn made(name: &str) -> String {
    let invoice = LIVE.parsed::<Invoice>(name);
    let checkout = invoice.checkout.as_ref().and_then(|checkout| checkout.payment_methods.as_ref());
    format!(
        "{:?} {:?}, {} {}, methods {:?}",
        invoice.status,
        invoice.additional_status,
        invoice.amount.as_ref().unwrap().as_str(),
        invoice.currency.as_deref().unwrap(),
        checkout.unwrap()
    )
}

fn list(name: &str) -> String {
    let ids: Vec<ListedId> = LIVE.parsed(name);
    let invoices: Vec<Invoice> = LIVE.parsed(name);
    assert!(ids.iter().map(|listed| &listed.id).eq(invoices.iter().map(|invoice| &invoice.id)));
    let methods: Vec<ListedMethods> = LIVE.parsed(name);
    let tell = |(invoice, listed): (&Invoice, &ListedMethods)| {
        let paid: Vec<_> = listed.payment_methods.iter().flatten().map(|p| p.payments.len()).collect();
        let order = invoice.metadata["orderId"].as_str().unwrap();
        format!("{order} {:?}, payments by method {paid:?}", invoice.status)
    };
    // Invoices of one second come in any order.
    let told: BTreeSet<_> = invoices.iter().zip(&methods).map(tell).collect();
    format!("{told:?}")
}

fn rates(name: &str) -> String {
    let rates: Vec<Rate> = LIVE.parsed(name);
    let tell = |r: &Rate| format!("{} {}", r.currency_pair, r.rate.as_ref().map_or("none", |r| r.get()));
    rates.iter().map(tell).collect::<Vec<_>>().join(", ")
}

fn outputs(name: &str) -> String {
    let outputs: Vec<Output> = LIVE.parsed(name);
    assert!(outputs.iter().all(|o| o.address.is_some() && o.timestamp > 0 && o.outpoint.contains('-')));
    let tell = |o: &Output| format!("{} with {}", o.amount.as_str(), o.confirmations);
    outputs.iter().map(tell).collect::<Vec<_>>().join(", ")
}

fn transaction(name: &str) -> String {
    let transaction: Transaction = LIVE.parsed(name);
    format!("{} confirmations, lost {}", transaction.confirmations, transaction.is_lost())
}

/// The word that a refusal is told by.
fn refusal(name: &str) -> String {
    let answer = LIVE.answer(name);
    let body = answer.body.get();
    if let Ok(error) = serde_json::from_str::<ApiError>(body) {
        return format!("{} {}", answer.status, error.code);
    }
    let fields: Vec<FieldError> = serde_json::from_str(body).unwrap_or_else(|e| panic!("{name}: {e}"));
    let paths: Vec<_> = fields.iter().map(|field| field.path.as_str()).collect();
    format!("{} {paths:?}", answer.status)
}

/// With the real server's own signature, which is by the secret of [`config`].
fn webhook(name: &str) -> String {
    #[derive(Deserialize)]
    struct Delivered {
        headers: BTreeMap<String, String>,
        body: String,
    }
    let file = format!("{}/../../fixtures/btcpay/live/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let sent: Delivered = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let event: Value = serde_json::from_str(&sent.body).unwrap();
    let mut config = config();
    config.store_id = event["storeId"].as_str().unwrap().to_owned();
    let hooks = crate::webhook::Webhooks::new(&config.check().unwrap());
    let headers: Vec<_> = sent.headers.into_iter().collect();
    let take = |body: &[u8]| {
        hooks.take(&RawDelivery { headers: &headers, query: &[], body, received_at: Timestamp::EPOCH })
    };
    let delivery = take(sent.body.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(take(sent.body.replacen("deposit/1", "deposit/2", 1).as_bytes()).is_err(), "{name}: signed");
    let tell = |o: &deposit_core::Observation| {
        format!("{:?} ours {:?} {:?}", o.observed, o.ours, o.ticker.map(|ticker| ticker.to_string()))
    };
    let observations: Vec<_> = delivery.observations.iter().map(tell).collect();
    format!("{observations:?}; concerns {:?}", codes(&delivery.concerns))
}

fn outcome(name: &str) -> String {
    let status = || LIVE.answer(name).status;
    match name.split('_').next().unwrap() {
        "webhook" => webhook(name),
        _ if status() != 200 => refusal(name),
        "invoice" => invoice(name),
        "payments" => payments(name),
        "create" | "mark" => made(name),
        "list" => list(name),
        "rates" => rates(name),
        "wallet" if name == "wallet_utxos" => outputs(name),
        "wallet" if name.starts_with("wallet_transaction_") => transaction(name),
        _ => panic!("{name}: no decoder is tried on it, and no reason is given"),
    }
}

#[test]
fn every_recording_of_a_real_server_is_read() {
    let all = LIVE.all();
    for (name, _) in NOT_READ {
        assert!(all.iter().any(|recorded| recorded == name), "{name}: there is no such recording");
    }
    let read = all.iter().filter(|name| !NOT_READ.iter().any(|(not_read, _)| not_read == name));
    let outcomes: BTreeMap<_, _> = read.map(|name| (name.clone(), outcome(name))).collect();
    assert_eq!(outcomes.len() + NOT_READ.len(), all.len());
    insta::assert_json_snapshot!("live", outcomes);
}

/// The real server says `Settled` of what it lost, so that only the wallet's own view can tell.
#[test]
fn an_invoice_does_not_tell_that_the_chain_lost_its_payment() {
    assert_eq!(invoice("invoice_ltc_settled"), invoice("invoice_ltc_settled_then_gone_from_the_chain"));
    assert_ne!(
        transaction("wallet_transaction_settled"),
        transaction("wallet_transaction_gone_from_the_chain")
    );
}

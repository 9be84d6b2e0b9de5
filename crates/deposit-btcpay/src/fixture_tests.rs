//! What the emulator recorded (`cargo xtask fixtures`), as this adapter understands it. The snapshots are reviewed as code;
//! references and addresses are replaced in them, so that a new recording changes only what it means.

mod live;

use std::collections::BTreeMap;

use deposit_core::{IntentRecord, RawDelivery, Ticker, Timestamp};
use deposit_testkit::Recorded;
use serde_json::Value;

use crate::api::{Invoice, PaymentMethod, PaymentStatus, Rate};
use crate::map;
use crate::testing::{intent, methods};

const FIXTURES: Recorded = Recorded("btcpay");

/// The deposit that the invoice of a fixture could belong to: shown the address that was paid first.
fn deposit(invoice: &Invoice, prompts: &[PaymentMethod], payments: &str) -> (IntentRecord, Ticker) {
    let prompt = prompts.first().unwrap();
    let ticker = methods().by_id(prompt.id()).unwrap().coin.ticker;
    let listed: Value = serde_json::from_str(payments).unwrap();
    let paid_at = listed[0]["payments"][0]["destination"].as_str();
    let shown = paid_at.or(prompt.destination.as_deref()).unwrap();
    let mut intent = intent(ticker, invoice.amount.as_ref().unwrap().as_str(), shown);
    intent.provider_ref = invoice.id.parse().unwrap();
    intent.deposit_id = invoice.metadata["orderId"].as_str().unwrap().parse().unwrap();
    (intent, ticker)
}

/// Opaque texts by what they are.
fn redact(text: String, invoice: &str, prompts: &[PaymentMethod]) -> String {
    let mut text = text.replace(invoice, "[invoice]");
    for prompt in prompts {
        for (n, payment) in prompt.payments.iter().enumerate() {
            text = text.replace(&payment.id, &format!("[payment {}]", n + 1));
        }
        if let Some(destination) = prompt.destination.as_deref().filter(|d| !d.is_empty()) {
            text = text.replace(destination, "[destination]");
        }
    }
    text
}

#[test]
fn states() {
    let mut count = 0;
    for name in FIXTURES.names("invoice_") {
        let state = name.strip_prefix("invoice_").unwrap();
        let payments = format!("payments_{state}");
        let readable = |name: &str| FIXTURES.answer(name).status == 200;
        if state == "wrong_types" || !FIXTURES.has(&payments) || !readable(&payments) {
            continue;
        }
        let invoice: Invoice = FIXTURES.parsed(&name);
        let text = FIXTURES.body(&payments);
        let prompts: Vec<PaymentMethod> = serde_json::from_str(&text).unwrap();
        let (intent, ticker) = deposit(&invoice, &prompts, &text);
        let snapshot = map::snapshot(&intent, methods().of(ticker).unwrap(), &invoice, &prompts);
        assert_eq!(snapshot.order.as_str(), invoice.id);
        let ids: Vec<_> = snapshot
            .payments
            .iter()
            .map(|p| p.id.as_str())
            .chain(snapshot.undecided.iter().map(|p| p.as_str()))
            .collect();
        let listed: Vec<_> = prompts[0].payments.iter().map(|p| p.id.as_str()).collect();
        assert_eq!(ids.len(), listed.len(), "{state}");
        assert!(
            listed.iter().all(|id| ids.contains(id)),
            "{state}: the reference is the provider's own text"
        );
        let shown = redact(serde_json::to_string_pretty(&snapshot).unwrap(), &invoice.id, &prompts);
        insta::assert_snapshot!(format!("state_{state}"), shown);
        count += 1;
    }
    assert!(count >= 20, "{count} states: are the fixtures complete?");
}

/// Each coin, unpaid and paid in part: where to pay, and what is said of it.
#[test]
fn coins() {
    let mut shown = BTreeMap::new();
    for name in FIXTURES.names("payments_") {
        let Some(coin) = name.strip_prefix("payments_").and_then(|n| n.strip_suffix("_new")) else {
            continue;
        };
        let prompts: Vec<PaymentMethod> = FIXTURES.parsed(&name);
        let methods = methods();
        let method = methods.by_id(prompts[0].id()).unwrap();
        let to = map::destination(method, &prompts).unwrap();
        let due = prompts[0].due.as_ref().unwrap().decimal().to_string();
        let amount = deposit_core::Amount::parse(&due, method.coin.asset).unwrap();
        let how = map::instructions(method, to, amount).unwrap();
        assert!(how.address().is_some() && how.link().is_some());
        shown.insert(
            coin.to_owned(),
            format!("{} {}", method.coin.ticker, redact(how.link().unwrap().to_owned(), "-", &prompts)),
        );

        let part: Vec<PaymentMethod> = FIXTURES.parsed(&format!("payments_{coin}_partial"));
        let changes = matches!(method.coin.ticker, Ticker::BTC_LN | Ticker::XMR | Ticker::ZEC);
        assert_eq!(map::destination(method, &part) != Some(to), changes, "{coin}");
    }
    insta::assert_json_snapshot!("coins", shown);
    assert_eq!(shown.len(), 8);
}

#[test]
fn wrong_types_are_no_answer() {
    assert!(serde_json::from_str::<Invoice>(&FIXTURES.body("invoice_wrong_types")).is_err());
    assert!(serde_json::from_str::<Vec<PaymentMethod>>(&FIXTURES.body("payments_wrong_types")).is_err());
}

#[test]
fn unknown_words_are_kept_as_such() {
    let prompts: Vec<PaymentMethod> = FIXTURES.parsed("payments_unknown_word");
    assert!(matches!(prompts[0].payments[0].status, PaymentStatus::Other(_)));
}

/// A double-spent payment is hidden unless it is asked for.
#[test]
fn the_accounted_form_would_hide_a_reversal() {
    let of =
        |name| serde_json::from_str::<Vec<PaymentMethod>>(&FIXTURES.body(name)).unwrap()[0].payments.len();
    assert_eq!((of("payments_replaced"), of("payments_replaced_accounted_only")), (1, 0));
}

#[test]
fn rates() {
    let rates: Vec<Rate> = FIXTURES.parsed("rates");
    assert!(!rates.is_empty() && rates.iter().all(|r| r.rate.is_some() && r.currency_pair.ends_with("_USD")));
    let down: Vec<Rate> = FIXTURES.parsed("rates_down");
    assert!(!down.is_empty() && down.iter().all(|r| r.rate.is_none()));
}

#[test]
fn webhooks() {
    #[derive(serde::Deserialize)]
    struct Delivered {
        headers: BTreeMap<String, String>,
        body: String,
    }
    let mut shown = BTreeMap::new();
    for name in FIXTURES.names("webhook_") {
        let sent: Delivered = FIXTURES.request(&name);
        let event: Value = serde_json::from_str(&sent.body).unwrap();
        let mut config = crate::testing::config();
        config.store_id = event["storeId"].as_str().unwrap().to_owned();
        let hooks = crate::webhook::Webhooks::new(&config.check().unwrap());
        let headers: Vec<_> = sent.headers.into_iter().collect();
        let raw = RawDelivery {
            headers: &headers,
            query: &[],
            body: sent.body.as_bytes(),
            received_at: Timestamp::EPOCH,
        };
        let delivery = hooks.take(&raw).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(delivery.id.as_str(), event["originalDeliveryId"].as_str().unwrap());
        let text = serde_json::to_string(&delivery.observations).unwrap();
        shown.insert(name, text.replace(event["invoiceId"].as_str().unwrap(), "[invoice]"));
    }
    insta::assert_json_snapshot!("webhooks", shown);
}

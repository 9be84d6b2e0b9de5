//! Invented deposits for the tests of this crate.

use deposit_core::{IntentRecord, PayInstructions, Price, ProviderRef, Quote, Terms, Ticker, Timestamp};
use serde_json::{Value, json};

use crate::config::Config;
use crate::currency::Currency;
use crate::map::Read;
use crate::provider::Stripe;

pub(crate) const CREATED: i64 = 1_790_000_000;
pub(crate) const DEPOSIT: &str = "dep_01J9Z3K7QmWx";
pub(crate) const SESSION: &str = "cs_test_a1DepositAAA0001";
pub(crate) const INTENT: &str = "pi_3QDepositAAA0001";
/// Of the dossier's test vectors.
pub(crate) const S1: &str = "whsec_dGVzdF9vbmx5X3NlY3JldF9B";
pub(crate) const S2: &str = "whsec_dGVzdF9vbmx5X3NlY3JldF9C";

pub(crate) fn config() -> Config {
    Config::new("sk_test_sample", S1, "https://shop.example/paid?s={CHECKOUT_SESSION_ID}")
}

pub(crate) fn terms(ticker: Ticker, cents: u64) -> Terms {
    let currency = Currency::of(ticker).unwrap();
    let spec = currency.spec();
    spec.terms(Timestamp::from_secs(CREATED)).with_quote(Quote {
        amount: currency.amount(cents),
        rate: Price::ONE,
        unit_price: Price::ONE,
        expires_at: Timestamp::from_secs(CREATED + 3_600),
    })
}

/// A deposit of 25.00.
pub(crate) fn record(ticker: Ticker) -> IntentRecord {
    IntentRecord {
        deposit_id: DEPOSIT.parse().unwrap(),
        provider: Stripe::ID,
        provider_ref: ProviderRef::new(SESSION).unwrap(),
        terms: terms(ticker, 2_500),
        instructions: PayInstructions::HostedPage {
            url: "https://checkout.stripe.com/c/pay/x#fid".into(),
            payment_id: None,
        },
    }
}

pub(crate) fn merge(into: &mut Value, changes: &Value) {
    for (name, value) in changes.as_object().unwrap() {
        match (into.get_mut(name), value) {
            (Some(inner @ Value::Object(_)), Value::Object(_)) => merge(inner, value),
            _ => into[name] = value.clone(),
        }
    }
}

/// A session of 25 dollars that is paid, with changes.
pub(crate) fn session(changes: &Value) -> Value {
    let marker = json!({"deposit_id": DEPOSIT, "deposit_gateway": "deposit/1"});
    let mut session = json!({
        "id": SESSION, "object": "checkout.session", "livemode": false, "mode": "payment", "status": "complete",
        "payment_status": "paid", "amount_total": 2500, "currency": "usd", "client_reference_id": DEPOSIT,
        "metadata": marker, "url": null, "payment_method_types": ["card"], "novelty": {"of": ["a", "later", "version"]},
        "payment_intent": {
            "id": INTENT, "object": "payment_intent", "status": "succeeded", "amount": 2500, "amount_received": 2500,
            "currency": "usd", "latest_charge": {"id": "ch_1", "created": CREATED + 90, "amount_refunded": 0}
        }
    });
    merge(&mut session, changes);
    session
}

pub(crate) fn read(session: Value, refunds: Value, disputes: Value) -> Read {
    Read {
        session: serde_json::from_value(session).unwrap(),
        refunds: serde_json::from_value(refunds).unwrap(),
        disputes: serde_json::from_value(disputes).unwrap(),
    }
}

pub(crate) fn refund(id: &str, amount: u64, status: &str) -> Value {
    json!({"id": id, "amount": amount, "currency": "usd", "payment_intent": INTENT, "status": status})
}

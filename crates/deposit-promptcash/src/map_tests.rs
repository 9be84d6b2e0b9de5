use deposit_core::Amount;
use proptest::prelude::*;

use super::*;
use crate::testing::{ADDRESS, CREATED, TX_ID, bch, intent};

const PAID_AT: &str = "2026-07-25T18:00:00+01:00";

fn asked() -> Asked {
    Asked { price: Some(Amount::parse("12.5", Asset::USD).unwrap()), minutes: 120, confirmations: 1 }
}

/// A payment as text, so that figures keep theirs. `paid_at` empty: Go's zero time.
fn text(status: &str, paid: &str, confirmations: u32, paid_at: &str) -> String {
    let paid_at = if paid_at.is_empty() { "0001-01-01T00:00:00Z" } else { paid_at };
    format!(
        r#"{{"id":4711,"tx_id":"{TX_ID}","amount_crypto":0.031250000000,"amount_fiat":12.5,"status":"{status}",
            "paid_amount_crypto":{paid},"fiat_currency":"USD","crypto_currency":"BCH","slp_token":"SPICE",
            "address":"bitcoincash:{ADDRESS}","confirmations":{confirmations},"hash":"ab12",
            "created_at":"2026-07-26T00:20:00.678901+07:00","paid":"{paid_at}"}}"#
    )
}

fn payment(text: &str) -> Payment {
    serde_json::from_str(text).unwrap()
}

fn read(status: &str, paid: &str, confirmations: u32, paid_at: &str) -> Snapshot {
    snapshot(&intent(), asked(), &payment(&text(status, paid, confirmations, paid_at)))
}

fn id() -> PaymentRef {
    PaymentRef::new(TX_ID).unwrap()
}

fn codes(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.concerns.iter().map(|c| c.code.as_str()).collect()
}

/// What goes to an operator: the code, how much and of what.
fn handed(snapshot: &Snapshot) -> Vec<String> {
    let money = snapshot.concerns.iter().filter_map(|c| Some((&c.code, c.money.as_ref()?)));
    money
        .map(|(code, money)| {
            assert_eq!(money.payment, Some(id()));
            let ticker = money.ticker.map_or("-".to_owned(), |ticker| ticker.to_string());
            format!("{code} {} {ticker}", money.amount.as_deref().unwrap_or("-"))
        })
        .collect()
}

#[test]
fn what_no_rule_credits_or_takes_back_is_handed_over() {
    for (status, paid, confirmations, paid_at, wanted) in [
        ("HOLD", "0.03125", 0, "", "on_hold 0.03125 -"),
        ("REFUNDED", "0.03125", 1, PAID_AT, "refund_at_provider 0.03125 -"),
        ("REFUNDED", "0", 1, PAID_AT, "refund_at_provider - -"),
        ("FROZEN", "0.01", 1, "", "unknown_status 0.01 -"),
        ("PAID", "0.03124999", 1, PAID_AT, "paid_short 0.03124999 -"),
        ("PAID", "0", 1, PAID_AT, "paid_short - -"),
        ("PAID", "0.03125", 0, PAID_AT, "unconfirmed 0.03125 -"),
        ("PAID", "-1", 1, PAID_AT, "unreadable_amount - -"),
        ("EXPIRED", "0.03125", 1, PAID_AT, "was_paid 0.03125 -"),
        ("CANCELLED", "0", 1, PAID_AT, "was_paid - -"),
    ] {
        assert_eq!(handed(&read(status, paid, confirmations, paid_at)), [wanted], "{status} {paid}");
    }
    for (status, paid) in
        [("PENDING", "0"), ("PENDING", "0.01"), ("CONFIRMING", "0.03125"), ("EXPIRED", "0.01")]
    {
        assert_eq!(handed(&read(status, paid, 0, "")), [""; 0], "{status}");
    }
}

#[test]
fn another_order_s_payment_is_money_once_something_was_paid() {
    let of = |status: &str, paid: &str, from: &str, to: &str| {
        let text = text(status, paid, 1, "").replace(from, to);
        handed(&snapshot(&intent(), asked(), &payment(&text)))
    };
    let (price, coin) = (r#""amount_fiat":12.5"#, r#""crypto_currency":"BCH""#);
    for status in ["PENDING", "EXPIRED", "CANCELLED"] {
        assert_eq!(of(status, "0", price, r#""amount_fiat":1.25"#), [""; 0], "{status}");
    }
    assert_eq!(of("PENDING", "0.01", price, r#""amount_fiat":1.25"#), ["order_mismatch 0.01 -"]);
    assert_eq!(of("PAID", "0.01", price, r#""amount_fiat":1.25"#), ["order_mismatch 0.01 -"]);
    assert_eq!(of("PAID", "0.01", coin, r#""crypto_currency":"SLP""#), ["currency_mismatch - SLP"]);
}

/// In flight and confirmed, or `None` where nothing is listed.
fn figures(snapshot: &Snapshot) -> Option<(u128, u128)> {
    snapshot.payments.first().map(|p| (p.in_flight, p.confirmed))
}

#[test]
fn every_status() {
    let failed = OrderState::Failed(Failure::Cancelled);
    for (status, paid, paid_at, state, listed, concern) in [
        ("PENDING", "0", "", OrderState::Open, None, None),
        ("PENDING", "0.01", "", OrderState::Open, Some((1_000_000, 0)), None),
        ("CONFIRMING", "0.03125", "", OrderState::Open, Some((3_125_000, 0)), None),
        ("PAID", "0.03125", PAID_AT, OrderState::Open, Some((0, 3_125_000)), None),
        ("PAID", "0.04", PAID_AT, OrderState::Open, Some((0, 4_000_000)), None),
        ("EXPIRED", "0", "", OrderState::Expired, None, None),
        ("EXPIRED", "0.01", "", OrderState::Expired, Some((1_000_000, 0)), None),
        ("CANCELLED", "0", "", failed, None, None),
        ("CANCELLED", "0.01", "", failed, Some((1_000_000, 0)), None),
        ("HOLD", "0.03125", PAID_AT, OrderState::Open, None, Some("on_hold")),
        ("REFUNDED", "0", PAID_AT, OrderState::Open, None, Some("refund_at_provider")),
        ("FROBNICATED", "0.03125", PAID_AT, OrderState::Open, None, Some("unknown_status")),
        ("paid", "0.03125", PAID_AT, OrderState::Open, None, Some("unknown_status")),
    ] {
        let snapshot = read(status, paid, 1, paid_at);
        assert_eq!(snapshot.state, state, "{status}");
        assert_eq!(figures(&snapshot), listed, "{status}");
        assert_eq!(codes(&snapshot), concern.into_iter().collect::<Vec<_>>(), "{status}");
        let undecided: &[_] = if concern.is_some() { &[id()] } else { &[] };
        assert_eq!(snapshot.undecided, undecided, "{status}");
        assert!(snapshot.complete, "{status}");
    }
}

#[test]
fn a_paid_payment_in_full() {
    let snapshot = read("PAID", "3.125e-02", 3, PAID_AT);
    let expected = PaymentReading {
        confirmations: Some(3),
        required_confirmations: Some(1),
        paid_at: Some(Timestamp::from_secs(1_784_998_800)),
        ..PaymentReading::confirmed(id(), bch("0.03125"))
    };
    assert_eq!(snapshot.payments, [expected]);
    assert_eq!((snapshot.expired_at, snapshot.instructions), (None, None));
}

#[test]
fn what_paid_has_to_agree_with() {
    for (paid, confirmations, code) in [
        ("0.03124999", 1, "paid_short"),
        ("0", 1, "paid_short"),
        ("0.03125", 0, "unconfirmed"),
        ("-1", 1, "unreadable_amount"),
        ("1e60", 1, "unreadable_amount"),
    ] {
        let snapshot = read("PAID", paid, confirmations, PAID_AT);
        assert_eq!((codes(&snapshot), figures(&snapshot)), (vec![code], None), "{paid}");
        assert_eq!(snapshot.undecided, [id()]);
    }
    // Each confirmation that was asked for.
    let three = Asked { confirmations: 3, ..asked() };
    let of = |confirmations| {
        snapshot(&intent(), three, &payment(&text("PAID", "0.03125", confirmations, PAID_AT)))
    };
    assert_eq!((codes(&of(2)), figures(&of(2))), (vec!["unconfirmed"], None));
    assert_eq!(figures(&of(3)), Some((0, 3_125_000)));
    // A sum in binary floating point is as much as it means.
    let sum = read("PAID", "0.031249999999999997", 1, PAID_AT);
    assert_eq!((codes(&sum), figures(&sum)), (vec![], Some((0, 3_125_000))));
    // Without a confirmation, where none is asked for.
    let none = Asked { confirmations: 0, ..asked() };
    let snapshot = snapshot(&intent(), none, &payment(&text("PAID", "0.03125", 0, PAID_AT)));
    assert_eq!(figures(&snapshot), Some((0, 3_125_000)));
}

#[test]
fn what_was_paid_is_never_unpaid_by_a_word() {
    for status in ["PENDING", "CONFIRMING", "EXPIRED", "CANCELLED"] {
        let snapshot = read(status, "0.03125", 1, PAID_AT);
        assert_eq!((codes(&snapshot), figures(&snapshot)), (vec!["was_paid"], None), "{status}");
        assert_eq!(snapshot.undecided, [id()], "{status}");
    }
}

#[test]
fn another_order_is_not_this_one() {
    let good = text("PAID", "0.03125", 1, PAID_AT);
    for (from, to, code) in [
        (r#""crypto_currency":"BCH""#, r#""crypto_currency":"SLP""#, "currency_mismatch"),
        (r#""fiat_currency":"USD""#, r#""fiat_currency":"EUR""#, "order_mismatch"),
        (r#""amount_fiat":12.5"#, r#""amount_fiat":1.25"#, "order_mismatch"),
        ("bitcoincash:qzq9", "bitcoincash:qqq9", "order_mismatch"),
        ("bitcoincash:qzq9", "simpleledger:qzq9", "order_mismatch"),
    ] {
        assert!(good.contains(from));
        let snapshot = snapshot(&intent(), asked(), &payment(&good.replace(from, to)));
        assert_eq!((codes(&snapshot), figures(&snapshot)), (vec![code], None), "{to}");
        assert_eq!(snapshot.undecided, [id()]);
    }
}

#[test]
fn the_rest_of_a_part_is_asked_for_at_the_same_address() {
    let link = |s: Snapshot| s.instructions.and_then(|how| how.link().map(str::to_owned));
    let wanted = format!("bitcoincash:{ADDRESS}?amount=0.02125");
    assert_eq!(link(read("PENDING", "0.01", 0, "")), Some(wanted));
    assert_eq!(link(read("PENDING", "0", 0, "")), None);
    assert_eq!(link(read("CONFIRMING", "0.03125", 0, "")), None);
    assert_eq!(link(read("EXPIRED", "0.01", 0, "")), None);
}

#[test]
fn the_deadline_is_reckoned_from_the_service_s_making() {
    let deadline = Timestamp::from_millis((CREATED + 7200) * 1000 + 678);
    assert_eq!(read("EXPIRED", "0", 0, "").expired_at, Some(deadline));
    assert_eq!(read("PAID", "0.03125", 1, "2026-07-25T19:20:00Z").expired_at, None);
    assert_eq!(read("PAID", "0.03125", 1, "2026-07-25T19:20:01Z").expired_at, Some(deadline));
    assert_eq!(read("PENDING", "0", 0, "").expired_at, None);
}

#[test]
fn times() {
    assert_eq!(time("0001-01-01T00:00:00Z"), None);
    assert_eq!(time("1969-12-31T23:59:59Z"), None);
    assert_eq!(time(""), None);
    assert_eq!(time("2026-01-02T03:04:05.678901+07:00"), Some(Timestamp::from_millis(1_767_297_845_678)));
}

#[test]
fn only_addresses_of_the_chain() {
    assert_eq!(bare_address(&format!("bitcoincash:{ADDRESS}")), Some(ADDRESS));
    for bad in [
        ADDRESS.to_owned(),
        format!("simpleledger:{ADDRESS}"),
        format!("bitcoincash:bitcoincash:{ADDRESS}"),
        format!("bitcoincash:{}", ADDRESS.to_uppercase()),
        format!("bitcoincash:z{}", ADDRESS.strip_prefix('q').unwrap()),
        format!("bitcoincash:{ADDRESS}?amount=1"),
        "bitcoincash:qexample".to_owned(),
        String::new(),
    ] {
        assert_eq!(bare_address(&bad), None, "{bad}");
    }
}

/// The three ways in which a read says that there is no such payment, and what is no answer at all.
#[test]
fn envelopes() {
    let got = |text: &str| serde_json::from_str::<api::Got>(text).unwrap().payment();
    for none in [
        "{}",
        r#"{"data":null}"#,
        r#"{"data":{}}"#,
        r#"{"data":{"id":null}}"#,
        r#"{"data":[]}"#,
        r#"{"error":"x"}"#,
    ] {
        assert!(got(none).unwrap().is_none(), "{none}");
    }
    assert!(got(r#"{"data":{"id":1}}"#).is_err());
    assert!(got(r#"{"data":"x"}"#).is_err());
    let full = text("PENDING", "0", 0, "");
    assert_eq!(got(&format!(r#"{{"data":{full}}}"#)).unwrap().unwrap().tx_id, TX_ID);
    let created: api::Created = serde_json::from_str(&format!(r#"{{"payment":{full}}}"#)).unwrap();
    assert!(!created.existing);
}

proptest! {
    /// Every figure arrives to the satoshi, and nothing is credited below what is due.
    #[test]
    fn figures_are_exact(satoshi in 1_u128..2_100_000_000_000_000) {
        let paid = Amount::new(satoshi, Asset::BCH);
        let pending = read("PENDING", &paid.to_string(), 0, "");
        prop_assert_eq!(figures(&pending), Some((satoshi, 0)));
        let paid = read("PAID", &paid.to_string(), 1, PAID_AT);
        prop_assert_eq!(figures(&paid), (satoshi >= 3_125_000).then_some((0, satoshi)));
    }

    #[test]
    fn no_text_panics(status in ".*", address in ".*", paid in "-?[0-9]{1,40}(\\.[0-9]{1,40})?(e-?[0-9]{1,4})?", at in ".*") {
        let mut payment = payment(&text("PENDING", "0", 0, ""));
        (payment.status, payment.address, payment.paid) = (Status::Other(status), address, Some(at));
        if let Ok(paid) = paid.parse() {
            payment.paid_amount_crypto = paid;
        }
        let read = snapshot(&intent(), asked(), &payment);
        prop_assert!(read.payments.is_empty());
        payment.status = Status::Paid;
        snapshot(&intent(), asked(), &payment);
    }
}

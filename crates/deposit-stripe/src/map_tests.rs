use deposit_core::{Asset, Ticker, printable};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::testing::{CREATED, DEPOSIT, INTENT, read, record, refund, session};

fn shown(changes: Value, refunds: Value, disputes: Value) -> Snapshot {
    let usd = Currency::of(Ticker::USD).unwrap();
    snapshot(&record(Ticker::USD), usd, &read(session(&changes), refunds, disputes))
}

fn plain(changes: Value) -> Snapshot {
    shown(changes, json!([]), json!([]))
}

fn codes(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.concerns.iter().map(|concern| concern.code.as_str()).collect()
}

/// What goes to an operator: code, payment, amount and ticker.
fn handed(snapshot: &Snapshot) -> Vec<String> {
    let text = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let money = snapshot.concerns.iter().filter_map(|c| Some((&c.code, c.money.as_ref()?)));
    let one = |m: &ConcernedMoney| {
        let payment = text(m.payment.as_ref().map(ToString::to_string));
        format!("{payment} {} {}", text(m.amount.clone()), text(m.ticker.map(|t| t.to_string())))
    };
    money.map(|(code, money)| format!("{code} {}", one(money))).collect()
}

/// `confirmed 2500`, `in flight 2500`, `undecided` or `nothing`, in cents.
fn payment(snapshot: &Snapshot) -> String {
    assert!(snapshot.payments.len() + snapshot.undecided.len() <= 1, "{snapshot:?}");
    match (snapshot.payments.first(), snapshot.undecided.first()) {
        (Some(p), None) if p.confirmed > 0 => format!("confirmed {}", p.confirmed / 1_000_000),
        (Some(p), None) => format!("in flight {}", p.in_flight / 1_000_000),
        (None, Some(_)) => "undecided".to_owned(),
        _ => "nothing".to_owned(),
    }
}

#[test]
fn a_paid_session_is_one_confirmed_payment() {
    let read = plain(json!({}));
    let expected = PaymentReading {
        paid_at: Some(Timestamp::from_secs(CREATED + 90)),
        ..PaymentReading::confirmed(INTENT.parse().unwrap(), Amount::parse("25", Asset::USD).unwrap())
    };
    assert_eq!(read.payments, [expected]);
    assert_eq!((read.state, read.complete, read.concerns), (OrderState::Open, true, vec![]));
}

/// `status`, `payment_status`, the PaymentIntent's; the payment, the order and the concerns that follow.
type Row =
    (&'static str, &'static str, Option<&'static str>, &'static str, &'static str, &'static [&'static str]);

/// Every word of `status` x `payment_status` x the PaymentIntent's `status`, by the table of section 7.
#[test]
fn every_word() {
    let open = "Open";
    let table: &[Row] = &[
        ("open", "unpaid", None, "nothing", open, &[]),
        ("open", "unpaid", Some("requires_payment_method"), "nothing", open, &[]),
        ("open", "unpaid", Some("requires_confirmation"), "nothing", open, &[]),
        ("open", "unpaid", Some("requires_action"), "nothing", open, &[]),
        ("open", "unpaid", Some("processing"), "in flight 2500", open, &[]),
        ("open", "unpaid", Some("succeeded"), "in flight 2500", open, &[]),
        ("open", "unpaid", Some("canceled"), "nothing", open, &[]),
        ("open", "paid", Some("succeeded"), "undecided", open, &["contradiction"]),
        ("complete", "paid", Some("succeeded"), "confirmed 2500", open, &[]),
        ("complete", "paid", Some("processing"), "undecided", open, &["contradiction"]),
        ("complete", "paid", Some("canceled"), "undecided", open, &["contradiction"]),
        ("complete", "paid", Some("requires_capture"), "undecided", open, &["contradiction"]),
        ("complete", "paid", Some("levitating"), "undecided", open, &["unknown_status"]),
        ("complete", "unpaid", Some("processing"), "in flight 2500", open, &[]),
        ("complete", "unpaid", Some("requires_action"), "in flight 2500", open, &[]),
        ("complete", "unpaid", Some("requires_confirmation"), "in flight 2500", open, &[]),
        ("complete", "unpaid", Some("requires_capture"), "in flight 2500", open, &["manual_capture"]),
        ("complete", "unpaid", Some("succeeded"), "confirmed 2500", open, &[]),
        ("complete", "unpaid", Some("requires_payment_method"), "nothing", "Failed(Declined)", &[]),
        ("complete", "unpaid", Some("canceled"), "nothing", "Failed(Cancelled)", &[]),
        ("complete", "unpaid", Some("levitating"), "undecided", open, &["unknown_status"]),
        ("complete", "no_payment_required", None, "nothing", "Failed(Invalid)", &["no_payment_required"]),
        ("complete", "settled_maybe", Some("succeeded"), "undecided", open, &["unknown_status"]),
        ("expired", "unpaid", None, "nothing", "Expired", &[]),
        ("expired", "unpaid", Some("requires_payment_method"), "nothing", "Expired", &[]),
        ("expired", "unpaid", Some("canceled"), "nothing", "Expired", &[]),
        ("expired", "unpaid", Some("processing"), "in flight 2500", "Expired", &[]),
        ("expired", "unpaid", Some("succeeded"), "confirmed 2500", "Expired", &["paid_after_expiry"]),
        ("expired", "paid", Some("succeeded"), "confirmed 2500", "Expired", &["paid_after_expiry"]),
        ("archived", "paid", Some("succeeded"), "confirmed 2500", open, &["unknown_status"]),
        ("archived", "unpaid", None, "nothing", open, &["unknown_status"]),
    ];
    for (status, paid, intent, wanted, state, concerns) in table {
        let changes = json!({
            "status": status, "payment_status": paid,
            "payment_intent": intent.map(|word| json!({"status": word})),
        });
        let read = plain(changes);
        let what = format!("{status} {paid} {intent:?}");
        assert_eq!(payment(&read), *wanted, "{what}");
        assert_eq!(format!("{:?}", read.state), *state, "{what}");
        assert_eq!(codes(&read), *concerns, "{what}");
        assert!(read.complete, "{what}");
        // Whatever is not decided is money in the hands of nobody; all the rest is not.
        let undecided = (*wanted == "undecided").then(|| format!("{} {INTENT} 25 -", concerns[0]));
        assert_eq!(handed(&read), undecided.into_iter().collect::<Vec<_>>(), "{what}");
    }
}

#[test]
fn a_payment_without_a_reference_concludes_nothing() {
    for changes in [
        json!({"payment_intent": null}),
        json!({"payment_intent": null, "payment_status": "unpaid"}),
        json!({"payment_intent": {"id": "pi\n"}}),
    ] {
        let read = plain(changes);
        assert_eq!((read.complete, payment(&read).as_str()), (false, "nothing"));
        assert_eq!(codes(&read), ["unreadable_payment"]);
        assert_eq!(handed(&read), ["unreadable_payment - 25 -"]);
    }
    // Not expanded: the session's own word counts.
    let mut bare = session(&json!({}));
    bare["payment_intent"] = json!(INTENT);
    let usd = Currency::of(Ticker::USD).unwrap();
    let shown = snapshot(&record(Ticker::USD), usd, &read(bare, json!([]), json!([])));
    assert_eq!(payment(&shown), "confirmed 2500");
}

#[test]
fn another_amount_or_currency_is_held_for_a_person() {
    let unconverted = json!({"currency": "jpy", "amount_received": 3900});
    for (changes, code, known) in [
        (json!({"amount_total": 2499}), "amount_mismatch", "25 -"),
        (
            json!({"amount_total": 2499, "payment_intent": {"amount_received": null}}),
            "amount_mismatch",
            "24.99 -",
        ),
        (json!({"amount_total": 0}), "amount_mismatch", "25 -"),
        (json!({"amount_total": null}), "amount_mismatch", "25 -"),
        (json!({"payment_intent": {"amount_received": 100}}), "amount_mismatch", "1 -"),
        (json!({"currency": "eur", "payment_intent": {"currency": "eur"}}), "currency_mismatch", "25 EUR"),
        (json!({"currency": "jpy", "payment_intent": unconverted.clone()}), "currency_mismatch", "- JPY"),
        (json!({"currency": null}), "currency_mismatch", "25 -"),
        // Paid in a presentment currency, as versions before 2025-03-31 tell it.
        (
            json!({
                "currency": "jpy", "amount_total": 3900, "payment_intent": unconverted,
                "currency_conversion": {
                    "amount_subtotal": 2500, "amount_total": 2500, "fx_rate": "156.2", "source_currency": "usd"
                }
            }),
            "currency_mismatch",
            "25 -",
        ),
    ] {
        let read = plain(changes.clone());
        assert_eq!((payment(&read).as_str(), codes(&read)), ("undecided", vec![code]), "{changes}");
        assert_eq!(handed(&read), [format!("{code} {INTENT} {known}")], "{changes}");
    }
    assert_eq!(payment(&plain(json!({"currency": "USD"}))), "confirmed 2500", "the case is folded");
    let adaptive = json!({"payment_intent": {"currency": "jpy", "amount_received": 3900}});
    assert_eq!(payment(&plain(adaptive)), "confirmed 2500", "shown in another currency, owed in ours");
}

#[test]
fn amounts_are_whole_cents() {
    for bad in [json!(25.0), json!("2500"), json!(-2500), json!(2500.5)] {
        assert!(serde_json::from_value::<Session>(session(&json!({"amount_total": bad}))).is_err(), "{bad}");
    }
}

fn takings_of(read: &Snapshot) -> Vec<(String, u128, u128)> {
    let cents = |minor: u128| minor / 1_000_000;
    let all = &read.payments.first().unwrap_or_else(|| panic!("{read:?}")).takings;
    all.iter().map(|(id, t)| (id.to_string(), cents(t.taken), cents(t.given_back))).collect()
}

#[test]
fn every_word_of_a_refund() {
    for (word, given_back) in
        [("pending", 0), ("requires_action", 0), ("succeeded", 0), ("failed", 1000), ("canceled", 1000)]
    {
        let read = shown(json!({}), json!([refund("re_1", 1_000, word)]), json!([]));
        assert_eq!(takings_of(&read), [("re_1".to_owned(), 1_000, given_back)], "{word}");
        assert_eq!((payment(&read).as_str(), codes(&read)), ("confirmed 2500", vec![]), "{word}");
    }
    for unknown in [json!("reconsidered"), Value::Null] {
        let mut strange = refund("re_2", 500, "");
        strange["status"] = unknown;
        let read = shown(json!({}), json!([refund("re_1", 1_000, "succeeded"), strange]), json!([]));
        assert_eq!((payment(&read).as_str(), codes(&read)), ("undecided", vec!["unknown_status"]));
        assert_eq!(handed(&read), [format!("unknown_status {INTENT} - -")]);
    }
}

#[test]
fn every_word_of_a_dispute() {
    for (word, taken, concerns) in [
        ("needs_response", Some((2_500, 0)), vec![]),
        ("under_review", Some((2_500, 0)), vec![]),
        ("lost", Some((2_500, 0)), vec![]),
        ("won", Some((2_500, 2_500)), vec![]),
        ("prevented", Some((2_500, 2_500)), vec![]),
        ("warning_needs_response", None, vec!["inquiry"]),
        ("warning_under_review", None, vec!["inquiry"]),
        ("warning_closed", None, vec![]),
    ] {
        let read = shown(json!({}), json!([]), json!([refund("dp_1", 2_500, word)]));
        let wanted: Vec<_> = taken.map(|(t, g)| ("dp_1".to_owned(), t, g)).into_iter().collect();
        assert_eq!((takings_of(&read), codes(&read)), (wanted, concerns), "{word}");
    }
    for word in ["appeal_needs_response", "charge_refunded", ""] {
        let read = shown(json!({}), json!([]), json!([refund("dp_1", 2_500, word)]));
        assert_eq!((payment(&read).as_str(), codes(&read)), ("undecided", vec!["unknown_status"]), "{word}");
        assert_eq!(handed(&read), [format!("unknown_status {INTENT} - -")]);
    }
}

#[test]
fn takings_that_do_not_add_up_are_held() {
    let refunded = |cents: u64| json!({"payment_intent": {"latest_charge": {"amount_refunded": cents}}});
    let one = || json!([refund("re_1", 1_000, "succeeded")]);
    assert_eq!(payment(&shown(refunded(1_000), one(), json!([]))), "confirmed 2500");
    // Failed since the session was read.
    let failed = json!([refund("re_1", 1_000, "failed")]);
    assert_eq!(payment(&shown(refunded(1_000), failed, json!([]))), "confirmed 2500");
    let read = shown(refunded(1_001), one(), json!([]));
    assert_eq!((payment(&read).as_str(), codes(&read)), ("undecided", vec!["refunds_missing"]));
    assert_eq!(handed(&read), [format!("refunds_missing {INTENT} - -")]);
    let read = shown(json!({}), json!([refund("re\n", 1_000, "succeeded")]), json!([]));
    assert_eq!((payment(&read).as_str(), codes(&read)), ("undecided", vec!["unreadable_refund"]));
    assert_eq!(handed(&read).len(), 1, "not dropped in silence");
}

#[test]
fn a_refund_in_another_currency_is_handed_over_once_with_all_that_was_taken() {
    let foreign = |id: &str, cents: u64, code: &str, word: &str| {
        let mut refund = refund(id, cents, word);
        refund["currency"] = code.into();
        refund
    };
    let of = |refunds: Value| {
        let read = shown(json!({}), refunds, json!([]));
        assert_eq!(payment(&read), "undecided");
        handed(&read)
    };
    let one = foreign("re_1", 1_000, "eur", "succeeded");
    assert_eq!(of(json!([one])), [format!("currency_mismatch {INTENT} 10 EUR")]);
    let two = foreign("re_2", 500, "EUR", "pending");
    assert_eq!(of(json!([one, two])), [format!("currency_mismatch {INTENT} 15 EUR")], "cumulative");
    let failed = foreign("re_2", 500, "eur", "failed");
    assert_eq!(of(json!([one, failed])), [format!("currency_mismatch {INTENT} 10 EUR")]);
    let yen = foreign("re_1", 1_000, "jpy", "succeeded");
    assert_eq!(of(json!([yen])), [format!("currency_mismatch {INTENT} - JPY")]);
    assert_eq!(of(json!([one, yen])), [format!("currency_mismatch {INTENT} - -")]);
    let strange = refund("re_3", 500, "reconsidered");
    assert_eq!(of(json!([one, strange])), [format!("currency_mismatch {INTENT} - -")]);
}

#[test]
fn only_what_we_asked_for_is_shown_to_a_payer() {
    let id: DepositId = DEPOSIT.parse().unwrap();
    let usd = Currency::of(Ticker::USD).unwrap();
    let right = |changes: Value| {
        let session: Session = serde_json::from_value(session(&changes)).unwrap();
        is_what_we_asked(&session, false, &id, usd, 2_500)
    };
    assert!(right(json!({})));
    for changes in [
        json!({"livemode": true}),
        json!({"mode": "setup"}),
        json!({"amount_total": 250_000}),
        json!({"currency": "eur"}),
        json!({"client_reference_id": "another-deposit-1"}),
        json!({"metadata": {"deposit_id": "another-deposit-1"}}),
        json!({"metadata": {"deposit_gateway": "another/1"}}),
    ] {
        assert!(!right(changes.clone()), "{changes}");
    }
}

#[test]
fn the_page_is_kept_whole() {
    let of = |url: Value| {
        let session: Session = serde_json::from_value(session(&json!({ "url": url }))).unwrap();
        instructions(&session).and_then(|how| how.link().map(str::to_owned))
    };
    let page = "https://checkout.stripe.com/c/pay/cs_test_a1#fid%2Fa?b=c&d";
    assert_eq!(of(json!(page)).as_deref(), Some(page));
    for bad in [
        json!(null),
        json!(""),
        json!("/c/pay"),
        json!("javascript:alert(1)"),
        json!("https://x.example/a b"),
    ] {
        assert_eq!(of(bad.clone()), None, "{bad}");
    }
}

#[test]
fn words_of_the_provider_are_shown_harmless() {
    assert_eq!(printable("appeal_x<script>\n"), "`appeal_xscript`");
    assert_eq!(printable(&"a".repeat(100)).len(), 42);
}

proptest! {
    /// Whatever the words: never more than was asked for, never a payment without a word that says so, one reference.
    #[test]
    fn nothing_is_credited_without_a_word(
        status in prop::option::of("[a-z_]{1,12}|open|complete|expired"),
        paid in "[a-z_]{1,12}|paid|unpaid|no_payment_required",
        intent in prop::option::of("[a-z_]{1,12}|succeeded|processing|canceled|requires_capture"),
        total in 0_u64..5_000,
        refunds in prop::collection::vec((0_u64..3_000, "succeeded|pending|failed|[a-z]{3}"), 0..4),
    ) {
        let list: Vec<_> =
            refunds.iter().enumerate().map(|(n, (cents, word))| refund(&format!("re_{n}"), *cents, word)).collect();
        let read = shown(
            json!({
                "status": status, "payment_status": paid, "amount_total": total,
                "payment_intent": intent.as_ref().map(|word| json!({"status": word, "amount_received": total})),
            }),
            Value::from(list),
            json!([]),
        );
        prop_assert!(read.payments.len() + read.undecided.len() <= 1);
        for payment in &read.payments {
            prop_assert_eq!(payment.in_flight.max(payment.confirmed), 2_500_000_000);
            prop_assert_eq!(payment.in_flight.min(payment.confirmed), 0);
            if payment.confirmed > 0 {
                prop_assert!(paid == "paid" || intent.as_deref() == Some("succeeded"));
                prop_assert_eq!(total, 2_500);
            }
        }
    }

    /// The order of the lists means nothing.
    #[test]
    fn takings_stand_under_their_own_ids(cents in prop::collection::vec(1_u64..2_000, 0..6)) {
        let list: Vec<_> =
            cents.iter().enumerate().map(|(n, cents)| refund(&format!("re_{n}"), *cents, "succeeded")).collect();
        let reversed: Vec<_> = list.iter().rev().cloned().collect();
        let one = shown(json!({}), Value::from(list), json!([]));
        let other = shown(json!({}), Value::from(reversed), json!([]));
        prop_assert_eq!(&one, &other);
        let taken: u128 = one.payments[0].takings.values().map(|taking| taking.taken).sum();
        prop_assert_eq!(taken, u128::from(cents.iter().sum::<u64>()) * 1_000_000);
    }
}

use deposit_core::{Asset, Ticker};

use super::*;
use crate::testing::{CREATED, ORDER, SETTLE, intent};

fn order(json: &str) -> Order {
    let base = format!(r#""id":"{ORDER}","payoutAddress":"{SETTLE}""#);
    serde_json::from_str(&format!("{{{base}{json}}}")).unwrap()
}

fn kas(asked: &str) -> IntentRecord {
    intent(Ticker::KAS, asked, ORDER, "kaspa:qabc", None)
}

const PAYOUT: Payout<'static> = Payout { asset: Asset::XNO, address: SETTLE };

fn read(asked: &str, json: &str) -> Snapshot {
    snapshot(&kas(asked), PAYOUT, &order(json), Some(Timestamp::from_secs(CREATED)))
}

fn codes(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.concerns.iter().map(|c| c.code.as_str()).collect()
}

/// What goes to an operator: the code, and how much of the one payment that there is.
fn handed(snapshot: &Snapshot) -> Vec<(&str, &str)> {
    let money = snapshot.concerns.iter().filter_map(|c| Some((c.code.as_str(), c.money.as_ref()?)));
    money
        .map(|(code, money)| {
            assert_eq!(money.payment.as_ref().map(PaymentRef::as_str), Some(ORDER));
            assert_eq!(money.ticker, None);
            (code, money.amount.as_deref().unwrap_or("-"))
        })
        .collect()
}

#[test]
fn what_no_rule_credits_is_handed_over_once_with_what_came() {
    for (json, wanted) in [
        (r#","status":"error","amountFrom":100"#, ("swap_failed", "100")),
        (r#","status":"error""#, ("swap_failed", "-")),
        (r#","status":"error","amountFrom":100,"payoutHash":"AB""#, ("swap_failed", "100")),
        (r#","status":"completed","amountFrom":100"#, ("amount_missing", "100")),
        (r#","status":"completed","amountTo":1"#, ("amount_missing", "-")),
        (r#","status":"completed","amountFrom":100,"amountTo":-1"#, ("unreadable_amount", "100")),
        (r#","status":"exchanging","amountFrom":-1"#, ("unreadable_amount", "-")),
        (r#","status":"refunded","amountFrom":100,"amountTo":1"#, ("unknown_status", "100")),
        (r#","status":"frozen""#, ("unknown_status", "-")),
    ] {
        assert_eq!(handed(&read("100", json)), [wanted], "{json}");
    }
    for calm in [
        r#","status":"waiting""#,
        r#","status":"waiting","amountFrom":1"#,
        r#","status":"exchanging","amountFrom":50"#,
        r#","status":"sending""#,
        r#","status":"completed","amountFrom":50,"amountTo":1"#,
    ] {
        assert_eq!(handed(&read("100", calm)), [], "{calm}");
    }
}

#[test]
fn a_swap_to_another_address_is_money_once_the_coin_came() {
    let elsewhere = |json: &str| {
        let json = format!(r#"{{"id":"{ORDER}","payoutAddress":"nano_1other"{json}}}"#);
        snapshot(&kas("100"), PAYOUT, &serde_json::from_str(&json).unwrap(), None)
    };
    let code = "payout_address_mismatch";
    for (json, amount) in [
        (r#","status":"exchanging","amountFrom":50"#, "50"),
        (r#","status":"sending""#, "-"),
        (r#","status":"waiting","amountFrom":50"#, "50"),
        (r#","status":"completed","amountFrom":100,"amountTo":1"#, "100"),
        (r#","status":"error","amountFrom":100"#, "100"),
        (r#","status":"frozen","amountFrom":100"#, "100"),
    ] {
        assert_eq!(handed(&elsewhere(json)), [(code, amount)], "{json}");
    }
    let unpaid = elsewhere(r#","status":"waiting""#);
    assert_eq!((codes(&unpaid), handed(&unpaid)), (vec![code], vec![]));
}

#[test]
fn a_swap_that_paid_out_much_less_than_announced_is_credited_and_told() {
    let of = |from: &str, to: &str| {
        let figures = format!(r#","expectedAmountTo":12.5,"amountFrom":{from},"amountTo":{to}"#);
        let read = read("100", &format!(r#","status":"completed"{figures}"#));
        assert_eq!(read.payments.len(), 1, "it is worth what was paid out");
        handed(&read).first().map(|(code, amount)| format!("{code} {amount}"))
    };
    for (from, to) in [("100", "12.5"), ("100", "11.25"), ("100", "99"), ("50", "6.25"), ("150", "17")] {
        assert_eq!(of(from, to), None, "{from} {to}");
    }
    for (from, to) in [("100", "11.24"), ("100", "0.001"), ("50", "5.6"), ("150", "12.5")] {
        assert_eq!(of(from, to).as_deref(), Some("paid_out_short -"), "{from} {to}");
    }
}

/// (in flight, confirmed, settled)
fn figures(snapshot: &Snapshot) -> Vec<(u128, u128, Option<String>)> {
    let one = |p: &PaymentReading| (p.in_flight, p.confirmed, p.settled.map(|s| s.to_string()));
    snapshot.payments.iter().map(one).collect()
}

#[test]
fn waiting_is_open_and_empty() {
    let read = read("100", r#","status":"waiting","amountFrom":null,"amountTo":null"#);
    assert_eq!(read, Snapshot::empty(ORDER.parse().unwrap()));
}

#[test]
fn exchanging_and_sending_are_in_flight() {
    for word in ["exchanging", "sending"] {
        let told = read("100", &format!(r#","status":"{word}","amountFrom":50.5,"payoutHash":"AB""#));
        assert_eq!(figures(&told), [(5_050_000_000, 0, None)], "{word}");
        let not_told = read("100", &format!(r#","status":"{word}","amountFrom":null"#));
        assert_eq!(figures(&not_told), [(10_000_000_000, 0, None)], "{word}");
        assert_eq!((told.state, codes(&told).len()), (OrderState::Open, 0));
    }
}

#[test]
fn completed_is_credited_by_what_was_paid_out() {
    let read = read(
        "100",
        r#","status":"completed","expectedAmountTo":13,"amountFrom":100,"amountTo":12.598,"payoutHash":"AB""#,
    );
    assert_eq!(figures(&read), [(0, 10_000_000_000, Some("12.598".to_owned()))]);
    assert_eq!(read.payments[0].id.as_str(), ORDER);
    assert!(read.concerns.is_empty() && read.undecided.is_empty() && read.state == OrderState::Open);
}

#[test]
fn completed_without_its_figures_is_undecided() {
    for figures in [
        "",
        r#","amountFrom":100"#,
        r#","amountTo":12.5"#,
        r#","amountFrom":100,"amountTo":null"#,
        r#","amountFrom":100,"amountTo":0"#,
        r#","amountFrom":0,"amountTo":12.5"#,
        r#","amountFrom":100,"amountTo":1e-40"#,
    ] {
        let read = read("100", &format!(r#","status":"completed","expectedAmountTo":12.61{figures}"#));
        assert_eq!(read.undecided.len(), 1, "{figures}");
        assert!(read.payments.is_empty() && codes(&read).contains(&"amount_missing"), "{figures}");
    }
    let negative = read("100", r#","status":"completed","amountFrom":-1,"amountTo":1"#);
    assert_eq!((negative.undecided.len(), codes(&negative)), (1, vec!["unreadable_amount"]));
}

#[test]
fn error_is_a_failure_and_never_a_credit() {
    let paid = read("100", r#","status":"error","amountFrom":100"#);
    assert_eq!(paid.state, OrderState::Failed(Failure::ProviderError));
    assert_eq!(figures(&paid), [(0, 0, None)]);
    assert_eq!(codes(&paid), ["swap_failed"]);
    let unpaid = read("100", r#","status":"error""#);
    assert!(unpaid.payments.is_empty() && unpaid.undecided.is_empty());
    let paid_out = read("100", r#","status":"error","amountFrom":100,"amountTo":1,"payoutHash":"AB""#);
    assert_eq!((paid_out.undecided.len(), paid_out.payments.len()), (1, 0));
    assert_eq!(codes(&paid_out), ["swap_failed", "failed_after_payout"]);
}

#[test]
fn an_unknown_word_and_none_change_nothing() {
    for json in
        [r#","status":"refunded","amountFrom":100,"amountTo":1"#, "", r#","status":"Completed","amountTo":1"#]
    {
        let read = read("100", json);
        assert_eq!(
            (read.undecided.len(), read.payments.len(), read.state),
            (1, 0, OrderState::Open),
            "{json}"
        );
        assert_eq!(codes(&read), ["unknown_status"]);
    }
    let hostile = read("100", r#","status":"<b>\u0000x</b>""#);
    assert!(hostile.concerns[0].detail.contains("`bxb`"), "{:?}", hostile.concerns);
}

#[test]
fn what_is_paid_out_elsewhere_is_not_credited() {
    for address in [r#""payoutAddress":"nano_1other""#, r#""payoutAddress":null"#] {
        let json =
            format!(r#"{{"id":"{ORDER}","status":"completed","amountFrom":1,"amountTo":1,{address}}}"#);
        let read = snapshot(&kas("1"), PAYOUT, &serde_json::from_str(&json).unwrap(), None);
        assert_eq!((read.undecided.len(), read.payments.len()), (1, 0), "{address}");
        assert_eq!(codes(&read), ["payout_address_mismatch"]);
    }
}

#[test]
fn the_lifetime_is_held_against_the_providers_own_clock() {
    let state = |until: &str, at: Option<i64>| {
        let order = order(&format!(r#","status":"waiting","validUntil":{until}"#));
        snapshot(&kas("1"), PAYOUT, &order, at.map(Timestamp::from_secs)).state
    };
    // 2026-07-25T17:20:00Z
    for until in [r#""2026-07-25T17:20:00.000Z""#, "1785000000", "1785000000000", r#""1785000000""#] {
        assert_eq!(state(until, Some(CREATED - 1)), OrderState::Open, "{until}");
        assert_eq!(state(until, Some(CREATED)), OrderState::Expired, "{until}");
        assert_eq!(state(until, None), OrderState::Open, "{until}: no clock, no verdict");
    }
    for odd in ["null", r#""soon""#, "{}", "true", r#""""#] {
        assert_eq!(state(odd, Some(CREATED)), OrderState::Open, "{odd}");
    }
    // Late, but swapped: the order is not expired, and when it would have been is told.
    let late =
        r#","status":"completed","validUntil":1785000000,"amountFrom":1,"amountTo":1,"payoutHash":"A""#;
    let told = |at: i64| snapshot(&kas("1"), PAYOUT, &order(late), Some(Timestamp::from_secs(at))).expired_at;
    assert_eq!(read("1", late).state, OrderState::Open);
    assert_eq!((told(CREATED - 1), told(CREATED)), (None, Some(Timestamp::from_secs(CREATED))));
}

#[test]
fn a_date_is_read() {
    assert_eq!(http_date("Sat, 25 Jul 2026 17:20:00 GMT"), Some(Timestamp::from_secs(CREATED)));
    assert_eq!(http_date("yesterday"), None);
}

#[test]
fn figures_of_binary_floating_point_are_what_was_asked_for() {
    let asked = "27.02702702702702702702702702703";
    let ban = intent(Ticker::BAN, asked, ORDER, "ban_1abc", None);
    let read = |from: &str| {
        let json = format!(r#","status":"completed","amountFrom":{from},"amountTo":0.1"#);
        snapshot(&ban, PAYOUT, &order(&json), None).payments[0].confirmed
    };
    let exact = ban.terms.requested().unwrap().minor();
    assert_eq!(read("27.027027027027028"), exact);
    assert_eq!(read("27.027027027027026"), exact);
    // Not so near: that is another amount, to the last digit.
    assert_eq!(read("27.02702702702"), 2_702_702_702_702 * 10_u128.pow(18));
    // One smallest unit off is another amount where a double can tell it.
    let kas = super::tests::read("12.34567891", r#","status":"exchanging","amountFrom":12.3456789"#);
    assert_eq!(figures(&kas), [(1_234_567_890, 0, None)]);
}

#[test]
fn exponents_are_read_and_finer_figures_rounded_down() {
    let small = read("1", r#","status":"exchanging","amountFrom":1e-7"#);
    assert_eq!(figures(&small), [(10, 0, None)]);
    let fine = read("1", r#","status":"exchanging","amountFrom":0.123456789999"#);
    assert_eq!(figures(&fine), [(12_345_678, 0, None)]);
    assert_eq!(codes(&fine), ["rounded"]);
}

#[test]
fn an_answer_is_about_what_was_asked_for() {
    let asked = Amount::parse("0.25", Asset::NEAR).unwrap();
    let is = |text: &str| is_asked(asked, &text.parse().unwrap());
    assert!(is("0.25") && is("2.5e-1") && is("0.25000000000000006"));
    assert!(!is("0.250001") && !is("0.2") && !is("-0.25") && !is("1e60"));
}

#[test]
fn a_memo_may_be_a_number_and_nothing_else() {
    let memo = |json: &str| order(&format!(r#","payinExtraId":{json}"#)).extra_id();
    assert_eq!(memo("12345"), Ok(Some("12345".to_owned())));
    assert_eq!(memo(r#""a-1""#), Ok(Some("a-1".to_owned())));
    assert_eq!((memo("null"), memo(r#""""#)), (Ok(None), Ok(None)));
    assert_eq!((memo("{}"), memo("[1]")), (Err(()), Err(())));
}

proptest::proptest! {
    #[test]
    fn no_more_is_settled_than_was_told(whole in 0_u64..1_000_000, fraction in "[0-9]{1,40}") {
        let text = format!("{whole}.{fraction}");
        let json = format!(r#","status":"completed","amountFrom":1,"amountTo":{text}"#);
        let read = read("1", &json);
        if let Some(payment) = read.payments.first() {
            let settled = payment.settled.unwrap();
            let told: deposit_core::DecimalText = text.parse().unwrap();
            proptest::prop_assert_eq!(settled.minor(), told.floor_to_minor(30).unwrap().0);
        } else {
            proptest::prop_assert_eq!(read.undecided.len(), 1);
        }
    }

    #[test]
    fn any_double_of_the_asked_amount_is_it(minor in 1_u128..10_u128.pow(33)) {
        let asked = Amount::new(minor, Asset::NEAR);
        let double: f64 = asked.to_string().parse().unwrap();
        let intent = intent(Ticker::NEAR, &asked.to_string(), ORDER, "a.near", None);
        let json = format!(r#","status":"completed","amountFrom":{double:e},"amountTo":1"#);
        let read = snapshot(&intent, PAYOUT, &order(&json), None);
        proptest::prop_assert_eq!(read.payments[0].confirmed, minor);
    }
}

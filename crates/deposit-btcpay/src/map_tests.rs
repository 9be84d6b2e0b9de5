use deposit_core::{Asset, Ticker, printable};
use proptest::prelude::*;

use super::*;
use crate::coin::Coin;
use crate::testing::{INVOICE, ORDER_ID, STORE, amount, intent, methods};

const ADDRESS: &str = "bc1qexampleexampleexampleexampleexample0000";
const TX: &str = "9f1c5a7e2b3d4860719a8c5e4f2b1d0c6a7e8f9011223344556677889900aabb-1";

fn invoice(status: &str, additional: &str) -> api::Invoice {
    serde_json::from_str(&format!(
        r#"{{"id":"{INVOICE}","storeId":"{STORE}","amount":"0.00040","currency":"BTC","status":"{status}",
            "additionalStatus":"{additional}","createdTime":1785000000,"archived":false,
            "metadata":{{"orderId":"{ORDER_ID}","depositGateway":"deposit/1","comment":"kept"}},
            "checkout":{{"paymentMethods":["BTC-CHAIN"]}}}}"#
    ))
    .unwrap()
}

fn payment(id: &str, value: &str, status: &str) -> String {
    format!(
        r#"{{"id":"{id}","receivedDate":1785000420,"value":{value},"fee":"0.00001","status":"{status}","destination":"{ADDRESS}"}}"#
    )
}

fn prompt_of(id: &str, currency: &str, destination: &str, due: &str, payments: &[String]) -> String {
    format!(
        r#"{{"activated":true,"destination":"{destination}","paymentLink":"x","rate":"1","due":"{due}","amount":"0.0004",
            "payments":[{}],"paymentMethodId":"{id}","currency":"{currency}"}}"#,
        payments.join(",")
    )
}

fn prompts(list: &[String]) -> Vec<api::PaymentMethod> {
    serde_json::from_str(&format!("[{}]", list.join(","))).unwrap()
}

fn read(invoice: &api::Invoice, payments: &[String]) -> Snapshot {
    let prompts = prompts(&[prompt_of("BTC-CHAIN", "BTC", ADDRESS, "0.0004", payments)]);
    snapshot(&intent(Ticker::BTC, "0.0004", ADDRESS), methods().of(Ticker::BTC).unwrap(), invoice, &prompts)
}

fn codes(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.concerns.iter().map(|c| c.code.as_str()).collect()
}

/// What goes to an operator: code, payment, amount and ticker.
fn handed(snapshot: &Snapshot) -> Vec<[&str; 4]> {
    let text = |m: &'_ ConcernedMoney| -> [Option<String>; 3] {
        [m.payment.as_ref().map(ToString::to_string), m.amount.clone(), m.ticker.map(|t| t.to_string())]
    };
    let leak = |text: Option<String>| -> &'static str { text.map_or("-", |text| text.leak()) };
    let money = snapshot.concerns.iter().filter_map(|c| Some((c.code.as_str(), c.money.as_ref()?)));
    money.map(|(code, money)| (code, text(money).map(leak))).map(|(c, [p, a, t])| [c, p, a, t]).collect()
}

#[test]
fn every_payment_status() {
    let of = |status| read(&invoice("New", "None"), &[payment(TX, "\"0.0002\"", status)]);
    let id = PaymentRef::new(TX).unwrap();
    let value = amount(Ticker::BTC, "0.0002");
    let at = |reading| PaymentReading { paid_at: Some(Timestamp::from_secs(1_785_000_420)), ..reading };
    for (status, reading) in [
        ("Processing", PaymentReading::in_flight(id.clone(), value)),
        ("Settled", PaymentReading::confirmed(id.clone(), value)),
        ("Invalid", PaymentReading::gone(id.clone(), Asset::BTC)),
    ] {
        let snapshot = of(status);
        assert_eq!(snapshot.payments, [at(reading)], "{status}");
        assert!(snapshot.complete && snapshot.concerns.is_empty() && snapshot.undecided.is_empty());
    }
    for word in ["Confirmed", "settled", ""] {
        let snapshot = of(word);
        assert_eq!(
            (snapshot.payments.as_slice(), snapshot.undecided.as_slice()),
            (&[][..], &[id.clone()][..])
        );
        assert_eq!(handed(&snapshot), [["unknown_status", TX, "0.0002", "-"]], "{word}");
    }
}

#[test]
fn every_invoice_status() {
    for (status, additional, state, concerns) in [
        ("New", "None", OrderState::Open, vec![]),
        ("New", "PaidPartial", OrderState::Open, vec!["paid_by_nothing"]),
        ("Processing", "PaidOver", OrderState::Open, vec!["paid_by_nothing"]),
        ("Settled", "None", OrderState::Open, vec!["paid_by_nothing"]),
        ("Settled", "Marked", OrderState::Open, vec!["marked_settled"]),
        ("Expired", "None", OrderState::Expired, vec![]),
        ("Expired", "PaidLate", OrderState::Expired, vec!["paid_by_nothing"]),
        ("Invalid", "Marked", OrderState::Failed(Failure::Invalid), vec![]),
        ("Frozen", "None", OrderState::Open, vec!["unknown_status"]),
    ] {
        let snapshot = read(&invoice(status, additional), &[]);
        assert_eq!(snapshot.state, state, "{status}");
        assert_eq!(codes(&snapshot), concerns, "{status}");
        assert!(snapshot.complete && snapshot.payments.is_empty());
        // How the order stands is a word; that it was paid, by nothing that is listed, is money.
        let money: Vec<_> = concerns.into_iter().filter(|code| *code != "unknown_status").collect();
        assert_eq!(handed(&snapshot), money.iter().map(|code| [*code, "-", "-", "-"]).collect::<Vec<_>>());
    }
}

#[test]
fn an_invoice_is_paid_by_what_it_lists_whatever_becomes_of_that() {
    for status in ["Processing", "Settled", "Invalid"] {
        let listed = [payment(TX, "\"0.0004\"", status)];
        assert_eq!(handed(&read(&invoice("Settled", "None"), &listed)), [[""; 4]; 0], "{status}");
    }
}

#[test]
fn a_mark_with_enough_payments_is_no_concern_and_credits_nothing_by_itself() {
    let marked = invoice("Settled", "Marked");
    assert!(read(&marked, &[payment(TX, "\"0.0004\"", "Settled")]).concerns.is_empty());
    let seen_only = read(&marked, &[payment(TX, "\"0.0004\"", "Processing")]);
    assert_eq!((codes(&seen_only), seen_only.payments[0].confirmed), (vec!["marked_settled"], 0));
}

#[test]
fn amounts_are_gross_exact_and_floored() {
    let value = |text: &str| read(&invoice("New", "None"), &[payment(TX, text, "Settled")]);
    for (text, minor) in
        [("\"0.00000001\"", 1), ("\"20999999.99999999\"", 2_099_999_999_999_999), ("1e-8", 1), ("\"0.0\"", 0)]
    {
        let snapshot = value(text);
        assert_eq!((snapshot.payments[0].confirmed, codes(&snapshot)), (minor, vec![]), "{text}");
    }
    let finer = value("\"0.000000019\"");
    assert_eq!((finer.payments[0].confirmed, codes(&finer)), (1, vec!["rounded"]));
    for bad in ["\"-0.1\"", "\"1e60\""] {
        let snapshot = value(bad);
        assert_eq!((snapshot.payments.len(), snapshot.undecided.len()), (0, 1));
        assert_eq!(handed(&snapshot), [["unreadable_amount", TX, "-", "-"]]);
    }
}

#[test]
fn lightning_has_millisatoshi_and_the_hash_as_reference() {
    let hash = "016d3d4ecd9b21dafd83d073197a4f24e49a64e8fe5b140d4549a35facc87948";
    let list = prompts(&[prompt_of(
        "BTC-LN",
        "BTC",
        "lnbc1new",
        "0",
        &[payment(hash, "\"0.00012345678\"", "Settled")],
    )]);
    let intent = intent(Ticker::BTC_LN, "0.00012345", "lnbc1old");
    let snapshot =
        snapshot(&intent, methods().of(Ticker::BTC_LN).unwrap(), &invoice("Settled", "None"), &list);
    let reading = &snapshot.payments[0];
    assert_eq!((reading.id.as_str(), reading.asset, reading.confirmed), (hash, Asset::BTC_LN, 12_345_678));
    assert!(snapshot.concerns.is_empty() && snapshot.instructions.is_none());
    assert_eq!((reading.confirmations, reading.required_confirmations), (None, None));
}

#[test]
fn a_changed_destination_comes_with_what_is_still_due() {
    let read = |ticker: Ticker, old: &str, new: &str, due: &str, status: &str| {
        let method = methods().of(ticker).unwrap().clone();
        let list = prompts(&[prompt_of(&method.id, method.coin.currency, new, due, &[])]);
        snapshot(&intent(ticker, "0.0004", old), &method, &invoice(status, "PaidPartial"), &list).instructions
    };
    let xmr = read(Ticker::XMR, "8Old", "8New", "0.000100000001", "New").unwrap();
    assert_eq!(xmr.address(), Some("8New"));
    assert_eq!(xmr.link(), Some("monero:8New?tx_amount=0.000100000001"));
    let bolt11 = read(Ticker::BTC_LN, "lnbc1old", "LNBC1NEW", "0.0001", "New").unwrap();
    assert_eq!((bolt11.address(), bolt11.link()), (Some("lnbc1new"), Some("lightning:lnbc1new")));
    for (old, new, due, status) in [
        ("8Old", "8Old", "0.0001", "New"),
        ("8Old", "8New", "0", "New"),
        ("8Old", "8New", "-0.0001", "New"),
        ("8Old", "8New", "0.0001", "Expired"),
        ("8Old", "", "0.0001", "New"),
    ] {
        assert_eq!(read(Ticker::XMR, old, new, due, status), None, "{new} {due} {status}");
    }
}

#[test]
fn nothing_is_concluded_from_the_absence_of_the_method() {
    let list = prompts(&[prompt_of("LTC-CHAIN", "LTC", "ltc1q", "0", &[payment(TX, "\"1\"", "Settled")])]);
    let intent = intent(Ticker::LTC_MWEB, "0.4", "ltcmweb1qq");
    let mweb = snapshot(&intent, methods().of(Ticker::LTC_MWEB).unwrap(), &invoice("New", "None"), &list);
    assert!(!mweb.complete && mweb.payments.is_empty());
    assert_eq!(codes(&mweb), ["method_mismatch", "method_missing"]);
    assert_eq!(handed(&mweb), [["method_mismatch", TX, "1", "LTC"]]);
}

#[test]
fn each_confirmed_payment_by_another_method_is_handed_over() {
    let of = |id: &str, currency: &str, payments: &[String]| {
        let ours = prompt_of("BTC-CHAIN", "BTC", ADDRESS, "0", &[]);
        let list = prompts(&[ours, prompt_of(id, currency, "x", "0", payments)]);
        let intent = intent(Ticker::BTC, "0.0004", ADDRESS);
        snapshot(&intent, methods().of(Ticker::BTC).unwrap(), &invoice("Settled", "None"), &list)
    };
    let read = of("BTC-LN", "BTC", &[payment(TX, "\"0.00012345678\"", "Settled")]);
    assert!(read.complete && read.payments.is_empty() && read.undecided.is_empty());
    assert_eq!(handed(&read), [["method_mismatch", TX, "0.00012345678", "BTC-LN"]]);
    let two = of("XMR-CHAIN", "XMR", &[payment("a-1", "\"1\"", "Settled"), payment("", "\"2\"", "Frozen")]);
    assert_eq!(
        handed(&two),
        [["method_mismatch", "a-1", "1", "XMR"], ["method_mismatch", "-", "2", "XMR"]],
        "in the coin's own unit, with what is known"
    );
    let bare = of("DOGECOIN-CHAIN", "PEPE", &[payment(TX, "\"5\"", "Settled")]);
    assert_eq!(handed(&bare), [["method_mismatch", TX, "-", "PEPE"]]);
    // What is not confirmed may go away.
    for status in ["Processing", "Invalid"] {
        let read = of("LTC-CHAIN", "LTC", &[payment(TX, "\"1\"", status)]);
        assert_eq!((codes(&read), handed(&read).len()), (vec!["method_mismatch"], 0), "{status}");
    }
}

#[test]
fn another_currency_is_not_counted() {
    let list = prompts(&[prompt_of("BTC-CHAIN", "BCH", ADDRESS, "0", &[payment(TX, "\"1\"", "Settled")])]);
    let intent = intent(Ticker::BTC, "0.0004", ADDRESS);
    let snapshot = snapshot(&intent, methods().of(Ticker::BTC).unwrap(), &invoice("New", "None"), &list);
    assert!(!snapshot.complete && snapshot.payments.is_empty());
    assert_eq!(snapshot.undecided.len(), 1);
    assert_eq!(handed(&snapshot), [["currency_mismatch", TX, "-", "BCH"]]);
}

#[test]
fn one_payment_listed_twice_is_undecided() {
    let twice = [
        payment(TX, "\"0.1\"", "Settled"),
        payment(TX, "\"0.1\"", "Settled"),
        payment(TX, "\"0.1\"", "Settled"),
    ];
    let snapshot = read(&invoice("New", "None"), &twice);
    assert_eq!((snapshot.payments.len(), snapshot.undecided.len()), (0, 1));
    assert_eq!(handed(&snapshot), [["duplicate_payment", TX, "0.1", "-"]]);
    let other = [payment(TX, "\"0.1\"", "Settled"), payment(TX, "\"0.2\"", "Settled")];
    let other = read(&invoice("New", "None"), &other);
    assert_eq!(handed(&other), [["duplicate_payment", TX, "-", "-"]], "which figure holds is not known");
    let line = |value| payment("", value, "Settled");
    let nameless = read(&invoice("New", "None"), &[line("\"0.1\""), line("\"0.2\"")]);
    assert!(!nameless.complete && nameless.payments.is_empty());
    assert_eq!(handed(&nameless), [["unreadable_payment", "-", "0.3", "-"]]);
}

/// 1.x names, dossier section 4.
#[test]
fn the_old_vocabulary_is_understood() {
    let list: Vec<api::PaymentMethod> = serde_json::from_str(&format!(
        r#"[{{"paymentMethod":"BTC","cryptoCode":"BTC","activated":true,"destination":"{ADDRESS}","due":"0","networkFee":"0",
             "payments":[{}]}}]"#,
        payment(TX, "\"0.0004\"", "Settled")
    ))
    .unwrap();
    let intent = intent(Ticker::BTC, "0.0004", ADDRESS);
    let snapshot = snapshot(&intent, methods().of(Ticker::BTC).unwrap(), &invoice("Settled", "None"), &list);
    assert!(snapshot.complete && snapshot.concerns.is_empty());
    assert_eq!(snapshot.payments[0].confirmed, 40_000);
}

#[test]
fn an_answer_without_payments_is_not_an_empty_one() {
    let missing =
        r#"[{"paymentMethodId":"BTC-CHAIN","activated":true,"destination":"x","due":"0","currency":"BTC"}]"#;
    assert!(serde_json::from_str::<Vec<api::PaymentMethod>>(missing).is_err());
    assert!(serde_json::from_str::<Vec<api::PaymentMethod>>(r#"{"payments":[]}"#).is_err());
}

#[test]
fn the_links_of_the_contract() {
    for (ticker, to, link) in [
        (Ticker::BTC, "bc1qx", "bitcoin:bc1qx?amount=0.0004"),
        (Ticker::BTC_LN, "LNBC1X", "lightning:lnbc1x"),
        (Ticker::LTC, "ltc1qx", "litecoin:ltc1qx?amount=0.0004"),
        (Ticker::LTC_MWEB, "ltcmweb1qx", "litecoin:ltcmweb1qx?amount=0.0004"),
        (Ticker::XMR, "8x", "monero:8x?tx_amount=0.0004"),
        (Ticker::DOGE, "Dx", "dogecoin:Dx?amount=0.0004"),
        (Ticker::DASH, "Xx", "dash:Xx?amount=0.0004"),
        (Ticker::ZEC, "u1x", "zcash:u1x?amount=0.0004"),
    ] {
        let methods = methods();
        let how = instructions(methods.of(ticker).unwrap(), to, amount(ticker, "0.0004")).unwrap();
        assert_eq!((how.link(), how.memo()), (Some(link), None));
    }
    for bad in ["", "bc1q x", "bc1q?amount=9", "bc1q&x", "\"", "ä"] {
        assert_eq!(instructions(methods().of(Ticker::BTC).unwrap(), bad, amount(Ticker::BTC, "1")), None);
    }
    assert_eq!(
        instructions(methods().of(Ticker::BTC_LN).unwrap(), "bc1q", amount(Ticker::BTC_LN, "1")),
        None
    );
}

#[test]
fn what_we_asked_for_is_recognised() {
    let asked = |invoice: &api::Invoice, text: &str| {
        let (id, methods) = (ORDER_ID.parse().unwrap(), methods());
        is_what_we_asked(invoice, STORE, &id, methods.of(Ticker::BTC).unwrap(), amount(Ticker::BTC, text))
    };
    let ours = invoice("New", "None");
    assert!(asked(&ours, "0.0004"));
    assert!(!asked(&ours, "0.00040001"));
    type Change = fn(&mut api::Invoice);
    let changes: [Change; 7] = [
        |i| i.currency = Some("LTC".into()),
        |i| i.currency = None,
        |i| i.amount = None,
        |i| i.store_id = Some("another".into()),
        |i| i.metadata = serde_json::json!({"orderId": ORDER_ID}),
        |i| i.metadata = serde_json::json!({"orderId": "dep_another_one_0", "depositGateway": "deposit/1"}),
        |i| i.metadata = Value::Null,
    ];
    for change in changes {
        let mut other = invoice("New", "None");
        change(&mut other);
        assert!(!asked(&other, "0.0004"), "{other:?}");
    }
}

#[test]
fn words_of_the_provider_are_made_harmless() {
    assert_eq!(printable("Settled<script>\n\u{1b}[31m"), "`Settledscript31m`");
    assert_eq!(printable(&"x".repeat(99)).len(), 42);
}

proptest! {
    /// What the server writes, at any scale that the coin has, arrives to the last unit, and never more than was written.
    #[test]
    fn amounts_survive(minor: u64, zeros in 0_usize..6, quoted: bool, coin in prop::sample::select(Coin::ALL)) {
        let value = Amount::new(u128::from(minor), coin.asset);
        let mut text = value.to_string();
        if zeros > 0 {
            if !text.contains('.') { text.push('.'); }
            text.push_str(&"0".repeat(zeros));
        }
        let json = if quoted { format!("\"{text}\"") } else { text };
        let method = methods().of(coin.ticker).unwrap().clone();
        let list = prompts(&[prompt_of(&method.id, coin.currency, "lnx", "0", &[payment(TX, &json, "Settled")])]);
        let snapshot = snapshot(&intent(coin.ticker, "1", "lnx"), &method, &invoice("New", "None"), &list);
        prop_assert_eq!(snapshot.payments[0].confirmed, u128::from(minor));
        prop_assert_eq!(snapshot.payments[0].asset, coin.asset);
        prop_assert!(snapshot.concerns.is_empty());
    }

    /// A finer figure is rounded down by less than one unit, and said to be.
    #[test]
    fn finer_amounts_are_floored(minor in 0_u64..u64::MAX, more in "[0-9]{1,9}", coin in prop::sample::select(Coin::ALL)) {
        let scale = usize::from(coin.asset.scale());
        let digits = format!("{minor:0>width$}", width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        let value = format!("\"{whole}.{fraction}{more}\"");
        let method = methods().of(coin.ticker).unwrap().clone();
        let list = prompts(&[prompt_of(&method.id, coin.currency, "lnx", "0", &[payment(TX, &value, "Processing")])]);
        let snapshot = snapshot(&intent(coin.ticker, "1", "lnx"), &method, &invoice("New", "None"), &list);
        prop_assert_eq!(snapshot.payments[0].in_flight, u128::from(minor));
        prop_assert_eq!(codes(&snapshot).is_empty(), more.bytes().all(|b| b == b'0'));
    }

    /// Whatever words and numbers come, nothing unknown counts as money.
    #[test]
    fn only_known_words_are_money(status in "[A-Za-z]{0,12}", order in "[A-Za-z]{0,12}", value in -5_i64..5) {
        let snapshot = read(&invoice(&order, "None"), &[payment(TX, &format!("\"{value}\""), &status)]);
        let money = snapshot.payments.iter().any(|p| p.confirmed > 0 || p.in_flight > 0);
        prop_assert!(!money || (value > 0 && ["Processing", "Settled"].contains(&status.as_str())));
        prop_assert_eq!(snapshot.payments.len() + snapshot.undecided.len(), 1);
    }
}

/// Seen on a real server: with a threshold of 0 in the plugin's settings a payment is `Settled` in the pool, and stays so when it is dropped.
#[test]
fn what_needed_no_confirmation_is_never_credited() {
    let live = |name: &str| {
        let all: serde_json::Value = serde_json::from_str(match name {
            "gone" => include_str!(
                "../../../fixtures/btcpay/live/payments_xmr_settled_without_confirmations_and_gone.json"
            ),
            "new" => include_str!("../../../fixtures/btcpay/live/payments_xmr_new_no_confirmations.json"),
            _ => include_str!("../../../fixtures/btcpay/live/payments_xmr_exact_settled.json"),
        })
        .unwrap();
        serde_json::from_value::<Vec<api::PaymentMethod>>(all["response"]["body"].clone()).unwrap()
    };
    let all = methods();
    let xmr = all.of(Ticker::XMR).unwrap();
    assert!(needs_no_confirmation(xmr, &live("new")));
    assert!(!needs_no_confirmation(xmr, &live("settled")));
    let intent = intent(Ticker::XMR, "1", "84uwzWyVKyAdnh1eaXdGUDMqrsdRMRoc51pDcmdhLEBrbPovehymic");
    let read = |name| snapshot(&intent, xmr, &invoice("Settled", "None"), &live(name));
    let gone = read("gone");
    assert!(gone.payments.is_empty() && gone.undecided.len() == 1, "{gone:?}");
    assert!(gone.concerns.iter().any(|c| c.code == "no_confirmations" && c.money.is_some()));
    assert!(read("settled").payments.iter().any(|p| p.confirmed > 0));
}

/// The Monero plugin asks for a fee on top of each payment: the payer is asked for what is left of the one figure that was quoted, and for
/// nothing once that has come.
#[test]
fn the_server_s_own_fee_is_never_asked_of_the_payer() {
    let all = methods();
    let xmr = all.of(Ticker::XMR).unwrap();
    let read = |asked: &str, recorded: &str| {
        let recorded: serde_json::Value = serde_json::from_str(recorded).unwrap();
        let prompts: Vec<api::PaymentMethod> =
            serde_json::from_value(recorded["response"]["body"].clone()).unwrap();
        let intent = intent(Ticker::XMR, asked, "8oldoldoldoldoldoldoldold");
        let how = snapshot(&intent, xmr, &invoice("New", "PaidPartial"), &prompts).instructions;
        how.and_then(|how| how.link().map(|link| link.rsplit_once('=').unwrap().1.to_owned()))
    };
    let exact = include_str!("../../../fixtures/btcpay/live/payments_xmr_exact_processing.json");
    let part = include_str!("../../../fixtures/btcpay/live/payments_xmr_part.json");
    assert_eq!(read("1", exact), None);
    assert_eq!(read("1", part), Some("0.6".to_owned()));
    assert_eq!(Coin::of(Ticker::XMR).unwrap().tolerance_percent(amount(Ticker::XMR, "1")), 1);
}

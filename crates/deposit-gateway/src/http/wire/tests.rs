use super::*;
use deposit_core::{Amount, DepositId, PaymentRef, Signed, Ticker, UsdLimits};

const URL: &str = "https://pay.example";
/// 2026-03-04T09:30:00Z, the contract's example.
const CREATED: i64 = 1_772_616_600;

fn at(secs_after: i64) -> Timestamp {
    Timestamp::from_secs(CREATED + secs_after)
}

fn amount(text: &str, asset: Asset) -> Amount {
    Amount::parse(text, asset).unwrap()
}

fn btc(text: &str) -> Amount {
    amount(text, Asset::BTC)
}

fn usd(text: &str) -> Amount {
    amount(text, Asset::USD)
}

fn address(address: &str, memo: Option<&str>, uri: Option<&str>) -> PayInstructions {
    PayInstructions::Address {
        address: address.to_owned(),
        memo: memo.map(str::to_owned),
        uri: uri.map(str::to_owned),
    }
}

/// The contract's example of a new deposit.
fn new_btc() -> DepositView {
    DepositView {
        id: DepositId::new("Jq4vT9mZxK2cRw7LbYd3Hp").unwrap(),
        ticker: Ticker::BTC,
        status: Status::New,
        amount: Some(btc("0.0004")),
        unit_price: Some("50000".parse().unwrap()),
        bonus_percent: "0".to_owned(),
        created_at: at(0),
        expires_at: Some(at(3600)),
        updated_at: at(0),
        paid: btc("0"),
        due: None,
        instructions: address("bc1qexample", None, Some("bitcoin:bc1qexample?amount=0.0004")),
        payments: vec![],
        credited: None,
        bonus: None,
        completed_at: None,
        late: false,
        reversed: false,
        reason: None,
    }
}

fn lightning() -> DepositView {
    let zero = amount("0", Asset::BTC_LN);
    DepositView {
        ticker: Ticker::BTC_LN,
        amount: Some(amount("0.0004", Asset::BTC_LN)),
        paid: zero,
        bonus_percent: "2.5".to_owned(),
        instructions: PayInstructions::LightningInvoice {
            bolt11: "lnbc400u1example".to_owned(),
            uri: "lightning:lnbc400u1example".to_owned(),
        },
        ..new_btc()
    }
}

fn payment(id: &str, text: &str, stage: Stage, counted: Option<(u32, u32)>) -> PaymentView {
    PaymentView {
        id: PaymentRef::new(id).unwrap(),
        amount: btc(text),
        reversed: None,
        stage,
        confirmations: counted.map(|c| c.0),
        required_confirmations: counted.map(|c| c.1),
    }
}

fn completed() -> DepositView {
    DepositView {
        status: Status::Completed,
        updated_at: at(700),
        paid: btc("0.0004"),
        payments: vec![payment("7f3e-0", "0.0004", Stage::Confirmed, None)],
        credited: Some(usd("20")),
        completed_at: Some(at(700)),
        ..new_btc()
    }
}

fn created(view: &DepositView) -> String {
    serde_json::to_string_pretty(&Deposit::created(view, URL)).unwrap()
}

fn current(view: &DepositView, secs_after: i64) -> String {
    serde_json::to_string_pretty(&Deposit::current(view, URL, at(secs_after))).unwrap()
}

#[test]
fn the_contract_s_example_byte_for_byte() {
    let body = serde_json::to_string(&Deposit::created(&new_btc(), URL)).unwrap();
    assert_eq!(
        body,
        r#"{"txId":"Jq4vT9mZxK2cRw7LbYd3Hp","ticker":"BTC","amount":0.0004,"status":"New","createdAt":"2026-03-04T09:30:00.000Z","expiresAt":"2026-03-04T10:30:00.000Z","expiration":1772620200,"remainingTime":3600,"paidAmountCrypto":0,"address":"bc1qexample","paymentLink":"bitcoin:bc1qexample?amount=0.0004","QRUrl":"https://pay.example/pay/Jq4vT9mZxK2cRw7LbYd3Hp/qr.svg","amountCrypto":0.0004,"amountFiat":20}"#
    );
}

#[test]
fn created_shapes() {
    insta::assert_snapshot!("created_btc", created(&new_btc()));
    insta::assert_snapshot!("created_lightning_with_bonus", created(&lightning()));
    let memo = DepositView {
        ticker: Ticker::TON,
        instructions: address("UQexample", Some("70211"), Some("ton://transfer/UQexample?text=70211")),
        ..new_btc()
    };
    insta::assert_snapshot!("created_with_memo", created(&memo));
    let page = DepositView {
        ticker: Ticker::NEAR,
        amount: Some(amount("1.000000000000000000000001", Asset::NEAR)),
        unit_price: Some("2.345".parse().unwrap()),
        paid: amount("0", Asset::NEAR),
        instructions: address("example.near", None, None),
        ..new_btc()
    };
    insta::assert_snapshot!("created_without_wallet_link", created(&page));
    let daimo = DepositView {
        ticker: Ticker::USDC,
        amount: Some(amount("10", Asset::USDC)),
        unit_price: Some("1".parse().unwrap()),
        paid: amount("0", Asset::USDC),
        instructions: PayInstructions::HostedPage {
            url: "https://pay.daimo.example/checkout?id=abc".to_owned(),
            payment_id: Some("abc".to_owned()),
        },
        ..new_btc()
    };
    insta::assert_snapshot!("created_multi_chain", created(&daimo));
    let card = DepositView {
        ticker: Ticker::EUR,
        amount: Some(amount("10.05", Asset::EUR)),
        unit_price: Some("1.1".parse().unwrap()),
        paid: amount("0", Asset::EUR),
        instructions: PayInstructions::HostedPage {
            url: "https://checkout.example/c/pay/cs_1".to_owned(),
            payment_id: None,
        },
        ..new_btc()
    };
    insta::assert_snapshot!("created_card", created(&card));
}

#[test]
fn status_shapes() {
    insta::assert_snapshot!("status_new", current(&new_btc(), 61));
    let processing = DepositView {
        status: Status::Processing,
        updated_at: at(120),
        paid: btc("0.0004"),
        payments: vec![payment("7f3e-0", "0.0004", Stage::Seen, None)],
        ..new_btc()
    };
    insta::assert_snapshot!("status_processing", current(&processing, 130));
    let counted = DepositView {
        payments: vec![
            payment("a", "0.0001", Stage::Confirmed, Some((12, 3))),
            payment("b", "0.0002", Stage::Confirming, Some((1, 3))),
            payment("c", "0.0001", Stage::Reversed, Some((0, 3))),
        ],
        ..processing
    };
    insta::assert_snapshot!("status_with_confirmations", current(&counted, 130));
    let partial = DepositView {
        status: Status::Pending,
        updated_at: at(300),
        paid: btc("0.0002"),
        payments: vec![payment("7f3e-0", "0.0002", Stage::Confirmed, None)],
        credited: Some(usd("10")),
        reason: Some("paid in part".to_owned()),
        ..new_btc()
    };
    insta::assert_snapshot!("status_partial", current(&partial, 300));
    insta::assert_snapshot!("status_completed", current(&completed(), 10_000));
    let bonus = DepositView {
        status: Status::Completed,
        paid: amount("0.00040000001", Asset::BTC_LN),
        payments: vec![PaymentView {
            amount: amount("0.00040000001", Asset::BTC_LN),
            ..payment("hash", "0", Stage::Confirmed, None)
        }],
        credited: Some(usd("20.5000005")),
        bonus: Some(usd("0.5")),
        completed_at: Some(at(30)),
        updated_at: at(30),
        ..lightning()
    };
    insta::assert_snapshot!("status_bonus", current(&bonus, 31));
    let late = DepositView { late: true, updated_at: at(4000), completed_at: Some(at(4000)), ..completed() };
    insta::assert_snapshot!("status_late", current(&late, 4001));
    let reversed = DepositView {
        reversed: true,
        updated_at: at(900),
        paid: btc("0"),
        payments: vec![PaymentView {
            reversed: Some(btc("0.0004")),
            ..payment("7f3e-0", "0.0004", Stage::Reversed, None)
        }],
        credited: Some(usd("0")),
        ..completed()
    };
    insta::assert_snapshot!("status_reversed", current(&reversed, 901));
    let in_part = DepositView {
        paid: btc("0.0003"),
        payments: vec![PaymentView {
            reversed: Some(btc("0.0001")),
            ..payment("7f3e-0", "0.0004", Stage::Confirmed, None)
        }],
        credited: Some(usd("15")),
        ..reversed
    };
    insta::assert_snapshot!("status_reversed_in_part", current(&in_part, 901));
    let one = amount("1.000000000000000000000000000001", Asset::XNO);
    let nano = DepositView {
        ticker: Ticker::XNO,
        amount: None,
        unit_price: None,
        expires_at: None,
        paid: one,
        instructions: PayInstructions::StandingAddress { address: "nano_1examp1e".to_owned(), uri: None },
        payments: vec![PaymentView { amount: one, ..payment("5C1A", "0", Stage::Confirmed, None) }],
        credited: Some(one),
        ..completed()
    };
    insta::assert_snapshot!("status_nano", current(&nano, 901));
}

#[test]
fn time_left_is_whole_seconds_and_never_negative() {
    let left = |now: Timestamp| Deposit::current(&new_btc(), URL, now).remaining_time;
    assert_eq!(left(at(3599).plus_millis(1)), Some(0));
    assert_eq!(left(at(3598).plus_millis(999)), Some(1));
    assert_eq!(left(at(3600)), Some(0));
    assert_eq!(left(at(99_999)), Some(0));
    let odd = DepositView { expires_at: Some(at(3600).plus_millis(999)), ..new_btc() };
    let json = Deposit::created(&odd, URL);
    assert_eq!(json.expiration, Some(CREATED + 3600));
    assert_eq!(json.expires_at.as_deref(), Some("2026-03-04T10:30:00.999Z"));
}

#[test]
fn cents_are_rounded_half_up() {
    let fiat = |text: &str, price: &str| {
        let view =
            DepositView { amount: Some(btc(text)), unit_price: Some(price.parse().unwrap()), ..new_btc() };
        cents(&view).unwrap().as_str().to_owned()
    };
    assert_eq!(fiat("0.0000001", "50000"), "0.01");
    assert_eq!(fiat("0.00000009", "50000"), "0");
    assert_eq!(fiat("1", "0.125"), "0.13");
    assert_eq!(fiat("0.12345678", "67890.12"), "8381.5");
}

#[test]
fn no_success_body_can_be_taken_for_a_failure() {
    for body in [created(&new_btc()), current(&completed(), 1), created(&lightning())] {
        let object: std::collections::BTreeMap<String, serde_json::Value> =
            serde_json::from_str(&body).unwrap();
        assert!(!object.contains_key("error") && !object.contains_key("message"), "{body}");
    }
}

#[test]
fn poll_hints() {
    let after = |status, reversed| poll_after_secs(&DepositView { status, reversed, ..new_btc() });
    assert_eq!(after(Status::New, false), Some(5));
    assert_eq!(after(Status::Pending, false), Some(5));
    assert_eq!(after(Status::Processing, false), Some(10));
    assert_eq!(after(Status::Paid, false), Some(10));
    assert_eq!(after(Status::Expired, false), Some(60));
    assert_eq!(after(Status::Failed, false), Some(60));
    assert_eq!(after(Status::Completed, false), None);
    assert_eq!(after(Status::Completed, true), Some(60));
}

#[test]
fn limits_and_balance() {
    let limits = LimitsView {
        ticker: Ticker::KAS,
        limits: deposit_core::Limits {
            minimum: amount("125", Asset::KAS),
            maximum: amount("6250", Asset::KAS),
        },
        usd: UsdLimits::new("10.00".parse().unwrap(), "500".parse().unwrap()).unwrap(),
        at: at(0),
    };
    assert_eq!(
        serde_json::to_string(&Limits::of(&limits)).unwrap(),
        r#"{"minimum":125,"maximum":6250,"fiatEquivalentMinimum":10,"fiatEquivalentMaximum":500,"timestamp":1772616600}"#
    );
    let balances = |usd: &str, nano_address: Option<&str>| Balances {
        usd: Signed::parse(usd, Asset::USD).unwrap(),
        xno: Signed::parse("2.25", Asset::XNO).unwrap(),
        nano_address: nano_address.map(str::to_owned),
    };
    let json = |b: Balances| serde_json::to_string(&Balance::from(b)).unwrap();
    assert_eq!(
        json(balances("37.50", Some("nano_1examp1e"))),
        r#"{"usd_balance":"37.5","nano_balance":"2.25","nanoDepositAddress":"nano_1examp1e"}"#
    );
    assert_eq!(
        json(balances("-0.01", None)),
        r#"{"usd_balance":"-0.01","nano_balance":"2.25","nanoDepositAddress":""}"#
    );
}

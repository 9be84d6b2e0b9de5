use deposit_core::Snapshot;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::api::{PaymentAnswer, SessionAnswer};
use crate::evm::Chain;
use crate::testing::{ORDER_ID, PAYMENT, TREASURY, destination, intent};

const USDC: &str = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913";

fn payment(status: &str) -> Value {
    json!({
        "id": PAYMENT, "status": status, "createdAt": "1785000000",
        "display": {"intent": "Deposit", "paymentValue": "99.99", "currency": "USD"},
        "source": {"payerAddress": null, "txHash": null, "chainId": "1", "amountUnits": "0.0041", "tokenSymbol": "ETH",
                   "tokenAddress": "0x0000000000000000000000000000000000000000"},
        "destination": {"destinationAddress": TREASURY, "txHash": "0xde00", "chainId": "8453", "amountUnits": "10",
                        "tokenSymbol": "USDC", "tokenAddress": USDC, "callData": "0x"},
        "externalId": ORDER_ID,
        "metadata": {"depositId": ORDER_ID, "depositGateway": "deposit/1"}
    })
}

fn session(status: &str) -> Value {
    json!({
        "sessionId": PAYMENT, "status": status,
        "destination": {"type": "evm", "address": TREASURY, "chainId": 8453, "chainName": "Base", "tokenAddress": USDC,
                        "tokenSymbol": "USDC", "amountUnits": "10.00"},
        "display": {"title": "Deposit", "verb": "Deposit"}, "paymentMethod": null,
        "createdAt": 1_785_000_000, "expiresAt": 1_785_003_600,
        "metadata": {"depositId": ORDER_ID, "depositGateway": "deposit/1"}
    })
}

fn of_payment(payment: &Value) -> Snapshot {
    let PaymentAnswer(payment) = serde_json::from_str(&payment.to_string()).unwrap();
    snapshot(&intent("10.00"), &destination(), &payment.into())
}

fn of_session(session: &Value) -> Snapshot {
    let answer: SessionAnswer = serde_json::from_str(&json!({"session": session}).to_string()).unwrap();
    snapshot(&intent("10.00"), &destination(), &answer.session.into())
}

/// State, (in flight, confirmed, taken), undecided, codes of the concerns.
type Short = (OrderState, Option<(u128, u128, u128)>, bool, Vec<String>);

fn short(snapshot: &Snapshot) -> Short {
    assert!(snapshot.complete && snapshot.payments.len() <= 1);
    let figures = snapshot.payments.first().map(|p| {
        assert_eq!((p.id.as_str(), p.asset, p.paid_at), (PAYMENT, Asset::USDC, None));
        (p.in_flight, p.confirmed, p.takings.values().map(|t| t.taken).sum())
    });
    let codes = snapshot.concerns.iter().map(|c| c.code.clone()).collect();
    (snapshot.state, figures, !snapshot.undecided.is_empty(), codes)
}

fn plain(state: OrderState, figures: Option<(u128, u128, u128)>) -> Short {
    (state, figures, false, vec![])
}

fn noted(state: OrderState, figures: Option<(u128, u128, u128)>, code: &str) -> Short {
    (state, figures, false, vec![code.to_owned()])
}

fn undecided(code: &str) -> Short {
    (OrderState::Open, None, true, vec![code.to_owned()])
}

const TEN: u128 = 10_000_000;

/// What goes to an operator: the code, and how much of the one payment that there is.
fn handed(snapshot: &Snapshot) -> Vec<(&str, &str)> {
    let money = snapshot.concerns.iter().filter_map(|c| Some((c.code.as_str(), c.money.as_ref()?)));
    money
        .map(|(code, money)| {
            assert_eq!(money.payment.as_ref().map(PaymentRef::as_str), Some(PAYMENT));
            assert_eq!(money.ticker, None);
            (code, money.amount.as_deref().unwrap_or("-"))
        })
        .collect()
}

#[test]
fn money_that_no_rule_credits_is_handed_over_with_how_much_it_is() {
    // It is at our own refund address: the order failed, and the payer's money is ours to pay back.
    for bounced in [of_payment(&payment("payment_bounced")), of_session(&session("bounced"))] {
        assert_eq!(handed(&bounced), [("bounced", "10")]);
    }
    let arrived = |received: &str| {
        let mut session = session("succeeded");
        session["destination"]["delivery"] = json!({"txHash": "0x1", "receivedUnits": received});
        of_session(&session)
    };
    assert_eq!(handed(&arrived("10")), []);
    for credited in ["9.99", "10.5", "100"] {
        assert_eq!(handed(&arrived(credited)), [], "{credited}: the rules credit it");
    }
    assert_eq!(handed(&arrived("10000000")), [("implausible_amount", "-")], "in another unit");
    assert_eq!(handed(&arrived("0")), [("unreadable_amount", "-")]);
    assert_eq!(handed(&of_payment(&payment("payment_frozen"))), [("unknown_status", "-")]);
    for calm in ["payment_unpaid", "payment_started", "payment_completed"] {
        assert_eq!(handed(&of_payment(&payment(calm))), [], "{calm}: the rules follow it");
    }
    let refunded = of_payment(&payment("payment_refunded"));
    assert_eq!(handed(&refunded), [("refunded", "-")], "how much is for an event to say");
    assert!(refunded.concerns[0].money.as_ref().unwrap().taken_back);
}

/// What is left of ten after a read and events, in any order: as evidence merges, the most of each id.
fn left(events: &[Option<Facts>]) -> u128 {
    let read = of_payment(&payment("payment_refunded"));
    let mut takings = read.payments[0].takings.clone();
    for event in events.iter().flatten() {
        for (id, told) in &event.payments[&PAYMENT.parse().unwrap()].takings {
            let known = takings.entry(id.clone()).or_default();
            known.taken = known.taken.max(told.taken);
            known.given_back = known.given_back.max(told.given_back);
        }
    }
    let outstanding: u128 = takings.values().map(|t| t.taken.saturating_sub(t.given_back)).sum();
    read.payments[0].confirmed.saturating_sub(outstanding)
}

#[test]
fn a_refund_takes_back_the_amount_that_it_names() {
    let number = |text: &str| text.parse::<NumberText>().unwrap();
    let asked = number("10.00");
    let named = |amount: &str, token: &str, tx_hash: &str, delivered: bool| {
        let amount = number(amount);
        let event = NamedRefund {
            tx_hash: Some(tx_hash),
            token: Some(token),
            amount: Some(&amount),
            order_token: Some(USDC),
            order_amount: Some(&asked),
            delivered,
        };
        refunded(&PAYMENT.parse().unwrap(), &event)
    };
    let four = named("4", &USDC.to_lowercase(), "0xaa", true);
    let three = named("3.000000", USDC, "0xbb", true);
    assert_eq!(left(&[]), 0, "until an event names a figure");
    assert_eq!(left(std::slice::from_ref(&four)), 6_000_000);
    assert_eq!(left(&[four.clone(), four.clone()]), 6_000_000, "told twice");
    assert_eq!(left(&[three.clone(), four.clone()]), 3_000_000, "two refunds");
    assert_eq!(left(&[named("10", USDC, "0xaa", true)]), 0);
    assert_eq!(left(&[named("4", USDC, "0xaa", false)]), 0, "nothing was ever delivered");
    // What can be no part of this order.
    for (amount, token) in [("10.000001", USDC), ("0", USDC), ("-1", USDC), ("4", crate::evm::NATIVE)] {
        assert_eq!(named(amount, token, "0xaa", true), None, "{amount} {token}");
    }
}

#[test]
fn what_is_not_as_asked_is_money_once_it_is_paid() {
    for (status, amount, wanted) in [
        ("payment_unpaid", "10.01", None),
        ("payment_started", "10.01", Some("10.01")),
        ("payment_completed", "10.01", Some("10.01")),
        ("payment_completed", "-1", Some("-")),
        ("payment_bounced", "10.01", Some("10.01")),
        ("payment_refunded", "10.01", Some("10.01")),
        ("payment_frozen", "10.01", Some("10.01")),
    ] {
        let mut it = payment(status);
        it["destination"]["amountUnits"] = amount.into();
        let wanted: Vec<_> = wanted.map(|amount| ("amount_mismatch", amount)).into_iter().collect();
        assert_eq!(handed(&of_payment(&it)), wanted, "{status}");
    }
    let mut elsewhere = session("succeeded");
    elsewhere["destination"]["address"] = crate::testing::REFUNDS.into();
    elsewhere["destination"]["delivery"] = json!({"txHash": "0x1", "receivedUnits": "9.5"});
    assert_eq!(handed(&of_session(&elsewhere)), [("destination_mismatch", "9.5")]);
    let mut expired = elsewhere.clone();
    expired["status"] = "expired".into();
    assert_eq!(handed(&of_session(&expired)), []);
}

#[test]
fn each_word_of_a_payment() {
    let of = |word: &str| short(&of_payment(&payment(word)));
    assert_eq!(of("payment_unpaid"), plain(OrderState::Open, None));
    assert_eq!(of("payment_started"), plain(OrderState::Open, Some((TEN, 0, 0))));
    assert_eq!(of("payment_completed"), plain(OrderState::Open, Some((0, TEN, 0))));
    assert_eq!(
        of("payment_bounced"),
        noted(OrderState::Failed(Failure::Bounced), Some((0, 0, 0)), "bounced")
    );
    assert_eq!(of("payment_refunded"), noted(OrderState::Open, Some((0, TEN, TEN)), "refunded"));
    for unknown in ["payment_settled", "Payment_Completed", "completed", "succeeded", ""] {
        assert_eq!(of(unknown), undecided("unknown_status"), "{unknown}");
    }
}

#[test]
fn each_word_of_a_session() {
    let of = |word: &str| short(&of_session(&session(word)));
    assert_eq!(of("requires_payment_method"), plain(OrderState::Open, None));
    assert_eq!(of("waiting_payment"), plain(OrderState::Open, None));
    assert_eq!(of("processing"), plain(OrderState::Open, Some((TEN, 0, 0))));
    assert_eq!(of("succeeded"), undecided("unreadable_amount"), "without a delivery");
    assert_eq!(of("expired"), plain(OrderState::Expired, None));
    for unknown in ["completed", "Succeeded", "payment_completed", ""] {
        assert_eq!(of(unknown), undecided("unknown_status"), "{unknown}");
    }
    // What is called a delivery here is the refund.
    let mut bounced = session("bounced");
    bounced["destination"]["delivery"] = json!({"txHash": "0x1", "receivedUnits": "10"});
    let wanted = noted(OrderState::Failed(Failure::Bounced), Some((0, 0, 0)), "bounced");
    assert_eq!(short(&of_session(&bounced)), wanted);
    assert_eq!(of("bounced"), wanted);
}

#[test]
fn a_session_counts_what_arrived() {
    let of = |received: Value| {
        let mut session = session("succeeded");
        session["destination"]["delivery"] = json!({"txHash": "0x1", "receivedUnits": received});
        short(&of_session(&session))
    };
    for same in ["10", "10.0", "10.000000", "10.000000000000000000"] {
        assert_eq!(of(same.into()), plain(OrderState::Open, Some((0, TEN, 0))), "{same}");
    }
    let otherwise = |figures| noted(OrderState::Open, Some(figures), "delivered_otherwise");
    assert_eq!(of("9.99".into()), otherwise((0, 9_990_000, 0)));
    assert_eq!(of("10.000001".into()), otherwise((0, TEN + 1, 0)));
    assert_eq!(of("15".into()), otherwise((0, 15_000_000, 0)));
    assert_eq!(of("100".into()), otherwise((0, 10 * TEN, 0)));
    // Beyond that no rule credits anything: smallest units taken for whole ones, say.
    for implausible in ["100.000001", "10000000", "10000000000000000000"] {
        assert_eq!(of(implausible.into()), undecided("implausible_amount"), "{implausible}");
    }
    let (state, figures, left, codes) = of("9.9999999".into());
    assert_eq!((state, figures, left), (OrderState::Open, Some((0, 9_999_999, 0)), false));
    assert_eq!(codes, ["rounded", "delivered_otherwise"]);
    for none in ["0", "-1"] {
        assert_eq!(of(none.into()), undecided("unreadable_amount"), "{none}");
    }
}

#[test]
fn an_order_that_is_not_as_asked_says_nothing() {
    let with = |pointer: &str, value: Value| {
        let mut it = payment("payment_completed");
        *it.pointer_mut(pointer).unwrap() = value;
        short(&of_payment(&it))
    };
    for (pointer, value, code) in [
        ("/externalId", json!("dep_another_one_0"), "order_mismatch"),
        ("/metadata/depositId", json!("dep_another_one_0"), "order_mismatch"),
        ("/destination/destinationAddress", json!(crate::testing::REFUNDS), "destination_mismatch"),
        ("/destination/tokenAddress", json!(crate::evm::NATIVE), "destination_mismatch"),
        ("/destination/chainId", json!("10"), "destination_mismatch"),
        ("/destination/amountUnits", json!("10.01"), "amount_mismatch"),
        ("/destination/amountUnits", json!("10000000"), "amount_mismatch"),
        ("/destination/amountUnits", json!("1"), "amount_mismatch"),
        ("/destination/amountUnits", json!("10.0000001"), "amount_mismatch"),
    ] {
        assert_eq!(with(pointer, value.clone()), undecided(code), "{pointer} {value}");
    }
    let mut nobodys = payment("payment_completed");
    nobodys["externalId"] = Value::Null;
    nobodys["metadata"] = Value::Null;
    assert_eq!(short(&of_payment(&nobodys)), undecided("order_mismatch"));
    let fine = plain(OrderState::Open, Some((0, TEN, 0)));
    // One of the two ids is enough; a chain may be a number; letters of an EVM address have no meaning.
    for (pointer, value) in [
        ("/externalId", Value::Null),
        ("/metadata", Value::Null),
        ("/destination/chainId", json!(8453)),
        ("/destination/tokenAddress", json!(USDC.to_lowercase())),
        ("/destination/amountUnits", json!("10.000")),
    ] {
        assert_eq!(with(pointer, value), fine, "{pointer}");
    }
}

#[test]
fn another_destination_of_today_changes_nothing_of_yesterday() {
    let asked = destination();
    let mut old = payment("payment_completed");
    old["metadata"]["destination"] = asked.mark().into();
    let read = |it: &Value, configured: &Destination| {
        let PaymentAnswer(it) = serde_json::from_str(&it.to_string()).unwrap();
        short(&snapshot(&intent("10.00"), configured, &it.into()))
    };
    let other = Destination { address: crate::testing::REFUNDS.into(), chain: Chain::by_id(10).unwrap() };
    assert_eq!(read(&old, &other), plain(OrderState::Open, Some((0, TEN, 0))));
    assert_eq!(read(&payment("payment_completed"), &other), undecided("destination_mismatch"));
    old["metadata"]["destination"] = other.mark().into();
    assert_eq!(read(&old, &other), undecided("destination_mismatch"), "it arrived elsewhere");
}

#[test]
fn a_payment_is_read_bare_and_wrapped() {
    let bare = payment("payment_completed");
    assert_eq!(of_payment(&json!({"payment": bare})), of_payment(&bare));
    for broken in [json!({}), json!([]), json!({"payment": {}}), json!({"id": 7}), json!({"payment": 7})] {
        assert!(serde_json::from_str::<PaymentAnswer>(&broken.to_string()).is_err(), "{broken}");
    }
}

#[test]
fn a_secret_of_a_client_is_not_printed() {
    let mut it = session("succeeded");
    it["clientSecret"] = "S3CR3T".into();
    let answer: SessionAnswer = serde_json::from_str(&json!({"session": it}).to_string()).unwrap();
    assert_eq!(answer.session.client_secret.as_deref(), Some("S3CR3T"));
    assert!(!format!("{answer:?}").contains("S3CR3T"));
}

#[test]
fn a_word_is_harmless() {
    assert_eq!(printable("payment_x\n<b>\u{202e}"), "`payment_xb`");
    assert_eq!(printable(&"x".repeat(100)).len(), 42);
}

proptest! {
    /// Whatever a status says, no more is ever counted than arrived plausibly, and nothing of an unknown word.
    #[test]
    fn never_more_than_is_plausible(status in "[a-z_]{0,30}", known in 0_usize..12, received in "(0|[1-9][0-9]{0,11})(\\.[0-9]{1,20})?") {
        let words = ["payment_unpaid", "payment_started", "payment_completed", "payment_bounced", "payment_refunded"];
        let statuses = ["requires_payment_method", "waiting_payment", "processing", "succeeded", "bounced", "expired"];
        let word = words.iter().chain(&statuses).nth(known).map_or(status.as_str(), |w| *w);
        let mut it = session(word);
        it["destination"]["delivery"] = json!({"txHash": "0x1", "receivedUnits": received});
        for read in [of_payment(&payment(word)), of_session(&it)] {
            for p in &read.payments {
                let most = if word == "succeeded" { 10 * TEN } else { TEN };
                prop_assert!(p.in_flight + p.confirmed <= most);
                let taken: u128 = p.takings.values().map(|t| t.taken).sum();
                prop_assert!(p.confirmed == taken || word == "payment_completed" || word == "succeeded");
            }
            prop_assert!(read.undecided.is_empty() || (read.payments.is_empty() && !read.concerns.is_empty()));
        }
    }

    /// Amounts reach the wire and come back to the last unit.
    #[test]
    fn amounts_come_back(minor in 1_u128..=1_000_000_000_000_000) {
        let asked = Amount::new(minor, Asset::USDC);
        let mut it = payment("payment_completed");
        it["destination"]["amountUnits"] = asked.to_string().into();
        let PaymentAnswer(it) = serde_json::from_str(&it.to_string()).unwrap();
        let read = snapshot(&intent(&asked.to_string()), &destination(), &it.into());
        prop_assert_eq!(read.payments.first().map(|p| p.confirmed), Some(minor));
    }
}

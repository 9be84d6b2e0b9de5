//! Section 3.1: what its own words say beside the table of tickers.

use crate::harness::{AT, Setup, World};
use crate::row::{Row, amount, create, exactly, member, ok, raw, row, text, with};

#[tokio::test]
async fn the_sample() {
    let world = World::start().await;
    let (id, reply) = world.created("BTC", "0.0004").await;
    let address = member(&reply, "address");
    let page = format!("{}/pay/{id}", world.public_url());
    let sample = format!(
        r#"{{"txId":"{id}","ticker":"BTC","amount":0.0004,"status":"New","createdAt":"2026-03-04T09:30:00.000Z","expiresAt":"2026-03-04T10:30:00.000Z","expiration":1772620200,"remainingTime":3600,"paidAmountCrypto":0,"address":"{address}","paymentLink":"bitcoin:{address}?amount=0.0004","QRUrl":"{page}/qr.svg","amountCrypto":0.0004,"amountFiat":20}}"#
    );
    assert_eq!(reply.body, sample, "3.1 the sample");
    world.stop().await;
}

#[tokio::test]
async fn times_bonus_and_public_url() {
    let sections = "[server]\nlisten = \"127.0.0.1:0\"\npublic_url = \"https://pay.example/base/\"\n\
                    [bonus]\nBTC-LN = \"2.5\"\n[deposits]\nlifetime_seconds = 90\n";
    let world = World::with(Setup { sections: sections.into(), ..Setup::default() }).await;
    let (_, reply) = world.created("btc-ln", "0.0004").await;
    let id = member(&reply, "txId");
    let page = format!("https://pay.example/base/pay/{id}");
    crate::row::assert_want(
        "3.1 bonusPercent above 0; QRUrl at public_url; lifetime configurable",
        &reply,
        &with(vec![
            ("bonusPercent", raw("2.5")),
            ("QRUrl", text(format!("{page}/qr.svg"))),
            ("expiration", raw((AT + 90).to_string())),
            ("remainingTime", raw("90")),
            ("expiresAt", text("2026-03-04T09:31:30.000Z")),
        ]),
    );
    let (near, reply) = world.created("near", "4").await;
    assert_eq!(member(&reply, "paymentLink"), format!("https://pay.example/base/pay/{near}"), "2 page");
    assert_eq!(member(&reply, "bonusPercent"), "", "3.1 bonusPercent: above 0");
    world.advance(31).await;
    let state = world.status("btc-ln", &id).await;
    assert_eq!(member(&state, "remainingTime"), "59", "3.1 remainingTime: whole seconds");
    world.advance(100).await;
    let state = world.until_status("btc-ln", &id, "Expired").await;
    assert_eq!(member(&state, "remainingTime"), "0", "3.1 remainingTime: at least 0");
    world.stop().await;
}

#[tokio::test]
async fn expiration_is_rounded_down() {
    // A clock that runs, so that milliseconds are there to be cut.
    let world = World::with(Setup { running: true, ..Setup::default() }).await;
    let (_, reply) = world.created("btc", "0.0004").await;
    let (expires, expiration) = (member(&reply, "expiresAt"), member(&reply, "expiration"));
    let at: jiff::Timestamp = expires.parse().unwrap();
    assert_eq!(expiration, at.as_millisecond().div_euclid(1000).to_string(), "3.1 expiration: rounded down");
    assert!(expires.len() == 24 && expires.ends_with('Z') && &expires[19..20] == ".", "1 Times: {expires}");
    world.stop().await;
}

#[tokio::test]
async fn amounts_of_a_request() {
    let world = World::start().await;
    let mut rows: Vec<Row> = Vec::new();
    for (ticker, written, plain) in [
        ("BTC", "4e-4", "0.0004"),
        ("BTC", "4E-4", "0.0004"),
        ("BTC", "0.4e-3", "0.0004"),
        ("BTC", "40000e-8", "0.0004"),
        ("BTC", "0.00040000000000000000000000000000", "0.0004"),
        ("BTC", "1e-5", "0.00001"),
        ("DOGE", "1e2", "100"),
        ("DOGE", "1E+2", "100"),
        ("DOGE", "1.00e+02", "100"),
        ("DOGE", "100.0", "100"),
        ("DOGE", "123.10", "123.1"),
        ("USD", "10.00", "10"),
        ("USD", "1050e-2", "10.5"),
    ] {
        rows.push(row(
            "1 Numbers: exponents are accepted, written plain",
            amount(ticker, written),
            with(vec![("amount", raw(plain))]),
        ));
    }
    for (amount_of_doge, fiat) in
        [("100.04", "12.51"), ("100.039", "12.5"), ("0.84", "0.11"), ("0.8", "0.1"), ("80", "10")]
    {
        rows.push(row(
            "3.1 amountFiat: cents, half up",
            amount("doge", amount_of_doge),
            with(vec![("amountFiat", raw(fiat))]),
        ));
    }
    rows.push(row(
        "3.2 usdc in USD",
        create("usdc", r#"{"amount":10}"#),
        with(vec![("amountFiat", raw("10"))]),
    ));
    rows.push(row(
        "3.3 eur in its currency",
        create("eur", r#"{"amount":10}"#),
        with(vec![("amountFiat", raw("10.8"))]),
    ));
    rows.push(row(
        "3.1 no key, no replay",
        create("btc", r#"{"amount":0.0004}"#),
        ok().no_header("idempotent-replayed"),
    ));
    world.check(rows).await;
    world.stop().await;
}

#[tokio::test]
async fn balance_at_first() {
    let world = World::start().await;
    let reply = world.balance().await;
    crate::row::assert_want(
        "3.7 \"0\" if empty",
        &reply,
        &exactly(vec![
            ("usd_balance", text("0")),
            ("nano_balance", text("0")),
            ("nanoDepositAddress", crate::row::Member::AnyString),
        ]),
    );
    world.stop().await;
}

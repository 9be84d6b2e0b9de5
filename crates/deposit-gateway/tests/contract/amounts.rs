//! Section 1, numbers: exact in and out, nothing through binary floating point; and what hostile clients send instead.

use serde_json::json;

use crate::harness::World;
use crate::row::{Row, Want, create, error, exactly, member, members, ok, raw, row, text, with};

#[tokio::test]
async fn what_is_no_amount() {
    let world = World::start().await;
    let missing = || error(400, "No amount specified", "amount_missing");
    let invalid = || error(400, "Invalid amount. Must be a positive number.", "invalid_amount");
    let precision = || error(400, "Invalid amount. BTC has at most 8 decimals.", "amount_precision");
    let minimum = || error(400, "Minimum amount is 0.000002", "amount_below_minimum");
    let maximum = || error(400, "Maximum amount is 0.01", "amount_above_maximum");
    let bad_json = || error(400, "Invalid JSON in request body", "invalid_json");
    let mut rows: Vec<Row> = Vec::new();
    let mut add =
        |line: &str, body: &[u8], want: Want| rows.push(row(format!("5 {line}"), create("btc", body), want));
    for body in [
        "",
        " ",
        "\r\n\t ",
        "null",
        " null\n",
        "{}",
        " { } ",
        r#"{"amount":null}"#,
        r#"{"Amount":1}"#,
        r#"{"x":{"amount":1}}"#,
    ] {
        add("No amount specified: no body, blank, null, no amount, amount null", body.as_bytes(), missing());
    }
    for number in [
        "0",
        "-0",
        "0.0",
        "-0.0",
        "0e10",
        "0e-400",
        "-1",
        "-0.0004",
        "-1e-30",
        "-1e400",
        "-1e999999999",
        "-0.000000001",
    ] {
        add("Invalid amount: 0, negative", format!(r#"{{"amount":{number}}}"#).as_bytes(), invalid());
    }
    for value in [
        r#""0.0004""#,
        r#""""#,
        r#""NaN""#,
        "true",
        "false",
        "[]",
        "[0.0004]",
        "{}",
        r#"{"amount":0.0004}"#,
        r#""\u0000""#,
        r#""1e-4""#,
    ] {
        add("Invalid amount: not a number", format!(r#"{{"amount":{value}}}"#).as_bytes(), invalid());
    }
    let deep_amount = format!(r#"{{"amount":{}{}}}"#, "[".repeat(6000), "]".repeat(6000));
    add("Invalid amount: not a number, nested 6000 deep", deep_amount.as_bytes(), invalid());
    let fine = format!("0.{}1", "0".repeat(8000));
    for number in [
        "0.000000001",
        "0.123456789",
        "1e-9",
        "1e-30",
        "1e-999999999",
        "1e-99999999999999999999",
        "0.00040000000000000000000000000000001",
        "123456789.123456789",
        "0.1000000000000000055511151231257827",
        &fine,
    ] {
        add(
            "Invalid amount. BTC has at most 8 decimals.",
            format!(r#"{{"amount":{number}}}"#).as_bytes(),
            precision(),
        );
    }
    for number in ["0.00000001", "1e-8", "0.00000199", "199e-8"] {
        add("Minimum amount is X", format!(r#"{{"amount":{number}}}"#).as_bytes(), minimum());
    }
    let nines = "9".repeat(16_000);
    let zeros = format!("1{}", "0".repeat(16_000));
    for number in [
        "0.01000001",
        "1",
        "1e400",
        "1E+400",
        "1e999999999",
        "1e99999999999999999999",
        "340282366920938463463374607431768211456",
        "18446744073709551616",
        "9007199254740993",
        "1.7976931348623159e308",
        &nines,
        &zeros,
    ] {
        add("Maximum amount is X: however large", format!(r#"{{"amount":{number}}}"#).as_bytes(), maximum());
    }
    for number in [
        "01",
        "00.1",
        "-01",
        "+1",
        ".5",
        "5.",
        "1.e2",
        "1e",
        "1e+",
        "1e1.5",
        "0x10",
        "0b1",
        "1_000",
        "1,5",
        "NaN",
        "Infinity",
        "-Infinity",
        "nan",
        "-",
        "--1",
        "1 2",
        "\u{ff11}",
        "1n",
        "'1'",
        "undefined",
    ] {
        add("Invalid JSON in request body", format!(r#"{{"amount":{number}}}"#).as_bytes(), bad_json());
    }
    for body in [
        "{",
        "}",
        "[",
        "[]",
        "[1]",
        "\"x\"",
        "\"\"",
        "0.0004",
        "1",
        "true",
        "false",
        "nul",
        "amount=0.0004",
        r#"{"amount":0.0004"#,
        r#"{"amount":0.0004}}"#,
        r#"{"amount":0.0004} {}"#,
        r#"{"amount":0.0004,}"#,
        r#"{amount:0.0004}"#,
        r#"{'amount':0.0004}"#,
        r#"{"amount" 0.0004}"#,
        r#"{"amount":}"#,
        "{\"amount\":0.0004}\u{0}",
        "\u{feff}{\"amount\":0.0004}",
        "/**/{\"amount\":0.0004}",
        "{\"amount\":0.0004,\"x\":\"\n\"}",
    ] {
        add("Invalid JSON in request body: or not an object", body.as_bytes(), bad_json());
    }
    add("Invalid JSON in request body: twice", br#"{"amount":0.0004,"amount":0.0004}"#, bad_json());
    add("1 unknown members ignored, twice too", br#"{"x":1,"x":2,"amount":0.0004}"#, ok());
    add("Invalid JSON in request body: twice, one null", br#"{"amount":null,"amount":0.0004}"#, bad_json());
    add("Invalid JSON in request body: twice, escaped", br#"{"amount":0.0004,"\u0061mount":5}"#, bad_json());
    add("Invalid JSON in request body: no UTF-8", b"{\"amount\":0.0004,\"x\":\"\xff\"}", bad_json());
    add("Invalid JSON in request body: UTF-16", b"\xff\xfe{\x00}\x00", bad_json());
    add("Invalid JSON in request body: deep", "[".repeat(16_000).as_bytes(), bad_json());
    add("Invalid JSON in request body: deep", "{\"a\":".repeat(3_200).as_bytes(), bad_json());
    let deep = format!(r#"{{"x":{}{},"amount":0.0004}}"#, "[".repeat(8000), "]".repeat(8000));
    add("1 Body: unknown members ignored, however deep", deep.as_bytes(), ok());
    let full = format!(r#"{{"amount":0.0004{}}}"#, "0".repeat(16_384 - r#"{"amount":0.0004}"#.len()));
    assert_eq!(full.len(), 16_384);
    add("5 trailing zeros are fine, up to 16 KiB", full.as_bytes(), with(vec![("amount", raw("0.0004"))]));
    world.check(rows).await;
    assert_eq!(world.truth().await.len(), 3, "nothing was opened by halves");
    world.stop().await;
}

/// The same figure in the answer, the status, the payment and the ledger, at every decimal that a ticker has.
#[tokio::test]
async fn every_decimal_survives_the_whole_way() {
    let world = World::start().await;
    for (ticker, provider, number) in [
        ("BTC", "btcpay", "0.00123457"),
        ("XMR", "btcpay", "0.123456789012"),
        ("DOGE", "btcpay", "3999.99999999"),
        ("BCH", "promptcash", "0.05123457"),
        ("BAN", "nanswap", "5000.12345678901234567890123456789"),
        ("NEAR", "nanswap", "4.123456789012345678901234"),
        ("EGLD", "nanswap", "1.123456789012345678"),
        ("TON", "nanswap", "5.123456789"),
        ("ZANO", "zano", "2.123456789012"),
        ("FUSD", "zano", "20.1235"),
    ] {
        let line = format!("1 Numbers: never through binary floating point: {ticker} {number}");
        let (id, reply) = world.created(ticker, number).await;
        let address = member(&reply, "address");
        let reference = if matches!(provider, "zano" | "nanswap") { address } else { id.clone() };
        let due = world.order_of(&reference).await["due"].clone();
        if !matches!(provider, "zano" | "promptcash") {
            assert_eq!(due, json!(number), "{line}: what the provider was told");
        }
        let mut order = json!({ "ref": reference, "amount": number });
        if provider == "zano" {
            order["ticker"] = json!(ticker);
        }
        let payment = world.pay(provider, order).await;
        let state = world.until_status(ticker, &id, "Completed").await;
        let payments = members(&state.body).remove("payments").unwrap();
        crate::row::assert_want(
            &line,
            &state,
            &with(vec![
                ("amount", raw(number)),
                ("amountCrypto", raw(number)),
                ("paidAmountCrypto", raw(number)),
            ]),
        );
        assert!(
            payments.starts_with(&format!(r#"[{{"id":"{payment}","amount":{number},"stage":"confirmed""#)),
            "{line}: {payments}"
        );
    }
    world.stop().await;
}

#[tokio::test]
async fn thirty_decimals_of_xno() {
    let world = World::start().await;
    let address = member(&world.balance().await, "nanoDepositAddress");
    let mut total = 0_u128;
    for number in [
        "0.000000000000000000000000000001",
        "1.000000000000000000000000000001",
        "0.123456789012345678901234567891",
        "625.999999999999999999999999999999",
    ] {
        let hash = world.pay("nano", json!({ "ref": address, "amount": number })).await;
        let state = world.until_status("xno", &hash, "Completed").await;
        let wanted = with(vec![
            ("ticker", text("XNO")),
            ("paidAmountCrypto", raw(number)),
            ("creditedNano", raw(number)),
            ("creditedUsd", crate::row::Member::Gone),
        ]);
        crate::row::assert_want("6 XNO ledger in raw, exact", &state, &wanted);
        let (whole, fraction) = number.split_once('.').unwrap();
        total += format!("{whole}{fraction}").parse::<u128>().unwrap();
    }
    let digits = format!("{total:031}");
    let (whole, fraction) = digits.split_at(digits.len() - 30);
    let expected = format!("{whole}.{}", fraction.trim_end_matches('0'));
    crate::row::assert_want(
        "3.7 exact plain decimals; XNO credits raise nano_balance, unconverted",
        &world.balance().await,
        &exactly(vec![
            ("usd_balance", text("0")),
            ("nano_balance", text(expected)),
            ("nanoDepositAddress", text(address)),
        ]),
    );
    world.stop().await;
}

#[tokio::test]
async fn usd_is_rounded_down_at_eight_decimals() {
    let mut setup = crate::harness::Setup::default();
    setup.instead.push(("\nXMR = \"160\"\n".into(), "\nXMR = \"163.777777777777\"\n".into()));
    let world = World::with(setup).await;
    let (id, _) = world.created("xmr", "0.100000000001").await;
    world.pay_all("btcpay", &id).await;
    let state = world.until_status("xmr", &id, "Completed").await;
    // 0.100000000001 of 163.777777777777 is 16.3777777779414777777776….
    assert_eq!(member(&state, "creditedUsd"), "16.37777777", "6 at most 8 decimals, rounded down");
    assert_eq!(member(&world.balance().await, "usd_balance"), "16.37777777", "3.7 exact plain decimals");
    world.stop().await;
}

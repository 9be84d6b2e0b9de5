//! Section 1, "which error wins": each pair of neighbours in the chain, and some that are further apart.

use serde_json::json;

use crate::harness::{Setup, World};
use crate::row::{Call, Row, Want, amount, create, error, get, ok, post, row};

fn unavailable() -> Want {
    error(500, "This payment method is currently not available", "payment_method_unavailable")
}

#[tokio::test]
async fn which_error_wins() {
    let world = World::with(Setup { limited: true, without: vec!["stripe"], ..Setup::default() }).await;
    let huge = " ".repeat(16_385);
    let full = world.issue_key("ana").await;
    let empty = async || world.issue_key("ana").await;
    let good = r#"{"amount":0.0004}"#;
    for n in 0..10 {
        let idempotent = amount("btc", "0.0004").key(&full).idempotent("replayed");
        let call = if n == 0 { idempotent } else { create("btc", "{}").key(&full) };
        world.call(&call).await;
    }
    let stranger = |call: Call| call.anonymous();
    let path = "/api/transaction/create/nope/x";
    let not_found = || error(404, "Not found", "not_found");
    let not_allowed = || error(405, "Method not allowed", "method_not_allowed");
    let missing = || error(401, "Incorrect API key", "missing_api_key");
    let too_large = || error(413, "Request body too large", "body_too_large");
    let bad_key = || error(400, "Invalid idempotency key", "invalid_idempotency_key");
    let conflict = || error(409, "Idempotency key already used", "idempotency_conflict");
    let limited = || error(429, "Too many requests, please try again later", "rate_limit_exceeded");
    let unsupported = || error(400, "Unsupported ticker", "unsupported_ticker");
    let bad_json = || error(400, "Invalid JSON in request body", "invalid_json");
    let no_amount = || error(400, "No amount specified", "amount_missing");
    let invalid = || error(400, "Invalid amount. Must be a positive number.", "invalid_amount");
    let precision = || error(400, "Invalid amount. BTC has at most 8 decimals.", "amount_precision");
    let minimum = || error(400, "Minimum amount is 0.000002", "amount_below_minimum");
    let maximum = || error(400, "Maximum amount is 0.01", "amount_above_maximum");
    let of_full = |call: Call| call.key(&full);
    let mut rows: Vec<Row> = vec![
        row("1 404 > 405, 401, 413", stranger(crate::row::call("PUT", path).body(huge.clone())), not_found()),
        row("1 405 > 401, 413", stranger(get("/api/transaction/create/btc")), not_allowed()),
        row("1 401 > 413", stranger(create("btc", huge.clone())), missing()),
        row("1 401 > ticker", stranger(create("nope", "{")), missing()),
        row("1 401 > malformed Idempotency-Key", stranger(create("btc", good)).idempotent(""), missing()),
        row("1 413 > malformed Idempotency-Key", create("btc", huge.clone()).idempotent(""), too_large()),
        row("1 413 > replay", of_full(create("btc", huge.clone())).idempotent("replayed"), too_large()),
        row("1 413 > 429", of_full(create("btc", huge.clone())), too_large()),
        row("1 413 > ticker", create("nope", huge), too_large()),
        row("1 malformed Idempotency-Key > 429", of_full(create("btc", good)).idempotent(""), bad_key()),
        row("1 malformed Idempotency-Key > ticker", create("nope", "{").idempotent(""), bad_key()),
        row("1 malformed Idempotency-Key > JSON", create("btc", "{").idempotent(&"k".repeat(256)), bad_key()),
        row(
            "1 replay > 429",
            of_full(create("btc", good)).idempotent("replayed"),
            ok().header("idempotent-replayed", "true"),
        ),
        row("1 409 > 429", of_full(amount("btc", "0.0005")).idempotent("replayed"), conflict()),
        row("1 409 > ticker", of_full(amount("nope", "0.0004")).idempotent("replayed"), conflict()),
        row(
            "1 409 > method switched off",
            of_full(amount("usd", "0.0004")).idempotent("replayed"),
            conflict(),
        ),
        row("1 409 > JSON", of_full(create("btc", "{")).idempotent("replayed"), conflict()),
        row("1 409 > amount present", of_full(create("btc", "{}")).idempotent("replayed"), conflict()),
        row("1 409 > amount valid", of_full(amount("btc", "-1")).idempotent("replayed"), conflict()),
        row("1 429 > ticker", of_full(create("nope", good)), limited()),
        row("1 429 > method switched off", of_full(amount("usd", "10")), limited()),
        row("1 429 > JSON", of_full(create("btc", "{")), limited()),
        row("1 429 > amount present", of_full(create("btc", "")), limited()),
    ];
    let fresh = empty().await;
    let next = |call: Call| call.key(&fresh);
    rows.extend([
        row("1 ticker > method switched off", next(create("nope", "{")), unsupported()),
        row("1 ticker > JSON: one that is not created", next(create("xno", "{")), unsupported()),
        row("1 ticker > method switched off: daimo/usd", next(create("daimo/usd", "{")), unsupported()),
        row("1 method switched off > JSON", next(create("usd", "{")), unavailable()),
        row("1 method switched off > amount present", next(create("eur", "{}")), unavailable()),
        row("1 method switched off > amount valid", next(amount("gbp", "-1")), unavailable()),
        row("1 JSON > amount present", next(create("btc", r#"{"amount":"#)), bad_json()),
        row("1 JSON > amount valid", next(create("btc", r#"{"amount":-1"#)), bad_json()),
    ]);
    let fresh = empty().await;
    let next = |call: Call| call.key(&fresh);
    rows.extend([
        row("1 amount present > amount valid", next(create("btc", r#"{"amounts":-1}"#)), no_amount()),
        row("1 amount valid: positive > precision", next(amount("btc", "-0.0000000001")), invalid()),
        row("1 amount valid: precision > minimum", next(amount("btc", "0.0000000001")), precision()),
        row("1 amount valid: precision > maximum", next(amount("btc", "99999.0000000001")), precision()),
        row("1 amount valid > minimum", next(amount("btc", "0")), invalid()),
        row("1 minimum", next(amount("btc", "0.00000199")), minimum()),
        row("1 maximum", next(amount("btc", "0.01000001")), maximum()),
    ]);
    world.check(rows).await;

    // The provider's answer comes last; once it is known to be down, it comes before JSON.
    world.faults("btcpay", json!({ "down": true })).await;
    let fresh = empty().await;
    let next = |call: Call| call.key(&fresh);
    world
        .check(vec![
            row("1 maximum > provider's answer", next(amount("btc", "99999")), maximum()),
            row("1 minimum > provider's answer", next(amount("btc", "0.000001")), minimum()),
            row("1 JSON > provider's answer", next(create("btc", "{")), bad_json()),
            row("1 provider's answer", next(amount("btc", "0.0004")), unavailable().seconds("retry-after")),
        ])
        .await;
    // A lost answer is no proof; a provider that says that it is too busy is.
    world.faults("btcpay", json!({ "status_429": true })).await;
    world
        .check(vec![
            row(
                "1 provider's answer: too busy",
                next(amount("btc", "0.0004")),
                unavailable().seconds("retry-after"),
            ),
            row(
                "5 Retry-After if it may pass: known to be down",
                next(create("btc", "{")),
                unavailable().seconds("retry-after"),
            ),
            row("1 known to be down > amount present", next(create("btc", "{}")), unavailable()),
            row("1 ticker > known to be down", next(create("nope", "{")), unsupported()),
        ])
        .await;
    world.faults("btcpay", json!({})).await;
    world.advance(60).await;
    world.check(vec![row("1 up again", create("btc", "{"), bad_json())]).await;
    world.stop().await;
}

#[tokio::test]
async fn switched_off_and_without_a_rate() {
    let setup = Setup {
        without: vec!["stripe", "nanswap", "nano"],
        instead: vec![("DOGE = \"0.125\"\n".into(), String::new()), ("FUSD = \"1\"\n".into(), String::new())],
        ..Setup::default()
    };
    let world = World::with(setup).await;
    let mut rows = Vec::new();
    for ticker in ["usd", "eur", "gbp", "kas", "ban", "ton", "near", "egld", "vvv", "doge", "fusd"] {
        let line = format!("5 payment_method_unavailable: off, or no fresh rate: {ticker}");
        // A rate may come; a provider without a section does not.
        let want = || match ticker {
            "doge" | "fusd" => unavailable().seconds("retry-after"),
            _ => unavailable().no_header("retry-after"),
        };
        rows.push(row(line.clone(), amount(ticker, "10"), want().no_header("idempotent-replayed")));
        rows.push(row(line, get(format!("/api/transaction/limits/{ticker}")), want()));
    }
    rows.push(row(
        "3.7 nanoDepositAddress: \"\" without a Nano provider",
        post("/api/check-balance"),
        crate::row::exactly(vec![
            ("usd_balance", crate::row::text("0")),
            ("nano_balance", crate::row::text("0")),
            ("nanoDepositAddress", crate::row::text("")),
        ]),
    ));
    rows.push(row(
        "3.1 all but XNO: Unsupported ticker, also without its provider",
        amount("xno", "1"),
        error(400, "Unsupported ticker", "unsupported_ticker"),
    ));
    rows.push(row(
        "3.5 404: of a ticker that is off",
        get("/api/transaction/status/usd/abc"),
        error(404, "Transaction not found", "not_found"),
    ));
    world.check(rows).await;
    world.stop().await;
}

#[tokio::test]
async fn our_own_failure_is_an_internal_error() {
    let gateway = crate::common::TestGateway::start().await;
    gateway.store.close().await;
    for (method, path, body) in [
        ("POST", "/api/transaction/create/btc", r#"{"amount":0.0004}"#),
        ("GET", "/api/transaction/limits/btc", ""),
        ("GET", "/api/transaction/status/btc/x", ""),
        ("POST", "/api/check-balance", ""),
    ] {
        let reply = gateway.send(method, path, &[("x-api-key", &gateway.key)], body).await;
        let internal = error(500, "Internal server error", "internal_error");
        crate::row::assert_want("5 Internal server error", &reply, &internal);
        assert!(!reply.body.contains("details"), "5 Internal server error: no inner detail: {}", reply.body);
    }
}

//! Section 3.5: the order of its errors, ids, and members while a deposit goes its way.

use serde_json::json;

use crate::harness::{Setup, World};
use crate::row::{Member, Row, Want, assert_want, error, get, member, members, ok, raw, row, text, with};

fn unsupported() -> Want {
    error(400, "Unsupported ticker", "unsupported_ticker")
}

fn invalid_id() -> Want {
    error(400, "Invalid transaction ID", "invalid_tx_id")
}

fn not_found() -> Want {
    error(404, "Transaction not found", "not_found")
}

#[tokio::test]
async fn errors_in_their_order() {
    let world = World::start().await;
    let (id, _) = world.created("btc", "0.0004").await;
    let (card, _) = world.created("usd", "10").await;
    let (daimo, answer) = world.created("usdc", "10").await;
    let payment_id = member(&answer, "paymentId");
    let session = world.order_of(&card).await["ref"].as_str().unwrap().to_owned();
    let ben = world.issue_key("ben").await;
    let path = |ticker: &str, id: &str| get(format!("/api/transaction/status/{ticker}/{id}"));
    let mut rows: Vec<Row> = vec![
        row(
            "3.5 401 first",
            path("nope", "!!").anonymous(),
            error(401, "Incorrect API key", "missing_api_key"),
        ),
        row(
            "3.5 401 first",
            path("btc", &id).key("nonsense"),
            error(401, "Incorrect API key", "invalid_api_key"),
        ),
        row("3.5 ticker > id", path("nope", "!!"), unsupported()),
        row("3.5 ticker > not found", path("nope", "abc"), unsupported()),
        row("3.5 any case of the ticker", path("BtC", &id), ok()),
    ];
    for bad in [
        "a.b",
        "a%20b",
        "%00",
        "%ff",
        "%2e%2e",
        "a%2Fb",
        "a+b",
        "a=b",
        "a~b",
        "a:b",
        "caf%C3%A9",
        &"a".repeat(256),
        &"a".repeat(3000),
    ] {
        rows.push(row(
            "3.5 Invalid transaction ID: not 1-255 of [A-Za-z0-9_-]",
            path("btc", bad),
            invalid_id(),
        ));
    }
    for unknown in ["a", "0", "-", "_", "unknown", &"a".repeat(255), "00000000-0000-0000-0000-000000000000"] {
        rows.push(row("3.5 404", path("btc", unknown), not_found()));
    }
    for ticker in ["ltc", "btc-ln", "kas", "usd", "xno"] {
        rows.push(row("3.5 404: a wrong ticker", path(ticker, &id), not_found()));
    }
    for ticker in ["eur", "btc", "usdc"] {
        rows.push(row("3.5 404: a wrong ticker, by the provider's id", path(ticker, &session), not_found()));
    }
    for (ticker, id) in
        [("btc", &id), ("usd", &card), ("usd", &session), ("usdc", &daimo), ("usdc", &payment_id)]
    {
        rows.push(row("3.5 ours, or the provider's id", path(ticker, id), ok()));
        rows.push(row("3.5 404: another account's deposit", path(ticker, id).key(&ben), not_found()));
    }
    for ticker in ["usdt", "eth", "sol"] {
        rows.push(row(
            "3.5 404: a wrong ticker of the same provider",
            path(ticker, &payment_id),
            not_found(),
        ));
    }
    rows.push(row("3.5 our id is told apart by case", path("btc", &swap_case(&id)), not_found()));
    world.check(rows).await;
    world.stop().await;
}

fn swap_case(id: &str) -> String {
    id.chars()
        .map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
        .collect()
}

#[tokio::test]
async fn from_new_to_completed() {
    let world = World::start().await;
    let (id, created) = world.created("btc", "0.0004").await;
    let base = |paid: &str| {
        let mut wanted: Vec<(&'static str, Member)> = Vec::new();
        for name in ["txId", "ticker", "createdAt", "expiresAt", "address", "paymentLink", "QRUrl"] {
            wanted.push((name, text(member(&created, name))));
        }
        for name in ["amount", "amountCrypto", "amountFiat", "expiration"] {
            wanted.push((name, raw(member(&created, name))));
        }
        wanted.extend([
            ("paidAmountCrypto", raw(paid)),
            ("remainingTime", Member::AnyNumber),
            ("updatedAt", Member::AnyString),
        ]);
        wanted
    };
    let with_state = |paid: &str, state: Vec<(&'static str, Member)>| {
        let mut wanted = base(paid);
        wanted.extend(state);
        crate::row::exactly(wanted)
    };
    assert_want(
        "3.5 New: the fields of 3.1 and updatedAt",
        &world.status("btc", &id).await,
        &with_state("0", vec![("status", text("New"))]).header("x-poll-after", "5"),
    );
    let payment = world.pay("btcpay", json!({ "ref": id, "amount": "0.0001", "stage": "seen" })).await;
    let state = world.until_status("btc", &id, "Processing").await;
    let payments = |amount: &str, stage: &str| {
        raw(format!(r#"[{{"id":"{payment}","amount":{amount},"stage":"{stage}"}}]"#))
    };
    assert_want(
        "3.5 Processing: payments of {id, amount, stage}",
        &state,
        &with_state(
            "0.0001",
            vec![
                ("status", text("Processing")),
                ("payments", payments("0.0001", "seen")),
                ("statusReason", Member::AnyString),
            ],
        )
        .header("x-poll-after", "10"),
    );
    world.pay("btcpay", json!({ "ref": id, "payment": payment, "stage": "confirmed" })).await;
    let state = world.until_status("btc", &id, "Pending").await;
    assert_want(
        "6 a part payment is credited at once: Pending until the rest comes",
        &state,
        &with_state(
            "0.0001",
            vec![
                ("status", text("Pending")),
                ("creditedUsd", raw("5")),
                ("payments", payments("0.0001", "confirmed")),
                ("statusReason", Member::AnyString),
            ],
        )
        .header("x-poll-after", "5"),
    );
    let rest = world.pay("btcpay", json!({ "ref": id })).await;
    let state = world.until_status("btc", &id, "Completed").await;
    assert_want(
        "3.5 Completed: creditedUsd, completedAt, no x-poll-after",
        &state,
        &with_state(
            "0.0004",
            vec![
                ("status", text("Completed")),
                ("creditedUsd", raw("20")),
                ("completedAt", Member::AnyString),
                // An ended order's come from the wallet.
                ("confirmations", raw("1")),
                ("requiredConfirmations", raw("1")),
                ("payments", Member::Raw(members(&state.body).remove("payments").unwrap())),
            ],
        )
        .no_header("x-poll-after"),
    );
    let payments: serde_json::Value = serde_json::from_str(&members(&state.body)["payments"]).unwrap();
    let found = |id: &str| payments.as_array().unwrap().iter().find(|p| p["id"] == id).cloned();
    assert_eq!(
        found(&rest),
        Some(json!({ "id": rest, "amount": 0.0003, "stage": "confirmed", "confirmations": 1 })),
        "3.5 payments"
    );
    assert!(found(&payment).is_some(), "3.5 payments");
    world.stop().await;
}

#[tokio::test]
async fn confirmations_where_the_chain_counts_them() {
    let world = World::start().await;
    let (id, created) = world.created("zano", "2").await;
    let order =
        json!({ "ref": member(&created, "address"), "amount": "2", "ticker": "ZANO", "stage": "seen" });
    let payment = world.pay("zano", order).await;
    let state = world.until("zano", &id, "seen", |reply| member(reply, "status") != "New").await;
    assert_want(
        "3.5 confirmations, requiredConfirmations",
        &state,
        &with(vec![
            ("status", text("Processing")),
            ("confirmations", Member::AnyNumber),
            ("requiredConfirmations", raw("10")),
        ]),
    );
    let payments: serde_json::Value = serde_json::from_str(&members(&state.body)["payments"]).unwrap();
    assert_eq!(payments[0]["id"], json!(payment), "3.5 payments: id");
    assert_eq!(
        payments[0]["confirmations"].to_string(),
        member(&state, "confirmations"),
        "3.5 payments: confirmations"
    );
    let order = json!({ "ref": member(&created, "address"), "payment": payment, "stage": "confirmed", "amount": "2" });
    world.pay("zano", order).await;
    let state = world.until_status("zano", &id, "Completed").await;
    let confirmations: u32 = member(&state, "confirmations").parse().unwrap();
    assert!(confirmations >= 10, "3.5 confirmations of a confirmed payment: {}", state.body);
    world.stop().await;
}

#[tokio::test]
async fn xno_by_the_hash_of_the_send_or_receive_block() {
    let world = World::start().await;
    let address = member(&world.balance().await, "nanoDepositAddress");
    let send = world.pay("nano", json!({ "ref": address, "amount": "1.5" })).await;
    let state = world.until_status("xno", &send, "Completed").await;
    assert_want(
        "3.5 XNO: no terms, links",
        &state,
        &crate::row::exactly(vec![
            ("txId", Member::AnyString),
            ("ticker", text("XNO")),
            ("status", text("Completed")),
            ("createdAt", Member::AnyString),
            ("updatedAt", Member::AnyString),
            ("completedAt", Member::AnyString),
            ("paidAmountCrypto", raw("1.5")),
            ("address", text(&address)),
            ("creditedNano", raw("1.5")),
            ("payments", raw(format!(r#"[{{"id":"{send}","amount":1.5,"stage":"confirmed"}}]"#))),
        ])
        .no_header("x-poll-after"),
    );
    let own = member(&state, "txId");
    let mut rows = vec![
        row("3.5 ours", get(format!("/api/transaction/status/XNO/{own}")), ok()),
        row("3.5 XNO: 404", get(format!("/api/transaction/status/xno/{}", "A".repeat(64))), not_found()),
    ];
    let ben = world.issue_key("ben").await;
    rows.push(row(
        "3.5 404: another account's",
        get(format!("/api/transaction/status/xno/{send}")).key(&ben),
        not_found(),
    ));
    world.check(rows).await;
    world.stop().await;
}

#[tokio::test]
async fn expired_and_failed() {
    let world = World::with(Setup::default()).await;
    let (expired, _) = world.created("btc", "0.0004").await;
    let (failed, _) = world.created("btc", "0.0004").await;
    world.control("/btcpay/scenario", json!({ "ref": failed, "name": "fail" })).await;
    let state = world.until_status("btc", &failed, "Failed").await;
    assert_want(
        "3.5 Failed: statusReason, x-poll-after 60",
        &state,
        &with(vec![
            ("statusReason", Member::AnyString),
            ("paidAmountCrypto", raw("0")),
            ("creditedUsd", Member::Gone),
            ("completedAt", Member::Gone),
            ("late", Member::Gone),
            ("payments", Member::Gone),
        ])
        .header("x-poll-after", "60"),
    );
    world.advance(3_600).await;
    let state = world.until_status("btc", &expired, "Expired").await;
    assert_want(
        "3.5 Expired: x-poll-after 60",
        &state,
        &with(vec![
            ("remainingTime", raw("0")),
            ("statusReason", Member::Gone),
            ("creditedUsd", Member::Gone),
            ("completedAt", Member::Gone),
        ])
        .header("x-poll-after", "60"),
    );
    world.stop().await;
}

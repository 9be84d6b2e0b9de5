//! Section 3.1, `Idempotency-Key`.

use std::time::Duration;

use serde_json::json;

use crate::common::Reply;
use crate::harness::World;
use crate::row::{Call, Row, Want, amount, assert_want, create, error, member, ok, row};

fn conflict() -> Want {
    error(409, "Idempotency key already used", "idempotency_conflict").no_header("idempotent-replayed")
}

/// The very bytes of a first answer.
fn replay_of(first: &Reply) -> Want {
    Want {
        status: first.status.as_u16(),
        headers: Vec::new(),
        body: crate::row::Shape::Text(first.body.clone()),
    }
    .header("idempotent-replayed", "true")
    .header("content-type", "application/json")
}

async fn first(world: &World, call: &Call, status: u16) -> Reply {
    let reply = world.call(call).await;
    assert_eq!(reply.status, status, "{}", reply.body);
    assert_eq!(reply.header("idempotent-replayed"), None, "a first answer");
    reply
}

#[tokio::test]
async fn the_first_answer_again() {
    let world = World::start().await;
    let mut rows: Vec<Row> = Vec::new();
    let key = |n: usize| format!("key-{n}");
    // Each first request, and the repeats that are the same by value.
    let same: [(Call, u16, Vec<Call>); 9] = [
        (
            amount("btc", "4e-4"),
            200,
            vec![
                amount("btc", "4e-4"),
                amount("btc", "0.0004"),
                amount("BTC", "0.00040"),
                amount("bTc", "40e-5"),
                amount("b%74c", "0.0004"),
                create("btc", r#" {"x":[1],"amount":0.000400,"y":null} "#),
                amount("btc", "0.0004").header("content-type", "text/plain"),
            ],
        ),
        (
            amount("usdc", "10"),
            200,
            vec![amount("daimo/usdc", "10"), amount("daimo/USDC", "1e1"), amount("USDC", "10.0")],
        ),
        (amount("daimo/eth", "10"), 200, vec![amount("eth", "10")]),
        (amount("usd", "10"), 200, vec![amount("USD", "10.00")]),
        (
            create("btc", "{}"),
            400,
            vec![create("btc", ""), create("BTC", "null"), create("btc", r#"{"amount":null}"#)],
        ),
        (amount("btc", "0"), 400, vec![amount("btc", "-0"), amount("btc", "0.00")]),
        (amount("btc", "1e-9"), 400, vec![amount("btc", "0.000000001")]),
        (amount("btc", "1e-8"), 400, vec![amount("btc", "0.00000001")]),
        (amount("nope", "1"), 400, vec![amount("NOPE", "1.0")]),
    ];
    for (n, (call, status, repeats)) in same.into_iter().enumerate() {
        let first = first(&world, &call.idempotent(&key(n)), status).await;
        for repeat in repeats {
            rows.push(row(
                "3.1 same key, ticker and amount: the first answer again",
                repeat.idempotent(&key(n)),
                replay_of(&first),
            ));
        }
    }
    let orders = world.truth().await.len();
    world.advance(700).await;
    world.check(rows).await;
    assert_eq!(world.truth().await.len(), orders, "3.1 a replay opens nothing");
    world.stop().await;
}

#[tokio::test]
async fn other_content_is_a_conflict() {
    let world = World::start().await;
    let first = first(&world, &amount("btc", "0.0004").idempotent("k"), 200).await;
    first_of_daimo(&world).await;
    let mut rows: Vec<Row> = Vec::new();
    for call in [
        amount("btc", "0.0005"),
        amount("btc", "0.00040001"),
        amount("btc", "-0.0004"),
        amount("ltc", "0.0004"),
        amount("btc-ln", "0.0004"),
        amount("nope", "0.0004"),
        amount("xno", "0.0004"),
        amount("daimo/btc", "0.0004"),
        amount("btc", r#""0.0004""#),
        amount("btc", "null"),
        create("btc", ""),
        create("btc", "{}"),
        create("btc", "["),
        create("btc", r#"{"amount":0.0004"#),
        create("btc", r#"{"amount":0.0004,"amount":0.0004}"#),
    ] {
        rows.push(row(
            "3.1 other or unreadable content: 409",
            call.idempotent("k"),
            conflict().no_header("retry-after"),
        ));
    }
    rows.push(row(
        "3.1 the first answer is still there",
        amount("btc", "0.0004").idempotent("k"),
        replay_of(&first),
    ));
    rows.push(row(
        "3.1 create/usdc is create/daimo/usdc, usdt is not",
        amount("daimo/usdt", "10").idempotent("d"),
        conflict(),
    ));
    let bad_json = error(400, "Invalid JSON in request body", "invalid_json");
    rows.push(row("5 invalid_json, with a key", create("btc", "{").idempotent("u"), bad_json));
    rows.push(row(
        "3.1 unreadable content: 409, the same bytes too",
        create("btc", "{").idempotent("u"),
        conflict(),
    ));
    rows.push(row("3.1 readable content after it: 409", amount("btc", "0.0004").idempotent("u"), conflict()));
    world.check(rows).await;
    world.stop().await;
}

async fn first_of_daimo(world: &World) {
    first(world, &amount("usdc", "10").idempotent("d"), 200).await;
}

#[tokio::test]
async fn keys_are_1_to_255_printable_ascii() {
    let world = World::start().await;
    let bad = || error(400, "Invalid idempotency key", "invalid_idempotency_key");
    let printable: String = (0x21..=0x7e_u8).map(char::from).collect();
    let mut rows: Vec<Row> = Vec::new();
    for key in [
        "a",
        "0",
        "a b",
        "~",
        "\"quoted\"",
        &printable,
        &"k".repeat(255),
        "8e03978e-40d5-43e8-bc93-6894a57f9324",
    ] {
        rows.push(row("3.1 1-255 printable ASCII", amount("btc", "0.0004").idempotent(key), ok()));
    }
    for key in ["", &"k".repeat(256), &"k".repeat(5000), "k\u{e9}y", "\u{1f511}", "a\tb"] {
        rows.push(row(
            "5 empty, over 255, not printable ASCII",
            amount("btc", "0.0004").idempotent(key),
            bad(),
        ));
    }
    // Keys are told apart by case.
    rows.push(row(
        "3.1 same key",
        amount("btc", "0.0004").idempotent("A"),
        ok().no_header("idempotent-replayed"),
    ));
    world.check(rows).await;
    world.stop().await;
}

#[tokio::test]
async fn per_account_for_24_hours_over_restarts() {
    let mut world = World::start().await;
    let (second, ben) = (world.issue_key("ana").await, world.issue_key("ben").await);
    let call = || amount("btc", "0.0004").idempotent("k");
    let first_answer = first(&world, &call(), 200).await;
    let refused = first(&world, &create("btc", "{}").idempotent("r"), 400).await;
    world
        .check(vec![row("3.1 per account: another key of it", call().key(&second), replay_of(&first_answer))])
        .await;
    let theirs = first(&world, &call().key(&ben), 200).await;
    assert_ne!(member(&theirs, "txId"), member(&first_answer, "txId"), "3.1 per account");
    world.pay_all("btcpay", &member(&first_answer, "txId")).await;
    world.until_status("btc", &member(&first_answer, "txId"), "Completed").await;
    let open = first(&world, &amount("ltc", "0.5").idempotent("open"), 200).await;
    // A hard restart: another process on the same store. Its port is another one, and so are the links, which are made of it.
    let before = world.public_url();
    world.restart().await;
    let moved =
        Reply { body: first_answer.body.replace(&before, &world.public_url()), ..first_answer.clone() };
    let rows = |line: &'static str| {
        vec![
            row(line, call(), replay_of(&moved)),
            row(line, create("btc", "{}").idempotent("r"), replay_of(&refused)),
            row(line, amount("btc", "0.0005").idempotent("k"), conflict()),
        ]
    };
    world.check(rows("3.1 the same after a restart, paid or not")).await;
    // What was open is still watched.
    world.pay_all("btcpay", &member(&open, "txId")).await;
    world.until_status("ltc", &member(&open, "txId"), "Completed").await;
    world.advance(86_000).await;
    world.check(rows("3.1 24 h: nearly")).await;
    world.advance(600).await;
    let later = world.call(&call()).await;
    assert_want("3.1 24 h: over", &later, &ok().no_header("idempotent-replayed"));
    assert_ne!(member(&later, "txId"), member(&first_answer, "txId"), "3.1 24 h: a new deposit");
    world.stop().await;
}

#[tokio::test]
async fn while_the_first_is_running() {
    let world = World::start().await;
    world.faults("btcpay", json!({ "latency_ms": 1200 })).await;
    let call = amount("btc", "0.0004").idempotent("k");
    let repeats = async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        let same = world.call(&amount("BTC", "4e-4").idempotent("k")).await;
        assert_want(
            "3.1 first still running: 409, Retry-After: 1",
            &same,
            &conflict().header("retry-after", "1"),
        );
        let other = world.call(&amount("btc", "0.0005").idempotent("k")).await;
        assert_want("3.1 other content while it runs: 409", &other, &conflict());
    };
    let (first, ()) = tokio::join!(world.call(&call), repeats);
    assert_eq!(first.status, 200, "{}", first.body);
    world.check(vec![row("3.1 once it is done: its answer", call, replay_of(&first))]).await;
    // Nothing but the second one's connection is gone: it is finished, not abandoned.
    let gone = amount("btc", "0.0007").idempotent("g");
    assert!(tokio::time::timeout(Duration::from_millis(200), world.call(&gone)).await.is_err());
    let again = loop {
        let reply = world.call(&gone).await;
        if reply.status != 409 {
            break reply;
        }
        assert_want("3.1 the client hung up: still running", &reply, &conflict().header("retry-after", "1"));
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_want(
        "3.1 the client hung up: the first answer",
        &again,
        &ok().header("idempotent-replayed", "true"),
    );
    assert_eq!(world.truth().await.len(), 2);
    world.stop().await;
}

/// At each provider: the order is made, its answer is lost; the repeat ends with one deposit that is paid and credited once.
#[tokio::test]
async fn after_a_500_it_resumes_the_same_deposit() {
    let world = World::start().await;
    let unavailable = || {
        error(500, "This payment method is currently not available", "payment_method_unavailable")
            .no_header("idempotent-replayed")
    };
    for (provider, ticker, number) in [
        ("btcpay", "BTC", "0.0004"),
        ("stripe", "USD", "10"),
        ("daimo", "USDC", "10"),
        ("promptcash", "BCH", "0.05"),
        ("nanswap", "KAS", "200"),
        ("zano", "ZANO", "2"),
    ] {
        let line = format!("3.1 after a 500 it resumes the same deposit: {provider}");
        world.faults(provider, json!({ "drop_response_rate": 1.0 })).await;
        let call = amount(ticker, number).idempotent(provider);
        let lost = world.call(&call).await;
        assert_want(&line, &lost, &unavailable());
        world.faults(provider, json!({})).await;
        let other = world.call(&amount(ticker, &format!("{number}1")).idempotent(provider)).await;
        assert_want("3.1 other content after a 500: 409", &other, &conflict());
        let mut reply = lost;
        for _ in 0..20 {
            world.advance(20).await;
            reply = world.call(&call).await;
            if reply.status == 200 {
                break;
            }
            assert_want(&line, &reply, &unavailable());
        }
        assert_want(&line, &reply, &ok().no_header("idempotent-replayed"));
        world.check(vec![row(&line, call, replay_of(&reply))]).await;
        let id = member(&reply, "txId");
        let reference = if provider == "zano" { member(&reply, "address") } else { id.clone() };
        let mut order = json!({ "ref": reference });
        if matches!(provider, "zano" | "nanswap") {
            order["amount"] = json!(number);
        }
        if provider == "nanswap" {
            // It is never told our id: the address that was shown is what is paid.
            order["ref"] = json!(member(&reply, "address"));
        }
        world.pay(provider, order).await;
        let state = world.until_status(ticker, &id, "Completed").await;
        assert!(!member(&state, "creditedUsd").is_empty(), "{line}: {}", state.body);
    }
    world.stop().await;
}

/// The provider refused or failed before anything was made: the repeat makes it, once.
#[tokio::test]
async fn after_a_500_without_an_order() {
    let world = World::start().await;
    for (provider, ticker, number) in [
        ("btcpay", "BTC", "0.0004"),
        ("stripe", "USD", "10"),
        ("daimo", "USDC", "10"),
        ("promptcash", "BCH", "0.05"),
        ("nanswap", "KAS", "200"),
        ("zano", "ZANO", "2"),
    ] {
        let line = format!("3.1 after a 500 it resumes: {provider}");
        let call = amount(ticker, number).idempotent(provider);
        let unavailable =
            error(500, "This payment method is currently not available", "payment_method_unavailable");
        for faults in [json!({ "error_rate": 1.0 }), json!({ "down": true })] {
            world.faults(provider, faults).await;
            assert_want(&line, &world.call(&call).await, &unavailable);
            world.advance(2).await;
        }
        world.faults(provider, json!({})).await;
        let mut reply = world.call(&call).await;
        for _ in 0..10 {
            if reply.status == 200 {
                break;
            }
            world.advance(30).await;
            reply = world.call(&call).await;
        }
        assert_want(&line, &reply, &ok().no_header("idempotent-replayed"));
        world.check(vec![row(&line, call, replay_of(&reply))]).await;
        let orders = world.truth().await.into_iter().filter(|order| order["provider"] == provider).count();
        assert_eq!(orders, 1, "{line}: one order");
    }
    world.stop().await;
}

#[tokio::test]
async fn at_the_same_moment_at_two_replicas() {
    let mut world = World::start().await;
    world.add_gateway().await;
    let addresses = [world.gateways[0].address(), world.gateways[1].address()];
    world.faults("btcpay", json!({ "latency_ms": 150 })).await;
    let call = amount("btc", "0.0004").idempotent("k");
    let all = (0..12).map(|n| world.call_at(addresses[n % 2], &call));
    let replies = futures_util::future::join_all(all).await;
    let firsts =
        replies.iter().filter(|r| r.status == 200 && r.header("idempotent-replayed").is_none()).count();
    assert_eq!(firsts, 1, "3.1 one first answer");
    for reply in replies.iter().filter(|reply| reply.status != 200) {
        assert_want("3.1 first still running: 409", reply, &conflict().header("retry-after", "1"));
    }
    assert_eq!(world.truth().await.len(), 1, "3.1 one order");
    world.stop().await;
}

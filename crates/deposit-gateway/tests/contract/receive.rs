//! Section 3.8.

use serde_json::json;

use crate::harness::{Setup, World};
use crate::row::{Row, assert_want, call, error, exactly, member, members, post, raw, row, text};

const PATH: &str = "/api/receive-nano";

#[tokio::test]
async fn nothing_waiting() {
    let world = World::start().await;
    let nothing = || {
        exactly(vec![("success", raw("true")), ("received_blocks", raw("[]")), ("total_received", text("0"))])
    };
    let mut rows: Vec<Row> = Vec::new();
    for body in ["", "{}", "null", "[1]", "nonsense"] {
        rows.push(row("3.8 body ignored; nothing waiting: [], \"0\"", post(PATH).body(body), nothing()));
    }
    rows.push(row(
        "1 Auth: on receive-nano",
        post(PATH).anonymous(),
        error(401, "Incorrect API key", "missing_api_key"),
    ));
    rows.push(row(
        "1 Auth: on receive-nano",
        post(PATH).key("x"),
        error(401, "Incorrect API key", "invalid_api_key"),
    ));
    rows.push(row(
        "5 body too large",
        post(PATH).body(" ".repeat(16_385)),
        error(413, "Request body too large", "body_too_large"),
    ));
    let wrong = error(405, "Method not allowed", "method_not_allowed").header("allow", "POST");
    rows.push(row("5 405", call("GET", PATH).anonymous(), wrong));
    world.check(rows).await;
    for _ in 0..12 {
        assert_eq!(world.call(&post(PATH)).await.status, 200, "4 nothing else is limited");
    }
    world.stop().await;
}

#[tokio::test]
async fn what_waits_is_received_and_credited() {
    let world = World::start().await;
    let address = member(&world.balance().await, "nanoDepositAddress");
    for (n, amount) in ["1.5", "0.000000000000000000000000000001", "0.25"].into_iter().enumerate() {
        let send = world.pay("nano", json!({ "ref": address, "amount": amount })).await;
        let reply = world.call(&post(PATH)).await;
        assert_want(
            "3.8",
            &reply,
            &exactly(vec![
                ("success", raw("true")),
                ("received_blocks", raw(members(&reply.body).remove("received_blocks").unwrap_or_default())),
                ("total_received", text(member(&reply, "total_received"))),
            ]),
        );
        // It also happens unasked, so that it may be done by now; credited it is in either case.
        let blocks: Vec<String> = serde_json::from_str(&members(&reply.body)["received_blocks"]).unwrap();
        let total = if blocks.is_empty() { "0" } else { amount };
        assert_eq!(
            (blocks.len() <= 1, member(&reply, "total_received").as_str()),
            (true, total),
            "3.8: {}",
            reply.body
        );
        let balance = ["1.5", "1.500000000000000000000000000001", "1.750000000000000000000000000001"][n];
        assert_eq!(member(&world.balance().await, "nano_balance"), balance, "3.8 receives and credits");
        let state = world.until_status("xno", &send, "Completed").await;
        for block in blocks {
            let is_hash =
                block.len() == 64 && block.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b));
            assert!(is_hash, "3.8 hashes of our receive blocks: {block}");
            assert_ne!(block, send, "3.8 hashes of our receive blocks");
            assert_eq!(
                world.status("xno", &block).await.body,
                state.body,
                "3.5 XNO: hash of the receive block"
            );
        }
    }
    world.stop().await;
}

#[tokio::test]
async fn node_down() {
    let world = World::start().await;
    world.faults("nano", json!({ "down": true })).await;
    let down = error(500, "This payment method is currently not available", "payment_method_unavailable");
    world.check(vec![row("3.8 node down: 500", post(PATH), down.clone())]).await;
    world.stop().await;
    let world = World::with(Setup { without: vec!["nano"], ..Setup::default() }).await;
    world.check(vec![row("3.8 without a Nano provider", post(PATH), down)]).await;
    world.stop().await;
}

//! `POST /api/receive-nano`, and status by what was taken in, against the emulated node.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::collections::BTreeSet;

use common::{Options, Reply, TestGateway};
use deposit_core::{AccountIndex, Ticker};
use serde_json::{Value, json};

const OFF: &str = "This payment method is currently not available";

/// With the Nano node, and nothing running in the background: what happens, the requests do.
async fn quiet() -> TestGateway {
    TestGateway::start_with(Options { background: false, also: &["nano"], ..Options::default() }).await
}

async fn address(gateway: &TestGateway) -> String {
    gateway.post("/api/check-balance", "{}").await.member("nanoDepositAddress")
}

async fn balance(gateway: &TestGateway) -> String {
    gateway.post("/api/check-balance", "").await.member("nano_balance")
}

async fn pay(gateway: &TestGateway, address: &str, amount: &str, stage: &str) -> String {
    let body = json!({"ref": address, "amount": amount, "stage": stage}).to_string();
    gateway.control("/nano/pay", &body).await["payment"].as_str().unwrap().to_owned()
}

async fn receive(gateway: &TestGateway) -> Reply {
    gateway.post("/api/receive-nano", "{}").await
}

fn blocks(reply: &Reply) -> Vec<String> {
    let listed = reply.json()["received_blocks"].as_array().unwrap().clone();
    listed.iter().map(|hash| hash.as_str().unwrap().to_owned()).collect()
}

fn assert_received(reply: &Reply, success: bool, count: usize, total: &str) {
    assert_eq!(reply.status, 200, "{}", reply.body);
    let json = reply.json();
    assert_eq!(json.as_object().unwrap().len(), 3, "{}", reply.body);
    assert_eq!(json["success"], success, "{}", reply.body);
    assert_eq!(json["total_received"], total, "{}", reply.body);
    let hashes = blocks(reply);
    assert_eq!(hashes.len(), count, "{}", reply.body);
    let hash =
        |h: &String| h.len() == 64 && h.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b));
    assert!(hashes.iter().all(hash), "{}", reply.body);
}

#[tokio::test]
async fn what_waits_is_taken_in_and_credited_before_the_answer() {
    let gateway = quiet().await;
    let empty = receive(&gateway).await;
    assert_eq!(empty.body, r#"{"success":true,"received_blocks":[],"total_received":"0"}"#);
    assert_eq!(empty.header("cache-control"), Some("no-store"));

    let mine = address(&gateway).await;
    let sends =
        [pay(&gateway, &mine, "1.5", "confirmed").await, pay(&gateway, &mine, "0.000001", "confirmed").await];
    let unconfirmed = pay(&gateway, &mine, "7", "seen").await;
    // Another account's address is its own.
    let other = gateway.issue_key("ben").await;
    let theirs = gateway.send("POST", "/api/check-balance", &[("x-api-key", &other)], "").await;
    pay(&gateway, &theirs.member("nanoDepositAddress"), "100", "confirmed").await;

    let taken = receive(&gateway).await;
    assert_received(&taken, true, 2, "1.500001");
    assert_eq!(balance(&gateway).await, "1.500001");
    assert_received(&receive(&gateway).await, true, 0, "0");

    // Status by either hash, in either case: the same deposit, for its owner alone.
    let mut ids = BTreeSet::new();
    for hash in sends.iter().chain(&blocks(&taken)) {
        for written in [hash.clone(), hash.to_ascii_lowercase()] {
            let status = gateway.status("xno", &written).await;
            assert_eq!(
                (status.status.as_u16(), status.member("status").as_str()),
                (200, "Completed"),
                "{written}"
            );
            ids.insert(status.member("txId"));
            let path = format!("/api/transaction/status/XNO/{written}");
            let foreign = gateway.send("GET", &path, &[("x-api-key", &other)], "").await;
            foreign.assert_error(404, "Transaction not found", "not_found");
        }
    }
    assert_eq!(ids.len(), 2);
    assert_eq!(gateway.status("XNO", &unconfirmed).await.member("status"), "Processing");
    gateway.status("XNO", &"0".repeat(64)).await.assert_error(404, "Transaction not found", "not_found");
    gateway.status("BTC", &sends[0]).await.assert_error(404, "Transaction not found", "not_found");

    let later = json!({"ref": mine, "stage": "confirmed", "payment": unconfirmed}).to_string();
    gateway.control("/nano/pay", &later).await;
    assert_received(&receive(&gateway).await, true, 1, "7");
    assert_eq!(balance(&gateway).await, "8.500001");
    gateway.stop().await;
}

/// The next scan of itself comes in ten minutes: what is pushed has to be about the new account too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_younger_than_the_last_scan_is_credited_at_once() {
    let mut engine = Options::default().engine;
    engine.young_secs = 600;
    let gateway = TestGateway::start_with(Options { engine, also: &["nano"], ..Options::default() }).await;
    let has = async |key: &str, wanted: &str| {
        for _ in 0..400 {
            let reply = gateway.send("POST", "/api/check-balance", &[("x-api-key", key)], "").await;
            if reply.member("nano_balance") == wanted {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        panic!("{wanted} XNO are not credited");
    };
    let mine = address(&gateway).await;
    pay(&gateway, &mine, "1", "confirmed").await;
    has(&gateway.key, "1").await;
    // The scans that this payment has caused are over when there is nothing left to take in.
    receive(&gateway).await;
    // Made by another process, after the last scan.
    let cem = gateway.issue_key("cem").await;
    let shown = gateway.send("POST", "/api/check-balance", &[("x-api-key", &cem)], "").await;
    pay(&gateway, &shown.member("nanoDepositAddress"), "2.5", "confirmed").await;
    has(&cem, "2.5").await;
    gateway.stop().await;
}

#[tokio::test]
async fn the_door_is_that_of_every_call() {
    let gateway = quiet().await;
    let path = "/api/receive-nano";
    gateway.send("POST", path, &[], "").await.assert_error(401, "Incorrect API key", "missing_api_key");
    gateway.get(path).await.assert_error(405, "Method not allowed", "method_not_allowed");
    gateway.post(path, vec![b' '; 16 * 1024 + 1]).await.assert_error(
        413,
        "Request body too large",
        "body_too_large",
    );
    for ignored in ["", "{}", "null", "no JSON at all", r#"{"account":"nano_1"}"#] {
        assert_received(&gateway.post(path, ignored).await, true, 0, "0");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_node_that_is_down_or_missing_is_a_method_that_is_not_available() {
    let gateway = quiet().await;
    let mine = address(&gateway).await;
    pay(&gateway, &mine, "1", "confirmed").await;
    gateway.control("/nano/faults", r#"{"down":true}"#).await;
    let down = receive(&gateway).await;
    down.assert_error(500, OFF, "payment_method_unavailable");
    assert!(down.header("retry-after").is_some(), "it may pass");
    assert_eq!(balance(&gateway).await, "0");
    gateway.control("/nano/faults", "{}").await;
    // The transport's breaker may hold a moment longer than the fault.
    let mut back = receive(&gateway).await;
    for _ in 0..200 {
        if back.status == 200 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        back = receive(&gateway).await;
    }
    assert_received(&back, true, 1, "1");
    assert_eq!(balance(&gateway).await, "1");
    gateway.stop().await;

    let without = TestGateway::start().await;
    let off = without.post("/api/receive-nano", "").await;
    off.assert_error(500, OFF, "payment_method_unavailable");
    assert_eq!(off.header("retry-after"), None, "waiting does not help");
    without.stop().await;
}

#[tokio::test]
async fn calls_at_once_and_the_background_double_and_lose_nothing() {
    const SENDS: usize = 12;
    let gateway = TestGateway::start_with(Options { also: &["nano"], ..Options::default() }).await;
    let mine = address(&gateway).await;
    for _ in 0..SENDS {
        pay(&gateway, &mine, "0.25", "confirmed").await;
    }
    let calls = (0..6).map(|_| receive(&gateway));
    let replies = futures_util::future::join_all(calls).await;
    let listed: Vec<String> = replies.iter().flat_map(blocks).collect();
    let once: BTreeSet<&String> = listed.iter().collect();
    assert_eq!(once.len(), listed.len(), "a block is listed by whoever made it: {listed:?}");
    for reply in &replies {
        assert_eq!(
            (reply.status.as_u16(), &reply.json()["success"]),
            (200, &Value::Bool(true)),
            "{}",
            reply.body
        );
    }
    assert_eq!(balance(&gateway).await, "3");
    assert_received(&receive(&gateway).await, true, 0, "0");
    let (_, received) = gateway.sandbox.emulators().nano.chain_of(&mine).unwrap();
    assert_eq!(received, 3 * 10_u128.pow(30), "all of it is in the account's own chain");
    assert_eq!(gateway.engine.check_ledger().await.unwrap().credits, 12);
    for hash in &listed {
        assert_eq!(gateway.status("XNO", hash).await.member("status"), "Completed");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_block_that_was_published_just_before_a_crash_is_known_after_it() {
    let gateway = quiet().await;
    let mine = address(&gateway).await;
    // Seen and credited, not yet taken in; and one that nobody has seen.
    pay(&gateway, &mine, "1", "confirmed").await;
    assert_received(&receive(&gateway).await, true, 1, "1");
    pay(&gateway, &mine, "2", "confirmed").await;
    let nano = gateway.engine.registry().route(&Ticker::XNO).unwrap().provider;
    let lost = nano.receive(AccountIndex(1), usize::MAX).await.unwrap().taken;
    let [lost] = lost.as_slice() else { panic!("one block: {lost:?}") };
    // Its answer is lost with the process: nothing is written down.
    let gateway = gateway.restart().await;
    gateway.status("XNO", lost.block.as_str()).await.assert_error(404, "Transaction not found", "not_found");
    assert_eq!(balance(&gateway).await, "1");
    assert_received(&receive(&gateway).await, true, 0, "0");
    let status = gateway.status("XNO", lost.block.as_str()).await;
    assert_eq!(status.member("status"), "Completed");
    assert_eq!(status.json()["payments"][0]["id"], lost.payment.as_str());
    assert_eq!(balance(&gateway).await, "3");
    let gateway = gateway.restart().await;
    assert_eq!(gateway.status("XNO", lost.block.as_str()).await.member("status"), "Completed", "for good");
    gateway.stop().await;
}

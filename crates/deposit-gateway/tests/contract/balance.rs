//! Section 3.7.

use serde_json::json;

use crate::harness::World;
use crate::row::{call, exactly, member, post, row, text};

#[tokio::test]
async fn check_balance() {
    let world = World::start().await;
    let address = member(&world.balance().await, "nanoDepositAddress");
    assert!(address.starts_with("nano_") && address.len() == 65, "3.7 the account's own address: {address}");
    let balance = |usd: &str, nano: &str| {
        exactly(vec![
            ("usd_balance", text(usd)),
            ("nano_balance", text(nano)),
            ("nanoDepositAddress", text(&address)),
        ])
    };
    let mut rows = Vec::new();
    for body in ["", "{}", "null", "[]", "nonsense", "{\"amount\":-1}", "\u{0}"] {
        rows.push(row("3.7 Body ignored", post("/api/check-balance").body(body), balance("0", "0")));
    }
    let other = world.issue_key("ana").await;
    rows.push(row(
        "3.7 the account's own, by any key of it",
        post("/api/check-balance").key(&other),
        balance("0", "0"),
    ));
    world.check(rows).await;
    let ben = world.issue_key("ben").await;
    let theirs = world.call(&post("/api/check-balance").key(&ben)).await;
    assert_ne!(member(&theirs, "nanoDepositAddress"), address, "3.7 the account's own");

    // Everything but XNO raises usd_balance.
    let (doge, _) = world.created("doge", "300").await;
    world.pay_all("btcpay", &doge).await;
    world.until_status("doge", &doge, "Completed").await;
    let hash = world.pay("nano", json!({ "ref": address, "amount": "2.25" })).await;
    world.until_status("xno", &hash, "Completed").await;
    world
        .check(vec![row(
            "3.7 the sample's figures",
            call("POST", "/api/check-balance"),
            balance("37.5", "2.25"),
        )])
        .await;
    let theirs = world.call(&post("/api/check-balance").key(&ben)).await;
    assert_eq!((member(&theirs, "usd_balance"), member(&theirs, "nano_balance")), ("0".into(), "0".into()));
    world.stop().await;
}

#[tokio::test]
async fn a_reversal_lowers_it_and_the_address_is_for_good() {
    let mut world = World::start().await;
    let address = member(&world.balance().await, "nanoDepositAddress");
    let (id, _) = world.created("usd", "10").await;
    world.pay_all("stripe", &id).await;
    world.until_status("usd", &id, "Completed").await;
    world.control("/stripe/scenario", json!({ "ref": id, "name": "refund_part" })).await;
    world.until("usd", &id, "half taken back", |reply| member(reply, "creditedUsd") == "5").await;
    assert_eq!(member(&world.balance().await, "usd_balance"), "5", "3.7 after a reversal");
    world.restart().await;
    let again = world.balance().await;
    assert_eq!(member(&again, "nanoDepositAddress"), address, "3.7 for good");
    assert_eq!(member(&again, "usd_balance"), "5");
    world.stop().await;
}

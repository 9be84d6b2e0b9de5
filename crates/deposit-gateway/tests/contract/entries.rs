//! Section 9: what the product's back end reads.

use serde_json::{Value, json};

use crate::harness::World;
use crate::row::{call, error, get, member, members, row};

const PATH: &str = "/api/ledger/entries";

async fn entries(world: &World, query: &str) -> Vec<Value> {
    let reply = world.call(&get(format!("{PATH}{query}"))).await;
    crate::row::assert_want("9", &reply, &crate::row::ok());
    assert_eq!(members(&reply.body).len(), 1, "9 {{\"entries\":[…]}}: {}", reply.body);
    let all: Value = serde_json::from_str(&reply.body).unwrap();
    all["entries"].as_array().unwrap().clone()
}

#[tokio::test]
async fn postings_in_rising_order() {
    let world = World::start().await;
    world
        .check(vec![
            row("9 API key", get(PATH).anonymous(), error(401, "Incorrect API key", "missing_api_key")),
            row(
                "5 405",
                call("POST", PATH),
                error(405, "Method not allowed", "method_not_allowed").header("allow", "GET,HEAD"),
            ),
        ])
        .await;
    assert_eq!(entries(&world, "").await, Vec::<Value>::new());
    let address = member(&world.balance().await, "nanoDepositAddress");
    let (doge, _) = world.created("doge", "300").await;
    let paid = world.pay_all("btcpay", &doge).await;
    world.until_status("doge", &doge, "Completed").await;
    let raw = "0.123456789012345678901234567891";
    let hash = world.pay("nano", json!({ "ref": address, "amount": raw })).await;
    let xno = world.until_status("xno", &hash, "Completed").await;
    let (usd, _) = world.created("usd", "10").await;
    let card = world.pay_all("stripe", &usd).await;
    world.until_status("usd", &usd, "Completed").await;
    world.control("/stripe/scenario", json!({ "ref": usd, "name": "refund" })).await;
    world.until("usd", &usd, "reversed", |reply| member(reply, "reversed") == "true").await;

    let all = entries(&world, "").await;
    let ids: Vec<u64> = all.iter().map(|entry| entry["id"].as_u64().unwrap()).collect();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "9 in rising order: {ids:?}");
    let expected = [
        ("USD", "37.5", doge.clone(), paid, "credit"),
        ("XNO", raw, member(&xno, "txId"), hash, "credit"),
        ("USD", "10", usd.clone(), card.clone(), "credit"),
        ("USD", "-10", usd.clone(), card, "reversal"),
    ];
    assert_eq!(all.len(), expected.len(), "{all:?}");
    for (entry, (currency, amount, tx_id, payment, kind)) in all.iter().zip(expected) {
        let wanted = json!({
            "id": entry["id"], "at": entry["at"], "currency": currency, "amount": amount,
            "txId": tx_id, "payment": payment, "kind": kind,
        });
        assert_eq!(*entry, wanted, "9 id, at, currency, amount, txId, payment, kind");
        let at = entry["at"].as_str().unwrap();
        assert!(at.len() == 24 && at.ends_with('Z'), "1 Times: {at}");
    }
    // Pages.
    assert_eq!(entries(&world, "?limit=2").await, all[..2], "9 limit");
    assert_eq!(entries(&world, &format!("?after={}", ids[1])).await, all[2..], "9 after");
    assert_eq!(entries(&world, &format!("?after={}&limit=1", ids[0])).await, all[1..2], "9 after and limit");
    assert_eq!(entries(&world, &format!("?after={}", ids[3])).await, Vec::<Value>::new(), "9 after the last");
    assert_eq!(entries(&world, "").await, all, "9 what was read once never changes");
    let ben = world.issue_key("ben").await;
    let theirs = world.call(&get(PATH).key(&ben)).await;
    assert_eq!(theirs.body, r#"{"entries":[]}"#, "9 own account only");
    world.stop().await;
}

//! `GET /api/ledger/entries`: paging for the product's back end.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{Options, Reply, TestGateway};
use serde_json::{Value, json};

const PATH: &str = "/api/ledger/entries";

async fn start() -> TestGateway {
    TestGateway::start_with(Options { background: false, also: &["nano"], ..Options::default() }).await
}

fn entries(reply: &Reply) -> Vec<Value> {
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.json().as_object().unwrap().len(), 1, "{}", reply.body);
    reply.json()["entries"].as_array().unwrap().clone()
}

async fn page(gateway: &TestGateway, query: &str) -> Vec<Value> {
    entries(&gateway.get(&format!("{PATH}{query}")).await)
}

async fn address(gateway: &TestGateway) -> String {
    gateway.post("/api/check-balance", "{}").await.member("nanoDepositAddress")
}

async fn pay(gateway: &TestGateway, address: &str, amount: &str) -> String {
    let body = json!({"ref": address, "amount": amount, "stage": "confirmed"}).to_string();
    gateway.control("/nano/pay", &body).await["payment"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn postings_as_they_were_made() {
    let gateway = start().await;
    assert_eq!(gateway.get(PATH).await.body, r#"{"entries":[]}"#);
    let mine = address(&gateway).await;
    let send = pay(&gateway, &mine, "1.500000000000000000000000000001").await;
    assert_eq!(gateway.post("/api/receive-nano", "").await.status, 200);
    let xno = gateway.status("XNO", &send).await.member("txId");

    let deposit = gateway.create("btc", r#"{"amount":0.001}"#).await;
    let btc = deposit.member("txId");
    gateway.advance(60).await;
    let played = gateway.control("/btcpay/scenario", &json!({"ref": btc, "name": "reorg"}).to_string()).await;
    let payment = played["payments"][0]["id"].as_str().unwrap().to_owned();
    let id = btc.parse().unwrap();
    // Undone before anybody looked: nothing was owed, so nothing is posted.
    gateway.engine.observe(&id, None).await.unwrap();
    assert_eq!(page(&gateway, "").await.len(), 1);
    gateway.control("/btcpay/scenario", &json!({"ref": btc, "name": "return"}).to_string()).await;
    gateway.engine.observe(&id, None).await.unwrap();
    gateway.control("/btcpay/scenario", &json!({"ref": btc, "name": "reorg"}).to_string()).await;
    gateway.engine.observe(&id, None).await.unwrap();

    let all = page(&gateway, "?after=0&limit=10").await;
    let at = |entry: &Value| entry["at"].as_str().unwrap().to_owned();
    let rows: Vec<Value> = all
        .iter()
        .map(|entry| {
            assert_eq!(entry.as_object().unwrap().len(), 7, "{entry}");
            let mut row = entry.clone();
            for member in ["id", "at"] {
                row.as_object_mut().unwrap().remove(member);
            }
            row
        })
        .collect();
    assert_eq!(
        rows,
        [
            json!({"currency":"XNO","amount":"1.500000000000000000000000000001","txId":xno,"payment":send,"kind":"credit"}),
            json!({"currency":"USD","amount":"50","txId":btc,"payment":payment,"kind":"credit"}),
            json!({"currency":"USD","amount":"-50","txId":btc,"payment":payment,"kind":"reversal"}),
        ]
    );
    assert_eq!(at(&all[0]), "2026-03-04T09:30:00.000Z");
    assert_eq!(at(&all[2]), "2026-03-04T09:31:00.000Z");
    gateway.stop().await;
}

#[tokio::test]
async fn only_one_s_own_and_only_with_a_key() {
    let gateway = start().await;
    pay(&gateway, &address(&gateway).await, "1").await;
    gateway.post("/api/receive-nano", "").await;
    assert_eq!(page(&gateway, "").await.len(), 1);
    let other = gateway.issue_key("ben").await;
    let theirs = gateway.send("GET", PATH, &[("x-api-key", &other)], "").await;
    assert_eq!(entries(&theirs), Vec::<Value>::new());
    gateway.send("GET", PATH, &[], "").await.assert_error(401, "Incorrect API key", "missing_api_key");
    // A key in the URL is never read, and what is not known is ignored.
    let path = format!("{PATH}?key={other}&x=1");
    assert_eq!(entries(&gateway.get(&path).await).len(), 1);
    gateway.post(PATH, "").await.assert_error(405, "Method not allowed", "method_not_allowed");
    gateway.stop().await;
}

#[tokio::test]
async fn parameters_are_read_strictly() {
    let gateway = start().await;
    for bad in [
        "?after=x",
        "?after=-1",
        "?after=",
        "?after=1.5",
        "?after=1&after=2",
        "?after=9223372036854775808",
        "?limit=0",
        "?limit=x",
        "?limit=-5",
        "?limit=1e2",
        "?limit=%00",
    ] {
        let reply = gateway.get(&format!("{PATH}{bad}")).await;
        reply.assert_error(400, "Invalid parameter", "invalid_parameter");
        let name = if bad.contains("limit") { "limit" } else { "after" };
        assert!(reply.member("details").starts_with(name), "{bad}: {}", reply.body);
    }
    for fine in ["?limit=1000", "?limit=1001", "?limit=99999999999", "?after=9223372036854775807"] {
        assert_eq!(page(&gateway, fine).await.len(), 0, "{fine}");
    }
    gateway.stop().await;
}

/// A reader that keeps the last id sees each posting once, while they are being made.
#[tokio::test]
async fn reading_on_while_postings_are_made_misses_none() {
    const SENDS: usize = 18;
    let gateway = start().await;
    let mine = address(&gateway).await;
    let writing = async {
        for n in 1..=SENDS {
            pay(&gateway, &mine, &n.to_string()).await;
            if n % 3 == 0 {
                let replies = [gateway.post("/api/receive-nano", ""), gateway.post("/api/receive-nano", "")];
                for reply in futures_util::future::join_all(replies).await {
                    assert_eq!(reply.status, 200, "{}", reply.body);
                }
            }
        }
    };
    let reading = async {
        let mut read: Vec<Value> = Vec::new();
        while read.len() < SENDS {
            let after = read.last().map_or(0, |entry| entry["id"].as_i64().unwrap());
            let more = page(&gateway, &format!("?after={after}&limit=2")).await;
            assert!(more.len() <= 2);
            read.extend(more);
            tokio::task::yield_now().await;
        }
        read
    };
    let ((), read) = tokio::join!(writing, reading);
    let ids: Vec<i64> = read.iter().map(|entry| entry["id"].as_i64().unwrap()).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    assert_eq!(page(&gateway, "").await, read, "what was read once never changes");
    let gateway = gateway.restart().await;
    assert_eq!(page(&gateway, "?limit=1000").await, read);
    gateway.stop().await;
}

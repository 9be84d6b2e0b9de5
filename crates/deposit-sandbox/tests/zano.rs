//! The emulated Zano wallet and daemon: authentication, error bodies, the feed, control.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    dead_code,
    unreachable_pub
)]

mod common;

use common::{START, World, text};
use deposit_sandbox::Json;
use deposit_sandbox::zano::{FALSE_FUSD_ID, FUSD_ID, Move, Spend, ZANO_ID, token};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use std::sync::atomic::{AtomicU64, Ordering};

const ID: &str = "1dfe5a88ff9effb3";

static SALT: AtomicU64 = AtomicU64::new(0);

struct Zano(World);

impl Zano {
    async fn new() -> Self {
        Self(World::new().await)
    }

    fn wallet(&self) -> &deposit_sandbox::zano::Zano {
        &self.0.sandbox.emulators().zano
    }

    async fn post(&self, path: &str, token: Option<&str>, body: &str) -> (u16, String) {
        let url = format!("{}/zano{path}", self.0.sandbox.base_url());
        let mut request = hyper::Request::post(url);
        if let Some(token) = token {
            request = request.header("Zano-Access-Token", token);
        }
        let request = request.body(Full::new(bytes::Bytes::from(body.to_owned()))).unwrap();
        let answer = Client::builder(TokioExecutor::new()).build_http().request(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        (parts.status.as_u16(), String::from_utf8(bytes.to_vec()).unwrap())
    }

    async fn signed(&self, body: &str) -> (u16, String) {
        let salt = format!("salt-{}", SALT.fetch_add(1, Ordering::Relaxed));
        let token = token(self.wallet().jwt_secret(), body.as_bytes(), &salt, START + 60);
        self.post("/json_rpc", Some(&token), body).await
    }

    async fn rpc(&self, method: &str, params: &str) -> Json {
        let body = format!(r#"{{"id":0,"jsonrpc":"2.0","method":"{method}","params":{params}}}"#);
        let (status, text) = self.signed(&body).await;
        assert_eq!(status, 200, "{text}");
        Json::parse(text.as_bytes()).unwrap()
    }

    async fn daemon(&self, method: &str, params: &str) -> Json {
        let body = format!(r#"{{"id":"0","jsonrpc":"2.0","method":"{method}","params":{params}}}"#);
        Json::parse(self.post("/daemon/json_rpc", None, &body).await.1.as_bytes()).unwrap()
    }

    async fn result(&self, method: &str, params: &str) -> Json {
        let answer = self.rpc(method, params).await;
        answer.get("result").unwrap_or_else(|| panic!("{}", answer.compact())).clone()
    }

    async fn make(&self, id: &str) -> String {
        text(
            &self.result("make_integrated_address", &format!(r#"{{"payment_id":"{id}"}}"#)).await,
            "integrated_address",
        )
    }

    async fn feed(&self, offset: u64, count: u64, more: &str) -> Json {
        let params = format!(r#"{{"offset":{offset},"count":{count}{more}}}"#);
        self.result("get_recent_txs_and_info3", &params).await
    }

    async fn pay(&self, body: &str) -> String {
        text(&self.0.done("/zano/pay", body).await, "payment")
    }

    async fn truth(&self) -> Json {
        let all = self.0.done("/truth", "").await;
        Json::List(all.items().iter().filter(|o| text(o, "provider") == "zano").cloned().collect())
    }
}

fn number(json: &Json, name: &str) -> i64 {
    json.get(name).and_then(Json::as_i64).unwrap_or_else(|| panic!("{name} of {}", json.compact()))
}

fn hashes(feed: &Json) -> Vec<String> {
    feed.get("transfers").map(|t| t.items().iter().map(|e| text(e, "tx_hash")).collect()).unwrap_or_default()
}

fn spend(id: &str, asset: &str, amount: u64) -> Spend {
    Spend { payment_id: id.to_owned(), asset_id: asset.to_owned(), amount, income: true }
}

#[tokio::test]
async fn a_token_is_for_one_request() {
    let z = Zano::new().await;
    let body = r#"{"id":0,"jsonrpc":"2.0","method":"getaddress","params":{}}"#;
    let secret = z.wallet().jwt_secret();
    let right = token(secret, body.as_bytes(), "one", START + 60);
    for (what, given) in [
        ("none", None),
        ("another body's", Some(token(secret, b"{}", "two", START + 60))),
        ("another secret's", Some(token("other", body.as_bytes(), "three", START + 60))),
        ("an expired one", Some(token(secret, body.as_bytes(), "four", START - 1))),
        ("no token", Some("Bearer x".to_owned())),
    ] {
        assert_eq!(z.post("/json_rpc", given.as_deref(), body).await, (401, String::new()), "{what}");
    }
    assert_eq!(z.post("/json_rpc", Some(&right), body).await.0, 200);
    assert_eq!(z.post("/json_rpc", Some(&right), body).await.0, 401, "its salt was used");
    // The daemon asks for none.
    assert_eq!(z.post("/daemon/json_rpc", None, body).await.0, 200);
    assert_eq!(z.post("/other", None, body).await.0, 404);
}

#[tokio::test]
async fn errors_have_the_documented_form() {
    let z = Zano::new().await;
    let (status, text) = z.signed("{").await;
    assert_eq!(status, 200);
    let parse = "{\n  \"error\": {\n    \"code\": -32700,\n    \"message\": \"Parse error\"\n  },\n  \"id\": \"\",\n  \"jsonrpc\": \"\",\n  \"method\": \"\"\n}";
    assert_eq!(text, parse);
    for (body, code) in [
        (r#"{"id":1,"jsonrpc":"2.0"}"#, -32600),
        (r#"{"id":1,"jsonrpc":"2.0","method":"nothing"}"#, -32601),
        (r#"{"id":1,"jsonrpc":"2.0","method":"transfer","params":{}}"#, -32601),
        (r#"{"id":1,"jsonrpc":"2.0","method":"getaddress","params":[]}"#, -32602),
        (r#"{"id":1,"jsonrpc":"2.0","method":"get_recent_txs_and_info3","params":{"count":"9"}}"#, -32602),
        (r#"{"id":1,"jsonrpc":"2.0","method":"get_recent_txs_and_info3","params":{"offset":-1}}"#, -32602),
        (r#"{"id":1,"jsonrpc":"2.0","method":"get_recent_txs_and_info3","params":{"order":1}}"#, -32602),
        (r#"{"id":1,"jsonrpc":"2.0","method":"make_integrated_address","params":{"payment_id":"xyz"}}"#, -5),
        (
            r#"{"id":1,"jsonrpc":"2.0","method":"make_integrated_address","params":{"payment_id":"112233445566778899"}}"#,
            -5,
        ),
        (
            r#"{"id":1,"jsonrpc":"2.0","method":"split_integrated_address","params":{"integrated_address":"Zx"}}"#,
            -2,
        ),
        (r#"{"id":1,"jsonrpc":"2.0","method":"get_payments","params":{"payment_id":"zz"}}"#, -5),
        (r#"{"id":1,"jsonrpc":"2.0","method":"assets_whitelist_add","params":{"asset_id":"fUSD"}}"#, -6),
        (r#"{"id":1,"jsonrpc":"2.0","method":"get_recent_txs_and_info","params":{}}"#, -12),
        (r#"{"id":1,"jsonrpc":"2.0","method":"get_recent_txs_and_info2","params":{}}"#, -12),
        (r#"{"id":1,"jsonrpc":"2.0","method":"search_for_transactions","params":{}}"#, -12),
    ] {
        let (status, text) = z.signed(body).await;
        let answer = Json::parse(text.as_bytes()).unwrap();
        assert_eq!((status, number(answer.get("error").unwrap(), "code")), (200, code), "{body}");
        assert!(answer.get("result").is_none());
        assert_eq!(answer.get("id"), Some(&Json::int(1)));
    }
    assert_eq!(z.wallet().deprecated_calls().len(), 3);
}

#[tokio::test]
async fn addresses_are_real_ones_and_repeat() {
    let z = Zano::new().await;
    let made = z.make(ID).await;
    assert!(made.starts_with("iZ") && made.len() == 108, "{made}");
    assert_eq!(z.make(&ID.to_uppercase()).await, made);
    assert_ne!(z.make("1dfe5a88ff9effb4").await, made);
    let split = z.result("split_integrated_address", &format!(r#"{{"integrated_address":"{made}"}}"#)).await;
    assert_eq!(
        (text(&split, "standard_address"), text(&split, "payment_id")),
        (z.wallet().address(), ID.to_owned())
    );
    assert!(z.wallet().address().starts_with("Zx") && z.wallet().address().len() == 97);
    // An empty id: the wallet draws one. A short one is padded on the left.
    assert_ne!(z.make("").await, z.make("").await);
    let short = z.result("make_integrated_address", r#"{"payment_id":"01"}"#).await;
    assert_eq!(text(&short, "payment_id"), "0000000000000001");
}

#[tokio::test]
async fn an_empty_feed_has_no_list() {
    let z = Zano::new().await;
    let feed = z.feed(0, 10, r#","update_provision_info":true"#).await;
    assert!(feed.get("transfers").is_none(), "empty lists are left out");
    assert_eq!(number(feed.get("pi").unwrap(), "curent_height"), 3_900_000);
    assert!(z.feed(0, 10, "").await.get("pi").is_some(), "whatever was asked for");
}

#[tokio::test]
async fn the_feed_begins_at_the_newest_unless_told_otherwise() {
    let z = Zano::new().await;
    let mut mined = Vec::new();
    for n in 1..=5 {
        let hash = z.wallet().send(&[spend(ID, ZANO_ID, n)], 0);
        z.wallet().shift(&[&hash], Move::Mine);
        mined.push(hash);
    }
    let pooled = z.wallet().send(&[spend(ID, ZANO_ID, 6)], 0);
    let reversed: Vec<_> = mined.iter().rev().cloned().collect();
    let oldest = r#","order":"FROM_BEGIN_TO_END","exclude_unconfirmed":true"#;
    assert_eq!(hashes(&z.feed(0, 10, oldest).await), mined);
    for order in ["", r#","order":"FROM_END_TO_BEGIN""#, r#","order":"whatever""#] {
        let feed = z.feed(0, 10, &format!(r#"{order},"exclude_unconfirmed":true"#)).await;
        assert_eq!(hashes(&feed), reversed);
    }
    // Unconfirmed ones come first, count, and only from the beginning.
    let feed = z.feed(0, 3, "").await;
    assert_eq!(hashes(&feed), [pooled.clone(), reversed[0].clone(), reversed[1].clone()]);
    assert_eq!((number(&feed, "last_item_index"), number(&feed, "total_transfers")), (1, 5));
    assert_eq!(hashes(&z.feed(2, 10, "").await), reversed[2..]);
    // Past the end the length is told.
    let past = z.feed(5, 10, "").await;
    assert_eq!((number(&past, "last_item_index"), number(&past, "total_transfers")), (0, 5));
    // What mines is left out but counted.
    z.wallet().stake(9);
    let feed = z.feed(0, 2, r#","exclude_mining_txs":true,"exclude_unconfirmed":true"#).await;
    assert_eq!(hashes(&feed), reversed[..2]);
    assert_eq!((number(&feed, "last_item_index"), number(&feed, "total_transfers")), (2, 6));
}

/// As a real wallet was seen to do.
#[tokio::test]
async fn a_detached_transaction_stays_unconfirmed_with_its_old_height() {
    let z = Zano::new().await;
    let hash = z.wallet().send(&[spend(ID, ZANO_ID, 5)], 0);
    z.wallet().shift(&[&hash], Move::Mine);
    let other = z.wallet().send(&[spend(ID, ZANO_ID, 6)], 0);
    z.wallet().shift(&[&other], Move::Mine);
    for to in [Move::Unmine, Move::Drop] {
        assert!(z.wallet().shift(&[&hash], to));
        let feed = z.feed(0, 10, "").await;
        assert_eq!(hashes(&feed), [hash.clone(), other.clone()]);
        let told = feed.get("transfers").unwrap().items()[0].clone();
        assert_eq!(number(&told, "height"), 3_900_001);
        assert_eq!(
            hashes(&z.feed(0, 10, r#","exclude_unconfirmed":true"#).await),
            std::slice::from_ref(&other)
        );
    }
    // The count is looked at after one was added.
    assert_eq!(hashes(&z.feed(0, 1, "").await).len(), 2);
    // The daemon knows better; the wallet, after four days.
    let details = async |hash: &str| z.daemon("get_tx_details", &format!(r#"{{"tx_hash":"{hash}"}}"#)).await;
    assert_eq!(number(details(&hash).await.get("error").unwrap(), "code"), -14);
    assert!(details(&other).await.get("result").is_some());
    z.0.advance(4 * 24 * 3_600).await;
    assert_eq!(hashes(&z.feed(0, 10, "").await), [other]);
}

#[tokio::test]
async fn an_entry_reads_as_documented() {
    let z = Zano::new().await;
    let out = Spend { payment_id: String::new(), asset_id: ZANO_ID.to_owned(), amount: 1, income: false };
    let spends = [spend("ea0281383b402d3d", FUSD_ID, 10_000), out];
    let hash = z.wallet().send(&spends, 5_000_000);
    let seen = z.feed(0, 1, "").await.get("transfers").unwrap().items()[0].clone();
    assert_eq!((number(&seen, "height"), number(&seen, "timestamp")), (0, START));
    z.wallet().shift(&[&hash], Move::Mine);
    let entry = z.feed(0, 1, "").await.get("transfers").unwrap().items()[0].clone();
    assert_eq!((number(&entry, "height"), number(&entry, "unlock_time")), (3_900_001, 5_000_000));
    let groups = entry.get("subtransfers_by_pid").unwrap().items();
    assert_eq!(groups.len(), 2);
    let line = groups[1].get("subtransfers").unwrap().items()[0].compact();
    assert_eq!(line, format!(r#"{{"amount":10000,"asset_id":"{FUSD_ID}","is_income":true}}"#));
    // The same bytes, as a little-endian number.
    let received = entry.get("employed_entries").unwrap().get("receive").unwrap().items();
    assert_eq!(received[0].get("payment_id").and_then(Json::number), Some("4408250233360810730"));
    let names: Vec<_> = entry.members().iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.is_sorted(), "{names:?}");
}

#[tokio::test]
async fn payments_by_id_know_the_native_coin_alone() {
    let z = Zano::new().await;
    let (a, b) = (z.wallet().send(&[spend(ID, FUSD_ID, 7)], 0), z.wallet().send(&[spend(ID, ZANO_ID, 5)], 0));
    let ask = async || z.result("get_payments", &format!(r#"{{"payment_id":"{ID}"}}"#)).await;
    assert!(ask().await.get("payments").is_none(), "not what is unconfirmed");
    z.wallet().shift(&[&a, &b], Move::Mine);
    let amounts: Vec<_> =
        ask().await.get("payments").unwrap().items().iter().map(|p| number(p, "amount")).collect();
    assert_eq!(amounts, [0, 5]);
    let found = z.result("search_for_transactions2", &format!(r#"{{"tx_id":"{a}","in":true}}"#)).await;
    assert_eq!(found.get("in").unwrap().items().len(), 1);
    let bulk = format!(r#"{{"payment_ids":["{ID}"],"min_block_height":9000000}}"#);
    assert!(z.result("get_bulk_payments", &bulk).await.get("payments").is_none());
}

#[tokio::test]
async fn assets_are_described_and_listed_once_they_are_wanted() {
    let z = Zano::new().await;
    let listed = async || {
        let balance = z.result("getbalance", "{}").await;
        let info = |b: &Json| text(b.get("asset_info").unwrap(), "asset_id");
        balance.get("balances").unwrap().items().iter().map(info).collect::<Vec<_>>()
    };
    assert_eq!(listed().await, [ZANO_ID]);
    let added = z.result("assets_whitelist_add", &format!(r#"{{"asset_id":"{FUSD_ID}"}}"#)).await;
    assert_eq!(text(&added, "status"), "OK");
    assert_eq!(number(added.get("asset_descriptor").unwrap(), "decimal_point"), 4);
    assert_eq!(listed().await, [ZANO_ID, FUSD_ID]);
    let unknown = z.result("assets_whitelist_add", &format!(r#"{{"asset_id":"{}"}}"#, "ab".repeat(32))).await;
    assert_eq!(text(&unknown, "status"), "NOT_FOUND");
    let told = z.daemon("get_asset_info", &format!(r#"{{"asset_id":"{FALSE_FUSD_ID}"}}"#)).await;
    let told = told.get("result").unwrap().get("asset_descriptor").unwrap();
    assert_eq!((text(told, "ticker"), number(told, "decimal_point")), ("fUSD".to_owned(), 12));
}

#[tokio::test]
async fn the_daemon_tells_its_height_plus_one_and_blocks_come_each_minute() {
    let z = Zano::new().await;
    let height =
        async || number(z.daemon("getinfo", r#"{"flags":0}"#).await.get("result").unwrap(), "height");
    assert_eq!(height().await, 3_900_001);
    z.0.advance(3_600).await;
    assert_eq!(height().await, 3_900_061);
    z.wallet().stick(true);
    z.0.advance(600).await;
    let pi = z.feed(0, 1, r#","update_provision_info":true"#).await;
    assert_eq!(number(pi.get("pi").unwrap(), "curent_height"), 3_900_060);
    assert_eq!(height().await, 3_900_071);
    z.0.done("/zano/faults", r#"{"not_synchronized":true}"#).await;
    let info = z.daemon("getinfo", "{}").await;
    assert_eq!(number(info.get("result").unwrap(), "daemon_network_state"), 1);
    assert_eq!(number(z.rpc("getaddress", "{}").await.get("error").unwrap(), "code"), -3);
}

#[tokio::test]
async fn the_wallet_forwards_to_the_daemon() {
    use base64::Engine as _;
    let z = Zano::new().await;
    let base64 = base64::engine::general_purpose::STANDARD;
    let inner = base64.encode(r#"{"id":0,"jsonrpc":"2.0","method":"getheight"}"#);
    let answer =
        z.result("proxy_to_daemon", &format!(r#"{{"uri":"/json_rpc","base64_body":"{inner}"}}"#)).await;
    let body = base64.decode(text(&answer, "base64_body")).unwrap();
    assert_eq!(number(&answer, "response_code"), 200);
    assert_eq!(number(Json::parse(&body).unwrap().get("result").unwrap(), "height"), 3_900_001);
}

#[tokio::test]
async fn a_payment_goes_from_the_pool_into_blocks_and_clocks_do_not_move_it() {
    let z = Zano::new().await;
    let address = z.make(ID).await;
    let id = z.pay(&format!(r#"{{"ref":"{address}","amount":"1.5","stage":"seen"}}"#)).await;
    z.0.advance(7_200).await;
    let height = async || {
        let feed = z.feed(0, 1, r#","update_provision_info":true"#).await;
        let entry = feed.get("transfers").unwrap().items()[0].clone();
        (number(&entry, "height"), number(feed.get("pi").unwrap(), "curent_height"))
    };
    assert_eq!(height().await.0, 0);
    let next = format!(r#"{{"ref":"{ID}","payment":"{id}","stage":"confirmed"}}"#);
    assert_eq!(z.pay(&next).await, id);
    let (at, top) = height().await;
    assert_eq!(top - at, 10);
    assert_eq!(z.pay(&next).await, id, "a repeat changes nothing");
    assert_eq!(height().await, (at, top));
    assert!(id.ends_with(&format!(":{ID}:{ZANO_ID}")) && id.len() == 146, "{id}");
}

#[tokio::test]
async fn truth_reads_as_the_contract_says() {
    let z = Zano::new().await;
    let address = z.make(ID).await;
    let order = |ticker: &str, payments: &str| {
        format!(
            r#"{{"provider":"zano","ref":"{ID}","order":null,"address":"{address}","ticker":{ticker},"due":null,"payments":[{payments}]}}"#
        )
    };
    assert_eq!(z.truth().await.compact(), format!("[{}]", order("null", "")));
    let a = z.pay(&format!(r#"{{"ref":"{ID}","amount":1.50,"ticker":"FUSD","stage":"seen"}}"#)).await;
    let b = z.pay(&format!(r#"{{"ref":"{ID}","amount":"0.000000000001"}}"#)).await;
    let payment = |id: &str, amount: &str, stage: &str, confirmed: &str| {
        format!(
            concat!(
                r#"{{"id":"{}","amount":"{}","stage":"{}","confirmed":"{}","reversed":"0","reinstated":"0","#,
                r#""settled":null,"settledTicker":null,"seenAt":"2026-07-25T17:20:00.000Z"}}"#
            ),
            id, amount, stage, confirmed
        )
    };
    let fusd = order("\"FUSD\"", &payment(&a, "1.5", "seen", "0"));
    let zano = order("\"ZANO\"", &payment(&b, "0.000000000001", "confirmed", "0.000000000001"));
    assert_eq!(z.truth().await.compact(), format!("[{fusd},{zano}]"));
}

#[tokio::test]
async fn scenarios() {
    let z = Zano::new().await;
    z.make(ID).await;
    let play = async |name: &str, id: &str| {
        let body = format!(r#"{{"ref":"{id}","name":"{name}","amount":"1.0001","ticker":"FUSD"}}"#);
        let played = z.0.done("/zano/scenario", &body).await;
        let all = played.get("payments").unwrap().items().iter();
        all.map(|p| (text(p, "amount"), text(p, "stage"))).collect::<Vec<_>>()
    };
    let pair = |amount: &str, stage: &str| (amount.to_owned(), stage.to_owned());
    assert_eq!(play("partial", ID).await, [pair("0.5001", "confirmed")]);
    let next = "aaaaaaaaaaaaaaa1";
    z.make(next).await;
    assert_eq!(play("over", next).await, [pair("1.5002", "confirmed")]);
    assert_eq!(play("reorg", next).await, [pair("1.5002", "reversed")]);
    assert_eq!(play("return", next).await, [pair("1.5002", "confirmed")]);
    assert_eq!(play("reorg", next).await, [pair("1.5002", "reversed")]);
    let third = "aaaaaaaaaaaaaaa2";
    z.make(third).await;
    assert_eq!(play("double", third).await, [pair("1.0001", "confirmed"), pair("1.0001", "confirmed")]);
    let fourth = "aaaaaaaaaaaaaaa3";
    z.make(fourth).await;
    assert_eq!(play("reorg", fourth).await, [pair("1.0001", "reversed")], "pays first");
    // What was undone is cumulative, and no other order was touched.
    let truth = z.truth().await;
    let sums = |id: &str| {
        let order = truth.items().iter().find(|o| text(o, "ref") == id).unwrap();
        let payment = &order.get("payments").unwrap().items()[0];
        ["confirmed", "reversed", "reinstated"].map(|name| text(payment, name))
    };
    assert_eq!(sums(next), ["1.5002", "3.0004", "1.5002"]);
    assert_eq!(sums(third), ["1.0001", "0", "0"]);
    z.pay(&format!(r#"{{"ref":"{third}","amount":"1","stage":"seen"}}"#)).await;
    let replaced = z.0.done("/zano/scenario", &format!(r#"{{"ref":"{third}","name":"replace"}}"#)).await;
    assert_eq!(text(&replaced.get("payments").unwrap().items()[0], "stage"), "withdrawn");
}

#[tokio::test]
async fn refusals_name_field_and_rule() {
    let z = Zano::new().await;
    z.make(ID).await;
    let elsewhere = "iZ2EEMZWeKBRvbHrvebi5fgBLXDWukJ3VRXk6PENQ4orUTRfh11EHjCgCBxokeg5FEPHumvqJ76ikKHnD43iGjsECvV53PeAEkM3CLGRmST3";
    let missing = "amount: is missing: this provider is never told what is due";
    let none = "ref: no payment id or address that this wallet was asked for";
    for (path, body, error) in [
        ("pay", r#"{"ref":"ID"}"#, missing),
        ("pay", r#"{"ref":"nobody","amount":"1"}"#, none),
        ("pay", r#"{"ref":"ELSEWHERE","amount":"1"}"#, none),
        ("pay", r#"{"ref":"ID","amount":"0"}"#, "amount: must be above 0"),
        ("pay", r#"{"ref":"ID","amount":"1.00001","ticker":"FUSD"}"#, "amount: more than 4 decimals"),
        ("pay", r#"{"ref":"ID","amount":"18446744.073709551616"}"#, "amount: too large for this chain"),
        ("pay", r#"{"ref":"ID","amount":"1","ticker":"BTC"}"#, "ticker: must be ZANO or FUSD"),
        ("pay", r#"{"ref":"ID","payment":"x"}"#, "payment: no payment of this payment id"),
        ("scenario", r#"{"ref":"ID","name":"partial"}"#, missing),
        (
            "scenario",
            r#"{"ref":"ID","name":"return"}"#,
            "name: return: no payment was undone after it was confirmed",
        ),
        ("scenario", r#"{"ref":"ID","name":"replace"}"#, "name: replace: no payment is on its way"),
        ("redeliver", r#"{"ref":"nobody"}"#, none),
    ] {
        let body = body.replace("ID", ID).replace("ELSEWHERE", elsewhere);
        let reply = z.0.control(&format!("/zano/{path}"), &body).await;
        assert_eq!((reply.status, text(&reply.json(), "error")), (400, error.to_owned()), "{path} {body}");
    }
    for name in ["late", "refund", "refund_part", "dispute", "expire", "fail"] {
        let body = format!(r#"{{"ref":"{ID}","name":"{name}","amount":"1"}}"#);
        let reply = z.0.control("/zano/scenario", &body).await;
        let error = format!("name: {name}: this provider has no such thing");
        assert_eq!((reply.status, text(&reply.json(), "error")), (400, error));
    }
    assert!(z.truth().await.items()[0].get("payments").unwrap().items().is_empty(), "nothing was changed");
}

#[tokio::test]
async fn the_section_configures_an_adapter() {
    let z = Zano::new().await;
    let config = z.0.sandbox.config_toml();
    let section = config.split("[providers.zano]").nth(1).unwrap();
    for key in ["wallet_url", "jwt_secret", "daemon_url", "fusd_asset_id"] {
        assert!(section.contains(&format!("{key} = \"")), "{key}: {section}");
    }
}

/// Everything that is seen from outside in a small story.
async fn story(seed: u64) -> String {
    let z = Zano(World::seeded(seed).await);
    let mut told = z.make(ID).await;
    told.push_str(&z.pay(&format!(r#"{{"ref":"{ID}","amount":"1"}}"#)).await);
    z.0.done("/zano/scenario", &format!(r#"{{"ref":"{ID}","name":"double","amount":"2","ticker":"FUSD"}}"#))
        .await;
    told.push_str(&z.feed(0, 10, r#","update_provision_info":true"#).await.compact());
    told.push_str(&z.truth().await.compact());
    told
}

#[tokio::test]
async fn the_same_seed_tells_the_same_story() {
    let first = story(11).await;
    assert_eq!(first, story(11).await);
    assert_ne!(first, story(12).await);
}

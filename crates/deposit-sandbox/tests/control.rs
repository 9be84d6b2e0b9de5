//! The control API: pay, scenarios, faults, truth, refusals; and that a seed repeats.
#![allow(missing_docs, unreachable_pub, dead_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
use std::time::{Duration, Instant};

use common::{World, code, text};
use deposit_sandbox::{Json, Sandbox, SandboxConfig};

fn payments(json: &Json) -> Vec<(String, String)> {
    let list = json.get("payments").unwrap().items().iter();
    list.map(|p| (text(p, "amount"), text(p, "stage"))).collect()
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(a, s)| ((*a).to_owned(), (*s).to_owned())).collect()
}

/// `confirmed reversed reinstated` of the first payment.
async fn sums(w: &World, id: &str) -> String {
    let truth = w.truth(id).await;
    let payment = &truth.get("payments").unwrap().items()[0];
    format!("{} {} {}", text(payment, "confirmed"), text(payment, "reversed"), text(payment, "reinstated"))
}

#[tokio::test]
async fn the_config_is_toml_of_rates_and_providers_alone() {
    let w = World::new().await;
    let config: toml::Table = w.sandbox.config_toml().parse().unwrap();
    let keys: Vec<_> = config.keys().cloned().collect();
    assert_eq!(keys, ["providers", "rates"]);
    let rates = config["rates"]["static"].as_table().unwrap();
    for ticker in deposit_core::Ticker::KNOWN {
        assert!(rates[ticker.as_str()].is_str(), "{ticker}");
    }
    let btcpay = &config["providers"]["btcpay"];
    assert_eq!(btcpay["base_url"].as_str().unwrap(), format!("{}/btcpay", w.sandbox.base_url()));
    assert_eq!(btcpay["api_key"].as_str().unwrap(), w.key);
}

#[tokio::test]
async fn a_taken_port_is_a_clear_error() {
    let w = World::new().await;
    let config = SandboxConfig { listen: w.sandbox.address(), ..SandboxConfig::default() };
    let error = Sandbox::start(config).await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot listen on {}", w.sandbox.address()));
}

#[tokio::test]
async fn shutdown_closes_the_port() {
    let w = World::new().await;
    let address = w.sandbox.address();
    w.sandbox.shutdown().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_payment_is_found_by_invoice_order_and_address() {
    let w = World::new().await;
    let id = w.invoice("DASH", "10", "USD", "dep_1").await;
    let address = text(&w.methods(&id).await, "destination");
    for reference in [&*id, "dep_1", &address] {
        w.pay(reference, "0.001", "seen").await;
    }
    assert_eq!(w.truth(&id).await.get("payments").unwrap().items().len(), 3);
    // Of several invoices with one order id, the newest that is open.
    let second = w.invoice("DASH", "10", "USD", "dep_1").await;
    let third = w.invoice("DASH", "10", "USD", "dep_1").await;
    w.play(&third, "expire").await;
    w.pay("dep_1", "", "confirmed").await;
    assert_eq!(w.state(&second).await, "Settled/None");
}

#[tokio::test]
async fn a_payment_moves_on_and_repeats_change_nothing() {
    let w = World::new().await;
    let id = w.invoice("BTC", "0.001", "BTC", "dep_1").await;
    let payment = w.pay(&id, "", "seen").await;
    w.confirm("dep_1", &payment).await;
    w.confirm(&id, &payment).await;
    assert_eq!(sums(&w, &id).await, "0.001 0 0");
    let again = format!(r#"{{"ref":"{id}","payment":"{payment}","stage":"seen"}}"#);
    w.done("/btcpay/pay", &again).await;
    assert_eq!(w.state(&id).await, "Settled/None");
}

#[tokio::test]
async fn truth_reads_as_the_contract_says() {
    let w = World::new().await;
    let id = w.invoice("DOGE", "0.00010000", "BTC", "dep_1").await;
    w.advance(5).await;
    let payment = w.pay(&id, "12.50", "seen").await;
    let address = text(&w.methods(&id).await, "destination");
    let due = text(&w.methods(&id).await, "amount");
    let expected = format!(
        concat!(
            r#"[{{"provider":"btcpay","ref":"{}","order":"dep_1","address":"{}","ticker":"DOGE","due":"{}","payments":"#,
            r#"[{{"id":"{}","amount":"12.5","stage":"seen","confirmed":"0","reversed":"0","reinstated":"0","#,
            r#""settled":null,"settledTicker":null,"seenAt":"2026-07-25T17:20:05.000Z"}}]}}]"#
        ),
        id, address, due, payment
    );
    assert_eq!(w.done("/truth", "").await.compact(), expected);
}

#[tokio::test]
async fn scenarios_that_pay() {
    let w = World::new().await;
    let play = async |name: &str| {
        let id = w.invoice("BTC", "0.00100001", "BTC", "dep_1").await;
        let played = w.play(&id, name).await;
        (payments(&played), w.state(&id).await)
    };
    let (paid, state) = play("partial").await;
    assert_eq!((paid, &*state), (pairs(&[("0.00050001", "confirmed")]), "New/PaidPartial"));
    let (paid, state) = play("over").await;
    assert_eq!((paid, &*state), (pairs(&[("0.00150002", "confirmed")]), "Settled/PaidOver"));
    let (paid, state) = play("double").await;
    let twice = pairs(&[("0.00100001", "confirmed"), ("0.00100001", "confirmed")]);
    assert_eq!((paid, &*state), (twice, "Settled/None"));
    let (paid, state) = play("late").await;
    assert_eq!((paid, &*state), (pairs(&[("0.00100001", "confirmed")]), "Expired/PaidLate"));
    assert_eq!(w.sandbox.now(), common::START, "the clock stays");
}

#[tokio::test]
async fn every_method_takes_every_scenario() {
    let w = World::new().await;
    for method in ["BTC", "BTC-LN", "LTC", "LTC-MWEB", "XMR", "DOGE", "DASH", "ZEC"] {
        for name in ["partial", "over", "late", "double", "reorg", "expire", "fail"] {
            let id = w.invoice(method, "10", "USD", "dep_1").await;
            if name == "reorg" && ["BTC-LN", "LTC-MWEB", "XMR", "ZEC"].contains(&method) {
                let play = format!(r#"{{"ref":"{id}","name":"{name}"}}"#);
                assert_eq!(w.control("/btcpay/scenario", &play).await.status, 400, "{method}");
                continue;
            }
            w.play(&id, name).await;
        }
    }
    let truth = w.done("/truth", "").await;
    let ids: Vec<_> = truth
        .items()
        .iter()
        .flat_map(|o| o.get("payments").unwrap().items().iter().map(|p| text(p, "id")))
        .collect();
    let unique: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!((ids.len(), unique.len()), (44, 44));
}

#[tokio::test]
async fn reorg_undoes_and_return_gives_back_under_the_same_id() {
    let w = World::new().await;
    let id = w.invoice("BTC", "0.001", "BTC", "dep_1").await;
    let early = w.control("/btcpay/scenario", &format!(r#"{{"ref":"{id}","name":"return"}}"#)).await;
    assert_eq!(early.status, 400);
    let undone = w.play(&id, "reorg").await;
    assert_eq!(payments(&undone), pairs(&[("0.001", "reversed")]));
    assert_eq!(w.state(&id).await, "Settled/None", "nothing reverts it");
    assert_eq!(sums(&w, &id).await, "0.001 0.001 0");
    assert_eq!(text(&w.methods(&id).await.get("payments").unwrap().items()[0], "status"), "Settled");
    w.events().await;
    let back = w.play(&id, "return").await;
    assert_eq!(
        back.get("payments").unwrap().items()[0].get("id"),
        undone.get("payments").unwrap().items()[0].get("id")
    );
    assert_eq!(sums(&w, &id).await, "0.001 0.001 0.001");
    assert!(w.events().await.is_empty(), "nobody watches it");
    // Once more: cumulative.
    w.play(&id, "reorg").await;
    assert_eq!(sums(&w, &id).await, "0.001 0.002 0.001");
}

#[tokio::test]
async fn fail_marks_what_is_open_and_runs_out_what_is_under_way() {
    let w = World::new().await;
    let open = w.invoice("BTC", "0.001", "BTC", "dep_1").await;
    w.play(&open, "fail").await;
    assert_eq!(w.state(&open).await, "Invalid/Marked");
    let under_way = w.invoice("BTC", "0.001", "BTC", "dep_2").await;
    w.pay(&under_way, "", "seen").await;
    w.play(&under_way, "fail").await;
    assert_eq!(w.state(&under_way).await, "Invalid/None");
    let paid = w.invoice("BTC", "0.001", "BTC", "dep_3").await;
    w.pay(&paid, "", "confirmed").await;
    for name in ["fail", "expire", "replace"] {
        let refused = w.control("/btcpay/scenario", &format!(r#"{{"ref":"{paid}","name":"{name}"}}"#)).await;
        assert_eq!(refused.status, 400, "{name}");
        assert!(text(&refused.json(), "error").starts_with(&format!("name: {name}: ")));
    }
}

#[tokio::test]
async fn refusals_name_field_and_rule() {
    let w = World::new().await;
    let id = w.invoice("BTC", "0.001", "BTC", "dep_1").await;
    let with_id = |s: &str| s.replace("ID", &id);
    for (path, body, error) in [
        ("/btcpay/pay", r#"{}"#, "ref: is missing"),
        ("/btcpay/pay", r#"{"ref":"nope"}"#, "ref: no invoice, order id or address of this provider"),
        (
            "/btcpay/pay",
            r#"{"ref":"ID","amount":"x"}"#,
            "amount: must be a decimal number, as a string or a number",
        ),
        ("/btcpay/pay", r#"{"ref":"ID","amount":"0"}"#, "amount: must be above 0"),
        ("/btcpay/pay", r#"{"ref":"ID","amount":"-1"}"#, "amount: negative"),
        ("/btcpay/pay", r#"{"ref":"ID","amount":0.000000001}"#, "amount: more than 8 decimals"),
        ("/btcpay/pay", r#"{"ref":"ID","stage":"settled"}"#, "stage: must be seen or confirmed"),
        ("/btcpay/pay", r#"{"ref":"ID","payment":"nope"}"#, "payment: no payment of this invoice"),
        ("/btcpay/pay", r#"{"ref":"ID","ticker":"LTC"}"#, "ticker: this invoice is paid in BTC"),
        ("/btcpay/scenario", r#"{"ref":"ID"}"#, "name: is missing"),
        (
            "/btcpay/scenario",
            r#"{"ref":"ID","name":"refund"}"#,
            "name: refund: this provider has no such thing",
        ),
        (
            "/btcpay/scenario",
            r#"{"ref":"ID","name":"refund_part"}"#,
            "name: refund_part: this provider has no such thing",
        ),
        (
            "/btcpay/scenario",
            r#"{"ref":"ID","name":"dispute"}"#,
            "name: dispute: this provider has no such thing",
        ),
        ("/clock", r#"{}"#, "advance_seconds: is missing"),
        (
            "/clock",
            r#"{"advance_seconds":-1}"#,
            "advance_seconds: must be a whole number from 0 to 4294967295",
        ),
        ("/rates", r#"{"BTC":"0"}"#, "BTC: must be a decimal number above 0 with at most 18 decimals"),
        ("/rates", r#"[]"#, "body: must be a JSON object of ticker and USD for one unit"),
    ] {
        let reply = w.control(path, &with_id(body)).await;
        assert_eq!((reply.status, text(&reply.json(), "error")), (400, error.to_owned()), "{path} {body}");
    }
    let unknown = w.control("/btcpay/scenario", &with_id(r#"{"ref":"ID","name":"explode"}"#)).await;
    assert!(text(&unknown.json(), "error").starts_with("name: must be one of partial, over, "));
    for path in ["/paypal/pay", "/paypal/faults", "/nothing"] {
        let reply = w.control(path, "{}").await;
        assert_eq!(reply.status, 404, "{path}");
        assert!(reply.json().get("error").is_some());
    }
    assert_eq!(w.state(&id).await, "New/None", "nothing was changed");
}

#[tokio::test]
async fn faults_that_answer_for_the_provider() {
    let w = World::new().await;
    let list = async |faults: &str| {
        w.done("/btcpay/faults", faults).await;
        w.store("GET", "/invoices", None).await
    };
    let reply = list(r#"{"error_rate":1.0}"#).await;
    assert_eq!(reply.status, 500);
    assert_eq!(code(&list(r#"{"reject_key":true}"#).await), (401, "unauthenticated".into()));
    let reply = list(r#"{"status_429":true}"#).await;
    assert_eq!((reply.status, reply.headers["retry-after"].to_str().unwrap()), (429, "1"));
    let reply = list(r#"{"html_502":true}"#).await;
    assert_eq!(reply.status, 502);
    assert!(reply.text().starts_with("<html>"));
    let reply = list(r#"{"huge_body":true}"#).await;
    assert!(reply.bytes.len() > 30_000_000);
    assert_eq!(list("{}").await.text(), "[]", "all replaced");
}

#[tokio::test]
async fn faults_in_what_is_said() {
    let w = World::new().await;
    let id = w.invoice("BTC", "0.001", "BTC", "dep_1").await;
    w.pay(&id, "", "seen").await;
    w.done("/btcpay/faults", r#"{"unknown_words":true,"unknown_order_words":true}"#).await;
    assert_eq!(text(&w.methods(&id).await.get("payments").unwrap().items()[0], "status"), "Frobnicated");
    assert_eq!(text(&w.read(&id).await, "status"), "Frobnicated");
    w.done("/btcpay/faults", r#"{"wrong_types":true}"#).await;
    assert_eq!(w.read(&id).await.get("id"), Some(&Json::int(7)));
}

#[tokio::test]
async fn down_closes_and_does_nothing_but_control_goes_on() {
    let w = World::new().await;
    w.done("/btcpay/faults", r#"{"down":true,"latency_ms":60000}"#).await;
    let url = format!("{}/btcpay/api/v1/stores/{}/invoices", w.sandbox.base_url(), w.store);
    let auth = format!("token {}", w.key);
    let body = r#"{"amount":"1","currency":"USD"}"#;
    assert!(w.send("POST", &url, Some(&auth), Some(body)).await.is_none());
    assert!(w.done("/truth", "").await.items().is_empty());
}

#[tokio::test]
async fn a_dropped_response_is_one_whose_work_was_done() {
    let w = World::new().await;
    w.done("/btcpay/faults", r#"{"drop_response_rate":1}"#).await;
    let url = format!("{}/btcpay/api/v1/stores/{}/invoices", w.sandbox.base_url(), w.store);
    let auth = format!("token {}", w.key);
    let body = r#"{"amount":"1","currency":"USD","metadata":{"orderId":"dep_1"}}"#;
    assert!(w.send("POST", &url, Some(&auth), Some(body)).await.is_none());
    assert_eq!(text(&w.done("/truth", "").await.items()[0], "order"), "dep_1");
}

#[tokio::test]
async fn latency_comes_before_and_after_the_work() {
    let w = World::new().await;
    for faults in [r#"{"latency_ms":120}"#, r#"{"answer_delay_ms":120}"#] {
        w.done("/btcpay/faults", faults).await;
        let start = Instant::now();
        w.store("GET", "/invoices", None).await;
        assert!(start.elapsed() >= Duration::from_millis(120));
    }
}

/// Everything that is seen from outside in a small story.
async fn story(seed: u64) -> String {
    let w = World::seeded(seed).await;
    let mut told = String::new();
    for method in ["BTC", "BTC-LN", "XMR", "LTC-MWEB"] {
        let id = w.invoice(method, "10", "USD", "dep_1").await;
        w.play(&id, "partial").await;
        w.pay(&id, "", "seen").await;
        told.push_str(&w.methods(&id).await.compact());
        told.push_str(&w.read(&id).await.compact());
    }
    w.sandbox.webhooks_idle().await;
    for got in w.gateway.all() {
        told.push_str(&got.signature);
        told.push_str(&String::from_utf8(got.bytes).unwrap());
    }
    told.push_str(&w.done("/truth", "").await.compact());
    told.push_str(&w.sandbox.config_toml());
    told.replace(&w.sandbox.address().to_string(), "ADDR")
}

#[tokio::test]
async fn the_same_seed_tells_the_same_story() {
    let first = story(11).await;
    assert_eq!(first, story(11).await);
    assert_ne!(first, story(12).await);
}

#[tokio::test]
async fn time_runs_where_it_is_not_frozen() {
    let sandbox = Sandbox::start(SandboxConfig::default()).await.unwrap();
    assert!(sandbox.now() > 1_700_000_000);
    sandbox.advance(10);
    assert!(!sandbox.set_faults("nope", deposit_sandbox::Faults::default()));
    sandbox.shutdown().await;
}

#[tokio::test]
async fn the_sources_of_rates_say_what_they_are_told_in_their_own_words() {
    let w = World::new().await;
    let base = w.sandbox.base_url();
    let get = async |path: &str| w.send("GET", &format!("{base}{path}"), None, None).await.unwrap();
    let control = async |call: &str, body: &str| {
        let url = format!("{}{call}", w.sandbox.control_url());
        w.send("POST", &url, None, Some(body)).await.unwrap()
    };
    let told = get("/control/rates").await.json();
    assert_eq!(text(told.get("usd").unwrap(), "BTC"), "50000");
    assert_eq!(text(told.get("sources").unwrap(), "kraken"), format!("{base}/kraken"));

    control("/rates", r#"{"XNO":"0.93","EUR":"1.2","GBP":"1.5"}"#).await;
    control("/kucoin/rates", r#"{"XNO":"0.9"}"#).await;
    let rows = [
        ("/coingecko/api/v3/simple/price?ids=nano,no-coin&vs_currencies=usd", r#"{"nano":{"usd":0.93}}"#),
        ("/kucoin/api/v1/prices?base=USD&currencies=XNO,NONE", r#"{"code":"200000","data":{"XNO":"0.9"}}"#),
        ("/kraken/0/public/Ticker?pair=NANOUSD,NOPE", r#"{"error":["EQuery:Unknown asset pair"]}"#),
        (
            "/frankfurter/v1/latest?base=EUR&symbols=USD,GBP",
            r#"{"amount":1.0,"base":"EUR","date":"2026-07-24","rates":{"GBP":0.8,"USD":1.2}}"#,
        ),
        ("/frankfurter/v1/latest?base=XXX", r#"{"message":"not found"}"#),
    ];
    for (path, body) in rows {
        assert_eq!(get(path).await.text(), body, "{path}");
    }
    let kraken = get("/kraken/0/public/Ticker?pair=NANOUSD").await.json();
    let pair = kraken.get("result").unwrap().get("NANOUSD").unwrap();
    for list in ["a", "b", "c"] {
        assert_eq!(pair.get(list).unwrap().items()[0].as_text(), Some("0.93"));
    }

    // Faults as a provider has; no payments, and no part in the truth.
    assert_eq!(control("/kraken/faults", r#"{"error_rate":1}"#).await.status, 200);
    assert_eq!(get("/kraken/0/public/Ticker").await.status, 503);
    assert_eq!(control("/kraken/faults", r#"{"down":true}"#).await.status, 200);
    assert!(w.send("GET", &format!("{base}/kraken/0/public/Ticker"), None, None).await.is_none());
    for (call, body) in [("/kraken/pay", r#"{"ref":"x"}"#), ("/nobody/rates", "{}"), ("/btcpay/rates", "{}")]
    {
        assert_eq!(control(call, body).await.status, 404, "{call}");
    }
    assert_eq!(get("/control/truth").await.text(), "[]");
}

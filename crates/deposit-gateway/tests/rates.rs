//! Rates as a client and a payer meet them: the prices that anybody may ask for, sources that fail, and at which rate each provider's
//! deposits are credited when the market moves. Real sockets, every emulated source; time stands still but for `advance`.
#![allow(clippy::print_stdout, clippy::wildcard_enum_match_arm)]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod process;

use std::time::{Duration, Instant};

use deposit_core::Decimal;
use process::{Deposit, Inside, Reply, Shop, Site as _};
use serde_json::{Value, json};

const PUBLIC: [&str; 4] = ["coingecko", "kraken", "kucoin", "frankfurter"];

/// The sandbox's sections, with these sources instead of the static one; the public ones are where the sandbox emulates them.
async fn shop(sources: &[&str], more: &str) -> Shop<Inside> {
    Inside::shop_with(0, |sections| {
        let btcpay = sections.split("base_url = \"").nth(1).unwrap();
        let root = btcpay.split("/btcpay").next().unwrap();
        let mut text = sections.replace("sources = [\"static\"]", &format!("sources = {sources:?}"));
        for name in PUBLIC {
            text.push_str(&format!("\n[rates.{name}]\nbase_url = \"{root}/{name}\"\n"));
        }
        format!("{text}\n{more}\n")
    })
    .await
}

async fn all_sources(more: &str) -> Shop<Inside> {
    shop(&["btcpay", "coingecko", "kraken", "kucoin", "frankfurter"], more).await
}

/// From now on the market says this. The sources are asked again once their pace allows it.
async fn market(shop: &Shop<Inside>, rates: Value) {
    shop.control("/rates", rates).await;
    shop.site.advance(120);
    shop.site.engine().seed_rates().await.unwrap();
}

async fn get(shop: &Shop<Inside>, path: &str, headers: &[(&str, &str)]) -> Reply {
    shop.http.send("GET", &format!("{}{path}", shop.site.url()), headers, "").await.unwrap()
}

async fn prices(shop: &Shop<Inside>) -> (Reply, Reply) {
    (get(shop, "/api/get-nano-price", &[]).await, get(shop, "/api/get-fiat-prices", &[]).await)
}

fn assert_unavailable(reply: &Reply) {
    assert_eq!(reply.status, 500, "{}", reply.text());
    assert_eq!(
        reply.text(),
        r#"{"error":"Price is currently not available","message":"Price is currently not available","status":500,"code":"price_unavailable"}"#
    );
    assert_eq!(reply.headers["cache-control"], "no-store");
    assert_eq!(reply.headers["retry-after"], "20");
}

#[tokio::test]
async fn anybody_may_ask_for_prices() {
    let shop = Inside::shop(0, "").await;
    for headers in [&[][..], &[("x-api-key", "wrong")], &[("authorization", "Bearer wrong")]] {
        let nano = get(&shop, "/api/get-nano-price", headers).await;
        let fiat = get(&shop, "/api/get-fiat-prices", headers).await;
        assert_eq!((nano.status, fiat.status), (200, 200));
        for reply in [&nano, &fiat] {
            assert_eq!(reply.headers["cache-control"], "public, max-age=30");
            assert_eq!(reply.headers["content-type"], "application/json");
            assert!(reply.headers.contains_key("x-request-id"));
        }
        insta::assert_snapshot!("nano_price", nano.text());
        insta::assert_snapshot!("fiat_prices", fiat.text());
    }
    let url = format!("{}/api/get-nano-price", shop.site.url());
    let reply = shop.http.send("POST", &url, &[], "{}").await.unwrap();
    assert_eq!(reply.status, 405);
    assert!(reply.headers["allow"].to_str().unwrap().contains("GET"));
    shop.site.stop().await;
}

#[tokio::test]
async fn a_price_without_a_fresh_rate_is_no_price() {
    let shop = all_sources("").await;
    market(&shop, json!({ "XNO": "0.123456785", "EUR": "1.5", "GBP": "1.25" })).await;
    let (nano, fiat) = prices(&shop).await;
    assert_eq!(nano.text(), r#"{"pair":"NANOUSD","latestPrice":0.12345679}"#);
    assert_eq!(fiat.json()["usdTo"].to_string(), r#"{"EUR":0.66666667,"GBP":0.8,"USD":1}"#);
    for source in ["btcpay", "coingecko", "kraken", "kucoin", "frankfurter"] {
        shop.control(&format!("/{source}/faults"), json!({ "rates_down": true, "down": source != "btcpay" }))
            .await;
    }
    shop.site.advance(300);
    shop.site.engine().seed_rates().await.unwrap();
    assert_eq!(prices(&shop).await.0.status, 200, "the last good rate has its time");
    shop.site.advance(1);
    let (nano, fiat) = prices(&shop).await;
    assert_unavailable(&nano);
    assert_unavailable(&fiat);

    // A currency without a rate: no half a table.
    shop.control("/kucoin/faults", json!({})).await;
    shop.site.engine().seed_rates().await.unwrap();
    let (nano, fiat) = prices(&shop).await;
    assert_eq!(nano.status, 200, "{}", nano.text());
    assert_unavailable(&fiat);
    shop.site.stop().await;
}

#[tokio::test]
async fn without_a_fresh_rate_create_and_limits_say_so_and_others_go_on() {
    let mut shop = shop(&["btcpay"], "").await;
    let create = |ticker: &str| format!("/api/transaction/create/{ticker}");
    shop.control("/btcpay/faults", json!({ "rates_down": true })).await;
    shop.site.advance(301);
    shop.site.engine().seed_rates().await.unwrap();
    for (method, path) in [("POST", create("BTC")), ("GET", "/api/transaction/limits/BTC".to_owned())] {
        let reply = shop.ask(0, method, &path, None, r#"{"amount":0.0004}"#).await;
        assert_eq!(reply.status, 500, "{}", reply.text());
        assert_eq!(reply.json()["error"], "This payment method is currently not available");
        assert_eq!(reply.json()["code"], "payment_method_unavailable");
    }
    // USD needs no source.
    assert_eq!(shop.ask(0, "POST", &create("usd"), None, r#"{"amount":10}"#).await.status, 200);
    assert_eq!(shop.ask(0, "POST", &create("usdc"), None, r#"{"amount":10}"#).await.status, 200);
    shop.site.stop().await;
}

#[tokio::test]
async fn a_single_source_is_followed_at_once_however_far_it_goes() {
    let mut shop = shop(&["btcpay"], "").await;
    for (usd, maximum) in [("100000", "0.005"), ("25000", "0.02"), ("50000", "0.01")] {
        shop.control("/rates", json!({ "BTC": usd })).await;
        shop.site.advance(1);
        shop.site.engine().seed_rates().await.unwrap();
        let limits = shop.ask(0, "GET", "/api/transaction/limits/BTC", None, "").await.json();
        assert_eq!(limits["maximum"].to_string(), maximum, "{usd}");
        assert_eq!(limits["timestamp"], json!(shop.site.engine().now().secs()));
    }
    shop.site.stop().await;
}

#[tokio::test]
async fn one_source_that_is_wrong_or_down_prices_nothing() {
    let mut shop = all_sources("").await;
    shop.control("/kucoin/rates", json!({ "BTC": "1", "XNO": "1000000" })).await;
    shop.control("/frankfurter/faults", json!({ "down": true })).await;
    market(&shop, json!({ "LTC": "160" })).await;
    let limits = shop.ask(0, "GET", "/api/transaction/limits/BTC", None, "").await.json();
    assert_eq!(limits["maximum"].to_string(), "0.01");
    let (nano, fiat) = prices(&shop).await;
    assert_eq!(nano.json()["latestPrice"].to_string(), "0.8");
    assert_eq!(fiat.json()["usdTo"]["GBP"].to_string(), "0.8");
    // An operator sees it.
    let metrics = get(&shop, "/metrics", &[]).await.text();
    for ticker in ["BTC", "XNO"] {
        let line = format!("deposit_rate_trouble{{ticker=\"{ticker}\",trouble=\"left_out\"}} 1");
        assert!(metrics.contains(&line), "{metrics}");
    }
    assert!(!metrics.contains("trouble{ticker=\"LTC\""), "{metrics}");
    for (source, failing) in [("frankfurter", 1), ("kraken", 0)] {
        let line = format!("deposit_rate_source_failing{{source=\"{source}\"}} {failing}");
        assert!(metrics.contains(&line), "{metrics}");
    }
    assert!(metrics.contains("deposit_rate_source_failures_total{source=\"kraken\"} 0"), "{metrics}");
    // No pair of the emulated Kraken: told, and no more than that.
    assert!(metrics.contains("deposit_rate_missing{source=\"kraken\",ticker=\"VVV\"} 1"), "{metrics}");
    assert!(!metrics.contains("deposit_rate_missing{source=\"coingecko\""), "{metrics}");
    shop.site.stop().await;
}

#[tokio::test]
async fn create_never_waits_for_a_source() {
    let mut shop = all_sources("").await;
    for source in PUBLIC {
        shop.control(&format!("/{source}/faults"), json!({ "latency_ms": 60_000 })).await;
    }
    // Somebody is asking them all this while.
    shop.site.advance(120);
    let engine = shop.site.engine().clone();
    let asking = tokio::spawn(async move { engine.seed_rates().await });
    for n in 0..5 {
        let begun = Instant::now();
        shop.create(0, "KAS", "200", &format!("k{n}")).await;
        assert_eq!(get(&shop, "/api/get-nano-price", &[]).await.status, 200);
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    }
    assert!(!asking.is_finished(), "the sources did answer");
    asking.abort();
    shop.site.stop().await;
}

// -- at which rate -----------------------------------------------------------------------------------------------

/// A way of paying: ticker, provider, amount asked, and whether the payer has to bring the amount.
type Way = (&'static str, &'static str, &'static str, bool);

const WAYS: [Way; 7] = [
    ("BTC", "btcpay", "0.0004", false),
    ("BTC-LN", "btcpay", "0.0004", false),
    ("BCH", "promptcash", "0.05", false),
    ("KAS", "nanswap", "250", false),
    ("ZANO", "zano", "2", true),
    ("FUSD", "zano", "20", true),
    ("EUR", "stripe", "20", false),
];

async fn create(shop: &mut Shop<Inside>, way: Way) -> (Deposit, Value) {
    let (ticker, _, amount, _) = way;
    let path = format!("/api/transaction/create/{ticker}");
    let reply = shop.ask(0, "POST", &path, None, &format!(r#"{{"amount":{amount}}}"#)).await;
    assert_eq!(reply.status, 200, "{ticker}: {}", reply.text());
    let made = reply.json();
    let text = |member: &str| made[member].as_str().map(str::to_owned);
    let id = text("txId").unwrap();
    // Card and multi-chain orders have no address; their providers were told our id.
    let address = text("address").unwrap_or_else(|| id.clone());
    (Deposit { account: 0, ticker, id, address }, made)
}

async fn pay(shop: &Shop<Inside>, way: Way, deposit: &Deposit) {
    let (ticker, provider, amount, brings_amount) = way;
    let mut order = json!({ "ref": deposit.address, "stage": "confirmed" });
    if brings_amount {
        order["amount"] = json!(amount);
        order["ticker"] = json!(ticker);
    }
    shop.control(&format!("/{provider}/pay"), order).await;
}

async fn completed(shop: &mut Shop<Inside>, deposit: &Deposit) -> Value {
    shop.site.pace = 1;
    let state = shop.until_status(deposit, "Completed").await;
    shop.site.pace = 0;
    state
}

/// What a swap paid out, in XNO.
async fn settled(shop: &Shop<Inside>) -> Decimal {
    let truth = shop.truth().await;
    let mut swaps = truth.iter().filter(|order| order["provider"] == "nanswap");
    let (order, none) = (swaps.next().unwrap(), swaps.next());
    assert!(none.is_none(), "which of them?");
    order["payments"][0]["settled"].as_str().unwrap().parse().unwrap()
}

/// Every price doubled.
fn doubled() -> Value {
    json!({ "BTC": "100000", "BTC-LN": "100000", "BCH": "800", "KAS": "0.16", "XNO": "1.6", "ZANO": "20", "FUSD": "2",
            "EUR": "2.16", "GBP": "2.5", "USDC": "0.5" })
}

async fn expect(shop: &Shop<Inside>, deposit: &Deposit, state: &Value, usd: &str, nano: &str) {
    let credited: Decimal = state["creditedUsd"].to_string().parse().unwrap();
    let expected = if deposit.ticker == "KAS" {
        // Eight decimals, rounded down.
        let exact = settled(shop).await * nano.parse::<Decimal>().unwrap();
        exact.trunc_with_scale(8)
    } else {
        usd.parse().unwrap()
    };
    assert_eq!(credited.normalize(), expected.normalize(), "{}: {state:#}", deposit.ticker);
}

#[tokio::test]
async fn the_rate_of_the_creation_holds_at_every_provider() {
    let mut shop = all_sources("[bonus]\nBTC-LN = \"2.5\"").await;
    let mut deposits = Vec::new();
    for way in WAYS {
        let (deposit, made) = create(&mut shop, way).await;
        assert_eq!(
            made.get("bonusPercent").map(Value::to_string),
            (way.0 == "BTC-LN").then(|| "2.5".to_owned())
        );
        deposits.push((way, deposit));
    }
    market(&shop, doubled()).await;
    for (way, deposit) in deposits {
        pay(&shop, way, &deposit).await;
        let state = completed(&mut shop, &deposit).await;
        assert_eq!(state["late"], Value::Null, "{state:#}");
        let usd = match way.0 {
            "BTC-LN" => "20.5",
            "EUR" => "21.6",
            _ => "20",
        };
        expect(&shop, &deposit, &state, usd, "0.8").await;
        let bonus = state.get("bonusUsd").map(Value::to_string);
        assert_eq!(bonus, (way.0 == "BTC-LN").then(|| "0.5".to_owned()), "{state:#}");
    }
    assert!(shop.site.engine().check_ledger().await.unwrap().balanced);
    shop.site.stop().await;
}

#[tokio::test]
async fn a_late_payment_has_the_rate_of_when_it_was_first_seen() {
    let mut shop = all_sources("[bonus]\nBTC-LN = \"2.5\"").await;
    // An invoice over Lightning and a card session end with their time.
    let ways = WAYS.into_iter().filter(|(ticker, ..)| !matches!(*ticker, "BTC-LN" | "EUR"));
    let mut deposits = Vec::new();
    for way in ways {
        deposits.push((way, create(&mut shop, way).await.0));
    }
    shop.site.advance(3_601);
    market(&shop, doubled()).await;
    for (way, deposit) in deposits {
        let (ticker, provider, amount, brings_amount) = way;
        if brings_amount || provider == "btcpay" {
            pay(&shop, way, &deposit).await;
        } else {
            // These two have ends of their own.
            let order = json!({ "ref": deposit.address, "name": "late", "amount": amount, "ticker": ticker });
            shop.control(&format!("/{provider}/scenario"), order).await;
        }
        let state = completed(&mut shop, &deposit).await;
        assert_eq!(state["late"], json!(true), "{state:#}");
        expect(&shop, &deposit, &state, "40", "1.6").await;
    }
    assert!(shop.site.engine().check_ledger().await.unwrap().balanced);
    shop.site.stop().await;
}

#[tokio::test]
async fn usdc_is_one_to_one_and_nano_stays_nano() {
    let mut shop = all_sources("").await;
    let way = ("USDC", "daimo", "12.34", false);
    let (deposit, _) = create(&mut shop, way).await;
    market(&shop, doubled()).await;
    pay(&shop, way, &deposit).await;
    let state = completed(&mut shop, &deposit).await;
    assert_eq!(state["creditedUsd"].to_string(), "12.34");

    let balance = shop.ask(0, "POST", "/api/check-balance", None, "{}").await.json();
    let address = balance["nanoDepositAddress"].as_str().unwrap();
    let amount = "1.000000000000000000000000000001";
    shop.control("/nano/pay", json!({ "ref": address, "amount": amount })).await;
    shop.site.pace = 1;
    let begun = Instant::now();
    let balance = loop {
        let balance = shop.ask(0, "POST", "/api/check-balance", None, "{}").await.json();
        if balance["nano_balance"] != "0" {
            break balance;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{balance}");
        shop.site.pause().await;
    };
    assert_eq!((&balance["nano_balance"], &balance["usd_balance"]), (&json!(amount), &json!("12.34")));
    shop.site.stop().await;
}

#[tokio::test]
async fn a_quoted_limit_is_taken_for_a_minute_though_the_rate_moved() {
    let mut shop = shop(&["btcpay"], "").await;
    let limits = shop.ask(0, "GET", "/api/transaction/limits/BTC", None, "").await.text();
    let maximum = "0.01";
    assert!(limits.starts_with(r#"{"minimum":0.000002,"maximum":0.01,"fiat"#), "{limits}");
    shop.control("/rates", json!({ "BTC": "100000" })).await;
    shop.site.advance(1);
    shop.site.engine().seed_rates().await.unwrap();
    shop.site.advance(59);
    let body = |amount: &str| format!(r#"{{"amount":{amount}}}"#);
    let create = "/api/transaction/create/BTC";
    assert_eq!(shop.ask(0, "POST", create, None, &body(maximum)).await.status, 200);
    shop.site.advance(1);
    let reply = shop.ask(0, "POST", create, None, &body(maximum)).await;
    assert_eq!((reply.status, reply.json()["error"].clone()), (400, json!("Maximum amount is 0.005")));
    shop.site.stop().await;
}

//! Section 4: ten creation requests in any ten minutes, per key or, without one, per address.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::as_conversions
)]

mod common;

use common::{Options, Reply, TestGateway};
use deposit_engine::EngineConfig;
use deposit_gateway::http::HttpConfig;

const GOOD: &str = r#"{"amount":0.0004}"#;

/// The contract's own limit.
fn strict() -> Options {
    Options { engine: EngineConfig::default(), ..Options::default() }
}

fn rate(reply: &Reply) -> (u32, u32, u32) {
    let number =
        |name| reply.header(name).unwrap_or_else(|| panic!("no {name}: {}", reply.body)).parse().unwrap();
    (number("ratelimit-limit"), number("ratelimit-remaining"), number("ratelimit-reset"))
}

fn assert_limited(reply: &Reply, retry_after: &str) {
    reply.assert_error(429, "Too many requests, please try again later", "rate_limit_exceeded");
    assert_eq!(reply.header("retry-after"), Some(retry_after), "{}", reply.body);
}

#[tokio::test]
async fn at_most_ten_in_any_window() {
    let gateway = TestGateway::start_with(strict()).await;
    // Good and bad requests count alike, over all creation endpoints.
    assert_eq!(rate(&gateway.create("btc", GOOD).await), (10, 9, 600));
    gateway.advance(100).await;
    for (n, (ticker, body)) in
        [("btc", "{"), ("nope", GOOD), ("kas", GOOD), ("ltc", "{}"), ("daimo/usdc", GOOD)].iter().enumerate()
    {
        assert_eq!(rate(&gateway.create(ticker, body).await), (10, 8 - n as u32, 500));
    }
    assert_eq!(rate(&gateway.create_with_key("btc", GOOD, "k").await).1, 3);
    assert_eq!(rate(&gateway.create_with_key("btc", "{}", "k").await).1, 2, "a conflict counts");
    assert_eq!(rate(&gateway.create_with_key("btc", GOOD, "").await).1, 1, "a malformed key counts");
    assert_eq!(rate(&gateway.create_with_key("btc", GOOD, "k").await).1, 1, "a replay does not");
    let too_large = gateway.create("btc", &" ".repeat(16_385)).await;
    assert_eq!(too_large.status, 413);
    assert_eq!(rate(&too_large), (10, 1, 500), "not counted, but it says where the limit stands");
    assert_eq!(rate(&gateway.create("doge", r#"{"amount":10}"#).await).1, 0);
    // Full: nothing gets in, and asking does not lengthen the wait.
    let refused = gateway.create("nope", "{").await;
    assert_limited(&refused, "500");
    assert_eq!(rate(&refused), (10, 0, 500));
    gateway.advance(499).await;
    assert_limited(&gateway.create("btc", GOOD).await, "1");
    // These win over the limit.
    let replay = gateway.create_with_key("btc", GOOD, "k").await;
    assert_eq!((replay.status.as_u16(), rate(&replay).1), (200, 0));
    assert_eq!(gateway.create_with_key("btc", "{}", "k").await.status, 409);
    assert_eq!(gateway.create_with_key("btc", GOOD, "").await.member("code"), "invalid_idempotency_key");
    assert_eq!(gateway.create("btc", &" ".repeat(16_385)).await.status, 413);
    // The first has left the window; the nine others have not.
    gateway.advance(1).await;
    assert_eq!(gateway.create("btc", GOOD).await.status, 200);
    assert_limited(&gateway.create("btc", GOOD).await, "100");
    gateway.advance(100).await;
    assert_eq!(rate(&gateway.create("btc", GOOD).await).1, 8);
    gateway.stop().await;
}

#[tokio::test]
async fn keys_count_apart_and_nothing_else_is_limited() {
    let gateway = TestGateway::start_with(strict()).await;
    for _ in 0..10 {
        assert_eq!(gateway.create("btc", "{}").await.status, 400);
    }
    assert_eq!(gateway.create("btc", "{}").await.status, 429);
    // Another key of the same account.
    let second = gateway.issue_key("ana").await;
    let reply = gateway.send("POST", "/api/transaction/create/btc", &[("x-api-key", &second)], GOOD).await;
    assert_eq!(rate(&reply), (10, 9, 600));
    for _ in 0..12 {
        assert_eq!(gateway.get("/api/transaction/limits/btc").await.status, 200);
        assert_eq!(gateway.post("/api/check-balance", "").await.status, 200);
        assert_eq!(gateway.send("POST", "/api/check-balance", &[], "").await.status, 401);
        assert_eq!(gateway.get("/api/transaction/status/btc/x").await.status, 404);
    }
    gateway.stop().await;
}

#[tokio::test]
async fn without_a_key_the_address_counts() {
    let mut options = strict();
    options.http = HttpConfig { trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()], ..options.http };
    let gateway = TestGateway::start_with(options).await;
    let from = async |ip: &str, key: Option<&str>, path: &str| {
        let mut headers = vec![("x-forwarded-for", ip)];
        headers.extend(key.map(|k| ("x-api-key", k)));
        gateway.send("POST", path, &headers, GOOD).await
    };
    let btc = "/api/transaction/create/btc";
    for n in 0..10 {
        let (key, code) =
            if n % 2 == 0 { (None, "missing_api_key") } else { (Some("wrong"), "invalid_api_key") };
        let path = if n % 3 == 0 { btc } else { "/api/transaction/create/nope" };
        let reply = from("203.0.113.7", key, path).await;
        reply.assert_error(401, "Incorrect API key", code);
        assert_eq!(reply.header("ratelimit-limit"), None);
    }
    gateway.advance(60).await;
    let reply = from("203.0.113.7", None, btc).await;
    assert_limited(&reply, "540");
    assert_eq!(reply.header("www-authenticate"), None);
    // What the client claims further left changes nothing.
    assert_limited(&from("198.51.100.1, 203.0.113.7", Some("wrong"), btc).await, "540");
    // Another address, and a valid key from the same one, are not concerned.
    assert_eq!(from("203.0.113.8", None, btc).await.status, 401);
    assert_eq!(rate(&from("203.0.113.7", Some(&gateway.key), btc).await), (10, 9, 600));
    gateway.advance(540).await;
    assert_eq!(from("203.0.113.7", None, btc).await.status, 401);
    gateway.stop().await;
}

#[tokio::test]
async fn an_untrusted_client_cannot_choose_its_address() {
    let gateway = TestGateway::start_with(strict()).await;
    for n in 0..11 {
        let ip = format!("203.0.113.{n}");
        let reply =
            gateway.send("POST", "/api/transaction/create/btc", &[("x-forwarded-for", &ip)], GOOD).await;
        assert_eq!(reply.status, if n < 10 { 401 } else { 429 });
    }
    gateway.stop().await;
}

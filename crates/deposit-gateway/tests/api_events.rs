//! Live status over real sockets: `GET /api/transaction/status/events`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice
)]

mod common;
mod sse;

use std::time::{Duration, Instant};

use common::{Options, TestGateway};
use deposit_core::Timestamp;
use deposit_gateway::http::HttpConfig;
use deposit_store::prelude::*;
use sse::{Block, End, Stream};

/// A silence short enough to wait for.
const SILENCE: Duration = Duration::from_millis(120);

fn path(ticker: &str, id: &str) -> String {
    format!("/api/transaction/status/events?ticker={ticker}&txId={id}")
}

async fn open(gateway: &TestGateway, id: &str) -> Stream {
    let key = [("x-api-key", gateway.key.as_str())];
    let stream = Stream::open(gateway.address, &path("BTC", id), &key).await.unwrap();
    assert_eq!(stream.status, 200);
    stream
}

async fn resume(gateway: &TestGateway, id: &str, last: &str) -> Stream {
    let headers = [("x-api-key", gateway.key.as_str()), ("last-event-id", last)];
    Stream::open(gateway.address, &path("BTC", id), &headers).await.unwrap()
}

async fn created(gateway: &TestGateway) -> String {
    let reply = gateway.create("btc", r#"{"amount":0.004}"#).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.member("txId")
}

/// Pays the rest, seen or confirmed.
async fn pay(gateway: &TestGateway, id: &str, more: &str) -> String {
    let paid = gateway.control("/btcpay/pay", &format!(r#"{{"ref":"{id}"{more}}}"#)).await;
    paid["payment"].as_str().unwrap().to_owned()
}

async fn with_silence(silence: Duration) -> TestGateway {
    let options = Options::default();
    let http = HttpConfig { keep_alive: silence, ..options.http.clone() };
    TestGateway::start_with(Options { http, ..options }).await
}

#[tokio::test]
async fn the_stream_of_a_deposit_byte_by_byte() {
    let gateway = TestGateway::start().await;
    let id = created(&gateway).await;
    let mut stream = open(&gateway, &id).await;
    let header = |name: &str| stream.headers.get(name).map(|value| value.to_str().unwrap());
    assert_eq!(header("content-type"), Some("text/event-stream"));
    assert_eq!(header("cache-control"), Some("no-cache"));
    assert_eq!(header("x-accel-buffering"), Some("no"));
    assert!(header("x-request-id").is_some());

    let mut expected = "retry: 5000\n\n".to_owned();
    let mut show = |n: u64, status: String| expected.push_str(&format!("id: {n}\ndata: {status}\n\n"));
    assert_eq!(stream.block().await, Ok(Block::Other("retry: 5000".to_owned())));
    assert_eq!(stream.event().await.unwrap().0, 1);
    show(1, gateway.status("btc", &id).await.body);

    let payment = pay(&gateway, &id, r#","stage":"seen""#).await;
    let (n, data) = stream.event().await.unwrap();
    assert_eq!((n, &data["status"]), (2, &"Processing".into()));
    show(2, gateway.status("btc", &id).await.body);

    // Whoever comes now begins here.
    let mut late = open(&gateway, &id).await;
    assert_eq!(late.event().await.unwrap(), (n, data));

    pay(&gateway, &id, &format!(r#","payment":"{payment}","stage":"confirmed""#)).await;
    let done = gateway.wait_for("btc", &id, "Completed").await;
    show(3, done.body);
    assert_eq!(stream.rest().await, (expected, End::Clean));
    let (n, data) = late.event().await.unwrap();
    assert_eq!((n, &data["status"], &data["creditedUsd"]), (3, &"Completed".into(), &200.into()));
    assert_eq!(late.block().await, Err(End::Clean));

    // It is over, and a new reader is told just that.
    let mut after = open(&gateway, &id).await;
    assert_eq!(after.event().await.unwrap(), (3, data));
    assert_eq!(after.block().await, Err(End::Clean));
    assert_eq!(gateway.engine.followed(), 0);
    gateway.stop().await;
}

#[tokio::test]
async fn a_client_goes_on_after_the_last_event_that_it_has() {
    let gateway = TestGateway::start().await;
    let id = created(&gateway).await;
    let payment = pay(&gateway, &id, r#","stage":"seen""#).await;
    gateway.wait_for("btc", &id, "Processing").await;

    let mut first = resume(&gateway, &id, "1").await;
    assert_eq!(first.event().await.unwrap().0, 2);
    let mut all = resume(&gateway, &id, "0").await;
    assert_eq!((all.event().await.unwrap().0, all.event().await.unwrap().0), (1, 2));
    let mut nothing_new = resume(&gateway, &id, "2").await;
    assert_eq!(nothing_new.block().await, Ok(Block::Other("retry: 5000".to_owned())));
    // Numbers that no stream of ours ever sent: the present state.
    for odd in ["3", "18446744073709551616", "-1", "x", "1 or 2", ""] {
        assert_eq!(resume(&gateway, &id, odd).await.event().await.unwrap().0, 2, "{odd}");
    }

    pay(&gateway, &id, &format!(r#","payment":"{payment}","stage":"confirmed""#)).await;
    for mut stream in [first, all, nothing_new] {
        assert_eq!(stream.event().await.unwrap().0, 3);
        assert_eq!(stream.block().await, Err(End::Clean));
    }
    // Delivered already: a browser stops at 204.
    let over = resume(&gateway, &id, "3").await;
    assert_eq!(over.status, 204);
    assert_eq!(over.headers.get("content-type"), None);
    assert_eq!(over.rest().await, (String::new(), End::Clean));
    let mut behind = resume(&gateway, &id, "1").await;
    assert_eq!((behind.event().await.unwrap().0, behind.event().await.unwrap().0), (2, 3));
    assert_eq!(behind.block().await, Err(End::Clean));
    gateway.stop().await;
}

#[tokio::test]
async fn a_reversal_after_completion_is_news_to_whoever_comes_back() {
    let gateway = TestGateway::start().await;
    let id = created(&gateway).await;
    pay(&gateway, &id, "").await;
    gateway.wait_for("btc", &id, "Completed").await;
    gateway.control("/btcpay/scenario", &format!(r#"{{"ref":"{id}","name":"reorg"}}"#)).await;
    // No provider tells of a reorganisation by itself in time; polling finds it.
    gateway.engine.observe(&id.parse().unwrap(), None).await.unwrap();
    assert_eq!(gateway.status("btc", &id).await.member("reversed"), "true");
    let history = gateway.store.history(&id.parse().unwrap(), 0).await.unwrap();
    let completed = history.iter().find(|row| row.status.to_string() == "Completed").unwrap().n;
    let newest = history.last().unwrap().n;
    assert!(newest > completed);
    let mut back = resume(&gateway, &id, &completed.to_string()).await;
    assert_eq!(back.status, 200);
    for n in completed + 1..=newest {
        let (number, data) = back.event().await.unwrap();
        assert_eq!((number, &data["status"]), (n, &"Completed".into()));
        assert_eq!(data["reversed"] == true, n == newest, "{data}");
    }
    assert_eq!(back.block().await, Err(End::Clean));
    assert_eq!(resume(&gateway, &id, &newest.to_string()).await.status, 204);
    gateway.stop().await;
}

#[tokio::test]
async fn every_error_and_which_one_wins() {
    let gateway = TestGateway::start().await;
    let id = created(&gateway).await;
    let other = gateway.issue_key("ben").await;
    let key = gateway.key.clone();
    let good = format!("?ticker=btc&txId={id}");
    let ask = async |key: &str, query: &str| {
        let headers: &[(&str, &str)] = if key.is_empty() { &[] } else { &[("x-api-key", key)] };
        gateway.send("GET", &format!("/api/transaction/status/events{query}"), headers, "").await
    };
    ask("", "").await.assert_error(401, "Incorrect API key", "missing_api_key");
    ask("dep_x_y", &good).await.assert_error(401, "Incorrect API key", "invalid_api_key");
    ask("", &format!("{good}&api_key={key}")).await.assert_error(401, "Incorrect API key", "missing_api_key");
    let missing = ["", "?", "?ticker=btc", &format!("?txId={id}"), "?ticker=&txId=x", "?ticker=nope&txId="];
    for query in missing.into_iter().chain(["?TICKER=btc&txid=x", "?ticker=nope"]) {
        ask(&key, query).await.assert_error(400, "Missing ticker or txId", "missing_parameter");
    }
    for query in ["?ticker=nope&txId=x", "?ticker=%ff&txId=!", "?txId=!&ticker=b%20tc"] {
        ask(&key, query).await.assert_error(400, "Unsupported ticker", "unsupported_ticker");
    }
    let long = format!("?ticker=btc&txId={}", "a".repeat(256));
    for query in ["?ticker=btc&txId=!", "?ticker=btc&txId=a+b", "?ticker=ltc&txId=a%2Fb", &long] {
        ask(&key, query).await.assert_error(400, "Invalid transaction ID", "invalid_tx_id");
    }
    for query in ["?ticker=btc&txId=unknown", &format!("?ticker=ltc&txId={id}")] {
        ask(&key, query).await.assert_error(404, "Transaction not found", "not_found");
    }
    ask(&other, &good).await.assert_error(404, "Transaction not found", "not_found");
    let posted = gateway.post(&format!("/api/transaction/status/events{good}"), "").await;
    posted.assert_error(405, "Method not allowed", "method_not_allowed");
    assert_eq!(posted.header("allow"), Some("GET,HEAD"));
    assert_eq!(gateway.engine.followed(), 0);
    gateway.stop().await;
}

#[tokio::test]
async fn ids_of_the_provider_and_escapes_are_understood() {
    let gateway = TestGateway::start().await;
    let id = created(&gateway).await;
    let invoice = gateway.truth().await[0]["ref"].as_str().unwrap().to_owned();
    assert_ne!(invoice, id);
    let escaped = format!("%{:02x}{}", id.as_bytes()[0], &id[1..]);
    for (ticker, text) in [("bTc", invoice.as_str()), ("%42tc", escaped.as_str())] {
        let bearer = format!("Bearer {}", gateway.key);
        let path = format!("/api/transaction/status/events?x=1&txId={text}&ticker={ticker}");
        let mut stream =
            Stream::open(gateway.address, &path, &[("authorization", bearer.as_str())]).await.unwrap();
        let (n, data) = stream.event().await.unwrap();
        assert_eq!((n, data["txId"].as_str().unwrap()), (1, id.as_str()));
    }
    gateway.stop().await;
}

#[tokio::test]
async fn silence_is_broken_by_comments() {
    assert_eq!(HttpConfig::default().keep_alive, Duration::from_secs(15));
    let gateway = with_silence(SILENCE).await;
    let id = created(&gateway).await;
    let mut stream = open(&gateway, &id).await;
    stream.event().await.unwrap();
    let since = Instant::now();
    for _ in 0..3 {
        assert_eq!(stream.block().await, Ok(Block::Other(": ping".to_owned())));
    }
    assert!(since.elapsed() >= SILENCE * 2, "{:?}", since.elapsed());
    pay(&gateway, &id, "").await;
    let mut last = 1;
    while let Ok((n, _)) = stream.event().await {
        assert!(n > last);
        last = n;
    }
    assert!(last >= 2);
    gateway.stop().await;
}

#[tokio::test]
async fn a_deposit_at_rest_is_let_go_after_an_hour() {
    let gateway = with_silence(Duration::from_millis(30)).await;
    let id = created(&gateway).await;
    let mut stream = open(&gateway, &id).await;
    assert_eq!(stream.event().await.unwrap().0, 1);
    gateway.advance(3600).await;
    gateway.engine.run_timers().await.unwrap();
    let (mut last, data) = stream.event().await.unwrap();
    assert_eq!(data["status"], "Expired");
    let mut pings = async |stream: &mut Stream| {
        for _ in 0..4 {
            match stream.block().await? {
                Block::Event { id, .. } => last = id,
                Block::Other(text) => assert_eq!(text, ": ping"),
            }
        }
        Ok::<(), End>(())
    };
    pings(&mut stream).await.unwrap();
    gateway.advance(3599).await;
    pings(&mut stream).await.unwrap();
    // One who came in the middle has an hour of its own.
    let mut fresh = open(&gateway, &id).await;
    fresh.event().await.unwrap();
    gateway.advance(1).await;
    let (text, end) = stream.rest().await;
    assert_eq!(end, End::Clean);
    assert!(!text.contains("Completed"));
    pings(&mut fresh).await.unwrap();
    // It may still be paid.
    pay(&gateway, &id, "").await;
    loop {
        match fresh.event().await {
            Ok((n, data)) => {
                assert!(n > last);
                last = n;
                if data["status"] == "Completed" {
                    assert_eq!(data["late"], true);
                }
            }
            Err(end) => break assert_eq!(end, End::Clean),
        }
    }
    assert_eq!(gateway.status("btc", &id).await.member("status"), "Completed");
    gateway.stop().await;
}

#[tokio::test]
async fn head_is_answered_and_holds_nothing() {
    let gateway = TestGateway::start().await;
    let id = created(&gateway).await;
    let asked = format!(
        "HEAD {} HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\n\r\nGET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        path("btc", &id),
        gateway.key
    );
    let answer = gateway.raw(asked.as_bytes()).await;
    let (head, rest) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("content-type: text/event-stream"), "{head}");
    // The connection goes on with the next request: no body stands in between.
    assert!(rest.starts_with("HTTP/1.1 200 OK\r\n"), "{rest}");
    assert_eq!(gateway.engine.followed(), 0);
    gateway.stop().await;
}

#[tokio::test]
async fn a_client_that_goes_is_noticed() {
    let gateway = TestGateway::start().await;
    let id = created(&gateway).await;
    let mut streams = Vec::new();
    for _ in 0..5 {
        let mut stream = open(&gateway, &id).await;
        stream.event().await.unwrap();
        streams.push(stream);
    }
    assert_eq!(gateway.engine.followed(), 1);
    drop(streams);
    gone(&gateway).await;
    gateway.stop().await;
}

/// Nobody follows anything any more; real time, since the news travels over real sockets.
async fn gone(gateway: &TestGateway) {
    for _ in 0..400 {
        if gateway.engine.followed() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("a stream is still open");
}

#[tokio::test]
async fn a_revoked_key_sees_no_more() {
    let gateway = with_silence(SILENCE).await;
    let id = created(&gateway).await;
    let mut stream = open(&gateway, &id).await;
    stream.event().await.unwrap();
    assert_eq!(stream.block().await, Ok(Block::Other(": ping".to_owned())));
    let key_id = gateway.key.split('_').nth(1).unwrap();
    assert!(gateway.store.revoke_api_key(key_id, Timestamp::from_secs(common::START)).await.unwrap());
    let (_, end) = stream.rest().await;
    assert_eq!(end, End::Clean);
    assert_eq!(resume(&gateway, &id, "1").await.status, 401);
    gateway.stop().await;
}

#[tokio::test]
async fn streams_are_bounded_and_leave_room_for_requests() {
    let options = Options::default();
    let http = HttpConfig {
        max_connections: 12,
        max_streams: 3,
        max_streams_per_account: 2,
        ..options.http.clone()
    };
    let gateway = TestGateway::start_with(Options { http, ..options }).await;
    let id = created(&gateway).await;
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut stream = open(&gateway, &id).await;
        stream.event().await.unwrap();
        streams.push(stream);
    }
    let refused = gateway.get(&path("btc", &id)).await;
    refused.assert_error(429, "Too many requests, please try again later", "rate_limit_exceeded");
    assert_eq!(refused.header("retry-after"), Some("30"));

    let key = gateway.issue_key("ben").await;
    let create = |key: String| {
        let gateway = &gateway;
        async move {
            let url = "/api/transaction/create/btc";
            let reply = gateway.send("POST", url, &[("x-api-key", &key)], r#"{"amount":0.004}"#).await;
            reply.member("txId")
        }
    };
    let other = create(key.clone()).await;
    let mut third =
        Stream::open(gateway.address, &path("btc", &other), &[("x-api-key", &key)]).await.unwrap();
    third.event().await.unwrap();
    let full = gateway.send("GET", &path("btc", &other), &[("x-api-key", &key)], "").await;
    full.assert_error(503, "Too many open event streams", "too_many_streams");
    assert_eq!(full.header("retry-after"), Some("30"));
    assert!(gateway.get("/metrics").await.body.contains("\ndeposit_event_streams 3\n"));
    // Everything else goes on.
    assert_eq!(gateway.status("btc", &id).await.status, 200);

    drop((streams, third));
    gone(&gateway).await;
    open(&gateway, &id).await.event().await.unwrap();
    gateway.stop().await;
}

#[tokio::test]
async fn streams_end_when_the_server_stops() {
    let gateway = TestGateway::start().await;
    let id = created(&gateway).await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        let mut stream = open(&gateway, &id).await;
        stream.event().await.unwrap();
        streams.push(stream);
    }
    let since = Instant::now();
    gateway.begin_shutdown();
    for stream in streams {
        let (text, end) = stream.rest().await;
        assert_eq!(end, End::Clean, "{text}");
    }
    gateway.stop().await;
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
}

#[tokio::test]
async fn a_client_finds_its_place_after_a_restart() {
    let gateway = TestGateway::start().await;
    let id = created(&gateway).await;
    let payment = pay(&gateway, &id, r#","stage":"seen""#).await;
    let mut stream = open(&gateway, &id).await;
    let mut last = 0;
    while last < 2 {
        last = stream.event().await.unwrap().0;
    }
    let gateway = gateway.restart().await;
    assert_eq!(stream.rest().await.1, End::Clean);
    let mut stream = resume(&gateway, &id, &last.to_string()).await;
    pay(&gateway, &id, &format!(r#","payment":"{payment}","stage":"confirmed""#)).await;
    assert_eq!(stream.event().await.unwrap().0, 3);
    assert_eq!(stream.block().await, Err(End::Clean));
    gateway.stop().await;
}

//! Section 5 and "which error wins", over a real socket.
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

use common::{Options, TestGateway};
use deposit_store::Store as _;

const BTC: &str = "/api/transaction/create/btc";

#[tokio::test]
async fn every_client_error_of_create() {
    let gateway = TestGateway::start().await;
    let positive = "Invalid amount. Must be a positive number.";
    let precision = "Invalid amount. BTC has at most 8 decimals.";
    let nines = "9".repeat(6000);
    let huge = format!(r#"{{"amount":{nines}}}"#);
    let fine = format!(r#"{{"amount":0.{}1}}"#, "0".repeat(6000));
    let rows: &[(&str, &str, u16, &str, &str)] = &[
        ("btc", "", 400, "No amount specified", "amount_missing"),
        ("btc", " \n", 400, "No amount specified", "amount_missing"),
        ("btc", "null", 400, "No amount specified", "amount_missing"),
        ("btc", "{}", 400, "No amount specified", "amount_missing"),
        ("btc", r#"{"amount":null}"#, 400, "No amount specified", "amount_missing"),
        ("btc", r#"{"amount":0}"#, 400, positive, "invalid_amount"),
        ("btc", r#"{"amount":-0.0}"#, 400, positive, "invalid_amount"),
        ("btc", r#"{"amount":-1}"#, 400, positive, "invalid_amount"),
        ("btc", r#"{"amount":"0.001"}"#, 400, positive, "invalid_amount"),
        ("btc", r#"{"amount":true}"#, 400, positive, "invalid_amount"),
        ("btc", r#"{"amount":[0.001]}"#, 400, positive, "invalid_amount"),
        ("btc", r#"{"amount":{}}"#, 400, positive, "invalid_amount"),
        ("btc", r#"{"amount":0.000400001}"#, 400, precision, "amount_precision"),
        ("btc", r#"{"amount":1e-9}"#, 400, precision, "amount_precision"),
        ("btc", r#"{"amount":123456789.123456789}"#, 400, precision, "amount_precision"),
        ("btc", &fine, 400, precision, "amount_precision"),
        ("btc", r#"{"amount":0.00000199}"#, 400, "Minimum amount is 0.000002", "amount_below_minimum"),
        ("btc", r#"{"amount":0.01000001}"#, 400, "Maximum amount is 0.01", "amount_above_maximum"),
        ("btc", r#"{"amount":1e400}"#, 400, "Maximum amount is 0.01", "amount_above_maximum"),
        ("btc", &huge, 400, "Maximum amount is 0.01", "amount_above_maximum"),
        ("ltc", r#"{"amount":0.001}"#, 400, "Minimum amount is 0.00125", "amount_below_minimum"),
        ("nope", r#"{"amount":1}"#, 400, "Unsupported ticker", "unsupported_ticker"),
        ("xno", r#"{"amount":1}"#, 400, "Unsupported ticker", "unsupported_ticker"),
        ("b%74c%00", r#"{"amount":1}"#, 400, "Unsupported ticker", "unsupported_ticker"),
        ("%ff", r#"{"amount":1}"#, 400, "Unsupported ticker", "unsupported_ticker"),
        ("btc", "{", 400, "Invalid JSON in request body", "invalid_json"),
        ("btc", "[]", 400, "Invalid JSON in request body", "invalid_json"),
        ("btc", "\"x\"", 400, "Invalid JSON in request body", "invalid_json"),
        ("btc", "0.001", 400, "Invalid JSON in request body", "invalid_json"),
        ("btc", r#"{"amount":.5}"#, 400, "Invalid JSON in request body", "invalid_json"),
        ("btc", r#"{"amount":NaN}"#, 400, "Invalid JSON in request body", "invalid_json"),
        ("btc", r#"{"amount":0.001,"amount":0.002}"#, 400, "Invalid JSON in request body", "invalid_json"),
        (
            "kas",
            r#"{"amount":200}"#,
            500,
            "This payment method is currently not available",
            "payment_method_unavailable",
        ),
        (
            "usd",
            r#"{"amount":10}"#,
            500,
            "This payment method is currently not available",
            "payment_method_unavailable",
        ),
        (
            "daimo/usdc",
            r#"{"amount":10}"#,
            500,
            "This payment method is currently not available",
            "payment_method_unavailable",
        ),
        ("daimo/btc", r#"{"amount":0.001}"#, 400, "Unsupported ticker", "unsupported_ticker"),
        ("daimo/kas", r#"{"amount":200}"#, 400, "Unsupported ticker", "unsupported_ticker"),
        ("daimo/nope", r#"{"amount":200}"#, 400, "Unsupported ticker", "unsupported_ticker"),
    ];
    for (ticker, body, status, error, code) in rows {
        let reply = gateway.create(ticker, body).await;
        eprintln!("{ticker} {} -> {}", body.get(..40).unwrap_or(body), reply.body);
        reply.assert_error(*status, error, code);
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        assert!(reply.header("x-request-id").is_some());
        assert!(reply.header("ratelimit-limit").is_some());
    }
    let xno = gateway.create("XNO", "{}").await;
    assert!(xno.member("details").contains("nanoDepositAddress"), "{}", xno.body);
    // Nothing was half-written.
    assert!(gateway.truth().await.is_empty());
    gateway.stop().await;
}

#[tokio::test]
async fn hostile_bodies() {
    let gateway = TestGateway::start().await;
    let deep = "[".repeat(16_000);
    gateway.create("btc", &deep).await.assert_error(400, "Invalid JSON in request body", "invalid_json");
    let deep = format!(r#"{{"x":{}{},"amount":0.0004}}"#, "[".repeat(8000), "]".repeat(8000));
    assert_eq!(gateway.create("btc", &deep).await.status, 200);
    let reply = gateway.post(BTC, b"{\"amount\":0.0004,\"x\":\"\xff\"}".to_vec()).await;
    reply.assert_error(400, "Invalid JSON in request body", "invalid_json");
    // Spellings of the same number.
    for text in ["4e-4", "0.00040", "0.4E-3", "4.0e-04", "40000e-8"] {
        let reply = gateway.create("BTC", &format!(r#"{{"amount":{text}}}"#)).await;
        assert_eq!(reply.status, 200, "{text}: {}", reply.body);
        assert!(reply.body.contains(r#""amount":0.0004,"#), "{}", reply.body);
    }
    let padded = format!(r#"{{"amount":0.0004{}}}"#, "0".repeat(8000));
    assert_eq!(gateway.create("BTC", &padded).await.status, 200);
    gateway.stop().await;
}

#[tokio::test]
async fn bodies_are_at_most_16_kib() {
    let gateway = TestGateway::start().await;
    let sized = |n: usize| {
        let mut body = r#"{"amount":0.0004}"#.to_owned();
        body.push_str(&" ".repeat(n - body.len()));
        body
    };
    assert_eq!(gateway.create("btc", &sized(16_384)).await.status, 200);
    let too_large =
        |reply: common::Reply| reply.assert_error(413, "Request body too large", "body_too_large");
    too_large(gateway.create("btc", &sized(16_385)).await);
    too_large(gateway.create("nope", &sized(200_000)).await);
    too_large(gateway.create_with_key("btc", &sized(16_385), "").await);
    too_large(gateway.post("/api/check-balance", sized(16_385)).await);
    // Without a key the size does not matter.
    let reply = gateway.send("POST", BTC, &[], sized(1_000_000)).await;
    reply.assert_error(401, "Incorrect API key", "missing_api_key");
    // Chunked, without Content-Length, and one that lies.
    let head = |more: &str| {
        format!("POST {BTC} HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\n{more}\r\n\r\n", gateway.key)
    };
    let chunked = format!("{}4001\r\n{}\r\n0\r\n\r\n", head("transfer-encoding: chunked"), sized(16_385));
    assert!(gateway.raw(chunked.as_bytes()).await.starts_with("HTTP/1.1 413"));
    let chunked = format!("{}4000\r\n{}\r\n0\r\n\r\n", head("transfer-encoding: chunked"), sized(16_384));
    assert!(gateway.raw(chunked.as_bytes()).await.starts_with("HTTP/1.1 200"));
    let lying = format!("{}{}", head("content-length: 99999999999"), r#"{"amount":0.0004}"#);
    assert!(gateway.raw(lying.as_bytes()).await.starts_with("HTTP/1.1 413"));
    gateway.stop().await;
}

#[tokio::test]
async fn unknown_paths_then_methods_then_keys() {
    let gateway = TestGateway::start().await;
    for path in [
        "/",
        "/api",
        "/api/transaction/create",
        "/api/transaction/create/",
        "/api/transaction/create/btc/",
        "/api/transaction/create/boomfi/btc",
        "/api/transaction/create/daimo/usdc/x",
        "/api//transaction/create/btc",
        "/api/transaction/status/btc",
        "/api/transaction/cancel/btc/x",
        "/api/check-nano-balance",
        "/api/check-balance/",
        "/API/check-balance",
        "/healthz/",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            gateway.send(method, path, &[], "").await.assert_error(404, "Not found", "not_found");
        }
    }
    for (method, path, allow) in [
        ("GET", BTC, "POST"),
        ("PUT", BTC, "POST"),
        ("OPTIONS", BTC, "POST"),
        ("GET", "/api/transaction/create/daimo/usdc", "POST"),
        ("POST", "/api/transaction/limits/btc", "GET,HEAD"),
        ("POST", "/api/transaction/status/btc/x", "GET,HEAD"),
        ("GET", "/api/check-balance", "POST"),
        ("GET", "/webhooks/btcpay", "POST"),
        ("POST", "/healthz", "GET,HEAD"),
    ] {
        let reply = gateway.send(method, path, &[], "").await;
        reply.assert_error(405, "Method not allowed", "method_not_allowed");
        assert_eq!(reply.header("allow"), Some(allow), "{method} {path}");
    }
    for (method, path) in [
        ("POST", "/api/transaction/create/nope"),
        ("GET", "/api/transaction/limits/nope"),
        ("GET", "/api/transaction/status/nope/!!"),
        ("POST", "/api/check-balance"),
    ] {
        let reply = gateway.send(method, path, &[], "").await;
        reply.assert_error(401, "Incorrect API key", "missing_api_key");
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
        let reply = gateway.send(method, path, &[("x-api-key", "dep_a_b")], "").await;
        reply.assert_error(401, "Incorrect API key", "invalid_api_key");
        // Keys in the URL are never read.
        let query = format!("{path}?api_key={0}&x-api-key={0}&key={0}", gateway.key);
        gateway.send(method, &query, &[], "").await.assert_error(401, "Incorrect API key", "missing_api_key");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn keys_in_either_header() {
    let gateway = TestGateway::start().await;
    let other = gateway.issue_key("ben").await;
    let path = "/api/transaction/limits/btc";
    let bearer = format!("bEaReR {}", gateway.key);
    let get = async |headers: &[(&str, &str)]| gateway.send("GET", path, headers, "").await;
    assert_eq!(get(&[("authorization", &bearer)]).await.status, 200);
    assert_eq!(get(&[("X-API-KEY", &gateway.key)]).await.status, 200);
    assert_eq!(get(&[("authorization", &bearer), ("x-api-key", &gateway.key)]).await.status, 200);
    let invalid = |reply: common::Reply| reply.assert_error(401, "Incorrect API key", "invalid_api_key");
    invalid(get(&[("authorization", &bearer), ("x-api-key", &other)]).await);
    invalid(get(&[("x-api-key", &format!("{}x", gateway.key))]).await);
    let id = gateway.key.split('_').nth(1).unwrap();
    assert!(gateway.store.revoke_api_key(id, gateway.engine.now()).await.unwrap());
    invalid(get(&[("authorization", &bearer)]).await);
    gateway.stop().await;
}

/// Each row breaks two rules; the one that wins is the contract's.
#[tokio::test]
async fn which_error_wins() {
    let gateway = TestGateway::start().await;
    let big = " ".repeat(16_385);
    let key = gateway.key.clone();
    let send = async |path: &str, idempotency: Option<&str>, body: &str| {
        let mut headers = vec![("x-api-key", key.as_str())];
        headers.extend(idempotency.map(|k| ("idempotency-key", k)));
        gateway.send("POST", path, &headers, body.to_owned()).await.member("code")
    };
    let too_long = "k".repeat(256);
    assert_eq!(send("/api/transaction/create/nope/x", Some(""), &big).await, "not_found");
    assert_eq!(send(BTC, Some(""), &big).await, "body_too_large");
    assert_eq!(send("/api/transaction/create/nope", Some(""), "{").await, "invalid_idempotency_key");
    assert_eq!(send(BTC, Some(&too_long), "{").await, "invalid_idempotency_key");
    assert_eq!(send("/api/transaction/create/nope", None, "{").await, "unsupported_ticker");
    assert_eq!(send("/api/transaction/create/kas", None, "{").await, "payment_method_unavailable");
    assert_eq!(send(BTC, None, "[").await, "invalid_json");
    assert_eq!(send(BTC, None, r#"{"amount":-0.0000000001}"#).await, "invalid_amount");
    assert_eq!(send(BTC, None, r#"{"amount":0.0000000001}"#).await, "amount_precision");
    assert_eq!(send(BTC, None, r#"{"amount":99999.0000000001}"#).await, "amount_precision");
    gateway.faults(r#"{"down":true}"#).await;
    assert_eq!(send(BTC, None, r#"{"amount":99999}"#).await, "amount_above_maximum");
    assert_eq!(send(BTC, None, r#"{"amount":0.0004}"#).await, "payment_method_unavailable");
    // Down, but not known to be: the refusal of a proxy is a certain answer, a cut connection is not.
    assert_eq!(send(BTC, None, "{").await, "invalid_json");
    gateway.faults(r#"{"status_429":true}"#).await;
    assert_eq!(send(BTC, None, r#"{"amount":0.0004}"#).await, "payment_method_unavailable");
    assert_eq!(send(BTC, None, "{").await, "payment_method_unavailable");
    // A replay wins over everything that comes after it.
    gateway.faults("{}").await;
    gateway.advance(60).await;
    assert_eq!(gateway.create_with_key("btc", "{", "k1").await.member("code"), "invalid_json");
    assert_eq!(send(BTC, Some("k1"), r#"{"amount":0.0004}"#).await, "idempotency_conflict");
    gateway.stop().await;
}

#[tokio::test]
async fn status_errors_in_their_order() {
    let gateway = TestGateway::start().await;
    let long = "a".repeat(256);
    let unsupported = gateway.status("nope", "!!").await;
    unsupported.assert_error(400, "Unsupported ticker", "unsupported_ticker");
    for bad in ["a.b", "a%20b", "%00", &long, "%2e%2e%2f", "%ff"] {
        gateway.status("btc", bad).await.assert_error(400, "Invalid transaction ID", "invalid_tx_id");
    }
    let created = gateway.create("btc", r#"{"amount":0.0004}"#).await;
    let id = created.member("txId");
    for (ticker, id) in
        [("btc", "unknown"), ("btc", &long[..255]), ("ltc", id.as_str()), ("kas", id.as_str())]
    {
        gateway.status(ticker, id).await.assert_error(404, "Transaction not found", "not_found");
    }
    let other = gateway.issue_key("ben").await;
    let path = format!("/api/transaction/status/btc/{id}");
    let reply = gateway.send("GET", &path, &[("x-api-key", &other)], "").await;
    reply.assert_error(404, "Transaction not found", "not_found");
    assert_eq!(gateway.status("BtC", &id).await.status, 200);
    gateway.stop().await;
}

#[tokio::test]
async fn request_ids_and_head_requests() {
    let gateway = TestGateway::start().await;
    let long = "x".repeat(128);
    for id in ["abc-123", "~!", &long] {
        let reply = gateway.send("GET", "/healthz", &[("x-request-id", id)], "").await;
        assert_eq!(reply.header("x-request-id"), Some(id));
    }
    let too_long = "x".repeat(129);
    for id in ["", "a b", &too_long] {
        let reply = gateway.send("GET", "/nope", &[("x-request-id", id)], "").await;
        assert_eq!(reply.header("x-request-id").unwrap().len(), 32, "{id}");
    }
    let head = gateway.send("HEAD", "/api/transaction/limits/btc", &[("x-api-key", &gateway.key)], "").await;
    assert_eq!((head.status.as_u16(), head.body.as_str()), (200, ""));
    gateway.stop().await;
}

#[tokio::test]
async fn without_a_provider_and_without_a_rate() {
    let gateway = TestGateway::start_with(Options { btcpay: false, ..Options::default() }).await;
    let unavailable = |reply: common::Reply| {
        reply.assert_error(
            500,
            "This payment method is currently not available",
            "payment_method_unavailable",
        );
    };
    unavailable(gateway.create("btc", "{").await);
    unavailable(gateway.get("/api/transaction/limits/btc").await);
    gateway.get("/api/transaction/limits/nope").await.assert_error(
        400,
        "Unsupported ticker",
        "unsupported_ticker",
    );
    gateway.status("btc", "unknown").await.assert_error(404, "Transaction not found", "not_found");
    gateway.stop().await;
    let gateway = TestGateway::start_with(Options { rates: &[], ..Options::default() }).await;
    unavailable(gateway.create("btc", r#"{"amount":0.0004}"#).await);
    unavailable(gateway.get("/api/transaction/limits/btc").await);
    gateway.stop().await;
}

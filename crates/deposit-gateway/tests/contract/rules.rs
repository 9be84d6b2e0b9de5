//! Sections 1 and 7: keys, bodies, tickers, headers, unknown paths and wrong methods.

use crate::harness::World;
use crate::row::{Call, Row, call, create, error, get, ok, post, raw, row, text, with};

const GOOD: &str = r#"{"amount":0.0004}"#;
const LIMITS: &str = "/api/transaction/limits/btc";
const BTC: &str = "/api/transaction/create/btc";

fn missing_key() -> crate::row::Want {
    error(401, "Incorrect API key", "missing_api_key").header("www-authenticate", "Bearer")
}

fn invalid_key() -> crate::row::Want {
    error(401, "Incorrect API key", "invalid_api_key").header("www-authenticate", "Bearer")
}

#[tokio::test]
async fn keys() {
    let world = World::start().await;
    let (key, other) = (world.key.clone(), world.issue_key("ana").await);
    let bearer = |word: &str| format!("{word} {key}");
    let limits = || get(LIMITS).anonymous();
    let mut rows = vec![
        row("1 Auth: Authorization: Bearer KEY", limits().header("Authorization", &bearer("Bearer")), ok()),
        row("1 Auth: the scheme's case", limits().header("authorization", &bearer("bearer")), ok()),
        row("1 Auth: the scheme's case", limits().header("AUTHORIZATION", &bearer("BEARER")), ok()),
        row("1 Auth: x-api-key: KEY", limits().header("x-api-key", &key), ok()),
        row("1 Auth: x-api-key: KEY", limits().header("X-API-Key", &key), ok()),
        row(
            "1 Auth: the same key in both",
            limits().header("authorization", &bearer("Bearer")).header("x-api-key", &key),
            ok(),
        ),
        row(
            "1 Auth: two differing keys: 401",
            limits().header("authorization", &bearer("Bearer")).header("x-api-key", &other),
            invalid_key(),
        ),
        row(
            "1 Auth: two differing keys, one of them wrong: 401",
            limits().header("authorization", "Bearer nonsense").header("x-api-key", &key),
            invalid_key(),
        ),
        row("5 missing_api_key: none", limits(), missing_key()),
        row("5 missing_api_key: an empty one", limits().header("x-api-key", ""), missing_key()),
        row(
            "5 missing_api_key: Bearer without one",
            limits().header("authorization", "Bearer "),
            missing_key(),
        ),
        row(
            "5 missing_api_key: another scheme",
            limits().header("authorization", "Basic azE6"),
            missing_key(),
        ),
        row("5 invalid_api_key: unknown", limits().header("x-api-key", "nonsense"), invalid_key()),
        row("5 invalid_api_key: cut", limits().header("x-api-key", &key[..key.len() - 1]), invalid_key()),
        row("5 invalid_api_key: longer", limits().header("x-api-key", &format!("{key}0")), invalid_key()),
        row("5 invalid_api_key: not ASCII", limits().header("x-api-key", "k\u{e9}y"), invalid_key()),
    ];
    for name in ["x-api-key", "api_key", "apiKey", "key", "token", "access_token", "authorization"] {
        let line = format!("1 Auth: keys in the URL are never read: {name}");
        rows.push(row(line, get(format!("{LIMITS}?{name}={key}")).anonymous(), missing_key()));
    }
    let keyed: [(Call, &str); 6] = [
        (create("btc", GOOD), "create"),
        (create("daimo/usdc", r#"{"amount":1}"#), "create/daimo"),
        (get(LIMITS), "limits"),
        (get("/api/transaction/status/btc/x"), "status"),
        (post("/api/check-balance"), "check-balance"),
        (get("/api/transaction/limits/nope"), "limits of an unknown ticker"),
    ];
    for (call, what) in keyed {
        rows.push(row(format!("1 Auth: on {what}"), call.clone().anonymous(), missing_key()));
        rows.push(row(format!("1 Auth: on {what}"), call.key("nonsense"), invalid_key()));
    }
    world.check(rows).await;
    // A key that was revoked, and a closed account's.
    let id = other.split('_').nth(1).unwrap();
    let engine = world.gateways[0].engine();
    assert!(engine.store().revoke_api_key(id, engine.now()).await.unwrap());
    let closed = world.issue_key("ben").await;
    world.check(vec![row("1 Auth: another account", limits().key(&closed), ok())]).await;
    engine.store().close_account(&"ben".parse().unwrap(), engine.now()).await.unwrap();
    world
        .check(vec![
            row("5 invalid_api_key: revoked", limits().key(&other), invalid_key()),
            row("5 invalid_api_key: a closed account's", limits().key(&closed), invalid_key()),
        ])
        .await;
    world.stop().await;
}

#[tokio::test]
async fn bodies_and_headers() {
    let world = World::start().await;
    let created = || with(vec![("amount", raw("0.0004")), ("ticker", text("BTC"))]);
    let mut rows: Vec<Row> = Vec::new();
    for kind in [
        "application/json",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "nonsense",
    ] {
        let call = create("btc", GOOD).header("content-type", kind);
        rows.push(row(format!("1 Body: Content-Type ignored: {kind}"), call, created()));
    }
    for body in [
        r#"{"amount":0.0004,"currency":"EUR","x":{"amount":7},"y":[1,2,{"amount":null}]}"#,
        r#"{"Amount":7,"AMOUNT":8,"amount":0.0004,"amounts":9}"#,
        " \r\n\t{ \"amount\" : 0.0004 }\n",
        r#"{"a\u006dount":0.0004}"#,
    ] {
        rows.push(row("1 Body: unknown members ignored", create("btc", body), created()));
    }
    for ticker in ["btc", "BTC", "Btc", "bTC", "b%74c"] {
        rows.push(row(
            "1 Tickers: case-insensitive in requests, upper case in answers",
            create(ticker, GOOD),
            created(),
        ));
    }
    rows.push(row("1 Tickers", create("BtC-lN", GOOD), with(vec![("ticker", text("BTC-LN"))])));
    for id in ["abc-123", "0", "a.b_c~d", &"x".repeat(128)] {
        let keeps = |call: Call, want: crate::row::Want| {
            row(
                "1 X-Request-ID: the client's is kept",
                call.header("X-Request-ID", id),
                want.header("x-request-id", id),
            )
        };
        rows.push(keeps(create("btc", GOOD), ok()));
        rows.push(keeps(get(LIMITS), ok()));
        rows.push(keeps(get(LIMITS).anonymous(), missing_key()));
        rows.push(keeps(get("/nope"), error(404, "Not found", "not_found")));
        rows.push(keeps(get(BTC), error(405, "Method not allowed", "method_not_allowed")));
    }
    for call in [create("btc", GOOD), get(LIMITS), post("/api/check-balance")] {
        rows.push(row(
            "1 Cache-Control: no-store by default",
            call,
            ok().header("cache-control", "no-store"),
        ));
    }
    world.check(rows).await;
    let (first, second) = (world.call(&get(LIMITS)).await, world.call(&get(LIMITS)).await);
    for bad in ["", "a b", &"x".repeat(129)] {
        let reply = world.call(&get("/nope").header("x-request-id", bad)).await;
        let ours = reply.header("x-request-id").unwrap();
        assert_eq!(ours.len(), 32, "1 X-Request-ID: for one that is none, one of ours: {bad}");
    }
    assert_ne!(
        first.header("x-request-id"),
        second.header("x-request-id"),
        "1 X-Request-ID: one of ours for each"
    );
    world.stop().await;
}

#[tokio::test]
async fn bodies_of_16_kib() {
    let world = World::start().await;
    let sized = |n: usize| format!("{GOOD}{}", " ".repeat(n - GOOD.len()));
    let too_large = || error(413, "Request body too large", "body_too_large");
    world
        .check(vec![
            row("1 Body: at most 16 KiB: exactly", create("btc", sized(16_384)), ok()),
            row("5 Request body too large: one more", create("btc", sized(16_385)), too_large()),
            row("5 Request body too large: many more", create("btc", sized(300_000)), too_large()),
            row("5 Request body too large: daimo", create("daimo/usdc", sized(16_385)), too_large()),
            row(
                "5 Request body too large: check-balance",
                post("/api/check-balance").body(sized(16_385)),
                too_large(),
            ),
            row("3.7 check-balance: body ignored", post("/api/check-balance").body(sized(16_384)), ok()),
            row("1 401 > 413", create("btc", sized(300_000)).anonymous(), missing_key()),
        ])
        .await;
    let head =
        |more: &str| format!("POST {BTC} HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\n{more}\r\n\r\n", world.key);
    let chunked =
        |n: usize| format!("{}{n:x}\r\n{}\r\n0\r\n\r\n", head("transfer-encoding: chunked"), sized(n));
    let status =
        async |bytes: String| world.bytes(bytes.as_bytes()).await.split(' ').nth(1).map(str::to_owned);
    assert_eq!(status(chunked(16_384)).await.as_deref(), Some("200"), "1 Body: chunked");
    assert_eq!(status(chunked(16_385)).await.as_deref(), Some("413"), "1 Body: chunked");
    let lying = format!("{}{GOOD}", head("content-length: 99999999999"));
    assert_eq!(status(lying).await.as_deref(), Some("413"), "1 Body: by its declared length");
    let waiting = head("expect: 100-continue\r\ncontent-length: 99999999999");
    assert_eq!(status(waiting).await.as_deref(), Some("413"), "1 Body: nothing sent, and nothing waited for");
    world.stop().await;
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods() {
    let world = World::start().await;
    let not_found = || error(404, "Not found", "not_found");
    let mut rows = Vec::new();
    for path in [
        "/",
        "/api",
        "/api/",
        "/api/transaction",
        "/api/transaction/create",
        "/api/transaction/create/",
        "/api/transaction/create/btc/",
        "/api/transaction/create/btc/x",
        "/api/transaction/create/stripe/usd",
        "/api/transaction/create/daimo/usdc/x",
        "/api//transaction/create/btc",
        "/api/transaction/limits",
        "/api/transaction/limits/btc/x",
        "/api/transaction/status",
        "/api/transaction/status/btc",
        "/api/transaction/status/btc/x/y",
        "/api/transactions/create/btc",
        "/api/check-balance/",
        "/API/check-balance",
        "/v1/api/check-balance",
        "/favicon.ico",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            rows.push(row(
                "5 Not found: unknown path, no key needed",
                call(method, path).anonymous(),
                not_found(),
            ));
        }
        rows.push(row("5 Not found: unknown path, with a key", call("POST", path).body(GOOD), not_found()));
    }
    for path in [
        "/api/transaction/create/boomfi/btc",
        "/api/transaction/create/boomfi/usdc",
        "/api/transaction/cancel/btc/x",
        "/api/transaction/cancel",
        "/api/check-nano-balance",
    ] {
        for method in ["GET", "POST"] {
            rows.push(row("7 Known, answered 404", call(method, path), not_found()));
            rows.push(row("7 Known, answered 404", call(method, path).anonymous(), not_found()));
        }
    }
    let wrong = |allow: &str| error(405, "Method not allowed", "method_not_allowed").header("allow", allow);
    for (path, allowed, allow) in [
        (BTC, "POST", "POST"),
        ("/api/transaction/create/nope", "POST", "POST"),
        ("/api/transaction/create/daimo/usdc", "POST", "POST"),
        (LIMITS, "GET", "GET,HEAD"),
        ("/api/transaction/status/btc/x", "GET", "GET,HEAD"),
        ("/api/check-balance", "POST", "POST"),
        ("/webhooks/btcpay", "POST", "POST"),
    ] {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            if method != allowed {
                rows.push(row("5 Method not allowed, with Allow", call(method, path), wrong(allow)));
                rows.push(row("1 405 > 401", call(method, path).anonymous(), wrong(allow)));
            }
        }
    }
    world.check(rows).await;
    let head = world.call(&call("HEAD", LIMITS)).await;
    assert_eq!((head.status.as_u16(), head.body.as_str()), (200, ""), "HEAD is GET without a body");
    world.stop().await;
}

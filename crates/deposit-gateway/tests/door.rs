//! The door: what everybody meets before any use case. Headers of every answer, cross-origin requests, keys in the URL, and clients that
//! are slow, too big or malformed, over raw sockets.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions
)]

mod common;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use common::{Options, Reply, TestGateway};
use deposit_gateway::http::{CorsOrigins, HttpConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

fn options(change: impl FnOnce(&mut HttpConfig)) -> Options {
    let mut options = Options::default();
    change(&mut options.http);
    options
}

fn origins(list: &[&str]) -> Options {
    let list: Vec<String> = list.iter().map(|&o| o.to_owned()).collect();
    options(|http| http.cors_origins = CorsOrigins::parse(&list).unwrap())
}

/// A connection of one's own.
struct Wire(TcpStream);

impl Wire {
    async fn to(gateway: &TestGateway) -> Self {
        Self(TcpStream::connect(gateway.address).await.unwrap())
    }

    /// What is written to a connection that the other side has closed already is lost, which is no failure here.
    async fn write(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).await.is_ok()
    }

    /// Everything until the other side closes; panics if it does not.
    async fn read_to_end(&mut self) -> String {
        let mut answer = Vec::new();
        let reading = async {
            let mut chunk = [0_u8; 4096];
            while let Ok(n @ 1..) = self.0.read(&mut chunk).await {
                answer.extend_from_slice(&chunk[..n]);
            }
        };
        tokio::time::timeout(Duration::from_secs(10), reading).await.expect("the connection stays open");
        String::from_utf8_lossy(&answer).into_owned()
    }
}

async fn ask(gateway: &TestGateway, bytes: &[u8]) -> String {
    let mut wire = Wire::to(gateway).await;
    wire.write(bytes).await;
    wire.read_to_end().await
}

/// An answer of the HTTP library itself: a bare status, nothing else.
fn assert_bare(answer: &str, status: u16) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer:?}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "", "{answer:?}");
    for line in head.lines().skip(1) {
        let name = line.split_once(':').unwrap().0.to_ascii_lowercase();
        assert!(["content-length", "connection", "date"].contains(&name.as_str()), "{line}");
    }
}

fn shown(reply: &Reply) -> String {
    let mut lines: Vec<String> = reply
        .headers
        .iter()
        .filter(|(name, _)| !["date", "x-request-id", "content-length"].contains(&name.as_str()))
        .map(|(name, value)| {
            let value = value.to_str().unwrap();
            // The style's own hash is held by a test beside it.
            let hash = value.split_once("'sha256-").and_then(|(_, rest)| rest.split('\'').next());
            format!("  {name}: {}", hash.map_or_else(|| value.to_owned(), |hash| value.replace(hash, "HASH")))
        })
        .collect();
    assert_eq!(reply.header("x-request-id").unwrap().len(), 32);
    lines.sort();
    format!("{}\n{}", reply.status.as_u16(), lines.join("\n"))
}

#[tokio::test]
async fn headers_of_every_kind_of_answer() {
    let gateway =
        TestGateway::start_with(options(|http| http.public_url = "https://pay.example".to_owned())).await;
    let created = gateway.create("btc", r#"{"amount":0.0004}"#).await;
    let id = created.member("txId");
    let mut text = String::new();
    let mut note = |what: &str, reply: &Reply| writeln!(text, "{what}: {}\n", shown(reply)).unwrap();
    note("created", &created);
    note("status", &gateway.status("btc", &id).await);
    note("page", &gateway.send("GET", &format!("/pay/{id}"), &[], "").await);
    note("code", &gateway.send("GET", &format!("/pay/{id}/qr.svg"), &[], "").await);
    note("unknown page", &gateway.send("GET", "/pay/x", &[], "").await);
    note("no key", &gateway.send("POST", "/api/check-balance", &[], "").await);
    note("unknown path", &gateway.send("GET", "/nowhere", &[], "").await);
    note("wrong method", &gateway.send("DELETE", "/api/check-balance", &[], "").await);
    note("preflight without origins", &gateway.send("OPTIONS", "/api/check-balance", &PREFLIGHT, "").await);
    note("bad amount", &gateway.create("btc", "{}").await);
    note("webhook refused", &gateway.send("POST", "/webhooks/btcpay", &[], "{}").await);
    note("alive", &gateway.send("GET", "/healthz", &[], "").await);
    insta::assert_snapshot!("headers", text);
    gateway.stop().await;
    // Without https, nothing is said about https.
    let gateway = TestGateway::start().await;
    let reply = gateway.send("GET", "/healthz", &[], "").await;
    assert_eq!(reply.header("strict-transport-security"), None);
    gateway.stop().await;
}

const SHOP: &str = "https://shop.example";
const PREFLIGHT: [(&str, &str); 3] = [
    ("origin", SHOP),
    ("access-control-request-method", "POST"),
    ("access-control-request-headers", "authorization,content-type,idempotency-key"),
];

fn cors_headers(reply: &Reply) -> Vec<String> {
    let names = reply.headers.keys().filter(|name| name.as_str().starts_with("access-control-"));
    let mut names: Vec<String> = names.map(ToString::to_string).collect();
    names.sort();
    names
}

#[tokio::test]
async fn no_other_origin_is_let_in_by_default() {
    let gateway = TestGateway::start().await;
    for path in ["/api/check-balance", "/api/transaction/create/btc"] {
        let preflight = gateway.send("OPTIONS", path, &PREFLIGHT, "").await;
        preflight.assert_error(405, "Method not allowed", "method_not_allowed");
        assert_eq!(preflight.header("allow"), Some("POST"));
        assert!(cors_headers(&preflight).is_empty());
    }
    let headers = [("origin", SHOP), ("x-api-key", gateway.key.as_str())];
    let reply = gateway.send("POST", "/api/check-balance", &headers, "").await;
    assert_eq!(reply.status, 200);
    assert!(cors_headers(&reply).is_empty(), "{:?}", reply.headers);
    gateway.stop().await;
}

#[tokio::test]
async fn configured_origins_are_let_in_to_the_api_alone() {
    let gateway = TestGateway::start_with(origins(&[SHOP, "http://127.0.0.1:3000"])).await;
    let preflight = gateway.send("OPTIONS", "/api/transaction/create/btc", &PREFLIGHT, "").await;
    assert!(preflight.status.is_success());
    assert_eq!(preflight.header("access-control-allow-origin"), Some(SHOP));
    assert_eq!(preflight.header("access-control-allow-credentials"), None);
    assert_eq!(preflight.header("access-control-allow-methods"), Some("GET,HEAD,POST"));
    let allowed = preflight.header("access-control-allow-headers").unwrap().to_ascii_lowercase();
    for name in
        ["authorization", "x-api-key", "idempotency-key", "content-type", "last-event-id", "x-request-id"]
    {
        assert!(allowed.split(',').any(|one| one.trim() == name), "{allowed}");
    }
    assert!(preflight.header("vary").unwrap().contains("origin"));

    let headers = [("origin", SHOP), ("x-api-key", gateway.key.as_str())];
    let reply = gateway.send("POST", "/api/transaction/create/btc", &headers, r#"{"amount":0.0004}"#).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("access-control-allow-origin"), Some(SHOP));
    let exposed = reply.header("access-control-expose-headers").unwrap().to_ascii_lowercase();
    for name in [
        "x-request-id",
        "x-poll-after",
        "retry-after",
        "ratelimit-limit",
        "ratelimit-remaining",
        "ratelimit-reset",
        "idempotent-replayed",
    ] {
        assert!(exposed.split(',').any(|one| one.trim() == name), "{exposed}");
    }
    // Errors can be read too, also those of paths that do not exist.
    for (method, path, status) in [
        ("POST", "/api/check-balance", 401),
        ("GET", "/api/nowhere", 404),
        ("GET", "/api/check-balance", 405),
    ] {
        let reply = gateway.send(method, path, &[("origin", SHOP)], "").await;
        assert_eq!(reply.status, status);
        assert_eq!(reply.header("access-control-allow-origin"), Some(SHOP), "{path}");
    }
    // Somebody else's page gets an answer that its browser keeps from it.
    for other in ["https://shop.example.evil", "https://SHOP.example", "http://shop.example", "null"] {
        let reply = gateway.send("POST", "/api/check-balance", &[("origin", other)], "").await;
        assert_eq!(reply.header("access-control-allow-origin"), None, "{other}");
        let mut preflight = PREFLIGHT;
        preflight[0].1 = other;
        let reply = gateway.send("OPTIONS", "/api/check-balance", &preflight, "").await;
        assert_eq!(reply.header("access-control-allow-origin"), None, "{other}");
    }
    // Nothing but the API.
    for path in ["/webhooks/btcpay", "/pay/x", "/healthz"] {
        let preflight = gateway.send("OPTIONS", path, &PREFLIGHT, "").await;
        assert_eq!(preflight.status, 405, "{path}");
        let reply = gateway.send("GET", path, &[("origin", SHOP)], "").await;
        assert!(cors_headers(&preflight).is_empty() && cors_headers(&reply).is_empty(), "{path}");
    }
    // An OPTIONS request that is no preflight is a wrong method.
    gateway.send("OPTIONS", "/api/check-balance", &[("origin", SHOP)], "").await.assert_error(
        405,
        "Method not allowed",
        "method_not_allowed",
    );
    gateway.stop().await;
}

#[tokio::test]
async fn everybody_s_pages_may_be_let_in() {
    let gateway = TestGateway::start_with(origins(&["*"])).await;
    let preflight = gateway.send("OPTIONS", "/api/check-balance", &PREFLIGHT, "").await;
    assert_eq!(preflight.header("access-control-allow-origin"), Some("*"));
    assert_eq!(preflight.header("access-control-allow-credentials"), None);
    gateway.stop().await;
}

#[tokio::test]
async fn a_key_in_the_url_opens_nothing() {
    let gateway = TestGateway::start().await;
    let key = &gateway.key;
    for query in [
        format!("api_key={key}"),
        format!("key={key}"),
        format!("x-api-key={key}"),
        format!("apikey={key}"),
        format!("token={key}"),
        format!("access_token={key}"),
        format!("authorization=Bearer%20{key}"),
    ] {
        for (method, path) in [
            ("POST", "/api/check-balance"),
            ("POST", "/api/transaction/create/btc"),
            ("GET", "/api/transaction/limits/btc"),
            ("GET", "/api/transaction/status/btc/Jq4vT9mZxK2cRw7LbYd3Hp"),
        ] {
            let reply = gateway.send(method, &format!("{path}?{query}"), &[], r#"{"amount":0.0004}"#).await;
            if reply.status != 429 {
                reply.assert_error(401, "Incorrect API key", "missing_api_key");
            }
        }
    }
    let in_user_info = format!(
        "POST http://{key}@x/api/check-balance HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    );
    let answer = ask(&gateway, in_user_info.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 401 ") || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    gateway.stop().await;
}

#[tokio::test]
async fn heads_have_bounds() {
    let gateway = TestGateway::start().await;
    let get = |more: &str| format!("GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{more}\r\n");
    assert!(ask(&gateway, get("").as_bytes()).await.starts_with("HTTP/1.1 200 "));
    // Below the limit all is well.
    let some = format!("x-long: {}\r\n", "a".repeat(32 * 1024));
    assert!(ask(&gateway, get(&some).as_bytes()).await.starts_with("HTTP/1.1 200 "));
    // Too long a header, too many headers, too long a path: a bare 431 (or 414), whatever was asked for.
    assert_bare(&ask(&gateway, get(&format!("x-long: {}\r\n", "a".repeat(70 * 1024))).as_bytes()).await, 431);
    assert_bare(&ask(&gateway, get(&"x-many: 1\r\n".repeat(200)).as_bytes()).await, 431);
    let long_path = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(70 * 1024));
    let answer = ask(&gateway, long_path.as_bytes()).await;
    assert_bare(&answer, if answer.contains(" 414 ") { 414 } else { 431 });
    // A path that is long, but within the bounds, is one that does not exist, and the log cuts it.
    let path = format!("/{}", "a".repeat(20_000));
    gateway.get(&path).await.assert_error(404, "Not found", "not_found");
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_no_http_is_a_bare_400() {
    let gateway = TestGateway::start().await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03hello over TLS\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\n\r\n",
        b"G\x00T /healthz HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nbad header: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: x\r\n x: folded\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nx: a\x00b\r\n\r\n",
        b"POST /api/check-balance HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /api/check-balance HTTP/1.1\r\nhost: x\r\ncontent-length: 1e1\r\n\r\n",
        b"POST /api/check-balance HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"POST /api/check-balance HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip\r\n\r\n",
        b"POST /api/check-balance HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked, identity\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n\r\n",
    ] {
        let answer = ask(&gateway, bytes).await;
        // What a library reads more leniently than we would is then one of our own answers; never a way past the key.
        if answer.starts_with("HTTP/1.1 400 ") && answer.ends_with("\r\n\r\n") {
            assert_bare(&answer, 400);
        } else {
            panic!("{:?} was answered {answer:?}", String::from_utf8_lossy(bytes));
        }
    }
    // HTTP/2 without TLS is not spoken.
    let answer = ask(&gateway, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(!answer.contains("200"), "{answer:?}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_length_and_chunks_at_once_smuggle_nothing() {
    let gateway = TestGateway::start().await;
    let smuggled = "POST /api/check-balance HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\ntransfer-encoding: chunked\r\n\r\n\
                    0\r\n\r\nGET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answer = ask(&gateway, smuggled.as_bytes()).await;
    // Whoever stands in between may have read it otherwise: it is answered, and the connection is not used for anything after it.
    assert!(answer.starts_with("HTTP/1.1 401 ") || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    gateway.stop().await;
}

#[tokio::test]
async fn old_and_eager_clients_are_served() {
    let gateway = TestGateway::start().await;
    let old = ask(&gateway, b"GET /healthz HTTP/1.0\r\n\r\n").await;
    assert!(old.starts_with("HTTP/1.0 200 ") && old.ends_with(r#"{"status":"ok"}"#), "{old}");
    // Requests that do not wait for each other's answers are answered in their order.
    let one = |path: &str, last: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\n{last}\r\n");
    let both = [one("/healthz", ""), one("/first", ""), one("/readyz", "connection: close\r\n")].concat();
    let answers = ask(&gateway, both.as_bytes()).await;
    let statuses: Vec<&str> =
        answers.split("HTTP/1.1 ").skip(1).map(|answer| answer.split(' ').next().unwrap()).collect();
    assert_eq!(statuses, ["200", "404", "200"], "{answers}");
    gateway.stop().await;
}

#[tokio::test]
async fn bodies_have_bounds_however_they_are_sent() {
    let gateway = TestGateway::start().await;
    let key = gateway.key.clone();
    let head = |more: &str| {
        format!(
            "POST /api/transaction/create/btc HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\nconnection: close\r\n{more}\r\n"
        )
    };
    let padded = |len: usize| {
        let mut body = r#"{"amount":0.0004}"#.to_owned();
        body.push_str(&" ".repeat(len - body.len()));
        body
    };
    for (len, status) in [(16 * 1024, 200), (16 * 1024 + 1, 413)] {
        let body = padded(len);
        let sized = format!("{}{body}", head(&format!("content-length: {len}\r\n")));
        let answer = ask(&gateway, sized.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        let mut chunked = head("transfer-encoding: chunked\r\n");
        for chunk in body.as_bytes().chunks(1000) {
            let chunk = std::str::from_utf8(chunk).unwrap();
            write!(chunked, "{:x}\r\n{chunk}\r\n", chunk.len()).unwrap();
        }
        chunked.push_str("0\r\n\r\n");
        let answer = ask(&gateway, chunked.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    // A length that is too large is enough; no body needs to follow.
    let answer = ask(&gateway, head("content-length: 99999999999\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains(r#""code":"body_too_large""#), "{answer}");
    // Chunks that are none.
    for bad in ["zz\r\nx\r\n0\r\n\r\n", "ffffffffffffffffff\r\nx", "-1\r\n\r\n"] {
        let answer =
            ask(&gateway, format!("{}{bad}", head("transfer-encoding: chunked\r\n")).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") || answer.is_empty(), "{bad:?}: {answer}");
    }
    gateway.stop().await;
}

/// Timeouts short enough to be waited for.
fn impatient() -> Options {
    options(|http| {
        http.header_timeout = Duration::from_millis(300);
        http.request_timeout = Duration::from_millis(2_500);
    })
}

#[tokio::test]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let gateway = TestGateway::start_with(impatient()).await;
    let begun = Instant::now();
    // Nothing at all; half a head; a head in drops, each of which comes in time.
    let (mut silent, mut half, mut drops) =
        (Wire::to(&gateway).await, Wire::to(&gateway).await, Wire::to(&gateway).await);
    half.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n").await;
    let dripping = async {
        let mut written = 0_u32;
        for byte in b"GET /healthz HTTP/1.1\r\n".iter().cycle() {
            if !drops.write(std::slice::from_ref(byte)).await {
                break;
            }
            written += 1;
            assert!(written < 200, "still reading after {:?}", begun.elapsed());
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    };
    let (silent, half, ()) = tokio::join!(silent.read_to_end(), half.read_to_end(), dripping);
    for answer in [silent, half] {
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer:?}");
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    // The others are served meanwhile and afterwards.
    assert_eq!(gateway.send("GET", "/healthz", &[], "").await.status, 200);
    gateway.stop().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let gateway = TestGateway::start_with(impatient()).await;
    let mut wire = Wire::to(&gateway).await;
    wire.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let answer = wire.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let gateway = TestGateway::start_with(impatient()).await;
    let head = format!(
        "POST /api/transaction/create/btc HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\ncontent-length: 1000\r\n\r\n",
        gateway.key
    );
    let begun = Instant::now();
    let mut wire = Wire::to(&gateway).await;
    wire.write(head.as_bytes()).await;
    wire.write(b"{\"amount\":").await;
    let answer = wire.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 "), "{answer:?}");
    assert!(!answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    let truth = gateway.truth().await;
    assert!(truth.is_empty(), "an order was opened for half a request: {truth:?}");
    gateway.stop().await;
}

#[tokio::test]
async fn connections_have_a_bound_and_are_given_back() {
    let gateway = TestGateway::start_with(options(|http| {
        http.max_connections = 4;
        http.header_timeout = Duration::from_millis(400);
    }))
    .await;
    // All places are taken by clients that say nothing: the next one is served as soon as those are given up.
    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(Wire::to(&gateway).await);
    }
    let answer = ask(&gateway, b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    drop(silent);
    gateway.stop().await;
}

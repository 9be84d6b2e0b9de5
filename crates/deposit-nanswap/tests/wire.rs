//! The adapter's requests, and its answers to a server that is scripted to the byte. The emulator is not used here: it was
//! written from the same dossier, so its misunderstandings could be ours.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use deposit_core::{
    Amount, Asset, CreditRule, DepositIntent, ErrorKind, IntentRecord, OpenRequest, PaymentProvider, Price,
    ProviderError, Quote, Terms, Ticker, Timestamp,
};
use deposit_nanswap::{Config, Nanswap};
use deposit_transport::HttpConfig;

const SETTLE: &str = "nano_1settle";
const KEY: &str = "0f0e0d0c-0b0a-4908-8706-050403020100";
const CURRENCIES: &str = r#"{
    "XNO":{"name":"Nano","logo":"l","network":"xno","hasExternalId":false,"feeless":true},
    "BAN":{"image":"old shape","unknown":{"a":[1]}},
    "TON":{"hasExternalId":true},
    "NEAR":{"hasExternalId":false},
    "EGLD":{"hasExternalId":7},
    "VVV-BASE":{"hasExternalId":false},
    "KAS-A":{},"KAS-B":{}
}"#;
const LIMITS: &str = r#"{"min":0.5,"max":1000.25}"#;

#[derive(Debug, Clone)]
struct Seen {
    /// Method, path and query.
    line: String,
    key: Option<String>,
    body: String,
}

impl Seen {
    fn is(&self, path: &str) -> bool {
        self.line.contains(path)
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Seen>>>);

impl Log {
    fn all(&self) -> Vec<Seen> {
        self.0.lock().unwrap().clone()
    }
    fn lines(&self) -> Vec<String> {
        self.all().into_iter().map(|seen| seen.line).collect()
    }
    fn count(&self, path: &str) -> usize {
        self.all().iter().filter(|seen| seen.is(path)).count()
    }
}

fn answer(status: u16, body: impl Into<String>) -> Response {
    (StatusCode::from_u16(status).unwrap(), body.into()).into_response()
}

fn limited(status: u16, remaining: &str, reset: &str, body: impl Into<String>) -> Response {
    let headers =
        [("ratelimit-limit", "180"), ("ratelimit-remaining", remaining), ("ratelimit-reset", reset)];
    (StatusCode::from_u16(status).unwrap(), headers, body.into()).into_response()
}

/// A server on a root path, and an adapter for it.
async fn adapter(reply: impl Fn(&Seen) -> Response + Clone + Send + Sync + 'static) -> (Nanswap, Log) {
    let log = Log::default();
    let seen = log.clone();
    let app = Router::new().fallback(move |request: Request| {
        let (reply, seen) = (reply.clone(), seen.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = to_bytes(body, usize::MAX).await.unwrap();
            let one = Seen {
                line: format!("{} {}", head.method, head.uri),
                key: head.headers.get("nanswap-api-key").map(|v| v.to_str().unwrap().to_owned()),
                body: String::from_utf8(body.to_vec()).unwrap(),
            };
            seen.0.lock().unwrap().push(one.clone());
            reply(&one)
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/root", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let mut http = HttpConfig::default();
    http.timeout = Duration::from_millis(800);
    http.min_backoff = Duration::from_millis(1);
    http.max_backoff = Duration::from_millis(2);
    (Nanswap::with_http(Config::new(base, KEY, SETTLE), http).unwrap(), log)
}

/// The usual answers, with `create` as the order.
fn usual(create: &str) -> impl Fn(&Seen) -> Response + Clone + Send + Sync + 'static {
    let create = create.to_owned();
    move |seen| match seen {
        seen if seen.is("all-currencies") => answer(200, CURRENCIES),
        seen if seen.is("get-limits") => answer(200, LIMITS),
        _ => answer(200, create.clone()),
    }
}

fn order(address: &str, more: &str) -> String {
    format!(
        r#"{{"id":"zYkxDxfmYRM","from":"near","to":"XNO","expectedAmountFrom":2.5,"expectedAmountTo":9,
            "payinAddress":"{address}","payoutAddress":"{SETTLE}","fullLink":"https://example.test/x"{more}}}"#
    )
}

fn request(ticker: Ticker, asset: Asset, amount: &str) -> OpenRequest {
    let amount = Amount::parse(amount, asset).unwrap();
    let expires_at = Timestamp::from_secs(1_785_003_600);
    let terms = Terms::new(
        ticker,
        asset,
        CreditRule::settled_at_rate_of(Ticker::XNO),
        Timestamp::from_secs(1_785_000_000),
    )
    .with_quote(Quote { amount, rate: Price::ONE, unit_price: Price::ONE, expires_at });
    OpenRequest { deposit_id: "dep_01J9Z3K7QmWx".parse().unwrap(), terms, amount, expires_at, attempt: 1 }
}

fn near() -> OpenRequest {
    request(Ticker::NEAR, Asset::NEAR, "2.5")
}

fn kind<T>(result: Result<T, ProviderError>) -> ErrorKind {
    match result {
        Ok(_) => panic!("succeeded"),
        Err(error) => error.kind().clone(),
    }
}

fn record(intent: &dyn DepositIntent) -> IntentRecord {
    IntentRecord::from(intent)
}

#[tokio::test]
async fn an_order_is_asked_for_once_its_limits_are_known() {
    let (provider, log) = adapter(usual(&order("a.near", ""))).await;
    let intent = provider.open(&near()).await.unwrap();
    assert_eq!(
        log.lines(),
        [
            "GET /root/v1/all-currencies",
            "GET /root/v1/get-limits?from=NEAR&to=XNO",
            "POST /root/v1/create-order"
        ]
    );
    let all = log.all();
    assert_eq!((&all[0].key, &all[1].key), (&None, &None), "the key goes where it is needed only");
    assert_eq!(all[2].key.as_deref(), Some(KEY));
    assert_eq!(
        all[2].body,
        format!(
            r#"{{"from":"NEAR","to":"XNO","amount":2.5,"toAddress":"{SETTLE}","maxDurationSeconds":259200}}"#
        )
    );
    assert_eq!(intent.provider_ref().as_str(), "zYkxDxfmYRM");
    assert_eq!(intent.instructions().address(), Some("a.near"));
}

#[tokio::test]
async fn amounts_are_numbers_to_the_last_digit_and_without_exponent() {
    let (provider, log) = adapter(usual(&order("a.near", ""))).await;
    let amount = "2.500000000000000000000001";
    provider.open(&request(Ticker::NEAR, Asset::NEAR, amount)).await.unwrap();
    assert!(log.all()[2].body.contains(&format!(r#""amount":{amount},"#)), "{:?}", log.all()[2].body);
    let (provider, log) = adapter(|seen: &Seen| {
        let order = order("a.near", "").replace("2.5", "1e-7");
        if seen.is("get-limits") { answer(200, r#"{"min":1e-9,"max":1}"#) } else { usual(&order)(seen) }
    })
    .await;
    provider.open(&request(Ticker::NEAR, Asset::NEAR, "0.0000001")).await.unwrap();
    assert!(log.all()[2].body.contains(r#""amount":0.0000001,"#));
}

#[tokio::test]
async fn what_is_known_is_kept_but_limits_no_longer_than_a_minute() {
    let (provider, log) = adapter(usual(&order("a.near", ""))).await;
    provider.open(&near()).await.unwrap();
    provider.open(&near()).await.unwrap();
    assert_eq!((log.count("all-currencies"), log.count("get-limits"), log.count("create-order")), (1, 1, 2));
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(60)).await;
    tokio::time::resume();
    provider.open(&near()).await.unwrap();
    assert_eq!((log.count("all-currencies"), log.count("get-limits"), log.count("create-order")), (1, 2, 3));
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(600)).await;
    tokio::time::resume();
    provider.open(&near()).await.unwrap();
    assert_eq!((log.count("all-currencies"), log.count("get-limits")), (2, 3));
}

#[tokio::test]
async fn the_providers_limits_hold_before_anything_is_ordered() {
    let (provider, log) = adapter(usual(&order("a.near", ""))).await;
    let open = async |amount| kind(provider.open(&request(Ticker::NEAR, Asset::NEAR, amount)).await);
    assert_eq!(open("0.499999999999999999999999").await, ErrorKind::Rejected("below_minimum"));
    assert_eq!(open("1000.250000000000000000000001").await, ErrorKind::Rejected("above_maximum"));
    assert_eq!(log.count("create-order"), 0);
}

#[tokio::test]
async fn an_order_that_is_not_what_was_asked_for_is_not_shown() {
    let good = order("a.near", "");
    for (what, bad) in [
        ("another pay-out address", good.replace(SETTLE, "nano_1thief")),
        ("no pay-out address", good.replace("payoutAddress", "other")),
        ("another amount", good.replace("2.5", "2.6")),
        ("no amount", good.replace("expectedAmountFrom", "other")),
        ("an empty pay-in address", order("", "")),
        ("no pay-in address", good.replace("payinAddress", "other")),
        ("an address with a query", order("a.near?amount=1", "")),
        ("a memo that cannot be read", order("a.near", r#","payinExtraId":{"memo":"1"}"#)),
        ("an id that is none", good.replace("zYkxDxfmYRM", "")),
    ] {
        let (provider, log) = adapter(usual(&bad)).await;
        assert_eq!(kind(provider.open(&near()).await), ErrorKind::Protocol, "{what}");
        assert_eq!(log.count("create-order"), 1, "{what}: asked for once");
    }
}

#[tokio::test]
async fn a_memo_is_kept_and_one_that_is_needed_is_required() {
    let ton = request(Ticker::TON, Asset::TON, "2.5");
    let (provider, _) = adapter(usual(&order("UQabc", ""))).await;
    assert_eq!(kind(provider.open(&ton).await), ErrorKind::Protocol);
    let (provider, _) = adapter(usual(&order("UQabc", r#","payinExtraId":"424242""#))).await;
    let intent = provider.open(&ton).await.unwrap();
    assert_eq!(intent.instructions().memo(), Some("424242"));
    assert_eq!(intent.instructions().link(), Some("ton://transfer/UQabc?amount=2500000000&text=424242"));
    // Also where it was not to be expected.
    let (provider, _) = adapter(usual(&order("a.near", r#","payinExtraId":77"#))).await;
    assert_eq!(provider.open(&near()).await.unwrap().instructions().memo(), Some("77"));
}

#[tokio::test]
async fn keys_are_never_guessed() {
    let (provider, log) = adapter(usual(&order("0xabc", ""))).await;
    let open = async |ticker, asset| kind(provider.open(&request(ticker, asset, "2.5")).await);
    assert_eq!(open(Ticker::KAS, Asset::KAS).await, ErrorKind::Rejected("currency_unavailable"));
    assert_eq!(open(Ticker::EGLD, Asset::EGLD).await, ErrorKind::Protocol, "its entry cannot be read");
    assert_eq!(open(Ticker::VVV, Asset::VVV).await, ErrorKind::Protocol, "its address is none");
    assert!(log.all().last().unwrap().body.contains(r#""from":"VVV-BASE""#));
    assert_eq!(open(Ticker::NEAR, Asset::KAS).await, ErrorKind::Rejected("wrong_asset"));
    assert_eq!(open(Ticker::BTC, Asset::BTC).await, ErrorKind::Rejected("unknown_ticker"));
    // Our own side has no memo to give.
    let (provider, log) = adapter(|seen: &Seen| {
        let memo = CURRENCIES.replacen("\"hasExternalId\":false", "\"hasExternalId\":true", 1);
        if seen.is("all-currencies") { answer(200, memo) } else { usual("{}")(seen) }
    })
    .await;
    assert_eq!(kind(provider.open(&near()).await), ErrorKind::Configuration);
    assert_eq!(log.lines().len(), 1);
}

#[tokio::test]
async fn a_refusal_is_one_whatever_its_status() {
    let refusal = r#"{"error":"text of the provider"}"#;
    let open =
        async |path: &'static str, status| {
            let (provider, log) = adapter(move |seen: &Seen| {
                if seen.is(path) { answer(status, refusal) } else { usual(&order("a.near", ""))(seen) }
            })
            .await;
            let error = provider.open(&near()).await.unwrap_err();
            assert!(!format!("{error} {error:?}").contains("text of the provider"));
            (error.kind().clone(), log.count(path))
        };
    for status in [200, 400] {
        assert_eq!(open("create-order", status).await, (ErrorKind::Rejected("refused"), 1));
        assert_eq!(open("get-limits", status).await, (ErrorKind::Rejected("pair_unavailable"), 1));
        assert_eq!(open("all-currencies", status).await, (ErrorKind::Rejected("currencies_refused"), 1));
    }
    assert_eq!(open("create-order", 401).await, (ErrorKind::Authentication, 1));
    assert_eq!(open("create-order", 403).await, (ErrorKind::Authentication, 1));
}

#[tokio::test]
async fn an_unclear_answer_is_never_repeated() {
    for (status, body) in [(500, ""), (502, "<html>"), (200, "<html>"), (200, "{"), (200, r#"{"id":7}"#)] {
        let (provider, log) =
            adapter(
                move |seen: &Seen| {
                    if seen.is("create-order") { answer(status, body) } else { usual("{}")(seen) }
                },
            )
            .await;
        assert_eq!(kind(provider.open(&near()).await), ErrorKind::OutcomeUnknown, "{status} {body}");
        assert_eq!(log.count("create-order"), 1, "{status} {body}");
    }
    // Before the create nothing has happened, and the question is asked again.
    let (provider, log) = adapter(|_: &Seen| answer(500, "")).await;
    assert_eq!(kind(provider.open(&near()).await), ErrorKind::Transient { retry_after: None });
    assert_eq!((log.count("all-currencies"), log.count("create-order")), (3, 0));
}

#[tokio::test]
async fn a_full_window_is_waited_for_without_asking() {
    let wait = |seconds| ErrorKind::Transient { retry_after: Some(Duration::from_secs(seconds)) };
    let (provider, log) = adapter(|seen: &Seen| {
        if seen.is("get-order") {
            limited(429, "0", "37", r#"{"error":"Too many requests"}"#)
        } else {
            usual(&order("a.near", ""))(seen)
        }
    })
    .await;
    let intent = record(provider.open(&near()).await.unwrap().as_ref());
    assert_eq!(kind(provider.read(&intent).await), wait(37));
    let asked = log.lines().len();
    assert!(matches!(kind(provider.read(&intent).await), ErrorKind::Transient { retry_after: Some(_) }));
    assert!(matches!(kind(provider.open(&near()).await), ErrorKind::Transient { retry_after: Some(_) }));
    assert_eq!(log.lines().len(), asked, "nothing was sent");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(38)).await;
    tokio::time::resume();
    assert_eq!(kind(provider.read(&intent).await), wait(37), "asked again");
}

#[tokio::test]
async fn reads_leave_the_end_of_the_window_to_creates() {
    let (provider, log) = adapter(|seen: &Seen| {
        let body = order("a.near", r#","status":"waiting""#);
        if seen.is("get-order") { limited(200, "20", "30", body) } else { usual(&body)(seen) }
    })
    .await;
    let intent = record(provider.open(&near()).await.unwrap().as_ref());
    provider.read(&intent).await.unwrap();
    assert!(matches!(kind(provider.read(&intent).await), ErrorKind::Transient { retry_after: Some(_) }));
    assert_eq!(log.count("get-order"), 1);
    provider.open(&near()).await.unwrap();
}

#[tokio::test]
async fn a_read_is_of_the_order_that_was_asked_for() {
    let of = async |status, body: &'static str| {
        let (provider, log) = adapter(move |seen: &Seen| {
            if seen.is("get-order") { answer(status, body) } else { usual(&order("a.near", ""))(seen) }
        })
        .await;
        let intent = record(provider.open(&near()).await.unwrap().as_ref());
        let read = provider.read(&intent).await;
        assert_eq!(log.all().last().unwrap().line, "GET /root/v1/get-order?id=zYkxDxfmYRM");
        assert_eq!(log.all().last().unwrap().key, None);
        read
    };
    // Ids are case-sensitive.
    assert_eq!(kind(of(200, r#"{"id":"ZYKXDXFMYRM","status":"completed"}"#).await), ErrorKind::Protocol);
    assert_eq!(kind(of(200, r#"{"error":"Order not found"}"#).await), ErrorKind::NotFound);
    assert_eq!(kind(of(400, r#"{"error":"Order not found"}"#).await), ErrorKind::NotFound);
    assert_eq!(kind(of(404, r#"{"error":"Order not found"}"#).await), ErrorKind::NotFound);
    assert_eq!(kind(of(404, "<html>").await), ErrorKind::Configuration);
    let read =
        of(200, r#"{"id":"zYkxDxfmYRM","status":"waiting","payoutAddress":"nano_1settle"}"#).await.unwrap();
    assert!(read.payments.is_empty() && read.concerns.is_empty() && read.complete);
}

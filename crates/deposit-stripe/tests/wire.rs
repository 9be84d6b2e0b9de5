//! What goes over the wire, and what is made of answers that the emulator does not give.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use deposit_core::{
    Amount, Asset, CreditRule, ErrorKind, IntentRecord, Observed, OpenRequest, PayInstructions,
    PaymentProvider, Price, ProviderRef, Quote, ScanCursor, Target, Terms, Ticker, Timestamp,
};
use deposit_stripe::{Config, Stripe};
use deposit_transport::HttpConfig;
use serde_json::{Value, json};

const DEPOSIT: &str = "dep_01J9Z3K7QmWx";
const SESSION: &str = "cs_test_a1DepositAAA0001";
const PAGE: &str = "https://checkout.stripe.com/c/pay/cs_test_a1DepositAAA0001#fid0001";
const CREATED: i64 = 1_790_000_000;

#[derive(Debug, Clone)]
struct Seen {
    line: String,
    headers: BTreeMap<String, String>,
    body: String,
}

#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<Seen>>>);

impl Log {
    fn all(&self) -> Vec<Seen> {
        self.0.lock().unwrap().clone()
    }

    fn lines(&self) -> Vec<String> {
        self.all().into_iter().map(|seen| seen.line).collect()
    }
}

fn answer(status: u16, body: impl Into<String>) -> Response {
    (axum::http::StatusCode::from_u16(status).unwrap(), body.into()).into_response()
}

async fn adapter(reply: impl Fn(&Seen) -> Response + Clone + Send + Sync + 'static) -> (Stripe, Log) {
    let log = Log::default();
    let seen = log.clone();
    let app = axum::Router::new().fallback(move |request: Request| {
        let (seen, reply) = (seen.clone(), reply.clone());
        async move {
            let (head, body) = request.into_parts();
            let text = |value: &axum::http::HeaderValue| value.to_str().unwrap().to_owned();
            let one = Seen {
                line: format!("{} {}", head.method, head.uri),
                headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
                body: String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap(),
            };
            seen.0.lock().unwrap().push(one.clone());
            reply(&one)
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config =
        Config::new("sk_test_sample", "whsec_1", "https://shop.example/paid?s={CHECKOUT_SESSION_ID}");
    config.base_url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let mut http = HttpConfig::default();
    http.timeout = Duration::from_millis(500);
    http.min_backoff = Duration::from_millis(1);
    http.max_backoff = Duration::from_millis(2);
    (Stripe::with_http(config, http).unwrap(), log)
}

fn request() -> OpenRequest {
    let amount = Amount::parse("25", Asset::USD).unwrap();
    let expires_at = Timestamp::from_secs(CREATED + 3_600);
    let terms = Terms::new(Ticker::USD, Asset::USD, CreditRule::one_to_one(), Timestamp::from_secs(CREATED))
        .with_quote(Quote { amount, rate: Price::ONE, unit_price: Price::ONE, expires_at })
        .confirming_only_full(true);
    OpenRequest { deposit_id: DEPOSIT.parse().unwrap(), terms, amount, expires_at, attempt: 1 }
}

fn record() -> IntentRecord {
    let request = request();
    IntentRecord {
        deposit_id: request.deposit_id,
        provider: Stripe::ID,
        provider_ref: ProviderRef::new(SESSION).unwrap(),
        terms: request.terms,
        instructions: PayInstructions::HostedPage { url: PAGE.into(), payment_id: None },
    }
}

fn session(changes: &[(&str, Value)]) -> String {
    let marker = json!({"deposit_id": DEPOSIT, "deposit_gateway": "deposit/1"});
    let mut session = json!({
        "id": SESSION, "object": "checkout.session", "livemode": false, "mode": "payment", "status": "open",
        "payment_status": "unpaid", "amount_total": 2500, "currency": "usd", "client_reference_id": DEPOSIT,
        "metadata": marker, "payment_intent": null, "url": PAGE
    });
    for (name, value) in changes {
        session[name] = value.clone();
    }
    session.to_string()
}

fn error(kind: &str, code: &str) -> String {
    json!({"error": {"type": kind, "code": code, "message": "for people"}}).to_string()
}

#[tokio::test]
async fn an_order_is_one_request() {
    let (provider, log) = adapter(|_| answer(200, session(&[]))).await;
    let intent = provider.open(&request()).await.unwrap();
    assert_eq!(intent.provider_ref().as_str(), SESSION);
    assert_eq!(intent.instructions().link(), Some(PAGE));
    provider.open(&request()).await.unwrap();
    let all = log.all();
    assert_eq!(log.lines(), ["POST /v1/checkout/sessions", "POST /v1/checkout/sessions"]);
    assert_eq!(all[0].body, all[1].body, "a repeat is the same byte for byte");
    let header = |name: &str| all[0].headers.get(name).map(String::as_str);
    assert_eq!(header("authorization"), Some("Bearer sk_test_sample"));
    assert_eq!(header("stripe-version"), Some("2026-06-24.dahlia"));
    assert_eq!(header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(header("idempotency-key"), Some("dep_01J9Z3K7QmWx:create:1"));
    assert!(
        all[0]
            .body
            .contains("&success_url=https%3A%2F%2Fshop.example%2Fpaid%3Fs%3D%7BCHECKOUT_SESSION_ID%7D&"),
        "encoded once: {}",
        all[0].body
    );
    assert!(
        all[0].body.contains("line_items%5B0%5D%5Bprice_data%5D%5Bunit_amount%5D=2500"),
        "{}",
        all[0].body
    );
    let second = OpenRequest { attempt: 2, ..request() };
    provider.open(&second).await.unwrap();
    assert_eq!(log.all()[2].headers["idempotency-key"], "dep_01J9Z3K7QmWx:create:2");
}

#[tokio::test]
async fn a_session_that_is_not_what_was_asked_is_closed_and_not_shown() {
    for change in [
        ("amount_total", json!(250_000)),
        ("currency", json!("jpy")),
        ("client_reference_id", json!("another")),
        ("livemode", json!(true)),
        ("url", json!(null)),
        ("url", json!("not a page")),
        ("status", json!("expired")),
    ] {
        let made = session(std::slice::from_ref(&change));
        let (provider, log) = adapter(move |_| answer(200, made.clone())).await;
        let error = provider.open(&request()).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Protocol, "{change:?}");
        assert_eq!(log.lines()[1], format!("POST /v1/checkout/sessions/{SESSION}/expire"), "{change:?}");
    }
}

#[tokio::test]
async fn refusals_of_a_create() {
    for (status, body, kind) in [
        (400, error("idempotency_error", ""), ErrorKind::Rejected("idempotency_conflict")),
        (400, error("invalid_request_error", "amount_too_small"), ErrorKind::Rejected("amount_too_small")),
        (401, error("invalid_request_error", ""), ErrorKind::Authentication),
        (402, error("card_error", "card_declined"), ErrorKind::Rejected("refused")),
        (403, error("invalid_request_error", ""), ErrorKind::Authentication),
        (409, error("idempotency_error", "idempotency_key_in_use"), ErrorKind::OutcomeUnknown),
        (424, error("api_error", ""), ErrorKind::OutcomeUnknown),
        (429, error("invalid_request_error", "rate_limit"), ErrorKind::Transient { retry_after: None }),
        (500, error("api_error", ""), ErrorKind::OutcomeUnknown),
        (200, "<html>".to_owned(), ErrorKind::OutcomeUnknown),
        (302, String::new(), ErrorKind::Configuration),
    ] {
        let (provider, log) = adapter(move |_| answer(status, body.clone())).await;
        let error = provider.open(&request()).await.unwrap_err();
        assert_eq!(*error.kind(), kind, "{status}");
        assert_eq!(log.lines().len(), 1, "{status}: a create is sent once");
    }
}

fn paid() -> Vec<(&'static str, Value)> {
    vec![
        ("status", json!("complete")),
        ("payment_status", json!("paid")),
        ("url", json!(null)),
        (
            "payment_intent",
            json!({"id": "pi_1", "status": "succeeded", "amount_received": 2500, "currency": "usd",
                   "latest_charge": {"created": CREATED + 60, "amount_refunded": 0}}),
        ),
    ]
}

fn refund(id: &str, of: &str) -> Value {
    json!({"id": id, "amount": 100, "currency": "usd", "status": "succeeded", "payment_intent": of})
}

fn list(data: &[Value], has_more: bool) -> String {
    json!({"object": "list", "data": data, "has_more": has_more, "url": "/v1/x"}).to_string()
}

#[tokio::test]
async fn a_read_goes_through_every_page_of_refunds() {
    let (provider, log) = adapter(|seen| {
        let line = seen.line.as_str();
        if line.contains("starting_after=re_2") {
            answer(200, list(&[refund("re_1", "pi_1")], false))
        } else if line.contains("/refunds") {
            answer(200, list(&[refund("re_3", "pi_1"), refund("re_2", "pi_1")], true))
        } else if line.contains("/disputes") {
            answer(200, list(&[], false))
        } else {
            answer(200, session(&paid()))
        }
    })
    .await;
    let read = provider.read(&record()).await.unwrap();
    assert_eq!(read.payments[0].takings.len(), 3);
    assert_eq!(
        log.lines(),
        [
            format!(
                "GET /v1/checkout/sessions/{SESSION}?expand%5B0%5D=payment_intent&expand%5B1%5D=payment_intent.latest_charge"
            ),
            "GET /v1/refunds?payment_intent=pi_1&limit=100".to_owned(),
            "GET /v1/refunds?payment_intent=pi_1&limit=100&starting_after=re_2".to_owned(),
            "GET /v1/disputes?payment_intent=pi_1&limit=100".to_owned(),
        ]
    );
}

#[tokio::test]
async fn an_unpaid_session_is_one_request() {
    let (provider, log) = adapter(|_| answer(200, session(&[]))).await;
    let read = provider.read(&record()).await.unwrap();
    assert!(read.payments.is_empty() && read.complete);
    assert_eq!(log.lines().len(), 1);
}

#[tokio::test]
async fn answers_that_lie_conclude_nothing() {
    type Lie = fn(&Seen) -> Response;
    let lies: [(&str, Lie); 4] = [
        ("another session", |_| answer(200, session(&[("id", json!("cs_test_other"))]))),
        ("of the other mode", |_| answer(200, session(&[("livemode", json!(true))]))),
        ("refunds of another payment", |seen| {
            if seen.line.contains("/refunds") {
                answer(200, list(&[refund("re_1", "pi_2")], false))
            } else if seen.line.contains("/disputes") {
                answer(200, list(&[], false))
            } else {
                answer(200, session(&paid()))
            }
        }),
        ("a list without end", |seen| {
            if seen.line.contains("/refunds") {
                answer(200, list(&[refund("re_1", "pi_1")], true))
            } else {
                answer(200, session(&paid()))
            }
        }),
    ];
    for (what, lie) in lies {
        let (provider, _) = adapter(lie).await;
        let error = provider.read(&record()).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Protocol, "{what}");
    }
}

#[tokio::test]
async fn a_session_is_unknown_only_by_the_apis_own_word() {
    let (provider, _) = adapter(|_| answer(404, error("invalid_request_error", "resource_missing"))).await;
    assert_eq!(*provider.read(&record()).await.unwrap_err().kind(), ErrorKind::NotFound);
    let (provider, _) = adapter(|_| answer(404, "<html>")).await;
    assert_eq!(*provider.read(&record()).await.unwrap_err().kind(), ErrorKind::Configuration);
}

fn event(id: &str, kind: &str, object: Value) -> Value {
    json!({"id": id, "object": "event", "created": 1_790_000_000, "type": kind, "livemode": false, "data": {"object": object}})
}

#[tokio::test]
async fn a_scan_joins_disputes_to_their_sessions() {
    let (provider, log) = adapter(|seen| {
        let line = seen.line.as_str();
        if line.contains("payment_intent=pi_1") {
            answer(200, list(&[serde_json::from_str(&session(&paid())).unwrap()], false))
        } else if line.contains("payment_intent=pi_2") {
            answer(200, list(&[], false))
        } else {
            let dispute = |of: &str| json!({"id": "dp_1", "payment_intent": of, "metadata": {}});
            let metadata = json!({"deposit_id": DEPOSIT, "deposit_gateway": "deposit/1"});
            answer(
                200,
                list(
                    &[
                        event("evt_4", "charge.dispute.created", dispute("pi_2")),
                        event("evt_3", "charge.dispute.funds_withdrawn", dispute("pi_1")),
                        event("evt_2", "charge.dispute.created", dispute("pi_1")),
                        event(
                            "evt_1",
                            "checkout.session.completed",
                            json!({"id": SESSION, "payment_intent": "pi_1", "metadata": metadata}),
                        ),
                    ],
                    false,
                ),
            )
        }
    })
    .await;
    let page = provider.scan(None).await.unwrap();
    let shown: Vec<_> = page.observations.iter().map(|o| (&o.target, o.ours, &o.observed)).collect();
    let ours = Target::Order(SESSION.parse().unwrap());
    let foreign = Target::Order("pi_2".parse().unwrap());
    assert_eq!(
        shown,
        [
            (&ours, Some(true), &Observed::PaymentHint),
            (&ours, Some(true), &Observed::Hint),
            (&foreign, Some(false), &Observed::Hint),
        ]
    );
    assert!(!page.more);
    assert!(log.lines()[0].starts_with("GET /v1/events?limit=100&types%5B0%5D=checkout.session.completed&"));
    let before = log.lines().len();
    let next = provider.scan(Some(&page.next)).await.unwrap();
    // All of it is listed again, and shown once.
    assert_eq!((next.next, next.more, next.observations.len()), (page.next, false, 0));
    assert!(log.lines()[before].ends_with("&created%5Bgte%5D=1789999100"), "{}", log.lines()[before]);
    assert_eq!(log.lines().len(), before + 1);
}

#[tokio::test]
async fn a_scan_starts_again_where_its_place_is_gone() {
    let (provider, _) = adapter(|_| answer(404, error("invalid_request_error", "resource_missing"))).await;
    let gone = r#"{"since":1790000000,"after":"evt_old","newest":1790000900,"seen":{}}"#;
    let page = provider.scan(Some(&ScanCursor(gone.into()))).await.unwrap();
    assert_eq!(page.next.0, gone.replace("\"evt_old\"", "null"));
    assert!(page.more);
    // At the start there is no place that could be gone.
    assert_eq!(*provider.scan(None).await.unwrap_err().kind(), ErrorKind::NotFound);
}

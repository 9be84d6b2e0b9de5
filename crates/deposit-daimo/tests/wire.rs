//! The adapter's requests, and its answers to a server that is scripted to the byte. The emulator is not used here: it was
//! written from the same dossier, so its misunderstandings could be ours.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::wildcard_enum_match_arm)]

use std::error::Error as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use deposit_core::{
    Amount, Asset, CreditRule, ErrorKind, IntentRecord, OpenRequest, PayInstructions, PaymentProvider, Price,
    Quote, Replay, Secret, Terms, Ticker, Timestamp,
};
use deposit_daimo::{Api, Config, Daimo};
use deposit_transport::HttpConfig;
use serde_json::{Value, json};

const ORDER_ID: &str = "dep_01J9Z3K7QmWx";
const ID: &str = "7Example44CharsBase58";
const TREASURY: &str = "0xde709f2102306220921060314715629080e2fb77";
const REFUNDS: &str = "0x52908400098527886E0F7030069857D2E4169EE7";
const BASE_USDC: &str = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913";

#[derive(Debug, Clone)]
struct Seen {
    /// Method, path and query.
    line: String,
    headers: HeaderMap,
    body: Value,
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
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
}

fn answer(status: u16, body: impl ToString) -> Response {
    (StatusCode::from_u16(status).unwrap(), body.to_string()).into_response()
}

fn impatient() -> HttpConfig {
    let mut http = HttpConfig::default();
    http.timeout = Duration::from_millis(500);
    http.min_backoff = Duration::from_millis(1);
    http.max_backoff = Duration::from_millis(2);
    http
}

/// A server on a root path, and an adapter for it.
async fn adapter(
    api: Api,
    reply: impl Fn(&Seen) -> Response + Clone + Send + Sync + 'static,
) -> (Daimo, Log, Config) {
    let log = Log::default();
    let seen = log.clone();
    let app = Router::new().fallback(move |request: Request| {
        let (reply, seen) = (reply.clone(), seen.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = to_bytes(body, usize::MAX).await.unwrap();
            let one = Seen {
                line: format!("{} {}", head.method, head.uri),
                headers: head.headers,
                body: serde_json::from_slice(&body).unwrap_or_default(),
            };
            seen.0.lock().unwrap().push(one.clone());
            reply(&one)
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/root", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let mut config = Config::new("key-1", "token-1", REFUNDS, TREASURY);
    (config.base_url, config.api) = (base, api);
    (Daimo::with_http(config.clone(), impatient()).unwrap(), log, config)
}

fn usdc(text: &str) -> Amount {
    Amount::parse(text, Asset::USDC).unwrap()
}

fn terms(ticker: Ticker, amount: Amount) -> Terms {
    Terms::new(ticker, Asset::USDC, CreditRule::one_to_one(), Timestamp::from_secs(1_785_000_000))
        .with_quote(Quote {
            amount,
            rate: Price::ONE,
            unit_price: Price::ONE,
            expires_at: Timestamp::from_secs(1_785_003_600),
        })
        .confirming_only_full(true)
}

fn request(ticker: Ticker, amount: Amount) -> OpenRequest {
    let terms = terms(ticker, amount);
    let expires_at = terms.expires_at().unwrap();
    OpenRequest { deposit_id: ORDER_ID.parse().unwrap(), terms, amount, expires_at, attempt: 1 }
}

fn ten() -> OpenRequest {
    request(Ticker::USDC, usdc("10.5"))
}

fn payment(status: &str) -> Value {
    json!({
        "id": ID, "status": status, "createdAt": "1785000001",
        "display": {"intent": "Deposit", "paymentValue": "10.50", "currency": "USD"}, "source": null,
        "destination": {"destinationAddress": TREASURY, "txHash": null, "chainId": "8453", "amountUnits": "10.50",
                        "tokenSymbol": "USDC", "tokenAddress": BASE_USDC, "callData": "0x"},
        "externalId": ORDER_ID, "metadata": {"depositId": ORDER_ID, "depositGateway": "deposit/1"}
    })
}

fn created() -> Value {
    json!({"id": ID, "url": format!("https://pay.daimo.com/checkout?id={ID}"), "payment": payment("payment_unpaid")})
}

fn session(status: &str) -> Value {
    json!({"session": {
        "sessionId": ID, "status": status,
        "destination": {"type": "evm", "address": TREASURY, "chainId": 8453, "chainName": "Base",
                        "tokenAddress": BASE_USDC, "tokenSymbol": "USDC", "amountUnits": "10.5"},
        "display": {"title": "Deposit", "verb": "Deposit"}, "paymentMethod": null,
        "createdAt": 1_785_000_001, "expiresAt": 1_785_003_601,
        "metadata": {"depositId": ORDER_ID, "depositGateway": "deposit/1"}, "clientSecret": "cs-&-1"
    }})
}

fn metadata() -> Value {
    let destination = format!("8453:{BASE_USDC}:{TREASURY}");
    json!({"depositId": ORDER_ID, "depositGateway": "deposit/1", "destination": destination})
}

fn page(intent: &dyn deposit_core::DepositIntent) -> (String, Option<String>) {
    match intent.instructions() {
        PayInstructions::HostedPage { url, payment_id } => (url.clone(), payment_id.clone()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_payment_is_one_request() {
    let (provider, log, _) = adapter(Api::Payments, |_| answer(201, created())).await;
    let intent = provider.open(&ten()).await.unwrap();
    assert_eq!(log.lines(), ["POST /root/api/payment"]);
    let create = &log.all()[0];
    assert_eq!(create.header("api-key"), Some("key-1"));
    assert_eq!(create.header("authorization"), None);
    assert_eq!(create.header("idempotency-key"), Some(ORDER_ID));
    assert_eq!(
        create.body,
        json!({
            "display": {"intent": "Deposit", "preferredTokens": [{"chain": 8453, "address": BASE_USDC}]},
            "destination": {"destinationAddress": TREASURY, "chainId": 8453, "tokenAddress": BASE_USDC, "amountUnits": "10.5"},
            "refundAddress": REFUNDS, "externalId": ORDER_ID, "metadata": metadata()
        })
    );
    assert_eq!(intent.provider_ref().as_str(), ID);
    assert_eq!(
        page(intent.as_ref()),
        (format!("https://pay.daimo.com/checkout?id={ID}"), Some(ID.to_owned()))
    );
}

#[tokio::test]
async fn a_session_is_one_request() {
    let (provider, log, config) =
        adapter(Api::Sessions, |_| answer(200, session("requires_payment_method"))).await;
    let intent = provider.open(&ten()).await.unwrap();
    assert_eq!(log.lines(), ["POST /root/v1/sessions"]);
    let create = &log.all()[0];
    assert_eq!(create.header("authorization"), Some("Bearer key-1"));
    assert_eq!((create.header("api-key"), create.header("idempotency-key")), (None, None));
    assert_eq!(
        create.body,
        json!({
            "destination": {"type": "evm", "address": TREASURY, "chainId": 8453, "tokenAddress": BASE_USDC, "amountUnits": "10.5"},
            "display": {"title": "Deposit", "verb": "Deposit"}, "metadata": metadata(), "refundAddress": REFUNDS
        })
    );
    let url = format!("{}/webview?session={ID}&cs=cs-%26-1", config.base_url);
    assert_eq!(page(intent.as_ref()), (url, Some(ID.to_owned())));
}

/// A repeat is the same to the byte, or a provider that deduplicates by key would refuse it.
#[tokio::test]
async fn a_repeat_is_the_same() {
    let (provider, log, config) = adapter(Api::Payments, |_| answer(502, "")).await;
    for attempt in 1..=2 {
        let again = OpenRequest { attempt, ..ten() };
        assert_eq!(*provider.open(&again).await.unwrap_err().kind(), ErrorKind::OutcomeUnknown);
    }
    let restarted = Daimo::with_http(config, impatient()).unwrap();
    restarted.open(&ten()).await.unwrap_err();
    let all = log.all();
    assert_eq!(all.len(), 3, "each was sent once");
    assert!(all.iter().all(|one| one.body == all[0].body && one.header("idempotency-key") == Some(ORDER_ID)));
    assert_eq!(provider.capabilities().replay, Replay::Key);
}

#[tokio::test]
async fn the_payer_s_coin_comes_first() {
    for (ticker, chain, address) in [
        (Ticker::USDT, 1, "0xdAC17F958D2ee523a2206206994597C13D831ec7"),
        (Ticker::ETH, 1, "0x0000000000000000000000000000000000000000"),
        (Ticker::SOL, 501, "11111111111111111111111111111111"),
    ] {
        let (provider, log, _) = adapter(Api::Payments, |_| answer(200, created())).await;
        provider.open(&request(ticker, usdc("10.5"))).await.unwrap();
        let body = &log.all()[0].body;
        assert_eq!(
            body["display"]["preferredTokens"],
            json!([{"chain": chain, "address": address}]),
            "{ticker}"
        );
        assert_eq!(body["destination"]["tokenAddress"], BASE_USDC, "it settles as USDC all the same");
    }
}

#[tokio::test]
async fn amounts_are_whole_tokens_to_the_last_decimal() {
    for (amount, sent) in
        [("0.000001", "0.000001"), ("1234567890.123456", "1234567890.123456"), ("10.00", "10")]
    {
        let (provider, log, _) = adapter(Api::Payments, |_| answer(400, r#"{"error":"x"}"#)).await;
        provider.open(&request(Ticker::USDC, usdc(amount))).await.unwrap_err();
        assert_eq!(log.all()[0].body["destination"]["amountUnits"], sent);
    }
    let (_, log, mut config) = adapter(Api::Sessions, |_| answer(400, "")).await;
    config.destination_chain = 56;
    Daimo::with_http(config, impatient()).unwrap().open(&ten()).await.unwrap_err();
    let to = &log.all()[0].body["destination"];
    assert_eq!(
        (&to["chainId"], &to["amountUnits"]),
        (&json!(56), &json!("10.5")),
        "of 18 decimals none is written"
    );
    assert_eq!(to["tokenAddress"], "0x8AC76a51cc950d9822D68b83fE1Ad97B32Cd580d");
}

#[tokio::test]
async fn a_payment_without_its_copy_is_enough() {
    let minimal = json!({"id": ID, "url": "https://pay.daimo.com/checkout?id=x"});
    let (provider, _, _) = adapter(Api::Payments, move |_| answer(200, &minimal)).await;
    let intent = provider.open(&ten()).await.unwrap();
    assert_eq!(page(intent.as_ref()).0, "https://pay.daimo.com/checkout?id=x");
}

#[tokio::test]
async fn an_order_that_is_not_what_was_asked_is_not_shown() {
    for (pointer, value) in [
        ("/payment/id", json!("Another")),
        ("/payment/destination/amountUnits", json!("10500000")),
        ("/payment/destination/destinationAddress", json!(REFUNDS)),
        ("/payment/destination/chainId", json!("1")),
        ("/payment/externalId", json!("dep_another_one_0")),
    ] {
        let mut other = created();
        *other.pointer_mut(pointer).unwrap() = value;
        let (provider, _, _) = adapter(Api::Payments, move |_| answer(200, &other)).await;
        assert_eq!(*provider.open(&ten()).await.unwrap_err().kind(), ErrorKind::Protocol, "{pointer}");
    }
    for (pointer, value) in [
        ("/session/destination/tokenAddress", json!(REFUNDS)),
        ("/session/metadata/depositId", json!("dep_another_one_0")),
        ("/session/clientSecret", json!("")),
        ("/session/clientSecret", Value::Null),
    ] {
        let mut other = session("requires_payment_method");
        *other.pointer_mut(pointer).unwrap() = value;
        let (provider, _, _) = adapter(Api::Sessions, move |_| answer(200, &other)).await;
        assert_eq!(*provider.open(&ten()).await.unwrap_err().kind(), ErrorKind::Protocol, "{pointer}");
    }
    for url in ["", "javascript:alert(1)", "/checkout?id=1", "https://"] {
        let mut other = created();
        other["url"] = url.into();
        let (provider, _, _) = adapter(Api::Payments, move |_| answer(200, &other)).await;
        assert_eq!(*provider.open(&ten()).await.unwrap_err().kind(), ErrorKind::OutcomeUnknown, "{url}");
    }
}

#[tokio::test]
async fn a_conflict_is_looked_up_by_our_id() {
    let lines =
        || ["POST /root/api/payment".to_owned(), format!("GET /root/api/payment/external-id/{ORDER_ID}")];
    let conflict = |found: Response| {
        let found = Arc::new(Mutex::new(Some(found)));
        move |seen: &Seen| match seen.line.starts_with("POST") {
            true => answer(409, r#"{"error":"conflict"}"#),
            false => found.lock().unwrap().take().unwrap_or_else(|| answer(503, "")),
        }
    };
    // Bare or wrapped; with its page, or with the page in the form of the vendor's example.
    let mut with_url = payment("payment_unpaid");
    with_url["url"] = "https://pay.daimo.com/checkout?id=told".into();
    for (found, url) in [
        (json!({"payment": payment("payment_unpaid")}), None),
        (payment("payment_started"), None),
        (with_url, Some("https://pay.daimo.com/checkout?id=told")),
    ] {
        let (provider, log, config) = adapter(Api::Payments, conflict(answer(200, found))).await;
        let intent = provider.open(&ten()).await.unwrap();
        assert_eq!(log.lines(), lines());
        assert_eq!(log.all()[1].header("api-key"), Some("key-1"));
        let built = format!("{}/checkout?id={ID}", config.base_url);
        assert_eq!(page(intent.as_ref()), (url.unwrap_or(&built).to_owned(), Some(ID.to_owned())));
    }
    let mut other = payment("payment_unpaid");
    other["destination"]["amountUnits"] = "11".into();
    for (found, kind) in [
        (answer(200, other), ErrorKind::Rejected("conflict")),
        (answer(404, r#"{"error":"Payment not found"}"#), ErrorKind::Rejected("conflict")),
        (answer(500, ""), ErrorKind::OutcomeUnknown),
        (answer(200, "<html>"), ErrorKind::OutcomeUnknown),
    ] {
        let (provider, _, _) = adapter(Api::Payments, conflict(found)).await;
        assert_eq!(*provider.open(&ten()).await.unwrap_err().kind(), kind);
    }
}

#[tokio::test]
async fn refusals_of_a_create() {
    let about = r#"{"error":{"type":"validation_error","code":"invalid_parameter","message":"m","param":"destination.amountUnits"}}"#;
    for api in [Api::Payments, Api::Sessions] {
        for (status, body, kind) in [
            (400, r#"{"error":"bad"}"#, ErrorKind::Rejected("invalid_request")),
            (400, about, ErrorKind::Rejected("amount_refused")),
            (401, r#"{"error":"key"}"#, ErrorKind::Authentication),
            (403, "", ErrorKind::Authentication),
            (404, r#"{"error":"x"}"#, ErrorKind::Configuration),
            (422, "", ErrorKind::Rejected("invalid_request")),
            (429, "", ErrorKind::Transient { retry_after: None }),
            (302, "", ErrorKind::Configuration),
            (500, r#"{"error":"x"}"#, ErrorKind::OutcomeUnknown),
            (200, "<html>", ErrorKind::OutcomeUnknown),
            (200, "{}", ErrorKind::OutcomeUnknown),
        ] {
            let (provider, log, _) = adapter(api, move |_| answer(status, body)).await;
            let error = provider.open(&ten()).await.unwrap_err();
            assert_eq!((error.kind(), log.lines().len()), (&kind, 1), "{api:?} {status}");
        }
    }
    let (provider, _, _) = adapter(Api::Sessions, |_| answer(409, "")).await;
    assert_eq!(*provider.open(&ten()).await.unwrap_err().kind(), ErrorKind::Rejected("conflict"));
}

#[tokio::test]
async fn nothing_is_sent_for_what_cannot_be() {
    let (provider, log, _) = adapter(Api::Payments, |_| answer(200, "{}")).await;
    for (ticker, amount, word) in [
        (Ticker::BTC, usdc("1"), "unknown_ticker"),
        (Ticker::ETH, Amount::new(1, Asset::BTC), "wrong_asset"),
        (Ticker::USDC, Amount::zero(Asset::USDC), "amount_zero"),
    ] {
        let error = provider.open(&request(ticker, amount)).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Rejected(word));
    }
    assert!(log.all().is_empty());
}

fn record() -> IntentRecord {
    IntentRecord {
        deposit_id: ORDER_ID.parse().unwrap(),
        provider: Daimo::ID,
        provider_ref: ID.parse().unwrap(),
        terms: terms(Ticker::USDC, usdc("10.5")),
        instructions: PayInstructions::HostedPage { url: "https://x".into(), payment_id: None },
    }
}

#[tokio::test]
async fn a_read_is_one_request_with_the_key() {
    let (provider, log, _) = adapter(Api::Payments, |_| answer(200, payment("payment_completed"))).await;
    let read = provider.read(&record()).await.unwrap();
    assert_eq!(read.payments[0].confirmed, 10_500_000);
    assert_eq!(log.lines(), [format!("GET /root/api/payment/{ID}")]);
    assert_eq!(log.all()[0].header("api-key"), Some("key-1"));

    let (provider, log, _) = adapter(Api::Sessions, |_| answer(200, session("processing"))).await;
    let read = provider.read(&record()).await.unwrap();
    assert_eq!(read.payments[0].in_flight, 10_500_000);
    assert_eq!(log.lines(), [format!("GET /root/v1/sessions/{ID}")]);
    assert_eq!(log.all()[0].header("authorization"), Some("Bearer key-1"));
}

#[tokio::test]
async fn failures_of_a_read() {
    let mut other = payment("payment_completed");
    other["id"] = "AnotherPayment".into();
    let other = other.to_string();
    for (status, body, kind) in [
        (404, r#"{"error":"Payment not found"}"#, ErrorKind::NotFound),
        (404, "<html>", ErrorKind::Configuration),
        (401, "{}", ErrorKind::Authentication),
        (502, "<html>", ErrorKind::Transient { retry_after: None }),
        (200, "<html>", ErrorKind::Protocol),
        (200, "{}", ErrorKind::Protocol),
        (200, other.as_str(), ErrorKind::Protocol),
    ] {
        let body = body.to_owned();
        let (provider, _, _) = adapter(Api::Payments, move |_| answer(status, body.clone())).await;
        assert_eq!(*provider.read(&record()).await.unwrap_err().kind(), kind, "{status}");
    }
}

/// The other generation is never tried, whatever the configured one answers.
#[tokio::test]
async fn one_generation_never_stands_in_for_the_other() {
    for (api, own) in [(Api::Payments, "/root/api/"), (Api::Sessions, "/root/v1/")] {
        for status in [401, 404, 410, 500] {
            let (provider, log, _) = adapter(api, move |_| answer(status, r#"{"error":"gone"}"#)).await;
            provider.open(&ten()).await.unwrap_err();
            provider.read(&record()).await.unwrap_err();
            assert!(log.lines().iter().all(|line| line.contains(own)), "{:?}", log.lines());
        }
    }
}

/// An id of the provider is put into a path, whatever is in it.
#[tokio::test]
async fn a_hostile_reference_stays_one_path_segment() {
    let (provider, log, _) = adapter(Api::Payments, |_| answer(404, "")).await;
    let mut hostile = record();
    hostile.provider_ref = "../webhook/x?y#z".parse().unwrap();
    provider.read(&hostile).await.unwrap_err();
    assert_eq!(log.lines(), ["GET /root/api/payment/..%2Fwebhook%2Fx%3Fy%23z"]);
}

/// A create and what may follow it end, whatever hangs.
#[tokio::test]
async fn nothing_hangs_for_long() {
    let (provider, _, mut config) = adapter(Api::Payments, |seen| {
        if seen.line.starts_with("POST") {
            return answer(409, "{}");
        }
        std::thread::sleep(Duration::from_millis(400));
        answer(502, "")
    })
    .await;
    let begun = std::time::Instant::now();
    let error = provider.open(&ten()).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::OutcomeUnknown);
    assert!(error.source().is_some());
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(provider.capabilities().open_timeout, Duration::from_millis(500));
    config.api_key = Secret::new("key-2");
    assert_eq!(Daimo::new(config).unwrap().capabilities().open_timeout, Duration::from_secs(20));
}

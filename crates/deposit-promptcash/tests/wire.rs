//! The adapter's requests, and its answers to a service that is scripted to the byte. The emulator is not used here: it was
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
    Amount, Asset, CreditRule, Decimal, ErrorKind, IntentRecord, OpenRequest, PayInstructions,
    PaymentProvider, Quote, Terms, Ticker, Timestamp,
};
use deposit_promptcash::{Config, PromptCash};
use deposit_transport::HttpConfig;

const TX_ID: &str = "dep_01J9Z3K7QmWx";
const SECRET: &str = "s3cret-token-sample-1";
const ADDRESS: &str = "qzq9zryqj3w0vejq5m0yp8cpqg9vpn84ty6cjhfqgd";
const OTHER: &str = "pzq9zryqj3w0vejq5m0yp8cpqg9vpn84ty6cjhfqgd";

#[derive(Debug, Clone)]
struct Seen {
    line: String,
    authorization: String,
    form: Vec<(String, String)>,
}

impl Seen {
    fn field(&self, name: &str) -> Option<&str> {
        self.form.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Seen>>>);

impl Log {
    fn all(&self) -> Vec<Seen> {
        self.0.lock().unwrap().clone()
    }
}

async fn adapter(
    change: impl FnOnce(&mut Config),
    reply: impl Fn(&Seen) -> (u16, String) + Clone + Send + Sync + 'static,
) -> (PromptCash, Log) {
    let log = Log::default();
    let seen = log.clone();
    let app = Router::new().fallback(move |request: Request| {
        let (reply, seen) = (reply.clone(), seen.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = to_bytes(body, usize::MAX).await.unwrap();
            let one = Seen {
                line: format!("{} {}", head.method, head.uri),
                authorization: head.headers["authorization"].to_str().unwrap().to_owned(),
                form: url::form_urlencoded::parse(&body).into_owned().collect(),
            };
            seen.0.lock().unwrap().push(one.clone());
            let (status, body) = reply(&one);
            let answer: Response = (StatusCode::from_u16(status).unwrap(), body).into_response();
            answer
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/root/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let mut config = Config::new(base, "1-bOLAua5k", SECRET);
    change(&mut config);
    let mut http = HttpConfig::default();
    http.timeout = Duration::from_millis(500);
    http.min_backoff = Duration::from_millis(1);
    http.max_backoff = Duration::from_millis(2);
    (PromptCash::with_http(config, http).unwrap(), log)
}

/// For 0.03125 BCH at 400 USD.
fn request() -> OpenRequest {
    let amount = Amount::parse("0.03125", Asset::BCH).unwrap();
    let rate = "400".parse().unwrap();
    let expires_at = Timestamp::from_secs(1_785_003_600);
    let terms = Terms::new(
        Ticker::BCH,
        Asset::BCH,
        CreditRule::at_rate_of(Ticker::BCH),
        Timestamp::from_secs(1_785_000_000),
    )
    .with_quote(Quote { amount, rate, unit_price: rate, expires_at })
    .confirming_only_full(true);
    OpenRequest { deposit_id: TX_ID.parse().unwrap(), terms, amount, expires_at, attempt: 1 }
}

fn payment(tx_id: &str, amount_crypto: &str, amount_fiat: &str, address: &str) -> String {
    format!(
        r#"{{"id":4711,"tx_id":"{tx_id}","amount_crypto":{amount_crypto},"amount_fiat":{amount_fiat},"status":"PENDING",
            "paid_amount_crypto":0,"fiat_currency":"USD","crypto_currency":"BCH","slp_token":"","description":"",
            "callback_url":"","return_url":"","referer":"","email":"","address":"{address}","confirmations":0,"hash":"",
            "created_at":"2026-01-02T03:04:05.678901+07:00","paid":"0001-01-01T00:00:00Z",
            "remaining_amount_crypto":{amount_crypto},"payment_link":"bitcoincash:x","qr_url":"https://x.example"}}"#
    )
}

fn created(payment: &str, existing: bool) -> String {
    format!(r#"{{"payment":{payment},"existing":{existing}}}"#)
}

fn good() -> String {
    payment(TX_ID, "0.031250000000", "12.5", &format!("bitcoincash:{ADDRESS}"))
}

async fn open(provider: &PromptCash) -> Result<IntentRecord, ErrorKind> {
    let opened = provider.open(&request()).await;
    opened.map(|intent| IntentRecord::from(intent.as_ref())).map_err(|error| error.kind().clone())
}

#[tokio::test]
async fn a_create_is_a_form_and_its_answer_an_address() {
    let (provider, log) = adapter(|_| {}, |_| (200, created(&good(), false))).await;
    let intent = open(&provider).await.unwrap();
    assert_eq!(intent.provider_ref.as_str(), TX_ID);
    let link = format!("bitcoincash:{ADDRESS}?amount=0.03125");
    let how = PayInstructions::Address { address: ADDRESS.into(), memo: None, uri: Some(link) };
    assert_eq!(intent.instructions, how);
    let sent = log.all();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].line, "POST /root/api/v1/create-payment");
    assert_eq!(sent[0].authorization, SECRET);
    let form = [
        ("token", "1-bOLAua5k"),
        ("tx_id", TX_ID),
        ("amount", "12.5"),
        ("currency", "USD"),
        ("expiration", "120"),
        ("confirm", "1"),
    ];
    assert_eq!(sent[0].form, form.map(|(n, v)| (n.to_owned(), v.to_owned())));
}

#[tokio::test]
async fn a_callback_is_asked_for_where_one_is_configured() {
    let callback = "https://gw.example/webhooks/promptcash";
    let answer = good().replace(r#""callback_url":"""#, &format!(r#""callback_url":"{callback}""#));
    let set = |config: &mut Config| {
        config.callback_url = callback.into();
        config.confirmations = 0;
    };
    let (provider, log) = adapter(set, move |_| (200, created(&answer, true))).await;
    open(&provider).await.unwrap();
    assert_eq!(log.all()[0].field("callback"), Some(callback));
    assert_eq!(log.all()[0].field("confirm"), Some("0"));
}

/// An old payment under our id is ours only if it is what we ask for.
#[tokio::test]
async fn an_existing_payment_is_compared() {
    let with = |from: &str, to: &str| created(&good().replace(from, to), true);
    for (answer, kind) in [
        (created(&good(), true), None),
        (with(r#""amount_fiat":12.5"#, r#""amount_fiat":125"#), Some("tx_id_taken")),
        (with(r#""fiat_currency":"USD""#, r#""fiat_currency":"EUR""#), Some("tx_id_taken")),
        (with(r#""callback_url":"""#, r#""callback_url":"https://x.example""#), Some("tx_id_taken")),
    ] {
        let (provider, log) = adapter(|_| {}, move |_| (200, answer.clone())).await;
        assert_eq!(open(&provider).await.err(), kind.map(ErrorKind::Rejected));
        assert_eq!(log.all().len(), 1);
    }
}

/// The client comes back after the quote has ended: other terms, another price. Under the old name the service would bring the old payment back.
#[tokio::test]
async fn a_later_attempt_is_a_fresh_order() {
    let by_name = |seen: &Seen| {
        let (tx_id, usd) = (seen.field("tx_id").unwrap(), seen.field("amount").unwrap());
        // As it was asked for at first.
        let shown = if tx_id == TX_ID { "11.25" } else { usd };
        let answer = payment(tx_id, "0.031250000000", shown, &format!("bitcoincash:{ADDRESS}"));
        (200, created(&answer, tx_id == TX_ID))
    };
    let (provider, _) = adapter(|_| {}, by_name).await;
    assert_eq!(open(&provider).await.err(), Some(ErrorKind::Rejected("tx_id_taken")));
    for attempt in [2, 3] {
        let opened = provider.open(&OpenRequest { attempt, ..request() }).await.unwrap();
        assert_eq!(opened.provider_ref().as_str(), format!("{TX_ID}-a{attempt}"));
    }
}

#[tokio::test]
async fn larger_sums_ask_for_more_confirmations() {
    for (from_usd, confirm) in [("12.5", "6"), ("12.50000001", "1")] {
        let rule = format!(r#"{{"from_usd":"{from_usd}","confirmations":6}}"#);
        let rule: deposit_promptcash::ByAmount = serde_json::from_str(&rule).unwrap();
        let set = move |config: &mut Config| config.confirmations_by_amount = vec![rule];
        let (provider, log) = adapter(set, |_| (200, created(&good(), false))).await;
        open(&provider).await.unwrap();
        assert_eq!(log.all()[0].field("confirm"), Some(confirm));
    }
}

#[tokio::test]
async fn an_answer_that_is_not_what_was_asked_for_is_no_answer() {
    let with = |from: &str, to: &str| {
        assert!(good().contains(from));
        created(&good().replace(from, to), false)
    };
    for answer in [
        with(TX_ID, "dep_another_one_01"),
        with(r#""crypto_currency":"BCH""#, r#""crypto_currency":"SLP""#),
        with(r#""fiat_currency":"USD""#, r#""fiat_currency":"EUR""#),
        with(r#""amount_fiat":12.5"#, r#""amount_fiat":1.25"#),
        with("bitcoincash:q", "simpleledger:q"),
        with("bitcoincash:q", "q"),
        with(r#""amount_crypto":0.031250000000"#, r#""amount_crypto":-1"#),
    ] {
        let (provider, _) = adapter(|_| {}, move |_| (200, answer.clone())).await;
        assert_eq!(open(&provider).await.err(), Some(ErrorKind::Protocol));
    }
    for (status, body, kind) in [
        (200, "{}", ErrorKind::OutcomeUnknown),
        (200, r#"{"payment":{"id":1}}"#, ErrorKind::OutcomeUnknown),
        (200, "<html>", ErrorKind::OutcomeUnknown),
        (404, "", ErrorKind::Configuration),
        (401, "", ErrorKind::Authentication),
        (403, "", ErrorKind::Authentication),
        (502, "", ErrorKind::OutcomeUnknown),
    ] {
        let (provider, log) = adapter(|_| {}, move |_| (status, body.to_owned())).await;
        assert_eq!(open(&provider).await.err(), Some(kind), "{status} {body}");
        assert_eq!(log.all().len(), 1, "sent once");
    }
}

/// The service's rate is 1 % below ours: its figure is above what the payer is told, so a second order asks for less.
#[tokio::test]
async fn a_figure_above_ours_is_asked_for_again_and_a_repeat_ends_the_same() {
    let at_396 = |seen: &Seen| {
        let (tx_id, usd) = (seen.field("tx_id").unwrap(), seen.field("amount").unwrap());
        let fiat: Decimal = usd.parse().unwrap();
        let crypto = (fiat / Decimal::from(396)).round_dp(12);
        let address = if tx_id == TX_ID { ADDRESS } else { OTHER };
        let answer = payment(tx_id, &crypto.to_string(), usd, &format!("bitcoincash:{address}"));
        (200, created(&answer, false))
    };
    let (provider, log) = adapter(|_| {}, at_396).await;
    let first = open(&provider).await.unwrap();
    assert_eq!(first.provider_ref.as_str(), format!("{TX_ID}-2"));
    assert_eq!(first.instructions.link().unwrap(), format!("bitcoincash:{OTHER}?amount=0.03125"));
    assert_eq!(open(&provider).await.unwrap(), first);
    let asked: Vec<_> =
        log.all().iter().map(|s| s.field("amount").unwrap().parse::<Decimal>().unwrap()).collect();
    assert_eq!(asked.len(), 4);
    assert_eq!((asked[0], asked[1]), (asked[2], asked[3]));
    let due = asked[1] / Decimal::from(396);
    assert!(due <= "0.03125".parse().unwrap() && due >= "0.0312".parse().unwrap(), "{due}");
}

#[tokio::test]
async fn rates_that_are_far_apart_are_refused() {
    for crypto in ["0.0625", "0.0319", "0.0306", "0.0156", "0"] {
        let answer = payment(TX_ID, crypto, "12.5", &format!("bitcoincash:{ADDRESS}"));
        let (provider, log) = adapter(|_| {}, move |_| (200, created(&answer, false))).await;
        assert_eq!(open(&provider).await.err(), Some(ErrorKind::Rejected("rate_mismatch")), "{crypto}");
        assert_eq!(log.all().len(), 1);
    }
    // Above ours each time: not a third try.
    let rising = |seen: &Seen| {
        let (tx_id, usd) = (seen.field("tx_id").unwrap(), seen.field("amount").unwrap());
        (200, created(&payment(tx_id, "0.0315", usd, &format!("bitcoincash:{ADDRESS}")), false))
    };
    let (provider, log) = adapter(|_| {}, rising).await;
    assert_eq!(open(&provider).await.err(), Some(ErrorKind::Rejected("rate_mismatch")));
    assert_eq!(log.all().len(), 2);
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_refused_here() {
    let (provider, log) = adapter(|_| {}, |_| (500, String::new())).await;
    let mut long = request();
    long.deposit_id = "a".repeat(47).parse().unwrap();
    let mut nothing = request();
    nothing.amount = Amount::zero(Asset::BCH);
    let mut other = request();
    other.amount = Amount::new(1, Asset::BTC);
    for (request, word) in [(long, "id_too_long"), (nothing, "amount_zero"), (other, "wrong_asset")] {
        let error = provider.open(&request).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Rejected(word));
    }
    assert!(log.all().is_empty());
}

fn record() -> IntentRecord {
    let OpenRequest { deposit_id, terms, .. } = request();
    IntentRecord {
        deposit_id,
        provider: PromptCash::ID,
        provider_ref: TX_ID.parse().unwrap(),
        terms,
        instructions: PayInstructions::Address { address: ADDRESS.into(), memo: None, uri: None },
    }
}

#[tokio::test]
async fn reads() {
    let data = |payment: &str| format!(r#"{{"data":{payment}}}"#);
    let (provider, log) = adapter(|_| {}, move |_| (200, data(&good()))).await;
    let snapshot = provider.read(&record()).await.unwrap();
    assert_eq!(snapshot, deposit_core::Snapshot::empty(TX_ID.parse().unwrap()));
    assert_eq!(log.all()[0].line, format!("GET /root/api/v1/get-payment/{TX_ID}"));
    assert_eq!(log.all()[0].authorization, SECRET);
    let another = data(&good().replace(TX_ID, "dep_another_one_01"));
    let (payment, create) = (good(), created(&good(), false));
    for (status, body, kind) in [
        (404, "", ErrorKind::NotFound),
        (200, "{}", ErrorKind::NotFound),
        (200, r#"{"data":null}"#, ErrorKind::NotFound),
        // The wrong envelopes.
        (200, payment.as_str(), ErrorKind::NotFound),
        (200, create.as_str(), ErrorKind::NotFound),
        (200, another.as_str(), ErrorKind::Protocol),
        (200, r#"{"data":{"id":4711}}"#, ErrorKind::Protocol),
        (200, "<html>", ErrorKind::Protocol),
        (401, "", ErrorKind::Authentication),
        (502, "<html>", ErrorKind::Transient { retry_after: None }),
    ] {
        let answer = body.to_owned();
        let (provider, _) = adapter(|_| {}, move |_| (status, answer.clone())).await;
        assert_eq!(*provider.read(&record()).await.unwrap_err().kind(), kind, "{status} {body}");
    }
}

/// An id is put into a path, whatever is in it.
#[tokio::test]
async fn a_hostile_reference_stays_one_path_segment() {
    let (provider, log) = adapter(|_| {}, |_| (404, String::new())).await;
    let mut hostile = record();
    hostile.provider_ref = "../create-payment?x=y#z".parse().unwrap();
    provider.read(&hostile).await.unwrap_err();
    assert_eq!(log.all()[0].line, "GET /root/api/v1/get-payment/..%2Fcreate-payment%3Fx=y%23z");
}

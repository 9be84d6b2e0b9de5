//! The adapter's requests, and its answers to a server that is scripted to the byte. The emulator is not used here: it was
//! written from the same dossier, so its misunderstandings could be ours.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod batch;
mod marked;
mod refusal;

use std::error::Error as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use deposit_btcpay::{BtcPay, Config, SpeedPolicy, StoreRates};
use deposit_core::{
    Amount, Asset, CreditRule, ErrorKind, IntentRecord, LookUpRequest, OpenRequest, PayInstructions,
    PaymentProvider, Price, Quote, Terms, Ticker, Timestamp,
};
use deposit_transport::HttpConfig;
use serde_json::{Value, json};

const STORE: &str = "4hTzE6mQ9kVwXbNcRyJ2sGfUa8LdPp3oM7iAeB1tKxCD";
const ORDER_ID: &str = "dep_01J9Z3K7QmWx";
const INVOICE: &str = "Vx7KdQm2Rj8nTzW4cYhB6p";
const ADDRESS: &str = "bc1qexampleexampleexampleexampleexample0000";

#[derive(Debug, Clone)]
struct Seen {
    /// Method, path and query.
    line: String,
    authorization: String,
    body: Value,
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

fn answer(status: u16, body: impl Into<String>) -> Response {
    (StatusCode::from_u16(status).unwrap(), body.into()).into_response()
}

/// A server on a root path, and an adapter for it.
async fn adapter(reply: impl Fn(&Seen) -> Response + Clone + Send + Sync + 'static) -> (BtcPay, Log, Config) {
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
                body: serde_json::from_slice(&body).unwrap_or_default(),
            };
            seen.0.lock().unwrap().push(one.clone());
            reply(&one)
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/root", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let config = Config::new(base, "key-1", STORE, "whsec-sample-1");
    let mut http = HttpConfig::default();
    http.timeout = Duration::from_millis(500);
    http.min_backoff = Duration::from_millis(1);
    http.max_backoff = Duration::from_millis(2);
    (BtcPay::with_http(config.clone(), http).unwrap(), log, config)
}

fn terms(ticker: Ticker, amount: Amount) -> Terms {
    Terms::new(ticker, amount.asset(), CreditRule::at_rate_of(ticker), Timestamp::from_secs(1_785_000_000))
        .with_quote(Quote {
            amount,
            rate: Price::ONE,
            unit_price: Price::ONE,
            expires_at: Timestamp::from_secs(1_785_003_600),
        })
}

fn btc(text: &str) -> Amount {
    Amount::parse(text, Asset::BTC).unwrap()
}

fn request(ticker: Ticker, amount: Amount) -> OpenRequest {
    let terms = terms(ticker, amount);
    let expires_at = terms.expires_at().unwrap();
    OpenRequest { deposit_id: ORDER_ID.parse().unwrap(), terms, amount, expires_at, attempt: 1 }
}

fn invoice(id: &str, created: i64, methods: &[&str]) -> Value {
    json!({
        "id": id, "storeId": STORE, "amount": "0.00040", "paidAmount": "0", "status": "New", "additionalStatus": "None",
        "monitoringExpiration": created + 9000, "expirationTime": created + 3900, "createdTime": created,
        "archived": false, "paymentMethods": [], "type": "Standard", "currency": "BTC",
        "metadata": {"orderId": ORDER_ID, "depositGateway": "deposit/1"},
        "checkout": {"paymentMethods": methods, "lazyPaymentMethods": null}
    })
}

fn prompts(id: &str, destination: Value) -> String {
    json!([{"activated": !destination.is_null(), "destination": destination, "paymentLink": "", "rate": "1", "due": "0.0004",
            "amount": "0.0004", "payments": [], "paymentMethodId": id, "currency": "BTC"}])
    .to_string()
}

fn invoices(seen: &Seen) -> bool {
    seen.line.ends_with("/invoices")
}

#[tokio::test]
async fn an_order_is_two_requests() {
    let (provider, log, _) = adapter(|seen| {
        let body = if invoices(seen) {
            invoice(INVOICE, 1_785_000_001, &["BTC-CHAIN"]).to_string()
        } else {
            prompts("BTC-CHAIN", ADDRESS.into())
        };
        answer(200, body)
    })
    .await;
    let intent = provider.open(&request(Ticker::BTC, btc("0.0004"))).await.unwrap();
    assert_eq!(
        log.lines(),
        [
            format!("POST /root/api/v1/stores/{STORE}/invoices"),
            format!(
                "GET /root/api/v1/stores/{STORE}/invoices/{INVOICE}/payment-methods?onlyAccountedPayments=false"
            ),
        ]
    );
    let create = &log.all()[0];
    assert_eq!(create.authorization, "token key-1");
    assert_eq!(
        create.body,
        json!({
            "amount": "0.0004", "currency": "BTC",
            "metadata": {"orderId": ORDER_ID, "depositGateway": "deposit/1"},
            "checkout": {"paymentMethods": ["BTC-CHAIN"], "expirationMinutes": 65, "monitoringMinutes": 10080,
                         "speedPolicy": "MediumSpeed", "paymentTolerance": 3, "lazyPaymentMethods": false}
        })
    );
    assert_eq!(intent.provider_ref().as_str(), INVOICE);
    assert_eq!(intent.instructions().link(), Some(format!("bitcoin:{ADDRESS}?amount=0.0004").as_str()));
    assert_eq!((intent.deposit_id().as_str(), intent.provider()), (ORDER_ID, BtcPay::ID));
}

#[tokio::test]
async fn configured_ids_and_policy_are_sent() {
    let (_, log, mut config) = adapter(|_| answer(400, "")).await;
    config.speed_policy = SpeedPolicy::LowSpeed;
    config.method_ids.insert(Ticker::LTC_MWEB, "LTCMWEB-CHAIN".into());
    let provider = BtcPay::new(config).unwrap();
    let amount = Amount::parse("0.4", Asset::LTC).unwrap();
    provider.open(&request(Ticker::LTC_MWEB, amount)).await.unwrap_err();
    let checkout = &log.all()[0].body["checkout"];
    assert_eq!(
        (&checkout["paymentMethods"], &checkout["speedPolicy"]),
        (&json!(["LTCMWEB-CHAIN"]), &json!("LowSpeed"))
    );
    assert_eq!(log.all()[0].body["currency"], "LTC");
}

/// Dossier fact 4: a method can vanish silently.
#[tokio::test]
async fn an_order_without_its_method_is_marked_invalid_and_refused() {
    for (listed, prompts) in [
        (json!([]), prompts("BTC-CHAIN", ADDRESS.into())),
        (json!(["BTC-CHAIN"]), "[]".into()),
        (json!(["BTC-CHAIN"]), prompts("BTC-CHAIN", Value::Null)),
        (json!(["BTC-CHAIN"]), prompts("BTC-LN", "lnbc1x".into())),
        (json!(["BTC-CHAIN"]), prompts("BTC-CHAIN", "bc1q?amount=9".into())),
    ] {
        let (provider, log, _) = adapter(move |seen| {
            if invoices(seen) {
                let mut made = invoice(INVOICE, 1_785_000_001, &[]);
                made["checkout"]["paymentMethods"] = listed.clone();
                answer(200, made.to_string())
            } else if seen.line.ends_with("/status") {
                answer(403, "{}")
            } else if !seen.line.contains("/invoices/") {
                answer(404, "")
            } else {
                answer(200, prompts.clone())
            }
        })
        .await;
        let error = provider.open(&request(Ticker::BTC, btc("0.0004"))).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Rejected("method_missing"));
        let last = log.all().into_iter().rfind(|seen| seen.line.starts_with("POST")).unwrap();
        assert_eq!(last.line, format!("POST /root/api/v1/stores/{STORE}/invoices/{INVOICE}/status"));
        assert_eq!(last.body, json!({"status": "Invalid"}));
    }
}

#[tokio::test]
async fn an_order_that_is_not_what_was_asked_is_not_shown() {
    let (provider, log, _) = adapter(|seen| {
        let mut made = invoice(INVOICE, 1_785_000_001, &["BTC-CHAIN"]);
        made["amount"] = "0.00041".into();
        answer(200, if invoices(seen) { made.to_string() } else { "{}".into() })
    })
    .await;
    let error = provider.open(&request(Ticker::BTC, btc("0.0004"))).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Protocol);
    assert!(log.lines()[1].ends_with("/status"));
}

#[tokio::test]
async fn what_went_wrong_after_the_create_is_unknown() {
    let (provider, log, _) = adapter(|seen| {
        if invoices(seen) {
            answer(200, invoice(INVOICE, 1_785_000_001, &["BTC-CHAIN"]).to_string())
        } else {
            answer(502, "<html>Bad Gateway</html>")
        }
    })
    .await;
    let error = provider.open(&request(Ticker::BTC, btc("0.0004"))).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::OutcomeUnknown);
    assert!(error.source().is_some());
    let creates = log.lines().iter().filter(|line| line.starts_with("POST")).count();
    assert_eq!((creates, log.lines().len()), (1, 4), "the create once, the read three times");
}

#[tokio::test]
async fn refusals_of_a_create() {
    let field = r#"[{"path":"Checkout.PaymentMethods[0]","message":"Invalid PaymentMethodId"}]"#;
    for (status, body, kind, tries) in [
        (400, r#"{"code":"generic-error","message":"log\ntext"}"#, ErrorKind::Rejected("method_missing"), 4),
        (401, r#"{"code":"unauthenticated","message":"x"}"#, ErrorKind::Authentication, 1),
        (403, r#"{"code":"missing-permission","message":"x"}"#, ErrorKind::Authentication, 1),
        (404, "", ErrorKind::Configuration, 1),
        (422, field, ErrorKind::Rejected("method_unknown"), 2),
        (429, "", ErrorKind::Transient { retry_after: None }, 1),
        (500, "<html>", ErrorKind::OutcomeUnknown, 1),
        (200, "<html>", ErrorKind::OutcomeUnknown, 1),
    ] {
        let (provider, log, _) = adapter(move |_| answer(status, body)).await;
        let error = provider.open(&request(Ticker::BTC, btc("0.0004"))).await.unwrap_err();
        assert_eq!((error.kind(), log.lines().len()), (&kind, tries), "{status}");
    }
}

#[tokio::test]
async fn nothing_is_sent_for_what_cannot_be() {
    let (provider, log, _) = adapter(|_| answer(200, "{}")).await;
    for (ticker, amount, word) in [
        (Ticker::KAS, Amount::new(1, Asset::KAS), "unknown_ticker"),
        (Ticker::BTC, Amount::new(1, Asset::LTC), "wrong_asset"),
        (Ticker::BTC, Amount::zero(Asset::BTC), "amount_zero"),
        (Ticker::BTC_LN, Amount::new(1, Asset::BTC_LN), "amount_precision"),
    ] {
        let error = provider.open(&request(ticker, amount)).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Rejected(word));
    }
    assert!(log.all().is_empty());
}

#[tokio::test]
async fn a_look_up_finds_ours_oldest_first() {
    let (provider, log, _) = adapter(|seen| {
        if seen.line.contains("skip=") {
            answer(200, "[]")
        } else if seen.line.contains("/invoices?") {
            let mut other_amount = invoice("OtherAmount", 1_785_000_009, &["BTC-CHAIN"]);
            other_amount["amount"] = "0.5".into();
            let mut other_program = invoice("OtherProgram", 1_785_000_008, &["BTC-CHAIN"]);
            other_program["metadata"] = json!({"orderId": ORDER_ID});
            // A server that knows no such filter sends everything.
            let mut other_order = invoice("OtherOrder", 1_785_000_007, &["BTC-CHAIN"]);
            other_order["metadata"]["orderId"] = "dep_another_one_0".into();
            let newest_first = json!([
                other_amount,
                other_program,
                other_order,
                invoice("Third", 1_785_000_006, &["BTC-CHAIN"]),
                invoice("Unpayable", 1_785_000_005, &[]),
                invoice("Second", 1_785_000_004, &["BTC-CHAIN"]),
                invoice("First", 1_785_000_004, &["BTC-CHAIN"]),
            ]);
            answer(200, newest_first.to_string())
        } else if seen.line.contains("/Unpayable/") {
            answer(200, "[]")
        } else {
            answer(200, prompts("BTC-CHAIN", ADDRESS.into()))
        }
    })
    .await;
    let wanted =
        LookUpRequest { deposit_id: ORDER_ID.parse().unwrap(), terms: terms(Ticker::BTC, btc("0.0004")) };
    let found = provider.look_up(&wanted).await.unwrap();
    let ids: Vec<_> = found.iter().map(|intent| intent.provider_ref().as_str()).collect();
    assert_eq!(ids, ["First", "Second", "Third"]);
    assert_eq!(found[0].instructions().address(), Some(ADDRESS));
    let list =
        format!("GET /root/api/v1/stores/{STORE}/invoices?orderId={ORDER_ID}&includeArchived=true&take=50");
    assert_eq!(log.lines()[..2], [list.clone(), format!("{list}&skip=7")], "until nothing more comes");
}

/// A server, or what stands before it, may give less than was asked for.
#[tokio::test]
async fn a_look_up_s_cut_answer_is_asked_on() {
    let (provider, _, _) = adapter(|seen| {
        let made = |id, at| json!([invoice(id, at, &["BTC-CHAIN"])]).to_string();
        match seen.line.rsplit_once("skip=").map(|(_, skip)| skip) {
            Some("1") => answer(200, made("First", 1_785_000_004)),
            Some(_) => answer(200, "[]"),
            None if seen.line.contains("/invoices?") => answer(200, made("Second", 1_785_000_005)),
            None => answer(200, prompts("BTC-CHAIN", ADDRESS.into())),
        }
    })
    .await;
    let wanted =
        LookUpRequest { deposit_id: ORDER_ID.parse().unwrap(), terms: terms(Ticker::BTC, btc("0.0004")) };
    let found = provider.look_up(&wanted).await.unwrap();
    let ids: Vec<_> = found.iter().map(|intent| intent.provider_ref().as_str()).collect();
    assert_eq!(ids, ["First", "Second"]);
}

fn record() -> IntentRecord {
    IntentRecord {
        deposit_id: ORDER_ID.parse().unwrap(),
        provider: BtcPay::ID,
        provider_ref: INVOICE.parse().unwrap(),
        terms: terms(Ticker::BTC, btc("0.0004")),
        instructions: deposit_core::PayInstructions::Address {
            address: ADDRESS.into(),
            memo: None,
            uri: None,
        },
    }
}

#[tokio::test]
async fn a_read_is_the_invoice_and_all_of_its_payments() {
    let (provider, log, _) = adapter(|seen| {
        let body = if seen.line.contains("payment-methods") {
            prompts("BTC-CHAIN", ADDRESS.into())
        } else {
            invoice(INVOICE, 1_785_000_001, &["BTC-CHAIN"]).to_string()
        };
        answer(200, body)
    })
    .await;
    let snapshot = provider.read(&record()).await.unwrap();
    assert_eq!(snapshot, deposit_core::Snapshot::empty(INVOICE.parse().unwrap()));
    let path = format!("GET /root/api/v1/stores/{STORE}/invoices/{INVOICE}");
    assert_eq!(log.lines(), [path.clone(), format!("{path}/payment-methods?onlyAccountedPayments=false")]);
}

#[tokio::test]
async fn failures_of_a_read() {
    let gone = r#"{"code":"invoice-not-found","message":"The invoice was not found"}"#;
    let other = invoice("AnotherInvoice", 1, &[]).to_string();
    for (status, body, kind) in [
        (404, gone, ErrorKind::NotFound),
        (404, "<html>", ErrorKind::Configuration),
        (403, "{}", ErrorKind::Authentication),
        (502, "<html>", ErrorKind::Transient { retry_after: None }),
        (200, "<html>", ErrorKind::Protocol),
        (200, other.as_str(), ErrorKind::Protocol),
    ] {
        let body = body.to_owned();
        let (provider, _, _) = adapter(move |_| answer(status, body.clone())).await;
        let error = provider.read(&record()).await.unwrap_err();
        assert_eq!(*error.kind(), kind, "{status}");
    }
}

/// An id of the provider is put into a path, whatever is in it.
#[tokio::test]
async fn a_hostile_reference_stays_one_path_segment() {
    let (provider, log, _) = adapter(|_| answer(404, "")).await;
    let mut hostile = record();
    hostile.provider_ref = "../../stores/x?y#z".parse().unwrap();
    provider.read(&hostile).await.unwrap_err();
    assert_eq!(
        log.lines(),
        [format!("GET /root/api/v1/stores/{STORE}/invoices/..%2F..%2Fstores%2Fx%3Fy%23z")]
    );
}

#[tokio::test]
async fn the_store_s_rates() {
    let (provider, log, config) = adapter(|_| {
        answer(
            200,
            r#"[{"currencyPair":"BTC_USD","errors":[],"rate":"64392.23"},{"currencyPair":"XMR_USD","errors":["down"],"rate":null},
                {"currencyPair":"LTC_USD","errors":[],"rate":"0"},{"currencyPair":"EUR_USD","errors":[],"rate":1.08}]"#,
        )
    })
    .await;
    let tickers =
        [Ticker::BTC, Ticker::BTC_LN, Ticker::XMR, Ticker::LTC, Ticker::KAS, Ticker::EUR, Ticker::USD];
    let expected: Vec<(Ticker, Price)> =
        [(Ticker::BTC, "64392.23"), (Ticker::BTC_LN, "64392.23"), (Ticker::EUR, "1.08")]
            .map(|(ticker, text)| (ticker, text.parse().unwrap()))
            .to_vec();
    assert_eq!(provider.store_rates(&tickers).await.unwrap(), expected);
    assert_eq!(StoreRates::new(&config).unwrap().store_rates(&tickers).await.unwrap(), expected);
    let pairs = "currencyPair=BTC_USD&currencyPair=EUR_USD&currencyPair=LTC_USD&currencyPair=XMR_USD";
    let line = format!("GET /root/api/v1/stores/{STORE}/rates?{pairs}");
    assert_eq!(log.lines(), [line.clone(), line]);
    // Nothing that the store could know: nothing is asked, since it would then answer its default pairs.
    assert!(provider.store_rates(&[Ticker::KAS]).await.unwrap().is_empty());
    assert_eq!(log.lines().len(), 2);
}

/// A caller's lease covers a look-up and an open: each has to end, whatever hangs.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_hangs_for_long() {
    let (provider, _, _) = adapter(|seen| {
        if seen.line.contains("payment-methods") {
            std::thread::sleep(Duration::from_millis(300));
            answer(502, "")
        } else if seen.line.contains("/invoices?") {
            let many: Vec<_> = (0..20).map(|n| invoice(&format!("Invoice{n}"), n, &["BTC-CHAIN"])).collect();
            answer(200, json!(many).to_string())
        } else {
            answer(200, invoice(INVOICE, 1_785_000_001, &["BTC-CHAIN"]).to_string())
        }
    })
    .await;
    let wanted =
        LookUpRequest { deposit_id: ORDER_ID.parse().unwrap(), terms: terms(Ticker::BTC, btc("0.0004")) };
    let begun = std::time::Instant::now();
    let error = provider.look_up(&wanted).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Transient { retry_after: None });
    let error = provider.open(&request(Ticker::BTC, btc("0.0004"))).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::OutcomeUnknown);
    // 500 ms each by the configuration above; the sleeps of the server block a little more.
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

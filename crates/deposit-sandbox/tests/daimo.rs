//! Daimo Pay, emulated: both generations, their refusals, states, webhooks and pages.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use deposit_sandbox::{Json, Sandbox, SandboxConfig};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

const START: i64 = 1_785_000_000;
const TREASURY: &str = "0xde709f2102306220921060314715629080e2fb77";
const USDC: &str = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913";

type Got = Arc<Mutex<Vec<(HeaderMap, Vec<u8>)>>>;

struct World {
    sandbox: Sandbox,
    client: Client<HttpConnector, Full<Bytes>>,
    key: String,
    token: String,
    got: Got,
    answers: Arc<Mutex<Vec<u16>>>,
}

struct Reply {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Reply {
    fn json(&self) -> Json {
        Json::parse(self.text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

/// A member by its path: `session.destination.amountUnits`.
fn at(json: &Json, path: &str) -> Json {
    path.split('.').fold(json.clone(), |json, name| json.get(name).cloned().unwrap_or(Json::Null))
}

fn text(json: &Json, path: &str) -> String {
    at(json, path).as_text().unwrap_or_else(|| panic!("{path} of {}", json.compact())).to_owned()
}

impl World {
    async fn new() -> Self {
        let (got, answers) = (Got::default(), Arc::<Mutex<Vec<u16>>>::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gateways = vec![format!("http://{}", listener.local_addr().unwrap())];
        let (kept, said) = (got.clone(), answers.clone());
        let app = Router::new().fallback(move |request: Request| {
            let (kept, said) = (kept.clone(), said.clone());
            async move {
                let (head, body) = request.into_parts();
                assert_eq!(head.uri.path(), "/webhooks/daimo");
                let body = body.collect().await.unwrap().to_bytes().to_vec();
                kept.lock().unwrap().push((head.headers, body));
                StatusCode::from_u16(said.lock().unwrap().pop().unwrap_or(200)).unwrap()
            }
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        let config = SandboxConfig { gateways, clock: Some(START), ..SandboxConfig::default() };
        let sandbox = Sandbox::start(config).await.unwrap();
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
        let [key, token] = ["api_key", "webhook_token"].map(|key| sandbox.setting("daimo", key).unwrap());
        Self { sandbox, client, key, token, got, answers }
    }

    async fn send(&self, method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut request = hyper::Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Full::new(Bytes::from(body.to_owned()));
        let response = self.client.request(request.body(body).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Reply { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    fn url(&self, path: &str) -> String {
        format!("{}/daimo{path}", self.sandbox.base_url())
    }

    async fn payments(&self, method: &str, path: &str, key: &str, body: &str) -> Reply {
        let mut headers = vec![("Api-Key", self.key.as_str())];
        if !key.is_empty() {
            headers.push(("Idempotency-Key", key));
        }
        self.send(method, &self.url(&format!("/api{path}")), &headers, body).await
    }

    async fn sessions(&self, method: &str, path: &str, body: &str) -> Reply {
        let bearer = format!("Bearer {}", self.key);
        let headers = [("Authorization", bearer.as_str())];
        self.send(method, &self.url(&format!("/v1{path}")), &headers, body).await
    }

    async fn control(&self, path: &str, body: &str) -> Reply {
        let method = if body.is_empty() { "GET" } else { "POST" };
        self.send(method, &format!("{}{path}", self.sandbox.control_url()), &[], body).await
    }

    async fn done(&self, path: &str, body: &str) -> Json {
        let reply = self.control(path, body).await;
        assert_eq!(reply.status, 200, "{path} {body}: {}", reply.text);
        reply.json()
    }

    async fn payment(&self, ours: &str) -> String {
        let reply = self.payments("POST", "/payment", ours, &payment(ours, "10.00")).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        text(&reply.json(), "id")
    }

    async fn session(&self, ours: &str) -> (String, String) {
        let reply = self.sessions("POST", "/sessions", &session(ours, "\"10.00\"")).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        let json = reply.json();
        (text(&json, "session.sessionId"), text(&json, "session.clientSecret"))
    }

    async fn status(&self, id: &str) -> String {
        if id.len() == 32 {
            text(&self.sessions("GET", &format!("/sessions/{id}"), "").await.json(), "session.status")
        } else {
            text(&self.payments("GET", &format!("/payment/{id}"), "", "").await.json(), "status")
        }
    }

    async fn pay(&self, reference: &str, more: &str) -> Reply {
        self.control("/daimo/pay", &format!(r#"{{"ref":"{reference}"{more}}}"#)).await
    }

    async fn play(&self, reference: &str, name: &str) -> Reply {
        self.control("/daimo/scenario", &format!(r#"{{"ref":"{reference}","name":"{name}"}}"#)).await
    }

    async fn truth(&self, reference: &str) -> Json {
        let all = self.done("/truth", "").await;
        all.items().iter().find(|o| text(o, "ref") == reference).unwrap().clone()
    }

    /// What was delivered since the last call.
    async fn events(&self) -> Vec<(HeaderMap, Json)> {
        self.sandbox.webhooks_idle().await;
        let got: Vec<_> = self.got.lock().unwrap().drain(..).collect();
        got.into_iter().map(|(headers, body)| (headers, Json::parse(&body).unwrap())).collect()
    }

    async fn kinds(&self) -> Vec<String> {
        self.events().await.iter().map(|(_, body)| text(body, "type")).collect()
    }
}

fn payment(ours: &str, amount: &str) -> String {
    format!(
        r#"{{"display":{{"intent":"Deposit"}},"destination":{{"destinationAddress":"{TREASURY}","chainId":8453,
           "tokenAddress":"{USDC}","amountUnits":"{amount}"}},"refundAddress":"{USDC}","externalId":"{ours}",
           "metadata":{{"depositId":"{ours}"}}}}"#
    )
}

fn session(ours: &str, amount: &str) -> String {
    format!(
        r#"{{"destination":{{"type":"evm","address":"{TREASURY}","chainId":8453,"tokenAddress":"{USDC}","amountUnits":{amount}}},
           "display":{{"title":"Deposit","verb":"Deposit"}},"metadata":{{"depositId":"{ours}"}}}}"#
    )
}

#[tokio::test]
async fn the_config_is_a_section_of_the_gateway_s() {
    let w = World::new().await;
    let config: toml::Table = w.sandbox.config_toml().parse().unwrap();
    let daimo = config["providers"]["daimo"].as_table().unwrap();
    let keys: Vec<_> = daimo.keys().map(String::as_str).collect();
    let mut wanted = ["api", "api_key", "base_url", "destination_address", "refund_address", "webhook_token"];
    wanted.sort_unstable();
    assert_eq!(keys, wanted);
    assert_eq!(daimo["base_url"].as_str(), Some(w.url("").as_str()));
    assert_eq!(daimo["api"].as_str(), Some("payments"));
    assert_ne!(daimo["refund_address"], daimo["destination_address"]);
}

#[tokio::test]
async fn a_payment_is_created_once_under_its_key() {
    let w = World::new().await;
    let body = payment("dep_1", "10.00");
    let first = w.payments("POST", "/payment", "key-1", &body).await;
    let json = first.json();
    assert_eq!((first.status, text(&json, "payment.status")), (200, "payment_unpaid".into()));
    let id = text(&json, "id");
    assert_eq!(text(&json, "url"), w.url(&format!("/checkout?id={id}")));
    // A text in the answer, though a number in the request; without trailing zeros.
    assert_eq!(text(&json, "payment.destination.chainId"), "8453");
    assert_eq!(text(&json, "payment.destination.amountUnits"), "10");
    assert_eq!(text(&json, "payment.destination.callData"), "0x");
    assert_eq!(text(&json, "payment.createdAt"), START.to_string());
    assert_eq!(text(&json, "payment.display.paymentValue"), "10.00");
    assert!(at(&json, "payment.source").is_null());

    w.pay(&id, "").await;
    let again = w.payments("POST", "/payment", "key-1", &body).await;
    assert_eq!((again.status, &again.text), (200, &first.text), "the first answer again");
    let other = w.payments("POST", "/payment", "key-1", &payment("dep_1", "11")).await;
    assert_eq!(other.status, 409);
    assert_eq!(w.payments("POST", "/payment", "key-2", &body).await.status, 409, "its external id is taken");
    assert_eq!(w.payments("POST", "/payment", "", &payment("dep_2", "1")).await.status, 200, "without a key");

    let by_id = w.payments("GET", &format!("/payment/{id}"), "", "").await.json();
    assert_eq!(text(&by_id, "status"), "payment_completed");
    let wrapped = w.payments("GET", "/payment/external-id/dep_1", "", "").await.json();
    assert_eq!(at(&wrapped, "payment"), by_id);
    for unknown in ["/payment/7Nobody", "/payment/external-id/dep_9"] {
        let reply = w.payments("GET", unknown, "", "").await;
        assert_eq!((reply.status, text(&reply.json(), "error")), (404, "Payment not found".into()));
    }
}

#[tokio::test]
async fn what_the_real_one_refuses() {
    let w = World::new().await;
    let long = "x".repeat(501);
    let cases = [
        (r#""amountUnits":"10.00""#, r#""amountUnits":10"#, "destination.amountUnits"),
        (r#""amountUnits":"10.00""#, r#""amountUnits":"0""#, "destination.amountUnits"),
        (r#""amountUnits":"10.00""#, r#""amountUnits":"-1""#, "destination.amountUnits"),
        (r#""amountUnits":"10.00""#, r#""amountUnits":"1e1""#, "destination.amountUnits"),
        (r#""amountUnits":"10.00""#, r#""amountUnits":"0.0000001""#, "destination.amountUnits"),
        (r#""amountUnits":"10.00""#, r#""amountUnits":"ten""#, "destination.amountUnits"),
        (r#""chainId":8453"#, r#""chainId":"8453""#, "destination.chainId"),
        (r#""chainId":8453"#, r#""chainId":501"#, "destination.chainId"),
        (r#""chainId":8453"#, r#""chainId":10"#, "destination.tokenAddress"),
        (USDC, "0x833589FCD6eDb6E08f4c7C32D4f71b54bdA02913", "destination.tokenAddress"),
    ];
    let both = [
        (r#""metadata":{"depositId":"dep_1"}"#, r#""metadata":{"n":1}"#, "metadata.n"),
        (r#""metadata":{"depositId":"dep_1"}"#, r#""metadata":[]"#, "metadata"),
    ];
    let too_long = format!(r#""metadata":{{"n":"{long}"}}"#);
    let more = [(r#""metadata":{"depositId":"dep_1"}"#, too_long.as_str(), "metadata.n")];
    for (from, to, param) in cases.iter().chain(&both).chain(&more) {
        let body = payment("dep_1", "10.00").replacen(from, to, 1);
        let reply = w.payments("POST", "/payment", "", &body).await;
        assert_eq!(reply.status, 400, "{to}");
        let error = text(&reply.json(), "error");
        assert!(error.starts_with(&format!("{param}:")), "{to}: {error}");

        let body = session("dep_1", "\"10.00\"").replacen(from, to, 1);
        let reply = w.sessions("POST", "/sessions", &body).await;
        assert_eq!(
            (reply.status, text(&reply.json(), "error.type")),
            (400, "validation_error".into()),
            "{to}"
        );
        assert_eq!(text(&reply.json(), "error.param"), *param, "{to}");
    }
    for (path, body, param) in [
        ("/payment", payment("d", "1").replace("\"intent\"", "\"title\""), "display.intent"),
        ("/payment", payment("d", "1").replace(TREASURY, "0x00"), "destination.destinationAddress"),
        ("/payment", payment("d", "1").replace(r#""externalId":"d""#, r#""externalId":1"#), "externalId"),
        (
            "/payment",
            payment("d", "1").replace(r#"{"intent""#, r#"{"redirectUri":"x","intent""#),
            "display.redirectUri",
        ),
        (
            "/payment",
            payment("d", "1").replace(r#"{"intent""#, r#"{"preferredTokens":[{}],"intent""#),
            "display.preferredTokens",
        ),
        (
            "/payment",
            payment("d", "1").replace(r#"{"intent""#, r#"{"paymentOptions":[1],"intent""#),
            "display.paymentOptions",
        ),
        ("/payment", "[]".to_owned(), "body"),
        ("/payment", "{".to_owned(), "body"),
    ] {
        let reply = w.payments("POST", path, "", &body).await;
        assert_eq!(reply.status, 400, "{body}");
        assert!(text(&reply.json(), "error").starts_with(&format!("{param}:")), "{}", reply.text);
    }
    assert!(w.done("/truth", "").await.items().is_empty(), "nothing was created");
}

#[tokio::test]
async fn each_generation_has_its_own_header_for_the_key() {
    let w = World::new().await;
    let bearer = format!("Bearer {}", w.key);
    let basic = format!("Basic {}", w.key);
    for (path, headers) in [
        ("/api/payment", vec![]),
        ("/api/payment", vec![("Api-Key", "nobody")]),
        ("/api/payment", vec![("Authorization", bearer.as_str())]),
        ("/v1/sessions", vec![]),
        ("/v1/sessions", vec![("Authorization", "Bearer nobody")]),
        ("/v1/sessions", vec![("Authorization", basic.as_str())]),
        ("/v1/sessions", vec![("Api-Key", w.key.as_str())]),
        ("/api/webhook", vec![]),
        ("/v1/webhooks", vec![]),
    ] {
        let reply = w.send("POST", &w.url(path), &headers, "{}").await;
        assert_eq!(reply.status, 401, "{path} {headers:?}");
        assert!(!at(&reply.json(), "error").is_null());
    }
}

#[tokio::test]
async fn a_payment_s_way_and_its_webhooks() {
    let w = World::new().await;
    let id = w.payment("dep_1").await;
    assert_eq!(w.pay("dep_1", r#","stage":"seen","ticker":"ETH""#).await.status, 200);
    assert_eq!(w.status(&id).await, "payment_started");
    let reply = w.pay("dep_1", &format!(r#","payment":"{id}","stage":"confirmed""#)).await;
    assert_eq!(text(&reply.json(), "payment"), id);
    assert_eq!(w.status(&id).await, "payment_completed");
    let events = w.events().await;
    assert_eq!(events.len(), 2);
    let mut ids = Vec::new();
    for (headers, body) in &events {
        assert_eq!(headers["authorization"].to_str().unwrap(), format!("Basic {}", w.token), "as it is");
        ids.push(headers["idempotency-key"].to_str().unwrap().to_owned());
        assert_eq!((text(body, "paymentId"), text(body, "payment.id")), (id.clone(), id.clone()));
        assert_eq!(text(body, "type"), text(body, "payment.status"));
    }
    assert_ne!(ids[0], ids[1]);
    let chain = |n: usize, path: &str| at(&events[n].1, path);
    // The payer's chain first, then the destination's; numbers here, texts inside.
    assert_eq!((chain(0, "chainId"), chain(1, "chainId")), (Json::int(1), Json::int(8453)));
    assert_eq!(text(&events[0].1, "payment.source.chainId"), "1");
    assert_eq!(text(&events[0].1, "payment.source.amountUnits"), "0.004", "ten dollars of ETH");

    assert_eq!(w.play("dep_1", "refund").await.status, 200);
    let events = w.events().await;
    assert_eq!(text(&events[0].1, "type"), "payment_refunded");
    assert_eq!(text(&events[0].1, "amountUnits"), "10");
    w.done("/daimo/redeliver", r#"{"ref":"dep_1"}"#).await;
    let again: Vec<_> = w.events().await;
    let back: Vec<_> = again.iter().map(|(h, _)| h["idempotency-key"].to_str().unwrap().to_owned()).collect();
    assert_eq!((back.len(), &back[..2]), (3, &ids[..]), "under the ids that they had");
}

#[tokio::test]
async fn who_pays_from_an_exchange_is_not_told() {
    let w = World::new().await;
    let id = w.payment("dep_1").await;
    w.pay(&id, r#","ticker":"USDT""#).await;
    let read = w.payments("GET", &format!("/payment/{id}"), "", "").await.json();
    assert!(at(&read, "source.payerAddress").is_null() && at(&read, "source.txHash").is_null());
    let id = w.payment("dep_2").await;
    w.pay(&id, r#","ticker":"SOL""#).await;
    let read = w.payments("GET", &format!("/payment/{id}"), "", "").await.json();
    assert_eq!(text(&read, "source.chainId"), "501");
    assert!(!text(&read, "source.payerAddress").starts_with("0x"));
}

#[tokio::test]
async fn a_session_s_way_and_its_webhooks() {
    let w = World::new().await;
    let (id, secret) = w.session("dep_1").await;
    assert_eq!(w.status(&id).await, "requires_payment_method");
    let public = w.send("GET", &w.url(&format!("/v1/sessions/{id}")), &[], "").await;
    assert!(public.headers.contains_key("request-id"));
    let shown = at(&public.json(), "session");
    assert!(shown.get("metadata").is_none() && shown.get("clientSecret").is_none());
    let path = w.url(&format!("/v1/sessions/{id}/paymentMethods"));
    for (body, status) in [
        (r#"{"clientSecret":"wrong","paymentMethod":{"type":"evm"}}"#.to_owned(), 401),
        (r#"{"paymentMethod":{"type":"evm"}}"#.to_owned(), 400),
        (format!(r#"{{"clientSecret":"{secret}","paymentMethod":{{"type":"tron"}}}}"#), 400),
        (format!(r#"{{"clientSecret":"{secret}","paymentMethod":{{"type":"tron","amountUsd":10}}}}"#), 200),
        (format!(r#"{{"clientSecret":"{secret}","paymentMethod":{{"type":"evm"}}}}"#), 200),
    ] {
        assert_eq!(w.send("POST", &path, &[], &body).await.status, status, "{body}");
    }
    assert_eq!(w.status(&id).await, "waiting_payment");
    let to = text(&w.truth(&id).await, "address");
    w.pay(&to, r#","stage":"seen""#).await;
    assert_eq!(w.status(&id).await, "processing");
    w.pay(&id, &format!(r#","payment":"{id}""#)).await;
    let read = w.sessions("GET", &format!("/sessions/{id}"), "").await.json();
    assert_eq!(text(&read, "session.status"), "succeeded");
    assert_eq!(text(&read, "session.destination.delivery.receivedUnits"), "10");
    assert_eq!(at(&read, "session.expiresAt"), Json::int(START + 3_600));

    w.sandbox.webhooks_idle().await;
    let got: Vec<_> = w.got.lock().unwrap().drain(..).collect();
    let kinds: Vec<_> = got.iter().map(|(_, body)| text(&Json::parse(body).unwrap(), "type")).collect();
    assert_eq!(kinds, ["session.processing", "session.succeeded"]);
    for (headers, body) in &got {
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(w.token.as_bytes()).unwrap();
        mac.update(format!("{START}.").as_bytes());
        mac.update(body);
        let right = format!("t={START},v1={}", hex::encode(mac.finalize().into_bytes()));
        assert_eq!(headers["daimo-signature"].to_str().unwrap(), right);
        let body = Json::parse(body).unwrap();
        assert_eq!(text(&body, "data.session.sessionId"), id);
        assert!(at(&body, "data.session.clientSecret").is_null());
        assert!(!at(&body, "data.session.metadata").is_null());
    }
}

#[tokio::test]
async fn a_session_expires_and_nobody_is_told() {
    let w = World::new().await;
    let (id, _) = w.session("dep_1").await;
    w.done("/clock", r#"{"advance_seconds":3599}"#).await;
    assert_eq!(w.status(&id).await, "requires_payment_method");
    w.done("/clock", r#"{"advance_seconds":1}"#).await;
    assert_eq!(w.status(&id).await, "expired");
    assert!(w.kinds().await.is_empty());
    let late = w.pay(&id, "").await;
    assert_eq!(late.status, 400);
    assert_eq!(text(&late.json(), "error"), "ref: the order is expired and takes no payment");
    // Payments do not.
    let payment = w.payment("dep_2").await;
    w.done("/clock", r#"{"advance_seconds":86400}"#).await;
    assert_eq!(w.status(&payment).await, "payment_unpaid");
}

#[tokio::test]
async fn a_bounce_shows_the_refund_as_a_delivery() {
    let w = World::new().await;
    let (id, _) = w.session("dep_1").await;
    let played = w.play(&id, "fail").await.json();
    assert_eq!(text(&played.get("payments").unwrap().items()[0], "stage"), "withdrawn");
    let read = w.sessions("GET", &format!("/sessions/{id}"), "").await.json();
    assert_eq!(text(&read, "session.status"), "bounced");
    assert_eq!(text(&read, "session.destination.delivery.receivedUnits"), "10");
    assert_eq!(w.kinds().await, ["session.processing", "session.bounced"]);
    let payment = w.payment("dep_2").await;
    w.play(&payment, "fail").await;
    assert_eq!(w.status(&payment).await, "payment_bounced");
    w.play(&payment, "refund").await;
    assert_eq!(w.status(&payment).await, "payment_refunded");
    let truth = w.truth(&payment).await;
    let payment = &truth.get("payments").unwrap().items()[0];
    assert_eq!((text(payment, "stage"), text(payment, "confirmed")), ("withdrawn".into(), "0".into()));
}

#[tokio::test]
async fn scenarios_and_truth() {
    let w = World::new().await;
    let (session, _) = w.session("dep_s").await;
    let id = w.payment("dep_1").await;
    for name in ["partial", "over", "late", "double", "reorg", "return", "refund_part", "dispute", "replace"]
    {
        for order in [&id, &session] {
            let reply = w.play(order, name).await;
            assert_eq!(reply.status, 400, "{name}");
            assert!(
                text(&reply.json(), "error")
                    .starts_with(&format!("name: {name}: this provider cannot have it"))
            );
        }
    }
    assert_eq!(w.play(&session, "refund").await.status, 400);
    assert_eq!(w.play(&id, "expire").await.status, 200);
    assert_eq!(w.status(&id).await, "payment_unpaid", "there is no word for it");
    assert_eq!(w.truth(&id).await.get("payments").unwrap().items().len(), 0);

    let played = w.play("dep_1", "refund").await.json();
    assert_eq!(
        played.compact(),
        format!(r#"{{"payments":[{{"id":"{id}","amount":"10","stage":"reversed"}}]}}"#)
    );
    let seen = r#""settled":null,"settledTicker":null,"seenAt":"2026-07-25T17:20:00.000Z"}]}"#;
    assert_eq!(
        w.truth(&id).await.compact(),
        format!(
            r#"{{"provider":"daimo","ref":"{id}","order":"dep_1","address":null,"ticker":"USDC","due":"10","payments":[{{"id":"{id}","amount":"10","stage":"reversed","confirmed":"10","reversed":"10","reinstated":"0",{seen}"#
        )
    );
    for (name, why) in [("refund", "once is all"), ("fail", "on its way"), ("expire", "waits for money")] {
        let reply = w.play(&id, name).await;
        assert!(reply.status == 400 && text(&reply.json(), "error").contains(why), "{}", reply.text);
    }
    assert_eq!(w.play(&session, "expire").await.status, 200);
    assert_eq!(w.status(&session).await, "expired");
}

#[tokio::test]
async fn pay_takes_what_is_due_and_once() {
    let w = World::new().await;
    let id = w.payment("dep_1").await;
    for (more, error) in [
        (r#","amount":"9""#, "amount: must be what is due, 10: the amount of an order is fixed"),
        (r#","ticker":"BTC""#, "ticker: must be USDC, USDT, ETH or SOL"),
        (r#","payment":"another""#, "payment: no payment of this order: it has its order's id"),
    ] {
        let reply = w.pay(&id, more).await;
        assert_eq!((reply.status, text(&reply.json(), "error").as_str()), (400, error));
    }
    assert_eq!(w.pay("nobody", "").await.status, 400);
    assert_eq!(w.pay(&id, r#","amount":"10.000""#).await.status, 200);
    assert_eq!(w.pay(&id, "").await.status, 400);
    // A session may be open for any amount.
    let open = session("dep_2", "null");
    let made = w.sessions("POST", "/sessions", &open).await.json();
    let id = text(&made, "session.sessionId");
    assert_eq!(w.pay(&id, "").await.status, 400);
    assert_eq!(w.pay(&id, r#","amount":"2.5""#).await.status, 200);
    assert_eq!(text(&w.truth(&id).await.get("payments").unwrap().items()[0], "amount"), "2.5");
    assert!(w.truth(&id).await.get("due").unwrap().is_null());
}

#[tokio::test]
async fn a_person_presses_pay() {
    let w = World::new().await;
    let id = w.payment("dep_1").await;
    let url = w.url(&format!("/checkout?id={id}"));
    let shown = w.send("GET", &url, &[], "").await;
    assert_eq!(shown.status, 200);
    assert!(shown.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(shown.text.contains("10 USDC") && shown.text.contains(">Pay</button>"), "{}", shown.text);
    let paid = w.send("POST", &url, &[], "coin=ETH&stage=confirmed").await;
    assert!(paid.text.contains("payment_completed") && !paid.text.contains("<button"), "{}", paid.text);
    w.send("POST", &url, &[], "coin=ETH&stage=confirmed").await;
    assert_eq!(w.kinds().await, ["payment_started", "payment_completed"], "once");

    let (id, secret) = w.session("dep_2").await;
    let url = w.url(&format!("/webview?session={id}&cs={secret}"));
    w.send("POST", &url, &[], "coin=USDC&stage=seen").await;
    assert_eq!(w.status(&id).await, "processing");
    for wrong in
        [format!("/webview?session={id}&cs=x"), "/checkout?id=x".to_owned(), format!("/checkout?id={id}")]
    {
        assert_eq!(w.send("GET", &w.url(&wrong), &[], "").await.status, 404, "{wrong}");
    }
    // A page that is over, and one whose text is a trap.
    let id = w.payment("dep_3").await;
    w.play(&id, "expire").await;
    let url = w.url(&format!("/checkout?id={id}"));
    w.send("POST", &url, &[], "coin=USDC&stage=confirmed").await;
    assert_eq!(w.status(&id).await, "payment_unpaid");
    let trap = payment("dep_4", "1").replace("\"Deposit\"", "\"<script>\"");
    let id = text(&w.payments("POST", "/payment", "", &trap).await.json(), "id");
    let shown = w.send("GET", &w.url(&format!("/checkout?id={id}")), &[], "").await.text;
    assert!(shown.contains("&lt;script&gt;") && !shown.contains("<script>"));
}

#[tokio::test]
async fn failed_deliveries_come_again() {
    let w = World::new().await;
    w.answers.lock().unwrap().extend([500, 401]);
    let id = w.payment("dep_1").await;
    w.pay(&id, r#","stage":"seen""#).await;
    for (wait, tries) in [(0, 1), (59, 1), (1, 2), (120, 3)] {
        if wait > 0 {
            w.done("/clock", &format!(r#"{{"advance_seconds":{wait}}}"#)).await;
        }
        w.sandbox.webhooks_idle().await;
        assert_eq!(w.got.lock().unwrap().len(), tries);
    }
    let got = w.got.lock().unwrap().clone();
    assert!(got.iter().all(|(headers, body)| {
        (&headers["idempotency-key"], body) == (&got[0].0["idempotency-key"], &got[0].1)
    }));
}

#[tokio::test]
async fn subscriptions_of_both_generations() {
    let w = World::new().await;
    let url = format!("{}/x", w.url(""));
    let body = format!(r#"{{"url":"{url}"}}"#);
    let made = w.payments("POST", "/webhook", "k", &body).await;
    let id = text(&made.json(), "id");
    assert_eq!(w.payments("POST", "/webhook", "k", &body).await.text, made.text, "once under one key");
    assert_eq!(w.payments("POST", "/webhook", "k", r#"{"url":"http://x"}"#).await.status, 409);
    assert_eq!(w.payments("POST", "/webhook", "", r#"{"url":"x"}"#).await.status, 400);
    let read = w.payments("GET", &format!("/webhook/{id}"), "", "").await;
    assert!(at(&read.json(), "token").is_null() && text(&read.json(), "url") == url);
    assert_eq!(w.payments("POST", &format!("/webhook/{id}/test"), "", "").await.status, 200);
    assert_eq!(w.payments("DELETE", &format!("/webhook/{id}"), "", "").await.status, 200);
    assert_eq!(w.payments("DELETE", &format!("/webhook/{id}"), "", "").await.status, 404);

    let body = format!(r#"{{"url":"{url}","events":["session.succeeded"]}}"#);
    let made = w.sessions("POST", "/webhooks", &body).await.json();
    let id = text(&made, "webhook.id");
    assert!(!text(&made, "webhook.secret").is_empty());
    assert_eq!(
        w.sessions("POST", "/webhooks", r#"{"url":"http://x","events":["session.expired"]}"#).await.status,
        400
    );
    let listed = w.sessions("GET", "/webhooks", "").await;
    assert_eq!(at(&listed.json(), "webhooks").items().len(), 2);
    assert!(!listed.text.contains("secret"));
    assert_eq!(w.sessions("GET", &format!("/webhooks/{id}"), "").await.status, 200);
    assert_eq!(w.sessions("DELETE", &format!("/webhooks/{id}"), "").await.status, 200);
    assert_eq!(w.sessions("GET", &format!("/webhooks/{id}"), "").await.status, 404);
}

#[tokio::test]
async fn a_test_event_says_so() {
    let w = World::new().await;
    let listed = w.sessions("GET", "/webhooks", "").await.json();
    let id = text(&at(&listed, "webhooks").items()[0], "id");
    assert_eq!(w.sessions("POST", &format!("/webhooks/{id}/test"), "").await.status, 200);
    let events = w.events().await;
    assert_eq!(at(&events[0].1, "isTestEvent"), Json::Bool(true));
    assert_eq!(text(&events[0].1, "type"), "session.succeeded");
    assert!(w.done("/truth", "").await.items().is_empty(), "about nothing that exists");
}

#[tokio::test]
async fn faults_that_only_this_provider_can_have() {
    let w = World::new().await;
    let id = w.payment("dep_1").await;
    let (session, _) = w.session("dep_2").await;
    w.done("/daimo/faults", r#"{"unknown_words":true}"#).await;
    assert_eq!(w.status(&id).await, "payment_frobnicated");
    assert_eq!(w.status(&session).await, "frobnicated");
    w.done("/daimo/faults", r#"{"unknown_events":true,"bad_signature":true}"#).await;
    w.pay(&id, r#","stage":"seen""#).await;
    let events = w.events().await;
    assert_eq!(text(&events[0].1, "type"), "payment_frobnicated");
    assert_ne!(events[0].0["authorization"].to_str().unwrap(), format!("Basic {}", w.token));
    w.done("/daimo/faults", r#"{"error_rate":1}"#).await;
    assert_eq!(w.payments("GET", &format!("/payment/{id}"), "", "").await.status, 500);
}

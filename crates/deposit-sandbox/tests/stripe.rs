//! The Stripe emulator against its dossier: what the real API refuses is refused, what it keeps is kept.
#![allow(missing_docs, unreachable_pub, dead_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes as Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use deposit_sandbox::{Emulator as _, Faults, Json, Sandbox, SandboxConfig, TruthPayment};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

const START: i64 = 1_790_000_000;
const SESSIONS: &str = "/v1/checkout/sessions";

type Got = Arc<Mutex<Vec<(String, Json)>>>;

struct World {
    sandbox: Sandbox,
    client: Client<HttpConnector, Full<Bytes>>,
    got: Got,
    key: String,
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

    fn at(&self, path: &str) -> String {
        let mut json = self.json();
        for name in path.split('.') {
            let next = match name.parse::<usize>() {
                Ok(n) => json.items().get(n).cloned(),
                Err(_) => json.get(name).cloned(),
            };
            json = next.unwrap_or(Json::Null);
        }
        json.as_text().map_or_else(|| json.compact(), str::to_owned)
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// `status type/code param`
    fn refusal(&self) -> String {
        let word = |path: &str| Some(self.at(path)).filter(|word| word != "null").unwrap_or_default();
        format!("{} {}/{} {}", self.status, word("error.type"), word("error.code"), word("error.param"))
    }
}

async fn record(State(got): State<Got>, headers: HeaderMap, body: Body) -> StatusCode {
    let signature = headers["stripe-signature"].to_str().unwrap().to_owned();
    got.lock().unwrap().push((signature, Json::parse(&body).unwrap()));
    StatusCode::OK
}

impl World {
    async fn new() -> Self {
        let got = Got::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gateways = vec![format!("http://{}", listener.local_addr().unwrap())];
        let app =
            Router::new().route("/webhooks/stripe", axum::routing::post(record)).with_state(got.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let config = SandboxConfig { gateways, clock: Some(START), ..SandboxConfig::default() };
        let sandbox = Sandbox::start(config).await.unwrap();
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
        let key = sandbox.setting("stripe", "secret_key").unwrap();
        Self { sandbox, client, got, key }
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
        Reply {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    async fn with(&self, method: &str, path: &str, more: &[(&str, &str)], body: &str) -> Reply {
        let url = format!("{}/stripe{path}", self.sandbox.base_url());
        let bearer = format!("Bearer {}", self.key);
        let mut headers = vec![("authorization", bearer.as_str())];
        if method == "POST" && !more.iter().any(|(name, _)| *name == "content-type") {
            headers.push(("content-type", "application/x-www-form-urlencoded"));
        }
        headers.extend(more);
        self.send(method, &url, &headers, body).await
    }

    async fn get(&self, path: &str) -> Reply {
        self.with("GET", path, &[], "").await
    }

    async fn post(&self, path: &str, body: &str) -> Reply {
        self.with("POST", path, &[], body).await
    }

    async fn control(&self, call: &str, body: &str) -> Reply {
        let url = format!("{}/stripe/{call}", self.sandbox.control_url());
        self.send("POST", &url, &[], body).await
    }

    async fn play(&self, session: &str, name: &str) -> Reply {
        self.control("scenario", &format!(r#"{{"ref":"{session}","name":"{name}"}}"#)).await
    }

    async fn pay(&self, session: &str, stage: &str) -> String {
        let reply = self.control("pay", &format!(r#"{{"ref":"{session}","stage":"{stage}"}}"#)).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.at("payment")
    }

    async fn session(&self) -> String {
        let reply = self.post(SESSIONS, &body(&[])).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.at("id")
    }

    async fn read(&self, session: &str) -> String {
        let reply = self.get(&format!("{SESSIONS}/{session}?expand[]=payment_intent")).await;
        format!("{} {} {}", reply.at("status"), reply.at("payment_status"), reply.at("payment_intent.status"))
    }

    async fn events(&self) -> Vec<String> {
        self.sandbox.webhooks_idle().await;
        let mut got = self.got.lock().unwrap();
        let kinds = got.iter().map(|(_, event)| event.get("type").unwrap().as_text().unwrap().to_owned());
        let kinds = kinds.collect();
        got.clear();
        kinds
    }

    fn truth(&self, session: &str) -> TruthPayment {
        let truth = self.sandbox.emulators().stripe.truth();
        truth.into_iter().find(|o| o.reference == session).unwrap().payments.remove(0)
    }

    fn sums(&self, session: &str) -> String {
        let p = self.truth(session);
        format!("{} {} {} {}", p.stage.word(), p.confirmed, p.reversed, p.reinstated)
    }
}

const BODY: &[(&str, &str)] = &[
    ("mode", "payment"),
    ("client_reference_id", "dep_0001"),
    ("customer_email", "ana@example.com"),
    ("success_url", "https://shop.example/return?sid=%7BCHECKOUT_SESSION_ID%7D"),
    ("expires_at", "1790003600"),
    ("payment_method_types[0]", "card"),
    ("adaptive_pricing[enabled]", "false"),
    ("line_items[0][quantity]", "1"),
    ("line_items[0][price_data][currency]", "usd"),
    ("line_items[0][price_data][unit_amount]", "2500"),
    ("line_items[0][price_data][product_data][name]", "Account+deposit"),
    ("metadata[deposit_id]", "dep_0001"),
    ("payment_intent_data[metadata][deposit_id]", "dep_0001"),
];

/// The body of the dossier with some pairs changed; an empty value takes one away.
fn body(changes: &[(&str, &str)]) -> String {
    let mut pairs: Vec<(&str, &str)> = BODY.to_vec();
    for (name, value) in changes {
        pairs.retain(|(known, _)| known != name);
        if !value.is_empty() {
            pairs.push((name, value));
        }
    }
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

#[tokio::test]
async fn stripe_a_session_is_as_the_dossier_shows() {
    let w = World::new().await;
    let made = w.post(SESSIONS, &body(&[])).await;
    assert_eq!(made.status, 200, "{}", made.text);
    for (path, value) in [
        ("object", "checkout.session"),
        ("amount_total", "2500"),
        ("currency", "usd"),
        ("client_reference_id", "dep_0001"),
        ("customer_details.email", "ana@example.com"),
        ("expires_at", "1790003600"),
        ("created", "1790000000"),
        ("livemode", "false"),
        ("metadata.deposit_id", "dep_0001"),
        ("mode", "payment"),
        ("payment_intent", "null"),
        ("payment_method_types", "[\"card\"]"),
        ("payment_status", "unpaid"),
        ("status", "open"),
        ("success_url", "https://shop.example/return?sid={CHECKOUT_SESSION_ID}"),
        ("ui_mode", "hosted_page"),
        ("adaptive_pricing.enabled", "false"),
    ] {
        assert_eq!(made.at(path), value, "{path}");
    }
    let id = made.at("id");
    assert!(id.starts_with("cs_test_") && id.len() <= 66, "{id}");
    assert_eq!(made.at("url"), format!("{}/stripe/c/pay/{id}#fid0001", w.sandbox.base_url()));
    assert!(made.header("request-id").starts_with("req_"));
    assert_eq!(made.header("stripe-version"), "2026-06-24.dahlia");
    // Brackets may travel encoded.
    let encoded = body(&[]).replace('[', "%5B").replace(']', "%5D");
    assert_eq!(w.post(SESSIONS, &encoded).await.status, 200);
    // Basic with the key as user name is the same as Bearer.
    let url = format!("{}/stripe/v1/balance", w.sandbox.base_url());
    assert_eq!(w.send("GET", &url, &[("authorization", "Basic bm9ib2R5Og==")], "").await.status, 401);
}

#[tokio::test]
async fn stripe_refuses_what_stripe_refuses() {
    let w = World::new().await;
    let e = "invalid_request_error";
    let unit = "line_items[0][price_data][unit_amount]";
    let cases: &[(&[(&str, &str)], String)] = &[
        (&[(unit, "49")], format!("400 {e}/amount_too_small {unit}")),
        (&[(unit, "100000000")], format!("400 {e}/amount_too_large {unit}")),
        (&[(unit, "-1")], format!("400 {e}/parameter_invalid_integer {unit}")),
        (&[(unit, "25.00")], format!("400 {e}/parameter_invalid_integer {unit}")),
        (&[(unit, "")], format!("400 {e}/parameter_missing {unit}")),
        (&[("mode", "")], format!("400 {e}/parameter_missing mode")),
        (&[("mode", "pay")], format!("400 {e}/ mode")),
        (&[("success_url", "")], format!("400 {e}/parameter_missing success_url")),
        (&[("success_url", "/return")], format!("400 {e}/url_invalid success_url")),
        (&[("cancel_url", "nowhere")], format!("400 {e}/url_invalid cancel_url")),
        (&[("customer_email", "ana")], format!("400 {e}/email_invalid customer_email")),
        (&[("expires_at", "1790001799")], format!("400 {e}/ expires_at")),
        (&[("expires_at", "1790086400")], format!("400 {e}/ expires_at")),
        (&[("expires_at", "soon")], format!("400 {e}/parameter_invalid_integer expires_at")),
        (&[("ui_mode", "hosted")], format!("400 {e}/ ui_mode")),
        (&[("payment_method_types[0]", "cash")], format!("400 {e}/ payment_method_types[0]")),
        (
            &[("allowed_payment_method_types[0]", "card")],
            format!("400 {e}/parameter_unknown allowed_payment_method_types"),
        ),
        (&[("line_items[0][quantity]", "")], format!("400 {e}/parameter_missing line_items[0][quantity]")),
        (&[("line_items[0][quantity]", "0")], format!("400 {e}/ line_items[0][quantity]")),
        (
            &[("line_items[0][price_data][currency]", "xxx")],
            format!("400 {e}/ line_items[0][price_data][currency]"),
        ),
        (&[("line_items[0][amount]", "1")], format!("400 {e}/parameter_unknown line_items[0][amount]")),
        (&[("metadata[deposit_id]", ""), ("metadata", "x")], format!("400 {e}/ metadata")),
        (
            &[("payment_intent_data[statement_descriptor]", "X")],
            format!("400 {e}/ payment_intent_data[statement_descriptor]"),
        ),
        (&[("amount", "2500")], format!("400 {e}/parameter_unknown amount")),
        (&[("expand[0]", "secrets")], format!("400 {e}/ expand[0]")),
    ];
    for (changes, refusal) in cases {
        assert_eq!(w.post(SESSIONS, &body(changes)).await.refusal(), *refusal, "{changes:?}");
    }
    let long = "r".repeat(201);
    assert_eq!(w.post(SESSIONS, &body(&[("client_reference_id", &long)])).await.status, 400);
    assert!(w.sandbox.emulators().stripe.truth().is_empty(), "nothing was made");
    for (changes, why) in [
        (&[("expires_at", "1790001800")], "30 minutes"),
        (&[("expires_at", "1790086399")], "just under 24 hours"),
        (&[("metadata[x]", "y")], "metadata"),
    ] {
        assert_eq!(w.post(SESSIONS, &body(changes)).await.status, 200, "{why}");
    }
    let json = w.with("POST", SESSIONS, &[("content-type", "application/json")], "{}").await;
    assert_eq!(json.refusal(), format!("400 {e}/ "));
    assert_eq!(w.get("/v1/checkout/session").await.refusal(), format!("404 {e}/ "));
    let unknown = w.get("/v1/checkout/sessions/cs_test_nobody").await;
    assert_eq!(unknown.refusal(), format!("404 {e}/resource_missing session"));
    let url = format!("{}/stripe{SESSIONS}", w.sandbox.base_url());
    for auth in ["", "Bearer sk_test_nobody", "sk_test_nobody", "Token x"] {
        let reply = w.send("POST", &url, &[("authorization", auth)], &body(&[])).await;
        assert_eq!(reply.refusal(), format!("401 {e}/ "), "{auth}");
        assert!(reply.header("request-id").starts_with("req_"));
    }
}

#[tokio::test]
async fn stripe_the_version_decides_what_is_taken() {
    let w = World::new().await;
    let at = async |version: &str, changes: &[(&str, &str)]| {
        w.with("POST", SESSIONS, &[("stripe-version", version)], &body(changes)).await.status
    };
    assert_eq!(at("2026-09-30.endive", &[]).await, 400, "payment_method_types is gone");
    let allowed = [("payment_method_types[0]", ""), ("allowed_payment_method_types[0]", "card")];
    assert_eq!(at("2026-09-30.endive", &allowed).await, 200);
    assert_eq!(at("2026-06-24.dahlia", &allowed).await, 400);
    assert_eq!(at("2025-03-31.basil", &[("ui_mode", "hosted")]).await, 200);
    assert_eq!(at("2026-03-25.dahlia", &[("ui_mode", "hosted")]).await, 400);
    assert_eq!(at("yesterday", &[]).await, 400);
}

#[tokio::test]
async fn stripe_keeps_the_first_answer_of_a_key() {
    let w = World::new().await;
    let keyed = async |key: &str, path: &str, body: &str| {
        w.with("POST", path, &[("idempotency-key", key)], body).await
    };
    let first = keyed("k1", SESSIONS, &body(&[])).await;
    let again = keyed("k1", SESSIONS, &body(&[])).await;
    assert_eq!((again.status, &again.text), (200, &first.text));
    assert_eq!((again.header("idempotent-replayed"), first.header("idempotent-replayed")), ("true", ""));
    assert_eq!(again.header("original-request"), first.header("request-id"));
    assert_ne!(again.header("request-id"), first.header("request-id"));
    // The order of pairs means nothing; their content does.
    let mut turned: Vec<_> = BODY.iter().rev().map(|(n, v)| format!("{n}={v}")).collect();
    turned.push("expires_at=1790003600".into());
    turned.pop();
    assert_eq!(keyed("k1", SESSIONS, &turned.join("&")).await.text, first.text);
    let moved = keyed("k1", SESSIONS, &body(&[("expires_at", "1790003601")])).await;
    assert_eq!(moved.refusal(), "400 idempotency_error/ ");
    assert_eq!(keyed("k1", "/v1/refunds", "payment_intent=pi_1").await.refusal(), "400 idempotency_error/ ");
    // A refusal before execution is not kept: the same key works with what is right.
    assert_eq!(keyed("k2", SESSIONS, &body(&[("mode", "pay")])).await.status, 400);
    assert_eq!(keyed("k2", SESSIONS, &body(&[])).await.status, 200);
    // One after it began is kept.
    let id = first.at("id");
    w.pay(&id, "confirmed").await;
    let expire = format!("{SESSIONS}/{id}/expire");
    assert_eq!(keyed("k3", &expire, "").await.status, 400);
    assert_eq!(keyed("k3", &expire, "").await.header("idempotent-replayed"), "true");
    w.sandbox.emulators().stripe.hold_key("k4", true);
    assert_eq!(
        keyed("k4", SESSIONS, &body(&[])).await.refusal(),
        "409 idempotency_error/idempotency_key_in_use "
    );
    assert_eq!(w.sandbox.emulators().stripe.truth().len(), 2);
    // A day later the same key is a new request.
    w.sandbox.advance(86_400);
    let later = keyed("k1", SESSIONS, &body(&[("expires_at", "1790090000")])).await;
    assert_ne!(later.at("id"), id);
    assert_eq!(keyed(&"k".repeat(256), SESSIONS, &body(&[])).await.status, 400);
}

#[tokio::test]
async fn stripe_states_and_their_events() {
    let w = World::new().await;
    let id = w.session().await;
    assert_eq!(w.read(&id).await, "open unpaid null");
    let payment = w.pay(&id, "seen").await;
    assert_eq!(w.read(&id).await, "complete unpaid processing");
    let mut events = w.events().await;
    events.sort();
    assert_eq!(events, ["checkout.session.completed", "payment_intent.processing"]);
    let body = format!(r#"{{"ref":"dep_0001","payment":"{payment}","stage":"confirmed"}}"#);
    assert_eq!(w.control("pay", &body).await.at("payment"), payment);
    assert_eq!(w.read(&id).await, "complete paid succeeded");
    assert_eq!(w.sums(&id), "confirmed 25 0 0");
    assert_eq!(w.events().await.last().unwrap(), "checkout.session.async_payment_succeeded");
    assert_eq!(w.control("pay", &body).await.status, 200, "a repeat changes nothing");
    assert_eq!(w.events().await.len(), 0);

    let id = w.session().await;
    w.pay(&id, "confirmed").await;
    let mut events = w.events().await;
    events.sort();
    assert_eq!(events, ["charge.succeeded", "checkout.session.completed", "payment_intent.succeeded"]);
    assert_eq!(w.control("pay", &format!(r#"{{"ref":"{id}"}}"#)).await.status, 400, "one payment");

    let id = w.session().await;
    assert_eq!(w.play(&id, "fail").await.status, 200);
    assert_eq!(w.read(&id).await, "complete unpaid requires_payment_method");
    assert_eq!(w.sums(&id), "withdrawn 0 0 0");
    assert_eq!(w.events().await.last().unwrap(), "checkout.session.async_payment_failed");
    assert_eq!(w.play(&id, "fail").await.status, 400);

    let id = w.session().await;
    assert_eq!(w.post(&format!("{SESSIONS}/{id}/expire"), "").await.at("status"), "expired");
    assert_eq!(w.post(&format!("{SESSIONS}/{id}/expire"), "").await.status, 400);
    assert_eq!(w.events().await, ["checkout.session.expired"]);
    assert_eq!(w.control("pay", &format!(r#"{{"ref":"{id}"}}"#)).await.status, 400, "too late");

    // By the clock, at the second.
    let id = w.session().await;
    w.sandbox.advance(3_599);
    assert_eq!(w.read(&id).await, "open unpaid null");
    w.sandbox.advance(1);
    assert_eq!(w.read(&id).await, "expired unpaid null");
    assert_eq!(w.events().await, ["checkout.session.expired"]);
}

#[tokio::test]
async fn stripe_takes_what_is_due_and_nothing_else() {
    let w = World::new().await;
    let id = w.session().await;
    for amount in ["24.99", "25.01", "2500", "0", "25.001"] {
        let reply = w.control("pay", &format!(r#"{{"ref":"{id}","amount":"{amount}"}}"#)).await;
        assert_eq!(reply.status, 400, "{amount}");
    }
    assert_eq!(w.control("pay", &format!(r#"{{"ref":"{id}","amount":"25.00"}}"#)).await.status, 200);
    for name in ["partial", "over", "late", "double", "reorg", "replace"] {
        let reply = w.play(&w.session().await, name).await;
        assert_eq!(reply.status, 400, "{name}");
        assert!(reply.at("error").starts_with("name: "), "{}", reply.text);
    }
    assert_eq!(w.control("pay", r#"{"ref":"nobody"}"#).await.status, 400);
    // A total of nothing is complete without a payment.
    let free = w.post(SESSIONS, &body(&[("line_items[0][price_data][unit_amount]", "0")])).await.at("id");
    w.pay(&free, "confirmed").await;
    assert_eq!(w.read(&free).await, "complete no_payment_required null");
}

#[tokio::test]
async fn stripe_refunds_add_up_to_the_charge() {
    let w = World::new().await;
    let id = w.session().await;
    let payment = w.pay(&id, "confirmed").await;
    w.events().await;
    let refund = async |more: &str| w.post("/v1/refunds", &format!("payment_intent={payment}{more}")).await;
    let made = refund("&amount=1000&reason=requested_by_customer").await;
    assert_eq!(
        (made.at("status"), made.at("amount"), made.at("payment_intent")),
        ("succeeded".into(), "1000".into(), payment.clone())
    );
    assert_eq!(w.events().await, ["refund.created", "charge.refunded"]);
    assert_eq!(refund("&amount=1501").await.status, 400);
    assert_eq!(refund("&amount=0").await.status, 400);
    assert_eq!(refund("&reason=because").await.status, 400);
    assert_eq!(refund("&amount=1500").await.status, 200);
    assert_eq!(refund("").await.refusal(), "400 invalid_request_error/charge_already_refunded ");
    assert_eq!(w.sums(&id), "reversed 25 25 0");
    let list = w.get(&format!("/v1/refunds?payment_intent={payment}&limit=1")).await;
    assert_eq!(
        (list.at("data.0.amount"), list.at("has_more")),
        ("1500".into(), "true".into()),
        "newest first"
    );
    let next =
        w.get(&format!("/v1/refunds?payment_intent={payment}&starting_after={}", list.at("data.0.id"))).await;
    assert_eq!((next.at("data.0.amount"), next.at("has_more")), ("1000".into(), "false".into()));
    w.sandbox.emulators().stripe.fail_refund(&id).unwrap();
    assert_eq!(w.sums(&id), "confirmed 25 25 15");
    let charge = w.get(&format!("{SESSIONS}/{id}?expand[0]=payment_intent.latest_charge")).await;
    assert_eq!(charge.at("payment_intent.latest_charge.amount_refunded"), "1000");
    assert_eq!(charge.at("payment_intent.latest_charge.metadata.deposit_id"), "dep_0001", "copied");

    let id = w.session().await;
    assert_eq!(w.play(&id, "refund_part").await.status, 200, "pays first");
    assert_eq!(w.sums(&id), "confirmed 25 12.5 0");
    assert_eq!(w.play(&id, "refund").await.status, 200);
    assert_eq!(w.sums(&id), "reversed 25 25 0");
    assert_eq!(w.play(&id, "refund").await.status, 400);
    assert_eq!(w.play(&id, "dispute").await.status, 400);
}

#[tokio::test]
async fn stripe_disputes_take_and_give_back() {
    let w = World::new().await;
    let id = w.session().await;
    assert_eq!(w.play(&id, "return").await.status, 400, "nothing is disputed");
    let played = w.play(&id, "dispute").await;
    assert_eq!(
        (played.at("payments.0.stage"), played.at("payments.0.amount")),
        ("reversed".into(), "25".into())
    );
    let payment = w.truth(&id).id;
    let refund = w.post("/v1/refunds", &format!("payment_intent={payment}")).await;
    assert_eq!(refund.refusal(), "400 invalid_request_error/charge_disputed ");
    assert_eq!(w.play(&id, "dispute").await.status, 400, "one at a time");
    assert_eq!(w.play(&id, "return").await.status, 200);
    assert_eq!(w.sums(&id), "confirmed 25 25 25");
    let list = w.get(&format!("/v1/disputes?payment_intent={payment}")).await;
    assert_eq!((list.at("data.0.status"), list.at("data.0.metadata")), ("won".into(), "{}".into()));
    let events = w.events().await;
    assert_eq!(
        events[3..],
        [
            "charge.dispute.created",
            "charge.dispute.funds_withdrawn",
            "charge.dispute.closed",
            "charge.dispute.funds_reinstated"
        ]
    );
    // An inquiry moves no money until it becomes a dispute.
    let id = w.session().await;
    w.pay(&id, "confirmed").await;
    let stripe = &w.sandbox.emulators().stripe;
    stripe.inquire(&id).unwrap();
    assert_eq!(w.sums(&id), "confirmed 25 0 0");
    stripe.move_dispute(&id, "needs_response").unwrap();
    assert_eq!(w.sums(&id), "reversed 25 25 0");
    stripe.move_dispute(&id, "lost").unwrap();
    assert_eq!(w.sums(&id), "reversed 25 25 0");
    assert_eq!(w.play(&id, "return").await.status, 400);
}

#[tokio::test]
async fn stripe_signs_events_with_the_whole_secret() {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let w = World::new().await;
    let id = w.session().await;
    w.pay(&id, "confirmed").await;
    w.sandbox.webhooks_idle().await;
    let secret = w.sandbox.setting("stripe", "webhook_secret").unwrap();
    assert!(secret.starts_with("whsec_"));
    let got = w.got.lock().unwrap().clone();
    for (header, event) in &got {
        let v1 = header.split(',').find_map(|part| part.strip_prefix("v1=")).unwrap();
        assert!(header.starts_with(&format!("t={START},v0=")), "{header}");
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("{START}.{}", event.pretty()).as_bytes());
        assert_eq!(hex::encode(mac.finalize().into_bytes()), v1, "over the bytes as they came");
        assert_eq!(event.get("livemode"), Some(&Json::Bool(false)));
        assert_eq!(event.get("api_version").and_then(Json::as_text), Some("2026-06-24.dahlia"));
    }
    // The same event again: the same id and body.
    assert_eq!(w.control("redeliver", &format!(r#"{{"ref":"{id}"}}"#)).await.at("redelivered"), "3");
    w.sandbox.webhooks_idle().await;
    assert_eq!(w.got.lock().unwrap()[3..], got);
    w.sandbox.set_faults("stripe", Faults { bad_signature: true, ..Faults::default() });
    w.control("redeliver", &format!(r#"{{"ref":"{id}"}}"#)).await;
    w.sandbox.webhooks_idle().await;
    assert_ne!(w.got.lock().unwrap()[6].0, got[0].0);
}

#[tokio::test]
async fn stripe_lists_events_newest_first() {
    let w = World::new().await;
    for _ in 0..3 {
        let id = w.session().await;
        w.pay(&id, "confirmed").await;
    }
    let of = async |more: &str| {
        let reply = w.get(&format!("/v1/events?types[0]=checkout.session.completed{more}")).await;
        let ids: Vec<_> = reply
            .json()
            .get("data")
            .unwrap()
            .items()
            .iter()
            .map(|e| e.get("id").unwrap().compact())
            .collect();
        (ids, reply.at("has_more") == "true")
    };
    let (all, more) = of("").await;
    assert_eq!((all.len(), more), (3, false));
    assert_eq!(of("&limit=2").await, (all[..2].to_vec(), true));
    let bare = |n: usize| all[n].trim_matches('"').to_owned();
    assert_eq!(of(&format!("&limit=2&starting_after={}", bare(1))).await, (all[2..].to_vec(), false));
    assert_eq!(of(&format!("&limit=1&ending_before={}", bare(2))).await, (all[1..2].to_vec(), true));
    assert_eq!(of(&format!("&ending_before={}", bare(0))).await, (vec![], false));
    assert_eq!(w.get("/v1/events?ending_before=evt_nobody").await.status, 404);
    assert_eq!(w.get("/v1/events?limit=101").await.status, 400);
    assert_eq!(w.get(&format!("/v1/events/{}", bare(0))).await.at("type"), "checkout.session.completed");
    w.sandbox.advance(31 * 86_400);
    assert_eq!(of("").await.0.len(), 0, "kept for 30 days");
}

#[tokio::test]
async fn stripe_the_page_takes_test_cards() {
    let w = World::new().await;
    let id = w.session().await;
    let url = format!("{}/stripe/c/pay/{id}", w.sandbox.base_url());
    let page = w.send("GET", &url, &[], "").await;
    assert!(page.text.contains("Pay 25.00 USD") && page.text.contains("<button"), "{}", page.text);
    let declined = w.send("POST", &url, &[], "card=4000+0000+0000+9995").await;
    assert_eq!((declined.status, declined.text.contains("declined")), (200, true));
    assert_eq!(w.read(&id).await, "open unpaid requires_payment_method");
    let truth = w.sandbox.emulators().stripe.truth();
    assert!(truth[0].payments.is_empty(), "a declined try is no payment");
    assert_eq!(w.send("POST", &url, &[], "card=1234").await.status, 200);
    let intent = w.get(&format!("{SESSIONS}/{id}")).await.at("payment_intent");
    let paid = w.send("POST", &url, &[], "card=4242424242424242").await;
    assert_eq!(paid.status, 303);
    assert_eq!(paid.header("location"), format!("https://shop.example/return?sid={id}"));
    assert_eq!(w.read(&id).await, "complete paid succeeded");
    assert_eq!(w.truth(&id).id, intent, "a second try is on the same PaymentIntent");
    assert!(w.send("GET", &url, &[], "").await.text.contains("closed"));
    let id = w.session().await;
    let url = format!("{}/stripe/c/pay/{id}", w.sandbox.base_url());
    w.send("POST", &url, &[], "card=4000000000000259").await;
    assert_eq!(w.sums(&id), "reversed 25 25 0");
    let gone = format!("{}/stripe/c/pay/cs_test_nobody", w.sandbox.base_url());
    assert_eq!(w.send("GET", &gone, &[], "").await.status, 404);
}

#[tokio::test]
async fn stripe_an_endpoint_shows_its_secret_once() {
    let w = World::new().await;
    let body = "url=http://127.0.0.1:9/hook&enabled_events[0]=charge.refunded&api_version=2026-06-24.dahlia";
    let made = w.post("/v1/webhook_endpoints", body).await;
    assert!(made.at("secret").starts_with("whsec_"), "{}", made.text);
    let listed = w.get("/v1/webhook_endpoints").await;
    assert_eq!((listed.at("data.0.id"), listed.at("data.0.secret")), (made.at("id"), "null".into()));
    assert_eq!(w.post("/v1/webhook_endpoints", "url=http://127.0.0.1:9/hook").await.status, 400);
}

#[tokio::test]
async fn stripe_settings_make_a_section() {
    let w = World::new().await;
    let config: toml::Table = w.sandbox.config_toml().parse().unwrap();
    let section = config["providers"]["stripe"].as_table().unwrap();
    let keys: Vec<_> = section.keys().map(String::as_str).collect();
    assert_eq!(keys, ["base_url", "cancel_url", "secret_key", "success_url", "webhook_secret"]);
    for key in ["success_url", "cancel_url"] {
        assert_eq!(
            w.send("GET", section[key].as_str().unwrap().split('?').next().unwrap(), &[], "").await.status,
            200
        );
    }
}

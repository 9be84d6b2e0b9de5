//! The Prompt.Cash emulator over real HTTP: what the dossier's section 11 lists.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use bytes::Bytes;
use deposit_sandbox::{Json, Sandbox, SandboxConfig};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

type Calls = Arc<Mutex<Vec<String>>>;

struct World {
    sandbox: Sandbox,
    calls: Calls,
    gateway: String,
}

async fn called(State(calls): State<Calls>, body: String) {
    calls.lock().unwrap().push(body);
}

impl World {
    async fn start() -> Self {
        let calls = Calls::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gateway = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(called).with_state(calls.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let config = SandboxConfig {
            gateways: vec![gateway.clone()],
            clock: Some(1_785_000_000),
            ..SandboxConfig::default()
        };
        Self { sandbox: Sandbox::start(config).await.unwrap(), calls, gateway }
    }

    fn setting(&self, key: &str) -> String {
        self.sandbox.setting("promptcash", key).unwrap()
    }

    async fn send(&self, path: &str, secret: Option<&str>, form: Option<&str>) -> (u16, Json) {
        let mut request = hyper::Request::builder().uri(format!("{}{path}", self.sandbox.base_url()));
        if let Some(secret) = secret {
            request = request.header("authorization", secret);
        }
        if form.is_some() {
            request = request.method("POST").header("content-type", "application/x-www-form-urlencoded");
        }
        let body = Full::new(Bytes::from(form.unwrap_or_default().to_owned()));
        let client = Client::builder(TokioExecutor::new()).build_http();
        let response = client.request(request.body(body).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, Json::parse(&bytes).unwrap())
    }

    async fn create(&self, tx_id: &str, more: &str) -> Json {
        let form =
            format!("token={}&tx_id={tx_id}&amount=12.5&currency=USD{more}", self.setting("public_token"));
        let (status, body) = self
            .send("/promptcash/api/v1/create-payment", Some(&self.setting("secret_token")), Some(&form))
            .await;
        assert_eq!(status, 200, "{}", body.compact());
        body
    }

    async fn read(&self, tx_id: &str) -> Json {
        let path = format!("/promptcash/api/v1/get-payment/{tx_id}");
        let (status, body) = self.send(&path, Some(&self.setting("secret_token")), None).await;
        assert_eq!(status, 200, "{}", body.compact());
        body.get("data").unwrap().clone()
    }

    async fn control(&self, path: &str, body: &str) -> (u16, String) {
        let (status, body) = self.send(&format!("/control{path}"), None, Some(body)).await;
        (status, body.compact())
    }

    async fn calls(&self) -> Vec<Json> {
        self.sandbox.webhooks_idle().await;
        std::mem::take(&mut *self.calls.lock().unwrap())
            .iter()
            .map(|body| Json::parse(body.as_bytes()).unwrap())
            .collect()
    }
}

fn text<'a>(json: &'a Json, name: &str) -> &'a str {
    json.get(name).and_then(Json::as_text).unwrap()
}

fn number<'a>(json: &'a Json, name: &str) -> &'a str {
    json.get(name).and_then(Json::number).unwrap()
}

fn status_of(call: &Json) -> String {
    text(call.get("payment").unwrap(), "status").to_owned()
}

#[tokio::test]
async fn a_payment_is_what_the_reference_shows() {
    let w = World::start().await;
    let created = w.create("dep-1", "&confirm=1").await;
    assert_eq!(created.get("existing"), Some(&Json::Bool(false)));
    let payment = created.get("payment").unwrap();
    assert_eq!((number(payment, "amount_crypto"), number(payment, "amount_fiat")), ("0.03125", "12.5"));
    assert_eq!(number(payment, "remaining_amount_crypto"), "0.03125");
    assert!(text(payment, "address").starts_with("bitcoincash:q"));
    assert_eq!(text(payment, "paid"), "0001-01-01T00:00:00Z");
    assert!(text(payment, "created_at").ends_with(".678901+07:00"));
    // The same id again is the same payment, whatever else is asked for.
    let again = w.create("dep-1", "&confirm=3&desc=other").await;
    assert_eq!(again.get("existing"), Some(&Json::Bool(true)));
    assert_eq!(again.get("payment"), Some(payment));
    assert_eq!(w.read("dep-1").await, *payment);
}

#[tokio::test]
async fn keys_are_raw_and_right() {
    let w = World::start().await;
    let (secret, public) = (w.setting("secret_token"), w.setting("public_token"));
    let form = |token: &str| format!("token={token}&tx_id=dep-1&amount=12.5&currency=USD");
    let create = "/promptcash/api/v1/create-payment";
    for key in [None, Some(public.as_str()), Some(""), Some(&format!("Bearer {secret}"))] {
        assert_eq!(w.send(create, key, Some(&form(&public))).await.0, 401, "{key:?}");
        assert_eq!(w.send("/promptcash/api/v1/get-payment/dep-1", key, None).await.0, 401, "{key:?}");
    }
    assert_eq!(w.send(create, Some(&secret), Some(&form(&secret))).await.0, 403);
    assert_eq!(w.send(create, Some(&secret), Some(&form(&public).replace("dep-1", "a b"))).await.0, 400);
    assert_eq!(w.send("/promptcash/api/v1/get-payment/dep-1", Some(&secret), None).await.0, 404);
}

#[tokio::test]
async fn a_part_then_the_rest_then_a_callback() {
    let w = World::start().await;
    w.create("dep-1", "&confirm=1").await;
    let pay = |body: &'static str| w.control("/promptcash/pay", body);
    assert_eq!(pay(r#"{"ref":"dep-1","amount":"0.01"}"#).await, (200, r#"{"payment":"dep-1"}"#.to_owned()));
    let part = w.read("dep-1").await;
    assert_eq!((text(&part, "status"), number(&part, "remaining_amount_crypto")), ("PENDING", "0.02125"));
    pay(r#"{"ref":"dep-1","stage":"seen"}"#).await;
    assert_eq!(text(&w.read("dep-1").await, "status"), "CONFIRMING");
    assert!(w.calls().await.is_empty());
    assert_eq!(pay(r#"{"ref":"dep-1","payment":"nope"}"#).await.0, 400);
    pay(r#"{"ref":"dep-1","payment":"dep-1"}"#).await;
    let paid = w.read("dep-1").await;
    assert_eq!((text(&paid, "status"), number(&paid, "paid_amount_crypto")), ("PAID", "0.0312499999999999"));
    assert_eq!((number(&paid, "confirmations"), text(&paid, "paid")), ("1", "2026-07-25T17:20:00Z"));
    let calls = w.calls().await;
    assert_eq!(calls.len(), 1);
    assert_eq!(text(&calls[0], "token"), w.setting("secret_token"));
    assert_eq!(calls[0].get("payment"), Some(&paid));
    assert_eq!(pay(r#"{"ref":"dep-1"}"#).await.0, 400);
    let (_, truth) = w.send("/control/truth", None, None).await;
    let address = text(&paid, "address").strip_prefix("bitcoincash:").unwrap();
    assert_eq!(
        truth.compact(),
        format!(
            r#"[{{"provider":"promptcash","ref":"dep-1","order":"dep-1","address":"{address}","ticker":"BCH","due":"0.03125","payments":[{{"id":"dep-1","amount":"0.03125","stage":"confirmed","confirmed":"0.03125","reversed":"0","reinstated":"0","settled":null,"settledTicker":null,"seenAt":"2026-07-25T17:20:00.000Z"}}]}}]"#
        )
    );
}

#[tokio::test]
async fn scenarios() {
    let w = World::start().await;
    for (n, (name, status, paid, calls)) in [
        ("partial", "PENDING", "0.015625", vec![]),
        ("over", "PAID", "0.046875", vec!["PAID"]),
        ("double", "PAID", "0.0624999999999999", vec!["PAID"]),
        ("expire", "EXPIRED", "0", vec!["EXPIRED"]),
        ("late", "PAID", "0.03125", vec!["EXPIRED", "PAID"]),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("dep-{n}");
        w.create(&id, "&confirm=1&expiration=120").await;
        let done = w.control("/promptcash/scenario", &format!(r#"{{"ref":"{id}","name":"{name}"}}"#)).await;
        assert_eq!(done.0, 200, "{name} {}", done.1);
        let payment = w.read(&id).await;
        assert_eq!(
            (text(&payment, "status"), number(&payment, "paid_amount_crypto")),
            (status, paid),
            "{name}"
        );
        assert_eq!(w.calls().await.iter().map(status_of).collect::<Vec<_>>(), calls, "{name}");
    }
    w.create("dep-x", "").await;
    for name in ["reorg", "return", "refund", "refund_part", "dispute", "fail", "replace"] {
        let refused =
            w.control("/promptcash/scenario", &format!(r#"{{"ref":"dep-x","name":"{name}"}}"#)).await;
        assert_eq!(refused.0, 400, "{name}");
        assert!(refused.1.contains("this provider has no such thing"), "{}", refused.1);
    }
}

#[tokio::test]
async fn time_runs_out_by_the_clock() {
    let w = World::start().await;
    w.create("dep-1", "&expiration=30").await;
    w.sandbox.advance(1_799);
    assert_eq!(text(&w.read("dep-1").await, "status"), "PENDING");
    w.sandbox.advance(1);
    assert_eq!(text(&w.read("dep-1").await, "status"), "EXPIRED");
    assert_eq!(w.calls().await.iter().map(status_of).collect::<Vec<_>>(), ["EXPIRED"]);
    // Without confirmations a late transaction is paid when it is seen; never back to expired.
    w.control("/promptcash/pay", r#"{"ref":"dep-1","stage":"seen"}"#).await;
    w.sandbox.advance(9_999);
    assert_eq!(text(&w.read("dep-1").await, "status"), "PAID");
}

#[tokio::test]
async fn callbacks_go_astray() {
    let w = World::start().await;
    let own = format!("&callback={}/own", w.gateway);
    w.create("dep-1", &own).await;
    w.control("/promptcash/faults", r#"{"webhooks":"duplicated"}"#).await;
    w.control("/promptcash/pay", r#"{"ref":"dep-1"}"#).await;
    let calls = w.calls().await;
    assert_eq!((calls.len(), &calls[0]), (2, &calls[1]));
    w.control("/promptcash/faults", r#"{"bad_signature":true}"#).await;
    assert_eq!(w.control("/promptcash/redeliver", r#"{"ref":"dep-1"}"#).await.0, 200);
    assert_ne!(text(&w.calls().await[0], "token"), w.setting("secret_token"));
    w.control("/promptcash/faults", r#"{"unknown_events":true}"#).await;
    w.control("/promptcash/redeliver", r#"{"ref":"dep-1"}"#).await;
    assert_eq!(status_of(&w.calls().await[0]), "FROBNICATED");
    w.control("/promptcash/faults", r#"{"webhooks":"lost"}"#).await;
    w.create("dep-2", "").await;
    w.control("/promptcash/pay", r#"{"ref":"dep-2"}"#).await;
    assert!(w.calls().await.is_empty());
    assert_eq!(w.control("/promptcash/redeliver", r#"{"ref":"nope"}"#).await.0, 400);
}

#[tokio::test]
async fn the_gateway_s_section() {
    let w = World::start().await;
    let config: toml::Table = w.sandbox.config_toml().parse().unwrap();
    let section = &config["providers"]["promptcash"];
    assert_eq!(section["base_url"].as_str().unwrap(), format!("{}/promptcash", w.sandbox.base_url()));
    assert!(section["public_token"].as_str().unwrap().starts_with("1-"));
    assert_eq!(section["secret_token"].as_str().unwrap().len(), 32);
}

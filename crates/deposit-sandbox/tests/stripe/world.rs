//! A sandbox with a frozen clock, a client for it and a gateway that records.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes as Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use deposit_sandbox::{Emulator as _, Json, Sandbox, SandboxConfig, TruthPayment};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

pub const START: i64 = 1_790_000_000;
pub const SESSIONS: &str = "/v1/checkout/sessions";

pub type Got = Arc<Mutex<Vec<(String, Json)>>>;

pub struct World {
    pub sandbox: Sandbox,
    pub client: Client<HttpConnector, Full<Bytes>>,
    pub got: Got,
    pub key: String,
}

pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Reply {
    pub fn json(&self) -> Json {
        Json::parse(self.text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub fn at(&self, path: &str) -> String {
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

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// `status type/code param`
    pub fn refusal(&self) -> String {
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
    pub async fn new() -> Self {
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

    pub async fn send(&self, method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Reply {
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

    pub async fn with(&self, method: &str, path: &str, more: &[(&str, &str)], body: &str) -> Reply {
        let url = format!("{}/stripe{path}", self.sandbox.base_url());
        let bearer = format!("Bearer {}", self.key);
        let mut headers = vec![("authorization", bearer.as_str())];
        if method == "POST" && !more.iter().any(|(name, _)| *name == "content-type") {
            headers.push(("content-type", "application/x-www-form-urlencoded"));
        }
        headers.extend(more);
        self.send(method, &url, &headers, body).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.with("GET", path, &[], "").await
    }

    pub async fn post(&self, path: &str, body: &str) -> Reply {
        self.with("POST", path, &[], body).await
    }

    pub async fn control(&self, call: &str, body: &str) -> Reply {
        let url = format!("{}/stripe/{call}", self.sandbox.control_url());
        self.send("POST", &url, &[], body).await
    }

    pub async fn play(&self, session: &str, name: &str) -> Reply {
        self.control("scenario", &format!(r#"{{"ref":"{session}","name":"{name}"}}"#)).await
    }

    pub async fn pay(&self, session: &str, stage: &str) -> String {
        let reply = self.control("pay", &format!(r#"{{"ref":"{session}","stage":"{stage}"}}"#)).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.at("payment")
    }

    pub async fn session(&self) -> String {
        let reply = self.post(SESSIONS, &body(&[])).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.at("id")
    }

    pub async fn read(&self, session: &str) -> String {
        let reply = self.get(&format!("{SESSIONS}/{session}?expand[]=payment_intent")).await;
        format!("{} {} {}", reply.at("status"), reply.at("payment_status"), reply.at("payment_intent.status"))
    }

    pub async fn events(&self) -> Vec<String> {
        self.sandbox.webhooks_idle().await;
        let mut got = self.got.lock().unwrap();
        let kinds = got.iter().map(|(_, event)| event.get("type").unwrap().as_text().unwrap().to_owned());
        let kinds = kinds.collect();
        got.clear();
        kinds
    }

    pub fn truth(&self, session: &str) -> TruthPayment {
        let truth = self.sandbox.emulators().stripe.truth();
        truth.into_iter().find(|o| o.reference == session).unwrap().payments.remove(0)
    }

    pub fn sums(&self, session: &str) -> String {
        let p = self.truth(session);
        format!("{} {} {} {}", p.stage.word(), p.confirmed, p.reversed, p.reinstated)
    }
}

pub const BODY: &[(&str, &str)] = &[
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
pub fn body(changes: &[(&str, &str)]) -> String {
    let mut pairs: Vec<(&str, &str)> = BODY.to_vec();
    for (name, value) in changes {
        pairs.retain(|(known, _)| known != name);
        if !value.is_empty() {
            pairs.push((name, value));
        }
    }
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

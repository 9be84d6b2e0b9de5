//! What the tests share: a sandbox with a frozen clock, a client for it and a gateway that records.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes as Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use deposit_sandbox::{Json, Sandbox, SandboxConfig};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

pub const START: i64 = 1_785_000_000;

/// One delivery as the gateway got it.
#[derive(Debug, Clone)]
pub struct Got {
    pub path: String,
    pub signature: String,
    pub bytes: Vec<u8>,
    pub body: Json,
}

impl Got {
    pub fn text(&self, name: &str) -> String {
        self.body.get(name).and_then(Json::as_text).unwrap_or_default().to_owned()
    }

    pub fn kind(&self) -> String {
        self.text("type")
    }
}

/// A gateway that records and answers what it was told to, else 200.
#[derive(Debug, Clone, Default)]
pub struct Gateway {
    pub got: Arc<Mutex<Vec<Got>>>,
    pub answers: Arc<Mutex<VecDeque<u16>>>,
    pub url: String,
}

impl Gateway {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let gateway = Self { url, ..Self::default() };
        let app = Router::new().fallback(record).with_state(gateway.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        gateway
    }

    pub fn kinds(&self) -> Vec<String> {
        self.got.lock().unwrap().iter().map(Got::kind).collect()
    }

    pub fn all(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    pub fn clear(&self) {
        self.got.lock().unwrap().clear();
    }

    pub fn answer(&self, statuses: &[u16]) {
        self.answers.lock().unwrap().extend(statuses);
    }
}

async fn record(
    State(gateway): State<Gateway>,
    uri: axum::http::Uri,
    headers: HeaderMap,
    body: Body,
) -> StatusCode {
    let signature = headers.get("BTCPay-Sig").map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default();
    let got = Got {
        path: uri.path().to_owned(),
        signature,
        bytes: body.to_vec(),
        body: Json::parse(&body).unwrap(),
    };
    gateway.got.lock().unwrap().push(got);
    let status = gateway.answers.lock().unwrap().pop_front().unwrap_or(200);
    StatusCode::from_u16(status).unwrap()
}

#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub bytes: Bytes,
}

impl Reply {
    pub fn json(&self) -> Json {
        Json::parse(&self.bytes).unwrap_or_else(|e| panic!("{e}: {:?}", self.bytes))
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.bytes.to_vec()).unwrap()
    }
}

pub struct World {
    pub sandbox: Sandbox,
    pub gateway: Gateway,
    client: Client<HttpConnector, Full<Bytes>>,
    pub key: String,
    pub store: String,
}

impl World {
    pub async fn new() -> Self {
        Self::seeded(7).await
    }

    pub async fn seeded(seed: u64) -> Self {
        let gateway = Gateway::start().await;
        let gateways = vec![gateway.url.clone()];
        let config = SandboxConfig { seed, gateways, clock: Some(START), ..SandboxConfig::default() };
        let sandbox = Sandbox::start(config).await.unwrap();
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
        let key = sandbox.setting("btcpay", "api_key").unwrap();
        let store = sandbox.setting("btcpay", "store_id").unwrap();
        Self { sandbox, gateway, client, key, store }
    }

    /// `None`: the connection was closed without an answer.
    pub async fn send(
        &self,
        method: &str,
        url: &str,
        auth: Option<&str>,
        body: Option<&str>,
    ) -> Option<Reply> {
        let mut request = hyper::Request::builder().method(method).uri(url);
        if let Some(auth) = auth {
            request = request.header("Authorization", auth);
        }
        if body.is_some() {
            request = request.header("Content-Type", "application/json");
        }
        let body = Full::new(Bytes::from(body.unwrap_or_default().to_owned()));
        let response = self.client.request(request.body(body).unwrap()).await.ok()?;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.ok()?.to_bytes();
        Some(Reply { status: parts.status.as_u16(), headers: parts.headers, bytes })
    }

    /// A request of the provider's API with the configured key.
    pub async fn api(&self, method: &str, path: &str, body: Option<&str>) -> Reply {
        let url = format!("{}/btcpay{path}", self.sandbox.base_url());
        self.send(method, &url, Some(&format!("token {}", self.key)), body).await.unwrap()
    }

    /// The same under the store's path.
    pub async fn store(&self, method: &str, path: &str, body: Option<&str>) -> Reply {
        self.api(method, &format!("/api/v1/stores/{}{path}", self.store), body).await
    }

    pub async fn control(&self, path: &str, body: &str) -> Reply {
        let url = format!("{}{path}", self.sandbox.control_url());
        let method = if body.is_empty() { "GET" } else { "POST" };
        self.send(method, &url, None, (!body.is_empty()).then_some(body)).await.unwrap()
    }

    /// A control call that has to succeed.
    pub async fn done(&self, path: &str, body: &str) -> Json {
        let reply = self.control(path, body).await;
        assert_eq!(reply.status, 200, "{path} {body}: {}", reply.text());
        reply.json()
    }

    pub async fn invoice(&self, method: &str, amount: &str, currency: &str, order: &str) -> String {
        let body = format!(
            r#"{{"amount":"{amount}","currency":"{currency}","metadata":{{"orderId":"{order}"}},
               "checkout":{{"paymentMethods":["{method}"],"expirationMinutes":60,"monitoringMinutes":1440,
               "speedPolicy":"MediumSpeed","paymentTolerance":0,"lazyPaymentMethods":false}}}}"#
        );
        let reply = self.store("POST", "/invoices", Some(&body)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        text(&reply.json(), "id")
    }

    pub async fn read(&self, id: &str) -> Json {
        self.store("GET", &format!("/invoices/{id}"), None).await.json()
    }

    /// `status/additionalStatus`
    pub async fn state(&self, id: &str) -> String {
        let invoice = self.read(id).await;
        format!("{}/{}", text(&invoice, "status"), text(&invoice, "additionalStatus"))
    }

    pub async fn methods(&self, id: &str) -> Json {
        let path = format!("/invoices/{id}/payment-methods?onlyAccountedPayments=false");
        self.store("GET", &path, None).await.json().items()[0].clone()
    }

    pub async fn pay(&self, reference: &str, amount: &str, stage: &str) -> String {
        let amount = if amount.is_empty() { String::new() } else { format!(r#""amount":"{amount}","#) };
        let body = format!(r#"{{"ref":"{reference}",{amount}"stage":"{stage}"}}"#);
        text(&self.done("/btcpay/pay", &body).await, "payment")
    }

    pub async fn confirm(&self, reference: &str, payment: &str) {
        let body = format!(r#"{{"ref":"{reference}","payment":"{payment}","stage":"confirmed"}}"#);
        assert_eq!(text(&self.done("/btcpay/pay", &body).await, "payment"), payment);
    }

    pub async fn play(&self, reference: &str, name: &str) -> Json {
        self.done("/btcpay/scenario", &format!(r#"{{"ref":"{reference}","name":"{name}"}}"#)).await
    }

    pub async fn advance(&self, seconds: u32) {
        self.done("/clock", &format!(r#"{{"advance_seconds":{seconds}}}"#)).await;
    }

    /// Kinds of the events since the last call, in order.
    pub async fn events(&self) -> Vec<String> {
        self.sandbox.webhooks_idle().await;
        let kinds = self.gateway.kinds();
        self.gateway.clear();
        kinds
    }

    pub async fn truth(&self, reference: &str) -> Json {
        let truth = self.done("/truth", "").await;
        truth.items().iter().find(|o| text(o, "ref") == reference).unwrap().clone()
    }
}

pub fn text(json: &Json, name: &str) -> String {
    json.get(name)
        .and_then(Json::as_text)
        .unwrap_or_else(|| panic!("{name} of {}", json.compact()))
        .to_owned()
}

pub fn code(reply: &Reply) -> (u16, String) {
    (reply.status, reply.json().get("code").and_then(Json::as_text).unwrap_or_default().to_owned())
}

//! A sandbox with a frozen clock, a client for it, and a gateway that keeps what it is sent.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use deposit_sandbox::{Json, Sandbox, SandboxConfig};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

pub const START: i64 = 1_785_000_000;
pub const TREASURY: &str = "0xde709f2102306220921060314715629080e2fb77";
pub const USDC: &str = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913";

pub type Got = Arc<Mutex<Vec<(HeaderMap, Vec<u8>)>>>;

pub struct World {
    pub sandbox: Sandbox,
    pub client: Client<HttpConnector, Full<Bytes>>,
    pub key: String,
    pub token: String,
    pub got: Got,
    pub answers: Arc<Mutex<Vec<u16>>>,
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
}

/// A member by its path: `session.destination.amountUnits`.
pub fn at(json: &Json, path: &str) -> Json {
    path.split('.').fold(json.clone(), |json, name| json.get(name).cloned().unwrap_or(Json::Null))
}

pub fn text(json: &Json, path: &str) -> String {
    at(json, path).as_text().unwrap_or_else(|| panic!("{path} of {}", json.compact())).to_owned()
}

impl World {
    pub async fn new() -> Self {
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

    pub async fn send(&self, method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Reply {
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

    pub fn url(&self, path: &str) -> String {
        format!("{}/daimo{path}", self.sandbox.base_url())
    }

    pub async fn payments(&self, method: &str, path: &str, key: &str, body: &str) -> Reply {
        let mut headers = vec![("Api-Key", self.key.as_str())];
        if !key.is_empty() {
            headers.push(("Idempotency-Key", key));
        }
        self.send(method, &self.url(&format!("/api{path}")), &headers, body).await
    }

    pub async fn sessions(&self, method: &str, path: &str, body: &str) -> Reply {
        let bearer = format!("Bearer {}", self.key);
        let headers = [("Authorization", bearer.as_str())];
        self.send(method, &self.url(&format!("/v1{path}")), &headers, body).await
    }

    pub async fn control(&self, path: &str, body: &str) -> Reply {
        let method = if body.is_empty() { "GET" } else { "POST" };
        self.send(method, &format!("{}{path}", self.sandbox.control_url()), &[], body).await
    }

    pub async fn done(&self, path: &str, body: &str) -> Json {
        let reply = self.control(path, body).await;
        assert_eq!(reply.status, 200, "{path} {body}: {}", reply.text);
        reply.json()
    }

    pub async fn payment(&self, ours: &str) -> String {
        let reply = self.payments("POST", "/payment", ours, &payment(ours, "10.00")).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        text(&reply.json(), "id")
    }

    pub async fn session(&self, ours: &str) -> (String, String) {
        let reply = self.sessions("POST", "/sessions", &session(ours, "\"10.00\"")).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        let json = reply.json();
        (text(&json, "session.sessionId"), text(&json, "session.clientSecret"))
    }

    pub async fn status(&self, id: &str) -> String {
        if id.len() == 32 {
            text(&self.sessions("GET", &format!("/sessions/{id}"), "").await.json(), "session.status")
        } else {
            text(&self.payments("GET", &format!("/payment/{id}"), "", "").await.json(), "status")
        }
    }

    pub async fn pay(&self, reference: &str, more: &str) -> Reply {
        self.control("/daimo/pay", &format!(r#"{{"ref":"{reference}"{more}}}"#)).await
    }

    pub async fn play(&self, reference: &str, name: &str) -> Reply {
        self.control("/daimo/scenario", &format!(r#"{{"ref":"{reference}","name":"{name}"}}"#)).await
    }

    pub async fn truth(&self, reference: &str) -> Json {
        let all = self.done("/truth", "").await;
        all.items().iter().find(|o| text(o, "ref") == reference).unwrap().clone()
    }

    /// What was delivered since the last call.
    pub async fn events(&self) -> Vec<(HeaderMap, Json)> {
        self.sandbox.webhooks_idle().await;
        let got: Vec<_> = self.got.lock().unwrap().drain(..).collect();
        got.into_iter().map(|(headers, body)| (headers, Json::parse(&body).unwrap())).collect()
    }

    pub async fn kinds(&self) -> Vec<String> {
        self.events().await.iter().map(|(_, body)| text(body, "type")).collect()
    }
}

pub fn payment(ours: &str, amount: &str) -> String {
    format!(
        r#"{{"display":{{"intent":"Deposit"}},"destination":{{"destinationAddress":"{TREASURY}","chainId":8453,
           "tokenAddress":"{USDC}","amountUnits":"{amount}"}},"refundAddress":"{USDC}","externalId":"{ours}",
           "metadata":{{"depositId":"{ours}"}}}}"#
    )
}

pub fn session(ours: &str, amount: &str) -> String {
    format!(
        r#"{{"destination":{{"type":"evm","address":"{TREASURY}","chainId":8453,"tokenAddress":"{USDC}","amountUnits":{amount}}},
           "display":{{"title":"Deposit","verb":"Deposit"}},"metadata":{{"depositId":"{ours}"}}}}"#
    )
}

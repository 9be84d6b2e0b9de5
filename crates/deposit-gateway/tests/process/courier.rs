//! Carries webhooks from the emulators to whichever gateway lives at the moment, and remembers what was acknowledged.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::client::Http;

/// A delivery that was carried.
#[derive(Debug, Clone)]
pub struct Heard {
    /// The first delivery's id, whichever try this is.
    pub id: String,
    pub signature: String,
    pub body: Bytes,
    /// What the gateway answered; 502 where none was there.
    pub status: u16,
}

#[derive(Debug, Default)]
struct Shared {
    target: Mutex<Option<String>>,
    heard: Mutex<Vec<Heard>>,
}

/// Listens in on a courier.
#[derive(Debug, Clone)]
pub struct Ear(Arc<Shared>);

impl Ear {
    /// All that was carried, in the order of the answers.
    pub fn heard(&self) -> Vec<Heard> {
        self.0.heard.lock().unwrap().clone()
    }
}

/// A forwarder with an address that outlives gateways. It ends with its test.
#[derive(Debug)]
pub struct Courier {
    url: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl Courier {
    pub async fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(carry).with_state(shared.clone());
        let server = tokio::spawn(async move { serve(listener, app).await });
        Self { url, shared, server }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where the gateway is now.
    pub fn set_target(&self, url: &str) {
        *self.shared.target.lock().unwrap() = Some(url.to_owned());
    }

    pub fn ear(&self) -> Ear {
        Ear(self.shared.clone())
    }

    /// All that was carried, in the order of the answers.
    pub fn heard(&self) -> Vec<Heard> {
        self.ear().heard()
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, app: Router) {
    use hyper_util::rt::TokioIo;
    use hyper_util::service::TowerToHyperService;
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let service = TowerToHyperService::new(app.clone());
        tokio::spawn(async move {
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn carry(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap, body: Bytes) -> StatusCode {
    let signature = headers.get("btcpay-sig").and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let target = shared.target.lock().unwrap().clone();
    let status = match target {
        Some(target) => {
            let sent = [("btcpay-sig", signature.as_str()), ("content-type", "application/json")];
            let answer =
                Http::new().send("POST", &format!("{target}{}", uri.path()), &sent, body.clone()).await;
            answer.map_or(502, |reply| reply.status)
        }
        None => 502,
    };
    let event: Value = serde_json::from_slice(&body).unwrap();
    let id =
        ["originalDeliveryId", "deliveryId"].iter().find_map(|key| event[*key].as_str()).unwrap_or_default();
    shared.heard.lock().unwrap().push(Heard { id: id.to_owned(), signature, body, status });
    StatusCode::from_u16(status).unwrap()
}

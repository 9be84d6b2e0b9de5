//! Stands between adapter and provider and writes both sides down.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, Request, Response, StatusCode};
use tokio::net::TcpListener;

use crate::json;
use crate::redact::{HIDDEN, hidden_query};

/// Largest body that is passed on.
const LARGEST: usize = 4 << 20;

/// Of the headers these are recorded; all others may be secret or are of no use.
const SHOWN: [&str; 7] = [
    "content-type",
    "accept",
    "idempotency-key",
    "stripe-version",
    "retry-after",
    "www-authenticate",
    "ratelimit-remaining",
];

/// Of these only that they were there, and the scheme word.
const PROOFS: [&str; 4] = ["authorization", "api-key", "nanswap-api-key", "x-api-key"];

/// Of one connection: not passed on.
const OF_THE_CONNECTION: [&str; 7] =
    ["host", "connection", "content-length", "transfer-encoding", "accept-encoding", "keep-alive", "te"];

/// One request and its answer.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    /// Name of its file.
    pub(crate) name: String,
    method: String,
    path: String,
    sent: BTreeMap<String, String>,
    body: String,
    status: u16,
    received: BTreeMap<String, String>,
    answer: String,
}

impl Exchange {
    /// In the form of the other fixtures: JSON bodies as JSON, others as text.
    pub(crate) fn document(&self) -> Result<String> {
        let body = |text: &str| match text {
            "" => "null".to_owned(),
            text if serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok() => text.to_owned(),
            text => json::string(text),
        };
        json::pretty(&format!(
            r#"{{"request":{{"method":{},"path":{},"headers":{},"body":{}}},"response":{{"status":{},"headers":{},"body":{}}}}}"#,
            json::string(&self.method),
            json::string(&self.path),
            serde_json::to_string(&self.sent)?,
            body(&self.body),
            self.status,
            serde_json::to_string(&self.received)?,
            body(&self.answer),
        ))
    }
}

#[derive(Debug, Default)]
struct Log {
    step: String,
    exchanges: Vec<Exchange>,
}

/// What all proxies of one recording have written down.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tape(Arc<Mutex<Log>>);

impl Tape {
    fn log<T>(&self, work: impl FnOnce(&mut Log) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What follows is recorded as `STEP_1`, `STEP_2`, …
    pub(crate) fn begin(&self, step: &str) {
        self.log(|log| step.clone_into(&mut log.step));
    }

    /// Everything so far.
    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        self.log(|log| log.exchanges.clone())
    }

    fn add(&self, mut exchange: Exchange) {
        self.log(|log| {
            let before = format!("{}_", log.step);
            let number = log.exchanges.iter().filter(|other| other.name.starts_with(&before)).count() + 1;
            exchange.name = format!("{before}{number}");
            log.exchanges.push(exchange);
        });
    }
}

#[derive(Debug, Clone)]
struct Proxy {
    client: reqwest::Client,
    upstream: reqwest::Url,
    tape: Tape,
}

/// Listens for requests to `upstream`; answers the address that stands for it, with its path.
pub(crate) async fn start(upstream: &str, tape: Tape) -> Result<String> {
    let upstream: reqwest::Url = upstream.parse().context("an upstream that is no URL")?;
    // A second installation does nothing.
    _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
    let listener = TcpListener::bind("127.0.0.1:0").await.context("listening")?;
    let address = format!("http://{}{}", listener.local_addr()?, upstream.path().trim_end_matches('/'));
    let app = Router::new().fallback(pass_on).with_state(Proxy { client, upstream, tape });
    // Ends with the program.
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(address)
}

async fn pass_on(State(proxy): State<Proxy>, request: Request<Body>) -> Response<Body> {
    match passed_on(&proxy, request).await {
        Ok(response) => response,
        Err(error) => {
            eprintln!("not recorded: {}", error.root_cause());
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        }
    }
}

async fn passed_on(proxy: &Proxy, request: Request<Body>) -> Result<Response<Body>> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, LARGEST).await?;
    let mut url = proxy.upstream.clone();
    url.set_path(parts.uri.path());
    url.set_query(parts.uri.query());
    let mut forwarded = parts.headers.clone();
    for name in OF_THE_CONNECTION {
        forwarded.remove(name);
    }
    let sent =
        proxy.client.request(parts.method.clone(), url).headers(forwarded).body(body.clone()).send().await;
    // The error's own text has the URL, and its query may hold a key.
    let answer = sent.map_err(|error| error.without_url())?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let text = answer.bytes().await.map_err(|error| error.without_url())?;
    // As in the other fixtures: without the path that the API is below.
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let path = path.strip_prefix(proxy.upstream.path().trim_end_matches('/')).unwrap_or(path);
    proxy.tape.add(Exchange {
        name: String::new(),
        method: parts.method.to_string(),
        path: hidden_query(path),
        sent: shown(&parts.headers),
        body: String::from_utf8_lossy(&body).into_owned(),
        status: status.as_u16(),
        received: shown(&headers),
        answer: String::from_utf8_lossy(&text).into_owned(),
    });
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    for (name, value) in &headers {
        if !OF_THE_CONNECTION.contains(&name.as_str()) {
            response.headers_mut().insert(HeaderName::clone(name), value.clone());
        }
    }
    Ok(response)
}

fn shown(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut shown = BTreeMap::new();
    for (name, value) in headers {
        let (name, Ok(value)) = (name.as_str(), value.to_str()) else { continue };
        if SHOWN.contains(&name) {
            shown.insert(name.to_owned(), value.to_owned());
        } else if PROOFS.contains(&name) {
            let scheme = value.split_once(' ').map(|(scheme, _)| format!("{scheme} ")).unwrap_or_default();
            shown.insert(name.to_owned(), format!("{scheme}{HIDDEN}"));
        }
    }
    shown
}

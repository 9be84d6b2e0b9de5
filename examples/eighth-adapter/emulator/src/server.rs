//! The HTTP surface, and the line of webhooks.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use crate::book::Created;
use crate::{API_KEY, Fault, Hook, WEBHOOK_SECRET, World, sign};

const LARGEST_BODY: usize = 16 << 10;

/// Makes the server close the connection instead of answering.
#[derive(Debug)]
struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is cut")
    }
}

impl std::error::Error for Cut {}

pub(crate) async fn accept(listener: TcpListener, world: Arc<World>) {
    while let Ok((stream, _)) = listener.accept().await {
        let world = world.clone();
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |request| answer(request, world.clone()));
            // A connection that was cut ends with an error, on purpose.
            _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(request: Request<Incoming>, world: Arc<World>) -> Result<Response<Full<Bytes>>, Cut> {
    let fault = world.book().fault;
    match fault {
        Some(Fault::Down) => return Err(Cut),
        Some(Fault::ServerError) => return Ok(refuse(StatusCode::INTERNAL_SERVER_ERROR, "internal")),
        Some(Fault::HtmlError) => return Ok(html(StatusCode::BAD_GATEWAY)),
        Some(Fault::RejectKey) => return Ok(refuse(StatusCode::UNAUTHORIZED, "unknown_key")),
        Some(Fault::RateLimited) => return Ok(html(StatusCode::TOO_MANY_REQUESTS)),
        _ => {}
    }
    let (status, mut body) = work(request, &world).await;
    match fault {
        Some(Fault::LostAnswer) => return Err(Cut),
        Some(Fault::Slow) => tokio::time::sleep(Duration::from_secs(5)).await,
        Some(Fault::WrongTypes) => body = wrong(body),
        _ => {}
    }
    let mut text = body.to_string();
    if fault == Some(Fault::HugeBody) {
        text.push_str(&" ".repeat(16 << 20));
    }
    Ok(json_response(status, text))
}

async fn work(request: Request<Incoming>, world: &World) -> (StatusCode, Value) {
    let error = |status, word: &str| (status, json!({ "error": word }));
    let (parts, body) = request.into_parts();
    let key = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
    if key.and_then(|value| value.strip_prefix("Bearer ")) != Some(API_KEY) {
        return error(StatusCode::UNAUTHORIZED, "unknown_key");
    }
    let path: Vec<&str> = parts.uri.path().trim_start_matches('/').split('/').collect();
    match (&parts.method, path.as_slice()) {
        (&Method::POST, ["v1", "orders"]) => {
            let Ok(body) = Limited::new(body, LARGEST_BODY).collect().await else {
                return error(StatusCode::PAYLOAD_TOO_LARGE, "too_large");
            };
            let (external_id, nuts, expires_at) = match create_request(&body.to_bytes(), world.book().now()) {
                Ok(request) => request,
                Err(member) => return error(StatusCode::BAD_REQUEST, member),
            };
            match world.change(|book| book.create(&external_id, nuts, expires_at)) {
                Created::New(order) => (StatusCode::CREATED, order),
                Created::Known(order) => (StatusCode::OK, order),
                Created::OtherTerms => error(StatusCode::CONFLICT, "external_id"),
            }
        }
        (&Method::GET, ["v1", "orders", id]) => match world.book().read(id) {
            Some(order) => (StatusCode::OK, order),
            None => error(StatusCode::NOT_FOUND, "order_not_found"),
        },
        _ => error(StatusCode::NOT_FOUND, "no_such_route"),
    }
}

/// Strict: every member of its type, and no other. The error is the member's name.
fn create_request(body: &[u8], now: i64) -> Result<(String, u128, i64), &'static str> {
    let body: Map<String, Value> = serde_json::from_slice(body).map_err(|_| "body")?;
    if body.keys().any(|name| !["external_id", "amount_nuts", "expires_at"].contains(&name.as_str())) {
        return Err("body");
    }
    let external_id = body.get("external_id").and_then(Value::as_str);
    let external_id = external_id.filter(|id| (1..=128).contains(&id.len())).ok_or("external_id")?;
    let nuts = body.get("amount_nuts").and_then(Value::as_str).ok_or("amount_nuts")?;
    let digits = nuts.bytes().all(|b| b.is_ascii_digit()) && !nuts.starts_with('0');
    let nuts = nuts.parse().ok().filter(|_| digits).ok_or("amount_nuts")?;
    let expires_at = body.get("expires_at").and_then(Value::as_i64);
    let expires_at = expires_at.filter(|at| *at > now).ok_or("expires_at")?;
    Ok((external_id.to_owned(), nuts, expires_at))
}

/// The same with strings as numbers and numbers as strings.
fn wrong(value: Value) -> Value {
    match value {
        Value::String(_) => json!(7),
        Value::Number(number) => Value::String(number.to_string()),
        Value::Array(items) => items.into_iter().map(wrong).collect(),
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, wrong(value))).collect(),
        Value::Null | Value::Bool(_) => json!([]),
    }
}

fn refuse(status: StatusCode, word: &str) -> Response<Full<Bytes>> {
    json_response(status, json!({ "error": word }).to_string())
}

fn json_response(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    with_type(status, "application/json", body)
}

fn html(status: StatusCode) -> Response<Full<Bytes>> {
    with_type(status, "text/html", format!("<html><body><h1>{status}</h1></body></html>"))
}

fn with_type(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static(kind));
    if status == StatusCode::TOO_MANY_REQUESTS {
        response.headers_mut().insert("retry-after", hyper::header::HeaderValue::from_static("1"));
    }
    response
}

/// One webhook after the other. This emulator does not try again: a webhook only makes things faster.
pub(crate) async fn deliver(
    mut queue: mpsc::UnboundedReceiver<Hook>,
    url: Option<String>,
    sent: watch::Sender<usize>,
) {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    while let Some(hook) = queue.recv().await {
        if let Some(url) = &url {
            let signature = sign(hook.body.as_bytes(), WEBHOOK_SECRET);
            let request = Request::post(url)
                .header("content-type", "application/json")
                .header("acorn-signature", signature)
                .body(Full::new(Bytes::from(hook.body)));
            if let Ok(request) = request {
                _ = client.request(request).await;
            }
        }
        sent.send_modify(|count| *count += 1);
    }
}

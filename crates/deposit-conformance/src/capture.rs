//! A server that takes webhooks and keeps them.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::harness::CapturedDelivery;

type Taken = Arc<Mutex<Vec<CapturedDelivery>>>;

/// Answers 200 to every request and keeps it. Ends when it is dropped.
///
/// ```
/// # deposit_conformance::run(async {
/// use deposit_conformance::CaptureServer;
/// let server = CaptureServer::start().await.unwrap();
/// assert!(server.url().starts_with("http://127.0.0.1:"));
/// assert!(server.deliveries().is_empty());
/// # });
/// ```
#[derive(Debug)]
pub struct CaptureServer {
    url: String,
    taken: Taken,
    task: JoinHandle<()>,
}

impl CaptureServer {
    /// Listens at a free port of the loopback address.
    ///
    /// # Errors
    /// Where it cannot.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let taken = Taken::default();
        let task = tokio::spawn(accept(listener, taken.clone()));
        Ok(Self { url, taken, task })
    }

    /// `http://ADDR`; any path will do.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What has come, in order.
    #[must_use]
    pub fn deliveries(&self) -> Vec<CapturedDelivery> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for CaptureServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, taken: Taken) {
    while let Ok((stream, _)) = listener.accept().await {
        let taken = taken.clone();
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |request| keep(request, taken.clone()));
            // A connection that breaks has nothing to give.
            _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn keep(request: Request<Incoming>, taken: Taken) -> Result<Response<Empty<Bytes>>, Infallible> {
    let headers = request.headers().iter();
    let headers =
        headers.filter_map(|(n, v)| Some((n.as_str().to_owned(), v.to_str().ok()?.to_owned()))).collect();
    let query = request.uri().query().unwrap_or_default();
    let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    if let Ok(body) = request.into_body().collect().await {
        let delivery = CapturedDelivery { headers, query, body: body.to_bytes().to_vec() };
        taken.lock().unwrap_or_else(PoisonError::into_inner).push(delivery);
    }
    Ok(Response::new(Empty::new()))
}

//! A client for loopback HTTP: the demo talks to its own gateway and sandbox, so there is no TLS here.

use anyhow::{Context, bail};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;

/// A client with an optional API key.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    client: Client<HttpConnector, Full<bytes::Bytes>>,
    key: Option<String>,
}

impl Http {
    pub(crate) fn new(key: Option<String>) -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build_http(), key }
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, url: &str) -> anyhow::Result<T> {
        self.find(url).await?.with_context(|| format!("GET {url}: not found"))
    }

    /// `None` for 404.
    pub(crate) async fn find<T: DeserializeOwned>(&self, url: &str) -> anyhow::Result<Option<T>> {
        self.send(Method::GET, url, String::new()).await
    }

    pub(crate) async fn post<T: DeserializeOwned>(&self, url: &str, body: String) -> anyhow::Result<T> {
        self.send(Method::POST, url, body).await?.with_context(|| format!("POST {url}: not found"))
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        url: &str,
        body: String,
    ) -> anyhow::Result<Option<T>> {
        let mut request =
            Request::builder().method(&method).uri(url).header("content-type", "application/json");
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let request = request.body(Full::from(body))?;
        let answer = self.client.request(request).await.with_context(|| format!("{method} {url}"))?;
        let status = answer.status();
        let body = answer.into_body().collect().await.with_context(|| format!("{method} {url}"))?.to_bytes();
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !status.is_success() {
            bail!("{method} {url}: {status}: {}", String::from_utf8_lossy(&body));
        }
        serde_json::from_slice(&body).map(Some).with_context(|| format!("{method} {url}: unexpected answer"))
    }
}

//! Requests, and what a refusal means.

use deposit_core::{ConfigError, ErrorKind, Operation, ProviderError, Secret};
use deposit_transport::{HttpClient, HttpConfig, Method, Request, Safety, StatusCode};
use url::Url;

use crate::api;
use crate::config::Checked;
use crate::error::ID;

#[derive(Debug)]
pub(crate) struct Client {
    http: HttpClient,
    base_url: Url,
    api_key: Secret,
}

impl Client {
    pub(crate) fn new(config: &Checked, http: HttpConfig) -> Result<Self, ConfigError> {
        let http = HttpClient::new(ID, http)?;
        Ok(Self { http, base_url: config.base_url.clone(), api_key: config.api_key.clone() })
    }

    fn request(&self, operation: Operation, safety: Safety, method: Method, path: &[&str]) -> Request<'_> {
        let mut url = self.base_url.clone();
        // Cannot fail: the base is http or https.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(path);
        }
        self.http
            .request(operation, safety, method, url)
            .secret_header("authorization", "Bearer ", &self.api_key)
            .refine(refusal)
    }

    /// Sent once: whether to ask again after an unclear answer is the engine's decision, though AcornPay would bear it.
    pub(crate) async fn create(&self, body: &api::CreateOrder<'_>) -> Result<api::Order, ProviderError> {
        let request = self.request(Operation::Open, Safety::Once, Method::POST, &["orders"]);
        request.deadline(self.http.config().timeout).json(body).send().await?.json()
    }

    pub(crate) async fn order(&self, id: &str) -> Result<api::Order, ProviderError> {
        let request = self.request(Operation::Read, Safety::Idempotent, Method::GET, &["orders", id]);
        request.send().await?.json()
    }
}

/// A 404 with the API's own word is an unknown order; any other is a wrong path.
fn refusal(status: StatusCode, body: &[u8]) -> Option<ErrorKind> {
    let word = serde_json::from_slice::<api::Refusal>(body).ok().map(|refusal| refusal.error);
    match (status, word.as_deref()) {
        (StatusCode::NOT_FOUND, Some("order_not_found")) => Some(ErrorKind::NotFound),
        (StatusCode::NOT_FOUND, _) => Some(ErrorKind::Configuration),
        (StatusCode::CONFLICT, _) => Some(ErrorKind::Rejected("other_terms")),
        (StatusCode::BAD_REQUEST, Some("amount_nuts")) => Some(ErrorKind::Rejected("amount_refused")),
        _ => None,
    }
}

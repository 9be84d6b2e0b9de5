//! Requests, and what a refusal means.

use std::time::Duration;

use deposit_core::{ConfigError, ErrorKind, Operation, ProviderError, Secret};
use deposit_transport::{HttpClient, HttpConfig, Method, Request, Safety, StatusCode};
use serde::de::DeserializeOwned;
use url::Url;

use crate::api::{self, ApiError, Envelope, Listed};
use crate::config::Checked;
use crate::error::ID;

/// The version that shapes what is sent and read. Another one may refuse `payment_method_types` (from `2026-09-30.endive`).
pub const API_VERSION: &str = "2026-06-24.dahlia";

/// Largest page of a list.
const PAGE: &str = "100";
/// No payment has more refunds or disputes than so many pages.
const MOST_PAGES: usize = 10;

#[derive(Debug)]
pub(crate) struct Client {
    http: HttpClient,
    base_url: Url,
    secret_key: Secret,
}

impl Client {
    pub(crate) fn new(config: &Checked, http: HttpConfig) -> Result<Self, ConfigError> {
        Ok(Self {
            http: HttpClient::new(ID, http)?,
            base_url: config.base_url.clone(),
            secret_key: config.secret_key.clone(),
        })
    }

    fn request(&self, operation: Operation, safety: Safety, method: Method, path: &[&str]) -> Request<'_> {
        let mut url = self.base_url.clone();
        // Cannot fail: the base is http or https.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(path);
        }
        self.http
            .request(operation, safety, method, url)
            .secret_header("authorization", "Bearer ", &self.secret_key)
            .header("stripe-version", API_VERSION)
            .header("accept", "application/json")
    }

    fn get(&self, operation: Operation, path: &[&str]) -> Request<'_> {
        self.request(operation, Safety::Idempotent, Method::GET, path).refine(refusal_of_read)
    }

    /// A read of a check. A right that is missing is no refused key.
    pub(crate) fn look(&self, path: &[&str]) -> Request<'_> {
        self.request(Operation::Check, Safety::Idempotent, Method::GET, path).refine(refusal_of_look)
    }

    /// Whether the key has only the rights that it was given.
    pub(crate) fn is_restricted(&self) -> bool {
        self.secret_key.expose().starts_with("rk_")
    }

    /// Longest time of one create.
    pub(crate) fn patience(&self) -> Duration {
        self.http.config().timeout
    }

    /// Sent once: a repeat under the same key is the caller's, who then has the first session again.
    pub(crate) async fn create(
        &self,
        key: &str,
        body: &[(&'static str, String)],
    ) -> Result<api::Session, ProviderError> {
        self.request(Operation::Open, Safety::Once, Method::POST, &["checkout", "sessions"])
            .refine(refusal_of_create)
            .deadline(self.patience())
            .header("idempotency-key", key)
            .form(body.iter().map(|(name, value)| (*name, value.as_str())))
            .send()
            .await?
            .json()
    }

    /// Closes a session that nobody may be shown. Best effort: it expires anyway.
    pub(crate) async fn expire(&self, operation: Operation, id: &str) {
        let path = ["checkout", "sessions", id, "expire"];
        let expired = self
            .request(operation, Safety::Idempotent, Method::POST, &path)
            .deadline(self.patience() / 2)
            .send()
            .await;
        if let Err(error) = expired {
            tracing::warn!(%error, "a session that is not what was asked for could not be expired");
        }
    }

    /// With the PaymentIntent and its last charge: only they tell a delayed payment under way from a failed one.
    pub(crate) async fn session(
        &self,
        operation: Operation,
        id: &str,
    ) -> Result<api::Session, ProviderError> {
        self.get(operation, &["checkout", "sessions", id])
            .query("expand[0]", "payment_intent")
            .query("expand[1]", "payment_intent.latest_charge")
            .send()
            .await?
            .json()
    }

    pub(crate) async fn refunds(&self, intent: &str) -> Result<Vec<api::Refund>, ProviderError> {
        self.all_of(&["refunds"], intent).await
    }

    pub(crate) async fn disputes(&self, intent: &str) -> Result<Vec<api::Dispute>, ProviderError> {
        self.all_of(&["disputes"], intent).await
    }

    /// Every item of one payment's list.
    async fn all_of<T: DeserializeOwned + Listed>(
        &self,
        path: &[&str],
        intent: &str,
    ) -> Result<Vec<T>, ProviderError> {
        let mut all: Vec<T> = Vec::new();
        for _ in 0..MOST_PAGES {
            let request =
                self.get(Operation::Read, path).query("payment_intent", intent).query("limit", PAGE);
            let request = match all.last() {
                Some(last) => request.query("starting_after", last.id()),
                None => request,
            };
            let page: api::List<T> = request.send().await?.json()?;
            let empty = page.data.is_empty();
            all.extend(page.data);
            if !page.has_more {
                return Ok(all);
            }
            if empty {
                break;
            }
        }
        Err(ProviderError::new(ID, Operation::Read, ErrorKind::Protocol))
    }

    /// From a PaymentIntent back to its session; `None` where it was not made by one.
    pub(crate) async fn session_of(&self, intent: &str) -> Result<Option<api::Session>, ProviderError> {
        let list: api::List<api::Session> = self
            .get(Operation::Scan, &["checkout", "sessions"])
            .query("payment_intent", intent)
            .query("limit", "1")
            .send()
            .await?
            .json()?;
        Ok(list.data.into_iter().next())
    }

    /// Events of these types made since (Unix seconds) and listed after this one; newest first.
    pub(crate) async fn events(
        &self,
        kinds: &[&str],
        since: Option<i64>,
        after: Option<&str>,
    ) -> Result<api::List<api::Event>, ProviderError> {
        let mut request = self.get(Operation::Scan, &["events"]).query("limit", PAGE);
        for (n, kind) in kinds.iter().enumerate() {
            request = request.query(&format!("types[{n}]"), kind);
        }
        if let Some(since) = since {
            request = request.query("created[gte]", &since.to_string());
        }
        if let Some(id) = after {
            request = request.query("starting_after", id);
        }
        request.send().await?.json()
    }
}

fn error_of(body: &[u8]) -> Option<ApiError> {
    serde_json::from_slice::<Envelope>(body).ok().map(|envelope| envelope.error)
}

/// What is the same for all requests: 400 with `rate_limit` in very old versions, 409 and 424 (dossier, section 1.4).
fn passing(status: StatusCode, error: Option<&ApiError>, passes: ErrorKind) -> Option<ErrorKind> {
    let code = error.and_then(|error| error.code.as_deref());
    match status.as_u16() {
        400 if code == Some("rate_limit") => Some(ErrorKind::Transient { retry_after: None }),
        409 | 424 => Some(passes),
        _ => None,
    }
}

/// A 404 with the API's own code is an unknown object (of this mode); any other is a wrong path: the base URL.
fn refusal_of_read(status: StatusCode, body: &[u8]) -> Option<ErrorKind> {
    let error = error_of(body);
    let known = error.as_ref().is_some_and(|error| error.code.as_deref() == Some("resource_missing"));
    match status {
        StatusCode::NOT_FOUND => Some(if known { ErrorKind::NotFound } else { ErrorKind::Configuration }),
        // A place in a list that is not there any more.
        StatusCode::BAD_REQUEST if known => Some(ErrorKind::NotFound),
        _ => passing(status, error.as_ref(), ErrorKind::Transient { retry_after: None }),
    }
}

/// A key without the right to a question of a check.
pub(crate) const NO_RIGHT: &str = "no_right";

fn refusal_of_look(status: StatusCode, body: &[u8]) -> Option<ErrorKind> {
    match status {
        StatusCode::FORBIDDEN => Some(ErrorKind::Rejected(NO_RIGHT)),
        _ => refusal_of_read(status, body),
    }
}

fn refusal_of_create(status: StatusCode, body: &[u8]) -> Option<ErrorKind> {
    let error = error_of(body);
    // Still running under the same key, or a dependency failed: whether it was made is open.
    if let Some(kind) = passing(status, error.as_ref(), ErrorKind::OutcomeUnknown) {
        return Some(kind);
    }
    let text = |member: fn(&ApiError) -> Option<&String>| {
        error.as_ref().and_then(member).map(String::as_str).unwrap_or_default()
    };
    match status {
        StatusCode::BAD_REQUEST => Some(ErrorKind::Rejected(
            match (text(|e| e.kind.as_ref()), text(|e| e.code.as_ref()), text(|e| e.param.as_ref())) {
                // The body moved under a key: the configuration was changed between two tries.
                ("idempotency_error", _, _) => "idempotency_conflict",
                (_, "amount_too_small", _) => "amount_too_small",
                (_, "amount_too_large", _) => "amount_too_large",
                // A repeat so late that the session would end within half an hour.
                (_, _, "expires_at") => "too_late",
                _ => "invalid_request",
            },
        )),
        StatusCode::NOT_FOUND => Some(ErrorKind::Configuration),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16) -> StatusCode {
        StatusCode::from_u16(code).unwrap()
    }

    fn body(kind: &str, code: &str, param: &str) -> Vec<u8> {
        format!(r#"{{"error":{{"type":"{kind}","code":"{code}","param":"{param}","message":"for people"}}}}"#)
            .into_bytes()
    }

    #[test]
    fn refusals_of_a_create() {
        use ErrorKind::{Configuration, OutcomeUnknown, Rejected};
        let invalid = "invalid_request_error";
        for (code, body, kind) in [
            (400, body("idempotency_error", "", ""), Some(Rejected("idempotency_conflict"))),
            (400, body(invalid, "amount_too_small", "line_items[0]"), Some(Rejected("amount_too_small"))),
            (400, body(invalid, "amount_too_large", "line_items[0]"), Some(Rejected("amount_too_large"))),
            (400, body(invalid, "", "expires_at"), Some(Rejected("too_late"))),
            (400, body(invalid, "parameter_unknown", "x"), Some(Rejected("invalid_request"))),
            (400, body(invalid, "rate_limit", ""), Some(ErrorKind::Transient { retry_after: None })),
            (400, b"<html>".to_vec(), Some(Rejected("invalid_request"))),
            (401, body(invalid, "", ""), None),
            (402, body("card_error", "card_declined", ""), None),
            (403, body(invalid, "", ""), None),
            (404, body(invalid, "resource_missing", "price"), Some(Configuration)),
            (409, body("idempotency_error", "idempotency_key_in_use", ""), Some(OutcomeUnknown)),
            (424, body("api_error", "", ""), Some(OutcomeUnknown)),
            (429, body(invalid, "lock_timeout", ""), None),
        ] {
            assert_eq!(refusal_of_create(status(code), &body), kind, "{code}");
        }
    }

    #[test]
    fn only_the_api_itself_says_that_a_session_is_unknown() {
        let missing = body("invalid_request_error", "resource_missing", "session");
        assert_eq!(refusal_of_read(status(404), &missing), Some(ErrorKind::NotFound));
        assert_eq!(refusal_of_read(status(404), b"<html>"), Some(ErrorKind::Configuration));
        let url = br#"{"error":{"type":"invalid_request_error","message":"Unrecognized request URL"}}"#;
        assert_eq!(refusal_of_read(status(404), url), Some(ErrorKind::Configuration));
        let transient = Some(ErrorKind::Transient { retry_after: None });
        assert_eq!(refusal_of_read(status(409), b""), transient);
        assert_eq!(refusal_of_read(status(424), b""), transient);
        assert_eq!(refusal_of_read(status(403), &missing), None);
    }
}

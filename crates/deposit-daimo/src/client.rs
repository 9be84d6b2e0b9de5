//! What the requests of both generations share, and what a refusal means.

use std::time::Duration;

use deposit_core::{ConfigError, ErrorKind, Operation};
use deposit_transport::{HttpClient, HttpConfig, Method, Request, Safety, StatusCode};
use url::Url;

use crate::api::ApiError;
use crate::error::ID;

#[derive(Debug)]
pub(crate) struct Client {
    http: HttpClient,
    root: Url,
}

impl Client {
    pub(crate) fn new(root: Url, http: HttpConfig) -> Result<Self, ConfigError> {
        Ok(Self { http: HttpClient::new(ID, http)?, root })
    }

    /// Time for all of a create; what may follow it has half of that.
    pub(crate) fn patience(&self) -> Duration {
        self.http.config().timeout
    }

    fn request(&self, operation: Operation, safety: Safety, method: Method, path: &[&str]) -> Request<'_> {
        let mut url = self.root.clone();
        // Cannot fail: the root is http or https.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        self.http.request(operation, safety, method, url).header("accept", "application/json")
    }

    /// Sent once, also where the provider deduplicates: an answer that was lost is `OutcomeUnknown`, and the caller repeats it under
    /// the same key.
    pub(crate) fn create(&self, path: &str) -> Request<'_> {
        self.request(Operation::Open, Safety::Once, Method::POST, &[path])
            .refine(refusal_of_create)
            .deadline(self.patience())
    }

    pub(crate) fn get(&self, operation: Operation, path: &[&str]) -> Request<'_> {
        self.request(operation, Safety::Idempotent, Method::GET, path).refine(refusal_of_read)
    }
}

/// A 404 in the API's own form is an unknown order; any other is a wrong path: the base URL, or a proxy's idea.
fn refusal_of_read(status: StatusCode, body: &[u8]) -> Option<ErrorKind> {
    let known = || serde_json::from_slice::<ApiError>(body).is_ok();
    (status == StatusCode::NOT_FOUND && !known()).then_some(ErrorKind::Configuration)
}

/// Which codes there are is not documented in full (dossier, A5 and B5). The text of an error is not read.
fn refusal_of_create(status: StatusCode, body: &[u8]) -> Option<ErrorKind> {
    match status {
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => {
            let error: Option<ApiError> = serde_json::from_slice(body).ok();
            let about = error.as_ref().and_then(ApiError::param);
            let word = if about.is_some_and(|param| param.ends_with("amountUnits")) {
                "amount_refused"
            } else {
                "invalid_request"
            };
            Some(ErrorKind::Rejected(word))
        }
        StatusCode::NOT_FOUND => Some(ErrorKind::Configuration),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals() {
        let create =
            |status, body: &str| refusal_of_create(StatusCode::from_u16(status).unwrap(), body.as_bytes());
        assert_eq!(create(400, r#"{"error":"bad"}"#), Some(ErrorKind::Rejected("invalid_request")));
        assert_eq!(create(422, "<html>"), Some(ErrorKind::Rejected("invalid_request")));
        let about = |param: &str| {
            format!(
                r#"{{"error":{{"type":"validation_error","code":"invalid_parameter","message":"m","param":"{param}"}}}}"#
            )
        };
        assert_eq!(
            create(400, &about("destination.amountUnits")),
            Some(ErrorKind::Rejected("amount_refused"))
        );
        assert_eq!(create(400, &about("body")), Some(ErrorKind::Rejected("invalid_request")));
        assert_eq!(create(404, ""), Some(ErrorKind::Configuration));
        for left in [401, 403, 409, 429] {
            assert_eq!(create(left, r#"{"error":"x"}"#), None, "{left}");
        }
        let read =
            |status, body: &str| refusal_of_read(StatusCode::from_u16(status).unwrap(), body.as_bytes());
        assert_eq!(read(404, r#"{"error":"Payment not found"}"#), None);
        assert_eq!(read(404, r#"{"error":{"type":"not_found_error"}}"#), None);
        assert_eq!(read(404, "<html>"), Some(ErrorKind::Configuration));
        assert_eq!(read(403, ""), None);
    }
}

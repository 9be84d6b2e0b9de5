//! Stripe's error envelope: dossier section 1.4. Members without a value are left out.

use axum::http::StatusCode;

use crate::json::Json;

/// An answer other than 200.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    kind: &'static str,
    code: Option<&'static str>,
    param: Option<String>,
    message: String,
    /// Whether it came up after execution began: such an answer is kept under the idempotency key.
    pub(super) stored: bool,
}

pub(super) type Outcome<T> = Result<T, Refusal>;

impl Refusal {
    fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, code: None, param: None, message: message.into(), stored: false }
    }

    fn coded(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    /// 400 `invalid_request_error`, without a code.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message)
    }

    /// 400 about a parameter, in its bracket form.
    pub(super) fn parameter(code: &'static str, param: &str, message: impl Into<String>) -> Self {
        let mut refusal = Self::invalid(message).coded(code);
        refusal.param = Some(param.to_owned());
        refusal
    }

    pub(super) fn missing(param: &str) -> Self {
        Self::parameter("parameter_missing", param, format!("Missing required param: {param}."))
    }

    pub(super) fn unknown(param: &str) -> Self {
        Self::parameter("parameter_unknown", param, format!("Received unknown parameter: {param}"))
    }

    /// A value that is none of an enumeration, or otherwise not valid: there is a `param` and no code.
    pub(super) fn value(param: &str, message: impl Into<String>) -> Self {
        let mut refusal = Self::invalid(message);
        refusal.param = Some(param.to_owned());
        refusal
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_request_error", "Invalid API Key provided: sk_test_****")
    }

    pub(super) fn no_such(what: &str, id: &str, param: &str) -> Self {
        let mut refusal =
            Self::new(StatusCode::NOT_FOUND, "invalid_request_error", format!("No such {what}: '{id}'"))
                .coded("resource_missing");
        refusal.param = Some(param.to_owned());
        refusal
    }

    pub(super) fn no_route(method: &str, path: &str) -> Self {
        let message = format!("Unrecognized request URL ({method}: {path}).");
        Self::new(StatusCode::NOT_FOUND, "invalid_request_error", message)
    }

    pub(super) fn key_in_use() -> Self {
        let message = "There is currently another in-progress request using this Idempotent Key.";
        Self::new(StatusCode::CONFLICT, "idempotency_error", message).coded("idempotency_key_in_use")
    }

    pub(super) fn key_reused() -> Self {
        let message = "Keys for idempotent requests can only be used with the same parameters they were first used with.";
        Self::new(StatusCode::BAD_REQUEST, "idempotency_error", message)
    }

    pub(super) fn server_error() -> Self {
        let message = "An unknown error occurred.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "api_error", message)
    }

    /// The object is in another state: execution had begun.
    pub(super) fn state(code: Option<&'static str>, message: impl Into<String>) -> Self {
        Self { code, stored: true, ..Self::invalid(message) }
    }

    pub(super) fn body(&self) -> Json {
        let mut members = vec![("type", Json::text(self.kind))];
        members.extend(self.code.map(|code| ("code", Json::text(code))));
        members.extend(self.param.as_deref().map(|param| ("param", Json::text(param))));
        members.push(("message", Json::text(&self.message)));
        if let Some(code) = self.code {
            let page = format!("https://stripe.com/docs/error-codes/{}", code.replace('_', "-"));
            members.push(("doc_url", Json::text(page)));
        }
        Json::object([("error", Json::object(members))])
    }
}

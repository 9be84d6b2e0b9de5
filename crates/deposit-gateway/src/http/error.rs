//! The error body of the API: `{error, message, status, code, details?}`, and every row of section 5 of its contract.

use std::borrow::Cow;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use deposit_engine::{CreateError, DeliveryError, EngineError, LimitsError, Refusal};
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::reply;

/// When a stream that found no room may try again.
const STREAM_PAUSE_SECS: u64 = 30;

/// An answer that is an error. Its texts are ours or a hint of the engine, never a provider's words or an inner cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    error: Cow<'static, str>,
    details: Option<String>,
    retry_after_secs: Option<u64>,
    challenge: bool,
}

/// The body of every error.
#[derive(Serialize, ToSchema)]
#[schema(as = Error)]
pub(crate) struct Body<'a> {
    /// What is wrong: a fixed text, the same for the same `code` but for the figures in it.
    error: &'a str,
    /// Same as `error`.
    message: &'a str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// Stable name of the error; what programs should look at.
    code: &'a str,
    /// A hint for a person; may change at any time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, nullable = false)]
    details: Option<&'a str>,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, error: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, error: error.into(), details: None, retry_after_secs: None, challenge: false }
    }

    fn bad_request(code: &'static str, error: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, error)
    }

    /// The body of the answer.
    pub(crate) fn body(&self) -> Body<'_> {
        Body {
            error: &self.error,
            message: &self.error,
            status: self.status.as_u16(),
            code: self.code,
            details: self.details.as_deref(),
        }
    }

    /// The status of the answer.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// The fixed text.
    pub(crate) fn text(&self) -> &str {
        &self.error
    }

    /// The stable name.
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    /// A hint for a person.
    pub(crate) fn with_details(mut self, details: impl Into<String>) -> Self {
        let details = details.into();
        self.details = (!details.is_empty()).then_some(details);
        self
    }

    /// `Retry-After`, whole seconds, at least 1.
    pub(crate) fn retry_after_secs(mut self, secs: u64) -> Self {
        self.retry_after_secs = Some(secs.max(1));
        self
    }

    fn challenged(mut self) -> Self {
        self.challenge = true;
        self
    }

    /// A path that does not exist.
    pub(crate) fn path_not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "Not found")
    }

    /// The path exists, the method does not; `Allow` is the router's.
    pub(crate) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed")
    }

    /// No API key.
    pub(crate) fn missing_api_key() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "missing_api_key", "Incorrect API key").challenged()
    }

    /// A key that is unknown, revoked or of a closed account; or two that differ.
    pub(crate) fn invalid_api_key() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_api_key", "Incorrect API key").challenged()
    }

    /// Whether it is about the key.
    pub(crate) fn is_unauthorized(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED
    }

    /// Larger than is read.
    pub(crate) fn body_too_large(limit: usize) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "Request body too large")
            .with_details(format!("at most {limit} bytes"))
    }

    /// Empty, over 255 characters, not printable ASCII, or given twice.
    pub(crate) fn invalid_idempotency_key() -> Self {
        Self::bad_request("invalid_idempotency_key", "Invalid idempotency key")
            .with_details("1 to 255 printable ASCII characters")
    }

    /// Not 1-255 of `[A-Za-z0-9_-]`.
    pub(crate) fn invalid_tx_id() -> Self {
        Self::bad_request("invalid_tx_id", "Invalid transaction ID")
            .with_details("1 to 255 characters of A-Z, a-z, 0-9, _ and -")
    }

    /// A query parameter that cannot be used; `rule` names it and says why.
    pub(crate) fn invalid_parameter(rule: impl Into<String>) -> Self {
        Self::bad_request("invalid_parameter", "Invalid parameter").with_details(rule)
    }

    /// No such deposit for this account and ticker.
    pub(crate) fn transaction_not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "Transaction not found")
    }

    /// Section 3.6: a parameter that is missing or empty.
    pub(crate) fn missing_parameter() -> Self {
        Self::bad_request("missing_parameter", "Missing ticker or txId")
    }

    /// As many event streams as there may be are open. The contract knows no such answer; a 503 with `Retry-After` says what it is.
    pub(crate) fn too_many_streams() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_streams", "Too many open event streams")
            .with_details("ask for the status instead")
            .retry_after_secs(STREAM_PAUSE_SECS)
    }

    /// This account has as many event streams open as one may have.
    pub(crate) fn too_many_streams_of_account(most: usize) -> Self {
        Self::rate_limited(STREAM_PAUSE_SECS)
            .with_details(format!("an account may have {most} event streams open"))
    }

    /// Section 4.
    pub(crate) fn rate_limited(retry_after_secs: u64) -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limit_exceeded",
            "Too many requests, please try again later",
        )
        .retry_after_secs(retry_after_secs)
    }

    /// The way of paying is off, down, refusing, or has no fresh rate.
    pub(crate) fn unavailable(retry_after: Option<Duration>) -> Self {
        let error = Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "payment_method_unavailable",
            "This payment method is currently not available",
        );
        match retry_after {
            Some(wait) => error.retry_after_secs(whole_secs(wait)),
            None => error,
        }
    }

    /// No fresh rate for a price that anybody may ask for.
    pub(crate) fn price_unavailable(retry_after_secs: u64) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "price_unavailable", "Price is currently not available")
            .retry_after_secs(retry_after_secs)
    }

    /// Our own failure; what it was is in the log.
    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "Internal server error")
    }

    /// The store does not answer.
    pub(crate) fn not_ready() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", "Not ready").retry_after_secs(1)
    }

    /// A webhook body that did not arrive whole.
    pub(crate) fn webhook_cut_short() -> Self {
        Self::bad_request("invalid_webhook", "Webhook body cannot be read")
    }

    /// A webhook whose signature or token is missing or wrong.
    pub(crate) fn webhook_unauthenticated() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "invalid_signature",
            "Webhook signature or token missing or wrong",
        )
    }

    /// A webhook that could not be stored and shall come again.
    pub(crate) fn not_stored() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not_stored", "Try again later").retry_after_secs(10)
    }

    /// The engine failed by itself: logged with its causes here, answered without.
    pub(crate) fn from_engine(error: &EngineError) -> Self {
        tracing::error!(error = %chain(error), "internal error");
        Self::internal()
    }
}

fn whole_secs(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0))
}

/// An error with its causes, for the log.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

impl From<&Refusal> for ApiError {
    fn from(refusal: &Refusal) -> Self {
        let code = match refusal {
            Refusal::UnsupportedTicker { .. } => "unsupported_ticker",
            Refusal::InvalidJson => "invalid_json",
            Refusal::AmountMissing => "amount_missing",
            Refusal::InvalidAmount => "invalid_amount",
            Refusal::AmountPrecision { .. } => "amount_precision",
            Refusal::BelowMinimum { .. } => "amount_below_minimum",
            Refusal::AboveMaximum { .. } => "amount_above_maximum",
        };
        let error = Self::bad_request(code, refusal.to_string());
        match refusal {
            Refusal::UnsupportedTicker { hint } => error.with_details(hint.clone()),
            Refusal::InvalidJson
            | Refusal::AmountMissing
            | Refusal::InvalidAmount
            | Refusal::AmountPrecision { .. }
            | Refusal::BelowMinimum { .. }
            | Refusal::AboveMaximum { .. } => error,
        }
    }
}

impl From<&CreateError> for ApiError {
    fn from(error: &CreateError) -> Self {
        let conflict = |code| Self::new(StatusCode::CONFLICT, code, "Idempotency key already used");
        match error {
            CreateError::Refused(refusal) => refusal.into(),
            CreateError::IdempotencyConflict => {
                conflict("idempotency_conflict").with_details("the key was used for another ticker or amount")
            }
            CreateError::IdempotencyRunning => conflict("idempotency_conflict")
                .with_details("the first request with this key is still running")
                .retry_after_secs(1),
            // Whoever knows the limiter's state sets a later time.
            CreateError::RateLimited => Self::rate_limited(1),
            CreateError::Unavailable { retry_after } => Self::unavailable(*retry_after),
            CreateError::Internal(error) => Self::from_engine(error),
        }
    }
}

impl From<LimitsError> for ApiError {
    fn from(error: LimitsError) -> Self {
        match error {
            LimitsError::UnsupportedTicker { hint } => (&Refusal::UnsupportedTicker { hint }).into(),
            LimitsError::Unavailable { retry_after } => Self::unavailable(retry_after),
            LimitsError::Internal(error) => Self::from_engine(&error),
        }
    }
}

impl From<DeliveryError> for ApiError {
    fn from(error: DeliveryError) -> Self {
        match error {
            DeliveryError::UnknownProvider => Self::path_not_found(),
            DeliveryError::Unauthenticated => Self::webhook_unauthenticated(),
            DeliveryError::Malformed(_) => Self::webhook_cut_short(),
            DeliveryError::NotStored(error) => {
                tracing::error!(error = %chain(&error), "a webhook delivery could not be stored");
                Self::not_stored()
            }
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = reply::json(self.status, &self.body());
        let headers = response.headers_mut();
        if let Some(secs) = self.retry_after_secs {
            headers.insert(RETRY_AFTER, HeaderValue::from(secs));
        }
        if self.challenge {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use deposit_core::{Amount, Asset, Ticker};

    fn shown(error: ApiError) -> (u16, String, String) {
        (error.status.as_u16(), error.error.to_string(), error.code.to_owned())
    }

    /// Section 5 of the contract, row by row.
    #[test]
    fn every_row_of_the_error_table() {
        let btc = |text| Amount::parse(text, Asset::BTC).unwrap();
        let from = |refusal: Refusal| ApiError::from(&CreateError::from(refusal));
        let engine = || EngineError::Inconsistent("secret inner text");
        let rows: Vec<(ApiError, u16, &str, &str)> = vec![
            (from(Refusal::AmountMissing), 400, "No amount specified", "amount_missing"),
            (
                from(Refusal::InvalidAmount),
                400,
                "Invalid amount. Must be a positive number.",
                "invalid_amount",
            ),
            (
                from(Refusal::AmountPrecision { ticker: Ticker::BTC, decimals: 8 }),
                400,
                "Invalid amount. BTC has at most 8 decimals.",
                "amount_precision",
            ),
            (
                from(Refusal::BelowMinimum { minimum: btc("0.000002") }),
                400,
                "Minimum amount is 0.000002",
                "amount_below_minimum",
            ),
            (
                from(Refusal::AboveMaximum { maximum: btc("0.01") }),
                400,
                "Maximum amount is 0.01",
                "amount_above_maximum",
            ),
            (
                from(Refusal::UnsupportedTicker { hint: "available: BTC".into() }),
                400,
                "Unsupported ticker",
                "unsupported_ticker",
            ),
            (from(Refusal::InvalidJson), 400, "Invalid JSON in request body", "invalid_json"),
            (ApiError::invalid_tx_id(), 400, "Invalid transaction ID", "invalid_tx_id"),
            (ApiError::invalid_parameter("limit"), 400, "Invalid parameter", "invalid_parameter"),
            (ApiError::invalid_idempotency_key(), 400, "Invalid idempotency key", "invalid_idempotency_key"),
            (ApiError::missing_api_key(), 401, "Incorrect API key", "missing_api_key"),
            (ApiError::invalid_api_key(), 401, "Incorrect API key", "invalid_api_key"),
            (ApiError::transaction_not_found(), 404, "Transaction not found", "not_found"),
            (ApiError::path_not_found(), 404, "Not found", "not_found"),
            (ApiError::method_not_allowed(), 405, "Method not allowed", "method_not_allowed"),
            (
                (&CreateError::IdempotencyConflict).into(),
                409,
                "Idempotency key already used",
                "idempotency_conflict",
            ),
            (
                (&CreateError::IdempotencyRunning).into(),
                409,
                "Idempotency key already used",
                "idempotency_conflict",
            ),
            (ApiError::body_too_large(16384), 413, "Request body too large", "body_too_large"),
            (
                (&CreateError::RateLimited).into(),
                429,
                "Too many requests, please try again later",
                "rate_limit_exceeded",
            ),
            (
                (&CreateError::Unavailable { retry_after: None }).into(),
                500,
                "This payment method is currently not available",
                "payment_method_unavailable",
            ),
            (
                LimitsError::Unavailable { retry_after: None }.into(),
                500,
                "This payment method is currently not available",
                "payment_method_unavailable",
            ),
            ((&CreateError::Internal(engine())).into(), 500, "Internal server error", "internal_error"),
            (ApiError::price_unavailable(20), 500, "Price is currently not available", "price_unavailable"),
            (LimitsError::Internal(engine()).into(), 500, "Internal server error", "internal_error"),
        ];
        for (error, status, text, code) in rows {
            assert!(error.details.as_deref().is_none_or(|d| !d.contains("secret")), "{error:?}");
            assert_eq!(shown(error), (status, text.to_owned(), code.to_owned()));
        }
    }

    #[tokio::test]
    async fn the_body_and_its_headers() {
        let error = ApiError::from(&Refusal::UnsupportedTicker { hint: "available: BTC".into() });
        let response = error.into_response();
        assert_eq!(response.headers()["content-type"], "application/json");
        let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
        assert_eq!(
            std::str::from_utf8(&body).unwrap(),
            r#"{"error":"Unsupported ticker","message":"Unsupported ticker","status":400,"code":"unsupported_ticker","details":"available: BTC"}"#
        );
        let headers = |error: ApiError| error.into_response().headers().clone();
        assert_eq!(headers(ApiError::missing_api_key())["www-authenticate"], "Bearer");
        assert_eq!(headers(ApiError::rate_limited(0))["retry-after"], "1");
        assert_eq!(headers((&CreateError::IdempotencyRunning).into())["retry-after"], "1");
        assert!(headers((&CreateError::IdempotencyConflict).into()).get("retry-after").is_none());
        let soon = CreateError::Unavailable { retry_after: Some(Duration::from_millis(1_200)) };
        assert_eq!(headers((&soon).into())["retry-after"], "2");
        let never = CreateError::Unavailable { retry_after: None };
        assert!(headers((&never).into()).get("retry-after").is_none());
    }

    #[test]
    fn webhook_answers() {
        let status = |error: DeliveryError| ApiError::from(error).status.as_u16();
        assert_eq!(status(DeliveryError::UnknownProvider), 404);
        assert_eq!(status(DeliveryError::Unauthenticated), 401);
        assert_eq!(status(DeliveryError::Malformed("x")), 400);
        assert_eq!(status(DeliveryError::NotStored(EngineError::Random)), 503);
    }
}

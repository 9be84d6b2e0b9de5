//! What the service answers where it does not do as it is asked.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::control_error::json_response;
use crate::json::Json;

/// An answer other than 200.
#[derive(Debug)]
pub(super) struct Refusal(pub(super) StatusCode, pub(super) String);

impl Refusal {
    pub(super) fn field(name: &str, rule: &str) -> Self {
        Self(StatusCode::BAD_REQUEST, format!("{name}: {rule}"))
    }

    #[cfg(test)]
    pub(super) fn message(self) -> String {
        self.1
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        json_response(self.0, &Json::object([("error", Json::text(self.1))]))
    }
}

pub(super) fn unauthorized() -> Refusal {
    Refusal(StatusCode::UNAUTHORIZED, "unauthorized".to_owned())
}

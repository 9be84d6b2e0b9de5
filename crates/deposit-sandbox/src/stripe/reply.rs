//! An answer of the API.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::error::Refusal;

/// An answer with its headers.
pub(super) struct Reply {
    status: StatusCode,
    body: String,
    headers: Vec<(&'static str, String)>,
}

impl Reply {
    pub(super) fn new(status: StatusCode, body: String) -> Self {
        Self { status, body, headers: vec![] }
    }

    pub(super) fn refused(refusal: &Refusal) -> Self {
        Self::new(refusal.status, refusal.body().pretty())
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn response(self) -> Response {
        let mut response =
            (self.status, [(header::CONTENT_TYPE, "application/json")], self.body).into_response();
        for (name, value) in self.headers {
            let name: Option<HeaderName> = name.parse().ok();
            if let (Some(name), Ok(value)) = (name, HeaderValue::from_str(&value)) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

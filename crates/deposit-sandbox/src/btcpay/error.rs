//! Refusals of the server (dossier section 2) and the reader of bodies that collects them.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::decimal::Dec;
use crate::control_error::json_response;
use crate::json::Json;

/// An answer other than 200.
#[derive(Debug)]
pub(super) enum Refusal {
    Body(StatusCode, Json),
    Empty(StatusCode),
}

impl Refusal {
    pub(super) fn problem(status: StatusCode, code: &str, message: &str) -> Self {
        Self::Body(status, Json::object([("code", Json::text(code)), ("message", Json::text(message))]))
    }

    pub(super) fn unauthenticated() -> Self {
        Self::problem(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            "Authentication is required for accessing this endpoint",
        )
    }

    pub(super) fn unknown_key() -> Self {
        Self::problem(
            StatusCode::UNAUTHORIZED,
            "unauthenticated",
            "ApiKey authentication failed: Unknown API Key",
        )
    }

    pub(super) fn missing_permission(permission: &str) -> Self {
        let message = format!(
            "Insufficient API Permissions. Please use an API key with permission \"{permission}\". You can create an API key in your account's settings / Api Keys."
        );
        Self::Body(
            StatusCode::FORBIDDEN,
            Json::object([
                ("missingPermission", Json::text(permission)),
                ("code", Json::text("missing-permission")),
                ("message", Json::text(message)),
            ]),
        )
    }

    pub(super) fn not_found(what: &str, message: &str) -> Self {
        Self::problem(StatusCode::NOT_FOUND, what, message)
    }

    pub(super) fn validation(path: &str, message: &str) -> Self {
        let mut problems = Problems::default();
        problems.add(path, message);
        problems.refusal()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Body(status, body) => json_response(status, &body),
            Self::Empty(status) => status.into_response(),
        }
    }
}

/// Collects the items of a 422. Paths of the server's own checks are PascalCase, those of its JSON reader
/// are spelled as in the JSON.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<Json>);

impl Problems {
    pub(super) fn add(&mut self, path: &str, message: &str) {
        self.0.push(Json::object([("path", Json::text(path)), ("message", Json::text(message))]));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    fn refusal(self) -> Refusal {
        Refusal::Body(StatusCode::UNPROCESSABLE_ENTITY, Json::List(self.0))
    }

    pub(super) fn done(self) -> Result<(), Refusal> {
        if self.0.is_empty() { Ok(()) } else { Err(self.refusal()) }
    }

    /// The whole body: an object.
    pub(super) fn document(&mut self, body: &[u8]) -> Result<Json, Refusal> {
        match Json::parse(body) {
            Ok(json @ Json::Object(_)) => Ok(json),
            Ok(_) => Err(Refusal::validation("", "The request body should be a JSON object")),
            Err(error) => Err(Refusal::validation("", &error.to_string())),
        }
    }

    fn read<T>(&mut self, at: &Json, name: &str, path: &str, read: impl Fn(&Json) -> Option<T>) -> Option<T> {
        self.read_or(at, name, path, &format!("Could not convert the value of {path}"), read)
    }

    fn read_or<T>(
        &mut self,
        at: &Json,
        name: &str,
        path: &str,
        complaint: &str,
        read: impl Fn(&Json) -> Option<T>,
    ) -> Option<T> {
        let value = at.get(name).filter(|v| !v.is_null())?;
        let read = read(value);
        if read.is_none() {
            self.add(path, complaint);
        }
        read
    }

    /// A string or a number; a blank string counts as null.
    pub(super) fn decimal(&mut self, at: &Json, name: &str, path: &str) -> Option<Dec> {
        at.get(name).filter(|v| v.as_text().is_none_or(|t| !t.trim().is_empty()))?;
        self.read(at, name, path, |v| v.as_text().map(str::trim).or_else(|| v.number()).and_then(Dec::parse))
    }

    pub(super) fn text(&mut self, at: &Json, name: &str, path: &str) -> Option<String> {
        self.read(at, name, path, |v| v.as_text().map(str::to_owned))
    }

    pub(super) fn flag(&mut self, at: &Json, name: &str, path: &str) -> Option<bool> {
        self.read(at, name, path, |v| if let Json::Bool(b) = v { Some(*b) } else { None })
    }

    pub(super) fn object(&mut self, at: &Json, name: &str, path: &str) -> Option<Json> {
        self.read(at, name, path, |v| matches!(v, Json::Object(_)).then(|| v.clone()))
    }

    pub(super) fn texts(&mut self, at: &Json, name: &str, path: &str) -> Option<Vec<String>> {
        self.read(at, name, path, |v| {
            matches!(v, Json::List(_)).then_some(())?;
            v.items().iter().map(|i| i.as_text().map(str::to_owned)).collect()
        })
    }

    /// Whole minutes, or a text `hh:mm:ss`; in seconds.
    pub(super) fn minutes(&mut self, at: &Json, name: &str, path: &str) -> Option<i64> {
        self.read_or(at, name, path, "Invalid timespan", |v| match v {
            Json::Number(text) => text.parse::<u32>().ok().map(|m| i64::from(m) * 60),
            Json::Text(text) => {
                let parts: Vec<u32> = text.split(':').map(|p| p.parse().ok()).collect::<Option<_>>()?;
                let [h, m, s] = parts.try_into().ok()?;
                (m < 60 && s < 60).then_some(i64::from(h) * 3600 + i64::from(m) * 60 + i64::from(s))
            }
            Json::Null | Json::Bool(_) | Json::List(_) | Json::Object(_) => None,
        })
    }
}

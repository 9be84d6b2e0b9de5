//! Refusals of the control API, and the reader of its bodies that makes them name field and rule.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use deposit_core::DecimalText;

use crate::json::Json;

/// Why a control call was not done; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// A member is missing or wrong, or the provider cannot do this: 400.
    #[error("{0}")]
    Refused(String),
    /// No emulator of this name: 404.
    #[error("{0}")]
    Unknown(String),
}

impl ControlError {
    /// A refusal that names the member and the rule.
    #[must_use]
    pub fn field(name: &str, rule: impl std::fmt::Display) -> Self {
        Self::Refused(format!("{name}: {rule}"))
    }
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Refused(_) => StatusCode::BAD_REQUEST,
            Self::Unknown(_) => StatusCode::NOT_FOUND,
        };
        json_response(status, &Json::object([("error", Json::text(self.to_string()))]))
    }
}

/// A JSON answer.
pub(crate) fn json_response(status: StatusCode, body: &Json) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json; charset=utf-8")];
    (status, headers, body.compact()).into_response()
}

/// Reads the members of a control body, strictly.
pub(crate) struct Fields {
    body: Json,
}

impl Fields {
    /// Only members named in `allowed` may be there.
    pub(crate) fn read(bytes: &[u8], allowed: &[&str]) -> Result<Self, ControlError> {
        let body = Json::parse(bytes).map_err(|e| ControlError::field("body", e))?;
        if !matches!(body, Json::Object(_)) {
            return Err(ControlError::field("body", "must be a JSON object"));
        }
        if let Some((name, _)) = body.members().iter().find(|(name, _)| !allowed.contains(&name.as_str())) {
            let rule = format!("is no member of this call, which has {}", allowed.join(", "));
            return Err(ControlError::field(name, rule));
        }
        Ok(Self { body })
    }

    fn member(&self, name: &str) -> Option<&Json> {
        self.body.get(name).filter(|v| !v.is_null())
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, ControlError> {
        let read = |v: &Json| v.as_text().map(str::to_owned);
        self.read_as(name, "must be a string", read)
    }

    pub(crate) fn required_text(&self, name: &str) -> Result<String, ControlError> {
        match self.text(name)? {
            Some(text) if !text.is_empty() => Ok(text),
            _ => Err(ControlError::field(name, "is missing")),
        }
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool, ControlError> {
        let read = |v: &Json| if let Json::Bool(b) = v { Some(*b) } else { None };
        Ok(self.read_as(name, "must be true or false", read)?.unwrap_or(false))
    }

    pub(crate) fn whole(&self, name: &str) -> Result<Option<u32>, ControlError> {
        let read = |v: &Json| v.number().and_then(|n| n.parse().ok());
        self.read_as(name, "must be a whole number from 0 to 4294967295", read)
    }

    pub(crate) fn probability(&self, name: &str) -> Result<f64, ControlError> {
        let read = |v: &Json| v.number().and_then(|n| n.parse().ok()).filter(|p| (0.0..=1.0).contains(p));
        Ok(self.read_as(name, "must be a number from 0 to 1", read)?.unwrap_or(0.0))
    }

    pub(crate) fn words(&self, name: &str) -> Result<Vec<String>, ControlError> {
        let read = |v: &Json| {
            matches!(v, Json::List(_)).then_some(())?;
            v.items().iter().map(|i| i.as_text().map(str::to_owned)).collect()
        };
        Ok(self.read_as(name, "must be a list of strings", read)?.unwrap_or_default())
    }

    pub(crate) fn decimal(&self, name: &str) -> Result<Option<DecimalText>, ControlError> {
        self.read_as(name, "must be a decimal number, as a string or a number", decimal_of)
    }

    fn read_as<T>(
        &self,
        name: &str,
        rule: &str,
        read: impl Fn(&Json) -> Option<T>,
    ) -> Result<Option<T>, ControlError> {
        self.member(name).map(|v| read(v).ok_or_else(|| ControlError::field(name, rule))).transpose()
    }
}

/// A decimal from a string or a number, by its text.
pub(crate) fn decimal_of(value: &Json) -> Option<DecimalText> {
    value.as_text().or_else(|| value.number()).and_then(|t| t.parse().ok())
}

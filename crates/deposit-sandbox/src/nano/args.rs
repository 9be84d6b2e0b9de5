//! The members of a request, and what is wrong with them.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::blocks::Dialect;
use super::codec;
use super::codec::Id;
use crate::control_error::json_response;
use crate::json::Json;

/// Why a request got no answer.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The node's own `error`: HTTP 200 in both dialects.
    Error(&'static str),
    /// A request that cannot be understood: HTTP 200 with `error`, or RsNano's 4xx in plain text.
    Request { error: &'static str, status: StatusCode },
}

impl Refusal {
    pub(super) fn unprocessable(error: &'static str) -> Self {
        Self::Request { error, status: StatusCode::UNPROCESSABLE_ENTITY }
    }

    pub(super) fn response(self, dialect: Dialect) -> Response {
        match self {
            Self::Request { error, status } if dialect == Dialect::RsNano => {
                (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], error).into_response()
            }
            Self::Error(error) | Self::Request { error, .. } => {
                json_response(StatusCode::OK, &Json::object([("error", error.into())]))
            }
        }
    }
}

/// The members of a request.
pub(super) struct Args<'a> {
    pub(super) body: &'a Json,
    pub(super) dialect: Dialect,
}

impl Args<'_> {
    /// A text. The C++ node takes numbers and flags as their text, RsNano does not take them at all.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Refusal> {
        match self.body.get(name) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::Text(text)) => Ok(Some(text.clone())),
            Some(Json::Number(text)) if self.dialect == Dialect::Cpp => Ok(Some(text.clone())),
            Some(Json::Bool(flag)) if self.dialect == Dialect::Cpp => Ok(Some(flag.to_string())),
            Some(_) => Err(Refusal::unprocessable("Unable to parse JSON")),
        }
    }

    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool, Refusal> {
        Ok(self.text(name)?.map_or(default, |text| text == "true"))
    }

    pub(super) fn count(&self, name: &str) -> Result<Option<usize>, Refusal> {
        let text = self.text(name)?;
        text.map(|t| t.parse().map_err(|_| Refusal::unprocessable("Invalid count limit"))).transpose()
    }

    pub(super) fn raw(&self, name: &str) -> Result<Option<u128>, Refusal> {
        let text = self.text(name)?;
        text.map(|t| t.parse().map_err(|_| Refusal::Error("Bad threshold number"))).transpose()
    }

    pub(super) fn account(&self, name: &str) -> Result<Id, Refusal> {
        let text = self.text(name)?.unwrap_or_default();
        codec::key_of(&text).ok_or(Refusal::Error("Bad account number"))
    }

    pub(super) fn hash(&self, name: &str, error: &'static str) -> Result<Id, Refusal> {
        codec::id_of(&self.text(name)?.unwrap_or_default()).ok_or(Refusal::Error(error))
    }

    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let items = self.body.get(name).map(Json::items).unwrap_or_default();
        items.iter().map(|item| item.as_text().unwrap_or_default().to_owned()).collect()
    }
}

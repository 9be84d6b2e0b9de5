//! A successful answer.

use std::fmt;

use bytes::Bytes;
use deposit_core::{Operation, ProviderError, ProviderId};
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde::de::DeserializeOwned;

use crate::request::Safety;

/// A complete 2xx answer.
pub struct Response {
    pub(crate) provider: ProviderId,
    pub(crate) operation: Operation,
    pub(crate) safety: Safety,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// An answer is not the JSON that was expected. Says where, never what: the text may be the payer's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the answer cannot be read: {what} at line {line} column {column}")]
pub struct DecodeError {
    what: &'static str,
    line: usize,
    column: usize,
}

impl From<&serde_json::Error> for DecodeError {
    fn from(error: &serde_json::Error) -> Self {
        let what = match error.classify() {
            serde_json::error::Category::Io | serde_json::error::Category::Eof => "unexpected end",
            serde_json::error::Category::Syntax => "no JSON",
            serde_json::error::Category::Data => "unexpected type or missing member",
        };
        Self { what, line: error.line(), column: error.column() }
    }
}

impl Response {
    /// The status, 200 to 299.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// A header that is text, by its lower-case name: a provider's clock, or where its rate limit stands.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as it came.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// Reads the body as JSON.
    ///
    /// # Errors
    /// `Protocol`; `OutcomeUnknown` for a request that is sent once, since the work was probably done.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ProviderError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            ProviderError::new(self.provider, self.operation, self.safety.unreadable())
                .with_source(DecodeError::from(&error))
        })
    }
}

/// Not the body.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("body_len", &self.body.len())
            .finish_non_exhaustive()
    }
}

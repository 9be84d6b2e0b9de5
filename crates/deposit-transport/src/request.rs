//! A request, and how safe it is to repeat.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use deposit_core::{ErrorKind, Operation, ProviderError, Secret};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde::Serialize;
use url::Url;

use crate::client::HttpClient;
use crate::response::Response;

/// Whether a request may be sent twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Safety {
    /// A read, or a write that the provider deduplicates: tried again after a transient failure.
    Idempotent,
    /// Twice would be two orders: sent again only when it certainly never left.
    Once,
}

impl Safety {
    /// It left and no usable answer came.
    pub(crate) fn unanswered(self, retry_after: Option<Duration>) -> ErrorKind {
        match self {
            Self::Idempotent => ErrorKind::Transient { retry_after },
            Self::Once => ErrorKind::OutcomeUnknown,
        }
    }

    /// An answer came and cannot be read.
    pub(crate) fn unreadable(self) -> ErrorKind {
        match self {
            Self::Idempotent => ErrorKind::Protocol,
            Self::Once => ErrorKind::OutcomeUnknown,
        }
    }
}

/// What an adapter makes of the bounded body of a 4xx; `None` leaves the class that the status gives.
pub(crate) type Refine = fn(StatusCode, &[u8]) -> Option<ErrorKind>;

/// A request under construction, from [`HttpClient::request`].
#[must_use = "a request does nothing before it is sent"]
pub struct Request<'c> {
    pub(crate) client: &'c HttpClient,
    pub(crate) operation: Operation,
    pub(crate) safety: Safety,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Bytes>,
    pub(crate) refine: Option<Refine>,
    pub(crate) deadline: Duration,
    /// The first thing that could not be built; told by `send`.
    pub(crate) broken: bool,
}

impl<'c> Request<'c> {
    pub(crate) fn new(
        client: &'c HttpClient,
        operation: Operation,
        safety: Safety,
        method: Method,
        url: Url,
        deadline: Duration,
    ) -> Self {
        let headers = HeaderMap::new();
        Self {
            client,
            operation,
            safety,
            method,
            url,
            headers,
            body: None,
            refine: None,
            deadline,
            broken: false,
        }
    }

    /// A header. A value that no header can have makes [`send`](Self::send) answer `Configuration`.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        match HeaderValue::from_str(value) {
            Ok(value) => {
                self.headers.insert(HeaderName::from_static(name), value);
            }
            Err(_) => self.broken = true,
        }
        self
    }

    /// A header with a credential, after a scheme word (`token `, `Bearer ` or nothing).
    pub fn secret_header(mut self, name: &'static str, scheme: &str, secret: &Secret) -> Self {
        match HeaderValue::from_str(&format!("{scheme}{}", secret.expose())) {
            Ok(mut value) => {
                value.set_sensitive(true);
                self.headers.insert(HeaderName::from_static(name), value);
            }
            Err(_) => self.broken = true,
        }
        self
    }

    /// Adds a query parameter; one name may come several times.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.url.query_pairs_mut().append_pair(name, value);
        self
    }

    /// A JSON body.
    pub fn json<T: Serialize + ?Sized>(mut self, body: &T) -> Self {
        match serde_json::to_vec(body) {
            Ok(bytes) => {
                self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                self.body = Some(Bytes::from(bytes));
            }
            Err(_) => self.broken = true,
        }
        self
    }

    /// A form body (`application/x-www-form-urlencoded`), in the order given.
    pub fn form<'a>(mut self, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        self.body = Some(Bytes::from(text));
        self
    }

    /// Looks at the body of a 4xx (at most 64 KiB of it) before its class is decided.
    pub fn refine(mut self, refine: fn(StatusCode, &[u8]) -> Option<ErrorKind>) -> Self {
        self.refine = Some(refine);
        self
    }

    /// Another time for all tries together than the client's.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sends it, tries again where that is safe, and reads the answer.
    ///
    /// # Errors
    /// See the table in the crate's documentation.
    pub async fn send(self) -> Result<Response, ProviderError> {
        self.client.send(self).await
    }
}

/// No query, header or body.
impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("operation", &self.operation)
            .field("safety", &self.safety)
            .field("method", &self.method)
            .field("url", &crate::RedactedUrl::from(&self.url))
            .finish_non_exhaustive()
    }
}

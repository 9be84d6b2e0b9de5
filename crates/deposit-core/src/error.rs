//! Errors of providers: their kind says what to do next.

use std::fmt;
use std::time::Duration;

use crate::asset::ProviderId;

/// What was being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::Display, strum::EnumIter)]
#[strum(serialize_all = "snake_case")]
pub enum Operation {
    /// Opening an order.
    Open,
    /// Looking an order up by our id.
    LookUp,
    /// Reading an order.
    Read,
    /// Scanning from a cursor.
    Scan,
    /// Deriving a standing address.
    Address,
    /// Verifying and decoding a webhook.
    Webhook,
    /// Asking for prices.
    Rates,
    /// Checking configuration and health.
    Check,
    /// Taking in what waits at a standing address.
    Receive,
    /// Asking for the provider's own limits.
    Limits,
}

/// What went wrong, by what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// It did not happen; ask again, not before `retry_after` where that is given.
    Transient {
        /// How long the provider wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// The request left and no answer came: it may have happened. Never repeated blindly.
    OutcomeUnknown,
    /// The provider said no, for good. The reason is a short word of ours, never the provider's text.
    Rejected(&'static str),
    /// The provider does not know the order.
    NotFound,
    /// The provider refuses the credentials: an operator looks.
    Authentication,
    /// Our configuration cannot work: an operator looks.
    Configuration,
    /// An answer that the provider's own documents do not allow: nothing was concluded from it.
    Protocol,
    /// The adapter has no such capability.
    Unsupported,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transient { .. } => f.write_str("temporarily unavailable"),
            Self::OutcomeUnknown => f.write_str("no answer, the outcome is unknown"),
            Self::Rejected(reason) => write!(f, "rejected ({reason})"),
            Self::NotFound => f.write_str("not found"),
            Self::Authentication => f.write_str("credentials refused"),
            Self::Configuration => f.write_str("configuration error"),
            Self::Protocol => f.write_str("unexpected answer"),
            Self::Unsupported => f.write_str("not supported"),
        }
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// An error of a provider. Its `Display` has no body, header, query or credential of either side; the source chain is
/// kept for logs and follows the same rule.
///
/// ```
/// use deposit_core::{ErrorKind, Operation, ProviderError, ProviderId};
/// let e = ProviderError::new(ProviderId::constant("btcpay"), Operation::Open, ErrorKind::Authentication);
/// assert_eq!(e.to_string(), "btcpay: open: credentials refused");
/// ```
#[derive(Debug, thiserror::Error)]
#[error("{provider}: {operation}: {kind}")]
pub struct ProviderError {
    provider: ProviderId,
    operation: Operation,
    kind: ErrorKind,
    #[source]
    source: Option<BoxError>,
}

impl ProviderError {
    /// An error without a source.
    #[must_use]
    pub fn new(provider: ProviderId, operation: Operation, kind: ErrorKind) -> Self {
        Self { provider, operation, kind, source: None }
    }

    /// The same with what caused it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The answer of an adapter that has no such capability.
    #[must_use]
    pub fn unsupported(provider: ProviderId, operation: Operation) -> Self {
        Self::new(provider, operation, ErrorKind::Unsupported)
    }

    /// What to do next.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// Whose error it is.
    #[must_use]
    pub fn provider(&self) -> ProviderId {
        self.provider
    }

    /// What was being done.
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.operation
    }
}

/// Why a webhook delivery was not taken. Decides the HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// Missing or wrong signature or token: 401.
    #[error("signature or token missing or wrong")]
    Unauthenticated,
    /// Authentic, but not readable: 400.
    #[error("webhook body cannot be read: {0}")]
    Malformed(&'static str),
    /// The adapter takes no webhooks: 404.
    #[error("this provider sends no webhooks")]
    Unsupported,
}

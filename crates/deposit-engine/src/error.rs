//! What can go wrong with a use case, by what the caller should be told.

use std::time::Duration;

use deposit_core::{Amount, ErrorKind, ProviderError, Ticker};
use deposit_store::StoreError;
use serde::{Deserialize, Serialize};

/// The client's request cannot be served as it is; stored under its idempotency key and answered again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "refusal", rename_all = "snake_case")]
pub enum Refusal {
    /// No such ticker, or one that takes no orders.
    #[error("Unsupported ticker")]
    UnsupportedTicker {
        /// What would work instead.
        hint: String,
    },
    /// The body is no JSON object.
    #[error("Invalid JSON in request body")]
    InvalidJson,
    /// No amount.
    #[error("No amount specified")]
    AmountMissing,
    /// Not a positive number.
    #[error("Invalid amount. Must be a positive number.")]
    InvalidAmount,
    /// Finer than the ticker takes.
    #[error("Invalid amount. {ticker} has at most {decimals} decimals.")]
    AmountPrecision {
        /// The ticker.
        ticker: Ticker,
        /// What it takes.
        decimals: u8,
    },
    /// Below the limit.
    #[error("Minimum amount is {minimum}")]
    BelowMinimum {
        /// As the limits show it.
        minimum: Amount,
    },
    /// Above the limit.
    #[error("Maximum amount is {maximum}")]
    AboveMaximum {
        /// As the limits show it.
        maximum: Amount,
    },
}

/// Why a deposit was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The client's fault.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The idempotency key was used with other content.
    #[error("Idempotency key already used")]
    IdempotencyConflict,
    /// The first request with this key is still running.
    #[error("Idempotency key already used")]
    IdempotencyRunning,
    /// Too many requests.
    #[error("Too many requests, please try again later")]
    RateLimited,
    /// The way of paying is off, down, refusing, or has no fresh rate.
    #[error("This payment method is currently not available")]
    Unavailable {
        /// When it may have passed.
        retry_after: Option<Duration>,
    },
    /// Our own failure.
    #[error("Internal server error")]
    Internal(#[from] EngineError),
}

/// Why nothing was taken in at a standing address.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The way of paying is off, or its provider is down.
    #[error("This payment method is currently not available")]
    Unavailable {
        /// When it may have passed.
        retry_after: Option<Duration>,
    },
    /// Our own failure.
    #[error("Internal server error")]
    Internal(#[from] EngineError),
}

impl From<StoreError> for ReceiveError {
    fn from(error: StoreError) -> Self {
        Self::Internal(error.into())
    }
}

/// Our own failure: the store, or a value that should be impossible.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system's random numbers.
    #[error("no random numbers from the system")]
    Random,
    /// Something that cannot be, was.
    #[error("inconsistent: {0}")]
    Inconsistent(&'static str),
}

impl From<StoreError> for CreateError {
    fn from(error: StoreError) -> Self {
        Self::Internal(error.into())
    }
}

/// Why there is nothing to say about a ticker's limits.
#[derive(Debug, thiserror::Error)]
pub enum LimitsError {
    /// No such ticker.
    #[error("Unsupported ticker")]
    UnsupportedTicker {
        /// What would work instead.
        hint: String,
    },
    /// Off, or no fresh rate.
    #[error("This payment method is currently not available")]
    Unavailable {
        /// After which it may pass; `None` where nothing says that it will.
        retry_after: Option<Duration>,
    },
    /// Our own failure.
    #[error("Internal server error")]
    Internal(#[from] EngineError),
}

/// Why a webhook delivery was not taken.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// No such provider is configured, or it sends no webhooks: 404.
    #[error("Not found")]
    UnknownProvider,
    /// Wrong signature or token: 401.
    #[error("signature or token missing or wrong")]
    Unauthenticated,
    /// Cannot be read: 400.
    #[error("webhook body cannot be read: {0}")]
    Malformed(&'static str),
    /// Could not be stored: 503, so that it comes again.
    #[error("the delivery could not be stored")]
    NotStored(#[source] EngineError),
}

/// After how long the same call may fare better: as the provider asked for, else `soon`; `None` where a person has to look first.
pub(crate) fn retry_after(error: &ProviderError, soon: Duration) -> Option<Duration> {
    match error.kind() {
        ErrorKind::Transient { retry_after } => retry_after.or(Some(soon)),
        ErrorKind::OutcomeUnknown => Some(soon),
        ErrorKind::Rejected(_)
        | ErrorKind::NotFound
        | ErrorKind::Authentication
        | ErrorKind::Configuration
        | ErrorKind::Protocol
        | ErrorKind::Unsupported
        | _ => None,
    }
}

//! What went wrong, and what to do next.

use std::error::Error;

use deposit_core::Ticker;
use serde_json::{Value, json};

/// A request that brought no answer of the kind that was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// Nothing to authenticate with.
    #[error("no API key")]
    NoKey,
    /// Bytes that cannot be in a header.
    #[error("the API key holds characters that no key has")]
    BadKey,
    /// This process cannot speak HTTP.
    #[error("the HTTP client cannot start: {}", root(.0.as_ref()))]
    Setup(Box<dyn Error + Send + Sync>),
    /// No connection: the request was never sent.
    #[error("no gateway answers at {base}: {}", root(source))]
    Unreachable {
        /// The gateway's address.
        base: String,
        /// Why.
        source: reqwest::Error,
    },
    /// The request was sent, and no whole answer came.
    #[error("the connection to {base} was lost: {why}")]
    Lost {
        /// The gateway's address.
        base: String,
        /// Why.
        why: String,
    },
    /// An error as the API contract has it.
    #[error("{}", .0.text())]
    Refused(Box<Refusal>),
    /// Whatever answers there is no gateway, or something stands between.
    #[error("{base} answered {status} with {what} where the JSON of a gateway was expected")]
    Unexpected {
        /// The gateway's address.
        base: String,
        /// HTTP status.
        status: u16,
        /// What came instead.
        what: String,
        /// Where a redirect points to.
        location: Option<String>,
    },
}

/// Section 5 of the API contract, as it came.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) error: String,
    pub(crate) code: String,
    pub(crate) details: Option<String>,
    /// `Retry-After`, seconds.
    pub(crate) retry_after: Option<u64>,
    /// What the gateway's log calls the request.
    pub(crate) request_id: String,
    /// The ticker that was asked about.
    pub(crate) ticker: Option<String>,
}

impl Refusal {
    fn text(&self) -> String {
        let mut text = self.error.clone();
        if let Some(details) = &self.details {
            text = format!("{text} ({details})");
        }
        if self.status >= 500 {
            text = format!("{text} [request {}]", self.request_id);
        }
        text
    }

    fn wait(&self) -> Option<String> {
        self.retry_after.map(|secs| format!("try again in {secs} s"))
    }

    fn hint(&self) -> Option<String> {
        let ticker = self.ticker.as_deref().unwrap_or("TICKER");
        Some(match self.code.as_str() {
            "missing_api_key" | "invalid_api_key" => MAKE_A_KEY.to_owned(),
            "unsupported_ticker" => format!("the tickers are {}", tickers()),
            "amount_below_minimum" | "amount_above_maximum" => {
                format!("`deposit limits {ticker}` shows what is accepted now")
            }
            "amount_missing" | "invalid_amount" | "amount_precision" => {
                format!("an amount is plain or with an exponent: 0.0004, 4e-4; `deposit limits {ticker}` shows what is accepted")
            }
            "not_found" if self.error == TRANSACTION_NOT_FOUND => {
                "check ticker and ID; a deposit is shown with a key of the account that made it, and a direct payment once it is seen"
                    .to_owned()
            }
            "not_found" | "method_not_allowed" => NO_GATEWAY.to_owned(),
            "rate_limit_exceeded" => self.wait()?,
            "payment_method_unavailable" => {
                let first = self.wait().map_or_else(String::new, |wait| format!("{wait}; if it stays so, "));
                format!("{first}`deposit config check` beside the gateway says what is configured, and its log what is down")
            }
            "idempotency_conflict" if self.retry_after.is_some() => {
                "the first request with this key is still running: repeat the command in a minute".to_owned()
            }
            "idempotency_conflict" => {
                "the key belongs to another amount or ticker: leave --idempotency-key out, or take another".to_owned()
            }
            "invalid_idempotency_key" => "1 to 255 printable ASCII characters".to_owned(),
            "internal_error" => format!("the gateway's log says more about request {}", self.request_id),
            _ => self.wait()?,
        })
    }
}

/// The 404 that is about the deposit and not about the path.
pub(super) const TRANSACTION_NOT_FOUND: &str = "Transaction not found";
const MAKE_A_KEY: &str = "put a key into the variable DEPOSIT_API_KEY or name its file with --key-file; to make one: deposit keys create --account NAME";
const NO_GATEWAY: &str = "is this the address of a deposit gateway? --url or DEPOSIT_URL gives another";

fn tickers() -> String {
    Ticker::KNOWN.iter().map(Ticker::as_str).collect::<Vec<_>>().join(" ")
}

impl ClientError {
    /// What to do next, where there is something to say.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::NoKey | Self::BadKey => Some(MAKE_A_KEY.to_owned()),
            Self::Setup(_) => None,
            Self::Unreachable { .. } => Some(
                "is the gateway running there? `deposit serve` starts one; --url or DEPOSIT_URL gives another address"
                    .to_owned(),
            ),
            Self::Lost { .. } => Some("is the gateway still running there? asking again does no harm".to_owned()),
            Self::Refused(refusal) => refusal.hint(),
            Self::Unexpected { location: Some(location), .. } => {
                Some(format!("it redirects to {location}: if that is right, give it with --url or DEPOSIT_URL"))
            }
            Self::Unexpected { .. } => Some(NO_GATEWAY.to_owned()),
        }
    }

    /// A word for programs: the API's own `code`, or one of ours where no answer came.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::NoKey => "missing_api_key",
            Self::BadKey => "invalid_api_key",
            Self::Setup(_) => "client_error",
            Self::Unreachable { .. } => "unreachable",
            Self::Lost { .. } => "connection_lost",
            Self::Refused(refusal) => &refusal.code,
            Self::Unexpected { .. } => "unexpected_answer",
        }
    }

    /// One JSON object that says all of it.
    pub(crate) fn json(&self) -> Value {
        let mut line = json!({ "error": self.to_string(), "code": self.code(), "hint": self.hint() });
        if let (Self::Refused(refusal), Some(line)) = (self, line.as_object_mut()) {
            line.insert("error".to_owned(), refusal.error.clone().into());
            line.insert("details".to_owned(), refusal.details.clone().into());
            line.insert("status".to_owned(), refusal.status.into());
            line.insert("retryAfter".to_owned(), refusal.retry_after.into());
            line.insert("requestId".to_owned(), refusal.request_id.clone().into());
        }
        if let Some(line) = line.as_object_mut() {
            line.retain(|_, value| !value.is_null());
        }
        line
    }

    /// Whether there is no such deposit (yet).
    pub(crate) fn is_unknown_deposit(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.status == 404 && refusal.error == TRANSACTION_NOT_FOUND)
    }

    /// `Retry-After`, seconds.
    pub(super) fn retry_after(&self) -> Option<u64> {
        if let Self::Refused(refusal) = self { refusal.retry_after } else { None }
    }

    /// Whether it says that the path asked for does not exist there, or does not answer in that form.
    pub(super) fn is_about_the_path(&self) -> bool {
        match self {
            Self::Refused(refusal) => matches!(refusal.status, 404..=406) && !self.is_unknown_deposit(),
            Self::Unexpected { status, .. } => *status < 500,
            Self::NoKey | Self::BadKey | Self::Setup(_) | Self::Unreachable { .. } | Self::Lost { .. } => {
                false
            }
        }
    }

    /// Whether the same question may well be answered a little later: the way to the gateway or the gateway itself is at fault.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Lost { .. } => true,
            Self::Refused(refusal) => refusal.status >= 500,
            Self::Unexpected { status, .. } => *status >= 500,
            Self::NoKey | Self::BadKey | Self::Setup(_) => false,
        }
    }
}

/// The innermost cause: the outer ones only say that a request failed.
pub(super) fn root(error: &(dyn Error + 'static)) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

//! From what happened to what to do next.

use std::time::Duration;

use deposit_core::ErrorKind;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::redact::RedactedUrl;
use crate::request::Safety;

type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// One try that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: ErrorKind,
    pub(crate) source: Option<BoxError>,
    /// Whether to try again here, if there is time.
    pub(crate) retry: bool,
    /// Whether it counts against the provider in the breaker.
    pub(crate) provider_is_ill: bool,
}

/// What a failure was, without anything that may be secret. The source chain follows.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    /// The URL is taken out of reqwest's error, since it has the query.
    #[error("{url}: {what}")]
    Http {
        url: RedactedUrl,
        what: &'static str,
        #[source]
        source: reqwest::Error,
    },
    #[error("{url}: HTTP status {status}")]
    Status { url: RedactedUrl, status: u16 },
    #[error("{url}: the answer is larger than {limit} bytes")]
    TooLarge { url: RedactedUrl, limit: usize },
    #[error("{url}: the provider failed too often and is left alone for a while")]
    BreakerOpen { url: RedactedUrl },
    #[error("{url}: too many requests under way, no slot became free in time")]
    Busy { url: RedactedUrl },
}

impl Failure {
    fn new(kind: ErrorKind, source: impl Into<BoxError>) -> Self {
        Self { kind, source: Some(source.into()), retry: false, provider_is_ill: false }
    }

    /// The breaker is open.
    pub(crate) fn left_alone(url: RedactedUrl, for_how_long: Duration) -> Self {
        Self::new(ErrorKind::Transient { retry_after: Some(for_how_long) }, Cause::BreakerOpen { url })
    }

    /// No slot became free before the deadline.
    pub(crate) fn busy(url: RedactedUrl) -> Self {
        Self::new(ErrorKind::Transient { retry_after: None }, Cause::Busy { url })
    }

    /// An answer of more than `limit` bytes.
    pub(crate) fn too_large(url: RedactedUrl, limit: usize, safety: Safety) -> Self {
        Self::new(safety.unreadable(), Cause::TooLarge { url, limit })
    }

    /// Anything before a complete answer.
    pub(crate) fn from_reqwest(error: reqwest::Error, url: RedactedUrl, safety: Safety) -> Self {
        let (kind, what, retry, ill) = if error.is_builder() {
            (ErrorKind::Configuration, "the request cannot be built", false, false)
        } else if error.is_connect() {
            (ErrorKind::Transient { retry_after: None }, "no connection", true, true)
        } else {
            let what = if error.is_timeout() { "no answer in time" } else { "the connection broke" };
            (safety.unanswered(None), what, safety == Safety::Idempotent, true)
        };
        let source = Cause::Http { url, what, source: error.without_url() };
        Self { retry, provider_is_ill: ill, ..Self::new(kind, source) }
    }

    /// A complete head whose status is not 2xx.
    pub(crate) fn from_status(
        status: StatusCode,
        headers: &HeaderMap,
        url: RedactedUrl,
        safety: Safety,
    ) -> Self {
        let limited = status == StatusCode::TOO_MANY_REQUESTS;
        let wait = retry_after(headers).or_else(|| limited.then(|| rate_limit_reset(headers)).flatten());
        let idempotent = safety == Safety::Idempotent;
        let (kind, retry, ill) = match status.as_u16() {
            300..=399 => (ErrorKind::Configuration, false, false),
            401 | 403 => (ErrorKind::Authentication, false, false),
            404 => (ErrorKind::NotFound, false, false),
            408 => (safety.unanswered(wait), idempotent, true),
            425 | 429 => (ErrorKind::Transient { retry_after: wait }, idempotent, false),
            400 => (ErrorKind::Rejected("bad_request"), false, false),
            405 => (ErrorKind::Rejected("method_not_allowed"), false, false),
            409 => (ErrorKind::Rejected("conflict"), false, false),
            410 => (ErrorKind::Rejected("gone"), false, false),
            413 => (ErrorKind::Rejected("too_large"), false, false),
            422 => (ErrorKind::Rejected("invalid_request"), false, false),
            402..=499 => (ErrorKind::Rejected("refused"), false, false),
            500..=599 => (safety.unanswered(wait), idempotent, true),
            // 1xx never gets here, 6xx and above are nobody's.
            _ => (safety.unreadable(), false, false),
        };
        let source = Cause::Status { url, status: status.as_u16() };
        Self { retry, provider_is_ill: ill, ..Self::new(kind, source) }
    }

    /// How long the provider wants to be left alone.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        if let ErrorKind::Transient { retry_after } = self.kind { retry_after } else { None }
    }
}

/// In seconds; the date form needs a clock that agrees with the provider's and is ignored.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

/// A 429 without `Retry-After` that says when its window ends (`RateLimit-Reset`, in seconds). More than an hour is no
/// such figure: some servers send a point in time there.
fn rate_limit_reset(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get("ratelimit-reset")?.to_str().ok()?.trim().parse().ok()?;
    (seconds <= 3_600).then(|| Duration::from_secs(seconds.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url() -> RedactedUrl {
        RedactedUrl::from(&"http://host/path?secret=1".parse().unwrap())
    }

    fn kind(status: u16, safety: Safety) -> ErrorKind {
        let status = StatusCode::from_u16(status).unwrap();
        Failure::from_status(status, &HeaderMap::new(), url(), safety).kind
    }

    #[test]
    fn the_table_of_the_readme() {
        use ErrorKind::{Authentication, Configuration, NotFound, OutcomeUnknown, Rejected};
        let transient = ErrorKind::Transient { retry_after: None };
        for (status, idempotent, once) in [
            (302, Configuration, Configuration),
            (400, Rejected("bad_request"), Rejected("bad_request")),
            (401, Authentication, Authentication),
            (403, Authentication, Authentication),
            (404, NotFound, NotFound),
            (408, transient.clone(), OutcomeUnknown),
            (409, Rejected("conflict"), Rejected("conflict")),
            (418, Rejected("refused"), Rejected("refused")),
            (422, Rejected("invalid_request"), Rejected("invalid_request")),
            (425, transient.clone(), transient.clone()),
            (429, transient.clone(), transient.clone()),
            (500, transient.clone(), OutcomeUnknown),
            (502, transient.clone(), OutcomeUnknown),
            (503, transient.clone(), OutcomeUnknown),
            (599, transient, OutcomeUnknown),
            (600, ErrorKind::Protocol, OutcomeUnknown),
        ] {
            assert_eq!(kind(status, Safety::Idempotent), idempotent, "{status}");
            assert_eq!(kind(status, Safety::Once), once, "{status}");
        }
    }

    #[test]
    fn only_transient_failures_of_idempotent_requests_are_tried_again() {
        for status in 300..600 {
            let of = |safety| {
                Failure::from_status(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), url(), safety)
            };
            assert!(!of(Safety::Once).retry, "{status}");
            let failure = of(Safety::Idempotent);
            assert_eq!(failure.retry, matches!(failure.kind, ErrorKind::Transient { .. }), "{status}");
        }
    }

    #[test]
    fn a_rate_limit_without_retry_after_says_when_its_window_ends() {
        let wait = |status: u16, headers: &[(&str, &str)]| {
            let headers = headers.iter().map(|(name, value)| {
                (reqwest::header::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap())
            });
            let status = StatusCode::from_u16(status).unwrap();
            Failure::from_status(status, &HeaderMap::from_iter(headers), url(), Safety::Once)
                .retry_after()
                .map(|wait| wait.as_secs())
        };
        assert_eq!(wait(429, &[("ratelimit-reset", "37")]), Some(37));
        assert_eq!(wait(429, &[("ratelimit-reset", "0")]), Some(1));
        assert_eq!(wait(429, &[("ratelimit-reset", "1785000000")]), None);
        assert_eq!(wait(429, &[("ratelimit-reset", "37"), ("retry-after", "5")]), Some(5));
        assert_eq!(wait(425, &[("ratelimit-reset", "37")]), None);
    }

    #[test]
    fn retry_after_is_read_in_seconds() {
        let read = |text: &str| {
            retry_after(&HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())])).map(|d| d.as_secs())
        };
        assert_eq!(read("30"), Some(30));
        assert_eq!(read("-1"), None);
        assert_eq!(read("Wed, 04 Mar 2026 09:30:00 GMT"), None);
    }
}

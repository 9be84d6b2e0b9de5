//! Cross-origin requests: whose pages may read the API's answers in a browser (`server.cors_origins`). Off by default.
//!
//! Credentials (cookies, a browser's stored logins) are never allowed: the API knows keys alone.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CONTENT_TYPE, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderName, HeaderValue, Method};
use tower::ServiceExt as _;
use tower_http::cors::{AllowOrigin, CorsLayer};
use url::{Origin, Url};

use super::App;

/// What a page may send.
const ALLOWED: [HeaderName; 6] = [
    AUTHORIZATION,
    CONTENT_TYPE,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("last-event-id"),
    HeaderName::from_static("x-request-id"),
];
/// What a page may read besides the body.
const EXPOSED: [HeaderName; 8] = [
    RETRY_AFTER,
    WWW_AUTHENTICATE,
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("x-poll-after"),
    HeaderName::from_static("ratelimit-limit"),
    HeaderName::from_static("ratelimit-remaining"),
    HeaderName::from_static("ratelimit-reset"),
    HeaderName::from_static("idempotent-replayed"),
];
/// How long a browser may remember the answer to a preflight request.
const MAX_AGE: Duration = Duration::from_secs(600);

/// Whose pages may read the API's answers.
///
/// ```
/// use deposit_gateway::http::CorsOrigins;
/// assert!(CorsOrigins::parse(&["https://shop.example".to_owned()]).is_ok());
/// assert!(CorsOrigins::parse(&["https://shop.example/path".to_owned()]).is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CorsOrigins(Allowed);

#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Allowed {
    #[default]
    Nobody,
    Anybody,
    These(Vec<HeaderValue>),
}

/// A text is no origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be \"*\" alone or origins as a browser sends them, `https://shop.example`, not {0:?}")]
pub struct InvalidOrigin(String);

impl CorsOrigins {
    /// Reads the configured list: exact origins, or `*` alone for everybody's; empty for nobody's.
    ///
    /// # Errors
    /// The first entry that a browser would never send as `Origin`.
    pub fn parse(origins: &[String]) -> Result<Self, InvalidOrigin> {
        let allowed = match origins {
            [] => Allowed::Nobody,
            [any] if any == "*" => Allowed::Anybody,
            some => Allowed::These(some.iter().map(|text| origin(text)).collect::<Result<_, _>>()?),
        };
        Ok(Self(allowed))
    }

    pub(crate) fn layer(&self) -> Option<CorsLayer> {
        let origins = match &self.0 {
            Allowed::Nobody => return None,
            Allowed::Anybody => AllowOrigin::any(),
            Allowed::These(origins) => AllowOrigin::list(origins.iter().cloned()),
        };
        let layer = CorsLayer::new()
            .allow_origin(origins)
            .allow_methods([Method::GET, Method::HEAD, Method::POST])
            .allow_headers(ALLOWED)
            .expose_headers(EXPOSED)
            .max_age(MAX_AGE);
        Some(layer)
    }
}

/// An origin just as a browser writes it: scheme, host, port unless it is the scheme's own, nothing else.
fn origin(text: &str) -> Result<HeaderValue, InvalidOrigin> {
    let invalid = || InvalidOrigin(text.to_owned());
    let url = Url::parse(text).map_err(|_| invalid())?;
    let origin = url.origin();
    let exact = matches!(origin, Origin::Tuple(..))
        && matches!(url.scheme(), "http" | "https")
        // The parser takes a star for a name; whoever writes one means a pattern, which is not supported.
        && !text.contains('*')
        && origin.ascii_serialization() == text;
    if exact { HeaderValue::from_str(text).map_err(|_| invalid()) } else { Err(invalid()) }
}

/// Answers preflight requests and marks answers, for `/api/` alone and only where origins are configured; without them an `OPTIONS`
/// request is a wrong method like any other.
pub(crate) async fn allow(State(app): State<App>, request: Request, next: Next) -> Response {
    let preflight = request.headers().contains_key(ORIGIN)
        && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let cross_origin =
        request.uri().path().starts_with("/api/") && (request.method() != Method::OPTIONS || preflight);
    match app.cors.as_ref().filter(|_| cross_origin) {
        Some(cors) => {
            let Ok(response) = tower::Layer::layer(cors, next).oneshot(request).await;
            response
        }
        None => next.run(request).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_browser_sends_is_an_origin() {
        let parse = |texts: &[&str]| {
            CorsOrigins::parse(&texts.iter().map(|&t| t.to_owned()).collect::<Vec<_>>()).map(|o| o.0)
        };
        assert_eq!(parse(&[]), Ok(Allowed::Nobody));
        assert_eq!(parse(&["*"]), Ok(Allowed::Anybody));
        let two = parse(&["https://shop.example", "http://127.0.0.1:3000"]).unwrap();
        assert!(matches!(two, Allowed::These(list) if list.len() == 2));
        for bad in [
            "",
            "shop.example",
            "https://shop.example/",
            "https://shop.example/path",
            "https://Shop.example",
            "https://shop.example:443",
            "https://user@shop.example",
            "ftp://shop.example",
            "null",
            "https://*.shop.example",
            "file:///",
            " https://shop.example",
            "https://shop.example\r\nx: y",
        ] {
            assert!(parse(&[bad]).is_err(), "{bad:?}");
        }
        assert!(parse(&["*", "https://shop.example"]).is_err(), "everybody and somebody");
    }
}

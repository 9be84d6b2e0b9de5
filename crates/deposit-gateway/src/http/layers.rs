//! What wraps every request: its id, its log line, its time limit, and the headers that every answer has.

use std::any::Any;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use tracing::Instrument as _;

use super::App;
use super::error::ApiError;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest path that the log shows.
const LOGGED_PATH: usize = 256;

/// The outermost layer. The log has method, path without query, status and time; never a header or a body.
pub(crate) async fn observe(State(app): State<App>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(&request);
    let path: String = request.uri().path().chars().take(LOGGED_PATH).collect();
    // At the highest level: under any filter that prints a line at all, the line has the request's id.
    let span = tracing::error_span!(
        "request",
        id = id.to_str().unwrap_or_default(),
        method = %request.method(),
        path
    );
    let answer = async {
        let answer = tokio::time::timeout(app.request_timeout, next.run(request)).await;
        let mut response = answer.unwrap_or_else(|_| {
            tracing::error!("a request took too long and was given up");
            ApiError::internal().into_response()
        });
        let headers = response.headers_mut();
        headers.insert(REQUEST_ID, id);
        secure(headers, app.https);
        let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(status = response.status().as_u16(), millis, "request");
        response
    };
    answer.instrument(span).await
}

/// The headers that every answer has, errors too. A page that needs more than nothing brings its own policy.
fn secure(headers: &mut HeaderMap, https: bool) {
    let mut or = |name, value| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    or(CACHE_CONTROL, "no-store");
    or(CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
    or(REFERRER_POLICY, "no-referrer");
    or(X_FRAME_OPTIONS, "DENY");
    or(X_CONTENT_TYPE_OPTIONS, "nosniff");
    if https {
        // A year. Not for subdomains: they are not ours to decide about.
        or(STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
}

/// The client's id where it is 1-128 visible ASCII characters; else one of ours.
fn request_id(request: &Request) -> HeaderValue {
    let given = request.headers().get(REQUEST_ID).filter(|value| {
        (1..=128).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic)
    });
    given.cloned().unwrap_or_else(|| {
        let mut random = [0_u8; 16];
        // Only a name for the log: zeros, should the system have no random numbers, harm nobody.
        let _ = getrandom::fill(&mut random);
        HeaderValue::from_str(&hex::encode(random)).unwrap_or(HeaderValue::from_static("none"))
    })
}

/// A handler panicked: the others go on, and the client gets an answer. What was said in the panic may hold data, so that it
/// is left to the process's own hook.
pub(crate) fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a handler panicked");
    ApiError::internal().into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use tower::ServiceExt as _;
    use tower_http::catch_panic::CatchPanicLayer;

    async fn broken() -> &'static str {
        panic!("s3cr3t")
    }

    #[tokio::test]
    async fn a_panic_is_an_internal_error_and_nothing_of_it_is_told() {
        let router: Router = Router::new().route("/", get(broken)).layer(CatchPanicLayer::custom(panicked));
        let response = router.oneshot(Request::new(Body::empty())).await.unwrap();
        assert_eq!(response.status(), 500);
        let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
        assert_eq!(
            std::str::from_utf8(&body).unwrap(),
            r#"{"error":"Internal server error","message":"Internal server error","status":500,"code":"internal_error"}"#
        );
    }

    #[test]
    fn request_ids() {
        let id = |value: Option<&[u8]>| {
            let mut request = Request::new(Body::empty());
            if let Some(value) = value {
                request.headers_mut().insert(REQUEST_ID, HeaderValue::from_bytes(value).unwrap());
            }
            request_id(&request).to_str().unwrap().to_owned()
        };
        assert_eq!(id(Some(b"abc-1")), "abc-1");
        assert_eq!(id(Some(&[b'x'; 128])).len(), 128);
        for bad in [None, Some(&b""[..]), Some(b"a b"), Some(b"\xff"), Some(&[b'x'; 129])] {
            assert_eq!(id(bad).len(), 32, "{bad:?}");
        }
        assert_ne!(id(None), id(None));
    }
}

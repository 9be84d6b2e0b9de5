//! The paying person's page, `GET /pay/{txId}`, and its QR code, `GET /pay/{txId}/qr.svg`.
//!
//! Plain HTML without scripts and without anything from elsewhere; it loads itself again while something can still change. No key is needed:
//! whoever was given the link may see the one deposit, and nothing of its account. What is due is computed here, in integers, so that
//! the page, its link and its QR code never ask for more than is missing.

mod link;
mod page;
mod qr;

use askama::Template;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use deposit_engine::{DepositView, EngineError};
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode, Uri};

use self::link::Payload;
use self::page::{Page, STYLE};
use super::{App, segment};

const HTML: &str = "text/html; charset=utf-8";
const SVG: &str = "image/svg+xml";
const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");
/// Nothing but our own image and the one style, known by its hash; a test says what it is when the style changes.
const POLICY: &str = "default-src 'none'; img-src 'self'; \
    style-src 'sha256-RxGPXgbJ8d/jxqWYk7Y44a1RRYlYIhK6s9YQF78Fd8o='; \
    form-action 'none'; frame-ancestors 'none'; base-uri 'none'";

/// A page with a heading and a sentence.
#[derive(Template)]
#[template(path = "pay/notice.html")]
struct Notice {
    heading: &'static str,
    text: &'static str,
}

const UNKNOWN: Notice = Notice {
    heading: "Payment not found",
    text: "There is no payment under this link. Please check that the link is complete. Do not pay to an address that you \
           have from elsewhere.",
};

const BROKEN: Notice = Notice {
    heading: "Something went wrong",
    text: "The page cannot be shown at the moment. Please load it again in a minute. A payment that you have made is not lost.",
};

/// `GET /pay/{txId}`
pub(crate) async fn page(State(app): State<App>, request: Request) -> Response {
    let uri = request.uri().clone();
    let view = match find(&app, &uri).await {
        Ok(Some(view)) => view,
        Ok(None) => return html(StatusCode::NOT_FOUND, &UNKNOWN),
        Err(error) => return failed(&error),
    };
    match app.engine.is_looked_at(&view.id).await {
        Ok(looked_at) => html(StatusCode::OK, &Page::of(&view, looked_at, &app.public_url, app.engine.now())),
        Err(error) => failed(&error),
    }
}

/// `GET /pay/{txId}/qr.svg`: the wallet link or hosted page, whatever the state, so that an image embedded elsewhere never breaks. Of a part
/// payment it asks for the rest.
pub(crate) async fn qr_code(State(app): State<App>, request: Request) -> Response {
    let uri = request.uri().clone();
    let view = match find(&app, &uri).await {
        Ok(Some(view)) => view,
        Ok(None) => return html(StatusCode::NOT_FOUND, &UNKNOWN),
        Err(error) => return failed(&error),
    };
    let payload = Payload::of(&view, &app.public_url);
    // A link that is too long for any code is on the page, whose own address always fits.
    let page = || qr::svg(&format!("{}/pay/{}", app.public_url, view.id));
    match qr::svg(payload.text()).or_else(page) {
        Some(svg) => answer(StatusCode::OK, SVG, svg),
        None => html(StatusCode::INTERNAL_SERVER_ERROR, &BROKEN),
    }
}

async fn find(app: &App, uri: &Uri) -> Result<Option<DepositView>, EngineError> {
    app.engine.public_deposit(&segment(uri, 1)).await
}

fn failed(error: &EngineError) -> Response {
    tracing::error!(%error, "a payment page cannot be shown");
    html(StatusCode::INTERNAL_SERVER_ERROR, &BROKEN)
}

fn html(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => {
            let mut response = answer(status, HTML, text);
            response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
            response
        }
        Err(error) => {
            tracing::error!(%error, "a page cannot be written");
            answer(
                StatusCode::INTERNAL_SERVER_ERROR,
                "text/plain; charset=utf-8",
                "Internal server error".to_owned(),
            )
        }
    }
}

fn answer(status: StatusCode, kind: &'static str, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(ROBOTS, HeaderValue::from_static("noindex, nofollow"));
    response
}

#[cfg(test)]
mod tests;

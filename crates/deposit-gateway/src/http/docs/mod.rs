//! The OpenAPI document, made from the wire types, the errors and the routes; `GET /openapi.json` and `GET /docs`.
//!
//! The page is rendered by this process from the document as served: no scripts, nothing from other hosts.

mod answers;
pub(super) mod operations;
mod ordered;
mod page;
pub(super) mod schemas;

use std::sync::LazyLock;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
};
use http::{HeaderValue, StatusCode};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;
use utoipa::openapi::schema::{ComponentsBuilder, Schema};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::server::Server;
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, RefOr};

use super::error::ApiError;
use super::{App, error, health, ledger, nano, prices, wire};

/// Where the guide is written: real answers put the gateway's own address here.
const EXAMPLE_URL: &str = "https://deposit.example";
const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// All but the routes: what the router starts with.
pub(super) fn base() -> OpenApi {
    let license =
        LicenseBuilder::new().name("MIT OR Apache-2.0").identifier(Some("MIT OR Apache-2.0")).build();
    let info = InfoBuilder::new()
        .title("Deposit API")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(guide()))
        .license(Some(license))
        .build();
    let tag = |name: &str, text: &str| TagBuilder::new().name(name).description(Some(text)).build();
    OpenApiBuilder::new()
        .info(info)
        .servers(Some([Server::new("/")]))
        .tags(Some([
            tag(operations::DEPOSITS, "Create deposits, and follow them."),
            tag(operations::ACCOUNT, "What an account has."),
            tag(operations::PRICES, "Rates, without a key."),
            tag(operations::PAYERS, "What a paying person is shown."),
            tag(operations::WEBHOOKS, "What payment providers call."),
            tag(operations::RUNNING, "Health and documentation, without a key."),
        ]))
        .components(Some(components().build()))
        .build()
}

fn components() -> ComponentsBuilder {
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("`Authorization: Bearer KEY`"))
        .build();
    let api_key = ApiKey::Header(ApiKeyValue::with_description("x-api-key", "`x-api-key: KEY`"));
    let schemas: Vec<(String, RefOr<Schema>)> = vec![
        ("CreateRequest".to_owned(), schemas::create_request().into()),
        ("CreatedDeposit".to_owned(), schemas::created_deposit().into()),
        ("DepositStatus".to_owned(), schemas::deposit_status().into()),
    ];
    let mut types = schemas;
    add::<wire::Deposit<'_>>(&mut types);
    add::<wire::State<'_>>(&mut types);
    add::<wire::Limits>(&mut types);
    add::<wire::Balance>(&mut types);
    add::<nano::Received>(&mut types);
    add::<prices::NanoPrice>(&mut types);
    add::<prices::FiatPrices>(&mut types);
    add::<ledger::Entries>(&mut types);
    add::<health::Ready>(&mut types);
    add::<error::Body<'_>>(&mut types);
    let components = ComponentsBuilder::new()
        .schemas_from_iter(types)
        .security_scheme("bearer", SecurityScheme::Http(bearer))
        .security_scheme("apiKey", SecurityScheme::ApiKey(api_key));
    answers::headers()
        .into_iter()
        .fold(components, |components, (name, header)| components.header(name, header))
}

/// A type of the wire and what it refers to.
fn add<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
}

/// How to integrate, with the table of errors as the code has them.
fn guide() -> String {
    let mut table = "| status | `code` | `error` | when |\n|---|---|---|---|\n".to_owned();
    for row in answers::table() {
        let status = row.error.status().as_u16();
        table.push_str(&format!(
            "| {status} | `{}` | {} | {} |\n",
            row.error.code(),
            row.error.text(),
            row.when
        ));
    }
    include_str!("guide.md").replace("ERROR_TABLE", table.trim_end())
}

struct Document {
    json: String,
    etag: HeaderValue,
    page: String,
    policy: HeaderValue,
}

static DOCUMENT: LazyLock<Document> = LazyLock::new(|| {
    let (_, document) = super::routes().split_for_parts();
    let mut json = document.to_pretty_json().unwrap_or_default();
    json.push('\n');
    let etag = format!("\"{}\"", hex::encode(Sha256::digest(&json).get(..16).unwrap_or_default()));
    let page = page::render(&json).unwrap_or_else(|error| {
        tracing::error!(%error, "the documentation cannot be rendered");
        String::new()
    });
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        STANDARD.encode(Sha256::digest(page::STYLE))
    );
    let header = |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
    Document { etag: header(&etag), policy: header(&policy), json, page }
});

/// The OpenAPI 3.1 document of this version: what `GET /openapi.json` answers and `deposit openapi` prints.
#[must_use]
pub fn openapi() -> &'static str {
    &DOCUMENT.json
}

/// `GET /openapi.json`
pub(super) async fn openapi_json(request: Request) -> Response {
    let document = &*DOCUMENT;
    let known = request.headers().get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let is_known = known.flat_map(|value| value.split(',')).any(|tag| {
        let tag = tag.trim();
        tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).as_bytes() == document.etag.as_bytes()
    });
    let mut response =
        Response::new(if is_known { Body::empty() } else { Body::from(document.json.as_str()) });
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, CACHED);
    headers.insert(ETAG, document.etag.clone());
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    response
}

/// `GET /docs`
pub(super) async fn docs_page(State(app): State<App>) -> Response {
    let document = &*DOCUMENT;
    if document.page.is_empty() {
        return ApiError::internal().into_response();
    }
    let page = document.page.replace(EXAMPLE_URL, &page::escaped(&app.public_url));
    let mut response = Response::new(Body::from(page));
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, CACHED);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, document.policy.clone());
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

#[cfg(test)]
mod tests;

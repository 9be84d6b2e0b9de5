//! The HTTP side: the deposit API, webhooks in, health.
//!
//! [`router`] is the whole surface as an axum router; [`bind`] and [`serve`] put it on a socket, with bounds on how slowly and how
//! much a client may send, and stop it without cutting answers off.

mod auth;
mod body;
mod cors;
mod create;
mod docs;
mod error;
mod events;
mod health;
mod layers;
mod ledger;
mod metrics;
mod nano;
mod pay;
mod prices;
mod query;
mod reply;
mod server;
mod slots;
mod webhooks;
pub(crate) mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware;
use axum::response::Response;
use deposit_engine::Engine;
use ipnet::IpNet;
use slots::Slots;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::CorsLayer;
use utoipa_axum::router::OpenApiRouter;

pub use cors::{CorsOrigins, InvalidOrigin};
pub use docs::openapi;
use docs::operations;
pub use server::{ServeError, bind, serve};

/// How the HTTP side is set up.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Where to listen (`server.listen`); port 0 picks a free one.
    pub listen: SocketAddr,
    /// What providers and payers are told (`server.public_url`).
    pub public_url: String,
    /// Whose `X-Forwarded-For` is believed (`server.trusted_proxies`).
    pub trusted_proxies: Vec<IpNet>,
    /// Whose pages may read the API's answers (`server.cors_origins`); nobody's by default.
    pub cors_origins: CorsOrigins,
    /// Most connections at a time; further ones wait to be accepted.
    pub max_connections: usize,
    /// Most event streams at a time, so that they leave room for ordinary requests; further ones are answered 503.
    pub max_streams: usize,
    /// Most event streams of one account at a time; further ones are answered 429.
    pub max_streams_per_account: usize,
    /// How long an event stream is silent before it says so; then it also looks whether its key is still good.
    pub keep_alive: Duration,
    /// How long a client may take no byte of an answer before its connection is given up.
    pub write_timeout: Duration,
    /// How long a client may take over the head of a request, and how long a connection may be idle.
    pub header_timeout: Duration,
    /// How long a request may take in all.
    pub request_timeout: Duration,
    /// How long running requests get to end when the gateway stops.
    pub drain_timeout: Duration,
}

impl Default for HttpConfig {
    /// The contract's defaults: loopback, port 8080, no trusted proxy.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: "http://127.0.0.1:8080".to_owned(),
            trusted_proxies: Vec::new(),
            // These three follow from the open files, below.
            cors_origins: CorsOrigins::default(),
            max_connections: 0,
            max_streams: 0,
            max_streams_per_account: 0,
            keep_alive: Duration::from_secs(15),
            write_timeout: Duration::from_secs(30),
            header_timeout: Duration::from_secs(15),
            request_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(10),
        }
        .for_open_files(Self::USUAL_OPEN_FILES)
    }
}

/// Open files for all but connections: the store, calls to providers, the log.
const OTHER_FILES: u64 = 124;
/// Each connection costs memory too, however many files there may be.
const MOST_CONNECTIONS: u64 = 20_000;

impl HttpConfig {
    /// Open files that can be made use of.
    pub const OPEN_FILES: u64 = MOST_CONNECTIONS + OTHER_FILES;
    /// Open files that a process may have where nobody set anything.
    pub const USUAL_OPEN_FILES: u64 = 1024;

    /// Derives the bounds on connections and streams from how many files the process may open: three connections of four may be event
    /// streams, and half of those may be one account's.
    #[must_use]
    pub fn for_open_files(self, files: u64) -> Self {
        let connections = files.saturating_sub(OTHER_FILES).clamp(4, MOST_CONNECTIONS);
        let max_connections = usize::try_from(connections).unwrap_or(usize::MAX);
        let max_streams = max_connections - max_connections / 4;
        Self { max_connections, max_streams, max_streams_per_account: max_streams / 2, ..self }
    }
}

/// What every handler sees.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

pub(crate) struct Shared {
    engine: Engine,
    /// Without a slash at the end.
    public_url: String,
    trusted_proxies: Vec<IpNet>,
    cors: Option<CorsLayer>,
    /// Whether payers reach us by https: browsers are then told to come back by nothing else.
    https: bool,
    /// A little less than the whole request's time: a create that takes longer is answered as such.
    create_timeout: Duration,
    request_timeout: Duration,
    /// Creates go on to their end even where the client has gone: a started order is finished, not abandoned.
    creates: TaskTracker,
    metrics: metrics::Metrics,
    /// Who has event streams open.
    streams: Arc<Slots>,
    keep_alive: Duration,
    /// Cancelled when the server stops: event streams end then.
    closing: CancellationToken,
}

impl std::ops::Deref for App {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    fn new(engine: Engine, config: &HttpConfig, closing: CancellationToken) -> Self {
        Self(Arc::new(Shared {
            engine,
            public_url: config.public_url.trim_end_matches('/').to_owned(),
            trusted_proxies: config.trusted_proxies.clone(),
            cors: config.cors_origins.layer(),
            https: config.public_url.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://")),
            create_timeout: config.request_timeout.saturating_sub(Duration::from_secs(2)),
            request_timeout: config.request_timeout,
            creates: TaskTracker::new(),
            metrics: metrics::Metrics::new(),
            streams: Slots::new(config.max_streams, config.max_streams_per_account),
            keep_alive: config.keep_alive,
            closing,
        }))
    }

    fn router(&self) -> Router {
        let (router, _) = routes().split_for_parts();
        router
            .fallback(not_found)
            .method_not_allowed_fallback(method_not_allowed)
            .with_state(self.clone())
            .layer(middleware::from_fn_with_state(self.clone(), metrics::measure))
            .layer(CatchPanicLayer::custom(layers::panicked))
            .layer(middleware::from_fn_with_state(self.clone(), cors::allow))
            .layer(middleware::from_fn_with_state(self.clone(), layers::observe))
    }
}

/// Every route with its documentation: there is no other way in.
fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(docs::base())
        .routes(operations::create().answered_by(create::create))
        .routes(operations::create_daimo().answered_by(create::create_daimo))
        .routes(operations::limits().answered_by(query::limits))
        .routes(operations::status().answered_by(query::status))
        .routes(operations::events().answered_by(events::follow))
        .routes(operations::check_balance().answered_by(query::check_balance))
        .routes(operations::receive_nano().answered_by(nano::receive))
        .routes(operations::ledger_entries().answered_by(ledger::entries))
        .routes(operations::nano_price().answered_by(prices::nano))
        .routes(operations::fiat_prices().answered_by(prices::fiat))
        .routes(operations::pay_page().answered_by(pay::page))
        .routes(operations::qr_code().answered_by(pay::qr_code))
        .routes(operations::webhook().answered_by(webhooks::receive))
        .routes(operations::healthz().answered_by(health::alive))
        .routes(operations::readyz().answered_by(health::ready))
        .routes(operations::metrics().answered_by(metrics::show))
        .routes(operations::openapi_json().answered_by(docs::openapi_json))
        .routes(operations::docs_page().answered_by(docs::docs_page))
}

/// The whole HTTP surface. Requests that do not come through [`serve`] carry no peer address: all of them then count as one client.
pub fn router(engine: Engine, config: &HttpConfig) -> Router {
    App::new(engine, config, CancellationToken::new()).router()
}

async fn not_found(request: Request) -> Result<Response, error::ApiError> {
    let (parts, body) = request.into_parts();
    body::discard(&parts.headers, body).await;
    Err(error::ApiError::path_not_found())
}

async fn method_not_allowed(request: Request) -> Result<Response, error::ApiError> {
    let (parts, body) = request.into_parts();
    body::discard(&parts.headers, body).await;
    Err(error::ApiError::method_not_allowed())
}

/// A segment of the path, counted from the left, decoded. Read from the path itself: a segment whose escapes are no UTF-8 is
/// a wrong ticker or id like any other, not a failure of its own.
fn segment(uri: &http::Uri, number: usize) -> String {
    body::decode(uri.path().trim_start_matches('/').split('/').nth(number).unwrap_or(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_follow_from_the_open_files() {
        let bounds = |files| {
            let config = HttpConfig::default().for_open_files(files);
            (config.max_connections, config.max_streams, config.max_streams_per_account)
        };
        assert_eq!(bounds(1024), (900, 675, 337));
        assert_eq!(bounds(HttpConfig::OPEN_FILES), (20_000, 15_000, 7500));
        assert_eq!(bounds(u64::MAX), (20_000, 15_000, 7500));
        assert_eq!(bounds(0), (4, 3, 1));
        let usual = HttpConfig::default();
        assert_eq!(usual.max_connections, 900);
    }
}

//! `GET /metrics`: OpenMetrics text for Prometheus and what reads its format.
//!
//! Nothing in it names an account, a deposit or an address. Counters are this process's own; what waits is counted in the store when it
//! is asked for, so that it is right after a restart too.

use std::sync::atomic::AtomicI64;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use tokio::time::Instant;

use super::App;
use super::error::ApiError;

const OPENMETRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
/// How long the store may take to count.
const PATIENCE: Duration = Duration::from_secs(5);
/// From a page out of memory to the slowest provider.
const SECONDS: [f64; 10] = [0.001, 0.005, 0.02, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// The route as it is written, never the path: that has ids in it, and no bound.
#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Asked {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByTicker {
    ticker: String,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByTrouble {
    ticker: String,
    trouble: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct BySource {
    source: String,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct BySourceAndTicker {
    source: String,
    ticker: String,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByReason {
    provider: String,
    reason: String,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByProvider {
    provider: String,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByCall {
    provider: String,
    call: &'static str,
    kind: &'static str,
}

/// `provider` is empty for a task that all providers share.
#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByTask {
    task: &'static str,
    provider: String,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByRefusal {
    provider: String,
    why: &'static str,
}

/// What is counted while the gateway runs.
#[derive(Debug)]
pub(crate) struct Metrics {
    requests: Family<Asked, Counter>,
    seconds: Family<Route, Histogram, fn() -> Histogram>,
    /// Requests whose answer has not begun.
    under_way: Gauge<i64, AtomicI64>,
}

fn histogram() -> Histogram {
    Histogram::new(SECONDS)
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(histogram),
            under_way: Gauge::default(),
        }
    }

    fn register(&self, registry: &mut Registry) {
        registry.register("deposit_http_requests", "Requests answered", self.requests.clone());
        registry.register_with_unit(
            "deposit_http_request_duration",
            "Time until the head of the answer",
            Unit::Seconds,
            self.seconds.clone(),
        );
        registry.register(
            "deposit_http_requests_under_way",
            "Requests being answered",
            self.under_way.clone(),
        );
    }
}

/// Methods are a client's free choice: the unusual ones are one.
fn method_name(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// Counts and times each request.
pub(crate) async fn measure(State(app): State<App>, request: Request, next: Next) -> Response {
    let metrics = &app.metrics;
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let method = method_name(request.method());
    let started = Instant::now();
    let under_way = UnderWay::begin(&metrics.under_way);
    let response = next.run(request).await;
    drop(under_way);
    let status = response.status().as_u16();
    metrics.seconds.get_or_create(&Route { route: route.clone() }).observe(started.elapsed().as_secs_f64());
    metrics.requests.get_or_create(&Asked { method, route, status }).inc();
    response
}

/// Ends also where the client goes away and the request is dropped.
struct UnderWay<'a>(&'a Gauge<i64, AtomicI64>);

impl<'a> UnderWay<'a> {
    fn begin(gauge: &'a Gauge<i64, AtomicI64>) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The handler.
pub(crate) async fn show(State(app): State<App>) -> Response {
    let mut registry = Registry::default();
    app.metrics.register(&mut registry);
    let version = vec![("version", env!("CARGO_PKG_VERSION"))];
    registry.register("deposit_build", "What runs", Info::new(version));
    count_troubles(&app, &mut registry);
    if let Err(error) = count_what_waits(&app, &mut registry).await {
        return error.into_response();
    }
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => ([(CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be written");
            ApiError::internal().into_response()
        }
    }
}

/// What this process has seen go wrong since its start.
fn count_troubles(app: &App, registry: &mut Registry) {
    let engine = &app.engine;
    let failures: Family<ByCall, Counter> = Family::default();
    for (provider, call, trouble, total) in engine.failed_calls() {
        let labels = ByCall { provider: provider.to_string(), call: call.into(), kind: trouble.into() };
        failures.get_or_create(&labels).inc_by(total);
    }
    registry.register("deposit_provider_call_failures", "Calls of a provider that failed", failures);
    let restarts: Family<ByTask, Counter> = Family::default();
    let panics: Family<ByTask, Counter> = Family::default();
    let down: Family<ByTask, Gauge<i64, AtomicI64>> = Family::default();
    for state in engine.task_states() {
        let provider = state.provider.map_or_else(String::new, |provider| provider.to_string());
        let labels = ByTask { task: state.task, provider };
        restarts.get_or_create(&labels).inc_by(state.restarts);
        panics.get_or_create(&labels).inc_by(state.panics);
        down.get_or_create(&labels).set(i64::from(state.down_since.is_some()));
    }
    registry.register("deposit_task_restarts", "Background tasks that broke and were begun again", restarts);
    registry.register("deposit_task_panics", "Pieces of work that panicked in a task that went on", panics);
    registry.register("deposit_task_down", "1 where a background task has not run well for a while", down);
    let refused: Family<ByRefusal, Counter> = Family::default();
    for (provider, why, total) in engine.refused_deliveries() {
        let provider = provider.map_or_else(|| "unknown".to_owned(), |provider| provider.to_string());
        refused.get_or_create(&ByRefusal { provider, why: why.into() }).inc_by(total);
    }
    registry.register("deposit_webhooks_refused", "Webhook deliveries that were not taken", refused);
}

async fn count_what_waits(app: &App, registry: &mut Registry) -> Result<(), ApiError> {
    let engine = &app.engine;
    let now = engine.now();
    let ready = u64::from(engine.readiness().await.is_ready());
    let waiting = match tokio::time::timeout(PATIENCE, engine.backlog()).await {
        Ok(waiting) => waiting.map_err(|error| ApiError::from_engine(&error))?,
        Err(_) => return Err(ApiError::not_ready()),
    };
    let mut gauge = |name: &str, help: &str, value: u64| {
        let gauge: Gauge<i64, AtomicI64> = Gauge::default();
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        registry.register(name, help, gauge);
    };
    let secs_since = |at: deposit_core::Timestamp| u64::try_from(now.millis_since(at) / 1000).unwrap_or(0);
    let streams = u64::try_from(app.streams.total()).unwrap_or(u64::MAX);
    gauge("deposit_ready", "1 where the store takes writes and every background task runs", ready);
    gauge("deposit_event_streams", "Event streams open", streams);
    gauge("deposit_reviews_open", "Money that waits for an operator", waiting.reviews);
    let by_reason: Family<ByReason, Gauge<i64, AtomicI64>> = Family::default();
    for (provider, reason, items) in
        engine.store().open_reviews_by_reason().await.map_err(|error| ApiError::from_engine(&error.into()))?
    {
        let labels = ByReason { provider: provider.to_string(), reason: reason.to_string() };
        by_reason.get_or_create(&labels).set(i64::try_from(items).unwrap_or(i64::MAX));
    }
    gauge("deposit_deliveries_unhandled", "Webhook deliveries stored and not handled", waiting.deliveries);
    let oldest = waiting.oldest_delivery.map_or(0, secs_since);
    gauge("deposit_oldest_unhandled_delivery_seconds", "Age of the oldest of them", oldest);
    gauge(
        "deposit_unpriced_deposits",
        "Deposits with a confirmed payment that has no price",
        waiting.unpriced,
    );

    registry.register("deposit_review_items", "Money that waits for an operator, by reason", by_reason);

    let usable: Family<ByTicker, Gauge<i64, AtomicI64>> = Family::default();
    for (ticker, confirmed) in engine.rate_ages() {
        usable.get_or_create(&ByTicker { ticker: ticker.to_string() }).set(i64::from(confirmed.is_some()));
    }
    registry.register("deposit_rate_usable", "1 where a ticker has a rate that may be used", usable);
    let troubles: Family<ByTrouble, Gauge<i64, AtomicI64>> = Family::default();
    for (ticker, trouble) in engine.rate_troubles() {
        let labels = ByTrouble { ticker: ticker.to_string(), trouble: trouble.word() };
        troubles.get_or_create(&labels).set(1);
    }
    registry.register("deposit_rate_trouble", "1 where rate sources contradict each other", troubles);
    count_rate_sources(app, registry);
    let failing: Family<ByProvider, Gauge<i64, AtomicI64>> = Family::default();
    for provider in engine.registry().providers() {
        failing.get_or_create(&ByProvider { provider: provider.id().to_string() }).set(0);
    }
    let by_call: Family<ByCall, Gauge<i64, AtomicI64>> = Family::default();
    for trouble in engine.provider_troubles() {
        let secs = i64::try_from(secs_since(trouble.since)).unwrap_or(i64::MAX).max(1);
        let provider = trouble.provider.to_string();
        let longest = failing.get_or_create_owned(&ByProvider { provider: provider.clone() });
        longest.set(longest.get().max(secs));
        let labels = ByCall { provider, call: trouble.call.into(), kind: trouble.trouble.into() };
        by_call.get_or_create(&labels).set(secs);
    }
    registry.register(
        "deposit_provider_failing_seconds",
        "How long some kind of call of a provider has failed, the longest of them",
        failing,
    );
    registry.register(
        "deposit_provider_call_failing_seconds",
        "How long a kind of call of a provider has failed, by how it failed last",
        by_call,
    );
    let behind: Family<ByProvider, Gauge<i64, AtomicI64>> = Family::default();
    for backlog in engine.watch_backlog().await.map_err(|error| ApiError::from_engine(&error))? {
        let secs = i64::try_from(backlog.oldest_secs).unwrap_or(i64::MAX);
        behind.get_or_create(&ByProvider { provider: backlog.provider.to_string() }).set(secs);
    }
    registry.register(
        "deposit_watch_oldest_unread_seconds",
        "How long the deposit has been due for a read that has waited longest of those that can be paid",
        behind,
    );
    Ok(())
}

/// What rate sources do not say, or cannot.
fn count_rate_sources(app: &App, registry: &mut Registry) {
    let missing: Family<BySourceAndTicker, Gauge<i64, AtomicI64>> = Family::default();
    let failing: Family<BySource, Gauge<i64, AtomicI64>> = Family::default();
    let (gaps, failures): (Family<BySource, Counter>, Family<BySource, Counter>) = Default::default();
    for state in app.engine.rate_sources() {
        let by = BySource { source: state.source.clone() };
        failing.get_or_create(&by).set(i64::from(state.failing));
        failures.get_or_create(&by).inc_by(state.failures);
        gaps.get_or_create(&by).inc_by(state.gaps);
        for ticker in state.missing {
            let labels = BySourceAndTicker { source: state.source.clone(), ticker: ticker.to_string() };
            missing.get_or_create(&labels).set(1);
        }
    }
    registry.register("deposit_rate_source_failing", "1 where a rate source cannot answer", failing);
    registry.register(
        "deposit_rate_source_failures",
        "Answers of a rate source that failed as a whole",
        failures,
    );
    registry.register(
        "deposit_rate_missing",
        "1 where a rate source has no usable price of a ticker that it should know",
        missing,
    );
    registry.register("deposit_rate_gaps", "Prices that were missing in answers of a rate source", gaps);
}

//! `GET /healthz` and `GET /readyz`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use deposit_engine::Readiness;
use http::StatusCode;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::error::ApiError;
use super::{App, reply, wire};

/// The process lives.
pub(crate) async fn alive() -> Response {
    reply::json(StatusCode::OK, &json!({"status": "ok"}))
}

/// Whether it serves, and what an operator should know beside that. Names no account and no deposit.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Readiness)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ready {
    /// `ok`.
    status: &'static str,
    /// What fails at single providers: their own tickers suffer, the others are served.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failing: Vec<FailingCall>,
    /// Providers whose deposits are read too late.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    late: Vec<LateWatch>,
}

/// A kind of call that fails at a provider.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct FailingCall {
    provider: String,
    /// What is asked for: `open`, `look_up`, `read`, `read_batch`, `scan`, `receive`, `webhook`, `bounds`, `check`.
    call: &'static str,
    /// How it failed last: `transient`, `outcome_unknown`, `rejected`, `not_found`, `authentication`, `configuration`, `protocol`, `panicked`.
    kind: &'static str,
    /// The first failure after the last success.
    since: String,
    /// Failures since then.
    count: u64,
    /// The last one, in words.
    last: String,
}

/// A provider whose deposits are read too late.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct LateWatch {
    provider: String,
    /// For how many seconds the deposit has been due that has waited longest of those that can be paid.
    oldest_unread_seconds: u64,
}

impl Ready {
    fn of(found: &Readiness) -> Self {
        let failing = found.troubles.iter().map(|trouble| FailingCall {
            provider: trouble.provider.to_string(),
            call: trouble.call.into(),
            kind: trouble.trouble.into(),
            since: wire::rfc3339(trouble.since),
            count: trouble.count,
            last: trouble.words.clone(),
        });
        let late = found.late.iter().map(|late| LateWatch {
            provider: late.provider.to_string(),
            oldest_unread_seconds: late.oldest_secs,
        });
        Self { status: "ok", failing: failing.collect(), late: late.collect() }
    }
}

/// It serves: the store takes a write, and the background tasks run.
pub(crate) async fn ready(State(app): State<App>) -> Response {
    let found = app.engine.readiness().await;
    if found.is_ready() {
        return reply::json(StatusCode::OK, &Ready::of(&found));
    }
    let why = why_not(&found);
    tracing::warn!(why, "not ready");
    ApiError::not_ready().with_details(why).into_response()
}

/// What has to be mended before it serves.
fn why_not(found: &Readiness) -> String {
    let store = (!found.store_writes).then(|| "the store takes no writes".to_owned());
    let tasks = found.tasks_down.iter().map(|task| match &task.provider {
        Some(provider) => format!("the task {} of {provider} broke {} times", task.task, task.restarts),
        None => format!("the task {} broke {} times", task.task, task.restarts),
    });
    store.into_iter().chain(tasks).collect::<Vec<_>>().join("; ")
}

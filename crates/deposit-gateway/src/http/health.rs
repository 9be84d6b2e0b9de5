//! `GET /healthz` and `GET /readyz`.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

use super::error::ApiError;
use super::{App, reply};

/// How long the store may take to answer before the gateway calls itself not ready.
const PATIENCE: Duration = Duration::from_secs(2);

/// The process lives.
pub(crate) async fn alive() -> Response {
    reply::json(StatusCode::OK, &json!({"status": "ok"}))
}

/// It serves: the store answers (its migrations ran before it was opened).
pub(crate) async fn ready(State(app): State<App>) -> Response {
    match tokio::time::timeout(PATIENCE, app.engine.ping()).await {
        Ok(Ok(())) => reply::json(StatusCode::OK, &json!({"status": "ok"})),
        Ok(Err(error)) => {
            tracing::warn!(%error, "not ready");
            ApiError::not_ready().into_response()
        }
        Err(_) => {
            tracing::warn!("not ready: the store does not answer in time");
            ApiError::not_ready().into_response()
        }
    }
}

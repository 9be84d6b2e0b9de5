//! The emulator as the sandbox runs it: its routes, its settings, and what control asks of it.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;

use super::state::Zano;
use super::{FUSD_ID, NAME, play, rpc};
use crate::control_error::ControlError;
use crate::emulator::{Emulator, PayRequest, PlayedPayment, ScenarioRequest, TruthOrder};

impl Emulator for Zano {
    fn name(&self) -> &'static str {
        NAME
    }

    fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/json_rpc", post(rpc::wallet_rpc))
            .route("/daemon/json_rpc", post(rpc::daemon_rpc))
            .fallback(|| async { StatusCode::NOT_FOUND })
            .with_state(self)
    }

    fn server_error(&self) -> Response {
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }

    fn unauthorized(&self) -> Response {
        StatusCode::UNAUTHORIZED.into_response()
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let base = &self.context.base_url;
        vec![
            ("wallet_url", format!("{base}/json_rpc")),
            ("jwt_secret", self.jwt_secret.clone()),
            ("daemon_url", format!("{base}/daemon/json_rpc")),
            ("fusd_asset_id", FUSD_ID.to_owned()),
        ]
    }

    fn pay(&self, request: &PayRequest) -> Result<String, ControlError> {
        play::pay(self, request)
    }

    fn scenario(&self, request: &ScenarioRequest) -> Result<Vec<PlayedPayment>, ControlError> {
        play::scenario(self, request)
    }

    fn redeliver(&self, reference: &str) -> Result<usize, ControlError> {
        play::known(self, reference).map(|()| 0)
    }

    fn truth(&self) -> Vec<TruthOrder> {
        play::truth(self)
    }

    fn tick(&self) -> Option<i64> {
        Some(self.state().chain.next_block())
    }
}

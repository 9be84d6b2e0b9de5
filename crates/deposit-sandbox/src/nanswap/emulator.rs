//! The emulator as the sandbox runs it: its routes, its settings, and what control asks of it.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;

use super::NAME;
use super::order::Order;
use super::state::{Nanswap, error_response, no_key};
use crate::control_error::ControlError;
use crate::emulator::{Emulator, PayRequest, PlayedPayment, ScenarioRequest, TruthOrder};

impl Emulator for Nanswap {
    fn name(&self) -> &'static str {
        NAME
    }

    fn router(self: Arc<Self>) -> axum::Router {
        super::api::router(self)
    }

    fn server_error(&self) -> Response {
        error_response((StatusCode::INTERNAL_SERVER_ERROR, "Internal server error".to_owned()))
    }

    fn unauthorized(&self) -> Response {
        error_response((StatusCode::UNAUTHORIZED, no_key().to_owned()))
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("base_url", self.context.base_url.clone()),
            ("api_key", self.api_key.clone()),
            ("settle_ticker", "XNO".to_owned()),
            ("settle_address", self.settle_address.clone()),
        ]
    }

    fn pay(&self, request: &PayRequest) -> Result<String, ControlError> {
        super::play::pay(self, request)
    }

    fn scenario(&self, request: &ScenarioRequest) -> Result<Vec<PlayedPayment>, ControlError> {
        super::play::scenario(self, request)
    }

    /// There are no webhooks.
    fn redeliver(&self, reference: &str) -> Result<usize, ControlError> {
        super::play::find(&self.state(), reference).map(|_| 0)
    }

    fn truth(&self) -> Vec<TruthOrder> {
        self.state().orders.iter().map(Order::truth).collect()
    }

    fn tick(&self) -> Option<i64> {
        None
    }
}

//! The emulator as the sandbox runs it: its routes, its settings, and what control asks of it.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;

use super::order::Order;
use super::state::{Daimo, unauthorized};
use super::{NAME, chain, view};
use crate::control_error::{ControlError, json_response};
use crate::emulator::{Emulator, PayRequest, PlayedPayment, ScenarioRequest, TruthOrder};

impl Emulator for Daimo {
    fn name(&self) -> &'static str {
        NAME
    }

    fn router(self: Arc<Self>) -> axum::Router {
        super::payments::router(self.clone())
            .merge(super::sessions::router(self.clone()))
            .merge(super::hooks_api::router(self.clone()))
            .merge(super::page::router(self))
    }

    fn server_error(&self) -> Response {
        let body = view::session_error("api_error", "internal_error", "Internal server error", None);
        json_response(StatusCode::INTERNAL_SERVER_ERROR, &body)
    }

    fn unauthorized(&self) -> Response {
        unauthorized()
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let address = |name: &str| {
            let bare = format!("0x{}", self.context.random.hex::<20>(&format!("daimo/address/{name}")));
            chain::address(&bare).unwrap_or(bare)
        };
        // The chain is Base, which is the default of a gateway too.
        vec![
            ("base_url", self.context.base_url.clone()),
            ("api_key", self.api_key.clone()),
            ("api", "payments".to_owned()),
            ("webhook_token", self.webhook_token.clone()),
            ("refund_address", address("refund")),
            ("destination_address", address("destination")),
        ]
    }

    fn pay(&self, request: &PayRequest) -> Result<String, ControlError> {
        super::play::pay(self, request)
    }

    fn scenario(&self, request: &ScenarioRequest) -> Result<Vec<PlayedPayment>, ControlError> {
        super::play::scenario(self, request)
    }

    fn redeliver(&self, reference: &str) -> Result<usize, ControlError> {
        let id = super::play::order_id(self, reference)?;
        Ok(self.context.webhooks.redeliver(&id))
    }

    fn truth(&self) -> Vec<TruthOrder> {
        super::play::truth(self)
    }

    /// Sessions that nobody paid in time expire, and nobody is told.
    fn tick(&self) -> Option<i64> {
        let now = self.now();
        let mut state = self.state();
        for order in &mut state.orders {
            if order.deadline().is_some_and(|deadline| deadline <= now) {
                order.expire(now);
            }
        }
        state.orders.iter().filter_map(Order::deadline).min()
    }
}

//! The emulator as the sandbox runs it: its routes, its settings, and what control asks of it.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};

use super::callback::{GATEWAYS, RETRY};
use super::error::{Refusal, unauthorized};
use super::order::Order;
use super::state::PromptCash;
use super::{NAME, api, play};
use crate::control_error::ControlError;
use crate::emulator::{Context, Emulator, PayRequest, PlayedPayment, ScenarioRequest, TruthOrder};
use crate::webhook::Target;

impl PromptCash {
    pub(crate) fn new(context: Arc<Context>) -> Arc<Self> {
        let public_token = format!("1-{}", context.random.base58("promptcash/public", 8));
        let secret_token = context.random.base58("promptcash/secret", 32);
        context.webhooks.open(GATEWAYS, Target::Gateways("/webhooks/promptcash"), Some(RETRY));
        Arc::new(Self { context, public_token, secret_token, state: Mutex::default() })
    }
}

impl Emulator for PromptCash {
    fn name(&self) -> &'static str {
        NAME
    }

    fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/api/v1/create-payment", post(api::create))
            .route("/api/v1/get-payment/{tx_id}", get(api::read))
            .with_state(self)
    }

    fn server_error(&self) -> Response {
        Refusal(StatusCode::INTERNAL_SERVER_ERROR, "internal server error".to_owned()).into_response()
    }

    fn unauthorized(&self) -> Response {
        unauthorized().into_response()
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("base_url", self.context.base_url.clone()),
            ("public_token", self.public_token.clone()),
            ("secret_token", self.secret_token.clone()),
        ]
    }

    fn pay(&self, request: &PayRequest) -> Result<String, ControlError> {
        play::pay(self, request)
    }

    fn scenario(&self, request: &ScenarioRequest) -> Result<Vec<PlayedPayment>, ControlError> {
        play::scenario(self, request)
    }

    fn redeliver(&self, reference: &str) -> Result<usize, ControlError> {
        let state = self.state();
        let index = play::find(&state, reference)?;
        let tx_id = state.orders.get(index).map(|order| order.tx_id.clone()).unwrap_or_default();
        Ok(self.context.webhooks.redeliver(&tx_id))
    }

    fn truth(&self) -> Vec<TruthOrder> {
        self.state().orders.iter().map(play::truth).collect()
    }

    fn tick(&self) -> Option<i64> {
        let mut state = self.state();
        for index in 0..state.orders.len() {
            self.update(&mut state, index);
        }
        state.orders.iter().filter_map(Order::next).min()
    }
}

//! The emulator as the sandbox runs it: its routes, its settings, and what control asks of it.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};

use super::NAME;
use super::error::Refusal;
use super::invoice::{Events, Invoice};
use super::state::BtcPay;
use crate::control_error::ControlError;
use crate::emulator::{Emulator, PayRequest, PlayedPayment, ScenarioRequest, TruthOrder};

impl Emulator for BtcPay {
    fn name(&self) -> &'static str {
        NAME
    }

    fn router(self: Arc<Self>) -> axum::Router {
        super::api::router(self.clone())
            .merge(super::setup::router(self.clone()))
            .merge(super::wallet::router(self.clone()))
            .merge(super::hooks_api::router(self))
    }

    fn server_error(&self) -> Response {
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }

    fn unauthorized(&self) -> Response {
        Refusal::unauthenticated().into_response()
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("base_url", self.context.base_url.clone()),
            ("api_key", self.api_key.clone()),
            ("store_id", self.store_id.clone()),
            ("webhook_secret", self.webhook_secret.clone()),
        ]
    }

    fn pay(&self, request: &PayRequest) -> Result<String, ControlError> {
        super::play::pay(self, request)
    }

    fn scenario(&self, request: &ScenarioRequest) -> Result<Vec<PlayedPayment>, ControlError> {
        super::play::scenario(self, request)
    }

    fn redeliver(&self, reference: &str) -> Result<usize, ControlError> {
        let id = super::play::invoice_id(self, reference)?;
        Ok(self.context.webhooks.redeliver(&id))
    }

    fn truth(&self) -> Vec<TruthOrder> {
        super::play::truth(self)
    }

    fn tick(&self) -> Option<i64> {
        let now = self.now();
        let mut state = self.state();
        let mut happened: Vec<(String, Events)> = Vec::new();
        for invoice in &mut state.invoices {
            if invoice.deadline().is_some_and(|d| d <= now) {
                let mut events = Events::new();
                invoice.update(now, &mut events);
                happened.push((invoice.id.clone(), events));
            }
        }
        for (id, events) in happened {
            self.publish(&mut state, &id, events);
        }
        state.invoices.iter().filter_map(Invoice::deadline).min()
    }
}

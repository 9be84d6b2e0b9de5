//! The emulator as the sandbox runs it: its routes, its settings, and what control asks of it.

use std::sync::Arc;

use axum::response::Response;

use super::NAME;
use super::error::Refusal;
use super::model::{Session, SessionStatus};
use super::reply::Reply;
use super::state::Stripe;
use crate::control_error::ControlError;
use crate::emulator::{Emulator, PayRequest, PlayedPayment, ScenarioRequest, TruthOrder};

impl Emulator for Stripe {
    fn name(&self) -> &'static str {
        NAME
    }

    fn router(self: Arc<Self>) -> axum::Router {
        super::page::router(self.clone()).merge(super::api::router(self))
    }

    fn server_error(&self) -> Response {
        // The retry header says no: the real one would only give the kept answer again.
        let reply = Reply::refused(&Refusal::server_error());
        reply.header("Stripe-Should-Retry", "false").response()
    }

    fn unauthorized(&self) -> Response {
        Reply::refused(&Refusal::unauthorized()).response()
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let base = &self.context.base_url;
        vec![
            ("base_url", base.clone()),
            ("secret_key", self.secret_key.clone()),
            ("webhook_secret", self.webhook_secret.clone()),
            ("success_url", format!("{base}/return?session={{CHECKOUT_SESSION_ID}}")),
            ("cancel_url", format!("{base}/cancel")),
        ]
    }

    fn pay(&self, request: &PayRequest) -> Result<String, ControlError> {
        super::play::pay(self, request)
    }

    fn scenario(&self, request: &ScenarioRequest) -> Result<Vec<PlayedPayment>, ControlError> {
        super::play::scenario(self, request)
    }

    fn redeliver(&self, reference: &str) -> Result<usize, ControlError> {
        let id = super::play::session_id(self, reference)?;
        Ok(self.context.webhooks.redeliver(&id))
    }

    fn truth(&self) -> Vec<TruthOrder> {
        super::play::truth(self)
    }

    fn tick(&self) -> Option<i64> {
        let now = self.now();
        let mut state = self.state();
        let open = |session: &&Session| session.status == SessionStatus::Open;
        let due: Vec<_> = state
            .sessions
            .iter()
            .filter(open)
            .filter(|session| session.expires_at <= now)
            .map(|session| session.id.clone())
            .collect();
        for id in due {
            self.expire(&mut state, &id, None);
        }
        state.sessions.iter().filter(open).map(|session| session.expires_at).min()
    }
}

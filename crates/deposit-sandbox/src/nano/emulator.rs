//! The emulator as the sandbox runs it: its routes, its settings, and what control asks of it.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get};
use tokio::sync::broadcast;

use super::blocks::Dialect;
use super::codec::Signer;
use super::ledger::Ledger;
use super::state::{Nano, State};
use super::{NAME, codec, hooks};
use crate::control_error::ControlError;
use crate::emulator::{Context, Emulator, PayRequest, PlayedPayment, ScenarioRequest, TruthOrder};

impl Nano {
    pub(crate) fn new(context: Arc<Context>) -> Arc<Self> {
        let random = context.random.clone();
        let callback_token = random.base58("nano/callback-token", 28);
        hooks::open(&context.webhooks, &callback_token);
        let ledger = Ledger::new(context.clock.now());
        let representative = codec::address(&Signer::new(&random.bytes::<32>("nano/representative")).key());
        let state = State {
            ledger,
            payments: vec![],
            payers: 0,
            dialect: Dialect::Cpp,
            control: false,
            forbidden: vec![],
        };
        Arc::new(Self {
            authorization: format!("Bearer {}", random.base58("nano/authorization", 28)),
            callback_token,
            seed: random.hex::<32>("nano/seed"),
            representative,
            notices: broadcast::Sender::new(1_024),
            state: Mutex::new(state),
            context,
        })
    }
}

impl Emulator for Nano {
    fn name(&self) -> &'static str {
        NAME
    }

    fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/", any(super::rpc::node))
            .route("/work", any(super::rpc::work_server))
            .route("/ws", get(super::socket::connect))
            .with_state(self)
    }

    fn server_error(&self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error").into_response()
    }

    fn unauthorized(&self) -> Response {
        (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], "401 Unauthorized\n")
            .into_response()
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let base = &self.context.base_url;
        let socket = base.strip_prefix("http").map_or_else(String::new, |rest| format!("ws{rest}/ws"));
        vec![
            ("rpc_url", base.clone()),
            ("ws_url", socket),
            ("seed", self.seed.clone()),
            ("representative", self.representative.clone()),
            ("rpc_authorization", self.authorization.clone()),
            ("callback_token", self.callback_token.clone()),
        ]
    }

    fn pay(&self, request: &PayRequest) -> Result<String, ControlError> {
        super::play::pay(self, request)
    }

    fn scenario(&self, request: &ScenarioRequest) -> Result<Vec<PlayedPayment>, ControlError> {
        super::play::scenario(self, request)
    }

    fn redeliver(&self, reference: &str) -> Result<usize, ControlError> {
        let key = super::play::destination(reference)?;
        Ok(self.context.webhooks.redeliver(&codec::address(&key)))
    }

    fn truth(&self) -> Vec<TruthOrder> {
        super::play::truth(self)
    }

    fn tick(&self) -> Option<i64> {
        // Nothing expires.
        None
    }
}

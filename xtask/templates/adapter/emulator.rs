//! @Name@. Made by `cargo xtask new-adapter @name@`; write it from the provider's documents and not from the adapter, so that it can prove
//! the adapter wrong, and say here what each scenario does.
//!
//! | scenario | plays |
//! |---|---|
//! | all | 400: to be written |

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};

use crate::control_error::{ControlError, json_response};
use crate::emulator::{Context, Emulator, PayRequest, PlayedPayment, ScenarioRequest, TruthOrder};
use crate::json::Json;

pub(crate) const NAME: &str = "@name@";

const HERE: &str = "crates/deposit-sandbox/src/@name@/mod.rs";

/// The emulator of @Name@.
#[derive(Debug)]
pub struct @Name@ {
    context: Arc<Context>,
}

impl @Name@ {
    pub(crate) fn new(context: Arc<Context>) -> Arc<Self> {
        Arc::new(Self { context })
    }
}

fn refusal(status: StatusCode, word: &str) -> Response {
    json_response(status, &Json::object([("error", Json::text(word))]))
}

fn to_be_written<T>(what: &str) -> Result<T, ControlError> {
    Err(ControlError::Refused(format!("{NAME}: to be written: `{what}` in {HERE}")))
}

impl Emulator for @Name@ {
    fn name(&self) -> &'static str {
        NAME
    }

    /// Nothing is served yet.
    fn router(self: Arc<Self>) -> axum::Router {
        axum::Router::new().fallback(async || {
            refusal(StatusCode::NOT_IMPLEMENTED, &format!("to be written: `router` in {HERE}"))
        })
    }

    fn server_error(&self) -> Response {
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }

    fn unauthorized(&self) -> Response {
        refusal(StatusCode::UNAUTHORIZED, "unauthorized")
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let random = &self.context.random;
        vec![
            ("base_url", self.context.base_url.clone()),
            ("api_key", random.hex::<20>("@name@/key")),
            ("webhook_secret", random.base58("@name@/webhook-secret", 28)),
        ]
    }

    fn pay(&self, _request: &PayRequest) -> Result<String, ControlError> {
        to_be_written("pay")
    }

    fn scenario(&self, _request: &ScenarioRequest) -> Result<Vec<PlayedPayment>, ControlError> {
        to_be_written("scenario")
    }

    fn redeliver(&self, _reference: &str) -> Result<usize, ControlError> {
        to_be_written("redeliver")
    }

    fn truth(&self) -> Vec<TruthOrder> {
        Vec::new()
    }

    fn tick(&self) -> Option<i64> {
        None
    }
}

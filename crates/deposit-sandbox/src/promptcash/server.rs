//! The emulator and its HTTP surface.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::{Path, State as Extract};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;

use super::create::{Form, Wanted};
use super::order::Order;
use super::{NAME, play};
use crate::control_error::{ControlError, json_response};
use crate::emulator::{Context, Emulator, PayRequest, PlayedPayment, ScenarioRequest, TruthOrder};
use crate::json::Json;
use crate::rates::Rates;
use crate::webhook::{Message, Rendered, RetryPolicy, Target};

/// Whether a callback is repeated at all is not documented.
const RETRY: RetryPolicy =
    RetryPolicy { waits: &[10, 60, 600], retries: |status| status.is_none_or(|s| s >= 500) };

/// The line of orders without a callback of their own.
const GATEWAYS: &str = "gateways";

/// The word that no document lists.
const UNKNOWN: &str = "FROBNICATED";

/// An answer other than 200.
#[derive(Debug)]
pub(super) struct Refusal(StatusCode, String);

impl Refusal {
    pub(super) fn field(name: &str, rule: &str) -> Self {
        Self(StatusCode::BAD_REQUEST, format!("{name}: {rule}"))
    }

    #[cfg(test)]
    pub(super) fn message(self) -> String {
        self.1
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        json_response(self.0, &Json::object([("error", Json::text(self.1))]))
    }
}

#[derive(Default)]
pub(super) struct State {
    pub(super) orders: Vec<Order>,
    /// How many callbacks there were.
    calls: usize,
}

/// The emulator of Prompt.Cash. See the [module](super) for what its scenarios do.
pub struct PromptCash {
    context: Arc<Context>,
    public_token: String,
    secret_token: String,
    state: Mutex<State>,
}

impl fmt::Debug for PromptCash {
    /// Without the secret, though it is an invented one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PromptCash").field("public_token", &self.public_token).finish_non_exhaustive()
    }
}

impl PromptCash {
    pub(crate) fn new(context: Arc<Context>) -> Arc<Self> {
        let public_token = format!("1-{}", context.random.base58("promptcash/public", 8));
        let secret_token = context.random.base58("promptcash/secret", 32);
        context.webhooks.open(GATEWAYS, Target::Gateways("/webhooks/promptcash"), Some(RETRY));
        Arc::new(Self { context, public_token, secret_token, state: Mutex::default() })
    }

    /// The rates of the sandbox: what this service makes its figures from.
    #[must_use]
    pub fn rates(&self) -> &Rates {
        &self.context.rates
    }

    /// Somebody at the service gives a payment a word: `CANCELLED`, `HOLD` or `REFUNDED`. Beside the control API; what really causes
    /// these words is not documented.
    ///
    /// # Errors
    /// Where the payment is unknown.
    pub fn mark(&self, reference: &str, word: &'static str) -> Result<(), ControlError> {
        let mut state = self.state();
        let index = play::find(&state, reference)?;
        if let Some(order) = state.orders.get_mut(index) {
            order.marked = Some(word);
        }
        Ok(())
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    fn view(&self, order: &Order) -> Json {
        let unknown = self.context.faults.get().unknown_words;
        order.view(&self.context.base_url, if unknown { UNKNOWN } else { order.status() })
    }

    /// Brings an order up to date and calls back. With the state locked, so that calls cannot overtake each other.
    pub(super) fn update(&self, state: &mut State, index: usize) {
        let now = self.context.clock.now();
        let Some(order) = state.orders.get_mut(index) else { return };
        if !order.update(now) {
            return;
        }
        state.calls += 1;
        let line = if order.callback_url.is_empty() { GATEWAYS } else { order.callback_url.as_str() };
        let callback = Callback {
            key: format!("{}/{}", order.tx_id, state.calls),
            tx_id: order.tx_id.clone(),
            order: order.clone(),
            secret: self.secret_token.clone(),
            context: self.context.clone(),
        };
        self.context.webhooks.send(line, Arc::new(callback));
    }

    fn authorize(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let given = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
        if given == Some(self.secret_token.as_str()) { Ok(()) } else { Err(unauthorized()) }
    }

    fn create(&self, headers: &HeaderMap, body: &[u8]) -> Result<Response, Refusal> {
        self.authorize(headers)?;
        let form = Form::read(headers, body)?;
        if form.get("token") != self.public_token {
            return Err(Refusal(StatusCode::FORBIDDEN, "token: unknown".to_owned()));
        }
        if !form.signed(&self.secret_token) {
            return Err(Refusal(StatusCode::FORBIDDEN, "signature: wrong".to_owned()));
        }
        let wanted = form.wanted(&self.context.rates)?;
        let mut state = self.state();
        let known = state.orders.iter().find(|order| order.tx_id == wanted.tx_id);
        let (payment, existing) = match known {
            Some(order) => (self.view(order), true),
            None => (self.open(&mut state, wanted), false),
        };
        Ok(ok(&Json::object([("payment", payment), ("existing", Json::Bool(existing))])))
    }

    fn open(&self, state: &mut State, wanted: Wanted) -> Json {
        if !wanted.callback_url.is_empty() {
            let target = Target::Url(wanted.callback_url.clone());
            self.context.webhooks.open(&wanted.callback_url, target, Some(RETRY));
        }
        let number = state.orders.len() + 1;
        let label = format!("promptcash/address/{number}");
        let order = Order {
            id: number,
            address: crate::address::cash::<20>("bitcoincash", &self.context.random, &label),
            tx_id: wanted.tx_id,
            fine: wanted.fine,
            fiat: wanted.fiat,
            currency: wanted.currency,
            description: wanted.description,
            return_url: wanted.return_url,
            callback_url: wanted.callback_url,
            confirm: wanted.confirm,
            created: self.context.clock.now(),
            minutes: wanted.minutes,
            txs: vec![],
            paid_at: None,
            expired: false,
            marked: None,
        };
        let view = self.view(&order);
        state.orders.push(order);
        self.context.wake.notify_one();
        view
    }
}

fn unauthorized() -> Refusal {
    Refusal(StatusCode::UNAUTHORIZED, "unauthorized".to_owned())
}

fn ok(body: &Json) -> Response {
    json_response(StatusCode::OK, body)
}

type Server = Extract<Arc<PromptCash>>;

async fn create(Extract(server): Server, headers: HeaderMap, body: Bytes) -> Result<Response, Refusal> {
    server.create(&headers, &body)
}

/// Any query is taken: `force=true` asks for the chain, which an emulator has at hand.
async fn read(
    Extract(server): Server,
    Path(tx_id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    server.authorize(&headers)?;
    let state = server.state();
    let order = state.orders.iter().find(|order| order.tx_id == tx_id);
    let order = order.ok_or_else(|| Refusal(StatusCode::NOT_FOUND, "payment not found".to_owned()))?;
    Ok(ok(&Json::object([("data", server.view(order))])))
}

/// One call of a callback address. The order is as it was then.
struct Callback {
    key: String,
    tx_id: String,
    order: Order,
    secret: String,
    context: Arc<Context>,
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callback").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Message for Callback {
    fn reference(&self) -> &str {
        &self.tx_id
    }

    fn key(&self) -> &str {
        &self.key
    }

    fn render(&self, _attempt: u32) -> Rendered {
        let faults = self.context.faults.get();
        let status = if faults.unknown_events { UNKNOWN } else { self.order.status() };
        let token = if faults.bad_signature { "of-somebody-else" } else { self.secret.as_str() };
        let payment = self.order.view(&self.context.base_url, status);
        let body = Json::object([("token", Json::text(token)), ("payment", payment)]);
        Rendered { id: self.key.clone(), headers: vec![], body: body.compact() }
    }
}

impl Emulator for PromptCash {
    fn name(&self) -> &'static str {
        NAME
    }

    fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/api/v1/create-payment", post(create))
            .route("/api/v1/get-payment/{tx_id}", get(read))
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

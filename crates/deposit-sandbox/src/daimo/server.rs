//! The server's state: the key, orders, webhook subscriptions, idempotency keys.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;

use super::NAME;
use super::chain;
use super::hooks::{self, RETRY, Subscription};
use super::order::{Generation, Happened, Order};
use super::payments::{Refusal, refuse};
use super::view;
use crate::control_error::{ControlError, json_response};
use crate::emulator::{Context, Emulator, PayRequest, PlayedPayment, ScenarioRequest, TruthOrder};
use crate::json::Json;

pub(super) struct State {
    pub(super) orders: Vec<Order>,
    pub(super) subscriptions: Vec<Subscription>,
    /// What was answered under an idempotency key, with the request that it was an answer to.
    pub(super) keys: BTreeMap<String, (Json, Json)>,
    /// How many events were told.
    pub(super) sent: u64,
    /// How many ids were given out.
    counter: u64,
}

impl fmt::Debug for State {
    /// Neither tokens nor clients' secrets, though they are invented ones.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("orders", &self.orders.len()).finish_non_exhaustive()
    }
}

/// The emulator of Daimo Pay. See the [module](super) for what its scenarios do.
#[derive(Debug)]
pub struct Daimo {
    pub(super) context: Arc<Context>,
    api_key: String,
    webhook_token: String,
    state: Mutex<State>,
    pub(super) this: Weak<Self>,
}

impl Daimo {
    pub(crate) fn new(context: Arc<Context>) -> Arc<Self> {
        let random = context.random.clone();
        let api_key = random.base58("daimo/key", 32);
        let webhook_token = random.base58("daimo/webhook-token", 32);
        let now = context.clock.now();
        let subscriptions =
            [(Generation::Payment, "payments"), (Generation::Session, "sessions")].map(|(it, name)| {
                let id = random.base58_bytes::<16>(&format!("daimo/webhook/{name}"));
                Subscription::of_gateways(id, it, webhook_token.clone(), now)
            });
        for subscription in &subscriptions {
            context.webhooks.open(&subscription.id, subscription.target.clone(), Some(RETRY));
        }
        let state = State {
            orders: vec![],
            subscriptions: subscriptions.to_vec(),
            keys: BTreeMap::new(),
            sent: 0,
            counter: 0,
        };
        Arc::new_cyclic(|this| Self {
            context,
            api_key,
            webhook_token,
            state: Mutex::new(state),
            this: this.clone(),
        })
    }

    /// The key of both generations.
    #[must_use]
    pub fn api_key(&self) -> &str {
        &self.api_key
    }

    /// The gateways' webhooks: the token of payments, the signing secret of sessions.
    #[must_use]
    pub fn webhook_token(&self) -> &str {
        &self.webhook_token
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> i64 {
        self.context.clock.now()
    }

    /// Whether statuses are to be words that no document lists.
    pub(super) fn unknown_words(&self) -> bool {
        self.context.faults.get().unknown_words
    }

    /// A label for the next id of a sort: the same for the same calls in the same order.
    pub(super) fn next_label(&self, state: &mut State, sort: &str) -> String {
        state.counter += 1;
        format!("daimo/{sort}/{}", state.counter)
    }

    /// Tells of what happened to an order. Call it with the state locked.
    pub(super) fn publish(&self, state: &mut State, index: usize, events: &[Happened]) {
        // An event shows the order as it was then, so each is told before the next thing happens.
        if let Some(order) = state.orders.get(index).cloned() {
            for happened in events {
                hooks::publish(self, state, &order, *happened);
            }
        }
        self.context.wake.notify_one();
    }

    /// `Api-Key: KEY`
    pub(super) fn payments_key(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        match headers.get("api-key").map(|value| value.as_bytes()) {
            Some(key) if key == self.api_key.as_bytes() => Ok(()),
            Some(_) => Err(refuse(StatusCode::UNAUTHORIZED, "Invalid API key")),
            None => Err(refuse(StatusCode::UNAUTHORIZED, "Missing API key")),
        }
    }

    /// `Authorization: Bearer KEY`; `false` where there is no such header.
    pub(super) fn sessions_key(&self, headers: &HeaderMap) -> Result<bool, Refusal> {
        let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(false) };
        let bearer = value.to_str().ok().and_then(|text| text.split_once(' '));
        let right =
            bearer.is_some_and(|(scheme, key)| scheme.eq_ignore_ascii_case("bearer") && key == self.api_key);
        if right { Ok(true) } else { Err(unauthorized().into()) }
    }
}

pub(super) fn unauthorized() -> Response {
    let body = view::session_error("authentication_error", "invalid_api_key", "Invalid API key", None);
    json_response(StatusCode::UNAUTHORIZED, &body)
}

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

//! The server's state: the key, orders, webhook subscriptions, idempotency keys.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use axum::http::StatusCode;
use axum::response::Response;

use super::order::{Generation, Order};
use super::subscription::{RETRY, Subscription};
use super::view;
use crate::control_error::json_response;
use crate::emulator::Context;
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
    pub(super) api_key: String,
    pub(super) webhook_token: String,
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
}

pub(super) fn unauthorized() -> Response {
    let body = view::session_error("authentication_error", "invalid_api_key", "Invalid API key", None);
    json_response(StatusCode::UNAUTHORIZED, &body)
}

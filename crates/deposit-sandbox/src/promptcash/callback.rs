//! Callbacks: what the service sends when an order changes.

use std::fmt;
use std::sync::Arc;

use super::order::Order;
use super::state::{PromptCash, State, UNKNOWN};
use crate::emulator::Context;
use crate::json::Json;
use crate::webhook::{Message, Rendered, RetryPolicy};

/// Whether a callback is repeated at all is not documented.
pub(super) const RETRY: RetryPolicy =
    RetryPolicy { waits: &[10, 60, 600], retries: |status| status.is_none_or(|s| s >= 500) };

/// The line of orders without a callback of their own.
pub(super) const GATEWAYS: &str = "gateways";

impl PromptCash {
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

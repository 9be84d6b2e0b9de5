//! The emulator and its HTTP surface.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::order::Order;
use crate::emulator::Context;
use crate::json::Json;
use crate::rates::Rates;

/// The word that no document lists.
pub(super) const UNKNOWN: &str = "FROBNICATED";

#[derive(Default)]
pub(super) struct State {
    pub(super) orders: Vec<Order>,
    /// How many callbacks there were.
    pub(super) calls: usize,
}

/// The emulator of Prompt.Cash. See the [module](super) for what its scenarios do.
pub struct PromptCash {
    pub(super) context: Arc<Context>,
    pub(super) public_token: String,
    pub(super) secret_token: String,
    pub(super) state: Mutex<State>,
}

impl fmt::Debug for PromptCash {
    /// Without the secret, though it is an invented one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PromptCash").field("public_token", &self.public_token).finish_non_exhaustive()
    }
}

impl PromptCash {
    /// The rates of the sandbox: what this service makes its figures from.
    #[must_use]
    pub fn rates(&self) -> &Rates {
        &self.context.rates
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    pub(super) fn view(&self, order: &Order) -> Json {
        let unknown = self.context.faults.get().unknown_words;
        order.view(&self.context.base_url, if unknown { UNKNOWN } else { order.status() })
    }
}

//! The node's state, and its place in the sandbox.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::{HeaderMap, header};
use tokio::sync::broadcast;

use super::blocks::Dialect;
use super::codec;
use super::codec::{Id, Signer};
use super::ledger::{GENESIS_KEY, Ledger};
use super::notice::Notice;
use crate::emulator::Context;

/// A payment to somebody, by its send block, which may be gone since.
#[derive(Debug, Clone, Copy)]
pub(super) struct Payment {
    pub(super) to: Id,
    pub(super) hash: Id,
    pub(super) raw: u128,
    pub(super) seen_at: i64,
}

pub(super) struct State {
    pub(super) ledger: Ledger,
    pub(super) payments: Vec<Payment>,
    /// Payers that there were: each payment has its own.
    pub(super) payers: u64,
    pub(super) dialect: Dialect,
    pub(super) control: bool,
    /// Actions that a proxy before the node lets nobody ask for.
    pub(super) forbidden: Vec<String>,
}

/// The emulator of a Nano node. See the [module](super).
pub struct Nano {
    pub(super) context: Arc<Context>,
    pub(super) notices: broadcast::Sender<Notice>,
    pub(super) authorization: String,
    pub(super) callback_token: String,
    pub(super) seed: String,
    pub(super) representative: String,
    pub(super) state: Mutex<State>,
}

impl fmt::Debug for Nano {
    /// Neither seed nor token, though they are invented ones.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nano").field("payments", &self.state().payments.len()).finish_non_exhaustive()
    }
}

impl Nano {
    /// From now on answers are written so.
    pub fn speak(&self, dialect: Dialect) {
        self.state().dialect = dialect;
    }

    /// Whether `work_generate` does something (`enable_control` of a node).
    pub fn allow_control(&self, allowed: bool) {
        self.state().control = allowed;
    }

    /// From now on nobody may ask for this action.
    pub fn forbid(&self, action: &str) {
        self.state().forbidden.push(action.to_owned());
    }

    /// Drops every websocket without a close frame.
    pub fn cut_sockets(&self) {
        // Nobody may be listening.
        _ = self.notices.send(Notice::Cut);
    }

    /// How many blocks the chain of an address has, and its balance in raw.
    #[must_use]
    pub fn chain_of(&self, address: &str) -> Option<(u64, u128)> {
        let state = self.state();
        let head = state.ledger.head(&codec::key_of(address)?)?;
        Some((head.height, head.given.balance))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> i64 {
        self.context.clock.now()
    }

    pub(super) fn genesis() -> Signer {
        Signer::new(&codec::id_of(GENESIS_KEY).unwrap_or_default())
    }

    /// The proxy's check.
    pub(super) fn lets_in(&self, headers: &HeaderMap) -> bool {
        headers
            .get(header::AUTHORIZATION)
            .is_some_and(|value| value.as_bytes() == self.authorization.as_bytes())
    }
}

//! The node's state, and its place in the sandbox.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use tokio::sync::broadcast;

use super::NAME;
use super::codec::{self, Id, Signer};
use super::hooks;
use super::ledger::{GENESIS_KEY, Ledger};
use super::socket::Notice;
use crate::control_error::ControlError;
use crate::emulator::{Context, Emulator, PayRequest, PlayedPayment, ScenarioRequest, TruthOrder};

/// Whose habits the node has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dialect {
    /// The C++ node.
    #[default]
    Cpp,
    /// RsNano.
    RsNano,
}

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
    authorization: String,
    callback_token: String,
    seed: String,
    representative: String,
    state: Mutex<State>,
}

impl fmt::Debug for Nano {
    /// Neither seed nor token, though they are invented ones.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nano").field("payments", &self.state().payments.len()).finish_non_exhaustive()
    }
}

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

    /// The signed and worked state block, as the JSON of `process`, with which the owner of this private key (hexadecimal) takes in a send
    /// that waits. For whoever plays a wallet.
    #[must_use]
    pub fn receive_block(&self, private_key: &str, send: &str) -> Option<String> {
        let signer = Signer::new(&codec::id_of(private_key)?);
        let state = self.state();
        let send = state.ledger.block(&codec::id_of(send)?)?;
        let balance = state.ledger.balance(&signer.key()).checked_add(send.amount)?;
        let given = super::ledger::build(&state.ledger, &signer, balance, send.hash);
        Some(super::rpc::given_json(&given, Dialect::Cpp).compact())
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

    /// Cements a block with all that it stands on, and tells of it. Call it with the state locked, so that notices keep their order.
    pub(super) fn cement(&self, state: &mut State, hash: &Id) {
        for hash in state.ledger.confirm(hash) {
            self.tell(state, &hash);
        }
    }

    /// Tells of a cemented block, by socket and callback.
    pub(super) fn tell(&self, state: &State, hash: &Id) {
        let Some(block) = state.ledger.block(hash) else { return };
        let faults = self.context.faults.get();
        hooks::send(self, state.dialect, block, &faults);
        _ = self.notices.send(Notice::confirmed(block, self.now(), &faults));
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

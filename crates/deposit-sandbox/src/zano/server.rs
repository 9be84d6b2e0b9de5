//! The wallet's and the daemon's state, and their HTTP surface.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;

use super::auth::Salts;
use super::chain::{Chain, Move, Spend};
use super::reply::{Call, Refusal};
use super::{FALSE_FUSD_ID, FUSD_ID, NAME, ZANO_ID, address, daemon, play, wallet};
use crate::control_error::ControlError;
use crate::emulator::{Context, Emulator, PayRequest, PlayedPayment, ScenarioRequest, TruthOrder};
use crate::json::Json;

/// Behind the hard fork that brought payment ids into the outputs.
const START_HEIGHT: u64 = 3_900_000;
const TOKEN: &str = "zano-access-token";

/// What the chain says of an asset.
#[derive(Debug, Clone)]
pub(super) struct AssetFacts {
    pub(super) id: String,
    ticker: &'static str,
    full_name: &'static str,
    decimals: u8,
}

impl AssetFacts {
    pub(super) fn json(&self) -> Json {
        Json::object([
            ("asset_id", Json::text(&self.id)),
            ("ticker", Json::text(self.ticker)),
            ("full_name", Json::text(self.full_name)),
            ("decimal_point", Json::int(self.decimals)),
            ("hidden_supply", Json::Bool(false)),
            ("meta_info", Json::text("")),
        ])
    }
}

pub(super) struct State {
    pub(super) keys: [u8; 64],
    pub(super) chain: Chain,
    pub(super) assets: Vec<AssetFacts>,
    pub(super) whitelist: Vec<String>,
    /// Payment ids that an address was asked for, in order.
    pub(super) orders: Vec<String>,
    pub(super) deprecated_calls: Vec<String>,
    /// Payment ids are told in upper case.
    pub(super) shouting: bool,
    /// The history is told empty.
    pub(super) blank: bool,
    /// The present time.
    pub(super) now: i64,
    drawn: Vec<String>,
    salts: Salts,
}

impl State {
    /// A payment id of the wallet's own choice.
    pub(super) fn draw_id(&mut self) -> String {
        self.drawn.pop().unwrap_or_else(|| "f000000000000001".to_owned())
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("orders", &self.orders.len()).finish_non_exhaustive()
    }
}

/// The emulator of a Zano wallet and its daemon. See the [module](super) for what its scenarios do.
#[derive(Debug)]
pub struct Zano {
    pub(super) context: Arc<Context>,
    jwt_secret: String,
    state: Mutex<State>,
}

impl Zano {
    pub(crate) fn new(context: Arc<Context>) -> Arc<Self> {
        let random = &context.random;
        let asset = |id: &str, ticker, full_name, decimals| AssetFacts {
            id: id.to_owned(),
            ticker,
            full_name,
            decimals,
        };
        let state = State {
            keys: random.bytes::<64>("zano/keys"),
            chain: Chain::new(START_HEIGHT, context.clock.now()),
            assets: vec![
                asset(ZANO_ID, "ZANO", "Zano", 12),
                asset(FUSD_ID, "fUSD", "Freedom Dollar", 4),
                asset(FALSE_FUSD_ID, "fUSD", "Freedom Dollar", 12),
            ],
            whitelist: vec![ZANO_ID.to_owned()],
            orders: Vec::new(),
            deprecated_calls: Vec::new(),
            shouting: false,
            blank: false,
            now: context.clock.now(),
            drawn: (0..100).map(|n| random.hex::<8>(&format!("zano/drawn/{n}"))).collect(),
            salts: Salts::default(),
        };
        let jwt_secret = random.hex::<32>("zano/jwt-secret");
        Arc::new(Self { context, jwt_secret, state: Mutex::new(state) })
    }

    /// The wallet's `--jwt-secret`.
    #[must_use]
    pub fn jwt_secret(&self) -> &str {
        &self.jwt_secret
    }

    /// The wallet's own address.
    #[must_use]
    pub fn address(&self) -> String {
        address::standard(&self.state().keys)
    }

    /// A transaction with these lines, in the pool; answers its hash. `unlock_time` above 0 locks it.
    pub fn send(&self, spends: &[Spend], unlock_time: u64) -> String {
        play::send(self, &mut self.state(), spends.to_vec(), unlock_time, false)
    }

    /// A block with a coinbase transaction of this wallet.
    pub fn stake(&self, amount: u64) -> String {
        let mut state = self.state();
        let spend = Spend { payment_id: String::new(), asset_id: ZANO_ID.to_owned(), amount, income: true };
        let hash = play::send(self, &mut state, vec![spend], 0, true);
        state.chain.shift(&[&hash], Move::Mine, self.context.clock.now());
        hash
    }

    /// Moves transactions; mined ones go into one new block. `false`: one of them is unknown or cannot be moved so.
    pub fn shift(&self, hashes: &[&str], to: Move) -> bool {
        self.state().chain.shift(hashes, to, self.context.clock.now())
    }

    /// Empty blocks on top.
    pub fn mine(&self, blocks: u64) {
        self.state().chain.blocks(blocks);
    }

    /// The daemon's top block.
    #[must_use]
    pub fn height(&self) -> u64 {
        self.state().chain.height
    }

    /// The wallet stays at its height while the daemon goes on, or follows again.
    pub fn stick(&self, stuck: bool) {
        let mut state = self.state();
        state.chain.stuck = stuck.then_some(state.chain.height);
    }

    /// The wallet stands at this block, as one that is read anew.
    pub fn stick_at(&self, height: u64) {
        self.state().chain.stuck = Some(height);
    }

    /// Another wallet file takes this one's place: other addresses, and none of its transactions.
    pub fn replace_wallet(&self) {
        let mut state = self.state();
        state.keys = self.context.random.bytes::<64>("zano/other-keys");
        state.chain.transactions.clear();
    }

    /// Payment ids are told in upper case.
    pub fn shout(&self, shouting: bool) {
        self.state().shouting = shouting;
    }

    /// The wallet tells an empty history, at the height that it has.
    pub fn blank(&self, blank: bool) {
        self.state().blank = blank;
    }

    /// The chain says that an asset has so many decimals.
    pub fn set_decimals(&self, asset_id: &str, decimals: u8) {
        for asset in self.state().assets.iter_mut().filter(|asset| asset.id == asset_id) {
            asset.decimals = decimals;
        }
    }

    /// Deprecated methods that somebody called.
    #[must_use]
    pub fn deprecated_calls(&self) -> Vec<String> {
        self.state().deprecated_calls.clone()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.now = self.context.clock.now();
        let now = state.now;
        state.chain.grow(now);
        state
    }
}

async fn wallet_rpc(Shared(zano): Shared<Arc<Zano>>, headers: HeaderMap, body: Bytes) -> Response {
    let mut state = zano.state();
    let token = headers.get(TOKEN).and_then(|value| value.to_str().ok());
    if !state.salts.admit(&zano.jwt_secret, token, &body, zano.context.clock.wall()) {
        return zano.unauthorized();
    }
    let call = match Call::read(&body) {
        Ok(call) => call,
        Err(refused) => return *refused,
    };
    if zano.context.faults.get().not_synchronized {
        return call.answer(Err(Refusal::BUSY));
    }
    if call.method == "proxy_to_daemon" {
        drop(state);
        return call.answer(proxied(&zano, &call));
    }
    call.answer(wallet::call(&mut state, &call.method, &call.params))
}

async fn daemon_rpc(Shared(zano): Shared<Arc<Zano>>, body: Bytes) -> Response {
    match Call::read(&body) {
        Ok(call) => call.answer(daemon_answer(&zano, &call)),
        Err(refused) => *refused,
    }
}

fn daemon_answer(zano: &Zano, call: &Call) -> Result<Json, Refusal> {
    let synchronized = !zano.context.faults.get().not_synchronized;
    daemon::call(&zano.state(), &call.method, &call.params, synchronized)
}

/// `proxy_to_daemon`: a request to the daemon in base64, its answer likewise.
fn proxied(zano: &Zano, call: &Call) -> Result<Json, Refusal> {
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::STANDARD;
    let body = base64.decode(call.params.text("base64_body")?).map_err(|_| Refusal::WRONG_ARGUMENT)?;
    let answered = |code: u16, body: String| {
        Json::object([("base64_body", Json::Text(base64.encode(body))), ("response_code", Json::int(code))])
    };
    if call.params.text("uri")? != "/json_rpc" {
        return Ok(answered(404, String::new()));
    }
    let inner = Call::read(&body).map_err(|_| Refusal::WRONG_ARGUMENT)?;
    let result = daemon_answer(zano, &inner)?;
    Ok(answered(200, Json::object([("jsonrpc", Json::text("2.0")), ("result", result)]).compact()))
}

impl Emulator for Zano {
    fn name(&self) -> &'static str {
        NAME
    }

    fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/json_rpc", post(wallet_rpc))
            .route("/daemon/json_rpc", post(daemon_rpc))
            .fallback(|| async { StatusCode::NOT_FOUND })
            .with_state(self)
    }

    fn server_error(&self) -> Response {
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }

    fn unauthorized(&self) -> Response {
        StatusCode::UNAUTHORIZED.into_response()
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let base = &self.context.base_url;
        vec![
            ("wallet_url", format!("{base}/json_rpc")),
            ("jwt_secret", self.jwt_secret.clone()),
            ("daemon_url", format!("{base}/daemon/json_rpc")),
            ("fusd_asset_id", FUSD_ID.to_owned()),
        ]
    }

    fn pay(&self, request: &PayRequest) -> Result<String, ControlError> {
        play::pay(self, request)
    }

    fn scenario(&self, request: &ScenarioRequest) -> Result<Vec<PlayedPayment>, ControlError> {
        play::scenario(self, request)
    }

    fn redeliver(&self, reference: &str) -> Result<usize, ControlError> {
        play::known(self, reference).map(|()| 0)
    }

    fn truth(&self) -> Vec<TruthOrder> {
        play::truth(self)
    }

    fn tick(&self) -> Option<i64> {
        Some(self.state().chain.next_block())
    }
}

//! The wallet's and the daemon's state, and their HTTP surface.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::auth::Salts;
use super::chain::{Chain, Move};
use super::{FALSE_FUSD_ID, FUSD_ID, ZANO_ID, address};
use crate::emulator::Context;
use crate::json::Json;

/// Behind the hard fork that brought payment ids into the outputs.
const START_HEIGHT: u64 = 3_900_000;

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
    pub(super) salts: Salts,
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
    pub(super) jwt_secret: String,
    pub(super) state: Mutex<State>,
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

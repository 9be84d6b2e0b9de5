//! The server's state: its key, its orders, how many requests it took.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::currency::{Currency, nano_account};
use super::figures::limit;
use super::order::{Order, Status};
use crate::control_error::json_response;
use crate::emulator::Context;
use crate::json::Json;

/// Requests in a window.
const REQUESTS: u32 = 180;
/// Seconds of a window.
const WINDOW: i64 = 60;
/// The smallest and the largest amount, in hundredths of a dollar.
const LEAST: u32 = 2;
const MOST: u32 = 300_000;

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) orders: Vec<Order>,
    limits: Vec<(String, String, String)>,
    window_ends: i64,
    requests: u32,
    refused: u32,
}

/// Where the rate limit stands after a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct RateLimit {
    pub(super) limit: u32,
    pub(super) remaining: u32,
    pub(super) reset: i64,
    pub(super) over: bool,
}

/// The emulator of Nanswap. See the [module](super) for what its scenarios do.
pub struct Nanswap {
    pub(super) context: Arc<Context>,
    pub(super) api_key: String,
    pub(super) settle_address: String,
    pub(super) invitation: String,
    state: Mutex<State>,
}

/// An error: status and text.
pub(super) type Refusal = (StatusCode, String);

pub(super) fn refused(text: impl Into<String>) -> Refusal {
    (StatusCode::BAD_REQUEST, text.into())
}

pub(super) fn error_response((status, text): Refusal) -> Response {
    json_response(status, &Json::object([("error", Json::text(text))]))
}

impl Nanswap {
    pub(crate) fn new(context: Arc<Context>) -> Arc<Self> {
        let random = context.random.clone();
        let key = random.hex::<16>("nanswap/key");
        let part = |from, to| key.get(from..to).unwrap_or_default();
        let api_key =
            format!("{}-{}-4{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32));
        Arc::new(Self {
            api_key,
            settle_address: nano_account("nano", &random, "nanswap/settle"),
            invitation: random.hex::<6>("nanswap/invitation"),
            state: Mutex::default(),
            context,
        })
    }

    /// The limits of a pair from now on, in the first currency: `("BAN", "1", "250")`.
    pub fn set_limits(&self, from: &str, min: &str, max: &str) {
        let mut state = self.state();
        state.limits.retain(|(key, _, _)| key != from);
        state.limits.push((from.to_owned(), min.to_owned(), max.to_owned()));
    }

    /// What was seen is being paid out: `sending`, before `pay` confirms it. `false` unless the order is `exchanging`.
    pub fn send_out(&self, order: &str) -> bool {
        let random = self.context.random.clone();
        let mut state = self.state();
        let found = state.orders.iter_mut().find(|o| o.id == order && o.status == Status::Exchanging);
        let Some(order) = found else { return false };
        order.status = Status::Sending;
        order.payout_hash = Some(order.to.hash(&random, &format!("nanswap/payout/{}", order.id)));
        true
    }

    /// How many requests were refused for their number.
    #[must_use]
    pub fn over_limit(&self) -> u32 {
        self.state().refused
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> i64 {
        self.context.clock.now()
    }

    /// Counts a request.
    pub(super) fn count(&self) -> RateLimit {
        let now = self.now();
        let mut state = self.state();
        if now >= state.window_ends {
            (state.window_ends, state.requests) = (now + WINDOW, 0);
        }
        let over = state.requests >= REQUESTS;
        if over {
            state.refused += 1;
        } else {
            state.requests += 1;
        }
        let remaining = REQUESTS - state.requests;
        RateLimit { limit: REQUESTS, remaining, reset: state.window_ends - now, over }
    }

    pub(super) fn authorize(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        match headers.get("nanswap-api-key").and_then(|v| v.to_str().ok()) {
            None => Err((StatusCode::UNAUTHORIZED, no_key().to_owned())),
            Some(key) if key == self.api_key => Ok(()),
            Some(_) => Err((StatusCode::UNAUTHORIZED, "Invalid API key".to_owned())),
        }
    }

    /// A currency that is listed now.
    pub(super) fn currency(&self, key: &str) -> Option<&'static Currency> {
        let missing = self.context.faults.get().omit_methods.iter().any(|m| m == key);
        Currency::by_key(key).filter(|_| !missing)
    }

    /// Smallest and largest amount, as they are written.
    pub(super) fn limits(&self, from: &Currency) -> Result<(String, String), Refusal> {
        let set = self.state().limits.iter().find(|(key, _, _)| key == from.key).cloned();
        let rates = &self.context.rates;
        let known = set.map(|(_, min, max)| (min, max));
        known
            .or_else(|| Some((limit(rates, from, LEAST)?, limit(rates, from, MOST)?)))
            .ok_or_else(|| refused("This pair is not available now"))
    }

    /// The order's word, and where it says that it pays out: faults change both.
    pub(super) fn shown<'a>(&self, order: &'a Order) -> (&'static str, std::borrow::Cow<'a, str>) {
        let faults = self.context.faults.get();
        let unknown = faults.unknown_words || faults.unknown_order_words;
        let word = if unknown { "reconciling" } else { order.status.word() };
        let payout = if faults.wrong_payout {
            nano_account("nano", &self.context.random, "nanswap/elsewhere").into()
        } else {
            order.payout_address.as_str().into()
        };
        (word, payout)
    }
}

pub(super) fn no_key() -> &'static str {
    "Please put your API key in the nanswap-api-key header"
}

impl fmt::Debug for Nanswap {
    /// Not the key, though it is an invented one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nanswap").field("orders", &self.state().orders.len()).finish_non_exhaustive()
    }
}

//! The account's state: keys, sessions, events, webhook endpoints, kept answers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use axum::http::{HeaderMap, header};

use super::event;
use super::event::{Endpoint, Event};
use super::form::Pair;
use super::model::Session;
use super::view::View;
use crate::emulator::Context;
use crate::faults::Faults;

/// How long an answer is kept under its idempotency key.
const KEY_LIFE: i64 = 86_400;

/// An answer that is given again under its key.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) at: i64,
    /// Method, path and sorted pairs: what has to be the same.
    pub(super) call: (String, String, Vec<Pair>),
    pub(super) request_id: String,
    pub(super) status: u16,
    pub(super) body: String,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) sessions: Vec<Session>,
    pub(super) endpoints: Vec<Endpoint>,
    /// Everything that happened, oldest first.
    pub(super) events: Vec<Arc<Event>>,
    /// Kinds of events that the list does not show yet.
    pub(super) withheld: Vec<String>,
    /// The account may not take cards.
    pub(super) charges_off: bool,
    kept: BTreeMap<String, Kept>,
    held: BTreeSet<String>,
    counters: BTreeMap<&'static str, u64>,
}

impl fmt::Debug for State {
    /// No webhook secret, though they are invented ones.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("sessions", &self.sessions.len()).finish_non_exhaustive()
    }
}

impl State {
    /// The number of the next object of a sort.
    pub(super) fn count(&mut self, sort: &'static str) -> u64 {
        let counter = self.counters.entry(sort).or_default();
        *counter += 1;
        *counter
    }

    pub(super) fn is_held(&self, key: &str) -> bool {
        self.held.contains(key)
    }

    pub(super) fn kept(&mut self, key: &str, now: i64) -> Option<Kept> {
        self.kept.retain(|_, kept| now - kept.at < KEY_LIFE);
        self.kept.get(key).cloned()
    }

    pub(super) fn keep(&mut self, key: String, kept: Kept) {
        self.kept.insert(key, kept);
    }

    pub(super) fn session(&self, id: &str) -> Option<&Session> {
        self.sessions.iter().find(|session| session.id == id)
    }
}

/// The emulator of Stripe. See the [module](super) for what its scenarios do.
#[derive(Debug)]
pub struct Stripe {
    pub(super) context: Arc<Context>,
    pub(super) secret_key: String,
    pub(super) webhook_secret: String,
    state: Mutex<State>,
    pub(super) this: Weak<Self>,
}

impl Stripe {
    pub(crate) fn new(context: Arc<Context>) -> Arc<Self> {
        let random = &context.random;
        let secret_key = format!("sk_test_51{}", random.base58("stripe/key", 40));
        let webhook_secret = format!("whsec_{}", random.base58("stripe/webhook-secret", 32));
        let endpoint = Endpoint::of_gateways(webhook_secret.clone());
        event::open(&context.webhooks, &endpoint);
        let state = State { endpoints: vec![endpoint], ..State::default() };
        Arc::new_cyclic(|this| Self {
            secret_key,
            webhook_secret,
            state: Mutex::new(state),
            this: this.clone(),
            context,
        })
    }

    /// The configured key.
    #[must_use]
    pub fn secret_key(&self) -> &str {
        &self.secret_key
    }

    /// The secret of the gateways' endpoint.
    #[must_use]
    pub fn webhook_secret(&self) -> &str {
        &self.webhook_secret
    }

    /// From now on requests with this idempotency key meet one that is still running (409), until it is released.
    pub fn hold_key(&self, key: &str, held: bool) {
        let mut state = self.state();
        if held {
            state.held.insert(key.to_owned());
        } else {
            state.held.remove(key);
        }
    }

    /// Events of these kinds are not listed until this is called without them: then they stand in their place, behind younger ones.
    pub fn withhold_events(&self, kinds: &[&str]) {
        self.state().withheld = kinds.iter().map(|kind| (*kind).to_owned()).collect();
    }

    /// An endpoint that was made earlier, for all events, with a secret that is known.
    pub fn add_endpoint(&self, url: &str, secret: &str) {
        let mut state = self.state();
        let id = self.id(&mut state, "endpoint", "we_1", 23);
        let endpoint = Endpoint::to(id, url.to_owned(), secret.to_owned(), vec!["*".to_owned()]);
        event::open(&self.context.webhooks, &endpoint);
        state.endpoints.push(endpoint);
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> i64 {
        self.context.clock.now()
    }

    pub(super) fn faults(&self) -> Arc<Faults> {
        self.context.faults.get()
    }

    pub(super) fn view<'a>(&'a self, faults: &'a Faults) -> View<'a> {
        View { base_url: &self.context.base_url, faults }
    }

    /// The next id of a sort: `prefix` and so many characters.
    pub(super) fn id(&self, state: &mut State, sort: &'static str, prefix: &str, length: usize) -> String {
        let label = format!("stripe/{sort}/{}", state.count(sort));
        format!("{prefix}{}", self.context.random.base58(&label, length))
    }

    /// Bearer, or Basic with the key as the user's name and an empty password.
    pub(super) fn knows(&self, headers: &HeaderMap) -> bool {
        let Some((scheme, given)) = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
        else {
            return false;
        };
        match scheme.to_ascii_lowercase().as_str() {
            "bearer" => given.trim() == self.secret_key,
            "basic" => base64_text(given.trim()) == Some(format!("{}:", self.secret_key)),
            _ => false,
        }
    }
}

/// Standard Base64 with padding: all that Basic needs.
fn base64_text(text: &str) -> Option<String> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut count, mut bytes) = (0_u32, 0_u32, Vec::new());
    for byte in text.trim_end_matches('=').bytes() {
        let value = ALPHABET.iter().position(|known| *known == byte)?;
        bits = (bits << 6) | u32::try_from(value).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).ok()?);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64() {
        assert_eq!(base64_text("c2tfdGVzdF8xOg==").as_deref(), Some("sk_test_1:"));
        assert_eq!(base64_text("c2tf!"), None);
    }
}

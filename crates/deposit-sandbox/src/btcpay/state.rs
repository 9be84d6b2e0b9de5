//! The server's state: keys, invoices, webhook subscriptions.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use axum::http::{HeaderMap, header};

use super::create::StoreSettings;
use super::error::Refusal;
use super::fee_mode::FeeMode;
use super::invoice::Invoice;
use super::subscription;
use super::subscription::Subscription;
use super::view::Setting;
use crate::emulator::Context;
use crate::faults::Faults;
use crate::json::Json;

/// What the configured key may do, in the store's scope.
pub const STORE_PERMISSIONS: &[&str] = &[
    "btcpay.store.cancreateinvoice",
    "btcpay.store.canviewinvoices",
    "btcpay.store.canmodifyinvoices",
    "btcpay.store.canviewstoresettings",
    "btcpay.store.canviewwallet",
    "btcpay.store.webhooks.canmodifywebhooks",
];

#[derive(Debug)]
pub(super) struct Key {
    pub(super) token: String,
    pub(super) permissions: Vec<String>,
}

impl Key {
    /// Each right may be limited to a store, and some contain others.
    fn grants(&self, needed: &str, store: &str) -> bool {
        let containing: &[&str] = match needed {
            "btcpay.store.canviewinvoices" => {
                &["btcpay.store.canmodifyinvoices", "btcpay.store.canviewstoresettings"]
            }
            "btcpay.store.cancreateinvoice" | "btcpay.store.canmanageinvoicestatus" => {
                &["btcpay.store.canmodifyinvoices"]
            }
            _ => &[],
        };
        self.permissions.iter().any(|granted| {
            let (right, scope) = granted.split_once(':').unwrap_or((granted, store));
            scope == store && (right == needed || right == "unrestricted" || containing.contains(&right))
        })
    }
}

/// One event for one subscription.
#[derive(Debug)]
pub(super) struct Hook {
    /// The id of its first delivery.
    pub(super) original: String,
    pub(super) subscription: String,
    pub(super) kind: &'static str,
    pub(super) invoice: String,
    pub(super) extra: Vec<(String, Json)>,
    pub(super) timestamp: i64,
    pub(super) server: Weak<BtcPay>,
}

pub(super) struct State {
    pub(super) keys: Vec<Key>,
    /// What the store's settings say of network fees.
    pub(super) fee_mode: FeeMode,
    /// Payment methods that the store has switched off.
    pub(super) methods_off: Vec<String>,
    /// What the Monero plugin's settings say of confirmations.
    pub(super) xmr_threshold: Option<i64>,
    pub(super) invoices: Vec<Invoice>,
    pub(super) subscriptions: Vec<Subscription>,
    /// Everything sent to a subscription, for its list of deliveries.
    pub(super) sent: Vec<Arc<Hook>>,
    /// Outputs of the wallet that were spent.
    pub(super) spent: Vec<String>,
    /// How many ids were given out, of invoices, keys and subscriptions.
    counter: u64,
}

impl State {
    pub(super) fn settings(&self) -> StoreSettings {
        StoreSettings {
            fee_mode: self.fee_mode,
            xmr_threshold: self.xmr_threshold,
            methods_off: self.methods_off.clone(),
        }
    }
}

impl fmt::Debug for State {
    /// Neither keys nor webhook secrets, though they are invented ones.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("invoices", &self.invoices.len()).finish_non_exhaustive()
    }
}

/// The emulator of BTCPay Server. See the [module](super) for what its scenarios do.
#[derive(Debug)]
pub struct BtcPay {
    pub(super) context: Arc<Context>,
    pub(super) store_id: String,
    pub(super) api_key: String,
    pub(super) webhook_secret: String,
    pub(super) state: Mutex<State>,
    pub(super) this: Weak<Self>,
}

impl BtcPay {
    pub(crate) fn new(context: Arc<Context>) -> Arc<Self> {
        let random = context.random.clone();
        let store_id = random.base58("btcpay/store", 44);
        let api_key = random.hex::<20>("btcpay/key");
        let webhook_secret = random.base58("btcpay/webhook-secret", 28);
        let scoped = STORE_PERMISSIONS.iter().map(|p| format!("{p}:{store_id}")).collect();
        let keys = vec![Key { token: api_key.clone(), permissions: scoped }];
        let subscription = Subscription::of_gateways(
            random.base58_bytes::<16>("btcpay/webhook/gateways"),
            webhook_secret.clone(),
        );
        subscription::open(&context.webhooks, &subscription);
        let state = State {
            keys,
            fee_mode: FeeMode::Never,
            methods_off: vec![],
            xmr_threshold: None,
            invoices: vec![],
            subscriptions: vec![subscription],
            sent: vec![],
            spent: vec![],
            counter: 0,
        };
        Arc::new_cyclic(|this| Self {
            context,
            store_id,
            api_key,
            webhook_secret,
            state: Mutex::new(state),
            this: this.clone(),
        })
    }

    /// One more API key. A permission may be limited to a store: `btcpay.store.canviewinvoices:STORE`.
    #[must_use]
    pub fn add_key(&self, permissions: &[&str]) -> String {
        let token = self.context.random.hex::<20>(&self.next_label("key"));
        let permissions = permissions.iter().map(|p| (*p).to_owned()).collect();
        self.state().keys.push(Key { token: token.clone(), permissions });
        token
    }

    /// The store's id.
    #[must_use]
    pub fn store_id(&self) -> &str {
        &self.store_id
    }

    /// The configured key, with [`STORE_PERMISSIONS`].
    #[must_use]
    pub fn api_key(&self) -> &str {
        &self.api_key
    }

    /// The secret of the gateways' webhook.
    #[must_use]
    pub fn webhook_secret(&self) -> &str {
        &self.webhook_secret
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

    pub(super) fn setting<'a>(&'a self, faults: &'a Faults) -> Setting<'a> {
        Setting { base_url: &self.context.base_url, store_id: &self.store_id, faults }
    }

    /// A label for the next id of a sort: the same for the same calls in the same order.
    pub(super) fn next_label(&self, sort: &str) -> String {
        let mut state = self.state();
        state.counter += 1;
        format!("btcpay/{sort}/{}", state.counter)
    }

    /// 401 and 403, in that order. `store`: the one that the path names or the object is of; `None` where it
    /// cannot be told, which the server treats as a store out of scope.
    pub(super) fn allow(
        &self,
        headers: &HeaderMap,
        needed: &str,
        store: Option<&str>,
    ) -> Result<(), Refusal> {
        let state = self.state();
        let key = key_of(&state, headers).ok_or_else(|| unknown(headers))?;
        match store {
            Some(store) if store == self.store_id && key.grants(needed, store) => Ok(()),
            _ => Err(Refusal::missing_permission(needed)),
        }
    }

    /// 401 alone.
    pub(super) fn known(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        key_of(&self.state(), headers).map(|_| ()).ok_or_else(|| unknown(headers))
    }
}

/// No key, or one that nobody has.
pub(super) fn unknown(headers: &HeaderMap) -> Refusal {
    if headers.contains_key(header::AUTHORIZATION) {
        Refusal::unknown_key()
    } else {
        Refusal::unauthenticated()
    }
}

/// `token KEY` or `Bearer KEY`; the scheme word ignores case.
pub(super) fn key_of<'a>(state: &'a State, headers: &HeaderMap) -> Option<&'a Key> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("token") && !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    state.keys.iter().find(|key| key.token == token.trim())
}

#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod background;
mod bounds;
mod budget;
mod check;
mod clock;
mod config;
mod create;
mod deliveries;
mod error;
mod follow;
mod health;
pub mod keys;
mod observe;
mod polling;
mod prices;
mod pricing;
mod probe;
mod public;
mod query;
mod random;
mod readiness;
mod reading;
mod receive;
mod reconcile;
mod refused;
mod replay;
mod review;
mod scan;
mod scanning;
mod supervise;
mod told;
mod trouble;
mod unmatched;
mod view;

pub use background::Running;
pub use check::{ProviderCheck, check_providers};
pub use clock::{Clock, ManualClock, SystemClock};
pub use config::EngineConfig;
pub use create::{AmountInput, CreateOutcome, CreateRequest};
pub use error::{CreateError, DeliveryError, EngineError, LimitsError, ReceiveError, Refusal};
pub use follow::{Follower, State};
pub use health::{Call, ProviderTrouble, Trouble};
pub use observe::Observation;
pub use polling::WatchBacklog;
pub use prices::FiatPrice;
pub use query::{Balances, Caller, LimitsView};
pub use readiness::Readiness;
pub use receive::Receipt;
pub use reconcile::{
    Difference, DifferenceKind, ReconcileOptions, Reconciliation, RepairAction, RepairStep, Repaired,
};
pub use refused::RefusedDelivery;
pub use replay::{RETRIED_OUTCOMES, Replayed};
pub use review::{NoValue, Valued};
pub use supervise::TaskState;
pub use view::{DepositView, PaymentView};

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use bounds::Bounds;
use deposit_core::{CheckContext, DepositId, ProviderId, Ticker, Timestamp};
use deposit_facade::Registry;
use deposit_rates::Rates;
use deposit_store::Store;
use follow::Bells;
use health::Health;
use scan::{ScanTurn, Standing, Takings};
use supervise::Tasks;
use tokio::sync::{Notify, broadcast};
use told::Told;

/// A committed change of a deposit's public object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The deposit.
    pub id: DepositId,
    /// Its newest history row.
    pub n: u64,
}

/// The use cases over a store, a registry of providers and rates. Cheap to clone; all clones are one engine.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    store: Arc<dyn Store>,
    registry: Registry,
    rates: Arc<Rates>,
    config: EngineConfig,
    clock: Arc<dyn Clock>,
    changes: broadcast::Sender<Change>,
    /// One for each deposit that is being followed.
    bells: Arc<Bells>,
    /// Wakes the journal worker when a delivery was stored.
    delivered: Notify,
    /// Providers that failed a moment ago: known to be down, see `create`.
    down_until: Mutex<BTreeMap<ProviderId, Timestamp>>,
    /// How each provider fares, by kind of call.
    health: Health,
    /// How the background tasks fare.
    tasks: Arc<Tasks>,
    /// Whether the store takes writes, as it was last tried.
    writes: Arc<readiness::Writes>,
    /// What providers were told at the last check.
    checked_with: Mutex<Option<CheckContext>>,
    /// Webhook deliveries that were not taken.
    refused: refused::Refusals,
    /// What providers themselves take.
    bounds: Mutex<BTreeMap<Ticker, Bounds>>,
    /// Budgets, and whose turn it is.
    watches: polling::Watches,
    /// One scan of a provider at a time.
    scans: BTreeMap<ProviderId, ScanTurn>,
    /// What the background takes in.
    takings: Takings,
    /// Whose each standing address is.
    standing: Mutex<BTreeMap<ProviderId, Arc<tokio::sync::Mutex<Standing>>>>,
    /// What was logged once.
    told: Told,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("store", &self.inner.store).finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine; nothing runs in the background before [`Engine::start`].
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        registry: Registry,
        rates: Arc<Rates>,
        config: EngineConfig,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (changes, _) = broadcast::channel(1024);
        let scans = registry.providers().map(|provider| (provider.id(), ScanTurn::default())).collect();
        let watches = polling::Watches::new(&registry, clock.now());
        let inner = Inner {
            store,
            registry,
            rates,
            config,
            clock,
            changes,
            bells: Arc::default(),
            delivered: Notify::new(),
            down_until: Mutex::new(BTreeMap::new()),
            health: Health::default(),
            tasks: Arc::default(),
            writes: Arc::default(),
            checked_with: Mutex::default(),
            refused: refused::Refusals::default(),
            bounds: Mutex::new(BTreeMap::new()),
            watches,
            scans,
            takings: Takings::default(),
            standing: Mutex::new(BTreeMap::new()),
            told: Told::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The engine's time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    /// The providers.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.inner.registry
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &EngineConfig {
        &self.inner.config
    }

    /// Changes of all deposits from now on, each told after its commit. A slow reader misses some and reads the history instead. Who
    /// wants one deposit alone uses [`Engine::follow`].
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.inner.changes.subscribe()
    }

    pub(crate) fn announce(&self, id: &DepositId, n: u64) {
        // No subscriber is no error: the history is the log, this is only the bell.
        let _ = self.inner.changes.send(Change { id: id.clone(), n });
        self.inner.bells.ring(id, n);
    }
}

//! The sandbox itself: one port, every emulator, the control API.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::body::Body;
use axum::middleware;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::clock::Clock;
use crate::control::Control;
use crate::emulator::{Context, Emulator};
use crate::emulators::Emulators;
use crate::faults::{self, CutConnection, FaultSwitch, Faults, Site};
use crate::random::Random;
use crate::rate_sources;
use crate::rates::Rates;
use crate::webhook::{Runtime, Webhooks};

/// How to start a [`Sandbox`].
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// Where to listen; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Same seed and same calls: same ids, addresses and chance.
    pub seed: u64,
    /// Base addresses of gateways: webhooks go to them in turn.
    pub gateways: Vec<String>,
    /// A Unix second at which time stands until it is moved; `None`: time runs with the wall clock.
    pub clock: Option<i64>,
}

impl Default for SandboxConfig {
    /// Loopback, a free port, seed 7, no gateway, running time.
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 0)), seed: 7, gateways: vec![], clock: None }
    }
}

/// The sandbox did not start.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct StartError {
    address: SocketAddr,
    source: std::io::Error,
}

/// A running sandbox. Its tasks end when it is dropped.
///
/// ```
/// use deposit_sandbox::{Sandbox, SandboxConfig};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), deposit_sandbox::StartError> {
/// let sandbox = Sandbox::start(SandboxConfig::default()).await?;
/// assert!(sandbox.config_toml().contains("[providers.btcpay]"));
/// assert_eq!(sandbox.control_url(), format!("http://{}/control", sandbox.address()));
/// sandbox.shutdown().await;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Sandbox {
    address: SocketAddr,
    emulators: Emulators,
    sites: Arc<BTreeMap<&'static str, Site>>,
    rate_sources: Arc<BTreeMap<&'static str, Site>>,
    clock: Arc<Clock>,
    rates: Arc<Rates>,
    gateways: Arc<RwLock<Vec<String>>>,
    tracker: TaskTracker,
    guard: DropGuard,
}

impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Site").field(&self.emulator.name()).finish()
    }
}

impl Sandbox {
    /// Listens, and serves until [`Sandbox::shutdown`] or drop.
    ///
    /// # Errors
    /// Where the address cannot be listened on.
    pub async fn start(config: SandboxConfig) -> Result<Self, StartError> {
        let failed = |source| StartError { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;

        let (tracker, cancel) = (TaskTracker::new(), CancellationToken::new());
        let clock = Arc::new(Clock::new(config.clock));
        let rates = Arc::new(Rates::default());
        let random = Arc::new(Random::new(config.seed));
        let gateways = Arc::new(RwLock::new(config.gateways));
        let wake = Arc::new(Notify::new());
        let runtime = Runtime {
            clock: clock.clone(),
            gateways: gateways.clone(),
            tracker: tracker.clone(),
            cancel: cancel.clone(),
        };

        let context = |name: &'static str, random: &Arc<Random>| {
            let faults = Arc::new(FaultSwitch::default());
            Arc::new(Context {
                clock: clock.clone(),
                random: random.clone(),
                rates: rates.clone(),
                webhooks: Webhooks::new(&runtime, faults.clone()),
                faults,
                base_url: format!("http://{address}/{name}"),
                wake: wake.clone(),
            })
        };
        let mut contexts = BTreeMap::new();
        let emulators = Emulators::new(|name| {
            let context = context(name, &random);
            contexts.insert(name, context.clone());
            context
        });

        let mut sites = BTreeMap::new();
        for emulator in emulators.all() {
            if let Some(context) = contexts.remove(emulator.name()) {
                sites.insert(emulator.name(), Site { emulator, context });
            }
        }
        let sites = Arc::new(sites);

        // Of their own chance: how often rates are asked for must not change what happens to payments.
        let own_chance = Arc::new(Random::new(config.seed));
        let rate_sources = Arc::new(rate_sources::all(|name| context(name, &own_chance)));

        let control = Control {
            clock: clock.clone(),
            rates: rates.clone(),
            sites: sites.clone(),
            rate_sources: rate_sources.clone(),
        };
        let mut app = Router::new().nest("/control", control.router());
        for (name, site) in sites.iter().chain(rate_sources.iter()) {
            let layer = middleware::from_fn_with_state(site.clone(), faults::apply);
            app = app.nest(&format!("/{name}"), site.emulator.clone().router().layer(layer));
        }

        tracker.spawn(until(cancel.clone(), accept(listener, app, tracker.clone(), cancel.clone())));
        tracker.spawn(until(cancel.clone(), tick(sites.clone(), clock.clone(), wake)));
        let guard = cancel.drop_guard();
        Ok(Self { address, emulators, sites, rate_sources, clock, rates, gateways, tracker, guard })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://ADDR`
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `http://ADDR/control`
    #[must_use]
    pub fn control_url(&self) -> String {
        format!("http://{}/control", self.address)
    }

    /// Where webhooks go from now on, in turn.
    pub fn set_gateways(&self, gateways: Vec<String>) {
        *self.gateways.write().unwrap_or_else(PoisonError::into_inner) = gateways;
    }

    /// The `[rates]`, `[rates.static]` and `[providers.*]` sections of a gateway that uses this sandbox.
    #[must_use]
    pub fn config_toml(&self) -> String {
        let mut text = self.rates.config_toml();
        for (name, site) in self.sites.iter() {
            text.push_str(&format!("\n[providers.{name}]\n"));
            for (key, value) in site.emulator.settings() {
                text.push_str(&format!("{key} = {}\n", crate::json::Json::text(value).compact()));
            }
        }
        text
    }

    /// One value of a provider's section, such as `("btcpay", "api_key")`.
    #[must_use]
    pub fn setting(&self, provider: &str, key: &str) -> Option<String> {
        let settings = self.sites.get(provider)?.emulator.settings();
        settings.into_iter().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// Where an emulated public source of rates is asked (`coingecko`, `kraken`, `kucoin`, `frankfurter`): its `base_url` for a gateway.
    #[must_use]
    pub fn rate_source_url(&self, source: &str) -> Option<String> {
        self.rate_sources.get(source).map(|site| site.context.base_url.clone())
    }

    /// The emulators themselves, for what goes beyond the control API.
    #[must_use]
    pub fn emulators(&self) -> &Emulators {
        &self.emulators
    }

    /// One of them by its name, with what all emulators have.
    #[must_use]
    pub fn emulator(&self, provider: &str) -> Option<Arc<dyn Emulator>> {
        self.sites.get(provider).map(|site| site.emulator.clone())
    }

    /// As `POST /control/PROVIDER/faults`; `false` where there is no such provider or source of rates.
    pub fn set_faults(&self, provider: &str, faults: Faults) -> bool {
        let site = self.sites.get(provider).or_else(|| self.rate_sources.get(provider));
        site.map(|site| site.context.faults.set(faults)).is_some()
    }

    /// As `POST /control/clock`.
    pub fn advance(&self, seconds: u32) {
        self.clock.advance(seconds);
        for site in self.sites.values() {
            site.emulator.tick();
        }
    }

    /// Business time now, Unix seconds.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.clock.now()
    }

    /// Returns when every webhook was delivered, given up, or waits for a retry.
    pub async fn webhooks_idle(&self) {
        for site in self.sites.values() {
            site.context.webhooks.idle().await;
        }
    }

    /// Stops listening and ends every connection and task.
    pub async fn shutdown(self) {
        self.tracker.close();
        drop(self.guard);
        self.tracker.wait().await;
    }
}

async fn until(cancel: CancellationToken, task: impl Future<Output = ()>) {
    tokio::select! {
        () = cancel.cancelled() => {}
        () = task => {}
    }
}

/// Calls `tick` when something falls due: never more often.
async fn tick(sites: Arc<BTreeMap<&'static str, Site>>, clock: Arc<Clock>, wake: Arc<Notify>) {
    loop {
        let next = sites.values().filter_map(|site| site.emulator.tick()).min();
        tokio::select! {
            () = wake.notified() => {}
            () = clock.moved() => {}
            () = async { clock.reached(next.unwrap_or(i64::MAX)).await }, if next.is_some() => {}
        }
    }
}

async fn accept(listener: TcpListener, app: Router, tracker: TaskTracker, cancel: CancellationToken) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tracker.spawn(until(cancel.clone(), serve(stream, app.clone())));
            }
            Err(error) => {
                // Out of file descriptors, say: others may be given back soon.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

/// A fault asked for the connection to be closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut")]
struct Cut;

/// Serves one connection. This is not `axum::serve`, since that cannot close a connection without an answer.
async fn serve(stream: TcpStream, app: Router) {
    _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let app = app.clone();
        async move {
            let response = match app.oneshot(request.map(Body::new)).await {
                Ok(response) => response,
                Err(never) => {
                    let never: Infallible = never;
                    match never {}
                }
            };
            if response.extensions().get::<CutConnection>().is_some() { Err(Cut) } else { Ok(response) }
        }
    });
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // A node's websocket is an upgraded connection.
    let connection = connection.with_upgrades();
    if let Err(error) = connection.await {
        tracing::debug!(%error, "connection ended");
    }
}

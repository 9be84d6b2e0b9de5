//! A whole gateway for tests: engine, SQLite in a temporary directory, the BTCPay adapter and its emulator, all over real sockets.
//!
//! Both clocks (the engine's and the emulators') stand still until [`TestGateway::advance`].
#![allow(
    dead_code,
    unreachable_pub,
    clippy::wildcard_enum_match_arm,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

pub mod sandboxed;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use deposit_core::{Price, Ticker, Timestamp};
use deposit_engine::{Engine, EngineConfig, ManualClock, Running, keys};
use deposit_facade::ProvidersConfig;
use deposit_gateway::http::{HttpConfig, bind, serve};
use deposit_rates::{Rates, StaticRates};
use deposit_sandbox::{Sandbox, SandboxConfig};
use deposit_store::{SqliteStore, Store};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;

/// 2026-03-04T09:30:00Z: where both clocks stand at first.
pub const START: i64 = 1_772_616_600;

/// What a test may set.
pub struct Options {
    /// The engine's settings.
    pub engine: EngineConfig,
    /// The HTTP side's; `listen` is a free port.
    pub http: HttpConfig,
    /// Whether the engine's background tasks run (polling, deliveries, expiry).
    pub background: bool,
    /// Whether BTCPay is configured at all.
    pub btcpay: bool,
    /// Further providers that are configured, by their names.
    pub also: &'static [&'static str],
    /// USD for one unit.
    pub rates: &'static [(&'static str, &'static str)],
}

impl Default for Options {
    fn default() -> Self {
        let mut engine = EngineConfig::default();
        // Most tests make more than ten requests; those about the limit set their own.
        engine.create_limit.requests = 100_000;
        Self {
            engine,
            http: HttpConfig { listen: "127.0.0.1:0".parse().unwrap(), ..HttpConfig::default() },
            background: true,
            btcpay: true,
            also: &[],
            rates: &[
                ("BTC", "50000"),
                ("LTC", "80"),
                ("XMR", "160"),
                ("DOGE", "0.125"),
                ("DASH", "25"),
                ("ZEC", "40"),
                ("KAS", "0.08"),
            ],
        }
    }
}

/// A running gateway.
pub struct TestGateway {
    pub sandbox: Sandbox,
    pub engine: Engine,
    pub store: Arc<SqliteStore>,
    pub clock: ManualClock,
    pub address: SocketAddr,
    /// A key of the account `ana`.
    pub key: String,
    client: Client<HttpConnector, Full<Bytes>>,
    directory: tempfile::TempDir,
    options: Options,
    running: Option<Running>,
    shutdown: CancellationToken,
    server: tokio::task::JoinHandle<()>,
}

/// What dies with a process.
struct Process {
    engine: Engine,
    store: Arc<SqliteStore>,
    address: SocketAddr,
    running: Option<Running>,
    shutdown: CancellationToken,
    server: tokio::task::JoinHandle<()>,
}

impl Process {
    async fn start(
        options: &Options,
        sandbox: &Sandbox,
        clock: &ManualClock,
        directory: &tempfile::TempDir,
    ) -> Self {
        let url = sandboxed::store_url(directory.path());
        let store = Arc::new(SqliteStore::open(&url).await.unwrap());
        let registry = all_providers(sandbox, options).build().unwrap();
        let prices: BTreeMap<Ticker, Price> =
            options.rates.iter().map(|(t, p)| (t.parse().unwrap(), p.parse().unwrap())).collect();
        let rates = Rates::new(vec![Arc::new(StaticRates::new(prices).unwrap())], Duration::from_secs(300));
        let config = options.engine.clone();
        let engine = Engine::new(store.clone(), registry, Arc::new(rates), config, Arc::new(clock.clone()));
        let running = if options.background {
            Some(engine.start().await.unwrap())
        } else {
            engine.seed_rates().await.unwrap();
            None
        };
        let http = options.http.clone();
        let listener = bind(&http).await.unwrap();
        let address = listener.local_addr().unwrap();
        sandbox.set_gateways(vec![format!("http://{address}")]);
        let shutdown = CancellationToken::new();
        let server = tokio::spawn({
            let (engine, shutdown) = (engine.clone(), shutdown.clone());
            async move { serve(listener, engine, http, shutdown).await.unwrap() }
        });
        Self { engine, store, address, running, shutdown, server }
    }
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Reply {
    pub async fn read(response: http::Response<Incoming>) -> Self {
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8(bytes.to_vec()).unwrap();
        Self { status: parts.status, headers: parts.headers, body }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {:?}", self.body))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|v| v.to_str().unwrap())
    }

    /// A member of the body as text: strings without quotes, everything else as JSON.
    pub fn member(&self, name: &str) -> String {
        match &self.json()[name] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }

    /// Checks that this is the error body of section 5, whole.
    pub fn assert_error(&self, status: u16, error: &str, code: &str) {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        let json = self.json();
        assert_eq!(json["error"], error, "{}", self.body);
        assert_eq!(json["message"], error, "{}", self.body);
        assert_eq!(json["status"], status, "{}", self.body);
        assert_eq!(json["code"], code, "{}", self.body);
        let members = json.as_object().unwrap().keys().filter(|k| *k != "details").count();
        assert_eq!(members, 4, "{}", self.body);
        assert_eq!(self.header("content-type"), Some("application/json"));
    }
}

impl TestGateway {
    /// With the defaults: BTCPay on, background tasks on, practically no rate limit.
    pub async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    pub async fn start_with(options: Options) -> Self {
        let sandbox =
            Sandbox::start(SandboxConfig { clock: Some(START), ..SandboxConfig::default() }).await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let clock = ManualClock::at(Timestamp::from_secs(START));
        let process = Process::start(&options, &sandbox, &clock, &directory).await;
        let Process { engine, store, address, running, shutdown, server } = process;
        let client = Client::builder(TokioExecutor::new()).build_http();
        let mut gateway = Self {
            sandbox,
            engine,
            store,
            clock,
            address,
            key: String::new(),
            client,
            directory,
            options,
            running,
            shutdown,
            server,
        };
        gateway.key = gateway.issue_key("ana").await;
        gateway
    }

    /// Stops the gateway and starts another on the same database, clocks and sandbox.
    pub async fn restart(self) -> Self {
        let Self {
            sandbox,
            engine,
            store,
            clock,
            key,
            client,
            directory,
            options,
            running,
            shutdown,
            server,
            ..
        } = self;
        shutdown.cancel();
        server.await.unwrap();
        if let Some(running) = running {
            running.stop().await;
        }
        drop(engine);
        store.close().await;
        let process = Process::start(&options, &sandbox, &clock, &directory).await;
        let Process { engine, store, address, running, shutdown, server } = process;
        Self {
            sandbox,
            engine,
            store,
            clock,
            address,
            key,
            client,
            directory,
            options,
            running,
            shutdown,
            server,
        }
    }

    /// A fresh API key.
    pub async fn issue_key(&self, account: &str) -> String {
        let name = account.parse().unwrap();
        let store: &dyn Store = &*self.store;
        keys::issue(store, &name, self.engine.now()).await.unwrap().key.expose().to_owned()
    }

    /// Moves both clocks, and asks the rate sources again as the engine would have done meanwhile.
    pub async fn advance(&self, secs: u32) {
        self.clock.advance_secs(i64::from(secs));
        self.sandbox.advance(secs);
        self.engine.seed_rates().await.unwrap();
    }

    /// Where its database is.
    pub fn folder(&self) -> &std::path::Path {
        self.directory.path()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Any request.
    pub async fn send(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Reply {
        let url = if url.starts_with('/') { self.url(url) } else { url.to_owned() };
        let mut request = Request::builder().method(method.parse::<Method>().unwrap()).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        Reply::read(self.client.request(request).await.unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[("x-api-key", &self.key)], "").await
    }

    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> Reply {
        self.send("POST", path, &[("x-api-key", &self.key)], body).await
    }

    pub async fn create(&self, ticker: &str, body: &str) -> Reply {
        self.post(&format!("/api/transaction/create/{ticker}"), body.to_owned()).await
    }

    pub async fn create_with_key(&self, ticker: &str, body: &str, idempotency_key: &str) -> Reply {
        let path = format!("/api/transaction/create/{ticker}");
        let headers = [("x-api-key", self.key.as_str()), ("idempotency-key", idempotency_key)];
        self.send("POST", &path, &headers, body.to_owned()).await
    }

    pub async fn status(&self, ticker: &str, id: &str) -> Reply {
        self.get(&format!("/api/transaction/status/{ticker}/{id}")).await
    }

    /// `POST /control/…` of the sandbox.
    pub async fn control(&self, call: &str, body: &str) -> Value {
        let url = format!("{}{call}", self.sandbox.control_url());
        let reply = self.send("POST", &url, &[], body.to_owned()).await;
        assert_eq!(reply.status, 200, "{call}: {}", reply.body);
        reply.json()
    }

    /// `POST /control/btcpay/pay`, in full unless an amount is given.
    pub async fn pay(&self, reference: &str, amount: Option<&str>) -> String {
        let amount = amount.map(|a| format!(r#","amount":"{a}""#)).unwrap_or_default();
        let paid = self.control("/btcpay/pay", &format!(r#"{{"ref":"{reference}"{amount}}}"#)).await;
        paid["payment"].as_str().unwrap().to_owned()
    }

    pub async fn faults(&self, body: &str) {
        self.control("/btcpay/faults", body).await;
    }

    /// Orders that the provider really has.
    pub async fn truth(&self) -> Vec<Value> {
        let url = format!("{}/truth", self.sandbox.control_url());
        self.send("GET", &url, &[], "").await.json().as_array().unwrap().clone()
    }

    /// Asks until the status is `wanted`; real time, since webhooks travel over real sockets.
    pub async fn wait_for(&self, ticker: &str, id: &str, wanted: &str) -> Reply {
        let mut last = String::new();
        for _ in 0..400 {
            let reply = self.status(ticker, id).await;
            if reply.status == 200 && reply.member("status") == wanted {
                return reply;
            }
            last = reply.body;
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{ticker} {id} is not {wanted}: {last}");
    }

    /// Bytes over a socket of its own, as they are; what came back until the other side closed or a second was silent.
    pub async fn raw(&self, bytes: &[u8]) -> String {
        let mut socket = tokio::net::TcpStream::connect(self.address).await.unwrap();
        socket.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let mut chunk = [0_u8; 4096];
        while let Ok(Ok(n @ 1..)) =
            tokio::time::timeout(Duration::from_secs(1), socket.read(&mut chunk)).await
        {
            answer.extend_from_slice(&chunk[..n]);
        }
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Stops everything; the ledger must balance.
    pub async fn stop(self) {
        let check = self.engine.check_ledger().await.unwrap();
        assert!(check.balanced, "{check:?}");
        self.shutdown.cancel();
        self.server.await.unwrap();
        if let Some(running) = self.running {
            running.stop().await;
        }
        self.sandbox.shutdown().await;
        drop(self.directory);
    }

    /// Tells the server to stop, without waiting.
    pub fn begin_shutdown(&self) {
        self.shutdown.cancel();
    }
}

/// BTCPay, if it is on, and the others that were asked for, as the sandbox prints their sections.
fn all_providers(sandbox: &Sandbox, options: &Options) -> ProvidersConfig {
    let printed: toml::Table = sandbox.config_toml().parse().unwrap();
    let mut sections = printed["providers"].as_table().unwrap().clone();
    sections.retain(|name, _| options.also.contains(&name));
    let mut config: ProvidersConfig = toml::Value::Table(sections).try_into().unwrap();
    config.btcpay = providers(sandbox, options.btcpay).btcpay;
    config
}

/// `[providers.*]` that use the sandbox.
pub fn providers(sandbox: &Sandbox, btcpay: bool) -> ProvidersConfig {
    let mut config = ProvidersConfig::default();
    if btcpay {
        let setting = |key| sandbox.setting("btcpay", key).unwrap();
        config.btcpay = Some(deposit_btcpay::Config::new(
            setting("base_url"),
            setting("api_key"),
            setting("store_id"),
            setting("webhook_secret"),
        ));
    }
    config
}

//! The gateway as one piece: store, engine, server. What `serve`, `demo` and the tests start.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use deposit_engine::{Clock, Engine, Running, SystemClock};
use deposit_store::{SqliteStore, Store};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::{Built, ServerConfig};
use crate::http::{self, CorsOrigins, HttpConfig};

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    engine: Engine,
    store: Arc<SqliteStore>,
    running: Running,
    stop: CancellationToken,
    server: JoinHandle<Result<(), http::ServeError>>,
}

impl Gateway {
    /// Listens on the configured address. Before anything else, so that a taken port is said at once and a free one is known.
    ///
    /// # Errors
    /// Names the key and the address.
    pub async fn bind(server: &ServerConfig) -> anyhow::Result<TcpListener> {
        Ok(http::bind(&HttpConfig { listen: server.listen, ..HttpConfig::default() }).await?)
    }

    /// Opens the store, starts the engine and serves on `listener`.
    ///
    /// # Errors
    /// What cannot be opened, by its key.
    pub async fn start(built: Built, listener: TcpListener) -> anyhow::Result<Self> {
        Self::start_at(built, listener, Arc::new(SystemClock)).await
    }

    /// The same with a clock of one's own.
    ///
    /// # Errors
    /// What cannot be opened, by its key.
    pub async fn start_at(
        built: Built,
        listener: TcpListener,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let address = listener.local_addr().context("the listening address is not known")?;
        let store = Arc::new(SqliteStore::open(&built.store_url).await?);
        let shared: Arc<dyn Store> = store.clone();
        let engine = Engine::new(shared, built.registry, Arc::new(built.rates), built.engine, clock);
        let running = engine.start().await?;
        let public_url = if built.server.public_url.is_empty() {
            format!("http://{address}")
        } else {
            built.server.public_url.trim_end_matches('/').to_owned()
        };
        let config = HttpConfig {
            public_url,
            trusted_proxies: built.server.trusted_proxies,
            cors_origins: CorsOrigins::parse(&built.server.cors_origins).context("server.cors_origins")?,
            ..HttpConfig::default()
        }
        .for_open_files(open_files());
        let stop = CancellationToken::new();
        let server = tokio::spawn(http::serve(listener, engine.clone(), config, stop.clone()));
        Ok(Self { address, engine, store, running, stop, server })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Ends when the server ends by itself, which it does only on an error.
    ///
    /// # Errors
    /// Why it ended.
    pub async fn failed(&mut self) -> anyhow::Result<()> {
        Ok((&mut self.server).await.context("the server task ended")??)
    }

    /// Drains and stops: no new connections, requests under way are answered, work under way is finished.
    pub async fn stop(self) {
        self.stop.cancel();
        if let Err(error) = self.server.await {
            tracing::error!(%error, "the server ended badly");
        }
        self.running.stop().await;
        self.store.close().await;
    }
}

/// How many files this process may open, after asking the system for as many as connections can make use of: each open event
/// stream is one.
fn open_files() -> u64 {
    rlimit::increase_nofile_limit(HttpConfig::OPEN_FILES).unwrap_or_else(|error| {
        tracing::warn!(%error, "the limit of open files is not known; the usual one is taken");
        HttpConfig::USUAL_OPEN_FILES
    })
}

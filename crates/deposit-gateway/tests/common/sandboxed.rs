//! A gateway as `deposit serve` builds it, within the test.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;

use deposit_engine::{Clock, keys};
use deposit_gateway::config::{Environment, Loaded};
use deposit_gateway::gateway::Gateway;

/// `[server]` with a free port.
pub const FREE_PORT: &str = "\n[server]\nlisten = \"127.0.0.1:0\"\n";

/// Where the database of such a gateway is.
pub fn store_url(folder: &Path) -> String {
    format!("sqlite://{}", folder.join("deposit.db").display())
}

/// Starts it on this configuration; `tell` is told its URL before it serves.
pub async fn start(configuration: &str, clock: Arc<dyn Clock>, tell: impl FnOnce(String)) -> Gateway {
    let loaded = Loaded::read(None, Some(configuration), &Environment::default()).unwrap();
    let built = loaded.build().unwrap();
    let listener = Gateway::bind(&built.server).await.unwrap();
    tell(format!("http://{}", listener.local_addr().unwrap()));
    Gateway::start_at(built, listener, clock).await.unwrap()
}

/// A fresh API key.
pub async fn issue_key(gateway: &Gateway, account: &str) -> String {
    let engine = gateway.engine();
    let issued = keys::issue(&**engine.store(), &account.parse().unwrap(), engine.now()).await.unwrap();
    issued.key.expose().to_owned()
}

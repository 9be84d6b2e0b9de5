//! A gateway within the test, on clocks that the test moves.

use std::sync::Arc;
use std::time::Duration;

use deposit_core::Timestamp;
use deposit_engine::{Engine, ManualClock};
use deposit_gateway::gateway::Gateway;
use deposit_sandbox::{Sandbox, SandboxConfig};
use deposit_store::{JournalFilter, SqliteStore};

use super::courier::Courier;
use super::sandboxed;
use super::scenario::{ACCOUNTS, Shop, Site};

/// 2026-03-04T09:30:00Z: where both clocks stand at first.
const START: i64 = 1_772_616_600;
const LOOK: Duration = Duration::from_millis(20);

/// A gateway and its emulators in this process.
pub struct Inside {
    pub sandbox: Sandbox,
    pub courier: Courier,
    pub clock: ManualClock,
    /// How many seconds pass between two looks: polls, leases and retries become due by that.
    pub pace: u32,
    gateway: Option<Gateway>,
    config: String,
    directory: tempfile::TempDir,
}

impl Inside {
    /// With the sandbox's own sections, `more` of them, and time passing at `pace` seconds a look.
    pub async fn shop(pace: u32, more: &str) -> Shop<Self> {
        Self::shop_with(pace, |sections| format!("{sections}\n{more}\n")).await
    }

    /// With the sandbox's sections as `edit` leaves them.
    pub async fn shop_with(pace: u32, edit: impl Fn(&str) -> String) -> Shop<Self> {
        let sandbox =
            Sandbox::start(SandboxConfig { clock: Some(START), ..SandboxConfig::default() }).await.unwrap();
        let courier = Courier::start().await;
        sandbox.set_gateways(vec![courier.url().to_owned()]);
        let directory = tempfile::tempdir().unwrap();
        let url = sandboxed::store_url(directory.path());
        let config = format!(
            "{}{}[store]\nurl = {url:?}\n[poll]\nyoung_seconds = 2\n[create_rate_limit]\nrequests = 100000\n",
            edit(&sandbox.config_toml()),
            sandboxed::FREE_PORT
        );
        let clock = ManualClock::at(Timestamp::from_secs(START));
        let mut inside = Self { sandbox, courier, clock, pace, gateway: None, config, directory };
        inside.start().await;
        let mut issued = Vec::new();
        for name in ACCOUNTS {
            issued.push(sandboxed::issue_key(inside.gateway.as_ref().unwrap(), name).await);
        }
        let control = inside.sandbox.control_url();
        Shop::new(inside, control, issued.try_into().unwrap())
    }

    async fn start(&mut self) {
        let clock = Arc::new(self.clock.clone());
        let gateway = sandboxed::start(&self.config, clock, |url| self.courier.set_target(&url)).await;
        self.gateway = Some(gateway);
    }

    /// Stops the gateway in good order and starts it again on the same file.
    pub async fn restart(&mut self) {
        self.gateway.take().unwrap().stop().await;
        self.start().await;
    }

    pub fn engine(&self) -> &Engine {
        self.gateway.as_ref().unwrap().engine()
    }

    /// The gateway's own file, beside the gateway.
    pub async fn store(&self) -> SqliteStore {
        SqliteStore::open(&sandboxed::store_url(self.directory.path())).await.unwrap()
    }

    /// Moves both clocks.
    pub fn advance(&self, secs: u32) {
        self.clock.advance_secs(i64::from(secs));
        self.sandbox.advance(secs);
    }

    /// Returns when every delivery that came was handled.
    pub async fn handled(&mut self) {
        for _ in 0..1_000 {
            let rows = self.engine().store().journal_rows(JournalFilter::default()).await.unwrap();
            if rows.iter().all(|row| row.handled_at.is_some()) {
                return;
            }
            self.pause().await;
        }
        panic!("a delivery is never handled");
    }

    pub async fn stop(mut self) {
        self.gateway.take().unwrap().stop().await;
        self.sandbox.shutdown().await;
    }
}

impl Site for Inside {
    fn url(&self) -> String {
        format!("http://{}", self.gateway.as_ref().unwrap().address())
    }

    async fn mend(&mut self) {
        panic!("a gateway that lives gave no answer");
    }

    async fn pause(&mut self) {
        tokio::time::sleep(LOOK).await;
        if self.pace > 0 {
            self.advance(self.pace);
        }
    }
}

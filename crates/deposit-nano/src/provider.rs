//! The adapter.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use deposit_core::{
    AccountIndex, Asset, Capabilities, CheckContext, CheckItem, ConfigError, CreditRule, Delivery,
    DepositIntent, ErrorKind, IntentRecord, OpenRequest, Operation, PayInstructions, PaymentProvider,
    ProviderError, ProviderId, ProviderRef, RawDelivery, Received, Replay, RequestBudget, ScanCursor,
    ScanPage, Secret, Snapshot, StandingPosition, Ticker, TickerKind, TickerSpec, WebhookError,
};
use deposit_transport::HttpConfig;
use tokio::task::AbortHandle;
use url::Url;

use crate::address::Address;
use crate::api::Confirmed;
use crate::backoff::Backoff;
use crate::block::Hash;
use crate::book::Shared;
use crate::client::Client;
use crate::config::Config;
use crate::error::{Failed, ID, NodeError};
use crate::key::Seed;
use crate::listen;
use crate::map::{self, Send};
use crate::progress::{Position, Progress};

/// Native Nano as a payment provider.
///
/// ```
/// use deposit_core::{AccountIndex, PaymentProvider};
/// use deposit_nano::{Config, Nano};
/// let representative = "nano_3e3j5tkog48pnny9dmfzj1r16pg8t1e76dz5tmac6iq689wyjfpiij4txtdo";
/// let nano = Nano::new(Config::new("http://[::1]:7076", "0".repeat(64), representative))?;
/// let first = nano.standing_address(AccountIndex(1))?;
/// assert!(first.link().is_some_and(|link| link.starts_with("nano:nano_")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Nano {
    pub(crate) client: Client,
    pub(crate) seed: Seed,
    pub(crate) representative: Address,
    pub(crate) callback_token: Secret,
    pub(crate) dust_raw: u128,
    pub(crate) shared: Arc<Shared>,
    /// One account's blocks are made one after the other.
    pub(crate) turns: Mutex<HashMap<AccountIndex, Arc<tokio::sync::Mutex<()>>>>,
    pub(crate) progress: Mutex<Progress>,
    /// Payments whose receive block was refused.
    pub(crate) backoff: Backoff,
    pub(crate) ws_url: Option<Url>,
    listener: OnceLock<AbortHandle>,
    capabilities: Capabilities,
}

impl Nano {
    /// `nano`.
    pub const ID: ProviderId = ID;

    /// The adapter with the default limits of [`HttpConfig`].
    ///
    /// # Errors
    /// A value that cannot work, by its key.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        Self::with_http(config, HttpConfig::default())
    }

    /// The adapter with limits of one's own (a test's short time-outs, say).
    ///
    /// # Errors
    /// A value that cannot work, by its key.
    pub fn with_http(config: Config, http: HttpConfig) -> Result<Self, ConfigError> {
        let config = config.check()?;
        let capabilities = capabilities(http.timeout, !config.callback_token.is_empty());
        Ok(Self {
            client: Client::new(&config, http)?,
            seed: config.seed,
            representative: config.representative,
            callback_token: config.callback_token,
            dust_raw: config.dust_raw,
            shared: Arc::new(Shared::new()),
            turns: Mutex::default(),
            progress: Mutex::default(),
            backoff: Backoff::default(),
            ws_url: config.ws_url,
            listener: OnceLock::new(),
            capabilities,
        })
    }

    /// Starts to listen, once, where a socket is configured. Not in `new`, which may be called outside a runtime.
    fn listen(&self) {
        if let Some(url) = &self.ws_url {
            self.listener
                .get_or_init(|| tokio::spawn(listen::run(url.clone(), self.shared.clone())).abort_handle());
        }
    }

    /// Whether another block has the place of this send for good: then it will never be confirmed. A node that does not know the send
    /// proves nothing: it may be behind, or have begun anew.
    async fn lost_its_place(&self, send: &Send) -> Result<bool, Failed> {
        const READ: Operation = Operation::Read;
        let Some(previous) = send.previous.filter(|_| !send.confirmed) else { return Ok(false) };
        let before = self.client.block_info(READ, previous).await?;
        let successor = before.successor.and_then(|text| text.parse::<Hash>().ok());
        let Some(successor) = successor.filter(|hash| *hash != send.hash && *hash != Hash::ZERO) else {
            return Ok(false);
        };
        Ok(self.client.block_info(READ, successor).await?.confirmed == Confirmed::True)
    }
}

impl Drop for Nano {
    fn drop(&mut self) {
        if let Some(listener) = self.listener.get() {
            listener.abort();
        }
    }
}

fn capabilities(timeout: Duration, webhooks: bool) -> Capabilities {
    Capabilities {
        tickers: vec![TickerSpec::new(
            Ticker::XNO,
            Asset::XNO,
            TickerKind::Standing,
            CreditRule::in_kind(Asset::XNO),
        )],
        // Nothing is ever opened; an address is the same at each call.
        replay: Replay::Key,
        open_timeout: timeout,
        scan: true,
        standing_address: true,
        webhooks,
        bounds: false,
        read_batch: 1,
        // Our own node.
        budget: RequestBudget { requests: 50, per: Duration::from_secs(1), concurrency: 8 },
        requests_per_read: 1,
    }
}

#[async_trait]
impl PaymentProvider for Nano {
    fn id(&self) -> ProviderId {
        Self::ID
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Always `Unsupported`: there are no orders, only standing addresses.
    async fn open(&self, _request: &OpenRequest) -> Result<Box<dyn DepositIntent>, ProviderError> {
        Err(ProviderError::unsupported(Self::ID, Operation::Open))
    }

    /// Hashes are written in upper case here, and may be written in either.
    fn spelled(&self, reference: &str) -> Option<ProviderRef> {
        let hash = reference.parse::<Hash>().ok()?;
        ProviderRef::new(hash.to_string()).ok()
    }

    /// Reads one payment: the intent's reference is the hash of its send block.
    async fn read(&self, intent: &IntentRecord) -> Result<Snapshot, ProviderError> {
        let not_found = || ProviderError::new(Self::ID, Operation::Read, ErrorKind::NotFound);
        let hash: Hash = intent.provider_ref.as_str().parse().map_err(|_| not_found())?;
        let told = |failed: Failed| failed.told(Operation::Read);
        match self.client.block_info(Operation::Read, hash).await {
            Ok(info) => {
                if let Ok(send) = map::send(hash, &info)
                    && self.shared.meet(send)
                {
                    self.client.confirm(Operation::Read, hash).await;
                }
                Ok(map::snapshot(intent, hash, &info))
            }
            Err(Failed::Node(NodeError::BlockNotFound)) => match self.shared.met(hash) {
                Some(send) if self.lost_its_place(&send).await.map_err(told)? => Ok(map::gone(intent, hash)),
                _ => Err(told(Failed::Node(NodeError::BlockNotFound))),
            },
            Err(failed) => Err(told(failed)),
        }
    }

    /// What waits at the addresses that [`watch`](PaymentProvider::watch) was told, confirmed or not, and what their chains took in since:
    /// without a cursor from their beginning. A slice of them at a time; where pushes have named addresses, those alone.
    async fn scan(&self, cursor: Option<&ScanCursor>) -> Result<ScanPage, ProviderError> {
        self.listen();
        let position = Position::of(cursor);
        self.page(position).await.map_err(|failed| failed.told(Operation::Scan))
    }

    fn standing_address(&self, index: AccountIndex) -> Result<PayInstructions, ProviderError> {
        let address = self.seed.address(index).to_string();
        let uri = Some(format!("nano:{address}"));
        Ok(PayInstructions::StandingAddress { address, uri })
    }

    fn watch(&self, indices: &[AccountIndex]) {
        let new = indices.iter().filter(|index| !self.shared.knows(**index));
        let new: Vec<_> = new.map(|index| (self.seed.address(*index), *index)).collect();
        self.shared.watch(new.iter().copied());
        if self.swept() {
            // Younger than the scans: paid perhaps before anybody looked after it.
            new.iter().for_each(|(address, _)| self.shared.look_at(*address));
        }
    }

    fn resume(&self, positions: &[StandingPosition]) {
        for StandingPosition { address, position } in positions {
            if let (Ok(address), Ok(position)) = (address.parse(), position.parse()) {
                self.shared.resume(&address, position);
            }
        }
    }

    async fn scan_address(&self, index: AccountIndex) -> Result<ScanPage, ProviderError> {
        self.address_page(index).await.map_err(|failed| failed.told(Operation::Scan))
    }

    async fn receive(&self, index: AccountIndex, most: usize) -> Result<Received, ProviderError> {
        self.take_in(index, most).await
    }

    async fn changed(&self) {
        self.shared.hinted().await;
    }

    fn webhook(&self, delivery: &RawDelivery<'_>) -> Result<Delivery, WebhookError> {
        if self.callback_token.is_empty() {
            return Err(WebhookError::Unauthenticated);
        }
        self.take(delivery)
    }

    async fn check(&self, _context: &CheckContext) -> Vec<CheckItem> {
        self.look().await
    }
}

impl fmt::Debug for Nano {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let under_way = self.turns.lock().unwrap_or_else(PoisonError::into_inner).len();
        f.debug_struct("Nano")
            .field("representative", &self.representative)
            .field("receiving", &under_way)
            .finish_non_exhaustive()
    }
}

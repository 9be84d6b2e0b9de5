//! The adapter.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use deposit_core::{
    Amount, Asset, Capabilities, CheckContext, CheckItem, ConfigError, CreditRule, Delivery, DepositIntent,
    ErrorKind, IntentRecord, OpenRequest, Operation, PayInstructions, PaymentProvider, ProviderError,
    ProviderId, RawDelivery, Replay, RequestBudget, Snapshot, Ticker, TickerKind, TickerSpec, WebhookError,
};
use deposit_transport::HttpConfig;

use crate::backend::{Asked, Backend};
use crate::config::{Api, Config};
use crate::error::{ID, error};
use crate::evm::Destination;
use crate::map;
use crate::payments::Payments;
use crate::sessions::Sessions;

/// The ways of paying: all of them settle as USDC.
const TICKERS: [Ticker; 4] = [Ticker::USDC, Ticker::USDT, Ticker::ETH, Ticker::SOL];

/// Daimo Pay as a payment provider.
///
/// ```
/// use deposit_core::{PaymentProvider, Replay};
/// use deposit_daimo::{Config, Daimo};
/// let treasury = "0xde709f2102306220921060314715629080e2fb77";
/// let refunds = "0x52908400098527886E0F7030069857D2E4169EE7";
/// let provider = Daimo::new(Config::new("key", "token", refunds, treasury))?;
/// assert_eq!(provider.capabilities().tickers.len(), 4);
/// assert_eq!(provider.capabilities().replay, Replay::Key);
/// # Ok::<(), deposit_core::ConfigError>(())
/// ```
pub struct Daimo {
    backend: Box<dyn Backend>,
    api: Api,
    destination: Destination,
    capabilities: Capabilities,
}

impl Daimo {
    /// `daimo`.
    pub const ID: ProviderId = ID;

    /// The adapter with limits that suit this provider: creates are slow there, one integrator waits 20 s.
    ///
    /// # Errors
    /// A value that cannot work, by its key.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        let mut http = HttpConfig::default();
        http.timeout = Duration::from_secs(20);
        http.read_timeout = http.timeout;
        http.deadline = Duration::from_secs(25);
        Self::with_http(config, http)
    }

    /// The adapter with limits of one's own (a test's short time-outs, say).
    ///
    /// # Errors
    /// A value that cannot work, by its key.
    pub fn with_http(config: Config, http: HttpConfig) -> Result<Self, ConfigError> {
        let config = config.check()?;
        let (api, destination) = (config.api, config.destination.clone());
        let backend: Box<dyn Backend> = match api {
            Api::Payments => Box::new(Payments::new(config, http)?),
            Api::Sessions => Box::new(Sessions::new(config, http)?),
        };
        let capabilities = capabilities(api, backend.patience());
        Ok(Self { backend, api, destination, capabilities })
    }
}

fn capabilities(api: Api, open_timeout: Duration) -> Capabilities {
    let spec = |ticker| {
        TickerSpec::new(ticker, Asset::USDC, TickerKind::MultiChain, CreditRule::one_to_one())
            .quoted_one_to_one()
            .confirming_only_full()
    };
    Capabilities {
        tickers: TICKERS.map(spec).to_vec(),
        replay: match api {
            Api::Payments => Replay::Key,
            // Nothing is documented that would tell a repeat.
            Api::Sessions => Replay::None,
        },
        open_timeout,
        scan: false,
        standing_address: false,
        webhooks: true,
        bounds: false,
        read_batch: 1,
        // No limit is published: the cap that the dossier advises.
        budget: RequestBudget { requests: 5, per: Duration::from_secs(1), concurrency: 4 },
        requests_per_read: 1,
    }
}

/// Finer amounts than the token has are refused, never rounded.
fn check_amount(amount: Amount, destination: &Destination) -> Result<(), ErrorKind> {
    let scale = Asset::USDC.scale();
    let step = 10_u128.pow(u32::from(scale.saturating_sub(destination.chain.decimals)));
    if amount.asset() != Asset::USDC {
        Err(ErrorKind::Rejected("wrong_asset"))
    } else if amount.is_zero() {
        Err(ErrorKind::Rejected("amount_zero"))
    } else if !amount.minor().is_multiple_of(step) {
        Err(ErrorKind::Rejected("amount_precision"))
    } else {
        Ok(())
    }
}

#[async_trait]
impl PaymentProvider for Daimo {
    fn id(&self) -> ProviderId {
        Self::ID
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// One request. Payments: with our id as idempotency key and as external id, so a repeat finds the same payment. Sessions: a repeat
    /// is another session, and the one whose answer was lost expires unpaid.
    async fn open(&self, request: &OpenRequest) -> Result<Box<dyn DepositIntent>, ProviderError> {
        let refused = |kind| error(Operation::Open, kind);
        let ticker = request.terms.ticker;
        if !TICKERS.contains(&ticker) {
            return Err(refused(ErrorKind::Rejected("unknown_ticker")));
        }
        check_amount(request.amount, &self.destination).map_err(refused)?;
        let asked = Asked { deposit_id: &request.deposit_id, ticker, amount: request.amount };
        let opened = self.backend.open(&asked).await?;
        let provider_ref = map::provider_ref(&opened.id).ok_or_else(|| refused(ErrorKind::OutcomeUnknown))?;
        Ok(Box::new(IntentRecord {
            deposit_id: request.deposit_id.clone(),
            provider: Self::ID,
            provider_ref,
            terms: request.terms,
            instructions: PayInstructions::HostedPage { url: opened.url, payment_id: Some(opened.id) },
        }))
    }

    async fn read(&self, intent: &IntentRecord) -> Result<Snapshot, ProviderError> {
        let seen = self.backend.read(intent.provider_ref.as_str()).await?;
        if seen.id != intent.provider_ref.as_str() {
            return Err(error(Operation::Read, ErrorKind::Protocol));
        }
        Ok(map::snapshot(intent, &self.destination, &seen))
    }

    fn webhook(&self, delivery: &RawDelivery<'_>) -> Result<Delivery, WebhookError> {
        self.backend.webhook(delivery)
    }

    async fn check(&self, context: &CheckContext) -> Vec<CheckItem> {
        crate::check::run(self.backend.as_ref(), self.api, &self.destination, context).await
    }
}

impl fmt::Debug for Daimo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Daimo")
            .field("api", &self.api)
            .field("destination", &self.destination)
            .finish_non_exhaustive()
    }
}

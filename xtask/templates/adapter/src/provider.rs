//! The adapter.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use deposit_core::{
    Asset, Capabilities, ConfigError, CreditRule, Delivery, DepositIntent, ErrorKind, IntentRecord,
    OpenRequest, Operation, PaymentProvider, ProviderError, ProviderId, ProviderRef, RawDelivery, Replay,
    RequestBudget, Snapshot, Ticker, TickerKind, TickerSpec, WebhookError,
};
use deposit_transport::HttpConfig;

use crate::client::Client;
use crate::config::Config;
use crate::error::{ID, error};
use crate::webhook::Webhooks;
use crate::{api, map};

/// @Name@ as a payment provider.
pub struct @Name@ {
    client: Client,
    webhooks: Webhooks,
    capabilities: Capabilities,
}

/// The ways of paying. The ticker is a placeholder; take one of `Ticker::KNOWN`, or bring one of your own.
fn tickers() -> Result<Vec<TickerSpec>, ConfigError> {
    let none = || ConfigError::new("providers.@name@", "has a ticker or asset that is none");
    let ticker: Ticker = "@TICKER@".parse().map_err(|_| none())?;
    let asset = Asset::new("@TICKER@", 8).map_err(|_| none())?;
    Ok(vec![TickerSpec::new(ticker, asset, TickerKind::Address, CreditRule::at_rate_of(ticker))])
}

impl @Name@ {
    /// `@name@`.
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
        let capabilities = Capabilities {
            tickers: tickers()?,
            // The safe answer for as long as nothing is known: nothing is repeated.
            replay: Replay::None,
            open_timeout: http.timeout,
            scan: false,
            standing_address: false,
            webhooks: true,
            bounds: false,
            read_batch: 1,
            budget: RequestBudget { requests: 1, per: Duration::from_secs(1), concurrency: 1 },
            requests_per_read: 1,
        };
        let client = Client::new(&config, http)?;
        Ok(Self { client, webhooks: Webhooks::new(config.webhook_secret), capabilities })
    }
}

#[async_trait]
impl PaymentProvider for @Name@ {
    fn id(&self) -> ProviderId {
        Self::ID
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn open(&self, request: &OpenRequest) -> Result<Box<dyn DepositIntent>, ProviderError> {
        let body = api::CreateOrder {
            reference: request.deposit_id.as_str(),
            amount: request.amount.to_string(),
            expires_at: request.expires_at.secs(),
        };
        let order = self.client.create(&body).await?;
        // The order was made; if it cannot be used, an operator has to know of it.
        let unclear = || error(Operation::Open, ErrorKind::OutcomeUnknown);
        Ok(Box::new(IntentRecord {
            deposit_id: request.deposit_id.clone(),
            provider: Self::ID,
            provider_ref: ProviderRef::new(order.id).map_err(|_| unclear())?,
            terms: request.terms,
            instructions: map::instructions(&order.address, request.amount).ok_or_else(unclear)?,
        }))
    }

    async fn read(&self, intent: &IntentRecord) -> Result<Snapshot, ProviderError> {
        let order = self.client.order(intent.provider_ref.as_str()).await?;
        if order.id != intent.provider_ref.as_str() {
            return Err(error(Operation::Read, ErrorKind::Protocol));
        }
        Ok(map::snapshot(&intent.provider_ref, &order, intent.terms.asset))
    }

    fn webhook(&self, delivery: &RawDelivery<'_>) -> Result<Delivery, WebhookError> {
        self.webhooks.take(delivery)
    }
}

impl fmt::Debug for @Name@ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("@Name@").finish_non_exhaustive()
    }
}

//! The adapter.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use deposit_core::{
    Asset, Capabilities, ConfigError, CreditRule, Delivery, DepositId, DepositIntent, ErrorKind,
    IntentRecord, OpenRequest, Operation, PayInstructions, PaymentProvider, ProviderError, ProviderId,
    ProviderRef, RawDelivery, Replay, RequestBudget, Snapshot, Terms, Ticker, TickerKind, TickerSpec,
    WebhookError,
};
use deposit_transport::HttpConfig;

use crate::client::Client;
use crate::config::{Checked, Config};
use crate::error::{ID, error};
use crate::webhook::Webhooks;
use crate::{api, map};

/// The order stays payable a while after our quote has ended, so that a payment in the last moment is still listed there.
const MARGIN_SECS: i64 = 300;

/// AcornPay as a payment provider.
pub struct AcornPay {
    client: Client,
    webhooks: Webhooks,
    capabilities: Capabilities,
}

/// An order of AcornPay: this adapter's own kind of [`DepositIntent`].
#[derive(Debug, Clone)]
struct AcornOrder {
    deposit_id: DepositId,
    reference: ProviderRef,
    terms: Terms,
    instructions: PayInstructions,
}

impl DepositIntent for AcornOrder {
    fn deposit_id(&self) -> &DepositId {
        &self.deposit_id
    }
    fn provider(&self) -> ProviderId {
        ID
    }
    fn provider_ref(&self) -> &ProviderRef {
        &self.reference
    }
    fn terms(&self) -> &Terms {
        &self.terms
    }
    fn instructions(&self) -> &PayInstructions {
        &self.instructions
    }
}

/// ACORN: a ticker and an asset that the repository's workspace has never heard of.
fn acorn() -> Result<TickerSpec, ConfigError> {
    let broken = |_| ConfigError::new("providers.acornpay", "has a ticker or asset that is none");
    let ticker: Ticker = "ACORN".parse().map_err(broken)?;
    let asset = Asset::new("ACORN", 8).map_err(|_| broken(deposit_core::InvalidCode))?;
    Ok(TickerSpec::new(ticker, asset, TickerKind::Address, CreditRule::at_rate_of(ticker)))
}

impl AcornPay {
    /// `acornpay`.
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
        let spec = acorn()?;
        let capabilities = Capabilities {
            tickers: vec![spec],
            replay: Replay::Key,
            open_timeout: http.timeout,
            scan: false,
            standing_address: false,
            webhooks: true,
            bounds: false,
            read_batch: 1,
            budget: RequestBudget { requests: 10, per: Duration::from_secs(1), concurrency: 4 },
            requests_per_read: 1,
        };
        let client = Client::new(&config, http)?;
        let Checked { merchant, webhook_secret, .. } = config;
        let webhooks = Webhooks { secret: webhook_secret, merchant, ticker: spec.ticker };
        Ok(Self { client, webhooks, capabilities })
    }
}

#[async_trait]
impl PaymentProvider for AcornPay {
    fn id(&self) -> ProviderId {
        Self::ID
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn open(&self, request: &OpenRequest) -> Result<Box<dyn DepositIntent>, ProviderError> {
        let external_id = api::external_id(request.deposit_id.as_str());
        // The same for every repeat, so that AcornPay knows it again.
        let body = api::CreateOrder {
            external_id: &external_id,
            amount_nuts: request.amount.minor().to_string(),
            expires_at: request.expires_at.secs() + MARGIN_SECS,
        };
        let order = self.client.create(&body).await?;
        let unclear = || error(Operation::Open, ErrorKind::OutcomeUnknown);
        if !map::is_what_we_asked(&order, request, &external_id) {
            return Err(unclear());
        }
        Ok(Box::new(AcornOrder {
            deposit_id: request.deposit_id.clone(),
            reference: ProviderRef::new(order.id).map_err(|_| unclear())?,
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

impl fmt::Debug for AcornPay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcornPay").field("merchant", &self.webhooks.merchant).finish_non_exhaustive()
    }
}

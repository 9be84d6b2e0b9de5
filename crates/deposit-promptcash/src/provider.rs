//! The adapter.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use deposit_core::{
    Amount, Asset, Capabilities, CheckContext, CheckItem, ConfigError, CreditRule, Delivery, DepositIntent,
    ErrorKind, IntentRecord, OpenRequest, Operation, PaymentProvider, ProviderError, ProviderId, ProviderRef,
    RawDelivery, Replay, RequestBudget, Snapshot, Terms, Ticker, TickerKind, TickerSpec, Timestamp,
    WebhookError,
};
use deposit_transport::HttpConfig;

use crate::api::{self, Created, Payment};
use crate::client::Client;
use crate::config::{Checked, Config, Depth};
use crate::error::{ID, error};
use crate::map::{self, Asked};
use crate::quote::{self, Quoted};
use crate::webhook::{self, Webhooks};

/// Minutes by which the service's deadline lies behind the end of our quote. What it does about a payment after its own deadline is
/// unconfirmed, and a block can be an hour away.
const MARGIN_MINUTES: i64 = 60;

/// Longest id that integrations are seen to use, and what marks an order that was asked for a second time.
const MAX_TX_ID: usize = 48;
const SECOND: &str = "-2";

/// Prompt.Cash as a payment provider.
///
/// ```
/// use deposit_core::{PaymentProvider, Ticker};
/// use deposit_promptcash::{Config, PromptCash};
/// let provider = PromptCash::new(Config::new("https://prompt.cash", "1-bOLAua5k", "secret-token"))?;
/// assert_eq!(provider.capabilities().tickers[0].ticker, Ticker::BCH);
/// # Ok::<(), deposit_core::ConfigError>(())
/// ```
pub struct PromptCash {
    client: Client,
    webhooks: Webhooks,
    depth: Depth,
    callback_url: String,
    capabilities: Capabilities,
}

impl PromptCash {
    /// `promptcash`.
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
        let capabilities = capabilities(http.timeout);
        let client = Client::new(&config, http)?;
        let Checked { secret_token, depth, callback_url, .. } = config;
        Ok(Self { client, webhooks: Webhooks::new(secret_token), depth, callback_url, capabilities })
    }

    /// Opens one order, or gets the one that this id has already, and checks that it is what was asked for.
    async fn order(
        &self,
        tx_id: &str,
        price: Amount,
        minutes: i64,
        confirmations: u32,
    ) -> Result<Order, ProviderError> {
        let Created { payment, existing } =
            self.client.create(tx_id, &price.to_string(), minutes, confirmations).await?;
        // Whether changes of a repeated request are applied, ignored or refused is unconfirmed: a difference is an error.
        let same_price = payment.fiat_currency == api::FIAT
            && quote::is_price(payment.amount_fiat.decimal(), price)
            && payment.callback_url.as_ref().is_none_or(|url| *url == self.callback_url);
        if existing && !same_price {
            return Err(error(Operation::Open, ErrorKind::Rejected("tx_id_taken")));
        }
        let order = Order::read(&payment).filter(|_| same_price && payment.tx_id == tx_id);
        order.ok_or_else(|| error(Operation::Open, ErrorKind::Protocol))
    }

    fn asked(&self, terms: &Terms) -> Asked {
        let price = terms.requested().and_then(|amount| quote::price(terms, amount));
        Asked {
            price,
            minutes: terms.expires_at().map_or(MARGIN_MINUTES, |end| expiration_minutes(terms, end)),
            confirmations: self.depth.of(price),
        }
    }
}

/// What of an opened order is of use.
struct Order {
    tx_id: ProviderRef,
    /// Bare.
    address: String,
    payable: Amount,
}

impl Order {
    /// `None` where it cannot be paid in BCH.
    fn read(payment: &Payment) -> Option<Self> {
        if payment.crypto_currency != api::COIN {
            return None;
        }
        Some(Self {
            tx_id: ProviderRef::new(payment.tx_id.as_str()).ok()?,
            address: map::bare_address(&payment.address)?.to_owned(),
            payable: quote::nearest_satoshi(payment.amount_crypto.decimal())?,
        })
    }
}

fn capabilities(open_timeout: Duration) -> Capabilities {
    let spec =
        TickerSpec::new(Ticker::BCH, Asset::BCH, TickerKind::Address, CreditRule::at_rate_of(Ticker::BCH))
            .with_quote_decimals(8)
            .confirming_only_full();
    Capabilities {
        tickers: vec![spec],
        replay: Replay::Key,
        open_timeout,
        scan: false,
        standing_address: false,
        webhooks: true,
        bounds: false,
        read_batch: 1,
        // No limit is documented: what the dossier thinks polite (section 8).
        budget: RequestBudget { requests: 1, per: Duration::from_secs(1), concurrency: 1 },
        requests_per_read: 1,
    }
}

/// What an attempt's order is called. The first is the deposit's id. A later one is asked for only after the quote of the one before has ended, with
/// terms of its own: under the old name the service would bring the old payment back, whose price is another.
fn tx_id(request: &OpenRequest) -> String {
    match request.attempt {
        0 | 1 => request.deposit_id.to_string(),
        attempt => format!("{}-a{attempt}", request.deposit_id),
    }
}

/// From the deposit's making to the end of its quote, rounded up to minutes, and the margin. Counted from the making, not from
/// now: the adapter reads no clock, and a repeat has to say the same.
fn expiration_minutes(terms: &Terms, expires_at: Timestamp) -> i64 {
    let millis = expires_at.millis_since(terms.created_at).max(0);
    millis.saturating_add(59_999) / 60_000 + MARGIN_MINUTES
}

#[async_trait]
impl PaymentProvider for PromptCash {
    fn id(&self) -> ProviderId {
        Self::ID
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// One request, or two where the service's rate makes its figure a little higher than ours. A repeat asks for the same again:
    /// both orders exist then, and the first one's figure, fixed at its making, leads to the second again.
    async fn open(&self, request: &OpenRequest) -> Result<Box<dyn DepositIntent>, ProviderError> {
        let rejected = |word| error(Operation::Open, ErrorKind::Rejected(word));
        if request.terms.ticker != Ticker::BCH {
            return Err(rejected("unknown_ticker"));
        }
        if request.amount.asset() != Asset::BCH {
            return Err(rejected("wrong_asset"));
        }
        let price = quote::price(&request.terms, request.amount).ok_or_else(|| rejected("amount_zero"))?;
        let tx_id = tx_id(request);
        if tx_id.len() + SECOND.len() > MAX_TX_ID {
            return Err(rejected("id_too_long"));
        }
        let minutes = expiration_minutes(&request.terms, request.expires_at);
        let confirmations = self.depth.of(Some(price));
        let first = self.order(&tx_id, price, minutes, confirmations).await?;
        let order = match quote::judge(price, first.payable, request.amount) {
            Quoted::Covered => first,
            Quoted::Mismatch => return Err(rejected("rate_mismatch")),
            Quoted::AskAgain(price) => {
                let second = self.order(&format!("{tx_id}{SECOND}"), price, minutes, confirmations).await?;
                if quote::judge(price, second.payable, request.amount) != Quoted::Covered {
                    return Err(rejected("rate_mismatch"));
                }
                second
            }
        };
        Ok(Box::new(IntentRecord {
            deposit_id: request.deposit_id.clone(),
            provider: Self::ID,
            provider_ref: order.tx_id,
            terms: request.terms,
            instructions: map::instructions(&order.address, request.amount),
        }))
    }

    async fn read(&self, intent: &IntentRecord) -> Result<Snapshot, ProviderError> {
        let tx_id = intent.provider_ref.as_str();
        let payment =
            self.client.payment(tx_id).await?.ok_or_else(|| error(Operation::Read, ErrorKind::NotFound))?;
        if payment.tx_id != tx_id {
            return Err(error(Operation::Read, ErrorKind::Protocol));
        }
        Ok(map::snapshot(intent, self.asked(&intent.terms), &payment))
    }

    fn webhook(&self, delivery: &RawDelivery<'_>) -> Result<Delivery, WebhookError> {
        self.webhooks.take(delivery)
    }

    async fn check(&self, context: &CheckContext) -> Vec<CheckItem> {
        crate::check::run(&self.client, &self.callback_url, self.depth.least(), context).await
    }

    fn journalled<'a>(&self, body: &'a [u8]) -> Cow<'a, [u8]> {
        webhook::without_token(body)
    }
}

impl fmt::Debug for PromptCash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PromptCash").field("depth", &self.depth).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{CREATED, config, terms};

    #[test]
    fn an_order_outlives_our_quote() {
        let of = |seconds| expiration_minutes(&terms("1", "400"), Timestamp::from_secs(CREATED + seconds));
        assert_eq!((of(3600), of(3601), of(-5)), (120, 121, 60));
    }

    #[tokio::test]
    async fn what_is_not_declared_is_unsupported() {
        let provider = PromptCash::new(config()).unwrap();
        for error in [
            provider.scan(None).await.unwrap_err(),
            provider.read_many(&[]).await.unwrap_err(),
            provider.standing_address(deposit_core::AccountIndex(0)).unwrap_err(),
        ] {
            assert_eq!(*error.kind(), ErrorKind::Unsupported);
        }
    }

    #[test]
    fn no_secret_is_printed() {
        let config = Config::new("https://prompt.cash", "1-a", "S3CR3T-A");
        let provider = PromptCash::new(config).unwrap();
        assert!(!format!("{provider:?} {:?} {:?}", provider.client, provider.webhooks).contains("S3CR3T"));
    }
}

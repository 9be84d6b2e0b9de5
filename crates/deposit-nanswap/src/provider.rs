//! The adapter.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use deposit_core::{
    Amount, Capabilities, CheckContext, CheckItem, ConfigError, DepositIntent, ErrorKind, IntentRecord,
    Limits, OpenRequest, Operation, PayInstructions, PaymentProvider, ProviderError, ProviderId, ProviderRef,
    Replay, RequestBudget, Snapshot, Ticker,
};
use deposit_transport::HttpConfig;

use crate::api;
use crate::catalog::{Catalog, Pair};
use crate::client::Client;
use crate::coin::{Coin, Settle};
use crate::config::{Checked, Config};
use crate::error::{ID, error};
use crate::map::{self, Payout};
use crate::stuck::Stuck;

/// The longest that there is. What comes after it may never be swapped, and a swap has no locked rate that could age.
const LIFETIME_SECONDS: u32 = 259_200;

/// Nanswap as a payment provider.
///
/// ```
/// use deposit_core::{PaymentProvider, Replay};
/// use deposit_nanswap::{Config, Nanswap};
/// let provider = Nanswap::new(Config::new("https://api.nanswap.com", "key", "nano_1settle"))?;
/// assert_eq!(provider.capabilities().tickers.len(), 6);
/// assert_eq!(provider.capabilities().replay, Replay::None);
/// # Ok::<(), deposit_core::ConfigError>(())
/// ```
pub struct Nanswap {
    client: Client,
    catalog: Catalog,
    stuck: Stuck,
    settle: &'static Settle,
    settle_address: String,
    capabilities: Capabilities,
}

impl Nanswap {
    /// `nanswap`.
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
        let capabilities = capabilities(config.settle, http.timeout);
        let client = Client::new(&config, http)?;
        let Checked { settle, settle_address, .. } = config;
        let (catalog, stuck) = (Catalog::new(), Stuck::default());
        Ok(Self { client, catalog, stuck, settle, settle_address, capabilities })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn settle(&self) -> &'static Settle {
        self.settle
    }

    pub(crate) fn settle_address(&self) -> &str {
        &self.settle_address
    }

    /// What the provider offers for this coin now; nothing was ordered yet, whatever goes wrong.
    pub(crate) async fn pair(&self, coin: &Coin) -> Result<Pair, ProviderError> {
        let pair = self.catalog.pair(&self.client, coin, self.settle);
        tokio::time::timeout(self.client.patience(), pair)
            .await
            .unwrap_or_else(|_| Err(error(Operation::Open, ErrorKind::Transient { retry_after: None })))
    }

    /// Where to pay a fresh order; `None` where anything of it is not what was asked for: then its address is shown to nobody.
    fn instructions(
        &self,
        order: &api::Order,
        coin: &Coin,
        pair: &Pair,
        amount: Amount,
    ) -> Option<PayInstructions> {
        if order.payout_address.as_deref() != Some(self.settle_address.as_str()) {
            tracing::error!("an order pays out to another address than was asked for: it is not used");
            return None;
        }
        if !order.expected_amount_from.as_ref().is_some_and(|told| map::is_asked(amount, told)) {
            return None;
        }
        let memo = order.extra_id().ok()?;
        if pair.needs_memo && memo.is_none() {
            return None;
        }
        coin.instructions(order.payin_address.as_deref()?, memo.as_deref(), amount)
    }
}

fn capabilities(settle: &Settle, timeout: Duration) -> Capabilities {
    Capabilities {
        tickers: Coin::ALL.iter().map(|coin| coin.spec(settle.ticker)).collect(),
        replay: Replay::None,
        // What is asked first, and the create.
        open_timeout: timeout * 2,
        scan: false,
        standing_address: false,
        webhooks: false,
        bounds: true,
        read_batch: 1,
        // 180 in a minute, all callers together. In small parts, since a caller may take a whole part at once on top of the
        // steady pace: 154 in the worst minute, which leaves 26 to creates and to the limits of six pairs, once a minute each.
        budget: RequestBudget { requests: 14, per: Duration::from_secs(6), concurrency: 4 },
        requests_per_read: 1,
    }
}

fn coin(request: &OpenRequest) -> Result<&'static Coin, ErrorKind> {
    let coin = Coin::of(request.terms.ticker).ok_or(ErrorKind::Rejected("unknown_ticker"))?;
    if request.amount.asset() != coin.asset {
        Err(ErrorKind::Rejected("wrong_asset"))
    } else if request.amount.is_zero() {
        Err(ErrorKind::Rejected("amount_zero"))
    } else {
        Ok(coin)
    }
}

#[async_trait]
impl PaymentProvider for Nanswap {
    fn id(&self) -> ProviderId {
        Self::ID
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// The pair's limits, at most a minute old. What went wrong is named as for an order that is to be opened.
    async fn bounds(&self, ticker: Ticker) -> Result<Limits, ProviderError> {
        let coin = Coin::of(ticker);
        let coin = coin.ok_or_else(|| error(Operation::Limits, ErrorKind::Rejected("unknown_ticker")))?;
        Ok(self.pair(coin).await?.limits)
    }

    /// Currencies and limits, where what is known of them is too old, then the order, once. Until that is sent nothing has
    /// happened; an answer to it that is lost or cannot be used leaves an unpaid order, which costs nobody anything.
    async fn open(&self, request: &OpenRequest) -> Result<Box<dyn DepositIntent>, ProviderError> {
        let error = |kind| error(Operation::Open, kind);
        let coin = coin(request).map_err(error)?;
        let pair = self.pair(coin).await?;
        pair.check(request.amount).map_err(error)?;
        let order = self
            .client
            .create(&api::CreateOrder {
                from: &pair.from,
                to: &pair.to,
                amount: request.amount.into(),
                to_address: &self.settle_address,
                max_duration_seconds: LIFETIME_SECONDS,
            })
            .await?;
        let instructions = self.instructions(&order, coin, &pair, request.amount);
        let reference = ProviderRef::new(order.id.as_str()).ok();
        let (Some(instructions), Some(provider_ref)) = (instructions, reference) else {
            return Err(error(ErrorKind::Protocol));
        };
        Ok(Box::new(IntentRecord {
            deposit_id: request.deposit_id.clone(),
            provider: Self::ID,
            provider_ref,
            terms: request.terms,
            instructions,
        }))
    }

    async fn read(&self, intent: &IntentRecord) -> Result<Snapshot, ProviderError> {
        let error = |kind| error(Operation::Read, kind);
        // What it settles in was frozen with the terms; the configuration may name another coin by now.
        let settle = intent.terms.credit.priced_by.and_then(Settle::of);
        let settle = settle.ok_or_else(|| error(ErrorKind::Rejected("unknown_ticker")))?;
        let id = intent.provider_ref.as_str();
        let read = self.client.order(id).await?;
        if read.order.id != id {
            return Err(error(ErrorKind::Protocol));
        }
        let payout = Payout { asset: settle.asset, address: &self.settle_address };
        let mut snapshot = map::snapshot(intent, payout, &read.order, read.at);
        let swapping = matches!(read.order.status, Some(api::Status::Exchanging | api::Status::Sending));
        let handed = snapshot.concerns.iter().any(|concern| concern.money.is_some());
        let swapped = snapshot.payments.first().filter(|_| swapping);
        let stuck = self.stuck.seen(&intent.provider_ref, swapped);
        // One payment is one matter: what is wrong with it already says more than that it takes long.
        snapshot.concerns.extend(stuck.filter(|_| !handed));
        Ok(snapshot)
    }

    async fn check(&self, context: &CheckContext) -> Vec<CheckItem> {
        self.look(context).await
    }
}

impl fmt::Debug for Nanswap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nanswap").field("settle", &self.settle.ticker).finish_non_exhaustive()
    }
}

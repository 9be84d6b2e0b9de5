//! The adapter.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use deposit_core::{
    Amount, Capabilities, CheckContext, CheckItem, ConfigError, Delivery, DepositId, DepositIntent,
    ErrorKind, IntentRecord, LookUpRequest, OpenRequest, Operation, PayInstructions, PaymentProvider, Price,
    ProviderError, ProviderId, RawDelivery, ReadOutcome, Replay, RequestBudget, ScanCursor, ScanPage,
    Snapshot, Terms, Ticker, Timestamp, WebhookError,
};
use deposit_transport::HttpConfig;
use futures_util::stream::{self, StreamExt as _};

use crate::client::Client;
use crate::coin::{Coin, Method, Methods};
use crate::config::{Checked, Config, Speeds};
use crate::error::{ID, error};
use crate::wallet::{self, Ended, Wallet};
use crate::webhook::Webhooks;
use crate::{api, batch, check, map, marked, rates, refusal};

/// How long after its expiry an invoice that was paid in time may wait for its confirmations: a week.
const MONITORING_MINUTES: i64 = 7 * 24 * 60;

/// Of a batch, so many orders that no list showed are read at once.
const ALONE_AT_ONCE: usize = 8;

/// BTCPay Server as a payment provider.
///
/// ```
/// use deposit_btcpay::{BtcPay, Config};
/// use deposit_core::PaymentProvider;
/// let provider = BtcPay::new(Config::new("https://pay.example", "key", "store", "secret"))?;
/// assert_eq!(provider.capabilities().tickers.len(), 8);
/// # Ok::<(), deposit_core::ConfigError>(())
/// ```
pub struct BtcPay {
    client: Arc<Client>,
    store_id: String,
    speeds: Speeds,
    methods: Methods,
    webhooks: Webhooks,
    wallet: Wallet,
    capabilities: Capabilities,
}

impl BtcPay {
    /// `btcpay`.
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
        let client = Arc::new(Client::new(&config, http)?);
        let webhooks = Webhooks::new(&config);
        let Checked { store_id, speeds, methods, .. } = config;
        Ok(Self { client, store_id, speeds, methods, webhooks, wallet: Wallet::default(), capabilities })
    }

    /// The same, with another time between two looks of the wallet's feed (half a minute).
    #[must_use]
    pub fn with_wallet_pace(mut self, pace: Duration) -> Self {
        self.wallet.pace = pace;
        self
    }

    /// What the store's own rules give for one unit in USD; tickers without an answer are left out.
    ///
    /// # Errors
    /// As a read.
    pub async fn store_rates(&self, tickers: &[Ticker]) -> Result<Vec<(Ticker, Price)>, ProviderError> {
        rates::store_rates(&self.client, tickers).await
    }

    fn method(&self, ticker: Ticker, operation: Operation) -> Result<&Method, ProviderError> {
        self.methods.of(ticker).ok_or_else(|| error(operation, ErrorKind::Rejected("unknown_ticker")))
    }

    /// Servers answer 403 for an invoice that they do not know (dossier, section 14): before the key is blamed, it is asked for the list of this
    /// order. A key that may list is a good one, and what its list does not show is gone.
    async fn whose_fault(&self, intent: &IntentRecord, refused: ProviderError) -> ProviderError {
        let Ok(listed) = self.client.by_order_id(intent.deposit_id.as_str()).await else { return refused };
        if listed.iter().any(|invoice| invoice.id == intent.provider_ref.as_str()) {
            return refused;
        }
        error(Operation::Read, ErrorKind::NotFound).with_source(refused)
    }

    async fn in_wallet(
        &self,
        method: &Method,
        intent: &IntentRecord,
        outputs: &[api::Output],
        alone: bool,
        snapshot: &mut Snapshot,
    ) -> Result<(), ProviderError> {
        let wanted = self.speeds.of(&intent.terms).confirmations();
        let ended = Ended { method, intent, wanted, outputs, alone };
        self.wallet.correct(&self.client, ended, snapshot).await
    }

    /// Each wallet that an ended order of a list needs, once.
    async fn wallets(
        &self,
        found: &HashMap<String, batch::Listed>,
    ) -> HashMap<&str, Result<Option<Vec<api::Output>>, ErrorKind>> {
        let mut wallets = HashMap::new();
        for method in &self.methods.0 {
            let needs = |(invoice, prompts): &batch::Listed| {
                wallet::is_ended(method, invoice) && prompts.iter().any(|prompt| method.is(prompt.id()))
            };
            if found.values().any(needs) {
                let outputs = self.wallet.outputs(&self.client, Operation::Read, method).await;
                wallets.insert(method.id.as_str(), outputs.map_err(|failure| failure.kind().clone()));
            }
        }
        wallets
    }

    async fn find(&self, request: &LookUpRequest) -> Result<Vec<Box<dyn DepositIntent>>, ProviderError> {
        let method = self.method(request.terms.ticker, Operation::LookUp)?;
        let Some(amount) = request.terms.requested() else { return Ok(Vec::new()) };
        // Newest first there, oldest first here; reversed before the stable sort, for those of one second.
        let mut invoices = self.client.by_order_id(request.deposit_id.as_str()).await?;
        invoices.reverse();
        invoices.sort_by_key(|invoice| invoice.created_time);
        let mut found = Vec::new();
        for invoice in invoices {
            if !map::is_what_we_asked(&invoice, &self.store_id, &request.deposit_id, method, amount) {
                continue;
            }
            let methods = self.client.payment_methods(Operation::LookUp, &invoice.id).await?;
            // One without our method cannot be paid: it is the one that `open` gave up.
            let instructions =
                map::destination(method, &methods).and_then(|to| map::instructions(method, to, amount));
            found.extend(
                instructions.and_then(|how| intent(&request.deposit_id, &request.terms, &invoice.id, how)),
            );
        }
        Ok(found)
    }
}

fn capabilities(open_timeout: Duration) -> Capabilities {
    Capabilities {
        tickers: Coin::ALL.iter().map(Coin::spec).collect(),
        replay: Replay::LookUp,
        open_timeout,
        scan: true,
        standing_address: false,
        webhooks: true,
        bounds: false,
        read_batch: batch::READ_BATCH,
        // The server has no limit for API keys; this is what a small one bears.
        budget: RequestBudget { requests: 50, per: Duration::from_secs(1), concurrency: 8 },
        // An ended order's wallet is looked at too.
        requests_per_read: 3,
    }
}

/// From the deposit's making to the end of its quote, rounded up to minutes, and the margin. Counted from the making, not from
/// now: the adapter reads no clock, and a later attempt only makes a longer invoice.
fn expiration_minutes(terms: &Terms, expires_at: Timestamp, coin: &Coin) -> i64 {
    let millis = expires_at.millis_since(terms.created_at).max(0);
    millis.saturating_add(59_999) / 60_000 + coin.margin_minutes
}

/// An amount that the server would round is refused instead.
fn check_amount(coin: &Coin, amount: Amount) -> Result<(), ErrorKind> {
    let step = 10_u128.pow(u32::from(coin.asset.scale().saturating_sub(coin.quote_decimals)));
    if amount.asset() != coin.asset {
        Err(ErrorKind::Rejected("wrong_asset"))
    } else if amount.is_zero() {
        Err(ErrorKind::Rejected("amount_zero"))
    } else if !amount.minor().is_multiple_of(step) {
        Err(ErrorKind::Rejected("amount_precision"))
    } else {
        Ok(())
    }
}

fn intent(
    deposit_id: &DepositId,
    terms: &Terms,
    invoice_id: &str,
    instructions: PayInstructions,
) -> Option<Box<dyn DepositIntent>> {
    Some(Box::new(IntentRecord {
        deposit_id: deposit_id.clone(),
        provider: ID,
        provider_ref: map::provider_ref(invoice_id)?,
        terms: *terms,
        instructions,
    }))
}

#[async_trait]
impl PaymentProvider for BtcPay {
    fn id(&self) -> ProviderId {
        Self::ID
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Two requests: the invoice, priced in the coin with one method, then where to pay it. What goes wrong after the
    /// first is `OutcomeUnknown`: the invoice exists, and `look_up` finds it.
    async fn open(&self, request: &OpenRequest) -> Result<Box<dyn DepositIntent>, ProviderError> {
        let error = |kind| error(Operation::Open, kind);
        let method = self.method(request.terms.ticker, Operation::Open)?;
        check_amount(method.coin, request.amount).map_err(error)?;
        let invoice = self
            .client
            .create(&api::CreateInvoice {
                amount: request.amount.to_string(),
                currency: method.coin.currency,
                metadata: api::CreateMetadata {
                    order_id: request.deposit_id.as_str(),
                    deposit_gateway: api::MARKER.1,
                },
                checkout: api::CreateCheckout {
                    payment_methods: [&method.id],
                    expiration_minutes: expiration_minutes(&request.terms, request.expires_at, method.coin),
                    monitoring_minutes: MONITORING_MINUTES,
                    speed_policy: self.speeds.of(&request.terms),
                    payment_tolerance: method.coin.tolerance_percent(request.amount),
                    lazy_payment_methods: false,
                },
            })
            .await;
        let invoice = match invoice {
            Err(refused) if *refused.kind() == ErrorKind::Rejected("method_missing") => {
                let why = refusal::why(&self.client, method, request.amount).await;
                return Err(error(why).with_source(refused));
            }
            Err(refused) if *refused.kind() == ErrorKind::Rejected("method_unknown") => {
                return Err(error(refusal::why_unknown(&self.client, method).await).with_source(refused));
            }
            other => other?,
        };
        if !map::is_what_we_asked(&invoice, &self.store_id, &request.deposit_id, method, request.amount) {
            self.client.mark_invalid(Operation::Open, &invoice.id).await;
            return Err(error(ErrorKind::Protocol));
        }
        let listed = invoice.checkout.as_ref().and_then(|checkout| checkout.payment_methods.as_ref());
        let there = listed.is_none_or(|ids| ids.iter().any(|id| method.is(id)));
        let instructions = if there {
            let methods = self
                .client
                .payment_methods(Operation::Open, &invoice.id)
                .await
                .map_err(|cause| error(ErrorKind::OutcomeUnknown).with_source(cause))?;
            if map::needs_no_confirmation(method, &methods) {
                self.client.mark_invalid(Operation::Open, &invoice.id).await;
                return Err(error(ErrorKind::Rejected("no_confirmations")));
            }
            map::destination(method, &methods).and_then(|to| map::instructions(method, to, request.amount))
        } else {
            None
        };
        // A method can vanish silently: rate or node missing, amount under dust.
        let Some(instructions) = instructions else {
            self.client.mark_invalid(Operation::Open, &invoice.id).await;
            return Err(error(refusal::why(&self.client, method, request.amount).await));
        };
        intent(&request.deposit_id, &request.terms, &invoice.id, instructions)
            .ok_or_else(|| error(ErrorKind::OutcomeUnknown))
    }

    async fn look_up(&self, request: &LookUpRequest) -> Result<Vec<Box<dyn DepositIntent>>, ProviderError> {
        // Only reads: it can be given up at any point.
        let all = tokio::time::timeout(self.client.patience(), self.find(request)).await;
        all.unwrap_or_else(|_| Err(error(Operation::LookUp, ErrorKind::Transient { retry_after: None })))
    }

    /// Two requests, the invoice first: its status is never newer than the payments. Of an order that has ended the wallet too.
    async fn read(&self, intent: &IntentRecord) -> Result<Snapshot, ProviderError> {
        let method = self.method(intent.terms.ticker, Operation::Read)?;
        let id = intent.provider_ref.as_str();
        let invoice = match self.client.invoice(Operation::Read, id).await {
            Err(refused) if *refused.kind() == ErrorKind::Authentication => {
                return Err(self.whose_fault(intent, refused).await);
            }
            other => other?,
        };
        if invoice.id != id {
            return Err(error(Operation::Read, ErrorKind::Protocol));
        }
        let methods = self.client.payment_methods(Operation::Read, id).await?;
        let mut snapshot = map::snapshot(intent, method, &invoice, &methods);
        if wallet::is_ended(method, &invoice)
            && let Some(outputs) = self.wallet.outputs(&self.client, Operation::Read, method).await?
        {
            self.in_wallet(method, intent, &outputs, true, &mut snapshot).await?;
        }
        Ok(snapshot)
    }

    /// One list. What it does not answer for is read alone: an invoice whose order id was edited away, or one that is gone.
    async fn read_many(&self, intents: &[IntentRecord]) -> Result<Vec<ReadOutcome>, ProviderError> {
        if intents.is_empty() {
            return Ok(Vec::new());
        }
        let lists = batch::read(&self.client, intents).await?;
        let lists = &lists;
        let wallets = &self.wallets(&lists.found).await;
        let one = |(place, intent): (usize, &IntentRecord)| {
            // Owned, so that the whole is `Send` for any caller.
            let intent = intent.clone();
            async move {
                if lists.unreadable.contains(&place) {
                    return Err(error(Operation::Read, ErrorKind::Protocol));
                }
                match lists.found.get(intent.provider_ref.as_str()) {
                    // A list leaves out payments that were undone: whether there are any only a read of the one invoice tells.
                    Some((invoice, methods)) if map::is_paid_by_nothing(invoice, methods) => {
                        self.read(&intent).await
                    }
                    Some((invoice, methods)) => {
                        let method = self.method(intent.terms.ticker, Operation::Read)?;
                        let mut snapshot = map::snapshot(&intent, method, invoice, methods);
                        if wallet::is_ended(method, invoice) {
                            match wallets.get(method.id.as_str()) {
                                Some(Ok(Some(outputs))) => {
                                    self.in_wallet(method, &intent, outputs, false, &mut snapshot).await?;
                                }
                                Some(Ok(None)) => {}
                                // Without the wallet what the chain lost would count again.
                                Some(Err(kind)) => return Err(error(Operation::Read, kind.clone())),
                                None => return self.read(&intent).await,
                            }
                        }
                        Ok(snapshot)
                    }
                    None => self.read(&intent).await,
                }
            }
        };
        let reads: Vec<_> = intents.iter().enumerate().map(one).collect();
        Ok(stream::iter(reads).buffered(ALONE_AT_ONCE).collect().await)
    }

    /// From the beginning first every payment to an invoice with our mark. Then, and from then on, the wallets of the core
    /// chains, as far as the key may see them: hints for the orders whose money may have changed.
    async fn scan(&self, cursor: Option<&ScanCursor>) -> Result<ScanPage, ProviderError> {
        let Some(from) = marked::place(cursor) else {
            return self.wallet.scan(&self.client, &self.methods, cursor).await;
        };
        let listed = marked::list(&self.client, &self.methods, &self.store_id, from).await?;
        if let Some(next) = listed.next {
            let further_requests = listed.requests.saturating_sub(1);
            let observations = listed.observations;
            return Ok(ScanPage { further_requests, more: true, ..wallet::page(observations, next) });
        }
        // What the list showed is not lost where no wallet can be read now: the next scan reads them from their beginning.
        let mut page = match self.wallet.scan(&self.client, &self.methods, None).await {
            Ok(page) => page,
            Err(failure) => {
                tracing::warn!(error = %failure, "no wallet could be read");
                wallet::page(Vec::new(), wallet::beginning())
            }
        };
        page.further_requests = page.further_requests.saturating_add(listed.requests);
        page.observations.splice(0..0, listed.observations);
        Ok(page)
    }

    fn webhook(&self, delivery: &RawDelivery<'_>) -> Result<Delivery, WebhookError> {
        self.webhooks.take(delivery)
    }

    async fn check(&self, context: &CheckContext) -> Vec<CheckItem> {
        check::run(&self.client, &self.methods, context).await
    }
}

impl fmt::Debug for BtcPay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BtcPay")
            .field("store_id", &self.store_id)
            .field("speeds", &self.speeds)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "provider_tests.rs"]
mod tests;

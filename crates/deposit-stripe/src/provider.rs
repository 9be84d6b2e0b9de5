//! The adapter.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use deposit_core::{
    Capabilities, CheckContext, CheckItem, ConfigError, Delivery, DepositIntent, ErrorKind, IntentRecord,
    OpenRequest, Operation, PaymentProvider, ProviderError, ProviderId, ProviderRef, RawDelivery, Replay,
    RequestBudget, ScanCursor, ScanPage, Snapshot, Ticker, Timestamp, WebhookError,
};
use deposit_transport::HttpConfig;

use crate::api::{MARKER, SessionStatus};
use crate::client::Client;
use crate::config::{Checked, Config};
use crate::currency::Currency;
use crate::error::{ID, error};
use crate::map::{self, Read};
use crate::scan;
use crate::webhook::Webhooks;

/// A session lasts 30 minutes to 24 hours from its creation as Stripe measures it, both ends refused (dossier, section 3.1).
/// Ours begins with the deposit, so that a repeat asks for the same; the first bound leaves a late repeat a few minutes.
const SHORTEST_SECS: i64 = 36 * 60;
const LONGEST_SECS: i64 = 23 * 3_600 + 55 * 60;
/// How long the page outlives our quote: a payment in the last second is still one.
const MARGIN_SECS: i64 = 300;

/// What the payer reads on the page.
const PRODUCT: &str = "Account deposit";

/// Stripe as a payment provider.
///
/// ```
/// use deposit_core::PaymentProvider;
/// use deposit_stripe::{Config, Stripe};
/// let provider = Stripe::new(Config::new("sk_test_sample", "whsec_sample", "https://shop.example/paid"))?;
/// assert_eq!(provider.capabilities().tickers.len(), 3);
/// # Ok::<(), deposit_core::ConfigError>(())
/// ```
pub struct Stripe {
    client: Client,
    livemode: bool,
    success_url: String,
    cancel_url: Option<String>,
    webhooks: Webhooks,
    capabilities: Capabilities,
}

impl Stripe {
    /// `stripe`.
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
        let webhooks = Webhooks::new(&config);
        let Checked { livemode, success_url, cancel_url, .. } = config;
        Ok(Self { client, livemode, success_url, cancel_url, webhooks, capabilities })
    }

    /// The body of a create: all of it from the request's terms and the configuration, so that a repeat is the same byte for byte.
    fn body(&self, request: &OpenRequest, currency: &Currency, cents: u64) -> Vec<(&'static str, String)> {
        let id = request.deposit_id.as_str();
        let mut body = vec![
            ("mode", "payment".to_owned()),
            ("client_reference_id", id.to_owned()),
            ("success_url", self.success_url.clone()),
        ];
        body.extend(self.cancel_url.clone().map(|url| ("cancel_url", url)));
        body.extend([
            ("expires_at", expires_at(request.terms.created_at, request.expires_at).to_string()),
            // Cards alone (and the wallets that they bring): without it the account's dashboard decides.
            ("payment_method_types[0]", "card".to_owned()),
            ("adaptive_pricing[enabled]", "false".to_owned()),
            ("line_items[0][quantity]", "1".to_owned()),
            ("line_items[0][price_data][currency]", currency.code.to_owned()),
            ("line_items[0][price_data][unit_amount]", cents.to_string()),
            ("line_items[0][price_data][product_data][name]", PRODUCT.to_owned()),
            ("metadata[deposit_id]", id.to_owned()),
            ("metadata[deposit_gateway]", MARKER.1.to_owned()),
            // Copied to the PaymentIntent and its charges: the session's own do not get there.
            ("payment_intent_data[metadata][deposit_id]", id.to_owned()),
            ("payment_intent_data[metadata][deposit_gateway]", MARKER.1.to_owned()),
        ]);
        body
    }
}

fn capabilities(open_timeout: Duration) -> Capabilities {
    Capabilities {
        tickers: Currency::ALL.iter().map(Currency::spec).collect(),
        replay: Replay::Key,
        open_timeout,
        scan: true,
        standing_address: false,
        webhooks: true,
        bounds: false,
        read_batch: 1,
        // 25 a second for one endpoint and for a whole sandbox account (dossier, section 1.5): some are left to others.
        budget: RequestBudget { requests: 20, per: Duration::from_secs(1), concurrency: 8 },
        requests_per_read: 3,
    }
}

fn currency(ticker: Ticker, operation: Operation) -> Result<&'static Currency, ProviderError> {
    Currency::of(ticker).ok_or_else(|| error(operation, ErrorKind::Rejected("unknown_ticker")))
}

/// When the page closes, Unix seconds. Counted from the deposit's making, not from now: the adapter reads no clock, and a body
/// that moves between repeats would be refused.
fn expires_at(created_at: Timestamp, quote_ends: Timestamp) -> i64 {
    let created = created_at.secs();
    let wanted = quote_ends.secs().saturating_add(MARGIN_SECS);
    wanted.clamp(created.saturating_add(SHORTEST_SECS), created.saturating_add(LONGEST_SECS))
}

#[async_trait]
impl PaymentProvider for Stripe {
    fn id(&self) -> ProviderId {
        Self::ID
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// One request. A repeat with the same id, terms and attempt answers the same session.
    async fn open(&self, request: &OpenRequest) -> Result<Box<dyn DepositIntent>, ProviderError> {
        let fail = |kind| error(Operation::Open, kind);
        let currency = currency(request.terms.ticker, Operation::Open)?;
        let cents = currency.cents(request.amount).map_err(fail)?;
        let key = format!("{}:create:{}", request.deposit_id, request.attempt);
        let session = self.client.create(&key, &self.body(request, currency, cents)).await?;
        let right = map::is_what_we_asked(&session, self.livemode, &request.deposit_id, currency, cents)
            && session.status == Some(SessionStatus::Open);
        let provider_ref = ProviderRef::new(session.id.as_str()).ok();
        let (Some(provider_ref), Some(instructions), true) =
            (provider_ref, map::instructions(&session), right)
        else {
            self.client.expire(Operation::Open, &session.id).await;
            return Err(fail(ErrorKind::Protocol));
        };
        Ok(Box::new(IntentRecord {
            deposit_id: request.deposit_id.clone(),
            provider: Self::ID,
            provider_ref,
            terms: request.terms,
            instructions,
        }))
    }

    /// One request, and two more once the payer has confirmed: refunds and disputes are never older than the session.
    async fn read(&self, intent: &IntentRecord) -> Result<Snapshot, ProviderError> {
        let fail = |kind| error(Operation::Read, kind);
        let currency = currency(intent.terms.ticker, Operation::Read)?;
        let id = intent.provider_ref.as_str();
        let session = self.client.session(Operation::Read, id).await?;
        if session.id != id || session.livemode != self.livemode {
            return Err(fail(ErrorKind::Protocol));
        }
        let (mut refunds, mut disputes) = (Vec::new(), Vec::new());
        if let Some(payment) = map::intent_id(&session) {
            refunds = self.client.refunds(payment).await?;
            disputes = self.client.disputes(payment).await?;
            let of_payment = |of: &Option<String>| of.as_deref() == Some(payment);
            // A filter that was ignored would take back what others were refunded.
            let all = refunds.iter().all(|refund| of_payment(&refund.payment_intent))
                && disputes.iter().all(|dispute| of_payment(&dispute.payment_intent));
            if !all {
                return Err(fail(ErrorKind::Protocol));
            }
        }
        Ok(map::snapshot(intent, currency, &Read { session, refunds, disputes }))
    }

    /// The account's events, 30 days back at first: one request a page, and one for each payment with a refund or dispute in it.
    async fn scan(&self, cursor: Option<&ScanCursor>) -> Result<ScanPage, ProviderError> {
        scan::scan(&self.client, self.livemode, cursor).await
    }

    /// Every event that changes a session, a refund or a dispute is asked for; one that enters the list late is found within the overlap.
    fn feed_shows_changes(&self) -> bool {
        true
    }

    fn webhook(&self, delivery: &RawDelivery<'_>) -> Result<Delivery, WebhookError> {
        self.webhooks.take(delivery)
    }

    async fn check(&self, context: &CheckContext) -> Vec<CheckItem> {
        crate::check::run(&self.client, self.livemode, context).await
    }
}

impl fmt::Debug for Stripe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stripe").field("livemode", &self.livemode).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "provider_tests.rs"]
mod tests;

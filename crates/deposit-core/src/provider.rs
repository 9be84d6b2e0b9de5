//! `PaymentProvider`: the trait that an adapter implements.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString};

use crate::amount::Amount;
use crate::asset::{Asset, ProviderId, Ticker};
use crate::check::{CheckContext, CheckItem};
use crate::error::{Operation, ProviderError, WebhookError};
use crate::evidence::{Observation, Snapshot};
use crate::ids::{AccountIndex, DeliveryId, DepositId, PaymentRef, ProviderRef};
use crate::intent::{DepositIntent, IntentRecord, PayInstructions};
use crate::limits::Limits;
use crate::terms::{CreditRule, Terms};
use crate::time::Timestamp;

/// How a way of paying works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Display, EnumString, EnumIter)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum TickerKind {
    /// An address for each order.
    Address,
    /// A Lightning invoice.
    Invoice,
    /// A swap: pays in one coin, settles in another.
    Swap,
    /// A hosted page that takes many coins and settles in one.
    MultiChain,
    /// A hosted card page.
    Card,
    /// The account's own standing address, no order.
    Standing,
}

/// One way of paying that an adapter offers.
///
/// ```
/// use deposit_core::{Asset, CreditRule, Ticker, TickerKind, TickerSpec};
/// let btc = TickerSpec::new(Ticker::BTC, Asset::BTC, TickerKind::Address, CreditRule::at_rate_of(Ticker::BTC))
///     .with_least_payment(546);
/// assert_eq!((btc.quote_decimals, btc.least_payment), (8, 546));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TickerSpec {
    /// Its name in the API.
    pub ticker: Ticker,
    /// What is received and quoted.
    pub asset: Asset,
    /// Decimals of `amount` in the API, at most the asset's scale.
    pub quote_decimals: u8,
    /// How it works.
    pub kind: TickerKind,
    /// Whose rate turns the USD limits into units of `asset`; `None`: one to one.
    pub quoted_by: Option<Ticker>,
    /// How it is credited.
    pub credit: CreditRule,
    /// Whether the provider confirms only full payments.
    pub confirms_only_full: bool,
    /// The least that a payer can send, in the smallest units of `asset`: the chain's dust limit, or what is less than the fee of sending
    /// it. A remainder below it is not asked for. 1 where any amount can be sent.
    pub least_payment: u128,
}

impl TickerSpec {
    /// A way of paying that is quoted at its own ticker's rate with all decimals of the asset, takes any amount, and whose provider
    /// confirms parts too.
    #[must_use]
    pub const fn new(ticker: Ticker, asset: Asset, kind: TickerKind, credit: CreditRule) -> Self {
        Self {
            ticker,
            asset,
            quote_decimals: asset.scale(),
            kind,
            quoted_by: Some(ticker),
            credit,
            confirms_only_full: false,
            least_payment: 1,
        }
    }

    /// With so many decimals of `amount` in the API, at most the asset's scale.
    #[must_use]
    pub const fn with_quote_decimals(mut self, decimals: u8) -> Self {
        self.quote_decimals = decimals;
        self
    }

    /// Whose units are USD: no rate is needed for a quote.
    #[must_use]
    pub const fn quoted_one_to_one(mut self) -> Self {
        self.quoted_by = None;
        self
    }

    /// Of a provider that confirms full payments only.
    #[must_use]
    pub const fn confirming_only_full(mut self) -> Self {
        self.confirms_only_full = true;
        self
    }

    /// Where less than this many smallest units cannot be sent.
    #[must_use]
    pub const fn with_least_payment(mut self, minor: u128) -> Self {
        self.least_payment = minor;
        self
    }

    /// The terms of a deposit that is paid this way, without a quote and without a bonus.
    #[must_use]
    pub const fn terms(&self, created_at: Timestamp) -> Terms {
        Terms::new(self.ticker, self.asset, self.credit, created_at)
            .confirming_only_full(self.confirms_only_full)
            .with_least_payment(self.least_payment)
    }
}

/// How repeating `open` is safe after an unclear answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Display, EnumString, EnumIter)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Replay {
    /// The provider deduplicates by our id: just repeat.
    Key,
    /// Search by our id first (`look_up`), not before the lost call's own timeout has passed.
    LookUp,
    /// Nothing is repeated within a request; a later retry opens a fresh order, and only one whose answer was stored is ever shown.
    None,
}

/// Requests that a provider allows, over which polling is spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestBudget {
    /// At most so many requests …
    pub requests: u32,
    /// … in this time.
    pub per: Duration,
    /// At most so many at once.
    pub concurrency: u32,
}

/// What an adapter can do. An undeclared capability answers `Unsupported`.
#[derive(Debug, Clone)]
pub struct Capabilities {
    /// The ways of paying, as configured.
    pub tickers: Vec<TickerSpec>,
    /// How a repeat of `open` is safe.
    pub replay: Replay,
    /// Longest time that a call of `open` can stay unanswered and still take effect: a look-up waits that long.
    pub open_timeout: Duration,
    /// Whether `scan` works.
    pub scan: bool,
    /// Whether `standing_address` works.
    pub standing_address: bool,
    /// Whether `webhook` works.
    pub webhooks: bool,
    /// Whether `bounds` works.
    pub bounds: bool,
    /// How many orders one `read_many` takes; 1: only `read`.
    pub read_batch: usize,
    /// Requests that the provider allows.
    pub budget: RequestBudget,
    /// What a read of one order costs of the budget.
    pub requests_per_read: u32,
}

/// An order to open.
#[derive(Debug, Clone)]
pub struct OpenRequest {
    /// Our id; the same for every repeat.
    pub deposit_id: DepositId,
    /// The frozen terms; their quote is always there.
    pub terms: Terms,
    /// What to ask for.
    pub amount: Amount,
    /// End of our quote; the provider's own deadline is set behind it by a margin.
    pub expires_at: Timestamp,
    /// Which attempt this is, from 1: a provider that binds an idempotency key to an unchanging body needs it in the key.
    pub attempt: u32,
}

/// An order to find by our id.
#[derive(Debug, Clone)]
pub struct LookUpRequest {
    /// Our id.
    pub deposit_id: DepositId,
    /// The terms it was opened with.
    pub terms: Terms,
}

/// Where a scan stands: the adapter's own text, stored by the engine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScanCursor(pub String);

/// How far a standing address was shown: the adapter's own text, stored by the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandingPosition {
    /// The address.
    pub address: String,
    /// How far.
    pub position: String,
}

/// One page of a scan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScanPage {
    /// What it showed.
    pub observations: Vec<Observation>,
    /// Which payments to standing addresses were taken in, and by what of ours (see [`PaymentProvider::receive`]). Shown again and again,
    /// as observations are, until a scan comes back with this page's cursor; so what an answer of `receive` said is not lost with it.
    pub taken: Vec<Taken>,
    /// How far single standing addresses were shown with this page; stored once what the page shows is committed, and told to a later
    /// process by [`PaymentProvider::resume`].
    pub positions: Vec<StandingPosition>,
    /// Requests that it took, beyond the first: they count against the budget.
    pub further_requests: u32,
    /// Where to go on.
    pub next: ScanCursor,
    /// Whether there is more right now.
    pub more: bool,
}

/// A webhook delivery as it came in, nothing believed yet.
#[derive(Clone)]
pub struct RawDelivery<'a> {
    /// Header names in lower case, values as text; ones that are no text are left out.
    pub headers: &'a [(String, String)],
    /// Query parameters of the URL, decoded.
    pub query: &'a [(String, String)],
    /// The raw bytes: signatures are over these.
    pub body: &'a [u8],
    /// When it came.
    pub received_at: Timestamp,
}

impl RawDelivery<'_> {
    /// The first header of this name (lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// Bodies and headers hold signatures and the payer's data: only sizes are printed.
impl fmt::Debug for RawDelivery<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawDelivery").field("body_len", &self.body.len()).finish_non_exhaustive()
    }
}

/// An authentic webhook delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The provider's own id of the event, the same over redeliveries.
    pub id: DeliveryId,
    /// What it says; empty for an event that is of no use to us.
    pub observations: Vec<Observation>,
    /// What an operator should see (an unknown event, say).
    pub concerns: Vec<crate::evidence::Concern>,
}

/// One payment that was taken in at a standing address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Our own block or transaction that took it in.
    pub block: ProviderRef,
    /// The payment.
    pub payment: PaymentRef,
    /// How much.
    pub amount: Amount,
}

/// What came of one [`PaymentProvider::receive`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Received {
    /// What was taken in, oldest first.
    pub taken: Vec<Taken>,
    /// How many payments still wait because something went wrong: call again later.
    pub failed: usize,
    /// How many more wait that this call did not come to: call again now.
    pub waiting: usize,
}

/// What became of one order of [`PaymentProvider::read_many`].
pub type ReadOutcome = Result<Snapshot, ProviderError>;

/// The ways of paying through one provider. Object-safe; made once, shared by all tasks.
///
/// Optional capabilities answer [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) unless an adapter
/// declares and implements them; nothing pretends success. Adapters do not retry on their own what is not safe to repeat, read no
/// clock for money decisions, and never put a body, key or URL query into an error.
///
/// `deposit-conformance` holds the suite that says when an implementation is right.
#[async_trait]
pub trait PaymentProvider: fmt::Debug + Send + Sync + 'static {
    /// The adapter's name.
    fn id(&self) -> ProviderId;

    /// What it can do, as configured.
    fn capabilities(&self) -> &Capabilities;

    /// The least and the most that the provider itself takes for this ticker, now, in the unit of `amount`; inclusive. Put over our own limits: the
    /// tighter of both hold. Asked for in the background, about once a minute; `open` has to hold an amount against them all the same.
    ///
    /// # Errors
    /// `Unsupported` where it is not declared; `Rejected` for a ticker that is not offered now.
    async fn bounds(&self, _ticker: Ticker) -> Result<Limits, ProviderError> {
        Err(ProviderError::unsupported(self.id(), Operation::Limits))
    }

    /// Opens an order. How a repeat is safe: `capabilities().replay`.
    ///
    /// # Errors
    /// `OutcomeUnknown` if the request left and no answer came; `Transient` only if it certainly did not happen.
    async fn open(&self, request: &OpenRequest) -> Result<Box<dyn DepositIntent>, ProviderError>;

    /// Orders that carry our id, oldest first; empty if there is none. Only with [`Replay::LookUp`].
    ///
    /// # Errors
    /// `Unsupported` where the replay kind is another.
    async fn look_up(&self, _request: &LookUpRequest) -> Result<Vec<Box<dyn DepositIntent>>, ProviderError> {
        Err(ProviderError::unsupported(self.id(), Operation::LookUp))
    }

    /// A reference as a client may write it, in the provider's own spelling (hashes may be written in either case, say); `None` where it can
    /// be none of this provider's.
    fn spelled(&self, reference: &str) -> Option<ProviderRef> {
        ProviderRef::new(reference).ok()
    }

    /// Reads one order.
    ///
    /// # Errors
    /// An error changes no evidence.
    async fn read(&self, intent: &IntentRecord) -> Result<Snapshot, ProviderError>;

    /// Reads several orders in as few requests as it takes; answers in the order of `intents`, one outcome each: an order that cannot be read
    /// (it is gone, or its part of the answer makes no sense) is an error of its own and spoils no other. Each snapshot is what `read` would
    /// have shown, but for payments that are gone: where the provider's list leaves them out, they are missing. So a caller that knows of
    /// money that a batch does not show asks `read` before it believes that the money is gone.
    ///
    /// # Errors
    /// `Unsupported` where `capabilities().read_batch` is 1; else what kept all of them from being read.
    async fn read_many(&self, _intents: &[IntentRecord]) -> Result<Vec<ReadOutcome>, ProviderError> {
        Err(ProviderError::unsupported(self.id(), Operation::Read))
    }

    /// What has come since `cursor`; from the beginning without one.
    ///
    /// # Errors
    /// `Unsupported` where it is not declared.
    async fn scan(&self, _cursor: Option<&ScanCursor>) -> Result<ScanPage, ProviderError> {
        Err(ProviderError::unsupported(self.id(), Operation::Scan))
    }

    /// Whether `scan` shows every change of an order that is past its quote (a late payment, a refund, a dispute), so that such an order
    /// need not be read on its own: the feed watches it. `false` where the feed shows less, or there is none.
    fn feed_shows_changes(&self) -> bool {
        false
    }

    /// The account's own address, for good: the same for the same index, without asking anybody.
    ///
    /// # Errors
    /// `Unsupported` where it is not declared.
    fn standing_address(&self, _index: AccountIndex) -> Result<PayInstructions, ProviderError> {
        Err(ProviderError::unsupported(self.id(), Operation::Address))
    }

    /// Standing addresses to look after, from now on: told all at the start, in pages, and then only those that are new. Telling one again
    /// does nothing. A scan shows payments to these addresses only.
    fn watch(&self, _indices: &[AccountIndex]) {}

    /// How far these addresses were shown to an earlier process, as pages of a scan said it: what lies before need not be shown again. Told
    /// at the start, after [`watch`](Self::watch); an address that is not watched is passed over, and so is a text that is none of the adapter's.
    fn resume(&self, _positions: &[StandingPosition]) {}

    /// What a scan would show of this account's own address alone, however many others there are. Moves no cursor.
    ///
    /// # Errors
    /// `Unsupported` where only a scan of everything shows it.
    async fn scan_address(&self, _index: AccountIndex) -> Result<ScanPage, ProviderError> {
        Err(ProviderError::unsupported(self.id(), Operation::Scan))
    }

    /// Takes in what waits at a standing address, at most `most` payments, where a payment is final before it is taken in (Nano's receive
    /// blocks). Has no part in what is credited: a payment that was taken in is shown by `scan` all the same, and so is by what, until a
    /// scan comes back with the cursor of the page that showed it.
    /// Safe to repeat; calls for one address wait for each other.
    ///
    /// # Errors
    /// `Unsupported` where there is no such thing. An error says that nothing was taken in.
    async fn receive(&self, _index: AccountIndex, _most: usize) -> Result<Received, ProviderError> {
        Err(ProviderError::unsupported(self.id(), Operation::Receive))
    }

    /// Returns when the provider has hinted, since the last call, that something came: scan now, do not wait for the next turn.
    /// Never returns for a provider that pushes nothing. Cancel-safe; a hint only makes things faster.
    async fn changed(&self) {
        std::future::pending().await
    }

    /// What is journalled of a delivery that `webhook` has taken: its body. An adapter whose provider sends a secret in the body
    /// takes it out here.
    fn journalled<'a>(&self, body: &'a [u8]) -> Cow<'a, [u8]> {
        Cow::Borrowed(body)
    }

    /// Verifies a delivery and says what it is about. Nothing in it is believed before its signature or token is checked in
    /// constant time.
    ///
    /// # Errors
    /// See [`WebhookError`].
    fn webhook(&self, _delivery: &RawDelivery<'_>) -> Result<Delivery, WebhookError> {
        Err(WebhookError::Unsupported)
    }

    /// Asks the provider whether all is set up as a payment needs it: credentials, rights one by one, settings that matter, the
    /// webhook. Asks only: nothing at the provider changes, no money moves. Callers bound its time.
    async fn check(&self, _context: &CheckContext) -> Vec<CheckItem> {
        vec![CheckItem::unknown("provider", "this adapter has no check: the first deposit will tell")]
    }
}

//! The adapter.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use deposit_core::{
    Amount, Capabilities, CheckContext, CheckItem, ConfigError, DepositIntent, ErrorKind, IntentRecord,
    OpenRequest, Operation, PaymentProvider, ProviderError, ProviderId, ProviderRef, ReadOutcome, Replay,
    RequestBudget, ScanCursor, ScanPage, Snapshot, Ticker,
};
use deposit_transport::HttpConfig;

use crate::address::{Address, Keys, payment_id};
use crate::api::{Info, Status};
use crate::asset::{self, Assets};
use crate::check::{self, MAX_LAG};
use crate::client::{self, Client};
use crate::config::Config;
use crate::depth::Depths;
use crate::entry::Entry;
use crate::error::{ID, error};
use crate::feed::{self, Feed};
use crate::history::History;
use crate::map::{self, Rules};
use crate::memory::{Memory, short};
use crate::payment;
use crate::scan::{self, Position};

/// The decimals of FUSD are looked up again after so long.
const ASSET_CHECK_EVERY: Duration = Duration::from_secs(24 * 3_600);
/// Unconfirmed transactions that the daemon is asked about in one reading.
const MOST_ASKED: usize = 20;
/// Orders of one reading of the feed.
const READ_BATCH: usize = 500;

/// A Zano wallet as a payment provider.
///
/// ```
/// use deposit_core::PaymentProvider;
/// use deposit_zano::{Config, Zano};
/// let provider = Zano::new(Config::new("http://127.0.0.1:11212/json_rpc", "secret"))?;
/// assert_eq!(provider.capabilities().tickers.len(), 2);
/// # Ok::<(), deposit_core::ConfigError>(())
/// ```
pub struct Zano {
    client: Client,
    assets: Assets,
    depths: Depths,
    capabilities: Capabilities,
    known: Mutex<Known>,
}

/// What was learnt of the wallet since the start.
#[derive(Default)]
struct Known {
    /// Whose addresses it makes.
    keys: Option<Keys>,
    /// The highest top block, and the length of the list then.
    height: u64,
    total: u64,
    /// Whether the stored height was told, with the cursor of a scan: without a daemon nothing else shows after a start that a height is old.
    scanned: bool,
    /// What was listed in blocks.
    memory: Memory,
    /// What of its list is final.
    history: History,
    /// When the decimals of FUSD were last found right.
    fusd_checked: Option<Instant>,
}

impl Zano {
    /// `zano`.
    pub const ID: ProviderId = ID;

    /// The adapter with limits that suit a wallet: 30 s for a request, one at a time.
    ///
    /// # Errors
    /// A value that cannot work, by its key.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        Self::with_http(config, client::wallet_http())
    }

    /// The adapter with limits of one's own (a test's short time-outs, say). There is never more than one request at once.
    ///
    /// # Errors
    /// A value that cannot work, by its key.
    pub fn with_http(config: Config, http: HttpConfig) -> Result<Self, ConfigError> {
        let config = config.check()?;
        let client = Client::new(&config, &http)?;
        let capabilities = Capabilities {
            tickers: asset::specs(),
            replay: Replay::Key,
            open_timeout: client::open_patience(&http),
            scan: true,
            standing_address: false,
            webhooks: false,
            bounds: false,
            read_batch: READ_BATCH,
            // No limit is documented; one thread serves one request at a time.
            budget: RequestBudget { requests: 10, per: Duration::from_secs(1), concurrency: 1 },
            // The pool, one page, and the daemon's height.
            requests_per_read: if config.daemon_url.is_some() { 3 } else { 2 },
        };
        let assets = Assets { fusd: config.fusd };
        Ok(Self { client, assets, depths: config.depths, capabilities, known: Mutex::default() })
    }

    fn known<T>(&self, with: impl FnOnce(&mut Known) -> T) -> T {
        with(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether FUSD has the decimals that it is counted in; asked at first use and daily. The wallet is told to list it on the way.
    /// `None`: nobody knows the asset.
    async fn fusd_fits(&self, operation: Operation) -> Result<Option<bool>, ProviderError> {
        let fresh = |checked: Instant| checked.elapsed() < ASSET_CHECK_EVERY;
        if self.known(|known| known.fusd_checked).is_some_and(fresh) {
            return Ok(Some(true));
        }
        let id = self.assets.fusd.as_str();
        let mut answers = Vec::new();
        match self.client.whitelist(operation, id).await {
            Ok(answer) => answers.push(answer),
            // What else may be wrong with the whitelist does not matter while the daemon describes the asset.
            Err(error) if matches!(error.kind(), ErrorKind::Rejected(_) | ErrorKind::Configuration) => {
                tracing::warn!(%error, "the asset cannot be put on the wallet's whitelist");
            }
            Err(error) => return Err(error),
        }
        if let Some(answer) = self.client.asset_info(operation, id).await {
            answers.push(answer?);
        }
        let mut told = Vec::new();
        for answer in answers {
            match answer.status {
                Status::Ok => told.extend(answer.asset_descriptor.map(|asset| asset.decimal_point)),
                Status::Busy => return Err(error(operation, ErrorKind::Transient { retry_after: None })),
                Status::Other(_) => {}
            }
        }
        let scale = deposit_core::Asset::FUSD.scale();
        let fits = (!told.is_empty()).then(|| told.iter().all(|decimals| *decimals == scale));
        match fits {
            Some(true) => self.known(|known| known.fusd_checked = Some(Instant::now())),
            Some(false) => tracing::error!(?told, "FUSD has other decimals than it is counted in"),
            None => tracing::error!("neither wallet nor daemon knows the asset of FUSD"),
        }
        Ok(fits)
    }

    /// Whether FUSD has the decimals that it is counted in, and whether that could not be found out: an outage is neither, and
    /// concerns FUSD alone. What was found once stays found.
    async fn fusd_judged(&self, operation: Operation, wanted: bool) -> (bool, bool) {
        if !wanted {
            return (true, false);
        }
        match self.fusd_fits(operation).await {
            Ok(Some(fits)) => (fits, false),
            Ok(None) => (true, self.known(|known| known.fusd_checked).is_none()),
            Err(error) => {
                tracing::warn!(%error, "the decimals of FUSD cannot be asked for");
                (true, self.known(|known| known.fusd_checked).is_none())
            }
        }
    }

    async fn keys(&self) -> Result<Keys, ProviderError> {
        if let Some(keys) = self.known(|known| known.keys) {
            return Ok(keys);
        }
        let own = self.client.own_address(Operation::Read).await?;
        let keys =
            Address::parse(&own.address).ok_or_else(|| error(Operation::Read, ErrorKind::Protocol))?.keys;
        self.known(|known| known.keys = Some(keys));
        Ok(keys)
    }

    /// The feed, back to when the oldest of the orders was made, with what speaks against believing what is missing from it.
    async fn feed(&self, intents: &[IntentRecord]) -> Result<Feed, ProviderError> {
        let Some(since) = intents.iter().map(|intent| intent.terms.created_at).min() else {
            return Ok(Feed::default());
        };
        let (span, full, epoch) =
            self.known(|known| (known.history.span(), known.history.is_full(), known.history.epoch()));
        let mut feed = feed::read(&self.client, Operation::Read, since, span.as_ref(), full).await?;
        let (behind, shrunk) = self.known(|known| {
            let height = feed.height.unwrap_or(0);
            let current = known.history.epoch() == epoch;
            if height < known.height || feed.total < known.total {
                // Another wallet may have taken its place.
                known.keys = None;
            }
            if current && feed.height.is_some() {
                known.history.learn(&feed.news, feed.height, self.depths.most());
            }
            if feed.with_kept && current {
                let ids = intents.iter().map(|intent| intent.provider_ref.as_str());
                let news: HashSet<String> = feed.entries.iter().map(|entry| entry.tx_hash.clone()).collect();
                let kept = known.history.paid_to(ids).into_iter();
                feed.entries.extend(kept.filter(|entry| !news.contains(&entry.tx_hash)));
            } else if feed.with_kept {
                // Another reading found that it is another list: this one is asked again.
                feed.complete = false;
            }
            // Any fall: a branch that is left for a longer one is soon as high.
            let behind = height < known.height;
            let shrunk = height == known.height && feed.total < known.total;
            if !behind && !shrunk {
                (known.height, known.total) = (height, feed.total);
            }
            (behind, shrunk)
        });
        if behind && feed.height.is_some() {
            feed.doubt_height(
                "the wallet's height fell: it shows an old state, is read anew, or is another one",
            );
        } else if shrunk {
            feed.doubt("list_shrank", "the wallet lists less than before at the same height");
        }
        if !self.client.has_daemon() && !self.known(|known| known.scanned) {
            feed.doubt("height_unchecked", "no scan has told yet which height there was before the start");
        }
        match self.client.info(Operation::Read).await {
            Some(Ok(info)) => compare(&info, &mut feed),
            Some(Err(error)) => {
                tracing::warn!(%error, "the daemon cannot be asked for its height");
                feed.doubt(
                    "daemon_unreachable",
                    "the daemon does not answer: whether the wallet is behind is not known",
                );
            }
            None => {}
        }
        Ok(feed)
    }

    /// The wallet goes on listing for days what left the pool: the daemon knows what is there no more.
    async fn drop_gone(&self, feed: &mut Feed, ids: &HashSet<&str>) {
        let ours = |entry: &&Entry| {
            let groups = &entry.subtransfers_by_pid;
            entry.height == 0
                && groups.iter().any(|g| ids.contains(g.payment_id.to_ascii_lowercase().as_str()))
        };
        let asked: Vec<String> =
            feed.entries.iter().filter(ours).take(MOST_ASKED).map(|entry| entry.tx_hash.clone()).collect();
        for hash in asked {
            match self.client.has_transaction(Operation::Read, &hash).await {
                Some(true) => {}
                Some(false) => feed.entries.retain(|entry| entry.tx_hash != hash),
                None => break,
            }
        }
    }

    async fn snapshots(&self, intents: &[IntentRecord]) -> Result<Vec<ReadOutcome>, ProviderError> {
        if intents.is_empty() {
            return Ok(Vec::new());
        }
        let mut feed = self.feed(intents).await?;
        // After the feed, which notices a wallet that took another one's place.
        let keys = self.keys().await?;
        let ids: HashSet<&str> = intents.iter().map(|intent| intent.provider_ref.as_str()).collect();
        self.drop_gone(&mut feed, &ids).await;
        let mut payments = Vec::new();
        let mut unreadable = false;
        for entry in &feed.entries {
            for paid in payment::paid(entry) {
                // Whose it is cannot be read: whatever is missing may be it.
                unreadable |= paid.odd && paid.payment_id.is_empty();
                if ids.contains(paid.payment_id.as_str()) {
                    payments.push(paid);
                }
            }
        }
        let mut doubts = Feed { complete: true, ..Feed::default() };
        if unreadable {
            doubts.doubt("unreadable_line", "the wallet lists a transaction that cannot be read");
        }
        let fusd = payments.iter().any(|paid| paid.asset == self.assets.fusd);
        let (fusd_fits, fusd_unknown) = self.fusd_judged(Operation::Read, fusd).await;
        let rules = Rules {
            assets: &self.assets,
            required: self.depths.base,
            fusd_fits,
            fusd_unknown,
            doubted: feed.doubted,
        };
        let one = |intent: &IntentRecord| {
            if !is_ours(intent) {
                return Err(error(Operation::Read, ErrorKind::NotFound));
            }
            let address = intent.instructions.address().and_then(Address::parse);
            Ok(match address {
                Some(address) if address.keys == keys => {
                    let mut snapshot = map::snapshot(intent, &feed, &payments, rules, Some(&self.depths));
                    snapshot.complete &= doubts.complete;
                    snapshot.concerns.extend(doubts.concerns.iter().cloned());
                    if let (true, Some(height)) = (snapshot.complete, feed.height) {
                        let id = intent.provider_ref.as_str();
                        let mined = payments.iter().filter(|p| p.payment_id == id && p.entry.height > 0);
                        let mined = mined.map(|p| short(&p.entry.tx_hash)).collect();
                        let missed = self.known(|known| known.memory.judge(id, &mined, height));
                        map::missed(&mut snapshot, &missed);
                    }
                    snapshot
                }
                Some(_) => {
                    map::doubtful(intent, "other_wallet", "the deposit's address is of another wallet")
                }
                None => map::doubtful(intent, "address_mismatch", "the deposit's address cannot be read"),
            })
        };
        Ok(intents.iter().map(one).collect())
    }
}

/// The order of a deposit is its payment id, and that follows from the deposit's id.
fn is_ours(intent: &IntentRecord) -> bool {
    intent.provider_ref.as_str() == payment_id(&intent.deposit_id)
}

/// A wallet that is behind its daemon does not show everything.
fn compare(info: &Info, feed: &mut Feed) {
    let online = info.daemon_network_state == 2;
    match &info.status {
        Status::Ok if online => {
            let top = info.height.saturating_sub(1);
            if feed.height.is_some_and(|height| height.saturating_add(MAX_LAG) < top) {
                feed.doubt_height("the wallet is some blocks behind its daemon");
            }
        }
        Status::Ok | Status::Busy | Status::Other(_) => {
            feed.doubt("daemon_not_synchronized", "the daemon is not synchronized with its network");
        }
    }
}

/// Amounts on the chain have 64 bits.
fn check_amount(ticker: Ticker, amount: Amount) -> Result<(), ErrorKind> {
    if asset::asset_of(ticker) != Some(amount.asset()) {
        Err(ErrorKind::Rejected("wrong_asset"))
    } else if amount.is_zero() {
        Err(ErrorKind::Rejected("amount_zero"))
    } else if u64::try_from(amount.minor()).is_err() {
        Err(ErrorKind::Rejected("amount_too_large"))
    } else {
        Ok(())
    }
}

#[async_trait]
impl PaymentProvider for Zano {
    fn id(&self) -> ProviderId {
        Self::ID
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// One request, which changes nothing at the wallet: a repeat gives the same address. Before the first FUSD its decimals are looked up.
    async fn open(&self, request: &OpenRequest) -> Result<Box<dyn DepositIntent>, ProviderError> {
        let error = |kind| error(Operation::Open, kind);
        let ticker = request.terms.ticker;
        check_amount(ticker, request.amount).map_err(error)?;
        if ticker == Ticker::FUSD && self.fusd_fits(Operation::Open).await? != Some(true) {
            return Err(error(ErrorKind::Configuration));
        }
        let id = payment_id(&request.deposit_id);
        let made = self.client.make_address(&id).await?;
        let carried = Address::parse(&made.integrated_address).and_then(|address| address.payment_id);
        if !made.payment_id.eq_ignore_ascii_case(&id) || carried.as_ref() != Some(&id) {
            return Err(error(ErrorKind::Protocol));
        }
        Ok(Box::new(IntentRecord {
            deposit_id: request.deposit_id.clone(),
            provider: Self::ID,
            provider_ref: ProviderRef::new(id).map_err(|_| error(ErrorKind::Protocol))?,
            terms: request.terms,
            instructions: map::instructions(ticker, &self.assets, &made.integrated_address, request.amount),
        }))
    }

    /// As a batch of one.
    async fn read(&self, intent: &IntentRecord) -> Result<Snapshot, ProviderError> {
        if !is_ours(intent) {
            return Err(error(Operation::Read, ErrorKind::NotFound));
        }
        let mut read = self.snapshots(std::slice::from_ref(intent)).await?;
        read.pop().unwrap_or_else(|| Err(error(Operation::Read, ErrorKind::Protocol)))
    }

    /// One reading of the feed answers for all of them.
    async fn read_many(&self, intents: &[IntentRecord]) -> Result<Vec<ReadOutcome>, ProviderError> {
        self.snapshots(intents).await
    }

    /// A page of the feed, oldest first; at its end also what is in the pool.
    async fn scan(&self, cursor: Option<&ScanCursor>) -> Result<ScanPage, ProviderError> {
        let operation = Operation::Scan;
        let position = Position::of(cursor);
        self.known(|known| {
            known.height = known.height.max(position.height());
            for (id, tx) in position.listed(!known.scanned) {
                known.memory.remind(id, tx, position.height());
            }
            known.scanned = true;
        });
        let mut listed = vec![self.client.feed(operation, &position.question()).await?];
        let told = listed.first().and_then(|page| page.pi).map(|pi| pi.height);
        if let Some(height) = told.filter(|height| *height < position.height()) {
            // What it shows may be of a branch that is no more, and what it does not show may be there.
            tracing::warn!(
                height,
                before = position.height(),
                "the wallet's height fell: its list is not believed"
            );
            return Ok(position.stands());
        }
        while let Some(question) = scan::goes_on(&position, &listed, self.depths.most()) {
            listed.push(self.client.feed(operation, &question).await?);
        }
        // Asked for only where there is any: a wallet without FUSD is not bothered.
        let mut entries = listed.iter().flat_map(|page| &page.transfers);
        let fusd = entries.any(|entry| scan::has_asset(entry, self.assets.fusd.as_str()));
        let (fusd_fits, fusd_unknown) = self.fusd_judged(operation, fusd).await;
        let rules = Rules {
            assets: &self.assets,
            required: self.depths.most(),
            fusd_fits,
            fusd_unknown,
            doubted: false,
        };
        let mut page = scan::page(&position, &listed, rules)?;
        if !self.depths.is_one() {
            // A read knows what its payment needs.
            page.observations.iter_mut().for_each(scan::without_depth);
        }
        if !page.more {
            let pool = self.client.feed(operation, &feed::pool_question()).await?;
            let newest = self.client.feed(operation, &scan::newest_question()).await?;
            for entry in scan::pooled(pool, listed.iter().chain([&newest])) {
                page.observations.extend(scan::observed(&entry, None, rules));
            }
        }
        page.observations = scan::once(page.observations);
        Ok(page)
    }

    /// Money comes by the list alone, and what a reorganisation undoes within the overlap is hinted at.
    fn feed_shows_changes(&self) -> bool {
        true
    }

    async fn check(&self, _context: &CheckContext) -> Vec<CheckItem> {
        check::run(&self.client, &self.assets, self.depths.base).await
    }
}

impl fmt::Debug for Zano {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zano").field("confirmations", &self.depths.base).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "provider_tests.rs"]
mod tests;

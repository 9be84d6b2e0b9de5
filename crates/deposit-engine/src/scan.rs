//! Scans: what a provider's feed shows, and payments to standing addresses, each of which opens a deposit of its own.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use deposit_core::{
    AccountIndex, ErrorKind, IntentRecord, Observation as Message, Observed, PaymentProvider, PaymentReading,
    ProviderError, ProviderId, ProviderRef, ScanPage, Snapshot, Target, TickerSpec,
};
use deposit_lifecycle as lifecycle;
use deposit_store::{Account, DepositRow, OpenStanding, crash_point};
use futures_util::StreamExt as _;
use tokio::sync::MutexGuard;
use tokio_util::sync::CancellationToken;

use crate::Engine;
use crate::error::EngineError;
use crate::health::Call;
use crate::observe::Observation;
use crate::random;
use crate::unmatched::of_nobody;

/// At most so many pages in one round: the rest comes in the next.
const PAGES: usize = 100;
/// Accounts in one page, when a provider is told of them.
const TOLD_AT_ONCE: u32 = 500;
/// At most so many accounts are taken in for at a time.
const ACCOUNTS_AT_ONCE: usize = 4;
/// Payments taken in by one call, in the background.
const TAKEN_AT_ONCE: usize = 16;

/// Scans of one provider wait for each other: they share its cursor.
#[derive(Debug, Default)]
pub(crate) struct ScanTurn {
    /// Number of the round that began last.
    begun: AtomicU64,
    /// Number of the last round that came to the end of the feed.
    ended: tokio::sync::Mutex<u64>,
}

/// The standing addresses of one provider: how far they were told and noted, by account index.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    /// The highest index that this process told the provider.
    told: Option<AccountIndex>,
    /// Up to this index the store had the addresses when this process began.
    noted: Option<AccountIndex>,
}

/// What the background takes in: a caller who takes in meanwhile may find nothing left, and what was taken not committed yet.
#[derive(Debug, Default)]
pub(crate) struct Takings {
    begun: AtomicU64,
    ended: AtomicU64,
}

/// One that goes on until it is dropped.
struct Taking<'a>(&'a Takings);

impl Takings {
    fn begin(&self) -> Taking<'_> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        Taking(self)
    }

    /// How many have ended.
    pub(crate) fn ended(&self) -> u64 {
        self.ended.load(Ordering::SeqCst)
    }

    /// Whether one went on at some time since so many had ended.
    pub(crate) fn any_since(&self, ended: u64) -> bool {
        self.begun.load(Ordering::SeqCst) > ended
    }
}

impl Drop for Taking<'_> {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::SeqCst);
    }
}

/// What one round of a scan came to.
#[derive(Debug, Default)]
pub(crate) struct Round {
    /// Messages.
    messages: usize,
    /// Whose standing addresses were paid for good.
    pub(crate) paid: BTreeSet<AccountIndex>,
    /// What ended it early.
    pub(crate) failed: Option<ProviderError>,
    /// Whether it came to the end of the feed.
    whole: bool,
}

impl Engine {
    /// Scans one provider from its stored cursor on, and takes in what came; returns how many messages there were. Providers without a feed
    /// have none.
    ///
    /// # Errors
    /// The store's; a provider's error ends the round and is asked again in the next.
    pub async fn scan(&self, provider: &dyn PaymentProvider) -> Result<usize, EngineError> {
        let round = self.scan_round(provider).await?;
        self.take_in(provider, round.paid, &CancellationToken::new()).await;
        Ok(round.messages)
    }

    pub(crate) async fn scan_round(&self, provider: &dyn PaymentProvider) -> Result<Round, EngineError> {
        // A provider that was never registered has nobody to wait for.
        let Some(turn) = self.inner.scans.get(&provider.id()) else {
            return self.scan_pages(provider, false).await;
        };
        let ended = turn.ended.lock().await;
        self.scan_in_turn(provider, turn, ended, false).await
    }

    async fn scan_in_turn(
        &self,
        provider: &dyn PaymentProvider,
        turn: &ScanTurn,
        mut ended: MutexGuard<'_, u64>,
        patient: bool,
    ) -> Result<Round, EngineError> {
        let number = turn.begun.fetch_add(1, Ordering::SeqCst).saturating_add(1);
        let round = self.scan_pages(provider, patient).await?;
        if round.whole {
            *ended = number;
        }
        Ok(round)
    }

    /// Commits all that the feed shows by now: returns after a scan that began after this call and came to the feed's end, be it another's.
    pub(crate) async fn catch_up(&self, provider: &dyn PaymentProvider) -> Result<(), CatchUpError> {
        let round = match self.inner.scans.get(&provider.id()) {
            None => self.scan_pages(provider, true).await?,
            Some(turn) => {
                let before = turn.begun.load(Ordering::SeqCst);
                let ended = turn.ended.lock().await;
                if *ended > before {
                    return Ok(());
                }
                self.scan_in_turn(provider, turn, ended, true).await?
            }
        };
        match round.failed {
            Some(error) => Err(CatchUpError::Provider(error)),
            None => Ok(()),
        }
    }

    /// `patient`: to the end of the feed, whether or not the budget pays for it.
    async fn scan_pages(&self, provider: &dyn PaymentProvider, patient: bool) -> Result<Round, EngineError> {
        let mut round = Round::default();
        if !provider.capabilities().scan {
            return Ok(round);
        }
        if provider.capabilities().standing_address {
            self.tell(provider).await?;
        }
        let mut cursor = self.store().scan_cursor(provider.id()).await?;
        for _ in 0..PAGES {
            self.spend(provider.id(), 1);
            let page = provider.scan(cursor.as_ref()).await;
            let page = match self.heard(provider.id(), Call::Scan, None, page) {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(provider = %provider.id(), %error, "scan failed");
                    round.failed = Some(error);
                    break;
                }
            };
            let from = cursor.as_ref().map_or("its beginning", |cursor| cursor.0.as_str());
            self.shown(provider, &page, from, &mut round).await?;
            // After what the page showed is committed: a process that dies before this sees the page again, which changes nothing.
            self.store().move_scan_cursor(provider.id(), &page.next).await?;
            crash_point("scan.moved");
            cursor = Some(page.next);
            if !page.more {
                round.whole = true;
                break;
            }
            // The rest in the next round, from here on.
            if !patient && !self.pays(provider.id()) {
                break;
            }
        }
        Ok(round)
    }

    /// Commits what a page showed. `from`: where in the feed it begins.
    pub(crate) async fn shown(
        &self,
        provider: &dyn PaymentProvider,
        page: &ScanPage,
        from: &str,
        round: &mut Round,
    ) -> Result<(), EngineError> {
        self.spend(provider.id(), page.further_requests);
        for (line, message) in page.observations.iter().enumerate() {
            round.messages += 1;
            let place = || format!("feed from {from}, line {}", line.saturating_add(1));
            round.paid.extend(self.scanned(provider, message, place).await?);
        }
        crash_point("scan.committed");
        // What no deposit has is not ours to note: less than is taken in, or of an account that is gone.
        self.store().note_taken(provider.id(), page.taken.clone()).await?;
        if !page.positions.is_empty() {
            self.store().note_positions(provider.id(), page.positions.clone()).await?;
        }
        Ok(())
    }

    /// Commits all that waits at one account's own address: one look there, where the provider can, else all that the feed shows by now.
    pub(crate) async fn catch_up_at(
        &self,
        provider: &dyn PaymentProvider,
        index: AccountIndex,
    ) -> Result<(), CatchUpError> {
        // Whose the address is, and how far it was shown, has to be known first.
        self.tell(provider).await?;
        self.spend(provider.id(), 1);
        match provider.scan_address(index).await {
            Ok(page) => {
                Ok(self.shown(provider, &page, "an account's address", &mut Round::default()).await?)
            }
            Err(error) if *error.kind() == ErrorKind::Unsupported => self.catch_up(provider).await,
            Err(error) => Err(CatchUpError::Provider(error)),
        }
    }

    /// Takes in what waits at these accounts' addresses. Has no part in the credit: what fails here waits at the address, is shown by the next
    /// scan and taken in then.
    pub(crate) async fn take_in(
        &self,
        provider: &dyn PaymentProvider,
        paid: BTreeSet<AccountIndex>,
        stop: &CancellationToken,
    ) {
        let _taking = self.inner.takings.begin();
        let each = |index| async move {
            while !stop.is_cancelled() {
                let received = provider.receive(index, TAKEN_AT_ONCE).await;
                match self.heard(provider.id(), Call::Receive, None, received) {
                    Ok(received) => {
                        crash_point("receive.taken");
                        let go_on = received.waiting > 0 && !received.taken.is_empty();
                        // What is not noted now, or was taken in before anybody had seen it, the next scan shows.
                        if let Err(error) = self.store().note_taken(provider.id(), received.taken).await {
                            tracing::error!(provider = %provider.id(), %error, "blocks of ours are not noted");
                        }
                        if !go_on {
                            return;
                        }
                    }
                    Err(error) if *error.kind() == ErrorKind::Unsupported => return,
                    Err(error) => {
                        tracing::warn!(provider = %provider.id(), %error, "payments wait at a standing address");
                        return;
                    }
                }
            }
        };
        futures_util::stream::iter(paid).for_each_concurrent(ACCOUNTS_AT_ONCE, each).await;
    }

    /// One message of a feed. Answers whose standing address was paid for good, so that it can be taken in. `place`: where in the feed it stands.
    async fn scanned(
        &self,
        provider: &dyn PaymentProvider,
        message: &Message,
        place: impl FnOnce() -> String,
    ) -> Result<Option<AccountIndex>, EngineError> {
        if message.ours == Some(false) {
            return Ok(None);
        }
        if let Some(row) = self.open_deposit_of(message).await? {
            match &message.observed {
                Observed::Payment(reading) if knows(&row, reading) => {}
                Observed::Facts(facts) => {
                    self.observe_facts(&row.id, facts, None).await?;
                }
                Observed::Hint | Observed::PaymentHint | Observed::Snapshot(_) | Observed::Payment(_) => {
                    self.observe(&row.id, None).await?;
                }
            }
            return Ok(None);
        }
        let owner = match provider.capabilities().standing_address {
            true => self.owner(provider, &message.target).await?,
            false => None,
        };
        let Some(account) = owner else {
            // The cursor goes on, so this is the only time that anybody looks at it.
            if let Some(review) = of_nobody(message, place, self.now()) {
                self.store().sight(vec![review]).await?;
            }
            return Ok(None);
        };
        // What comes to a standing address the feed shows as payments; a mere hint of it says nothing more.
        let Observed::Payment(reading) = &message.observed else { return Ok(None) };
        let spec = provider.capabilities().tickers.iter().find(|spec| Some(spec.ticker) == message.ticker);
        let Some(spec) = spec.or_else(|| provider.capabilities().tickers.first()) else { return Ok(None) };
        self.standing_payment(provider, &account, spec, reading).await?;
        Ok((reading.confirmed > 0).then_some(account.index))
    }

    /// Whose standing address the message is about: one look-up, however many accounts there are.
    pub(crate) async fn owner(
        &self,
        provider: &dyn PaymentProvider,
        target: &Target,
    ) -> Result<Option<Account>, EngineError> {
        let Target::Address(paid) = target else { return Ok(None) };
        if let Some(owner) = self.store().standing_owner(provider.id(), paid).await? {
            return Ok(Some(owner));
        }
        // An account that was made a moment ago, perhaps by another process.
        self.tell(provider).await?;
        Ok(self.store().standing_owner(provider.id(), paid).await?)
    }

    /// Tells the provider of all accounts that this process has not told it of, and notes whose their addresses are. The first call reads all
    /// accounts, in pages; each further one only what is new. Answers whether there was any.
    pub(crate) async fn tell(&self, provider: &dyn PaymentProvider) -> Result<bool, EngineError> {
        let id = provider.id();
        let standing = {
            // Whoever panicked in here left whole entries.
            let mut all = self.inner.standing.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(id).or_default())
        };
        // Whoever waits here finds all addresses noted after it.
        let mut standing = standing.lock().await;
        let address = |index| provider.standing_address(index).ok()?.address().map(str::to_owned);
        let mut any = false;
        loop {
            let after = standing.told.unwrap_or(AccountIndex(0));
            let accounts = self.store().accounts_after(after, TOLD_AT_ONCE).await?;
            let Some(last) = accounts.last() else { return Ok(any) };
            if standing.told.is_none() {
                // Noted by rising index: if the last one is another's now (another seed), so are all before it.
                if let Some(mark) = self.store().standing_mark(id).await?
                    && let Some(last) = address(mark)
                    && self.is_noted(id, &last, mark).await?
                {
                    standing.noted = Some(mark);
                }
            }
            let indices: Vec<AccountIndex> = accounts.iter().map(|account| account.index).collect();
            let new = indices.iter().filter(|index| Some(**index) > standing.noted);
            let new: Vec<_> = new.filter_map(|index| Some((address(*index)?, *index))).collect();
            if !new.is_empty() {
                self.store().note_standing(id, new).await?;
            }
            provider.watch(&indices);
            if let Some(first) = indices.first().filter(|first| Some(**first) <= standing.noted) {
                provider.resume(&self.store().positions(id, *first, last.index).await?);
            }
            standing.told = Some(last.index);
            any = true;
        }
    }

    async fn is_noted(
        &self,
        provider: ProviderId,
        address: &str,
        index: AccountIndex,
    ) -> Result<bool, EngineError> {
        let owner = self.store().standing_owner(provider, address).await?;
        Ok(owner.is_some_and(|account| account.index == index))
    }

    /// A payment to a standing address: its deposit is opened at first sight, the payment itself being its order, and then observed like any
    /// other. The id is random, since whoever has it may see the deposit's page, and the payment is public.
    async fn standing_payment(
        &self,
        provider: &dyn PaymentProvider,
        account: &Account,
        spec: &TickerSpec,
        reading: &PaymentReading,
    ) -> Result<(), EngineError> {
        let fresh = random::deposit_id()?;
        let now = self.now();
        let order = ProviderRef::new(reading.id.as_str())
            .map_err(|_| EngineError::Inconsistent("a payment's reference is no order's reference"))?;
        let instructions = provider
            .standing_address(account.index)
            .map_err(|_| EngineError::Inconsistent("a standing address that was paid cannot be derived"))?;
        let terms = spec.terms(reading.paid_at.map_or(now, |at| at.min(now)));
        let intent = IntentRecord {
            deposit_id: fresh.clone(),
            provider: provider.id(),
            provider_ref: order.clone(),
            terms,
            instructions,
        };
        let opening = OpenStanding { id: fresh, account: account.id, provider: provider.id(), intent, now };
        // By whoever saw the payment first: a process that died before its first commit, or another one at this moment.
        let id = self.store().open_standing(opening).await?;
        crash_point("scan.opened");
        let snapshot =
            Snapshot { complete: false, payments: vec![reading.clone()], ..Snapshot::empty(order) };
        match self.observe_snapshot(&id, &snapshot).await? {
            Observation::Changed | Observation::Unchanged => Ok(()),
            // Somebody else's read came between: what it showed may be older than the feed.
            Observation::Contended => self.observe(&id, None).await.map(|_| ()),
            // The feed shows it again, and the deposit is polled besides.
            Observation::NotOpen | Observation::Unread => Ok(()),
        }
    }
}

/// Why a feed was not seen to its end.
#[derive(Debug)]
pub(crate) enum CatchUpError {
    /// The provider.
    Provider(ProviderError),
    /// Ourselves.
    Engine(EngineError),
}

impl From<EngineError> for CatchUpError {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

/// Whether the deposit's evidence says of the payment what the reading says.
fn knows(row: &DepositRow, reading: &PaymentReading) -> bool {
    row.evidence.payments.get(&reading.id).is_some_and(|known| {
        known.asset == reading.asset
            && lifecycle::in_flight(known) == reading.in_flight
            && lifecycle::net(known) == reading.confirmed
            && known.confirmations == reading.confirmations
    })
}

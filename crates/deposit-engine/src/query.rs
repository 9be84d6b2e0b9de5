//! Questions: who is calling, what are the limits, how does a deposit stand.

use deposit_core::{
    Asset, DepositId, Limits, ProviderId, ProviderRef, Signed, Ticker, TickerSpec, Timestamp, UsdLimits,
};
use deposit_facade::RouteError;
use deposit_rates::{SourceState, Trouble};
use deposit_store::{Account, AccountId, Backlog, LedgerCheck, LedgerEntry, Phase, RateState};

use crate::create::RATE_RETRY;
use crate::error::{EngineError, LimitsError};
use crate::view::DepositView;
use crate::{Engine, keys};

/// Whose key a request carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The key's public id.
    pub key_id: String,
    /// The account.
    pub account: Account,
}

impl Caller {
    /// What the sliding window counts: the key, whatever the address. Two keys of one account count apart.
    pub(crate) fn limiter(&self) -> String {
        format!("key:{}", self.key_id)
    }
}

/// Limits of a ticker as they are quoted now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitsView {
    /// The ticker.
    pub ticker: Ticker,
    /// In the unit of the API's `amount`.
    pub limits: Limits,
    /// As configured, in USD.
    pub usd: UsdLimits,
    /// Time of the rate.
    pub at: Timestamp,
}

/// An account's balances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balances {
    /// USD; may be below zero after a reversal.
    pub usd: Signed,
    /// XNO.
    pub xno: Signed,
    /// The account's own Nano address, where a Nano provider is configured.
    pub nano_address: Option<String>,
}

/// The answer to an unknown ticker: what would work.
pub(crate) fn unknown_ticker_hint(available: impl Iterator<Item = Ticker>) -> String {
    let names: Vec<String> = available.map(|ticker| ticker.to_string()).collect();
    if names.is_empty() {
        "no ticker is configured".to_owned()
    } else {
        format!("available: {}", names.join(", "))
    }
}

impl Engine {
    /// Whose API key this is; `None` for an unknown or revoked one, or one of a closed account.
    ///
    /// # Errors
    /// The store's.
    pub async fn authenticate(&self, key: &str) -> Result<Option<Caller>, EngineError> {
        let found = keys::verify(&**self.store(), key).await?;
        Ok(found.map(|(key_id, account)| Caller { key_id, account }))
    }

    /// Whether a caller who was let in before would be let in now: the key is not revoked, the account not closed.
    ///
    /// # Errors
    /// The store's.
    pub async fn still_admits(&self, caller: &Caller) -> Result<bool, EngineError> {
        keys::still_valid(&**self.store(), &caller.key_id).await
    }

    /// Counts a creation request without a valid key against `limiter` (its IP address).
    ///
    /// # Errors
    /// The store's.
    pub async fn count_unauthenticated(&self, limiter: &str) -> Result<RateState, EngineError> {
        Ok(self.store().count_request(limiter, self.config().create_limit, self.now()).await?)
    }

    /// Counts a creation request of this caller that was refused at the door.
    ///
    /// # Errors
    /// The store's.
    pub async fn count_refused(&self, caller: &Caller) -> Result<RateState, EngineError> {
        Ok(self.store().count_request(&caller.limiter(), self.config().create_limit, self.now()).await?)
    }

    /// Where this caller's rate limit stands; nothing is counted.
    ///
    /// # Errors
    /// The store's.
    pub async fn rate_state(&self, caller: &Caller) -> Result<RateState, EngineError> {
        Ok(self.store().rate_state(&caller.limiter(), self.config().create_limit, self.now()).await?)
    }

    /// Reads a ticker. One that is known but switched off is fine here: its old deposits can still be asked for.
    ///
    /// # Errors
    /// `UnsupportedTicker`.
    pub fn ticker(&self, text: &str) -> Result<Ticker, LimitsError> {
        let hint = || unknown_ticker_hint(self.registry().tickers());
        let ticker: Ticker = text.parse().map_err(|_| LimitsError::UnsupportedTicker { hint: hint() })?;
        match self.registry().route(&ticker) {
            Ok(_) | Err(RouteError::Unavailable { .. }) => Ok(ticker),
            Err(RouteError::Unknown { .. }) => Err(LimitsError::UnsupportedTicker { hint: hint() }),
        }
    }

    /// How a configured ticker works.
    #[must_use]
    pub fn spec(&self, ticker: Ticker) -> Option<TickerSpec> {
        self.registry().route(&ticker).ok().map(|route| route.spec)
    }

    /// The limits of a ticker, at the newest rate, within what the provider itself takes, where it told.
    ///
    /// # Errors
    /// `UnsupportedTicker`; `Unavailable` without a provider or a fresh rate, or where the provider takes nothing of what we do.
    pub async fn limits(&self, ticker: &str) -> Result<LimitsView, LimitsError> {
        let ticker = self.ticker(ticker)?;
        let spec = self.spec(ticker).ok_or(LimitsError::Unavailable { retry_after: None })?;
        let now = self.now();
        let rate = self.newest_rate(spec.quoted_by, now).await.map_err(LimitsError::Internal)?;
        let rate = rate.ok_or(LimitsError::Unavailable { retry_after: Some(RATE_RETRY) })?;
        let book = &self.config().limits;
        let bounds = self.bounds(ticker, now).first().copied().flatten();
        let limits = book.limits_within(&spec, rate.price, bounds.as_ref());
        let limits = limits.map_err(|_| LimitsError::Unavailable { retry_after: None })?;
        Ok(LimitsView { ticker, limits, usd: book.usd(ticker), at: rate.seen_until })
    }

    /// A deposit of this account by our id or the provider's; `None` too for a wrong ticker or another's deposit.
    ///
    /// # Errors
    /// The store's.
    pub async fn deposit(
        &self,
        account: AccountId,
        ticker: Ticker,
        id: &str,
    ) -> Result<Option<DepositView>, EngineError> {
        let mut row = match DepositId::new(id) {
            Ok(id) => self.store().deposit(&id).await?,
            Err(_) => None,
        };
        if row.is_none()
            && let Ok(route) = self.registry().route(&ticker)
            && let Some(order) = route.provider.spelled(id)
            && let Some(id) = self.deposit_by(route.provider.id(), &order).await?
        {
            row = self.store().deposit(&id).await?;
        }
        let row = row.filter(|r| r.account == account && r.ticker == ticker && r.phase == Phase::Open);
        Ok(row.as_ref().and_then(DepositView::of))
    }

    /// By the provider's order, or by the block of ours that took a payment in.
    async fn deposit_by(
        &self,
        provider: ProviderId,
        reference: &ProviderRef,
    ) -> Result<Option<DepositId>, EngineError> {
        Ok(match self.store().deposit_by_ref(provider, reference).await? {
            None => self.store().deposit_by_block(provider, reference).await?,
            found => found,
        })
    }

    /// Postings to an account with an id above `after`, in rising order, at most `limit`. What was read once never changes, and nothing ever
    /// turns up behind it: reading on from the last id misses none.
    ///
    /// # Errors
    /// The store's.
    pub async fn ledger_entries(
        &self,
        account: AccountId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<LedgerEntry>, EngineError> {
        Ok(self.store().ledger_entries(account, after, limit).await?)
    }

    /// The account's balances and its own Nano address.
    ///
    /// # Errors
    /// The store's.
    pub async fn balances(&self, account: &Account) -> Result<Balances, EngineError> {
        let all = self.store().balances(account.id).await?;
        let of = |asset: Asset| {
            all.iter().find(|b| b.asset() == asset).copied().unwrap_or_else(|| Signed::zero(asset))
        };
        let nano_address = match self.registry().route(&Ticker::XNO) {
            Ok(route) => {
                // Whoever is shown the address may pay within the second: what is pushed about it counts from now on, also for an account
                // that is younger than the last scan.
                route.provider.watch(&[account.index]);
                let how = route.provider.standing_address(account.index).ok();
                how.and_then(|how| how.address().map(str::to_owned))
            }
            Err(_) => None,
        };
        Ok(Balances { usd: of(Asset::USD), xno: of(Asset::XNO), nano_address })
    }

    /// Whether the store answers.
    ///
    /// # Errors
    /// The store's.
    pub async fn ping(&self) -> Result<(), EngineError> {
        Ok(self.store().ping().await?)
    }

    /// What waits for an operator or a worker.
    ///
    /// # Errors
    /// The store's.
    pub async fn backlog(&self) -> Result<Backlog, EngineError> {
        Ok(self.store().backlog().await?)
    }

    /// For every ticker by whose rate something is priced: since when the rate in use is known to be right; `None` where none may be used.
    #[must_use]
    pub fn rate_ages(&self) -> Vec<(Ticker, Option<Timestamp>)> {
        let now = self.now();
        let confirmed = |ticker| self.inner.rates.current(ticker, now).ok().map(|rate| rate.at);
        self.priced_tickers().into_iter().map(|ticker| (ticker, confirmed(ticker))).collect()
    }

    /// Tickers whose rate sources contradict each other, and how.
    #[must_use]
    pub fn rate_troubles(&self) -> Vec<(Ticker, Trouble)> {
        self.inner.rates.troubles()
    }

    /// How each rate source stands, and what is missing of it.
    #[must_use]
    pub fn rate_sources(&self) -> Vec<SourceState> {
        self.inner.rates.sources()
    }

    /// Adds the whole ledger up.
    ///
    /// # Errors
    /// The store's.
    pub async fn check_ledger(&self) -> Result<LedgerCheck, EngineError> {
        Ok(self.store().check_ledger().await?)
    }
}

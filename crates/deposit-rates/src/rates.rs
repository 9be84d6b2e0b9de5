//! The rates in use: figures of each source, their medians, and how old they may be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use deposit_core::{Price, Ticker, Timestamp};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};

use crate::median::median;
use crate::source::{RateError, RateSource, fallback};

/// What one unit of a ticker is worth, from a time on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// Of what.
    pub ticker: Ticker,
    /// USD for one unit.
    pub price: Price,
    /// Who said so: the names of the sources in the median, joined by `+`; `fixed` for USD.
    pub source: String,
    /// Valid from. It stays in force until the next rate of the ticker.
    pub at: Timestamp,
}

/// One source that could not answer.
#[derive(Debug)]
pub struct SourceFailure {
    /// Which.
    pub source: String,
    /// Why.
    pub error: RateError,
}

/// The medians after the sources were asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settled {
    /// Rates that are new, to be stored and then given to [`Rates::seed`].
    pub new: Vec<Rate>,
    /// Tickers for which no source has a fresh figure.
    pub missing: Vec<Ticker>,
}

/// What one refresh did.
#[derive(Debug, Default)]
pub struct RefreshReport {
    /// Rates that are new; they are already in use.
    pub new: Vec<Rate>,
    /// Tickers for which no source has a fresh figure.
    pub missing: Vec<Ticker>,
    /// Sources that could not answer.
    pub failures: Vec<SourceFailure>,
}

/// What one source last said of a ticker.
#[derive(Debug, Clone, Copy)]
struct Figure {
    price: Price,
    at: Timestamp,
}

/// A rate in use.
#[derive(Debug, Clone)]
struct Published {
    rate: Rate,
    /// When a source last said something that confirms it; from here its age counts.
    confirmed: Timestamp,
}

#[derive(Debug, Default)]
struct State {
    figures: BTreeMap<(usize, Ticker), Figure>,
    published: BTreeMap<Ticker, Published>,
}

/// Sources of USD prices and the median of what they say. Shared by all tasks; the lock is never held while a source is asked.
#[derive(Debug)]
pub struct Rates {
    sources: Vec<Arc<dyn RateSource>>,
    max_age_millis: i64,
    state: RwLock<State>,
}

/// Source of the rate of USD.
const FIXED: &str = "fixed";

impl Rates {
    /// Nothing is asked yet. A figure or rate is fresh up to and including `max_age`.
    #[must_use]
    pub fn new(sources: Vec<Arc<dyn RateSource>>, max_age: Duration) -> Self {
        let max_age_millis = i64::try_from(max_age.as_millis()).unwrap_or(i64::MAX);
        Self { sources, max_age_millis, state: RwLock::default() }
    }

    /// Asks every source, takes the medians and puts them to use. For programs that need each rate stored before it is used,
    /// there are the three steps [`gather`](Self::gather), [`settle`](Self::settle) and [`seed`](Self::seed).
    pub async fn refresh(&self, tickers: &[Ticker], now: Timestamp) -> RefreshReport {
        let failures = self.gather(tickers, now).await;
        let Settled { new, missing } = self.settle(tickers, now);
        self.seed(new.clone());
        RefreshReport { new, missing, failures }
    }

    /// Asks every source at once and keeps what each says, dated `now`; answers which failed. Nothing is put to use.
    ///
    /// What a source says is kept at once: a caller who stops waiting (because one source hangs) loses nothing that the
    /// others have said, and goes on with [`settle`](Self::settle).
    pub async fn gather(&self, tickers: &[Ticker], now: Timestamp) -> Vec<SourceFailure> {
        let wanted: BTreeSet<Ticker> = tickers.iter().copied().filter(|t| *t != Ticker::USD).collect();
        let asked: Vec<Ticker> = wanted
            .iter()
            .copied()
            .chain(wanted.iter().copied().filter_map(fallback))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        if asked.is_empty() {
            return Vec::new();
        }
        let asked = asked.as_slice();
        let asking = self.sources.iter().enumerate().map(|(index, source)| async move {
            match source.fetch(asked).await {
                Ok(said) => {
                    self.keep(index, asked, &said, now);
                    None
                }
                Err(error) => {
                    tracing::warn!(source = source.name(), %error, "rate source failed");
                    Some(SourceFailure { source: source.name().to_owned(), error })
                }
            }
        });
        join_all(asking).await.into_iter().flatten().collect()
    }

    fn keep(&self, index: usize, asked: &[Ticker], said: &[(Ticker, Price)], now: Timestamp) {
        let said: BTreeMap<Ticker, Price> = said.iter().copied().collect();
        let mut state = self.write();
        for ticker in asked {
            let own = said.get(ticker).copied();
            let Some(price) = own.or_else(|| fallback(*ticker).and_then(|other| said.get(&other).copied()))
            else {
                continue;
            };
            let figure = state.figures.entry((index, *ticker)).or_insert(Figure { price, at: now });
            // Two refreshes may overlap: the later question wins, whichever answer comes first.
            if figure.at <= now {
                *figure = Figure { price, at: now };
            }
        }
    }

    /// The medians of the figures that are fresh. A rate whose price is unchanged is confirmed; one that is new is returned, to be
    /// stored, and is used only after [`seed`](Self::seed). Until then the same call returns it again.
    pub fn settle(&self, tickers: &[Ticker], now: Timestamp) -> Settled {
        let mut settled = Settled::default();
        let mut state = self.write();
        for ticker in tickers.iter().copied().collect::<BTreeSet<_>>() {
            match self.median_of(&state, ticker, now) {
                Some(found) => settled.new.extend(self.compare(&mut state, found, now)),
                None => settled.missing.push(ticker),
            }
        }
        settled
    }

    /// The median of the fresh figures, dated like the newest of them.
    fn median_of(&self, state: &State, ticker: Ticker, now: Timestamp) -> Option<Rate> {
        if ticker == Ticker::USD {
            return Some(Rate { ticker, price: Price::ONE, source: FIXED.to_owned(), at: now });
        }
        let mut prices = Vec::with_capacity(self.sources.len());
        let mut names = Vec::with_capacity(self.sources.len());
        let mut newest: Option<Timestamp> = None;
        for (index, source) in self.sources.iter().enumerate() {
            if let Some(figure) = state.figures.get(&(index, ticker))
                && now.millis_since(figure.at) <= self.max_age_millis
            {
                prices.push(figure.price);
                names.push(source.name());
                newest = newest.max(Some(figure.at));
            }
        }
        Some(Rate { ticker, price: median(&mut prices)?, source: names.join("+"), at: newest? })
    }

    /// What of `found` is new. A rate changes only with a source's new figure, never because another one aged.
    fn compare(&self, state: &mut State, found: Rate, now: Timestamp) -> Option<Rate> {
        let Some(used) = state.published.get_mut(&found.ticker) else {
            return Some(found);
        };
        // One from the future was stored while the clock was ahead: it must not block the ones of now.
        let from_the_future = used.confirmed > now;
        if found.at <= used.confirmed && !from_the_future {
            return None;
        }
        let unchanged = found.price == used.rate.price;
        if unchanged && found.at.millis_since(used.rate.at) < self.max_age_millis / 2 {
            used.confirmed = found.at;
            return None;
        }
        let at = found.at.max(used.rate.at.plus_millis(1));
        Some(Rate { at, ..found })
    }

    /// Puts rates to use: the newest known ones at start-up, from the store, and what [`settle`](Self::settle) found, once
    /// it is stored. One that is not newer than the rate in use is left out.
    pub fn seed(&self, rates: Vec<Rate>) {
        let mut state = self.write();
        for rate in rates {
            let older = state.published.get(&rate.ticker).is_some_and(|used| used.rate.at >= rate.at);
            if !older {
                let confirmed = rate.at;
                state.published.insert(rate.ticker, Published { rate, confirmed });
            }
        }
    }

    /// The rate in use. Never waits, never asks a source; USD is always 1.
    ///
    /// # Errors
    /// [`RateError::Unknown`]; [`RateError::Stale`] where nobody has confirmed it for longer than the maximum age.
    pub fn current(&self, ticker: Ticker, now: Timestamp) -> Result<Rate, RateError> {
        let state = self.read();
        let used = state
            .published
            .get(&ticker)
            .or_else(|| fallback(ticker).and_then(|other| state.published.get(&other)));
        if ticker == Ticker::USD {
            let at = used.map_or(now, |used| used.rate.at);
            return Ok(Rate { ticker, price: Price::ONE, source: FIXED.to_owned(), at });
        }
        let used = used.ok_or(RateError::Unknown { ticker })?;
        let age_millis = now.millis_since(used.confirmed);
        if age_millis > self.max_age_millis {
            return Err(RateError::Stale { ticker, age_secs: u64::try_from(age_millis / 1000).unwrap_or(0) });
        }
        Ok(Rate { ticker, ..used.rate.clone() })
    }

    /// The names of the sources, in the order of the configuration.
    pub fn source_names(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().map(|source| source.name())
    }

    /// Longest time that a figure or a rate may be used.
    #[must_use]
    pub fn max_age(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.max_age_millis).unwrap_or(0))
    }

    // Every change under the lock is one insert or assignment, so a poisoned lock holds no half-made state.
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

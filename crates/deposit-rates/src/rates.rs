//! The rates in use: figures of each source, their medians, and how old they may be.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use deposit_core::{Price, Ticker, Timestamp};
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};

use crate::missing::{Missing, SourceState};
use crate::rules::{Rules, Verdict, apart, judge};
use crate::source::{Quote, RateError, RateSource, fallback};

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
    /// Tickers whose sources contradict each other. What was in use stays so within its age.
    pub disputed: Vec<Ticker>,
    /// Tickers whose price jumped on the word of one source alone, held until it is said again. What was in use stays so within its age.
    pub held: Vec<Ticker>,
}

/// What one refresh did.
#[derive(Debug, Default)]
pub struct RefreshReport {
    /// Rates that are new; they are already in use.
    pub new: Vec<Rate>,
    /// Tickers for which no source has a fresh figure.
    pub missing: Vec<Ticker>,
    /// As [`Settled::disputed`].
    pub disputed: Vec<Ticker>,
    /// As [`Settled::held`].
    pub held: Vec<Ticker>,
    /// Sources that could not answer.
    pub failures: Vec<SourceFailure>,
}

/// What one source last said of a ticker.
#[derive(Debug, Clone, Copy)]
struct Figure {
    price: Price,
    at: Timestamp,
}

/// What the figures of one ticker come to.
#[derive(Debug)]
enum Judged {
    Silence,
    /// Who says what.
    Disputed(String),
    Agreed {
        found: Rate,
        /// How many say so.
        voices: usize,
        /// Who says something else, and what.
        left_out: Option<String>,
    },
}

/// A rate in use.
#[derive(Debug, Clone)]
struct Published {
    rate: Rate,
    /// When a source last said something that confirms it; from here its age counts.
    confirmed: Timestamp,
}

/// A jump on the word of one source alone.
#[derive(Debug, Clone, Copy)]
struct Jump {
    price: Price,
    /// When it was last said.
    last: Timestamp,
    /// How often in a row.
    said: u32,
}

/// Why the sources of a ticker need an operator's eye. It is logged once, not in each round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// They contradict each other and none has a majority: no new rate.
    Disputed,
    /// One is far from the others, and was left out.
    LeftOut,
    /// One alone says that the price jumped: held until it is said again.
    Held,
}

impl Trouble {
    /// A word for metrics and logs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Disputed => "disputed",
            Self::LeftOut => "left_out",
            Self::Held => "held",
        }
    }
}

#[derive(Debug, Default)]
struct State {
    figures: BTreeMap<(usize, Ticker), Figure>,
    published: BTreeMap<Ticker, Published>,
    jumps: BTreeMap<Ticker, Jump>,
    troubles: BTreeMap<Ticker, Trouble>,
    /// From when until when a source is not asked again.
    quiet: BTreeMap<usize, (Timestamp, Timestamp)>,
    missing: Missing,
}

/// Sources of USD prices and the median of what they say. Shared by all tasks; the lock is never held while a source is asked.
#[derive(Debug)]
pub struct Rates {
    sources: Vec<Arc<dyn RateSource>>,
    rules: Rules,
    max_age_millis: i64,
    state: RwLock<State>,
}

/// Source of the rate of USD.
const FIXED: &str = "fixed";
/// How often in a row one source alone has to say a price that jumped.
const CONFIRMATIONS: u32 = 3;
/// What is dated further ahead than this was said while the clock was wrong: it tells nothing about now, and must not outlive what does. In
/// milliseconds; more than two refreshes that overlap lie apart.
const AHEAD_MILLIS: i64 = 60_000;
/// The longest that a source is left alone because it asked to be, in milliseconds.
const LONGEST_QUIET_MILLIS: i64 = 3_600_000;

impl Rates {
    /// Nothing is asked yet. A figure or rate is fresh up to and including `max_age`.
    #[must_use]
    pub fn new(sources: Vec<Arc<dyn RateSource>>, max_age: Duration) -> Self {
        let max_age_millis = i64::try_from(max_age.as_millis()).unwrap_or(i64::MAX);
        Self { sources, rules: Rules::default(), max_age_millis, state: RwLock::default() }
    }

    /// With other limits than the defaults on how far figures may lie apart.
    #[must_use]
    pub fn with_rules(self, rules: Rules) -> Self {
        Self { rules, ..self }
    }

    /// Asks every source, takes the medians and puts them to use. For programs that need each rate stored before it is used,
    /// there are the three steps [`gather`](Self::gather), [`settle`](Self::settle) and [`seed`](Self::seed).
    pub async fn refresh(&self, tickers: &[Ticker], now: Timestamp) -> RefreshReport {
        let failures = self.gather(tickers, now).await;
        let Settled { new, missing, disputed, held } = self.settle(tickers, now);
        self.seed(new.clone());
        RefreshReport { new, missing, disputed, held, failures }
    }

    /// Asks every source at once and keeps what each says, dated `now`; answers which failed. Nothing is put to use. A source that has
    /// its own pace ([`RateSource::every`]), or asked to be left alone, is not asked before its time.
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
        let asking = self.due(now).into_iter().map(|(index, source)| async move {
            // One that breaks costs only its own figures, as one that hangs.
            let answer = AssertUnwindSafe(source.fetch(asked)).catch_unwind().await.unwrap_or_else(|_| {
                Err(RateError::source(source.name(), "it broke: a mistake in the program"))
            });
            self.rest(index, &**source, &answer, now);
            match answer {
                Ok(said) => {
                    self.keep(index, asked, &said, now);
                    None
                }
                Err(error) => {
                    self.write().missing.failed(index, &**source, &error);
                    Some(SourceFailure { source: source.name().to_owned(), error })
                }
            }
        });
        join_all(asking).await.into_iter().flatten().collect()
    }

    fn due(&self, now: Timestamp) -> Vec<(usize, &Arc<dyn RateSource>)> {
        let state = self.read();
        // A clock that was set back must not silence a source until it comes there again.
        let is_over = |(from, until): &(Timestamp, Timestamp)| now >= *until || is_ahead(*from, now);
        let is_due = |index: &usize| state.quiet.get(index).is_none_or(is_over);
        self.sources.iter().enumerate().filter(|(index, _)| is_due(index)).collect()
    }

    /// Notes when the source may be asked again. After the answer: a question that was given up is no question.
    fn rest(
        &self,
        index: usize,
        source: &dyn RateSource,
        answer: &Result<Vec<Quote>, RateError>,
        now: Timestamp,
    ) {
        let millis = |wait: Duration| i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        let wait = match answer {
            // Not so rarely that its figures age out between two answers.
            Ok(_) => millis(source.every()).min(self.max_age_millis / 2),
            Err(error) => error.retry_after().map_or(0, |asked| millis(asked).min(LONGEST_QUIET_MILLIS)),
        };
        self.write().quiet.insert(index, (now, now.plus_millis(wait)));
    }

    fn keep(&self, index: usize, asked: &[Ticker], said: &[Quote], now: Timestamp) {
        let oldest = self.sources.get(index).map_or(Duration::MAX, |source| source.max_figure_age());
        let oldest_millis = i64::try_from(oldest.as_millis()).unwrap_or(i64::MAX);
        let is_current =
            |quote: &&Quote| quote.as_of.is_none_or(|as_of| now.millis_since(as_of) <= oldest_millis);
        let said: BTreeMap<Ticker, Price> =
            said.iter().filter(is_current).map(|quote| (quote.ticker, quote.price)).collect();
        let mut state = self.write();
        if let Some(source) = self.sources.get(index) {
            state.missing.answered(index, &**source, asked, |ticker| said.contains_key(&ticker));
        }
        for ticker in asked {
            let own = said.get(ticker).copied();
            let Some(price) = own.or_else(|| fallback(*ticker).and_then(|other| said.get(&other).copied()))
            else {
                continue;
            };
            let figure = state.figures.entry((index, *ticker)).or_insert(Figure { price, at: now });
            // Two refreshes may overlap: the later question wins, whichever answer comes first.
            if figure.at <= now || is_ahead(figure.at, now) {
                *figure = Figure { price, at: now };
            }
        }
    }

    /// The medians of the figures that are fresh and agree ([`Rules`]). A rate whose price is unchanged is confirmed; one that is new is
    /// returned, to be stored, and is used only after [`seed`](Self::seed). Until then the same call returns it again.
    ///
    /// Each ticker is judged by itself: where the sources contradict each other, or one of them alone tells of a jump, that ticker goes on
    /// with its last good rate until that is too old, and no other is touched.
    pub fn settle(&self, tickers: &[Ticker], now: Timestamp) -> Settled {
        let mut settled = Settled::default();
        let mut state = self.write();
        for ticker in tickers.iter().copied().collect::<BTreeSet<_>>() {
            let (found, voices, left_out) = match self.judged(&state, ticker, now) {
                Judged::Agreed { found, voices, left_out } => (found, voices, left_out),
                Judged::Silence => {
                    settled.missing.push(ticker);
                    continue;
                }
                Judged::Disputed(said) => {
                    Self::tell(&mut state, ticker, Some(Trouble::Disputed), &said);
                    settled.disputed.push(ticker);
                    continue;
                }
            };
            if self.is_held(&mut state, &found, voices, now) {
                let said = format!("{}: {}", found.source, found.price);
                Self::tell(&mut state, ticker, Some(Trouble::Held), &said);
                settled.held.push(ticker);
                continue;
            }
            Self::tell(
                &mut state,
                ticker,
                left_out.as_ref().map(|_| Trouble::LeftOut),
                left_out.as_deref().unwrap_or(""),
            );
            settled.new.extend(self.compare(&mut state, found, now));
        }
        settled
    }

    /// What the fresh figures come to, dated like the newest of those that are believed.
    fn judged(&self, state: &State, ticker: Ticker, now: Timestamp) -> Judged {
        if ticker == Ticker::USD {
            let found = Rate { ticker, price: Price::ONE, source: FIXED.to_owned(), at: now };
            return Judged::Agreed { found, voices: 1, left_out: None };
        }
        let fresh: Vec<(&str, Figure)> = self
            .sources
            .iter()
            .enumerate()
            .filter_map(|(index, source)| Some((source.name(), *state.figures.get(&(index, ticker))?)))
            .filter(|(_, figure)| self.is_fresh(figure.at, now))
            .collect();
        let told = |indexes: &[usize]| -> String {
            let figures = indexes.iter().filter_map(|index| fresh.get(*index));
            figures.map(|(name, figure)| format!("{name}: {}", figure.price)).collect::<Vec<_>>().join(", ")
        };
        let prices: Vec<Price> = fresh.iter().map(|(_, figure)| figure.price).collect();
        match judge(&prices, self.rules.outlier_percent) {
            Verdict::Silence => Judged::Silence,
            Verdict::Disputed => Judged::Disputed(told(&(0..fresh.len()).collect::<Vec<_>>())),
            Verdict::Agreed { price, voices, left_out } => {
                let believed = || voices.iter().filter_map(|index| fresh.get(*index));
                let source = believed().map(|(name, _)| *name).collect::<Vec<_>>().join("+");
                let Some(at) = believed().map(|(_, figure)| figure.at).max() else { return Judged::Silence };
                Judged::Agreed {
                    found: Rate { ticker, price, source, at },
                    voices: voices.len(),
                    left_out: (!left_out.is_empty()).then(|| told(&left_out)),
                }
            }
        }
    }

    /// Whether a price has to wait: it is far from the last good one, and one source alone says so where others could have. Said
    /// [`CONFIRMATIONS`] times in a row it is believed. A single source that is configured is always followed at once: there is nothing
    /// to compare it with, and waiting would only price deposits by what is no longer true.
    fn is_held(&self, state: &mut State, found: &Rate, voices: usize, now: Timestamp) -> bool {
        let ticker = found.ticker;
        let known = state.jumps.get(&ticker).copied();
        // A jump that nobody has spoken of for long is none.
        let known = known.filter(|jump| self.is_fresh(jump.last, now));
        let jumped = state.published.get(&ticker).is_some_and(|used| {
            let comparable = self.is_fresh(used.confirmed, now) || known.is_some();
            comparable && apart(found.price, used.rate.price, self.rules.jump_percent)
        });
        if !jumped || voices > 1 || self.sources.len() == 1 {
            state.jumps.remove(&ticker);
            return false;
        }
        let again = known.filter(|jump| !apart(found.price, jump.price, self.rules.outlier_percent));
        let said = match again {
            // The same answer looked at twice.
            Some(jump) if found.at <= jump.last => jump.said,
            Some(jump) => jump.said.saturating_add(1),
            None => 1,
        };
        state.jumps.insert(ticker, Jump { price: found.price, last: found.at, said });
        said < CONFIRMATIONS
    }

    /// Tells an operator once that a ticker is in trouble, and once that it no longer is.
    fn tell(state: &mut State, ticker: Ticker, trouble: Option<Trouble>, said: &str) {
        let before = match trouble {
            Some(trouble) => state.troubles.insert(ticker, trouble),
            None => state.troubles.remove(&ticker),
        };
        match trouble {
            now if now == before => {}
            Some(Trouble::Disputed) => {
                tracing::warn!(%ticker, said, "rate sources contradict each other: the last good rate stays until it is too old");
            }
            Some(Trouble::Held) => {
                tracing::warn!(%ticker, said, "one rate source alone says that the price jumped: held until it is said again");
            }
            Some(Trouble::LeftOut) => {
                tracing::warn!(%ticker, said, "a rate source is far from the others and is left out");
            }
            None => tracing::info!(%ticker, "the rate sources agree again"),
        }
    }

    /// What of `found` is new. A rate changes only with a source's new figure, never because another one aged.
    fn compare(&self, state: &mut State, found: Rate, now: Timestamp) -> Option<Rate> {
        // Stored or heard while the clock was ahead: it must not stand in the way of what is said now.
        state.published.retain(|ticker, used| *ticker != found.ticker || !is_ahead(used.confirmed, now));
        let Some(used) = state.published.get_mut(&found.ticker) else {
            return Some(found);
        };
        // A little ahead: clocks are set.
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
        if !self.is_fresh(used.confirmed, now) {
            return Err(RateError::Stale { ticker, age_secs: u64::try_from(age_millis / 1000).unwrap_or(0) });
        }
        Ok(Rate { ticker, ..used.rate.clone() })
    }

    /// The tickers that were in trouble when they were last settled.
    #[must_use]
    pub fn troubles(&self) -> Vec<(Ticker, Trouble)> {
        self.read().troubles.iter().map(|(ticker, trouble)| (*ticker, *trouble)).collect()
    }

    /// The names of the sources, in the order of the configuration.
    pub fn source_names(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().map(|source| source.name())
    }

    /// How each source stands: what is missing of it, and whether it answers. In the order of the configuration.
    #[must_use]
    pub fn sources(&self) -> Vec<SourceState> {
        let state = self.read();
        let each = self.sources.iter().enumerate();
        each.map(|(index, source)| state.missing.state(index, &**source)).collect()
    }

    /// Longest time that a figure or a rate may be used.
    #[must_use]
    pub fn max_age(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.max_age_millis).unwrap_or(0))
    }

    fn is_fresh(&self, at: Timestamp, now: Timestamp) -> bool {
        now.millis_since(at) <= self.max_age_millis && !is_ahead(at, now)
    }

    // Every change under the lock is one insert or assignment, so a poisoned lock holds no half-made state.
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether it was dated by a clock that was ahead of the present one.
fn is_ahead(at: Timestamp, now: Timestamp) -> bool {
    at.millis_since(now) > AHEAD_MILLIS
}

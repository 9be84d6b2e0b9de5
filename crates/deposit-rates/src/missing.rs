//! What sources do not say: told to an operator once, and counted.

use std::collections::{BTreeMap, BTreeSet};

use deposit_core::Ticker;

use crate::source::{RateError, RateSource};

/// How a source stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceState {
    /// Its name.
    pub source: String,
    /// Tickers that it knows and left out of its last answer, said no price of, or priced long ago.
    pub missing: Vec<Ticker>,
    /// Whether it could not answer at all when it was last asked.
    pub failing: bool,
    /// How often it could not answer, since the start.
    pub failures: u64,
    /// How often an answer lacked a ticker that it knows, one for each, since the start.
    pub gaps: u64,
}

#[derive(Debug, Default)]
struct Known {
    missing: BTreeSet<Ticker>,
    failing: bool,
    failures: u64,
    gaps: u64,
}

/// By the number of the source.
#[derive(Debug, Default)]
pub(crate) struct Missing(BTreeMap<usize, Known>);

impl Missing {
    /// It answered: with all but these of what it was asked for and knows.
    pub(crate) fn answered(
        &mut self,
        index: usize,
        source: &dyn RateSource,
        asked: &[Ticker],
        has: impl Fn(Ticker) -> bool,
    ) {
        let known = self.0.entry(index).or_default();
        if std::mem::take(&mut known.failing) {
            tracing::info!(source = source.name(), "rate source answers again");
        }
        for ticker in asked.iter().copied().filter(|ticker| source.knows(*ticker)) {
            if has(ticker) {
                if known.missing.remove(&ticker) {
                    tracing::info!(source = source.name(), %ticker, "rate source has a price again");
                }
                continue;
            }
            known.gaps = known.gaps.saturating_add(1);
            if known.missing.insert(ticker) {
                tracing::warn!(
                    source = source.name(), %ticker,
                    "rate source has no usable price of a ticker that it should know; its other prices are used"
                );
            }
        }
    }

    /// It could not answer.
    pub(crate) fn failed(&mut self, index: usize, source: &dyn RateSource, error: &RateError) {
        let known = self.0.entry(index).or_default();
        known.failures = known.failures.saturating_add(1);
        let cause = std::error::Error::source(error).map(ToString::to_string);
        if std::mem::replace(&mut known.failing, true) {
            tracing::debug!(source = source.name(), %error, cause, "rate source fails still");
        } else {
            tracing::warn!(source = source.name(), %error, cause, "rate source failed");
        }
    }

    pub(crate) fn state(&self, index: usize, source: &dyn RateSource) -> SourceState {
        let source = source.name().to_owned();
        self.0.get(&index).map_or_else(
            || SourceState { source: source.clone(), ..SourceState::default() },
            |known| SourceState {
                source: source.clone(),
                missing: known.missing.iter().copied().collect(),
                failing: known.failing,
                failures: known.failures,
                gaps: known.gaps,
            },
        )
    }
}

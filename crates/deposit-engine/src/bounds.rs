//! What providers themselves set as least and most: asked for in the background, never waited for, and put over our own limits.

use std::time::Duration;

use deposit_core::{Limits, PaymentProvider, Ticker, TickerSpec, Timestamp};
use futures_util::future::join_all;

use crate::Engine;
use crate::health::{Call, Trouble};
use crate::supervise::caught;

/// How long bounds that moved are still good for a client that was quoted by them, in seconds.
const QUOTED_SECS: i64 = 60;
/// How long a provider may take for all its tickers.
const LONGEST: Duration = Duration::from_secs(30);

/// Bounds as they were heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Heard {
    bounds: Limits,
    /// First heard of.
    from: Timestamp,
    /// Last heard of.
    until: Timestamp,
}

/// The bounds of one ticker, newest first; older ones for as long as somebody may have been quoted by them.
#[derive(Debug, Default)]
pub(crate) struct Bounds {
    heard: Vec<Heard>,
}

impl Bounds {
    fn hear(&mut self, bounds: Limits, now: Timestamp, max_age_secs: i64) {
        match self.heard.first_mut() {
            // Heard of in time: they were in force all the while.
            Some(newest) if newest.bounds == bounds && now <= newest.until.plus_secs(max_age_secs) => {
                newest.until = newest.until.max(now);
            }
            _ => self.heard.insert(0, Heard { bounds, from: now, until: now }),
        }
        // One from before that time is kept: it tells that there were some.
        let since = now.plus_secs(-QUOTED_SECS);
        let kept = self.heard.iter().position(|heard| heard.from <= since);
        self.heard.truncate(kept.map_or(usize::MAX, |last| last.saturating_add(1)));
    }

    /// All that were in force at some time since a moment ago, the present ones first; `None` stands for our limits alone, where nothing fresh
    /// was known.
    fn quoted(&self, now: Timestamp, max_age_secs: i64) -> Vec<Option<Limits>> {
        let since = now.plus_secs(-QUOTED_SECS);
        let (mut all, mut later) = (Vec::new(), None);
        for heard in &self.heard {
            let replaced = later.unwrap_or(now);
            let stale = heard.until.plus_secs(max_age_secs);
            // From the end of their being in force to what came next.
            if stale < replaced && replaced >= since {
                all.push(None);
            }
            if heard.from <= now && stale.min(replaced) >= since {
                all.push(Some(heard.bounds));
            }
            later = Some(heard.from);
        }
        if later.is_none_or(|first| first > since) {
            all.push(None);
        }
        all
    }
}

impl Engine {
    /// What the provider's own bounds of this ticker are now, and were a moment ago; never empty.
    pub(crate) fn bounds(&self, ticker: Ticker, now: Timestamp) -> Vec<Option<Limits>> {
        let known = self.inner.bounds.lock().ok();
        let bounds = known.as_ref().and_then(|known| known.get(&ticker));
        bounds.map_or_else(|| vec![None], |bounds| bounds.quoted(now, self.config().rate_max_age_secs))
    }

    /// Asks every provider that has bounds of its own for them. What cannot be heard is as it was, and after `rate_max_age_secs` forgotten: our own
    /// limits then hold alone.
    pub async fn refresh_bounds(&self) {
        let providers = self.registry().providers().filter(|provider| provider.capabilities().bounds);
        join_all(providers.map(|provider| async move {
            let id = provider.id();
            match tokio::time::timeout(LONGEST, caught(self.ask_bounds(&**provider))).await {
                Ok(Ok(())) => {}
                Ok(Err(message)) => self.note_panic("bounds", id, Call::Bounds, &message),
                Err(_) => self.note_trouble(id, Call::Bounds, Trouble::Transient, "limits not told in time"),
            }
        }))
        .await;
    }

    async fn ask_bounds(&self, provider: &dyn PaymentProvider) {
        for TickerSpec { ticker, asset, .. } in &provider.capabilities().tickers {
            // The time before the question: what it shows is not older.
            let now = self.now();
            let told = provider.bounds(*ticker).await;
            match self.heard(provider.id(), Call::Bounds, Some(ticker.as_str()), told) {
                Ok(bounds) if bounds.minimum.asset() == *asset && bounds.maximum.asset() == *asset => {
                    if let Ok(mut known) = self.inner.bounds.lock() {
                        known.entry(*ticker).or_default().hear(bounds, now, self.config().rate_max_age_secs);
                    }
                }
                Ok(_) => {
                    let words = "limits in another asset than the ticker's";
                    self.note_trouble(provider.id(), Call::Bounds, Trouble::Protocol, words);
                }
                Err(error) => tracing::debug!(provider = %provider.id(), %ticker, %error, "limits not told"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use deposit_core::{Amount, Asset};

    const MAX_AGE: i64 = 300;

    fn limits(minimum: u128) -> Limits {
        Limits { minimum: Amount::new(minimum, Asset::KAS), maximum: Amount::new(1_000, Asset::KAS) }
    }

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn quoted(bounds: &Bounds, secs: i64) -> Vec<Option<u128>> {
        let all = bounds.quoted(at(secs), MAX_AGE);
        all.into_iter().map(|limits| limits.map(|l| l.minimum.minor())).collect()
    }

    #[test]
    fn what_was_quoted_a_moment_ago_still_holds() {
        let mut bounds = Bounds::default();
        assert_eq!(quoted(&bounds, 1_000), [None]);
        bounds.hear(limits(5), at(1_000), MAX_AGE);
        assert_eq!(quoted(&bounds, 1_000), [Some(5), None], "before there were none");
        assert_eq!(quoted(&bounds, 1_059), [Some(5), None]);
        assert_eq!(quoted(&bounds, 1_060), [Some(5)]);
        bounds.hear(limits(5), at(1_200), MAX_AGE);
        bounds.hear(limits(7), at(1_300), MAX_AGE);
        assert_eq!(quoted(&bounds, 1_300), [Some(7), Some(5)]);
        assert_eq!(quoted(&bounds, 1_360), [Some(7), Some(5)], "sixty seconds");
        assert_eq!(quoted(&bounds, 1_361), [Some(7)]);
        bounds.hear(limits(8), at(1_370), MAX_AGE);
        bounds.hear(limits(9), at(1_380), MAX_AGE);
        assert_eq!(quoted(&bounds, 1_380), [Some(9), Some(8), Some(7)]);
        assert_eq!(quoted(&bounds, 1_500), [Some(9)]);
    }

    #[test]
    fn stale_ones_leave_ours_alone_and_come_back() {
        let mut bounds = Bounds::default();
        bounds.hear(limits(5), at(1_000), MAX_AGE);
        assert_eq!(quoted(&bounds, 1_300), [Some(5)]);
        assert_eq!(quoted(&bounds, 1_301), [None, Some(5)], "ours alone from now on");
        assert_eq!(quoted(&bounds, 1_361), [None]);
        bounds.hear(limits(5), at(2_000), MAX_AGE);
        assert_eq!(quoted(&bounds, 2_030), [Some(5), None], "who was quoted ours a moment ago");
        assert_eq!(quoted(&bounds, 2_061), [Some(5)]);
        for n in 0..1_000 {
            bounds.hear(limits(u128::try_from(n).unwrap()), at(3_000 + n), MAX_AGE);
        }
        assert!(bounds.heard.len() <= 62, "kept as long as they may be quoted: {}", bounds.heard.len());
    }
}

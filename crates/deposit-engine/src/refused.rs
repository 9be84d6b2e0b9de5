//! Webhook deliveries that were not taken: counted each, and logged with the reason, but not so often that a stranger can fill the log.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use deposit_core::ProviderId;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use crate::Engine;

/// One line in so long a time for each provider and reason, after a few at once.
const LINE_EVERY: Duration = Duration::from_secs(30);
const LINES_AT_ONCE: NonZeroU32 = NonZeroU32::MIN.saturating_add(2);

/// Why a delivery was not taken.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::Display,
    strum::EnumIter,
    strum::IntoStaticStr,
)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum RefusedDelivery {
    /// Its signature or token is missing or wrong.
    Signature,
    /// It is authentic, and cannot be read.
    Malformed,
    /// No such provider is configured, or it sends no webhooks.
    UnknownProvider,
    /// Its body is too large.
    TooLarge,
    /// Its body did not arrive whole.
    CutShort,
    /// It could not be stored.
    NotStored,
}

impl RefusedDelivery {
    fn words(self) -> &'static str {
        match self {
            Self::Signature => {
                "its signature or token is missing or wrong: somebody else sent it, or the webhook's secret is not the same here and at the provider"
            }
            Self::Malformed => "it is authentic and cannot be read: is the provider newer than this adapter?",
            Self::UnknownProvider => "no such provider is configured, or it sends no webhooks",
            Self::TooLarge => "its body is too large",
            Self::CutShort => "its body did not arrive whole",
            Self::NotStored => "it could not be stored; the provider sends it again",
        }
    }
}

#[derive(Debug)]
struct Count {
    all: u64,
    unsaid: u64,
    lines: DefaultDirectRateLimiter,
}

/// Deliveries that were not taken, by provider (`None`: none of ours) and reason.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<BTreeMap<(Option<ProviderId>, RefusedDelivery), Count>>);

impl Refusals {
    /// Counts one; answers how many went without a line before it if this one may have a line.
    fn note(&self, provider: Option<ProviderId>, why: RefusedDelivery) -> Option<u64> {
        let quota = || Quota::with_period(LINE_EVERY).unwrap_or(Quota::per_minute(NonZeroU32::MIN));
        // Whoever panicked in here left whole entries.
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry((provider, why)).or_insert_with(|| Count {
            all: 0,
            unsaid: 0,
            lines: RateLimiter::direct(quota().allow_burst(LINES_AT_ONCE)),
        });
        count.all = count.all.saturating_add(1);
        if count.lines.check().is_ok() {
            return Some(std::mem::take(&mut count.unsaid));
        }
        count.unsaid = count.unsaid.saturating_add(1);
        None
    }
}

impl Engine {
    /// Notes a webhook delivery that was not taken. `provider` as it was named in the path, `detail` in words that hold nothing of the delivery.
    pub fn note_refused(&self, provider: &str, why: RefusedDelivery, detail: Option<&'static str>) {
        // A name that a stranger made up is neither counted by itself nor printed.
        let known = provider.parse().ok().filter(|id| self.registry().provider(id).is_some());
        if let Some(unsaid) = self.inner.refused.note(known, why) {
            let provider = known.map_or_else(|| "unknown".to_owned(), |id| id.to_string());
            tracing::warn!(provider, why = %why, reason = why.words(), detail, unsaid, "webhook delivery refused");
        }
    }

    /// How many webhook deliveries were not taken since the start of this process, by provider (`None`: none of ours) and reason.
    #[must_use]
    pub fn refused_deliveries(&self) -> Vec<(Option<ProviderId>, RefusedDelivery, u64)> {
        let all = self.inner.refused.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(&(provider, why), count)| (provider, why, count.all)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_few_are_said() {
        let refusals = Refusals::default();
        let said = (0..1000).filter(|_| refusals.note(None, RefusedDelivery::Signature).is_some()).count();
        assert!((1..=4).contains(&said), "{said} lines");
        assert!(
            refusals.note(None, RefusedDelivery::Malformed).is_some(),
            "another reason is said all the same"
        );
        let all = refusals.0.lock().unwrap();
        let count = &all[&(None, RefusedDelivery::Signature)];
        assert_eq!((count.all, count.unsaid), (1000, 1000 - u64::try_from(said).unwrap()));
    }
}

//! How long to leave a provider alone whose reads fail.

use deposit_core::{ErrorKind, ProviderError, ProviderId, Timestamp};

use crate::Engine;

/// How soon a failed read is tried again at least, in seconds.
const SOONEST_SECS: i64 = 5;
/// How late at most, unless the provider itself asks for more.
const LATEST_SECS: i64 = 60;
/// What a provider may ask for at most.
const LONGEST_ASKED_SECS: i64 = 3600;

/// A provider whose reads fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failing {
    /// Since the first failure after the last success.
    since: Timestamp,
    /// The provider asked to be left alone until then.
    quiet_until: Timestamp,
}

impl Engine {
    /// Notes a failed read; answers in how many seconds to try again. The wait is as long as the trouble has lasted, so it doubles from
    /// one attempt to the next.
    pub(crate) fn note_read_failed(&self, error: &ProviderError, now: Timestamp) -> i64 {
        let asked = match error.kind() {
            ErrorKind::Transient { retry_after } => retry_after.map(|wait| {
                let secs = i64::try_from(wait.as_secs()).unwrap_or(LONGEST_ASKED_SECS).saturating_add(1);
                secs.clamp(SOONEST_SECS, LONGEST_ASKED_SECS)
            }),
            ErrorKind::OutcomeUnknown => None,
            // A person has to look, or the order is gone for good: not so often. The provider itself may be well.
            ErrorKind::Rejected(_)
            | ErrorKind::NotFound
            | ErrorKind::Authentication
            | ErrorKind::Configuration
            | ErrorKind::Protocol
            | ErrorKind::Unsupported
            | _ => return self.config().old_secs.max(SOONEST_SECS),
        };
        let Ok(mut failing) = self.inner.failing.lock() else { return LATEST_SECS };
        let entry = failing.entry(error.provider()).or_insert(Failing { since: now, quiet_until: now });
        match asked {
            Some(secs) => {
                entry.quiet_until = entry.quiet_until.max(now.plus_secs(secs));
                secs
            }
            None => (now.millis_since(entry.since) / 1000).clamp(SOONEST_SECS, LATEST_SECS),
        }
    }

    /// Providers whose reads fail, with since when.
    #[must_use]
    pub fn failing_providers(&self) -> Vec<(ProviderId, Timestamp)> {
        let Ok(failing) = self.inner.failing.lock() else { return Vec::new() };
        failing.iter().map(|(provider, failing)| (*provider, failing.since)).collect()
    }

    /// Notes a read that went well.
    pub(crate) fn note_read(&self, provider: ProviderId) {
        if let Ok(mut failing) = self.inner.failing.lock() {
            failing.remove(&provider);
        }
    }

    /// Whether the provider asked to be left alone for now.
    pub(crate) fn is_quiet(&self, provider: ProviderId, now: Timestamp) -> bool {
        self.inner
            .failing
            .lock()
            .is_ok_and(|failing| failing.get(&provider).is_some_and(|f| now < f.quiet_until))
    }
}

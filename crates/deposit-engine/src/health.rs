//! How each provider fares, by kind of call: since when a kind of call fails, by what, and how often; and how long to leave it alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use deposit_core::{ErrorKind, ProviderError, ProviderId, Timestamp};

use crate::Engine;
pub use crate::trouble::{Call, ProviderTrouble, Trouble};

/// How soon a failed read is tried again at least, in seconds.
const SOONEST_SECS: i64 = 5;
/// How late at most, unless the provider itself asks for more.
const LATEST_SECS: i64 = 60;
/// What a provider may ask for at most.
const LONGEST_ASKED_SECS: i64 = 3600;
/// A "no" to so many orders in a row, and a "yes" to none, is no longer about the orders.
const NOES: usize = 20;
/// For how many rounds of `old_secs` refused credentials hold creates back where nothing is heard of them any more.
const HOLD_ROUNDS: i64 = 3;

#[derive(Debug, Clone)]
struct Failing {
    trouble: Trouble,
    since: Timestamp,
    last: Timestamp,
    count: u64,
    words: String,
    /// The provider asked to be left alone until then.
    quiet_until: Timestamp,
    /// When it was last known that a person has to look: at the last failure, or the last check that found so. `None`: a check found
    /// all well after that.
    held_at: Option<Timestamp>,
}

/// A "no" to different orders, one after another.
#[derive(Debug, Clone)]
struct Noes {
    since: Timestamp,
    to: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct Known {
    failing: BTreeMap<(ProviderId, Call), Failing>,
    noes: BTreeMap<(ProviderId, Call), Noes>,
    /// Since the start of the process.
    totals: BTreeMap<(ProviderId, Call, Trouble), u64>,
}

impl Known {
    fn total(&mut self, provider: ProviderId, call: Call, trouble: Trouble) {
        let total = self.totals.entry((provider, call, trouble)).or_default();
        *total = total.saturating_add(1);
    }

    /// `since`: when it began, where that is not now.
    fn fails(
        &mut self,
        at: (ProviderId, Call),
        trouble: Trouble,
        words: String,
        since: Timestamp,
        now: Timestamp,
    ) -> &mut Failing {
        let fresh = || Failing {
            trouble,
            since,
            last: now,
            count: 0,
            words: String::new(),
            quiet_until: now,
            held_at: Some(now),
        };
        let entry = self.failing.entry(at).or_insert_with(fresh);
        if entry.count == 0 || entry.trouble != trouble {
            // What may pass by itself is no alarm yet: the metric tells how long it lasts.
            if trouble.may_pass() {
                tracing::warn!(provider = %at.0, call = %at.1, trouble = %trouble, words, "a provider's calls fail");
            } else {
                tracing::error!(provider = %at.0, call = %at.1, trouble = %trouble, words, "a provider's calls fail");
            }
        }
        entry.trouble = trouble;
        entry.last = now;
        entry.count = entry.count.saturating_add(1);
        entry.words = words;
        entry.held_at = Some(now);
        entry
    }

    /// Forgets what nobody has asked for since long.
    fn fade(&mut self, now: Timestamp) {
        self.failing.retain(|(_, call), failing| {
            call.fades_after_secs().is_none_or(|secs| now < failing.last.plus_secs(secs))
        });
    }

    fn works(&mut self, at: (ProviderId, Call)) {
        self.noes.remove(&at);
        if let Some(was) = self.failing.remove(&at) {
            tracing::info!(provider = %at.0, call = %at.1, after = was.count, "a provider's calls work again");
        }
    }
}

/// How all providers fare.
#[derive(Debug, Default)]
pub(crate) struct Health(Mutex<Known>);

impl Health {
    fn known(&self) -> MutexGuard<'_, Known> {
        // Whoever panicked in here left whole entries.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn note_success(&self, provider: ProviderId, call: Call) {
        self.known().works((provider, call));
    }

    /// `subject`: the order that was asked about, where it was one.
    pub(crate) fn note_failure(
        &self,
        provider: ProviderId,
        call: Call,
        error: &ProviderError,
        subject: Option<&str>,
        now: Timestamp,
    ) {
        let Some(trouble) = Trouble::of(error.kind()) else { return };
        let (at, mut known) = ((provider, call), self.known());
        known.fade(now);
        known.total(provider, call, trouble);
        if trouble.is_about_one() {
            let noes = known.noes.entry(at).or_insert_with(|| Noes { since: now, to: BTreeSet::new() });
            let since = noes.since;
            if noes.to.len() < NOES {
                noes.to.insert(subject.unwrap_or_default().to_owned());
            }
            if noes.to.len() >= NOES {
                known.fails(at, trouble, error.to_string(), since, now);
            } else if known.failing.get(&at).is_some_and(|failing| !failing.trouble.is_about_one()) {
                // It answers again.
                known.failing.remove(&at);
            }
            return;
        }
        let entry = known.fails(at, trouble, error.to_string(), now, now);
        if let Some(secs) = asked(error.kind()) {
            entry.quiet_until = entry.quiet_until.max(now.plus_secs(secs));
        }
    }

    pub(crate) fn note_trouble(
        &self,
        provider: ProviderId,
        call: Call,
        trouble: Trouble,
        words: &str,
        now: Timestamp,
    ) {
        let mut known = self.known();
        known.fade(now);
        known.total(provider, call, trouble);
        known.fails((provider, call), trouble, words.to_owned(), now, now);
    }

    /// Since when reads of the provider have failed, by whichever call.
    fn reads_fail_since(&self, provider: ProviderId) -> Option<Timestamp> {
        let known = self.known();
        let reads = [Call::Read, Call::ReadBatch];
        reads
            .iter()
            .filter_map(|call| known.failing.get(&(provider, *call)).map(|failing| failing.since))
            .min()
    }

    fn is_quiet(&self, provider: ProviderId, now: Timestamp) -> bool {
        let known = self.known();
        let reads = [Call::Read, Call::ReadBatch];
        reads.iter().any(|call| known.failing.get(&(provider, *call)).is_some_and(|f| now < f.quiet_until))
    }

    /// Whether payments would not be seen, until an operator has done something.
    fn is_blind(&self, provider: ProviderId, hold_secs: i64, now: Timestamp) -> bool {
        // A feed may want a right of its own: who may not see it may see each order all the same.
        let sees = [Call::Read, Call::ReadBatch];
        let known = self.known();
        sees.iter().filter_map(|call| known.failing.get(&(provider, *call))).any(|failing| {
            // Not for ever: where nothing is left to be read, nothing would ever say that all is well again.
            let held = failing.held_at.is_some_and(|at| now < at.plus_secs(hold_secs));
            failing.trouble.needs_a_person() && held
        })
    }

    /// What a check of credentials and settings found: all well, so that what failed is tried again, or not.
    fn note_checked(&self, provider: ProviderId, well: bool, now: Timestamp) {
        for (_, failing) in self.known().failing.iter_mut().filter(|((whose, _), _)| *whose == provider) {
            failing.held_at = if well { None } else { failing.held_at.map(|_| now) };
        }
    }
}

/// How many seconds the provider asked to be left alone.
fn asked(kind: &ErrorKind) -> Option<i64> {
    let ErrorKind::Transient { retry_after: Some(wait) } = kind else { return None };
    let secs = i64::try_from(wait.as_secs()).unwrap_or(LONGEST_ASKED_SECS).saturating_add(1);
    Some(secs.clamp(SOONEST_SECS, LONGEST_ASKED_SECS))
}

impl Engine {
    /// Notes how a call fared, and hands its outcome on.
    pub(crate) fn heard<T>(
        &self,
        provider: ProviderId,
        call: Call,
        subject: Option<&str>,
        outcome: Result<T, ProviderError>,
    ) -> Result<T, ProviderError> {
        match &outcome {
            Ok(_) => self.inner.health.note_success(provider, call),
            Err(error) => self.inner.health.note_failure(provider, call, error, subject, self.now()),
        }
        outcome
    }

    /// In how many seconds to try a failed read again. The wait is as long as the trouble has lasted, so it doubles from one attempt to the next.
    pub(crate) fn read_again_after(&self, error: &ProviderError, now: Timestamp) -> i64 {
        match error.kind() {
            ErrorKind::Transient { .. } | ErrorKind::OutcomeUnknown => {
                asked(error.kind()).unwrap_or_else(|| {
                    let since = self.inner.health.reads_fail_since(error.provider()).unwrap_or(now);
                    (now.millis_since(since) / 1000).clamp(SOONEST_SECS, LATEST_SECS)
                })
            }
            // A person has to look, or the order is gone for good: not so often.
            ErrorKind::Rejected(_)
            | ErrorKind::NotFound
            | ErrorKind::Authentication
            | ErrorKind::Configuration
            | ErrorKind::Protocol
            | ErrorKind::Unsupported
            | _ => self.config().old_secs.max(SOONEST_SECS),
        }
    }

    /// What fails at which provider, by kind of call.
    #[must_use]
    pub fn provider_troubles(&self) -> Vec<ProviderTrouble> {
        let mut known = self.inner.health.known();
        known.fade(self.now());
        let trouble = |(&(provider, call), failing): (&(ProviderId, Call), &Failing)| ProviderTrouble {
            provider,
            call,
            trouble: failing.trouble,
            since: failing.since,
            last: failing.last,
            count: failing.count,
            words: failing.words.clone(),
        };
        known.failing.iter().map(trouble).collect()
    }

    /// How many calls of each kind have failed since the start of this process.
    #[must_use]
    pub fn failed_calls(&self) -> Vec<(ProviderId, Call, Trouble, u64)> {
        let known = self.inner.health.known();
        known
            .totals
            .iter()
            .map(|(&(provider, call, trouble), total)| (provider, call, trouble, *total))
            .collect()
    }

    /// Notes a read that went well.
    pub(crate) fn note_read(&self, provider: ProviderId) {
        self.inner.health.note_success(provider, Call::Read);
    }

    /// Whether the provider asked to be left alone for now.
    pub(crate) fn is_quiet(&self, provider: ProviderId, now: Timestamp) -> bool {
        self.inner.health.is_quiet(provider, now)
    }

    /// Whether the provider refuses to show us payments, so that nobody should be sent there to pay.
    pub(crate) fn is_blind(&self, provider: ProviderId, now: Timestamp) -> bool {
        let hold = self.config().old_secs.max(LATEST_SECS).saturating_mul(HOLD_ROUNDS);
        self.inner.health.is_blind(provider, hold, now)
    }

    /// Notes what a check of credentials and settings found: what is `wrong`, and whether reads should work, where it tells.
    pub(crate) fn note_check(&self, provider: ProviderId, wrong: Option<&str>, sees: Option<bool>) {
        match wrong {
            Some(words) => self.note_trouble(provider, Call::Check, Trouble::Configuration, words),
            None => self.inner.health.note_success(provider, Call::Check),
        }
        if let Some(sees) = sees {
            self.inner.health.note_checked(provider, sees, self.now());
        }
    }

    /// Notes a failure that no error of the provider's tells.
    pub(crate) fn note_trouble(&self, provider: ProviderId, call: Call, trouble: Trouble, words: &str) {
        self.inner.health.note_trouble(provider, call, trouble, words, self.now());
    }

    /// Notes that a piece of work for a provider panicked, which the task that began it survives. The words of a panic go to the log alone: nobody
    /// has looked at what is in them.
    pub(crate) fn note_panic(&self, task: &'static str, provider: ProviderId, call: Call, message: &str) {
        tracing::error!(task, %provider, message, "a piece of background work panicked");
        self.inner.tasks.note_panic(task, Some(provider));
        self.note_trouble(provider, call, Trouble::Panicked, "the adapter panicked");
    }
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;

//! Payments whose receive block was refused: each waits longer after each refusal, so that nobody works the same block for ever, and none holds
//! the others up.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::block::Hash;

/// The pause after the first refusal; each further one doubles it.
const FIRST: Duration = Duration::from_secs(5);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(600);
/// So many payments are remembered; beyond it the one that may be tried soonest is forgotten.
const MOST: usize = 10_000;

#[derive(Debug, Default)]
pub(crate) struct Backoff {
    refused: Mutex<BTreeMap<Hash, Pause>>,
}

#[derive(Debug, Clone, Copy)]
struct Pause {
    length: Duration,
    until: Instant,
}

impl Backoff {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Hash, Pause>> {
        // Whoever panicked in here left whole entries.
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the payment is not to be tried now.
    pub(crate) fn holds(&self, send: &Hash) -> bool {
        self.lock().get(send).is_some_and(|pause| Instant::now() < pause.until)
    }

    /// Its block was refused.
    pub(crate) fn refused(&self, send: Hash) {
        let mut all = self.lock();
        let length = all.get(&send).map_or(FIRST, |pause| pause.length.saturating_mul(2)).min(LONGEST);
        if all.len() >= MOST && !all.contains_key(&send) {
            let soonest = all.iter().min_by_key(|(_, pause)| pause.until).map(|(hash, _)| *hash);
            soonest.map(|hash| all.remove(&hash));
        }
        all.insert(send, Pause { length, until: Instant::now() + length });
    }

    /// It was taken in, here or elsewhere.
    pub(crate) fn settled(&self, send: &Hash) {
        self.lock().remove(send);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_double_up_to_the_longest_and_end_with_success() {
        let backoff = Backoff::default();
        let (send, other) = (Hash([1; 32]), Hash([2; 32]));
        let mut pauses = Vec::new();
        for _ in 0..9 {
            backoff.refused(send);
            assert!(backoff.holds(&send) && !backoff.holds(&other));
            let begun = Instant::now();
            while backoff.holds(&send) {
                tokio::time::advance(Duration::from_secs(5)).await;
            }
            pauses.push(begun.elapsed().as_secs());
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 600, 600]);
        backoff.refused(send);
        backoff.settled(&send);
        assert!(!backoff.holds(&send));
    }
}

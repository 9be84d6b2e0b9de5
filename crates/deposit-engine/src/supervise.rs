//! Keeps the background tasks running: one that panics or ends is logged, counted, begun again after a pause, and called down until it has
//! run well for a while.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use deposit_core::{ProviderId, Timestamp};
use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;

/// The pause after the first panic; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// So long a task has to run before it counts as well again.
const WELL_AFTER: Duration = Duration::from_secs(30);

/// A background task by its name, and whose it is where each provider has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TaskName {
    pub(crate) task: &'static str,
    pub(crate) provider: Option<ProviderId>,
}

/// How a background task has fared since the start of this process.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskState {
    /// What it does, in a word: `poll`, `scan`, `deliver`, `timers`, `rates`, `bounds`, `tidy`, `probe`.
    pub task: &'static str,
    /// For whom, where each provider has a task of its own.
    pub provider: Option<ProviderId>,
    /// Since when it has not run well; `None` where it does. A task that was begun again is down until it has run for half a minute.
    pub down_since: Option<Timestamp>,
    /// How often it panicked or ended by itself, and was begun again.
    pub restarts: u64,
    /// How often single pieces of its work panicked while it went on itself: a read, a delivery, an expiry.
    pub panics: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Fared {
    down_since: Option<Timestamp>,
    restarts: u64,
    panics: u64,
}

/// How every background task fares.
#[derive(Debug, Default)]
pub(crate) struct Tasks(Mutex<BTreeMap<TaskName, Fared>>);

impl Tasks {
    fn with<T>(&self, name: TaskName, change: impl FnOnce(&mut Fared) -> T) -> T {
        // Whoever panicked in here left whole entries.
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(all.entry(name).or_default())
    }

    /// A piece of a task's work panicked; the task goes on.
    pub(crate) fn note_panic(&self, task: &'static str, provider: Option<ProviderId>) {
        let name = TaskName { task, provider };
        self.with(name, |fared| fared.panics = fared.panics.saturating_add(1));
    }

    /// All that were ever begun.
    pub(crate) fn states(&self) -> Vec<TaskState> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let state = |(name, fared): (&TaskName, &Fared)| TaskState {
            task: name.task,
            provider: name.provider,
            down_since: fared.down_since,
            restarts: fared.restarts,
            panics: fared.panics,
        };
        all.iter().map(state).collect()
    }

    /// Runs `work` until the stop, and again whenever it panics or ends before: `work` itself ends when it sees the stop, after what
    /// is under way is finished.
    pub(crate) async fn supervise<F>(
        self: Arc<Self>,
        name: TaskName,
        clock: Arc<dyn Clock>,
        stop: CancellationToken,
        mut work: impl FnMut() -> F,
    ) where
        F: Future<Output = ()>,
    {
        let mut pauses = pauses();
        self.with(name, |_| ());
        while !stop.is_cancelled() {
            let run = caught(work());
            tokio::pin!(run);
            let early = tokio::time::timeout(WELL_AFTER, &mut run).await;
            let ended = match early {
                Ok(ended) => ended,
                Err(_) => {
                    self.with(name, |fared| fared.down_since = None);
                    pauses = self::pauses();
                    run.await
                }
            };
            if stop.is_cancelled() && ended.is_ok() {
                return;
            }
            let message = ended.err().unwrap_or_else(|| "it ended by itself".to_owned());
            let pause = pauses.next().unwrap_or(LONGEST_PAUSE);
            let restarts = self.with(name, |fared| {
                fared.down_since.get_or_insert_with(|| clock.now());
                fared.restarts = fared.restarts.saturating_add(1);
                fared.restarts
            });
            tracing::error!(
                task = name.task,
                provider = name.provider.map(tracing::field::display),
                message,
                restarts,
                pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
                "a background task broke, it is begun again"
            );
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}

fn pauses() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .with_factor(2.0)
        .without_max_times()
        .build()
}

/// Runs it to its end; a panic is an error with its message. State that it shares is whole at any time: it is behind locks that are
/// held for single changes, or in the store.
pub(crate) async fn caught<T>(work: impl Future<Output = T>) -> Result<T, String> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|panic| words(&*panic))
}

/// What a panic says of itself.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.map_or_else(|| "panicked".to_owned(), |text| format!("panicked: {text}"))
}

#[cfg(test)]
#[path = "supervise_tests.rs"]
mod tests;

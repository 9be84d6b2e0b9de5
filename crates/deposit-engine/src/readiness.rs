//! Whether this process serves: the store takes writes, the background tasks run. What is wrong with single providers is said beside it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::Engine;
use crate::health::ProviderTrouble;
use crate::polling::WatchBacklog;
use crate::supervise::TaskState;

/// How long the store may take over a write, or a look, before it counts as not there.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the outcome of a write is good for: anybody may ask, and each write costs the disk something.
const GOOD_FOR: Duration = Duration::from_secs(1);

/// The last write that was tried. Held while one is under way: there is never more than one.
pub(crate) type Writes = Mutex<Option<(Instant, bool)>>;

/// What keeps this process from serving, and what else an operator should know.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Readiness {
    /// Whether a write became durable in time just now.
    pub store_writes: bool,
    /// Background tasks that do not run well.
    pub tasks_down: Vec<TaskState>,
    /// What fails at single providers: their own tickers suffer, the others are served.
    pub troubles: Vec<ProviderTrouble>,
    /// Providers whose deposits are read too late.
    pub late: Vec<WatchBacklog>,
}

impl Readiness {
    /// Whether requests should come here.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.store_writes && self.tasks_down.is_empty()
    }
}

impl Engine {
    /// Tries whether this process serves; answers within a few seconds.
    pub async fn readiness(&self) -> Readiness {
        let store_writes = timeout(PATIENCE, self.store_writes()).await.unwrap_or_else(|_| {
            tracing::error!(within = ?PATIENCE, "the store does not take a write in time: is it locked, or its disk too slow?");
            false
        });
        let mut late = Vec::new();
        // A store that does not answer is not asked for more.
        if store_writes && let Ok(Ok(backlog)) = timeout(PATIENCE, self.watch_backlog()).await {
            late.extend(backlog.into_iter().filter(|backlog| backlog.late));
        }
        let mut tasks_down = self.task_states();
        tasks_down.retain(|task| task.down_since.is_some());
        Readiness { store_writes, tasks_down, troubles: self.provider_troubles(), late }
    }

    /// Whether a write becomes durable. A write is tried once for all that ask meanwhile, and goes on where they give up.
    async fn store_writes(&self) -> bool {
        // Costs nothing, so it is asked each time: whether the store is open at all.
        if let Err(error) = self.store().ping().await {
            tracing::error!(%error, "the store does not answer");
            return false;
        }
        let mut last = Arc::clone(&self.inner.writes).lock_owned().await;
        if let Some((at, fine)) = *last
            && at.elapsed() < GOOD_FOR
        {
            return fine;
        }
        let store = Arc::clone(self.store());
        let tried = tokio::spawn(async move {
            let written = store.try_write().await;
            if let Err(error) = &written {
                tracing::error!(%error, source = std::error::Error::source(error).map(tracing::field::display), "the store takes no writes");
            }
            *last = Some((Instant::now(), written.is_ok()));
            written.is_ok()
        });
        tried.await.unwrap_or(false)
    }
}

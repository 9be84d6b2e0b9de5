//! Following one deposit: its states as they come.
//!
//! The history is what is read; a bell only says when. Each followed deposit has a bell of its own, so that a change wakes its own
//! followers and no others. A bell holds the newest number and no queue: a follower that is slow costs nothing, and whoever rings
//! never waits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fmt, mem, vec};

use deposit_core::{DepositId, Timestamp};
use deposit_store::HistoryRow;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::Engine;
use crate::error::EngineError;
use crate::view::DepositView;

/// Most states that are read at once. A follower that is further behind gets the newest alone.
const PAGE: u32 = 16;

/// The bells of the deposits that somebody follows.
#[derive(Debug, Default)]
pub(crate) struct Bells(Mutex<HashMap<DepositId, watch::Sender<u64>>>);

impl Bells {
    fn all(&self) -> MutexGuard<'_, HashMap<DepositId, watch::Sender<u64>>> {
        // Whoever panicked in here left a whole map.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the followers of this deposit, if it has any.
    pub(crate) fn ring(&self, id: &DepositId, n: u64) {
        if let Some(bell) = self.all().get(id) {
            bell.send_if_modified(|newest| {
                let rises = n > *newest;
                *newest = n.max(*newest);
                rises
            });
        }
    }

    fn listen(self: &Arc<Self>, id: &DepositId) -> Listener {
        let mut all = self.all();
        let heard = match all.get(id) {
            Some(bell) => bell.subscribe(),
            None => all.entry(id.clone()).or_insert_with(|| watch::Sender::new(0)).subscribe(),
        };
        drop(all);
        Listener { bells: Arc::clone(self), id: id.clone(), heard: Some(heard) }
    }
}

/// An ear at one bell. With the last one the bell goes.
struct Listener {
    bells: Arc<Bells>,
    id: DepositId,
    /// `None` only while it is dropped.
    heard: Option<watch::Receiver<u64>>,
}

impl Listener {
    /// What was rung so far is known; only what comes from now on counts.
    fn forget(&mut self) {
        if let Some(heard) = &mut self.heard {
            heard.mark_unchanged();
        }
    }

    /// Returns at the next ring, or at once if one came since [`Listener::forget`].
    async fn rung(&mut self) {
        if let Some(heard) = &mut self.heard
            && heard.changed().await.is_ok()
        {
            return;
        }
        // The bell lives as long as its listeners; should it be gone all the same, there is nothing more to hear.
        std::future::pending().await
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Under the lock, so that nobody begins to listen between the count and the removal.
        let mut all = self.bells.all();
        self.heard = None;
        if all.get(&self.id).is_some_and(|bell| bell.receiver_count() == 0) {
            all.remove(&self.id);
        }
    }
}

/// One state of a deposit: a row of its history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Its number: 1, 2, … for each deposit.
    pub n: u64,
    /// When it was committed.
    pub at: Timestamp,
    /// The deposit as it was then.
    pub view: DepositView,
}

impl State {
    fn of(row: &HistoryRow) -> Result<Self, EngineError> {
        let view = serde_json::from_str(&row.view)
            .map_err(|_| EngineError::Inconsistent("a history row cannot be read"))?;
        Ok(Self { n: row.n, at: row.at, view })
    }
}

/// The states of one deposit, in rising order, as they come. It may leave middle states out, never the last one.
///
/// Between calls it holds no more than a few states that were read and not yet taken.
pub struct Follower {
    engine: Engine,
    listener: Listener,
    /// The number of the last state that was read; `None`: the present one is wanted first.
    cursor: Option<u64>,
    /// Every state up to the newest is wanted, however many there are.
    resuming: bool,
    ready: vec::IntoIter<HistoryRow>,
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower")
            .field("id", &self.listener.id)
            .field("cursor", &self.cursor)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Follows a deposit by our id: its present state first, then each that comes. Whose it is, is the caller's question.
    #[must_use]
    pub fn follow(&self, id: &DepositId) -> Follower {
        Follower {
            engine: self.clone(),
            listener: self.inner.bells.listen(id),
            cursor: None,
            resuming: false,
            ready: Vec::new().into_iter(),
        }
    }

    /// How many deposits are being followed.
    #[must_use]
    pub fn followed(&self) -> usize {
        self.inner.bells.all().len()
    }
}

impl Follower {
    /// The newest state, whatever was taken already. `None` before the first.
    ///
    /// # Errors
    /// The store's.
    pub async fn newest(&self) -> Result<Option<State>, EngineError> {
        self.engine.store().newest_history(&self.listener.id).await?.as_ref().map(State::of).transpose()
    }

    /// Starts after state `n` instead: all newer ones, then each that comes.
    pub fn resume_after(&mut self, n: u64) {
        self.cursor = Some(n);
        self.resuming = true;
        self.ready = Vec::new().into_iter();
    }

    /// The next state; waits at most `patience` for it. `None`: nothing came, by this process or by another one on the same database.
    ///
    /// May be dropped while it waits: nothing is lost.
    ///
    /// # Errors
    /// The store's; the next call tries again.
    pub async fn next(&mut self, patience: Duration) -> Result<Option<State>, EngineError> {
        let deadline = Instant::now() + patience;
        let mut in_time = true;
        loop {
            if let Some(row) = self.ready.next() {
                if self.ready.as_slice().is_empty() {
                    // Gives the page's memory back: most followers wait for a long time now.
                    drop(mem::replace(&mut self.ready, Vec::new().into_iter()));
                }
                self.cursor = Some(row.n);
                return State::of(&row).map(Some);
            }
            // Before the look: a change that is committed after it rings again.
            self.listener.forget();
            self.ready = self.read().await?.into_iter();
            if !self.ready.as_slice().is_empty() {
                continue;
            }
            if !in_time {
                return Ok(None);
            }
            // After the last moment one more look: a change of another process rings no bell here.
            in_time = tokio::time::timeout_at(deadline, self.listener.rung()).await.is_ok();
        }
    }

    async fn read(&mut self) -> Result<Vec<HistoryRow>, EngineError> {
        let (store, id) = (self.engine.store(), &self.listener.id);
        let newest = async || store.newest_history(id).await.map(Vec::from_iter);
        let Some(cursor) = self.cursor else { return Ok(newest().await?) };
        let page = store.history_page(id, cursor, PAGE).await?;
        let is_full = u32::try_from(page.len()).is_ok_and(|rows| rows >= PAGE);
        if is_full && !self.resuming {
            return Ok(newest().await?);
        }
        self.resuming = is_full;
        Ok(page)
    }
}

//! What runs without being asked: expiry, pricing, deliveries, rates, tidying, and the polling of each provider, in a task of its own, so that a
//! slow or dead one harms its own tickers alone.

use std::sync::Arc;
use std::time::Duration;

use deposit_core::{DepositId, ProviderId};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::Engine;
use crate::error::EngineError;
use crate::supervise::{TaskName, TaskState, caught};

/// How often timers look.
const TICK: Duration = Duration::from_millis(500);
/// How often the rate sources are asked.
const RATES_EVERY: Duration = Duration::from_secs(20);
/// How long a start waits for them.
const FIRST_RATES: Duration = Duration::from_secs(2);
/// How often providers are asked for their own limits.
const BOUNDS_EVERY: Duration = Duration::from_secs(60);
/// Rates are kept for so many days longer than deposits are watched.
const RATES_MARGIN_DAYS: i64 = 7;
/// At most so many rows are tidied up in one commit.
const TIDY_BATCH: u32 = 500;
/// How often is looked whether a provider that refused us has come round.
const PROBE_EVERY: Duration = Duration::from_secs(60);
/// How often is tidied up.
const TIDY_EVERY: Duration = Duration::from_secs(600);
/// How many deposits one round takes.
const BATCH: u32 = 64;
/// A create that nobody has finished for so long is given up, in seconds: as long as its idempotency key lives.
const ABANDON_SECS: i64 = 24 * 3600;

/// The engine's background tasks.
#[derive(Debug)]
pub struct Running {
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Running {
    /// Stops: what is under way is finished, nothing new is begun.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

impl Engine {
    /// Starts the background tasks. What creates of a process that died still held is freed first, and rates known to the store are taken over.
    ///
    /// # Errors
    /// The store's.
    pub async fn start(&self) -> Result<Running, EngineError> {
        self.take_over().await?;
        // Not for long: what the store knows is in use already, and the rates' own task asks again.
        match tokio::time::timeout(FIRST_RATES, self.seed_rates()).await {
            Ok(seeded) => seeded?,
            Err(_) => tracing::warn!("no rates yet: a source does not answer"),
        }
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        for provider in self.registry().providers() {
            let id = Some(provider.id());
            let (engine, of, token) = (self.clone(), Arc::clone(provider), stop.clone());
            let poll = move || engine.clone().poll_loop(Arc::clone(&of), token.clone());
            self.supervised(&mut tasks, "poll", id, &stop, poll);
            if provider.capabilities().scan {
                let (engine, of, token) = (self.clone(), Arc::clone(provider), stop.clone());
                let scan = move || engine.clone().scan_loop(Arc::clone(&of), token.clone());
                self.supervised(&mut tasks, "scan", id, &stop, scan);
            }
        }
        for (name, every, work) in [
            ("rates", RATES_EVERY, Work::Rates),
            ("bounds", BOUNDS_EVERY, Work::Bounds),
            ("timers", TICK, Work::Timers),
            ("probe", PROBE_EVERY, Work::Probe),
            ("tidy", TIDY_EVERY, Work::Tidy),
        ] {
            let (engine, token) = (self.clone(), stop.clone());
            let again = move || engine.clone().every(name, every, token.clone(), work);
            self.supervised(&mut tasks, name, None, &stop, again);
        }
        let (engine, token) = (self.clone(), stop.clone());
        self.supervised(&mut tasks, "deliver", None, &stop, move || {
            engine.clone().deliver_loop(token.clone())
        });
        Ok(Running { stop, tasks })
    }

    fn supervised<F>(
        &self,
        tasks: &mut JoinSet<()>,
        task: &'static str,
        provider: Option<ProviderId>,
        stop: &CancellationToken,
        work: impl FnMut() -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let (all, clock) = (Arc::clone(&self.inner.tasks), Arc::clone(&self.inner.clock));
        tasks.spawn(all.supervise(TaskName { task, provider }, clock, stop.clone(), work));
    }

    /// How the background tasks fare, each of them; none before [`Engine::start`].
    #[must_use]
    pub fn task_states(&self) -> Vec<TaskState> {
        self.inner.tasks.states()
    }

    /// Takes over the rates that the store knows, then asks the sources once.
    ///
    /// # Errors
    /// The store's.
    pub async fn seed_rates(&self) -> Result<(), EngineError> {
        let known = self.store().newest_rates().await?;
        self.inner.rates.seed(
            known
                .into_iter()
                .map(|rate| deposit_rates::Rate {
                    ticker: rate.ticker,
                    price: rate.price,
                    source: rate.source,
                    at: rate.seen_until,
                })
                .collect(),
        );
        self.refresh_rates().await
    }

    /// One round of the timers: expiries that are due, payments that can be priced now.
    ///
    /// # Errors
    /// The store's.
    pub async fn run_timers(&self) -> Result<(), EngineError> {
        // One deposit that cannot be written does not keep the others waiting.
        for id in self.store().due_expiries(self.now(), BATCH).await? {
            self.alone("expire", &id, self.expire(&id)).await;
        }
        for id in self.store().unpriced(BATCH).await? {
            self.alone("price", &id, self.price(&id)).await;
        }
        Ok(())
    }

    /// Work on one deposit that takes no other's with it, whatever comes of it: it is begun again in the next round.
    async fn alone<T>(
        &self,
        what: &'static str,
        deposit: &DepositId,
        work: impl Future<Output = Result<T, EngineError>>,
    ) {
        match caught(work).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::error!(%deposit, %error, what, "a deposit's timer failed"),
            Err(message) => {
                tracing::error!(%deposit, message, what, "a deposit's timer panicked");
                self.inner.tasks.note_panic("timers", None);
            }
        }
    }

    async fn every(self, name: &'static str, every: Duration, stop: CancellationToken, work: Work) {
        loop {
            let result = match work {
                Work::Rates => self.refresh_rates().await,
                Work::Bounds => {
                    self.refresh_bounds().await;
                    Ok(())
                }
                Work::Timers => self.run_timers().await,
                Work::Probe => {
                    self.probe_refused().await;
                    Ok(())
                }
                Work::Tidy => self.tidy().await,
            };
            if let Err(error) = result {
                tracing::error!(task = name, %error, "background work failed");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(every) => {}
            }
        }
    }

    /// Removes what has served its time.
    ///
    /// # Errors
    /// The store's.
    pub async fn tidy(&self) -> Result<(), EngineError> {
        let now = self.now();
        let bodies = now.plus_secs(self.config().body_days.saturating_mul(-86_400));
        let rates = now.plus_secs(
            self.config().watch_days.max(0).saturating_add(RATES_MARGIN_DAYS).saturating_mul(-86_400),
        );
        let (mut purged, mut pruned) = (0_u64, 0_u64);
        // In batches: nobody's credit waits for a long write.
        loop {
            let some = self.store().purge_journal_bodies(bodies, TIDY_BATCH).await?;
            purged = purged.saturating_add(some);
            if some < u64::from(TIDY_BATCH) {
                break;
            }
        }
        loop {
            let some = self.store().prune_rates(rates, TIDY_BATCH).await?;
            pruned = pruned.saturating_add(some);
            if some < u64::from(TIDY_BATCH) {
                break;
            }
        }
        let given_up = self.store().abandon_stale_creates(now.plus_secs(-ABANDON_SECS), now).await?;
        if purged > 0 || pruned > 0 || given_up > 0 {
            tracing::info!(purged, pruned, given_up, "tidied up");
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy)]
enum Work {
    Rates,
    Bounds,
    Timers,
    Probe,
    Tidy,
}

//! What runs without being asked: expiry, pricing, deliveries, rates, tidying, and the polling of each provider, in a task of its own, so that a
//! slow or dead one harms its own tickers alone.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::Engine;
use crate::error::EngineError;

/// How often timers look.
const TICK: Duration = Duration::from_millis(500);
/// How often the rate sources are asked.
const RATES_EVERY: Duration = Duration::from_secs(20);
/// How long a start waits for them.
const FIRST_RATES: Duration = Duration::from_secs(2);
/// How often providers are asked for their own limits.
const BOUNDS_EVERY: Duration = Duration::from_secs(60);
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
            tasks.spawn(self.clone().poll_loop(Arc::clone(provider), stop.clone()));
            if provider.capabilities().scan {
                tasks.spawn(self.clone().scan_loop(Arc::clone(provider), stop.clone()));
            }
        }
        let each = |name: &'static str, every: Duration, work: Work| {
            let (engine, stop) = (self.clone(), stop.clone());
            async move { engine.every(name, every, stop, work).await }
        };
        tasks.spawn(each("rates", RATES_EVERY, Work::Rates));
        tasks.spawn(each("bounds", BOUNDS_EVERY, Work::Bounds));
        tasks.spawn(each("timers", TICK, Work::Timers));
        tasks.spawn(self.clone().deliver_loop(stop.clone()));
        tasks.spawn(each("tidy", TIDY_EVERY, Work::Tidy));
        Ok(Running { stop, tasks })
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
            if let Err(error) = self.expire(&id).await {
                tracing::error!(deposit = %id, %error, "expiry not committed");
            }
        }
        for id in self.store().unpriced(BATCH).await? {
            if let Err(error) = self.price(&id).await {
                tracing::error!(deposit = %id, %error, "payment not priced");
            }
        }
        Ok(())
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
        let purged = self.store().purge_journal_bodies(bodies).await?;
        let given_up = self.store().abandon_stale_creates(now.plus_secs(-ABANDON_SECS), now).await?;
        if purged + given_up > 0 {
            tracing::info!(purged, given_up, "tidied up");
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy)]
enum Work {
    Rates,
    Bounds,
    Timers,
    Tidy,
}

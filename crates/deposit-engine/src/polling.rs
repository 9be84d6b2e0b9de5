//! Polling: reads what is due, out of the provider's budget, lane by lane. Each provider has a task of its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deposit_core::{DepositId, PaymentProvider, ProviderId, Timestamp};
use deposit_facade::Registry;
use deposit_lifecycle::watch::{Lane, Lanes, Pace, Turns};
use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::Engine;
use crate::budget::Shared;
use crate::error::EngineError;
use crate::health::Call;
use crate::supervise::caught;

/// How often is looked whether something is due.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long reads that end are gathered before more are begun.
const BREATH: Duration = Duration::from_millis(20);
/// How long a poller keeps a deposit to itself, in seconds. After a crash a deposit goes unasked for so long; where a read of many orders
/// outlasts it, another process reads the deposit too, which costs a request and changes nothing.
const LEASE_SECS: i64 = 30;
/// Due for longer than twice `young_secs` and this, in seconds, a deposit that a payer may be at is late.
const GRACE_SECS: i64 = 30;

/// What polling knows of each provider, in memory.
#[derive(Debug)]
pub(crate) struct Watches(BTreeMap<ProviderId, OneWatch>);

#[derive(Debug)]
struct OneWatch {
    budget: Shared,
    turns: Mutex<Turns>,
    /// When it last answered for an order.
    answered: Mutex<Option<Timestamp>>,
}

impl Watches {
    pub(crate) fn new(registry: &Registry, now: Timestamp) -> Self {
        let of = |provider: &Arc<dyn PaymentProvider>| OneWatch {
            budget: Shared::new(provider.capabilities(), now),
            turns: Mutex::default(),
            answered: Mutex::default(),
        };
        Self(registry.providers().map(|provider| (provider.id(), of(provider))).collect())
    }
}

/// How far behind the watch of a provider is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchBacklog {
    /// Whose.
    pub provider: ProviderId,
    /// For how many seconds the deposit has been due that has waited longest of those that a payer may be at; 0 where none waits.
    pub oldest_secs: u64,
    /// Whether that is too long: the young deposits alone ask for more than the provider's budget, or nobody reads.
    pub late: bool,
}

impl Engine {
    /// Takes requests off a provider's budget without asking: for what comes first.
    pub(crate) fn spend(&self, provider: ProviderId, requests: u32) {
        if let Some(watch) = self.inner.watches.0.get(&provider) {
            watch.budget.spend(requests, self.now());
        }
    }

    /// Whether a provider's budget pays for a read now.
    pub(crate) fn pays(&self, provider: ProviderId) -> bool {
        self.inner.watches.0.get(&provider).is_none_or(|watch| watch.budget.pays(self.now()))
    }

    /// Takes a read off a provider's budget without asking.
    pub(crate) fn spend_read(&self, provider: &dyn PaymentProvider) {
        self.spend(provider.id(), provider.capabilities().requests_per_read);
    }

    /// Notes that a provider has answered for an order.
    pub(crate) fn note_answer(&self, provider: ProviderId, now: Timestamp) {
        if let Some(watch) = self.inner.watches.0.get(&provider) {
            *watch.answered.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        }
    }

    /// Whether a provider has answered for an order since then.
    pub(crate) fn answered_since(&self, provider: ProviderId, since: Timestamp) -> bool {
        self.inner.watches.0.get(&provider).is_some_and(|watch| {
            watch.answered.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|at| at > since)
        })
    }

    /// The pace at which deposits of a provider are watched.
    pub(crate) fn pace(&self, provider: ProviderId) -> Pace {
        let config = self.config();
        Pace {
            young_secs: config.young_secs,
            old_secs: config.old_secs,
            window_secs: config.watch_days.saturating_mul(86_400),
            feed: self.registry().provider(&provider).is_some_and(|provider| provider.feed_shows_changes()),
        }
    }

    /// How far behind the watch of each provider is.
    ///
    /// # Errors
    /// The store's.
    pub async fn watch_backlog(&self) -> Result<Vec<WatchBacklog>, EngineError> {
        let now = self.now();
        let most = self.config().young_secs.saturating_mul(2).saturating_add(GRACE_SECS);
        let mut all = Vec::new();
        for provider in self.registry().providers() {
            let first = self.store().first_due(provider.id(), Lane::Young).await?;
            let secs = first.map_or(0, |at| now.millis_since(at).max(0) / 1000);
            let oldest_secs = u64::try_from(secs).unwrap_or(0);
            all.push(WatchBacklog { provider: provider.id(), oldest_secs, late: secs > most });
        }
        Ok(all)
    }

    /// Reads the deposits of one provider whose check is due, at most `limit`, whatever its budget; returns how many.
    ///
    /// # Errors
    /// The store's.
    pub async fn poll(&self, provider: &dyn PaymentProvider, limit: u32) -> Result<usize, EngineError> {
        let now = self.now();
        if self.is_quiet(provider.id(), now) {
            return Ok(0);
        }
        let wanted = self.store().due_checks(provider.id(), now, limit).await?;
        let limits = self.share(provider.id(), limit, wanted);
        let due = self.claim(provider.id(), now, limits).await?;
        let at_once = usize::try_from(provider.capabilities().budget.concurrency.max(1)).unwrap_or(1);
        let batch = provider.capabilities().read_batch.max(1);
        let stop = CancellationToken::new();
        stream::iter(due.chunks(batch))
            .for_each_concurrent(at_once, |ids| self.read_claimed(provider, ids.to_vec(), &stop))
            .await;
        Ok(due.len())
    }

    fn share(&self, provider: ProviderId, budget: u32, wanted: Lanes<u32>) -> Lanes<u32> {
        match self.inner.watches.0.get(&provider) {
            Some(watch) => watch.turns.lock().unwrap_or_else(PoisonError::into_inner).share(budget, wanted),
            // One that was never registered has nobody to share with.
            None => Turns::default().share(budget, wanted),
        }
    }

    async fn claim(
        &self,
        provider: ProviderId,
        now: Timestamp,
        limits: Lanes<u32>,
    ) -> Result<Vec<DepositId>, EngineError> {
        // Nothing is due, as most of the time: the writer is left alone.
        if limits.sum() == 0 {
            return Ok(Vec::new());
        }
        Ok(self.store().claim_checks(provider, now, now.plus_secs(LEASE_SECS), limits).await?)
    }

    /// What is read now, in as many requests as the answer has parts: never more than the budget pays for.
    async fn claim_paid(
        &self,
        provider: &dyn PaymentProvider,
        hands: usize,
    ) -> Result<Vec<Vec<DepositId>>, EngineError> {
        let now = self.now();
        let id = provider.id();
        let Some(watch) = self.inner.watches.0.get(&id) else { return Ok(Vec::new()) };
        let hands = u32::try_from(hands).unwrap_or(u32::MAX);
        if hands == 0 || self.is_quiet(id, now) || !watch.budget.pays(now) {
            return Ok(Vec::new());
        }
        let batch = u32::try_from(provider.capabilities().read_batch.max(1)).unwrap_or(u32::MAX);
        let due = self.store().due_checks(id, now, hands.saturating_mul(batch)).await?;
        let wanted = Lanes::from_fn(|lane| due.get(lane).div_ceil(batch));
        let paid = watch.budget.take(hands.min(wanted.sum()), now);
        let reads = self.share(id, paid, wanted);
        let limits = Lanes::from_fn(|lane| reads.get(lane).saturating_mul(batch));
        let claimed = match self.claim(id, now, limits).await {
            Ok(claimed) => claimed,
            Err(error) => {
                watch.budget.give_back(paid, now);
                return Err(error);
            }
        };
        let size = usize::try_from(batch).unwrap_or(usize::MAX);
        let parts: Vec<Vec<DepositId>> = claimed.chunks(size).map(<[DepositId]>::to_vec).collect();
        let used = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        watch.budget.give_back(paid.saturating_sub(used), now);
        Ok(parts)
    }

    /// Reads what was claimed and is paid for.
    async fn read_claimed(
        &self,
        provider: &dyn PaymentProvider,
        ids: Vec<DepositId>,
        stop: &CancellationToken,
    ) {
        let read = if stop.is_cancelled() {
            // What is not begun at a stop is left to whoever comes next.
            self.store().release_checks(ids, self.now()).await.map_err(EngineError::from)
        } else if provider.capabilities().read_batch > 1 {
            self.observe_batch(provider, &ids).await
        } else {
            let mut all = Ok(());
            for id in &ids {
                all = self.observe_claimed(id).await.map(|_| ());
            }
            all
        };
        if let Err(error) = read {
            tracing::error!(provider = %provider.id(), %error, "observation failed");
        }
    }

    /// A read that panics takes nothing with it; what it was about is read again when its claim ends.
    async fn read_caught(
        &self,
        provider: &dyn PaymentProvider,
        ids: Vec<DepositId>,
        stop: &CancellationToken,
    ) {
        if let Err(message) = caught(self.read_claimed(provider, ids, stop)).await {
            self.note_panic("poll", provider.id(), Call::Read, &message);
        }
    }

    /// Polls one provider until the stop. A read that takes long takes one hand and keeps no other waiting. Each read is a task of its own: one
    /// that waited inside this loop would hold on to what it has of the store while the loop itself asks the store.
    pub(crate) async fn poll_loop(self, provider: Arc<dyn PaymentProvider>, stop: CancellationToken) {
        let most = usize::try_from(provider.capabilities().budget.concurrency.max(1)).unwrap_or(1);
        let batch = provider.capabilities().read_batch.max(1);
        let mut reads = JoinSet::new();
        while !stop.is_cancelled() {
            let parts = match self.claim_paid(&*provider, most.saturating_sub(reads.len())).await {
                Ok(parts) => parts,
                Err(error) => {
                    tracing::error!(provider = %provider.id(), %error, "polling failed");
                    Vec::new()
                }
            };
            // One request answers for many: worth waiting for, unless more are due than fit one.
            let busy = parts.iter().any(|ids| batch == 1 || ids.len() == batch);
            for ids in parts {
                let (engine, provider, stop) = (self.clone(), Arc::clone(&provider), stop.clone());
                reads.spawn(async move { engine.read_caught(&*provider, ids, &stop).await });
            }
            let pause = tokio::time::sleep(if busy { BREATH } else { LOOK_EVERY });
            tokio::pin!(pause);
            loop {
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = &mut pause => break,
                    Some(_) = reads.join_next() => {}
                }
            }
        }
        // What is under way is finished.
        while reads.join_next().await.is_some() {}
    }
}

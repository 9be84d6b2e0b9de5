//! Reconcile: reads what the providers have and compares it with what is stored and posted. The comparison writes nothing; a repair
//! feeds what differs through the same path as any webhook, poll or scan, and posts nothing by itself.
//!
//! A running gateway goes on beside it, so what differs is looked at again, from both sides, before it is reported: a difference that lasts only as
//! long as it takes to handle a payment is none.

mod compare;
mod feed;
mod repair;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use deposit_core::{DepositId, ErrorKind, PaymentProvider, ProviderError, ProviderId, Snapshot, Timestamp};
use deposit_lifecycle as lifecycle;
use deposit_lifecycle::watch::Ending;
use deposit_store::{DepositRow, LedgerCheck, LedgerEntry, Phase, ReviewReason};
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};

pub use self::compare::{Difference, DifferenceKind};
use self::compare::{Known, compare};
pub use self::repair::{RepairAction, RepairStep, Repaired};
use crate::Engine;
use crate::budget::Budget;
use crate::error::EngineError;
use crate::reading::shows_less;

/// Deposits that are listed at once.
const PAGE: u32 = 200;
/// How long after the end of its order a payment may be on its way before it is undecided, in seconds: blocks take their time.
const UNDECIDED_SECS: i64 = 3600;
/// How often a deposit is read that keeps changing meanwhile.
const TRIES: usize = 4;
/// After so many requests in a row that failed, the rest of a provider's deposits is not asked about.
const PATIENCE: usize = 5;

/// What to compare.
#[derive(Debug, Clone)]
pub struct ReconcileOptions {
    /// Only this provider; `None`: every configured one.
    pub provider: Option<ProviderId>,
    /// Only deposits that were made or have changed since, and payments of feeds since.
    pub since: Timestamp,
    /// How long to wait before each further look at what differs; what is left after the last one is reported.
    pub again_after: Vec<Duration>,
}

/// What the comparison came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconciliation {
    /// What differs, by provider and reference.
    pub differences: Vec<Difference>,
    /// What waits for an operator, counted by provider and reason: every unit of it is in the review queue.
    pub in_review: Vec<(ProviderId, ReviewReason, u64)>,
    /// The ledger, added up.
    pub ledger: LedgerCheck,
    /// How many deposits were compared.
    pub deposits: u64,
}

/// What a first look has left to be looked at again.
#[derive(Debug, Default)]
struct Doubts {
    deposits: BTreeMap<DepositId, Vec<Difference>>,
    feed: Vec<feed::Doubt>,
    /// What no second look can clear up.
    rest: Vec<Difference>,
    compared: u64,
}

impl Engine {
    /// Compares providers with what is stored, and the ledger with itself. Providers are asked side by side, each within half of its
    /// request budget; nothing is written.
    ///
    /// # Errors
    /// The store's. A provider that cannot be read is a difference.
    pub async fn reconcile(&self, options: &ReconcileOptions) -> Result<Reconciliation, EngineError> {
        let wanted = |id: ProviderId| options.provider.is_none_or(|only| only == id);
        let providers = self.registry().providers().filter(|provider| wanted(provider.id()));
        let each = providers.map(|provider| self.reconcile_provider(&**provider, options));
        let (mut differences, mut deposits) = (Vec::new(), 0);
        for result in join_all(each).await {
            let (found, compared) = result?;
            differences.extend(found);
            deposits += compared;
        }
        differences.sort();
        differences.dedup();
        let mut in_review = self.store().open_reviews_by_reason().await?;
        in_review.retain(|(provider, ..)| wanted(*provider));
        Ok(Reconciliation { differences, in_review, ledger: self.store().check_ledger().await?, deposits })
    }

    async fn reconcile_provider(
        &self,
        provider: &dyn PaymentProvider,
        options: &ReconcileOptions,
    ) -> Result<(Vec<Difference>, u64), EngineError> {
        let budget = Budget::half(provider.capabilities());
        let mut doubts = Doubts::default();
        self.first_look(provider, options.since, &budget, &mut doubts).await?;
        if provider.capabilities().scan {
            self.read_feed(provider, options.since, &budget, &mut doubts).await?;
        }
        for wait in &options.again_after {
            if doubts.deposits.is_empty() && doubts.feed.is_empty() {
                break;
            }
            tokio::time::sleep(*wait).await;
            self.look_again(&budget, &mut doubts).await?;
        }
        let mut found: Vec<Difference> = doubts.deposits.into_values().flatten().collect();
        // A payment of a deposit that was compared is told with it.
        let told: BTreeSet<String> = found.iter().map(|difference| difference.reference.clone()).collect();
        found.extend(
            doubts.feed.into_iter().map(|doubt| doubt.difference).filter(|d| !told.contains(&d.reference)),
        );
        found.extend(doubts.rest);
        Ok((found, doubts.compared))
    }

    async fn first_look(
        &self,
        provider: &dyn PaymentProvider,
        since: Timestamp,
        budget: &Budget,
        doubts: &mut Doubts,
    ) -> Result<(), EngineError> {
        let (mut after, mut failures, mut unasked) = (None::<DepositId>, 0_usize, 0_u64);
        loop {
            let rows = self.store().deposits_since(provider.id(), since, after.as_ref(), PAGE).await?;
            let Some(last) = rows.last() else { break };
            after = Some(last.id.clone());
            let mut here = 0_u64;
            // Owned, so that the whole is `Send` for any caller.
            let chunks: Vec<Vec<DepositRow>> =
                rows.chunks(provider.capabilities().read_batch.max(1)).map(<[DepositRow]>::to_vec).collect();
            let mut looks = stream::iter(chunks)
                .map(|chunk| async move { self.look_at(provider, &chunk, budget).await })
                .buffer_unordered(budget.concurrency());
            while let Some(look) = looks.next().await {
                let look = look?;
                // A batch is one request, so one failure.
                let unread = |(_, found): &(DepositId, Vec<Difference>)| {
                    found.iter().any(|difference| difference.kind == DifferenceKind::Unreadable)
                };
                failures = if look.iter().all(unread) { failures.saturating_add(1) } else { 0 };
                for (id, outcome) in look {
                    here += 1;
                    if !outcome.is_empty() {
                        doubts.deposits.insert(id, outcome);
                    }
                }
                if failures >= PATIENCE {
                    break;
                }
            }
            doubts.compared += here;
            if failures >= PATIENCE {
                let left = u64::try_from(rows.len()).unwrap_or(0).saturating_sub(here);
                unasked = left.saturating_add(self.count_after(provider.id(), since, after.take()).await?);
                break;
            }
        }
        if unasked > 0 {
            doubts.rest.push(Difference {
                provider: provider.id(),
                reference: "*".to_owned(),
                deposit: None,
                kind: DifferenceKind::Unreadable,
                ours: None,
                theirs: Some(format!("{unasked} more deposits were not asked about")),
            });
        }
        Ok(())
    }

    /// How many deposits come after this one.
    async fn count_after(
        &self,
        provider: ProviderId,
        since: Timestamp,
        mut after: Option<DepositId>,
    ) -> Result<u64, EngineError> {
        let mut left = 0_u64;
        loop {
            let rows = self.store().deposits_since(provider, since, after.as_ref(), PAGE).await?;
            let Some(last) = rows.last() else { return Ok(left) };
            after = Some(last.id.clone());
            left = left.saturating_add(u64::try_from(rows.len()).unwrap_or(0));
        }
    }

    /// Some deposits, in one request where the provider takes several.
    async fn look_at(
        &self,
        provider: &dyn PaymentProvider,
        rows: &[DepositRow],
        budget: &Budget,
    ) -> Result<Vec<(DepositId, Vec<Difference>)>, EngineError> {
        let mut looked = Vec::with_capacity(rows.len());
        let mut batch = Vec::new();
        for row in rows {
            let alone = rows.len() == 1 || self.store().orders_of(&row.id).await?.len() > 1;
            match &row.intent {
                Some(intent) if !alone => batch.push((row, intent.clone())),
                _ => looked.push((row.id.clone(), self.look(&row.id, budget).await?)),
            }
        }
        if batch.is_empty() {
            return Ok(looked);
        }
        let intents: Vec<_> = batch.iter().map(|(_, intent)| intent.clone()).collect();
        budget.turn().await;
        let outcomes = match self.read_batch(provider, &intents).await {
            Ok(outcomes) => outcomes,
            Err(error) => {
                for (row, _) in batch {
                    looked.push((row.id.clone(), self.unread(row, &error).await?));
                }
                return Ok(looked);
            }
        };
        for ((row, _), outcome) in batch.into_iter().zip(outcomes) {
            let snapshot = match outcome {
                Ok(snapshot) => snapshot,
                Err(error) => {
                    looked.push((row.id.clone(), self.unread(row, &error).await?));
                    continue;
                }
            };
            let entries = self.store().deposit_entries(&row.id).await?;
            let now = self.store().deposit(&row.id).await?;
            let still = now.is_some_and(|now| now.version == row.version);
            let differences = if still && !shows_less(&row.evidence, &snapshot) {
                self.compared(row, &entries, std::slice::from_ref(&snapshot)).await?
            } else {
                self.look(&row.id, budget).await?
            };
            looked.push((row.id.clone(), differences));
        }
        Ok(looked)
    }

    /// One deposit: what is here before and after the read has to be the same, else it is read again.
    async fn look(&self, id: &DepositId, budget: &Budget) -> Result<Vec<Difference>, EngineError> {
        let mut last = Vec::new();
        for _ in 0..TRIES {
            let row = self.store().deposit(id).await?.filter(|row| row.phase == Phase::Open);
            let Some(row) = row else { return Ok(Vec::new()) };
            let Some(intent) = &row.intent else { return Ok(Vec::new()) };
            budget.turn().await;
            let snapshots = match self.read_orders(intent, true).await {
                Ok(snapshots) => snapshots,
                Err(error) => return self.unread(&row, &error).await,
            };
            let entries = self.store().deposit_entries(id).await?;
            let after = self.store().deposit(id).await?;
            last = self.compared(&row, &entries, &snapshots).await?;
            if last.is_empty() || after.is_some_and(|after| after.version == row.version) {
                break;
            }
        }
        Ok(last)
    }

    async fn look_again(&self, budget: &Budget, doubts: &mut Doubts) -> Result<(), EngineError> {
        let ids: Vec<DepositId> = doubts.deposits.keys().cloned().collect();
        let mut looks = stream::iter(ids)
            .map(|id| async move {
                let found = self.look(&id, budget).await;
                (id, found)
            })
            .buffer_unordered(budget.concurrency());
        while let Some((id, differences)) = looks.next().await {
            let differences = differences?;
            doubts.deposits.remove(&id);
            // Asked twice in vain: a third time would only take as long again.
            if differences.iter().any(|difference| difference.kind == DifferenceKind::Unreadable) {
                doubts.rest.extend(differences);
            } else if !differences.is_empty() {
                doubts.deposits.insert(id, differences);
            }
        }
        let mut left = Vec::new();
        for doubt in std::mem::take(&mut doubts.feed) {
            if !self.is_explained(&doubt).await? {
                left.push(doubt);
            }
        }
        doubts.feed = left;
        Ok(())
    }

    /// An order that could not be read. One that is gone is none where that explains all: the watch has ended with it and there was never any money,
    /// or an operator was shown what there was.
    async fn unread(&self, row: &DepositRow, error: &ProviderError) -> Result<Vec<Difference>, EngineError> {
        if *error.kind() == ErrorKind::NotFound {
            let ended = row.watch.ended.is_some_and(|ended| ended.why == Ending::Gone);
            let money = row.evidence.payments.values().any(|payment| lifecycle::paid(payment) > 0);
            if (ended && !money) || self.store().in_review(&row.id).await? {
                return Ok(Vec::new());
            }
        }
        Ok(vec![unreadable(row, error)])
    }

    /// What differs of one deposit, knowing which of it an operator was shown.
    async fn compared(
        &self,
        row: &DepositRow,
        entries: &[LedgerEntry],
        snapshots: &[Snapshot],
    ) -> Result<Vec<Difference>, EngineError> {
        let shown = snapshots.iter().flat_map(|snapshot| {
            let payments = snapshot.payments.iter().map(|payment| &payment.id).chain(&snapshot.undecided);
            payments.map(ToString::to_string).chain([snapshot.order.to_string()])
        });
        let known = row.evidence.payments.keys().map(ToString::to_string);
        let references: BTreeSet<String> = shown.chain(known).collect();
        let mut reviewed = BTreeSet::new();
        for reference in references {
            if self.store().was_reviewed(row.provider, &reference).await? {
                reviewed.insert(reference);
            }
        }
        let undecided_secs = self.config().undecided_secs.min(UNDECIDED_SECS);
        let known = Known { row, entries, reviewed: &reviewed, undecided_secs };
        Ok(compare(&known, snapshots, self.now()))
    }
}

/// An order that could not be read, or that is gone.
fn unreadable(row: &DepositRow, error: &ProviderError) -> Difference {
    let gone = *error.kind() == ErrorKind::NotFound;
    Difference {
        provider: row.provider,
        reference: row.intent.as_ref().map_or_else(String::new, |intent| intent.provider_ref.to_string()),
        deposit: Some(row.id.clone()),
        kind: if gone { DifferenceKind::MissingAtProvider } else { DifferenceKind::Unreadable },
        ours: None,
        theirs: (!gone).then(|| error.to_string()),
    }
}

//! Repair: what differs is read again and committed, by the path that everything else takes.

use std::collections::BTreeSet;

use deposit_core::{DepositId, PaymentProvider, ProviderId};

use super::{Difference, DifferenceKind, Reconciliation};
use crate::Engine;
use crate::budget::Budget;
use crate::error::EngineError;
use crate::observe::Observation;
use crate::scan::Round;

/// At most so many pages: a feed that goes on for ever ends as one that could not be read.
const PAGES: usize = 10_000;

/// What a repair does about something that differs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RepairAction {
    /// Reads the deposit at its provider and commits what that shows, as a webhook or a poll would.
    ReadDeposit(DepositId),
    /// Reads the provider's feed from its beginning and commits what it shows, as the scan would; the stored cursor stays where it is.
    ScanFeed,
    /// Nothing that a repair could do: the provider could not be read, or only an operator can decide.
    Nothing,
}

/// One step of a repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepairStep {
    /// At which provider.
    pub provider: ProviderId,
    /// What differs: the payments' or orders' references.
    pub references: Vec<String>,
    /// What is done about it.
    pub action: RepairAction,
}

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display)]
#[strum(serialize_all = "snake_case")]
pub enum Repaired {
    /// Something new is committed, or shown to an operator.
    Changed,
    /// Nothing new.
    Unchanged,
    /// The provider could not be read, or others kept committing first: to be run again.
    Failed,
    /// Nothing was to be done.
    Skipped,
}

impl Engine {
    /// What a repair would do about what was found: each deposit is read once, each feed scanned once, however much differs of it.
    #[must_use]
    pub fn plan_repair(&self, found: &Reconciliation) -> Vec<RepairStep> {
        let mut plan: Vec<RepairStep> = Vec::new();
        for difference in &found.differences {
            let (provider, action) = (difference.provider, self.action_for(difference));
            match plan.iter_mut().find(|step| step.provider == provider && step.action == action) {
                Some(step) => step.references.push(difference.reference.clone()),
                None => {
                    plan.push(RepairStep { provider, references: vec![difference.reference.clone()], action })
                }
            }
        }
        plan
    }

    fn action_for(&self, difference: &Difference) -> RepairAction {
        let scans = || {
            let mut providers = self.registry().providers();
            providers.any(|p| p.id() == difference.provider && p.capabilities().scan)
        };
        match (&difference.deposit, difference.kind) {
            (_, DifferenceKind::Unreadable) => RepairAction::Nothing,
            (Some(id), _) => RepairAction::ReadDeposit(id.clone()),
            (None, _) if scans() => RepairAction::ScanFeed,
            (None, _) => RepairAction::Nothing,
        }
    }

    /// Carries a step out. Safe beside a running gateway and safe to repeat: what is committed already changes nothing.
    ///
    /// # Errors
    /// The store's; a provider's error is an outcome, not an error.
    pub async fn repair(&self, step: &RepairStep) -> Result<Repaired, EngineError> {
        match &step.action {
            RepairAction::Nothing => Ok(Repaired::Skipped),
            RepairAction::ReadDeposit(id) => Ok(match self.observe(id, None).await? {
                Observation::Changed => Repaired::Changed,
                Observation::Unchanged => Repaired::Unchanged,
                Observation::NotOpen => Repaired::Skipped,
                Observation::Unread | Observation::Contended => Repaired::Failed,
            }),
            RepairAction::ScanFeed => {
                let provider = self.registry().providers().find(|p| p.id() == step.provider).cloned();
                match provider {
                    Some(provider) => self.scan_whole(&*provider).await,
                    None => Ok(Repaired::Skipped),
                }
            }
        }
    }

    /// Commits all that the feed shows, from its beginning.
    async fn scan_whole(&self, provider: &dyn PaymentProvider) -> Result<Repaired, EngineError> {
        if provider.capabilities().standing_address {
            self.tell(provider).await?;
        }
        let budget = Budget::half(provider.capabilities());
        let (mut cursor, mut round) = (None, Round::default());
        for _ in 0..PAGES {
            budget.turn().await;
            let page = match provider.scan(cursor.as_ref()).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(provider = %provider.id(), %error, "the feed was not read to its end");
                    return Ok(Repaired::Failed);
                }
            };
            self.shown(provider, &page, "its beginning", &mut round).await?;
            if !page.more {
                let paid: BTreeSet<_> = std::mem::take(&mut round.paid);
                self.take_in(provider, paid, &tokio_util::sync::CancellationToken::new()).await;
                return Ok(Repaired::Changed);
            }
            cursor = Some(page.next);
        }
        Ok(Repaired::Failed)
    }
}

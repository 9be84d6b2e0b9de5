//! Replay: stored deliveries worked off once more, beside a running gateway or without one.

use std::collections::BTreeMap;

use deposit_core::ProviderId;
use deposit_store::{JournalFilter, JournalRow};
use futures_util::stream::{self, StreamExt as _};

use crate::Engine;
use crate::budget::Budget;
use crate::deliveries::{TO_BE_READ, UNREADABLE};
use crate::error::EngineError;

/// At most so many deliveries are worked off at once.
const AT_ONCE: usize = 8;

/// Outcomes of deliveries that did not get done what they asked for.
pub const RETRIED_OUTCOMES: &[&str] = &[UNREADABLE, TO_BE_READ];

/// What became of one delivery.
#[derive(Debug)]
pub struct Replayed {
    /// As the journal has it now.
    pub row: JournalRow,
    /// What came of it this time: a word as in the journal; `waiting` if it is too early to tell (its deposit may still be in the making),
    /// `not_configured` if its provider is not there to be asked.
    pub outcome: &'static str,
    /// Whether it did not get done: the journal is as it was.
    pub failed: bool,
}

impl Engine {
    /// Works stored deliveries off again, in the order given. Safe at any time: evidence merges, and postings are differences. The journal
    /// takes the new outcome of what got done; what did not, keeps what it had, so that a replay never hides an earlier success.
    ///
    /// # Errors
    /// The store's.
    pub async fn replay_deliveries(&self, rows: Vec<JournalRow>) -> Result<Vec<Replayed>, EngineError> {
        let budgets: BTreeMap<ProviderId, Budget> =
            self.registry().providers().map(|p| (p.id(), Budget::half(p.capabilities()))).collect();
        let budgets = &budgets;
        stream::iter(rows)
            .map(|row| async move { self.replay_one(row, budgets).await })
            .buffered(AT_ONCE)
            .collect::<Vec<_>>()
            .await
            .into_iter()
            .collect()
    }

    async fn replay_one(
        &self,
        row: JournalRow,
        budgets: &BTreeMap<ProviderId, Budget>,
    ) -> Result<Replayed, EngineError> {
        let Some(budget) = budgets.get(&row.provider) else {
            return Ok(Replayed { row, outcome: "not_configured", failed: true });
        };
        budget.turn().await;
        let Some(outcome) = self.work_off(&row).await? else {
            return Ok(Replayed { row, outcome: "waiting", failed: false });
        };
        let failed = RETRIED_OUTCOMES.contains(&outcome);
        if failed {
            return Ok(Replayed { row, outcome, failed });
        }
        self.store().finish_journal(row.id, outcome, self.now()).await?;
        let filter = JournalFilter { ids: vec![row.id], ..JournalFilter::default() };
        let now = self.store().journal_rows(filter).await?.pop();
        Ok(Replayed { row: now.unwrap_or(row), outcome, failed })
    }
}

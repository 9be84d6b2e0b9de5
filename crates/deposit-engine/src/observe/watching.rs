//! When a deposit is read next: what the schedule looks at, and what it says, as it is stored.

use deposit_core::Timestamp;
use deposit_lifecycle::View;
use deposit_lifecycle::watch::{self, Ended, Next, Watch, Watched};
use deposit_store::DepositRow;

use crate::{Engine, random};

impl Engine {
    /// When to read a deposit next, or why no more.
    pub(super) fn watch_after(
        &self,
        row: &DepositRow,
        view: &View,
        moved_at: Timestamp,
        now: Timestamp,
    ) -> Watch {
        let watched = self.watched(row, view, moved_at);
        self.scheduled(row, watch::after_read(&watched, &self.pace(row.provider), now), 0, None, now)
    }

    /// What the schedule looks at of a deposit.
    pub(crate) fn watched(&self, row: &DepositRow, view: &View, moved_at: Timestamp) -> Watched {
        let kind = self.spec(row.ticker).map(|spec| spec.kind);
        Watched::of(&row.terms, kind, &row.evidence, &row.credit, view, moved_at)
    }

    /// What the schedule says, as it is stored: spread out by a tenth, so that what was made together is not asked together.
    pub(crate) fn scheduled(
        &self,
        row: &DepositRow,
        next: Next,
        failures: u32,
        gone_since: Option<Timestamp>,
        now: Timestamp,
    ) -> Watch {
        match next {
            Next::Read { secs, lane } => Watch {
                failures,
                gone_since,
                ..Watch::at(now.plus_millis(random::jittered_millis(secs)), lane)
            },
            Next::End(why) => {
                let before = row.watch.ended.filter(|ended| ended.why == why);
                if before.is_none() {
                    tracing::info!(deposit = %row.id, %why, "watched no more");
                }
                Watch { next: None, ended: before.or(Some(Ended { at: now, why })), failures, gone_since }
            }
        }
    }
}

//! The scan: what waits at our addresses, and what their own chains have taken in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{MutexGuard, PoisonError};

use deposit_core::{Operation, ScanCursor, ScanPage, Taken};

use crate::address::Address;
use crate::block::Hash;
use crate::book::{ALL, Look};
use crate::error::Failed;
use crate::map::{self, NoPayment, Send};
use crate::provider::Nano;

const SCAN: Operation = Operation::Scan;
/// Addresses in one request.
const ADDRESSES: usize = 100;
/// Blocks in one page of a chain.
const PAGE: usize = 256;

/// How far the way through whole chains is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It begins.
    Beginning,
    /// On the way.
    Chains,
    /// Done: only what is new is asked for.
    Live,
}

/// Where a scan stands: `chains-7`, `live-8`, `live`. The number is that of the last page that showed chains; whoever comes back with it has stored
/// what was on that page, so those chains need not be shown again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    stage: Stage,
    page: u64,
}

impl Position {
    pub(crate) fn of(cursor: Option<&ScanCursor>) -> Self {
        let text = cursor.map(|cursor| cursor.0.as_str()).unwrap_or_default();
        let (word, page) = text.split_once('-').unwrap_or((text, "0"));
        match (word, page.parse()) {
            ("live", Ok(page)) => Self { stage: Stage::Live, page },
            ("chains", Ok(page)) => Self { stage: Stage::Chains, page },
            // No cursor, or a text that is not ours: better once too often.
            _ => Self { stage: Stage::Beginning, page: 0 },
        }
    }

    fn cursor(self) -> ScanCursor {
        let word = if self.stage == Stage::Live { "live" } else { "chains" };
        ScanCursor(format!("{word}-{}", self.page))
    }
}

/// What a scan remembers from one page to the next. Lost with the process: everything recent is then shown once more.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// The way through whole chains was begun in this process.
    begun: bool,
    /// Number of the last page that showed chains.
    page: u64,
    /// What it showed.
    shown: Vec<Look>,
}

impl Nano {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn page(&self, position: Position) -> Result<ScanPage, Failed> {
        let Position { stage, page } = position;
        {
            let mut progress = self.progress();
            if stage != Stage::Beginning && page == progress.page {
                self.shared.seen(&std::mem::take(&mut progress.shown));
            }
            // After a restart the way through the chains begins anew.
            let resumed = std::mem::replace(&mut progress.begun, stage != Stage::Live);
            if stage == Stage::Beginning || (stage == Stage::Chains && !resumed) {
                self.shared.look_through_all();
            }
        }
        let some = self.shared.unseen(ADDRESSES);
        let (mut sends, taken) = self.chains(&some).await?;
        let more = self.shared.unseen_count() > some.len();
        if !more {
            for addresses in self.shared.addresses().chunks(ADDRESSES) {
                sends.extend(self.waiting(addresses).await?);
            }
        }
        let observations = sends.iter().filter_map(map::observation).collect();
        let stage = if more && stage != Stage::Live { Stage::Chains } else { Stage::Live };
        let mut progress = self.progress();
        let page = if some.is_empty() {
            page
        } else {
            // Never a number that is in use, here or in a cursor that was stored.
            progress.page = progress.page.max(page).wrapping_add(1);
            progress.shown = some;
            progress.page
        };
        Ok(ScanPage { observations, taken, next: Position { stage, page }.cursor(), more })
    }

    /// What waits at these addresses.
    async fn waiting(&self, addresses: &[Address]) -> Result<Vec<Send>, Failed> {
        let waiting = self.client.waiting(SCAN, addresses, self.dust_raw, false).await?;
        let hashes: Vec<Hash> = waiting.into_values().flat_map(|all| all.into_keys()).collect();
        self.payments(&hashes).await
    }

    /// What these addresses took in: the sends that the newest blocks of their chains received, and which block received which.
    async fn chains(&self, some: &[Look]) -> Result<(Vec<Send>, Vec<Taken>), Failed> {
        let addresses: Vec<_> = some.iter().map(|look| look.address).collect();
        if addresses.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        // Nothing is ever sent from these addresses by this program, so one that took something in has a balance. One that somebody
        // emptied is looked at all the same when everything is asked for.
        let full: BTreeSet<_> = self.client.with_balance(SCAN, &addresses).await?.into_iter().collect();
        let mut blocks = Vec::new();
        for look in some.iter().filter(|look| look.depth == ALL || full.contains(&look.address)) {
            let received = self.receives(look.address, look.depth).await?;
            for (block, info) in self.client.blocks(SCAN, &received).await? {
                blocks.extend(info.contents.0.link.map(|send| (block, send)));
            }
        }
        let hashes: Vec<Hash> = blocks.iter().map(|(_, send)| *send).collect();
        let sends = self.payments(&hashes).await?;
        let by_hash: BTreeMap<Hash, &Send> = sends.iter().map(|send| (send.hash, send)).collect();
        let taken =
            blocks.iter().filter_map(|(block, send)| map::taken(*block, by_hash.get(send)?)).collect();
        Ok((sends, taken))
    }

    /// The newest receive and open blocks of a chain.
    async fn receives(&self, address: Address, depth: usize) -> Result<Vec<Hash>, Failed> {
        let (mut receives, mut looked_at, mut head) = (Vec::new(), 0_usize, None);
        while looked_at < depth {
            let page = self.client.history(SCAN, address, head, PAGE.min(depth - looked_at)).await?;
            looked_at = looked_at.saturating_add(page.history.len());
            let cut = page.previous.filter(|_| !page.history.is_empty());
            receives
                .extend(page.history.into_iter().filter(|line| line.kind == "receive").map(|line| line.hash));
            match cut {
                Some(next) if Some(next) != head => head = Some(next),
                _ => break,
            }
        }
        Ok(receives)
    }

    /// Those of these sends that are payments to our addresses, each as its own block says it: what is merely listed is not believed.
    async fn payments(&self, hashes: &[Hash]) -> Result<Vec<Send>, Failed> {
        // What was confirmed once stays so: not asked again.
        let known = |hash: &Hash| self.shared.met(*hash).filter(|send| send.confirmed);
        let unknown: Vec<_> = hashes.iter().copied().filter(|hash| known(hash).is_none()).collect();
        let infos = self.client.blocks(SCAN, &unknown).await?;
        let mut sends: Vec<Send> = hashes.iter().filter_map(known).collect();
        for (hash, info) in &infos {
            match map::send(*hash, info) {
                Ok(send) => {
                    if self.shared.meet(send) {
                        self.client.confirm(SCAN, *hash).await;
                    }
                    sends.push(send);
                }
                Err(NoPayment::NotASend) => {}
                Err(NoPayment::Undecided(concern)) => {
                    tracing::warn!(%hash, code = concern.code, detail = concern.detail, "a payment is left as it is");
                }
            }
        }
        sends.retain(|send| self.shared.watches(&send.to) && send.raw >= self.dust_raw);
        Ok(sends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_read_back_and_foreign_ones_begin_anew() {
        for stage in [Stage::Chains, Stage::Live] {
            for page in [0, 7, u64::MAX] {
                let position = Position { stage, page };
                assert_eq!(Position::of(Some(&position.cursor())), position);
            }
        }
        assert_eq!(Position::of(Some(&ScanCursor("live".into()))), Position { stage: Stage::Live, page: 0 });
        for foreign in ["", "live-", "live-x", "newest", "chains--1"] {
            assert_eq!(Position::of(Some(&ScanCursor(foreign.into()))).stage, Stage::Beginning, "{foreign}");
        }
        assert_eq!(Position::of(None).stage, Stage::Beginning);
    }
}

//! What of the wallet's list is final, kept while this process lives: a reading goes over the new end of the list alone, and once
//! further back where an older deposit is asked about. Only payments are kept, under the ids that they were made to.
//!
//! The list keeps its places from the oldest end on until a reorganisation, which takes blocks from the newest end away. So as long as the
//! newest kept entry stands in its place and at its height, all that lies behind it does too.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::entry::Entry;
use crate::payment::{self, Depth};

/// Blocks beyond the confirmations that are asked for: a reorganisation that is no deeper than both together is noticed wherever it is.
pub(crate) const OVERLAP_BLOCKS: u32 = 60;
/// Transactions that are kept, some 60 MB; beyond it the oldest are forgotten, and deposits that are older are read incompletely.
const MOST_KEPT: usize = 100_000;

/// Which part of the list is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    /// The newest kept entry.
    pub(crate) newest: Place,
    /// Place of the oldest that was read.
    pub(crate) oldest: u64,
    /// Time of its block.
    pub(crate) since: u64,
}

/// An entry in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// From the oldest on.
    pub(crate) index: u64,
    pub(crate) tx_hash: String,
    pub(crate) height: u64,
}

/// What one reading has to add: entries of blocks in their places, without a gap, newest first.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) entries: Vec<(u64, Entry)>,
    /// Place and block time of the oldest that was read.
    pub(crate) oldest: Option<(u64, u64)>,
    /// Whether they join what is kept; else they take its place.
    pub(crate) joined: bool,
}

#[derive(Debug, Default)]
pub(crate) struct History {
    span: Option<Span>,
    kept: BTreeMap<u64, Entry>,
    of: HashMap<String, BTreeSet<u64>>,
    /// Counts how often all was forgotten.
    epoch: u64,
}

impl History {
    pub(crate) fn span(&self) -> Option<Span> {
        self.span.clone()
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The list is another one than it was.
    pub(crate) fn forget(&mut self) {
        *self = Self { epoch: self.epoch.wrapping_add(1), ..Self::default() };
    }

    /// The kept transactions that paid to any of these ids, each once.
    pub(crate) fn paid_to<'i>(&self, ids: impl Iterator<Item = &'i str>) -> Vec<Entry> {
        let places: BTreeSet<u64> = ids.filter_map(|id| self.of.get(id)).flatten().copied().collect();
        places.iter().filter_map(|place| self.kept.get(place)).cloned().collect()
    }

    /// Keeps what is deep enough.
    pub(crate) fn learn(&mut self, news: &News, top: Option<u64>, required: u32) {
        let deep = required.saturating_add(OVERLAP_BLOCKS);
        let last = |(_, entry): &&(u64, Entry)| payment::depth(entry.height, top, deep) == Depth::Confirmed;
        let mut added = news.entries.iter().filter(last).peekable();
        let newest = added.peek().map(|(index, entry)| Place {
            index: *index,
            tx_hash: entry.tx_hash.clone(),
            height: entry.height,
        });
        if !news.joined {
            if newest.is_none() {
                return;
            }
            self.forget();
        }
        for (index, entry) in added {
            if entry.is_mining || self.kept.contains_key(index) {
                continue;
            }
            let mut paid = false;
            for group in entry.subtransfers_by_pid.iter().filter(|group| !group.payment_id.is_empty()) {
                if group.subtransfers.iter().any(|line| line.is_income) {
                    self.of.entry(group.payment_id.to_ascii_lowercase()).or_default().insert(*index);
                    paid = true;
                }
            }
            if paid {
                self.kept.insert(*index, entry.clone());
            }
        }
        let before = self.span.take();
        let newest = match (newest, before.as_ref().map(|span| span.newest.clone())) {
            (Some(new), Some(old)) => Some(if new.index > old.index { new } else { old }),
            (new, old) => new.or(old),
        };
        let ends = before.map(|span| (span.oldest, span.since)).into_iter().chain(news.oldest).min();
        self.span = newest.zip(ends).map(|(newest, (oldest, since))| Span { newest, oldest, since });
        self.shrink();
    }

    fn shrink(&mut self) {
        while self.kept.len() > MOST_KEPT
            && let Some((index, entry)) = self.kept.pop_first()
        {
            for group in &entry.subtransfers_by_pid {
                let id = group.payment_id.to_ascii_lowercase();
                if let Some(places) = self.of.get_mut(&id) {
                    places.remove(&index);
                    if places.is_empty() {
                        self.of.remove(&id);
                    }
                }
            }
            if let Some(span) = &mut self.span {
                (span.oldest, span.since) = (index.saturating_add(1), entry.timestamp);
            }
        }
    }

    /// Whether there is no room for older ones.
    pub(crate) fn is_full(&self) -> bool {
        self.kept.len() >= MOST_KEPT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::zano;

    const ID: &str = "1dfe5a88ff9effb3";
    const OTHER: &str = "aaaaaaaaaaaaaaaa";

    fn news(places: impl DoubleEndedIterator<Item = u64>, joined: bool) -> News {
        let entries: Vec<_> =
            places.rev().map(|n| (n, zano(n, n + 1, if n % 2 == 0 { ID } else { OTHER }, 5))).collect();
        let oldest = entries.last().map(|(index, entry)| (*index, entry.timestamp));
        News { entries, oldest, joined }
    }

    #[test]
    fn only_what_is_deep_is_kept_and_found_by_its_id() {
        let mut history = History::default();
        history.learn(&news(10..200, false), Some(200), 10);
        let span = history.span().unwrap();
        // Height 130 has 70 confirmations.
        assert_eq!((span.newest.index, span.newest.height, span.oldest), (129, 130, 10));
        assert_eq!(history.paid_to([ID].into_iter()).len(), 60);
        assert_eq!(history.paid_to([ID, OTHER].into_iter()).len(), 120);
        history.learn(&news(100..260, true), Some(260), 10);
        let span = history.span().unwrap();
        assert_eq!((span.newest.index, span.oldest), (189, 10));
        history.learn(&news(0..10, true), Some(260), 10);
        let span = history.span().unwrap();
        assert_eq!((span.newest.index, span.oldest), (189, 0));
        assert_eq!(history.paid_to([ID, OTHER].into_iter()).len(), 190);
    }

    #[test]
    fn another_list_takes_the_place_of_what_was_kept() {
        let mut history = History::default();
        history.learn(&news(10..200, false), Some(300), 10);
        let epoch = history.epoch();
        history.learn(&news(50..60, false), Some(300), 10);
        assert_ne!(history.epoch(), epoch);
        assert_eq!(history.paid_to([ID, OTHER].into_iter()).len(), 10);
    }
}

//! Reading the wallet's list of transactions, newest first, back to a point in time (dossier, section 5).
//!
//! The list moves while it is read: what comes in shifts every entry, what a reorganisation takes away shifts them back, and then
//! one could slip between two pages. So the pages of one reading have to agree on the wallet's height and on the length of the list; where
//! they do not, it is read again, and at last called incomplete.
//!
//! **A height does not say that a transaction is in a block.** The wallet keeps one that a reorganisation detached among the unconfirmed,
//! with the height that it had. Those are listed with the pool, and not without it: so the pool is asked for first, then the history
//! without it, and what the history does not show is in the pool (or gone), whatever height it tells.

use std::collections::HashSet;

use deposit_core::{Concern, ErrorKind, Operation, ProviderError, Timestamp};

use crate::api::{FeedPage, FeedQuestion, Order};
use crate::client::Client;
use crate::entry::Entry;
use crate::error::error;
use crate::history::{News, Span};

/// Entries of a page.
pub(crate) const PAGE: u64 = 100;
/// Pages of one reading, so that it ends within a caller's time whatever the wallet's history. Deposits from before what was read are called
/// incomplete; the next reading goes on where this one ended.
const MAX_PAGES: usize = 20;
/// How often a list that moved is read.
const TRIES: usize = 3;
/// Block times are not quite in order, and may run ahead by hours.
const MARGIN_SECS: u64 = 6 * 3_600;

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    /// The wallet's top block; `None`: it did not say, and nothing can be counted.
    pub(crate) height: Option<u64>,
    /// Length of the wallet's list.
    pub(crate) total: u64,
    /// Transactions, each once.
    pub(crate) entries: Vec<Entry>,
    /// Whether no transaction since the point in time can be missing.
    pub(crate) complete: bool,
    /// Except those before this time (Unix seconds): the window was too large.
    pub(crate) cut_at: Option<u64>,
    /// The wallet's height is old: nothing shallow is believed.
    pub(crate) doubted: bool,
    /// What an operator should see.
    pub(crate) concerns: Vec<Concern>,
    /// What can be kept of it.
    pub(crate) news: News,
    /// Whether what is kept belongs to it.
    pub(crate) with_kept: bool,
}

impl Feed {
    /// Nothing is concluded from what is missing.
    pub(crate) fn doubt(&mut self, code: &str, detail: &str) {
        self.complete = false;
        self.concerns.push(Concern::new(code, detail));
    }

    /// The wallet shows an old state, or one that is being read anew.
    pub(crate) fn doubt_height(&mut self, detail: &str) {
        self.doubted = true;
        self.doubt("wallet_behind", detail);
    }

    /// Whether the reading goes back to before a deposit of this time could be paid.
    pub(crate) fn covers(&self, created_at: Timestamp) -> bool {
        self.cut_at.is_none_or(|cut_at| cut_at < begin(created_at))
    }
}

/// From when on a deposit can have been paid, by the times of blocks.
fn begin(created_at: Timestamp) -> u64 {
    u64::try_from(created_at.secs()).unwrap_or(0).saturating_sub(MARGIN_SECS)
}

/// Reads back to `since`, passing over what is kept. `full`: nothing older can be kept.
pub(crate) async fn read(
    client: &Client,
    operation: Operation,
    since: Timestamp,
    kept: Option<&Span>,
    full: bool,
) -> Result<Feed, ProviderError> {
    let since = begin(since);
    let mut tries = TRIES;
    loop {
        let mut walk = Walk { kept: kept.cloned(), full, ..Walk::new(since) };
        let step = loop {
            let page = client.feed(operation, &walk.question()).await?;
            match walk.take(page).ok_or_else(|| error(operation, ErrorKind::Protocol))? {
                Step::More => {}
                ended @ (Step::End | Step::Moved) => break ended,
            }
        };
        tries -= 1;
        if step == Step::End || tries == 0 {
            return Ok(walk.feed(step));
        }
    }
}

/// All that is unconfirmed, with the newest of the history behind it: the wallet looks at the count after it has added one.
pub(crate) fn pool_question() -> FeedQuestion {
    FeedQuestion {
        offset: 0,
        count: 1,
        order: Order::NewestFirst,
        exclude_mining_txs: true,
        exclude_unconfirmed: false,
        update_provision_info: true,
    }
}

/// Where a reading stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    More,
    End,
    /// The list is another one than at the first page.
    Moved,
}

#[derive(Debug)]
struct Walk {
    since: u64,
    offset: u64,
    pages: usize,
    /// What is listed before the history; `None`: not asked for yet.
    pool: Option<Vec<Entry>>,
    first: Option<Option<u64>>,
    total: Option<u64>,
    height: Option<u64>,
    /// The oldest block's time on the last page of a reading that was cut.
    cut_at: Option<u64>,
    entries: Vec<Entry>,
    /// What need not be read again, unless it is not there any more.
    kept: Option<Span>,
    full: bool,
    reached: bool,
    news: Vec<(u64, Entry)>,
    /// An entry came without its place.
    unplaced: bool,
    oldest: Option<(u64, u64)>,
}

impl Walk {
    fn new(since: u64) -> Self {
        Self {
            since,
            offset: 0,
            pages: 0,
            pool: None,
            first: None,
            total: None,
            height: None,
            cut_at: None,
            entries: Vec::new(),
            kept: None,
            full: false,
            reached: false,
            news: Vec::new(),
            unplaced: false,
            oldest: None,
        }
    }

    fn question(&self) -> FeedQuestion {
        if self.pool.is_none() {
            return pool_question();
        }
        FeedQuestion { offset: self.offset, count: PAGE, exclude_unconfirmed: true, ..pool_question() }
    }

    /// `None`: an answer that makes no sense.
    fn take(&mut self, page: FeedPage) -> Option<Step> {
        let height = page.pi.map(|pi| pi.height);
        // Builds differ in whether they tell the length where nothing is listed.
        let total = (!page.transfers.is_empty() || page.total_transfers > 0).then_some(page.total_transfers);
        if self.pool.is_none() {
            self.first = Some(height);
            self.height = height;
            // Where only the pool is listed, no length may be told either.
            self.total = total.filter(|total| *total > 0);
            self.pool = Some(page.transfers);
            return Some(Step::More);
        }
        self.pages += 1;
        let moved = self.first.is_some_and(|first| first != height)
            || total.is_some_and(|total| self.total.is_some_and(|before| before != total));
        self.total = self.total.or(total);
        // The lower of two: never a confirmation too many.
        self.height = self.height.min(height);

        let oldest = page.transfers.last().map(|entry| entry.timestamp);
        let mut reached = false;
        for entry in &page.transfers {
            if moved {
                break;
            }
            let place = entry
                .transfer_internal_index
                .and_then(|index| page.total_transfers.checked_sub(1)?.checked_sub(index));
            let Some(index) = place else {
                self.unplaced = true;
                continue;
            };
            if let Some(kept) = self.kept.as_ref().filter(|kept| !self.reached && index <= kept.newest.index)
            {
                let newest = &kept.newest;
                if index == newest.index && entry.tx_hash == newest.tx_hash && entry.height == newest.height {
                    (reached, self.reached) = (true, true);
                } else {
                    // Another stands there, or none: the list is not the one that was kept.
                    self.kept = None;
                }
            }
            self.news.push((index, entry.clone()));
            self.oldest = Some((index, entry.timestamp));
        }
        for entry in page.transfers {
            self.entries.retain(|known| known.tx_hash != entry.tx_hash);
            self.entries.push(entry);
        }
        if moved {
            return Some(Step::Moved);
        }
        let Some(oldest) = oldest else {
            // Nothing is left but what mines, which is not listed but counted.
            return Some(Step::End);
        };
        let mut next = page.last_item_index.checked_add(1)?;
        if reached && let Some(kept) = &self.kept {
            // Behind it all is known, as far back as was read before.
            if kept.since < self.since || kept.oldest == 0 {
                return Some(Step::End);
            }
            if self.full {
                self.cut_at = Some(kept.since);
                return Some(Step::End);
            }
            next = next.max(page.total_transfers.checked_sub(kept.oldest)?);
        }
        if oldest < self.since || next >= page.total_transfers {
            return Some(Step::End);
        }
        // No way forward: the wallet contradicts itself.
        (next > self.offset).then_some(())?;
        self.offset = next;
        if self.pages < MAX_PAGES {
            return Some(Step::More);
        }
        self.cut_at = Some(oldest);
        Some(Step::End)
    }

    fn feed(self, step: Step) -> Feed {
        let mined: HashSet<&str> = self.entries.iter().map(|entry| entry.tx_hash.as_str()).collect();
        let pool = self.pool.into_iter().flatten();
        // Its height, if it tells one, is that of a block that is no more.
        let pool: Vec<Entry> = pool
            .filter(|entry| !mined.contains(entry.tx_hash.as_str()))
            .map(|entry| Entry { height: 0, ..entry })
            .collect();
        let mut entries = self.entries;
        entries.extend(pool);
        let mut feed = Feed {
            height: self.height,
            total: self.total.unwrap_or(0),
            entries,
            complete: step == Step::End,
            cut_at: self.cut_at,
            doubted: false,
            concerns: Vec::new(),
            with_kept: self.reached,
            news: News {
                // Not what lies apart from what is kept: there would be a gap.
                entries: if self.unplaced || step != Step::End || (self.kept.is_some() && !self.reached) {
                    Vec::new()
                } else {
                    self.news
                },
                oldest: self.oldest,
                joined: self.reached,
            },
        };
        if feed.height.is_none() {
            feed.doubt("no_height", "the wallet does not tell its height: confirmations cannot be counted");
        }
        feed
    }
}

#[cfg(test)]
#[path = "feed_tests.rs"]
mod tests;

//! The feed from a cursor: oldest first, where an entry keeps its place until a reorganisation.
//!
//! The cursor stands behind the last entry that is [`OVERLAP_BLOCKS`] deeper than final, and remembers its hash, and the payments behind it
//! that were shown as confirmed: those are shown once, and one that is not listed any more is hinted at, since a reorganisation has undone it.
//! Entries that are not final come again with each scan. Where another entry stands in the remembered place, or none (a wallet that was
//! restored, a deeper reorganisation), the scan begins anew; payments have ids of their own, so that does no harm.

use std::collections::BTreeSet;

use deposit_core::{
    ErrorKind, Observation, Observed, Operation, ProviderError, ProviderRef, ScanCursor, ScanPage, Target,
};
use serde::{Deserialize, Serialize};

use crate::api::{FeedPage, FeedQuestion, Order};
use crate::entry::Entry;
use crate::error::{ID, error};
use crate::feed::{PAGE, pool_question};
use crate::history::OVERLAP_BLOCKS;
use crate::map::{self, Rules};
use crate::memory::short;
use crate::payment::{self, Depth, Paid};

/// Pages of one round.
const MOST_PAGES: usize = 20;
/// For how many blocks what is not listed any more is hinted at.
const TOLD_BLOCKS: u64 = 3;
/// Transactions that a cursor remembers; one more is shown again with each round, and not missed when it goes.
const MOST_SHOWN: usize = 1_000;

/// Behind the last final entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// Index of the next entry, from the oldest.
    next: u64,
    /// Hash of the entry before it.
    after: Option<String>,
    /// What lies behind it and was shown as confirmed.
    #[serde(default)]
    shown: Vec<Shown>,
    /// The greatest height that the wallet had. A smaller one is old.
    #[serde(default)]
    height: u64,
}

/// A transaction whose payments were shown as confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shown {
    /// The end of its hash.
    tx: String,
    height: u64,
    /// The payment ids in it.
    ids: Vec<String>,
    /// The wallet's height when it was first not listed any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gone: Option<u64>,
}

impl Shown {
    fn is(&self, other: &Self) -> bool {
        self.gone.is_none() && (&self.tx, self.height, &self.ids) == (&other.tx, other.height, &other.ids)
    }

    fn of(entry: &Entry) -> Self {
        let groups = entry.subtransfers_by_pid.iter();
        let paid = groups.filter(|group| group.subtransfers.iter().any(|line| line.is_income));
        let ids = paid.map(|group| group.payment_id.to_ascii_lowercase()).filter(|id| !id.is_empty());
        Self { tx: short(&entry.tx_hash), height: entry.height, ids: ids.collect(), gone: None }
    }
}

impl Position {
    /// A text that is none of ours begins anew.
    pub(crate) fn of(cursor: Option<&ScanCursor>) -> Self {
        let read = cursor.and_then(|cursor| serde_json::from_str::<Self>(&cursor.0).ok());
        read.filter(|position| (position.next == 0) == position.after.is_none()).unwrap_or_default()
    }

    fn cursor(&self) -> ScanCursor {
        ScanCursor(serde_json::to_string(self).unwrap_or_default())
    }

    pub(crate) fn height(&self) -> u64 {
        // A cursor of before heights were kept: those of its payments, at least.
        self.shown.iter().map(|shown| shown.height).max().unwrap_or(0).max(self.height)
    }

    /// Payment id and transaction of what was listed in blocks; `all`: also what was missing since.
    pub(crate) fn listed(&self, all: bool) -> impl Iterator<Item = (&str, &str)> {
        let shown = self.shown.iter().filter(move |shown| all || shown.gone.is_none());
        shown.flat_map(|shown| shown.ids.iter().map(|id| (id.as_str(), shown.tx.as_str())))
    }

    /// A page that shows nothing and moves nothing.
    pub(crate) fn stands(&self) -> ScanPage {
        ScanPage {
            observations: Vec::new(),
            taken: Vec::new(),
            next: self.cursor(),
            more: false,
            ..ScanPage::default()
        }
    }

    /// The last final entry once more, to see that it is still there.
    pub(crate) fn question(&self) -> FeedQuestion {
        FeedQuestion {
            offset: self.next.saturating_sub(1),
            count: PAGE,
            order: Order::OldestFirst,
            exclude_mining_txs: true,
            exclude_unconfirmed: true,
            update_provision_info: true,
        }
    }

    /// Whether the remembered entry stands where it stood.
    fn holds(&self, page: &FeedPage) -> bool {
        self.after
            .as_ref()
            .is_none_or(|hash| page.transfers.first().is_some_and(|entry| entry.tx_hash == *hash))
    }
}

/// The newest of the history: what is listed with the pool and not here is in the pool.
pub(crate) fn newest_question() -> FeedQuestion {
    FeedQuestion { exclude_unconfirmed: true, ..pool_question() }
}

/// What is in the pool, or left it: its height, if it tells one, is that of a block that is no more. `listed`: with the pool; `history`: what
/// was listed without it, newest or not.
pub(crate) fn pooled<'f>(listed: FeedPage, history: impl Iterator<Item = &'f FeedPage>) -> Vec<Entry> {
    let mined: BTreeSet<&str> =
        history.flat_map(|page| &page.transfers).map(|entry| entry.tx_hash.as_str()).collect();
    let pool = listed.transfers.into_iter().filter(|entry| !mined.contains(entry.tx_hash.as_str()));
    pool.map(|entry| Entry { height: 0, ..entry }).collect()
}

/// What to ask for next, if these pages do not end the round. A page of entries that are all beyond the overlap is a round of its own.
pub(crate) fn goes_on(position: &Position, pages: &[FeedPage], required: u32) -> Option<FeedQuestion> {
    let (first, last) = (pages.first()?, pages.last()?);
    let beyond = |entry: &Entry| is_beyond(entry, last, required);
    let listed_to = last.last_item_index.saturating_add(1);
    if ends(last) || pages.len() >= MOST_PAGES || !position.holds(first) || last.transfers.iter().all(beyond)
    {
        return None;
    }
    Some(FeedQuestion { offset: listed_to, ..position.question() })
}

/// Whether nothing comes behind this page. What mines is counted and not listed, so a page that is not full is the last.
fn ends(page: &FeedPage) -> bool {
    let full = u64::try_from(page.transfers.len()).is_ok_and(|listed| listed >= PAGE);
    !full || page.last_item_index.saturating_add(1) >= page.total_transfers
}

/// Deeper than a reorganisation is followed.
fn is_beyond(entry: &Entry, page: &FeedPage, required: u32) -> bool {
    let top = page.pi.map(|pi| pi.height);
    payment::depth(entry.height, top, required.saturating_add(OVERLAP_BLOCKS)) == Depth::Confirmed
}

/// The pages of a round as observations.
pub(crate) fn page(
    position: &Position,
    pages: &[FeedPage],
    rules: Rules<'_>,
) -> Result<ScanPage, ProviderError> {
    let wrong = || error(Operation::Scan, ErrorKind::Protocol);
    let (first, last) = pages.first().zip(pages.last()).ok_or_else(wrong)?;
    if !position.holds(first) {
        // What was shown is kept: what does not come again is gone.
        let next =
            Position { shown: position.shown.clone(), height: position.height(), ..Position::default() }
                .cursor();
        return Ok(ScanPage {
            observations: Vec::new(),
            taken: Vec::new(),
            next,
            more: true,
            ..ScanPage::default()
        });
    }
    let mut behind = Position { shown: Vec::new(), ..position.clone() };
    let mut settled = true;
    let mut observations = Vec::new();
    let mut listed = BTreeSet::new();
    for (number, page) in pages.iter().enumerate() {
        let top = Some(page.pi.ok_or_else(wrong)?.height);
        let known = usize::from(number == 0 && position.after.is_some());
        for entry in page.transfers.get(known..).unwrap_or_default() {
            let beyond = is_beyond(entry, page, rules.required);
            let unclear = rules.fusd_unknown && has_asset(entry, rules.assets.fusd.as_str());
            settled &= beyond && !unclear;
            if let (true, Some(index)) = (settled, entry.transfer_internal_index) {
                (behind.next, behind.after) = (index.saturating_add(1), Some(entry.tx_hash.clone()));
            }
            let shown = Shown::of(entry);
            listed.insert(shown.tx.clone());
            let again = position.shown.iter().any(|before| before.is(&shown));
            if !again {
                observations.extend(observed(entry, top, rules));
            }
            let confirmed = payment::depth(entry.height, top, rules.required) == Depth::Confirmed;
            if confirmed && !beyond && !unclear && behind.shown.len() < MOST_SHOWN {
                behind.shown.push(shown);
            }
        }
    }
    // The length is not told where nothing is listed.
    let same = |page: &FeedPage| {
        page.pi.map(|pi| pi.height) == first.pi.map(|pi| pi.height)
            && (page.transfers.is_empty() || page.total_transfers == first.total_transfers)
    };
    let whole = ends(last) && pages.iter().all(same);
    let top = first.pi.map_or(0, |pi| pi.height);
    behind.height = position.height().max(top);
    for missing in position.shown.iter().filter(|shown| !listed.contains(&shown.tx)) {
        let since = missing.gone.unwrap_or(top);
        if whole {
            observations.extend(missing.ids.iter().filter_map(|id| hint(id)));
        }
        // A read believes it the second time, and an old order is read where it is hinted at.
        let told = whole && top >= since.saturating_add(TOLD_BLOCKS);
        if !told && behind.shown.len() < MOST_SHOWN {
            let gone = if whole { Some(since) } else { missing.gone };
            behind.shown.push(Shown { gone, ..missing.clone() });
        }
    }
    let more = settled && behind.next > position.next && !ends(last);
    Ok(ScanPage { observations, taken: Vec::new(), next: behind.cursor(), more, ..ScanPage::default() })
}

/// How deep the payment has to be is not told.
pub(crate) fn without_depth(observation: &mut Observation) {
    if let Observed::Payment(reading) = &mut observation.observed {
        (reading.confirmations, reading.required_confirmations) = (None, None);
    }
}

/// Whether any line is in this asset.
pub(crate) fn has_asset(entry: &Entry, asset_id: &str) -> bool {
    let mut lines = entry.subtransfers_by_pid.iter().flat_map(|group| &group.subtransfers);
    lines.any(|line| line.asset_id.eq_ignore_ascii_case(asset_id))
}

/// Something about this order may have changed.
fn hint(id: &str) -> Option<Observation> {
    let target = Target::Order(ProviderRef::new(id).ok()?);
    Some(Observation { provider: ID, target, ticker: None, ours: None, observed: Observed::Hint })
}

/// The payments of one transaction as observations. Only what is confirmed speaks of money: what is not may never come.
pub(crate) fn observed(entry: &Entry, top: Option<u64>, rules: Rules<'_>) -> Vec<Observation> {
    payment::paid(entry).iter().filter_map(|paid| observation(paid, top, rules)).collect()
}

/// One hint for an order, however many of its payments are on their way: each would be a read of its own.
pub(crate) fn once(observations: Vec<Observation>) -> Vec<Observation> {
    let mut hinted: Vec<Target> = Vec::new();
    let mut wanted = |observation: &Observation| {
        if observation.observed != Observed::Hint {
            return true;
        }
        let first = !hinted.contains(&observation.target);
        if first {
            hinted.push(observation.target.clone());
        }
        first
    };
    observations.into_iter().filter(|observation| wanted(observation)).collect()
}

fn observation(paid: &Paid<'_>, top: Option<u64>, rules: Rules<'_>) -> Option<Observation> {
    let observed =
        match (payment::depth(paid.entry.height, top, rules.required), map::reading(paid, top, rules)) {
            (Depth::Pool | Depth::Confirming(_) | Depth::Unknown, _) => Observed::Hint,
            (Depth::Confirmed, Ok(reading)) => Observed::Payment(Box::new(reading)),
            (Depth::Confirmed, Err(concern)) if concern.money.is_some() => Observed::PaymentHint,
            // Of the wallet, not of the payment: it comes again.
            (Depth::Confirmed, Err(_)) => Observed::Hint,
        };
    let target = match paid.payment_id.as_str() {
        "" => Target::Unknown,
        id => Target::Order(ProviderRef::new(id).ok()?),
    };
    // Of nobody, and not final: there is nothing to read and nothing to show yet.
    if target == Target::Unknown && observed == Observed::Hint {
        return None;
    }
    let ticker = rules.assets.ticker(&paid.asset);
    Some(Observation { provider: ID, target, ticker, ours: None, observed })
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;

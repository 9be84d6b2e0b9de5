//! The feed from a cursor: oldest first, where an entry keeps its place until a reorganisation.
//!
//! The cursor stands behind the last entry that is final, and remembers its hash. Entries that are not final come again with each scan. Where
//! another entry stands in the remembered place, or none (a wallet that was restored, a deep reorganisation), the scan begins anew;
//! payments have ids of their own, so that does no harm.

use deposit_core::{
    ErrorKind, Observation, Observed, Operation, ProviderError, ProviderRef, ScanCursor, ScanPage, Target,
};
use serde::{Deserialize, Serialize};

use crate::api::{Entry, FeedPage, FeedQuestion, Order};
use crate::feed::PAGE;
use crate::map::{self, Depth, Paid, Rules};
use crate::provider::{Zano, error};

/// Behind the last final entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// Index of the next entry, from the oldest.
    next: u64,
    /// Hash of the entry before it.
    after: Option<String>,
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

/// The newest entries, for those in the pool.
pub(crate) fn pool_question() -> FeedQuestion {
    FeedQuestion {
        offset: 0,
        count: PAGE,
        order: Order::NewestFirst,
        exclude_mining_txs: true,
        exclude_unconfirmed: false,
        update_provision_info: false,
    }
}

/// A page of the feed as observations.
pub(crate) fn page(
    position: &Position,
    page: &FeedPage,
    rules: Rules<'_>,
) -> Result<ScanPage, ProviderError> {
    let wrong = || error(Operation::Scan, ErrorKind::Protocol);
    if !position.holds(page) {
        let next = Position::default().cursor();
        return Ok(ScanPage { observations: Vec::new(), taken: Vec::new(), next, more: true });
    }
    let top = Some(page.pi.ok_or_else(wrong)?.height);
    let news = page.transfers.get(usize::from(position.after.is_some())..).unwrap_or_default();
    let mut behind = position.clone();
    let mut settled = true;
    let mut observations = Vec::new();
    for entry in news {
        let depth = map::depth(entry.height, top, rules.required);
        settled &= depth == Depth::Confirmed;
        if let (true, Some(index)) = (settled, entry.transfer_internal_index) {
            behind = Position { next: index.saturating_add(1), after: Some(entry.tx_hash.clone()) };
        }
        observations.extend(observed(entry, top, rules)?);
    }
    let listed_to = page.last_item_index.saturating_add(1);
    let more = settled && behind.next > position.next && listed_to < page.total_transfers;
    Ok(ScanPage { observations, taken: Vec::new(), next: behind.cursor(), more })
}

/// The payments of one transaction as observations. Only what is confirmed speaks of money: what is not may never come.
pub(crate) fn observed(
    entry: &Entry,
    top: Option<u64>,
    rules: Rules<'_>,
) -> Result<Vec<Observation>, ProviderError> {
    let payments =
        map::paid(entry).map_err(|cause| error(Operation::Scan, ErrorKind::Protocol).with_source(cause))?;
    Ok(payments.iter().filter_map(|paid| observation(paid, top, rules)).collect())
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
    let observed = match (map::depth(paid.entry.height, top, rules.required), map::reading(paid, top, rules))
    {
        (Depth::Pool | Depth::Confirming(_) | Depth::Unknown, _) => Observed::Hint,
        (Depth::Confirmed, Ok(reading)) => Observed::Payment(Box::new(reading)),
        (Depth::Confirmed, Err(_)) => Observed::PaymentHint,
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
    Some(Observation { provider: Zano::ID, target, ticker, ours: None, observed })
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;

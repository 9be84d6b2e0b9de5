//! Where the feed of the wallets stands, and what has changed since: pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::api;

/// A payment is looked after until it has so many confirmations: more than any speed policy waits for.
pub(crate) const DEPTH: i64 = 10;
/// Confirmations at which a payment means something else than before: in the chain, enough for a speed policy, deep.
const STEPS: [i64; 4] = [1, 2, 6, DEPTH];
/// Deep outputs this much older than the newest are old news: an indexer that was away for as long dates what it missed by its blocks.
const REMEMBERED_SECS: i64 = 7 * 24 * 3600;
/// Where the feed stands, by payment method: the outputs that may still change, so that it is as large as what came lately.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor(pub(crate) BTreeMap<String, Place>);

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// The newest time of any output.
    newest: i64,
    /// Outputs that are young: their address, and the last of [`STEPS`] that they reached.
    pub(crate) young: BTreeMap<String, (String, i64)>,
    /// Outputs that were in the chain and are not any longer, and whose they were, with the newest time when they were lost: a read of their order
    /// says that they are gone, since the invoice never listed them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) lost: BTreeMap<String, (String, i64)>,
}

impl Place {
    /// An output that the wallet lists no longer: its transaction is no longer in the chain.
    pub(crate) fn lose(&mut self, outpoint: String, address: String) {
        self.lost.insert(outpoint, (address, self.newest));
    }
}

/// What a look showed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct News {
    /// Addresses whose money may have changed.
    pub(crate) changed: BTreeSet<String>,
    /// Young outputs that are listed no longer: spent, or lost. Their transactions tell which.
    pub(crate) away: Vec<(String, String, i64)>,
    pub(crate) place: Place,
}

/// Of a confirmed number of blocks, the last step that it reached; 0 for what is not in the chain.
pub(crate) fn step(confirmations: i64) -> i64 {
    STEPS.iter().rev().copied().find(|step| confirmations >= *step).unwrap_or(0)
}

/// What has changed since this place. All is news where there was no place.
pub(crate) fn news(before: Option<&Place>, outputs: &[api::Output]) -> News {
    let newest = outputs.iter().map(|output| output.timestamp).chain(before.map(|p| p.newest)).max();
    let newest = newest.unwrap_or(0);
    let limit = newest.saturating_sub(REMEMBERED_SECS);
    let mut place = Place { newest, ..Place::default() };
    let mut changed = BTreeSet::new();
    let mut listed = BTreeSet::new();
    for output in outputs {
        let Some(address) = output.address.as_deref().filter(|address| !address.is_empty()) else { continue };
        listed.insert(output.outpoint.as_str());
        let reached = step(output.confirmations);
        let young = reached < DEPTH || output.timestamp >= limit;
        let known = before.and_then(|place| place.young.get(&output.outpoint));
        let is_news = match (before, known) {
            (None, _) => true,
            (Some(_), Some((_, before))) => *before != reached,
            (Some(_), None) => young,
        };
        if is_news {
            changed.insert(address.to_owned());
        }
        if young {
            place.young.insert(output.outpoint.clone(), (address.to_owned(), reached));
        }
    }
    let is_away = |outpoint: &str| !listed.contains(outpoint);
    if let Some(before) = before {
        let lost = before.lost.iter().filter(|(outpoint, (_, at))| is_away(outpoint) && *at >= limit);
        place.lost = lost.map(|(outpoint, known)| (outpoint.clone(), known.clone())).collect();
    }
    let away = before.into_iter().flat_map(|place| &place.young);
    let away = away
        .filter(|(outpoint, _)| is_away(outpoint))
        .map(|(outpoint, (address, step))| (outpoint.clone(), address.clone(), *step))
        .collect();
    News { changed, away, place }
}

#[cfg(test)]
#[path = "feed_tests.rs"]
mod tests;

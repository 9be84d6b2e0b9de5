//! The scan: what waits at our addresses, and what their own chains have taken in.
//!
//! Addresses that a push has named are read alone, at once. All others are read in turn, a slice in each page, and the cursor says where the
//! next one begins; how far an account's own chain was shown is stored for each address, so that a start asks for its newest block only.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use deposit_core::{AccountIndex, Operation, ScanCursor, ScanPage, StandingPosition, Taken};

use crate::address::Address;
use crate::block::Hash;
use crate::book::{self, Own};
use crate::client::BLOCKS_AT_ONCE;
use crate::error::Failed;
use crate::map::{self, NoPayment, Send};
use crate::progress::{Position, Progress, Stage};
use crate::provider::Nano;

const SCAN: Operation = Operation::Scan;
/// Addresses in one slice, and in one request.
const ADDRESSES: usize = 500;
/// Addresses that pushes have named, in one page.
const HINTED: usize = 100;
/// Chains that one page looks through: what waits elsewhere is not kept waiting.
const CHAINS: usize = 32;
/// Blocks in one page of a chain.
const PAGE: usize = 256;
/// However much is pushed, a slice of all addresses is read this often.
const OVERDUE: Duration = Duration::from_secs(10);

/// What was found at some addresses.
#[derive(Debug, Default)]
struct Found {
    sends: Vec<Send>,
    taken: Vec<Taken>,
    /// Chains that were shown to their end, with how far that is.
    looked: Vec<Own>,
    /// Those of them of which there was something new.
    moved: Vec<StandingPosition>,
    requests: usize,
}

impl Found {
    fn page(self, next: ScanCursor, more: bool) -> ScanPage {
        ScanPage {
            observations: self.sends.iter().filter_map(map::observation).collect(),
            taken: self.taken,
            positions: self.moved,
            further_requests: u32::try_from(self.requests.saturating_sub(1)).unwrap_or(u32::MAX),
            next,
            more,
        }
    }
}

impl Nano {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a slice was read in this process.
    pub(crate) fn swept(&self) -> bool {
        self.progress().swept.is_some()
    }

    pub(crate) async fn page(&self, position: Position) -> Result<ScanPage, Failed> {
        let swept = {
            let mut progress = self.progress();
            let (looked, hinted) =
                (std::mem::take(&mut progress.looked), std::mem::take(&mut progress.hinted));
            if position.stage != Stage::Beginning && position.page == progress.page {
                self.shared.seen(&looked);
            } else {
                self.shared.hinted_again(&hinted);
            }
            progress.swept
        };
        let mut hinted = self.shared.take_hinted(HINTED);
        let told: Vec<Address> = hinted.iter().map(|own| own.address).collect();
        let overdue = swept.is_none_or(|at| at.elapsed() >= OVERDUE);
        let alone = position.stage == Stage::Live && !hinted.is_empty() && !overdue;
        for own in self.shared.soon(CHAINS) {
            if !told.is_empty() && !told.contains(&own.address) {
                hinted.push(own);
            }
        }
        let page = if alone {
            self.hinted_page(position, &hinted).await
        } else {
            self.slice(position, hinted).await
        };
        if page.is_err() {
            self.shared.hinted_again(&told);
        } else {
            self.progress().hinted = told;
        }
        page
    }

    /// What was named, or has to be looked at soon, and nothing else.
    async fn hinted_page(&self, position: Position, hinted: &[Own]) -> Result<ScanPage, Failed> {
        let mut found = Found::default();
        self.show(hinted, true, &mut found).await?;
        let page = self.number(position.page, &mut found, true);
        let next = Position { page, ..position };
        Ok(found.page(next.cursor(), self.shared.any_hinted()))
    }

    /// The next addresses in turn, with those where something was taken in.
    async fn slice(&self, position: Position, hinted: Vec<Own>) -> Result<ScanPage, Failed> {
        let Position { stage, page, after } = position;
        let whole = stage == Stage::Chains;
        let (mut some, mut more) = self.shared.slice(after, ADDRESSES);
        let mut found = Found::default();
        if whole {
            // Where many chains have to be looked through, the page ends with so many of them.
            let done = self.chains(&some, true, &mut found).await?;
            more |= done < some.len();
            some.truncate(done);
        } else if stage == Stage::Live {
            // Somebody else may have taken in what waited before anybody here had seen it: another wallet of the same seed, or a process that died.
            self.chains(&some, false, &mut found).await?;
            some.iter_mut().for_each(|own| own.look = None);
        }
        // What waits comes first, be it of thousands of accounts; their chains are read after it.
        let listing = matches!(stage, Stage::Beginning | Stage::Waiting);
        let end = some.last().map_or(after, |own| own.index);
        let named = !hinted.is_empty();
        for own in hinted.into_iter().chain(self.shared.soon(CHAINS)) {
            if !some.iter().any(|known| known.address == own.address) {
                some.push(own);
            }
        }
        self.show(&some, stage == Stage::Live, &mut found).await?;
        let page = self.number(page, &mut found, named);
        self.progress().swept = Some(Instant::now());
        let next = match (stage, more) {
            (Stage::Beginning | Stage::Waiting, true) => Stage::Waiting,
            (Stage::Beginning | Stage::Waiting, false) | (Stage::Chains, true) => Stage::Chains,
            (Stage::Chains, false) | (Stage::Live, _) => Stage::Live,
        };
        let next = Position { stage: next, page, after: if more { end } else { AccountIndex(0) } };
        Ok(found.page(next.cursor(), more || listing || self.shared.any_hinted()))
    }

    /// What an account's own address shows.
    pub(crate) async fn address_page(&self, index: AccountIndex) -> Result<ScanPage, Failed> {
        let address = self.seed.address(index);
        self.shared.watch([(address, index)]);
        let mut found = Found::default();
        if let Some(own) = self.shared.own(&address) {
            self.show(&[own], true, &mut found).await?;
        }
        Ok(found.page(ScanCursor::default(), false))
    }

    /// Numbers a page, if it showed something that is not shown again once it is stored.
    fn number(&self, page: u64, found: &mut Found, named: bool) -> u64 {
        let looked = std::mem::take(&mut found.looked);
        if looked.is_empty() && !named {
            return page;
        }
        let mut progress = self.progress();
        // Never a number that is in use, here or in a cursor that was stored.
        progress.page = progress.page.max(page).wrapping_add(1);
        progress.looked = looked;
        progress.page
    }

    /// What waits at these addresses, and, with `chains`, what their chains took in where that has to be looked at.
    async fn show(&self, some: &[Own], chains: bool, found: &mut Found) -> Result<(), Failed> {
        if chains {
            let asked: Vec<Own> = some.iter().filter(|own| own.look.is_some()).copied().collect();
            self.chains(&asked, false, found).await?;
        }
        for own in some.chunks(ADDRESSES) {
            let addresses: Vec<Address> = own.iter().map(|own| own.address).collect();
            let waiting = self.client.waiting(SCAN, &addresses, self.dust_raw, false).await?;
            found.requests += 1;
            let hashes: Vec<Hash> = waiting.into_values().flat_map(|all| all.into_keys()).collect();
            let (sends, _) = self.payments(&hashes, found).await?;
            for send in sends {
                if !found.sends.iter().any(|known| known.hash == send.hash) {
                    found.sends.push(send);
                }
            }
        }
        Ok(())
    }

    /// What these chains took in: the sends that their blocks received, and which block received which. `whole`: from their beginning. Answers
    /// for how many of them it did so: the rest in the next turn, what waits is not kept waiting.
    async fn chains(&self, some: &[Own], whole: bool, found: &mut Found) -> Result<usize, Failed> {
        let (mut done, mut walks) = (0, 0);
        for own in some.chunks(ADDRESSES) {
            let addresses: Vec<Address> = own.iter().map(|own| own.address).collect();
            let frontiers = self.client.frontiers(SCAN, &addresses).await?;
            found.requests += 1;
            for own in own {
                match frontiers.get(&own.address) {
                    // No block, or none since then.
                    None => found.looked.extend(own.look.map(|_| *own)),
                    Some(frontier) if !whole && own.position.is_some_and(|p| p.frontier == *frontier) => {
                        found.looked.extend(own.look.map(|_| *own));
                    }
                    Some(_) if walks >= CHAINS => return Ok(done),
                    Some(frontier) => {
                        walks += 1;
                        // One chain that cannot be read takes no other's payments along; it is looked at again, since its place is not noted.
                        if let Err(error) = self.chain(own, *frontier, whole, found).await {
                            tracing::warn!(address = %own.address, ?error, "the chain of an address was not read");
                        }
                    }
                }
                done += 1;
            }
        }
        Ok(done)
    }

    async fn chain(&self, own: &Own, frontier: Hash, whole: bool, found: &mut Found) -> Result<(), Failed> {
        let until = own.position.filter(|_| !whole).and_then(|position| position.listed);
        let (received, newest) = self.receives(own.address, until, found).await?;
        let mut blocks = Vec::new();
        for (block, info) in self.blocks(&received, found).await? {
            blocks.extend(info.contents.0.link.map(|send| (block, send)));
        }
        let hashes: Vec<Hash> = blocks.iter().map(|(_, send)| *send).collect();
        let (sends, understood) = self.payments(&hashes, found).await?;
        let by_hash: BTreeMap<Hash, &Send> = sends.iter().map(|send| (send.hash, send)).collect();
        let taken = blocks.iter().filter_map(|(block, send)| map::taken(*block, by_hash.get(send)?));
        found.taken.extend(taken);
        // What was not understood is looked at again.
        if understood && blocks.len() == received.len() {
            let position = book::Position { frontier, listed: newest.or(until) };
            found.looked.push(Own { position: Some(position), ..*own });
            found
                .moved
                .push(StandingPosition { address: own.address.to_string(), position: position.to_string() });
        }
        found.sends.extend(sends);
        Ok(())
    }

    async fn blocks(
        &self,
        hashes: &[Hash],
        found: &mut Found,
    ) -> Result<BTreeMap<Hash, crate::api::BlockInfo>, Failed> {
        found.requests += hashes.len().div_ceil(BLOCKS_AT_ONCE);
        self.client.blocks(SCAN, hashes).await
    }

    /// The receive and open blocks of a chain, from its newest back to one that is known, and the newest of all that is listed.
    async fn receives(
        &self,
        address: Address,
        until: Option<Hash>,
        found: &mut Found,
    ) -> Result<(Vec<Hash>, Option<Hash>), Failed> {
        let (mut receives, mut newest, mut head) = (Vec::new(), None, None);
        loop {
            let page = self.client.history(SCAN, address, head, PAGE).await?;
            found.requests += 1;
            newest = newest.or(page.history.first().map(|line| line.hash));
            let cut = page.previous.filter(|_| !page.history.is_empty());
            for line in page.history {
                if Some(line.hash) == until {
                    return Ok((receives, newest));
                }
                if line.kind == "receive" {
                    receives.push(line.hash);
                }
            }
            match cut {
                Some(next) if Some(next) != head => head = Some(next),
                _ => return Ok((receives, newest)),
            }
        }
    }

    /// Those of these sends that are payments to our addresses, each as its own block says it: what is merely listed is not believed. And whether
    /// all of them were understood.
    async fn payments(&self, hashes: &[Hash], found: &mut Found) -> Result<(Vec<Send>, bool), Failed> {
        // What was confirmed once stays so: not asked again.
        let known = |hash: &Hash| self.shared.met(*hash).filter(|send| send.confirmed);
        let unknown: Vec<_> = hashes.iter().copied().filter(|hash| known(hash).is_none()).collect();
        let infos = self.blocks(&unknown, found).await?;
        let mut understood = infos.len() == unknown.len();
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
                    understood = false;
                    tracing::warn!(%hash, code = concern.code, detail = concern.detail, "a payment is left as it is");
                }
            }
        }
        sends.retain(|send| self.shared.watches(&send.to) && send.raw >= self.dust_raw);
        Ok((sends, understood))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_read_back_and_foreign_ones_begin_anew() {
        for stage in [Stage::Waiting, Stage::Chains, Stage::Live] {
            for page in [0, 7, u64::MAX] {
                let position = Position { stage, page, after: AccountIndex(500) };
                assert_eq!(Position::of(Some(&position.cursor())), position);
            }
        }
        // Of an earlier release.
        let live = Position { stage: Stage::Live, page: 7, after: AccountIndex(0) };
        assert_eq!(Position::of(Some(&ScanCursor("live-7".into()))), live);
        assert_eq!(Position::of(Some(&ScanCursor("live".into()))), Position { page: 0, ..live });
        for foreign in ["", "live-", "live-x", "newest", "chains--1", "live-1-x"] {
            assert_eq!(Position::of(Some(&ScanCursor(foreign.into()))).stage, Stage::Beginning, "{foreign}");
        }
        assert_eq!(Position::of(None).stage, Stage::Beginning);
    }
}

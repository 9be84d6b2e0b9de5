//! The scan: what waits at our addresses, and what their own chains have taken in.

use std::collections::BTreeSet;

use deposit_core::{Observation, Operation, ScanCursor, ScanPage};

use crate::address::Address;
use crate::block::Hash;
use crate::book::ALL;
use crate::error::Failed;
use crate::map::{self, NoPayment, Send};
use crate::provider::Nano;

const SCAN: Operation = Operation::Scan;
/// Addresses in one request.
const ADDRESSES: usize = 100;
/// Blocks in one page of a chain.
const PAGE: usize = 256;

/// Where a scan stands. The cursor's text says only whether every chain was once looked through from its beginning: what waits is asked
/// for anew each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Position {
    /// Begin with whole chains.
    Beginning,
    /// On the way through whole chains.
    Chains,
    /// They are done.
    Live,
}

const CHAINS: &str = "chains";
const LIVE: &str = "live";

impl Position {
    pub(crate) fn of(cursor: Option<&ScanCursor>) -> Self {
        match cursor.map(|cursor| cursor.0.as_str()) {
            Some(LIVE) => Self::Live,
            Some(CHAINS) => Self::Chains,
            // A text that is not ours: better once too often.
            None | Some(_) => Self::Beginning,
        }
    }
}

impl Nano {
    pub(crate) async fn page(&self, position: Position) -> Result<ScanPage, Failed> {
        // After a restart the way through the chains begins anew.
        let on_the_way =
            self.on_the_way.swap(position != Position::Live, std::sync::atomic::Ordering::SeqCst);
        if position == Position::Beginning || (position == Position::Chains && !on_the_way) {
            self.shared.look_through_all();
        }
        let some = self.shared.unseen(ADDRESSES);
        let mut observations = self.chains(&some).await?;
        self.shared.seen(&some);
        if !self.shared.all_seen() {
            let next = if position == Position::Live { LIVE } else { CHAINS };
            return Ok(ScanPage { observations, next: ScanCursor(next.to_owned()), more: true });
        }
        for addresses in self.shared.addresses().chunks(ADDRESSES) {
            observations.extend(self.waiting(addresses).await?);
        }
        Ok(ScanPage { observations, next: ScanCursor(LIVE.to_owned()), more: false })
    }

    /// What waits at these addresses.
    async fn waiting(&self, addresses: &[Address]) -> Result<Vec<Observation>, Failed> {
        let waiting = self.client.waiting(SCAN, addresses, self.dust_raw, false).await?;
        let hashes: Vec<Hash> = waiting.into_values().flat_map(|all| all.into_keys()).collect();
        self.payments(&hashes).await
    }

    /// What these addresses took in: the sends that the newest blocks of their chains received.
    async fn chains(&self, some: &[(Address, usize)]) -> Result<Vec<Observation>, Failed> {
        let addresses: Vec<_> = some.iter().map(|(address, _)| *address).collect();
        if addresses.is_empty() {
            return Ok(Vec::new());
        }
        // Nothing is ever sent from these addresses by this program, so one that took something in has a balance. One that somebody
        // emptied is looked at all the same when everything is asked for.
        let full: BTreeSet<_> = self.client.with_balance(SCAN, &addresses).await?.into_iter().collect();
        let mut sends = Vec::new();
        for (address, depth) in some.iter().filter(|(address, depth)| *depth == ALL || full.contains(address))
        {
            let received = self.receives(*address, *depth).await?;
            for (_, info) in self.client.blocks(SCAN, &received).await? {
                sends.extend(info.contents.0.link);
            }
        }
        self.payments(&sends).await
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

    /// These sends, each as its own block says it: what is merely listed is not believed.
    async fn payments(&self, hashes: &[Hash]) -> Result<Vec<Observation>, Failed> {
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
        let ours = sends.iter().filter(|send| self.shared.watches(&send.to) && send.raw >= self.dust_raw);
        Ok(ours.filter_map(map::observation).collect())
    }
}

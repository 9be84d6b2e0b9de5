//! What this process knows: the addresses to look after, the sends it has met, and whether something new was hinted at. All of it can be
//! lost: the next scan finds it again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use deposit_core::AccountIndex;
use tokio::sync::{Notify, watch};

use crate::address::Address;
use crate::block::Hash;
use crate::map::Send;

/// How many blocks of an address's own chain are looked through after a start: more than are taken in between two commits, so that a process
/// that died in between loses neither a payment nor by which block it was taken in.
pub(crate) const RECENT: usize = 64;
/// The whole chain.
pub(crate) const ALL: usize = usize::MAX;
/// Most sends that are remembered.
const MOST_SENDS: usize = 65_536;
/// A send that is not confirmed by now gets an election, once (dossier, section 8).
const SLOW: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct Met {
    send: Send,
    first: Instant,
    asked: bool,
}

/// A chain that is to be looked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) address: Address,
    /// How many of its newest blocks.
    pub(crate) depth: usize,
    /// Which asking this answers: one that came while the chain was being read is not answered by that.
    asked: u64,
}

#[derive(Debug, Default)]
struct Book {
    addresses: BTreeSet<Address>,
    indices: BTreeSet<AccountIndex>,
    /// Chains that are still to be looked through.
    unseen: BTreeMap<Address, Look>,
    asked: u64,
    met: HashMap<Hash, Met>,
}

impl Book {
    fn ask(&mut self, address: Address, depth: usize) {
        self.asked += 1;
        let before = self.unseen.get(&address).map_or(0, |look| look.depth);
        let look = Look { address, depth: depth.max(before), asked: self.asked };
        self.unseen.insert(address, look);
    }
}

/// Shared with the task that listens.
#[derive(Debug)]
pub(crate) struct Shared {
    book: Mutex<Book>,
    hint: Notify,
    /// How many addresses there are.
    grown: watch::Sender<usize>,
}

impl Shared {
    pub(crate) fn new() -> Self {
        Self { book: Mutex::default(), hint: Notify::new(), grown: watch::Sender::new(0) }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds those that are new.
    pub(crate) fn watch(&self, all: impl IntoIterator<Item = (Address, AccountIndex)>) {
        let mut book = self.book();
        for (address, index) in all {
            book.indices.insert(index);
            if book.addresses.insert(address) {
                book.ask(address, RECENT);
            }
        }
        let count = book.addresses.len();
        drop(book);
        self.grown.send_if_modified(|known| std::mem::replace(known, count) != count);
    }

    pub(crate) fn knows(&self, index: AccountIndex) -> bool {
        self.book().indices.contains(&index)
    }

    pub(crate) fn watches(&self, address: &Address) -> bool {
        self.book().addresses.contains(address)
    }

    pub(crate) fn addresses(&self) -> Vec<Address> {
        self.book().addresses.iter().copied().collect()
    }

    /// Changes when addresses are added.
    pub(crate) fn growth(&self) -> watch::Receiver<usize> {
        self.grown.subscribe()
    }

    /// Every chain from its beginning.
    pub(crate) fn look_through_all(&self) {
        let mut book = self.book();
        for address in book.addresses.clone() {
            book.ask(address, ALL);
        }
    }

    /// This chain again, at least so far: something was taken in there.
    pub(crate) fn look_through(&self, address: Address, depth: usize) {
        self.book().ask(address, depth);
    }

    /// Some of the chains that are still to be looked through.
    pub(crate) fn unseen(&self, count: usize) -> Vec<Look> {
        self.book().unseen.values().take(count).copied().collect()
    }

    /// These were looked through. What was asked for since they were listed stays.
    pub(crate) fn seen(&self, done: &[Look]) {
        let mut book = self.book();
        for look in done {
            if book.unseen.get(&look.address).is_some_and(|now| now.asked == look.asked) {
                book.unseen.remove(&look.address);
            }
        }
    }

    pub(crate) fn unseen_count(&self) -> usize {
        self.book().unseen.len()
    }

    /// Remembers a send; says whether an election should be asked for.
    pub(crate) fn meet(&self, send: Send) -> bool {
        let mut book = self.book();
        if book.met.len() >= MOST_SENDS && !book.met.contains_key(&send.hash) {
            book.met.clear();
        }
        let met =
            book.met.entry(send.hash).or_insert_with(|| Met { send, first: Instant::now(), asked: false });
        met.send = send;
        let ask = !send.confirmed && !met.asked && met.first.elapsed() >= SLOW;
        met.asked |= ask;
        ask
    }

    /// A send that was met, as it was then.
    pub(crate) fn met(&self, hash: Hash) -> Option<Send> {
        self.book().met.get(&hash).map(|met| met.send)
    }

    /// Something may have come.
    pub(crate) fn hint(&self) {
        // Kept until somebody waits for it.
        self.hint.notify_one();
    }

    pub(crate) async fn hinted(&self) {
        self.hint.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_for_meanwhile_is_not_forgotten() {
        let shared = Shared::new();
        let address = Address([1; 32]);
        let depths = || shared.unseen(10).iter().map(|look| look.depth).collect::<Vec<_>>();
        shared.watch([(address, AccountIndex(1)), (address, AccountIndex(1))]);
        let some = shared.unseen(10);
        assert_eq!(depths(), [RECENT]);
        // No deeper than before, but a block was added while the chain was being read.
        shared.look_through(address, 1);
        shared.seen(&some);
        assert_eq!(depths(), [RECENT]);
        shared.look_through(address, RECENT + 3);
        assert_eq!(depths(), [RECENT + 3]);
        shared.seen(&shared.unseen(10));
        assert_eq!(shared.unseen_count(), 0);
        shared.watch([(address, AccountIndex(1))]);
        assert_eq!(shared.unseen_count(), 0, "telling it again does nothing");
        shared.look_through_all();
        assert_eq!(depths(), [ALL]);
        assert!(shared.knows(AccountIndex(1)) && !shared.knows(AccountIndex(2)));
    }

    #[test]
    fn an_election_is_asked_for_once_and_not_at_once() {
        let shared = Shared::new();
        let send = Send {
            hash: Hash([1; 32]),
            to: Address([2; 32]),
            raw: 1,
            confirmed: false,
            previous: None,
            at: None,
        };
        assert!(!shared.meet(send));
        shared.book().met.get_mut(&send.hash).unwrap().first -= SLOW;
        assert!(shared.meet(send));
        assert!(!shared.meet(send));
        assert_eq!(shared.met(send.hash), Some(send));
    }

    #[tokio::test]
    async fn a_hint_waits_for_its_reader() {
        let shared = Shared::new();
        shared.hint();
        shared.hint();
        shared.hinted().await;
        let none = tokio::time::timeout(Duration::from_millis(5), shared.hinted()).await;
        assert!(none.is_err(), "hints add up to one");
    }
}

//! What this process knows: the addresses to look after, the sends it has met, and whether something new was hinted at. All of it can be
//! lost: the next scan finds it again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::ops::Bound;
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use deposit_core::AccountIndex;
use tokio::sync::{Notify, watch};

use crate::address::Address;
use crate::block::Hash;
use crate::map::Send;

/// Most sends that are remembered.
const MOST_SENDS: usize = 65_536;
/// Pushes that are remembered until the node's answers show them.
const MOST_PUSHED: usize = 10_000;
/// When what a push has told is asked for again; doubled each time.
const AGAIN: Duration = Duration::from_millis(500);
/// How often.
const REMINDERS: u32 = 6;
/// A send that is not confirmed by now gets an election, once (dossier, section 8).
const SLOW: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct Met {
    send: Send,
    first: Instant,
    asked: bool,
}

/// How far an account's own chain was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// The newest block of the chain: while it is that, there is nothing new.
    pub(crate) frontier: Hash,
    /// The newest block that the history listed, which leaves some kinds out: what lies behind it was shown.
    pub(crate) listed: Option<Hash>,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.frontier)?;
        self.listed.map_or(Ok(()), |listed| write!(f, "-{listed}"))
    }
}

impl FromStr for Position {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (frontier, listed) = text.split_once('-').map_or((text, None), |(f, l)| (f, Some(l)));
        Ok(Self {
            frontier: frontier.parse().map_err(|_| ())?,
            listed: listed.map(str::parse).transpose().map_err(|_| ())?,
        })
    }
}

/// An address of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Own {
    pub(crate) address: Address,
    pub(crate) index: AccountIndex,
    /// How far its chain was shown, as far as that is stored.
    pub(crate) position: Option<Position>,
    /// Whether its chain has to be looked at, and by which asking: one that came while it was being read is not answered by that.
    pub(crate) look: Option<u64>,
}

#[derive(Debug, Default)]
struct Book {
    own: BTreeMap<Address, Own>,
    indices: BTreeMap<AccountIndex, Address>,
    /// All addresses in the order in which they were told: who listens takes up where it was.
    told: Vec<Address>,
    /// Somebody told of them: read before all others.
    hinted: BTreeSet<Address>,
    /// Something was taken in there: their chains are looked at soon.
    soon: BTreeSet<Address>,
    asked: u64,
    met: HashMap<Hash, Met>,
    /// Sends that a push has called confirmed, and that no answer of the node has shown so yet.
    pushed: HashMap<Hash, Pushed>,
}

/// A push that is ahead of the node's answers.
#[derive(Debug, Clone, Copy)]
struct Pushed {
    to: Address,
    tries: u32,
    next: Instant,
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
            book.indices.insert(index, address);
            if !book.own.contains_key(&address) {
                book.asked += 1;
                // Once in each process: an earlier one may have died before what it took in was shown.
                let own = Own { address, index, position: None, look: Some(book.asked) };
                book.own.insert(address, own);
                book.told.push(address);
            }
        }
        let count = book.own.len();
        drop(book);
        self.grown.send_if_modified(|known| std::mem::replace(known, count) != count);
    }

    /// How far an earlier process had come.
    pub(crate) fn resume(&self, address: &Address, position: Position) {
        if let Some(own) = self.book().own.get_mut(address) {
            own.position.get_or_insert(position);
        }
    }

    pub(crate) fn knows(&self, index: AccountIndex) -> bool {
        self.book().indices.contains_key(&index)
    }

    pub(crate) fn watches(&self, address: &Address) -> bool {
        self.book().own.contains_key(address)
    }

    /// The addresses that were told after the first `known` ones.
    pub(crate) fn addresses_after(&self, known: usize) -> Vec<Address> {
        self.book().told.get(known..).unwrap_or_default().to_vec()
    }

    /// At most `count` addresses of accounts behind `after`, and whether there are more.
    pub(crate) fn slice(&self, after: AccountIndex, count: usize) -> (Vec<Own>, bool) {
        let book = self.book();
        let mut behind = book.indices.range((Bound::Excluded(after), Bound::Unbounded));
        let some = behind.by_ref().take(count).filter_map(|(_, address)| book.own.get(address)).copied();
        let some: Vec<Own> = some.collect();
        (some, behind.next().is_some())
    }

    /// What is known of an address.
    pub(crate) fn own(&self, address: &Address) -> Option<Own> {
        self.book().own.get(address).copied()
    }

    /// At most so many of the addresses that somebody told of; they are no longer hinted at.
    pub(crate) fn take_hinted(&self, count: usize) -> Vec<Own> {
        let mut book = self.book();
        let some: Vec<Address> = book.hinted.iter().take(count).copied().collect();
        for address in &some {
            book.hinted.remove(address);
        }
        some.iter().filter_map(|address| book.own.get(address)).copied().collect()
    }

    /// They were not shown after all.
    pub(crate) fn hinted_again(&self, some: &[Address]) {
        self.book().hinted.extend(some);
    }

    pub(crate) fn any_hinted(&self) -> bool {
        !self.book().hinted.is_empty()
    }

    /// At most so many addresses at which something was taken in.
    pub(crate) fn soon(&self, count: usize) -> Vec<Own> {
        let book = self.book();
        book.soon.iter().take(count).filter_map(|address| book.own.get(address)).copied().collect()
    }

    /// Changes when addresses are added.
    pub(crate) fn growth(&self) -> watch::Receiver<usize> {
        self.grown.subscribe()
    }

    /// This chain again: something was taken in there.
    pub(crate) fn look_at(&self, address: Address) {
        let mut book = self.book();
        book.asked += 1;
        let asked = book.asked;
        if let Some(own) = book.own.get_mut(&address) {
            own.look = Some(asked);
            book.soon.insert(address);
        }
    }

    /// These chains were looked at, and what they showed is stored. What was asked for since then stays.
    pub(crate) fn seen(&self, done: &[Own]) {
        let mut book = self.book();
        for looked in done {
            let Some(own) = book.own.get_mut(&looked.address) else { continue };
            own.position = looked.position;
            if own.look == looked.look {
                own.look = None;
                book.soon.remove(&looked.address);
            }
        }
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

    /// Something has come to this address.
    pub(crate) fn hint_at(&self, address: Address) {
        self.book().hinted.insert(address);
        self.hint();
    }

    /// A push says that this send to `to` is confirmed: its address is read now, and again soon for as long as the node's answers do not show it.
    pub(crate) fn hint_at_send(&self, send: Hash, to: Address) {
        {
            let mut book = self.book();
            if book.pushed.len() < MOST_PUSHED {
                book.pushed.insert(send, Pushed { to, tries: 0, next: Instant::now() + AGAIN });
            }
        }
        self.hint_at(to);
    }

    /// Hints again at what a push has called confirmed, where the answers are still behind it; gives up where the usual turn comes as soon.
    pub(crate) fn remind(&self) {
        let now = Instant::now();
        let due: Vec<Address> = {
            let mut book = self.book();
            let Book { pushed, met, .. } = &mut *book;
            pushed.retain(|send, push| {
                !met.get(send).is_some_and(|met| met.send.confirmed) && push.tries < REMINDERS
            });
            let due = pushed.values_mut().filter(|push| push.next <= now);
            due.map(|push| {
                push.tries += 1;
                push.next = now + AGAIN * 2_u32.saturating_pow(push.tries);
                push.to
            })
            .collect()
        };
        due.into_iter().for_each(|to| self.hint_at(to));
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
        let position = Position { frontier: Hash([7; 32]), listed: None };
        let own = || shared.own(&address).unwrap();
        shared.watch([(address, AccountIndex(1)), (address, AccountIndex(1))]);
        let before = own();
        assert!(before.look.is_some(), "once in each process");
        // A block was added while the chain was being read.
        shared.look_at(address);
        shared.seen(&[Own { position: Some(position), ..before }]);
        assert!(own().look.is_some() && own().position == Some(position));
        assert_eq!(shared.soon(9), [own()]);
        shared.seen(&[own()]);
        assert!(own().look.is_none() && shared.soon(9).is_empty());
        shared.watch([(address, AccountIndex(1))]);
        assert!(own().look.is_none(), "telling it again does nothing");
        assert!(shared.knows(AccountIndex(1)) && !shared.knows(AccountIndex(2)));
    }

    #[test]
    fn slices_go_on_where_they_stopped_and_hints_come_once() {
        let shared = Shared::new();
        shared.watch((1..=5).map(|n| (Address([9 - n; 32]), AccountIndex(u32::from(n)))));
        let indices = |after, count| {
            let (some, more) = shared.slice(AccountIndex(after), count);
            (some.iter().map(|own| own.index.0).collect::<Vec<_>>(), more)
        };
        assert_eq!(indices(0, 2), (vec![1, 2], true));
        assert_eq!(indices(2, 3), (vec![3, 4, 5], false));
        assert_eq!(indices(5, 3), (vec![], false));
        shared.hint_at(Address([8; 32]));
        shared.hint_at(Address([99; 32]));
        let told = shared.take_hinted(9);
        assert_eq!(told.iter().map(|own| own.index.0).collect::<Vec<_>>(), [1]);
        assert!(!shared.any_hinted());
        shared.hinted_again(&[Address([8; 32])]);
        assert_eq!(shared.take_hinted(9), told);
    }

    #[test]
    fn positions_read_back() {
        for position in [
            Position { frontier: Hash([1; 32]), listed: None },
            Position { frontier: Hash([1; 32]), listed: Some(Hash([2; 32])) },
        ] {
            assert_eq!(position.to_string().parse(), Ok(position));
        }
        for foreign in ["", "x", "-", "live-1"] {
            assert_eq!(foreign.parse::<Position>(), Err(()), "{foreign}");
        }
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

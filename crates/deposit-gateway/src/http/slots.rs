//! How many event streams are open, in all and for each account. A stream holds a connection for as long as it likes, so it must leave
//! room for requests that end, and one account must leave room for others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use deposit_store::AccountId;

/// The open streams.
#[derive(Debug)]
pub(crate) struct Slots {
    most: usize,
    most_of_account: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_account: BTreeMap<AccountId, usize>,
}

/// Why there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// All accounts together have as many as there may be.
    Server,
    /// This account has; the number is what it may have.
    Account(usize),
}

/// One open stream; dropped with it.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Arc<Slots>,
    account: AccountId,
}

impl Slots {
    pub(crate) fn new(most: usize, most_of_account: usize) -> Arc<Self> {
        Arc::new(Self { most, most_of_account, open: Mutex::default() })
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        // Only whole steps are made under the lock.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many streams are open.
    pub(crate) fn total(&self) -> usize {
        self.open().total
    }

    /// Room for one more stream of this account.
    pub(crate) fn take(self: &Arc<Self>, account: AccountId) -> Result<Slot, Full> {
        let mut open = self.open();
        if open.by_account.get(&account).is_some_and(|own| *own >= self.most_of_account) {
            return Err(Full::Account(self.most_of_account));
        }
        if open.total >= self.most {
            return Err(Full::Server);
        }
        open.total += 1;
        *open.by_account.entry(account).or_default() += 1;
        drop(open);
        Ok(Slot { slots: Arc::clone(self), account })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.slots.open();
        open.total = open.total.saturating_sub(1);
        let left = open.by_account.get(&self.account).map_or(0, |own| own.saturating_sub(1));
        if left == 0 {
            open.by_account.remove(&self.account);
        } else {
            open.by_account.insert(self.account, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_bounded_in_all_and_by_account_and_comes_back() {
        let slots = Slots::new(3, 2);
        let (ana, ben, cleo) = (AccountId(1), AccountId(2), AccountId(3));
        let first = slots.take(ana).unwrap();
        let second = slots.take(ana).unwrap();
        assert_eq!(slots.take(ana).unwrap_err(), Full::Account(2));
        let third = slots.take(ben).unwrap();
        assert_eq!(slots.take(cleo).unwrap_err(), Full::Server);
        assert_eq!(slots.take(ana).unwrap_err(), Full::Account(2), "its own bound is the better answer");
        drop(first);
        let fourth = slots.take(ben).unwrap();
        drop((second, third, fourth));
        assert_eq!((slots.total(), slots.open().by_account.len()), (0, 0));
    }
}

//! The chain and what the wallet knows of it: blocks, a pool, reorganisations.

use super::CONFIRMATIONS;

/// How long the wallet lists as unconfirmed what is in the pool no more.
const LISTED_SECONDS: i64 = 4 * 24 * 3_600;
/// Mean time of a block.
const BLOCK_SECONDS: i64 = 60;

/// One line of a transaction: money under a payment id in one asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spend {
    /// 16 hexadecimal digits; empty: the wallet's own address.
    pub payment_id: String,
    /// 64 hexadecimal digits.
    pub asset_id: String,
    /// In smallest units.
    pub amount: u64,
    /// Whether it comes in.
    pub income: bool,
}

/// What happens to a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// Into the next block.
    Mine,
    /// Out of its block, or out of the pool: nowhere. The wallet goes on listing it as unconfirmed for days.
    Drop,
    /// Out of its block and back into the pool.
    Unmine,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Pool,
    Block(u64),
    Nowhere,
}

#[derive(Debug, Clone)]
pub(super) struct Transaction {
    pub(super) hash: String,
    pub(super) place: Place,
    /// The height that the wallet tells while it is unconfirmed: that of the block that it was detached from, else 0.
    pub(super) told_height: u64,
    /// When the wallet heard of it.
    pub(super) heard: i64,
    /// Of its block.
    pub(super) block_time: i64,
    pub(super) spends: Vec<Spend>,
    pub(super) unlock_time: u64,
    pub(super) mining: bool,
    /// Its turn within a block.
    turn: u64,
    /// Was ever deep enough; how often it was taken back since, and how often given back.
    pub(super) confirmed: bool,
    pub(super) taken: u32,
    pub(super) given_back: u32,
}

#[derive(Debug)]
pub(super) struct Chain {
    /// The top block.
    pub(super) height: u64,
    /// Where the wallet stands, if it does not follow.
    pub(super) stuck: Option<u64>,
    last_block: i64,
    turn: u64,
    pub(super) transactions: Vec<Transaction>,
}

impl Chain {
    pub(super) fn new(height: u64, now: i64) -> Self {
        Self { height, stuck: None, last_block: now, turn: 0, transactions: Vec::new() }
    }

    /// The wallet's top block.
    pub(super) fn seen_height(&self) -> u64 {
        self.stuck.map_or(self.height, |stuck| stuck.min(self.height))
    }

    /// Empty blocks for the time that went by.
    pub(super) fn grow(&mut self, now: i64) {
        let blocks = now.saturating_sub(self.last_block).max(0) / BLOCK_SECONDS;
        if blocks > 0 {
            self.last_block = self.last_block.saturating_add(blocks.saturating_mul(BLOCK_SECONDS));
            self.blocks(u64::try_from(blocks).unwrap_or(0));
        }
    }

    /// When the next block comes.
    pub(super) fn next_block(&self) -> i64 {
        self.last_block.saturating_add(BLOCK_SECONDS)
    }

    /// Empty blocks.
    pub(super) fn blocks(&mut self, count: u64) {
        self.height = self.height.saturating_add(count);
        let height = self.height;
        for tx in &mut self.transactions {
            let deep = matches!(tx.place, Place::Block(at) if height.saturating_sub(at) >= CONFIRMATIONS);
            if !deep {
                continue;
            }
            tx.confirmed = true;
            tx.given_back = tx.taken;
        }
    }

    /// A new transaction in the pool.
    pub(super) fn add(&mut self, hash: String, spends: Vec<Spend>, unlock_time: u64, mining: bool, now: i64) {
        self.transactions.push(Transaction {
            hash,
            place: Place::Pool,
            told_height: 0,
            heard: now,
            block_time: now,
            spends,
            unlock_time,
            mining,
            turn: 0,
            confirmed: false,
            taken: 0,
            given_back: 0,
        });
    }

    /// Moves transactions; those that are mined go into one new block. Whether all of them could be moved so.
    pub(super) fn shift(&mut self, hashes: &[&str], to: Move, now: i64) -> bool {
        let fits = |tx: &Transaction| match to {
            Move::Mine => !matches!(tx.place, Place::Block(_)),
            Move::Drop => tx.place != Place::Nowhere,
            Move::Unmine => matches!(tx.place, Place::Block(_)),
        };
        let known = |hash: &&str| self.transactions.iter().any(|tx| tx.hash == **hash && fits(tx));
        if !hashes.iter().all(known) {
            return false;
        }
        if to == Move::Mine {
            self.blocks(1);
        }
        let mut replaced = false;
        for tx in self.transactions.iter_mut().filter(|tx| hashes.contains(&tx.hash.as_str())) {
            if let Place::Block(height) = tx.place {
                (replaced, tx.told_height) = (true, height);
            }
            if to == Move::Mine {
                self.turn += 1;
                (tx.place, tx.block_time, tx.turn) = (Place::Block(self.height), now, self.turn);
                continue;
            }
            if tx.confirmed && tx.taken == tx.given_back {
                tx.taken += 1;
            }
            tx.place = if to == Move::Drop { Place::Nowhere } else { Place::Pool };
        }
        // The branch that wins is longer by one; what else was in the old one is in the new one at the same heights.
        if replaced {
            self.blocks(1);
        }
        true
    }

    /// Transactions that are in blocks that the wallet has seen, oldest first.
    pub(super) fn history(&self) -> Vec<&Transaction> {
        let top = self.seen_height();
        let mut mined: Vec<_> = self
            .transactions
            .iter()
            .filter_map(|tx| match tx.place {
                Place::Block(height) if height <= top => Some((height, tx.turn, tx)),
                Place::Block(_) | Place::Pool | Place::Nowhere => None,
            })
            .collect();
        mined.sort_by_key(|(height, turn, _)| (*height, *turn));
        mined.into_iter().map(|(_, _, tx)| tx).collect()
    }

    pub(super) fn pool(&self) -> impl Iterator<Item = &Transaction> {
        self.transactions.iter().filter(|tx| tx.place == Place::Pool)
    }

    /// What the wallet lists as unconfirmed: what is in the pool, and what left it or was detached, for four days.
    pub(super) fn unconfirmed(&self, now: i64) -> impl Iterator<Item = &Transaction> {
        let listed = move |tx: &Transaction| !tx.mining && now.saturating_sub(tx.heard) < LISTED_SECONDS;
        self.transactions.iter().filter(move |tx| match tx.place {
            Place::Pool => true,
            Place::Nowhere => listed(tx),
            Place::Block(_) => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chain() -> Chain {
        Chain::new(1_000, 0)
    }

    fn add(chain: &mut Chain, hash: &str) {
        chain.add(hash.to_owned(), vec![], 0, false, 0);
    }

    fn state(chain: &Chain, hash: &str) -> (Place, bool, u32, u32) {
        let tx = chain.transactions.iter().find(|tx| tx.hash == hash).unwrap();
        (tx.place, tx.confirmed, tx.taken, tx.given_back)
    }

    #[test]
    fn ten_blocks_on_top_confirm() {
        let mut chain = chain();
        add(&mut chain, "a");
        assert!(chain.shift(&["a"], Move::Mine, 0));
        assert_eq!(state(&chain, "a"), (Place::Block(1_001), false, 0, 0));
        chain.blocks(9);
        assert!(!state(&chain, "a").1);
        chain.blocks(1);
        assert!(state(&chain, "a").1);
    }

    #[test]
    fn time_brings_blocks_but_leaves_the_pool() {
        let mut chain = chain();
        add(&mut chain, "a");
        chain.grow(59);
        assert_eq!(chain.height, 1_000);
        chain.grow(3_600);
        assert_eq!((chain.height, state(&chain, "a").0, chain.next_block()), (1_060, Place::Pool, 3_660));
    }

    #[test]
    fn a_shallow_reorganisation_takes_nothing_back_and_a_deep_one_does() {
        let mut chain = chain();
        add(&mut chain, "a");
        add(&mut chain, "b");
        chain.shift(&["a", "b"], Move::Mine, 0);
        chain.blocks(3);
        assert!(chain.shift(&["a"], Move::Unmine, 0));
        assert_eq!(state(&chain, "a"), (Place::Pool, false, 0, 0));
        chain.blocks(10);
        assert!(chain.shift(&["b"], Move::Drop, 0));
        assert_eq!(state(&chain, "b"), (Place::Nowhere, true, 1, 0));
        assert!(!chain.shift(&["b"], Move::Drop, 0));
        chain.shift(&["b"], Move::Mine, 0);
        assert_eq!(state(&chain, "b").3, 0, "not deep yet");
        chain.blocks(10);
        assert_eq!(state(&chain, "b").3, 1);
    }

    #[test]
    fn a_stuck_wallet_sees_no_new_block() {
        let mut chain = chain();
        chain.stuck = Some(1_000);
        add(&mut chain, "a");
        chain.shift(&["a"], Move::Mine, 0);
        assert_eq!((chain.history().len(), chain.seen_height(), chain.height), (0, 1_000, 1_001));
    }

    proptest! {
        #[test]
        fn history_is_in_order_and_counts_only_grow(moves in prop::collection::vec((0_usize..6, 0_u8..5), 0..80)) {
            let mut chain = chain();
            let hashes = ["a", "b", "c", "d", "e", "f"];
            for hash in hashes {
                add(&mut chain, hash);
            }
            let mut before: Vec<_> = chain.transactions.iter().map(|tx| (tx.confirmed, tx.taken, tx.given_back)).collect();
            for (which, what) in moves {
                let height = chain.height;
                match what {
                    0 => _ = chain.shift(&[hashes[which]], Move::Mine, 0),
                    1 => _ = chain.shift(&[hashes[which]], Move::Drop, 0),
                    2 => _ = chain.shift(&[hashes[which]], Move::Unmine, 0),
                    n => chain.blocks(u64::from(n) * 3),
                }
                prop_assert!(chain.height >= height);
                let heights: Vec<_> = chain.history().iter().map(|tx| match tx.place {
                    Place::Block(height) => height,
                    Place::Pool | Place::Nowhere => 0,
                }).collect();
                prop_assert!(heights.is_sorted());
                for (tx, old) in chain.transactions.iter().zip(&mut before) {
                    prop_assert!(tx.confirmed >= old.0 && tx.taken >= old.1 && tx.given_back >= old.2);
                    prop_assert!(tx.given_back <= tx.taken && tx.taken <= tx.given_back + 1);
                    prop_assert!(tx.confirmed || tx.taken == 0);
                    *old = (tx.confirmed, tx.taken, tx.given_back);
                }
            }
        }
    }
}

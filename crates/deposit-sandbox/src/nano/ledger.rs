//! The block lattice: what a node checks before it takes a block, and what is confirmed.

use std::collections::BTreeMap;

use super::codec;
use super::codec::{Id, ZERO};

/// Worthless and public: the genesis account of the dev network, which holds the whole supply.
pub(super) const GENESIS_KEY: &str = "34F0A37AAD20F4A260F0A5B3CB3D7FB50673212263E58A380BC10474BB039CE4";
/// Its first block, which names the network.
pub(super) const GENESIS_HASH: &str = "04270D7F11C4B2B472F2854C5A59F2A7E84226CE9ED799DE75744BD7D85FC9D9";

/// Work below this never enters a dev node.
pub(super) const ENTRY_THRESHOLD: u64 = 0xf000_0000_0000_0000;
/// What a fresh dev ledger, still at epoch 0, wants for every block.
pub(super) const LEDGER_THRESHOLD: u64 = 0xfe00_0000_0000_0000;

/// What a block did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Open,
    Send,
    Receive,
    Change,
}

impl Kind {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Send => "send",
            Self::Receive => "receive",
            Self::Change => "change",
        }
    }
}

/// A state block as it was given.
#[derive(Debug, Clone, Copy)]
pub(super) struct Given {
    pub(super) account: Id,
    pub(super) previous: Id,
    pub(super) representative: Id,
    pub(super) balance: u128,
    pub(super) link: Id,
    pub(super) signature: [u8; 64],
    pub(super) work: u64,
}

impl Given {
    pub(super) fn hash(&self) -> Id {
        codec::block_hash(&self.account, &self.previous, &self.representative, self.balance, &self.link)
    }

    fn root(&self) -> &Id {
        if self.previous == ZERO { &self.account } else { &self.previous }
    }
}

/// A block of the ledger.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) given: Given,
    pub(super) hash: Id,
    pub(super) kind: Kind,
    /// What it moved.
    pub(super) amount: u128,
    pub(super) height: u64,
    /// When this node took it.
    pub(super) at: i64,
    pub(super) confirmed: bool,
    pub(super) successor: Id,
    /// The block that took a send in.
    pub(super) received_by: Id,
}

impl Block {
    /// Where a send goes.
    pub(super) fn destination(&self) -> Option<Id> {
        (self.kind == Kind::Send).then_some(self.given.link)
    }
}

#[derive(Debug)]
pub(super) struct Ledger {
    blocks: BTreeMap<Id, Block>,
    /// Newest block of each opened account.
    heads: BTreeMap<Id, Id>,
    /// By destination and send: what waits.
    waiting: BTreeMap<(Id, Id), u128>,
}

impl Ledger {
    pub(super) fn new(at: i64) -> Self {
        let genesis = codec::Signer::new(&codec::id_of(GENESIS_KEY).unwrap_or_default()).key();
        let hash = codec::id_of(GENESIS_HASH).unwrap_or_default();
        let given = Given {
            account: genesis,
            previous: ZERO,
            representative: genesis,
            balance: u128::MAX,
            link: genesis,
            signature: [0; 64],
            work: 0,
        };
        let block = Block {
            given,
            hash,
            kind: Kind::Open,
            amount: u128::MAX,
            height: 1,
            at,
            confirmed: true,
            successor: ZERO,
            received_by: ZERO,
        };
        Self { blocks: [(hash, block)].into(), heads: [(genesis, hash)].into(), waiting: BTreeMap::new() }
    }

    pub(super) fn block(&self, hash: &Id) -> Option<&Block> {
        self.blocks.get(hash)
    }

    pub(super) fn head(&self, account: &Id) -> Option<&Block> {
        self.heads.get(account).and_then(|hash| self.blocks.get(hash))
    }

    pub(super) fn balance(&self, account: &Id) -> u128 {
        self.head(account).map_or(0, |head| head.given.balance)
    }

    /// The newest confirmed block.
    pub(super) fn confirmed_head(&self, account: &Id) -> Option<&Block> {
        let mut block = self.head(account)?;
        while !block.confirmed {
            block = self.block(&block.given.previous)?;
        }
        Some(block)
    }

    pub(super) fn count(&self) -> (usize, usize) {
        (self.blocks.len(), self.blocks.values().filter(|block| block.confirmed).count())
    }

    /// What waits for an account, the send blocks in the order of their hashes.
    pub(super) fn waiting(&self, account: &Id) -> Vec<&Block> {
        let range = self.waiting.range((*account, ZERO)..=(*account, [255; 32]));
        range.filter_map(|((_, send), _)| self.block(send)).collect()
    }

    /// What the `subtype` of a `process` call makes the node check before the ledger does.
    pub(super) fn check_subtype(&self, given: &Given, subtype: &str) -> Result<(), &'static str> {
        if given.previous != ZERO && !self.blocks.contains_key(&given.previous) {
            return Err("Gap previous block");
        }
        let balance = self.balance(&given.account);
        let fits = match subtype {
            "send" => given.balance < balance,
            "receive" => given.balance >= balance,
            "open" if given.previous != ZERO => return Err("Invalid previous block for given subtype"),
            "open" => true,
            "change" => given.balance == balance,
            "epoch" => return Err("Invalid block balance for given subtype"),
            _ => return Err("Invalid block subtype"),
        };
        if fits { Ok(()) } else { Err("Invalid block balance for given subtype") }
    }

    /// Takes a block, or says in the node's words why not; nothing is changed then.
    pub(super) fn process(&mut self, given: Given, at: i64) -> Result<Id, &'static str> {
        let work = codec::work_value(given.work, given.root());
        if work < ENTRY_THRESHOLD {
            return Err("Block work is less than threshold");
        }
        let hash = given.hash();
        if self.blocks.contains_key(&hash) {
            return Err("Old block");
        }
        if !codec::verifies(&given.account, &hash, &given.signature) {
            return Err("Bad signature");
        }
        let head = self.head(&given.account).map(|head| (head.hash, head.given.balance, head.height));
        let (before, height) = match head {
            Some(_) if given.previous == ZERO => return Err("Fork"),
            Some((head, balance, height)) if head == given.previous => (balance, height),
            Some(_) => {
                return Err(match self.block(&given.previous) {
                    None => "Gap previous block",
                    Some(block) if block.given.account == given.account => "Fork",
                    Some(_) => "Block is invalid",
                });
            }
            None if given.previous != ZERO => return Err("Gap previous block"),
            None if given.link == ZERO => return Err("Gap source block"),
            None => (0, 0),
        };
        let kind = if given.balance < before {
            Kind::Send
        } else if given.link == ZERO {
            if given.balance != before {
                return Err("Balance and amount delta do not match");
            }
            Kind::Change
        } else {
            if !self.blocks.contains_key(&given.link) {
                return Err("Gap source block");
            }
            let waiting = self.waiting.get(&(given.account, given.link)).ok_or("Unreceivable")?;
            if given.balance.checked_sub(before) != Some(*waiting) {
                return Err("Balance and amount delta do not match");
            }
            if head.is_none() { Kind::Open } else { Kind::Receive }
        };
        if work < LEDGER_THRESHOLD {
            return Err("Block work is insufficient");
        }
        let amount = given.balance.abs_diff(before);
        match kind {
            Kind::Send => _ = self.waiting.insert((given.link, hash), amount),
            Kind::Open | Kind::Receive => {
                self.waiting.remove(&(given.account, given.link));
                if let Some(send) = self.blocks.get_mut(&given.link) {
                    send.received_by = hash;
                }
            }
            Kind::Change => {}
        }
        if let Some(previous) = self.blocks.get_mut(&given.previous) {
            previous.successor = hash;
        }
        self.heads.insert(given.account, hash);
        let block = Block {
            given,
            hash,
            kind,
            amount,
            height: height + 1,
            at,
            confirmed: false,
            successor: ZERO,
            received_by: ZERO,
        };
        self.blocks.insert(hash, block);
        Ok(hash)
    }

    /// Cements a block and all that it stands on; answers those that were not cemented before, the oldest first.
    pub(super) fn confirm(&mut self, hash: &Id) -> Vec<Id> {
        let (mut open, mut found) = (vec![*hash], Vec::new());
        while let Some(next) = open.pop() {
            let Some(block) = self.blocks.get(&next).filter(|block| !block.confirmed) else { continue };
            found.push(next);
            open.push(block.given.previous);
            if matches!(block.kind, Kind::Open | Kind::Receive) {
                open.push(block.given.link);
            }
        }
        found.reverse();
        let mut newly = Vec::new();
        for hash in found {
            if let Some(block) = self.blocks.get_mut(&hash).filter(|block| !block.confirmed) {
                block.confirmed = true;
                newly.push(hash);
            }
        }
        newly
    }

    /// Whether all that a block stands on is cemented.
    pub(super) fn stands(&self, hash: &Id) -> bool {
        let confirmed = |id: &Id| *id == ZERO || self.block(id).is_some_and(|block| block.confirmed);
        self.block(hash).is_some_and(|block| {
            let source = matches!(block.kind, Kind::Open | Kind::Receive);
            confirmed(&block.given.previous) && (!source || confirmed(&block.given.link))
        })
    }

    /// Takes an uncemented block out again, with everything that was built on it.
    pub(super) fn roll_back(&mut self, hash: &Id) {
        let Some(block) = self.blocks.get(hash).filter(|block| !block.confirmed).cloned() else { return };
        for later in [block.successor, block.received_by] {
            self.roll_back(&later);
        }
        self.blocks.remove(hash);
        match block.kind {
            Kind::Send => _ = self.waiting.remove(&(block.given.link, *hash)),
            Kind::Open | Kind::Receive => {
                self.waiting.insert((block.given.account, block.given.link), block.amount);
                if let Some(send) = self.blocks.get_mut(&block.given.link) {
                    send.received_by = ZERO;
                }
            }
            Kind::Change => {}
        }
        if let Some(previous) = self.blocks.get_mut(&block.given.previous) {
            previous.successor = ZERO;
            self.heads.insert(block.given.account, block.given.previous);
        } else {
            self.heads.remove(&block.given.account);
        }
    }

    /// All balances and all that waits: always the whole supply.
    #[cfg(test)]
    pub(super) fn supply(&self) -> u128 {
        self.heads.keys().map(|account| self.balance(account)).sum::<u128>()
            + self.waiting.values().sum::<u128>()
    }
}

/// Makes blocks for an account of the emulator's own.
pub(super) fn build(ledger: &Ledger, signer: &codec::Signer, balance: u128, link: Id) -> Given {
    let account = signer.key();
    let head = ledger.head(&account);
    let mut given = Given {
        account,
        previous: head.map_or(ZERO, |head| head.hash),
        representative: head.map_or(account, |head| head.given.representative),
        balance,
        link,
        signature: [0; 64],
        work: 0,
    };
    given.work = codec::find_work(given.root(), LEDGER_THRESHOLD);
    given.signature = signer.sign(&given.hash());
    given
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;

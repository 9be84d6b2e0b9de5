//! Taking in what waits: open and receive blocks, built, worked and signed here.

use std::sync::Arc;

use deposit_core::{AccountIndex, ErrorKind, Operation, ProviderError, Received, Taken};

use crate::address::Address;
use crate::block::{Hash, StateBlock};
use crate::book::Shared;
use crate::error::{Failed, ID, NodeError};
use crate::key::Key;
use crate::map;
use crate::provider::Nano;

const RECEIVE: Operation = Operation::Receive;
/// Most blocks of one call, whatever is asked for.
const MOST_BLOCKS: usize = 32;
/// After so many failures the rest is left to another call: work takes time, and somebody waits for the answer.
const MOST_FAILURES: usize = 8;
/// How often a block is built anew, because the account's head had moved.
const TRIES: usize = 3;

/// Head and balance of the account, as far as we know.
#[derive(Debug, Clone, Copy)]
struct Head {
    frontier: Hash,
    balance: u128,
}

/// What became of one send.
enum Outcome {
    /// By our block.
    TakenIn(Taken),
    /// Somebody else, or a call before this one, took it in already: nothing to do.
    Elsewhere,
}

/// Has the chain looked through again, whatever became of the call.
struct LookAgain<'a> {
    shared: &'a Shared,
    address: Address,
}

impl Drop for LookAgain<'_> {
    fn drop(&mut self) {
        self.shared.look_at(self.address);
    }
}

impl Nano {
    /// See [`deposit_core::PaymentProvider::receive`].
    pub(crate) async fn take_in(&self, index: AccountIndex, most: usize) -> Result<Received, ProviderError> {
        // Two blocks on one head would be a fork.
        let turn = self.turn(index);
        let _turn = turn.lock().await;
        let key = self.seed.key(index);
        let address = key.address();
        self.shared.watch([(address, index)]);
        let told = |failed: Failed| failed.told(RECEIVE);
        let waiting = self.client.waiting_at(RECEIVE, address, self.dust_raw, true).await.map_err(told)?;
        let mut received = Received::default();
        if waiting.is_empty() {
            return Ok(received);
        }
        let mut head = Some(self.head(address).await.map_err(told)?);
        let mut largest_first: Vec<_> = waiting.into_iter().collect();
        largest_first.sort_by_key(|(_, raw)| std::cmp::Reverse(*raw));
        // What no longer waits is no longer listed as waiting: the next scan finds it in the account's own chain, so a payment
        // that was taken in before anybody saw it is seen all the same. Also where the caller gives up half-way.
        let _again = LookAgain { shared: &self.shared, address };
        let (mut first_error, mut failures) = (None, 0);
        for (send, raw) in largest_first {
            if self.backoff.holds(&send) {
                received.failed += 1;
                continue;
            }
            if received.taken.len() >= most.min(MOST_BLOCKS) || failures >= MOST_FAILURES {
                received.waiting += 1;
                continue;
            }
            match self.take_in_one(&key, &mut head, send, raw).await {
                Ok(Outcome::TakenIn(taken)) => {
                    self.backoff.settled(&send);
                    received.taken.push(taken);
                }
                Ok(Outcome::Elsewhere) => self.backoff.settled(&send),
                Err(failed) => {
                    // A node that does not answer is no matter of this payment.
                    if matches!(failed, Failed::Node(_)) {
                        self.backoff.refused(send);
                    }
                    tracing::warn!(%send, error = ?failed, "a payment could not be taken in");
                    received.failed += 1;
                    failures += 1;
                    first_error.get_or_insert(failed);
                }
            }
        }
        match first_error {
            Some(failed) if received.taken.is_empty() => Err(told(failed)),
            _ => Ok(received),
        }
    }

    async fn head(&self, address: Address) -> Result<Head, Failed> {
        let account = self.client.account(RECEIVE, address).await?;
        Ok(account.map_or(Head { frontier: Hash::ZERO, balance: 0 }, |account| Head {
            frontier: account.frontier,
            balance: account.balance.0,
        }))
    }

    /// `head` is `None` where it has to be asked for anew: after anything but a clear yes, nothing is built on what was known.
    async fn take_in_one(
        &self,
        key: &Key,
        head: &mut Option<Head>,
        send: Hash,
        raw: u128,
    ) -> Result<Outcome, Failed> {
        let address = key.address();
        let info = self.client.block_info(RECEIVE, send).await?;
        let right = |s: &map::Send| s.confirmed && s.to == address && s.raw == raw;
        let Some(payment) = map::send(send, &info).ok().filter(right) else {
            return Err(refused("the node contradicts itself about a payment"));
        };
        for _ in 0..TRIES {
            let from = match head.take() {
                Some(head) => head,
                None => self.head(address).await?,
            };
            let balance = from.balance.checked_add(raw);
            let block = StateBlock {
                account: address,
                previous: from.frontier,
                representative: self.representative,
                balance: balance.ok_or_else(|| refused("more than there is"))?,
                link: send,
            };
            match self.publish(key, &block).await {
                Ok(()) => {
                    *head = Some(Head { frontier: block.hash(), balance: block.balance });
                    // A hash is a reference: never `None`.
                    let taken = map::taken(block.hash(), &payment);
                    return taken.map(Outcome::TakenIn).ok_or_else(|| refused("a hash that is no reference"));
                }
                // The head had moved: look again.
                Err(Failed::Node(NodeError::Fork | NodeError::BalanceForSubtype)) => {}
                Err(Failed::Node(NodeError::Unreceivable)) => return Ok(Outcome::Elsewhere),
                Err(error) => return Err(error),
            }
        }
        Err(Failed::Node(NodeError::Fork))
    }

    /// Signs a block and has it accepted. The same block any number of times is one block.
    async fn publish(&self, key: &Key, block: &StateBlock) -> Result<(), Failed> {
        let hash = block.hash();
        let signature = key.sign(&hash.0);
        let mut last = Failed::Node(NodeError::Work);
        for _ in 0..2 {
            let work = self.client.work(block.work_root()).await?;
            match self.client.process(block, &signature, work).await {
                Ok(accepted) if accepted == hash => return Ok(()),
                Ok(_) => return Err(refused("the node accepted another block")),
                Err(Failed::Node(NodeError::OldBlock)) => return Ok(()),
                Err(Failed::Node(NodeError::Work)) => last = Failed::Node(NodeError::Work),
                Err(error) => {
                    last = error;
                    break;
                }
            }
        }
        // Refused, or no answer: perhaps it is there all the same (a repeat is refused in other words). Never a second block on this
        // head before that is known.
        match self.client.block_info(RECEIVE, hash).await {
            Ok(_) => Ok(()),
            Err(_) => Err(last),
        }
    }

    fn turn(&self, index: AccountIndex) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        turns.entry(index).or_default().clone()
    }
}

fn refused(why: &'static str) -> Failed {
    Failed::Call(ProviderError::new(ID, RECEIVE, ErrorKind::Protocol).with_source(why))
}

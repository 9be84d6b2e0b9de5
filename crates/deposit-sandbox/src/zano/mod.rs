//! A Zano wallet in RPC mode with its daemon, as build 2.2.1.506 answers, over a chain of its own.
//!
//! `/json_rpc` is the wallet, `/daemon/json_rpc` the daemon. The wallet is one of watching only: `transfer` is not emulated, since
//! nothing here spends.
//!
//! **The chain** grows by an empty block for each minute of business time. A payment that is `seen` is in the pool and stays there, whatever
//! the clock does, until it is told to go on; one that is `confirmed` goes into a new block with ten more on top of it. So
//! one payment's confirmation moves no other payment, but deepens those that are in a block.
//!
//! **An order** is a payment id that the wallet was asked an address for: the real one keeps no list of them. The reference is the
//! payment id (16 hexadecimal digits), which stands in the truth once for each asset that was paid on it. A payment's id is
//! `TRANSACTION:PAYMENT_ID:ASSET_ID`. `pay` and scenarios need `amount`, in the units of `ticker` (ZANO if left out). `ref` is a
//! payment id, an integrated address of this wallet, or its own address (money without a payment id).
//!
//! | scenario | plays |
//! |---|---|
//! | `partial` | one confirmed payment of half of `amount`, rounded up |
//! | `over` | one confirmed payment of `amount` and half as much again, rounded up |
//! | `double` | two confirmed payments of `amount` each, in two transactions |
//! | `reorg` | pays in full where nothing was paid; then every block from the payment's on is replaced, with all that was in them but this order's transactions |
//! | `return` | the transactions that a `reorg` took are in new blocks, ten deep, under the same hashes; 400 where there are none |
//! | `replace` | beside the contract: transactions of this order leave the pool; 400 where there are none |
//! | all others | 400: a chain knows no expiry, refund or dispute |
//!
//! Beside the contract's faults `not_synchronized` makes the wallet answer -3 and the daemon say that it is synchronizing.
//! [`Zano`] has more, in process: transactions of several ids and assets, locked ones, blocks one by one, a wallet that is stuck.
//!
//! Decisions where no document says: an unconfirmed transaction has its `subtransfers_by_pid`; an unknown asset is answered with
//! the status `NOT_FOUND`; a deprecated method is refused with -12 and remembered ([`Zano::deprecated_calls`]).

mod address;
mod auth;
mod chain;
mod daemon;
mod emulator;
mod feed;
mod play;
mod reply;
mod rpc;
mod state;
mod wallet;

#[cfg(test)]
pub(crate) use address::standard as standard_address;
pub use auth::token;
pub use chain::{Move, Spend};
pub use state::Zano;

pub(crate) const NAME: &str = "zano";

/// The native coin.
pub const ZANO_ID: &str = "d6329b5b1f7c0805b5c345f4957554002a2f557845f64d7645dae0e051a6498a";
/// Freedom Dollar.
pub const FUSD_ID: &str = "86143388bd056a8f0bab669f78f14873fac8e2dd8d57898cdb725a2d5e2e4f8f";
/// Another token that calls itself fUSD, with 12 decimals.
pub const FALSE_FUSD_ID: &str = "f4a1e5ed0000000000000000000000000000000000000000000000000000f00d";

/// Confirmations after which the documents allow a credit.
pub const CONFIRMATIONS: u64 = 10;

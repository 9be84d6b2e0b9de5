//! A Nano node of the dev network: a real small ledger behind the RPC, the websocket and the HTTP callback.
//!
//! | path | is |
//! |---|---|
//! | `POST /nano` | the RPC, behind a proxy that wants the configured `Authorization` |
//! | `GET /nano/ws` | the websocket: topic `confirmation` |
//! | `POST /nano/work` | a work server: `work_generate` alone |
//!
//! Signatures, work, balances and frontiers are checked as a node checks them. Blocks that come by `process` are confirmed at once when all
//! that they stand on is; payments are confirmed when control says so. Each payer is an account of its own, funded from the public genesis key of the
//! dev network, so that one payment can be replaced without touching another. A fresh dev ledger is at epoch 0 and wants work of
//! `fe00000000000000` for every block: a CPU finds it in a millisecond.
//!
//! `ref` is the deposit address, by either prefix; `amount`, in XNO, is needed, since no node is ever told one.
//!
//! | scenario | does |
//! |---|---|
//! | `partial`, `over`, `double` | half of `amount`, half as much again, all of it twice; confirmed |
//! | `replace` | beside the contract: each payment to this address that was seen and not confirmed loses to another block of its payer |
//! | `late`, `expire`, `fail` | 400: nothing is asked for, so nothing ends |
//! | `reorg`, `return`, `refund`, `refund_part`, `dispute` | 400: what is confirmed is final |
//!
//! [`Nano::speak`] switches between the two implementations' ways of writing (C++ node: errors as HTTP 200, nothing as `""`; RsNano: 4xx in plain
//! text, numbers only as text, work in upper case); [`Nano::allow_control`] lets `work_generate` work, which a node refuses
//! unless it is told otherwise; [`Nano::cut_sockets`] drops every websocket without a word.
//!
//! Of the faults beside the contract: `unknown_words` makes `confirmed` a word that no document lists, `unknown_events` the subtype of a
//! notice; `bad_signature` sends the callback with another token; `not_synchronized` is a node that is far behind: nothing waits, no block that was paid
//! is known. `webhooks` holds for the socket too (there `reordered` is `normal`).

mod answers;
mod args;
mod blocks;
mod codec;
mod emulator;
mod hooks;
mod ledger;
mod notice;
mod play;
mod rpc;
mod socket;
mod state;

pub use blocks::Dialect;
pub(crate) use codec::account;
pub use state::Nano;

pub(crate) const NAME: &str = "nano";

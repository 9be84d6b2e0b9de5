//! The wire contract as a table: one row for each of its lines, against the whole gateway with all seven emulated providers, over real
//! sockets. A row that fails names the section and the words of its line.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::as_conversions
)]

#[path = "../common/mod.rs"]
mod common;

mod harness;
mod row;

mod amounts;
mod balance;
mod create;
mod entries;
mod events;
mod idempotency;
mod limits;
mod money;
mod order;
mod pay;
mod prices;
mod rate_limit;
mod receive;
mod rules;
mod scenarios;
mod status;
mod tickers;
mod webhooks;

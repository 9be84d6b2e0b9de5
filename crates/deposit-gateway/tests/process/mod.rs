//! What the tests of the ledger share: a payer's scenario, played against a gateway that may be slow, wrong or dead at any moment, and
//! the book that has to come out of it all the same.
#![allow(dead_code, unreachable_pub, unused_imports, reason = "each test uses its part")]

mod book;
#[cfg(unix)]
mod child;
mod client;
mod courier;
mod inside;
#[path = "../common/sandboxed.rs"]
mod sandboxed;
mod scenario;

pub use book::{Book, check_truth};
#[cfg(unix)]
pub use child::{Mortal, Program};
pub use client::{Http, Reply};
pub use courier::{Courier, Ear, Heard};
pub use inside::Inside;
pub use scenario::{ACCOUNTS, Deposit, Played, Shop, Site};

/// USD for one unit, as the sandbox's own table says it; repeated here so that the expected credit comes from elsewhere than the credit.
pub const RATES: &[(&str, &str)] = &[
    ("BTC", "50000"),
    ("BTC-LN", "50000"),
    ("LTC", "80"),
    ("LTC-MWEB", "80"),
    ("XMR", "160"),
    ("DOGE", "0.125"),
    ("DASH", "25"),
    ("ZEC", "40"),
];

#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod advance;
mod credit;
mod figures;
mod merge;
mod reason;
pub mod review;
mod snapshot;
mod status;
mod transition;
pub mod watch;

pub use advance::{Advance, advance, completes};
pub use credit::{
    Closed, Credit, Owed, PaymentCredit, PostingKind, PriceNeed, Reckoning, Worth, bonus_of, is_late, owed,
    payment_time, post, price_need, worth,
};
pub use figures::{came, in_flight, net, paid, stage};
pub use merge::{AssetMismatch, Merged, merge, merge_payment};
pub use reason::Reason;
pub use snapshot::{facts_of, set_newest};
pub use status::{View, deadline, status};
pub use transition::{BadStep, can_go, check_path, may_open};

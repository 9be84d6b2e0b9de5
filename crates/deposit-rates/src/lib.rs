#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg(feature = "http")]
pub mod http;
mod median;
mod missing;
mod rates;
mod rules;
mod source;

pub use median::median;
pub use missing::SourceState;
pub use rates::{Rate, Rates, RefreshReport, Settled, SourceFailure, Trouble};
pub use rules::Rules;
pub use source::{Quote, RateError, RateSource, StaticRates, fallback};

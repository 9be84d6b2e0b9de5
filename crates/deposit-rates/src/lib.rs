#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod median;
mod rates;
mod source;

pub use median::median;
pub use rates::{Rate, Rates, RefreshReport, Settled, SourceFailure};
pub use source::{RateError, RateSource, StaticRates, fallback};

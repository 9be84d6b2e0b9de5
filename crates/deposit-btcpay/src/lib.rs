#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod api;
mod batch;
mod check;
mod client;
mod coin;
mod config;
mod error;
mod feed;
mod map;
mod marked;
mod provider;
mod rates;
mod refusal;
mod setup;
mod wallet;
mod webhook;

#[cfg(test)]
mod fixture_tests;
#[cfg(test)]
mod testing;

use std::sync::Arc;

use deposit_core::{ConfigError, PaymentProvider};

pub use config::{Config, SpeedByAmount, SpeedPolicy};
pub use provider::BtcPay;
pub use rates::StoreRates;

/// The adapter behind its trait: what the facade's table calls.
///
/// # Errors
/// A value that cannot work, by its key.
pub fn build(config: Config) -> Result<Arc<dyn PaymentProvider>, ConfigError> {
    Ok(Arc::new(BtcPay::new(config)?))
}

#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod api;
mod catalog;
mod check;
mod client;
mod coin;
mod config;
mod error;
mod map;
mod pace;
mod provider;
mod stuck;

#[cfg(test)]
mod fixture_tests;
#[cfg(test)]
mod testing;

use std::sync::Arc;

use deposit_core::{ConfigError, PaymentProvider};

pub use config::Config;
pub use provider::Nanswap;

/// The adapter behind its trait: what the facade's table calls.
///
/// # Errors
/// A value that cannot work, by its key.
pub fn build(config: Config) -> Result<Arc<dyn PaymentProvider>, ConfigError> {
    Ok(Arc::new(Nanswap::new(config)?))
}

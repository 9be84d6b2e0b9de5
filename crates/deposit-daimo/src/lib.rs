#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod api;
mod backend;
mod check;
mod client;
mod config;
mod error;
mod evm;
mod map;
mod payments;
mod provider;
mod sessions;
mod webhook;

#[cfg(test)]
mod fixture_tests;
#[cfg(test)]
mod testing;

use std::sync::Arc;

use deposit_core::{ConfigError, PaymentProvider};

pub use config::{Api, Config};
pub use provider::Daimo;

/// The adapter behind its trait: what the facade's table calls.
///
/// # Errors
/// A value that cannot work, by its key.
pub fn build(config: Config) -> Result<Arc<dyn PaymentProvider>, ConfigError> {
    Ok(Arc::new(Daimo::new(config)?))
}

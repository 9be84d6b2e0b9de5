#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod api;
mod check;
mod client;
mod config;
mod error;
mod map;
mod provider;
mod quote;
mod webhook;

#[cfg(test)]
mod fixture_tests;
#[cfg(test)]
mod testing;

use std::sync::Arc;

use deposit_core::{ConfigError, PaymentProvider};

pub use config::{ByAmount, Config};
pub use provider::PromptCash;

/// The adapter behind its trait: what the facade's table calls.
///
/// # Errors
/// A value that cannot work, by its key.
pub fn build(config: Config) -> Result<Arc<dyn PaymentProvider>, ConfigError> {
    Ok(Arc::new(PromptCash::new(config)?))
}

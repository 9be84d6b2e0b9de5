#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod address;
mod api;
mod backoff;
mod block;
mod book;
mod check;
mod client;
mod config;
mod error;
mod key;
mod listen;
mod map;
mod progress;
mod provider;
mod receive;
mod scan;
mod webhook;
mod work;

#[cfg(test)]
mod fixture_tests;

use std::sync::Arc;

use deposit_core::{ConfigError, PaymentProvider};

pub use config::Config;
pub use provider::Nano;

/// The adapter behind its trait: what the facade's table calls.
///
/// # Errors
/// A value that cannot work, by its key.
pub fn build(config: Config) -> Result<Arc<dyn PaymentProvider>, ConfigError> {
    Ok(Arc::new(Nano::new(config)?))
}

#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod api;
mod check;
mod client;
mod config;
mod currency;
mod error;
mod map;
mod provider;
mod scan;
mod webhook;

#[cfg(test)]
mod fixture_tests;
#[cfg(test)]
mod testing;

use std::sync::Arc;

use deposit_core::{ConfigError, PaymentProvider};

pub use client::API_VERSION;
pub use config::{Config, DEFAULT_BASE_URL};
pub use provider::Stripe;

/// The adapter behind its trait: what the facade's table calls.
///
/// # Errors
/// A value that cannot work, by its key.
pub fn build(config: Config) -> Result<Arc<dyn PaymentProvider>, ConfigError> {
    Ok(Arc::new(Stripe::new(config)?))
}

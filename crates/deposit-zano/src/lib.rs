#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod address;
mod api;
mod asset;
mod check;
mod client;
mod config;
mod depth;
mod entry;
mod error;
mod feed;
mod history;
mod map;
mod memory;
mod payment;
mod provider;
mod scan;
mod token;

#[cfg(test)]
mod fixture_tests;
#[cfg(test)]
mod testing;

use std::sync::Arc;

use deposit_core::{ConfigError, PaymentProvider};

pub use address::payment_id;
pub use config::Config;
pub use depth::ConfirmationsByAmount;
pub use provider::Zano;

/// The adapter behind its trait: what the facade's table calls.
///
/// # Errors
/// A value that cannot work, by its key.
pub fn build(config: Config) -> Result<Arc<dyn PaymentProvider>, ConfigError> {
    Ok(Arc::new(Zano::new(config)?))
}

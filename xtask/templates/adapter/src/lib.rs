#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod api;
mod client;
mod config;
mod error;
mod map;
mod provider;
mod webhook;

use std::sync::Arc;

use deposit_core::{ConfigError, PaymentProvider};

pub use config::Config;
pub use provider::@Name@;

/// The adapter behind its trait: what the facade's table calls.
///
/// # Errors
/// A value that cannot work, by its key.
pub fn build(config: Config) -> Result<Arc<dyn PaymentProvider>, ConfigError> {
    Ok(Arc::new(@Name@::new(config)?))
}

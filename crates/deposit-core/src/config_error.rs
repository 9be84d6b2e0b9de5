//! A configuration value that cannot work, by its key.

/// A configuration value that an adapter cannot work with. Never contains the value.
///
/// ```
/// let e = deposit_core::ConfigError::new("providers.btcpay.base_url", "must be an http or https URL");
/// assert_eq!(e.to_string(), "`providers.btcpay.base_url`: must be an http or https URL");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}`: {rule}")]
pub struct ConfigError {
    /// The key, as it is written in the configuration: `providers.btcpay.base_url`.
    pub key: String,
    /// The rule that it breaks: `must be …`.
    pub rule: String,
}

impl ConfigError {
    /// The rule that the value of a key breaks.
    pub fn new(key: impl Into<String>, rule: impl Into<String>) -> Self {
        Self { key: key.into(), rule: rule.into() }
    }
}

//! The provider's id, and its errors.

use deposit_core::{ConfigError, ErrorKind, Operation, ProviderError, ProviderId};

/// As it is named in configurations, logs and the API.
pub(crate) const ID: ProviderId = ProviderId::constant("nanswap");

/// An error of this provider.
pub(crate) fn error(operation: Operation, kind: ErrorKind) -> ProviderError {
    ProviderError::new(ID, operation, kind)
}

/// A value of the configuration that cannot work.
pub(crate) fn invalid(key: &str, rule: impl ToString) -> ConfigError {
    ConfigError::new(format!("providers.nanswap.{key}"), rule.to_string())
}

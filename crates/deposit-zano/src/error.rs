//! The provider's id, and its errors.

use deposit_core::{ErrorKind, Operation, ProviderError, ProviderId};

/// As it is named in configurations, logs and the API.
pub(crate) const ID: ProviderId = ProviderId::constant("zano");

/// An error of this provider.
pub(crate) fn error(operation: Operation, kind: ErrorKind) -> ProviderError {
    ProviderError::new(ID, operation, kind)
}

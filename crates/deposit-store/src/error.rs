//! Errors of the store.

/// What a store method answers.
pub type StoreResult<T> = Result<T, StoreError>;

/// Why the store could not do it. Nothing was half-written: a command is one transaction.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The configured URL cannot be used. Names what is wrong, without credentials.
    #[error("store.url: {0}")]
    Url(String),
    /// The database cannot be opened, written or reached.
    #[error("the store is not available: {context}")]
    Unavailable {
        /// What was tried.
        context: &'static str,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A row does not read back as what was written: a newer version's data, or damage.
    #[error("stored data cannot be read: {context}")]
    Corrupt {
        /// Which data.
        context: &'static str,
        /// The cause.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The store is shutting down.
    #[error("the store is closed")]
    Closed,
}

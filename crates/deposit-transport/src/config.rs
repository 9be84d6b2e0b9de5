//! Limits of one provider's client.

use std::time::Duration;

/// Limits of an [`HttpClient`](crate::HttpClient). The defaults suit a provider across the Internet.
///
/// ```
/// use std::time::Duration;
/// let mut config = deposit_transport::HttpConfig::default();
/// config.timeout = Duration::from_secs(5);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpConfig {
    /// Longest wait for a connection, TLS included. The shortest of the times: one of the others that ends first cannot
    /// tell that nothing had left, and `Once` is then `OutcomeUnknown`.
    pub connect_timeout: Duration,
    /// Longest silence before an answer and between two pieces of it.
    pub read_timeout: Duration,
    /// Longest time of one try, from the connection to the last byte of the answer.
    pub timeout: Duration,
    /// Longest time of all tries together, with their waits.
    pub deadline: Duration,
    /// Largest answer in bytes.
    pub max_body: usize,
    /// Most requests at once.
    pub max_concurrent: usize,
    /// Most tries of one request, the first included.
    pub max_tries: usize,
    /// First wait between two tries; doubled each time, with jitter.
    pub min_backoff: Duration,
    /// Longest wait between two tries.
    pub max_backoff: Duration,
    /// Longest `Retry-After` that is waited for here; a longer one goes to the caller.
    pub max_retry_after: Duration,
    /// When to leave the provider alone.
    pub breaker: BreakerConfig,
}

/// When the circuit breaker opens and closes. It opens when half of the last `window` tries failed, and closes when
/// half of `probes` tries did not.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BreakerConfig {
    /// How many of the last tries are judged; nothing is judged before there were as many.
    pub window: usize,
    /// How long the provider is left alone.
    pub open_for: Duration,
    /// How many tries are judged after that.
    pub probes: usize,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            read_timeout: Duration::from_secs(8),
            timeout: Duration::from_secs(10),
            deadline: Duration::from_secs(20),
            max_body: 4 << 20,
            max_concurrent: 16,
            max_tries: 3,
            min_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(2),
            max_retry_after: Duration::from_secs(3),
            breaker: BreakerConfig::default(),
        }
    }
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self { window: 20, open_for: Duration::from_secs(5), probes: 2 }
    }
}

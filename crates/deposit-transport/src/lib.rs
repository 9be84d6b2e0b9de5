//! What the HTTP adapters share: timeouts, safe retries, breaker, error classes, redaction, signature checks.
#![forbid(unsafe_code)]

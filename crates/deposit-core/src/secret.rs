//! Secrets: printed never, wiped on drop, compared in constant time.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use subtle::ConstantTimeEq;

/// An API key, signing secret or seed. No `Display`, no `Serialize`; `Debug` prints a marker.
///
/// ```
/// let key = deposit_core::Secret::new("k-1");
/// assert_eq!(format!("{key:?}"), "Secret(…)");
/// assert!(key.matches("k-1") && !key.matches("k-2"));
/// ```
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes the text into a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The text, for the one call that needs it. Never for a log or an error.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether nothing was configured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.expose().is_empty()
    }

    /// Compares in constant time. An empty secret matches nothing, so that a missing configuration fails closed.
    #[must_use]
    pub fn matches(&self, candidate: &str) -> bool {
        !self.is_empty() && bool::from(self.expose().as_bytes().ct_eq(candidate.as_bytes()))
    }
}

impl Default for Secret {
    fn default() -> Self {
        Self::new(String::new())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_secret_matches_nothing() {
        assert!(!Secret::default().matches(""));
    }

    #[test]
    fn nothing_of_it_is_printed() {
        #[derive(Debug)]
        #[allow(dead_code)]
        struct Config {
            api_key: Secret,
        }
        let text = format!("{:?}", Config { api_key: Secret::new("s3cr3t") });
        assert!(!text.contains("s3cr3t"), "{text}");
    }
}

//! Secrets: printed never, wiped on drop, compared in constant time.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use subtle::ConstantTimeEq;

/// An API key, signing secret or seed. No `Display`, no `Serialize`; `Debug` prints a marker.
///
/// One that is read from a configuration is [configured](Secret::configured): what an editor, a shell or a secret store left around it is no
/// part of it.
///
/// ```
/// let key = deposit_core::Secret::new("k-1");
/// assert_eq!(format!("{key:?}"), "Secret(…)");
/// assert!(key.matches("k-1") && !key.matches("k-2"));
/// ```
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes the text into a secret, exactly as it is.
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// Takes a text that a person configured. Blank space, line ends and byte order marks around it are left out: they belong to no secret, and
    /// with them every genuine delivery would be refused. An empty text is no secret, as in [`Secret::default`].
    ///
    /// ```
    /// use deposit_core::Secret;
    /// assert!(Secret::configured("\u{feff}k-1 \r\n").unwrap().matches("k-1"));
    /// assert!(Secret::configured("k\n1").is_err());
    /// ```
    ///
    /// # Errors
    /// [`BadSecret`] for what can only be a mistake: nothing but blank space; or a line end, another control character or one that nobody sees
    /// within it (two lines of a file, a copy from a web page).
    pub fn configured(text: impl Into<String>) -> Result<Self, BadSecret> {
        // Wiped on drop, as what is kept of it.
        let whole = Self::new(text);
        let is_around = |c: char| c.is_whitespace() || c.is_control() || is_unseen(c);
        let text = whole.expose().trim_matches(is_around);
        if text.is_empty() && !whole.is_empty() {
            return Err(BadSecret::Blank);
        }
        if text.chars().any(char::is_control) {
            return Err(BadSecret::Control);
        }
        if text.chars().any(is_unseen) {
            return Err(BadSecret::Unseen);
        }
        Ok(Self::new(text))
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

/// Why a configured text is no secret. Says nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSecret {
    /// Blank space alone.
    #[error("is blank: nothing but blank space or line ends (leave it out, or empty, where there is none)")]
    Blank,
    /// A control character within.
    #[error("has a line end or another control character within it: give the secret alone, on one line")]
    Control,
    /// A character within that nobody sees.
    #[error("has an invisible character within it (a zero-width or no-break space, a byte order mark)")]
    Unseen,
}

/// Characters that are not seen, and that no provider puts into a secret: they come along with a copy, or with a file.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{a0}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
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
        Self::configured(String::deserialize(d)?).map_err(serde::de::Error::custom)
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
    fn what_is_around_a_configured_secret_is_no_part_of_it() {
        for text in [
            "s3 cr3t",
            "s3 cr3t\n",
            "s3 cr3t\r\n\r\n",
            "\u{feff}s3 cr3t",
            " \ts3 cr3t \u{a0}",
            "\u{200b}s3 cr3t\0",
        ] {
            assert_eq!(Secret::configured(text).unwrap().expose(), "s3 cr3t", "{text:?}");
            let read: Secret = serde_json::from_str(&serde_json::to_string(text).unwrap()).unwrap();
            assert_eq!(read.expose(), "s3 cr3t", "{text:?}");
        }
        assert!(Secret::configured("").unwrap().is_empty());
    }

    #[test]
    fn what_can_only_be_a_mistake_is_refused_without_saying_it() {
        for (text, why) in [
            ("\n", BadSecret::Blank),
            (" \t", BadSecret::Blank),
            ("\u{feff}", BadSecret::Blank),
            ("s3\ncr3t", BadSecret::Control),
            ("s3\tcr3t", BadSecret::Control),
            ("s3\0cr3t", BadSecret::Control),
            ("s3\u{200b}cr3t", BadSecret::Unseen),
            ("s3\u{a0}cr3t", BadSecret::Unseen),
        ] {
            assert_eq!(Secret::configured(text).unwrap_err(), why, "{text:?}");
            let error = serde_json::from_str::<Secret>(&serde_json::to_string(text).unwrap()).unwrap_err();
            assert!(!error.to_string().contains("s3") && !error.to_string().contains("cr3t"), "{error}");
        }
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

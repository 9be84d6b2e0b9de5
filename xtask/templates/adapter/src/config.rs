//! `[providers.@name@]`.

use deposit_core::{ConfigError, Secret};
use deposit_transport::base_url;
use serde::Deserialize;
use url::Url;

use crate::error::invalid;

/// `[providers.@name@]` of the configuration.
///
/// ```
/// use deposit_@name@::Config;
/// assert!(deposit_@name@::build(Config::new("https://pay.example", "api-key", "whsec-sample-1")).is_ok());
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// Where the API is.
    pub base_url: String,
    /// The key of the account.
    pub api_key: Secret,
    /// Signs webhooks.
    pub webhook_secret: Secret,
}

/// A configuration whose values can work.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    pub(crate) base_url: Url,
    pub(crate) api_key: Secret,
    pub(crate) webhook_secret: Secret,
}

impl Config {
    /// All that it needs.
    pub fn new(
        base_url: impl Into<String>,
        api_key: impl Into<String>,
        webhook_secret: impl Into<String>,
    ) -> Self {
        Self {
            base_url: base_url.into(),
            api_key: Secret::new(api_key),
            webhook_secret: Secret::new(webhook_secret),
        }
    }

    pub(crate) fn check(self) -> Result<Checked, ConfigError> {
        let base_url = base_url(&self.base_url).map_err(|rule| invalid("base_url", rule))?;
        if self.api_key.is_empty() || !self.api_key.expose().bytes().all(|b| b.is_ascii_graphic()) {
            return Err(invalid("api_key", "must be visible ASCII characters, not empty"));
        }
        if self.webhook_secret.is_empty() {
            return Err(invalid("webhook_secret", "must not be empty: unsigned webhooks are never believed"));
        }
        Ok(Checked { base_url, api_key: self.api_key, webhook_secret: self.webhook_secret })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_key_and_no_secret_is_printed() {
        let key_of = |url: &str, key: &str, secret: &str| {
            Config::new(url, key, secret).check().err().map(|error| error.key)
        };
        assert_eq!(key_of("https://pay.example", "key", "secret"), None);
        assert_eq!(key_of("pay.example", "key", "secret").unwrap(), "providers.@name@.base_url");
        assert_eq!(key_of("https://pay.example", "", "secret").unwrap(), "providers.@name@.api_key");
        assert_eq!(key_of("https://pay.example", "key", "").unwrap(), "providers.@name@.webhook_secret");
        let config = Config::new("https://pay.example", "S3CR3T-A", "S3CR3T-B");
        assert!(!format!("{config:?} {:?}", config.clone().check()).contains("S3CR3T"));
    }
}

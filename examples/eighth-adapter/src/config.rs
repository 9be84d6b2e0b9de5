//! `[providers.acornpay]`.

use deposit_core::{ConfigError, Secret};
use deposit_transport::base_url;
use serde::Deserialize;
use url::Url;

use crate::error::invalid;

/// `[providers.acornpay]` of a configuration.
///
/// ```
/// use deposit_acornpay::Config;
/// let config = Config::new("https://pay.acorn.example", "api-key", "m_1", "signing-secret");
/// assert!(deposit_acornpay::build(config).is_ok());
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// Where the API is, without `/v1`.
    pub base_url: String,
    /// The merchant's key.
    pub api_key: Secret,
    /// The merchant's id: a webhook of another merchant is not ours.
    pub merchant: String,
    /// Signs webhooks.
    pub webhook_secret: Secret,
}

#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) base_url: Url,
    pub(crate) api_key: Secret,
    pub(crate) merchant: String,
    pub(crate) webhook_secret: Secret,
}

impl Config {
    /// All that it needs.
    pub fn new(
        base_url: impl Into<String>,
        api_key: impl Into<String>,
        merchant: impl Into<String>,
        webhook_secret: impl Into<String>,
    ) -> Self {
        Self {
            base_url: base_url.into(),
            api_key: Secret::new(api_key),
            merchant: merchant.into(),
            webhook_secret: Secret::new(webhook_secret),
        }
    }

    pub(crate) fn check(self) -> Result<Checked, ConfigError> {
        let base_url = base_url(&self.base_url).map_err(|rule| invalid("base_url", rule))?;
        if self.api_key.is_empty() || !self.api_key.expose().bytes().all(|b| b.is_ascii_graphic()) {
            return Err(invalid("api_key", "must be visible ASCII characters, not empty"));
        }
        if self.merchant.is_empty() {
            return Err(invalid("merchant", "must not be empty"));
        }
        if self.webhook_secret.is_empty() {
            return Err(invalid("webhook_secret", "must not be empty: unsigned webhooks are never believed"));
        }
        let Self { api_key, merchant, webhook_secret, .. } = self;
        Ok(Checked { base_url, api_key, merchant, webhook_secret })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_key_and_no_secret_is_printed() {
        let key_of = |url: &str, key: &str, merchant: &str, secret: &str| {
            Config::new(url, key, merchant, secret).check().err().map(|error| error.key)
        };
        assert_eq!(key_of("https://a.example", "key", "m_1", "s"), None);
        assert_eq!(key_of("a.example", "key", "m_1", "s").unwrap(), "providers.acornpay.base_url");
        assert_eq!(key_of("https://a.example", "", "m_1", "s").unwrap(), "providers.acornpay.api_key");
        assert_eq!(key_of("https://a.example", "key", "", "s").unwrap(), "providers.acornpay.merchant");
        assert_eq!(
            key_of("https://a.example", "key", "m_1", "").unwrap(),
            "providers.acornpay.webhook_secret"
        );
        let config = Config::new("https://a.example", "S3CR3T-A", "m_1", "S3CR3T-B");
        assert!(!format!("{config:?} {:?}", config.clone().check()).contains("S3CR3T"));
    }
}

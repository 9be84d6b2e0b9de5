//! `[providers.nanswap]`.

use deposit_core::{ConfigError, Secret, Ticker};
use deposit_transport::base_url;
use serde::Deserialize;
use url::Url;

use crate::coin::Settle;
use crate::error::invalid;

/// `[providers.nanswap]` of the configuration.
///
/// ```
/// use deposit_nanswap::Config;
/// let config = Config::new("https://api.nanswap.com", "api-key", "nano_1settle");
/// assert!(deposit_nanswap::build(config).is_ok());
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// Where the API is, without `/v1`.
    #[serde(default = "default_base_url")]
    pub base_url: String,
    /// The key that `create-order` wants.
    pub api_key: Secret,
    /// What swaps pay out: XNO, BTC, LTC, XMR or BCH.
    #[serde(default = "default_settle_ticker")]
    pub settle_ticker: Ticker,
    /// Where swaps pay out: an address of our own.
    pub settle_address: String,
}

fn default_base_url() -> String {
    "https://api.nanswap.com".to_owned()
}

fn default_settle_ticker() -> Ticker {
    Ticker::XNO
}

/// A configuration whose values can work.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    pub(crate) base_url: Url,
    pub(crate) api_key: Secret,
    pub(crate) settle: &'static Settle,
    pub(crate) settle_address: String,
}

impl Config {
    /// A configuration that settles in XNO.
    pub fn new(
        base_url: impl Into<String>,
        api_key: impl Into<String>,
        settle_address: impl Into<String>,
    ) -> Self {
        Self {
            base_url: base_url.into(),
            api_key: Secret::new(api_key),
            settle_ticker: default_settle_ticker(),
            settle_address: settle_address.into(),
        }
    }

    pub(crate) fn check(self) -> Result<Checked, ConfigError> {
        let base_url = root_url(&self.base_url)?;
        let key = self.api_key.expose();
        if key.is_empty() || !key.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(invalid("api_key", "must be an API key: visible ASCII characters, not empty"));
        }
        let settle = Settle::of(self.settle_ticker)
            .ok_or_else(|| invalid("settle_ticker", "must be one of XNO, BTC, LTC, XMR, BCH"))?;
        // The form only: Nanswap refuses a wrong checksum, nobody can refuse a right address that is not ours.
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b':';
        let address = &self.settle_address;
        let long = (6..=128).contains(&address.len());
        let xno = settle.ticker != Ticker::XNO || address.starts_with("nano_") || address.starts_with("xrb_");
        if !long || !address.bytes().all(plain) || !xno {
            let rule = "must be an address of the settle ticker's chain (for XNO one that begins with nano_)";
            return Err(invalid("settle_address", rule));
        }
        Ok(Checked { base_url, api_key: self.api_key, settle, settle_address: self.settle_address })
    }
}

fn root_url(text: &str) -> Result<Url, ConfigError> {
    let url = base_url(text).map_err(|rule| invalid("base_url", rule))?;
    if url.path().trim_end_matches('/').ends_with("/v1") {
        return Err(invalid("base_url", "must be without /v1, which is added"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Config {
        Config::new("https://pay.example/nanswap", "key", "nano_1settle")
    }

    fn key_of(change: impl FnOnce(&mut Config)) -> String {
        let mut config = good();
        change(&mut config);
        config.check().unwrap_err().key
    }

    #[test]
    fn errors_name_the_key() {
        assert!(good().check().is_ok());
        for bad in
            ["", "pay.example", "ftp://pay.example", "https://u@pay.example", "https://pay.example/v1/"]
        {
            assert_eq!(key_of(|c| c.base_url = bad.into()), "providers.nanswap.base_url", "{bad}");
        }
        assert_eq!(key_of(|c| c.api_key = Secret::default()), "providers.nanswap.api_key");
        assert_eq!(key_of(|c| c.api_key = Secret::new("a\nb")), "providers.nanswap.api_key");
        // A coin that needs a memo, a fiat currency, and one that is swapped from.
        for ticker in [Ticker::TON, Ticker::USD, Ticker::KAS] {
            assert_eq!(key_of(|c| c.settle_ticker = ticker), "providers.nanswap.settle_ticker");
        }
        for bad in ["", "ban_1settle", "nano_1 settle", "nano_1?x"] {
            assert_eq!(
                key_of(|c| c.settle_address = bad.into()),
                "providers.nanswap.settle_address",
                "{bad}"
            );
        }
    }

    #[test]
    fn defaults_are_given_and_unknown_keys_refused() {
        let read = |more: &str| {
            serde_json::from_str::<Config>(&format!(
                r#"{{"api_key":"k","settle_address":"nano_1settle"{more}}}"#
            ))
        };
        let config = read("").unwrap();
        assert_eq!(config.base_url, "https://api.nanswap.com");
        assert_eq!(config.settle_ticker, Ticker::XNO);
        assert!(read(r#","webhook_secret":"x""#).is_err());
        assert_eq!(read(r#","settle_ticker":"BTC""#).unwrap().settle_ticker, Ticker::BTC);
    }

    #[test]
    fn the_key_is_not_printed() {
        let config = Config::new("https://pay.example", "very-secret-key", "nano_1settle");
        assert!(!format!("{config:?} {:?}", config.clone().check().unwrap()).contains("very-secret"));
    }
}

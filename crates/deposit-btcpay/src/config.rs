//! `[providers.btcpay]`.

use std::collections::BTreeMap;

use deposit_core::{ConfigError, Secret, Ticker};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::coin::{Coin, Method, Methods, canonical};

/// When BTCPay Server calls a payment settled (`checkout.speedPolicy`; confirmations of the core chains).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SpeedPolicy {
    /// No confirmation. Refused: such a payment is not watched any longer, so a double spend would stay unnoticed.
    HighSpeed,
    /// One confirmation.
    #[default]
    MediumSpeed,
    /// Two confirmations.
    LowMediumSpeed,
    /// Six confirmations.
    LowSpeed,
}

/// `[providers.btcpay]` of the configuration.
///
/// ```
/// use deposit_btcpay::Config;
/// let mut config = Config::new("https://pay.example", "api-key", "store-id", "whsec-sample-1");
/// config.method_ids.insert(deposit_core::Ticker::LTC_MWEB, "LTCMWEB-CHAIN".into());
/// assert!(deposit_btcpay::build(config).is_ok());
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// Where the server is, with its root path if it has one, without `/api`.
    pub base_url: String,
    /// A Greenfield API key for the store.
    pub api_key: Secret,
    /// The store.
    pub store_id: String,
    /// The secret of the webhook subscription, its text as it is.
    pub webhook_secret: Secret,
    /// When a payment counts as confirmed.
    #[serde(default)]
    pub speed_policy: SpeedPolicy,
    /// Payment method ids where a server names them otherwise.
    #[serde(default)]
    pub method_ids: BTreeMap<Ticker, String>,
}

/// A configuration whose values can work.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    pub(crate) base_url: Url,
    pub(crate) api_key: Secret,
    pub(crate) store_id: String,
    pub(crate) webhook_secret: Secret,
    pub(crate) speed_policy: SpeedPolicy,
    pub(crate) methods: Methods,
}

fn broken(key: &str, rule: &str) -> ConfigError {
    ConfigError::new(format!("providers.btcpay.{key}"), rule)
}

impl Config {
    /// A configuration with the defaults for everything else.
    pub fn new(
        base_url: impl Into<String>,
        api_key: impl Into<String>,
        store_id: impl Into<String>,
        webhook_secret: impl Into<String>,
    ) -> Self {
        Self {
            base_url: base_url.into(),
            api_key: Secret::new(api_key),
            store_id: store_id.into(),
            webhook_secret: Secret::new(webhook_secret),
            speed_policy: SpeedPolicy::default(),
            method_ids: BTreeMap::new(),
        }
    }

    pub(crate) fn check(self) -> Result<Checked, ConfigError> {
        let base_url = base_url(&self.base_url)?;
        let visible = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        if !visible(self.api_key.expose()) {
            return Err(broken("api_key", "must be an API key: visible ASCII characters, not empty"));
        }
        if !visible(&self.store_id) || self.store_id.len() > 128 {
            return Err(broken("store_id", "must be the id of a store: 1-128 visible ASCII characters"));
        }
        if self.webhook_secret.is_empty() {
            return Err(broken("webhook_secret", "must not be empty: unsigned webhooks are never believed"));
        }
        if self.speed_policy == SpeedPolicy::HighSpeed {
            return Err(broken(
                "speed_policy",
                "must be MediumSpeed, LowMediumSpeed or LowSpeed: at HighSpeed a double spend stays unnoticed",
            ));
        }
        let methods = methods(&self.method_ids)?;
        Ok(Checked {
            base_url,
            api_key: self.api_key,
            store_id: self.store_id,
            webhook_secret: self.webhook_secret,
            speed_policy: self.speed_policy,
            methods,
        })
    }
}

fn base_url(text: &str) -> Result<Url, ConfigError> {
    let rule = "must be an http or https URL with a host, and without user, query and fragment";
    let url: Url = text.parse().map_err(|_| broken("base_url", rule))?;
    let plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if matches!(url.scheme(), "http" | "https") && url.has_host() && plain {
        Ok(url)
    } else {
        Err(broken("base_url", rule))
    }
}

fn methods(ids: &BTreeMap<Ticker, String>) -> Result<Methods, ConfigError> {
    for (ticker, id) in ids {
        let key = format!("method_ids.{ticker}");
        if Coin::of(*ticker).is_none() {
            return Err(broken(&key, "must be a ticker that BTCPay Server serves"));
        }
        let fine = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if id.is_empty() || id.len() > 64 || !id.bytes().all(fine) {
            return Err(broken(&key, "must be a payment method id: 1-64 of A-Z, a-z, 0-9, - and _"));
        }
    }
    let all: Vec<Method> = Coin::ALL
        .iter()
        .map(|coin| Method {
            coin,
            id: ids.get(&coin.ticker).cloned().unwrap_or_else(|| coin.method_id.to_owned()),
        })
        .collect();
    for (n, method) in all.iter().enumerate() {
        let id = canonical(&method.id);
        if all.iter().take(n).any(|other| canonical(&other.id) == id) {
            let key = format!("method_ids.{}", method.coin.ticker);
            return Err(broken(&key, "must differ from the id of every other ticker"));
        }
    }
    Ok(Methods(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Config {
        Config::new("https://pay.example/btcpay/", "key", "store", "secret")
    }

    fn key_of(change: impl FnOnce(&mut Config)) -> String {
        let mut config = good();
        change(&mut config);
        config.check().unwrap_err().key
    }

    #[test]
    fn errors_name_the_key() {
        assert!(good().check().is_ok());
        for bad in [
            "",
            "pay.example",
            "ftp://pay.example",
            "https://user@pay.example",
            "https://pay.example?x=1",
            "https://pay.example#x",
            "unix:/x",
        ] {
            assert_eq!(key_of(|c| c.base_url = bad.into()), "providers.btcpay.base_url", "{bad}");
        }
        assert_eq!(key_of(|c| c.api_key = Secret::default()), "providers.btcpay.api_key");
        assert_eq!(key_of(|c| c.api_key = Secret::new("a\nb")), "providers.btcpay.api_key");
        assert_eq!(key_of(|c| c.store_id = String::new()), "providers.btcpay.store_id");
        assert_eq!(key_of(|c| c.webhook_secret = Secret::default()), "providers.btcpay.webhook_secret");
        assert_eq!(key_of(|c| c.speed_policy = SpeedPolicy::HighSpeed), "providers.btcpay.speed_policy");
        let id = |ticker, id: &str| {
            let id = id.to_owned();
            move |c: &mut Config| _ = c.method_ids.insert(ticker, id)
        };
        assert_eq!(key_of(id(Ticker::KAS, "KAS-CHAIN")), "providers.btcpay.method_ids.KAS");
        assert_eq!(key_of(id(Ticker::XMR, "a b")), "providers.btcpay.method_ids.XMR");
        // The old name of another ticker's method is the same method.
        assert_eq!(key_of(id(Ticker::LTC_MWEB, "ltc")), "providers.btcpay.method_ids.LTC-MWEB");
    }

    #[test]
    fn unknown_keys_and_words_are_refused_and_defaults_are_given() {
        let read = |more: &str| {
            serde_json::from_str::<Config>(&format!(
                r#"{{"base_url":"http://127.0.0.1:4010","api_key":"k","store_id":"s","webhook_secret":"w"{more}}}"#
            ))
        };
        let config = read("").unwrap();
        assert_eq!(config.speed_policy, SpeedPolicy::MediumSpeed);
        assert_eq!(read(r#","speed_policy":"LowSpeed""#).unwrap().speed_policy, SpeedPolicy::LowSpeed);
        assert!(read(r#","speed_policy":"Fast""#).is_err());
        assert!(read(r#","stroe_id":"s""#).is_err());
        let ids = read(r#","method_ids":{"LTC-MWEB":"LTCMWEB-CHAIN"}"#).unwrap().check().unwrap().methods;
        assert_eq!(ids.of(Ticker::LTC_MWEB).unwrap().id, "LTCMWEB-CHAIN");
    }

    #[test]
    fn no_secret_is_printed() {
        let config = Config::new("https://pay.example", "S3CR3T-A", "store", "S3CR3T-B");
        assert!(!format!("{config:?} {:?}", config.clone().check()).contains("S3CR3T"));
    }
}

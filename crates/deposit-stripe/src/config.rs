//! `[providers.stripe]`.

use deposit_core::{ConfigError, Secret};
use deposit_transport::base_url;
use serde::Deserialize;
use url::Url;

use crate::error::invalid;

/// Where Stripe is.
pub const DEFAULT_BASE_URL: &str = "https://api.stripe.com";

/// Longest address of a return page.
const LONGEST_URL: usize = 5_000;

/// `[providers.stripe]` of the configuration.
///
/// ```
/// use deposit_stripe::Config;
/// let mut config = Config::new("sk_test_sample", "whsec_sample", "https://shop.example/paid?s={CHECKOUT_SESSION_ID}");
/// config.cancel_url = "https://shop.example/deposit".into();
/// assert!(deposit_stripe::build(config).is_ok());
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// Where the API is; [`DEFAULT_BASE_URL`] but for emulators.
    #[serde(default = "default_base_url")]
    pub base_url: String,
    /// A secret key (`sk_test_…`, `sk_live_…`) or a restricted one (`rk_…`). Its prefix says whether the account is live.
    pub secret_key: Secret,
    /// The signing secret of the webhook endpoint, with its `whsec_`; several parted by commas while one is being rolled.
    pub webhook_secret: Secret,
    /// Where the payer comes back to after paying. `{CHECKOUT_SESSION_ID}` in it is replaced by Stripe. Nothing is credited from
    /// a visit there: anybody can open it.
    pub success_url: String,
    /// Where the link back leads; empty for none. The session stays payable.
    #[serde(default)]
    pub cancel_url: String,
}

fn default_base_url() -> String {
    DEFAULT_BASE_URL.to_owned()
}

/// A configuration whose values can work.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    pub(crate) base_url: Url,
    pub(crate) secret_key: Secret,
    pub(crate) livemode: bool,
    pub(crate) webhook_secrets: Vec<Secret>,
    pub(crate) success_url: String,
    pub(crate) cancel_url: Option<String>,
}

impl Config {
    /// A configuration for Stripe itself, without a link back.
    pub fn new(
        secret_key: impl Into<String>,
        webhook_secret: impl Into<String>,
        success_url: impl Into<String>,
    ) -> Self {
        Self {
            base_url: default_base_url(),
            secret_key: Secret::new(secret_key),
            webhook_secret: Secret::new(webhook_secret),
            success_url: success_url.into(),
            cancel_url: String::new(),
        }
    }

    pub(crate) fn check(self) -> Result<Checked, ConfigError> {
        let base_url = base_url(&self.base_url).map_err(|rule| invalid("base_url", rule))?;
        let livemode = livemode(self.secret_key.expose()).ok_or_else(|| {
            invalid(
                "secret_key",
                "must be a secret or restricted key: sk_test_…, sk_live_…, rk_test_… or rk_live_…",
            )
        })?;
        let webhook_secrets: Vec<Secret> =
            self.webhook_secret.expose().split(',').map(|secret| Secret::new(secret.trim())).collect();
        let visible = |secret: &Secret| {
            !secret.is_empty() && secret.expose().bytes().all(|byte| byte.is_ascii_graphic())
        };
        if !webhook_secrets.iter().all(visible) {
            let rule = "must be a signing secret (whsec_…), or several with commas between: unsigned webhooks are never believed";
            return Err(invalid("webhook_secret", rule));
        }
        let return_page = |key, text: String| {
            if is_return_page(&text, livemode) {
                Ok(text)
            } else {
                Err(invalid(
                    key,
                    "must be an https URL of at most 5000 characters (http only with a test key)",
                ))
            }
        };
        let success_url = return_page("success_url", self.success_url)?;
        let cancel_url = match self.cancel_url.is_empty() {
            true => None,
            false => Some(return_page("cancel_url", self.cancel_url)?),
        };
        Ok(Checked {
            base_url,
            secret_key: self.secret_key,
            livemode,
            webhook_secrets,
            success_url,
            cancel_url,
        })
    }
}

/// Whether a key is of the live mode; `None` where it is no key. A publishable key is none.
fn livemode(key: &str) -> Option<bool> {
    let rest = |prefix: &str| {
        let rest = key.strip_prefix(prefix)?;
        (!rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic())).then_some(())
    };
    if rest("sk_live_").or(rest("rk_live_")).is_some() {
        Some(true)
    } else if rest("sk_test_").or(rest("rk_test_")).is_some() {
        Some(false)
    } else {
        None
    }
}

/// Sent as it is written, placeholder included: only looked at here.
fn is_return_page(text: &str, livemode: bool) -> bool {
    let fine =
        |url: Url| url.has_host() && (url.scheme() == "https" || (url.scheme() == "http" && !livemode));
    text.len() <= LONGEST_URL && !text.chars().any(char::is_whitespace) && Url::parse(text).is_ok_and(fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Config {
        Config::new("sk_test_1", "whsec_1", "https://shop.example/paid")
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
            ["", "api.stripe.com", "ftp://api.stripe.com", "https://u@x.example", "https://x.example?a=1"]
        {
            assert_eq!(key_of(|c| c.base_url = bad.into()), "providers.stripe.base_url", "{bad}");
        }
        for bad in
            ["", "sk_test_", "pk_test_1", "pk_live_1", "whsec_1", "sk_test_a b", "sk_prod_1", "sk_test_ü"]
        {
            assert_eq!(key_of(|c| c.secret_key = Secret::new(bad)), "providers.stripe.secret_key", "{bad}");
        }
        for bad in ["", ",", "whsec_1,", "whsec_1,,whsec_2", "whsec 1"] {
            assert_eq!(
                key_of(|c| c.webhook_secret = Secret::new(bad)),
                "providers.stripe.webhook_secret",
                "{bad}"
            );
        }
        for bad in ["", "/paid", "shop.example/paid", "ftp://shop.example/paid", "https://shop.example/a b"] {
            assert_eq!(key_of(|c| c.success_url = bad.into()), "providers.stripe.success_url", "{bad}");
        }
        assert_eq!(key_of(|c| c.cancel_url = "nowhere".into()), "providers.stripe.cancel_url");
        let long = format!("https://shop.example/{}", "a".repeat(5_000));
        assert_eq!(key_of(|c| c.success_url = long), "providers.stripe.success_url");
        let plain = |key: &str| Config::new(key, "whsec_1", "http://127.0.0.1:1/paid").check();
        assert!(plain("sk_test_1").is_ok());
        assert_eq!(plain("sk_live_1").unwrap_err().key, "providers.stripe.success_url");
    }

    #[test]
    fn the_key_says_the_mode() {
        let live = |key: &str| livemode(key);
        assert_eq!((live("sk_live_1"), live("rk_live_1")), (Some(true), Some(true)));
        assert_eq!((live("sk_test_1"), live("rk_test_1")), (Some(false), Some(false)));
    }

    #[test]
    fn several_secrets_while_one_is_rolled() {
        let mut config = good();
        config.webhook_secret = Secret::new("whsec_1, whsec_2");
        let secrets = config.check().unwrap().webhook_secrets;
        assert_eq!(secrets.iter().map(Secret::expose).collect::<Vec<_>>(), ["whsec_1", "whsec_2"]);
    }

    #[test]
    fn unknown_keys_are_refused_and_defaults_are_given() {
        let read = |more: &str| {
            serde_json::from_str::<Config>(&format!(
                r#"{{"secret_key":"sk_test_1","webhook_secret":"w","success_url":"https://x.example"{more}}}"#
            ))
        };
        let config = read("").unwrap();
        assert_eq!((config.base_url.as_str(), config.cancel_url.as_str()), (DEFAULT_BASE_URL, ""));
        assert!(config.check().unwrap().cancel_url.is_none());
        assert!(read(r#","api_key":"x""#).is_err());
    }

    #[test]
    fn no_secret_is_printed() {
        let config = Config::new("sk_test_S3CR3T", "whsec_S3CR3T", "https://shop.example");
        assert!(!format!("{config:?} {:?}", config.clone().check()).contains("S3CR3T"));
    }
}

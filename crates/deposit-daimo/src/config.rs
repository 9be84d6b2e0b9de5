//! `[providers.daimo]`.

use deposit_core::{ConfigError, Secret};
use deposit_transport::base_url;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::error::invalid;
use crate::evm::{CHAINS, Chain, Destination, checksummed};

/// Which of Daimo's two APIs is spoken. Never both, and never one for the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    /// The first generation, "Daimo Pay": `https://pay.daimo.com/api`.
    #[default]
    Payments,
    /// The second generation: `https://api.daimo.com/v1`.
    Sessions,
}

impl Api {
    fn host(self) -> &'static str {
        match self {
            Self::Payments => "pay.daimo.com",
            Self::Sessions => "api.daimo.com",
        }
    }

    fn folder(self) -> &'static str {
        match self {
            Self::Payments => "api",
            Self::Sessions => "v1",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Payments => Self::Sessions,
            Self::Sessions => Self::Payments,
        }
    }
}

/// `[providers.daimo]` of the configuration.
///
/// ```
/// use deposit_daimo::{Api, Config};
/// let mut config = Config::new(
///     "key",
///     "token",
///     "0x52908400098527886E0F7030069857D2E4169EE7",
///     "0xde709f2102306220921060314715629080e2fb77",
/// );
/// assert_eq!((config.api, config.destination_chain), (Api::Payments, 8453));
/// config.api = Api::Sessions;
/// assert!(deposit_daimo::build(config).is_ok());
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// Where the API is, without its last part (`/api`, `/v1`). Empty: `https://pay.daimo.com` for payments,
    /// `https://api.daimo.com` for sessions.
    #[serde(default)]
    pub base_url: String,
    /// The API key.
    pub api_key: Secret,
    /// Which API.
    #[serde(default)]
    pub api: Api,
    /// Payments: the token of the webhook, as it is, which comes after the word `Basic`. Sessions: the secret that signs.
    pub webhook_token: Secret,
    /// Where bounced money goes, on the destination's chain. Another address than the destination.
    pub refund_address: String,
    /// Where USDC settles.
    pub destination_address: String,
    /// The number of its chain; Base by default.
    #[serde(default = "base")]
    pub destination_chain: u64,
}

fn base() -> u64 {
    8453
}

/// A configuration whose values can work.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    pub(crate) api: Api,
    /// `https://pay.daimo.com/api`, `https://api.daimo.com/v1`.
    pub(crate) root: Url,
    /// Where a payer goes: `https://pay.daimo.com/checkout`, `https://daimo.com/webview`.
    pub(crate) page: Url,
    pub(crate) api_key: Secret,
    pub(crate) webhook_token: Secret,
    pub(crate) refund_address: String,
    pub(crate) destination: Destination,
}

impl Config {
    /// A configuration for USDC on Base by the payments API, with the defaults for everything else.
    pub fn new(
        api_key: impl Into<String>,
        webhook_token: impl Into<String>,
        refund_address: impl Into<String>,
        destination_address: impl Into<String>,
    ) -> Self {
        Self {
            base_url: String::new(),
            api_key: Secret::new(api_key),
            api: Api::default(),
            webhook_token: Secret::new(webhook_token),
            refund_address: refund_address.into(),
            destination_address: destination_address.into(),
            destination_chain: base(),
        }
    }

    pub(crate) fn check(self) -> Result<Checked, ConfigError> {
        let base_url = root_url(&self.base_url, self.api)?;
        let visible = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        if !visible(self.api_key.expose()) {
            return Err(invalid("api_key", "must be an API key: visible ASCII characters, not empty"));
        }
        if !visible(self.webhook_token.expose()) {
            let rule =
                "must be the token or secret of the webhook, not empty: unproved webhooks are never believed";
            return Err(invalid("webhook_token", rule));
        }
        let rule = "must be an EVM address: 0x and 40 hexadecimal digits, with a right checksum where the letters are mixed";
        let address = |key: &str, text: &str| checksummed(text).ok_or_else(|| invalid(key, rule));
        let refund_address = address("refund_address", &self.refund_address)?;
        let destination_address = address("destination_address", &self.destination_address)?;
        if refund_address == destination_address {
            let rule =
                "must be another address than destination_address: a bounce could not be told from a deposit";
            return Err(invalid("refund_address", rule));
        }
        let chain = Chain::by_id(self.destination_chain).ok_or_else(|| {
            let known: Vec<_> = CHAINS.iter().map(|chain| chain.id.to_string()).collect();
            invalid("destination_chain", format!("must be a chain with USDC: {}", known.join(", ")))
        })?;
        Ok(Checked {
            api: self.api,
            root: root(&base_url, self.api),
            page: page(&base_url, self.api),
            api_key: self.api_key,
            webhook_token: self.webhook_token,
            refund_address,
            destination: Destination { address: destination_address, chain },
        })
    }
}

fn root_url(text: &str, api: Api) -> Result<Url, ConfigError> {
    let official = format!("https://{}", api.host());
    let text = if text.is_empty() { official.as_str() } else { text };
    let url = base_url(text).map_err(|rule| invalid("base_url", rule))?;
    if url.host_str() == Some(api.other().host()) {
        let rule = format!("must be {official} for this `api`: this is where the other one is");
        return Err(invalid("base_url", rule));
    }
    Ok(url)
}

/// Adds a part to a path. Whoever gives the last part of the API's address himself is understood.
fn with(url: &Url, part: &str, unless_last: bool) -> Url {
    let mut url = url.clone();
    let last = url.path().trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
    // Cannot fail: the base is http or https.
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty();
        if !(unless_last && last == part) {
            segments.push(part);
        }
    }
    url
}

fn root(base: &Url, api: Api) -> Url {
    with(base, api.folder(), true)
}

/// Daimo's own page for sessions is at another host than its API; a stand-in has both in one place.
fn page(base: &Url, api: Api) -> Url {
    let mut place = base.clone();
    if let Some(outer) = base.path().trim_end_matches('/').strip_suffix(&format!("/{}", api.folder())) {
        place.set_path(outer);
    }
    match api {
        Api::Payments => with(&place, "checkout", false),
        Api::Sessions => {
            if place.host_str() == Some(api.host()) {
                // Cannot fail either: the new host is one.
                _ = place.set_host(Some("daimo.com"));
            }
            with(&place, "webview", false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUND: &str = "0x52908400098527886E0F7030069857D2E4169EE7";
    const TREASURY: &str = "0xde709f2102306220921060314715629080e2fb77";

    fn good() -> Config {
        Config::new("key", "token", REFUND, TREASURY)
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
            ["pay.daimo.com", "ftp://x", "https://u@x", "https://x?y", "https://x#y", "https://api.daimo.com"]
        {
            assert_eq!(key_of(|c| c.base_url = bad.into()), "providers.daimo.base_url", "{bad}");
        }
        let other = |c: &mut Config| {
            c.api = Api::Sessions;
            c.base_url = "https://pay.daimo.com".into();
        };
        assert_eq!(key_of(other), "providers.daimo.base_url");
        assert_eq!(key_of(|c| c.api_key = Secret::default()), "providers.daimo.api_key");
        assert_eq!(key_of(|c| c.api_key = Secret::new("a\nb")), "providers.daimo.api_key");
        assert_eq!(key_of(|c| c.webhook_token = Secret::default()), "providers.daimo.webhook_token");
        assert_eq!(key_of(|c| c.refund_address = String::new()), "providers.daimo.refund_address");
        assert_eq!(
            key_of(|c| c.refund_address = TREASURY.to_ascii_lowercase()),
            "providers.daimo.refund_address"
        );
        let slip = "0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
        assert_eq!(key_of(|c| c.destination_address = slip.into()), "providers.daimo.destination_address");
        assert_eq!(key_of(|c| c.destination_chain = 501), "providers.daimo.destination_chain");
    }

    #[test]
    fn addresses_of_both_apis() {
        let urls = |api, base: &str| {
            let mut config = good();
            (config.api, config.base_url) = (api, base.into());
            let checked = config.check().unwrap();
            (checked.root.to_string(), checked.page.to_string())
        };
        let pair = |root: &str, page: &str| (root.to_owned(), page.to_owned());
        let payments = pair("https://pay.daimo.com/api", "https://pay.daimo.com/checkout");
        for base in ["", "https://pay.daimo.com", "https://pay.daimo.com/", "https://pay.daimo.com/api/"] {
            assert_eq!(urls(Api::Payments, base), payments, "{base}");
        }
        let sessions = pair("https://api.daimo.com/v1", "https://daimo.com/webview");
        for base in ["", "https://api.daimo.com", "https://api.daimo.com/v1"] {
            assert_eq!(urls(Api::Sessions, base), sessions, "{base}");
        }
        let local = "http://127.0.0.1:4010/daimo";
        assert_eq!(urls(Api::Payments, local), pair(&format!("{local}/api"), &format!("{local}/checkout")));
        assert_eq!(urls(Api::Sessions, local), pair(&format!("{local}/v1"), &format!("{local}/webview")));
    }

    #[test]
    fn unknown_keys_and_words_are_refused_and_defaults_are_given() {
        let read = |more: &str| {
            serde_json::from_str::<Config>(&format!(
                r#"{{"api_key":"k","webhook_token":"t","refund_address":"{REFUND}","destination_address":"{TREASURY}"{more}}}"#
            ))
        };
        let config = read("").unwrap();
        assert_eq!((config.api, config.destination_chain), (Api::Payments, 8453));
        assert_eq!(read(r#","api":"sessions","destination_chain":56"#).unwrap().api, Api::Sessions);
        assert!(read(r#","api":"both""#).is_err());
        assert!(read(r#","webhook_secret":"x""#).is_err());
    }

    #[test]
    fn no_secret_is_printed() {
        let config = Config::new("S3CR3T-A", "S3CR3T-B", REFUND, TREASURY);
        assert!(!format!("{config:?} {:?}", config.clone().check()).contains("S3CR3T"));
    }
}

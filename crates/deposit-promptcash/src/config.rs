//! `[providers.promptcash]`.

use deposit_core::{Amount, Asset, ConfigError, Secret};
use deposit_transport::{base_url, endpoint};
use serde::Deserialize;
use url::Url;

use crate::error::invalid;

/// `[providers.promptcash]` of the configuration.
///
/// ```
/// let mut config = deposit_promptcash::Config::new("https://prompt.cash", "1-bOLAua5k", "secret-token");
/// config.callback_url = "https://gateway.example/webhooks/promptcash".into();
/// assert!(deposit_promptcash::build(config).is_ok());
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// Where the service is, without `/api`.
    #[serde(default = "default_base_url")]
    pub base_url: String,
    /// The account's public token, such as `1-bOLAua5k`.
    pub public_token: String,
    /// The account's secret token: authorizes requests, and comes back in every callback as its only proof.
    pub secret_token: Secret,
    /// Confirmations before a payment counts. 0 takes the risk of a double spend.
    #[serde(default = "default_confirmations")]
    pub confirmations: u32,
    /// More confirmations for larger sums; the strictest that applies wins, over `confirmations` too. What an order was opened with is not
    /// kept: another rule of today holds for open orders as well.
    #[serde(default)]
    pub confirmations_by_amount: Vec<ByAmount>,
    /// Where the service sends its callbacks: `{public_url}/webhooks/promptcash`, with a public host and a valid certificate. Empty:
    /// none are asked for, and payments are found by polling.
    #[serde(default)]
    pub callback_url: String,
}

/// One of `[[providers.promptcash.confirmations_by_amount]]`.
///
/// ```
/// let text = r#"{"from_usd":"1000","confirmations":3}"#;
/// let rule: deposit_promptcash::ByAmount = serde_json::from_str(text).unwrap();
/// assert_eq!(rule.confirmations, 3);
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ByAmount {
    /// From this worth on, in USD as decimal text, inclusive.
    pub from_usd: String,
    /// Confirmations that are wanted then, from 0 to 100.
    pub confirmations: u32,
}

/// How many confirmations are wanted, by what an order is worth.
#[derive(Debug, Clone, Default)]
pub(crate) struct Depth {
    base: u32,
    steps: Vec<(Amount, u32)>,
}

impl Depth {
    /// For an order at this price in USD; without one the most of all.
    pub(crate) fn of(&self, price: Option<Amount>) -> u32 {
        let applies = |from: &Amount| price.is_none_or(|price| price.minor() >= from.minor());
        let steps = self.steps.iter().filter(|(from, _)| applies(from)).map(|(_, wanted)| *wanted);
        steps.fold(self.base, u32::max)
    }

    /// For small sums: what every order waits for at least.
    pub(crate) fn least(&self) -> u32 {
        self.base
    }
}

fn default_base_url() -> String {
    "https://prompt.cash".to_owned()
}

fn default_confirmations() -> u32 {
    1
}

/// A configuration whose values can work.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    pub(crate) base_url: Url,
    pub(crate) public_token: String,
    pub(crate) secret_token: Secret,
    pub(crate) depth: Depth,
    pub(crate) callback_url: String,
}

impl Config {
    /// A configuration with the defaults for everything else.
    pub fn new(
        base_url: impl Into<String>,
        public_token: impl Into<String>,
        secret_token: impl Into<String>,
    ) -> Self {
        Self {
            base_url: base_url.into(),
            public_token: public_token.into(),
            secret_token: Secret::new(secret_token),
            confirmations: default_confirmations(),
            confirmations_by_amount: Vec::new(),
            callback_url: String::new(),
        }
    }

    pub(crate) fn check(self) -> Result<Checked, ConfigError> {
        let base_url = base_url(&self.base_url).map_err(|rule| invalid("base_url", rule))?;
        let visible = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        if !visible(&self.public_token) {
            return Err(invalid(
                "public_token",
                "must be the public token: visible ASCII characters, not empty",
            ));
        }
        if !visible(self.secret_token.expose()) {
            return Err(invalid(
                "secret_token",
                "must be the secret token: visible ASCII characters, not empty",
            ));
        }
        if self.secret_token.matches(&self.public_token) {
            return Err(invalid(
                "secret_token",
                "must differ from public_token: whoever knows it can forge callbacks",
            ));
        }
        if self.confirmations > 100 {
            return Err(invalid("confirmations", "must be from 0 to 100"));
        }
        let mut steps = Vec::new();
        for rule in &self.confirmations_by_amount {
            let from = Amount::parse(&rule.from_usd, Asset::USD)
                .map_err(|_| invalid("confirmations_by_amount.from_usd", "must be an amount of USD"))?;
            if rule.confirmations > 100 {
                return Err(invalid("confirmations_by_amount.confirmations", "must be from 0 to 100"));
            }
            steps.push((from, rule.confirmations));
        }
        if !self.callback_url.is_empty() && endpoint(&self.callback_url, &["http", "https"]).is_err() {
            return Err(invalid(
                "callback_url",
                "must be empty, or an http or https URL without user and fragment",
            ));
        }
        Ok(Checked {
            base_url,
            public_token: self.public_token,
            secret_token: self.secret_token,
            depth: Depth { base: self.confirmations, steps },
            callback_url: self.callback_url,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_of(change: impl FnOnce(&mut Config)) -> String {
        let mut config = Config::new("https://prompt.cash", "1-bOLAua5k", "s3cret-token");
        change(&mut config);
        config.check().unwrap_err().key
    }

    #[test]
    fn errors_name_the_key() {
        for bad in
            ["", "prompt.cash", "ftp://prompt.cash", "https://u@prompt.cash", "https://prompt.cash?x=1"]
        {
            assert_eq!(key_of(|c| c.base_url = bad.into()), "providers.promptcash.base_url", "{bad}");
        }
        assert_eq!(key_of(|c| c.public_token = String::new()), "providers.promptcash.public_token");
        assert_eq!(key_of(|c| c.secret_token = Secret::default()), "providers.promptcash.secret_token");
        assert_eq!(key_of(|c| c.secret_token = Secret::new("a\nb")), "providers.promptcash.secret_token");
        // The public token is known to every payer.
        assert_eq!(
            key_of(|c| c.secret_token = Secret::new("1-bOLAua5k")),
            "providers.promptcash.secret_token"
        );
        assert_eq!(key_of(|c| c.confirmations = 101), "providers.promptcash.confirmations");
        assert_eq!(key_of(|c| c.callback_url = "/webhooks".into()), "providers.promptcash.callback_url");
    }

    #[test]
    fn unknown_keys_are_refused_and_defaults_are_given() {
        let read = |more: &str| {
            serde_json::from_str::<Config>(&format!(r#"{{"public_token":"1-a","secret_token":"b"{more}}}"#))
        };
        let config = read("").unwrap().check().unwrap();
        assert_eq!(config.base_url.as_str(), "https://prompt.cash/");
        assert_eq!((config.depth.of(None), config.callback_url.as_str()), (1, ""));
        assert_eq!(read(r#","confirmations":0"#).unwrap().check().unwrap().depth.of(None), 0);
        assert!(read(r#","confirmations":-1"#).is_err());
        assert!(read(r#","signature":"on""#).is_err());
    }

    #[test]
    fn larger_sums_wait_longer_and_the_strictest_rule_wins() {
        let read = |rules: &str| {
            let text = format!(
                r#"{{"public_token":"1-a","secret_token":"b","confirmations":2,"confirmations_by_amount":[{rules}]}}"#
            );
            serde_json::from_str::<Config>(&text)
        };
        let rules = r#"{"from_usd":"1000","confirmations":6},{"from_usd":"100.5","confirmations":3},{"from_usd":"2000","confirmations":1}"#;
        let depth = read(rules).unwrap().check().unwrap().depth;
        let of = |usd: &str| depth.of(Some(Amount::parse(usd, Asset::USD).unwrap()));
        let got = ["100.49999999", "100.5", "999.99", "1000", "50000"].map(of);
        assert_eq!((got, depth.of(None)), ([2, 3, 3, 6, 6], 6));
        for (bad, key) in [
            (r#"{"from_usd":"-1","confirmations":1}"#, "from_usd"),
            (r#"{"from_usd":"many","confirmations":1}"#, "from_usd"),
            (r#"{"from_usd":"1","confirmations":101}"#, "confirmations"),
        ] {
            let key = format!("providers.promptcash.confirmations_by_amount.{key}");
            assert_eq!(read(bad).unwrap().check().unwrap_err().key, key);
        }
        assert!(read(r#"{"from_usd":"1","confirmation":1}"#).is_err());
    }

    #[test]
    fn no_secret_is_printed() {
        let config = Config::new("https://prompt.cash", "1-a", "S3CR3T-A");
        assert!(!format!("{config:?} {:?}", config.clone().check()).contains("S3CR3T"));
    }
}

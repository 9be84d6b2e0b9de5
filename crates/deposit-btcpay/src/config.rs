//! `[providers.btcpay]`.

use deposit_transport::base_url;
use std::collections::BTreeMap;

use deposit_core::{Amount, Asset, ConfigError, Rounding, Secret, Terms, Ticker};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::coin::{Coin, Method, Methods, canonical};
use crate::error::invalid;

/// When BTCPay Server calls a payment settled (`checkout.speedPolicy`; confirmations of the core chains).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

impl SpeedPolicy {
    /// How many confirmations of a core chain it waits for.
    pub(crate) const fn confirmations(self) -> u32 {
        match self {
            Self::HighSpeed => 0,
            Self::MediumSpeed => 1,
            Self::LowMediumSpeed => 2,
            Self::LowSpeed => 6,
        }
    }
}

/// `[[providers.btcpay.speed_by_amount]]`: orders from this worth on wait at least so long.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeedByAmount {
    /// What the order is worth in USD, as decimal text; inclusive.
    pub from_usd: String,
    /// The policy; the strictest that applies wins.
    pub policy: SpeedPolicy,
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
    /// The same by ticker, over `speed_policy`. XMR and ZEC are `LowSpeed` unless they are named here: their plugins never take a settled
    /// payment back.
    #[serde(default)]
    pub speed_policies: BTreeMap<Ticker, SpeedPolicy>,
    /// The same by what an order is worth, beside both: the strictest that applies wins.
    #[serde(default)]
    pub speed_by_amount: Vec<SpeedByAmount>,
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
    pub(crate) speeds: Speeds,
    pub(crate) methods: Methods,
}

/// Which policy an order gets.
#[derive(Debug, Clone)]
pub(crate) struct Speeds {
    usual: SpeedPolicy,
    by_ticker: BTreeMap<Ticker, SpeedPolicy>,
    /// From what worth in USD on.
    by_amount: Vec<(Amount, SpeedPolicy)>,
}

impl Speeds {
    /// By the frozen terms, so that an order keeps its own whatever the rates do. One whose worth cannot be told gets the strictest.
    pub(crate) fn of(&self, terms: &Terms) -> SpeedPolicy {
        let by_ticker = self.by_ticker.get(&terms.ticker).copied().unwrap_or(self.usual);
        let worth =
            terms.quote.as_ref().and_then(|quote| quote.unit_price.value_of(quote.amount, Rounding::Up).ok());
        let applies = |from: &Amount| worth.is_none_or(|worth| worth.minor() >= from.minor());
        let by_amount = self.by_amount.iter().filter(|(from, _)| applies(from)).map(|(_, policy)| *policy);
        by_amount.fold(by_ticker, Ord::max)
    }
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
            speed_policies: BTreeMap::new(),
            speed_by_amount: Vec::new(),
            method_ids: BTreeMap::new(),
        }
    }

    pub(crate) fn check(self) -> Result<Checked, ConfigError> {
        let base_url = base_url(&self.base_url).map_err(|rule| invalid("base_url", rule))?;
        let visible = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        if !visible(self.api_key.expose()) {
            return Err(invalid("api_key", "must be an API key: visible ASCII characters, not empty"));
        }
        if !visible(&self.store_id) || self.store_id.len() > 128 {
            return Err(invalid("store_id", "must be the id of a store: 1-128 visible ASCII characters"));
        }
        if self.webhook_secret.is_empty() {
            return Err(invalid("webhook_secret", "must not be empty: unsigned webhooks are never believed"));
        }
        let speeds = speeds(self.speed_policy, &self.speed_policies, &self.speed_by_amount)?;
        let methods = methods(&self.method_ids)?;
        Ok(Checked {
            base_url,
            api_key: self.api_key,
            store_id: self.store_id,
            webhook_secret: self.webhook_secret,
            speeds,
            methods,
        })
    }
}

fn speeds(
    usual: SpeedPolicy,
    by_ticker: &BTreeMap<Ticker, SpeedPolicy>,
    by_amount: &[SpeedByAmount],
) -> Result<Speeds, ConfigError> {
    let safe = |key: &str, policy: SpeedPolicy| {
        let rule =
            "must be MediumSpeed, LowMediumSpeed or LowSpeed: at HighSpeed a double spend stays unnoticed";
        if policy == SpeedPolicy::HighSpeed { Err(invalid(key, rule)) } else { Ok(policy) }
    };
    safe("speed_policy", usual)?;
    // A plugin's settled payment stays so whatever the chain does: the later it is settled, the better.
    let mut all =
        BTreeMap::from([(Ticker::XMR, SpeedPolicy::LowSpeed), (Ticker::ZEC, SpeedPolicy::LowSpeed)]);
    for (ticker, policy) in by_ticker {
        let key = format!("speed_policies.{ticker}");
        if Coin::of(*ticker).is_none() {
            return Err(invalid(&key, "must be a ticker that BTCPay Server serves"));
        }
        all.insert(*ticker, safe(&key, *policy)?);
    }
    let steps = by_amount.iter().map(|step| {
        let from = Amount::parse(&step.from_usd, Asset::USD).map_err(|_| {
            invalid("speed_by_amount.from_usd", "must be an amount of USD, as a decimal text")
        })?;
        Ok((from, safe("speed_by_amount.policy", step.policy)?))
    });
    Ok(Speeds { usual, by_ticker: all, by_amount: steps.collect::<Result<_, ConfigError>>()? })
}

fn methods(ids: &BTreeMap<Ticker, String>) -> Result<Methods, ConfigError> {
    for (ticker, id) in ids {
        let key = format!("method_ids.{ticker}");
        if Coin::of(*ticker).is_none() {
            return Err(invalid(&key, "must be a ticker that BTCPay Server serves"));
        }
        let fine = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if id.is_empty() || id.len() > 64 || !id.bytes().all(fine) {
            return Err(invalid(&key, "must be a payment method id: 1-64 of A-Z, a-z, 0-9, - and _"));
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
            return Err(invalid(&key, "must differ from the id of every other ticker"));
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
        let policy = |ticker, policy| move |c: &mut Config| _ = c.speed_policies.insert(ticker, policy);
        assert_eq!(
            key_of(policy(Ticker::XMR, SpeedPolicy::HighSpeed)),
            "providers.btcpay.speed_policies.XMR"
        );
        assert_eq!(key_of(policy(Ticker::KAS, SpeedPolicy::LowSpeed)), "providers.btcpay.speed_policies.KAS");
        let step = |from: &str, policy| {
            let from_usd = from.to_owned();
            move |c: &mut Config| c.speed_by_amount.push(SpeedByAmount { from_usd, policy })
        };
        assert_eq!(key_of(step("a lot", SpeedPolicy::LowSpeed)), "providers.btcpay.speed_by_amount.from_usd");
        assert_eq!(key_of(step("10", SpeedPolicy::HighSpeed)), "providers.btcpay.speed_by_amount.policy");
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

    /// The strictest that applies, by ticker and by worth: and what their plugins never take back waits longest.
    #[test]
    fn the_policy_is_by_ticker_and_by_worth() {
        use crate::testing::{amount, terms};
        use deposit_core::Price;
        let mut config = good();
        let of = |config: &Config, ticker, asked: &str, usd: i64| {
            let mut terms = terms(ticker, amount(ticker, asked));
            if let Some(quote) = &mut terms.quote {
                quote.unit_price = Price::new(usd.into()).unwrap();
            }
            config.clone().check().unwrap().speeds.of(&terms)
        };
        assert_eq!(of(&config, Ticker::LTC, "1", 80), SpeedPolicy::MediumSpeed);
        assert_eq!(of(&config, Ticker::XMR, "1", 150), SpeedPolicy::LowSpeed);
        assert_eq!(of(&config, Ticker::ZEC, "1", 150), SpeedPolicy::LowSpeed);
        config.speed_policies.insert(Ticker::XMR, SpeedPolicy::MediumSpeed);
        let step = |from: &str, policy| SpeedByAmount { from_usd: from.to_owned(), policy };
        config.speed_by_amount =
            vec![step("1000", SpeedPolicy::LowSpeed), step("100", SpeedPolicy::LowMediumSpeed)];
        assert_eq!(of(&config, Ticker::XMR, "0.5", 150), SpeedPolicy::MediumSpeed);
        assert_eq!(of(&config, Ticker::XMR, "1", 150), SpeedPolicy::LowMediumSpeed);
        assert_eq!(of(&config, Ticker::ZEC, "1", 150), SpeedPolicy::LowSpeed, "the stricter of both");
        assert_eq!(of(&config, Ticker::BTC, "0.01999999", 50_000), SpeedPolicy::LowMediumSpeed);
        assert_eq!(of(&config, Ticker::BTC, "0.02", 50_000), SpeedPolicy::LowSpeed);
    }

    #[test]
    fn no_secret_is_printed() {
        let config = Config::new("https://pay.example", "S3CR3T-A", "store", "S3CR3T-B");
        assert!(!format!("{config:?} {:?}", config.clone().check()).contains("S3CR3T"));
    }
}

//! `[providers.nano]`.

use deposit_core::{ConfigError, Secret};
use deposit_transport::endpoint;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use url::Url;

use crate::address::Address;
use crate::error::invalid;
use crate::key::Seed;

/// Every payment counts: the API's contract credits each one, however small.
pub(crate) const DUST_RAW: u128 = 1;

/// `[providers.nano]` of the configuration.
///
/// ```
/// use deposit_nano::Config;
/// let seed = "0".repeat(63) + "1";
/// let representative = "nano_3e3j5tkog48pnny9dmfzj1r16pg8t1e76dz5tmac6iq689wyjfpiij4txtdo";
/// let mut config = Config::new("http://127.0.0.1:7076", seed, representative);
/// config.ws_url = "ws://127.0.0.1:7078".into();
/// assert!(deposit_nano::build(config).is_ok());
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// The RPC of our own node: only it counts as evidence.
    pub rpc_url: String,
    /// The node's websocket, for confirmations by push; empty: polling alone. A node has no TLS there, so `ws` only.
    #[serde(default)]
    pub ws_url: String,
    /// A work server; empty: the node's `work_generate`, else this CPU.
    #[serde(default)]
    pub work_url: String,
    /// 64 hexadecimal digits. Every address follows from it by Nano's own scheme (`blake2b(seed || index)`), **not** by the one of hardware
    /// wallets (BIP-39 and BIP-44), which gives other keys.
    pub seed: Secret,
    /// Who votes with the funds that lie here. Has no power over them.
    pub representative: String,
    /// What goes into `Authorization` at `rpc_url`, scheme word and all (`Bearer …`); empty: nothing. A node has no login of its own; a
    /// proxy in front of it may.
    #[serde(default)]
    pub rpc_authorization: Secret,
    /// Expected in `?token=` of the node's HTTP callback; empty: callbacks are refused.
    #[serde(default)]
    pub callback_token: Secret,
    /// Payments below this, in raw, are neither credited nor taken in; 1, the default, leaves none out. In the file it is text: a TOML
    /// integer does not hold every amount.
    #[serde(default = "default_dust", deserialize_with = "raw")]
    pub dust_raw: u128,
}

fn default_dust() -> u128 {
    DUST_RAW
}

fn raw<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
    let text = String::deserialize(deserializer)?;
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let raw = if digits { text.parse().ok() } else { None };
    raw.ok_or_else(|| D::Error::custom("must be a whole number of raw, as text"))
}

/// A configuration whose values can work.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    pub(crate) rpc_url: Url,
    pub(crate) ws_url: Option<Url>,
    pub(crate) work_url: Option<Url>,
    pub(crate) seed: Seed,
    pub(crate) representative: Address,
    pub(crate) rpc_authorization: Secret,
    pub(crate) callback_token: Secret,
    pub(crate) dust_raw: u128,
}

impl Config {
    /// A configuration with the defaults for everything else: no push, no callback, work by the node or this CPU.
    pub fn new(
        rpc_url: impl Into<String>,
        seed: impl Into<String>,
        representative: impl Into<String>,
    ) -> Self {
        Self {
            rpc_url: rpc_url.into(),
            ws_url: String::new(),
            work_url: String::new(),
            seed: Secret::new(seed),
            representative: representative.into(),
            rpc_authorization: Secret::default(),
            callback_token: Secret::default(),
            dust_raw: DUST_RAW,
        }
    }

    pub(crate) fn check(self) -> Result<Checked, ConfigError> {
        let rpc_url = url("rpc_url", &self.rpc_url, &["http", "https"])?;
        let optional = |key, text: &str, schemes: &'static [&'static str]| {
            (!text.is_empty()).then(|| url(key, text, schemes)).transpose()
        };
        let ws_url = optional("ws_url", &self.ws_url, &["ws"])?;
        let work_url = optional("work_url", &self.work_url, &["http", "https"])?;
        let seed = Seed::from_hex(self.seed.expose());
        let seed = seed.ok_or_else(|| invalid("seed", "must be a seed: 64 hexadecimal digits"))?;
        let rule = "must be the Nano address of a representative, whose key somebody has";
        let representative: Address =
            self.representative.parse().map_err(|_| invalid("representative", rule))?;
        if representative == Address::BURN {
            return Err(invalid("representative", rule));
        }
        let in_a_header = |text: &str| text.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
        if !in_a_header(self.rpc_authorization.expose()) {
            return Err(invalid(
                "rpc_authorization",
                "must be the value of a header: visible ASCII characters",
            ));
        }
        if self.dust_raw == 0 {
            return Err(invalid("dust_raw", "must be above 0"));
        }
        Ok(Checked {
            rpc_url,
            ws_url,
            work_url,
            seed,
            representative,
            rpc_authorization: self.rpc_authorization,
            callback_token: self.callback_token,
            dust_raw: self.dust_raw,
        })
    }
}

fn url(key: &str, text: &str, schemes: &'static [&'static str]) -> Result<Url, ConfigError> {
    endpoint(text, schemes).map_err(|rule| invalid(key, rule))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPRESENTATIVE: &str = "nano_3e3j5tkog48pnny9dmfzj1r16pg8t1e76dz5tmac6iq689wyjfpiij4txtdo";

    fn key_of(change: impl FnOnce(&mut Config)) -> String {
        let mut config = Config::new("http://[::1]:7076", "0".repeat(64), REPRESENTATIVE);
        change(&mut config);
        config.check().map(|_| ()).unwrap_err().key
    }

    #[test]
    fn errors_name_the_key() {
        for bad in ["", "127.0.0.1:7076", "ws://127.0.0.1", "http://user@host", "http://host#x"] {
            assert_eq!(key_of(|c| c.rpc_url = bad.into()), "providers.nano.rpc_url", "{bad}");
        }
        assert_eq!(key_of(|c| c.ws_url = "wss://host".into()), "providers.nano.ws_url");
        assert_eq!(key_of(|c| c.work_url = "host".into()), "providers.nano.work_url");
        for bad in ["", "0", &"x".repeat(64), &"0".repeat(65)] {
            assert_eq!(key_of(|c| c.seed = Secret::new(bad)), "providers.nano.seed", "{bad}");
        }
        for bad in ["", "nano_1", &Address::BURN.to_string()] {
            assert_eq!(key_of(|c| c.representative = bad.into()), "providers.nano.representative", "{bad}");
        }
        assert_eq!(key_of(|c| c.rpc_authorization = Secret::new("a\nb")), "providers.nano.rpc_authorization");
        assert_eq!(key_of(|c| c.dust_raw = 0), "providers.nano.dust_raw");
    }

    #[test]
    fn unknown_keys_are_refused_and_defaults_are_given() {
        let read = |more: &str| {
            serde_json::from_str::<Config>(&format!(
                r#"{{"rpc_url":"http://127.0.0.1:7076","seed":"00","representative":"nano_1"{more}}}"#
            ))
        };
        let config = read("").unwrap();
        assert!(config.ws_url.is_empty() && config.callback_token.is_empty());
        assert_eq!(config.dust_raw, DUST_RAW);
        assert!(read(r#","wallet":"x""#).is_err());
        assert_eq!(read(r#","dust_raw":"1000000000000000000000000""#).unwrap().dust_raw, 10_u128.pow(24));
        for bad in ["1", r#""""#, r#""+1""#, r#""1.5""#, r#""-1""#, r#""1e3""#] {
            assert!(read(&format!(r#","dust_raw":{bad}"#)).is_err(), "{bad}");
        }
        assert!(serde_json::from_str::<Config>(r#"{"rpc_url":"x","representative":"y"}"#).is_err());
    }

    #[test]
    fn no_secret_is_printed() {
        let mut config = Config::new("http://127.0.0.1", "5eed".repeat(16), REPRESENTATIVE);
        config.rpc_authorization = Secret::new("Bearer S3CR3T");
        config.callback_token = Secret::new("S3CR3T");
        let shown = format!("{config:?} {:?}", config.clone().check().unwrap());
        assert!(!shown.contains("S3CR3T") && !shown.contains("5eed5eed"), "{shown}");
    }
}

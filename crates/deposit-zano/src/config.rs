//! `[providers.zano]`.

use deposit_core::{ConfigError, Secret};
use deposit_transport::base_url;
use serde::Deserialize;
use url::Url;

use crate::asset::{AssetId, FUSD_ID};
use crate::depth::{ConfirmationsByAmount, Depths};
use crate::error::invalid;

/// Below which the wallet's own documents say not to credit: reorganisations of 2-3 blocks are normal.
const CONFIRMATIONS: u32 = 10;

/// `[providers.zano]` of the configuration.
///
/// ```
/// use deposit_zano::Config;
/// let config = Config::new("http://127.0.0.1:11212/json_rpc", "the wallet's --jwt-secret");
/// assert!(deposit_zano::build(config).is_ok());
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// The JSON-RPC of the wallet, or of a proxy that forwards it unchanged, with its path (`/json_rpc`).
    pub wallet_url: String,
    /// The wallet's `--jwt-secret`; empty: a wallet that was started without one.
    #[serde(default)]
    pub jwt_secret: Secret,
    /// The JSON-RPC of the daemon, with its path or without; empty: none. With it a wallet that is behind, or that is read anew
    /// from the beginning, is noticed.
    #[serde(default)]
    pub daemon_url: String,
    /// The asset id of FUSD, 64 hexadecimal digits; empty: the one of Zano's own repository.
    #[serde(default)]
    pub fusd_asset_id: String,
    /// From how many confirmations on a payment counts.
    #[serde(default = "confirmations")]
    pub confirmations: u32,
    /// More of them from a certain worth on.
    #[serde(default)]
    pub confirmations_by_amount: Vec<ConfirmationsByAmount>,
}

fn confirmations() -> u32 {
    CONFIRMATIONS
}

/// A configuration whose values can work.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    pub(crate) wallet_url: Url,
    pub(crate) jwt_secret: Secret,
    pub(crate) daemon_url: Option<Url>,
    pub(crate) fusd: AssetId,
    pub(crate) depths: Depths,
}

impl Config {
    /// A configuration with the defaults for everything else.
    pub fn new(wallet_url: impl Into<String>, jwt_secret: impl Into<String>) -> Self {
        Self {
            wallet_url: wallet_url.into(),
            jwt_secret: Secret::new(jwt_secret),
            daemon_url: String::new(),
            fusd_asset_id: String::new(),
            confirmations: CONFIRMATIONS,
            confirmations_by_amount: Vec::new(),
        }
    }

    pub(crate) fn check(self) -> Result<Checked, ConfigError> {
        let wallet_url = rpc_url("wallet_url", &self.wallet_url)?;
        let daemon_url = match self.daemon_url.as_str() {
            "" => None,
            text => Some(rpc_url("daemon_url", text)?),
        };
        let fusd = match self.fusd_asset_id.as_str() {
            "" => FUSD_ID,
            text => text,
        };
        let fusd = AssetId::parse(fusd).filter(|id| !id.is_native()).ok_or_else(|| {
            invalid("fusd_asset_id", "must be 64 hexadecimal digits, and not ZANO's own id")
        })?;
        if !(1..=1_000).contains(&self.confirmations) {
            return Err(invalid("confirmations", "must be 1-1000; Zano's documents say not below 10"));
        }
        if self.confirmations < CONFIRMATIONS {
            tracing::warn!(
                confirmations = self.confirmations,
                "payments are credited earlier than Zano's documents allow"
            );
        }
        Ok(Checked {
            wallet_url,
            jwt_secret: self.jwt_secret,
            daemon_url,
            fusd,
            depths: Depths::new(self.confirmations, &self.confirmations_by_amount)?,
        })
    }
}

/// A URL without a path gets the one of every Zano program.
fn rpc_url(key: &str, text: &str) -> Result<Url, ConfigError> {
    let mut url = base_url(text).map_err(|rule| invalid(key, rule))?;
    if matches!(url.path(), "" | "/") {
        url.set_path("/json_rpc");
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Config {
        Config::new("http://127.0.0.1:11212/json_rpc", "secret")
    }

    fn key_of(change: impl FnOnce(&mut Config)) -> String {
        let mut config = good();
        change(&mut config);
        config.check().unwrap_err().key
    }

    #[test]
    fn errors_name_the_key() {
        for bad in
            ["", "127.0.0.1:11212", "ftp://wallet", "http://u@wallet", "http://wallet/?x", "http://w/#x"]
        {
            assert_eq!(key_of(|c| c.wallet_url = bad.into()), "providers.zano.wallet_url", "{bad}");
        }
        assert_eq!(key_of(|c| c.daemon_url = "daemon".into()), "providers.zano.daemon_url");
        let zano = crate::asset::ZANO_ID;
        for bad in ["86143388", &"g".repeat(64), zano, &zano.to_uppercase(), &format!("{zano}0")] {
            assert_eq!(key_of(|c| c.fusd_asset_id = bad.into()), "providers.zano.fusd_asset_id", "{bad}");
        }
        for bad in [0, 1_001] {
            assert_eq!(key_of(|c| c.confirmations = bad), "providers.zano.confirmations");
        }
    }

    #[test]
    fn defaults_are_those_of_the_contract() {
        let read =
            |more: &str| serde_json::from_str::<Config>(&format!(r#"{{"wallet_url":"http://w"{more}}}"#));
        let checked = read("").unwrap().check().unwrap();
        assert_eq!(checked.wallet_url.as_str(), "http://w/json_rpc");
        assert_eq!((checked.depths.most(), checked.daemon_url), (10, None));
        assert_eq!(checked.fusd.as_str(), FUSD_ID);
        assert!(checked.jwt_secret.is_empty());
        let full =
            r#","jwt_secret":"s","daemon_url":"http://d:11211/x","fusd_asset_id":"","confirmations":12"#;
        let checked = read(full).unwrap().check().unwrap();
        assert_eq!((checked.depths.most(), checked.daemon_url.unwrap().as_str()), (12, "http://d:11211/x"));
        assert!(read(r#","header":"x""#).is_err());
        let tiers = r#","confirmations_by_amount":[{"from_usd":"1000","confirmations":30}]"#;
        assert_eq!(read(tiers).unwrap().check().unwrap().depths.most(), 30);
        let tiers = r#","confirmations_by_amount":[{"from_usd":"1000","confirmations":3}]"#;
        let key = read(tiers).unwrap().check().unwrap_err().key;
        assert_eq!(key, "providers.zano.confirmations_by_amount.confirmations");
    }

    #[test]
    fn no_secret_is_printed() {
        let config = Config::new("http://wallet", "S3CR3T-A");
        assert!(!format!("{config:?} {:?}", config.clone().check()).contains("S3CR3T"));
    }
}

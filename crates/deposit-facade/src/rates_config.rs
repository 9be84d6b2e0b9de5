//! The section `[rates]`: which sources, how old a rate may be, how far its figures may lie apart.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use deposit_core::{ConfigError, Decimal, Price, Secret, Ticker};
use deposit_rates::{RateSource, Rates, Rules, StaticRates};
use serde::{Deserialize, Deserializer};

use crate::adapters::ProvidersConfig;

/// `[rates]` and what is below it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RatesConfig {
    /// Names of the sources; the median of those that answer is taken.
    pub sources: Vec<String>,
    /// Longest time, in seconds, that a rate may be used after it was last confirmed.
    pub max_age_seconds: u64,
    /// How far figures may lie apart: [`Rules::outlier_percent`].
    pub outlier_percent: RatePercent,
    /// What counts as a jump: [`Rules::jump_percent`].
    pub jump_percent: RatePercent,
    /// USD for one unit, for the source `static`.
    #[serde(rename = "static")]
    pub fixed: BTreeMap<Ticker, Price>,
    /// `[rates.coingecko]`
    pub coingecko: PublicSource,
    /// `[rates.kraken]`
    pub kraken: KeylessSource,
    /// `[rates.kucoin]`
    pub kucoin: KeylessSource,
    /// `[rates.frankfurter]`
    pub frankfurter: KeylessSource,
}

/// A percentage as decimal text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RatePercent(pub Decimal);

impl<'de> Deserialize<'de> for RatePercent {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let rule = "must be a percentage as text, such as \"10\" or \"2.5\"";
        Decimal::from_str_exact(&text).map(Self).map_err(|_| serde::de::Error::custom(rule))
    }
}

/// A public source that may be asked with a key.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PublicSource {
    /// The root of the service; empty: the real one.
    pub base_url: String,
    /// Empty: as the public asks.
    pub api_key: Secret,
}

/// A public source without keys.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeylessSource {
    /// The root of the service; empty: the real one.
    pub base_url: String,
}

impl Default for RatesConfig {
    fn default() -> Self {
        let Rules { outlier_percent, jump_percent } = Rules::default();
        Self {
            sources: vec![StaticRates::NAME.to_owned()],
            max_age_seconds: 300,
            outlier_percent: RatePercent(outlier_percent),
            jump_percent: RatePercent(jump_percent),
            fixed: BTreeMap::new(),
            coingecko: PublicSource::default(),
            kraken: KeylessSource::default(),
            kucoin: KeylessSource::default(),
            frankfurter: KeylessSource::default(),
        }
    }
}

/// Every name that `rates.sources` takes.
const NAMES: &str = "static, btcpay, coingecko, kraken, kucoin, frankfurter";

impl RatesConfig {
    /// The sources, not asked yet. One that asks a provider uses the provider's own section.
    ///
    /// # Errors
    /// An unknown source, one named twice, one that is not compiled in or whose provider has no section, a maximum age of zero, a
    /// percentage out of range, a static price for a ticker that does not exist; by the key.
    pub fn build(&self, providers: &ProvidersConfig) -> Result<Rates, ConfigError> {
        if self.max_age_seconds == 0 {
            return Err(ConfigError::new("rates.max_age_seconds", "must be above 0"));
        }
        if let Some(unknown) = self.fixed.keys().find(|ticker| !ticker.is_known()) {
            return Err(ConfigError::new(format!("rates.static.{unknown}"), "no such ticker"));
        }
        let rules = Rules {
            outlier_percent: checked("outlier_percent", self.outlier_percent, Decimal::ONE_HUNDRED)?,
            jump_percent: checked("jump_percent", self.jump_percent, Decimal::ONE_THOUSAND)?,
        };
        // Checked even where it is not a source: a wrong figure is found when it is written, not when it is needed.
        let fixed = StaticRates::new(self.fixed.clone())?;
        let mut sources: Vec<Arc<dyn RateSource>> = Vec::with_capacity(self.sources.len());
        for name in &self.sources {
            if sources.iter().any(|source| source.name() == name) {
                return Err(ConfigError::new("rates.sources", format!("`{name}` is there twice")));
            }
            sources.push(match name.as_str() {
                StaticRates::NAME => Arc::new(fixed.clone()),
                "btcpay" => btcpay(providers)?,
                name => match public(self, name) {
                    Some(source) => source?,
                    None => {
                        return Err(ConfigError::new(
                            "rates.sources",
                            format!("`{name}` is none of {NAMES}"),
                        ));
                    }
                },
            });
        }
        Ok(Rates::new(sources, Duration::from_secs(self.max_age_seconds)).with_rules(rules))
    }
}

fn checked(key: &str, percent: RatePercent, most: Decimal) -> Result<Decimal, ConfigError> {
    let fine = percent.0 > Decimal::ZERO && percent.0 <= most;
    let rule = || format!("must be a percentage above 0, at most {most}");
    if fine { Ok(percent.0) } else { Err(ConfigError::new(format!("rates.{key}"), rule())) }
}

/// A public source by its name; `None` where there is no such.
#[cfg(feature = "public-rates")]
fn public(config: &RatesConfig, name: &str) -> Option<Result<Arc<dyn RateSource>, ConfigError>> {
    use deposit_rates::http::{CoinGecko, Frankfurter, Kraken, KuCoin};

    fn at<'a>(configured: &'a str, real: &'a str) -> &'a str {
        if configured.is_empty() { real } else { configured }
    }
    fn shared<S: RateSource + 'static>(
        source: Result<S, ConfigError>,
    ) -> Result<Arc<dyn RateSource>, ConfigError> {
        Ok(Arc::new(source?))
    }
    Some(match name {
        CoinGecko::NAME => {
            let section = &config.coingecko;
            shared(CoinGecko::new(at(&section.base_url, CoinGecko::BASE_URL), section.api_key.clone()))
        }
        Kraken::NAME => shared(Kraken::new(at(&config.kraken.base_url, Kraken::BASE_URL))),
        KuCoin::NAME => shared(KuCoin::new(at(&config.kucoin.base_url, KuCoin::BASE_URL))),
        Frankfurter::NAME => {
            shared(Frankfurter::new(at(&config.frankfurter.base_url, Frankfurter::BASE_URL)))
        }
        _ => return None,
    })
}

#[cfg(not(feature = "public-rates"))]
fn public(_: &RatesConfig, name: &str) -> Option<Result<Arc<dyn RateSource>, ConfigError>> {
    matches!(name, "coingecko" | "kraken" | "kucoin" | "frankfurter").then(|| {
        Err(ConfigError::new(
            "rates.sources",
            format!("`{name}` is not compiled in (feature `public-rates`)"),
        ))
    })
}

#[cfg(feature = "btcpay")]
fn btcpay(providers: &ProvidersConfig) -> Result<Arc<dyn RateSource>, ConfigError> {
    let config = providers
        .btcpay
        .as_ref()
        .ok_or_else(|| ConfigError::new("rates.sources", "`btcpay` needs the section `providers.btcpay`"))?;
    Ok(Arc::new(crate::btcpay_rates::BtcPayRates::new(config)?))
}

#[cfg(not(feature = "btcpay"))]
fn btcpay(_: &ProvidersConfig) -> Result<Arc<dyn RateSource>, ConfigError> {
    Err(ConfigError::new("rates.sources", "`btcpay` is not compiled in (feature `btcpay`)"))
}

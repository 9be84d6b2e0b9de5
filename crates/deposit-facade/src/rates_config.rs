//! The section `[rates]`: which sources, and how old a rate may be.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use deposit_core::{ConfigError, Price, Ticker};
use deposit_rates::{RateSource, Rates, StaticRates};
use serde::Deserialize;

use crate::adapters::ProvidersConfig;

/// `[rates]` and `[rates.static]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RatesConfig {
    /// Names of the sources; the median of those that answer is taken.
    pub sources: Vec<String>,
    /// Longest time, in seconds, that a rate may be used after it was last confirmed.
    pub max_age_seconds: u64,
    /// USD for one unit, for the source `static`.
    #[serde(rename = "static")]
    pub fixed: BTreeMap<Ticker, Price>,
}

impl Default for RatesConfig {
    fn default() -> Self {
        Self { sources: vec![StaticRates::NAME.to_owned()], max_age_seconds: 300, fixed: BTreeMap::new() }
    }
}

impl RatesConfig {
    /// The sources, not asked yet. One that asks a provider uses the provider's own section.
    ///
    /// # Errors
    /// An unknown source, one named twice, one whose provider is not compiled in or has no section, a maximum age of zero, a static
    /// price for a ticker that does not exist; by the key.
    pub fn build(&self, providers: &ProvidersConfig) -> Result<Rates, ConfigError> {
        if self.max_age_seconds == 0 {
            return Err(ConfigError::new("rates.max_age_seconds", "must be above 0"));
        }
        if let Some(unknown) = self.fixed.keys().find(|ticker| !ticker.is_known()) {
            return Err(ConfigError::new(format!("rates.static.{unknown}"), "no such ticker"));
        }
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
                _ => {
                    return Err(ConfigError::new(
                        "rates.sources",
                        format!("`{name}` is none of static, btcpay"),
                    ));
                }
            });
        }
        Ok(Rates::new(sources, Duration::from_secs(self.max_age_seconds)))
    }
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

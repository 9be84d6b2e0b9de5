//! Configuration: TOML, then the environment over it, checked as a whole before anything starts.

mod layers;
mod locate;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use deposit_core::{ConfigError, Decimal, Ticker};
use deposit_engine::EngineConfig;
use deposit_facade::{LimitBook, LimitsConfig, ProvidersConfig, RatesConfig, Registry};
use deposit_rates::Rates;
use deposit_store::{RateLimit, SqliteStore, StoreError};
use ipnet::IpNet;
use serde::Deserialize;

use crate::http::CorsOrigins;

pub use layers::Environment;

/// The whole configuration. Field names are the keys of the contract.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `[server]`
    pub server: ServerConfig,
    /// `[store]`
    pub store: StoreConfig,
    /// `[deposits]`
    pub deposits: DepositsConfig,
    /// `[poll]`
    pub poll: PollConfig,
    /// `[journal]`
    pub journal: JournalConfig,
    /// `[create_rate_limit]`
    pub create_rate_limit: CreateRateLimitConfig,
    /// `[limits]`
    pub limits: LimitsConfig,
    /// `[rates]`
    pub rates: RatesConfig,
    /// `[bonus]`: percent by ticker
    pub bonus: BTreeMap<Ticker, Percent>,
    /// `[providers]`
    pub providers: ProvidersConfig,
}

/// `[server]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Where to listen; port 0 picks a free one.
    pub listen: SocketAddr,
    /// What providers and payers are told. Empty: the address that is listened on.
    pub public_url: String,
    /// Networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whose pages may read the API's answers in a browser: origins, or `*` alone. Empty: nobody's.
    pub cors_origins: Vec<String>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: String::new(),
            trusted_proxies: Vec::new(),
            cors_origins: Vec::new(),
        }
    }
}

/// `[store]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// `sqlite://PATH`.
    pub url: String,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { url: "sqlite://deposit.db".to_owned() }
    }
}

/// `[deposits]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DepositsConfig {
    /// Lifetime of the quote.
    pub lifetime_seconds: u32,
    /// How long after that a deposit is still asked about often.
    pub watch_days: u32,
    /// How long after the end of its order an unconfirmed payment is waited for before it goes to review.
    pub undecided_seconds: u32,
}

impl Default for DepositsConfig {
    fn default() -> Self {
        Self { lifetime_seconds: 3600, watch_days: 30, undecided_seconds: 259_200 }
    }
}

/// `[poll]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PollConfig {
    /// Young deposits and payments under way.
    pub young_seconds: u32,
    /// Older ones.
    pub old_seconds: u32,
}

impl Default for PollConfig {
    fn default() -> Self {
        Self { young_seconds: 10, old_seconds: 600 }
    }
}

/// `[journal]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JournalConfig {
    /// How long bodies of deliveries are kept.
    pub body_days: u32,
}

impl Default for JournalConfig {
    fn default() -> Self {
        Self { body_days: 90 }
    }
}

/// `[create_rate_limit]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CreateRateLimitConfig {
    /// How many requests …
    pub requests: u32,
    /// … in any window of this length.
    pub window_seconds: u32,
}

impl Default for CreateRateLimitConfig {
    fn default() -> Self {
        Self { requests: 10, window_seconds: 600 }
    }
}

/// A percentage, as text or a whole number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Percent(pub deposit_facade::UsdFigure);

/// The configuration cannot be used.
#[derive(Debug)]
pub struct InvalidConfig {
    /// The file that it is in, if it was a file.
    pub file: Option<PathBuf>,
    /// Its line there.
    pub line: Option<usize>,
    /// The environment variable that it is in, if it was one.
    pub variable: Option<String>,
    /// The key.
    pub key: Option<String>,
    /// The rule that it breaks.
    pub rule: String,
}

impl fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(variable) = &self.variable {
            write!(f, "environment variable {variable}: ")?;
        } else if let Some(file) = &self.file {
            write!(f, "{}", file.display())?;
            if let Some(line) = self.line {
                write!(f, ":{line}")?;
            }
            write!(f, ": ")?;
        }
        if let Some(key) = &self.key {
            write!(f, "`{key}`: ")?;
        }
        f.write_str(&self.rule)
    }
}

impl std::error::Error for InvalidConfig {}

/// What the engine is built from.
#[derive(Debug)]
pub struct Built {
    /// The providers.
    pub registry: Registry,
    /// The rates.
    pub rates: Rates,
    /// The engine's settings.
    pub engine: EngineConfig,
    /// The server's settings.
    pub server: ServerConfig,
    /// The store's URL.
    pub store_url: String,
}

/// A configuration that was read, with what is needed to say where a mistake is.
#[derive(Debug)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    sources: locate::Sources,
}

impl Loaded {
    /// Reads `file` (or `deposit.toml` where it exists), puts `sandbox` (the emulators' ready sections) and the environment over it.
    ///
    /// # Errors
    /// What is wrong, by key and line or variable.
    pub fn read(
        file: Option<&Path>,
        sandbox: Option<&str>,
        environment: &Environment,
    ) -> Result<Self, InvalidConfig> {
        layers::read(file, sandbox, environment)
    }

    /// Checks the values against each other and builds what they describe. Nothing is contacted.
    ///
    /// # Errors
    /// What is wrong, by key and line or variable.
    pub fn build(self) -> Result<Built, InvalidConfig> {
        let Self { config, sources } = self;
        config.build().map_err(|error| sources.explain(error))
    }
}

impl Config {
    fn build(self) -> Result<Built, ConfigError> {
        let positive = |key: &str, value: u32| {
            if value == 0 { Err(ConfigError::new(key, "must be above 0")) } else { Ok(i64::from(value)) }
        };
        let lifetime_secs = positive("deposits.lifetime_seconds", self.deposits.lifetime_seconds)?;
        let young_secs = positive("poll.young_seconds", self.poll.young_seconds)?;
        let old_secs = positive("poll.old_seconds", self.poll.old_seconds)?;
        let window = positive("create_rate_limit.window_seconds", self.create_rate_limit.window_seconds)?;
        positive("create_rate_limit.requests", self.create_rate_limit.requests)?;
        public_url(&self.server.public_url)?;
        store_url(&self.store.url)?;
        CorsOrigins::parse(&self.server.cors_origins)
            .map_err(|error| ConfigError::new("server.cors_origins", error.to_string()))?;
        let mut bonus = BTreeMap::new();
        for (ticker, percent) in &self.bonus {
            let percent = percent.0.0;
            if percent.is_sign_negative() || percent > Decimal::ONE_HUNDRED {
                return Err(ConfigError::new(
                    format!("bonus.{ticker}"),
                    "must be a percentage from 0 to 100",
                ));
            }
            bonus.insert(*ticker, percent);
        }
        let rates = self.rates.build(&self.providers)?;
        let registry = self.providers.build()?;
        let limits = LimitBook::new(&self.limits, &registry)?;
        let engine = EngineConfig {
            lifetime_secs,
            watch_days: i64::from(self.deposits.watch_days),
            undecided_secs: i64::from(self.deposits.undecided_seconds),
            young_secs,
            old_secs,
            body_days: i64::from(self.journal.body_days),
            create_limit: RateLimit {
                requests: self.create_rate_limit.requests,
                window_millis: window.saturating_mul(1000),
            },
            limits,
            bonus,
            rate_max_age_secs: i64::try_from(self.rates.max_age_seconds).unwrap_or(i64::MAX),
        };
        Ok(Built { registry, rates, engine, server: self.server, store_url: self.store.url })
    }
}

fn store_url(url: &str) -> Result<(), ConfigError> {
    SqliteStore::check_url(url).map_err(|error| {
        let rule = if let StoreError::Url(rule) = error { rule } else { error.to_string() };
        ConfigError::new("store.url", rule)
    })
}

fn public_url(url: &str) -> Result<(), ConfigError> {
    let rule =
        || ConfigError::new("server.public_url", "must be an http or https URL without query and fragment");
    if url.is_empty() {
        return Ok(());
    }
    let uri: http::Uri = url.parse().map_err(|_| rule())?;
    let scheme = matches!(uri.scheme_str(), Some("http" | "https"));
    if scheme && uri.host().is_some() && uri.query().is_none() && !url.contains('#') {
        Ok(())
    } else {
        Err(rule())
    }
}

#[cfg(test)]
mod tests;

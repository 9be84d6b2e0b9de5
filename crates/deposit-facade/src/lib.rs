#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod adapters;
#[cfg(feature = "btcpay")]
mod btcpay_rates;
mod limits;
mod limits_config;
mod rates_config;
mod registry;

pub use adapters::{ADAPTERS, COMPILED_IN, ProvidersConfig};
#[cfg(feature = "btcpay")]
pub use btcpay_rates::BtcPayRates;
pub use limits::{AmountError, CheckError, LimitBook, Unquotable, parse_amount};
pub use limits_config::{LimitsConfig, LimitsEntry, UsdFigure};
pub use rates_config::{KeylessSource, PublicSource, RatePercent, RatesConfig};
pub use registry::{RegisterError, Registry, RegistryBuilder, Route, RouteError};

/// The vocabulary, for programs that depend on this crate alone.
pub use deposit_core as core;
/// Prices.
pub use deposit_rates as rates;

/// The example of the repository's own README.
#[cfg(all(doctest, feature = "btcpay"))]
#[doc = include_str!("../../../README.md")]
struct RepositoryReadme;

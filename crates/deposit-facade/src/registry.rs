//! Which adapter serves a ticker.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use deposit_core::{Asset, AssetCode, PaymentProvider, ProviderId, Ticker, TickerSpec};

use crate::adapters::COMPILED_IN;

/// Where a ticker leads.
#[derive(Debug, Clone)]
pub struct Route {
    /// The adapter.
    pub provider: Arc<dyn PaymentProvider>,
    /// What it says of this way of paying.
    pub spec: TickerSpec,
}

/// A ticker leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// Neither one of the known tickers nor one that a registered adapter brings.
    #[error(
        "unsupported ticker {ticker} (available: {}; compiled in: {}; configured: {})",
        listed(.available), listed(.compiled_in), listed(.configured)
    )]
    Unknown {
        /// What was asked for.
        ticker: Ticker,
        /// What there is, in the order of the contract.
        available: Vec<Ticker>,
        /// Adapters that are compiled in.
        compiled_in: Vec<&'static str>,
        /// Adapters that are registered.
        configured: Vec<ProviderId>,
    },
    /// A known ticker whose provider is not configured, or not compiled in.
    #[error(
        "no configured provider serves {ticker} (compiled in: {}; configured: {})",
        listed(.compiled_in), listed(.configured)
    )]
    Unavailable {
        /// What was asked for.
        ticker: Ticker,
        /// Adapters that are compiled in.
        compiled_in: Vec<&'static str>,
        /// Adapters that are registered.
        configured: Vec<ProviderId>,
    },
}

fn listed<T: fmt::Display>(items: &[T]) -> String {
    if items.is_empty() {
        return "none".to_owned();
    }
    items.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

/// Adapters that cannot stand side by side.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// Two adapters of one name.
    #[error("provider {provider} is already registered")]
    Provider {
        /// The name.
        provider: ProviderId,
    },
    /// One ticker twice.
    #[error("ticker {ticker} is offered by {first} and by {second}")]
    Ticker {
        /// The ticker.
        ticker: Ticker,
        /// Who has it.
        first: ProviderId,
        /// Who offers it too; the same where one adapter lists it twice.
        second: ProviderId,
    },
    /// One asset code with two scales: amounts of the two would be mixed up by powers of ten.
    #[error("asset {code} has {first} decimals ({first_by}) and {second} ({second_by})")]
    Asset {
        /// The code.
        code: AssetCode,
        /// Its scale so far.
        first: u8,
        /// Whose definition that is.
        first_by: String,
        /// The other scale.
        second: u8,
        /// Whose definition that is.
        second_by: ProviderId,
    },
    /// The API would take amounts that cannot be stored.
    #[error("ticker {ticker} of {provider} is quoted in {quote_decimals} decimals, its asset has {scale}")]
    QuoteDecimals {
        /// The ticker.
        ticker: Ticker,
        /// Whose.
        provider: ProviderId,
        /// Decimals of the API's amount.
        quote_decimals: u8,
        /// Decimals that are stored.
        scale: u8,
    },
}

/// The adapters in use and the tickers they serve. Made once at start-up, shared by all tasks.
#[derive(Debug, Clone)]
pub struct Registry {
    providers: Vec<Arc<dyn PaymentProvider>>,
    routes: BTreeMap<Ticker, Route>,
    /// In the contract's order.
    tickers: Vec<Ticker>,
}

impl Registry {
    /// An empty registry to fill.
    #[must_use]
    pub fn builder() -> RegistryBuilder {
        RegistryBuilder::default()
    }

    /// The adapter that serves a ticker. Standing tickers (XNO) have a route too: opening an order there answers `Unsupported`.
    ///
    /// # Errors
    /// See [`RouteError`].
    pub fn route(&self, ticker: &Ticker) -> Result<Route, RouteError> {
        if let Some(route) = self.routes.get(ticker) {
            return Ok(route.clone());
        }
        let ticker = *ticker;
        let compiled_in = COMPILED_IN.to_vec();
        let configured = self.providers.iter().map(|provider| provider.id()).collect();
        Err(if ticker.is_known() {
            RouteError::Unavailable { ticker, compiled_in, configured }
        } else {
            RouteError::Unknown { ticker, available: self.tickers.clone(), compiled_in, configured }
        })
    }

    /// The adapter of this name.
    #[must_use]
    pub fn provider(&self, id: &ProviderId) -> Option<&Arc<dyn PaymentProvider>> {
        self.providers.iter().find(|provider| provider.id() == *id)
    }

    /// All adapters, in the order of registration.
    pub fn providers(&self) -> impl ExactSizeIterator<Item = &Arc<dyn PaymentProvider>> {
        self.providers.iter()
    }

    /// All tickers that have a route: the known ones in the contract's order, then others by name.
    pub fn tickers(&self) -> impl ExactSizeIterator<Item = Ticker> + '_ {
        self.tickers.iter().copied()
    }

    /// All routes, in the order of [`tickers`](Self::tickers).
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        self.tickers.iter().filter_map(|ticker| self.routes.get(ticker))
    }
}

/// Takes adapters one by one; the first that does not fit is refused.
#[derive(Debug, Clone, Default)]
pub struct RegistryBuilder {
    providers: Vec<Arc<dyn PaymentProvider>>,
    routes: BTreeMap<Ticker, Route>,
    assets: BTreeMap<AssetCode, (u8, ProviderId)>,
}

impl RegistryBuilder {
    /// Adds an adapter with all its tickers.
    ///
    /// # Errors
    /// See [`RegisterError`].
    pub fn register(mut self, provider: Arc<dyn PaymentProvider>) -> Result<Self, RegisterError> {
        let id = provider.id();
        if self.providers.iter().any(|other| other.id() == id) {
            return Err(RegisterError::Provider { provider: id });
        }
        for spec in &provider.capabilities().tickers {
            if let Some(taken) = self.routes.get(&spec.ticker) {
                return Err(RegisterError::Ticker {
                    ticker: spec.ticker,
                    first: taken.provider.id(),
                    second: id,
                });
            }
            self.define(spec.asset, id)?;
            self.define(spec.credit.ledger, id)?;
            if spec.quote_decimals > spec.asset.scale() {
                return Err(RegisterError::QuoteDecimals {
                    ticker: spec.ticker,
                    provider: id,
                    quote_decimals: spec.quote_decimals,
                    scale: spec.asset.scale(),
                });
            }
            self.routes.insert(spec.ticker, Route { provider: Arc::clone(&provider), spec: *spec });
        }
        self.providers.push(provider);
        Ok(self)
    }

    /// The constants of the core count as defined: the ledger is kept in them.
    fn define(&mut self, asset: Asset, by: ProviderId) -> Result<(), RegisterError> {
        let code = asset.code();
        let conflict = |first, first_by| RegisterError::Asset {
            code,
            first,
            first_by,
            second: asset.scale(),
            second_by: by,
        };
        if let Some(known) = Asset::KNOWN.iter().find(|known| known.code() == code)
            && known.scale() != asset.scale()
        {
            return Err(conflict(known.scale(), "built in".to_owned()));
        }
        let (scale, first_by) = *self.assets.entry(code).or_insert((asset.scale(), by));
        if scale == asset.scale() { Ok(()) } else { Err(conflict(scale, first_by.to_string())) }
    }

    /// The registry.
    #[must_use]
    pub fn build(self) -> Registry {
        let known = Ticker::KNOWN.iter().copied().filter(|ticker| self.routes.contains_key(ticker));
        let others = self.routes.keys().copied().filter(|ticker| !ticker.is_known());
        let tickers = known.chain(others).collect();
        Registry { providers: self.providers, routes: self.routes, tickers }
    }
}

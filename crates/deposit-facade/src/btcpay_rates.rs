//! The rates of a BTCPay store as a source.

use deposit_btcpay::{Config, StoreRates};
use deposit_core::{ConfigError, Price, Ticker, async_trait};
use deposit_rates::{RateError, RateSource};

/// What the store's own rate provider says, over the API of the server.
#[derive(Debug)]
pub struct BtcPayRates(StoreRates);

impl BtcPayRates {
    /// Its name.
    pub const NAME: &'static str = "btcpay";

    /// From the section `providers.btcpay`.
    ///
    /// # Errors
    /// As the adapter's own `build`.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        StoreRates::new(config).map(Self)
    }
}

#[async_trait]
impl RateSource for BtcPayRates {
    fn name(&self) -> &str {
        Self::NAME
    }

    async fn fetch(&self, tickers: &[Ticker]) -> Result<Vec<(Ticker, Price)>, RateError> {
        self.0.store_rates(tickers).await.map_err(|error| RateError::source(Self::NAME, error))
    }
}

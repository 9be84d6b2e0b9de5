//! The rates of a BTCPay store as a source.

use deposit_btcpay::{Config, StoreRates};
use deposit_core::{ConfigError, Ticker, async_trait};
use deposit_rates::{Quote, RateError, RateSource};

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

    fn knows(&self, ticker: Ticker) -> bool {
        StoreRates::knows(ticker)
    }

    async fn fetch(&self, tickers: &[Ticker]) -> Result<Vec<Quote>, RateError> {
        match self.0.store_rates(tickers).await {
            Ok(said) => Ok(said.into_iter().map(|(ticker, price)| Quote::new(ticker, price)).collect()),
            Err(error) => Err(RateError::of_provider(Self::NAME, error)),
        }
    }
}

//! The store's own exchange rates.

use deposit_core::json::NumberText;
use deposit_core::{Price, ProviderError, Ticker};
use deposit_transport::HttpConfig;

use crate::client::Client;
use crate::coin::Coin;
use crate::config::Config;

/// The store's rates as a source of prices, apart from payments: a client of its own, so that neither blocks the other.
///
/// The key needs `btcpay.store.canviewstoresettings` for this. The value is the bid with the store's spread taken off.
#[derive(Debug)]
pub struct StoreRates(Client);

impl StoreRates {
    /// From the same section of the configuration as the adapter.
    ///
    /// # Errors
    /// A value that cannot work, by its key.
    pub fn new(config: &Config) -> Result<Self, deposit_core::ConfigError> {
        Client::new(&config.clone().check()?, HttpConfig::default()).map(Self)
    }

    /// Whether the store can be asked for this ticker's price.
    #[must_use]
    pub fn knows(ticker: Ticker) -> bool {
        currency(ticker).is_some()
    }

    /// USD for one unit; tickers without an answer are left out.
    ///
    /// # Errors
    /// As a read.
    pub async fn store_rates(&self, tickers: &[Ticker]) -> Result<Vec<(Ticker, Price)>, ProviderError> {
        store_rates(&self.0, tickers).await
    }
}

/// What the store calls the currency; `None` for what it cannot know. Only well-formed codes are asked for: the server drops a
/// malformed pair *and all after it*.
fn currency(ticker: Ticker) -> Option<&'static str> {
    match ticker {
        Ticker::EUR => Some("EUR"),
        Ticker::GBP => Some("GBP"),
        other => Coin::of(other).map(|coin| coin.currency),
    }
}

pub(crate) async fn store_rates(
    client: &Client,
    tickers: &[Ticker],
) -> Result<Vec<(Ticker, Price)>, ProviderError> {
    let wanted: Vec<(Ticker, String)> =
        tickers.iter().filter_map(|ticker| Some((*ticker, format!("{}_USD", currency(*ticker)?)))).collect();
    let mut pairs: Vec<String> = wanted.iter().map(|(_, pair)| pair.clone()).collect();
    pairs.sort();
    pairs.dedup();
    // Without a pair the store's default ones would come.
    if pairs.is_empty() {
        return Ok(Vec::new());
    }
    let rates = client.rates(&pairs).await?;
    let price = |pair: &str| {
        let rate = rates.iter().find(|rate| rate.currency_pair.eq_ignore_ascii_case(pair))?;
        // What is no number is the trouble of its pair alone.
        let number: NumberText = serde_json::from_str(rate.rate.as_ref()?.get()).ok()?;
        number.decimal().to_string().parse::<Price>().ok()
    };
    Ok(wanted.iter().filter_map(|(ticker, pair)| Some((*ticker, price(pair)?))).collect())
}

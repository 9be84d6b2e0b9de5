//! KuCoin: `GET /api/v1/prices`.

use async_trait::async_trait;
use deposit_core::{ConfigError, ProviderId, Ticker};
use serde::Deserialize;

use super::{Members, Site, price_of};
use crate::source::{Quote, RateError, RateSource};

/// What KuCoin trades of ours, by its own symbol. Its `BAN` is another coin than Banano; Zano and FUSD are not there.
const SYMBOLS: &[Ticker] = &[
    Ticker::BTC,
    Ticker::LTC,
    Ticker::XMR,
    Ticker::DOGE,
    Ticker::DASH,
    Ticker::ZEC,
    Ticker::BCH,
    Ticker::KAS,
    Ticker::TON,
    Ticker::NEAR,
    Ticker::EGLD,
    Ticker::USDC,
    Ticker::USDT,
    Ticker::ETH,
    Ticker::SOL,
    Ticker::XNO,
];

/// What it says where it answered.
const WELL: &str = "200000";

#[derive(Deserialize)]
struct Answer {
    code: String,
    #[serde(default)]
    data: Option<Members>,
}

/// The exchange KuCoin.
#[derive(Debug)]
pub struct KuCoin(Site);

impl KuCoin {
    /// Its name.
    pub const NAME: &'static str = "kucoin";
    /// Where it is.
    pub const BASE_URL: &'static str = "https://api.kucoin.com";

    /// No key is needed.
    ///
    /// # Errors
    /// A value that cannot work, by its key.
    pub fn new(base_url: &str) -> Result<Self, ConfigError> {
        Site::new(ProviderId::constant("kucoin"), Self::NAME, base_url).map(Self)
    }
}

#[async_trait]
impl RateSource for KuCoin {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn knows(&self, ticker: Ticker) -> bool {
        SYMBOLS.contains(&ticker)
    }

    async fn fetch(&self, tickers: &[Ticker]) -> Result<Vec<Quote>, RateError> {
        let wanted: Vec<&Ticker> = SYMBOLS.iter().filter(|ticker| tickers.contains(ticker)).collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let symbols: Vec<&str> = wanted.iter().map(|ticker| ticker.as_str()).collect();
        let request =
            self.0.get("/api/v1/prices").query("base", "USD").query("currencies", &symbols.join(","));
        let answer: Answer = self.0.ask(request).await?;
        let prices = answer.data.filter(|_| answer.code == WELL);
        let prices = prices.ok_or_else(|| self.0.refused("the answer has another code than 200000", None))?;
        let quote = |ticker: &Ticker| Some(Quote::new(*ticker, price_of(prices.get(ticker.as_str())?)?));
        Ok(wanted.into_iter().filter_map(quote).collect())
    }
}

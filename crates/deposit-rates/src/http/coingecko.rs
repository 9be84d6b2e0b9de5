//! CoinGecko: `GET /api/v3/simple/price`.

use std::time::Duration;

use async_trait::async_trait;
use deposit_core::{ConfigError, ProviderId, Secret, Ticker, Timestamp};

use super::{Members, Site, price_of};
use crate::source::{Quote, RateError, RateSource};

/// CoinGecko's id of each coin. An id that it does not know is left out of its answer.
const IDS: &[(Ticker, &str)] = &[
    (Ticker::BTC, "bitcoin"),
    (Ticker::LTC, "litecoin"),
    (Ticker::XMR, "monero"),
    (Ticker::DOGE, "dogecoin"),
    (Ticker::DASH, "dash"),
    (Ticker::ZEC, "zcash"),
    (Ticker::BCH, "bitcoin-cash"),
    (Ticker::BAN, "banano"),
    (Ticker::KAS, "kaspa"),
    (Ticker::TON, "the-open-network"),
    (Ticker::NEAR, "near"),
    (Ticker::EGLD, "elrond-erd-2"),
    (Ticker::VVV, "venice-token"),
    (Ticker::ZANO, "zano"),
    (Ticker::FUSD, "freedom-dollar"),
    (Ticker::USDC, "usd-coin"),
    (Ticker::USDT, "tether"),
    (Ticker::ETH, "ethereum"),
    (Ticker::SOL, "solana"),
    (Ticker::XNO, "nano"),
];

/// The aggregator CoinGecko.
#[derive(Debug)]
pub struct CoinGecko {
    site: Site,
    api_key: Secret,
    /// The header of the key: the paid service has another one.
    key_header: &'static str,
}

impl CoinGecko {
    /// Its name.
    pub const NAME: &'static str = "coingecko";
    /// Where it is. The paid service is `https://pro-api.coingecko.com`.
    pub const BASE_URL: &'static str = "https://api.coingecko.com";

    /// An empty key asks as the public does (about five questions a minute are allowed then).
    ///
    /// # Errors
    /// A value that cannot work, by its key.
    pub fn new(base_url: &str, api_key: Secret) -> Result<Self, ConfigError> {
        if !api_key.expose().bytes().all(|b| b.is_ascii_graphic()) {
            return Err(ConfigError::new("rates.coingecko.api_key", "must be visible ASCII characters"));
        }
        let site = Site::new(ProviderId::constant("coingecko"), Self::NAME, base_url)?;
        let paid = site.base.host_str().is_some_and(|host| host.starts_with("pro-api."));
        let key_header = if paid { "x-cg-pro-api-key" } else { "x-cg-demo-api-key" };
        Ok(Self { site, api_key, key_header })
    }
}

#[async_trait]
impl RateSource for CoinGecko {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn knows(&self, ticker: Ticker) -> bool {
        IDS.iter().any(|(known, _)| *known == ticker)
    }

    /// Its figures are renewed once a minute, and the public may not ask much more often.
    fn every(&self) -> Duration {
        Duration::from_secs(60)
    }

    /// Its `last_updated_at` follows trades; an hour without any is no market.
    fn max_figure_age(&self) -> Duration {
        Duration::from_secs(3600)
    }

    async fn fetch(&self, tickers: &[Ticker]) -> Result<Vec<Quote>, RateError> {
        let wanted: Vec<&(Ticker, &str)> =
            IDS.iter().filter(|(ticker, _)| tickers.contains(ticker)).collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<&str> = wanted.iter().map(|(_, id)| *id).collect();
        let mut request = self
            .site
            .get("/api/v3/simple/price")
            .query("ids", &ids.join(","))
            .query("vs_currencies", "usd")
            .query("include_last_updated_at", "true")
            .query("precision", "18");
        if !self.api_key.is_empty() {
            request = request.secret_header(self.key_header, "", &self.api_key);
        }
        let coins: Members = self.site.ask(request).await?;
        // It refuses with an error object, at times with 200 around it.
        if coins.contains_key("status") && !wanted.iter().any(|(_, id)| coins.contains_key(*id)) {
            return Err(self.site.refused("the answer is an error", None));
        }
        let quote = |(ticker, id): &(Ticker, &str)| {
            let coin: Members = serde_json::from_str(coins.get(*id)?.get()).ok()?;
            let price = price_of(coin.get("usd")?)?;
            let updated = coin.get("last_updated_at").and_then(|raw| raw.get().parse::<i64>().ok());
            Some(Quote { ticker: *ticker, price, as_of: updated.map(Timestamp::from_secs) })
        };
        Ok(wanted.into_iter().filter_map(quote).collect())
    }
}

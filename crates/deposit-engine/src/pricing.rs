//! Which rate: the newest for a quote, the one in force for a late payment.

use std::time::Duration;

use deposit_core::{Price, Ticker, TickerSpec, Timestamp};
use deposit_lifecycle::PriceNeed;
use deposit_store::StoredRate;

use crate::Engine;
use crate::error::EngineError;
use crate::prices::TOLD;

/// How long a rate that moved is still good for a client that was quoted by it.
const QUOTED_RATE_SECS: i64 = 60;
/// How long the rate sources are waited for.
const GATHER: Duration = Duration::from_secs(10);

impl Engine {
    /// The newest rate of `by`; `None` where none is fresh. Never asks a source.
    pub(crate) async fn newest_rate(
        &self,
        by: Option<Ticker>,
        now: Timestamp,
    ) -> Result<Option<StoredRate>, EngineError> {
        let Some(ticker) = by else {
            // One to one: no source is needed, and nothing can be stale.
            return Ok(Some(one_to_one(now)));
        };
        match self.inner.rates.current(ticker, now) {
            Ok(rate) => Ok(Some(StoredRate {
                ticker,
                price: rate.price,
                source: rate.source,
                valid_from: rate.at,
                seen_until: rate.at,
            })),
            // Another replica may have stored a fresher one.
            Err(_) => {
                let stored = self.store().rate_at(ticker, now).await?;
                Ok(stored.filter(|rate| self.in_force(rate, now)))
            }
        }
    }

    /// The newest price and all that were in force a moment ago, newest first: a client may send back what it was quoted.
    pub(crate) async fn acceptable_prices(
        &self,
        spec: &TickerSpec,
        newest: Price,
        now: Timestamp,
    ) -> Result<Vec<Price>, EngineError> {
        let mut prices = vec![newest];
        if let Some(ticker) = spec.quoted_by {
            let since = now.plus_secs(-QUOTED_RATE_SECS);
            prices.extend(self.store().rates_since(ticker, since).await?.into_iter().map(|rate| rate.price));
        }
        Ok(prices)
    }

    /// The price of a payment, or `None` while no rate for its time is known.
    pub(crate) async fn price_for(&self, need: PriceNeed) -> Result<Option<Price>, EngineError> {
        match need {
            PriceNeed::Locked(price) => Ok(Some(price)),
            PriceNeed::RateAt(ticker, at) => {
                if let Some(rate) = self.store().rate_at(ticker, at).await?
                    && self.in_force(&rate, at)
                {
                    return Ok(Some(rate.price));
                }
                // No rate was known at that time: the first that is known after it prices the payment, once.
                Ok(self.store().rate_after(ticker, at).await?.map(|rate| rate.price))
            }
        }
    }

    fn in_force(&self, rate: &StoredRate, at: Timestamp) -> bool {
        rate.valid_from <= at && at <= rate.seen_until.plus_secs(self.config().rate_max_age_secs)
    }

    /// Asks the sources and stores what they say, before anything can lock it.
    pub(crate) async fn refresh_rates(&self) -> Result<(), EngineError> {
        // Those whose prices are told to anybody as well.
        let mut tickers = self.priced_tickers();
        tickers.extend(TOLD);
        let rates = &self.inner.rates;
        // A source that hangs delays nobody: what the others said is kept, and settled below.
        let gathered = tokio::time::timeout(GATHER, rates.gather(&tickers, self.now())).await;
        if gathered.is_err() {
            tracing::warn!("a rate source did not answer in time");
        }
        let settled = rates.settle(&tickers, self.now());
        let stored = settled
            .new
            .iter()
            .map(|rate| StoredRate {
                ticker: rate.ticker,
                price: rate.price,
                source: rate.source.clone(),
                valid_from: rate.at,
                seen_until: rate.at,
            })
            .collect();
        self.store().store_rates(stored).await?;
        rates.seed(settled.new);
        Ok(())
    }

    /// Every ticker by whose rate something is priced.
    pub(crate) fn priced_tickers(&self) -> Vec<Ticker> {
        let mut tickers: Vec<Ticker> = self
            .registry()
            .routes()
            .flat_map(|route| [route.spec.quoted_by, route.spec.credit.priced_by])
            .flatten()
            .collect();
        tickers.sort_unstable();
        tickers.dedup();
        tickers
    }
}

fn one_to_one(now: Timestamp) -> StoredRate {
    StoredRate {
        ticker: Ticker::USD,
        price: Price::ONE,
        source: "fixed".to_owned(),
        valid_from: now,
        seen_until: now,
    }
}

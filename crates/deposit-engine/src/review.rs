//! What money in review is worth, for an operator who assigns it.

use deposit_core::{Amount, Asset, Price, Rounding, Ticker, TickerSpec};
use deposit_lifecycle::PriceNeed;
use deposit_store::{ReviewReason, ReviewRow};

use crate::Engine;
use crate::error::EngineError;
use crate::observe::asset_of;

/// What an item would be credited with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Valued {
    /// In the ledger's currency.
    pub credit: Amount,
    /// Of what was paid.
    pub paid: Amount,
    /// At this price, where it has one.
    pub price: Option<(Ticker, Price)>,
}

/// Why an item's worth is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoValue {
    /// The item has no amount.
    #[error("how much was paid is not known")]
    Amount,
    /// The item has no ticker, or one that says nothing.
    #[error("in which coin was paid is not known")]
    Coin,
    /// The amount cannot be read in the ticker's asset.
    #[error("the amount {0:?} cannot be read")]
    Unreadable(String),
    /// The amount is zero.
    #[error("nothing was paid")]
    Nothing,
    /// No rate is stored.
    #[error("no rate of {0} is stored")]
    Rate(Ticker),
    /// Beyond what the ledger can hold, or below its smallest unit.
    #[error("the amount is too large or too small for the ledger")]
    Size,
    /// Some of it was assigned before.
    #[error("this money, or a part of it, was assigned before: what is still missing is for you to say")]
    Again,
    /// It was assigned, and taken back since.
    #[error(
        "this money was credited and went back at its provider: there is nothing to credit, and what was credited stays until you settle it with the customer"
    )]
    TakenBack,
}

impl Engine {
    /// What the money of a review item is worth: its amount at the stored rate in force when it was noted, else at the first one after that,
    /// else at the newest, rounded down to the ledger's 8 decimals; XNO in kind.
    ///
    /// # Errors
    /// The store's; [`NoValue`] is an answer.
    pub async fn value_of_review(&self, review: &ReviewRow) -> Result<Result<Valued, NoValue>, EngineError> {
        if review.reason.takes_back() {
            return Ok(Err(NoValue::TakenBack));
        }
        // Its amount is what is above what was assigned before, where that is known: else all of what was seen.
        if review.reason == ReviewReason::AlreadyAssigned && review.amount == review.seen {
            return Ok(Err(NoValue::Again));
        }
        let Some(text) = review.amount.as_deref() else { return Ok(Err(NoValue::Amount)) };
        let Some(ticker) = review.ticker else { return Ok(Err(NoValue::Coin)) };
        let Some(Unit { asset, by }) = self.unit(review, ticker) else { return Ok(Err(NoValue::Coin)) };
        let Ok(paid) = Amount::parse(text, asset) else {
            return Ok(Err(NoValue::Unreadable(text.to_owned())));
        };
        if paid.is_zero() {
            return Ok(Err(NoValue::Nothing));
        }
        if ticker == Ticker::XNO {
            return Ok(Ok(Valued { credit: paid, paid, price: None }));
        }
        let price = match by {
            None => Price::ONE,
            Some(by) => match self.price_at(by, review).await? {
                Some(price) => price,
                None => return Ok(Err(NoValue::Rate(by))),
            },
        };
        Ok(match price.value_in(paid, Asset::USD, Rounding::Down) {
            Ok(credit) if !credit.is_zero() => Ok(Valued { credit, paid, price: by.map(|by| (by, price)) }),
            Ok(_) | Err(_) => Err(NoValue::Size),
        })
    }

    async fn price_at(&self, by: Ticker, review: &ReviewRow) -> Result<Option<Price>, EngineError> {
        for ticker in [Some(by), deposit_rates::fallback(by)].into_iter().flatten() {
            if let Some(price) = self.price_for(PriceNeed::RateAt(ticker, review.since)).await? {
                return Ok(Some(price));
            }
            // Out of date by then, but nothing better is known.
            if let Some(rate) = self.store().rate_at(ticker, self.now()).await? {
                return Ok(Some(rate.price));
            }
        }
        Ok(None)
    }

    /// In what a ticker's amounts are counted, by its provider's adapter; where that is not configured any more, by its name.
    fn unit(&self, review: &ReviewRow, ticker: Ticker) -> Option<Unit> {
        let of = |spec: &TickerSpec| Unit { asset: spec.asset, by: spec.quoted_by };
        let provider = self.registry().provider(&review.provider);
        let own = provider.and_then(|p| p.capabilities().tickers.iter().find(|spec| spec.ticker == ticker));
        if let Some(spec) = own {
            return Some(of(spec));
        }
        if let Ok(route) = self.registry().route(&ticker) {
            return Some(of(&route.spec));
        }
        let asset = asset_of(ticker)?;
        let one_to_one = [Asset::USD, Asset::USDC].contains(&asset);
        Some(Unit { asset, by: (!one_to_one).then_some(ticker) })
    }
}

struct Unit {
    asset: Asset,
    /// By whose rate; `None`: one to one with USD.
    by: Option<Ticker>,
}

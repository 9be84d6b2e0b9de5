//! Prices that anybody may ask for: of Nano in USD, and of USD in other currencies.

use deposit_core::{Amount, Asset, Price, Rounding, Ticker};

use crate::Engine;
use crate::error::EngineError;

/// Whose rates are always asked for, whether a provider is paid in them or not.
pub(crate) const TOLD: [Ticker; 3] = [Ticker::XNO, Ticker::EUR, Ticker::GBP];

/// The currencies of the contract, in its order.
const CURRENCIES: [Ticker; 3] = [Ticker::USD, Ticker::EUR, Ticker::GBP];

/// Decimals of a price that is told.
const DECIMALS: u8 = 8;

/// How much of a currency one USD is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FiatPrice {
    /// Which currency.
    pub currency: Ticker,
    /// How much of it, at 8 decimals, half up.
    pub for_one_usd: Amount,
}

impl Engine {
    /// USD for one XNO, at 8 decimals, half up; `None` without a fresh rate. Never asks a source.
    ///
    /// # Errors
    /// The store's.
    pub async fn nano_price(&self) -> Result<Option<Amount>, EngineError> {
        let rate = self.newest_rate(Some(Ticker::XNO), self.now()).await?;
        Ok(rate.and_then(|rate| rounded(rate.price)))
    }

    /// How much of each currency one USD is; `None` where one of them has no fresh rate: half a table would be taken for a whole one.
    /// Never asks a source.
    ///
    /// # Errors
    /// The store's.
    pub async fn fiat_prices(&self) -> Result<Option<Vec<FiatPrice>>, EngineError> {
        let now = self.now();
        let mut prices = Vec::with_capacity(CURRENCIES.len());
        for currency in CURRENCIES {
            let rate = self.newest_rate(Some(currency), now).await?;
            let Some(for_one_usd) = rate.and_then(|rate| for_one_usd(rate.price)) else { return Ok(None) };
            prices.push(FiatPrice { currency, for_one_usd });
        }
        Ok(Some(prices))
    }
}

/// `None` of what is nothing at 8 decimals.
fn rounded(price: Price) -> Option<Amount> {
    let scale = Asset::new("USD", DECIMALS).ok()?;
    let whole = Amount::new(10_u128.pow(u32::from(DECIMALS)), scale);
    price.value_in(whole, scale, Rounding::HalfUp).ok().filter(|amount| !amount.is_zero())
}

/// One division, one rounding.
fn for_one_usd(price: Price) -> Option<Amount> {
    let scale = Asset::new("USD", DECIMALS).ok()?;
    let units = price.units_for(Price::ONE.usd(), scale, DECIMALS, Rounding::HalfUp);
    units.ok().filter(|amount| !amount.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_told_at_eight_decimals_half_up() {
        let told = |price: &str| rounded(price.parse().unwrap()).map(|amount| amount.to_string());
        assert_eq!(told("0.93").as_deref(), Some("0.93"));
        assert_eq!(told("0.123456785").as_deref(), Some("0.12345679"));
        assert_eq!(told("0.123456784999").as_deref(), Some("0.12345678"));
        assert_eq!(told("0.000000004"), None);
        let inverse = |price: &str| for_one_usd(price.parse().unwrap()).map(|amount| amount.to_string());
        assert_eq!(inverse("1").as_deref(), Some("1"));
        assert_eq!(inverse("1.25").as_deref(), Some("0.8"));
        assert_eq!(inverse("1.08").as_deref(), Some("0.92592593"));
        assert_eq!(inverse("1.5").as_deref(), Some("0.66666667"));
        assert_eq!(inverse("1000000000"), None);
    }
}

//! Limits of an amount: configured in USD, quoted in the coin.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::asset::Asset;
use crate::price::{Overflow, Price, Rounding};

/// The operator's limits of one ticker, in USD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsdLimits {
    /// Least, inclusive.
    pub minimum: Decimal,
    /// Most, inclusive.
    pub maximum: Decimal,
}

/// Limits cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLimits {
    /// Below zero.
    #[error("a limit must not be negative")]
    Negative,
    /// The wrong way round.
    #[error("minimum must not be above maximum")]
    Order,
}

impl UsdLimits {
    /// Checked limits.
    ///
    /// # Errors
    /// Negative figures, or minimum above maximum.
    pub fn new(minimum: Decimal, maximum: Decimal) -> Result<Self, InvalidLimits> {
        if minimum.is_sign_negative() && !minimum.is_zero() {
            return Err(InvalidLimits::Negative);
        }
        if minimum > maximum {
            return Err(InvalidLimits::Order);
        }
        Ok(Self { minimum, maximum })
    }

    /// The same limits in `asset` at `price`: minimum up, maximum down, at `decimals` decimals (the ticker's or 8, whichever are fewer).
    ///
    /// # Errors
    /// [`Overflow`] where the minimum does not fit an amount; a maximum that does not fit is the largest amount with so many
    /// decimals, so that it is accepted when it is sent back.
    pub fn quote(&self, price: Price, asset: Asset, decimals: u8) -> Result<Limits, Overflow> {
        let decimals = decimals.min(8).min(asset.scale());
        let minimum = price.units_for(self.minimum, asset, decimals, Rounding::Up)?;
        let maximum = price.units_for(self.maximum, asset, decimals, Rounding::Down).unwrap_or_else(|_| {
            let step = 10_u128.saturating_pow(u32::from(asset.scale() - decimals));
            Amount::new(u128::MAX - u128::MAX % step, asset)
        });
        Ok(Limits { minimum, maximum })
    }
}

/// Limits in the unit of the API's `amount`; both inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Least, inclusive.
    pub minimum: Amount,
    /// Most, inclusive.
    pub maximum: Amount,
}

/// An amount is outside its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// Below the minimum.
    #[error("Minimum amount is {0}")]
    BelowMinimum(Amount),
    /// Above the maximum.
    #[error("Maximum amount is {0}")]
    AboveMaximum(Amount),
}

impl Limits {
    /// The tighter of these and `other`'s, as they are quoted: `other`'s minimum up, its maximum down, at `decimals` decimals (or 8, whichever are
    /// fewer). The minimum may be above the maximum afterwards: then there is nothing that both take. Both are of one asset.
    #[must_use]
    pub fn within(&self, other: &Self, decimals: u8) -> Self {
        let asset = self.minimum.asset();
        let decimals = decimals.min(8).min(asset.scale());
        let step = 10_u128.saturating_pow(u32::from(asset.scale() - decimals));
        let down = |amount: Amount| amount.minor() - amount.minor() % step;
        let up = |amount: Amount| match amount.minor() % step {
            0 => amount.minor(),
            _ => down(amount).saturating_add(step),
        };
        Self {
            minimum: Amount::new(self.minimum.minor().max(up(other.minimum)), asset),
            maximum: Amount::new(self.maximum.minor().min(down(other.maximum)), asset),
        }
    }

    /// Whether the amount is inside.
    ///
    /// # Errors
    /// Which limit it breaks; the minimum is judged first.
    pub fn check(&self, amount: Amount) -> Result<(), LimitError> {
        if amount.minor() < self.minimum.minor() {
            return Err(LimitError::BelowMinimum(self.minimum));
        }
        if amount.minor() > self.maximum.minor() {
            return Err(LimitError::AboveMaximum(self.maximum));
        }
        Ok(())
    }
}

//! Prices, and the one place where an amount meets a price.

use std::fmt;
use std::str::FromStr;

use ruint::Uint;
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::amount::Amount;
use crate::asset::Asset;

/// Wide enough for every product here: 128 bits x 96 bits x 10^66 (220 bits).
type Wide = Uint<512, 8>;

/// USD for one whole unit of an asset; above zero, exact.
///
/// ```
/// use deposit_core::{Amount, Asset, Price, Rounding};
/// let price: Price = "50000".parse().unwrap();
/// let coin = Amount::parse("0.0004", Asset::BTC).unwrap();
/// assert_eq!(price.value_of(coin, Rounding::Down).unwrap().to_string(), "20");
/// assert!("0".parse::<Price>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Price(Decimal);

/// A text or number is no price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a price must be a decimal number above zero with at most 28 digits")]
pub struct InvalidPrice;

/// Which way the one division rounds. Always named: minimum up, maximum down, credit down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// Towards zero.
    Down,
    /// Away from zero.
    Up,
    /// To the nearest, a half away from zero: for display only.
    HalfUp,
}

/// The result does not fit 128 bits of smallest units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the result does not fit an amount")]
pub struct Overflow;

impl Price {
    /// One USD for one unit.
    pub const ONE: Self = Self(Decimal::ONE);

    /// A price from a decimal.
    ///
    /// # Errors
    /// Where it is not above zero.
    pub fn new(usd: Decimal) -> Result<Self, InvalidPrice> {
        if usd.is_zero() || usd.is_sign_negative() { Err(InvalidPrice) } else { Ok(Self(usd.normalize())) }
    }

    /// USD for one unit.
    #[must_use]
    pub fn usd(&self) -> Decimal {
        self.0
    }

    fn mantissa(self) -> Wide {
        Wide::from(self.0.mantissa().unsigned_abs())
    }

    /// What `amount` is worth, in USD with 8 decimals: one multiplication, one division, one rounding.
    ///
    /// # Errors
    /// [`Overflow`] beyond 128 bits.
    pub fn value_of(self, amount: Amount, rounding: Rounding) -> Result<Amount, Overflow> {
        self.value_in(amount, Asset::USD, rounding)
    }

    /// What `amount` is worth in units of `into` (which counts USD, at any scale).
    ///
    /// # Errors
    /// [`Overflow`] beyond 128 bits.
    pub fn value_in(self, amount: Amount, into: Asset, rounding: Rounding) -> Result<Amount, Overflow> {
        let product = Wide::from(amount.minor()) * self.mantissa();
        let down = u32::from(amount.asset().scale()) + self.0.scale();
        scaled(product, u32::from(into.scale()), Wide::ONE, down, rounding)
            .map(|minor| Amount::new(minor, into))
    }

    /// How much of `asset` is worth `usd`, at `decimals` decimals (at most the asset's scale): the result is a
    /// multiple of 10^(scale - decimals) smallest units.
    ///
    /// # Errors
    /// [`Overflow`] beyond 128 bits, or for a negative figure.
    pub fn units_for(
        self,
        usd: Decimal,
        asset: Asset,
        decimals: u8,
        rounding: Rounding,
    ) -> Result<Amount, Overflow> {
        if usd.is_sign_negative() && !usd.is_zero() {
            return Err(Overflow);
        }
        let decimals = decimals.min(asset.scale());
        let up = u32::from(decimals) + self.0.scale();
        let quoted =
            scaled(Wide::from(usd.mantissa().unsigned_abs()), up, self.mantissa(), usd.scale(), rounding)?;
        let step = 10_u128.checked_pow(u32::from(asset.scale() - decimals)).ok_or(Overflow)?;
        quoted.checked_mul(step).map(|minor| Amount::new(minor, asset)).ok_or(Overflow)
    }
}

/// `value` x 10^`up` / (`divisor` x 10^`down`), with one rounding.
fn scaled(value: Wide, up: u32, divisor: Wide, down: u32, rounding: Rounding) -> Result<u128, Overflow> {
    // Common powers of ten are cancelled, so that nothing overflows which has a representable result.
    let common = up.min(down);
    let numerator = value.checked_mul(power_of_ten(up - common)).ok_or(Overflow)?;
    let denominator = divisor.checked_mul(power_of_ten(down - common)).ok_or(Overflow)?;
    if denominator.is_zero() {
        return Err(Overflow);
    }
    let (quotient, rest) = numerator.div_rem(denominator);
    let up_by_one = match rounding {
        Rounding::Down => false,
        Rounding::Up => !rest.is_zero(),
        Rounding::HalfUp => rest >= denominator - rest && !rest.is_zero(),
    };
    let rounded = if up_by_one { quotient + Wide::ONE } else { quotient };
    u128::try_from(rounded).map_err(|_| Overflow)
}

fn power_of_ten(exponent: u32) -> Wide {
    Wide::from(10_u8).pow(Wide::from(exponent))
}

/// `amount` x `part` / `whole`, rounded down: a swap's payment is worth net / confirmed of what it settled, and
/// a bonus is a percentage. `None` for a zero `whole` or beyond 128 bits.
///
/// ```
/// assert_eq!(deposit_core::share(10, 1, 3), Some(3));
/// assert_eq!(deposit_core::share(u128::MAX, u128::MAX, u128::MAX), Some(u128::MAX));
/// ```
#[must_use]
pub fn share(amount: u128, part: u128, whole: u128) -> Option<u128> {
    if whole == 0 {
        return None;
    }
    u128::try_from(Wide::from(amount) * Wide::from(part) / Wide::from(whole)).ok()
}

/// `percent` per cent of `amount`, rounded down. `None` for a negative percentage or beyond 128 bits.
#[must_use]
pub fn percent_of(amount: Amount, percent: Decimal) -> Option<Amount> {
    if percent.is_sign_negative() && !percent.is_zero() {
        return None;
    }
    let product = Wide::from(amount.minor()) * Wide::from(percent.mantissa().unsigned_abs());
    scaled(product, 0, Wide::ONE, percent.scale() + 2, Rounding::Down)
        .ok()
        .map(|minor| Amount::new(minor, amount.asset()))
}

impl FromStr for Price {
    type Err = InvalidPrice;
    fn from_str(text: &str) -> Result<Self, InvalidPrice> {
        // The exact parser: the ordinary one rounds silently past 28 digits.
        Decimal::from_str_exact(text).map_err(|_| InvalidPrice).and_then(Self::new)
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Price {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0.to_string())
    }
}

impl<'de> Deserialize<'de> for Price {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A `Decimal` as text, read by its exact parser.
pub(crate) mod decimal_text {
    use rust_decimal::Decimal;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(number: &Decimal, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(number)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Decimal, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        Decimal::from_str_exact(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_price() -> impl Strategy<Value = Price> {
        (1_u128..(1 << 96), 0_u32..=28).prop_map(|(mantissa, scale)| {
            Price::new(Decimal::from_i128_with_scale(i128::try_from(mantissa).unwrap(), scale)).unwrap()
        })
    }

    #[test]
    fn the_contract_s_sample() {
        let price: Price = "0.08".parse().unwrap();
        let min = price.units_for(Decimal::TEN, Asset::KAS, 8, Rounding::Up).unwrap();
        assert_eq!(min.to_string(), "125");
        let max = price.units_for(Decimal::from(500), Asset::KAS, 8, Rounding::Down).unwrap();
        assert_eq!(max.to_string(), "6250");
    }

    #[test]
    fn prices_refuse_what_decimal_would_round() {
        assert!("0.00000000000000000000000000001".parse::<Price>().is_err());
        assert!("-1".parse::<Price>().is_err());
        assert!("1e3".parse::<Price>().is_err());
        assert_eq!("50000.00".parse::<Price>().unwrap().to_string(), "50000");
    }

    #[test]
    fn half_up_is_half_up() {
        let cents = Asset::new("CENTS", 2).unwrap();
        let value = |text: &str| {
            let amount = Amount::parse(text, Asset::USD).unwrap();
            Price::ONE.value_in(amount, cents, Rounding::HalfUp).unwrap().to_string()
        };
        assert_eq!(value("0.005"), "0.01");
        assert_eq!(value("0.00499999"), "0");
        assert_eq!(value("0.015"), "0.02");
    }

    #[test]
    fn percentages_are_exact() {
        let amount = Amount::parse("200", Asset::USD).unwrap();
        assert_eq!(percent_of(amount, Decimal::new(25, 1)).unwrap().to_string(), "5");
        assert_eq!(percent_of(amount, Decimal::new(-1, 0)), None);
    }

    proptest! {
        #[test]
        fn value_never_panics_and_rounds_by_at_most_one(minor: u128, price in any_price(), asset in prop::sample::select(Asset::KNOWN)) {
            let amount = Amount::new(minor, asset);
            let down = price.value_of(amount, Rounding::Down);
            let up = price.value_of(amount, Rounding::Up);
            if let (Ok(down), Ok(up)) = (down, up) {
                prop_assert!(up.minor() - down.minor() <= 1);
                let half = price.value_of(amount, Rounding::HalfUp).unwrap();
                prop_assert!(half == down || half == up);
            }
        }

        #[test]
        fn value_is_monotone(a: u128, b: u128, price in any_price(), asset in prop::sample::select(Asset::KNOWN)) {
            let value = |minor| price.value_of(Amount::new(minor, asset), Rounding::Down);
            if let (Ok(small), Ok(large)) = (value(a.min(b)), value(a.max(b))) {
                prop_assert!(small.minor() <= large.minor());
            }
        }

        /// Rounding a minimum up means that its worth is never below the figure; a maximum down, never above.
        #[test]
        fn limits_round_to_the_safe_side(cents in 0_u64..10_000_000_000, price in any_price(), asset in prop::sample::select(Asset::KNOWN), decimals in 0_u8..=30) {
            let usd = Decimal::new(i64::try_from(cents).unwrap(), 2);
            let exact = Amount::new(u128::from(cents) * 1_000_000, Asset::USD);
            if let Ok(min) = price.units_for(usd, asset, decimals, Rounding::Up) {
                if let Ok(worth) = price.value_of(min, Rounding::Up) {
                    prop_assert!(worth.minor() >= exact.minor());
                }
                let max = price.units_for(usd, asset, decimals, Rounding::Down).unwrap();
                prop_assert!(max.minor() <= min.minor());
                prop_assert!(price.value_of(max, Rounding::Down).unwrap().minor() <= exact.minor());
            }
        }

        #[test]
        fn share_is_never_more_than_the_whole(amount: u128, part: u128, whole: u128) {
            let (part, whole) = (part.min(whole), whole.max(1));
            prop_assert!(share(amount, part.min(whole), whole).unwrap() <= amount);
        }
    }
}

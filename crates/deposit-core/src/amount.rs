//! Amounts: whole numbers of an asset's smallest unit.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::asset::Asset;
use crate::decimal::{DecimalText, ScaleError, plain_decimal};

/// Whole smallest units of one asset: satoshi for BTC, raw for XNO (10^30 a XNO).
///
/// ```
/// use deposit_core::{Amount, Asset};
/// let a = Amount::parse("0.0004", Asset::BTC).unwrap();
/// assert_eq!(a.minor(), 40_000);
/// assert_eq!(a.to_string(), "0.0004");
/// assert!(Amount::parse("0.000000001", Asset::BTC).is_err());
/// assert_eq!(a.checked_add(Amount::new(1, Asset::XNO)), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Amount {
    minor: u128,
    asset: Asset,
}

/// Why a text is no amount of an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseAmountError {
    /// Not a decimal number.
    #[error("not a decimal number")]
    NotANumber,
    /// Below zero.
    #[error("negative")]
    Negative,
    /// Finer than the asset, or the quote, allows.
    #[error("more than {decimals} decimals")]
    TooPrecise {
        /// How many decimals are allowed.
        decimals: u8,
    },
    /// Beyond 128 bits of smallest units: larger than any limit.
    #[error("too large")]
    TooLarge,
}

impl Amount {
    /// So many smallest units.
    #[must_use]
    pub const fn new(minor: u128, asset: Asset) -> Self {
        Self { minor, asset }
    }

    /// Nothing of this asset.
    #[must_use]
    pub const fn zero(asset: Asset) -> Self {
        Self::new(0, asset)
    }

    /// Reads decimal text exactly; trailing zeros and exponents are fine.
    ///
    /// # Errors
    /// See [`ParseAmountError`]; nothing is ever rounded.
    pub fn parse(text: &str, asset: Asset) -> Result<Self, ParseAmountError> {
        let number: DecimalText = text.parse().map_err(|_| ParseAmountError::NotANumber)?;
        Self::from_decimal(&number, asset, asset.scale())
    }

    /// An amount from a number that may have at most `decimals` decimals (the quote decimals of a ticker,
    /// at most the asset's scale).
    ///
    /// # Errors
    /// See [`ParseAmountError`]. Precision is judged before size.
    pub fn from_decimal(number: &DecimalText, asset: Asset, decimals: u8) -> Result<Self, ParseAmountError> {
        let decimals = decimals.min(asset.scale());
        if !number.is_negative() && number.decimals() > u64::from(decimals) {
            return Err(ParseAmountError::TooPrecise { decimals });
        }
        match number.to_minor(asset.scale()) {
            Ok(minor) => Ok(Self { minor, asset }),
            Err(ScaleError::Negative) => Err(ParseAmountError::Negative),
            Err(ScaleError::TooPrecise) => Err(ParseAmountError::TooPrecise { decimals }),
            Err(ScaleError::TooLarge) => Err(ParseAmountError::TooLarge),
        }
    }

    /// A provider's figure, rounded **down** where it is finer than the asset's scale; `false` says that it
    /// was. The provider's own text stays in the journal.
    ///
    /// # Errors
    /// `Negative`, `TooLarge`.
    pub fn floor_from_decimal(number: &DecimalText, asset: Asset) -> Result<(Self, bool), ParseAmountError> {
        match number.floor_to_minor(asset.scale()) {
            Ok((minor, exact)) => Ok((Self { minor, asset }, exact)),
            Err(ScaleError::Negative) => Err(ParseAmountError::Negative),
            Err(ScaleError::TooPrecise | ScaleError::TooLarge) => Err(ParseAmountError::TooLarge),
        }
    }

    /// Number of smallest units.
    #[must_use]
    pub const fn minor(&self) -> u128 {
        self.minor
    }

    /// What is counted.
    #[must_use]
    pub const fn asset(&self) -> Asset {
        self.asset
    }

    /// Whether it is nothing.
    #[must_use]
    pub const fn is_zero(&self) -> bool {
        self.minor == 0
    }

    /// `None` on overflow or when the assets differ.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        (self.asset == other.asset)
            .then(|| self.minor.checked_add(other.minor))
            .flatten()
            .map(|minor| Self { minor, ..self })
    }

    /// `None` below zero or when the assets differ.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        (self.asset == other.asset)
            .then(|| self.minor.checked_sub(other.minor))
            .flatten()
            .map(|minor| Self { minor, ..self })
    }
}

/// Plain decimal in whole units: no exponent, no trailing zeros, no code.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&plain_decimal(self.minor, self.asset.scale()))
    }
}

#[derive(Serialize, Deserialize)]
struct AmountForm {
    minor: String,
    asset: Asset,
}

/// As `{"minor":"40000","asset":{…}}`: the minor units as text, since they pass 2^53.
impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        AmountForm { minor: self.minor.to_string(), asset: self.asset }.serialize(s)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let form = AmountForm::deserialize(d)?;
        let minor = form.minor.parse().map_err(serde::de::Error::custom)?;
        Ok(Self { minor, asset: form.asset })
    }
}

/// An amount with a sign: a posting, a balance.
///
/// ```
/// use deposit_core::{Amount, Asset, Signed};
/// let a = Signed::credit(Amount::new(5, Asset::USD));
/// let b = Signed::debit(Amount::new(7, Asset::USD));
/// assert_eq!(a.checked_add(b).unwrap().to_string(), "-0.00000002");
/// assert_eq!("-0.00000002", Signed::parse("-0.00000002", Asset::USD).unwrap().to_string());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Signed {
    negative: bool,
    size: Amount,
}

impl Signed {
    /// Plus `amount`.
    #[must_use]
    pub const fn credit(amount: Amount) -> Self {
        Self { negative: false, size: amount }
    }

    /// Minus `amount`; minus nothing is nothing.
    #[must_use]
    pub const fn debit(amount: Amount) -> Self {
        Self { negative: !amount.is_zero(), size: amount }
    }

    /// Nothing.
    #[must_use]
    pub const fn zero(asset: Asset) -> Self {
        Self::credit(Amount::zero(asset))
    }

    /// `to` less `from`: what has to be posted so that `from` becomes `to`. `None` when the assets differ.
    #[must_use]
    pub fn difference(to: Amount, from: Amount) -> Option<Self> {
        match to.checked_sub(from) {
            Some(more) => Some(Self::credit(more)),
            None => from.checked_sub(to).map(Self::debit),
        }
    }

    /// Reads signed decimal text exactly.
    ///
    /// # Errors
    /// As [`Amount::parse`], without `Negative`.
    pub fn parse(text: &str, asset: Asset) -> Result<Self, ParseAmountError> {
        match text.strip_prefix('-') {
            Some(size) => Amount::parse(size, asset).map(Self::debit),
            None => Amount::parse(text, asset).map(Self::credit),
        }
    }

    /// From a signed count of smallest units, as a database keeps it.
    ///
    /// # Errors
    /// Where the text is no whole number of 128 bits.
    pub fn parse_minor(text: &str, asset: Asset) -> Result<Self, ParseAmountError> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ParseAmountError::NotANumber);
        }
        let minor: u128 = digits.parse().map_err(|_| ParseAmountError::TooLarge)?;
        let amount = Amount::new(minor, asset);
        Ok(if negative { Self::debit(amount) } else { Self::credit(amount) })
    }

    /// The signed count of smallest units as text, for a database.
    #[must_use]
    pub fn minor_text(&self) -> String {
        format!("{}{}", if self.negative { "-" } else { "" }, self.size.minor())
    }

    /// Whether it is below zero.
    #[must_use]
    pub const fn is_negative(&self) -> bool {
        self.negative
    }

    /// Whether it is nothing.
    #[must_use]
    pub const fn is_zero(&self) -> bool {
        self.size.is_zero()
    }

    /// Its size without the sign.
    #[must_use]
    pub const fn size(&self) -> Amount {
        self.size
    }

    /// What is counted.
    #[must_use]
    pub const fn asset(&self) -> Asset {
        self.size.asset()
    }

    /// The same size with the other sign.
    #[must_use]
    pub const fn negated(self) -> Self {
        if self.negative { Self::credit(self.size) } else { Self::debit(self.size) }
    }

    /// The amount, if it is not below zero.
    #[must_use]
    pub fn non_negative(self) -> Option<Amount> {
        (!self.negative).then_some(self.size)
    }

    /// `None` on overflow or when the assets differ.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        if self.negative == other.negative {
            let size = self.size.checked_add(other.size)?;
            return Some(if self.negative { Self::debit(size) } else { Self::credit(size) });
        }
        let (plus, minus) = if self.negative { (other.size, self.size) } else { (self.size, other.size) };
        Self::difference(plus, minus)
    }
}

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negative { f.pad(&format!("-{}", self.size)) } else { self.size.fmt(f) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quote_decimals_may_be_fewer_than_the_scale() {
        let fine: DecimalText = "0.00000000001".parse().unwrap();
        assert_eq!(Amount::from_decimal(&fine, Asset::BTC_LN, 11).unwrap().minor(), 1);
        assert_eq!(
            Amount::from_decimal(&fine, Asset::BTC_LN, 8),
            Err(ParseAmountError::TooPrecise { decimals: 8 })
        );
    }

    proptest! {
        #[test]
        fn amount_round_trips(minor: u128, asset in prop::sample::select(Asset::KNOWN)) {
            let amount = Amount::new(minor, asset);
            prop_assert_eq!(Amount::parse(&amount.to_string(), asset), Ok(amount));
            let json = serde_json::to_string(&amount).unwrap();
            prop_assert_eq!(serde_json::from_str::<Amount>(&json).unwrap(), amount);
        }

        #[test]
        fn signed_arithmetic_agrees_with_the_integers(a in -(1_i128 << 120)..(1_i128 << 120), b in -(1_i128 << 120)..(1_i128 << 120)) {
            let signed = |n: i128| Signed::parse_minor(&n.to_string(), Asset::USD).unwrap();
            let sum = signed(a).checked_add(signed(b)).unwrap();
            prop_assert_eq!(sum, signed(a + b));
            prop_assert_eq!(sum.minor_text(), (a + b).to_string());
            prop_assert_eq!(signed(a).negated(), signed(-a));
            prop_assert_eq!(Signed::parse(&sum.to_string(), Asset::USD), Ok(sum));
        }

        #[test]
        fn difference_is_what_is_missing(from: u128, to: u128) {
            let (from, to) = (Amount::new(from, Asset::XNO), Amount::new(to, Asset::XNO));
            let diff = Signed::difference(to, from).unwrap();
            prop_assert_eq!(Signed::credit(from).checked_add(diff).unwrap(), Signed::credit(to));
        }
    }
}

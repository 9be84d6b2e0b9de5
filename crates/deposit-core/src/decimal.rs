//! Exact reading of decimal text: the grammar of JSON numbers, no floating point anywhere.

use std::fmt;

/// Longest accepted text: a whole JSON body is at most 16 KiB.
const MAX_TEXT: usize = 16 * 1024;

/// A decimal number as it was written, split into its parts; leading and trailing zeros are gone.
///
/// ```
/// use deposit_core::DecimalText;
/// let n: DecimalText = "4e-4".parse().unwrap();
/// assert_eq!(n, "0.00040".parse().unwrap());
/// assert_eq!(n.to_string(), "0.0004");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DecimalText {
    negative: bool,
    /// Significant digits, no leading and no trailing zeros; empty for zero.
    digits: String,
    /// Power of ten of the last digit.
    exponent: i64,
}

/// The text is not a decimal number in the grammar of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a decimal number")]
pub struct NotADecimal;

impl std::str::FromStr for DecimalText {
    type Err = NotADecimal;

    fn from_str(text: &str) -> Result<Self, NotADecimal> {
        if text.len() > MAX_TEXT {
            return Err(NotADecimal);
        }
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (rest, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((_, "")) => return Err(NotADecimal),
            Some((whole, fraction)) => (whole, fraction),
            None => (mantissa, ""),
        };
        let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
            return Err(NotADecimal);
        }
        if whole.len() > 1 && whole.starts_with('0') {
            return Err(NotADecimal);
        }
        let mut digits = String::with_capacity(whole.len() + fraction.len());
        digits.push_str(whole);
        digits.push_str(fraction);
        let before = digits.len();
        let kept = digits.trim_end_matches('0').len();
        digits.truncate(kept);
        let dropped = i64::try_from(before - kept).map_err(|_| NotADecimal)?;
        let fraction_len = i64::try_from(fraction.len()).map_err(|_| NotADecimal)?;
        let digits = digits.trim_start_matches('0').to_owned();
        if digits.is_empty() {
            return Ok(Self { negative: false, digits, exponent: 0 });
        }
        let exponent = exponent.saturating_sub(fraction_len).saturating_add(dropped);
        Ok(Self { negative, digits, exponent })
    }
}

fn parse_exponent(text: &str) -> Result<i64, NotADecimal> {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, text.get(1..).unwrap_or("")),
        Some(b'+') => (false, text.get(1..).unwrap_or("")),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(NotADecimal);
    }
    // Saturated: beyond a million the number is out of every asset's range in either direction, and
    // text lengths (at most 16 KiB) cannot bring it back.
    let size = digits.bytes().fold(0_i64, |n, b| (n * 10 + i64::from(b - b'0')).min(1_000_000));
    Ok(if negative { -size } else { size })
}

/// Why a decimal has no whole number of smallest units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScaleError {
    /// Below zero.
    #[error("negative")]
    Negative,
    /// More decimals than the scale has.
    #[error("too many decimals")]
    TooPrecise,
    /// Does not fit 128 bits.
    #[error("too large")]
    TooLarge,
}

impl DecimalText {
    /// Whether the number is zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    /// Whether the number is below zero (`-0` is not).
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// Number of decimals that the value needs (trailing zeros do not count).
    #[must_use]
    pub fn decimals(&self) -> u64 {
        u64::try_from(self.exponent.saturating_neg()).unwrap_or(0)
    }

    /// The value times 10^`scale`, when that is a whole number of 128 bits.
    ///
    /// # Errors
    /// Precision is looked at before size, so that a number which is both too fine and too large is `TooPrecise`.
    pub fn to_minor(&self, scale: u8) -> Result<u128, ScaleError> {
        match self.floor_to_minor(scale)? {
            (minor, true) => Ok(minor),
            (_, false) => Err(ScaleError::TooPrecise),
        }
    }

    /// The value times 10^`scale`, rounded down, and whether it was exact. For a provider's figures that
    /// are finer than the asset's scale; a client's input takes [`to_minor`](Self::to_minor).
    ///
    /// # Errors
    /// `Negative`; `TooLarge` (an inexact number too large is reported as `TooPrecise`).
    pub fn floor_to_minor(&self, scale: u8) -> Result<(u128, bool), ScaleError> {
        if self.negative {
            return Err(ScaleError::Negative);
        }
        if self.digits.is_empty() {
            return Ok((0, true));
        }
        let shift = self.exponent.saturating_add(i64::from(scale));
        let (kept, exact) = if shift < 0 {
            let cut = usize::try_from(shift.unsigned_abs()).unwrap_or(usize::MAX);
            let keep = self.digits.len().saturating_sub(cut);
            (self.digits.get(..keep).unwrap_or(""), false)
        } else {
            (self.digits.as_str(), true)
        };
        let too_large = if exact { ScaleError::TooLarge } else { ScaleError::TooPrecise };
        let mut minor: u128 = 0;
        for digit in kept.bytes() {
            minor = minor
                .checked_mul(10)
                .and_then(|m| m.checked_add(u128::from(digit - b'0')))
                .ok_or(too_large)?;
        }
        for _ in 0..shift.max(0) {
            minor = minor.checked_mul(10).ok_or(too_large)?;
        }
        Ok((minor, exact))
    }
}

/// Plain: no exponent, no trailing zeros. A number of absurd size prints in scientific form instead of
/// filling the memory.
impl fmt::Display for DecimalText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.digits.is_empty() {
            return f.write_str("0");
        }
        if self.negative {
            f.write_str("-")?;
        }
        if self.exponent.unsigned_abs() > 8192 {
            return write!(f, "{}e{}", self.digits, self.exponent);
        }
        if self.exponent >= 0 {
            f.write_str(&self.digits)?;
            for _ in 0..self.exponent {
                f.write_str("0")?;
            }
            return Ok(());
        }
        let decimals = usize::try_from(self.decimals()).unwrap_or(usize::MAX);
        match self.digits.len().checked_sub(decimals) {
            Some(0) => write!(f, "0.{}", self.digits),
            None => write!(f, "0.{}{}", "0".repeat(decimals - self.digits.len()), self.digits),
            Some(whole) => match self.digits.split_at_checked(whole) {
                Some((whole, fraction)) => write!(f, "{whole}.{fraction}"),
                None => Err(fmt::Error),
            },
        }
    }
}

/// `minor` / 10^`scale` as plain decimal text: no exponent, no trailing zeros.
///
/// ```
/// assert_eq!(deposit_core::plain_decimal(40_000, 8), "0.0004");
/// assert_eq!(deposit_core::plain_decimal(1_200, 2), "12");
/// ```
#[must_use]
pub fn plain_decimal(minor: u128, scale: u8) -> String {
    let digits = minor.to_string();
    let scale = usize::from(scale);
    if scale == 0 {
        return digits;
    }
    let padded = if digits.len() <= scale {
        format!("{}{digits}", "0".repeat(scale + 1 - digits.len()))
    } else {
        digits
    };
    let (whole, fraction) = padded.split_at_checked(padded.len() - scale).unwrap_or((padded.as_str(), ""));
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn minor(text: &str, scale: u8) -> Result<u128, ScaleError> {
        text.parse::<DecimalText>().unwrap().to_minor(scale)
    }

    #[test]
    fn reads_the_grammar_of_json_numbers_and_nothing_else() {
        for good in ["0", "-0", "0.0", "1", "10.50", "1e3", "1E+3", "4e-4", "0.1e1"] {
            assert!(good.parse::<DecimalText>().is_ok(), "{good}");
        }
        for bad in [
            "", "-", ".5", "5.", "01", "+1", "1e", "1e+", "0x10", "1_000", "1,5", " 1", "NaN", "Infinity",
            "1e1.5", "٣",
        ] {
            assert_eq!(bad.parse::<DecimalText>(), Err(NotADecimal), "{bad}");
        }
        assert!("9".repeat(17_000).parse::<DecimalText>().is_err());
    }

    #[test]
    fn hostile_exponents_neither_hang_nor_wrap() {
        assert_eq!(minor("1e999999999999999999999", 8), Err(ScaleError::TooLarge));
        assert_eq!(minor("1e-999999999999999999999", 8), Err(ScaleError::TooPrecise));
        assert_eq!(minor("0e999999999", 8), Ok(0));
        assert_eq!(minor(&format!("0.{}1", "0".repeat(4000)), 8), Err(ScaleError::TooPrecise));
        assert_eq!("1e999999".parse::<DecimalText>().unwrap().to_string(), "1e999999");
    }

    #[test]
    fn precision_wins_over_size() {
        assert_eq!(minor(&format!("{}.123456789", "9".repeat(60)), 8), Err(ScaleError::TooPrecise));
        assert_eq!(minor(&"9".repeat(60), 8), Err(ScaleError::TooLarge));
        assert_eq!(minor("-1", 8), Err(ScaleError::Negative));
    }

    #[test]
    fn the_published_nano_amounts() {
        assert_eq!(minor("340282366.920938463463374607431768211455", 30), Ok(u128::MAX));
        assert_eq!(minor("340282366.920938463463374607431768211456", 30), Err(ScaleError::TooLarge));
        assert_eq!(minor("0.000000000000000000000001", 30), Ok(1_000_000));
    }

    proptest! {
        #[test]
        fn parse_of_format_is_identity(minor: u128, scale in 0_u8..=38) {
            let text = plain_decimal(minor, scale);
            let parsed: DecimalText = text.parse().unwrap();
            prop_assert_eq!(parsed.to_minor(scale), Ok(minor));
            prop_assert_eq!(parsed.to_string(), text);
        }

        #[test]
        fn never_panics(text in "\\PC*", scale: u8) {
            if let Ok(n) = text.parse::<DecimalText>() {
                let _ = n.to_minor(scale);
                let _ = n.floor_to_minor(scale);
                let _ = n.to_string();
            }
        }

        #[test]
        fn the_same_value_in_any_spelling(whole in 0_u64..1_000_000, fraction in 0_u32..1_000_000, zeros in 0_usize..5, shift in 0_u32..6) {
            let plain = format!("{whole}.{fraction:06}");
            let padded = format!("{plain}{}", "0".repeat(zeros));
            let value: DecimalText = plain.parse().unwrap();
            prop_assert_eq!(&value, &padded.parse::<DecimalText>().unwrap());
            let scaled = u128::from(whole) * 1_000_000 + u128::from(fraction);
            let exponent = format!("{scaled}{}e-{}", "0".repeat(usize::try_from(shift).unwrap()), 6 + shift);
            prop_assert_eq!(&value, &exponent.parse::<DecimalText>().unwrap());
        }

        #[test]
        fn floor_is_the_largest_not_above(minor in 0_u128..=u128::MAX / 1_000_000, extra in 1_u32..1_000_000) {
            let text = plain_decimal(minor * 1_000_000 + u128::from(extra), 14);
            let parsed: DecimalText = text.parse().unwrap();
            prop_assert_eq!(parsed.floor_to_minor(8), Ok((minor, false)));
            prop_assert_eq!(parsed.to_minor(8), Err(ScaleError::TooPrecise));
        }
    }
}

//! The server's decimal: exact, signed, with a scale that shows (`"25.00"` is not `"25"`).

use std::cmp::Ordering;
use std::fmt;

use deposit_core::{Amount, DecimalText};
use ruint::aliases::U512;

/// A decimal number: `mantissa / 10^scale`. Arithmetic saturates, far beyond any amount there is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dec {
    mantissa: i128,
    scale: u32,
}

/// As many digits as the server's own type holds.
const MAX_DIGITS: usize = 28;

fn ten_to(power: u32) -> i128 {
    10_i128.saturating_pow(power)
}

impl Dec {
    pub(super) const ZERO: Self = Self { mantissa: 0, scale: 0 };
    pub(super) const ONE: Self = Self { mantissa: 1, scale: 0 };

    pub(super) const fn new(mantissa: i128, scale: u32) -> Self {
        Self { mantissa, scale }
    }

    /// Keeps the scale as it is written; an exponent is worked out. `None`: no number, or too many digits.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let number: DecimalText = text.parse().ok()?;
        let plain = if text.contains(['e', 'E']) { number.to_string() } else { text.to_owned() };
        let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
        let digits = format!("{whole}{fraction}");
        if digits.trim_start_matches(['-', '0']).len() > MAX_DIGITS || fraction.len() > MAX_DIGITS {
            return None;
        }
        Some(Self::new(digits.parse().ok()?, u32::try_from(fraction.len()).ok()?))
    }

    pub(super) fn of(amount: Amount) -> Self {
        let mantissa = i128::try_from(amount.minor()).unwrap_or(i128::MAX);
        Self::new(mantissa, u32::from(amount.asset().scale()))
    }

    pub(super) fn of_text(text: &DecimalText) -> Option<Self> {
        Self::parse(&text.to_string())
    }

    fn at(self, scale: u32) -> i128 {
        self.mantissa.saturating_mul(ten_to(scale.saturating_sub(self.scale)))
    }

    pub(super) fn plus(self, other: Self) -> Self {
        let scale = self.scale.max(other.scale);
        Self::new(self.at(scale).saturating_add(other.at(scale)), scale)
    }

    pub(super) fn minus(self, other: Self) -> Self {
        self.plus(Self::new(other.mantissa.saturating_neg(), other.scale))
    }

    pub(super) fn times(self, other: Self) -> Self {
        Self::new(self.mantissa.saturating_mul(other.mantissa), self.scale + other.scale).trimmed()
    }

    /// The product with the zeros that the factors' decimals leave at its end, as the server writes it.
    pub(super) fn times_kept(self, other: Self) -> Self {
        Self::new(self.mantissa.saturating_mul(other.mantissa), self.scale + other.scale)
    }

    /// Quotient rounded **up** to so many decimals, as the server does with every price turned into coins.
    /// For numbers that are not negative; `None` where the divisor is zero or the result out of range.
    pub(super) fn over_up(self, divisor: Self, scale: u32) -> Option<Self> {
        let wide = |n: i128| u128::try_from(n).ok().map(U512::from);
        let power = |n: u32| U512::from(10).pow(U512::from(n));
        let numerator = wide(self.mantissa)? * power(scale + divisor.scale);
        let denominator = wide(divisor.mantissa)? * power(self.scale);
        if denominator.is_zero() {
            return None;
        }
        let (quotient, rest) = numerator.div_rem(denominator);
        let quotient = if rest.is_zero() { quotient } else { quotient + U512::from(1) };
        let quotient: u128 = quotient.try_into().ok()?;
        Some(Self::new(i128::try_from(quotient).ok()?, scale))
    }

    /// Rounded to so many decimals, half away from zero; one with fewer stays as it is.
    pub(super) fn rounded(self, scale: u32) -> Self {
        if self.scale <= scale {
            return self;
        }
        let unit = ten_to(self.scale - scale);
        let half = unit / 2 * self.mantissa.signum();
        Self::new(self.mantissa.saturating_add(half) / unit, scale)
    }

    /// Exactly so many decimals, rounded half away from zero.
    pub(super) fn fixed(self, scale: u32) -> Self {
        let rounded = self.rounded(scale);
        Self::new(rounded.at(scale), scale)
    }

    /// Without trailing zeros.
    pub(super) fn trimmed(self) -> Self {
        let mut out = self;
        while out.scale > 0 && out.mantissa % 10 == 0 {
            out = Self::new(out.mantissa / 10, out.scale - 1);
        }
        out
    }

    pub(super) fn is_zero(self) -> bool {
        self.mantissa == 0
    }

    pub(super) fn is_negative(self) -> bool {
        self.mantissa < 0
    }

    pub(super) fn is_positive(self) -> bool {
        self.mantissa > 0
    }

    pub(super) fn scale(self) -> u32 {
        self.scale
    }

    pub(super) fn abs(self) -> Self {
        Self::new(self.mantissa.saturating_abs(), self.scale)
    }

    /// Whole units of `10^-scale`; `None` below zero.
    pub(super) fn minor(self, scale: u8) -> Option<u128> {
        u128::try_from(self.rounded(u32::from(scale)).at(u32::from(scale))).ok()
    }
}

impl PartialEq for Dec {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Dec {}

impl PartialOrd for Dec {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Dec {
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b) = (self.trimmed(), other.trimmed());
        let scale = a.scale.max(b.scale);
        a.at(scale).cmp(&b.at(scale))
    }
}

impl fmt::Display for Dec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = usize::try_from(self.scale).unwrap_or(0);
        let digits = format!("{:0>1$}", self.mantissa.unsigned_abs(), width + 1);
        let (whole, fraction) = digits.split_at_checked(digits.len() - width).unwrap_or((&digits, ""));
        let sign = if self.is_negative() { "-" } else { "" };
        let point = if fraction.is_empty() { "" } else { "." };
        write!(f, "{sign}{whole}{point}{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dec(text: &str) -> Dec {
        Dec::parse(text).unwrap()
    }

    #[test]
    fn the_scale_shows() {
        for text in ["0", "0.0", "25", "25.00", "-0.00000001", "0.10"] {
            assert_eq!(dec(text).to_string(), text);
        }
        assert_eq!(dec("25"), dec("25.00"));
        assert_eq!(dec("1e-7").to_string(), "0.0000001");
        assert!(Dec::parse("1e400").is_none());
        assert!(Dec::parse("x").is_none());
    }

    #[test]
    fn the_quotient_of_the_dossier_is_rounded_up() {
        assert_eq!(dec("25.00").over_up(dec("64392.23"), 8).unwrap().to_string(), "0.00038825");
        assert_eq!(dec("1").over_up(dec("8"), 8).unwrap().trimmed().to_string(), "0.125");
        assert!(dec("1").over_up(Dec::ZERO, 8).is_none());
    }

    proptest::proptest! {
        #[test]
        fn what_is_paid_after_rounding_up_is_enough_and_a_unit_less_is_not(price in 1_i128..1 << 60, rate in 1_i128..1 << 50) {
            let (price, rate) = (Dec::new(price, 2), Dec::new(rate, 6));
            let coins = price.over_up(rate, 12).unwrap();
            proptest::prop_assert!(coins.times(rate) >= price);
            proptest::prop_assert!(coins.minus(Dec::new(1, 12)).times(rate) < price);
        }

        #[test]
        fn text_reads_back(mantissa in -(1_i128 << 90)..1 << 90, scale in 0_u32..20) {
            let text = Dec::new(mantissa, scale).to_string();
            proptest::prop_assert_eq!(dec(&text).to_string(), text);
        }
    }

    #[test]
    fn half_goes_away_from_zero() {
        assert_eq!(dec("1.005").rounded(2).to_string(), "1.01");
        assert_eq!(dec("-1.005").rounded(2).to_string(), "-1.01");
        assert_eq!(dec("1.004").rounded(2).to_string(), "1.00");
        assert_eq!(dec("7").fixed(2).to_string(), "7.00");
    }
}

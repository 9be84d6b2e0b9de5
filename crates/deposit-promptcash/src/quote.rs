//! What is asked for in dollars so that what the payer is told to send is enough: pure functions.
//!
//! Prompt.Cash takes a price in fiat only and turns it into BCH at a rate of its own, and it confirms a payment only when
//! that figure is reached. Our API has told the payer an amount of BCH. So the service's figure must not be above ours.

use deposit_core::{Amount, Asset, Decimal, DecimalText, Rounding, Terms, percent_of, share};

/// Percent by which the service's figure may be away from ours. Beyond, one of the two rates is wrong.
const TOLERANCE: u128 = 2;

/// Percent of the corrected price that is asked for the second time: its rate moves on while we ask.
const SECOND: (i64, u32) = (999, 1);

/// What the service's figure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quoted {
    /// The payer's amount covers it.
    Covered,
    /// A little more than the payer was told: ask for this instead.
    AskAgain(Amount),
    /// Too far away.
    Mismatch,
}

/// What to ask for in USD: our amount at our locked rate, with 8 decimals. `None` without a quote, or for nothing.
pub(crate) fn price(terms: &Terms, amount: Amount) -> Option<Amount> {
    let usd = terms.quote.as_ref()?.unit_price.value_of(amount, Rounding::Down).ok()?;
    (!usd.is_zero()).then_some(usd)
}

/// Compares the service's figure with what the payer is told.
pub(crate) fn judge(asked: Amount, payable: Amount, wanted: Amount) -> Quoted {
    let (p, w) = (payable.minor(), wanted.minor());
    let Some(most) = w.checked_mul(TOLERANCE).map(|n| n / 100) else { return Quoted::Mismatch };
    if p.abs_diff(w) > most.max(1) {
        return Quoted::Mismatch;
    }
    if p <= w {
        return Quoted::Covered;
    }
    let again = share(asked.minor(), w, p)
        .and_then(|minor| percent_of(Amount::new(minor, asked.asset()), Decimal::new(SECOND.0, SECOND.1)));
    again.filter(|a| !a.is_zero()).map_or(Quoted::Mismatch, Quoted::AskAgain)
}

/// A BCH figure of the service to the nearest satoshi: `amount_crypto` comes with up to 12 decimals, while what can be paid
/// has 8. `None` where it is negative or absurdly large.
pub(crate) fn nearest_satoshi(number: &DecimalText) -> Option<Amount> {
    // The ninth decimal alone decides about a half.
    let (tenths, _) = number.floor_to_minor(Asset::BCH.scale() + 1).ok()?;
    Some(Amount::new(tenths.checked_add(5)? / 10, Asset::BCH))
}

/// How far a figure may be from a whole satoshi and still be meant as one: a thousandth of a satoshi. The service reckons in binary floating point,
/// so what is 0.8 comes as 0.7999999999999999; an error of that kind stays below this for all sums up to some ten thousand BCH.
const NOISE_DECIMALS: u8 = 3;

/// A sum that the service reckoned: the whole satoshi that it means, else rounded down; and whether it was a whole one. `None` where it is
/// negative or absurdly large.
pub(crate) fn received(number: &DecimalText) -> Option<(Amount, bool)> {
    let unit = 10_u128.pow(u32::from(NOISE_DECIMALS));
    // Finer digits are below the tolerance already.
    let (fine, _) = number.floor_to_minor(Asset::BCH.scale() + NOISE_DECIMALS).ok()?;
    let (whole, rest) = (fine / unit, fine % unit);
    let meant = match rest {
        0 => Some(whole),
        rest if rest == unit - 1 => whole.checked_add(1),
        _ => None,
    };
    Some((Amount::new(meant.unwrap_or(whole), Asset::BCH), meant.is_some()))
}

/// Whether a price of the service is what we asked for. Whether it rounds to cents is unconfirmed, so a cent does not count.
pub(crate) fn is_price(shown: &DecimalText, asked: Amount) -> bool {
    let cent = 10_u128.pow(u32::from(asked.asset().scale()).saturating_sub(2));
    Amount::floor_from_decimal(shown, asked.asset())
        .is_ok_and(|(shown, _)| shown.minor().abs_diff(asked.minor()) <= cent)
}

/// Whether a price of the service can be that of an order for this much: asked for once, or a second time.
pub(crate) fn can_be_price(shown: &DecimalText, asked: Amount) -> bool {
    let lowest = asked.minor() - asked.minor() / 100 * 3;
    let (cent, usd) = (10_u128.pow(u32::from(asked.asset().scale()).saturating_sub(2)), asked.asset());
    Amount::floor_from_decimal(shown, usd).is_ok_and(|(shown, _)| {
        shown.minor().saturating_add(cent) >= lowest && shown.minor() <= asked.minor().saturating_add(cent)
    })
}

#[cfg(test)]
mod tests {
    use deposit_core::Price;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{bch, terms};

    fn usd(text: &str) -> Amount {
        Amount::parse(text, Asset::USD).unwrap()
    }

    #[test]
    fn the_price_is_ours_to_eight_decimals() {
        assert_eq!(price(&terms("0.01234567", "400"), bch("0.01234567")), Some(usd("4.938268")));
        assert_eq!(price(&terms("0.00000001", "0.5"), bch("0.00000001")), None);
        let standing = terms("1", "400").with_quote(None);
        assert_eq!(price(&standing, bch("1")), None);
    }

    #[test]
    fn figures_around_ours() {
        let judge = |payable| judge(usd("400"), bch(payable), bch("1"));
        assert_eq!(judge("1"), Quoted::Covered);
        assert_eq!(judge("0.98"), Quoted::Covered);
        assert_eq!(judge("0.97999999"), Quoted::Mismatch);
        assert_eq!(judge("1.02000001"), Quoted::Mismatch);
        assert_eq!(judge("2"), Quoted::Mismatch);
        assert_eq!(judge("0"), Quoted::Mismatch);
        // 400 / 1.02 x 0.999
        assert_eq!(judge("1.02"), Quoted::AskAgain(usd("391.76470587")));
        assert_eq!(judge("1.00000001"), Quoted::AskAgain(usd("399.599996")));
    }

    #[test]
    fn twelve_decimals_to_the_nearest_satoshi() {
        for (text, satoshi) in [
            ("0.043219871234", 4_321_987),
            ("0.043219874999", 4_321_987),
            ("0.043219875", 4_321_988),
            ("2.0576132e-05", 2058),
            ("1e-08", 1),
            ("0", 0),
        ] {
            assert_eq!(
                nearest_satoshi(&text.parse().unwrap()),
                Some(Amount::new(satoshi, Asset::BCH)),
                "{text}"
            );
        }
        assert_eq!(nearest_satoshi(&"-1".parse().unwrap()), None);
        assert_eq!(nearest_satoshi(&"1e99".parse().unwrap()), None);
    }

    #[test]
    fn what_binary_fractions_leave_is_no_money() {
        for (text, satoshi, whole) in [
            ("0.7999999999999999", 80_000_000, true),
            ("0.30000000000000004", 30_000_000, true),
            ("0.8", 80_000_000, true),
            ("0.79999999", 79_999_999, true),
            // A thousandth of a satoshi and no more.
            ("0.79999999999", 80_000_000, true),
            ("0.79999999998999", 79_999_999, false),
            ("0.80000000001", 80_000_000, false),
            ("0.799999995", 79_999_999, false),
            ("7.999999999999999e-01", 80_000_000, true),
            ("0", 0, true),
        ] {
            let meant = Some((Amount::new(satoshi, Asset::BCH), whole));
            assert_eq!(received(&text.parse().unwrap()), meant, "{text}");
        }
        assert_eq!(received(&"-0.1".parse().unwrap()), None);
        assert_eq!(received(&"1e99".parse().unwrap()), None);
    }

    #[test]
    fn a_cent_does_not_count() {
        let is = |shown: &str| is_price(&shown.parse().unwrap(), usd("4.938268"));
        assert!(is("4.938268") && is("4.94") && is("4.93") && is("4.938268000000001"));
        assert!(!is("4.95") && !is("4.92") && !is("-4.938268") && !is("0"));
        let can = |shown: &str| can_be_price(&shown.parse().unwrap(), usd("400"));
        assert!(can("400") && can("391.76470587") && can("400.01"));
        assert!(!can("400.02") && !can("380") && !can("1") && !can("-1"));
    }

    proptest! {
        /// Whatever the service's rate, asked again it is within what the payer was told, unless the rate moves.
        #[test]
        fn the_second_price_is_covered(satoshi in 20_000_u128..10_000_000_000, ours in 10_000_u32..200_000, permille in 981_u32..1_020) {
            let (wanted, ours) = (Amount::new(satoshi, Asset::BCH), Decimal::new(ours.into(), 2));
            let theirs = Price::new(ours * Decimal::new(permille.into(), 3)).unwrap();
            let terms = terms(&wanted.to_string(), &ours.to_string());
            let asked = price(&terms, wanted).unwrap();
            let payable = |usd: Amount| {
                let usd: Decimal = usd.to_string().parse().unwrap();
                theirs.units_for(usd, Asset::BCH, 8, Rounding::HalfUp).unwrap()
            };
            match judge(asked, payable(asked), wanted) {
                Quoted::Covered => prop_assert!(payable(asked).minor() <= satoshi),
                Quoted::AskAgain(second) => {
                    prop_assert_eq!(judge(second, payable(second), wanted), Quoted::Covered);
                    prop_assert!(can_be_price(&second.to_string().parse().unwrap(), asked));
                }
                Quoted::Mismatch => prop_assert!(payable(asked).minor().abs_diff(satoshi) * 100 > satoshi * 2),
            }
        }

        #[test]
        fn no_figure_panics(asked: u128, payable: u128, wanted: u128) {
            let (payable, wanted) = (Amount::new(payable, Asset::BCH), Amount::new(wanted, Asset::BCH));
            judge(Amount::new(asked, Asset::USD), payable, wanted);
        }
    }
}

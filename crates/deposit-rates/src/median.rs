//! The median of prices, exact.

use deposit_core::Price;
use rust_decimal::Decimal;

/// The middle price; sorts `prices`. Of an even number it is the exact mean of the middle two, or the lower of them where
/// that mean has more digits than a price holds. `None` of nothing.
///
/// ```
/// let price = |text: &str| text.parse::<deposit_core::Price>().unwrap();
/// assert_eq!(deposit_rates::median(&mut vec![price("3"), price("1"), price("2")]), Some(price("2")));
/// assert_eq!(deposit_rates::median(&mut vec![price("1.01"), price("1")]), Some(price("1.005")));
/// assert_eq!(deposit_rates::median(&mut vec![]), None);
/// ```
#[must_use]
pub fn median(prices: &mut [Price]) -> Option<Price> {
    prices.sort_unstable();
    let upper = prices.get(prices.len() / 2).copied()?;
    if !prices.len().is_multiple_of(2) {
        return Some(upper);
    }
    let lower = prices.get((prices.len() / 2).checked_sub(1)?).copied()?;
    Some(exact_mean(lower, upper).unwrap_or(lower))
}

/// `None` where the mean does not fit a price exactly. In whole numbers: `Decimal`'s own addition rounds silently where the
/// result has too many digits.
fn exact_mean(a: Price, b: Price) -> Option<Price> {
    let (a, b) = (a.usd(), b.usd());
    let scale = a.scale().max(b.scale());
    let aligned = |d: Decimal| d.mantissa().checked_mul(10_i128.checked_pow(scale.checked_sub(d.scale())?)?);
    // The half of n/10^s is 5n/10^(s+1).
    let mut mantissa = aligned(a)?.checked_add(aligned(b)?)?.checked_mul(5)?;
    let mut scale = scale.checked_add(1)?;
    while scale > 0 && mantissa % 10 == 0 {
        mantissa /= 10;
        scale -= 1;
    }
    Price::new(Decimal::try_from_i128_with_scale(mantissa, scale).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn price(text: &str) -> Price {
        text.parse().unwrap()
    }

    fn any_price() -> impl Strategy<Value = Price> {
        (1_i128..(1 << 96), 0_u32..=28)
            .prop_map(|(m, s)| Price::new(Decimal::from_i128_with_scale(m, s)).unwrap())
    }

    /// Near each other, with few digits: the mean always fits.
    fn ordinary_price() -> impl Strategy<Value = Price> {
        (1_i128..1_000_000_000, 0_u32..=8)
            .prop_map(|(m, s)| Price::new(Decimal::from_i128_with_scale(m, s)).unwrap())
    }

    #[test]
    fn an_odd_number_has_a_middle_and_an_even_one_its_mean() {
        assert_eq!(median(&mut [price("7")]), Some(price("7")));
        assert_eq!(median(&mut [price("9"), price("1"), price("2")]), Some(price("2")));
        assert_eq!(median(&mut [price("9"), price("1"), price("2"), price("3")]), Some(price("2.5")));
        assert_eq!(median(&mut [price("5"), price("15")]), Some(price("10")));
    }

    #[test]
    fn a_mean_that_no_price_holds_is_the_lower_figure() {
        let fine = price("0.0000000000000000000000000001");
        let finer_than_a_price = price("0.0000000000000000000000000002");
        assert_eq!(median(&mut [finer_than_a_price, fine]), Some(fine));
        let huge = price("79228162514264337593543950335");
        assert_eq!(median(&mut [huge, fine]), Some(fine));
        assert_eq!(median(&mut [huge, huge]), Some(huge));
        // Decimal's own addition would drop the last digits here.
        let large = price("7922816251426433759354395033.5");
        assert_eq!(median(&mut [large, price("1.0000000000000001")]), Some(price("1.0000000000000001")));
    }

    proptest! {
        #[test]
        fn it_lies_within_and_no_order_changes_it(
            prices in prop::collection::vec(any_price(), 1..9), turn in 0_usize..9
        ) {
            let middle = median(&mut prices.clone()).unwrap();
            prop_assert!(*prices.iter().min().unwrap() <= middle && middle <= *prices.iter().max().unwrap());
            let mut other = prices.clone();
            other.reverse();
            let turn = turn % other.len();
            other.rotate_left(turn);
            prop_assert_eq!(median(&mut other), Some(middle));
        }

        #[test]
        fn the_mean_of_ordinary_prices_is_exact(a in ordinary_price(), b in ordinary_price()) {
            let middle = median(&mut [a, b]).unwrap();
            prop_assert_eq!(middle.usd() + middle.usd(), a.usd() + b.usd());
        }

        #[test]
        fn as_many_are_below_as_above(prices in prop::collection::vec(any_price(), 1..9)) {
            let middle = median(&mut prices.clone()).unwrap();
            prop_assert!(prices.iter().filter(|p| **p < middle).count() * 2 <= prices.len());
            prop_assert!(prices.iter().filter(|p| **p > middle).count() * 2 <= prices.len());
        }
    }
}

//! Which figures are believed: pure rules over what the sources say.

use deposit_core::Price;
use rust_decimal::Decimal;

use crate::median::median;

/// How far figures may lie apart, in percent.
///
/// ```
/// let rules = deposit_rates::Rules::default();
/// assert_eq!((rules.outlier_percent.to_string(), rules.jump_percent.to_string()), ("10".into(), "30".into()));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// A figure further from the median than this is left out; two figures further apart than this are no rate.
    pub outlier_percent: Decimal,
    /// A price that moved by more than this, and that one source alone vouches for, has to be said again before it is used.
    pub jump_percent: Decimal,
}

impl Default for Rules {
    /// 10 and 30 percent.
    fn default() -> Self {
        Self { outlier_percent: Decimal::TEN, jump_percent: Decimal::from(30) }
    }
}

/// What the figures of one ticker come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nobody says anything.
    Silence,
    /// More than half of them agree: their median, who they are (as indexes into the figures), who was left out.
    Agreed { price: Price, voices: Vec<usize>, left_out: Vec<usize> },
    /// They contradict each other and none has a majority.
    Disputed,
}

/// The median of those that agree.
///
/// One figure is taken as it is. Two must lie within the limit of each other: nobody can say which is wrong. Of three or more, those
/// too far from the median of all are left out, and more than half must remain.
pub(crate) fn judge(prices: &[Price], outlier_percent: Decimal) -> Verdict {
    let Some(middle) = median(&mut prices.to_vec()) else { return Verdict::Silence };
    let near = |price: &Price| match prices {
        // The two are compared with each other, whichever is the higher.
        [a, b] => !apart(*a, *b, outlier_percent) && !apart(*b, *a, outlier_percent),
        _ => !apart(*price, middle, outlier_percent),
    };
    let (voices, left_out): (Vec<usize>, Vec<usize>) = prices
        .iter()
        .enumerate()
        .map(|(index, price)| (index, near(price)))
        .fold((Vec::new(), Vec::new()), |(mut voices, mut left_out), (index, near)| {
            if near {
                voices.push(index)
            } else {
                left_out.push(index)
            }
            (voices, left_out)
        });
    if voices.len().saturating_mul(2) <= prices.len() {
        return Verdict::Disputed;
    }
    let mut kept: Vec<Price> = voices.iter().filter_map(|index| prices.get(*index).copied()).collect();
    match median(&mut kept) {
        Some(price) => Verdict::Agreed { price, voices, left_out },
        None => Verdict::Disputed,
    }
}

/// Whether `price` differs from `from` by more than `percent` of `from`. What is so far that a decimal cannot hold it differs.
pub(crate) fn apart(price: Price, from: Price, percent: Decimal) -> bool {
    let (price, from) = (price.usd(), from.usd());
    // Beyond 28 digits this is rounded, which moves the border by less than a sextillionth.
    let exceeds = || {
        let moved = price.checked_sub(from)?.abs().checked_mul(Decimal::ONE_HUNDRED)?;
        Some(moved > from.checked_mul(percent)?)
    };
    exceeds().unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn prices(texts: &[&str]) -> Vec<Price> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    /// The price, and how many were left out.
    type Outcome = Option<(String, usize)>;

    fn judged(texts: &[&str]) -> Outcome {
        match judge(&prices(texts), Decimal::TEN) {
            Verdict::Agreed { price, left_out, .. } => Some((price.to_string(), left_out.len())),
            Verdict::Disputed | Verdict::Silence => None,
        }
    }

    #[test]
    fn the_table() {
        let agreed = |price: &str, left_out| Some((price.to_owned(), left_out));
        let rows: &[(&[&str], Outcome)] = &[
            (&["100"], agreed("100", 0)),
            (&["100", "110"], agreed("105", 0)),
            (&["110", "100"], agreed("105", 0)),
            (&["100", "110.01"], None),
            (&["100", "101", "1000000"], agreed("100.5", 1)),
            (&["0.0001", "100", "101"], agreed("100.5", 1)),
            (&["100", "110", "90"], agreed("100", 0)),
            (&["100", "110.01", "90"], agreed("95", 1)),
            (&["100", "150", "200"], None),
            (&["100", "100", "200", "200"], None),
            (&["100", "101", "102", "200"], agreed("101", 1)),
            (&["1", "100", "101", "500"], None),
        ];
        for (figures, expected) in rows {
            assert_eq!(&judged(figures), expected, "{figures:?}");
        }
        assert_eq!(judge(&[], Decimal::TEN), Verdict::Silence);
    }

    #[test]
    fn what_no_decimal_holds_is_far() {
        let huge: Price = "79228162514264337593543950335".parse().unwrap();
        let fine: Price = "0.0000000000000000000000000001".parse().unwrap();
        assert!(apart(huge, fine, Decimal::TEN) && apart(fine, huge, Decimal::TEN));
        assert_eq!(judge(&[huge, fine], Decimal::TEN), Verdict::Disputed);
    }

    fn any_price() -> impl Strategy<Value = Price> {
        (1_i128..(1 << 96), 0_u32..=28)
            .prop_map(|(m, s)| Price::new(Decimal::from_i128_with_scale(m, s)).unwrap())
    }

    fn near_100() -> impl Strategy<Value = Price> {
        (9_600_u32..=10_400).prop_map(|n| Price::new(Decimal::new(i64::from(n), 2)).unwrap())
    }

    proptest! {
        /// Whatever the figures are, the price lies among those that were believed, and they are a majority.
        #[test]
        fn a_price_is_that_of_a_majority(figures in prop::collection::vec(any_price(), 1..9), percent in 1_u32..100) {
            if let Verdict::Agreed { price, voices, left_out } = judge(&figures, Decimal::from(percent)) {
                prop_assert_eq!(voices.len() + left_out.len(), figures.len());
                prop_assert!(voices.len() > left_out.len());
                let kept: Vec<Price> = voices.iter().map(|i| figures[*i]).collect();
                prop_assert!(kept.iter().min().unwrap() <= &price && &price <= kept.iter().max().unwrap());
            }
        }

        /// Liars in the minority, however wild, move the price no further than honest sources lie apart.
        #[test]
        fn a_minority_cannot_move_the_price(
            honest in prop::collection::vec(near_100(), 3..6),
            wild in prop::collection::vec(any_price(), 0..3),
            turn in 0_usize..9,
        ) {
            let mut figures = honest.clone();
            figures.extend(wild.iter().take(honest.len() - 1).copied());
            let turn = turn % figures.len();
            figures.rotate_left(turn);
            let verdict = judge(&figures, Decimal::TEN);
            let Verdict::Agreed { price, .. } = verdict else { panic!("{verdict:?}") };
            let from = |text: &str| text.parse::<Price>().unwrap();
            prop_assert!(from("86") < price && price < from("115"), "{}", price);
        }

        #[test]
        fn the_order_is_nothing(figures in prop::collection::vec(any_price(), 1..7), turn in 0_usize..7) {
            let of = |figures: &[Price]| match judge(figures, Decimal::TEN) {
                Verdict::Agreed { price, .. } => Some(price),
                Verdict::Disputed | Verdict::Silence => None,
            };
            let mut other = figures.clone();
            let turn = turn % other.len();
            other.rotate_left(turn);
            prop_assert_eq!(of(&figures), of(&other));
        }
    }
}

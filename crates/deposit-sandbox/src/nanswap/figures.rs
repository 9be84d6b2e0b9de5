//! Amounts: exact on the chain, binary floating point in the books and on the wire, as in a JavaScript server.

use deposit_core::{Asset, DecimalText, plain_decimal};
use ruint::aliases::U512;

use super::currency::Currency;
use crate::rates::Rates;

/// Decimals in which rates are read.
const RATE_SCALE: u8 = 18;
/// Kept of a swap, and of one between feeless coins, in millionths.
const FEE: u32 = 5_000;
const FEELESS_FEE: u32 = 2_500;
/// What the final figure is below the expected one, in millionths.
const SLIPPAGE: u32 = 1_000;
const MILLION: u32 = 1_000_000;

/// The text of the nearest double, as `JSON.stringify` writes it: an exponent below 1e-6 and from 1e21 on.
pub(super) fn double(decimal: &str) -> String {
    let value: f64 = decimal.parse().unwrap_or(0.0);
    let size = value.abs();
    if value == 0.0 {
        "0".to_owned()
    } else if (1e-6..1e21).contains(&size) {
        value.to_string()
    } else {
        let text = format!("{value:e}");
        if text.contains("e-") { text } else { text.replace('e', "e+") }
    }
}

/// The same of so many smallest units.
pub(super) fn double_of(minor: u128, asset: Asset) -> String {
    double(&plain_decimal(minor, asset.scale()))
}

/// Smallest units of a number, rounded down; `None` where it is below zero or too large.
pub(super) fn minor_of(number: &str, asset: Asset) -> Option<u128> {
    let decimal: DecimalText = number.parse().ok()?;
    decimal.floor_to_minor(asset.scale()).ok().map(|(minor, _)| minor)
}

fn rate(rates: &Rates, currency: &Currency) -> Option<u128> {
    rates.usd(currency.ticker)?.floor_to_minor(RATE_SCALE).ok().map(|(minor, _)| minor).filter(|m| *m > 0)
}

fn power(exponent: u8) -> U512 {
    (0..exponent).fold(U512::from(1_u8), |n, _| n * U512::from(10_u8))
}

/// What `minor` of one coin gives of the other, before the final difference. `None`: no rate, or too much.
pub(super) fn swapped(rates: &Rates, from: &Currency, to: &Currency, minor: u128) -> Option<u128> {
    let kept = if from.feeless && to.feeless { FEELESS_FEE } else { FEE };
    converted(rates, from, to, minor, MILLION - kept, MILLION)
}

/// How much of one coin is needed for `minor` of the other.
pub(super) fn needed(rates: &Rates, from: &Currency, to: &Currency, minor: u128) -> Option<u128> {
    let kept = if from.feeless && to.feeless { FEELESS_FEE } else { FEE };
    converted(rates, to, from, minor, MILLION, MILLION - kept)
}

fn converted(
    rates: &Rates,
    from: &Currency,
    to: &Currency,
    minor: u128,
    numerator: u32,
    denominator: u32,
) -> Option<u128> {
    let worth =
        U512::from(minor) * U512::from(rate(rates, from)?) * power(to.asset.scale()) * U512::from(numerator);
    let price = U512::from(rate(rates, to)?) * power(from.asset.scale()) * U512::from(denominator);
    u128::try_from(worth / price).ok()
}

/// What is paid out in the end.
pub(super) fn final_amount(expected: u128) -> u128 {
    let share = U512::from(expected) * U512::from(MILLION - SLIPPAGE) / U512::from(MILLION);
    u128::try_from(share).unwrap_or(expected)
}

/// So many hundredths of a dollar in the coin, with seven digits.
pub(super) fn limit(rates: &Rates, currency: &Currency, cents: u32) -> Option<String> {
    let dollars = U512::from(cents) * power(RATE_SCALE) * power(currency.asset.scale());
    let price = U512::from(rate(rates, currency)?) * U512::from(100_u8);
    let minor = u128::try_from(dollars / price).ok()?;
    let value: f64 = plain_decimal(minor, currency.asset.scale()).parse().ok()?;
    Some(double(&format!("{value:.6e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_a_javascript_server_writes_them() {
        let cases = [
            ("0.25", "0.25"),
            ("1.0", "1"),
            ("0.0000001", "1e-7"),
            ("0.000001", "0.000001"),
            ("0.00000000000000000000000000001", "1e-29"),
            ("123456789012345678901234567890", "1.2345678901234568e+29"),
            ("27.02702702702702702702702702703", "27.027027027027028"),
            ("0", "0"),
        ];
        for (decimal, text) in cases {
            assert_eq!(double(decimal), text, "{decimal}");
        }
    }

    #[test]
    fn a_swap_keeps_its_fee() {
        let rates = Rates::default();
        let of = |key| Currency::by_key(key).unwrap();
        // 100 KAS at 0.08 are 8 USD; XNO at 0.8.
        let out = swapped(&rates, of("KAS"), of("XNO"), 100 * 10_u128.pow(8)).unwrap();
        assert_eq!(double_of(out, Asset::XNO), "9.95");
        assert_eq!(double_of(final_amount(out), Asset::XNO), "9.94005");
        let back = needed(&rates, of("KAS"), of("XNO"), out).unwrap();
        assert_eq!(back, 100 * 10_u128.pow(8));
        assert_eq!(limit(&rates, of("KAS"), 2).unwrap(), "0.25");
        assert_eq!(limit(&rates, of("EGLD"), 300_000).unwrap(), "150");
    }
}

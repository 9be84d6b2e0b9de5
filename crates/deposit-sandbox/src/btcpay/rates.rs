//! Rates by the store's rules.

use super::decimal::Dec;
use crate::emulator::Context;
use crate::faults::Faults;
use crate::json::Json;

/// Digits kept of a quotient of two rates.
const QUOTIENT_SCALE: u32 = 10;

/// How much of `quote` one `base` is worth: exactly 1 for a pair X_X, nothing while the sources are down.
pub(super) fn rate(context: &Context, faults: &Faults, base: &str, quote: &str) -> Option<Dec> {
    if base == quote {
        // With the decimal that the server writes.
        return Some(Dec::new(10, 1));
    }
    match (base, quote) {
        ("BTC", "SATS") => return Some(Dec::new(100_000_000, 0)),
        ("SATS", "BTC") => return Some(Dec::new(1, 8)),
        _ => {}
    }
    if faults.rates_down {
        return None;
    }
    let (base, quote) = (usd(context, base)?, usd(context, quote)?);
    if quote == Dec::ONE { Some(base) } else { base.over_up(quote, QUOTIENT_SCALE).map(Dec::trimmed) }
}

fn usd(context: &Context, currency: &str) -> Option<Dec> {
    match currency {
        "USD" => Some(Dec::ONE),
        "SATS" => usd(context, "BTC").map(|btc| btc.times(Dec::new(1, 8))),
        code => Dec::of_text(&context.rates.usd(code.parse().ok()?)?).filter(|rate| rate.is_positive()),
    }
}

/// `GET rates`: a malformed pair is dropped together with all pairs after it.
pub(super) fn view(context: &Context, faults: &Faults, pairs: &[String]) -> Json {
    let parts = pairs.iter().map_while(|pair| {
        let (base, quote) = pair.split_once('_')?;
        let code = |s: &str| (3..=5).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_alphanumeric());
        (code(base) && code(quote)).then(|| (base.to_uppercase(), quote.to_uppercase()))
    });
    let views = parts.map(|(base, quote)| {
        let rate = rate(context, faults, &base, &quote);
        let errors = if rate.is_some() { vec![] } else { vec![Json::text("RateUnavailable")] };
        Json::object([
            ("currencyPair", Json::text(format!("{base}_{quote}"))),
            ("errors", Json::List(errors)),
            ("rate", Json::text_or_null(rate.map(|r| r.to_string()))),
        ])
    });
    Json::List(views.collect())
}

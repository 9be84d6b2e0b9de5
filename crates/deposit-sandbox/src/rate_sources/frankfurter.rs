//! Frankfurter: `GET /v1/latest`, the European Central Bank's reference rates.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use deposit_core::{Ticker, plain_decimal};
use jiff::civil::{Date, Weekday};

use super::{Kind, Parameters, listed, ok, said};
use crate::control_error::json_response;
use crate::emulator::Context;
use crate::json::Json;

const NAME: &str = "frankfurter";

pub(super) const KIND: Kind = Kind { name: NAME, router, server_error, unauthorized };

/// Decimals in which USD figures are read, and those of a quotient.
const READ: u8 = 10;
const QUOTIENT: u8 = 10;
/// Hour of the day (UTC) from which the figures are those of today.
const PUBLISHED: i8 = 15;

const CURRENCIES: &[Ticker] = &[Ticker::EUR, Ticker::GBP, Ticker::USD];

fn router(context: Arc<Context>) -> Router {
    Router::new().route("/v1/latest", get(latest)).with_state(context)
}

fn refusal(status: StatusCode, text: &str) -> Response {
    json_response(status, &Json::object([("message", Json::text(text))]))
}

fn server_error() -> Response {
    refusal(StatusCode::INTERNAL_SERVER_ERROR, "internal server error")
}

fn unauthorized() -> Response {
    refusal(StatusCode::FORBIDDEN, "forbidden")
}

/// The last working day whose figures are out. Holidays are not emulated.
fn published(now: i64) -> Option<Date> {
    let now = jiff::Timestamp::from_second(now).ok()?.to_zoned(jiff::tz::TimeZone::UTC);
    let mut date = if now.hour() < PUBLISHED { now.date().yesterday().ok()? } else { now.date() };
    while matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday) {
        date = date.yesterday().ok()?;
    }
    Some(date)
}

/// How much of `quote` one `base` is.
fn rate(context: &Context, base: Ticker, quote: Ticker) -> Option<String> {
    let usd = |ticker: Ticker| match ticker {
        Ticker::USD => 10_u128.checked_pow(u32::from(READ)),
        other => said(context, NAME, other)?.floor_to_minor(READ).ok().map(|(minor, _)| minor),
    };
    let scaled = usd(base)?.checked_mul(10_u128.checked_pow(u32::from(QUOTIENT))?)?;
    Some(plain_decimal(scaled.checked_div(usd(quote)?)?, QUOTIENT))
}

async fn latest(State(context): State<Arc<Context>>, Query(parameters): Parameters) -> Response {
    let known = |code: &str| CURRENCIES.iter().copied().find(|ticker| ticker.as_str() == code);
    let base = parameters.get("base").map_or("EUR", String::as_str);
    let (Some(base), Some(date)) = (known(base), published(context.clock.now())) else {
        return refusal(StatusCode::NOT_FOUND, "not found");
    };
    let wanted = listed(&parameters, "symbols");
    let quotes = CURRENCIES
        .iter()
        .filter(|ticker| **ticker != base)
        .filter(|ticker| wanted.as_ref().is_none_or(|wanted| wanted.contains(&ticker.as_str())))
        .filter_map(|ticker| Some((ticker.to_string(), Json::Number(rate(&context, base, *ticker)?))));
    let rates = Json::Object(quotes.collect());
    ok(&Json::object([
        ("amount", Json::Number("1.0".to_owned())),
        ("base", Json::text(base.as_str())),
        ("date", Json::text(date.to_string())),
        ("rates", rates),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_is_that_of_the_last_working_day() {
        let date =
            |text: &str| published(text.parse::<jiff::Timestamp>().unwrap().as_second()).unwrap().to_string();
        assert_eq!(date("2026-03-04T15:00:00Z"), "2026-03-04");
        assert_eq!(date("2026-03-04T14:59:59Z"), "2026-03-03");
        assert_eq!(date("2026-03-08T20:00:00Z"), "2026-03-06", "on a Sunday");
        assert_eq!(date("2026-03-09T09:00:00Z"), "2026-03-06", "on a Monday morning");
    }
}

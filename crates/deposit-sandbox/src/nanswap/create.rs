//! `POST create-order`: what is checked, and what is made of it.

use axum::http::{HeaderMap, StatusCode, header};

use super::currency::Currency;
use super::figures::{double, minor_of, swapped};
use super::order::{Order, Status};
use super::state::{Nanswap, Refusal, refused};
use crate::json::Json;

/// 72 h, or 5 minutes for an order with an item's name.
const LIFETIME: i64 = 259_200;
const NAMED_LIFETIME: i64 = 300;

fn text(body: &Json, name: &str) -> Result<Option<String>, Refusal> {
    match body.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(value) => match value.as_text() {
            Some(text) => Ok(Some(text.to_owned())),
            None => Err(refused(format!("{name} must be a string"))),
        },
    }
}

fn required(body: &Json, name: &str) -> Result<String, Refusal> {
    text(body, name)?.filter(|t| !t.is_empty()).ok_or_else(|| refused(format!("{name} is required")))
}

/// Reads the body, or says the first thing that is wrong with it.
pub(super) fn create(server: &Nanswap, headers: &HeaderMap, body: &[u8]) -> Result<Json, Refusal> {
    server.authorize(headers)?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().map(str::trim) != Some("application/json") {
        let text = "The body must be application/json".to_owned();
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
    }
    let body = Json::parse(body).map_err(|_| refused("The body is not valid JSON"))?;
    let (from, to) = pair(server, &required(&body, "from")?, &required(&body, "to")?)?;
    for (name, currency) in [("fromNetwork", from), ("toNetwork", to)] {
        if text(&body, name)?.is_some_and(|network| network != currency.network) {
            return Err(refused(format!("{name} does not match")));
        }
    }
    let asked = amount(server, &body, from)?;
    let payout_address = required(&body, "toAddress")?;
    if !to.takes(&payout_address) {
        return Err(refused("Invalid toAddress"));
    }
    if text(&body, "extraId")?.is_none_or(|id| id.is_empty()) && to.external_id {
        return Err(refused("extraId is required"));
    }
    let named = text(&body, "itemName")?;
    if named.as_ref().is_some_and(|name| name.chars().count() > 128) {
        return Err(refused("itemName must have at most 128 characters"));
    }
    let lifetime = match body.get("maxDurationSeconds").filter(|v| !v.is_null()) {
        None if named.is_some() => NAMED_LIFETIME,
        None => LIFETIME,
        Some(value) => {
            let whole = value.as_i64().filter(|s| (30..=LIFETIME).contains(s));
            whole.ok_or_else(|| refused("maxDurationSeconds must be from 30 to 259200"))?
        }
    };
    let expected_to = swapped(&server.context.rates, from, to, asked).filter(|out| *out > 0);
    let expected_to = expected_to.ok_or_else(|| refused("This pair is not available now"))?;

    let random = &server.context.random;
    let mut state = server.state();
    let number = u64::try_from(state.orders.len()).unwrap_or(u64::MAX);
    let label = format!("nanswap/order/{number}");
    let id = if from.feeless && to.feeless { random.base58(&label, 11) } else { random.hex::<7>(&label) };
    let (payin_address, payin_extra_id) = from.address(random, &format!("nanswap/payin/{number}"));
    let created = server.now();
    let order = Order {
        id,
        number,
        status: Status::Waiting,
        from,
        to,
        asked,
        expected_to,
        payin_address,
        payin_extra_id,
        payout_address,
        created,
        valid_until: created + lifetime,
        tells_validity: number % 4 != 3,
        pending: 0,
        done: 0,
        paid_out: 0,
        seen_at: None,
        payin_hash: None,
        payout_hash: None,
        sender: None,
    };
    let (word, payout) = server.shown(&order);
    let status = (number % 3 != 2).then_some(word);
    let view = Json::Object(order.created_view(&server.context.base_url, &payout, status));
    state.orders.push(order);
    Ok(view)
}

/// A number, not a text, within the limits of the pair.
fn amount(server: &Nanswap, body: &Json, from: &Currency) -> Result<u128, Refusal> {
    let number =
        body.get("amount").and_then(Json::number).ok_or_else(|| refused("amount must be a number"))?;
    let asked = minor_of(number, from.asset).filter(|m| *m > 0).ok_or_else(|| refused("Invalid amount"))?;
    let (min, max) = server.limits(from)?;
    let limit = |text: &str| minor_of(text, from.asset).unwrap_or(u128::MAX);
    let booked = minor_of(&double(number), from.asset).unwrap_or(asked);
    if booked < limit(&min) {
        Err(refused(format!("Amount is below the minimum of {min} {}", from.key)))
    } else if booked > limit(&max) {
        Err(refused(format!("Amount is above the maximum of {max} {}", from.key)))
    } else {
        Ok(asked)
    }
}

/// Tickers are those of `all-currencies`, to the letter.
pub(super) fn pair(
    server: &Nanswap,
    from: &str,
    to: &str,
) -> Result<(&'static Currency, &'static Currency), Refusal> {
    let known =
        |key: &str| server.currency(key).ok_or_else(|| refused(format!("Currency {key} is not supported")));
    let (from, to) = (known(from)?, known(to)?);
    if from == to { Err(refused("from and to must differ")) } else { Ok((from, to)) }
}

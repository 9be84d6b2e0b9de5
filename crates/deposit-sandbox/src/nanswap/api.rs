//! The endpoints: dossier sections 2 to 6 and 9.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use bytes::Bytes;
use deposit_core::DecimalText;

use super::create;
use super::currency::{CURRENCIES, Currency};
use super::figures::{double, double_of, minor_of, needed, swapped};
use super::state::{Nanswap, Refusal, error_response, refused};
use crate::control_error::json_response;
use crate::json::Json;

type Server = State<Arc<Nanswap>>;

pub(super) fn router(server: Arc<Nanswap>) -> Router {
    let limited = Router::new()
        .route("/v1/all-currencies", get(all_currencies))
        .route("/v1/get-estimate", get(estimate))
        .route("/v1/get-estimate-reverse", get(estimate_reverse))
        .route("/v1/get-limits", get(limits))
        .route("/v1/create-order", post(create_order))
        .route("/v1/get-order", get(get_order))
        .fallback(|| async { error_response((StatusCode::NOT_FOUND, "Not found".to_owned())) })
        .layer(middleware::from_fn_with_state(server.clone(), limit_rate));
    Router::new().route("/transaction-all/{order}", get(page)).merge(limited).with_state(server)
}

/// Counts every request, and says when it is: the caller has no other clock of ours.
async fn limit_rate(State(server): Server, request: Request, next: Next) -> Response {
    let rate = server.count();
    let mut response = if rate.over {
        let text = "Too many requests, please try again later.".to_owned();
        error_response((StatusCode::TOO_MANY_REQUESTS, text))
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    for (name, value) in [
        ("ratelimit-limit", i64::from(rate.limit)),
        ("ratelimit-remaining", i64::from(rate.remaining)),
        ("ratelimit-reset", rate.reset),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
    }
    let now = jiff::Timestamp::from_second(server.now()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&now);
    if let Some(date) = date.ok().and_then(|text| HeaderValue::from_str(&text).ok()) {
        headers.insert(header::DATE, date);
    }
    response
}

fn answer(result: Result<Json, Refusal>) -> Response {
    match result {
        Ok(body) => json_response(StatusCode::OK, &body),
        Err(refusal) => error_response(refusal),
    }
}

struct Query(Vec<(String, String)>);

impl Query {
    fn new(raw: Option<String>) -> Self {
        Self(url::form_urlencoded::parse(raw.unwrap_or_default().as_bytes()).into_owned().collect())
    }

    fn get(&self, name: &str) -> Result<&str, Refusal> {
        let found = self.0.iter().find(|(k, v)| k == name && !v.is_empty()).map(|(_, v)| v.as_str());
        found.ok_or_else(|| refused(format!("{name} is required")))
    }

    fn pair(&self, server: &Nanswap) -> Result<(&'static Currency, &'static Currency), Refusal> {
        create::pair(server, self.get("from")?, self.get("to")?)
    }

    /// A plain decimal above zero.
    fn amount(&self) -> Result<&str, Refusal> {
        let text = self.get("amount")?;
        let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let positive = text.parse::<DecimalText>().is_ok_and(|n| !n.is_negative() && !n.is_zero());
        if plain && positive { Ok(text) } else { Err(refused("Invalid amount")) }
    }
}

async fn all_currencies(State(server): Server) -> Response {
    let listed = CURRENCIES.iter().filter(|c| server.currency(c.key).is_some());
    answer(Ok(Json::object(listed.map(|c| (c.key, c.entry())))))
}

/// `from` and `to` are there for feeless pairs only.
fn names(from: &Currency, to: &Currency) -> Vec<(&'static str, Json)> {
    let feeless = from.feeless && to.feeless;
    if feeless { vec![("from", Json::text(from.key)), ("to", Json::text(to.key))] } else { vec![] }
}

fn estimated(from: &Currency, to: &Currency, amount_from: String, amount_to: String) -> Json {
    let mut members = names(from, to);
    members.push(("amountTo", Json::Number(amount_to)));
    members.push(("amountFrom", Json::Number(amount_from)));
    Json::object(members)
}

async fn estimate(State(server): Server, RawQuery(query): RawQuery) -> Response {
    let work = || {
        let query = Query::new(query);
        let ((from, to), amount) = (query.pair(&server)?, query.amount()?);
        let minor = minor_of(amount, from.asset).ok_or_else(|| refused("Invalid amount"))?;
        let out = swapped(&server.context.rates, from, to, minor);
        let out = out.ok_or_else(|| refused("This pair is not available now"))?;
        Ok(estimated(from, to, double(amount), double_of(out, to.asset)))
    };
    answer(work())
}

async fn estimate_reverse(State(server): Server, RawQuery(query): RawQuery) -> Response {
    let work = || {
        let query = Query::new(query);
        let ((from, to), amount) = (query.pair(&server)?, query.amount()?);
        if !(from.feeless && to.feeless) {
            return Err(refused("Reverse estimates are for feeless currencies only"));
        }
        let minor = minor_of(amount, to.asset).ok_or_else(|| refused("Invalid amount"))?;
        let needed = needed(&server.context.rates, from, to, minor);
        let needed = needed.ok_or_else(|| refused("This pair is not available now"))?;
        Ok(estimated(from, to, double_of(needed, from.asset), double(amount)))
    };
    answer(work())
}

async fn limits(State(server): Server, RawQuery(query): RawQuery) -> Response {
    let work = || {
        let (from, to) = Query::new(query).pair(&server)?;
        let (min, max) = server.limits(from)?;
        let mut members = names(from, to);
        members.extend([("min", Json::Number(min)), ("max", Json::Number(max))]);
        Ok(Json::object(members))
    };
    answer(work())
}

async fn create_order(State(server): Server, headers: HeaderMap, body: Bytes) -> Response {
    answer(create::create(&server, &headers, &body))
}

async fn get_order(State(server): Server, RawQuery(query): RawQuery) -> Response {
    let work = || {
        let query = Query::new(query);
        let id = query.get("id")?;
        let state = server.state();
        let order = state.orders.iter().find(|o| o.id == id).ok_or_else(|| refused("Order not found"))?;
        let (word, payout) = server.shown(order);
        Ok(order.view(&server.context.base_url, &payout, word, &server.invitation))
    };
    answer(work())
}

/// The public page of an order, for a person who follows `fullLink`.
async fn page(State(server): Server, Path(id): Path<String>) -> Response {
    let state = server.state();
    let Some(order) = state.orders.iter().find(|o| o.id == id) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let memo = order.payin_extra_id.as_ref().map(|m| format!(", memo <code>{m}</code>")).unwrap_or_default();
    let html = format!(
        "<!doctype html><title>Swap {id}</title><h1>Emulated swap {id}</h1><p>{} {} to {}: {}</p><p><code>{}</code>{memo}</p>",
        double_of(order.asked, order.from.asset),
        order.from.key,
        order.to.key,
        order.status.word(),
        order.payin_address,
    );
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response()
}

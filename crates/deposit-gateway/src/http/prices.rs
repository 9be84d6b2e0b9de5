//! `GET /api/get-nano-price` and `GET /api/get-fiat-prices` (section 3.9). For anybody: no key is read.

use axum::extract::State;
use axum::response::Response;
use deposit_core::Ticker;
use deposit_core::json::PlainNumber;
use deposit_engine::FiatPrice;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::error::ApiError;
use super::{App, reply};

/// Whole seconds until rates were asked for again.
const RETRY_AFTER_SECS: u64 = 20;

/// Price of Nano.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct NanoPrice {
    /// `NANOUSD`
    pair: &'static str,
    /// USD for one XNO.
    #[schema(value_type = deposit_core::Decimal, format = "decimal")]
    latest_price: PlainNumber,
}

/// Rates of currencies.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct FiatPrices {
    /// How much of the currency one USD is, at most 8 decimals.
    #[schema(value_type = std::collections::BTreeMap<String, deposit_core::Decimal>)]
    usd_to: Members<PlainNumber>,
    /// Names of the currencies, with the same keys.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    currencies: Members<&'static str>,
}

/// Members in the order of the contract, which a sorted map would change.
struct Members<T>(Vec<(String, T)>);

impl<T: Serialize> Serialize for Members<T> {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// `GET /api/get-nano-price`
pub(crate) async fn nano(State(app): State<App>) -> Result<Response, ApiError> {
    let price = app.engine.nano_price().await.map_err(|error| ApiError::from_engine(&error))?;
    let price = price.ok_or_else(|| ApiError::price_unavailable(RETRY_AFTER_SECS))?;
    Ok(public(&NanoPrice { pair: "NANOUSD", latest_price: price.into() }))
}

/// `GET /api/get-fiat-prices`
pub(crate) async fn fiat(State(app): State<App>) -> Result<Response, ApiError> {
    let prices = app.engine.fiat_prices().await.map_err(|error| ApiError::from_engine(&error))?;
    let prices = prices.ok_or_else(|| ApiError::price_unavailable(RETRY_AFTER_SECS))?;
    let code = |price: &'_ FiatPrice| price.currency.to_string();
    let names = prices.iter().map(|price| (code(price), name(price.currency))).collect();
    let values = prices.iter().map(|price| (code(price), price.for_one_usd.into())).collect();
    Ok(public(&FiatPrices { usd_to: Members(values), currencies: Members(names) }))
}

/// The names of section 3.9, which differ from those of the tickers.
fn name(currency: Ticker) -> &'static str {
    match currency {
        Ticker::USD => "United States Dollar",
        Ticker::EUR => "Euro",
        Ticker::GBP => "British Pound",
        other => other.display_name().unwrap_or(""),
    }
}

/// Anybody may keep the answer for a while.
fn public(body: &impl Serialize) -> Response {
    let mut response = reply::json(StatusCode::OK, body);
    if response.status() == StatusCode::OK {
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=30"));
    }
    response
}

//! KuCoin: `GET /api/v1/prices`.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use deposit_core::Ticker;

use super::{Kind, Parameters, listed, ok, said};
use crate::control_error::json_response;
use crate::emulator::Context;
use crate::json::Json;

const NAME: &str = "kucoin";

pub(super) const KIND: Kind = Kind { name: NAME, router, server_error, unauthorized };

const SYMBOLS: &[Ticker] = &[
    Ticker::BTC,
    Ticker::LTC,
    Ticker::XMR,
    Ticker::DOGE,
    Ticker::DASH,
    Ticker::ZEC,
    Ticker::BCH,
    Ticker::KAS,
    Ticker::TON,
    Ticker::NEAR,
    Ticker::EGLD,
    Ticker::USDC,
    Ticker::USDT,
    Ticker::ETH,
    Ticker::SOL,
    Ticker::XNO,
];

fn router(context: Arc<Context>) -> Router {
    Router::new().route("/api/v1/prices", get(prices)).with_state(context)
}

fn refusal(status: StatusCode, code: &str, text: &str) -> Response {
    json_response(status, &Json::object([("code", Json::text(code)), ("msg", Json::text(text))]))
}

fn server_error() -> Response {
    refusal(StatusCode::INTERNAL_SERVER_ERROR, "500000", "Internal Server Error")
}

fn unauthorized() -> Response {
    refusal(StatusCode::UNAUTHORIZED, "400001", "Any of KC-API-KEY is missing in your header.")
}

async fn prices(State(context): State<Arc<Context>>, Query(parameters): Parameters) -> Response {
    if parameters.get("base").is_some_and(|base| !base.eq_ignore_ascii_case("USD")) {
        return refusal(StatusCode::OK, "400100", "This base is not emulated.");
    }
    let wanted = listed(&parameters, "currencies");
    let is_wanted = |ticker: &&Ticker| wanted.as_ref().is_none_or(|wanted| wanted.contains(&ticker.as_str()));
    let price =
        |ticker: &Ticker| Some((ticker.to_string(), Json::text(said(&context, NAME, *ticker)?.to_string())));
    let data = Json::Object(SYMBOLS.iter().filter(is_wanted).filter_map(price).collect());
    ok(&Json::object([("code", Json::text("200000")), ("data", data)]))
}

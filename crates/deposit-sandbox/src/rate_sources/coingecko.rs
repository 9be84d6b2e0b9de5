//! CoinGecko: `GET /api/v3/simple/price`.

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

const NAME: &str = "coingecko";

pub(super) const KIND: Kind = Kind { name: NAME, router, server_error, unauthorized };

const COINS: &[(&str, Ticker)] = &[
    ("bitcoin", Ticker::BTC),
    ("litecoin", Ticker::LTC),
    ("monero", Ticker::XMR),
    ("dogecoin", Ticker::DOGE),
    ("dash", Ticker::DASH),
    ("zcash", Ticker::ZEC),
    ("bitcoin-cash", Ticker::BCH),
    ("banano", Ticker::BAN),
    ("kaspa", Ticker::KAS),
    ("the-open-network", Ticker::TON),
    ("near", Ticker::NEAR),
    ("elrond-erd-2", Ticker::EGLD),
    ("venice-token", Ticker::VVV),
    ("zano", Ticker::ZANO),
    ("freedom-dollar", Ticker::FUSD),
    ("usd-coin", Ticker::USDC),
    ("tether", Ticker::USDT),
    ("ethereum", Ticker::ETH),
    ("solana", Ticker::SOL),
    ("nano", Ticker::XNO),
];

fn router(context: Arc<Context>) -> Router {
    Router::new().route("/api/v3/simple/price", get(price)).with_state(context)
}

fn refusal(status: StatusCode, code: u16, text: &str) -> Response {
    let body = [("error_code", Json::int(i128::from(code))), ("error_message", Json::text(text))];
    json_response(status, &Json::object([("status", Json::object(body))]))
}

fn server_error() -> Response {
    refusal(StatusCode::INTERNAL_SERVER_ERROR, 500, "Internal Server Error")
}

fn unauthorized() -> Response {
    refusal(StatusCode::UNAUTHORIZED, 10_002, "API Key Missing")
}

async fn price(State(context): State<Arc<Context>>, Query(parameters): Parameters) -> Response {
    let missing = |name: &str| {
        let text = Json::text(format!("Missing parameter {name}"));
        json_response(StatusCode::UNPROCESSABLE_ENTITY, &Json::object([("error", text)]))
    };
    let Some(ids) = listed(&parameters, "ids") else { return missing("ids") };
    let Some(currencies) = listed(&parameters, "vs_currencies") else { return missing("vs_currencies") };
    let dated = parameters.get("include_last_updated_at").is_some_and(|flag| flag == "true");
    let coin = |id: &str| {
        let (_, ticker) = COINS.iter().find(|(known, _)| *known == id)?;
        let mut members = Vec::new();
        if currencies.contains(&"usd") {
            members.push(("usd".to_owned(), Json::Number(said(&context, NAME, *ticker)?.to_string())));
        }
        if dated {
            members.push(("last_updated_at".to_owned(), Json::int(i128::from(context.clock.now()))));
        }
        Some((id.to_owned(), Json::Object(members)))
    };
    ok(&Json::Object(ids.into_iter().filter_map(coin).collect()))
}

//! Kraken: `GET /0/public/Ticker`. Its refusals come with 200.

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

const NAME: &str = "kraken";

pub(super) const KIND: Kind = Kind { name: NAME, router, server_error, unauthorized };

/// Its name of the pair, the shorter one that it takes too, and what is traded.
const PAIRS: &[(&str, &str, Ticker)] = &[
    ("XXBTZUSD", "XBTUSD", Ticker::BTC),
    ("XLTCZUSD", "LTCUSD", Ticker::LTC),
    ("XXMRZUSD", "XMRUSD", Ticker::XMR),
    ("XDGUSD", "XDGUSD", Ticker::DOGE),
    ("DASHUSD", "DASHUSD", Ticker::DASH),
    ("XZECZUSD", "ZECUSD", Ticker::ZEC),
    ("BCHUSD", "BCHUSD", Ticker::BCH),
    ("KASUSD", "KASUSD", Ticker::KAS),
    ("TONUSD", "TONUSD", Ticker::TON),
    ("NEARUSD", "NEARUSD", Ticker::NEAR),
    ("EGLDUSD", "EGLDUSD", Ticker::EGLD),
    ("USDCUSD", "USDCUSD", Ticker::USDC),
    ("USDTZUSD", "USDTUSD", Ticker::USDT),
    ("XETHZUSD", "ETHUSD", Ticker::ETH),
    ("SOLUSD", "SOLUSD", Ticker::SOL),
    ("ZEURZUSD", "EURUSD", Ticker::EUR),
    ("ZGBPZUSD", "GBPUSD", Ticker::GBP),
    ("NANOUSD", "NANOUSD", Ticker::XNO),
];

fn router(context: Arc<Context>) -> Router {
    Router::new().route("/0/public/Ticker", get(ticker)).with_state(context)
}

fn errors(error: &str) -> Json {
    Json::object([("error", Json::List(vec![Json::text(error)]))])
}

fn server_error() -> Response {
    json_response(StatusCode::SERVICE_UNAVAILABLE, &errors("EService:Unavailable"))
}

fn unauthorized() -> Response {
    json_response(StatusCode::OK, &errors("EGeneral:Permission denied"))
}

async fn ticker(State(context): State<Arc<Context>>, Query(parameters): Parameters) -> Response {
    let shown = |(pair, _, ticker): &(&str, &str, Ticker)| {
        let price = Json::text(said(&context, NAME, *ticker)?.to_string());
        let [one, none] = ["1.000", "0"].map(Json::text);
        let book = || Json::List(vec![price.clone(), Json::text("1"), one.clone()]);
        let day = || Json::List(vec![price.clone(), price.clone()]);
        let members = [
            ("a", book()),
            ("b", book()),
            ("c", Json::List(vec![price.clone(), one.clone()])),
            ("v", Json::List(vec![none.clone(), none.clone()])),
            ("p", day()),
            ("t", Json::List(vec![Json::int(0), Json::int(0)])),
            ("l", day()),
            ("h", day()),
            ("o", price.clone()),
        ];
        Some(((*pair).to_owned(), Json::object(members)))
    };
    let pairs = match listed(&parameters, "pair") {
        None => PAIRS.iter().collect::<Vec<_>>(),
        Some(names) => {
            let find = |name: &&str| PAIRS.iter().find(|(long, short, _)| long == name || short == name);
            let Some(found) = names.iter().map(find).collect::<Option<Vec<_>>>() else {
                return ok(&errors("EQuery:Unknown asset pair"));
            };
            found
        }
    };
    let result = Json::Object(pairs.into_iter().filter_map(shown).collect());
    ok(&Json::object([("error", Json::List(vec![])), ("result", result)]))
}

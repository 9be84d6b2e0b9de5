//! The two JSON-RPC servers: the wallet's and its daemon's.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;

use super::reply::{Call, Refusal};
use super::state::Zano;
use super::{daemon, wallet};
use crate::emulator::Emulator as _;
use crate::json::Json;

const TOKEN: &str = "zano-access-token";

pub(super) async fn wallet_rpc(Shared(zano): Shared<Arc<Zano>>, headers: HeaderMap, body: Bytes) -> Response {
    let mut state = zano.state();
    let token = headers.get(TOKEN).and_then(|value| value.to_str().ok());
    if !state.salts.admit(&zano.jwt_secret, token, &body, zano.context.clock.wall()) {
        return zano.unauthorized();
    }
    let call = match Call::read(&body) {
        Ok(call) => call,
        Err(refused) => return *refused,
    };
    if zano.context.faults.get().not_synchronized {
        return call.answer(Err(Refusal::BUSY));
    }
    if call.method == "proxy_to_daemon" {
        drop(state);
        return call.answer(proxied(&zano, &call));
    }
    call.answer(wallet::call(&mut state, &call.method, &call.params))
}

pub(super) async fn daemon_rpc(Shared(zano): Shared<Arc<Zano>>, body: Bytes) -> Response {
    match Call::read(&body) {
        Ok(call) => call.answer(daemon_answer(&zano, &call)),
        Err(refused) => *refused,
    }
}

fn daemon_answer(zano: &Zano, call: &Call) -> Result<Json, Refusal> {
    let synchronized = !zano.context.faults.get().not_synchronized;
    daemon::call(&zano.state(), &call.method, &call.params, synchronized)
}

/// `proxy_to_daemon`: a request to the daemon in base64, its answer likewise.
fn proxied(zano: &Zano, call: &Call) -> Result<Json, Refusal> {
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::STANDARD;
    let body = base64.decode(call.params.text("base64_body")?).map_err(|_| Refusal::WRONG_ARGUMENT)?;
    let answered = |code: u16, body: String| {
        Json::object([("base64_body", Json::Text(base64.encode(body))), ("response_code", Json::int(code))])
    };
    if call.params.text("uri")? != "/json_rpc" {
        return Ok(answered(404, String::new()));
    }
    let inner = Call::read(&body).map_err(|_| Refusal::WRONG_ARGUMENT)?;
    let result = daemon_answer(zano, &inner)?;
    Ok(answered(200, Json::object([("jsonrpc", Json::text("2.0")), ("result", result)]).compact()))
}

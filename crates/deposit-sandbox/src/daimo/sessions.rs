//! The second generation over HTTP: dossier, B1, B2, B5.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post, put};
use bytes::Bytes;

use super::order::{Generation, Order, Stage};
use super::payments::{Answer, Refusal};
use super::read::{Checked, Invalid};
use super::state::{Daimo, State as All, unauthorized};
use super::view::Reader;
use super::{read, view};
use crate::control_error::json_response;
use crate::json::Json;

type Server = State<Arc<Daimo>>;

/// How long a session waits for money.
const LIFETIME: i64 = 3_600;

pub(super) fn router(server: Arc<Daimo>) -> Router {
    Router::new()
        .route("/v1/sessions", post(create))
        .route("/v1/sessions/{id}", get(by_id))
        .route("/v1/sessions/{id}/check", put(check))
        .route("/v1/sessions/{id}/paymentMethods", post(choose))
        .with_state(server)
}

/// Every answer has an id that a support request would name.
pub(super) fn answer(server: &Daimo, status: StatusCode, body: &Json) -> Response {
    let mut response = json_response(status, body);
    let label = server.next_label(&mut server.state(), "request");
    let id = format!("req_{}", server.context.random.hex::<12>(&label));
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("request-id", value);
    }
    response
}

pub(super) fn bad(server: &Daimo, invalid: &Invalid) -> Refusal {
    let body = view::session_error(
        "validation_error",
        "invalid_parameter",
        &invalid.message(),
        Some(&invalid.param),
    );
    answer(server, StatusCode::BAD_REQUEST, &body).into()
}

pub(super) fn not_found(server: &Daimo, what: &str) -> Refusal {
    let message = format!("{what} not found");
    answer(
        server,
        StatusCode::NOT_FOUND,
        &view::session_error("not_found_error", "not_found", &message, None),
    )
    .into()
}

fn session(server: &Daimo, order: &Order, reader: Reader) -> Json {
    Json::object([("session", view::session(order, reader, server.unknown_words()))])
}

fn order(body: &Json) -> Checked<Order> {
    let path = "destination.";
    let to = read::object(body, "", "destination")?;
    if to.get("type").and_then(Json::as_text) != Some("evm") {
        return read::invalid("destination.type", "must be evm");
    }
    let address = read::address(&to, path, "address")?;
    let chain = read::destination(&to, path)?;
    let display = read::object(body, "", "display")?;
    read::text(&display, "display.", "title")?;
    read::text(&display, "display.", "verb")?;
    read::optional_url(&display, "display.", "themeCssUrl")?;
    read::payment_options(&display)?;
    Ok(Order {
        generation: Generation::Session,
        id: String::new(),
        created: 0,
        expires: 0,
        stage: Stage::Unpaid,
        chain,
        address,
        amount: read::amount(&to, path, chain.decimals)?,
        calldata: read::calldata(&to, path)?,
        display,
        refund_address: read::optional_address(body, "", "refundAddress")?,
        external_id: None,
        metadata: read::metadata(body)?,
        client_secret: String::new(),
        method: vec![],
        receivers: vec![],
        source: None,
        paid: None,
        refunded: None,
        delivery_tx: None,
        ever_completed: false,
    })
}

async fn create(State(server): Server, headers: HeaderMap, bytes: Bytes) -> Answer {
    if !server.sessions_key(&headers)? {
        return Err(unauthorized().into());
    }
    let order = read::document(&bytes).and_then(|body| order(&body));
    let mut order = order.map_err(|invalid| bad(&server, &invalid))?;
    let body = {
        let mut state = server.state();
        let label = server.next_label(&mut state, "session");
        order.id = server.context.random.hex::<16>(&label);
        order.client_secret = server.context.random.base58(&format!("{label}/client-secret"), 32);
        order.created = server.now();
        order.expires = order.created.saturating_add(LIFETIME);
        let body = session(&server, &order, Reader::Owner);
        state.orders.push(order);
        body
    };
    server.context.wake.notify_one();
    Ok(answer(&server, StatusCode::OK, &body))
}

pub(super) fn position(state: &All, id: &str) -> Option<usize> {
    state.orders.iter().position(|order| order.generation == Generation::Session && order.id == id)
}

async fn by_id(State(server): Server, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let reader = if server.sessions_key(&headers)? { Reader::Owner } else { Reader::Public };
    let body = {
        let state = server.state();
        position(&state, &id).and_then(|n| state.orders.get(n)).map(|order| session(&server, order, reader))
    };
    body.map(|body| answer(&server, StatusCode::OK, &body)).ok_or_else(|| not_found(&server, "Session"))
}

/// What a payer's page does: it knows the client's secret, not the key.
fn as_client(
    server: &Daimo,
    id: &str,
    bytes: &[u8],
    act: impl FnOnce(&mut Order, &Json) -> Checked<()>,
) -> Answer {
    let body = read::document(bytes).map_err(|invalid| bad(server, &invalid))?;
    let secret = read::text(&body, "", "clientSecret").map_err(|invalid| bad(server, &invalid))?;
    let done = {
        let mut state = server.state();
        let order = position(&state, id).and_then(|n| state.orders.get_mut(n));
        match order {
            None => None,
            Some(order) if order.client_secret != secret => Some(Err(None)),
            Some(order) => Some(match act(order, &body) {
                Ok(()) => Ok(session(server, order, Reader::Public)),
                Err(invalid) => Err(Some(invalid)),
            }),
        }
    };
    match done {
        None => Err(not_found(server, "Session")),
        Some(Err(None)) => Err(unauthorized().into()),
        Some(Err(Some(invalid))) => Err(bad(server, &invalid)),
        Some(Ok(body)) => Ok(answer(server, StatusCode::OK, &body)),
    }
}

/// Asks the server to look at the chain now; here it always has.
async fn check(State(server): Server, Path(id): Path<String>, bytes: Bytes) -> Answer {
    as_client(&server, &id, &bytes, |_, body| read::optional_text(body, "", "txHash").map(drop))
}

async fn choose(State(server): Server, Path(id): Path<String>, bytes: Bytes) -> Answer {
    let (random, now) = (server.context.random.clone(), server.now());
    as_client(&server, &id, &bytes, |order, body| {
        let path = "paymentMethod.";
        let wanted = read::object(body, "", "paymentMethod")?;
        let kind = read::text(&wanted, path, "type")?;
        if !order.payable() {
            return read::invalid("paymentMethod", "cannot be chosen any more");
        }
        let priced = || match wanted.get("amountUsd").and_then(Json::number) {
            Some(_) => Ok(()),
            None => read::invalid("paymentMethod.amountUsd", "must be a number"),
        };
        let label = format!("daimo/receiver/{}/{}", order.id, order.receivers.len());
        let mut members = vec![("type".to_owned(), Json::text(&kind))];
        let answer = match kind.as_str() {
            "evm" => {
                let bare = format!("0x{}", random.hex::<20>(&label));
                let to = super::chain::address(&bare).unwrap_or(bare);
                order.receivers.push(to.clone());
                ("receiverAddress", Json::text(to))
            }
            "tron" => {
                priced()?;
                let to = crate::address::base58_check(0x41, &random, &label);
                order.receivers.push(to.clone());
                let tron = [("receiverAddress", Json::text(to)), ("expiresAt", Json::int(now + LIFETIME))];
                ("tron", Json::object(tron))
            }
            "solana" => {
                priced()?;
                read::text(&wanted, path, "walletAddress")?;
                read::text(&wanted, path, "inputTokenMint")?;
                // Opaque to everybody but the wallet that signs it.
                let tx = random.base58(&label, 64);
                ("solana", Json::object([("serializedTx", Json::text(tx))]))
            }
            "exchange" => {
                priced()?;
                let exchange = read::text(&wanted, path, "exchangeId")?;
                ("exchangeId", Json::text(exchange))
            }
            _ => return read::invalid("paymentMethod.type", "is not supported"),
        };
        members.push((answer.0.to_owned(), answer.1));
        order.method = members;
        order.stage = Stage::Waiting;
        Ok(())
    })
}

impl Daimo {
    /// `Authorization: Bearer KEY`; `false` where there is no such header.
    pub(super) fn sessions_key(&self, headers: &HeaderMap) -> Result<bool, Refusal> {
        let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(false) };
        let bearer = value.to_str().ok().and_then(|text| text.split_once(' '));
        let right =
            bearer.is_some_and(|(scheme, key)| scheme.eq_ignore_ascii_case("bearer") && key == self.api_key);
        if right { Ok(true) } else { Err(unauthorized().into()) }
    }
}

//! The first generation over HTTP: dossier, A1, A2, A5.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;

use super::order::{Generation, Order, Stage};
use super::read::Checked;
use super::state::Daimo;
use super::{read, view};
use crate::control_error::json_response;
use crate::json::Json;

type Server = State<Arc<Daimo>>;
pub(super) type Answer = Result<Response, Refusal>;

/// An answer that is an error, on the heap: answers are large.
#[derive(Debug)]
pub(super) struct Refusal(Box<Response>);

impl From<Response> for Refusal {
    fn from(response: Response) -> Self {
        Self(Box::new(response))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        *self.0
    }
}

pub(super) fn router(server: Arc<Daimo>) -> Router {
    Router::new()
        .route("/api/payment", post(create))
        .route("/api/payment/{id}", get(by_id))
        .route("/api/payment/external-id/{id}", get(by_external_id))
        .with_state(server)
}

pub(super) fn ok(body: &Json) -> Response {
    json_response(StatusCode::OK, body)
}

pub(super) fn refuse(status: StatusCode, message: &str) -> Refusal {
    json_response(status, &view::payment_error(message)).into()
}

/// The header's text; an empty one is none.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Option<String> {
    let value = headers.get("idempotency-key")?.to_str().ok()?;
    (!value.is_empty()).then(|| value.to_owned())
}

fn order(body: &Json) -> Checked<Order> {
    let display = read::payment_display(body)?;
    let path = "destination.";
    let to = read::object(body, "", "destination")?;
    let address = read::address(&to, path, "destinationAddress")?;
    let chain = read::destination(&to, path)?;
    let Some(amount) = read::amount(&to, path, chain.decimals)? else {
        return read::invalid("destination.amountUnits", "is missing");
    };
    Ok(Order {
        generation: Generation::Payment,
        id: String::new(),
        created: 0,
        expires: i64::MAX,
        stage: Stage::Unpaid,
        chain,
        address,
        amount: Some(amount),
        calldata: read::calldata(&to, path)?,
        display,
        refund_address: read::optional_address(body, "", "refundAddress")?,
        external_id: read::optional_text(body, "", "externalId")?,
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
    server.payments_key(&headers)?;
    let bad = |invalid: read::Invalid| refuse(StatusCode::BAD_REQUEST, &invalid.message());
    let body = read::document(&bytes).map_err(bad)?;
    let mut order = order(&body).map_err(bad)?;
    let mut state = server.state();
    let key = idempotency_key(&headers).map(|key| format!("payment/{key}"));
    if let Some((asked, answer)) = key.as_ref().and_then(|key| state.keys.get(key)) {
        if *asked == body {
            return Ok(ok(answer));
        }
        return Err(refuse(StatusCode::CONFLICT, "Idempotency-Key was used with another request"));
    }
    let taken = |other: &Order| order.external_id.is_some() && other.external_id == order.external_id;
    if state.orders.iter().any(|other| other.generation == Generation::Payment && taken(other)) {
        return Err(refuse(StatusCode::CONFLICT, "externalId is used by another payment"));
    }
    order.id = server.context.random.base58_bytes::<32>(&server.next_label(&mut state, "payment"));
    order.created = server.now();
    let url = format!("{}/checkout?id={}", server.context.base_url, order.id);
    let answer = Json::object([
        ("id", Json::text(&order.id)),
        ("url", Json::text(url)),
        ("payment", view::payment(&order, server.unknown_words())),
    ]);
    state.orders.push(order);
    if let Some(key) = key {
        state.keys.insert(key, (body, answer.clone()));
    }
    Ok(ok(&answer))
}

fn find(server: &Daimo, wanted: impl Fn(&Order) -> bool) -> Result<Json, Refusal> {
    let state = server.state();
    let found = state.orders.iter().find(|order| order.generation == Generation::Payment && wanted(order));
    let found = found.ok_or_else(|| refuse(StatusCode::NOT_FOUND, "Payment not found"))?;
    Ok(view::payment(found, server.unknown_words()))
}

async fn by_id(State(server): Server, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    server.payments_key(&headers)?;
    Ok(ok(&find(&server, |order| order.id == id)?))
}

async fn by_external_id(State(server): Server, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    server.payments_key(&headers)?;
    let payment = find(&server, |order| order.external_id.as_deref() == Some(id.as_str()))?;
    Ok(ok(&Json::object([("payment", payment)])))
}

impl Daimo {
    /// `Api-Key: KEY`
    pub(super) fn payments_key(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        match headers.get("api-key").map(|value| value.as_bytes()) {
            Some(key) if key == self.api_key.as_bytes() => Ok(()),
            Some(_) => Err(refuse(StatusCode::UNAUTHORIZED, "Invalid API key")),
            None => Err(refuse(StatusCode::UNAUTHORIZED, "Missing API key")),
        }
    }
}

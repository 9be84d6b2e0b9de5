//! The API that gateways call.

use std::sync::Arc;

use axum::extract::{Path, State as Extract};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;

use super::callback::RETRY;
use super::create::{Form, Wanted};
use super::error::{Refusal, unauthorized};
use super::order::Order;
use super::state::{PromptCash, State};
use crate::control_error::json_response;
use crate::json::Json;
use crate::webhook::Target;

impl PromptCash {
    fn authorize(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let given = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
        if given == Some(self.secret_token.as_str()) { Ok(()) } else { Err(unauthorized()) }
    }

    fn create(&self, headers: &HeaderMap, body: &[u8]) -> Result<Response, Refusal> {
        self.authorize(headers)?;
        let form = Form::read(headers, body)?;
        if form.get("token") != self.public_token {
            return Err(Refusal(StatusCode::FORBIDDEN, "token: unknown".to_owned()));
        }
        if !form.signed(&self.secret_token) {
            return Err(Refusal(StatusCode::FORBIDDEN, "signature: wrong".to_owned()));
        }
        let wanted = form.wanted(&self.context.rates)?;
        let mut state = self.state();
        let known = state.orders.iter().find(|order| order.tx_id == wanted.tx_id);
        let (payment, existing) = match known {
            Some(order) => (self.view(order), true),
            None => (self.open(&mut state, wanted), false),
        };
        Ok(ok(&Json::object([("payment", payment), ("existing", Json::Bool(existing))])))
    }

    fn open(&self, state: &mut State, wanted: Wanted) -> Json {
        if !wanted.callback_url.is_empty() {
            let target = Target::Url(wanted.callback_url.clone());
            self.context.webhooks.open(&wanted.callback_url, target, Some(RETRY));
        }
        let number = state.orders.len() + 1;
        let label = format!("promptcash/address/{number}");
        let order = Order {
            id: number,
            address: crate::address::cash::<20>("bitcoincash", &self.context.random, &label),
            tx_id: wanted.tx_id,
            fine: wanted.fine,
            fiat: wanted.fiat,
            currency: wanted.currency,
            description: wanted.description,
            return_url: wanted.return_url,
            callback_url: wanted.callback_url,
            confirm: wanted.confirm,
            created: self.context.clock.now(),
            minutes: wanted.minutes,
            txs: vec![],
            paid_at: None,
            expired: false,
            marked: None,
        };
        let view = self.view(&order);
        state.orders.push(order);
        self.context.wake.notify_one();
        view
    }
}

fn ok(body: &Json) -> Response {
    json_response(StatusCode::OK, body)
}

type Server = Extract<Arc<PromptCash>>;

pub(super) async fn create(
    Extract(server): Server,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    server.create(&headers, &body)
}

/// Any query is taken: `force=true` asks for the chain, which an emulator has at hand.
pub(super) async fn read(
    Extract(server): Server,
    Path(tx_id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    server.authorize(&headers)?;
    let state = server.state();
    let order = state.orders.iter().find(|order| order.tx_id == tx_id);
    let order = order.ok_or_else(|| Refusal(StatusCode::NOT_FOUND, "payment not found".to_owned()))?;
    Ok(ok(&Json::object([("data", server.view(order))])))
}

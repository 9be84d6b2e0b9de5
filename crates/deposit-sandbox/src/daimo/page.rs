//! The payer's page: what a person sees in a browser, with a button that pays.

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bytes::Bytes;
use deposit_core::Ticker;

use super::chain::COINS;
use super::order::{Generation, Order};
use super::play;
use super::state::{Daimo, State as All};
use crate::emulator::PayStage;
use crate::json::Json;

type Server = State<Arc<Daimo>>;

pub(super) fn router(server: Arc<Daimo>) -> Router {
    Router::new()
        .route("/checkout", get(payment).post(pay_payment))
        .route("/webview", get(session).post(pay_session))
        .with_state(server)
}

fn parameter(query: Option<&str>, name: &str) -> String {
    let mut all = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    all.find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// The order that an address means; a session only with its client's secret.
fn find(state: &All, generation: Generation, query: Option<&str>) -> Option<usize> {
    let id = parameter(query, if generation == Generation::Payment { "id" } else { "session" });
    let secret = parameter(query, "cs");
    let right = |order: &Order| {
        order.generation == generation
            && order.id == id
            && (generation == Generation::Payment || order.client_secret == secret)
    };
    state.orders.iter().position(right)
}

async fn payment(State(server): Server, RawQuery(query): RawQuery) -> Response {
    show(&server, Generation::Payment, query.as_deref())
}

async fn session(State(server): Server, RawQuery(query): RawQuery) -> Response {
    show(&server, Generation::Session, query.as_deref())
}

async fn pay_payment(State(server): Server, RawQuery(query): RawQuery, form: Bytes) -> Response {
    pay(&server, Generation::Payment, query.as_deref(), &form)
}

async fn pay_session(State(server): Server, RawQuery(query): RawQuery, form: Bytes) -> Response {
    pay(&server, Generation::Session, query.as_deref(), &form)
}

fn show(server: &Daimo, generation: Generation, query: Option<&str>) -> Response {
    let state = server.state();
    let order = find(&state, generation, query).and_then(|index| state.orders.get(index));
    match order {
        Some(order) => html(StatusCode::OK, &page(order, server.now())),
        None => html(StatusCode::NOT_FOUND, "<h1>Not found</h1><p>There is no such payment.</p>"),
    }
}

fn pay(server: &Daimo, generation: Generation, query: Option<&str>, form: &[u8]) -> Response {
    let form = String::from_utf8_lossy(form);
    let coin = parameter(Some(&form), "coin").parse::<Ticker>().ok();
    let later = parameter(Some(&form), "stage") == "seen";
    {
        let mut state = server.state();
        let index = find(&state, generation, query);
        let open = index.and_then(|n| state.orders.get(n)).is_some_and(|order| !over(order, server.now()));
        if let (Some(index), true) = (index, open) {
            let stage = if later { PayStage::Seen } else { PayStage::Confirmed };
            // A page that is older than the payment pays nothing a second time.
            _ = play::pay_order(server, &mut state, index, coin, None, stage);
        }
    }
    show(server, generation, query)
}

/// Nobody can pay here any more, though a payment's status does not say so.
fn over(order: &Order, now: i64) -> bool {
    !order.payable() || order.expires <= now
}

fn page(order: &Order, now: i64) -> String {
    let title = ["intent", "title"].iter().find_map(|name| order.display.get(name).and_then(Json::as_text));
    let amount = order.amount.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut text = format!(
        "<h1>{}</h1><p><strong>{} USDC</strong> on {}</p><p>Status: <code>{}</code></p>",
        escaped(title.unwrap_or("Pay")),
        escaped(&amount),
        order.chain.name,
        order.word()
    );
    if over(order, now) {
        text.push_str("<p>There is nothing to pay here any more.</p>");
    } else {
        let choice = |coin: &super::chain::Coin| {
            format!("<option value=\"{0}\">{0} on {1}</option>", coin.ticker, coin.chain_name)
        };
        let choices: String = COINS.iter().map(choice).collect();
        text.push_str(&format!(
            "<form method=\"post\"><p><label>Coin <select name=\"coin\">{choices}</select></label></p>\
             <p><button name=\"stage\" value=\"confirmed\">Pay</button> \
             <button name=\"stage\" value=\"seen\">Pay, delivered later</button></p></form>"
        ));
    }
    let back = order.display.get("redirectUri").and_then(Json::as_text);
    if let Some(back) = back.filter(|url| url.starts_with("https://") || url.starts_with("http://")) {
        text.push_str(&format!("<p><a href=\"{}\">Back</a></p>", escaped(back)));
    }
    text
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
        out
    })
}

fn html(status: StatusCode, body: &str) -> Response {
    let document = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Daimo Pay (emulated)</title><body style=\"font-family:sans-serif;max-width:30em;margin:3em auto\">{body}\
         <p><small>An emulated page: no money moves.</small></p></body></html>"
    );
    (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], document).into_response()
}

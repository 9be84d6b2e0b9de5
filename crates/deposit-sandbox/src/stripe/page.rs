//! The hosted page, with a button that pays, and the two pages that a payer comes back to.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::get;
use bytes::Bytes;
use deposit_core::Ticker;
use serde::Deserialize;

use super::form;
use super::model::{Session, SessionStatus};
use super::play::Try;
use super::state::Stripe;

/// Stripe's own test cards, dossier section 8: number, what it does.
const CARDS: [(&str, &str); 5] = [
    ("4242424242424242", "succeeds"),
    ("4000000000000002", "is declined"),
    ("4000000000009995", "has insufficient funds"),
    ("4000002500003155", "asks for 3-D Secure, then succeeds"),
    ("4000000000000259", "succeeds, and is disputed later"),
];

#[derive(Deserialize)]
struct Back {
    session: Option<String>,
}

pub(super) fn router(server: Arc<Stripe>) -> Router {
    Router::new()
        .route("/c/pay/{session}", get(show).post(pay))
        .route("/return", get(back))
        .route(
            "/cancel",
            get(|| async { page("Cancelled", "<p>Nothing was paid. You can close this page.</p>") }),
        )
        .with_state(server)
}

fn page(title: &str, content: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>body{{font:18px/1.5 system-ui;margin:3rem auto;\
         max-width:26rem;padding:0 1rem}}button,select{{font:inherit;padding:.5rem 1rem;margin:.3rem 0}}</style></head>\
         <body><h1>{title}</h1>{content}<p><small>An emulated page: no card, no money.</small></p></body></html>\n"
    );
    Html(html).into_response()
}

async fn back(Query(query): Query<Back>) -> Response {
    // Anybody can open this address: nothing is concluded from it.
    let known = query.session.is_some_and(|id| id.starts_with("cs_"));
    page("Thank you", if known { "<p>You can close this page.</p>" } else { "<p>No session is named.</p>" })
}

fn of_session(session: &Session, note: &str) -> Response {
    let wanted = &session.wanted;
    let (units, cents) = (wanted.total / 100, wanted.total % 100);
    let amount = format!("{units}.{cents:02} {}", Ticker::as_str(&wanted.currency.ticker));
    if session.status != SessionStatus::Open {
        return page("This page is closed", &format!("<p>The session is {}.</p>", session.status.word()));
    }
    let cards: String = CARDS
        .iter()
        .map(|(number, does)| format!("<option value=\"{number}\">{number} {does}</option>"))
        .collect();
    let form = format!(
        "<p>{note}</p><form method=\"post\"><p><select name=\"card\">{cards}</select></p>\
         <p><button type=\"submit\">Pay {amount}</button></p></form>"
    );
    page("Account deposit", &form)
}

fn gone() -> Response {
    (StatusCode::NOT_FOUND, page("Not found", "<p>No such session.</p>")).into_response()
}

async fn show(State(server): State<Arc<Stripe>>, Path(id): Path<String>) -> Response {
    server.state().session(&id).map_or_else(gone, |session| of_session(session, ""))
}

async fn pay(State(server): State<Arc<Stripe>>, Path(id): Path<String>, body: Bytes) -> Response {
    let card = form::pairs(&body).into_iter().find(|(name, _)| name == "card").map(|(_, card)| card);
    let card: String = card.unwrap_or_default().chars().filter(char::is_ascii_digit).collect();
    let mut state = server.state();
    let Some(session) = state.session(&id) else { return gone() };
    if session.status != SessionStatus::Open {
        return of_session(session, "");
    }
    let to = session.wanted.success_url.replace("{CHECKOUT_SESSION_ID}", &id);
    let how = match card.as_str() {
        "4242424242424242" | "4000002500003155" | "4000000000000259" => Try::Succeeds,
        "4000000000000002" => Try::Declined("generic_decline"),
        "4000000000009995" => Try::Declined("insufficient_funds"),
        _ => return of_session(session, "This is none of the test cards."),
    };
    server.confirm(&mut state, &id, how);
    if let Try::Declined(_) = how {
        let session = state.session(&id);
        return session
            .map_or_else(gone, |session| of_session(session, "Your card was declined. Try another one."));
    }
    drop(state);
    if card == "4000000000000259" {
        server.dispute_later(&id);
    }
    (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
}

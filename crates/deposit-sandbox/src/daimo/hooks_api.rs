//! Webhook subscriptions over HTTP, of both generations: dossier, A4, B1.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use bytes::Bytes;

use super::chain::CHAINS;
use super::order::{Generation, Happened, Order, Stage};
use super::payments::{Answer, Refusal, idempotency_key, ok, refuse};
use super::read::Checked;
use super::sessions::{answer, bad, not_found};
use super::state::{Daimo, unauthorized};
use super::subscription::{RETRY, Subscription};
use super::{hooks, read};
use crate::json::Json;
use crate::webhook::Target;

type Server = State<Arc<Daimo>>;

pub(super) fn router(server: Arc<Daimo>) -> Router {
    Router::new()
        .route("/api/webhook", post(payments_create))
        .route("/api/webhook/{id}", get(payments_read).delete(payments_delete))
        .route("/api/webhook/{id}/test", post(payments_test))
        .route("/v1/webhooks", post(sessions_create).get(sessions_list))
        .route("/v1/webhooks/{id}", get(sessions_read).delete(sessions_delete))
        .route("/v1/webhooks/{id}/test", post(sessions_test))
        .with_state(server)
}

fn subscribe(server: &Daimo, generation: Generation, url: String, events: Vec<String>) -> Subscription {
    let mut state = server.state();
    let label = server.next_label(&mut state, "webhook");
    let subscription = Subscription {
        id: server.context.random.base58_bytes::<16>(&label),
        generation,
        target: Target::Url(url),
        secret: server.context.random.base58(&format!("{label}/secret"), 32),
        events,
        created: server.now(),
    };
    server.context.webhooks.open(&subscription.id, subscription.target.clone(), Some(RETRY));
    state.subscriptions.push(subscription.clone());
    subscription
}

fn find(server: &Daimo, generation: Generation, id: &str) -> Option<Subscription> {
    server.state().subscriptions.iter().find(|s| s.generation == generation && s.id == id).cloned()
}

fn unsubscribe(server: &Daimo, generation: Generation, id: &str) -> bool {
    let mut state = server.state();
    let before = state.subscriptions.len();
    state.subscriptions.retain(|s| s.generation != generation || s.id != id);
    server.context.webhooks.close(id);
    state.subscriptions.len() < before
}

fn url(body: &Json) -> Checked<String> {
    match read::optional_url(body, "", "url")? {
        Some(url) => Ok(url),
        None => read::invalid("url", "is missing"),
    }
}

/// A body like a real one, about an order that is nobody's.
fn test_event(server: &Daimo, subscription: &Subscription) {
    let Some(chain) = CHAINS.iter().find(|chain| chain.id == 8453) else { return };
    let zero = "0x0000000000000000000000000000000000000001".to_owned();
    let mut state = server.state();
    let label = server.next_label(&mut state, "test");
    let intent = Json::object([("intent", Json::text("Test")), ("title", Json::text("Test"))]);
    let mut order = Order {
        generation: subscription.generation,
        id: server.context.random.base58_bytes::<32>(&label),
        created: server.now(),
        expires: server.now(),
        stage: Stage::Unpaid,
        chain,
        address: zero,
        amount: "10".parse().ok(),
        calldata: "0x".to_owned(),
        display: intent,
        refund_address: None,
        external_id: None,
        metadata: Json::Null,
        client_secret: String::new(),
        method: vec![],
        receivers: vec![],
        source: None,
        paid: "10".parse().ok(),
        refunded: None,
        delivery_tx: None,
        ever_completed: false,
    };
    order.complete(&server.context.random);
    hooks::send(server, &mut state, &subscription.id, &order, Happened::Completed, true);
}

// Payments.

fn no_webhook() -> Refusal {
    refuse(StatusCode::NOT_FOUND, "Webhook not found")
}

async fn payments_create(State(server): Server, headers: HeaderMap, bytes: Bytes) -> Answer {
    server.payments_key(&headers)?;
    let body = read::document(&bytes);
    let asked = body.and_then(|body| Ok((url(&body)?, body)));
    let (url, body) = asked.map_err(|invalid| refuse(StatusCode::BAD_REQUEST, &invalid.message()))?;
    let key = idempotency_key(&headers).map(|key| format!("webhook/{key}"));
    if let Some((asked, answer)) = key.as_ref().and_then(|key| server.state().keys.get(key).cloned()) {
        let conflict = || refuse(StatusCode::CONFLICT, "Idempotency-Key was used with another request");
        return if asked == body { Ok(ok(&answer)) } else { Err(conflict()) };
    }
    let made = subscribe(&server, Generation::Payment, url.clone(), vec!["*".to_owned()]);
    let answer = Json::object([
        ("id", Json::text(made.id)),
        ("url", Json::text(url)),
        ("token", Json::text(made.secret)),
    ]);
    if let Some(key) = key {
        server.state().keys.insert(key, (body, answer.clone()));
    }
    Ok(ok(&answer))
}

async fn payments_read(State(server): Server, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    server.payments_key(&headers)?;
    let found = find(&server, Generation::Payment, &id).ok_or_else(no_webhook)?;
    let url = server.context.webhooks.url_of(&found.target);
    Ok(ok(&Json::object([("id", Json::text(found.id)), ("url", Json::text_or_null(url))])))
}

async fn payments_delete(State(server): Server, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    server.payments_key(&headers)?;
    if unsubscribe(&server, Generation::Payment, &id) {
        Ok(ok(&Json::Object(vec![])))
    } else {
        Err(no_webhook())
    }
}

async fn payments_test(State(server): Server, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    server.payments_key(&headers)?;
    let found = find(&server, Generation::Payment, &id).ok_or_else(no_webhook)?;
    test_event(&server, &found);
    Ok(ok(&Json::Object(vec![])))
}

// Sessions.

fn owner(server: &Daimo, headers: &HeaderMap) -> Result<(), Refusal> {
    if server.sessions_key(headers)? { Ok(()) } else { Err(unauthorized().into()) }
}

fn view(server: &Daimo, subscription: &Subscription, with_secret: bool) -> Json {
    let events = subscription.events.iter().map(Json::text).collect();
    let mut members = vec![
        ("id", Json::text(&subscription.id)),
        ("url", Json::text_or_null(server.context.webhooks.url_of(&subscription.target))),
        ("events", Json::List(events)),
        ("createdAt", Json::int(subscription.created)),
    ];
    if with_secret {
        members.push(("secret", Json::text(&subscription.secret)));
    }
    Json::object(members)
}

const EVENTS: &[&str] = &["*", "session.processing", "session.succeeded", "session.bounced"];

fn events(body: &Json) -> Checked<Vec<String>> {
    let named: Option<Vec<String>> = match body.get("events") {
        Some(Json::List(items)) => items.iter().map(|item| item.as_text().map(str::to_owned)).collect(),
        Some(_) | None => None,
    };
    match named {
        Some(names) if !names.is_empty() && names.iter().all(|name| EVENTS.contains(&name.as_str())) => {
            Ok(names)
        }
        Some(_) | None => read::invalid("events", "must be a list of known events, or [\"*\"]"),
    }
}

async fn sessions_create(State(server): Server, headers: HeaderMap, bytes: Bytes) -> Answer {
    owner(&server, &headers)?;
    let asked = read::document(&bytes).and_then(|body| Ok((url(&body)?, events(&body)?)));
    let (url, events) = asked.map_err(|invalid| bad(&server, &invalid))?;
    let made = subscribe(&server, Generation::Session, url, events);
    Ok(answer(&server, StatusCode::OK, &Json::object([("webhook", view(&server, &made, true))])))
}

async fn sessions_list(State(server): Server, headers: HeaderMap) -> Answer {
    owner(&server, &headers)?;
    let all: Vec<_> = server
        .state()
        .subscriptions
        .iter()
        .filter(|s| s.generation == Generation::Session)
        .cloned()
        .collect();
    let all = all.iter().map(|it| view(&server, it, false)).collect();
    Ok(answer(&server, StatusCode::OK, &Json::object([("webhooks", Json::List(all))])))
}

async fn sessions_read(State(server): Server, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    owner(&server, &headers)?;
    let found = find(&server, Generation::Session, &id).ok_or_else(|| not_found(&server, "Webhook"))?;
    Ok(answer(&server, StatusCode::OK, &Json::object([("webhook", view(&server, &found, false))])))
}

async fn sessions_delete(State(server): Server, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    owner(&server, &headers)?;
    if unsubscribe(&server, Generation::Session, &id) {
        Ok(answer(&server, StatusCode::OK, &Json::Object(vec![])))
    } else {
        Err(not_found(&server, "Webhook"))
    }
}

async fn sessions_test(State(server): Server, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    owner(&server, &headers)?;
    let found = find(&server, Generation::Session, &id).ok_or_else(|| not_found(&server, "Webhook"))?;
    test_event(&server, &found);
    Ok(answer(&server, StatusCode::OK, &Json::Object(vec![])))
}

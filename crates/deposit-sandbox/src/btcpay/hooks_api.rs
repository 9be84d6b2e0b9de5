//! Webhook subscriptions over HTTP: dossier sections 5 and 11.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use bytes::Bytes;

use super::api::{Answer, Params, Server, json_only, ok, param, scope};
use super::error::{Problems, Refusal};
use super::state::{BtcPay, Hook};
use super::subscription;
use super::subscription::Subscription;
use crate::json::Json;
use crate::webhook::{Attempt, Target};

const RIGHT: &str = "btcpay.store.webhooks.canmodifywebhooks";
/// Bodies of stored deliveries are pruned after 60 days.
const PRUNED_AFTER: i64 = 60 * 24 * 3600;

pub(super) fn router(server: Arc<BtcPay>) -> Router {
    let mut router = Router::new().route("/api/v1/stores/{store}/webhooks", post(create).get(list));
    for scope in ["/api/v1/stores/{store}", "/api/v1"] {
        let one = format!("{scope}/webhooks/{{webhook}}");
        router = router
            .route(&one, get(read).put(replace).delete(remove))
            .route(&format!("{one}/deliveries"), get(deliveries))
            .route(&format!("{one}/deliveries/{{delivery}}"), get(delivery))
            .route(&format!("{one}/deliveries/{{delivery}}/request"), get(request))
            .route(&format!("{one}/deliveries/{{delivery}}/redeliver"), post(redeliver));
    }
    router.with_state(server)
}

struct Wanted {
    url: String,
    enabled: bool,
    automatic_redelivery: bool,
    secret: Option<String>,
    everything: bool,
    events: Vec<String>,
}

fn wanted(headers: &HeaderMap, body: &[u8]) -> Result<Wanted, Refusal> {
    json_only(headers)?;
    let mut problems = Problems::default();
    let body = problems.document(body)?;
    let url = problems.text(&body, "url", "url").unwrap_or_default();
    if !url::Url::parse(&url).is_ok_and(|u| matches!(u.scheme(), "http" | "https") && u.has_host()) {
        problems.add("Url", "Invalid Url");
    }
    let authorized = problems.object(&body, "authorizedEvents", "authorizedEvents").unwrap_or(Json::Null);
    let events = problems.texts(&authorized, "specificEvents", "authorizedEvents.specificEvents");
    let wanted = Wanted {
        url,
        enabled: problems.flag(&body, "enabled", "enabled").unwrap_or(true),
        automatic_redelivery: problems
            .flag(&body, "automaticRedelivery", "automaticRedelivery")
            .unwrap_or(true),
        secret: problems.text(&body, "secret", "secret").filter(|s| !s.is_empty()),
        everything: problems.flag(&authorized, "everything", "authorizedEvents.everything").unwrap_or(true),
        events: events.unwrap_or_default(),
    };
    problems.done()?;
    Ok(wanted)
}

async fn create(State(server): Server, Path(p): Params, headers: HeaderMap, body: Bytes) -> Answer {
    server.allow(&headers, RIGHT, scope(&server, &p, false))?;
    let wanted = wanted(&headers, &body)?;
    let random = &server.context.random;
    let label = server.next_label("webhook");
    let secret = wanted.secret.unwrap_or_else(|| random.base58(&format!("{label}/secret"), 28));
    let subscription = Subscription {
        id: random.base58_bytes::<16>(&label),
        target: Target::Url(wanted.url),
        enabled: wanted.enabled,
        automatic_redelivery: wanted.automatic_redelivery,
        secret: secret.clone(),
        everything: wanted.everything,
        events: wanted.events,
    };
    subscription::open(&server.context.webhooks, &subscription);
    let mut view = subscription.view(&server.context.webhooks).members().to_vec();
    view.push(("secret".to_owned(), Json::text(secret)));
    server.state().subscriptions.push(subscription);
    Ok(ok(&Json::Object(view)))
}

async fn list(State(server): Server, Path(p): Params, headers: HeaderMap) -> Answer {
    server.allow(&headers, RIGHT, scope(&server, &p, false))?;
    let state = server.state();
    Ok(ok(&Json::List(state.subscriptions.iter().map(|s| s.view(&server.context.webhooks)).collect())))
}

fn not_found() -> Refusal {
    Refusal::not_found("webhook-not-found", "The webhook was not found")
}

/// Checks the rights, then that the subscription is there: 403 before 404.
fn with_webhook<T>(
    server: &BtcPay,
    params: &BTreeMap<String, String>,
    headers: &HeaderMap,
    work: impl FnOnce(&mut Subscription) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let id = param(params, "webhook");
    let exists = server.state().subscriptions.iter().any(|s| s.id == id);
    server.allow(headers, RIGHT, scope(server, params, exists))?;
    let mut state = server.state();
    work(state.subscriptions.iter_mut().find(|s| s.id == id).ok_or_else(not_found)?)
}

async fn read(State(server): Server, Path(p): Params, headers: HeaderMap) -> Answer {
    with_webhook(&server, &p, &headers, |s| Ok(ok(&s.view(&server.context.webhooks))))
}

async fn replace(State(server): Server, Path(p): Params, headers: HeaderMap, body: Bytes) -> Answer {
    with_webhook(&server, &p, &headers, |subscription| {
        let wanted = wanted(&headers, &body)?;
        subscription.target = Target::Url(wanted.url);
        subscription.enabled = wanted.enabled;
        subscription.automatic_redelivery = wanted.automatic_redelivery;
        subscription.everything = wanted.everything;
        subscription.events = wanted.events;
        // An empty secret keeps the old one.
        if let Some(secret) = wanted.secret {
            subscription.secret = secret;
        }
        subscription::open(&server.context.webhooks, subscription);
        Ok(ok(&subscription.view(&server.context.webhooks)))
    })
}

async fn remove(State(server): Server, Path(p): Params, headers: HeaderMap) -> Answer {
    let id = with_webhook(&server, &p, &headers, |s| Ok(s.id.clone()))?;
    server.context.webhooks.close(&id);
    let mut state = server.state();
    state.subscriptions.retain(|s| s.id != id);
    state.sent.retain(|hook| hook.subscription != id);
    Ok(StatusCode::OK.into_response())
}

fn record(attempt: &Attempt) -> Json {
    let status = match attempt.status {
        Some(code) if (200..300).contains(&code) => "HttpSuccess",
        Some(_) => "HttpError",
        None => "Failed",
    };
    let code = attempt.status.map_or(Json::Null, |s| Json::int(i128::from(s)));
    Json::object([
        ("id", Json::text(&attempt.id)),
        ("timestamp", Json::int(attempt.at)),
        ("deliveryTime", Json::int(attempt.at)),
        ("httpCode", code),
        ("errorMessage", Json::text_or_null(attempt.error.as_deref())),
        ("status", Json::text(status)),
    ])
}

async fn deliveries(
    State(server): Server,
    Path(p): Params,
    headers: HeaderMap,
    RawQuery(q): RawQuery,
) -> Answer {
    let id = with_webhook(&server, &p, &headers, |s| Ok(s.id.clone()))?;
    let query = q.unwrap_or_default();
    let count =
        url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "count").map(|(_, n)| n);
    let count = match count {
        None => usize::MAX,
        Some(n) => n.parse().map_err(|_| Refusal::validation("count", "The value is not valid."))?,
    };
    let attempts = server.context.webhooks.attempts(&id);
    Ok(ok(&Json::List(attempts.iter().rev().take(count).map(record).collect())))
}

fn find(server: &BtcPay, params: &BTreeMap<String, String>, headers: &HeaderMap) -> Result<Attempt, Refusal> {
    let id = with_webhook(server, params, headers, |s| Ok(s.id.clone()))?;
    let delivery = param(params, "delivery");
    let found = server.context.webhooks.attempts(&id).into_iter().find(|a| a.id == delivery);
    found.ok_or_else(|| Refusal::not_found("webhookdelivery-not-found", "The webhook delivery was not found"))
}

/// One whose body is still there.
fn find_whole(
    server: &BtcPay,
    params: &BTreeMap<String, String>,
    headers: &HeaderMap,
) -> Result<Attempt, Refusal> {
    let attempt = find(server, params, headers)?;
    if server.now().saturating_sub(attempt.at) > PRUNED_AFTER {
        let message = "This webhook delivery has been pruned, so it can't be redelivered";
        return Err(Refusal::problem(StatusCode::CONFLICT, "webhookdelivery-pruned", message));
    }
    Ok(attempt)
}

async fn delivery(State(server): Server, Path(p): Params, headers: HeaderMap) -> Answer {
    Ok(ok(&record(&find(&server, &p, &headers)?)))
}

async fn request(State(server): Server, Path(p): Params, headers: HeaderMap) -> Answer {
    let attempt = find_whole(&server, &p, &headers)?;
    Ok(([(header::CONTENT_TYPE, "application/json; charset=utf-8")], attempt.body).into_response())
}

async fn redeliver(State(server): Server, Path(p): Params, headers: HeaderMap) -> Answer {
    let attempt = find_whole(&server, &p, &headers)?;
    let body = Json::parse(attempt.body.as_bytes()).unwrap_or(Json::Null);
    let original = body.get("originalDeliveryId").and_then(Json::as_text).unwrap_or_default();
    let hook: Option<Arc<Hook>> = server.state().sent.iter().find(|h| h.original == original).cloned();
    let gone = || Refusal::not_found("webhookdelivery-not-found", "The webhook delivery was not found");
    let hook = hook.ok_or_else(gone)?;
    let webhooks = &server.context.webhooks;
    let number = webhooks.redeliver_one(&hook.subscription, original).ok_or_else(gone)?;
    Ok(ok(&Json::text(hook.delivery_id(&server.context.random, number))))
}

//! The API: authentication, idempotency, routes. Dossier sections 1 and 3.

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::Response;
use bytes::Bytes;

use super::error::{Outcome, Refusal};
use super::event::{Cause, Endpoint};
use super::form::{Pair, Params};
use super::list::{Of, Window, events, newest_first};
use super::model::{Charge, PaymentStatus, Session, SessionStatus};
use super::reply::Reply;
use super::state::{Kept, State as Account, Stripe};
use super::version::Version;
use super::view::Expand;
use super::{create, event, form};
use crate::json::Json;

pub(super) fn router(server: Arc<Stripe>) -> Router {
    Router::new().fallback(serve).with_state(server)
}

/// A request that was let in.
struct Call<'a> {
    method: Method,
    path: Vec<&'a str>,
    pairs: Vec<Pair>,
    version: Version,
    cause: Cause,
}

async fn serve(
    State(server): State<Arc<Stripe>>,
    method: Method,
    uri: Uri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut state = server.state();
    let request_id = server.id(&mut state, "request", "req_", 14);
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let version = Version::parse(&text("stripe-version").unwrap_or_else(|| Version::DEFAULT.to_owned()));
    let key = text("idempotency-key").filter(|_| method == Method::POST);
    let shown = version.as_ref().map_or(Version::DEFAULT, |version| version.0.as_str()).to_owned();

    let answer = (|| -> Outcome<Reply> {
        if !server.knows(&headers) {
            return Err(Refusal::unauthorized());
        }
        let version = version.clone().ok_or_else(|| Refusal::invalid("Invalid Stripe API version"))?;
        let pairs = parameters(&method, query.as_deref(), &headers, &body)?;
        let mut sorted = pairs.clone();
        sorted.sort();
        let same = (method.to_string(), uri.path().to_owned(), sorted);
        if let Some(key) = &key {
            if key.is_empty() || key.len() > 255 {
                return Err(Refusal::invalid("Idempotency keys have 1 to 255 characters"));
            }
            if state.is_held(key) {
                return Err(Refusal::key_in_use());
            }
            if let Some(kept) = state.kept(key, server.now()) {
                return replay(&kept, &same);
            }
        }
        let path = uri.path().trim_start_matches('/').split('/').collect();
        let cause = Cause { request: request_id.clone(), key: key.clone() };
        let call = Call { method: method.clone(), path, pairs, version, cause };
        let (status, body, stored) = match route(&server, &mut state, &call) {
            Ok(body) => (StatusCode::OK, body.pretty(), true),
            Err(refusal) => (refusal.status, refusal.body().pretty(), refusal.stored),
        };
        if let Some(key) = key.clone().filter(|_| stored) {
            let (at, status) = (server.now(), status.as_u16());
            let request_id = request_id.clone();
            state.keep(key, Kept { at, call: same, request_id, status, body: body.clone() });
        }
        Ok(Reply::new(status, body))
    })();
    drop(state);
    let reply = answer.unwrap_or_else(|refusal| Reply::refused(&refusal));
    let reply = reply.header("request-id", request_id).header("stripe-version", shown);
    match key {
        Some(key) => reply.header("idempotency-key", key),
        None => reply,
    }
    .response()
}

fn replay(kept: &Kept, same: &(String, String, Vec<Pair>)) -> Outcome<Reply> {
    if kept.call != *same {
        return Err(Refusal::key_reused());
    }
    let status = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
    let reply = Reply::new(status, kept.body.clone());
    Ok(reply.header("original-request", kept.request_id.clone()).header("idempotent-replayed", "true"))
}

/// Query or form body; a v1 POST has no other format.
fn parameters(method: &Method, query: Option<&str>, headers: &HeaderMap, body: &[u8]) -> Outcome<Vec<Pair>> {
    let mut pairs = form::pairs(query.unwrap_or_default().as_bytes());
    if method == Method::POST && !body.is_empty() {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            let message =
                "Invalid request (check that your POST content type is application/x-www-form-urlencoded).";
            return Err(Refusal::invalid(message));
        }
        pairs.extend(form::pairs(body));
    }
    Ok(pairs)
}

fn route(server: &Stripe, state: &mut Account, call: &Call<'_>) -> Outcome<Json> {
    let faults = server.faults();
    let view = server.view(&faults);
    let get = call.method == Method::GET;
    let post = call.method == Method::POST;
    match call.path.as_slice() {
        ["v1", "checkout", "sessions"] if post => create_session(server, state, call),
        ["v1", "checkout", "sessions"] if get => {
            let mut params = Params::read(&call.pairs)?;
            let intent = params.word("payment_intent")?;
            let status = params.one_of("status", &["open", "complete", "expired"])?;
            let expand = create::expansions(&mut params, "data.")?;
            let window = Window::read(&mut params)?;
            params.finish()?;
            let wanted = |session: &&Session| {
                intent.as_deref().is_none_or(|id| session.intent_id() == Some(id))
                    && status.as_deref().is_none_or(|word| session.status.word() == word)
            };
            let all = state.sessions.iter().rev().filter(wanted).map(|session| (session.id.clone(), session));
            window.page("/v1/checkout/sessions", all.collect(), |s| view.session(s, expand))
        }
        ["v1", "checkout", "sessions", id] if get => {
            let mut params = Params::read(&call.pairs)?;
            let expand = create::expansions(&mut params, "")?;
            params.finish()?;
            let session =
                state.session(id).ok_or_else(|| Refusal::no_such("checkout.session", id, "session"))?;
            Ok(view.session(session, expand))
        }
        ["v1", "checkout", "sessions", id, "expire"] if post => {
            Params::read(&call.pairs)?.finish()?;
            let session =
                state.session(id).ok_or_else(|| Refusal::no_such("checkout.session", id, "session"))?;
            if session.status != SessionStatus::Open {
                let message = format!(
                    "Only Checkout Sessions with a status in [\"open\"] can be expired. This one is {}.",
                    session.status.word()
                );
                return Err(Refusal::state(None, message));
            }
            server.expire(state, id, Some(call.cause.clone()));
            let session = state.session(id).ok_or_else(Refusal::server_error)?;
            Ok(view.session(session, Expand::default()))
        }
        ["v1", "payment_intents", id] if get => {
            let mut params = Params::read(&call.pairs)?;
            let expand = params.texts("expand")?.unwrap_or_default();
            params.finish()?;
            let charge = match expand.as_slice() {
                [] => false,
                [one] if one == "latest_charge" => true,
                _ => return Err(Refusal::value("expand", "This property cannot be expanded.")),
            };
            let session = state.sessions.iter().find(|session| session.intent_id() == Some(id));
            let found = session.and_then(|session| Some((session, session.intent.as_ref()?)));
            let (session, intent) = found.ok_or_else(|| Refusal::no_such("payment_intent", id, "intent"))?;
            Ok(view.intent(session, intent, charge))
        }
        ["v1", "charges", id] if get => {
            Params::read(&call.pairs)?.finish()?;
            let found = charges(state).find(|(_, charge)| charge.id == *id);
            let (session, charge) = found.ok_or_else(|| Refusal::no_such("charge", id, "charge"))?;
            Ok(view.charge(session, charge))
        }
        ["v1", "refunds"] if post => create_refund(server, state, call),
        ["v1", "refunds"] if get => {
            let of = Of::read(&call.pairs)?;
            let mut all: Vec<_> = charges(state)
                .filter(|(session, charge)| of.is(session, charge))
                .flat_map(|(session, charge)| charge.refunds.iter().map(move |r| (session, charge, r)))
                .collect();
            all.sort_by_key(|(_, _, refund)| refund.created);
            let all = newest_first(all, |(_, _, refund)| refund.id.clone());
            of.window
                .page("/v1/refunds", all, |(session, charge, refund)| view.refund(session, charge, refund))
        }
        ["v1", "refunds", id] if get => {
            Params::read(&call.pairs)?.finish()?;
            let found = charges(state).find_map(|(session, charge)| {
                Some((session, charge, charge.refunds.iter().find(|r| r.id == *id)?))
            });
            let (session, charge, refund) = found.ok_or_else(|| Refusal::no_such("refund", id, "id"))?;
            Ok(view.refund(session, charge, refund))
        }
        ["v1", "disputes"] if get => {
            let of = Of::read(&call.pairs)?;
            let mut all: Vec<_> = charges(state)
                .filter(|(session, charge)| of.is(session, charge))
                .filter_map(|(session, charge)| Some((session, charge, charge.dispute.as_ref()?)))
                .collect();
            all.sort_by_key(|(_, _, dispute)| dispute.created);
            let all = newest_first(all, |(_, _, dispute)| dispute.id.clone());
            of.window.page("/v1/disputes", all, |(session, charge, d)| view.dispute(session, charge, d))
        }
        ["v1", "disputes", id] if get => {
            Params::read(&call.pairs)?.finish()?;
            let found = charges(state)
                .find_map(|(session, charge)| Some((session, charge, charge.dispute.as_ref()?)))
                .filter(|(_, _, dispute)| dispute.id == *id);
            let (session, charge, dispute) =
                found.ok_or_else(|| Refusal::no_such("dispute", id, "dispute"))?;
            Ok(view.dispute(session, charge, dispute))
        }
        ["v1", "events"] if get => events(server, state, &call.pairs),
        ["v1", "events", id] if get => {
            Params::read(&call.pairs)?.finish()?;
            let event = state.events.iter().find(|event| event.id == *id);
            event.map(|event| event.json(event.kind)).ok_or_else(|| Refusal::no_such("event", id, "id"))
        }
        ["v1", "webhook_endpoints"] if post => create_endpoint(server, state, call),
        ["v1", "webhook_endpoints"] if get => super::setup::endpoints(server, state, &call.pairs),
        ["v1", "account"] if get => super::setup::account(state, &call.pairs),
        ["v1", "balance"] if get => {
            Params::read(&call.pairs)?.finish()?;
            Ok(balance(state))
        }
        _ => Err(Refusal::no_route(call.method.as_str(), &format!("/{}", call.path.join("/")))),
    }
}

/// Every charge of the account with its session.
fn charges(state: &Account) -> impl Iterator<Item = (&Session, &Charge)> {
    state.sessions.iter().flat_map(|session| {
        session.intent.iter().flat_map(|intent| &intent.charges).map(move |charge| (session, charge))
    })
}

fn create_session(server: &Stripe, state: &mut Account, call: &Call<'_>) -> Outcome<Json> {
    let faults = server.faults();
    let now = server.now();
    let (mut wanted, expand) = create::wanted(&call.pairs, &call.version, now)?;
    let off =
        |method: &String| faults.omit_methods.contains(method) || faults.refuse_methods.contains(method);
    wanted.methods.retain(|method| !off(method));
    if wanted.methods.is_empty() {
        return Err(Refusal::value(
            "payment_method_types",
            "No valid payment method types for this Checkout Session.",
        ));
    }
    let session = Session {
        id: server.id(state, "session", "cs_test_a1", 56),
        created: now,
        expires_at: wanted.expires_at.unwrap_or_else(|| now.saturating_add(86_400)),
        wanted,
        status: SessionStatus::Open,
        payment_status: PaymentStatus::Unpaid,
        intent: None,
    };
    let view = server.view(&faults).session(&session, expand);
    state.sessions.push(session);
    server.context.wake.notify_one();
    Ok(view)
}

fn create_refund(server: &Stripe, state: &mut Account, call: &Call<'_>) -> Outcome<Json> {
    let mut params = Params::read(&call.pairs)?;
    let (intent, charge) = (params.word("payment_intent")?, params.word("charge")?);
    let amount = params.whole("amount")?;
    let reason = params.one_of("reason", &["duplicate", "fraudulent", "requested_by_customer"])?;
    let metadata = params.metadata()?;
    params.finish()?;
    let found = charges(state).find(|(session, candidate)| match (&intent, &charge) {
        (Some(id), None) => {
            session.intent_id() == Some(id) && session.paid().is_some_and(|p| p.id == candidate.id)
        }
        (None, Some(id)) => candidate.id == *id,
        _ => false,
    });
    let (session, charge) = match (found, &intent, &charge) {
        (_, None, None) => return Err(Refusal::missing("payment_intent")),
        (_, Some(_), Some(_)) => {
            return Err(Refusal::value("charge", "Only one of payment_intent and charge can be set."));
        }
        (None, Some(id), None) => return Err(Refusal::no_such("payment_intent", id, "payment_intent")),
        (None, None, Some(id)) => return Err(Refusal::no_such("charge", id, "charge")),
        (Some((session, _)), _, _) => match session.paid() {
            Some(charge) => (session, charge),
            None => {
                return Err(Refusal::state(
                    None,
                    "This PaymentIntent does not have a successful charge to refund.",
                ));
            }
        },
    };
    let left = session.wanted.total - charge.refunded();
    if left <= 0 {
        let message = format!("Charge {} has already been refunded.", charge.id);
        return Err(Refusal::state(Some("charge_already_refunded"), message));
    }
    if charge.dispute.as_ref().is_some_and(|dispute| dispute.withdrawn && !dispute.reinstated) {
        let message = format!("Charge {} has been charged back; cannot issue a refund.", charge.id);
        return Err(Refusal::state(Some("charge_disputed"), message));
    }
    let amount = amount.unwrap_or(left);
    if amount < 1 || amount > left {
        let message =
            format!("Refund amount ({amount}) is greater than unrefunded amount on charge ({left})");
        return Err(Refusal::state(None, message));
    }
    let id = session.id.clone();
    let refund = server.refund(state, &id, (amount, reason, metadata), Some(call.cause.clone()));
    let refund = refund.ok_or_else(Refusal::server_error)?;
    let session = state.session(&id).ok_or_else(Refusal::server_error)?;
    let charge = session.charge().ok_or_else(Refusal::server_error)?;
    let faults = server.faults();
    Ok(server.view(&faults).refund(session, charge, &refund))
}

fn create_endpoint(server: &Stripe, state: &mut Account, call: &Call<'_>) -> Outcome<Json> {
    let mut params = Params::read(&call.pairs)?;
    let url = params.required("url")?;
    let events = params.texts("enabled_events")?.unwrap_or_default();
    let version = params.word("api_version")?;
    params.word("description")?;
    params.finish()?;
    if events.is_empty() {
        return Err(Refusal::missing("enabled_events"));
    }
    if !url::Url::parse(&url).is_ok_and(|url| url.has_host()) {
        return Err(Refusal::parameter("url_invalid", "url", "Not a valid URL"));
    }
    if version.is_some_and(|version| version != Version::DEFAULT) {
        return Err(Refusal::value("api_version", "Events here are of the account's own version only."));
    }
    let id = server.id(state, "endpoint", "we_1", 23);
    let secret = format!("whsec_{}", server.context.random.base58(&format!("stripe/secret/{id}"), 32));
    let endpoint = Endpoint::to(id, url, secret, events);
    event::open(&server.context.webhooks, &endpoint);
    let view = endpoint.view(&server.context.webhooks, true);
    state.endpoints.push(endpoint);
    Ok(view)
}

/// Gross of what was paid, less what went back; fees are not emulated.
fn balance(state: &Account) -> Json {
    let available = super::model::CURRENCIES.iter().map(|currency| {
        let of = |session: &&Session| session.wanted.currency == *currency && session.paid().is_some();
        let net = |session: &Session| {
            let (taken, given_back) = session.takings();
            session.wanted.total - taken + given_back
        };
        let amount: i64 = state.sessions.iter().filter(of).map(net).sum();
        Json::object([
            ("amount", Json::int(amount)),
            ("currency", Json::text(currency.code)),
            ("source_types", Json::object([("card", Json::int(amount))])),
        ])
    });
    Json::object([
        ("object", Json::text("balance")),
        ("available", Json::List(available.collect())),
        ("livemode", Json::Bool(false)),
        ("pending", Json::List(vec![])),
    ])
}

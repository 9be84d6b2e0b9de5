//! Invoices, rates, health and server information over HTTP: dossier sections 2 and 5.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use bytes::Bytes;

use super::create;
use super::error::{Problems, Refusal};
use super::invoice::{Event, Events, Invoice, Status};
use super::method::{Kind, METHODS, MethodId, parse_id};
use super::state::BtcPay;
use crate::control_error::json_response;
use crate::json::Json;

pub(super) type Server = State<Arc<BtcPay>>;
pub(super) type Params = Path<BTreeMap<String, String>>;
pub(super) type Answer = Result<Response, Refusal>;

const VIEW: &str = "btcpay.store.canviewinvoices";
const CREATE: &str = "btcpay.store.cancreateinvoice";
const MODIFY: &str = "btcpay.store.canmodifyinvoices";
const SENSITIVE: &str = "btcpay.store.canmodifystoresettings";
const SETTINGS: &str = "btcpay.store.canviewstoresettings";

const STORE: &str = "/api/v1/stores/{store}";
const VERSION: &str = "2.4.1";

pub(super) fn router(server: Arc<BtcPay>) -> Router {
    let mut router = Router::new()
        .route("/api/v1/health", get(health))
        .route("/api/v1/server/info", get(info))
        .route(&format!("{STORE}/rates"), get(rates))
        .route(&format!("{STORE}/payment-methods"), get(store_methods))
        .route(&format!("{STORE}/invoices"), post(create_invoice).get(list))
        .route("/i/{invoice}", get(page));
    // The paths without a store came with 2.3.9; the others still work on every version.
    for scope in [STORE, "/api/v1"] {
        let one = format!("{scope}/invoices/{{invoice}}");
        router = router
            .route(&one, get(read).put(update).delete(archive))
            .route(&format!("{one}/unarchive"), post(unarchive))
            .route(&format!("{one}/status"), post(mark))
            .route(&format!("{one}/payment-methods"), get(payment_methods))
            .route(&format!("{one}/payment-methods/{{method}}/activate"), post(activate));
    }
    router.with_state(server)
}

pub(super) fn param<'a>(params: &'a BTreeMap<String, String>, name: &str) -> &'a str {
    params.get(name).map_or("", String::as_str)
}

pub(super) fn ok(body: &Json) -> Response {
    json_response(StatusCode::OK, body)
}

/// The store that the path names; without one, that of an object which exists.
pub(super) fn scope<'a>(
    server: &'a BtcPay,
    params: &'a BTreeMap<String, String>,
    exists: bool,
) -> Option<&'a str> {
    params.get("store").map(String::as_str).or(exists.then_some(server.store_id()))
}

/// The query, names without regard to case.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn new(raw: Option<String>) -> Self {
        let raw = raw.unwrap_or_default();
        let pairs = url::form_urlencoded::parse(raw.as_bytes());
        Self(pairs.map(|(k, v)| (k.to_ascii_lowercase(), v.into_owned())).collect())
    }

    fn all(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(k, _)| *k == name.to_ascii_lowercase()).map(|(_, v)| v.clone()).collect()
    }

    fn one(&self, name: &str) -> Option<String> {
        self.all(name).into_iter().next().filter(|v| !v.is_empty())
    }

    fn flag(&self, name: &str, otherwise: bool) -> Result<bool, Refusal> {
        match self.one(name).map(|v| v.to_ascii_lowercase()).as_deref() {
            None => Ok(otherwise),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(other) => Err(Refusal::validation(name, &format!("The value '{other}' is not valid."))),
        }
    }

    pub(super) fn length(&self, name: &str) -> Result<Option<usize>, Refusal> {
        let negative = || Refusal::validation(name, "The value should be 0 or more");
        self.whole(name)?.map(|n| usize::try_from(n).map_err(|_| negative())).transpose()
    }

    fn whole(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let invalid = |v: &str| Refusal::validation(name, &format!("The value '{v}' is not valid."));
        self.one(name).map(|v| v.parse().map_err(|_| invalid(&v))).transpose()
    }
}

/// Bodies are JSON, and say so.
pub(super) fn json_only(headers: &HeaderMap) -> Result<(), Refusal> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let json = kind == "application/json" || kind == "text/json" || kind.ends_with("+json");
    if json { Ok(()) } else { Err(Refusal::Empty(StatusCode::UNSUPPORTED_MEDIA_TYPE)) }
}

async fn health(State(server): Server) -> Response {
    ok(&Json::object([("synchronized", Json::Bool(!server.faults().not_synchronized))]))
}

async fn info(State(server): Server, headers: HeaderMap) -> Answer {
    server.known(&headers)?;
    let faults = server.faults();
    let synched = !faults.not_synchronized;
    let status = METHODS.iter().map(|m| {
        let away = |text: &String| matches!(parse_id(text), MethodId::Known(refused) if refused == m);
        let available = synched && !faults.refuse_methods.iter().any(away);
        let height = if synched { 900_000 } else { 899_000 };
        let state = match m.kind {
            Kind::Chain => {
                let node = Json::object([
                    ("headers", Json::int(900_000)),
                    ("blocks", Json::int(height)),
                    ("verificationProgress", Json::Number(if synched { "1.0" } else { "0.998" }.to_owned())),
                ]);
                vec![
                    ("chainHeight", Json::int(900_000)),
                    ("syncHeight", Json::int(height)),
                    ("nodeInformation", node),
                ]
            }
            Kind::Shielded => {
                let summary = Json::object([
                    ("synced", Json::Bool(synched)),
                    ("currentHeight", Json::int(height)),
                    ("walletHeight", Json::int(height)),
                    ("targetHeight", Json::int(900_000)),
                    ("updatedAt", Json::text("2026-11-30T23:58:08.3417699Z")),
                    ("daemonAvailable", Json::Bool(available)),
                    ("walletAvailable", Json::Bool(available)),
                ]);
                vec![("summary", summary)]
            }
            // Not recorded.
            Kind::Mweb | Kind::Lightning => vec![],
        };
        let named = [("paymentMethodId", Json::text(m.id)), ("available", Json::Bool(available))];
        Json::object(state.into_iter().chain(named))
    });
    Ok(ok(&Json::object([
        ("version", Json::text(VERSION)),
        ("onion", Json::Null),
        ("supportedPaymentMethods", Json::List(METHODS.iter().map(|m| Json::text(m.id)).collect())),
        ("fullySynched", Json::Bool(synched)),
        ("syncStatus", Json::List(status.collect())),
    ])))
}

async fn rates(State(server): Server, Path(p): Params, headers: HeaderMap, RawQuery(q): RawQuery) -> Answer {
    server.allow(&headers, SETTINGS, scope(&server, &p, false))?;
    let pairs = Query::new(q).all("currencyPair");
    Ok(ok(&super::rates::view(&server.context, &server.faults(), &pairs)))
}

async fn store_methods(State(server): Server, Path(p): Params, headers: HeaderMap) -> Answer {
    server.allow(&headers, SETTINGS, scope(&server, &p, false))?;
    let off = server.state().methods_off.clone();
    let methods = METHODS.iter().map(|m| {
        Json::object([
            ("paymentMethodId", Json::text(m.id)),
            ("enabled", Json::Bool(!off.iter().any(|id| id == m.id))),
        ])
    });
    Ok(ok(&Json::List(methods.collect())))
}

async fn create_invoice(State(server): Server, Path(p): Params, headers: HeaderMap, body: Bytes) -> Answer {
    server.allow(&headers, CREATE, scope(&server, &p, false))?;
    json_only(&headers)?;
    let order = create::read(&body)?;
    let faults = server.faults();
    let id = server.context.random.base58_bytes::<16>(&server.next_label("invoice"));
    let settings = server.state().settings();
    let invoice = order.open(id.clone(), &server.context, &faults, settings)?;
    let view = server.setting(&faults).invoice(&invoice, false);
    let mut state = server.state();
    state.invoices.push(invoice);
    server.publish(&mut state, &id, vec![Event::Created]);
    Ok(ok(&view))
}

const MAX_SEARCH: usize = 512;

async fn list(State(server): Server, Path(p): Params, headers: HeaderMap, RawQuery(q): RawQuery) -> Answer {
    server.allow(&headers, VIEW, scope(&server, &p, false))?;
    let query = Query::new(q);
    let mut statuses = Vec::new();
    for word in query.all("status") {
        statuses.push(Status::parse(&word).ok_or_else(|| Refusal::validation("Status", "Invalid status"))?);
    }
    let (start, end) = (query.whole("startDate")?, query.whole("endDate")?);
    if start.zip(end).is_some_and(|(start, end)| start > end) {
        return Err(Refusal::validation("StartDate", "startDate should be before endDate"));
    }
    let search = query.one("textSearch");
    if search.as_ref().is_some_and(|s| s.len() > MAX_SEARCH) {
        return Err(Refusal::validation("TextSearch", "At most 512 characters"));
    }
    let orders = query.all("orderId");
    let archived = query.flag("includeArchived", false)?;
    let methods = query.flag("includePaymentMethods", false)?;
    let (skip, take) = (query.length("skip")?.unwrap_or(0), query.length("take")?.unwrap_or(usize::MAX));

    let faults = server.faults();
    let setting = server.setting(&faults);
    let state = server.state();
    let matches = |i: &&Invoice| {
        (archived || !i.archived)
            && (orders.is_empty() || i.order_id().is_some_and(|o| orders.contains(&o)))
            && (statuses.is_empty() || statuses.contains(&i.status))
            && start.is_none_or(|s| i.created >= s)
            && end.is_none_or(|e| i.created <= e)
            && search.as_ref().is_none_or(|s| found(i, s))
    };
    // Newest first.
    let chosen = state.invoices.iter().rev().filter(matches).skip(skip).take(take);
    Ok(ok(&Json::List(chosen.map(|i| setting.invoice(i, methods)).collect())))
}

/// `textSearch`: the beginning of an id, an order id, an address or a search term.
fn found(invoice: &Invoice, prefix: &str) -> bool {
    let addresses = invoice.prompts.iter().flat_map(|p| p.shown.iter());
    invoice.id.starts_with(prefix)
        || invoice.order_id().is_some_and(|o| o.starts_with(prefix))
        || addresses.chain(&invoice.search_terms).any(|text| text.starts_with(prefix))
}

/// Finds the invoice, after the rights were checked: 403 before 404.
fn with_invoice<T>(
    server: &BtcPay,
    params: &BTreeMap<String, String>,
    headers: &HeaderMap,
    right: &str,
    work: impl FnOnce(&mut Invoice, &mut Events) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let id = param(params, "invoice");
    let exists = server.state().invoices.iter().any(|i| i.id == id);
    server.allow(headers, right, scope(server, params, exists))?;
    let mut state = server.state();
    // As for another store's: only an invoice in the server's cache is a 404 when it is gone.
    let unknown = || Refusal::missing_permission(right);
    let invoice = state.invoices.iter_mut().find(|i| i.id == id).ok_or_else(unknown)?;
    let mut events = Events::new();
    let done = work(invoice, &mut events);
    server.publish(&mut state, id, events);
    done
}

async fn read(State(server): Server, Path(p): Params, headers: HeaderMap, RawQuery(q): RawQuery) -> Answer {
    let faults = server.faults();
    let methods = Query::new(q).flag("includePaymentMethods", false)?;
    with_invoice(&server, &p, &headers, VIEW, |i, _| Ok(ok(&server.setting(&faults).invoice(i, methods))))
}

async fn update(State(server): Server, Path(p): Params, headers: HeaderMap, body: Bytes) -> Answer {
    with_invoice(&server, &p, &headers, MODIFY, |invoice, _| {
        json_only(&headers)?;
        let mut problems = Problems::default();
        let body = problems.document(&body)?;
        let metadata = problems.object(&body, "metadata", "metadata");
        problems.done()?;
        if let Some(metadata) = metadata {
            invoice.metadata = metadata;
        }
        Ok(ok(&server.setting(&server.faults()).invoice(invoice, false)))
    })
}

async fn archive(State(server): Server, Path(p): Params, headers: HeaderMap) -> Answer {
    with_invoice(&server, &p, &headers, MODIFY, |invoice, _| {
        invoice.archived = true;
        Ok(StatusCode::OK.into_response())
    })
}

async fn unarchive(State(server): Server, Path(p): Params, headers: HeaderMap) -> Answer {
    with_invoice(&server, &p, &headers, MODIFY, |invoice, _| {
        if !invoice.archived {
            let message = "Invoice is already unarchived";
            return Err(Refusal::problem(StatusCode::BAD_REQUEST, "already-unarchived", message));
        }
        invoice.archived = false;
        Ok(ok(&server.setting(&server.faults()).invoice(invoice, false)))
    })
}

async fn mark(State(server): Server, Path(p): Params, headers: HeaderMap, body: Bytes) -> Answer {
    with_invoice(&server, &p, &headers, MODIFY, |invoice, events| {
        json_only(&headers)?;
        let mut problems = Problems::default();
        let body = problems.document(&body)?;
        let word = problems.text(&body, "status", "status");
        problems.done()?;
        let invalid = |message: &str| Refusal::validation("Status", message);
        let status =
            word.and_then(|w| Status::parse(&w)).ok_or_else(|| invalid("Status is required and known"))?;
        // What it was before: the answer is made from what was read first.
        let before = server.setting(&server.faults()).invoice(invoice, false);
        if !invoice.mark(status, events) {
            return Err(invalid(
                "Status can only be marked to invalid or settled within certain conditions.",
            ));
        }
        Ok(ok(&before))
    })
}

async fn payment_methods(
    State(server): Server,
    Path(p): Params,
    headers: HeaderMap,
    RawQuery(q): RawQuery,
) -> Answer {
    let query = Query::new(q);
    let only_accounted = query.flag("onlyAccountedPayments", true)?;
    let right = if query.flag("includeSensitive", false)? { SENSITIVE } else { VIEW };
    let faults = server.faults();
    with_invoice(&server, &p, &headers, right, |invoice, _| {
        let setting = server.setting(&faults);
        let methods = invoice.prompts.iter().map(|prompt| setting.method(invoice, prompt, only_accounted));
        Ok(ok(&Json::List(methods.collect())))
    })
}

async fn activate(State(server): Server, Path(p): Params, headers: HeaderMap) -> Answer {
    let random = server.context.random.clone();
    with_invoice(&server, &p, &headers, VIEW, |invoice, _| {
        let unknown = || Refusal::not_found("payment-method-not-found", "The payment method was not found");
        let MethodId::Known(method) = parse_id(param(&p, "method")) else { return Err(unknown()) };
        if !invoice.prompts.iter().any(|prompt| prompt.method == method) {
            return Err(unknown());
        }
        if invoice.status == Status::New {
            invoice.activate(Some(method), &random);
        }
        Ok(StatusCode::OK.into_response())
    })
}

/// The checkout page, for a person who follows `checkoutLink`.
async fn page(State(server): Server, Path(p): Params) -> Answer {
    let state = server.state();
    let id = param(&p, "invoice");
    let found = state.invoices.iter().find(|i| i.id == id);
    let invoice = found.ok_or(Refusal::Empty(StatusCode::NOT_FOUND))?;
    let addresses: String = invoice
        .prompts
        .iter()
        .filter_map(|prompt| {
            Some(format!("<li>{}: <code>{}</code></li>", prompt.method.id, prompt.shown.last()?))
        })
        .collect();
    let html = format!(
        "<!doctype html><title>Invoice {id}</title><h1>Emulated invoice {id}</h1><p>{}</p><ul>{addresses}</ul>",
        invoice.status.word()
    );
    Ok(([(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response())
}

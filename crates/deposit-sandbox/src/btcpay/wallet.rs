//! The wallet's own view of the core chains, with the optional right `btcpay.store.canviewwallet`: dossier section 14.

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::routing::get;

use super::api::{Answer, Params, Query, Server, ok, param, scope};
use super::error::Refusal;
use super::invoice::{Invoice, Payment, PaymentStatus};
use super::method::{Kind, Method, MethodId, parse_id};
use super::state::BtcPay;
use crate::json::Json;

const WALLET: &str = "btcpay.store.canviewwallet";

/// Of every block with a payment.
const HEIGHT: i64 = 900_000;

pub(super) fn router(server: Arc<BtcPay>) -> Router {
    let wallet = "/api/v1/stores/{store}/payment-methods/{method}/wallet";
    Router::new()
        .route(&format!("{wallet}/utxos"), get(utxos))
        .route(&format!("{wallet}/transactions"), get(transactions))
        .route(&format!("{wallet}/transactions/{{transaction}}"), get(transaction))
        .with_state(server)
}

/// Plugins have no wallet API.
fn method_of(server: &BtcPay, p: &Params, headers: &HeaderMap) -> Result<&'static Method, Refusal> {
    server.allow(headers, WALLET, scope(server, p, false))?;
    match parse_id(param(p, "method")) {
        MethodId::Known(method) if method.kind == Kind::Chain => Ok(method),
        MethodId::Known(_) | MethodId::NotSetUp | MethodId::Unknown => {
            Err(Refusal::not_found("unknown-paymentMethodId", "Unknown paymentMethodId"))
        }
    }
}

/// What the speed policy waited for; none of one that is not in the chain, or not any longer.
fn confirmations(invoice: &Invoice, payment: &Payment) -> i128 {
    match (payment.status, invoice.checkout.speed_policy) {
        (PaymentStatus::Settled, _) if payment.lost => 0,
        (PaymentStatus::Settled, "LowSpeed") => 6,
        (PaymentStatus::Settled, "LowMediumSpeed") => 2,
        (PaymentStatus::Settled, _) => 1,
        (PaymentStatus::Processing | PaymentStatus::Invalid, _) => 0,
    }
}

/// The one before it that it took the place of, with the same inputs: the wallet knows both, and lists the later one only.
fn replaces(invoice: &Invoice, payment: &Payment) -> bool {
    let before = invoice.payments.iter().take_while(|other| other.id != payment.id);
    before.into_iter().any(|other| is_replaceable(other) && other.method == payment.method)
}

fn is_replaced(invoice: &Invoice, payment: &Payment) -> bool {
    let after = invoice.payments.iter().skip_while(|other| other.id != payment.id).skip(1);
    is_replaceable(payment) && after.into_iter().any(|other| other.method == payment.method)
}

/// Gone before it was ever in the chain.
fn is_replaceable(payment: &Payment) -> bool {
    payment.status == PaymentStatus::Invalid && payment.confirmed.is_zero()
}

fn labels(invoice: &Invoice, payment: &Payment) -> Json {
    if payment.unseen {
        return Json::Object(vec![]);
    }
    let label =
        [("ref", Json::text(&invoice.id)), ("type", Json::text("invoice")), ("text", Json::text("invoice"))];
    let mut labels = vec![("invoice", Json::object(label))];
    if replaces(invoice, payment) {
        labels.push(("RBF", Json::object([("type", Json::text("raw")), ("text", Json::text("RBF"))])));
    }
    Json::object(labels)
}

fn hash_of(payment: &Payment) -> &str {
    payment.id.rsplit_once('-').map_or(payment.id.as_str(), |(hash, _)| hash)
}

/// Those deepest in the chain first.
async fn utxos(State(server): Server, p: Params, headers: HeaderMap) -> Answer {
    let method = method_of(&server, &p, &headers)?;
    let state = server.state();
    let mut listed = Vec::new();
    for invoice in &state.invoices {
        let prompt = invoice.prompts.iter().position(|prompt| prompt.method == method);
        for payment in invoice.payments.iter().filter(|payment| payment.method == method) {
            if state.spent.contains(&payment.id) || is_replaced(invoice, payment) {
                continue;
            }
            let deep = confirmations(invoice, payment);
            let output = Json::object([
                ("comment", Json::text("")),
                ("amount", Json::text(payment.exact().to_string())),
                ("outpoint", Json::text(&payment.id)),
                ("link", Json::text(format!("https://explorer.example/tx/{}", hash_of(payment)))),
                ("labels", labels(invoice, payment)),
                ("timestamp", Json::int(payment.received)),
                ("keyPath", Json::text(format!("0/{}", prompt.unwrap_or(0)))),
                ("address", Json::text(&payment.destination)),
                ("confirmations", Json::int(deep)),
            ]);
            listed.push((deep, output));
        }
    }
    listed.sort_by_key(|(deep, _)| std::cmp::Reverse(*deep));
    Ok(ok(&Json::List(listed.into_iter().map(|(_, output)| output).collect())))
}

/// Newest first. Of each it says that it is not confirmed, whatever it is: those two members are of no use here.
async fn transactions(
    State(server): Server,
    p: Params,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer {
    let method = method_of(&server, &p, &headers)?;
    let query = Query::new(query);
    let skip = query.length("skip")?.unwrap_or(0);
    let limit = query.length("limit")?.unwrap_or(usize::MAX);
    let state = server.state();
    let mut listed = Vec::new();
    for invoice in state.invoices.iter().rev() {
        for payment in invoice.payments.iter().rev().filter(|payment| payment.method == method) {
            let in_chain = confirmations(invoice, payment) > 0;
            let block = || Json::text(server.context.random.hex::<32>(&format!("btcpay/block/{HEIGHT}")));
            listed.push(Json::object([
                ("transactionHash", Json::text(hash_of(payment))),
                ("comment", Json::text("")),
                ("labels", labels(invoice, payment)),
                ("amount", Json::text(payment.exact().to_string())),
                ("blockHash", if in_chain { block() } else { Json::Null }),
                ("blockHeight", if in_chain { Json::int(HEIGHT) } else { Json::Null }),
                ("confirmations", Json::int(0)),
                ("timestamp", Json::int(payment.received)),
                ("status", Json::text("Unconfirmed")),
            ]));
        }
    }
    Ok(ok(&Json::List(listed.into_iter().skip(skip).take(limit).collect())))
}

async fn transaction(State(server): Server, p: Params, headers: HeaderMap) -> Answer {
    let method = method_of(&server, &p, &headers)?;
    let hash = param(&p, "transaction");
    let state = server.state();
    let found = state.invoices.iter().find_map(|invoice| {
        let of = |payment: &&Payment| {
            payment.method == method && payment.id.rsplit_once('-').is_some_and(|(id, _)| id == hash)
        };
        Some((invoice, invoice.payments.iter().find(of)?))
    });
    let unknown = || Refusal::not_found("transaction-not-found", "The transaction was not found");
    let (invoice, payment) = found.ok_or_else(unknown)?;
    let deep = confirmations(invoice, payment);
    let in_chain = deep > 0;
    Ok(ok(&Json::object([
        ("transactionHash", Json::text(hash)),
        ("comment", Json::text("")),
        ("labels", labels(invoice, payment)),
        ("amount", Json::text(payment.exact().to_string())),
        ("blockHash", Json::Null),
        ("blockHeight", if in_chain { Json::int(HEIGHT) } else { Json::Null }),
        ("confirmations", Json::int(deep)),
        ("timestamp", Json::int(payment.received)),
        ("status", Json::text(if in_chain { "Confirmed" } else { "Unconfirmed" })),
    ])))
}

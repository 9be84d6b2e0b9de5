//! The wallet's own view of the core chains, with the optional right `btcpay.store.canviewwallet`: dossier section 14.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::get;

use super::api::{Answer, Params, Server, ok, param, scope};
use super::error::Refusal;
use super::invoice::{Invoice, Payment, PaymentStatus};
use super::method::{Kind, Method, MethodId, parse_id};
use super::state::BtcPay;
use crate::json::Json;

const WALLET: &str = "btcpay.store.canviewwallet";

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

fn labels(invoice: &Invoice, payment: &Payment) -> Json {
    if payment.unseen {
        return Json::Object(vec![]);
    }
    let label =
        [("ref", Json::text(&invoice.id)), ("type", Json::text("invoice")), ("text", Json::text("invoice"))];
    Json::object([("invoice", Json::object(label))])
}

async fn utxos(State(server): Server, p: Params, headers: HeaderMap) -> Answer {
    let method = method_of(&server, &p, &headers)?;
    let state = server.state();
    let mut listed = Vec::new();
    for invoice in &state.invoices {
        let prompt = invoice.prompts.iter().position(|prompt| prompt.method == method);
        for payment in invoice.payments.iter().filter(|payment| payment.method == method) {
            if state.spent.contains(&payment.id) {
                continue;
            }
            listed.push(Json::object([
                ("comment", Json::text("")),
                ("amount", Json::text(payment.exact().to_string())),
                ("outpoint", Json::text(&payment.id)),
                ("link", Json::text(format!("https://explorer.example/tx/{}", payment.id))),
                ("labels", labels(invoice, payment)),
                ("timestamp", Json::int(payment.received)),
                ("keyPath", Json::text(format!("0/{}", prompt.unwrap_or(0)))),
                ("address", Json::text(&payment.destination)),
                ("confirmations", Json::int(confirmations(invoice, payment))),
            ]));
        }
    }
    Ok(ok(&Json::List(listed)))
}

/// Newest first. Of each it says that it is not confirmed, whatever it is: those two members are of no use here.
async fn transactions(State(server): Server, p: Params, headers: HeaderMap) -> Answer {
    let method = method_of(&server, &p, &headers)?;
    let state = server.state();
    let mut listed = Vec::new();
    for invoice in state.invoices.iter().rev() {
        for payment in invoice.payments.iter().rev().filter(|payment| payment.method == method) {
            let hash = payment.id.rsplit_once('-').map_or(payment.id.as_str(), |(hash, _)| hash);
            listed.push(Json::object([
                ("transactionHash", Json::text(hash)),
                ("comment", Json::text("")),
                ("labels", labels(invoice, payment)),
                ("amount", Json::text(payment.exact().to_string())),
                ("blockHash", Json::Null),
                ("blockHeight", Json::Null),
                ("confirmations", Json::int(0)),
                ("timestamp", Json::int(payment.received)),
                ("status", Json::text("Unconfirmed")),
            ]));
        }
    }
    Ok(ok(&Json::List(listed)))
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
        ("blockHeight", if in_chain { Json::int(900_000) } else { Json::Null }),
        ("confirmations", Json::int(deep)),
        ("timestamp", Json::int(payment.received)),
        ("status", Json::text(if in_chain { "Confirmed" } else { "Unconfirmed" })),
    ])))
}

//! Payments, sessions and events as JSON: dossier, A2, A4, B2, B4.

use deposit_core::{Asset, DecimalText};

use super::order::{Generation, Happened, Order, Source, Stage};
use super::read;
use crate::json::Json;

/// Two decimals, rounded: never to be used for a credit.
fn dollars(amount: Option<&DecimalText>) -> String {
    let cents = amount.and_then(|a| a.floor_to_minor(Asset::EUR.scale()).ok()).map_or(0, |(cents, _)| cents);
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn source(source: &Source) -> Json {
    Json::object([
        ("payerAddress", Json::text_or_null(source.payer.as_deref())),
        ("txHash", Json::text_or_null(source.tx.as_deref())),
        ("chainId", Json::text(source.coin.chain.to_string())),
        ("amountUnits", Json::text(&source.units)),
        ("tokenSymbol", Json::text(source.coin.ticker.as_str())),
        ("tokenAddress", Json::text(source.coin.token)),
    ])
}

/// `unknown`: its status is a word that no document lists.
pub(super) fn payment(order: &Order, unknown: bool) -> Json {
    let status = if unknown { "payment_frobnicated" } else { order.word() };
    let intent = order.display.get("intent").cloned().unwrap_or(Json::Null);
    let amount = order.amount.as_ref();
    Json::object([
        ("id", Json::text(&order.id)),
        ("status", Json::text(status)),
        ("createdAt", Json::text(order.created.to_string())),
        (
            "display",
            Json::object([
                ("intent", intent),
                ("paymentValue", Json::text(dollars(amount))),
                ("currency", Json::text("USD")),
            ]),
        ),
        ("source", order.source.as_ref().map_or(Json::Null, source)),
        (
            "destination",
            Json::object([
                ("destinationAddress", Json::text(&order.address)),
                ("txHash", Json::text_or_null(order.delivery_tx.as_deref())),
                // A text here, a number in the request and at the level of an event.
                ("chainId", Json::text(order.chain.id.to_string())),
                ("amountUnits", Json::text(amount.map(ToString::to_string).unwrap_or_default())),
                ("tokenSymbol", Json::text("USDC")),
                ("tokenAddress", Json::text(order.chain.usdc)),
                ("callData", Json::text(&order.calldata)),
            ]),
        ),
        ("externalId", Json::text_or_null(order.external_id.as_deref())),
        ("metadata", order.metadata.clone()),
    ])
}

/// Who asks for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// With the key: everything.
    Owner,
    /// A webhook: without the client's secret.
    Webhook,
    /// Anybody: without metadata too.
    Public,
}

pub(super) fn session(order: &Order, reader: Reader, unknown: bool) -> Json {
    let status = if unknown { "frobnicated" } else { order.word() };
    let mut destination = vec![
        ("type", Json::text("evm")),
        ("address", Json::text(&order.address)),
        ("chainId", Json::int(order.chain.id)),
        ("chainName", Json::text(order.chain.name)),
        ("tokenAddress", Json::text(order.chain.usdc)),
        ("tokenSymbol", Json::text("USDC")),
    ];
    if let Some(amount) = &order.amount {
        destination.push(("amountUnits", Json::text(amount.to_string())));
    }
    if order.calldata != "0x" {
        destination.push(("calldata", Json::text(&order.calldata)));
    }
    // On a bounce it is the refund that is shown here.
    if matches!(order.stage, Stage::Completed | Stage::Bounced) {
        let received = order.paid.as_ref().map(ToString::to_string).unwrap_or_default();
        destination.push((
            "delivery",
            Json::object([
                ("txHash", Json::text_or_null(order.delivery_tx.as_deref())),
                ("receivedUnits", Json::text(received)),
            ]),
        ));
    }
    let mut members = vec![
        ("sessionId", Json::text(&order.id)),
        ("status", Json::text(status)),
        ("destination", Json::object(destination)),
        ("display", order.display.clone()),
        ("paymentMethod", method(order)),
        ("createdAt", Json::int(order.created)),
        ("expiresAt", Json::int(order.expires)),
    ];
    if reader != Reader::Public {
        members.push(("metadata", order.metadata.clone()));
    }
    if reader == Reader::Owner {
        members.push(("clientSecret", Json::text(&order.client_secret)));
    }
    Json::object(members)
}

fn method(order: &Order) -> Json {
    if order.method.is_empty() {
        return Json::Null;
    }
    let mut members = order.method.clone();
    if let Some(source) = &order.source {
        let mut told = Vec::new();
        if let Some(payer) = &source.payer {
            told.push(("address", Json::text(payer)));
        }
        told.extend([
            ("chainId", Json::int(source.coin.chain)),
            ("chainName", Json::text(source.coin.chain_name)),
            ("tokenAddress", Json::text(source.coin.token)),
            ("tokenSymbol", Json::text(source.coin.ticker.as_str())),
            ("sentUnits", Json::text(&source.units)),
        ]);
        if let Some(tx) = &source.tx {
            told.push(("txHash", Json::text(tx)));
        }
        members.push(("source".to_owned(), Json::object(told)));
    }
    Json::Object(members)
}

/// The word of an event; `None`: there is none.
pub(super) fn kind(generation: Generation, happened: Happened) -> Option<&'static str> {
    match (generation, happened) {
        (Generation::Payment, Happened::Started) => Some("payment_started"),
        (Generation::Payment, Happened::Completed) => Some("payment_completed"),
        (Generation::Payment, Happened::Bounced) => Some("payment_bounced"),
        (Generation::Payment, Happened::Refunded) => Some("payment_refunded"),
        (Generation::Session, Happened::Started) => Some("session.processing"),
        (Generation::Session, Happened::Completed) => Some("session.succeeded"),
        (Generation::Session, Happened::Bounced) => Some("session.bounced"),
        (Generation::Session, Happened::Refunded) => None,
    }
}

/// An event without its `type`, which comes first.
pub(super) fn event(order: &Order, happened: Happened, id: &str, at: i64, test: bool) -> Vec<(String, Json)> {
    let mut members = match order.generation {
        Generation::Payment => payment_event(order, happened),
        Generation::Session => vec![
            ("id", Json::text(id)),
            ("createdAt", Json::int(at)),
            ("data", Json::object([("session", session(order, Reader::Webhook, false))])),
        ],
    };
    if test {
        members.push(("isTestEvent", Json::Bool(true)));
    }
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn payment_event(order: &Order, happened: Happened) -> Vec<(&'static str, Json)> {
    let source = order.source.as_ref();
    let (chain, hash) = match happened {
        Happened::Started => {
            (source.map_or(order.chain.id, |s| s.coin.chain), source.and_then(|s| s.tx.as_deref()))
        }
        Happened::Completed | Happened::Bounced | Happened::Refunded => {
            (order.chain.id, order.delivery_tx.as_deref())
        }
    };
    let mut members = vec![
        ("paymentId", Json::text(&order.id)),
        ("chainId", Json::int(chain)),
        ("txHash", Json::text_or_null(hash)),
    ];
    if happened == Happened::Refunded {
        let amount = order.refunded.as_ref().map(ToString::to_string);
        members.extend([
            ("refundAddress", Json::text_or_null(order.refund_address.as_deref())),
            ("tokenAddress", Json::text(order.chain.usdc)),
            ("amountUnits", Json::text_or_null(amount)),
        ]);
    }
    members.push(("payment", payment(order, false)));
    members
}

/// Payments answer errors with a text.
pub(super) fn payment_error(message: &str) -> Json {
    Json::object([("error", Json::text(message))])
}

/// Sessions answer errors with an object.
pub(super) fn session_error(kind: &str, code: &str, message: &str, param: Option<&str>) -> Json {
    let mut members =
        vec![("type", Json::text(kind)), ("code", Json::text(code)), ("message", Json::text(message))];
    if let Some(param) = param {
        members.push(("param", Json::text(param)));
    }
    Json::object([("error", Json::object(members))])
}

impl read::Invalid {
    pub(super) fn message(&self) -> String {
        format!("{}: {}", self.param, self.rule)
    }
}

//! What is not the API itself: the payer's page, the providers' webhooks, running and reading the gateway.

use serde_json::json;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{ContentBuilder, RefOr, Required};

use super::super::super::body::WEBHOOK_LIMIT;
use super::super::super::error::ApiError;
use super::super::answers::{self, answer, error, internal_answer, json_answer, with_headers};
use super::super::schemas::{self, named, text};
use super::{Doc, PAYERS, RUNNING, WEBHOOKS, anything, parameter};

fn public_tx_id() -> Parameter {
    parameter(ParameterIn::Path, "txId", schemas::tx_id(), "The deposit's `txId`.")
}

fn html(description: &str) -> ResponseBuilder {
    answer(description).content("text/html", ContentBuilder::new().schema(Some(text())).build())
}

/// The payer's page.
pub(in crate::http) fn pay_page() -> Doc {
    Doc::get("/pay/{txId}", PAYERS, "getPayPage", "Page of a deposit")
        .says("A page without scripts for the paying person: amount, address, memo, link, QR code, state, what to do. Whoever has the link sees it.")
        .takes(public_tx_id())
        .answers("200", html("The page."))
        .answers("404", html("No such deposit: a page that says so."))
        .with(|operation| operation.response("500", html("The gateway's own failure: a page that says so.").build()))
}

/// The payer's QR code.
pub(in crate::http) fn qr_code() -> Doc {
    let svg = ContentBuilder::new().schema(Some(text())).build();
    Doc::get("/pay/{txId}/qr.svg", PAYERS, "getQrCode", "QR code of a deposit")
        .says("The payment link as a QR code: `QRUrl` of a deposit.")
        .takes(public_tx_id())
        .answers("200", answer("The image.").content("image/svg+xml", svg))
        .answers("404", html("No such deposit: a page that says so."))
        .with(|operation| {
            operation.response("500", html("The gateway's own failure: a page that says so.").build())
        })
}

/// Section 8.
pub(in crate::http) fn webhook() -> Doc {
    let providers = ["btcpay", "stripe", "daimo", "promptcash", "nano"];
    let provider = parameter(
        ParameterIn::Path,
        "provider",
        text().enum_values(Some(providers)).build(),
        "Who is calling. One that is not configured is not found.",
    );
    let token = ParameterBuilder::new()
        .name("token")
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .schema(Some(text()))
        .description(Some("`callback_token` of a Nano node, which cannot sign."))
        .build();
    let body = RequestBodyBuilder::new()
        .description(Some("The provider's message, as it signs it; at most 1 MiB."))
        .content("application/json", ContentBuilder::new().schema(Some(anything())).build())
        .required(Some(Required::True))
        .build();
    let failure = |description: &str, rows: Vec<ApiError>| {
        let rows: Vec<answers::Row> =
            rows.into_iter().map(|error| answers::Row { error, when: "" }).collect();
        error(description, &rows)
    };
    Doc::post("/webhooks/{provider}", WEBHOOKS, "receiveWebhook", "A provider's message")
        .says(
            "Called by providers, not by you. Verified by the provider's own signature or token, stored, then answered; a repeat is answered alike. \
             A message is only a hint to look: what the provider's API does not confirm credits nothing.",
        )
        .takes(provider)
        .takes(token)
        .reads(body)
        .answers("200", json_answer("Stored.", ObjectBuilder::new().schema_type(Type::Object), [("Stored", json!({}))]))
        .answers("400", failure("The body cannot be read.", vec![ApiError::webhook_cut_short()]))
        .answers("401", failure("Signature or token missing or wrong.", vec![ApiError::webhook_unauthenticated()]))
        .answers("404", error("No such provider.", &[answers::path_not_found("the provider is not configured, or has no webhooks")]))
        .answers("413", failure("The body is too large.", vec![ApiError::body_too_large(WEBHOOK_LIMIT)]))
        .answers("503", with_headers(failure("It could not be stored: send it again.", vec![ApiError::not_stored()]), &["Retry-After"]))
}

fn fine(description: &str) -> ResponseBuilder {
    let schema = ObjectBuilder::new().property("status", text().enum_values(Some(["ok"]))).required("status");
    json_answer(description, schema, [("Fine", json!({"status": "ok"}))])
}

/// Liveness.
pub(in crate::http) fn healthz() -> Doc {
    Doc::get("/healthz", RUNNING, "getHealth", "Does the process live?").answers("200", fine("It does."))
}

/// Readiness.
pub(in crate::http) fn readyz() -> Doc {
    let when = "the store takes no writes, or a background task does not run: `details` says which";
    let rows = [answers::Row { error: ApiError::not_ready(), when }];
    let failing = json!({"status": "ok", "failing": [{
        "provider": "btcpay", "call": "read", "kind": "authentication", "since": "2026-03-04T09:30:00.000Z", "count": 3,
        "last": "btcpay: read: credentials refused",
    }]});
    let examples = [("Fine", json!({"status": "ok"})), ("A provider fails", failing)];
    Doc::get("/readyz", RUNNING, "getReadiness", "Does it serve?")
        .says(
            "The store takes a write in time and every background task runs. What fails at single providers, and which of them are read too \
             late, is said beside it: their own tickers suffer, the others are served.",
        )
        .answers("200", json_answer("It does.", named("Readiness"), examples))
        .answers("503", with_headers(error("Not now.", &rows), &["Retry-After"]))
}

/// Figures for operators.
pub(in crate::http) fn metrics() -> Doc {
    Doc::get("/metrics", RUNNING, "getMetrics", "Figures for monitoring")
        .says("OpenMetrics text, for Prometheus and what reads its format.")
        .answers(
            "200",
            answer("The figures.")
                .content("application/openmetrics-text", ContentBuilder::new().schema(Some(text())).build()),
        )
        .with(|operation| operation.response("500", internal_answer()))
}

/// This document.
pub(in crate::http) fn openapi_json() -> Doc {
    let any_object: RefOr<Schema> = ObjectBuilder::new().schema_type(Type::Object).into();
    let same =
        parameter(ParameterIn::Header, "If-None-Match", text().build(), "`ETag` of the copy that you have.");
    Doc::get("/openapi.json", RUNNING, "getOpenApi", "This document")
        .says("OpenAPI 3.1, made from the code. `Cache-Control: public, max-age=300`.")
        .takes(same)
        .answers("200", with_headers(json_answer("The document.", any_object, []), &["ETag"]))
        .answers("304", with_headers(answer("You have it."), &["ETag"]))
}

/// This document as a page.
pub(in crate::http) fn docs_page() -> Doc {
    Doc::get("/docs", RUNNING, "getDocs", "This document as a page")
        .says("Without scripts, and without anything from elsewhere. `Cache-Control: public, max-age=300`.")
        .answers("200", with_headers(html("The page."), &["Content-Security-Policy"]))
}

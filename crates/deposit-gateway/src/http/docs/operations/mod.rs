//! The calls of the API, one function each: path, parameters, answers. A route is made from one of these, so that none is without
//! documentation (see [`Doc::answered_by`]).

mod account;
mod around;
mod deposits;

use axum::handler::Handler;
use axum::routing::{MethodFilter, on};
use deposit_core::Ticker;
use serde_json::json;
use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn,
};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, Object, Paths, Required};
use utoipa_axum::router::UtoipaMethodRouter;

use super::super::App;
use super::answers::unauthorized_answer;
use super::schemas::{self};

pub(in crate::http) use account::{check_balance, fiat_prices, ledger_entries, nano_price, receive_nano};
pub(in crate::http) use around::{
    docs_page, healthz, metrics, openapi_json, pay_page, qr_code, readyz, webhook,
};
pub(in crate::http) use deposits::{create, create_daimo, events, limits, status};

pub(super) const DEPOSITS: &str = "Deposits";
pub(super) const ACCOUNT: &str = "Account";
pub(super) const PRICES: &str = "Prices";
pub(super) const PAYERS: &str = "For the payer";
pub(super) const WEBHOOKS: &str = "Webhooks in";
pub(super) const RUNNING: &str = "Operation";

/// An operation and where it is.
pub(in crate::http) struct Doc {
    path: &'static str,
    method: HttpMethod,
    operation: OperationBuilder,
}

impl Doc {
    fn new(method: HttpMethod, path: &'static str, tag: &str, id: &str, summary: &str) -> Self {
        let operation = OperationBuilder::new().tag(tag).operation_id(Some(id)).summary(Some(summary));
        Self { path, method, operation }
    }

    fn get(path: &'static str, tag: &str, id: &str, summary: &str) -> Self {
        Self::new(HttpMethod::Get, path, tag, id, summary)
    }

    fn post(path: &'static str, tag: &str, id: &str, summary: &str) -> Self {
        Self::new(HttpMethod::Post, path, tag, id, summary)
    }

    fn with(mut self, change: impl FnOnce(OperationBuilder) -> OperationBuilder) -> Self {
        self.operation = change(self.operation);
        self
    }

    fn says(self, description: &str) -> Self {
        self.with(|operation| operation.description(Some(description)))
    }

    /// Either header is enough.
    fn with_key(self) -> Self {
        let none: [&str; 0] = [];
        self.with(|operation| {
            operation
                .security(SecurityRequirement::new("bearer", none))
                .security(SecurityRequirement::new("apiKey", none))
                .response("401", unauthorized_answer())
        })
    }

    fn takes(self, parameter: Parameter) -> Self {
        self.with(|operation| operation.parameter(parameter))
    }

    fn reads(self, body: RequestBody) -> Self {
        self.with(|operation| operation.request_body(Some(body)))
    }

    fn answers(self, status: &str, response: ResponseBuilder) -> Self {
        self.with(|operation| operation.response(status, response.build()))
    }

    /// The route: this path and method, answered by that handler.
    pub(in crate::http) fn answered_by<H, T>(self, handler: H) -> UtoipaMethodRouter<App>
    where
        H: Handler<T, App>,
        T: 'static,
    {
        // All but the posts are read-only.
        let filter = if self.method == HttpMethod::Post { MethodFilter::POST } else { MethodFilter::GET };
        let operation: Operation = self.operation.build();
        let mut paths = Paths::new();
        paths.add_path_operation(self.path, vec![self.method], operation);
        (Vec::new(), paths, on(filter, handler))
    }
}

fn parameter(place: ParameterIn, name: &str, schema: Object, description: &str) -> Parameter {
    let is_needed = !matches!(place, ParameterIn::Header);
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(if is_needed { Required::True } else { Required::False })
        .schema(Some(schema))
        .description(Some(description))
        .build()
}

fn ticker(among: &[Ticker], example: Ticker, description: &str) -> Parameter {
    parameter(ParameterIn::Path, "ticker", schemas::ticker(among, example), description)
}

fn any_ticker(place: ParameterIn) -> Parameter {
    let description = "The deposit's ticker, in any case of letters.";
    parameter(place, "ticker", schemas::ticker(Ticker::KNOWN, Ticker::BTC), description)
}

fn tx_id(place: ParameterIn) -> Parameter {
    parameter(
        place,
        "txId",
        schemas::tx_id(),
        "The deposit's `txId`, or the provider's id of it: the Stripe checkout session, Daimo's `paymentId`; for XNO the hash of the send \
         or of the receive block.",
    )
}

fn anything() -> Schema {
    ObjectBuilder::new().schema_type(SchemaType::AnyValue).into()
}

/// A body that is not looked at.
fn ignored_body() -> RequestBody {
    let content = ContentBuilder::new().schema(Some(anything())).example(Some(json!({}))).build();
    RequestBodyBuilder::new()
        .description(Some("Ignored: none, `{}` or anything."))
        .content("application/json", content)
        .required(Some(Required::False))
        .build()
}

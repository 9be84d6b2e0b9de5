//! The answers of the document: headers, examples, and errors, which are made from the errors that the code answers with.

use deposit_core::{Amount, Asset, Ticker};
use deposit_engine::{CreateError, Refusal};
use serde_json::{Value, json};
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{AllOfBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::{ContentBuilder, Header, Ref, RefOr};

use super::super::body::JSON_LIMIT;
use super::super::error::ApiError;
use super::schemas::{count, named, text};

/// An error and when it comes.
pub(super) struct Row {
    pub(super) error: ApiError,
    pub(super) when: &'static str,
}

fn row(error: impl Into<ApiError>, when: &'static str) -> Row {
    Row { error: error.into(), when }
}

fn refusal(refusal: &Refusal, when: &'static str) -> Row {
    row(refusal, when)
}

/// A figure for an example; of a text that is one, as the tests see.
fn btc(text: &str) -> Amount {
    Amount::parse(text, Asset::BTC).unwrap_or_else(|_| Amount::zero(Asset::BTC))
}

pub(super) fn unsupported_ticker() -> Row {
    let hint = "deposits of XNO need no order: pay to nanoDepositAddress of check-balance".to_owned();
    refusal(
        &Refusal::UnsupportedTicker { hint },
        "no such ticker, or one that this call does not take (XNO takes no orders)",
    )
}

fn amounts() -> Vec<Row> {
    vec![
        refusal(&Refusal::InvalidJson, "the body is not JSON, not an object, or has `amount` twice"),
        refusal(&Refusal::AmountMissing, "no body, a blank body, `null`, no `amount`, or `amount` is null"),
        refusal(&Refusal::InvalidAmount, "not a number, 0, or negative"),
        refusal(
            &Refusal::AmountPrecision { ticker: Ticker::BTC, decimals: 8 },
            "more decimals than the ticker has; trailing zeros are fine",
        ),
        refusal(
            &Refusal::BelowMinimum { minimum: btc("0.000002") },
            "below `minimum` of the ticker's limits",
        ),
        refusal(&Refusal::AboveMaximum { maximum: btc("0.01") }, "above `maximum` of the ticker's limits"),
    ]
}

fn idempotency_key() -> Row {
    row(
        ApiError::invalid_idempotency_key(),
        "`Idempotency-Key` is empty, over 255 characters, not printable ASCII, or given twice",
    )
}

pub(super) fn refused_create() -> Vec<Row> {
    let mut rows = vec![idempotency_key(), unsupported_ticker()];
    rows.extend(amounts());
    rows
}

pub(super) fn unauthorized() -> Vec<Row> {
    vec![
        row(ApiError::missing_api_key(), "no API key"),
        row(ApiError::invalid_api_key(), "an unknown or revoked key, or two that differ"),
    ]
}

pub(super) fn invalid_tx_id() -> Row {
    row(ApiError::invalid_tx_id(), "`txId` is not 1-255 of `A-Z a-z 0-9 _ -`")
}

pub(super) fn missing_parameter() -> Row {
    row(ApiError::missing_parameter(), "`ticker` or `txId` is not given")
}

pub(super) fn transaction_not_found() -> Row {
    row(ApiError::transaction_not_found(), "no such deposit of this account under this ticker")
}

pub(super) fn path_not_found(when: &'static str) -> Row {
    row(ApiError::path_not_found(), when)
}

fn method_not_allowed() -> Row {
    row(ApiError::method_not_allowed(), "the path exists, the method does not; `Allow` says which do")
}

pub(super) fn conflict() -> Vec<Row> {
    vec![
        row(&CreateError::IdempotencyConflict, "the key was used for another ticker or amount"),
        row(
            &CreateError::IdempotencyRunning,
            "the first request with this key is still running; `Retry-After: 1`",
        ),
    ]
}

pub(super) fn too_large() -> Row {
    row(ApiError::body_too_large(JSON_LIMIT), "a body of more than 16 KiB")
}

pub(super) fn rate_limited() -> Row {
    row(
        ApiError::rate_limited(600),
        "the limit of creates, see *Rate limit*; `Retry-After` says when to come back",
    )
}

pub(super) fn unavailable() -> Row {
    row(
        ApiError::unavailable(None),
        "the ticker's provider is off, down or refusing, or there is no fresh rate; with `Retry-After` if it may pass",
    )
}

pub(super) fn internal() -> Row {
    row(ApiError::internal(), "the gateway's own failure; nothing inner is told")
}

pub(super) fn price_unavailable() -> Row {
    row(ApiError::price_unavailable(20), "no fresh rate; with `Retry-After`")
}

pub(super) fn invalid_parameter() -> Row {
    row(
        ApiError::invalid_parameter("limit must be at least 1"),
        "`after` or `limit` is no whole number in its range, or is given twice",
    )
}

pub(super) fn too_many_streams() -> Row {
    row(ApiError::too_many_streams(), "the gateway has as many event streams open as it may have")
}

pub(super) fn too_many_streams_of_account() -> Row {
    row(
        ApiError::too_many_streams_of_account(64),
        "the account has as many event streams open as one may have",
    )
}

/// Section 5, in its order: what the guide's table shows.
pub(super) fn table() -> Vec<Row> {
    let mut rows = amounts();
    rows.push(unsupported_ticker());
    rows.extend([invalid_tx_id(), missing_parameter(), idempotency_key(), invalid_parameter()]);
    rows.extend(unauthorized());
    rows.push(transaction_not_found());
    rows.push(path_not_found("unknown path"));
    rows.push(method_not_allowed());
    rows.extend(conflict());
    rows.extend([too_large(), rate_limited(), too_many_streams_of_account()]);
    rows.extend([unavailable(), price_unavailable(), internal(), too_many_streams()]);
    rows
}

/// An example with a name.
pub(super) fn example(summary: &str, value: Value) -> (String, RefOr<utoipa::openapi::example::Example>) {
    let key: String = summary
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .collect();
    (key, ExampleBuilder::new().summary(summary).value(Some(value)).build().into())
}

/// The contract's examples are JSON texts.
pub(super) fn sample(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Null)
}

/// An answer with the headers that every answer has.
pub(super) fn answer(description: &str) -> ResponseBuilder {
    with_headers(ResponseBuilder::new().description(description), &["X-Request-ID", "Cache-Control"])
}

/// The same with headers of the components.
pub(super) fn with_headers(response: ResponseBuilder, names: &[&str]) -> ResponseBuilder {
    names.iter().fold(response, |response, name| {
        response.header_ref(*name, Ref::new(format!("#/components/headers/{name}")))
    })
}

/// A JSON answer.
pub(super) fn json_answer(
    description: &str,
    schema: impl Into<RefOr<Schema>>,
    examples: impl IntoIterator<Item = (&'static str, Value)>,
) -> ResponseBuilder {
    let examples = examples.into_iter().map(|(summary, value)| example(summary, value));
    let content = ContentBuilder::new().schema(Some(schema)).examples_from_iter(examples).build();
    answer(description).content("application/json", content)
}

/// The error body with the status and codes that this answer has, one example for each.
pub(super) fn error(description: &str, rows: &[Row]) -> ResponseBuilder {
    let mut codes: Vec<&str> = rows.iter().map(|row| row.error.code()).collect();
    codes.dedup();
    let statuses: Vec<u16> = rows.iter().take(1).map(|row| row.error.status().as_u16()).collect();
    let status = ObjectBuilder::new().schema_type(Type::Integer).enum_values(Some(statuses));
    let narrowed =
        ObjectBuilder::new().property("status", status).property("code", text().enum_values(Some(codes)));
    let schema: Schema = AllOfBuilder::new().item(named("Error")).item(narrowed).into();
    let mut examples: Vec<(String, RefOr<utoipa::openapi::example::Example>)> = Vec::new();
    for row in rows {
        let mut key = row.error.code().to_owned();
        if examples.iter().any(|(taken, _)| *taken == key) {
            key.push_str("_2");
        }
        let value = serde_json::to_value(row.error.body()).unwrap_or(Value::Null);
        examples.push((key, ExampleBuilder::new().summary(row.when).value(Some(value)).build().into()));
    }
    let content = ContentBuilder::new().schema(Some(schema)).examples_from_iter(examples).build();
    answer(description).content("application/json", content)
}

/// 401 of the deposit API.
pub(super) fn unauthorized_answer() -> Response {
    with_headers(error("No API key, or a wrong one.", &unauthorized()), &["WWW-Authenticate"]).build()
}

/// 500 of calls that use nothing but the store.
pub(super) fn internal_answer() -> Response {
    error("The gateway's own failure.", &[internal()]).build()
}

/// The headers of answers, by name.
pub(super) fn headers() -> Vec<(&'static str, Header)> {
    let header = |schema: ObjectBuilder, description: &str, example: Value| {
        HeaderBuilder::new()
            .schema(Some(schema))
            .description(Some(description))
            .example(Some(example))
            .build()
    };
    let seconds = || count();
    vec![
        (
            "X-Request-ID",
            header(
                text(),
                "Name of this request in the logs: the client's own where it sent one of 1-128 visible ASCII characters.",
                json!("0f8b6c52a7e94d3b9c1e5f7a2d4b6c80"),
            ),
        ),
        ("Cache-Control", header(text(), "`no-store` unless said otherwise.", json!("no-store"))),
        (
            "x-poll-after",
            header(
                ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)),
                "Seconds until asking again is worth while: 5 for `New` and `Pending`, 10 for `Processing` and `Paid`, 60 for `Expired` and \
                 `Failed`; absent for `Completed` (60 after a reversal).",
                json!(5),
            ),
        ),
        (
            "Retry-After",
            header(
                ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)),
                "Whole seconds until it is worth while to try again.",
                json!(42),
            ),
        ),
        ("RateLimit-Limit", header(seconds(), "Creates that the window takes.", json!(10))),
        ("RateLimit-Remaining", header(seconds(), "Creates that are left in it now.", json!(9))),
        ("RateLimit-Reset", header(seconds(), "Seconds until more are left.", json!(600))),
        (
            "Idempotent-Replayed",
            header(
                text().enum_values(Some(["true"])),
                "`true` where this is the first answer to the same `Idempotency-Key`, again; else absent.",
                json!("true"),
            ),
        ),
        ("WWW-Authenticate", header(text(), "`Bearer`", json!("Bearer"))),
        (
            "ETag",
            header(text(), "Changes when the document does; send it as `If-None-Match`.", json!("\"3f2a…\"")),
        ),
        (
            "Content-Security-Policy",
            header(text(), "Nothing from elsewhere, no scripts.", json!("default-src 'none'")),
        ),
    ]
}

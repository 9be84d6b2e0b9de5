//! The calls of the API, one function each: path, parameters, answers. A route is made from one of these, so that none is without
//! documentation (see [`Doc::answered_by`]).

use axum::handler::Handler;
use axum::routing::{MethodFilter, on};
use deposit_core::Ticker;
use serde_json::json;
use utoipa::openapi::link::Link;
use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn,
};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, Object, Paths, RefOr, Required};
use utoipa_axum::router::UtoipaMethodRouter;

use super::super::App;
use super::super::body::WEBHOOK_LIMIT;
use super::super::error::ApiError;
use super::answers::{
    self, answer, error, internal_answer, json_answer, sample, unauthorized_answer, with_headers,
};
use super::schemas::{self, count, named, text};

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

const CREATED_BTC: &str = r#"{"txId":"Jq4vT9mZxK2cRw7LbYd3Hp","ticker":"BTC","amount":0.0004,"status":"New","createdAt":"2026-03-04T09:30:00.000Z","expiresAt":"2026-03-04T10:30:00.000Z","expiration":1772620200,"remainingTime":3600,"paidAmountCrypto":0,"address":"bc1qexample","paymentLink":"bitcoin:bc1qexample?amount=0.0004","QRUrl":"https://deposit.example/pay/Jq4vT9mZxK2cRw7LbYd3Hp/qr.svg","amountCrypto":0.0004,"amountFiat":20}"#;
const CREATED_LIGHTNING: &str = r#"{"txId":"Wm8sQe1nTzR5vKx3JdBf7L","ticker":"BTC-LN","amount":0.0001,"status":"New","createdAt":"2026-03-04T09:30:00.000Z","expiresAt":"2026-03-04T10:30:00.000Z","expiration":1772620200,"remainingTime":3600,"paidAmountCrypto":0,"address":"lnbc100u1example","paymentLink":"lightning:lnbc100u1example","QRUrl":"https://deposit.example/pay/Wm8sQe1nTzR5vKx3JdBf7L/qr.svg","amountCrypto":0.0001,"amountFiat":5,"bonusPercent":5}"#;
const CREATED_USDC: &str = r#"{"txId":"Hc5pYb2uNwX9rGf4MzKt6A","ticker":"USDC","amount":10,"status":"New","createdAt":"2026-03-04T09:30:00.000Z","expiresAt":"2026-03-04T10:30:00.000Z","expiration":1772620200,"remainingTime":3600,"paidAmountCrypto":0,"paymentLink":"https://deposit.example/pay/Hc5pYb2uNwX9rGf4MzKt6A","QRUrl":"https://deposit.example/pay/Hc5pYb2uNwX9rGf4MzKt6A/qr.svg","amountFiat":10,"paymentId":"7xKq2example"}"#;
const CREATED_EUR: &str = r#"{"txId":"Zt3kVn7qLsD1xPw8RbCj5E","ticker":"EUR","amount":10,"status":"New","createdAt":"2026-03-04T09:30:00.000Z","expiresAt":"2026-03-04T10:30:00.000Z","expiration":1772620200,"remainingTime":3600,"paidAmountCrypto":0,"paymentLink":"https://checkout.stripe.com/c/pay/cs_example","QRUrl":"https://deposit.example/pay/Zt3kVn7qLsD1xPw8RbCj5E/qr.svg","amountFiat":10.8}"#;
const STATUS_BTC: &str = r#"{"txId":"Jq4vT9mZxK2cRw7LbYd3Hp","ticker":"BTC","amount":0.0004,"status":"Completed","createdAt":"2026-03-04T09:30:00.000Z","expiresAt":"2026-03-04T10:30:00.000Z","expiration":1772620200,"remainingTime":2412,"paidAmountCrypto":0.0004,"address":"bc1qexample","paymentLink":"bitcoin:bc1qexample?amount=0.0004","QRUrl":"https://deposit.example/pay/Jq4vT9mZxK2cRw7LbYd3Hp/qr.svg","amountCrypto":0.0004,"amountFiat":20,"updatedAt":"2026-03-04T09:49:48.000Z","confirmations":1,"requiredConfirmations":1,"creditedUsd":20,"completedAt":"2026-03-04T09:49:48.000Z","payments":[{"id":"4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b-0","amount":0.0004,"stage":"confirmed","confirmations":1}]}"#;
const STATUS_PARTIAL: &str = r#"{"txId":"Jq4vT9mZxK2cRw7LbYd3Hp","ticker":"BTC","amount":0.0004,"status":"Pending","createdAt":"2026-03-04T09:30:00.000Z","expiresAt":"2026-03-04T10:30:00.000Z","expiration":1772620200,"remainingTime":2412,"paidAmountCrypto":0.0001,"address":"bc1qexample","paymentLink":"bitcoin:bc1qexample?amount=0.0004","QRUrl":"https://deposit.example/pay/Jq4vT9mZxK2cRw7LbYd3Hp/qr.svg","amountCrypto":0.0004,"amountFiat":20,"updatedAt":"2026-03-04T09:49:48.000Z","creditedUsd":5,"statusReason":"paid in part","payments":[{"id":"4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b-0","amount":0.0001,"stage":"confirmed"}]}"#;
const STATUS_NANO: &str = r#"{"txId":"Bf6dXr4tQmK9zHv2LwNs8C","ticker":"XNO","status":"Completed","createdAt":"2026-03-04T09:30:00.000Z","paidAmountCrypto":1.5,"address":"nano_1examp1e","amountCrypto":1.5,"updatedAt":"2026-03-04T09:30:01.000Z","creditedNano":1.5,"completedAt":"2026-03-04T09:30:01.000Z","payments":[{"id":"991CF190094C00F0B68E2E5F75F6BEE95A2E0BD93CEAA4A6734DB9F19B728948","amount":1.5,"stage":"confirmed"}]}"#;
const EVENTS: &str = "retry: 5000\n\nid: 3\ndata: {\"txId\":\"Jq4vT9mZxK2cRw7LbYd3Hp\",\"ticker\":\"BTC\",\"status\":\"Processing\", …}\n\n: ping\n\nid: 4\ndata: {\"txId\":\"Jq4vT9mZxK2cRw7LbYd3Hp\",\"ticker\":\"BTC\",\"status\":\"Completed\", …}\n\n";

const RATE_HEADERS: [&str; 3] = ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"];

fn with_rate(response: ResponseBuilder) -> ResponseBuilder {
    with_headers(response, &RATE_HEADERS)
}

/// What both creates have in common.
fn creates(doc: Doc, amounts: &[(&'static str, &str)], created: &[(&'static str, &str)]) -> Doc {
    let amounts = amounts.iter().map(|(summary, body)| answers::example(summary, sample(body)));
    let content =
        ContentBuilder::new().schema(Some(named("CreateRequest"))).examples_from_iter(amounts).build();
    let body = RequestBodyBuilder::new()
        .description(Some("A JSON object of at most 16 KiB, whatever `Content-Type` says."))
        .content("application/json", content)
        .required(Some(Required::True))
        .build();
    let key = parameter(
        ParameterIn::Header,
        "Idempotency-Key",
        // Spaces at either end are no part of a header's value.
        text().min_length(Some(1)).max_length(Some(255)).pattern(Some("^[!-~]([ -~]{0,253}[!-~])?$")).build(),
        "Makes a repeat safe: 1-255 printable ASCII characters of your choice, kept for 24 hours for each account. The same key with the \
         same ticker and amount gives the first answer (200 or 400) again, with `Idempotent-Replayed: true`; with other content, or while the \
         first request is still running, 409. After a 500 it resumes the same deposit.",
    );
    let created = created.iter().map(|(summary, body)| (*summary, sample(body)));
    let link = |id: &str, description: &str, by_ticker: bool| {
        let link = Link::builder()
            .operation_id(id)
            .parameter("txId", "$response.body#/txId")
            .description(description);
        let link = if by_ticker { link.parameter("ticker", "$response.body#/ticker") } else { link };
        link.build()
    };
    let ok = json_answer(
        "The deposit is created; show its `paymentLink` or `address` to the payer.",
        named("CreatedDeposit"),
        created,
    )
    .link("status", link("getStatus", "How the deposit stands.", true))
    .link("events", link("followStatus", "Every change of it.", true))
    .link("page", link("getPayPage", "Its page for the payer.", false))
    .link("qr", link("getQrCode", "The QR code on it.", false));
    let replayed = |response| with_headers(with_rate(response), &["Idempotent-Replayed"]);
    doc.takes(key)
        .reads(body)
        .with_key()
        .answers("200", replayed(ok))
        .answers("400", replayed(error("Refused; nothing was created.", &answers::refused_create())))
        .answers(
            "409",
            with_headers(
                with_rate(error("The idempotency key is taken.", &answers::conflict())),
                &["Retry-After"],
            ),
        )
        .answers("413", with_rate(error("The body is too large.", &[answers::too_large()])))
        .answers(
            "429",
            with_headers(
                with_rate(error(
                    "The limit of creates is reached; without a valid key, that of the address.",
                    &[answers::rate_limited()],
                )),
                &["Retry-After"],
            ),
        )
        .answers(
            "500",
            with_headers(
                with_rate(error(
                    "Not now: a repeat with the same `Idempotency-Key` is safe.",
                    &[answers::unavailable(), answers::internal()],
                )),
                &["Retry-After"],
            ),
        )
}

/// Section 3.1, 3.3.
pub(in crate::http) fn create() -> Doc {
    let orders: Vec<Ticker> = Ticker::KNOWN.iter().copied().filter(|ticker| *ticker != Ticker::XNO).collect();
    let doc = Doc::post("/api/transaction/create/{ticker}", DEPOSITS, "createDeposit", "Create a deposit")
        .says(
            "Opens an order at the ticker's provider and locks the rate. Takes every ticker but XNO, which needs no order: what arrives at \
             the account's `nanoDepositAddress` (see check-balance) is credited by itself.\n\n\
             `amount` is in the coin; in USD for USDC, USDT, ETH, SOL; in its currency for USD, EUR, GBP. A card payer is sent to \
             `paymentLink`, the checkout.",
        )
        .takes(ticker(&orders, Ticker::BTC, "What to deposit, in any case of letters: any of *Tickers* but XNO."));
    creates(
        doc,
        &[("An amount", r#"{"amount":0.0004}"#)],
        &[
            ("Cryptocurrency", CREATED_BTC),
            ("Lightning with a bonus", CREATED_LIGHTNING),
            ("Multi-chain", CREATED_USDC),
            ("Card", CREATED_EUR),
        ],
    )
}

/// Section 3.2.
pub(in crate::http) fn create_daimo() -> Doc {
    let doc = Doc::post(
        "/api/transaction/create/daimo/{ticker}",
        DEPOSITS,
        "createMultiChainDeposit",
        "Create a multi-chain deposit",
    )
    .says("The same as `create/{ticker}` for USDC, USDT, ETH and SOL, which are paid from any chain and settle as USDC; other tickers are unsupported here. `amount` is in USD.")
    .takes(ticker(&schemas::DAIMO, Ticker::USDC, "`usdc`, `usdt`, `eth` or `sol`, in any case of letters."));
    creates(doc, &[("About ten USD", r#"{"amount":10}"#)], &[("Multi-chain", CREATED_USDC)])
}

/// Section 3.4.
pub(in crate::http) fn limits() -> Doc {
    let ok = json_answer(
        "The limits at the present rate. A quoted value sent back unchanged within 60 s is accepted even if the rate moved.",
        named("Limits"),
        [(
            "Kaspa",
            sample(
                r#"{"minimum":125,"maximum":6250,"fiatEquivalentMinimum":10,"fiatEquivalentMaximum":500,"timestamp":1772616600}"#,
            ),
        )],
    );
    Doc::get("/api/transaction/limits/{ticker}", DEPOSITS, "getLimits", "Least and greatest amount")
        .says("For all 25 tickers, in the unit of `amount`; for XNO advisory, since every direct payment is credited.")
        .takes(ticker(Ticker::KNOWN, Ticker::KAS, "Any ticker, in any case of letters."))
        .with_key()
        .answers("200", ok)
        .answers("400", error("No such ticker.", &[answers::unsupported_ticker()]))
        .answers("500", error("No fresh rate, or the ticker's provider is off.", &[answers::unavailable(), answers::internal()]))
}

/// Section 3.5.
pub(in crate::http) fn status() -> Doc {
    let ok = json_answer(
        "The deposit as it is now.",
        named("DepositStatus"),
        [
            ("Credited", sample(STATUS_BTC)),
            ("Paid in part", sample(STATUS_PARTIAL)),
            ("Direct Nano payment", sample(STATUS_NANO)),
        ],
    );
    Doc::get("/api/transaction/status/{ticker}/{txId}", DEPOSITS, "getStatus", "State of a deposit")
        .says(
            "Ask no sooner than `x-poll-after` seconds later, or follow the events instead. A deposit of another account, or asked for under \
             another ticker, is not found.",
        )
        .takes(any_ticker(ParameterIn::Path))
        .takes(tx_id(ParameterIn::Path))
        .with_key()
        .answers("200", with_headers(ok, &["x-poll-after"]))
        .answers("400", error("No such ticker, or no possible id.", &[answers::unsupported_ticker(), answers::invalid_tx_id()]))
        .answers("404", error("No such deposit.", &[answers::transaction_not_found()]))
        .with(|operation| operation.response("500", internal_answer()))
}

/// Section 3.6.
pub(in crate::http) fn events() -> Doc {
    let data = text()
        .content_media_type("application/json")
        .content_schema(Some(named("DepositStatus")))
        .description(Some("The deposit as it was after the change, on one line of JSON."));
    let id = text()
        .pattern(Some("^[0-9]+$"))
        .description(Some("Rises with each change; send the last one as `Last-Event-ID`."));
    let event = ObjectBuilder::new()
        .description(Some("Each event of the stream. There is no `event:` line."))
        .property("id", id)
        .property("data", data)
        .required("id")
        .required("data");
    let content = ContentBuilder::new().schema(Some(event)).example(Some(json!(EVENTS))).build();
    let ok = answer("The stream. `Cache-Control: no-cache`.").content("text/event-stream", content);
    let last = parameter(
        ParameterIn::Header,
        "Last-Event-ID",
        text().build(),
        "The `id` last received, as browsers send it when they reconnect: only newer states are sent. One that no stream ever sent is ignored.",
    );
    Doc::get("/api/transaction/status/events", DEPOSITS, "followStatus", "Every change of a deposit, as it happens")
        .says(
            "Server-Sent Events: `retry: 5000`, at once the present state, then one event for each change, and `: ping` after 15 s of silence. \
             A slow reader may miss states in the middle, never the last.\n\n\
             The stream ends after `Completed`. `Expired` and `Failed` may still be paid, so that it stays open, and is closed by the server \
             after an hour without a change; a client may connect again. Authentication is by header: in a browser use `fetch` or a library \
             that sends headers, `EventSource` cannot.",
        )
        .takes(any_ticker(ParameterIn::Query))
        .takes(tx_id(ParameterIn::Query))
        .takes(last)
        .with_key()
        .answers("200", ok)
        .answers("204", answer("`Completed` was delivered already (by `Last-Event-ID`): a browser stops to reconnect."))
        .answers(
            "400",
            error(
                "A parameter is missing or wrong.",
                &[answers::missing_parameter(), answers::unsupported_ticker(), answers::invalid_tx_id()],
            ),
        )
        .answers("404", error("No such deposit.", &[answers::transaction_not_found()]))
        .answers("429", with_headers(error("The account has as many streams open as one may have.", &[answers::too_many_streams_of_account()]), &["Retry-After"]))
        .answers("503", with_headers(error("The gateway has as many streams open as it may have: ask for the status instead.", &[answers::too_many_streams()]), &["Retry-After"]))
        .with(|operation| operation.response("500", internal_answer()))
}

/// Section 3.7.
pub(in crate::http) fn check_balance() -> Doc {
    let ok = json_answer(
        "The balances, and where to pay Nano.",
        named("Balance"),
        [(
            "Balances",
            sample(r#"{"usd_balance":"37.5","nano_balance":"2.25","nanoDepositAddress":"nano_1examp1e"}"#),
        )],
    );
    Doc::post("/api/check-balance", ACCOUNT, "checkBalance", "Balances")
        .says(
            "Credits less reversals of the account. Payments in XNO raise `nano_balance`, unconverted; all else raises `usd_balance`.",
        )
        .reads(ignored_body())
        .with_key()
        .answers("413", error("The body is too large.", &[answers::too_large()]))
        .answers("200", ok)
        .with(|operation| operation.response("500", internal_answer()))
}

/// Section 3.8.
pub(in crate::http) fn receive_nano() -> Doc {
    let ok = json_answer(
        "What was received now; `[]` and `\"0\"` where nothing waited. Some failed: `success` is false, the others are listed.",
        named("ReceivedNano"),
        [
            (
                "Received",
                sample(
                    r#"{"success":true,"received_blocks":["5C1A2E5F75F6BEE95A2E0BD93CEAA4A6734DB9F19B728948991CF190094C00F0"],"total_received":"1.5"}"#,
                ),
            ),
            ("Nothing waiting", sample(r#"{"success":true,"received_blocks":[],"total_received":"0"}"#)),
        ],
    );
    Doc::post("/api/receive-nano", ACCOUNT, "receiveNano", "Take in waiting Nano")
        .says("Receives and credits what waits at the account's Nano address. It happens unasked too; this only makes it happen now.")
        .reads(ignored_body())
        .with_key()
        .answers("413", error("The body is too large.", &[answers::too_large()]))
        .answers("200", ok)
        .answers("500", with_headers(error("The node is down, or no Nano provider is configured.", &[answers::unavailable(), answers::internal()]), &["Retry-After"]))
}

/// Section 9.
pub(in crate::http) fn ledger_entries() -> Doc {
    let optional = |name: &str, schema: ObjectBuilder, description: &str| {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Query)
            .required(Required::False)
            .schema(Some(schema))
            .description(Some(description))
            .build()
    };
    let ok = json_answer(
        "The entries after `after`, in rising order; fewer than `limit` where there are no more now.",
        named("LedgerEntries"),
        [(
            "A credit and its reversal",
            sample(
                r#"{"entries":[{"id":41,"at":"2026-03-04T09:49:48.000Z","currency":"USD","amount":"20","txId":"Jq4vT9mZxK2cRw7LbYd3Hp","payment":"4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b-0","kind":"credit"},{"id":57,"at":"2026-03-04T11:02:10.000Z","currency":"USD","amount":"-20","txId":"Jq4vT9mZxK2cRw7LbYd3Hp","payment":"4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b-0","kind":"reversal"}]}"#,
            ),
        )],
    );
    let max = i64::MAX;
    Doc::get("/api/ledger/entries", ACCOUNT, "listLedgerEntries", "The account's ledger")
        .says(
            "For the product's back end: every change of the balances, for good. What was read once never changes and no entry appears before \
             it, so that a copy is kept by asking for what is after the last `id`.",
        )
        .takes(optional("after", count().maximum(Some(max)).default(Some(json!(0))), "Only entries with a greater `id`."))
        .takes(optional(
            "limit",
            ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(max)).default(Some(json!(100))),
            "At most so many; never more than 1000.",
        ))
        .with_key()
        .answers("200", ok)
        .answers("400", error("A parameter is no whole number in its range, or is given twice.", &[answers::invalid_parameter()]))
        .with(|operation| operation.response("500", internal_answer()))
}

fn price(path: &'static str, id: &str, summary: &str, description: &str, ok: ResponseBuilder) -> Doc {
    Doc::get(path, PRICES, id, summary).says(description).answers("200", ok).answers(
        "500",
        with_headers(
            error("No fresh rate.", &[answers::price_unavailable(), answers::internal()]),
            &["Retry-After"],
        ),
    )
}

/// Section 3.9.
pub(in crate::http) fn nano_price() -> Doc {
    let ok = json_answer(
        "The price. `Cache-Control: public, max-age=30`.",
        named("NanoPrice"),
        [("Price", sample(r#"{"pair":"NANOUSD","latestPrice":0.93}"#))],
    );
    price("/api/get-nano-price", "getNanoPrice", "Price of Nano", "USD for one XNO. Needs no key.", ok)
}

/// Section 3.9.
pub(in crate::http) fn fiat_prices() -> Doc {
    let ok = json_answer(
        "The rates. `Cache-Control: public, max-age=30`.",
        named("FiatPrices"),
        [(
            "Rates",
            sample(
                r#"{"usdTo":{"USD":1,"EUR":0.9,"GBP":0.75},"currencies":{"USD":"United States Dollar","EUR":"Euro","GBP":"British Pound"}}"#,
            ),
        )],
    );
    let description = "1 USD is `usdTo[X]` of X, at most 8 decimals. The same keys in both members, at least USD, EUR and GBP. Needs no key.";
    price("/api/get-fiat-prices", "getFiatPrices", "Rates of currencies", description, ok)
}

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
    let rows = [answers::Row { error: ApiError::not_ready(), when: "the store does not answer" }];
    Doc::get("/readyz", RUNNING, "getReadiness", "Does it serve?")
        .says("The store is reachable and its migrations are done.")
        .answers("200", fine("It does."))
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

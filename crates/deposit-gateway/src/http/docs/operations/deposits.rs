//! Opening a deposit and following it.

use deposit_core::Ticker;
use serde_json::json;
use utoipa::openapi::link::Link;
use utoipa::openapi::path::ParameterIn;
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::ObjectBuilder;
use utoipa::openapi::{ContentBuilder, Required};

use super::super::answers::{self, answer, error, internal_answer, json_answer, sample, with_headers};
use super::super::schemas::{self, named, text};
use super::{DEPOSITS, Doc, any_ticker, parameter, ticker, tx_id};

const CREATED_BTC: &str = r#"{"txId":"Jq4vT9mZxK2cRw7LbYd3Hp","ticker":"BTC","amount":0.0004,"status":"New","createdAt":"2026-03-04T09:30:00.000Z","expiresAt":"2026-03-04T10:30:00.000Z","expiration":1772620200,"remainingTime":3600,"paidAmountCrypto":0,"address":"bc1qexample","paymentLink":"bitcoin:bc1qexample?amount=0.0004","QRUrl":"https://deposit.example/pay/Jq4vT9mZxK2cRw7LbYd3Hp/qr.svg","amountCrypto":0.0004,"amountFiat":20}"#;
const CREATED_LIGHTNING: &str = r#"{"txId":"Wm8sQe1nTzR5vKx3JdBf7L","ticker":"BTC-LN","amount":0.0001,"status":"New","createdAt":"2026-03-04T09:30:00.000Z","expiresAt":"2026-03-04T10:30:00.000Z","expiration":1772620200,"remainingTime":3600,"paidAmountCrypto":0,"address":"lnbc100u1example","paymentLink":"lightning:lnbc100u1example","QRUrl":"https://deposit.example/pay/Wm8sQe1nTzR5vKx3JdBf7L/qr.svg","amountCrypto":0.0001,"amountFiat":5,"bonusPercent":5}"#;
const CREATED_USDC: &str = r#"{"txId":"Hc5pYb2uNwX9rGf4MzKt6A","ticker":"USDC","amount":10,"status":"New","createdAt":"2026-03-04T09:30:00.000Z","expiresAt":"2026-03-04T10:30:00.000Z","expiration":1772620200,"remainingTime":3600,"paidAmountCrypto":0,"paymentLink":"https://deposit.example/pay/Hc5pYb2uNwX9rGf4MzKt6A","QRUrl":"https://deposit.example/pay/Hc5pYb2uNwX9rGf4MzKt6A/qr.svg","amountFiat":10,"paymentId":"7xKq2example"}"#;
const CREATED_EUR: &str = r#"{"txId":"Zt3kVn7qLsD1xPw8RbCj5E","ticker":"EUR","amount":10,"status":"New","createdAt":"2026-03-04T09:30:00.000Z","expiresAt":"2026-03-04T10:30:00.000Z","expiration":1772620200,"remainingTime":3600,"paidAmountCrypto":0,"paymentLink":"https://checkout.stripe.com/c/pay/cs_example","QRUrl":"https://deposit.example/pay/Zt3kVn7qLsD1xPw8RbCj5E/qr.svg","amountFiat":10.8}"#;
const STATUS_BTC: &str = r#"{"txId":"Jq4vT9mZxK2cRw7LbYd3Hp","ticker":"BTC","amount":0.0004,"status":"Completed","createdAt":"2026-03-04T09:30:00.000Z","expiresAt":"2026-03-04T10:30:00.000Z","expiration":1772620200,"remainingTime":2412,"paidAmountCrypto":0.0004,"address":"bc1qexample","paymentLink":"bitcoin:bc1qexample?amount=0.0004","QRUrl":"https://deposit.example/pay/Jq4vT9mZxK2cRw7LbYd3Hp/qr.svg","amountCrypto":0.0004,"amountFiat":20,"updatedAt":"2026-03-04T09:49:48.000Z","confirmations":1,"requiredConfirmations":1,"creditedUsd":20,"completedAt":"2026-03-04T09:49:48.000Z","payments":[{"id":"4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b-0","amount":0.0004,"stage":"confirmed","confirmations":1}]}"#;
const STATUS_PARTIAL: &str = r#"{"txId":"Jq4vT9mZxK2cRw7LbYd3Hp","ticker":"BTC","amount":0.0004,"status":"Pending","createdAt":"2026-03-04T09:30:00.000Z","expiresAt":"2026-03-04T10:30:00.000Z","expiration":1772620200,"remainingTime":2412,"paidAmountCrypto":0.0001,"address":"bc1qexample","paymentLink":"bitcoin:bc1qexample?amount=0.0004","QRUrl":"https://deposit.example/pay/Jq4vT9mZxK2cRw7LbYd3Hp/qr.svg","amountCrypto":0.0004,"amountFiat":20,"updatedAt":"2026-03-04T09:49:48.000Z","creditedUsd":5,"statusReason":"paid in part","payments":[{"id":"4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b-0","amount":0.0001,"stage":"confirmed"}]}"#;
const STATUS_NANO: &str = r#"{"txId":"Bf6dXr4tQmK9zHv2LwNs8C","ticker":"XNO","status":"Completed","createdAt":"2026-03-04T09:30:00.000Z","paidAmountCrypto":1.5,"address":"nano_1examp1e","updatedAt":"2026-03-04T09:30:01.000Z","creditedNano":1.5,"completedAt":"2026-03-04T09:30:01.000Z","payments":[{"id":"991CF190094C00F0B68E2E5F75F6BEE95A2E0BD93CEAA4A6734DB9F19B728948","amount":1.5,"stage":"confirmed"}]}"#;
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
             The stream ends after `Completed`; that a credit is undone later is told by the ledger's entries. `Expired` and `Failed` may still be paid, so that it stays open, and is closed by the server \
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

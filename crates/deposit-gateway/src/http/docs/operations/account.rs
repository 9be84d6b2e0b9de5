//! An account's money, and what a coin is worth.

use serde_json::json;
use utoipa::openapi::Required;
use utoipa::openapi::path::{ParameterBuilder, ParameterIn};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Type};

use super::super::answers::{self, error, internal_answer, json_answer, sample, with_headers};
use super::super::schemas::{count, named};
use super::{ACCOUNT, Doc, PRICES, ignored_body};

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
        "The entries after `after`, in rising order; `[]` where there are no more now.",
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
            "At most so many: 100 where it is left out, 1000 where it is more.",
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

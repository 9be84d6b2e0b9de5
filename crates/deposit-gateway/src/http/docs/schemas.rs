//! Schemas of what has no type of its own in the wire: sets of words, parameters, combinations.

use std::borrow::Cow;

use deposit_core::{Stage, Status, Ticker};
use serde::Serialize;
use utoipa::openapi::schema::{
    AdditionalProperties, AllOfBuilder, ObjectBuilder, Schema, SchemaFormat, Type,
};
use utoipa::openapi::{Object, Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

/// What `create/daimo/{ticker}` takes, and what is settled as USDC.
pub(super) const DAIMO: [Ticker; 4] = [Ticker::USDC, Ticker::USDT, Ticker::ETH, Ticker::SOL];

/// A schema by its name in the document.
pub(super) fn named(name: &str) -> Ref {
    Ref::from_schema_name(name)
}

fn words<T: Serialize>(words: &[T]) -> ObjectBuilder {
    let values: Vec<_> = words.iter().filter_map(|word| serde_json::to_value(word).ok()).collect();
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(values))
}

/// The statuses of section 6.
pub(crate) struct DepositStatusName;

impl PartialSchema for DepositStatusName {
    fn schema() -> RefOr<Schema> {
        let all = [
            Status::New,
            Status::Pending,
            Status::Processing,
            Status::Paid,
            Status::Completed,
            Status::Expired,
            Status::Failed,
        ];
        words(&all).description(Some("Where a deposit stands; what each means is under *Statuses*.")).into()
    }
}

impl ToSchema for DepositStatusName {
    fn name() -> Cow<'static, str> {
        "Status".into()
    }
}

/// The stages of one payment.
pub(crate) struct PaymentStage;

impl PartialSchema for PaymentStage {
    fn schema() -> RefOr<Schema> {
        words(&[Stage::Seen, Stage::Confirming, Stage::Confirmed, Stage::Reversed])
            .description(Some(
                "`seen`: no confirmation known; `confirming`: confirmations are being counted; `confirmed`: by the provider's rule; \
                 `reversed`: taken back in full, or gone.",
            ))
            .into()
    }
}

impl ToSchema for PaymentStage {}

/// A deposit as it was created: the members that every order has are all there.
pub(super) fn created_deposit() -> Schema {
    let always = [
        "txId",
        "ticker",
        "amount",
        "status",
        "createdAt",
        "expiresAt",
        "expiration",
        "remainingTime",
        "paidAmountCrypto",
        "paymentLink",
        "QRUrl",
        "amountFiat",
    ];
    let required = always.into_iter().fold(ObjectBuilder::new(), ObjectBuilder::required);
    let new = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["New"]));
    AllOfBuilder::new()
        .description(Some(
            "The answer to a create: a deposit with its terms. `address`, `amountCrypto`: cryptocurrency deposits only; `paymentId`: \
             USDC, USDT, ETH, SOL only; `memo`, `bonusPercent`: where there is one.",
        ))
        .item(named("Deposit"))
        .item(required.property("status", new))
        .into()
}

/// A deposit as it is now.
pub(super) fn deposit_status() -> Schema {
    AllOfBuilder::new()
        .description(Some(
            "A deposit with its terms (a direct Nano payment has none: no `amount`, links or times of expiry), and its state as it is now.",
        ))
        .item(named("Deposit"))
        .item(named("DepositState"))
        .into()
}

/// An exact decimal written as a JSON number.
pub(super) fn decimal(description: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Number)
        .format(Some(SchemaFormat::Custom("decimal".to_owned())))
        .description(Some(description))
}

/// The body of a create.
pub(super) fn create_request() -> Object {
    ObjectBuilder::new()
        .description(Some("What to deposit. Unknown members are ignored; a repeated `amount` is refused."))
        .property(
            "amount",
            decimal(
                "How much: the coin itself; USD for USDC, USDT, ETH, SOL; the currency for USD, EUR, GBP. Read from its text as an exact \
                 decimal, exponents are fine. Within `minimum` and `maximum` of the ticker's limits and with at most as many decimals as the \
                 ticker has.",
            )
            .exclusive_minimum(Some(0)),
        )
        .required("amount")
        .additional_properties(Some(AdditionalProperties::FreeForm(true)))
        .build()
}

/// A ticker in a path or a query, in any case of letters.
pub(super) fn ticker(among: &[Ticker], example: Ticker) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(any_case(among)))
        .examples([example.as_str().to_ascii_lowercase()])
        .build()
}

/// `^([bB][tT][cC]|…)$`: neither JSON Schema nor ECMA-262 has a flag for it.
fn any_case(among: &[Ticker]) -> String {
    let one = |ticker: &Ticker| -> String {
        let letter = |c: char| match c.is_ascii_alphabetic() {
            true => format!("[{}{}]", c.to_ascii_lowercase(), c.to_ascii_uppercase()),
            false => c.to_string(),
        };
        ticker.as_str().chars().map(letter).collect()
    };
    format!("^({})$", among.iter().map(one).collect::<Vec<_>>().join("|"))
}

/// The id in a path: ours, or the provider's.
pub(super) fn tx_id() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(255))
        .pattern(Some("^[A-Za-z0-9_-]+$"))
        .examples(["Jq4vT9mZxK2cRw7LbYd3Hp"])
        .build()
}

/// Text.
pub(super) fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// Whole numbers, not negative.
pub(super) fn count() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tickers_in_any_case() {
        assert_eq!(any_case(&[Ticker::BTC_LN, Ticker::XNO]), "^([bB][tT][cC]-[lL][nN]|[xX][nN][oO])$");
    }
}

//! The reader of request bodies: the first thing that is wrong, by its path.

use deposit_core::DecimalText;

use super::chain;
use super::chain::{CHAINS, Chain};
use crate::json::Json;

/// What is wrong with a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Invalid {
    pub(super) param: String,
    pub(super) rule: &'static str,
}

pub(super) type Checked<T> = Result<T, Invalid>;

pub(super) fn invalid<T>(param: &str, rule: &'static str) -> Checked<T> {
    Err(Invalid { param: param.to_owned(), rule })
}

/// A whole body: an object.
pub(super) fn document(bytes: &[u8]) -> Checked<Json> {
    match Json::parse(bytes) {
        Ok(json @ Json::Object(_)) => Ok(json),
        Ok(_) | Err(_) => invalid("body", "must be a JSON object"),
    }
}

fn member<'a>(at: &'a Json, name: &str) -> Option<&'a Json> {
    at.get(name).filter(|value| !value.is_null())
}

pub(super) fn object(at: &Json, path: &str, name: &str) -> Checked<Json> {
    match member(at, name) {
        Some(json @ Json::Object(_)) => Ok(json.clone()),
        Some(_) | None => invalid(&format!("{path}{name}"), "must be an object"),
    }
}

pub(super) fn optional_text(at: &Json, path: &str, name: &str) -> Checked<Option<String>> {
    match member(at, name) {
        None => Ok(None),
        Some(Json::Text(text)) => Ok(Some(text.clone())),
        Some(_) => invalid(&format!("{path}{name}"), "must be a string"),
    }
}

pub(super) fn text(at: &Json, path: &str, name: &str) -> Checked<String> {
    match optional_text(at, path, name)? {
        Some(text) if !text.is_empty() => Ok(text),
        Some(_) | None => invalid(&format!("{path}{name}"), "must be a string that is not empty"),
    }
}

pub(super) fn optional_address(at: &Json, path: &str, name: &str) -> Checked<Option<String>> {
    let Some(text) = optional_text(at, path, name)? else { return Ok(None) };
    match chain::address(&text) {
        Some(address) => Ok(Some(address)),
        None => invalid(&format!("{path}{name}"), "must be an EVM address with a right checksum"),
    }
}

pub(super) fn address(at: &Json, path: &str, name: &str) -> Checked<String> {
    match optional_address(at, path, name)? {
        Some(address) => Ok(address),
        None => invalid(&format!("{path}{name}"), "is missing"),
    }
}

/// The chain by its **number**, and USDC on it.
pub(super) fn destination(at: &Json, path: &str) -> Checked<&'static Chain> {
    let Some(id) = member(at, "chainId").and_then(Json::as_i64) else {
        return invalid(&format!("{path}chainId"), "must be a number");
    };
    let Some(chain) = CHAINS.iter().find(|chain| chain.id == id) else {
        return invalid(&format!("{path}chainId"), "must be a supported chain");
    };
    let token = address(at, path, "tokenAddress")?;
    if token == chain.usdc {
        Ok(chain)
    } else {
        invalid(&format!("{path}tokenAddress"), "must be a supported token")
    }
}

/// Whole tokens as a decimal **string**: above zero, no exponent, no more decimals than the token has.
pub(super) fn amount(at: &Json, path: &str, decimals: u8) -> Checked<Option<DecimalText>> {
    let param = format!("{path}amountUnits");
    let Some(text) = optional_text(at, path, "amountUnits")? else { return Ok(None) };
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let Some(number) = text.parse::<DecimalText>().ok().filter(|n| plain && !n.is_zero()) else {
        return invalid(&param, "must be a positive decimal number in whole tokens");
    };
    if number.decimals() > u64::from(decimals) {
        return invalid(&param, "has more decimals than the token");
    }
    if number.to_minor(decimals).is_err() {
        return invalid(&param, "is too large");
    }
    Ok(Some(number))
}

/// Texts by name: at most 50, names of at most 40 characters, values of at most 500.
pub(super) fn metadata(at: &Json) -> Checked<Json> {
    let Some(json) = member(at, "metadata") else { return Ok(Json::Null) };
    let Json::Object(members) = json else { return invalid("metadata", "must be an object") };
    if members.len() > 50 {
        return invalid("metadata", "has more than 50 members");
    }
    for (name, value) in members {
        let param = format!("metadata.{name}");
        match value {
            _ if name.chars().count() > 40 => {
                return invalid("metadata", "has a name of more than 40 characters");
            }
            Json::Text(text) if text.chars().count() <= 500 => {}
            Json::Text(_) => return invalid(&param, "is longer than 500 characters"),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::List(_) | Json::Object(_) => {
                return invalid(&param, "must be a string");
            }
        }
    }
    Ok(json.clone())
}

pub(super) fn calldata(at: &Json, path: &str) -> Checked<String> {
    let data = optional_text(at, path, "calldata")?.unwrap_or_else(|| "0x".to_owned());
    let fine =
        data.strip_prefix("0x").is_some_and(|d| d.len() % 2 == 0 && d.bytes().all(|b| b.is_ascii_hexdigit()));
    if fine { Ok(data) } else { invalid(&format!("{path}calldata"), "must be hexadecimal") }
}

fn url(text: &str) -> bool {
    text.parse::<url::Url>().is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

pub(super) fn optional_url(at: &Json, path: &str, name: &str) -> Checked<Option<String>> {
    match optional_text(at, path, name)? {
        Some(text) if !url(&text) => invalid(&format!("{path}{name}"), "must be a URL"),
        other => Ok(other),
    }
}

/// `paymentOptions`: strings, or lists of them.
fn options(json: &Json) -> bool {
    match json {
        Json::Text(_) => true,
        Json::List(items) => items.iter().all(options),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_) => false,
    }
}

pub(super) fn payment_options(at: &Json) -> Checked<()> {
    match member(at, "paymentOptions") {
        Some(json) if !(matches!(json, Json::List(_)) && options(json)) => {
            invalid("display.paymentOptions", "must be a list of strings")
        }
        Some(_) | None => Ok(()),
    }
}

/// A payment's display.
pub(super) fn payment_display(body: &Json) -> Checked<Json> {
    let path = "display.";
    let display = object(body, "", "display")?;
    text(&display, path, "intent")?;
    optional_url(&display, path, "redirectUri")?;
    payment_options(&display)?;
    for (name, param) in [
        ("items", "display.items"),
        ("preferredChains", "display.preferredChains"),
        ("preferredTokens", "display.preferredTokens"),
    ] {
        let Some(list) = member(&display, name) else { continue };
        let Json::List(items) = list else { return invalid(param, "must be a list") };
        for item in items {
            let fine = match name {
                "items" => text(item, "", "name").is_ok() && text(item, "", "description").is_ok(),
                "preferredChains" => item.as_i64().is_some(),
                _ => item.get("chain").and_then(Json::as_i64).is_some() && text(item, "", "address").is_ok(),
            };
            if !fine {
                return invalid(param, "has an item that is not as it must be");
            }
        }
    }
    Ok(display)
}

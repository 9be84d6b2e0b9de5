//! Reading request bodies: how much, how long, and the one member that counts.

use std::fmt;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::{Bytes, BytesMut};
use deposit_core::DecimalText;
use deposit_engine::AmountInput;
use futures_util::StreamExt as _;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, EXPECT};
use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Most that a JSON body may have.
pub(crate) const JSON_LIMIT: usize = 16 * 1024;
/// Most that a webhook's body may have.
pub(crate) const WEBHOOK_LIMIT: usize = 1024 * 1024;
/// How long a body may take to arrive.
const READ_TIME: Duration = Duration::from_secs(15);
/// How much of an unwanted body is read anyway, and for how long: a client that is still writing when the connection closes
/// would lose the answer with it.
const DISCARD_BYTES: usize = 256 * 1024;
const DISCARD_TIME: Duration = Duration::from_millis(500);

/// A body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    /// More than the limit.
    TooLarge,
    /// It ended early, took too long or was malformed on the wire.
    Broken,
}

/// Reads a body of at most `limit` bytes, whatever `Content-Length` says.
pub(crate) async fn read(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, Unread> {
    let mut stream = body.into_data_stream();
    if declared(headers).is_some_and(|length| length > u64::try_from(limit).unwrap_or(u64::MAX)) {
        // Who asks first, by `Expect`, has sent nothing: reading would be the permission to send.
        if !headers.contains_key(EXPECT) {
            drain(stream).await;
        }
        return Err(Unread::TooLarge);
    }
    let read = tokio::time::timeout(READ_TIME, collect(&mut stream, limit)).await;
    let read = read.unwrap_or(Err(Unread::Broken));
    if read == Err(Unread::TooLarge) {
        drain(stream).await;
    }
    read
}

async fn collect(stream: &mut BodyDataStream, limit: usize) -> Result<Bytes, Unread> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| Unread::Broken)?;
        if bytes.len().saturating_add(chunk.len()) > limit {
            return Err(Unread::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

/// Takes what a client is sending although the answer is clear already, within bounds.
pub(crate) async fn discard(headers: &HeaderMap, body: Body) {
    if headers.contains_key(EXPECT) {
        return;
    }
    if declared(headers).is_none_or(|length| length <= u64::try_from(DISCARD_BYTES).unwrap_or(u64::MAX)) {
        drain(body.into_data_stream()).await;
    }
}

async fn drain(mut stream: BodyDataStream) {
    let reading = async {
        let mut taken = 0_usize;
        while let Some(Ok(chunk)) = stream.next().await {
            taken = taken.saturating_add(chunk.len());
            if taken > DISCARD_BYTES {
                break;
            }
        }
    };
    // Too slow is as good as done: the answer goes out either way.
    let _ = tokio::time::timeout(DISCARD_TIME, reading).await;
}

fn declared(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The top level of a request: each value as its own text, so that no number passes through binary floating point and
/// nothing is nested in memory. A repeated `amount` is refused: which one counts must not depend on who reads it.
struct TopLevel {
    amount: Option<Box<RawValue>>,
}

impl<'de> Deserialize<'de> for TopLevel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = TopLevel;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TopLevel, A::Error> {
                let mut amount = None;
                while let Some(name) = map.next_key::<String>()? {
                    if name != "amount" {
                        map.next_value::<IgnoredAny>()?;
                    } else if amount.replace(map.next_value::<Box<RawValue>>()?).is_some() {
                        return Err(A::Error::custom("amount is given twice"));
                    }
                }
                Ok(TopLevel { amount })
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// The `amount` of a create request's body.
pub(crate) fn amount(body: &[u8]) -> AmountInput {
    let Ok(text) = std::str::from_utf8(body) else { return AmountInput::Unreadable };
    if text.trim().is_empty() || text.trim_matches([' ', '\t', '\r', '\n']) == "null" {
        return AmountInput::Missing;
    }
    let Ok(TopLevel { amount }) = serde_json::from_str(text) else { return AmountInput::Unreadable };
    let Some(amount) = amount else { return AmountInput::Missing };
    let value = amount.get();
    if value == "null" {
        return AmountInput::Missing;
    }
    // Of JSON's values, only numbers are in this grammar: strings keep their quotes here.
    match value.parse::<DecimalText>() {
        Ok(number) => AmountInput::Number(number),
        Err(_) => AmountInput::NotANumber(value.to_owned()),
    }
}

/// Query parameters, decoded, in order.
pub(crate) fn query(query: Option<&str>) -> Vec<(String, String)> {
    let pairs = query.unwrap_or("").split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(&name.replace('+', " ")), decode(&value.replace('+', " ")))
        })
        .collect()
}

/// Undoes percent-encoding. What is no UTF-8 afterwards becomes U+FFFD, which no ticker or id contains.
pub(crate) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let hex = |at: usize| bytes.get(at).and_then(|b| char::from(*b).to_digit(16));
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let pair = if byte == b'%' { hex(at + 1).zip(hex(at + 2)) } else { None };
        match pair.and_then(|(high, low)| u8::try_from(high * 16 + low).ok()) {
            Some(value) => {
                decoded.push(value);
                at += 3;
            }
            None => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Headers as a provider's adapter wants them: names in lower case, values that are text.
pub(crate) fn text_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let texts = headers.iter().filter_map(|(name, value)| Some((name, value.to_str().ok()?)));
    texts.map(|(name, value)| (name.as_str().to_owned(), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(text: &str) -> AmountInput {
        AmountInput::Number(text.parse().unwrap())
    }

    #[test]
    fn what_counts_as_a_number() {
        let other = |text: &str| AmountInput::NotANumber(text.to_owned());
        let deep = "[".repeat(8000);
        let deep_closed = format!("{}{}", "[".repeat(7000), "]".repeat(7000));
        let long = format!("0.1{}", "0".repeat(16_000));
        let rows: Vec<(String, AmountInput)> = vec![
            (r#"{"amount":0.001}"#.into(), number("0.001")),
            (r#"{"amount":1e-7}"#.into(), number("0.0000001")),
            (r#"{"amount":1E+2}"#.into(), number("100")),
            (r#"{"amount":-0}"#.into(), number("0")),
            (r#"{"amount":-1}"#.into(), number("-1")),
            (r#"{"amount":1e999999999}"#.into(), number("1e999999999")),
            (
                r#"{"amount":0.1000000000000000055511151231257827}"#.into(),
                number("0.1000000000000000055511151231257827"),
            ),
            (
                r#"{"amount":340282366920938463463374607431768211456}"#.into(),
                number("340282366920938463463374607431768211456"),
            ),
            (format!(r#"{{"amount":{long}}}"#), number("0.1")),
            (" \n{ \"amount\" :\t1 } \r\n".into(), number("1")),
            (r#"{"\u0061mount":2}"#.into(), number("2")),
            (r#"{"other":[{"amount":1}],"amount":2,"other":3}"#.into(), number("2")),
            (format!(r#"{{"x":{deep_closed},"amount":2}}"#), number("2")),
            ("".into(), AmountInput::Missing),
            (" \t\r\n".into(), AmountInput::Missing),
            ("null".into(), AmountInput::Missing),
            ("\u{a0}".into(), AmountInput::Missing),
            ("\u{a0}{\"amount\":1}".into(), AmountInput::Unreadable),
            ("{}".into(), AmountInput::Missing),
            (r#"{"Amount":1}"#.into(), AmountInput::Missing),
            (r#"{"amount":null}"#.into(), AmountInput::Missing),
            (r#"{"amount":"0.1"}"#.into(), other("\"0.1\"")),
            (r#"{"amount":""}"#.into(), other("\"\"")),
            (r#"{"amount":true}"#.into(), other("true")),
            (r#"{"amount":[1]}"#.into(), other("[1]")),
            (r#"{"amount":{"amount":1}}"#.into(), other(r#"{"amount":1}"#)),
            (r#"{"amount":NaN}"#.into(), AmountInput::Unreadable),
            (r#"{"amount":Infinity}"#.into(), AmountInput::Unreadable),
            (r#"{"amount":.5}"#.into(), AmountInput::Unreadable),
            (r#"{"amount":5.}"#.into(), AmountInput::Unreadable),
            (r#"{"amount":01}"#.into(), AmountInput::Unreadable),
            (r#"{"amount":+1}"#.into(), AmountInput::Unreadable),
            (r#"{"amount":0x10}"#.into(), AmountInput::Unreadable),
            (r#"{"amount":1,}"#.into(), AmountInput::Unreadable),
            (r#"{"amount":1}{"amount":2}"#.into(), AmountInput::Unreadable),
            (r#"{"amount":1,"amount":1}"#.into(), AmountInput::Unreadable),
            (r#"{"amount":1,"\u0061mount":2}"#.into(), AmountInput::Unreadable),
            (r#"{"amount":null,"amount":1}"#.into(), AmountInput::Unreadable),
            ("{".into(), AmountInput::Unreadable),
            ("[]".into(), AmountInput::Unreadable),
            ("[1]".into(), AmountInput::Unreadable),
            ("0.1".into(), AmountInput::Unreadable),
            ("\"x\"".into(), AmountInput::Unreadable),
            ("true".into(), AmountInput::Unreadable),
            ("amount=1".into(), AmountInput::Unreadable),
            (format!(r#"{{"amount":{deep}"#), AmountInput::Unreadable),
            (deep, AmountInput::Unreadable),
        ];
        for (body, expected) in rows {
            assert_eq!(amount(body.as_bytes()), expected, "{}", body.get(..60).unwrap_or(&body));
        }
        assert_eq!(amount(b"{\"amount\":1,\"x\":\"\xff\"}"), AmountInput::Unreadable);
        assert_eq!(amount(b"\xef\xbb\xbf{\"amount\":1}"), AmountInput::Unreadable);
    }

    #[test]
    fn query_parameters_are_decoded() {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(
            query(Some("token=a%2Fb+c&&x&y=1=2&%zz=%")),
            vec![pair("token", "a/b c"), pair("x", ""), pair("y", "1=2"), pair("%zz", "%")]
        );
        assert_eq!(query(None), vec![]);
        assert_eq!(decode("%ff"), "\u{fffd}");
    }

    #[tokio::test]
    async fn the_limit_is_exact_and_content_length_is_not_believed() {
        let body = |n: usize| Body::from(vec![b' '; n]);
        let none = HeaderMap::new();
        assert_eq!(read(&none, body(JSON_LIMIT), JSON_LIMIT).await.unwrap().len(), JSON_LIMIT);
        assert_eq!(read(&none, body(JSON_LIMIT + 1), JSON_LIMIT).await, Err(Unread::TooLarge));
        let lying = |value: &'static str| HeaderMap::from_iter([(CONTENT_LENGTH, value.parse().unwrap())]);
        assert_eq!(read(&lying("1"), body(JSON_LIMIT + 1), JSON_LIMIT).await, Err(Unread::TooLarge));
        assert_eq!(read(&lying("16385"), body(1), JSON_LIMIT).await, Err(Unread::TooLarge));
        assert_eq!(read(&lying("-5"), body(1), JSON_LIMIT).await.unwrap().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_is_given_up() {
        let stalled = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
        assert_eq!(
            read(&HeaderMap::new(), Body::from_stream(stalled), JSON_LIMIT).await,
            Err(Unread::Broken)
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged_without_panic(bytes: Vec<u8>) {
            let _ = amount(&bytes);
        }

        /// Every number that JSON can write arrives with its exact value.
        #[test]
        fn numbers_keep_their_value(whole: u64, fraction: u64, exponent in -40_i32..40) {
            let text = format!("{whole}.{fraction}e{exponent}");
            prop_assert_eq!(amount(format!("{{\"amount\":{text}}}").as_bytes()), number(&text));
        }
    }
}

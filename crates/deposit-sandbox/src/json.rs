//! A JSON tree that keeps what other trees lose: the order of members and the text of numbers.
//!
//! Emulators need both: a webhook's body is signed as bytes and its members have an order, and money
//! in a request must not pass through binary floating point.

use std::fmt::Write as _;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Deeper bodies are refused, as every server does.
const MAX_DEPTH: usize = 64;

/// One JSON value; members in order, numbers as text.
///
/// ```
/// use deposit_sandbox::Json;
/// let body = Json::parse(br#"{"b": 0.10, "a": [1e3, null]}"#).unwrap();
/// assert_eq!(body.compact(), r#"{"b":0.10,"a":[1e3,null]}"#);
/// assert_eq!(body.get("b").and_then(Json::number), Some("0.10"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number, as it is written.
    Number(String),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Json>),
    /// An object, members in their order.
    Object(Vec<(String, Json)>),
}

/// The bytes are no JSON text (or one nested too deeply).
#[derive(Debug, thiserror::Error)]
#[error("not a JSON document: {0}")]
pub struct NotJson(String);

impl Json {
    /// Reads a document.
    ///
    /// # Errors
    /// Where it is no JSON, or nested deeper than 64 levels.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotJson> {
        let raw: &RawValue = serde_json::from_slice(bytes).map_err(|e| NotJson(e.to_string()))?;
        Self::from_raw(raw, 0)
    }

    fn from_raw(raw: &RawValue, depth: usize) -> Result<Self, NotJson> {
        if depth > MAX_DEPTH {
            return Err(NotJson(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let text = raw.get();
        let bad = |e: serde_json::Error| NotJson(e.to_string());
        Ok(match text.as_bytes().first() {
            Some(b'{') => {
                let mut reader = serde_json::Deserializer::from_str(text);
                let members = reader.deserialize_map(Members).map_err(bad)?;
                let members = members.into_iter().map(|(k, v)| Ok((k, Self::from_raw(v, depth + 1)?)));
                Self::Object(members.collect::<Result<_, NotJson>>()?)
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(text).map_err(bad)?;
                Self::List(items.into_iter().map(|v| Self::from_raw(v, depth + 1)).collect::<Result<_, _>>()?)
            }
            Some(b'"') => Self::Text(serde_json::from_str(text).map_err(bad)?),
            Some(b't') => Self::Bool(true),
            Some(b'f') => Self::Bool(false),
            Some(b'n') => Self::Null,
            _ => Self::Number(text.to_owned()),
        })
    }

    /// A string.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A whole number.
    pub fn int(number: impl Into<i128>) -> Self {
        Self::Number(number.into().to_string())
    }

    /// A string, or `null`.
    pub fn text_or_null(text: Option<impl Into<String>>) -> Self {
        text.map_or(Self::Null, |t| Self::Text(t.into()))
    }

    /// An object with these members, in this order.
    pub fn object<K: Into<String>>(members: impl IntoIterator<Item = (K, Json)>) -> Self {
        Self::Object(members.into_iter().map(|(k, v)| (k.into(), v)).collect())
    }

    /// A member by its exact name; of several with one name the last, as parsers do.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.members().iter().rev().find(|(k, _)| k == name).map(|(_, v)| v)
    }

    /// The text of a string.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The text of a number.
    #[must_use]
    pub fn number(&self) -> Option<&str> {
        if let Self::Number(text) = self { Some(text) } else { None }
    }

    /// A whole number of 64 bits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        self.number().and_then(|n| n.parse().ok())
    }

    /// The items of an array; none for anything else.
    #[must_use]
    pub fn items(&self) -> &[Json] {
        if let Self::List(items) = self { items } else { &[] }
    }

    /// The members of an object; none for anything else.
    #[must_use]
    pub fn members(&self) -> &[(String, Json)] {
        if let Self::Object(members) = self { members } else { &[] }
    }

    /// Whether this is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Without any white space.
    #[must_use]
    pub fn compact(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, None);
        out
    }

    /// A member a line, two spaces a level.
    #[must_use]
    pub fn pretty(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, Some(0));
        out
    }

    fn write(&self, out: &mut String, level: Option<usize>) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(true) => out.push_str("true"),
            Self::Bool(false) => out.push_str("false"),
            Self::Number(text) => out.push_str(text),
            Self::Text(text) => quoted(out, text),
            Self::List(items) => {
                wrapped(out, level, ('[', ']'), items.len(), |out, i, inner| {
                    if let Some(item) = items.get(i) {
                        item.write(out, inner);
                    }
                });
            }
            Self::Object(members) => {
                wrapped(out, level, ('{', '}'), members.len(), |out, i, inner| {
                    if let Some((name, value)) = members.get(i) {
                        quoted(out, name);
                        out.push_str(if inner.is_some() { ": " } else { ":" });
                        value.write(out, inner);
                    }
                });
            }
        }
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for Json {
    fn from(value: &str) -> Self {
        Self::text(value)
    }
}

impl From<String> for Json {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

fn wrapped(
    out: &mut String,
    level: Option<usize>,
    (open, close): (char, char),
    count: usize,
    mut item: impl FnMut(&mut String, usize, Option<usize>),
) {
    out.push(open);
    for i in 0..count {
        if i > 0 {
            out.push(',');
        }
        new_line(out, level.map(|n| n + 1));
        item(out, i, level.map(|n| n + 1));
    }
    if count > 0 {
        new_line(out, level);
    }
    out.push(close);
}

fn new_line(out: &mut String, level: Option<usize>) {
    if let Some(level) = level {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", level));
    }
}

fn quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Writing into a String does not fail.
            c if u32::from(c) < 0x20 => _ = write!(out, "\\u{:04x}", u32::from(c)),
            c => out.push(c),
        }
    }
    out.push('"');
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_and_number_text() {
        let text = r#"{"z":1.50,"a":{"y":[],"x":{}},"s":"a\"\\\n\u0001é","t":true,"n":null}"#;
        assert_eq!(Json::parse(text.as_bytes()).unwrap().compact(), text);
    }

    #[test]
    fn pretty_is_two_spaces() {
        let json = Json::parse(br#"{"a":[1,{"b":"c"}],"d":[]}"#).unwrap();
        assert_eq!(
            json.pretty(),
            "{\n  \"a\": [\n    1,\n    {\n      \"b\": \"c\"\n    }\n  ],\n  \"d\": []\n}"
        );
    }

    #[test]
    fn refuses_what_is_no_json_and_what_is_too_deep() {
        for bad in ["", "{", "{\"a\":}", "01", "nul", "\"a", "[1,]"] {
            assert!(Json::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
        assert!(Json::parse(deep.as_bytes()).is_err());
        let hostile = "[".repeat(200_000);
        assert!(Json::parse(hostile.as_bytes()).is_err());
    }
}

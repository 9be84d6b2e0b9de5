//! Rows as data: what is asked, what has to come back, and the line of the contract that says so.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::common::Reply;
use crate::harness::World;

/// One line of the contract.
pub struct Row {
    /// Section and the line's own words, shortened.
    pub line: String,
    pub call: Call,
    pub want: Want,
}

/// A row.
pub fn row(line: impl Into<String>, call: Call, want: Want) -> Row {
    Row { line: line.into(), call, want }
}

/// A request.
#[derive(Debug, Clone)]
pub struct Call {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Whether the world's API key goes with it.
    pub keyed: bool,
}

/// Any request.
pub fn call(method: &str, path: impl Into<String>) -> Call {
    Call { method: method.into(), path: path.into(), headers: Vec::new(), body: Vec::new(), keyed: true }
}

pub fn get(path: impl Into<String>) -> Call {
    call("GET", path)
}

pub fn post(path: impl Into<String>) -> Call {
    call("POST", path)
}

/// `POST /api/transaction/create/{ticker}` with this body.
pub fn create(ticker: &str, body: impl Into<Vec<u8>>) -> Call {
    post(format!("/api/transaction/create/{ticker}")).body(body)
}

/// The same with an amount, as it is written.
pub fn amount(ticker: &str, number: &str) -> Call {
    create(ticker, format!(r#"{{"amount":{number}}}"#))
}

impl Call {
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Without the world's key.
    #[must_use]
    pub fn anonymous(mut self) -> Self {
        self.keyed = false;
        self
    }

    /// With another key instead.
    #[must_use]
    pub fn key(self, key: &str) -> Self {
        self.anonymous().header("x-api-key", key)
    }

    #[must_use]
    pub fn idempotent(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }
}

/// What has to come back.
#[derive(Debug, Clone)]
pub struct Want {
    pub status: u16,
    pub headers: Vec<(&'static str, Head)>,
    pub body: Shape,
}

#[derive(Debug, Clone)]
pub enum Head {
    Is(String),
    Absent,
    /// A whole number, at least 1.
    Seconds,
}

#[derive(Debug, Clone)]
pub enum Shape {
    Any,
    /// The bytes.
    Text(String),
    /// The error body of section 1, with these words.
    Error(String, &'static str),
    /// These members and no other.
    Exactly(Vec<(&'static str, Member)>),
    /// At least these members.
    With(Vec<(&'static str, Member)>),
}

#[derive(Debug, Clone)]
pub enum Member {
    /// This JSON text.
    Raw(String),
    /// This string.
    Str(String),
    AnyString,
    AnyNumber,
    Gone,
}

/// Shorthand for numbers, `true` and structures.
pub fn raw(text: impl Into<String>) -> Member {
    Member::Raw(text.into())
}

/// Shorthand for a string.
pub fn text(text: impl Into<String>) -> Member {
    Member::Str(text.into())
}

/// A 200 with any body.
pub fn ok() -> Want {
    Want { status: 200, headers: Vec::new(), body: Shape::Any }
}

/// A 200 with these members and no other.
pub fn exactly(members: Vec<(&'static str, Member)>) -> Want {
    Want { body: Shape::Exactly(members), ..ok() }
}

/// A 200 with at least these members.
pub fn with(members: Vec<(&'static str, Member)>) -> Want {
    Want { body: Shape::With(members), ..ok() }
}

/// The error body.
pub fn error(status: u16, error: impl Into<String>, code: &'static str) -> Want {
    Want { status, headers: Vec::new(), body: Shape::Error(error.into(), code) }
}

impl Want {
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, Head::Is(value.into())));
        self
    }

    #[must_use]
    pub fn no_header(mut self, name: &'static str) -> Self {
        self.headers.push((name, Head::Absent));
        self
    }

    #[must_use]
    pub fn seconds(mut self, name: &'static str) -> Self {
        self.headers.push((name, Head::Seconds));
        self
    }

    /// What of `reply` is not as wanted.
    pub fn complaints(&self, reply: &Reply) -> Vec<String> {
        let mut found = always(reply);
        if reply.status.as_u16() != self.status {
            found.push(format!("status {} instead of {}", reply.status.as_u16(), self.status));
        }
        for (name, head) in &self.headers {
            let got = reply.header(name);
            let good = match head {
                Head::Is(value) => got == Some(value.as_str()),
                Head::Absent => got.is_none(),
                Head::Seconds => got.is_some_and(|text| text.parse::<u64>().is_ok_and(|n| n >= 1)),
            };
            if !good {
                found.push(format!("header {name}: {got:?} instead of {head:?}"));
            }
        }
        match &self.body {
            Shape::Any => {}
            Shape::Text(text) if reply.body == *text => {}
            Shape::Text(text) => found.push(format!("body is not {text}")),
            Shape::Error(error, code) => {
                let members = members(&reply.body);
                let is = |name: &str, value: String| {
                    members
                        .get(name)
                        .filter(|got| **got == value)
                        .is_none()
                        .then(|| format!("{name} is not {value}"))
                };
                found.extend(is("error", quoted(error)));
                found.extend(is("code", quoted(code)));
            }
            Shape::Exactly(wanted) => {
                found.extend(compare(reply, wanted));
                let known = |name: &String| wanted.iter().any(|(known, _)| known == name);
                let more: Vec<String> =
                    members(&reply.body).into_keys().filter(|name| !known(name)).collect();
                if !more.is_empty() {
                    found.push(format!("members of no line: {}", more.join(", ")));
                }
            }
            Shape::With(wanted) => found.extend(compare(reply, wanted)),
        }
        found
    }
}

fn compare(reply: &Reply, wanted: &[(&'static str, Member)]) -> Vec<String> {
    let members = members(&reply.body);
    let mut found = Vec::new();
    for (name, member) in wanted {
        let got = members.get(*name);
        let good = match member {
            Member::Raw(text) => got == Some(text),
            Member::Str(text) => got == Some(&quoted(text)),
            Member::AnyString => got.is_some_and(|text| text.starts_with('"') && text.len() > 2),
            Member::AnyNumber => {
                got.is_some_and(|text| text.starts_with(|c: char| c.is_ascii_digit() || c == '-'))
            }
            Member::Gone => got.is_none(),
        };
        if !good {
            found.push(format!("{name}: {} instead of {member:?}", got.map_or("nothing", String::as_str)));
        }
    }
    found
}

pub fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// The top level of a JSON object, each value as the very text that it has.
pub fn members(body: &str) -> BTreeMap<String, String> {
    let read: Result<BTreeMap<String, Box<RawValue>>, _> = serde_json::from_str(body);
    read.map(|map| map.into_iter().map(|(name, value)| (name, value.get().to_owned())).collect())
        .unwrap_or_default()
}

/// One member, strings without their quotes; empty where there is none.
pub fn member(reply: &Reply, name: &str) -> String {
    let found = members(&reply.body).remove(name).unwrap_or_default();
    if found.starts_with('"') { serde_json::from_str(&found).unwrap() } else { found }
}

/// What holds for every answer of the API (section 1).
fn always(reply: &Reply) -> Vec<String> {
    let mut found = Vec::new();
    let mut must = |good: bool, what: &str| {
        if !good {
            found.push(what.to_owned());
        }
    };
    must(reply.header("x-request-id").is_some_and(|id| !id.is_empty()), "no X-Request-ID");
    must(reply.header("cache-control").is_some(), "no Cache-Control");
    must(reply.header("content-type") == Some("application/json"), "Content-Type is not application/json");
    must(reply.header("x-content-type-options") == Some("nosniff"), "no X-Content-Type-Options: nosniff");
    let top = members(&reply.body);
    let has = |name: &str| top.contains_key(name);
    if reply.status.is_success() {
        must(!has("error") && !has("message"), "a success body with a top-level error or message");
        must(!reply.body.contains("null"), "a null");
    } else {
        must(top.get("error").is_some_and(|text| text.starts_with('"')), "error is no string");
        must(top.get("message") == top.get("error"), "message differs from error");
        must(
            top.get("status") == Some(&reply.status.as_u16().to_string()),
            "status differs from the HTTP status",
        );
        must(top.get("code").is_some_and(|text| text.starts_with('"')), "code is no string");
        must(top.get("details").is_none_or(|text| text.starts_with('"')), "details is no string");
        let count = top.len() - usize::from(has("details"));
        must(count == 4, "the error body has other members");
        must(reply.header("cache-control") == Some("no-store"), "an error that may be stored");
    }
    if reply.status == 401 && top.get("error").is_some_and(|error| error.contains("API key")) {
        must(reply.header("www-authenticate") == Some("Bearer"), "no WWW-Authenticate: Bearer");
    }
    if reply.status == 429 {
        must(reply.header("retry-after").is_some(), "no Retry-After");
    }
    for number in numbers(&reply.body) {
        must(is_plain(&number), &format!("{number} is not plain"));
    }
    found
}

/// Every number of a JSON text, as it is written.
pub fn numbers(json: &str) -> Vec<String> {
    let (mut found, mut current, mut in_string, mut escaped) = (Vec::new(), String::new(), false, false);
    for c in json.chars() {
        if in_string {
            (in_string, escaped) = (escaped || c != '"', !escaped && c == '\\');
        } else if c.is_ascii_digit() || (!current.is_empty() && "+.eE-".contains(c)) || c == '-' {
            current.push(c);
        } else {
            found.extend((!current.is_empty()).then(|| std::mem::take(&mut current)));
            in_string = c == '"';
        }
    }
    found.extend((!current.is_empty()).then_some(current));
    found
}

/// No exponent, no trailing zeros.
pub fn is_plain(number: &str) -> bool {
    let fraction = number.split_once('.').map(|(_, fraction)| fraction);
    !number.contains(['e', 'E', '+'])
        && number != "-0"
        && fraction.is_none_or(|f| !f.is_empty() && !f.ends_with('0'))
}

impl World {
    /// Sends every row in turn; all that fail are told at once.
    pub async fn check(&self, rows: Vec<Row>) {
        let mut failed = Vec::new();
        for row in &rows {
            let reply = self.call(&row.call).await;
            let complaints = row.want.complaints(&reply);
            if !complaints.is_empty() {
                let shown: String = String::from_utf8_lossy(&row.call.body).chars().take(120).collect();
                failed.push(format!(
                    "{}\n  {} {} {shown}\n  -> {} {}\n  {}",
                    row.line,
                    row.call.method,
                    row.call.path,
                    reply.status.as_u16(),
                    reply.body,
                    complaints.join("\n  ")
                ));
            }
        }
        assert!(
            failed.is_empty(),
            "{} of {} lines do not hold:\n\n{}\n",
            failed.len(),
            rows.len(),
            failed.join("\n\n")
        );
    }
}

/// Checks one answer.
#[track_caller]
pub fn assert_want(line: &str, reply: &Reply, want: &Want) {
    let complaints = want.complaints(reply);
    assert!(complaints.is_empty(), "{line}\n  {}\n  {}", reply.body, complaints.join("\n  "));
}

#[test]
fn the_rows_can_fail() {
    assert_eq!(numbers(r#"{"a":1.50,"b":["x1",-0,2e3],"c\"9":"7"}"#), ["1.50", "-0", "2e3"]);
    assert!(["0", "1", "10", "-1.5", "0.001"].iter().all(|n| is_plain(n)));
    assert!(["1.50", "1.0", "2e3", "-0", "1."].iter().all(|n| !is_plain(n)));
    let reply = Reply {
        status: http::StatusCode::OK,
        headers: http::HeaderMap::new(),
        body: r#"{"a":1.0,"error":"x"}"#.to_owned(),
    };
    let complaints = exactly(vec![("a", raw("1"))]).header("x-poll-after", "5").complaints(&reply).join("; ");
    for word in
        ["X-Request-ID", "top-level error", "not plain", "a: 1.0", "of no line: error", "x-poll-after"]
    {
        assert!(complaints.contains(word), "{word}: {complaints}");
    }
}

//! What can be made to go wrong: the faults of one emulator and the layer that applies them.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::control_error::{ControlError, Fields};
use crate::emulator::{Context, Emulator};
use crate::json::Json;

/// What happens to webhooks from now on; those already queued keep their fate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WebhookMode {
    /// Each once, in order.
    #[default]
    Normal,
    /// Never sent; `redeliver` still sends them.
    Lost,
    /// Each twice in a row, the same bytes.
    Duplicated,
    /// Those that fall due within 150 ms of each other in reverse order.
    Reordered,
}

/// The faults of one emulator. The first five members are the contract's; the others serve the
/// conformance suite. Set as a whole: what is left out is off.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Faults {
    /// Waited before the request is looked at.
    pub latency_ms: u32,
    /// Probability of the provider's own 5xx, instead of the work.
    pub error_rate: f64,
    /// Probability that the work is done and the connection is cut instead of answered.
    pub drop_response_rate: f64,
    /// What happens to webhooks.
    pub webhooks: WebhookMode,
    /// Connections are closed without an answer, and no work is done.
    pub down: bool,
    /// Waited after the work was done, before the answer.
    pub answer_delay_ms: u32,
    /// Every request is refused as if its key were unknown.
    pub reject_key: bool,
    /// A proxy's 429 with an HTML body and `Retry-After: 1`.
    pub status_429: bool,
    /// A proxy's 502 with an HTML body.
    pub html_502: bool,
    /// The answer is followed by 32 MiB of white space.
    pub huge_body: bool,
    /// Every string of an answer becomes a number and every number an object.
    pub wrong_types: bool,
    /// The provider's word for the status of a payment is one that no document lists.
    pub unknown_words: bool,
    /// The same for the status of the order.
    pub unknown_order_words: bool,
    /// Methods that silently go missing from an order that asks for them.
    pub omit_methods: Vec<String>,
    /// Methods whose node is down: left out, and an error where none is left.
    pub refuse_methods: Vec<String>,
    /// Webhooks are signed with another secret.
    pub bad_signature: bool,
    /// Webhooks are of a type that no document lists.
    pub unknown_events: bool,
    /// The provider's rate sources do not answer.
    pub rates_down: bool,
    /// The provider's chains are behind.
    pub not_synchronized: bool,
    /// An order is answered with another pay-out address than was asked for.
    pub wrong_payout: bool,
    /// Faults of the wire strike only requests whose path ends with one of these; empty: all requests.
    pub only_paths: Vec<String>,
}

const MEMBERS: &[&str] = &[
    "latency_ms",
    "error_rate",
    "drop_response_rate",
    "webhooks",
    "down",
    "answer_delay_ms",
    "reject_key",
    "status_429",
    "html_502",
    "huge_body",
    "wrong_types",
    "unknown_words",
    "unknown_order_words",
    "omit_methods",
    "refuse_methods",
    "bad_signature",
    "unknown_events",
    "rates_down",
    "not_synchronized",
    "wrong_payout",
    "only_paths",
];

impl Faults {
    /// Reads the body of `POST /control/PROVIDER/faults`.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, ControlError> {
        let fields = Fields::read(bytes, MEMBERS)?;
        let webhooks = match fields.text("webhooks")?.as_deref() {
            None | Some("normal") => WebhookMode::Normal,
            Some("lost") => WebhookMode::Lost,
            Some("duplicated") => WebhookMode::Duplicated,
            Some("reordered") => WebhookMode::Reordered,
            Some(_) => {
                return Err(ControlError::field("webhooks", "must be normal, lost, duplicated or reordered"));
            }
        };
        Ok(Self {
            latency_ms: fields.whole("latency_ms")?.unwrap_or(0),
            error_rate: fields.probability("error_rate")?,
            drop_response_rate: fields.probability("drop_response_rate")?,
            webhooks,
            down: fields.flag("down")?,
            answer_delay_ms: fields.whole("answer_delay_ms")?.unwrap_or(0),
            reject_key: fields.flag("reject_key")?,
            status_429: fields.flag("status_429")?,
            html_502: fields.flag("html_502")?,
            huge_body: fields.flag("huge_body")?,
            wrong_types: fields.flag("wrong_types")?,
            unknown_words: fields.flag("unknown_words")?,
            unknown_order_words: fields.flag("unknown_order_words")?,
            omit_methods: fields.words("omit_methods")?,
            refuse_methods: fields.words("refuse_methods")?,
            bad_signature: fields.flag("bad_signature")?,
            unknown_events: fields.flag("unknown_events")?,
            rates_down: fields.flag("rates_down")?,
            not_synchronized: fields.flag("not_synchronized")?,
            wrong_payout: fields.flag("wrong_payout")?,
            only_paths: fields.words("only_paths")?,
        })
    }
}

impl Faults {
    /// Whether a request for this path is among those that faults of the wire strike.
    fn strikes(&self, path: &str) -> bool {
        self.only_paths.is_empty() || self.only_paths.iter().any(|end| path.ends_with(end.as_str()))
    }
}

/// The faults in force, shared by the layer, the emulator and its webhooks.
#[derive(Debug, Default)]
pub struct FaultSwitch(RwLock<Arc<Faults>>);

impl FaultSwitch {
    /// The faults in force.
    #[must_use]
    pub fn get(&self) -> Arc<Faults> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces all of them.
    pub fn set(&self, faults: Faults) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(faults);
    }
}

/// Marks a response that is not to be sent: the server closes the connection instead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CutConnection;

fn cut() -> Response {
    let mut response = StatusCode::SERVICE_UNAVAILABLE.into_response();
    response.extensions_mut().insert(CutConnection);
    response
}

fn html(status: StatusCode, title: &str) -> Response {
    let body = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    );
    (status, [(header::CONTENT_TYPE, "text/html")], body).into_response()
}

/// What the layer needs of one emulator.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) emulator: Arc<dyn Emulator>,
    pub(crate) context: Arc<Context>,
}

/// The layer around every emulator's router.
pub(crate) async fn apply(State(site): State<Site>, request: Request, next: Next) -> Response {
    let faults = site.context.faults.get();
    let faults = if faults.strikes(request.uri().path()) { faults } else { Arc::default() };
    if faults.down {
        return cut();
    }
    pause(faults.latency_ms).await;
    if faults.status_429 {
        let mut response = html(StatusCode::TOO_MANY_REQUESTS, "429 Too Many Requests");
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
        return response;
    }
    if faults.html_502 {
        return html(StatusCode::BAD_GATEWAY, "502 Bad Gateway");
    }
    if faults.reject_key {
        return site.emulator.unauthorized();
    }
    if site.context.random.strikes(faults.error_rate) {
        return site.emulator.server_error();
    }
    site.emulator.tick();
    let mut response = next.run(request).await;
    pause(faults.answer_delay_ms).await;
    if site.context.random.strikes(faults.drop_response_rate) {
        return cut();
    }
    if faults.wrong_types {
        response = rewritten(response, wrong_types).await;
    }
    if faults.huge_body {
        response = padded(response).await;
    }
    response
}

async fn pause(milliseconds: u32) {
    if milliseconds > 0 {
        tokio::time::sleep(Duration::from_millis(u64::from(milliseconds))).await;
    }
}

async fn rewritten(response: Response, change: fn(Json) -> Json) -> Response {
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, usize::MAX).await else { return cut() };
    let body = match Json::parse(&bytes) {
        Ok(json) => Body::from(change(json).compact()),
        Err(_) => Body::from(bytes),
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, body)
}

/// Lists and objects keep their form, so that a reader gets as far as the value that is wrong.
fn wrong_types(json: Json) -> Json {
    match json {
        Json::Text(_) => Json::int(7),
        Json::Number(text) => Json::object([("value", Json::Number(text))]),
        Json::Bool(flag) => Json::text(if flag { "yes" } else { "no" }),
        Json::Null => Json::List(vec![]),
        Json::List(items) => Json::List(items.into_iter().map(wrong_types).collect()),
        Json::Object(members) => {
            Json::Object(members.into_iter().map(|(k, v)| (k, wrong_types(v))).collect())
        }
    }
}

const PADDING: usize = 32 * 1024 * 1024;

async fn padded(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, usize::MAX).await else { return cut() };
    let mut body = bytes.to_vec();
    body.resize(body.len() + PADDING, b' ');
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_off() {
        let faults = Faults::read(br#"{"error_rate": 0.25, "webhooks": "lost"}"#).unwrap();
        let expected = Faults { error_rate: 0.25, webhooks: WebhookMode::Lost, ..Faults::default() };
        assert_eq!(faults, expected);
        assert_eq!(Faults::read(b"{}").unwrap(), Faults::default());
    }

    #[test]
    fn every_member_is_read() {
        let bools =
            ["down", "reject_key", "status_429", "html_502", "huge_body", "wrong_types", "unknown_words"];
        for name in bools.iter().chain(&[
            "unknown_order_words",
            "bad_signature",
            "unknown_events",
            "rates_down",
            "not_synchronized",
            "wrong_payout",
        ]) {
            let faults = Faults::read(format!("{{\"{name}\": true}}").as_bytes()).unwrap();
            assert_ne!(faults, Faults::default(), "{name}");
        }
        for other in [
            r#"{"latency_ms":1}"#,
            r#"{"answer_delay_ms":1}"#,
            r#"{"omit_methods":["BTC-CHAIN"]}"#,
            r#"{"only_paths":["/v1/create-order"]}"#,
        ] {
            assert_ne!(Faults::read(other.as_bytes()).unwrap(), Faults::default(), "{other}");
        }
    }

    #[test]
    fn a_refusal_names_the_member_and_the_rule() {
        let cases = [
            (r#"{"error_rate": 1.5}"#, "error_rate: must be a number from 0 to 1"),
            (r#"{"latency_ms": -1}"#, "latency_ms: must be a whole number from 0 to 4294967295"),
            (r#"{"down": "yes"}"#, "down: must be true or false"),
            (r#"{"webhooks": "late"}"#, "webhooks: must be normal, lost, duplicated or reordered"),
            (r#"{"omit_methods": [1]}"#, "omit_methods: must be a list of strings"),
            ("[]", "body: must be a JSON object"),
        ];
        for (body, message) in cases {
            assert_eq!(Faults::read(body.as_bytes()).unwrap_err().to_string(), message);
        }
        let unknown = Faults::read(br#"{"lattency_ms": 5}"#).unwrap_err().to_string();
        assert!(
            unknown.starts_with("lattency_ms: is no member of this call, which has latency_ms, "),
            "{unknown}"
        );
    }
}

//! JSON-RPC as epee writes it: two spaces a level, members in the order of their names, empty lists left out.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::json::Json;

/// A refusal, with HTTP 200.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal(pub(super) i32, pub(super) &'static str);

impl Refusal {
    pub(super) const NOT_JSON: Self = Self(-32700, "Parse error");
    pub(super) const NO_METHOD: Self = Self(-32600, "Invalid Request");
    pub(super) const UNKNOWN_METHOD: Self = Self(-32601, "Method not found");
    pub(super) const INVALID_PARAMS: Self = Self(-32602, "Invalid params");
    pub(super) const WRONG_ADDRESS: Self = Self(-2, "WALLET_RPC_ERROR_CODE_WRONG_ADDRESS");
    pub(super) const BUSY: Self = Self(-3, "Core is busy");
    pub(super) const WRONG_PAYMENT_ID: Self =
        Self(-5, "invalid payment id is given: hex-encoded string was expected");
    pub(super) const WRONG_ARGUMENT: Self = Self(-6, "WALLET_RPC_ERROR_CODE_WRONG_ARGUMENT");
    pub(super) const TX_NOT_FOUND: Self = Self(-14, "tx is not found");
    pub(super) const DEPRECATED: Self = Self(-12, "this method is deprecated");
}

/// A request that could be read.
pub(super) struct Call {
    id: Json,
    pub(super) method: String,
    pub(super) params: Params,
}

impl Call {
    /// `Err`: the refusal, as it is sent.
    pub(super) fn read(body: &[u8]) -> Result<Self, Box<Response>> {
        let refuse = |id: Json, refusal, version| Err(Box::new(failed(id, version, "", refusal)));
        let Ok(json @ Json::Object(_)) = Json::parse(body) else {
            return refuse(Json::text(""), Refusal::NOT_JSON, "");
        };
        let id = json.get("id").cloned().unwrap_or_else(|| Json::text(""));
        let Some(method) = json.get("method").and_then(Json::as_text).filter(|method| !method.is_empty())
        else {
            return refuse(id, Refusal::NO_METHOD, "2.0");
        };
        let method = method.to_owned();
        match json.get("params") {
            None => Ok(Self { id, method, params: Params(Json::Object(vec![])) }),
            Some(params @ Json::Object(_)) => {
                let params = Params(params.clone());
                Ok(Self { id, method, params })
            }
            Some(_) => Err(Box::new(failed(id, "2.0", &method, Refusal::INVALID_PARAMS))),
        }
    }

    pub(super) fn answer(&self, result: Result<Json, Refusal>) -> Response {
        match result {
            Ok(result) => written(Json::object([
                ("id", self.id.clone()),
                ("jsonrpc", Json::text("2.0")),
                ("result", tidy(result)),
            ])),
            Err(refusal) => failed(self.id.clone(), "2.0", &self.method, refusal),
        }
    }
}

fn failed(id: Json, version: &str, method: &str, refusal: Refusal) -> Response {
    let error = [("code", Json::int(refusal.0)), ("message", Json::text(refusal.1))];
    written(Json::object([
        ("error", Json::object(error)),
        ("id", id),
        ("jsonrpc", Json::text(version)),
        ("method", Json::text(method)),
    ]))
}

fn written(body: Json) -> Response {
    (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], body.pretty()).into_response()
}

/// Members by name, without empty lists.
fn tidy(json: Json) -> Json {
    match json {
        Json::Object(members) => {
            let kept = members.into_iter().filter(|(_, value)| *value != Json::List(vec![]));
            let mut members: Vec<_> = kept.map(|(name, value)| (name, tidy(value))).collect();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            Json::Object(members)
        }
        Json::List(items) => Json::List(items.into_iter().map(tidy).collect()),
        other @ (Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_)) => other,
    }
}

/// Parameters; what is left out has its default, a wrong type is refused.
pub(super) struct Params(Json);

impl Params {
    fn read<T>(&self, name: &str, read: impl Fn(&Json) -> Option<T>) -> Result<Option<T>, Refusal> {
        self.0.get(name).map(|value| read(value).ok_or(Refusal::INVALID_PARAMS)).transpose()
    }

    pub(super) fn text(&self, name: &str) -> Result<String, Refusal> {
        Ok(self.read(name, |v| v.as_text().map(str::to_owned))?.unwrap_or_default())
    }

    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>, Refusal> {
        let read = |v: &Json| {
            matches!(v, Json::List(_)).then_some(())?;
            v.items().iter().map(|item| item.as_text().map(str::to_owned)).collect()
        };
        Ok(self.read(name, read)?.unwrap_or_default())
    }

    pub(super) fn whole(&self, name: &str) -> Result<u64, Refusal> {
        Ok(self.read(name, |v| v.number().and_then(|n| n.parse().ok()))?.unwrap_or(0))
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        let read = |v: &Json| if let Json::Bool(flag) = v { Some(*flag) } else { None };
        Ok(self.read(name, read)?.unwrap_or(false))
    }
}

pub(super) fn whole(number: u64) -> Json {
    Json::int(number)
}

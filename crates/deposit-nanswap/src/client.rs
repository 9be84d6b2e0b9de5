//! Requests, and what a refusal means (dossier, sections 1, 2 and 9).

use std::collections::BTreeMap;
use std::time::Duration;

use deposit_core::{ConfigError, ErrorKind, Operation, ProviderError, Secret, Timestamp};
use deposit_transport::{DecodeError, HttpClient, HttpConfig, Method, Request, Response, Safety, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use url::Url;

use crate::api;
use crate::config::Checked;
use crate::error::{ID, error};
use crate::map::http_date;
use crate::pace::Pace;

#[derive(Debug)]
pub(crate) struct Client {
    http: HttpClient,
    base_url: Url,
    api_key: Secret,
    pace: Pace,
}

/// What a request with the key was refused for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyAnswer {
    /// Anything but the key.
    Taken,
    /// The key.
    Refused,
}

/// An order and the provider's own clock when it answered.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) order: api::Order,
    pub(crate) at: Option<Timestamp>,
}

impl Client {
    pub(crate) fn new(config: &Checked, http: HttpConfig) -> Result<Self, ConfigError> {
        Ok(Self {
            http: HttpClient::new(ID, http)?,
            base_url: config.base_url.clone(),
            api_key: config.api_key.clone(),
            pace: Pace::default(),
        })
    }

    /// Time for all of a create; what is asked before it has as much once more.
    pub(crate) fn patience(&self) -> Duration {
        self.http.config().timeout
    }

    fn request(&self, operation: Operation, safety: Safety, method: Method, name: &str) -> Request<'_> {
        let mut url = self.base_url.clone();
        // Cannot fail: the base is http or https.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["v1", name]);
        }
        self.http.request(operation, safety, method, url).header("accept", "application/json")
    }

    /// Sends, if the provider's window allows it, and learns from the answer where that stands.
    async fn send(&self, operation: Operation, request: Request<'_>) -> Result<Response, ProviderError> {
        let wait = |wait| error(operation, ErrorKind::Transient { retry_after: Some(wait) });
        self.pace.take(operation).map_err(wait)?;
        match request.send().await {
            Ok(answer) => {
                self.pace.told(&answer);
                Ok(answer)
            }
            Err(failure) => {
                if let ErrorKind::Transient { retry_after: Some(wait) } = failure.kind() {
                    self.pace.stop(*wait);
                }
                Err(failure)
            }
        }
    }

    /// `GET` with a refusal in a 2xx made what one in a 4xx is.
    async fn get<T: DeserializeOwned>(
        &self,
        operation: Operation,
        name: &str,
        query: &[(&str, &str)],
        refused: fn(StatusCode, &[u8]) -> Option<ErrorKind>,
    ) -> Result<(T, Response), ProviderError> {
        let request = self.request(operation, Safety::Idempotent, Method::GET, name).refine(refused);
        let request = query.iter().fold(request, |request, (name, value)| request.query(name, value));
        let request = if operation == Operation::Open { request.deadline(self.patience()) } else { request };
        let answer = self.send(operation, request).await?;
        if api::is_refusal(answer.bytes()) {
            let kind = refused(StatusCode::BAD_REQUEST, answer.bytes());
            return Err(error(operation, kind.unwrap_or(ErrorKind::Protocol)));
        }
        Ok((answer.json()?, answer))
    }

    /// The currencies by their keys, each still unread: one that is odd must not take the others away.
    pub(crate) async fn currencies(&self) -> Result<BTreeMap<String, Box<RawValue>>, ProviderError> {
        let answer = self.get(Operation::Open, "all-currencies", &[], refusal_of_list).await?;
        Ok(answer.0)
    }

    pub(crate) fn currency(raw: &RawValue) -> Result<api::Currency, ProviderError> {
        serde_json::from_str(raw.get()).map_err(|cause| {
            error(Operation::Open, ErrorKind::Protocol).with_source(DecodeError::from(&cause))
        })
    }

    pub(crate) async fn limits(&self, from: &str, to: &str) -> Result<api::Limits, ProviderError> {
        let query = [("from", from), ("to", to)];
        let answer = self.get(Operation::Open, "get-limits", &query, refusal_of_limits).await?;
        Ok(answer.0)
    }

    /// Sent once: an order more at the provider is harmless, but nobody could tell the two apart.
    pub(crate) async fn create(&self, body: &api::CreateOrder<'_>) -> Result<api::Order, ProviderError> {
        let request = self
            .request(Operation::Open, Safety::Once, Method::POST, "create-order")
            .secret_header("nanswap-api-key", "", &self.api_key)
            .refine(refusal_of_create)
            .deadline(self.patience())
            .json(body);
        let answer = self.send(Operation::Open, request).await?;
        if api::is_refusal(answer.bytes()) {
            return Err(error(Operation::Open, ErrorKind::Rejected("refused")));
        }
        answer.json()
    }

    /// The currencies, to see whether anybody answers.
    pub(crate) async fn look(&self) -> Result<(), ProviderError> {
        let answer: Result<(BTreeMap<String, Box<RawValue>>, _), _> =
            self.get(Operation::Check, "all-currencies", &[], refusal_of_list).await;
        answer.map(|_| ())
    }

    /// Only `create-order` looks at the key. Asked without a currency, an amount and an address there is nothing that it could make: the
    /// refusal tells whether the key was the reason.
    pub(crate) async fn try_key(&self) -> Result<KeyAnswer, ProviderError> {
        let request = self
            .request(Operation::Check, Safety::Once, Method::POST, "create-order")
            .secret_header("nanswap-api-key", "", &self.api_key)
            .refine(|status, body| own(status, body, ErrorKind::Rejected("refused")))
            .json(&serde_json::Map::new());
        match self.send(Operation::Check, request).await {
            Err(failure) if *failure.kind() == ErrorKind::Authentication => Ok(KeyAnswer::Refused),
            Err(failure) if matches!(failure.kind(), ErrorKind::Rejected(_)) => Ok(KeyAnswer::Taken),
            Err(failure) => Err(failure),
            Ok(answer) if api::is_refusal(answer.bytes()) => Ok(KeyAnswer::Taken),
            Ok(_) => Err(error(Operation::Check, ErrorKind::Protocol)),
        }
    }

    pub(crate) async fn order(&self, id: &str) -> Result<Read, ProviderError> {
        let (order, answer) = self.get(Operation::Read, "get-order", &[("id", id)], refusal_of_read).await?;
        Ok(Read { order, at: answer.header("date").and_then(http_date) })
    }
}

/// Only a refusal that is the API's own (JSON with `error`) is one; other pages are a proxy's, or a wrong base URL.
fn own(status: StatusCode, body: &[u8], kind: ErrorKind) -> Option<ErrorKind> {
    match status {
        StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::UNPROCESSABLE_ENTITY
            if api::is_refusal(body) =>
        {
            Some(kind)
        }
        StatusCode::NOT_FOUND => Some(ErrorKind::Configuration),
        _ => None,
    }
}

fn refusal_of_list(status: StatusCode, body: &[u8]) -> Option<ErrorKind> {
    own(status, body, ErrorKind::Rejected("currencies_refused"))
}

fn refusal_of_limits(status: StatusCode, body: &[u8]) -> Option<ErrorKind> {
    own(status, body, ErrorKind::Rejected("pair_unavailable"))
}

fn refusal_of_create(status: StatusCode, body: &[u8]) -> Option<ErrorKind> {
    own(status, body, ErrorKind::Rejected("refused"))
}

/// The only thing that a read is about is the id: a refusal means that nobody knows it. Which status says so is unconfirmed.
fn refusal_of_read(status: StatusCode, body: &[u8]) -> Option<ErrorKind> {
    own(status, body, ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_api_itself_says_that_an_order_is_unknown() {
        let refuse =
            |status, body: &str| refusal_of_read(StatusCode::from_u16(status).unwrap(), body.as_bytes());
        let own = r#"{"error":"Order not found"}"#;
        assert_eq!(refuse(400, own), Some(ErrorKind::NotFound));
        assert_eq!(refuse(404, own), Some(ErrorKind::NotFound));
        assert_eq!(refuse(404, "<html>"), Some(ErrorKind::Configuration));
        assert_eq!(refuse(400, "<html>"), None);
        assert_eq!(refuse(401, own), None);
        assert_eq!(refuse(429, own), None);
    }

    #[test]
    fn refusals_of_a_create() {
        let refuse =
            |status, body: &str| refusal_of_create(StatusCode::from_u16(status).unwrap(), body.as_bytes());
        assert_eq!(refuse(400, r#"{"error":"any words"}"#), Some(ErrorKind::Rejected("refused")));
        assert_eq!(refuse(400, "{}"), None);
        assert_eq!(refuse(404, ""), Some(ErrorKind::Configuration));
        assert_eq!(refuse(403, r#"{"error":"key"}"#), None);
    }

    #[test]
    fn a_refusal_is_known_by_its_key() {
        assert!(api::is_refusal(br#"{"error":"x"}"#));
        assert!(api::is_refusal(br#"{"error":{"message":"x"}}"#));
        for other in ["{}", r#"{"error":null}"#, "[]", "<html>", r#"{"id":"1"}"#] {
            assert!(!api::is_refusal(other.as_bytes()), "{other}");
        }
    }
}

//! A client of the deposit API, for the command line and the demo.
//!
//! Amounts stay text, answers keep the bytes they came in, every error says what to do next. [`Follow`] tells of a deposit's changes.

mod answer;
mod create;
mod error;
mod follow;

use std::time::Duration;

use deposit_core::Secret;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderValue, Method};
use reqwest::{RequestBuilder, Response, Url};
use serde::de::DeserializeOwned;

use self::answer::{ErrorBody, one_line};
#[cfg(feature = "sandbox")]
pub(crate) use answer::Balance;
pub(crate) use answer::{Answer, Deposit, Limits};
pub(crate) use error::{ClientError, Refusal};
pub(crate) use follow::{Follow, News};

/// How long the gateway may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer may take: longer than the gateway itself allows a request.
const ANSWER: Duration = Duration::from_secs(40);
/// No answer of a gateway is larger.
const LARGEST: usize = 4 << 20;

/// A client of one gateway.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    /// Marked as sensitive: never printed.
    authorization: Option<HeaderValue>,
}

/// Reads the address of a gateway.
///
/// # Errors
/// Says what is wrong with it. It must be http or https, and bear no credentials: those would be seen in a list of processes.
pub(crate) fn gateway_url(text: &str) -> Result<Url, String> {
    let url =
        Url::parse(text).map_err(|error| format!("{error}; an address looks like http://127.0.0.1:8080"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("an address begins with http:// or https://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "no credentials in the address: the key comes from DEPOSIT_API_KEY or --key-file".to_owned()
        );
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("an address has no ? and no #".to_owned());
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    })
}

/// A name of our own for a request, or for an order: 128 random bits.
pub(crate) fn random_id() -> String {
    let mut bytes = [0_u8; 16];
    // Without randomness of the system the name is merely not unique; it is no secret.
    let _ = getrandom::fill(&mut bytes);
    hex::encode(bytes)
}

impl Client {
    /// A client of the gateway at `base`; without a key for what needs none.
    ///
    /// # Errors
    /// Where the key cannot be sent, or TLS cannot be set up.
    pub(crate) fn new(base: &Url, key: Option<&Secret>) -> Result<Self, ClientError> {
        let authorization = key.map(|key| {
            let mut value =
                HeaderValue::try_from(format!("Bearer {}", key.expose())).map_err(|_| ClientError::BadKey)?;
            value.set_sensitive(true);
            Ok(value)
        });
        let mut builder = deposit_transport::client_builder(base.scheme() == "https")
            .map_err(|error| ClientError::Setup(Box::new(error)))?
            .connect_timeout(CONNECT);
        if is_loopback(base) {
            // A proxy set for the outside world does not lead back here.
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| ClientError::Setup(Box::new(error)))?;
        Ok(Self { http, base: base.clone(), authorization: authorization.transpose()? })
    }

    /// The limits of a ticker.
    pub(crate) async fn limits(&self, ticker: &str) -> Result<Answer<Limits>, ClientError> {
        self.get(&["api", "transaction", "limits", ticker], ticker).await
    }

    /// A deposit as it is now.
    pub(crate) async fn status(&self, ticker: &str, tx_id: &str) -> Result<Answer<Deposit>, ClientError> {
        self.get(&["api", "transaction", "status", ticker, tx_id], ticker).await
    }

    /// The account's balances.
    #[cfg(feature = "sandbox")]
    pub(crate) async fn balance(&self) -> Result<Answer<Balance>, ClientError> {
        self.post(&["api", "check-balance"], "{}".to_owned()).await
    }

    /// A deposit's changes, from its present state on.
    pub(crate) fn follow(&self, ticker: &str, tx_id: &str) -> Follow {
        Follow::new(self.clone(), ticker, tx_id)
    }

    /// Anything else that takes and answers JSON.
    #[cfg(feature = "sandbox")]
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: String,
    ) -> Result<Answer<T>, ClientError> {
        let request = self.http.request(Method::POST, self.url(path)).header(CONTENT_TYPE, JSON).body(body);
        self.ask(request, None).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &[&str], ticker: &str) -> Result<Answer<T>, ClientError> {
        self.ask(self.http.request(Method::GET, self.url(path)), Some(ticker)).await
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    /// The address as a person knows it.
    fn shown(&self) -> String {
        self.base.as_str().trim_end_matches('/').to_owned()
    }

    /// Sends a request and reads the head of the answer; an error answer is an error.
    async fn open(&self, request: RequestBuilder, ticker: Option<&str>) -> Result<Response, ClientError> {
        let id = random_id();
        let mut request = request.header("x-request-id", &id);
        if let Some(value) = &self.authorization {
            request = request.header(AUTHORIZATION, value);
        }
        let response = request.send().await.map_err(|error| self.failed(error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let header =
            |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let retry_after = header(RETRY_AFTER.as_str()).and_then(|secs| secs.parse().ok());
        let (location, said) = (header(LOCATION.as_str()), header("x-request-id"));
        let what = kind(&response);
        let text = self.read(response).await?;
        match serde_json::from_str::<ErrorBody>(&text) {
            Ok(ErrorBody { error, code, details }) => Err(ClientError::Refused(Box::new(Refusal {
                status,
                error,
                code,
                details,
                retry_after,
                request_id: said.unwrap_or(id),
                ticker: ticker.map(str::to_owned),
            }))),
            Err(_) => Err(ClientError::Unexpected { base: self.shown(), status, what, location }),
        }
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        ticker: Option<&str>,
    ) -> Result<Answer<T>, ClientError> {
        let response = self.open(request.header(ACCEPT, JSON).timeout(ANSWER), ticker).await?;
        let poll_after = response.headers().get("x-poll-after");
        let poll_after = poll_after.and_then(|value| value.to_str().ok()).and_then(|secs| secs.parse().ok());
        let (status, what) = (response.status().as_u16(), kind(&response));
        let raw = one_line(self.read(response).await?);
        let value = serde_json::from_str(&raw).map_err(|error| {
            let what = if what.contains("json") { format!("JSON of another form ({error})") } else { what };
            ClientError::Unexpected { base: self.shown(), status, what, location: None }
        })?;
        Ok(Answer { value, raw, poll_after: poll_after.map(Duration::from_secs) })
    }

    async fn read(&self, mut response: Response) -> Result<String, ClientError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failed(error))? {
            if body.len() + chunk.len() > LARGEST {
                return Err(self.lost("the answer has no end"));
            }
            body.extend_from_slice(&chunk);
        }
        String::from_utf8(body).map_err(|_| self.lost("the answer is no text"))
    }

    fn failed(&self, error: reqwest::Error) -> ClientError {
        if error.is_connect() {
            return ClientError::Unreachable { base: self.shown(), source: error.without_url() };
        }
        if error.is_timeout() {
            return self.lost("no answer in time");
        }
        self.lost(&error::root(&error))
    }

    fn lost(&self, why: &str) -> ClientError {
        ClientError::Lost { base: self.shown(), why: why.to_owned() }
    }
}

const JSON: &str = "application/json";

/// What an answer is, in a word.
fn kind(response: &Response) -> String {
    let declared = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    declared
        .and_then(|text| text.split(';').next())
        .map_or_else(|| "no content type".to_owned(), str::to_owned)
}

#[cfg(test)]
mod tests;

//! Requests.

use deposit_core::{ConfigError, ErrorKind, Operation, ProviderError, Secret};
use deposit_transport::{HttpClient, HttpConfig, Method, Request, Safety, StatusCode};
use url::Url;

use crate::api::{self, Created, Got, Payment};
use crate::config::Checked;
use crate::error::ID;

/// A 404 that may be anybody's.
pub(crate) const UNTOLD: &str = "untold";

#[derive(Debug)]
pub(crate) struct Client {
    http: HttpClient,
    base_url: Url,
    public_token: String,
    secret_token: Secret,
    callback_url: String,
}

impl Client {
    pub(crate) fn new(config: &Checked, http: HttpConfig) -> Result<Self, ConfigError> {
        Ok(Self {
            http: HttpClient::new(ID, http)?,
            base_url: config.base_url.clone(),
            public_token: config.public_token.clone(),
            secret_token: config.secret_token.clone(),
            callback_url: config.callback_url.clone(),
        })
    }

    /// The secret stands alone in its header, without a scheme word.
    fn request(&self, operation: Operation, safety: Safety, method: Method, path: &[&str]) -> Request<'_> {
        let mut url = self.base_url.clone();
        // Cannot fail: the base is http or https.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", "v1"]).extend(path);
        }
        self.http
            .request(operation, safety, method, url)
            .secret_header("authorization", "", &self.secret_token)
            .header("accept", "application/json")
    }

    /// Sent once: that a repeat of a `tx_id` brings the old payment back is inferred from a member's name, so a repeat is left to
    /// the caller, who compares what comes.
    pub(crate) async fn create(
        &self,
        tx_id: &str,
        amount: &str,
        minutes: i64,
        confirmations: u32,
    ) -> Result<Created, ProviderError> {
        let (minutes, confirmations) = (minutes.to_string(), confirmations.to_string());
        let mut fields = vec![
            ("token", self.public_token.as_str()),
            ("tx_id", tx_id),
            ("amount", amount),
            ("currency", api::FIAT),
            ("expiration", &minutes),
            ("confirm", &confirmations),
        ];
        if !self.callback_url.is_empty() {
            fields.push(("callback", &self.callback_url));
        }
        self.request(Operation::Open, Safety::Once, Method::POST, &["create-payment"])
            .refine(|status, _| (status == StatusCode::NOT_FOUND).then_some(ErrorKind::Configuration))
            .deadline(self.http.config().timeout)
            .form(fields)
            .send()
            .await?
            .json()
    }

    /// Whether the service takes the secret: asks for a payment that nobody made. How it says that it knows none is not documented, so
    /// a 404 that is not its own form (JSON) proves nothing.
    pub(crate) async fn look(&self, tx_id: &str) -> Result<(), ProviderError> {
        let answer = self
            .request(Operation::Check, Safety::Idempotent, Method::GET, &["get-payment", tx_id])
            .refine(|status, body| {
                let own = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(body).is_ok();
                (status == StatusCode::NOT_FOUND && !own).then_some(ErrorKind::Rejected(UNTOLD))
            })
            .send()
            .await;
        match answer {
            Ok(answer) => answer.json::<Got>().map(|_| ()),
            Err(error) if *error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// `None`: the service does not know it.
    pub(crate) async fn payment(&self, tx_id: &str) -> Result<Option<Payment>, ProviderError> {
        let got: Got = self
            .request(Operation::Read, Safety::Idempotent, Method::GET, &["get-payment", tx_id])
            .send()
            .await?
            .json()?;
        // The cause is left out: its text could quote a value.
        got.payment().map_err(|_| ProviderError::new(ID, Operation::Read, ErrorKind::Protocol))
    }
}

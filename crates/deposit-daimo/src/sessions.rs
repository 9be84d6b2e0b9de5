//! The second generation: the sessions API.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use deposit_core::{
    ConfigError, Delivery, ErrorKind, Operation, ProviderError, RawDelivery, Secret, WebhookError,
};
use deposit_transport::HttpConfig;
use url::Url;

use crate::api::{CreateSession, Metadata, SessionAnswer, SessionDestination, SessionDisplay, WebhookList};
use crate::backend::{Asked, Backend, Opened, Seen};
use crate::client::Client;
use crate::config::Checked;
use crate::error::error;
use crate::evm::Destination;
use crate::payments::usable;
use crate::{map, webhook};

pub(crate) struct Sessions {
    client: Client,
    page: Url,
    api_key: Secret,
    webhook_secret: Secret,
    refund_address: String,
    destination: Destination,
}

impl Sessions {
    pub(crate) fn new(config: Checked, http: HttpConfig) -> Result<Self, ConfigError> {
        Ok(Self {
            client: Client::new(config.root, http)?,
            page: config.page,
            api_key: config.api_key,
            webhook_secret: config.webhook_token,
            refund_address: config.refund_address,
            destination: config.destination,
        })
    }

    /// No answer has the page's address: it is made of the session and its client's secret (dossier, B1).
    fn webview(&self, id: &str, client_secret: &str) -> String {
        let mut url = self.page.clone();
        url.query_pairs_mut().append_pair("session", id).append_pair("cs", client_secret);
        url.into()
    }
}

pub(crate) fn body<'a>(
    asked: &Asked<'a>,
    destination: &'a Destination,
    refund_address: &'a str,
) -> CreateSession<'a> {
    CreateSession {
        destination: SessionDestination {
            kind: "evm",
            address: &destination.address,
            chain_id: destination.chain.id,
            token_address: destination.chain.usdc,
            amount_units: asked.amount.to_string(),
        },
        display: SessionDisplay { title: "Deposit", verb: "Deposit" },
        metadata: Metadata::new(asked.deposit_id.as_str(), destination),
        refund_address,
    }
}

#[async_trait]
impl Backend for Sessions {
    async fn open(&self, asked: &Asked<'_>) -> Result<Opened, ProviderError> {
        let answer: SessionAnswer = self
            .client
            .create("sessions")
            .secret_header("authorization", "Bearer ", &self.api_key)
            .json(&body(asked, &self.destination, &self.refund_address))
            .send()
            .await?
            .json()?;
        let mut session = answer.session;
        // Without it there is no page, and nothing deduplicates a second try: the session expires unpaid.
        let Some(client_secret) = session.client_secret.take().filter(|secret| !secret.is_empty()) else {
            return Err(error(Operation::Open, ErrorKind::Protocol));
        };
        let seen = Seen::from(session);
        if map::mismatch(asked.deposit_id, asked.amount, &self.destination, &seen).is_some() {
            return Err(error(Operation::Open, ErrorKind::Protocol));
        }
        let url = self.webview(&seen.id, &client_secret);
        usable(seen.id, url)
    }

    async fn read(&self, id: &str) -> Result<Seen, ProviderError> {
        let answer = self
            .client
            .get(Operation::Read, &["sessions", id])
            .secret_header("authorization", "Bearer ", &self.api_key)
            .send()
            .await?;
        Ok(answer.json::<SessionAnswer>()?.session.into())
    }

    fn webhook(&self, delivery: &RawDelivery<'_>) -> Result<Delivery, WebhookError> {
        webhook::of_sessions(&self.webhook_secret, delivery)
    }

    async fn look(&self) -> Result<Option<Vec<String>>, ProviderError> {
        let answer: WebhookList = self
            .client
            .get(Operation::Check, &["webhooks"])
            .secret_header("authorization", "Bearer ", &self.api_key)
            .send()
            .await?
            .json()?;
        Ok(Some(answer.webhooks.into_iter().filter_map(|webhook| webhook.url).collect()))
    }

    fn refund_address(&self) -> &str {
        &self.refund_address
    }

    fn patience(&self) -> Duration {
        self.client.patience()
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("destination", &self.destination).finish_non_exhaustive()
    }
}

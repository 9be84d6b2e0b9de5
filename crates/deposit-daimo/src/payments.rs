//! The first generation: the payments API, "Daimo Pay".

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use deposit_core::{
    ConfigError, Delivery, DepositId, ErrorKind, Operation, ProviderError, RawDelivery, Secret, Ticker,
    WebhookError,
};
use deposit_transport::HttpConfig;
use url::Url;

use crate::api::{
    CreatePayment, Created, Metadata, Payment, PaymentAnswer, PaymentDestination, PaymentDisplay,
    PreferredToken,
};
use crate::backend::{Asked, Backend, Opened, Seen};
use crate::client::Client;
use crate::config::Checked;
use crate::error::error;
use crate::evm::{Destination, NATIVE};
use crate::{map, webhook};

pub(crate) struct Payments {
    client: Client,
    page: Url,
    api_key: Secret,
    webhook_token: Secret,
    refund_address: String,
    destination: Destination,
}

impl Payments {
    pub(crate) fn new(config: Checked, http: HttpConfig) -> Result<Self, ConfigError> {
        Ok(Self {
            client: Client::new(config.root, http)?,
            page: config.page,
            api_key: config.api_key,
            webhook_token: config.webhook_token,
            refund_address: config.refund_address,
            destination: config.destination,
        })
    }

    /// What was opened under our id before. Only after a conflict: the provider knows the id, and has not repeated its answer.
    async fn opened_before(
        &self,
        asked: &Asked<'_>,
        conflict: ProviderError,
    ) -> Result<Opened, ProviderError> {
        let found = self
            .client
            .get(Operation::Open, &["payment", "external-id", asked.deposit_id.as_str()])
            .secret_header("api-key", "", &self.api_key)
            .deadline(self.client.patience() / 2)
            .send()
            .await
            .and_then(|answer| answer.json::<PaymentAnswer>());
        let payment = match found {
            Ok(PaymentAnswer(payment)) => payment,
            Err(cause) if *cause.kind() == ErrorKind::NotFound => return Err(conflict),
            Err(cause) => return Err(error(Operation::Open, ErrorKind::OutcomeUnknown).with_source(cause)),
        };
        let (id, told) = (payment.id.clone(), payment.url.clone());
        if !self.is_what_was_asked(payment, asked) {
            return Err(conflict);
        }
        let url = told.unwrap_or_else(|| self.checkout(&id));
        usable(id, url)
    }

    /// The page's address where an answer has none. Its form is that of the vendor's example, not a documented one.
    fn checkout(&self, id: &str) -> String {
        let mut url = self.page.clone();
        url.query_pairs_mut().append_pair("id", id);
        url.into()
    }

    fn is_what_was_asked(&self, payment: Payment, asked: &Asked<'_>) -> bool {
        map::mismatch(asked.deposit_id, asked.amount, &self.destination, &Seen::from(payment)).is_none()
    }
}

/// An order that can be shown; what else there is of it is somewhere at the provider.
pub(crate) fn usable(id: String, url: String) -> Result<Opened, ProviderError> {
    let web = Url::parse(&url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if web && map::provider_ref(&id).is_some() {
        Ok(Opened { id, url })
    } else {
        Err(error(Operation::Open, ErrorKind::OutcomeUnknown))
    }
}

/// The coin that the payer chose comes first in what the page offers. Addresses from `@daimo/pay-common`, `token.ts`.
fn preferred(ticker: Ticker, destination: &Destination) -> Vec<PreferredToken> {
    let one = |chain, address| vec![PreferredToken { chain, address }];
    match ticker {
        Ticker::USDT => one(1, "0xdAC17F958D2ee523a2206206994597C13D831ec7"),
        Ticker::ETH => one(1, NATIVE),
        // Daimo's own number for Solana; its native coin is the system program there.
        Ticker::SOL => one(501, "11111111111111111111111111111111"),
        _ => one(destination.chain.id, destination.chain.usdc),
    }
}

pub(crate) fn body<'a>(
    deposit_id: &'a DepositId,
    asked: &Asked<'_>,
    destination: &'a Destination,
    refund_address: &'a str,
) -> CreatePayment<'a> {
    CreatePayment {
        display: PaymentDisplay { intent: "Deposit", preferred_tokens: preferred(asked.ticker, destination) },
        destination: PaymentDestination {
            destination_address: &destination.address,
            chain_id: destination.chain.id,
            token_address: destination.chain.usdc,
            amount_units: asked.amount.to_string(),
        },
        refund_address,
        external_id: deposit_id.as_str(),
        metadata: Metadata::new(deposit_id.as_str(), destination),
    }
}

#[async_trait]
impl Backend for Payments {
    async fn open(&self, asked: &Asked<'_>) -> Result<Opened, ProviderError> {
        let answer = self
            .client
            .create("payment")
            .secret_header("api-key", "", &self.api_key)
            .header("idempotency-key", asked.deposit_id.as_str())
            .json(&body(asked.deposit_id, asked, &self.destination, &self.refund_address))
            .send()
            .await;
        let created: Created = match answer {
            Ok(answer) => answer.json()?,
            Err(refused) if *refused.kind() == ErrorKind::Rejected("conflict") => {
                return self.opened_before(asked, refused).await;
            }
            Err(other) => return Err(other),
        };
        let same = created
            .payment
            .is_none_or(|payment| payment.id == created.id && self.is_what_was_asked(payment, asked));
        if !same {
            return Err(error(Operation::Open, ErrorKind::Protocol));
        }
        usable(created.id, created.url)
    }

    async fn read(&self, id: &str) -> Result<Seen, ProviderError> {
        let answer = self
            .client
            .get(Operation::Read, &["payment", id])
            .secret_header("api-key", "", &self.api_key)
            .send()
            .await?;
        Ok(answer.json::<PaymentAnswer>()?.0.into())
    }

    fn webhook(&self, delivery: &RawDelivery<'_>) -> Result<Delivery, WebhookError> {
        webhook::of_payments(&self.webhook_token, delivery)
    }

    /// By an id that no order of ours has: the key is looked at before it.
    async fn look(&self) -> Result<Option<Vec<String>>, ProviderError> {
        let answer = self
            .client
            .get(Operation::Check, &["payment", "external-id", "config_check"])
            .secret_header("api-key", "", &self.api_key)
            .send()
            .await;
        match answer {
            Ok(_) => Ok(None),
            Err(error) if *error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn refund_address(&self) -> &str {
        &self.refund_address
    }

    fn patience(&self) -> Duration {
        self.client.patience()
    }
}

impl fmt::Debug for Payments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payments").field("destination", &self.destination).finish_non_exhaustive()
    }
}

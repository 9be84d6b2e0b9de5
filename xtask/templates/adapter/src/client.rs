//! Requests, and what a refusal means.

use deposit_core::{ConfigError, ErrorKind, Operation, ProviderError, Secret};
use deposit_transport::{HttpClient, HttpConfig};
use url::Url;

use crate::api;
use crate::config::Checked;
use crate::error::ID;

#[derive(Debug)]
#[expect(dead_code, reason = "the requests below are to be written")]
pub(crate) struct Client {
    http: HttpClient,
    base_url: Url,
    api_key: Secret,
}

impl Client {
    pub(crate) fn new(config: &Checked, http: HttpConfig) -> Result<Self, ConfigError> {
        let http = HttpClient::new(ID, http)?;
        Ok(Self { http, base_url: config.base_url.clone(), api_key: config.api_key.clone() })
    }

    /// With `Safety::Once`, unless the provider's documents promise that a repeat makes no second order.
    pub(crate) async fn create(&self, _body: &api::CreateOrder<'_>) -> Result<api::Order, ProviderError> {
        Err(to_be_written(Operation::Open, "`create` in crates/deposit-@name@/src/client.rs"))
    }

    pub(crate) async fn order(&self, _id: &str) -> Result<api::Order, ProviderError> {
        Err(to_be_written(Operation::Read, "`order` in crates/deposit-@name@/src/client.rs"))
    }
}

fn to_be_written(operation: Operation, what: &str) -> ProviderError {
    ProviderError::new(ID, operation, ErrorKind::Unsupported).with_source(format!("to be written: {what}"))
}

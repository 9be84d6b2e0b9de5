//! Requests, and what a refusal means.

use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable as _};
use deposit_core::{ConfigError, ErrorKind, Operation, ProviderError, Secret};
use deposit_transport::{HttpClient, HttpConfig, Method, Safety};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use url::Url;

use crate::api;
use crate::config::Checked;
use crate::error::ID;
use crate::token;

/// Making an address is short work; more time would hold a person up.
const OPEN_PATIENCE: Duration = Duration::from_secs(10);

/// The wallet serves one request at a time and answers late while it scans: the guide wants generous times. All tries together stay
/// within the 30 s after which callers give a read up.
pub(crate) fn wallet_http() -> HttpConfig {
    let mut http = HttpConfig::default();
    http.read_timeout = Duration::from_secs(25);
    http.timeout = Duration::from_secs(25);
    http.deadline = Duration::from_secs(28);
    http
}

/// The limits for opening, within those of the client.
pub(crate) fn open_patience(http: &HttpConfig) -> Duration {
    http.timeout.min(OPEN_PATIENCE)
}

/// One program that speaks this JSON-RPC.
#[derive(Debug)]
struct Server {
    http: HttpClient,
    url: Url,
    secret: Secret,
    /// Tries are ours to count: each needs a token of its own.
    max_tries: usize,
    open_patience: Duration,
}

/// Wallet and daemon.
#[derive(Debug)]
pub(crate) struct Client {
    wallet: Server,
    daemon: Option<Server>,
}

/// The JSON-RPC error of an answer, by its code alone.
#[derive(Debug, thiserror::Error)]
#[error("JSON-RPC error {0}")]
struct Refused(i64);

/// An answer with neither result nor error.
#[derive(Debug, thiserror::Error)]
#[error("an answer without result and error")]
struct Empty;

impl Client {
    pub(crate) fn new(config: &Checked, http: &HttpConfig) -> Result<Self, ConfigError> {
        let server = |url: &Url, secret: &Secret| {
            let mut http = http.clone();
            let (max_tries, open_patience) = (http.max_tries, open_patience(&http));
            http.max_tries = 1;
            http.max_concurrent = 1;
            let http = HttpClient::new(ID, http)?;
            Ok(Server { http, url: url.clone(), secret: secret.clone(), max_tries, open_patience })
        };
        // No authentication is documented for the daemon.
        let daemon = config.daemon_url.as_ref().map(|url| server(url, &Secret::default())).transpose()?;
        Ok(Self { wallet: server(&config.wallet_url, &config.jwt_secret)?, daemon })
    }

    /// Repeating it would be safe; that it is not repeated here keeps `open` within its time.
    pub(crate) async fn make_address(&self, payment_id: &str) -> Result<api::MadeAddress, ProviderError> {
        let params = api::MakeAddress { payment_id };
        self.wallet.call(Operation::Open, Safety::Once, "make_integrated_address", &params).await
    }

    pub(crate) async fn own_address(&self, operation: Operation) -> Result<api::OwnAddress, ProviderError> {
        self.wallet.call(operation, Safety::Idempotent, "getaddress", &api::Nothing {}).await
    }

    pub(crate) async fn wallet_info(&self, operation: Operation) -> Result<api::WalletInfo, ProviderError> {
        let params = api::GetWalletInfo { collect_utxo_data: false };
        self.wallet.call(operation, Safety::Idempotent, "get_wallet_info", &params).await
    }

    /// Assets on the wallet's whitelist alone.
    pub(crate) async fn balances(&self, operation: Operation) -> Result<api::Balances, ProviderError> {
        self.wallet.call(operation, Safety::Idempotent, "getbalance", &api::Nothing {}).await
    }

    pub(crate) async fn feed(
        &self,
        operation: Operation,
        question: &api::FeedQuestion,
    ) -> Result<api::FeedPage, ProviderError> {
        self.wallet.call(operation, Safety::Idempotent, "get_recent_txs_and_info3", question).await
    }

    /// The wallet's whitelist decides what its balance lists; the answer describes the asset.
    pub(crate) async fn whitelist(
        &self,
        operation: Operation,
        asset_id: &str,
    ) -> Result<api::AssetAnswer, ProviderError> {
        let params = api::AssetQuestion { asset_id };
        self.wallet.call(operation, Safety::Idempotent, "assets_whitelist_add", &params).await
    }

    pub(crate) fn has_daemon(&self) -> bool {
        self.daemon.is_some()
    }

    /// `None` without a daemon.
    pub(crate) async fn asset_info(
        &self,
        operation: Operation,
        asset_id: &str,
    ) -> Option<Result<api::AssetAnswer, ProviderError>> {
        let params = api::AssetQuestion { asset_id };
        let daemon = self.daemon.as_ref()?;
        Some(daemon.call(operation, Safety::Idempotent, "get_asset_info", &params).await)
    }

    /// Whether a transaction is in the daemon's chain or pool. `None` without a daemon, or where it did not tell.
    pub(crate) async fn has_transaction(&self, operation: Operation, tx_hash: &str) -> Option<bool> {
        let params = api::TxQuestion { tx_hash };
        let asked: Result<api::TxAnswer, _> =
            self.daemon.as_ref()?.call(operation, Safety::Idempotent, "get_tx_details", &params).await;
        match asked {
            Ok(answer) => (answer.status == api::Status::Ok).then_some(true),
            Err(error) if *error.kind() == ErrorKind::NotFound => Some(false),
            Err(error) => {
                tracing::warn!(%error, "the daemon cannot be asked for a transaction");
                None
            }
        }
    }

    /// `None` without a daemon.
    pub(crate) async fn info(&self, operation: Operation) -> Option<Result<api::Info, ProviderError>> {
        let daemon = self.daemon.as_ref()?;
        Some(daemon.call(operation, Safety::Idempotent, "getinfo", &api::GetInfo { flags: 0 }).await)
    }
}

impl Server {
    async fn call<P: Serialize, T: DeserializeOwned>(
        &self,
        operation: Operation,
        safety: Safety,
        method: &str,
        params: &P,
    ) -> Result<T, ProviderError> {
        let broken = || ProviderError::new(ID, operation, ErrorKind::Configuration);
        let call = api::Call { id: 0, jsonrpc: "2.0", method, params };
        let body = serde_json::to_string(&call).and_then(RawValue::from_string).map_err(|_| broken())?;
        let http = self.http.config();
        // What goes before the address has half of its time each: two such calls and the address itself end within a caller's
        // lease of twice the time that `open` declares.
        let time = match (operation, safety) {
            (Operation::Open, Safety::Once) => self.open_patience,
            (Operation::Open, Safety::Idempotent) => self.open_patience / 2,
            _ => http.deadline,
        };
        let (max_retry_after, until) = (http.max_retry_after, Instant::now() + time);
        let backoff = ExponentialBuilder::default()
            .with_min_delay(http.min_backoff)
            .with_max_delay(http.max_backoff)
            .with_max_times(self.max_tries.saturating_sub(1))
            .with_jitter();
        (|| self.once(operation, safety, &body, until))
            .retry(backoff)
            .when(|error: &ProviderError| matches!(error.kind(), ErrorKind::Transient { .. }))
            .adjust(|error, wait| {
                let asked =
                    if let ErrorKind::Transient { retry_after } = error.kind() { *retry_after } else { None };
                let asked = asked.unwrap_or_default();
                let wait = wait?.max(asked);
                let left = until.saturating_duration_since(Instant::now());
                (asked <= max_retry_after && wait < left).then_some(wait)
            })
            .await
    }

    /// One sending, with a token of its own: the wallet refuses a salt that it has seen.
    async fn once<T: DeserializeOwned>(
        &self,
        operation: Operation,
        safety: Safety,
        body: &RawValue,
        until: Instant,
    ) -> Result<T, ProviderError> {
        let error = |kind| ProviderError::new(ID, operation, kind);
        let mut request = self
            .http
            .request(operation, safety, Method::POST, self.url.clone())
            .refine(|status, _| (status.as_u16() == 404).then_some(ErrorKind::Configuration))
            .deadline(until.saturating_duration_since(Instant::now()))
            .json(body);
        if !self.secret.is_empty() {
            let token = token::fresh(&self.secret, body.get())
                .map_err(|cause| error(ErrorKind::Configuration).with_source(cause))?;
            request = request.secret_header(token::HEADER, "", &token);
        }
        let answer: api::Answer<T> = request.send().await?.json()?;
        match answer {
            api::Answer { error: Some(api::RpcError { code }), .. } => {
                Err(error(kind_of(Code::from(code))).with_source(Refused(code)))
            }
            api::Answer { result: Some(result), error: None } => Ok(result),
            api::Answer { result: None, error: None } => {
                let kind = match safety {
                    Safety::Idempotent => ErrorKind::Protocol,
                    Safety::Once => ErrorKind::OutcomeUnknown,
                };
                Err(error(kind).with_source(Empty))
            }
        }
    }
}

/// Dossier, section 4: the documented error codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Code {
    Unknown,
    WrongAddress,
    DaemonBusy,
    GenericTransfer,
    WrongPaymentId,
    WrongArgument,
    NotEnoughMoney,
    WrongMixins,
    Generic,
    KeyImageSpent,
    Freeze,
    Deprecated,
    NothingToDo,
    /// The daemon's: no such transaction.
    NotFound,
    NotJson,
    NoMethod,
    UnknownMethod,
    InvalidParams,
    Internal,
    Other,
}

impl From<i64> for Code {
    fn from(code: i64) -> Self {
        match code {
            -1 => Self::Unknown,
            -2 => Self::WrongAddress,
            -3 => Self::DaemonBusy,
            -4 => Self::GenericTransfer,
            -5 => Self::WrongPaymentId,
            -6 => Self::WrongArgument,
            -7 => Self::NotEnoughMoney,
            -8 => Self::WrongMixins,
            -9 => Self::Generic,
            -10 => Self::KeyImageSpent,
            -11 => Self::Freeze,
            -12 => Self::Deprecated,
            -13 => Self::NothingToDo,
            -14 => Self::NotFound,
            -32700 => Self::NotJson,
            -32600 => Self::NoMethod,
            -32601 => Self::UnknownMethod,
            -32602 => Self::InvalidParams,
            -32603 => Self::Internal,
            _ => Self::Other,
        }
    }
}

/// Nothing that is asked here spends: whatever was refused did not happen, and can be asked again where it may pass.
fn kind_of(code: Code) -> ErrorKind {
    match code {
        Code::Unknown
        | Code::DaemonBusy
        | Code::GenericTransfer
        | Code::Generic
        | Code::Freeze
        | Code::Internal => ErrorKind::Transient { retry_after: None },
        Code::WrongAddress => ErrorKind::Rejected("address_refused"),
        Code::WrongPaymentId => ErrorKind::Rejected("payment_id_refused"),
        Code::WrongArgument | Code::WrongMixins | Code::NothingToDo => {
            ErrorKind::Rejected("argument_refused")
        }
        Code::NotEnoughMoney | Code::KeyImageSpent => ErrorKind::Rejected("wallet_state"),
        Code::NotFound => ErrorKind::NotFound,
        // Another build of the wallet, or no wallet.
        Code::Deprecated | Code::UnknownMethod => ErrorKind::Configuration,
        Code::NotJson | Code::NoMethod | Code::InvalidParams | Code::Other => ErrorKind::Protocol,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_code() {
        let transient = ErrorKind::Transient { retry_after: None };
        for (code, kind) in [
            (-1, transient.clone()),
            (-2, ErrorKind::Rejected("address_refused")),
            (-3, transient.clone()),
            (-4, transient.clone()),
            (-5, ErrorKind::Rejected("payment_id_refused")),
            (-6, ErrorKind::Rejected("argument_refused")),
            (-7, ErrorKind::Rejected("wallet_state")),
            (-8, ErrorKind::Rejected("argument_refused")),
            (-9, transient.clone()),
            (-10, ErrorKind::Rejected("wallet_state")),
            (-11, transient.clone()),
            (-12, ErrorKind::Configuration),
            (-13, ErrorKind::Rejected("argument_refused")),
            (-32700, ErrorKind::Protocol),
            (-32600, ErrorKind::Protocol),
            (-32601, ErrorKind::Configuration),
            (-32602, ErrorKind::Protocol),
            (-32603, transient),
            (-14, ErrorKind::NotFound),
            (-15, ErrorKind::Protocol),
            (0, ErrorKind::Protocol),
            (7, ErrorKind::Protocol),
        ] {
            assert_eq!(kind_of(Code::from(code)), kind, "{code}");
        }
    }

    #[test]
    fn opening_is_short_and_reading_generous() {
        let http = wallet_http();
        assert_eq!(open_patience(&http), Duration::from_secs(10));
        assert!(http.timeout <= http.deadline && http.deadline < Duration::from_secs(30));
    }
}

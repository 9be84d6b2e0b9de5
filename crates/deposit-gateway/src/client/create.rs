//! Making a deposit, exactly once whatever happens on the way.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use deposit_core::json::NumberText;
use http::Method;
use http::header::CONTENT_TYPE;

use super::{Answer, Client, ClientError, Deposit, JSON};

/// How long a create is tried in all.
const PATIENCE: Duration = Duration::from_secs(60);
/// A failure of the gateway's counts against the account's ten creates in ten minutes: no more than this many of them.
const FAILURES: u32 = 3;

/// Decides whether the same request, with the same idempotency key, is sent again.
#[derive(Debug, Default)]
struct Again {
    sent: bool,
    failures: u32,
}

impl Again {
    fn is_worth(&mut self, error: &ClientError) -> bool {
        match error {
            // At first nobody is there; later a gateway may be coming back.
            ClientError::Unreachable { .. } => self.sent,
            ClientError::Lost { .. } => {
                self.sent = true;
                true
            }
            ClientError::Refused(refusal) => {
                self.sent = true;
                self.failures += u32::from(refusal.status >= 500);
                let running = refusal.code == "idempotency_conflict" && refusal.retry_after.is_some();
                // A payment method that is off, or down for longer, is told at once.
                let passing = match refusal.code.as_str() {
                    "payment_method_unavailable" => refusal.retry_after.is_some_and(|secs| secs <= 2),
                    _ => refusal.status >= 500,
                };
                running || (passing && self.failures < FAILURES)
            }
            ClientError::Unexpected { status, .. } => {
                self.sent = true;
                self.failures += 1;
                *status >= 500 && self.failures < FAILURES
            }
            ClientError::NoKey | ClientError::BadKey | ClientError::Setup(_) => false,
        }
    }
}

impl Client {
    /// Makes a deposit. A lost connection, a failure of the gateway and a first try that is still running are followed by the same
    /// request with the same key, which the gateway answers with the same deposit.
    pub(crate) async fn create(
        &self,
        ticker: &str,
        amount: &NumberText,
        idempotency_key: &str,
    ) -> Result<Answer<Deposit>, ClientError> {
        let body = format!("{{\"amount\":{}}}", amount.as_str());
        let mut again = Again::default();
        let waits = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(250))
            .with_max_delay(Duration::from_secs(4))
            .with_max_times(100)
            .with_total_delay(Some(PATIENCE))
            .with_jitter();
        (|| async {
            let url = self.url(&["api", "transaction", "create", ticker]);
            let request = self.http.request(Method::POST, url).header(CONTENT_TYPE, JSON).body(body.clone());
            self.ask(request.header("idempotency-key", idempotency_key), Some(ticker)).await
        })
        .retry(waits)
        .when(|error| again.is_worth(error))
        .adjust(|error, wait| Some(wait?.max(Duration::from_secs(error.retry_after().unwrap_or(0)))))
        .await
    }
}

impl ClientError {
    /// Whether a create that ended so may have made a deposit all the same.
    pub(crate) fn leaves_a_create_open(&self) -> bool {
        match self {
            Self::Lost { .. } | Self::Unexpected { .. } => true,
            Self::Refused(refusal) => {
                refusal.status >= 500
                    || (refusal.code == "idempotency_conflict" && refusal.retry_after.is_some())
            }
            Self::Unreachable { .. } | Self::NoKey | Self::BadKey | Self::Setup(_) => false,
        }
    }
}

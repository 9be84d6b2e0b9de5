//! The circuit breaker: `recloser`'s state machine around one try.

use std::future::Future;

use recloser::{AsyncRecloser, Error, Recloser};

use crate::classify::Failure;
use crate::config::BreakerConfig;

#[derive(Debug)]
pub(crate) struct Breaker(AsyncRecloser);

impl Breaker {
    pub(crate) fn new(config: &BreakerConfig) -> Self {
        let recloser = Recloser::custom()
            .error_rate(0.5)
            .closed_len(config.window.max(1))
            .half_open_len(config.probes.max(1))
            .open_wait(config.open_for)
            .build();
        Self(AsyncRecloser::from(recloser))
    }

    /// `None`: the breaker is open and nothing was tried.
    pub(crate) async fn run<T>(
        &self,
        attempt: impl Future<Output = Result<T, Failure>>,
    ) -> Option<Result<T, Failure>> {
        match self.0.call_with(|failure: &Failure| failure.provider_is_ill, attempt).await {
            Ok(answer) => Some(Ok(answer)),
            Err(Error::Inner(failure)) => Some(Err(failure)),
            Err(Error::Rejected) => None,
        }
    }
}

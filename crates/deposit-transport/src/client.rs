//! The client of one provider.

use std::fmt;
use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable};
use bytes::{Bytes, BytesMut};
use deposit_core::{ConfigError, ErrorKind, Operation, ProviderError, ProviderId};
use reqwest::Method;
use tokio::sync::Semaphore;
use tracing::Instrument as _;
use url::Url;

use crate::breaker::Breaker;
use crate::classify::Failure;
use crate::config::HttpConfig;
use crate::redact::RedactedUrl;
use crate::request::{Request, Safety};
use crate::response::Response;
use crate::tls;

/// As much of an error's body is read as an adapter could need.
const ERROR_BODY: usize = 64 << 10;

/// The HTTP client of one provider: share it, it holds the connections, the breaker and the slots.
pub struct HttpClient {
    provider: ProviderId,
    client: reqwest::Client,
    slots: Semaphore,
    breaker: Breaker,
    config: HttpConfig,
}

/// The client cannot be built: no TLS in this process.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be built")]
pub struct BuildError(#[source] Box<dyn std::error::Error + Send + Sync + 'static>);

/// What every client of ours begins with: rustls with ring and the operating system's certificates, no redirects, our name.
///
/// With `https` false the certificates, which take a while to read, are left alone: plain http works, every https connection fails.
///
/// # Errors
/// Where TLS cannot be set up at all.
pub fn client_builder(https: bool) -> Result<reqwest::ClientBuilder, BuildError> {
    let tls = if https { tls::config() } else { tls::without_certificates() };
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured(tls.map_err(|error| BuildError(Box::new(error)))?)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .user_agent(concat!("deposit/", env!("CARGO_PKG_VERSION"))))
}

impl HttpClient {
    /// A client for one provider.
    ///
    /// # Errors
    /// Where TLS cannot be set up at all. Missing certificates of the operating system are not an error: plain http works
    /// without them, and https is then refused.
    pub fn new(provider: ProviderId, config: HttpConfig) -> Result<Self, ConfigError> {
        let client = Self::connector(&config).map_err(|_| {
            ConfigError::new(
                format!("providers.{provider}"),
                "cannot work in this process: TLS cannot be set up",
            )
        })?;
        Ok(Self {
            provider,
            client,
            slots: Semaphore::new(config.max_concurrent.clamp(1, Semaphore::MAX_PERMITS)),
            breaker: Breaker::new(&config.breaker),
            config,
        })
    }

    fn connector(config: &HttpConfig) -> Result<reqwest::Client, BuildError> {
        client_builder(true)?
            .no_proxy()
            .connect_timeout(config.connect_timeout)
            .read_timeout(config.read_timeout)
            // Shorter than common servers keep them, so that a request seldom meets a connection that is just being closed.
            .pool_idle_timeout(Duration::from_secs(30))
            .build()
            .map_err(|error| BuildError(Box::new(error)))
    }

    /// Begins a request.
    pub fn request(&self, operation: Operation, safety: Safety, method: Method, url: Url) -> Request<'_> {
        Request::new(self, operation, safety, method, url, self.config.deadline)
    }

    /// The limits it was built with.
    #[must_use]
    pub fn config(&self) -> &HttpConfig {
        &self.config
    }

    pub(crate) async fn send(&self, request: Request<'_>) -> Result<Response, ProviderError> {
        let error = |kind| ProviderError::new(self.provider, request.operation, kind);
        if request.broken {
            return Err(error(ErrorKind::Configuration));
        }
        let deadline = Instant::now() + request.deadline;
        let backoff = ExponentialBuilder::default()
            .with_min_delay(self.config.min_backoff)
            .with_max_delay(self.config.max_backoff)
            .with_max_times(self.config.max_tries.saturating_sub(1))
            .with_jitter();
        (|| self.attempt(&request, deadline))
            .retry(backoff)
            .when(|failure: &Failure| failure.retry)
            .adjust(|failure, wait| self.wait(failure, wait?, deadline))
            .await
            .map_err(|failure| {
                let error = error(failure.kind);
                match failure.source {
                    Some(source) => error.with_source(source),
                    None => error,
                }
            })
    }

    /// How long to wait for the next try; `None` gives up.
    fn wait(&self, failure: &Failure, computed: Duration, deadline: Instant) -> Option<Duration> {
        let asked = failure.retry_after().unwrap_or_default();
        if asked > self.config.max_retry_after {
            return None;
        }
        let wait = computed.max(asked);
        (wait < deadline.saturating_duration_since(Instant::now())).then_some(wait)
    }

    /// One try, through the breaker, in a span that has no more than operation, status and duration.
    async fn attempt(&self, request: &Request<'_>, deadline: Instant) -> Result<Response, Failure> {
        let span = tracing::debug_span!(
            "provider_request",
            provider = %self.provider,
            operation = %request.operation,
            status = tracing::field::Empty,
            millis = tracing::field::Empty,
        );
        let begun = Instant::now();
        let result = self.breaker.run(self.exchange(request, deadline)).instrument(span.clone()).await;
        span.record("millis", u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX));
        result.unwrap_or_else(|| {
            Err(Failure::left_alone(RedactedUrl::from(&request.url), self.config.breaker.open_for))
        })
    }

    async fn exchange(&self, request: &Request<'_>, deadline: Instant) -> Result<Response, Failure> {
        let url = RedactedUrl::from(&request.url);
        let slot = tokio::time::timeout_at(deadline.into(), self.slots.acquire()).await;
        let Ok(Ok(_slot)) = slot else { return Err(Failure::busy(url)) };
        let time = self.config.timeout.min(deadline.saturating_duration_since(Instant::now()));
        if time.is_zero() {
            return Err(Failure::busy(url));
        }

        let mut builder = self
            .client
            .request(request.method.clone(), request.url.clone())
            .headers(request.headers.clone())
            .timeout(time);
        if let Some(body) = &request.body {
            builder = builder.body(body.clone());
        }
        let broken = |error| Failure::from_reqwest(error, url.clone(), request.safety);
        let mut answer = builder.send().await.map_err(broken)?;
        let status = answer.status();
        tracing::Span::current().record("status", status.as_u16());

        if !status.is_success() {
            let mut failure = Failure::from_status(status, answer.headers(), url.clone(), request.safety);
            if let (true, Some(refine)) = (status.is_client_error(), request.refine) {
                // Of an error's body the beginning is enough, and if it does not come, so be it.
                let body = read(&mut answer, ERROR_BODY).await.unwrap_or_else(|(part, _)| part);
                if let Some(kind) = refine(status, &body) {
                    failure.kind = kind;
                }
            }
            return Err(failure);
        }
        let limit = self.config.max_body;
        let headers = answer.headers().clone();
        let body = read(&mut answer, limit).await.map_err(|(_, error)| match error {
            Some(error) => Failure::from_reqwest(error, url.clone(), request.safety),
            None => Failure::too_large(url.clone(), limit, request.safety),
        })?;
        let (operation, safety) = (request.operation, request.safety);
        Ok(Response { provider: self.provider, operation, safety, status, headers, body })
    }
}

/// The body; or what there was of it, with the error, which is missing where the body is larger than `limit`.
async fn read(
    answer: &mut reqwest::Response,
    limit: usize,
) -> Result<Bytes, (Bytes, Option<reqwest::Error>)> {
    let mut body = BytesMut::new();
    loop {
        match answer.chunk().await {
            Ok(None) => return Ok(body.freeze()),
            Ok(Some(piece)) if body.len() + piece.len() <= limit => body.extend_from_slice(&piece),
            Ok(Some(_)) => return Err((body.freeze(), None)),
            Err(error) => return Err((body.freeze(), Some(error))),
        }
    }
}

/// No credential is here, but reqwest's own form is long.
impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").field("provider", &self.provider).finish_non_exhaustive()
    }
}

//! A deposit's changes: by server-sent events (section 3.6 of the API contract), and by asking where those do not come through.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use deposit_core::Status;
use futures_util::stream::{self, Stream};
use futures_util::{StreamExt as _, TryStreamExt as _};
use http::header::{ACCEPT, CACHE_CONTROL};
use http::{Method, StatusCode};
use reqwest::Response;
use sse_stream::{Sse, SseByteStream};
use tokio::time::Instant;

use super::answer::one_line;
use super::{Answer, Client, ClientError, Deposit, kind};

/// How patient a follower is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Between two connections, until the server says another time.
    pub(crate) retry: Duration,
    /// A stream without a single byte for so long is dead: the server speaks every 15 s.
    pub(crate) silence: Duration,
    /// Between two questions, until the server says another time.
    pub(crate) poll: Duration,
    /// How long a gateway that answered once may be away.
    pub(crate) patience: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            retry: Duration::from_secs(5),
            silence: Duration::from_secs(45),
            poll: Duration::from_secs(5),
            patience: Duration::from_secs(120),
        }
    }
}

/// The longest wait that a server may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// So many streams in a row that bring not one byte, and the gateway is asked instead: something in between holds them back.
const FRUITLESS: u32 = 2;

/// What a follower has to tell.
#[derive(Debug)]
pub(crate) enum News {
    /// The deposit as it is from now on.
    Change(Box<Answer<Deposit>>),
    /// The connection broke; another one is made.
    Lost(ClientError),
    /// Events do not come through: the gateway is asked from now on.
    Polling,
}

type Events = Pin<Box<dyn Stream<Item = Result<Sse, sse_stream::Error>> + Send>>;

enum Source {
    /// A stream is opened at that time.
    Connect(Instant),
    Stream {
        events: Events,
        heard: Arc<AtomicBool>,
    },
    /// The state is asked for at that time.
    Ask(Instant),
    End,
}

/// Follows one deposit. Dropping the future of [`Follow::next`] loses nothing.
pub(crate) struct Follow {
    client: Client,
    ticker: String,
    tx_id: String,
    pace: Pace,
    source: Source,
    /// For `Last-Event-ID`.
    last_id: Option<String>,
    last: Option<Deposit>,
    fruitless: u32,
    /// Since when nothing was answered; `None` while all is well.
    away_since: Option<Instant>,
    /// Whether the gateway answered at all.
    met: bool,
}

impl Follow {
    pub(super) fn new(client: Client, ticker: &str, tx_id: &str) -> Self {
        Self {
            client,
            ticker: ticker.to_owned(),
            tx_id: tx_id.to_owned(),
            pace: Pace::default(),
            source: Source::Connect(Instant::now()),
            last_id: None,
            last: None,
            fruitless: 0,
            away_since: None,
            met: false,
        }
    }

    /// With another pace.
    #[cfg(test)]
    pub(super) fn paced(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }

    /// The next thing to tell; `None` after the last: nothing more will change.
    ///
    /// # Errors
    /// What waiting does not mend: a refusal, a gateway that was never there, or one that has been away for too long.
    pub(crate) async fn next(&mut self) -> Result<Option<News>, ClientError> {
        loop {
            let news = match &mut self.source {
                Source::End => return Ok(None),
                Source::Connect(at) => {
                    tokio::time::sleep_until(*at).await;
                    self.connect().await?
                }
                Source::Stream { events, .. } => match events.next().await {
                    Some(Ok(event)) => self.take(event)?,
                    Some(Err(error)) => {
                        let why = self.client.lost(&super::error::root(&error));
                        self.stream_ended(Some(why))?
                    }
                    None => self.stream_ended(None)?,
                },
                Source::Ask(at) => {
                    tokio::time::sleep_until(*at).await;
                    self.ask().await?
                }
            };
            if news.is_some() {
                return Ok(news);
            }
        }
    }

    /// The deposit as it was told last.
    #[cfg(feature = "sandbox")]
    pub(crate) fn last(&self) -> Option<&Deposit> {
        self.last.as_ref()
    }

    fn is_over(&self) -> bool {
        self.last.as_ref().is_some_and(|last| last.status == Status::Completed)
    }

    async fn connect(&mut self) -> Result<Option<News>, ClientError> {
        let mut url = self.client.url(&["api", "transaction", "status", "events"]);
        url.query_pairs_mut().append_pair("ticker", &self.ticker).append_pair("txId", &self.tx_id);
        let mut request = self
            .client
            .http
            .request(Method::GET, url)
            .header(ACCEPT, "text/event-stream")
            .header(CACHE_CONTROL, "no-cache");
        if let Some(id) = &self.last_id {
            request = request.header("last-event-id", id);
        }
        // The head alone has a time: the body goes on for as long as the deposit does.
        let opened = tokio::time::timeout(self.pace.silence, self.client.open(request, Some(&self.ticker)));
        let opened = opened.await.unwrap_or_else(|_| Err(self.client.lost("no answer in time")));
        match opened {
            Ok(response) if response.status() == StatusCode::NO_CONTENT => {
                self.source = Source::End;
                Ok(None)
            }
            Ok(response) if kind(&response) == "text/event-stream" => {
                self.well();
                let heard = Arc::new(AtomicBool::new(false));
                let bytes = watched(response, self.pace.silence, Arc::clone(&heard));
                self.source = Source::Stream { events: Box::pin(SseByteStream::new(bytes)), heard };
                Ok(None)
            }
            // Anything else that is no refusal: there are no events here.
            Ok(_) => Ok(self.poll_instead()),
            Err(error) if error.is_about_the_path() => Ok(self.poll_instead()),
            Err(error @ ClientError::Unreachable { .. }) => self.later(error),
            Err(error) if error.may_pass() => {
                self.fruitless += 1;
                if self.fruitless >= FRUITLESS { Ok(self.poll_instead()) } else { self.again(error) }
            }
            Err(error) => Err(error),
        }
    }

    /// One event.
    fn take(&mut self, event: Sse) -> Result<Option<News>, ClientError> {
        self.fruitless = 0;
        if let Some(retry) = event.retry {
            self.pace.retry = Duration::from_millis(retry).min(LONGEST_WAIT);
        }
        // Comments and bare `retry:` lines carry no data.
        let Some(data) = event.data.filter(|data| !data.is_empty()) else { return Ok(None) };
        let raw = one_line(data);
        let value = serde_json::from_str(&raw).map_err(|error| ClientError::Unexpected {
            base: self.client.shown(),
            status: 200,
            what: format!("an event of another form ({error})"),
            location: None,
        })?;
        if event.id.is_some() {
            self.last_id = event.id;
        }
        Ok(self.changed(Answer { value, raw, poll_after: None }))
    }

    /// News, if it differs from what was told last: after a new connection the present state may come again.
    fn changed(&mut self, answer: Answer<Deposit>) -> Option<News> {
        if self.last.as_ref() == Some(&answer.value) {
            return None;
        }
        self.last = Some(answer.value.clone());
        Some(News::Change(Box::new(answer)))
    }

    fn stream_ended(&mut self, error: Option<ClientError>) -> Result<Option<News>, ClientError> {
        let heard = match &self.source {
            Source::Stream { heard, .. } => heard.load(Ordering::Relaxed),
            Source::Connect(_) | Source::Ask(_) | Source::End => true,
        };
        if self.is_over() {
            self.source = Source::End;
            return Ok(None);
        }
        self.fruitless = if heard { 0 } else { self.fruitless + 1 };
        if self.fruitless >= FRUITLESS {
            return Ok(self.poll_instead());
        }
        match error {
            Some(error) => self.later(error),
            // The server closes a stream in good order too: when it stops, or after an hour without a change.
            None => {
                self.source = Source::Connect(Instant::now() + self.pace.retry);
                Ok(None)
            }
        }
    }

    fn poll_instead(&mut self) -> Option<News> {
        self.source = Source::Ask(Instant::now());
        Some(News::Polling)
    }

    async fn ask(&mut self) -> Result<Option<News>, ClientError> {
        match self.client.status(&self.ticker, &self.tx_id).await {
            Ok(answer) => {
                self.well();
                let wait = answer.poll_after.unwrap_or(self.pace.poll).min(LONGEST_WAIT);
                let news = self.changed(answer);
                self.source = if self.is_over() { Source::End } else { Source::Ask(Instant::now() + wait) };
                Ok(news)
            }
            Err(error) if error.may_pass() => {
                let news = self.later(error)?;
                self.source = Source::Ask(Instant::now() + self.pace.retry);
                Ok(news)
            }
            Err(error) => Err(error),
        }
    }

    fn well(&mut self) {
        self.met = true;
        self.away_since = None;
    }

    /// Another try, unless the gateway was never there or has been away for too long.
    fn later(&mut self, error: ClientError) -> Result<Option<News>, ClientError> {
        if !self.met {
            return Err(error);
        }
        self.again(error)
    }

    fn again(&mut self, error: ClientError) -> Result<Option<News>, ClientError> {
        let now = Instant::now();
        if now - *self.away_since.get_or_insert(now) >= self.pace.patience {
            return Err(error);
        }
        self.source = Source::Connect(now + self.pace.retry);
        Ok(Some(News::Lost(error)))
    }
}

/// The bytes of an answer; an error after `silence` without any.
fn watched(
    response: Response,
    silence: Duration,
    heard: Arc<AtomicBool>,
) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send {
    stream::try_unfold(response, move |mut response| async move {
        let chunk = tokio::time::timeout(silence, response.chunk()).await;
        let chunk = chunk.map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))?;
        let chunk = chunk.map_err(std::io::Error::other)?;
        Ok(chunk.map(|chunk| (chunk, response)))
    })
    .inspect_ok(move |_| heard.store(true, Ordering::Relaxed))
}

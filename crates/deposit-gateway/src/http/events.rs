//! `GET /api/transaction/status/events` (section 3.6): the states of one deposit as Server-Sent Events.
//!
//! The numbers of a deposit's history are the event ids, so that a client that comes back with the last one it saw goes on from there,
//! at any gateway on the same database. A stream holds its place in the history and, between events, no data.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use deposit_core::{Status, Timestamp};
use deposit_engine::{Caller, EngineError, Follower, State as DepositState};
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::time::Instant;

use super::error::ApiError;
use super::slots::{Full, Slot};
use super::wire::Deposit;
use super::{App, auth, body, query};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Proxies of nginx's kind would hold events back to fill a buffer.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// How long a client waits before it comes back.
const RETRY: Duration = Duration::from_secs(5);
/// A deposit that is `Expired` or `Failed` and stays so for this long is not worth an open connection.
const REST_SECS: i64 = 3600;
/// Between looks at a store that fails. The client is kept: a browser that is answered 500 would never come back.
const STORE_PAUSE: Duration = Duration::from_secs(1);
/// So many failures in a row end the stream.
const STORE_TRIES: u8 = 30;

/// `GET /api/transaction/status/events?ticker=&txId=`
pub(crate) async fn follow(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let caller = auth::authenticate(&app.engine, request.headers()).await?;
    let parameters = body::query(request.uri().query());
    let given = |name: &str| {
        let value = parameters.iter().find(|(n, v)| n == name && !v.is_empty());
        value.map(|(_, value)| value.as_str()).ok_or_else(ApiError::missing_parameter)
    };
    let (ticker, id) = (given("ticker")?, given("txId")?);
    let view = query::deposit(&app, &caller, ticker, id).await?;
    let slot = app.streams.take(caller.account.id).map_err(|full| match full {
        Full::Server => ApiError::too_many_streams(),
        Full::Account(most) => ApiError::too_many_streams_of_account(most),
    })?;

    let mut follower = app.engine.follow(&view.id);
    let newest = follower.newest().await.map_err(|error| ApiError::from_engine(&error))?;
    let newest = newest.map(|state| (state.n, state.view.status));
    if let Some((newest, status)) = newest
        && let Some(last) = last_event_id(request.headers()).filter(|last| *last <= newest)
    {
        if last == newest && status == Status::Completed {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        follower.resume_after(last);
    }
    let now = app.engine.now();
    let events = Events {
        follower,
        caller,
        _slot: slot,
        at_opening: newest.map_or(0, |(n, _)| n),
        status: newest.map(|(_, status)| status),
        changed_at: now,
        checked_at: Instant::now(),
        failures: 0,
        place: Place::Start,
        app,
    };
    let mut response = Sse::new(stream::unfold(events, Events::next)).into_response();
    response.headers_mut().insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    Ok(response)
}

/// The number of the last event that the client has; `None` for none, or one that no stream of ours ever sent.
fn last_event_id(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(LAST_EVENT_ID)?.to_str().ok()?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Where a stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nothing was sent yet.
    Start,
    Open,
    /// All was sent that there will be.
    End,
}

/// An open stream.
struct Events {
    app: App,
    follower: Follower,
    caller: Caller,
    _slot: Slot,
    /// The newest state when the stream was opened: nothing up to it is left out after a resumption.
    at_opening: u64,
    /// The last known status.
    status: Option<Status>,
    /// When the stream began, or the last change since.
    changed_at: Timestamp,
    /// When the caller's key was last found to be good.
    checked_at: Instant,
    failures: u8,
    place: Place,
}

impl Events {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        let event = match self.place {
            Place::Start => {
                self.place = Place::Open;
                Event::default().retry(RETRY)
            }
            Place::Open => self.event().await?,
            Place::End => return None,
        };
        Some((Ok(event), self))
    }

    /// The next event or comment; `None` ends the stream.
    async fn event(&mut self) -> Option<Event> {
        let closing = self.app.closing.clone();
        let mut patience = self.app.keep_alive;
        loop {
            let found = tokio::select! {
                biased;
                () = closing.cancelled() => return None,
                found = self.follower.next(patience) => found,
            };
            match found {
                Ok(Some(state)) => {
                    self.failures = 0;
                    return if self.is_admitted().await { self.show(&state) } else { None };
                }
                Ok(None) => {
                    self.failures = 0;
                    let goes_on = self.is_admitted().await && !self.is_at_rest();
                    return goes_on.then(|| Event::default().comment("ping"));
                }
                Err(error) => {
                    self.failed(&error)?;
                    tokio::select! {
                        () = closing.cancelled() => return None,
                        () = tokio::time::sleep(STORE_PAUSE) => {}
                    }
                    // What is left of the silence does not matter here: the next look is the first sign of life.
                    patience = Duration::ZERO;
                }
            }
        }
    }

    fn show(&mut self, state: &DepositState) -> Option<Event> {
        self.status = Some(state.view.status);
        if state.n > self.at_opening {
            self.changed_at = state.at;
        }
        // `Completed` is for good. What was newer when the stream was opened (a reversal) is still shown.
        if state.view.status == Status::Completed && state.n >= self.at_opening {
            self.place = Place::End;
        }
        let data = Deposit::current(&state.view, &self.app.public_url, self.app.engine.now());
        let event = Event::default().id(state.n.to_string()).json_data(data);
        event.inspect_err(|error| tracing::error!(%error, "an event cannot be written")).ok()
    }

    /// Whether nothing has happened for so long that the client may as well come back.
    fn is_at_rest(&self) -> bool {
        matches!(self.status, Some(Status::Expired | Status::Failed))
            && self.app.engine.now().millis_since(self.changed_at) >= REST_SECS * 1000
    }

    /// A key that was revoked, or whose account was closed, sees no more than one silence's time of events. Asked at most that often; a
    /// store that fails says nothing about keys.
    async fn is_admitted(&mut self) -> bool {
        if self.checked_at.elapsed() < self.app.keep_alive {
            return true;
        }
        self.checked_at = Instant::now();
        self.app.engine.still_admits(&self.caller).await.unwrap_or(true)
    }

    /// The store failed: `None` after too many times in a row.
    fn failed(&mut self, error: &EngineError) -> Option<()> {
        self.failures = self.failures.saturating_add(1);
        tracing::warn!(%error, "an event stream cannot read its deposit");
        (self.failures < STORE_TRIES).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_event_ids() {
        let id = |value: Option<&[u8]>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(LAST_EVENT_ID, HeaderValue::from_bytes(value).unwrap());
            }
            last_event_id(&headers)
        };
        assert_eq!(id(Some(b"3")), Some(3));
        assert_eq!(id(Some(b"0")), Some(0));
        assert_eq!(id(Some(b"18446744073709551615")), Some(u64::MAX));
        for bad in [None, Some(&b""[..]), Some(b"+3"), Some(b"-1"), Some(b"3 "), Some(b"x"), Some(b"\xff")] {
            assert_eq!(id(bad), None, "{bad:?}");
        }
        assert_eq!(id(Some(b"18446744073709551616")), None);
    }
}

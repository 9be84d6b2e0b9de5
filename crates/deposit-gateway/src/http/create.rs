//! `POST /api/transaction/create/{ticker}` and `/create/daimo/{ticker}` (sections 3.1 to 3.3, 4).

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse, Response};
use deposit_core::{ProviderId, Ticker, Timestamp};
use deposit_engine::{AmountInput, Caller, CreateError, CreateOutcome, CreateRequest};
use deposit_store::RateState;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tracing::Instrument as _;

use super::body::{self, JSON_LIMIT, Unread};
use super::error::ApiError;
use super::wire::Deposit;
use super::{App, auth, reply, segment};

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const RATE_REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RATE_RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// What `/create/daimo/{ticker}` takes.
const DAIMO: [Ticker; 4] = [Ticker::USDC, Ticker::USDT, Ticker::ETH, Ticker::SOL];

/// Any ticker.
pub(crate) async fn create(State(app): State<App>, request: Request) -> Response {
    let ticker = segment(request.uri(), 3);
    answer(&app, ticker, None, request).await
}

/// Daimo's tickers only (section 3.2).
pub(crate) async fn create_daimo(State(app): State<App>, request: Request) -> Response {
    let mut ticker = segment(request.uri(), 4);
    if !DAIMO.iter().any(|known| ticker.eq_ignore_ascii_case(known.as_str())) {
        // Unsupported here, whether or not it is elsewhere, and whether or not its provider is on: no ticker has a slash.
        ticker.insert_str(0, "daimo/");
    }
    answer(&app, ticker, Some(ProviderId::constant("daimo")), request).await
}

/// The order in which the checks come is the contract's: key, size of the body, form of the idempotency key; the engine's follow.
async fn answer(app: &App, ticker: String, family: Option<ProviderId>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let headers = &parts.headers;
    let caller = match auth::authenticate(&app.engine, headers).await {
        Ok(caller) => caller,
        Err(error) => {
            let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
            let error = count_stranger(app, peer, headers, error).await;
            body::discard(headers, body).await;
            return error.into_response();
        }
    };
    let amount = match body::read(headers, body, JSON_LIMIT).await {
        Ok(bytes) => body::amount(&bytes),
        Err(Unread::TooLarge) => return too_large(app, &caller).await,
        Err(Unread::Broken) => AmountInput::Unreadable,
    };
    let Ok(idempotency_key) = idempotency_key(headers) else {
        return malformed_key(app, &caller).await;
    };
    let request = CreateRequest { caller, ticker, family, amount, idempotency_key };
    let outcome = run(app, request).await;
    respond(app, outcome)
}

/// A request without a valid key counts on its address: 401 while there is room, then 429.
async fn count_stranger(
    app: &App,
    peer: Option<SocketAddr>,
    headers: &HeaderMap,
    error: ApiError,
) -> ApiError {
    if !error.is_unauthorized() {
        return error;
    }
    let ip = auth::client_ip(peer, headers, &app.trusted_proxies);
    match app.engine.count_unauthenticated(&auth::limiter_of(ip)).await {
        Ok(state) if state.allowed => error,
        Ok(state) => ApiError::rate_limited(secs_until(state.reset_at, app.engine.now())),
        Err(error) => ApiError::from_engine(&error),
    }
}

/// 1-255 printable ASCII characters, once.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ()> {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(key) = keys.next() else { return Ok(None) };
    let printable = |text: &&str| text.bytes().all(|b| (0x20..=0x7e).contains(&b));
    let key = key.to_str().ok().filter(|text| (1..=255).contains(&text.len())).filter(printable);
    match (key, keys.next()) {
        (Some(key), None) => Ok(Some(key.to_owned())),
        _ => Err(()),
    }
}

/// This error wins over the rate limit, but like every 400 it counts where there is room.
async fn malformed_key(app: &App, caller: &Caller) -> Response {
    let error = ApiError::invalid_idempotency_key();
    match app.engine.count_refused(caller).await {
        Ok(state) => with_rate(app, error.into_response(), &state),
        Err(error) => ApiError::from_engine(&error).into_response(),
    }
}

/// Not counted, but an authenticated creation answer like any other: it says where the limit stands.
async fn too_large(app: &App, caller: &Caller) -> Response {
    let error = ApiError::body_too_large(JSON_LIMIT).into_response();
    match app.engine.rate_state(caller).await {
        Ok(state) => with_rate(app, error, &state),
        Err(_) => error,
    }
}

/// Runs the create to its end, whether or not the client waits for it.
async fn run(app: &App, request: CreateRequest) -> CreateOutcome {
    let engine = app.engine.clone();
    // With the request's span, so that what is logged on the way to the provider bears the request's id.
    let job = app.creates.spawn(async move { engine.create(request).await }.in_current_span());
    let unknown = |error| CreateOutcome { rate: None, replayed: false, result: Err(error) };
    match tokio::time::timeout(app.create_timeout, job).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => {
            tracing::error!("a create panicked");
            unknown(CreateError::Internal(deposit_engine::EngineError::Inconsistent("a create panicked")))
        }
        // A repeat with the same idempotency key finds what comes of it.
        Err(_) => {
            tracing::warn!("a create takes longer than a client is kept waiting");
            unknown(CreateError::Unavailable { retry_after: Some(std::time::Duration::from_secs(5)) })
        }
    }
}

fn respond(app: &App, outcome: CreateOutcome) -> Response {
    let mut response = match &outcome.result {
        Ok(view) => reply::json(StatusCode::OK, &Deposit::created(view, &app.public_url)),
        Err(error) => {
            let limited = outcome.rate.filter(|_| matches!(error, CreateError::RateLimited));
            let wait = limited.map(|state| secs_until(state.reset_at, app.engine.now()));
            match wait {
                Some(secs) => ApiError::rate_limited(secs).into_response(),
                None => ApiError::from(error).into_response(),
            }
        }
    };
    if outcome.replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    match &outcome.rate {
        Some(state) => with_rate(app, response, state),
        None => response,
    }
}

fn with_rate(app: &App, mut response: Response, state: &RateState) -> Response {
    let headers = response.headers_mut();
    headers.insert(RATE_LIMIT, HeaderValue::from(app.engine.config().create_limit.requests));
    headers.insert(RATE_REMAINING, HeaderValue::from(state.remaining));
    headers.insert(RATE_RESET, HeaderValue::from(secs_until(state.reset_at, app.engine.now())));
    response
}

/// Whole seconds from now, rounded up: after them, it is so.
fn secs_until(at: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(at.millis_since(now)).unwrap_or(0).div_ceil(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idempotency_keys() {
        let key = |values: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(IDEMPOTENCY_KEY, HeaderValue::from_bytes(value).unwrap());
            }
            idempotency_key(&headers)
        };
        let long = [b'k'; 256];
        assert_eq!(key(&[]), Ok(None));
        assert_eq!(key(&[b"a b~!"]), Ok(Some("a b~!".to_owned())));
        assert_eq!(key(&[long.get(..255).unwrap()]), Ok(Some("k".repeat(255))));
        for bad in [&b""[..], &long, b"k\xc3\xa9", b"a\tb"] {
            assert_eq!(key(&[bad]), Err(()), "{bad:?}");
        }
        assert_eq!(key(&[b"a", b"a"]), Err(()));
    }

    #[test]
    fn seconds_to_wait_round_up_and_never_below_zero() {
        let at = Timestamp::from_millis;
        assert_eq!(secs_until(at(10_001), at(10_000)), 1);
        assert_eq!(secs_until(at(12_000), at(10_000)), 2);
        assert_eq!(secs_until(at(9_000), at(10_000)), 0);
    }
}

//! Limits, status and balance (sections 3.4, 3.5, 3.7).

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use deposit_engine::{Caller, DepositView};
use http::{HeaderName, HeaderValue, StatusCode};

use super::error::ApiError;
use super::wire::{self, Balance, Deposit, Limits};
use super::{App, auth, reply, segment};

const POLL_AFTER: HeaderName = HeaderName::from_static("x-poll-after");

/// `GET /api/transaction/limits/{ticker}`
pub(crate) async fn limits(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    auth::authenticate(&app.engine, request.headers()).await?;
    let view = app.engine.limits(&segment(request.uri(), 3)).await?;
    Ok(reply::json(StatusCode::OK, &Limits::of(&view)))
}

/// `GET /api/transaction/status/{ticker}/{txId}`
pub(crate) async fn status(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let caller = auth::authenticate(&app.engine, request.headers()).await?;
    let view = deposit(&app, &caller, &segment(request.uri(), 3), &segment(request.uri(), 4)).await?;
    let body = Deposit::current(&view, &app.public_url, app.engine.now());
    let mut response = reply::json(StatusCode::OK, &body);
    if let Some(secs) = wire::poll_after_secs(&view) {
        response.headers_mut().insert(POLL_AFTER, HeaderValue::from(secs));
    }
    Ok(response)
}

/// The caller's deposit, by ticker and id as a client wrote them.
///
/// # Errors
/// In this order: 400 for the ticker, 400 for the id, 404.
pub(crate) async fn deposit(
    app: &App,
    caller: &Caller,
    ticker: &str,
    id: &str,
) -> Result<DepositView, ApiError> {
    let ticker = app.engine.ticker(ticker)?;
    let id_like = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !(1..=255).contains(&id.len()) || !id.bytes().all(id_like) {
        return Err(ApiError::invalid_tx_id());
    }
    let found = app.engine.deposit(caller.account.id, ticker, id).await;
    found.map_err(|e| ApiError::from_engine(&e))?.ok_or_else(ApiError::transaction_not_found)
}

/// `POST /api/check-balance`; the body is ignored.
pub(crate) async fn check_balance(State(app): State<App>, request: Request) -> Response {
    let caller = match auth::caller_alone(&app.engine, request).await {
        Ok(caller) => caller,
        Err(error) => return error.into_response(),
    };
    match app.engine.balances(&caller.account).await {
        Ok(balances) => reply::json(StatusCode::OK, &Balance::from(balances)),
        Err(error) => ApiError::from_engine(&error).into_response(),
    }
}

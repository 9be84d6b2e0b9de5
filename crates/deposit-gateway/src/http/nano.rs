//! `POST /api/receive-nano` (section 3.8).

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use deposit_core::Ticker;
use deposit_engine::{Receipt, ReceiveError};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::error::ApiError;
use super::{App, auth, reply};

/// What was taken in; members found with the contract's sources, so not in this API's usual case.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReceivedNano, description = "What was taken in now.")]
pub(super) struct Received {
    /// Whether all that waited was received.
    success: bool,
    /// Hashes of our receive blocks.
    received_blocks: Vec<String>,
    /// XNO, an exact plain decimal as a string; `"0"` where nothing waited.
    total_received: String,
}

impl From<Receipt> for Received {
    fn from(receipt: Receipt) -> Self {
        Self {
            success: receipt.complete,
            received_blocks: receipt.taken.into_iter().map(|taken| taken.block.to_string()).collect(),
            total_received: receipt.total.to_string(),
        }
    }
}

impl From<ReceiveError> for ApiError {
    fn from(error: ReceiveError) -> Self {
        match error {
            ReceiveError::Unavailable { retry_after } => Self::unavailable(retry_after),
            ReceiveError::Internal(error) => Self::from_engine(&error),
        }
    }
}

/// Takes in and credits what waits at the caller's own address; the body is ignored.
pub(crate) async fn receive(State(app): State<App>, request: Request) -> Response {
    let caller = match auth::caller_alone(&app.engine, request).await {
        Ok(caller) => caller,
        Err(error) => return error.into_response(),
    };
    // As long as a create may take: the whole request's time, less what the answer needs.
    match app.engine.receive(&caller.account, Ticker::XNO, app.create_timeout).await {
        Ok(receipt) => reply::json(StatusCode::OK, &Received::from(receipt)),
        Err(error) => ApiError::from(error).into_response(),
    }
}

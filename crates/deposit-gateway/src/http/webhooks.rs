//! `POST /webhooks/{provider}` (section 8): the bytes as they came, judged by the provider's adapter, acknowledged once they are stored.

use axum::extract::{Request, State};
use axum::response::Response;
use deposit_core::RawDelivery;
use deposit_engine::RefusedDelivery;
use http::StatusCode;
use serde_json::json;

use super::body::{self, Unread, WEBHOOK_LIMIT};
use super::error::ApiError;
use super::{App, reply, segment};

/// Takes a delivery in.
pub(crate) async fn receive(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let provider = segment(&parts.uri, 1);
    let bytes = body::read(&parts.headers, body, WEBHOOK_LIMIT).await.map_err(|unread| match unread {
        Unread::TooLarge => {
            app.engine.note_refused(&provider, RefusedDelivery::TooLarge, None);
            ApiError::body_too_large(WEBHOOK_LIMIT)
        }
        Unread::Broken => {
            app.engine.note_refused(&provider, RefusedDelivery::CutShort, None);
            ApiError::webhook_cut_short()
        }
    })?;
    let headers = body::text_headers(&parts.headers);
    let query = body::query(parts.uri.query());
    let delivery =
        RawDelivery { headers: &headers, query: &query, body: &bytes, received_at: app.engine.now() };
    app.engine.webhook(&provider, &delivery).await?;
    Ok(reply::json(StatusCode::OK, &json!({})))
}

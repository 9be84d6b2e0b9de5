//! `GET /api/ledger/entries` (section 9).

use axum::extract::{Request, State};
use axum::response::Response;
use deposit_store::LedgerEntry;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::error::ApiError;
use super::{App, auth, body, reply, wire};

/// Entries where no limit is given.
const DEFAULT_LIMIT: u32 = 100;
/// Most entries of one answer; a higher limit is taken for this one.
const MOST: u32 = 1000;

/// A page of the ledger.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LedgerEntries)]
pub(super) struct Entries {
    /// In rising order of `id`.
    entries: Vec<Entry>,
}

/// One posting. An operator's own entry belongs to no deposit and no payment: those members are then left out.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LedgerEntry)]
#[serde(rename_all = "camelCase")]
struct Entry {
    /// Rises; no entry appears later with a smaller one.
    id: i64,
    /// When it was posted: RFC 3339, UTC, milliseconds.
    #[schema(format = "date-time")]
    at: String,
    /// `USD` or `XNO`.
    #[schema(pattern = "^(USD|XNO)$")]
    currency: String,
    /// Signed exact decimal as a string.
    amount: String,
    /// The deposit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    tx_id: Option<String>,
    /// The payment, as in `payments[].id` of the status.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    payment: Option<String>,
    /// `credit`, `reversal`, or `adjustment`.
    #[schema(pattern = "^(credit|reversal|adjustment)$")]
    kind: String,
}

impl From<LedgerEntry> for Entry {
    fn from(entry: LedgerEntry) -> Self {
        Self {
            id: entry.id,
            at: wire::rfc3339(entry.at),
            currency: entry.amount.asset().to_string(),
            amount: entry.amount.to_string(),
            tx_id: entry.deposit.map(|id| id.to_string()),
            payment: entry.payment.map(|payment| payment.to_string()),
            kind: entry.kind.to_string(),
        }
    }
}

/// The caller's own postings above `after`, in rising order.
pub(crate) async fn entries(State(app): State<App>, request: Request) -> Result<Response, ApiError> {
    let caller = auth::authenticate(&app.engine, request.headers()).await?;
    let query = body::query(request.uri().query());
    let after = whole(&query, "after")?.unwrap_or(0);
    let limit = match whole(&query, "limit")? {
        None => DEFAULT_LIMIT,
        Some(0) => return Err(ApiError::invalid_parameter("limit must be at least 1")),
        Some(limit) => u32::try_from(limit).unwrap_or(MOST).min(MOST),
    };
    let found = app.engine.ledger_entries(caller.account.id, after, limit).await;
    let found = found.map_err(|error| ApiError::from_engine(&error))?;
    let entries = found.into_iter().map(Entry::from).collect();
    Ok(reply::json(StatusCode::OK, &Entries { entries }))
}

/// A whole number from 0 on, given once. Digits alone: a sign, a space or an exponent is a mistake.
fn whole(query: &[(String, String)], name: &str) -> Result<Option<i64>, ApiError> {
    let mut given = query.iter().filter(|(n, _)| n == name).map(|(_, value)| value);
    let Some(text) = given.next() else { return Ok(None) };
    if given.next().is_some() {
        return Err(ApiError::invalid_parameter(format!("{name} is given twice")));
    }
    let rule = || ApiError::invalid_parameter(format!("{name} must be a whole number, 0 to {}", i64::MAX));
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(rule());
    }
    text.parse().map(Some).map_err(|_| rule())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_digits_given_once() {
        let read = |text| whole(&body::query(Some(text)), "after");
        assert_eq!(read(""), Ok(None));
        assert_eq!(read("limit=7"), Ok(None));
        assert_eq!(read("after=0"), Ok(Some(0)));
        assert_eq!(read("x=1&after=007"), Ok(Some(7)));
        assert_eq!(read("after=9223372036854775807"), Ok(Some(i64::MAX)));
        for bad in [
            "after=",
            "after",
            "after=-1",
            "after=%2B1",
            "after=+1",
            "after=1e3",
            "after=1.0",
            "after=x",
            "after=9223372036854775808",
            "after=1&after=1",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}

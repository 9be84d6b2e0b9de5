//! A review item as the database holds it.

use deposit_core::{Asset, Signed};
use sqlx::sqlite::SqliteRow;

use super::row::{corrupt, int, int_opt, number, parsed, parsed_opt, text, text_opt, time, time_opt};
use crate::{Credited, Resolution, ReviewRow, StoreResult};

pub(super) const SELECT: &str = "SELECT r.*, e.id AS entry_id, e.currency, e.scale AS entry_scale, e.amount AS entry_amount, \
     a.name AS account_name \
     FROM reviews r LEFT JOIN ledger_entries e ON e.id = r.entry LEFT JOIN accounts a ON a.id = e.account ";

pub(super) fn review(row: &SqliteRow) -> StoreResult<ReviewRow> {
    Ok(ReviewRow {
        id: int(row, "id")?,
        provider: parsed(row, "provider")?,
        reference: text(row, "reference")?,
        order: text_opt(row, "order_ref")?,
        amount: text_opt(row, "amount")?,
        seen: text_opt(row, "seen")?,
        ticker: parsed_opt(row, "ticker")?,
        deposit: parsed_opt(row, "deposit")?,
        reason: parsed(row, "reason")?,
        code: text_opt(row, "code")?,
        detail: text_opt(row, "detail")?,
        since: time(row, "since")?,
        resolution: resolution(row)?,
    })
}

fn resolution(row: &SqliteRow) -> StoreResult<Option<Resolution>> {
    let Some(at) = time_opt(row, "resolved_at")? else { return Ok(None) };
    let credited = match int_opt(row, "entry_id")? {
        Some(entry) => Some(Credited {
            entry,
            account: parsed(row, "account_name")?,
            amount: Signed::parse_minor(&text(row, "entry_amount")?, entry_currency(row)?)
                .map_err(|e| corrupt("entry_amount", e))?,
        }),
        None => None,
    };
    Ok(Some(Resolution {
        kind: parsed(row, "resolution")?,
        at,
        by: text(row, "resolved_by")?,
        note: text_opt(row, "note")?,
        credited,
    }))
}

fn entry_currency(row: &SqliteRow) -> StoreResult<Asset> {
    Asset::new(&text(row, "currency")?, number(row, "entry_scale")?).map_err(|e| corrupt("currency", e))
}

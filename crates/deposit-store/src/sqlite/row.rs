//! Reading of rows and writing of values, with errors that name what could not be read.

use std::str::FromStr;

use deposit_core::{Asset, Signed, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::{StoreError, StoreResult};

/// Says what was tried when the database refuses.
pub(super) trait Doing<T> {
    fn doing(self, context: &'static str) -> StoreResult<T>;
}

impl<T> Doing<T> for Result<T, sqlx::Error> {
    fn doing(self, context: &'static str) -> StoreResult<T> {
        self.map_err(|source| StoreError::Unavailable { context, source: Box::new(source) })
    }
}

/// Data that does not read back as what was written.
pub(super) fn corrupt(
    context: &'static str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    StoreError::Corrupt { context, source: Some(source.into()) }
}

fn column<'r, T>(row: &'r SqliteRow, name: &'static str) -> StoreResult<T>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(name).map_err(|source| corrupt(name, source))
}

pub(super) fn int(row: &SqliteRow, name: &'static str) -> StoreResult<i64> {
    column(row, name)
}

pub(super) fn int_opt(row: &SqliteRow, name: &'static str) -> StoreResult<Option<i64>> {
    column(row, name)
}

pub(super) fn text(row: &SqliteRow, name: &'static str) -> StoreResult<String> {
    column(row, name)
}

pub(super) fn text_opt(row: &SqliteRow, name: &'static str) -> StoreResult<Option<String>> {
    column(row, name)
}

pub(super) fn bytes32(row: &SqliteRow, name: &'static str) -> StoreResult<[u8; 32]> {
    let bytes: Vec<u8> = column(row, name)?;
    bytes.try_into().map_err(|_| corrupt(name, "not 32 bytes"))
}

/// A whole number of another type than the column's 64 bits with sign.
pub(super) fn number<T>(row: &SqliteRow, name: &'static str) -> StoreResult<T>
where
    T: TryFrom<i64>,
    T::Error: std::error::Error + Send + Sync + 'static,
{
    T::try_from(int(row, name)?).map_err(|e| corrupt(name, e))
}

pub(super) fn time(row: &SqliteRow, name: &'static str) -> StoreResult<Timestamp> {
    int(row, name).map(Timestamp::from_millis)
}

pub(super) fn time_opt(row: &SqliteRow, name: &'static str) -> StoreResult<Option<Timestamp>> {
    Ok(int_opt(row, name)?.map(Timestamp::from_millis))
}

pub(super) fn parsed<T>(row: &SqliteRow, name: &'static str) -> StoreResult<T>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text(row, name)?.parse().map_err(|e| corrupt(name, e))
}

pub(super) fn parsed_opt<T>(row: &SqliteRow, name: &'static str) -> StoreResult<Option<T>>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text_opt(row, name)?.map(|text| text.parse().map_err(|e| corrupt(name, e))).transpose()
}

pub(super) fn json<T: DeserializeOwned>(row: &SqliteRow, name: &'static str) -> StoreResult<T> {
    serde_json::from_str(&text(row, name)?).map_err(|e| corrupt(name, e))
}

pub(super) fn json_opt<T: DeserializeOwned>(row: &SqliteRow, name: &'static str) -> StoreResult<Option<T>> {
    text_opt(row, name)?.map(|text| serde_json::from_str(&text).map_err(|e| corrupt(name, e))).transpose()
}

/// The columns `currency` and `scale`.
pub(super) fn currency(row: &SqliteRow) -> StoreResult<Asset> {
    Asset::new(&text(row, "currency")?, number(row, "scale")?).map_err(|e| corrupt("currency", e))
}

/// The columns `currency`, `scale` and `amount`.
pub(super) fn signed(row: &SqliteRow) -> StoreResult<Signed> {
    Signed::parse_minor(&text(row, "amount")?, currency(row)?).map_err(|e| corrupt("amount", e))
}

pub(super) fn to_json<T: Serialize>(value: &T, context: &'static str) -> StoreResult<String> {
    serde_json::to_string(value).map_err(|e| corrupt(context, e))
}

/// As the 64 bits with sign that the database has.
pub(super) fn to_int(value: u64) -> StoreResult<i64> {
    i64::try_from(value).map_err(|e| corrupt("a number above 63 bits", e))
}

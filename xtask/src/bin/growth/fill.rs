//! Many rows of everything: copies of rows that the store itself wrote, so that they are like real ones, whatever columns there are.

use std::path::Path;

use anyhow::Result;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

use crate::steps::{Bench, TEMPLATE};

/// Copies of one row of `table`, numbered `n.i` from 1; `columns` are those that differ, with what they become.
async fn copy(
    to: &mut SqliteConnection,
    table: &str,
    which: &str,
    rows: u32,
    columns: &[(&str, &str)],
) -> Result<()> {
    let all: Vec<String> =
        sqlx::query_scalar("SELECT name FROM pragma_table_info(?)").bind(table).fetch_all(&mut *to).await?;
    let becomes = |name: &str| columns.iter().find(|(column, _)| *column == name).map(|(_, sql)| *sql);
    let values: Vec<String> =
        all.iter().map(|name| becomes(name).map_or_else(|| format!("t.{name}"), str::to_owned)).collect();
    let sql = format!(
        "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) \
         INSERT INTO {table} ({}) SELECT {} FROM n, (SELECT * FROM {table} WHERE {which} LIMIT 1) t",
        all.join(", "),
        values.join(", ")
    );
    sqlx::query(AssertSqlSafe(sql)).execute(&mut *to).await?;
    // The log never holds more than one table: the file is large enough.
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(to).await?;
    Ok(())
}

async fn newest(of: &mut SqliteConnection, table: &str) -> Result<i64> {
    let sql = format!("SELECT max(id) FROM {table}");
    Ok(sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(of).await?)
}

/// `rows` accounts, each with a deposit that was paid and credited and a standing address, and so many rates, deliveries and resolved reviews. Half
/// of the postings are in one account. One of a hundred deposits is due.
pub(crate) async fn fill(path: &Path, rows: u32, bench: &Bench) -> Result<()> {
    let options = SqliteConnectOptions::new().filename(path).pragma("synchronous", "OFF").foreign_keys(false);
    let mut connection = options.connect().await?;
    let c = &mut connection;
    let deposit = format!("deposit = '{TEMPLATE}'");
    let (account, tx) = (newest(c, "accounts").await?, newest(c, "ledger_transactions").await?);
    let own = format!("{account} + n.i");
    let index = "1000 + n.i";
    copy(
        c,
        "accounts",
        "name = 'template'",
        rows,
        &[("id", own.as_str()), ("name", "'bulk-' || n.i"), ("account_index", index)],
    )
    .await?;
    sqlx::query("UPDATE counters SET value = 1000 + ? WHERE name = 'account_index'")
        .bind(rows)
        .execute(&mut *c)
        .await?;
    let id = "printf('bulk-deposit-%010d', n.i)";
    let due = "CASE WHEN n.i % 100 = 0 THEN n.i END";
    copy(
        c,
        "deposits",
        &format!("id = '{TEMPLATE}'"),
        rows,
        &[
            ("id", id),
            ("account", own.as_str()),
            ("next_check_at", due),
            ("lane", "CASE WHEN n.i % 100 = 0 THEN 'old' END"),
        ],
    )
    .await?;
    copy(c, "orders", &deposit, rows, &[("ref", "'bulk-' || n.i"), ("deposit", id)]).await?;
    copy(c, "addresses", &deposit, rows, &[("address", "'bulk-' || n.i"), ("deposit", id)]).await?;
    copy(c, "history", &deposit, rows, &[("deposit", id)]).await?;
    copy(c, "payments", &deposit, rows, &[("payment", "'bulk-' || n.i"), ("deposit", id)]).await?;
    let number = format!("{tx} + n.i");
    copy(
        c,
        "ledger_transactions",
        &deposit,
        rows,
        &[("id", number.as_str()), ("deposit", id), ("payment", "'bulk-' || n.i")],
    )
    .await?;
    let half = format!("CASE WHEN n.i % 2 = 0 THEN {} ELSE {own} END", bench.shop.id.0);
    let book = format!("'account:' || ({half})");
    copy(
        c,
        "ledger_entries",
        "account IS NOT NULL",
        rows,
        &[("id", "NULL"), ("tx", number.as_str()), ("account", half.as_str()), ("book", book.as_str())],
    )
    .await?;
    copy(c, "ledger_entries", "account IS NULL", rows, &[("id", "NULL"), ("tx", number.as_str())]).await?;
    copy(c, "balances", "1 = 1", rows, &[("account", own.as_str())]).await?;
    copy(
        c,
        "standing_addresses",
        "1 = 1",
        rows,
        &[("address", "'bulk-' || n.i"), ("account_index", index), ("position", "'7'")],
    )
    .await?;
    copy(c, "rates", "1 = 1", rows, &[("id", "NULL"), ("valid_from", "n.i"), ("seen_until", "n.i")]).await?;
    copy(
        c,
        "journal",
        "1 = 1",
        rows,
        &[("id", "NULL"), ("delivery", "'bulk-' || n.i"), ("handled_at", "1"), ("outcome", "'done'")],
    )
    .await?;
    copy(
        c,
        "reviews",
        "1 = 1",
        rows,
        &[
            ("id", "NULL"),
            ("reference", "'bulk-' || n.i"),
            ("resolved_at", "1"),
            ("resolution", "'dismissed'"),
        ],
    )
    .await?;
    connection.close().await?;
    Ok(())
}

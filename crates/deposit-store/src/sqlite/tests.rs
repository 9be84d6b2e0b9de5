//! The behaviour suite on SQLite, and what only a file can do.

use crate::prelude::*;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use deposit_core::{AccountName, Timestamp};
use proptest::prelude::*;
use sqlx::Connection;

use crate::behaviour::{Fixture, follow_rate_window};
use crate::{RateLimit, SqliteStore, Store, StoreError};

struct File(tempfile::TempDir);

impl File {
    fn fresh() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn url(&self) -> String {
        url(&self.0.path().join("deposit.db"))
    }

    async fn store(&self) -> SqliteStore {
        SqliteStore::open(&self.url()).await.unwrap()
    }

    /// A connection past the store, for damage.
    async fn raw(&self) -> sqlx::SqliteConnection {
        let options = super::open::options(&self.0.path().join("deposit.db"));
        sqlx::SqliteConnection::connect_with(&options).await.unwrap()
    }
}

fn url(path: &Path) -> String {
    format!("sqlite://{}", path.display())
}

fn name(text: &str) -> AccountName {
    AccountName::new(text).unwrap()
}

#[async_trait]
impl Fixture for File {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.store().await)
    }
}

crate::store_suite!(File::fresh());

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_rate_window_holds_for_any_pauses(
        requests in 0_u32..6,
        window_millis in 1_i64..200,
        pauses in prop::collection::vec(prop_oneof![Just(0), 0_i64..80, 150_i64..400], 1..60),
    ) {
        runtime().block_on(async {
            let file = File::fresh();
            let store = file.store().await;
            follow_rate_window(&store, "any", RateLimit { requests, window_millis }, &pauses).await;
        });
    }
}

#[tokio::test]
async fn errors_of_the_file_name_it_and_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    std::fs::write(at("text.db"), "this is no database, but long enough to be looked at".repeat(40)).unwrap();
    let mut foreign = sqlx::SqliteConnection::connect_with(
        &super::open::options(&at("foreign.db")).create_if_missing(true),
    )
    .await
    .unwrap();
    sqlx::query("CREATE TABLE somebody_elses (x INTEGER)").execute(&mut foreign).await.unwrap();
    foreign.close().await.unwrap();
    std::fs::create_dir(at("directory.db")).unwrap();
    for (name, reason) in [
        ("missing/deposit.db", "does not exist"),
        ("text.db", "is not a SQLite database"),
        ("directory.db", "is a directory"),
        ("foreign.db", "is the database of another program"),
        ("text.db/deposit.db", "does not exist"),
    ] {
        let error = SqliteStore::open(&url(&at(name))).await.unwrap_err();
        assert!(matches!(error, StoreError::Url(_)), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(name) && text.contains(reason), "{text}");
    }
    // Nothing was written into what is not ours.
    let mut foreign =
        sqlx::SqliteConnection::connect_with(&super::open::options(&at("foreign.db"))).await.unwrap();
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut foreign).await.unwrap();
    assert_eq!(mode, "delete");
    assert!(!at("missing").exists());
    assert!(std::fs::read_to_string(at("text.db")).unwrap().starts_with("this is no database"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_may_create_the_file_at_once() {
    for _ in 0..5 {
        let file = Arc::new(File::fresh());
        let opening: Vec<_> = (0..6)
            .map(|_| {
                let file = Arc::clone(&file);
                tokio::spawn(async move {
                    let store = file.store().await;
                    store.ensure_account(&name("ana"), Timestamp::EPOCH).await.unwrap().index.0
                })
            })
            .collect();
        for task in opening {
            assert_eq!(task.await.unwrap(), 1);
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_is_not_writable_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let file = File::fresh();
    file.store().await.close().await;
    let path = file.0.path().join("deposit.db");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o444)).unwrap();
    if std::fs::OpenOptions::new().write(true).open(&path).is_ok() {
        // The superuser writes anywhere: there is nothing to be refused.
        return;
    }
    let text = SqliteStore::open(&file.url()).await.unwrap_err().to_string();
    assert!(text.contains("deposit.db") && text.contains("is not writable"), "{text}");
}

#[tokio::test]
async fn a_newer_or_altered_schema_is_refused() {
    let file = File::fresh();
    file.store().await.close().await;
    let mut raw = file.raw().await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (999, 'x', 1, x'00', 0)",
    )
    .execute(&mut raw)
    .await
    .unwrap();
    let text = SqliteStore::open(&file.url()).await.unwrap_err().to_string();
    assert!(text.contains("newer release") && text.contains("999"), "{text}");
    sqlx::query("DELETE FROM _sqlx_migrations WHERE version = 999").execute(&mut raw).await.unwrap();
    sqlx::query("UPDATE _sqlx_migrations SET checksum = x'00'").execute(&mut raw).await.unwrap();
    let text = SqliteStore::open(&file.url()).await.unwrap_err().to_string();
    assert!(text.contains("another schema version 1"), "{text}");
}

#[tokio::test]
async fn a_closed_store_has_done_what_it_was_asked_and_does_no_more() {
    let file = File::fresh();
    let store = Arc::new(file.store().await);
    let asked: Vec<_> = (0..50)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.ensure_account(&name(&format!("a{n}")), Timestamp::EPOCH).await })
        })
        .collect();
    tokio::task::yield_now().await;
    store.close().await;
    let mut done = 0;
    for task in asked {
        match task.await.unwrap() {
            Ok(_) => done += 1,
            Err(error) => assert!(matches!(error, StoreError::Closed), "{error}"),
        }
    }
    assert!(matches!(store.ping().await, Err(StoreError::Closed)));
    assert!(matches!(store.accounts().await, Err(StoreError::Closed)));
    assert!(matches!(store.ensure_account(&name("b"), Timestamp::EPOCH).await, Err(StoreError::Closed)));
    store.close().await;
    assert_eq!(file.store().await.accounts().await.unwrap().len(), done);
}

#[tokio::test]
async fn settings_are_the_durable_ones() {
    let file = File::fresh();
    let store = file.store().await;
    let values = store
        .writer
        .run(|connection| {
            Box::pin(async move {
                let mut values: Vec<String> = Vec::new();
                values.push(
                    sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *connection).await.unwrap(),
                );
                for pragma in ["PRAGMA synchronous", "PRAGMA foreign_keys", "PRAGMA busy_timeout"] {
                    let value: i64 = sqlx::query_scalar(pragma).fetch_one(&mut *connection).await.unwrap();
                    values.push(value.to_string());
                }
                Ok(values)
            })
        })
        .await
        .unwrap();
    assert_eq!(values, ["wal", "2", "1", "5000"]);
    // Readers cannot write.
    let mut reader = store.reader().await.unwrap();
    assert!(sqlx::query("DELETE FROM counters").execute(&mut *reader).await.is_err());
}

#[tokio::test]
async fn the_writer_survives_a_transaction_that_fails_as_a_whole() {
    let file = File::fresh();
    let store = file.store().await;
    // The command ends the transaction under the writer's feet, as the database itself does when the disk is full.
    let lost = store
        .writer
        .run(|connection| {
            Box::pin(async move {
                super::accounts::ensure(connection, name("lost"), Timestamp::EPOCH).await?;
                sqlx::query("ROLLBACK").execute(connection).await.unwrap();
                Ok(())
            })
        })
        .await;
    assert!(lost.is_err());
    store.ensure_account(&name("kept"), Timestamp::EPOCH).await.unwrap();
    let accounts = store.accounts().await.unwrap();
    assert_eq!(accounts.iter().map(|a| a.name.as_str()).collect::<Vec<_>>(), ["kept"]);
}

#[tokio::test]
async fn the_writer_survives_a_command_that_panics_and_nothing_of_it_is_kept() {
    let file = File::fresh();
    let store = file.store().await;
    for _ in 0..2 {
        let broken = store
            .writer
            .run(|connection| {
                Box::pin(async move {
                    super::accounts::ensure(connection, name("lost"), Timestamp::EPOCH).await?;
                    panic!("a mistake")
                })
            })
            .await;
        let broken: StoreError = broken.map(|(): ()| ()).unwrap_err();
        assert!(matches!(broken, StoreError::Unavailable { .. }), "not closed: {broken}");
    }
    store.ensure_account(&name("kept"), Timestamp::EPOCH).await.unwrap();
    let accounts = store.accounts().await.unwrap();
    assert_eq!(accounts.iter().map(|a| a.name.as_str()).collect::<Vec<_>>(), ["kept"]);
    store.try_write().await.unwrap();
}

#[tokio::test]
async fn a_commit_that_fails_is_everybody_s_error() {
    let file = File::fresh();
    let store = Arc::new(file.store().await);
    let before = Arc::clone(&store);
    // Both are in the queue before the writer runs, so they share a transaction; the second one's damage shows at the commit only.
    let good = tokio::spawn(async move { before.ensure_account(&name("good"), Timestamp::EPOCH).await });
    let with = Arc::clone(&store);
    let bad = tokio::spawn(async move {
        with.writer
            .run(|connection| {
                Box::pin(async move {
                    sqlx::query("PRAGMA defer_foreign_keys = ON").execute(&mut *connection).await.unwrap();
                    sqlx::query(
                        "INSERT INTO addresses (provider, address, deposit) VALUES ('p', 'a', 'nobody')",
                    )
                    .execute(connection)
                    .await
                    .unwrap();
                    Ok(())
                })
            })
            .await
    });
    assert!(good.await.unwrap().is_err());
    assert!(bad.await.unwrap().is_err());
    assert!(store.accounts().await.unwrap().is_empty());
    // The transaction that could not be committed is not in the way of the next.
    assert_eq!(store.ensure_account(&name("next"), Timestamp::EPOCH).await.unwrap().index.0, 1);
}

#[tokio::test]
async fn damage_to_the_ledger_is_found() {
    let file = File::fresh();
    let store = file.store().await;
    crate::behaviour::entries_rise_by_account_and_deposit(&file).await;
    assert!(store.check_ledger().await.unwrap().balanced);
    let mut raw = file.raw().await;
    // The ledger is only added to.
    for sql in [
        "UPDATE ledger_entries SET amount = '1'",
        "DELETE FROM ledger_entries",
        "UPDATE ledger_transactions SET at = 0",
        "DELETE FROM ledger_transactions",
    ] {
        assert!(sqlx::query(sql).execute(&mut raw).await.is_err(), "{sql}");
    }
    for sql in [
        "UPDATE balances SET amount = '1' WHERE account = 1",
        "DELETE FROM balances WHERE account = 2",
        "INSERT INTO ledger_entries (tx, book, account, currency, scale, amount) \
         VALUES (1, 'provider:btcpay', NULL, 'USD', 8, '7')",
        "INSERT INTO ledger_transactions (at, kind) VALUES (0, 'adjustment')",
    ] {
        sqlx::query(sql).execute(&mut raw).await.unwrap();
    }
    let check = store.check_ledger().await.unwrap();
    assert!(!check.balanced);
    assert_eq!(
        check.faults,
        [
            "transaction 1 does not sum to zero: 0.00000007 USD too much",
            "transaction 7 has fewer than two entries",
            "account 1 has a balance of 0.00000001 USD, its postings sum to 9",
            "account 2 has no balance in USD, its postings sum to 12",
        ]
    );
}

#[tokio::test]
async fn amounts_are_canonical_text() {
    let file = File::fresh();
    file.store().await.close().await;
    let mut raw = file.raw().await;
    sqlx::query("INSERT INTO ledger_transactions (at, kind) VALUES (0, 'adjustment')")
        .execute(&mut raw)
        .await
        .unwrap();
    let insert = "INSERT INTO ledger_entries (tx, book, account, currency, scale, amount) \
                  VALUES (1, 'provider:btcpay', NULL, 'USD', 8, ?)";
    for (amount, fine) in [
        ("1", true),
        ("-10", true),
        ("340282366920938463463374607431768211455", true),
        ("0", false),
        ("-0", false),
        ("01", false),
        ("+1", false),
        ("1.5", false),
        ("1-2", false),
        ("-", false),
        ("", false),
        ("1e3", false),
    ] {
        let done = sqlx::query(insert).bind(amount).execute(&mut raw).await;
        assert_eq!(done.is_ok(), fine, "{amount:?}");
    }
}

/// The schedule's statements cost by what they take, not by what is due: each is read off the index of lanes, and nothing is sorted.
#[tokio::test]
async fn the_schedule_is_read_straight_off_its_index() {
    use super::schedule::{CLAIM, COUNT_DUE, FIRST_DUE};
    use sqlx::Row;
    let file = File::fresh();
    file.store().await.close().await;
    let mut raw = file.raw().await;
    for (sql, searches) in [(COUNT_DUE, 3), (CLAIM, 1), (FIRST_DUE, 1)] {
        let mut query = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"))).bind("btcpay");
        query = if sql == COUNT_DUE {
            query.bind(5).bind(9)
        } else {
            query.bind("young").bind(5).bind(9).bind(3)
        };
        let rows = query.fetch_all(&mut raw).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        let found =
            plan.iter().filter(|line| line.contains("INDEX deposits_by_lane (provider=? AND lane=?")).count();
        assert_eq!(found, searches, "{plan:?}");
        assert!(
            !plan.iter().any(|line| line.contains("ORDER BY") || line.contains("SCAN deposits")),
            "{plan:?}"
        );
    }
}

/// The plan of a query, a line each.
async fn plan(raw: &mut sqlx::SqliteConnection, sql: &str, values: &[&str]) -> Vec<String> {
    use sqlx::Row;
    let mut query = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")));
    for value in values {
        query = query.bind(*value);
    }
    query.fetch_all(raw).await.unwrap().iter().map(|row| row.get("detail")).collect()
}

#[tokio::test]
async fn what_is_asked_of_reviews_inside_the_writer_comes_off_an_index() {
    let file = File::fresh();
    file.store().await.close().await;
    let mut raw = file.raw().await;
    let assigned = format!("SELECT * FROM reviews r WHERE {}", super::assigned::ASSIGNED);
    for sql in [
        super::matter::ITEM,
        super::matter::RESOLVED,
        super::reviews::OF_ORDER,
        super::assigned::POSTED_PAYMENT,
        super::assigned::POSTED_ORDER,
        assigned.as_str(),
        "SELECT EXISTS (SELECT 1 FROM reviews WHERE resolved_at IS NULL AND deposit = ?)",
    ] {
        let values: &[&str] = match sql.matches("?").count() {
            1 => &["a"],
            _ if sql.contains("?3") || !sql.contains("?1") => &["btcpay", "a", "b"],
            _ => &["btcpay", "a"],
        };
        let plan = plan(&mut raw, sql, values).await;
        let growing = ["SCAN r", "SCAN reviews", "SCAN ledger_transactions", "SCAN orders", "SCAN addresses"];
        assert!(!plan.iter().any(|line| growing.iter().any(|scan| line.contains(scan))), "{sql}: {plan:?}");
        assert!(plan.iter().any(|line| line.contains("SEARCH")), "{sql}: {plan:?}");
    }
}

#[tokio::test]
async fn reviews_of_before_amounts_were_followed_are_kept() {
    let file = File::fresh();
    let options = super::open::options(&file.0.path().join("deposit.db")).create_if_missing(true);
    let mut raw = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    super::open::migrator(5).run_direct(None, &mut raw, false).await.unwrap();
    sqlx::raw_sql(
        "INSERT INTO reviews (id, provider, reference, amount, ticker, deposit, reason, since, resolved_at, resolution, resolved_by) VALUES \
             (3, 'btcpay', 'tx', '0.3', 'BTC', NULL, 'never_confirmed', 5, 9, 'dismissed', 'ana'), \
             (4, 'btcpay', 'tx', '0.4', 'BTC', NULL, 'no_deposit', 6, NULL, NULL, NULL), \
             (7, 'btcpay', 'tx', '0.5', 'BTC', NULL, 'account_closed', 7, NULL, NULL, NULL), \
             (8, 'nano', 'send', NULL, NULL, NULL, 'no_deposit', 8, 10, 'assigned', 'ana')",
    )
    .execute(&mut raw)
    .await
    .unwrap();
    raw.close().await.unwrap();

    let store = file.store().await;
    let all = store.reviews(crate::ReviewFilter { open: false, after: 0, limit: 9 }).await.unwrap();
    let of = |row: &crate::ReviewRow| (row.id, row.amount.clone(), row.resolution.is_some());
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        all.iter().map(of).collect::<Vec<_>>(),
        [(3, text("0.3"), true), (4, text("0.4"), false), (7, text("0.5"), false), (8, None, true)]
    );
    // The newest follows what is seen, less what was dismissed; the older one waits as it did.
    let due =
        crate::SightedDue::Amount(deposit_core::Amount::parse("0.6", deposit_core::Asset::BTC).unwrap());
    let seen = crate::Sighting { due, reason: crate::ReviewReason::AccountClosed, ..sighting_of("tx") };
    store.sight(vec![seen]).await.unwrap();
    let open = store.open_reviews().await.unwrap();
    assert_eq!(open.iter().map(of).collect::<Vec<_>>(), [(4, text("0.4"), false), (7, text("0.3"), false)]);
    // A new item never gets an id that was given before.
    let next = sighting_of("new");
    store.sight(vec![next]).await.unwrap();
    assert_eq!(store.open_reviews().await.unwrap().last().unwrap().id, 9);
}

fn sighting_of(reference: &str) -> crate::Sighting {
    crate::Sighting {
        provider: "btcpay".parse().unwrap(),
        reference: reference.to_owned(),
        order: None,
        due: crate::SightedDue::News,
        ticker: None,
        deposit: None,
        reason: crate::ReviewReason::NoDeposit,
        code: None,
        detail: None,
        at: Timestamp::from_millis(30),
    }
}

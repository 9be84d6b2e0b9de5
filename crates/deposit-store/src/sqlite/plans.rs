//! No statement that runs with a request, a delivery, a scan or a timer walks a table that only grows. The statements are taken from the
//! sources themselves, so that a new one is looked at too.

use crate::SqliteStore;
use crate::prelude::*;

/// Tables whose rows stay, or stay for weeks.
const GROWING: [&str; 16] = [
    "accounts",
    "addresses",
    "balances",
    "deposits",
    "history",
    "idempotency",
    "journal",
    "ledger_entries",
    "ledger_transactions",
    "orders",
    "payments",
    "rate_hits",
    "rates",
    "reviews",
    "standing_addresses",
    "taken_in",
];

/// What an operator asks for, or what counts what is open: how they begin, and why they may.
const MAY_WALK: &[(&str, &str)] = &[
    (
        "SELECT id AS account_id, name, account_index, created_at AS account_created_at, closed_at FROM accounts ORDER",
        "all accounts, of an operator",
    ),
    (
        "SELECT k.id, k.hash, k.created_at, k.revoked_at, a.id AS account_id, a.name, a.account_index, a.created_at AS account_created_at, a.closed_at FROM api_keys k JOIN accounts a ON a.id = k.account ORDER",
        "all keys, of an operator",
    ),
    (
        "SELECT id, provider, delivery, observations, received_at, handled_at, outcome FROM journal WHERE (?1",
        "the journal's listing, of an operator",
    ),
];

/// Indexes of what is open alone: they stay as short as that is.
const OF_THE_OPEN: [&str; 3] = ["journal_to_handle", "deposits_unpriced", "reviews_open"];

/// The look for rows that wait for a parent is made only where a deferred constraint is broken, which none here is.
const NEVER_RUN: (&str, &str) = ("SCAN reviews", "INSERT INTO ledger_entries ");

/// The statements of a source: what stands in quotes and begins like one.
fn statements(source: &str) -> Vec<String> {
    let verbs = ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH "];
    let quoted = source.split('"').filter(|text| verbs.iter().any(|verb| text.starts_with(verb)));
    // A line that ends with a backslash goes on without the blanks that follow.
    quoted.map(|text| text.split("\\\n").map(str::trim_start).collect::<Vec<_>>().concat()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_statement_walks_what_only_grows() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("a.db").display());
    let store = SqliteStore::open(&url).await.unwrap();
    store.ping().await.unwrap();
    let sources = [
        include_str!("accounts.rs"),
        include_str!("admit.rs"),
        include_str!("commit.rs"),
        include_str!("create.rs"),
        include_str!("deposits.rs"),
        include_str!("journal.rs"),
        include_str!("ledger.rs"),
        include_str!("rates.rs"),
        include_str!("schedule.rs"),
        include_str!("standing.rs"),
        include_str!("taken.rs"),
    ];
    let mut reader = store.reader().await.unwrap();
    let (mut looked_at, mut walks) = (0, Vec::new());
    for statement in sources.into_iter().flat_map(statements) {
        let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
        let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(explain)
            .fetch_all(&mut *reader)
            .await
            .unwrap_or_else(|e| panic!("{statement}: {e}"));
        looked_at += 1;
        let may = MAY_WALK.iter().any(|(begins, _)| statement.starts_with(begins));
        for (_, _, _, step) in plan {
            let table = step.strip_prefix("SCAN ").and_then(|rest| rest.split(' ').next());
            let open = OF_THE_OPEN.iter().any(|index| step.ends_with(&format!("INDEX {index}")));
            let never = step == NEVER_RUN.0 && statement.starts_with(NEVER_RUN.1);
            if !may && !open && !never && table.is_some_and(|table| GROWING.contains(&table)) {
                walks.push(format!("{step}: {statement}"));
            }
        }
    }
    assert!(looked_at > 60, "{looked_at} statements were found");
    assert!(walks.is_empty(), "{walks:#?}");
}

//! Backups and what a restored one may give.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use deposit_core::{AccountName, Timestamp};
use proptest::prelude::*;

use super::mark::GAP;
use crate::prelude::*;
use crate::{SqliteStore, StoreError};

/// A machine: a folder with a database and its mark.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// At a time that plays no part.
    async fn open(&self) -> SqliteStore {
        self.open_at(0).await
    }

    async fn open_at(&self, secs: i64) -> SqliteStore {
        let url = format!("sqlite://{}", self.at("deposit.db").display());
        SqliteStore::open_at(&url, Timestamp::from_secs(secs)).await.unwrap()
    }

    /// As an operator restores: the file is put in place, what the old one left goes; the mark stays.
    fn restore(&self, copy: &Path) {
        for left in ["deposit.db", "deposit.db-wal", "deposit.db-shm"] {
            let _ = std::fs::remove_file(self.at(left));
        }
        std::fs::copy(copy, self.at("deposit.db")).unwrap();
    }

    /// A copy as `cp` makes it while nobody has the file open.
    fn copy(&self, name: &str) -> PathBuf {
        let copy = self.at(name);
        std::fs::copy(self.at("deposit.db"), &copy).unwrap();
        copy
    }
}

async fn number(store: &SqliteStore, name: &str) -> u32 {
    store.ensure_account(&AccountName::new(name).unwrap(), Timestamp::EPOCH).await.unwrap().index.0
}

#[tokio::test]
async fn a_restored_backup_gives_no_number_twice() {
    let machine = Machine::new();
    let store = machine.open().await;
    assert_eq!((number(&store, "a").await, number(&store, "b").await), (1, 2));
    let copy = machine.at("backup.db");
    let done = store.backup(&copy).await.unwrap();
    assert_eq!((done.accounts, done.deposits, done.last_entry), (2, 0, 0));
    assert!(done.bytes > 0 && !machine.at("backup.db.part").exists());
    assert_eq!((number(&store, "c").await, number(&store, "d").await), (3, 4));
    store.close().await;

    machine.restore(&copy);
    let store = machine.open().await;
    assert_eq!(number(&store, "e").await, 4 + GAP + 1);
    // What comes to the addresses of the lost accounts is nobody's, and seen: they are there, and closed.
    let lost: Vec<(String, u32, bool)> = store
        .accounts()
        .await
        .unwrap()
        .into_iter()
        .filter(|account| account.name.as_str().starts_with("lost"))
        .map(|account| (account.name.to_string(), account.index.0, account.closed_at.is_some()))
        .collect();
    let place = |index: u32| (format!("lost-in-restore-{index}"), index, true);
    assert_eq!(lost, [place(3), place(4)]);
    store.close().await;
    // It is the database in use from now on, and a copy no more.
    assert_eq!(number(&machine.open().await, "f").await, 4 + GAP + 2);

    // On another machine, where there is no mark.
    let other = Machine::new();
    other.restore(&copy);
    let store = other.open().await;
    assert_eq!(number(&store, "c").await, 2 + GAP + 1);
    assert_eq!(number(&store, "a").await, 1, "who was there keeps the number");
}

#[tokio::test]
async fn a_copy_made_without_us_is_known_by_the_mark() {
    let machine = Machine::new();
    let store = machine.open().await;
    number(&store, "a").await;
    store.close().await;
    let (copy, old_mark) = (machine.copy("copy.db"), machine.at("old-mark"));
    std::fs::copy(machine.at("deposit.db-mark"), &old_mark).unwrap();
    let store = machine.open().await;
    assert_eq!((number(&store, "b").await, number(&store, "c").await), (2, 3));
    store.close().await;
    // The mark knows exactly.
    machine.restore(&copy);
    let store = machine.open().await;
    assert_eq!(number(&store, "d").await, 4);
    store.close().await;
    // Without it nobody knows.
    std::fs::remove_file(machine.at("deposit.db-mark")).unwrap();
    let store = machine.open().await;
    assert_eq!(number(&store, "e").await, 4 + GAP + 1);
    store.close().await;
    // Restored together, nothing shows it: the operator says so.
    machine.restore(&copy);
    std::fs::copy(&old_mark, machine.at("deposit.db-mark")).unwrap();
    let store = machine.open().await;
    let skipped = store.skip_numbers(2 * GAP, Timestamp::EPOCH).await.unwrap();
    assert_eq!((skipped.account_index, skipped.ledger_entry), (1 + 2 * GAP, i64::from(2 * GAP)));
    assert_eq!(number(&store, "f").await, 2 * GAP + 2);
    assert!(matches!(store.skip_numbers(u32::MAX, Timestamp::EPOCH).await, Err(StoreError::Corrupt { .. })));
    store.close().await;
    // An unreadable mark is no mark that says nothing.
    std::fs::write(machine.at("deposit.db-mark"), "account_index many").unwrap();
    let url = format!("sqlite://{}", machine.at("deposit.db").display());
    let error = SqliteStore::open(&url).await.unwrap_err().to_string();
    assert!(error.contains("deposit.db-mark"), "{error}");
}

#[tokio::test]
async fn ledger_entries_after_a_restore_have_ids_that_nobody_has_seen() {
    let machine = Machine::new();
    let store = machine.open().await;
    number(&store, "a").await;
    let entry = async |store: &SqliteStore| {
        store
            .writer
            .run(|c| {
                Box::pin(async move {
                    let insert =
                        "INSERT INTO ledger_transactions (at, kind) VALUES (0, 'adjustment') RETURNING id";
                    let tx: i64 = sqlx::query_scalar(insert).fetch_one(&mut *c).await.unwrap();
                    let insert = "INSERT INTO ledger_entries (tx, book, account, currency, scale, amount) \
                                  VALUES (?, 'account:1', 1, 'USD', 8, '1') RETURNING id";
                    Ok(sqlx::query_scalar::<_, i64>(insert).bind(tx).fetch_one(c).await.unwrap())
                })
            })
            .await
            .unwrap()
    };
    assert_eq!(entry(&store).await, 1);
    let copy = machine.at("backup.db");
    assert_eq!(store.backup(&copy).await.unwrap().last_entry, 1);
    assert_eq!(entry(&store).await, 2);
    store.close().await;
    machine.restore(&copy);
    assert_eq!(entry(&machine.open().await).await, 1 + i64::from(GAP) + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_is_of_one_moment_and_harms_nobody_who_writes() {
    let machine = Machine::new();
    let store = Arc::new(machine.open().await);
    let writing = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for n in 0..200 {
                number(&store, &format!("a{n}")).await;
            }
        })
    };
    let mut copies = Vec::new();
    while !writing.is_finished() {
        let copy = machine.at(&format!("copy-{}.db", copies.len()));
        let done = store.backup(&copy).await.unwrap();
        copies.push((copy, done.accounts));
    }
    writing.await.unwrap();
    for (copy, accounts) in &copies {
        let other = Machine::new();
        other.restore(copy);
        let store = other.open().await;
        let found = store.accounts().await.unwrap();
        assert_eq!(u64::try_from(found.len()).unwrap(), *accounts);
        assert!(found.iter().zip(1..).all(|(account, index)| account.index.0 == index));
        assert!(store.check_ledger().await.unwrap().balanced);
    }
    // A file that is there is never replaced, and what cannot be written leaves nothing.
    let there = machine.at("there.db");
    std::fs::write(&there, "mine").unwrap();
    assert!(store.backup(&there).await.unwrap_err().to_string().contains("there.db: exists already"));
    assert_eq!(std::fs::read_to_string(&there).unwrap(), "mine");
    assert!(store.backup(&machine.at("missing/x.db")).await.is_err());
}

#[tokio::test]
async fn one_backup_that_is_restored_again_and_again_gives_new_numbers_each_time() {
    let machine = Machine::new();
    let store = machine.open().await;
    number(&store, "a").await;
    let copy = machine.at("backup.db");
    store.backup(&copy).await.unwrap();
    store.close().await;
    let mut given = BTreeSet::from([1]);
    // One without any account is no new database.
    let empty = Machine::new();
    empty.open().await.close().await;
    machine.restore(&empty.at("deposit.db"));
    std::fs::remove_file(machine.at("deposit.db-mark")).unwrap();
    assert!(given.insert(number(&machine.open().await, "a").await), "{given:?}");
    for day in 0..5 {
        let other = Machine::new();
        other.restore(&copy);
        let store = other.open_at(1_772_616_600 + day * 86_400).await;
        for name in ["b", "c"] {
            assert!(given.insert(number(&store, name).await), "{given:?}");
        }
        store.close().await;
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Create,
    Backup,
    Copy,
    /// The copy of this number (counted from the newest), with the mark that is there, or without one.
    Restore(usize, bool),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Create),
        1 => Just(Step::Backup),
        1 => Just(Step::Copy),
        2 => (0_usize..3, any::<bool>()).prop_map(|(back, marked)| Step::Restore(back, marked)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_restored_no_number_is_given_twice(steps in prop::collection::vec(any_step(), 1..14)) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let machine = Machine::new();
            let (mut given, mut copies) = (BTreeSet::new(), Vec::new());
            for (n, step) in steps.iter().enumerate() {
                // Later each time, if not by much.
                let now = 10_000_000 + i64::try_from(n).unwrap();
                match step {
                    Step::Create => {
                        let store = machine.open_at(now).await;
                        let index = number(&store, &format!("a{n}")).await;
                        store.close().await;
                        assert!(given.insert(index), "{index} again: {steps:?}");
                    }
                    Step::Backup => {
                        let store = machine.open_at(now).await;
                        let copy = machine.at(&format!("backup-{n}.db"));
                        store.backup(&copy).await.unwrap();
                        store.close().await;
                        copies.push(copy);
                    }
                    Step::Copy => {
                        machine.open_at(now).await.close().await;
                        copies.push(machine.copy(&format!("copy-{n}.db")));
                    }
                    Step::Restore(back, marked) => {
                        let Some(copy) = copies.iter().rev().nth(*back) else { continue };
                        machine.restore(copy);
                        if !marked {
                            let _ = std::fs::remove_file(machine.at("deposit.db-mark"));
                        }
                    }
                }
            }
        });
    }
}

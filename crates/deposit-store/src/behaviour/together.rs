use std::sync::Arc;

use super::Fixture;
use super::fixtures::{
    PROVIDER, account, assert_balanced, at, begin, commit, credit, delivery, id, name, open, order, rate,
    review, row,
};
use crate::{
    AccountId, Commit, Committed, JournalFilter, JournalOutcome, NewApiKey, RateLimit, ReviewReason, Store,
};
use deposit_core::{Asset, Signed, Ticker};

fn key(n: u32, account: AccountId, prefix: &str) -> NewApiKey {
    NewApiKey { id: format!("k{n}"), account, prefix: prefix.to_owned(), hash: [1; 32], created_at: at(1) }
}

pub async fn concurrent_commits_post_once(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    for n in 0..20 {
        open(&*store, n, ana, 100).await;
    }
    let mut tasks = Vec::new();
    for n in 0..20 {
        let read = row(&*store, n).await;
        for _ in 0..5 {
            let (store, read) = (Arc::clone(&store), read.clone());
            tasks.push(tokio::spawn(async move {
                store.commit(credit(&read, &format!("tx-{n}"), "1.00000001", 110)).await.unwrap()
            }));
        }
    }
    let (mut yes, mut conflict) = (0, 0);
    for task in tasks {
        match task.await.unwrap() {
            Committed::Yes { history: 2, version: 2 } => yes += 1,
            Committed::Conflict => conflict += 1,
            other @ (Committed::Yes { .. }
            | Committed::StaleSnapshot
            | Committed::PaymentTaken { .. }
            | Committed::Duplicate
            | Committed::Assigned { .. }) => panic!("{other:?}"),
        }
    }
    assert_eq!((yes, conflict), (20, 80));
    assert_eq!(store.balances(ana).await.unwrap(), [Signed::parse("20.0000002", Asset::USD).unwrap()]);
    assert_eq!(store.check_ledger().await.unwrap().credits, 20);
    assert_balanced(&*store).await;
}

pub async fn a_failing_command_harms_no_other(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    store.insert_api_key(key(0, ana, "taken")).await.unwrap();
    let mut tasks = Vec::new();
    for n in 1..=100 {
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move {
            // Every third fails on the unique prefix, every tenth on an account that is not there.
            let account = if n % 10 == 0 { AccountId(99) } else { ana };
            let prefix = if n % 3 == 0 { "taken".to_owned() } else { format!("p{n}") };
            (n, store.insert_api_key(key(n, account, &prefix)).await.is_ok())
        }));
    }
    let mut stored = 1;
    for task in tasks {
        let (n, done) = task.await.unwrap();
        assert_eq!(done, n % 3 != 0 && n % 10 != 0, "{n}");
        assert_eq!(store.api_key_by_prefix(&format!("p{n}")).await.unwrap().is_some(), done, "{n}");
        stored += usize::from(done);
    }
    assert_eq!(store.api_keys().await.unwrap().len(), stored);
    store.ping().await.unwrap();
}

pub async fn a_dropped_caller_harms_nothing(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    for n in 0..10 {
        open(&*store, n, ana, 100).await;
    }
    for n in 0..10 {
        let read = row(&*store, n).await;
        // Polled once, so that the command is in the queue, then dropped.
        let mut asked = store.commit(credit(&read, &format!("tx-{n}"), "1", 110));
        std::future::poll_fn(|context| {
            let _ = asked.as_mut().poll(context);
            std::task::Poll::Ready(())
        })
        .await;
    }
    // A command of one queue comes after those that were in it before.
    store.ensure_account(&name("ben"), at(120)).await.unwrap();
    assert_eq!(store.balances(ana).await.unwrap(), [Signed::parse("10", Asset::USD).unwrap()]);
    assert_balanced(&*store).await;
}

pub async fn two_connections_write_at_once(fixture: &dyn Fixture) {
    let (one, two) = (fixture.open().await, fixture.open().await);
    let mut tasks = Vec::new();
    for n in 0..60 {
        let store = Arc::clone(if n % 2 == 0 { &one } else { &two });
        tasks.push(tokio::spawn(async move {
            // Half of the names collide between the two.
            store.ensure_account(&name(&format!("a{}", n / 2)), at(n)).await.unwrap()
        }));
    }
    let mut made = Vec::new();
    for task in tasks {
        made.push(task.await.unwrap());
    }
    for pair in made.chunks(2) {
        assert_eq!(pair[0], pair[1]);
    }
    let mut indexes: Vec<u32> = one.accounts().await.unwrap().iter().map(|a| a.index.0).collect();
    assert_eq!(one.accounts().await.unwrap(), two.accounts().await.unwrap());
    indexes.sort_unstable();
    assert_eq!(indexes, (1..=30).collect::<Vec<u32>>());

    // The same deposit from both sides: one commits, the other reads again.
    let row = open(&*one, 1, made[0].id, 100).await;
    let answers = (
        one.commit(credit(&row, "tx", "1", 110)).await.unwrap(),
        two.commit(credit(&row, "tx", "1", 110)).await.unwrap(),
    );
    assert_eq!(answers, (Committed::Yes { history: 2, version: 2 }, Committed::Conflict));
    let limit = RateLimit { requests: 1, window_millis: 1000 };
    assert!(one.count_request("ip:192.0.2.7", limit, at(1)).await.unwrap().allowed);
    assert!(!two.count_request("ip:192.0.2.7", limit, at(1)).await.unwrap().allowed);
    assert_balanced(&*two).await;
}

/// A product's back end keeps the last id that it read: nothing may turn up behind it, however many write, from wherever.
pub async fn entries_are_read_on_without_a_gap(fixture: &dyn Fixture) {
    const DEPOSITS: u32 = 40;
    let (one, two) = (fixture.open().await, fixture.open().await);
    let ana = account(&*one, "ana").await.id;
    let mut writers = Vec::new();
    for n in 1..=DEPOSITS {
        let deposit = open(&*one, n, ana, 100).await;
        let store = Arc::clone(if n % 2 == 0 { &one } else { &two });
        writers.push(async move {
            store.commit(credit(&deposit, &format!("tx-{n}"), "1", 110)).await.unwrap();
        });
    }
    let writers: Vec<_> = writers.into_iter().map(tokio::spawn).collect();
    let mut read = Vec::new();
    while read.len() < usize::try_from(DEPOSITS).unwrap() {
        let after = read.last().map_or(0, |entry: &crate::LedgerEntry| entry.id);
        let page = two.ledger_entries(ana, after, 3).await.unwrap();
        read.extend(page);
        tokio::task::yield_now().await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(read, one.ledger_entries(ana, 0, 1_000).await.unwrap(), "in order, each once, unchanged");
}

pub async fn everything_survives_a_restart(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    store.insert_api_key(key(1, ana, "p1")).await.unwrap();
    let first = open(&*store, 1, ana, 100).await;
    store.begin_create(begin(2, ana, 101)).await.unwrap();
    let (_, number) = store.begin_read(&id(1)).await.unwrap().unwrap();
    let command = Commit { snapshot: Some(number), ..credit(&first, "tx", "12.5", 110) };
    store.commit(command).await.unwrap();
    let JournalOutcome::New(stored) = store.journal(delivery("d1", 105)).await.unwrap() else {
        panic!("it is new")
    };
    store.store_rates(vec![rate(Ticker::BTC, "50000", 1, 2)]).await.unwrap();
    store.sight(vec![review("r", ReviewReason::NoDeposit, 3)]).await.unwrap();
    let limit = RateLimit { requests: 1, window_millis: 600_000 };
    store.count_request("ip:192.0.2.7", limit, at(100)).await.unwrap();
    let before = everything(&*store, ana).await;
    drop(store);

    let store = fixture.open().await;
    assert_eq!(everything(&*store, ana).await, before);
    // Numbers go on where they were.
    assert_eq!(store.begin_read(&id(1)).await.unwrap().unwrap().1, number + 1);
    assert_eq!(store.ensure_account(&name("ben"), at(9)).await.unwrap().index.0, 2);
    assert_eq!(store.journal(delivery("d1", 999)).await.unwrap(), JournalOutcome::Duplicate(stored));
    assert!(!store.count_request("ip:192.0.2.7", limit, at(699)).await.unwrap().allowed);
    let again = commit(&first, 120);
    assert_eq!(store.commit(again).await.unwrap(), Committed::Conflict);
    assert_balanced(&*store).await;
}

async fn everything(store: &dyn Store, account: AccountId) -> String {
    format!(
        "{:?}",
        (
            store.accounts().await.unwrap(),
            store.api_keys().await.unwrap(),
            (row(store, 1).await, row(store, 2).await, store.history(&id(1), 0).await.unwrap()),
            (
                store.orders_of(&id(1)).await.unwrap(),
                store.deposit_by_ref(PROVIDER, &order("invoice-1")).await.unwrap()
            ),
            store.journal_rows(JournalFilter::default()).await.unwrap(),
            (store.newest_rates().await.unwrap(), store.open_reviews().await.unwrap()),
            (store.balances(account).await.unwrap(), store.ledger_entries(account, 0, 99).await.unwrap()),
            store.check_ledger().await.unwrap(),
        )
    )
}

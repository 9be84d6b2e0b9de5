use super::Fixture;
use super::fixtures::{OTHER_PROVIDER, PROVIDER, at, delivery};
use crate::{JournalEntry, JournalFilter, JournalOutcome, Store};

async fn stored(store: &dyn Store, entry: JournalEntry) -> i64 {
    match store.journal(entry).await.unwrap() {
        JournalOutcome::New(id) => id,
        JournalOutcome::Duplicate(id) => panic!("{id} is there already"),
    }
}

pub async fn deliveries_are_stored_once(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let first = stored(&*store, delivery("d1", 1)).await;
    let altered =
        JournalEntry { body: b"other".to_vec(), observations: "[1]".to_owned(), ..delivery("d1", 2) };
    assert_eq!(store.journal(altered).await.unwrap(), JournalOutcome::Duplicate(first));
    // The id is the provider's own: another provider may use the same.
    let other = stored(&*store, JournalEntry { provider: OTHER_PROVIDER, ..delivery("d1", 3) }).await;
    assert!(other > first);
    let rows = store.journal_rows(JournalFilter::default()).await.unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[0].id, rows[0].observations.as_str(), rows[0].received_at), (first, "[]", at(1)));
    assert_eq!((rows[0].handled_at, rows[0].outcome.as_deref()), (None, None));
}

pub async fn deliveries_are_claimed_and_finished(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let late = stored(&*store, delivery("late", 9)).await;
    let early = stored(&*store, delivery("early", 1)).await;
    let third = stored(&*store, delivery("third", 10)).await;
    let claim = |now, until, limit| {
        let store = &store;
        async move {
            let rows = store.claim_journal(at(now), at(until), limit).await.unwrap();
            rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
        }
    };
    assert_eq!(claim(20, 50, 2).await, [early, late]);
    assert_eq!(claim(20, 50, 9).await, [third]);
    assert!(claim(49, 80, 9).await.is_empty());
    store.finish_journal(early, "observed", at(30)).await.unwrap();
    // The lease of the others has ended: whoever had them is gone.
    assert_eq!(claim(50, 80, 9).await, [late, third]);
    let rows =
        store.journal_rows(JournalFilter { ids: vec![early], ..JournalFilter::default() }).await.unwrap();
    assert_eq!((rows[0].handled_at, rows[0].outcome.as_deref()), (Some(at(30)), Some("observed")));
}

pub async fn the_journal_is_listed_and_purged(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let mut ids = Vec::new();
    for n in 1..=5 {
        let provider = if n % 2 == 0 { OTHER_PROVIDER } else { PROVIDER };
        ids.push(stored(&*store, JournalEntry { provider, ..delivery(&format!("d{n}"), n) }).await);
    }
    let list = |filter| {
        let store = &store;
        async move { store.journal_rows(filter).await.unwrap().into_iter().map(|r| r.id).collect::<Vec<_>>() }
    };
    let all = JournalFilter::default();
    assert_eq!(list(all.clone()).await, ids);
    assert_eq!(list(JournalFilter { limit: Some(2), ..all.clone() }).await, ids[3..]);
    assert!(list(JournalFilter { limit: Some(0), ..all.clone() }).await.is_empty());
    assert_eq!(list(JournalFilter { provider: Some(OTHER_PROVIDER), ..all.clone() }).await, [ids[1], ids[3]]);
    let some = JournalFilter { ids: vec![ids[4], ids[1], 999], ..all.clone() };
    assert_eq!(list(some.clone()).await, [ids[1], ids[4]]);
    assert_eq!(list(JournalFilter { provider: Some(PROVIDER), ..some }).await, [ids[4]]);

    for handled in &ids[..2] {
        store.finish_journal(*handled, "ignored", at(10)).await.unwrap();
    }
    store.finish_journal(ids[2], "unreadable", at(11)).await.unwrap();
    let open = JournalFilter { unhandled: true, ..all.clone() };
    assert_eq!(list(open.clone()).await, ids[3..]);
    assert_eq!(list(JournalFilter { outcomes: vec!["unreadable".to_owned()], ..open }).await, ids[2..]);
    let ignored = vec!["ignored".to_owned(), "?".to_owned()];
    assert_eq!(list(JournalFilter { outcomes: ignored, ..all.clone() }).await, ids[..2]);
    // Only what is handled and old enough, and each once; the row itself stays.
    assert_eq!(store.purge_journal_bodies(at(2)).await.unwrap(), 1);
    assert_eq!(store.purge_journal_bodies(at(9)).await.unwrap(), 2);
    assert_eq!(store.purge_journal_bodies(at(9)).await.unwrap(), 0);
    assert_eq!(list(all).await, ids);
    assert_eq!(store.journal(delivery("d1", 99)).await.unwrap(), JournalOutcome::Duplicate(ids[0]));
}

use super::Fixture;
use super::fixtures::{at, rate};
use crate::{Store, StoredRate};
use deposit_core::Ticker;

const BTC: Ticker = Ticker::BTC;

async fn all(store: &dyn Store) -> Vec<(String, i64, i64)> {
    let rates = store.rates_since(BTC, at(0)).await.unwrap();
    rates.into_iter().map(|r| (r.price.to_string(), r.valid_from.secs(), r.seen_until.secs())).collect()
}

pub async fn rates_are_stored_by_change(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let put = |rates: Vec<StoredRate>| store.store_rates(rates);
    put(vec![rate(BTC, "50000", 10, 10), rate(Ticker::XMR, "150", 10, 10)]).await.unwrap();
    // The same again: heard of until then. An older word moves nothing back.
    put(vec![rate(BTC, "50000", 20, 20)]).await.unwrap();
    put(vec![rate(BTC, "50000", 15, 15)]).await.unwrap();
    assert_eq!(all(&*store).await, [("50000".to_owned(), 10, 20)]);
    // Another price, another source, the first price again: a row each.
    put(vec![rate(BTC, "50001", 30, 30)]).await.unwrap();
    put(vec![StoredRate { source: "other".to_owned(), ..rate(BTC, "50001", 40, 40) }]).await.unwrap();
    put(vec![rate(BTC, "50000", 50, 50)]).await.unwrap();
    assert_eq!(all(&*store).await.len(), 4);
    // A rate that is stored and not the newest is not stored twice.
    put(vec![rate(BTC, "50001", 30, 35)]).await.unwrap();
    let stored = all(&*store).await;
    assert_eq!(stored.len(), 4);
    assert_eq!(stored[2], ("50001".to_owned(), 30, 35));
    let newest = store.newest_rates().await.unwrap();
    let newest: Vec<_> = newest.iter().map(|r| (r.ticker, r.price.to_string())).collect();
    assert_eq!(newest, [(BTC, "50000".to_owned()), (Ticker::XMR, "150".to_owned())]);

    let fine = "1234567890.123456789012345678";
    put(vec![rate(Ticker::BAN, fine, 1, 1)]).await.unwrap();
    assert_eq!(store.rate_at(Ticker::BAN, at(1)).await.unwrap().unwrap().price.to_string(), fine);
}

pub async fn old_rates_go_and_what_is_needed_stays(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    for n in 1..=9 {
        store.store_rates(vec![rate(BTC, &n.to_string(), n * 10, n * 10)]).await.unwrap();
    }
    store.store_rates(vec![rate(Ticker::XMR, "150", 1, 1)]).await.unwrap();
    let mut before = Vec::new();
    for time in 55..=99 {
        before.push(store.rate_at(BTC, at(time)).await.unwrap());
        before.push(store.rate_after(BTC, at(time)).await.unwrap());
    }
    // In batches, the oldest first; what was in force at that time stays.
    assert_eq!(store.prune_rates(at(55), 3).await.unwrap(), 3);
    assert_eq!(all(&*store).await.len(), 6);
    assert_eq!(store.prune_rates(at(55), 3).await.unwrap(), 1);
    assert_eq!(store.prune_rates(at(55), 3).await.unwrap(), 0);
    let mut after = Vec::new();
    for time in 55..=99 {
        after.push(store.rate_at(BTC, at(time)).await.unwrap());
        after.push(store.rate_after(BTC, at(time)).await.unwrap());
    }
    assert_eq!(before, after, "a late payment is priced as before");
    // The newest never goes.
    assert_eq!(store.prune_rates(at(1_000), 100).await.unwrap(), 4);
    assert_eq!(all(&*store).await, [("9".to_owned(), 90, 90)]);
    assert!(store.rate_at(Ticker::XMR, at(1_000)).await.unwrap().is_some());
}

pub async fn rates_are_found_by_time(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    assert!(store.newest_rates().await.unwrap().is_empty());
    // Not in the order of their times.
    for (price, from) in [("3", 30), ("1", 10), ("2", 20)] {
        store.store_rates(vec![rate(BTC, price, from, from)]).await.unwrap();
    }
    let price = |found: Option<StoredRate>| found.map(|r| r.price.to_string());
    for (time, before, after) in [
        (9, None, Some("1")),
        (10, Some("1"), Some("2")),
        (19, Some("1"), Some("2")),
        (20, Some("2"), Some("3")),
        (30, Some("3"), None),
        (99, Some("3"), None),
    ] {
        assert_eq!(price(store.rate_at(BTC, at(time)).await.unwrap()).as_deref(), before, "at {time}");
        assert_eq!(price(store.rate_after(BTC, at(time)).await.unwrap()).as_deref(), after, "after {time}");
    }
    assert_eq!(store.rate_at(Ticker::LTC, at(99)).await.unwrap(), None);
    // In force since then: the one that held at that moment, too.
    for (time, expected) in [
        (9, &["3", "2", "1"][..]),
        (10, &["3", "2", "1"]),
        (20, &["3", "2"]),
        (29, &["3", "2"]),
        (30, &["3"]),
        (99, &["3"]),
    ] {
        let found: Vec<String> =
            store.rates_since(BTC, at(time)).await.unwrap().iter().map(|r| r.price.to_string()).collect();
        assert_eq!(found, expected, "since {time}");
    }
    assert_eq!(store.newest_rates().await.unwrap()[0].price.to_string(), "3");
}

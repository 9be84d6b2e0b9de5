use deposit_core::{AccountIndex, StandingPosition};

use super::Fixture;
use super::fixtures::{account, at, name};
use crate::{AccountId, NewApiKey};

fn key(id: &str, account: AccountId, prefix: &str, now: i64) -> NewApiKey {
    NewApiKey { id: id.to_owned(), account, prefix: prefix.to_owned(), hash: [7; 32], created_at: at(now) }
}

pub async fn accounts_are_numbered_once(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    store.ping().await.unwrap();
    assert_eq!(store.account_by_name(&name("ana")).await.unwrap(), None);
    let ana = store.ensure_account(&name("ana"), at(1)).await.unwrap();
    let ben = store.ensure_account(&name("ben"), at(2)).await.unwrap();
    // Index 0 is the hot account of a seed.
    assert_eq!((ana.index.0, ben.index.0), (1, 2));
    assert_eq!(ana.created_at, at(1));
    assert_eq!(store.ensure_account(&name("ana"), at(3)).await.unwrap(), ana);
    assert_eq!(store.account_by_name(&name("ben")).await.unwrap(), Some(ben.clone()));
    // Names are told apart by case.
    let other = store.ensure_account(&name("Ana"), at(4)).await.unwrap();
    assert_eq!(other.index.0, 3);
    assert_eq!(store.accounts().await.unwrap(), [ana, ben, other]);
}

pub async fn the_owner_of_a_standing_address_is_found(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let nano = deposit_core::ProviderId::constant("nano");
    let other = deposit_core::ProviderId::constant("other");
    let ana = account(&*store, "ana").await;
    let ben = account(&*store, "ben").await;
    assert_eq!(store.account(ben.id).await.unwrap(), Some(ben.clone()));
    assert_eq!(store.account(AccountId(99)).await.unwrap(), None);
    assert_eq!(store.accounts_after(AccountIndex(0), 1).await.unwrap(), std::slice::from_ref(&ana));
    assert_eq!(store.accounts_after(ana.index, 9).await.unwrap(), std::slice::from_ref(&ben));
    assert_eq!(store.accounts_after(ben.index, 9).await.unwrap(), []);

    assert_eq!(store.standing_mark(nano).await.unwrap(), None);
    let both = vec![("a".to_owned(), ana.index), ("b".to_owned(), ben.index)];
    store.note_standing(nano, both.clone()).await.unwrap();
    store.note_standing(nano, both).await.unwrap();
    // An address keeps its account; an account may have more than one.
    store.note_standing(nano, vec![("a".to_owned(), ben.index), ("c".to_owned(), ana.index)]).await.unwrap();
    for (address, owner) in [("a", &ana), ("b", &ben), ("c", &ana)] {
        assert_eq!(store.standing_owner(nano, address).await.unwrap().as_ref(), Some(owner), "{address}");
    }
    assert_eq!(store.standing_owner(other, "a").await.unwrap(), None);
    // How far each was shown; the newest word counts.
    let at = |address: &str, position: &str| StandingPosition {
        address: address.to_owned(),
        position: position.to_owned(),
    };
    store.note_positions(nano, vec![at("a", "1"), at("b", "2"), at("nobody's", "3")]).await.unwrap();
    store.note_positions(nano, vec![at("a", "4")]).await.unwrap();
    assert_eq!(store.positions(nano, ana.index, ana.index).await.unwrap(), [at("a", "4")]);
    assert_eq!(store.positions(nano, ana.index, ben.index).await.unwrap().len(), 2);
    assert_eq!(store.positions(other, ana.index, ben.index).await.unwrap(), []);
    assert_eq!(store.standing_mark(nano).await.unwrap(), Some(ben.index));
    assert_eq!(store.standing_mark(other).await.unwrap(), None);
}

pub async fn a_closed_account_is_seen_through_its_keys(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    assert_eq!(store.close_account(&name("ana"), at(1)).await.unwrap(), None);
    let ana = account(&*store, "ana").await;
    store.insert_api_key(key("k1", ana.id, "p1", 2)).await.unwrap();
    assert_eq!(store.api_key_by_prefix("p1").await.unwrap().unwrap().account.closed_at, None);

    let closed = store.close_account(&name("ana"), at(5)).await.unwrap().unwrap();
    assert_eq!(closed.closed_at, Some(at(5)));
    // Closing twice keeps the first time, and the name stays taken.
    assert_eq!(store.close_account(&name("ana"), at(6)).await.unwrap(), Some(closed.clone()));
    assert_eq!(store.ensure_account(&name("ana"), at(7)).await.unwrap(), closed);
    assert_eq!(store.api_key_by_prefix("p1").await.unwrap().unwrap().account, closed);
}

pub async fn api_keys_are_unique_and_revoked_once(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await;
    store.insert_api_key(key("k2", ana.id, "p2", 2)).await.unwrap();
    store.insert_api_key(key("k1", ana.id, "p1", 3)).await.unwrap();
    for (twin, why) in [
        (key("k1", ana.id, "p9", 4), "the same id"),
        (key("k9", ana.id, "p1", 4), "the same prefix"),
        (key("k8", AccountId(99), "p8", 4), "no such account"),
    ] {
        assert!(store.insert_api_key(twin).await.is_err(), "{why}");
    }
    let ids = |rows: Vec<crate::ApiKeyRow>| rows.into_iter().map(|k| k.id).collect::<Vec<_>>();
    assert_eq!(ids(store.api_keys().await.unwrap()), ["k2", "k1"]);

    let row = store.api_key_by_prefix("p1").await.unwrap().unwrap();
    assert_eq!((row.hash, row.account.id, row.created_at, row.revoked_at), ([7; 32], ana.id, at(3), None));
    assert!(!format!("{row:?}").contains("hash"));
    assert_eq!(store.api_key_by_prefix("p").await.unwrap(), None);

    assert!(store.revoke_api_key("k1", at(5)).await.unwrap());
    assert!(store.revoke_api_key("k1", at(6)).await.unwrap());
    assert!(!store.revoke_api_key("nobody", at(6)).await.unwrap());
    assert_eq!(store.api_key_by_prefix("p1").await.unwrap().unwrap().revoked_at, Some(at(5)));
    assert_eq!(store.api_key_by_prefix("p2").await.unwrap().unwrap().revoked_at, None);
}

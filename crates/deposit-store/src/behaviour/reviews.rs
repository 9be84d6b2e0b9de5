use deposit_core::{Amount, Asset, DepositId, Signed};

use super::Fixture;
use super::fixtures::{
    OTHER_PROVIDER, PROVIDER, account, assert_balanced, at, begin, commit, credit, finish, id, name, open,
    paid, payment, review, row,
};
use super::matters::{ALL, btc};
use crate::{
    Account, AccountId, AssignReview, Assigned, Commit, Committed, DismissReview, Dismissed, EntryKind,
    Resolution, ResolutionKind, ReviewReason, Sighting, Store,
};

pub(super) fn usd(text: &str) -> Signed {
    Signed::parse(text, Asset::USD).unwrap()
}

pub(super) fn assign(id: i64, to: AccountId, amount: &str) -> AssignReview {
    AssignReview {
        id,
        account: to,
        amount: Amount::parse(amount, Asset::USD).unwrap(),
        seen: Some("0.0004".to_owned()),
        note: Some("ticket 12".to_owned()),
        by: "operator".to_owned(),
        again: false,
        now: at(500),
    }
}

pub(super) fn dismiss(id: i64) -> DismissReview {
    DismissReview {
        id,
        seen: Some("0.0004".to_owned()),
        reason: "a test payment".to_owned(),
        by: "operator".to_owned(),
        now: at(600),
    }
}

/// A new item, by its id.
pub(super) async fn item(store: &dyn Store, new: Sighting) -> i64 {
    let (reference, reason) = (new.reference.clone(), new.reason);
    store.sight(vec![new]).await.unwrap();
    let all = store.open_reviews().await.unwrap();
    all.iter().find(|r| r.reference == reference && r.reason == reason).unwrap().id
}

pub(super) async fn assigned(store: &dyn Store, command: AssignReview) -> i64 {
    let answer = store.assign_review(command).await.unwrap();
    let Assigned::Yes { entry } = answer else { panic!("{answer:?}") };
    entry
}

pub async fn a_deposit_is_in_review_while_an_item_waits(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let (ours, other) = (id(1), id(2));
    assert!(!store.in_review(&ours).await.unwrap());
    let about = |deposit| Sighting { deposit: Some(deposit), ..review("tx-1", ReviewReason::WrongAsset, 5) };
    let first = item(&*store, about(ours.clone())).await;
    assert!(store.in_review(&ours).await.unwrap());
    assert!(!store.in_review(&other).await.unwrap());
    store.dismiss_review(dismiss(first)).await.unwrap();
    assert!(!store.in_review(&ours).await.unwrap());
}

async fn is_assigned(store: &dyn Store, deposit: &DepositId, of: &str) -> bool {
    store.assignment(deposit, PROVIDER, &payment(of)).await.unwrap().is_some()
}

pub async fn an_assignment_is_an_entry_of_its_own(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    let lost = item(&*store, review("tx-1", ReviewReason::NoDeposit, 5)).await;
    let entry = assigned(&*store, assign(lost, ana, "20.5")).await;
    assert_eq!(store.balances(ana).await.unwrap(), [usd("20.5")]);
    let entries = store.ledger_entries(ana, 0, 9).await.unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!((entries[0].id, entries[0].kind, entries[0].at), (entry, EntryKind::Adjustment, at(500)));
    assert_eq!((entries[0].amount, &entries[0].deposit, &entries[0].payment), (usd("20.5"), &None, &None));
    // In the other currency, beside the first.
    let nano =
        item(&*store, Sighting { provider: OTHER_PROVIDER, ..review("send", ReviewReason::NoDeposit, 6) });
    let raw = Amount::parse("1.5", Asset::XNO).unwrap();
    assigned(&*store, AssignReview { amount: raw, note: None, ..assign(nano.await, ana, "1") }).await;
    assert_eq!(store.balances(ana).await.unwrap(), [usd("20.5"), Signed::credit(raw)]);
    assert_balanced(&*store).await;
    assert_eq!(store.check_ledger().await.unwrap().credits, 0);
    assert!(store.open_reviews().await.unwrap().is_empty());

    let again = fixture.open().await;
    let all = again.reviews(ALL).await.unwrap();
    assert_eq!(all.iter().map(|r| r.reference.as_str()).collect::<Vec<_>>(), ["tx-1", "send"]);
    let Some(Resolution { kind, at: when, by, note, credited: Some(credited) }) = all[0].resolution.clone()
    else {
        panic!("{:?}", all[0]);
    };
    assert_eq!((kind, when, by.as_str()), (ResolutionKind::Assigned, at(500), "operator"));
    assert_eq!(note.as_deref(), Some("ticket 12"));
    assert_eq!((credited.entry, credited.account, credited.amount), (entry, name("ana"), usd("20.5")));
    assert_eq!(again.review(lost).await.unwrap().unwrap(), all[0]);
    assert_balanced(&*again).await;
}

pub async fn a_review_is_resolved_once(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    let first = item(&*store, review("tx-1", ReviewReason::NoDeposit, 5)).await;
    let second = item(&*store, review("tx-2", ReviewReason::NoDeposit, 6)).await;
    assert_eq!(store.dismiss_review(dismiss(first)).await.unwrap(), Dismissed::Yes);
    assigned(&*store, assign(second, ana, "1")).await;
    for resolved in [first, second] {
        let Dismissed::Resolved(how) = store.dismiss_review(dismiss(resolved)).await.unwrap() else {
            panic!()
        };
        let Assigned::Resolved(same) = store.assign_review(assign(resolved, ana, "2")).await.unwrap() else {
            panic!()
        };
        assert_eq!((how.id, how.resolution.is_some()), (resolved, true));
        assert_eq!(how, same);
    }
    let how = store.review(first).await.unwrap().unwrap().resolution.unwrap();
    assert_eq!((how.kind, how.note.as_deref()), (ResolutionKind::Dismissed, Some("a test payment")));
    assert_eq!((how.at, how.credited), (at(600), None));
    assert_eq!(store.assign_review(assign(999, ana, "1")).await.unwrap(), Assigned::Unknown);
    assert_eq!(store.dismiss_review(dismiss(999)).await.unwrap(), Dismissed::Unknown);
    assert!(store.review(999).await.unwrap().is_none());
    // The same money is never asked about again.
    store.sight(vec![review("tx-1", ReviewReason::NoDeposit, 7)]).await.unwrap();
    assert!(store.open_reviews().await.unwrap().is_empty());

    // Nor to an account that is closed or is not there, nor an amount that is none or does not fit.
    let third = item(&*store, review("tx-3", ReviewReason::NoDeposit, 8)).await;
    let most = |asset| AssignReview { amount: Amount::new(u128::MAX, asset), ..assign(third, ana, "1") };
    for bad in [assign(third, ana, "0"), most(Asset::USD)] {
        assert_eq!(store.assign_review(bad).await.unwrap(), Assigned::BadAmount);
    }
    assert_eq!(store.assign_review(assign(third, AccountId(99), "1")).await.unwrap(), Assigned::NoAccount);
    let Account { id: ben, name: bens, .. } = account(&*store, "ben").await;
    store.close_account(&bens, at(9)).await.unwrap();
    assert_eq!(store.assign_review(assign(third, ben, "1")).await.unwrap(), Assigned::NoAccount);
    assert_eq!(store.open_reviews().await.unwrap().len(), 1);
    assert_eq!(store.balances(ana).await.unwrap(), [usd("1")]);
    assert_balanced(&*store).await;
}

pub async fn assigned_money_is_not_credited_by_rule(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    open(&*store, 1, ana, 100).await;
    let waiting = item(&*store, review("tx", ReviewReason::NeverConfirmed, 5)).await;
    assert!(!is_assigned(&*store, &id(1), "tx").await);
    assigned(&*store, assign(waiting, ana, "20")).await;
    assert!(is_assigned(&*store, &id(1), "tx").await);
    assert!(!is_assigned(&*store, &id(1), "tx-2").await);
    let refused = store.commit(credit(&row(&*store, 1).await, "tx", "20", 700)).await.unwrap();
    assert_eq!(refused, Committed::Assigned { payment: payment("tx") });
    assert_eq!(row(&*store, 1).await.version, 1);
    // What is seen may be noted, and another payment is credited.
    let noted = Commit { evidence: paid("tx", 1), ..commit(&row(&*store, 1).await, 710) };
    assert!(matches!(store.commit(noted).await.unwrap(), Committed::Yes { .. }));
    open(&*store, 2, ana, 100).await;
    let other = store.commit(credit(&row(&*store, 2).await, "tx-2", "5", 720)).await.unwrap();
    assert!(matches!(other, Committed::Yes { .. }));
    assert_eq!(store.balances(ana).await.unwrap(), [usd("25")]);

    // A rule would credit the same 0.0004 now: they are assigned, so there is nothing to ask. What is above them waits, and is worth itself.
    store.sight(vec![review("tx", ReviewReason::AlreadyAssigned, 6)]).await.unwrap();
    assert!(store.open_reviews().await.unwrap().is_empty());
    let more = Sighting { due: btc(50_000), ..review("tx", ReviewReason::AlreadyAssigned, 7) };
    let again = item(&*store, more).await;
    let rest = store.review(again).await.unwrap().unwrap();
    assert_eq!((rest.amount.as_deref(), rest.seen.as_deref()), (Some("0.0001"), Some("0.0005")));
    let command = AssignReview { seen: rest.amount, ..assign(again, ana, "1") };
    assigned(&*store, command).await;
    assert_eq!(store.balances(ana).await.unwrap(), [usd("26")]);
    // A dismissed item says that there is nothing to do: rules go on.
    open(&*store, 3, ana, 100).await;
    let dismissed = item(&*store, review("tx-3", ReviewReason::NeverConfirmed, 5)).await;
    store.dismiss_review(dismiss(dismissed)).await.unwrap();
    let later = store.commit(credit(&row(&*store, 3).await, "tx-3", "4", 730)).await.unwrap();
    assert!(matches!(later, Committed::Yes { .. }));
    assert_balanced(&*store).await;
}

pub async fn money_of_an_unknown_order_is_assigned_once(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    // What the fixtures call the order, the address and the deposit, before there is one.
    let own = id(2).to_string();
    for (n, reference) in [(1, "invoice-1"), (2, own.as_str()), (3, "bc1qexample3")] {
        let unknown = item(&*store, review(reference, ReviewReason::NoDeposit, 5)).await;
        assigned(&*store, assign(unknown, ana, "20")).await;
        store.begin_create(begin(n, ana, 501)).await.unwrap();
        store.finish_create(finish(n, 501)).await.unwrap();
        let command = credit(&row(&*store, n).await, &format!("tx-{n}"), "20", 700);
        let refused = store.commit(command.clone()).await.unwrap();
        assert!(matches!(refused, Committed::Assigned { .. }), "{reference}: {refused:?}");
        // However late it was made: nobody can say what of the order was assigned.
        let mut later = command;
        later.evidence.payments.values_mut().for_each(|payment| payment.paid_at = Some(at(500 + 24 * 3600)));
        let refused = store.commit(later).await.unwrap();
        assert!(matches!(refused, Committed::Assigned { .. }), "{reference}: {refused:?}");
    }
    // Another provider's order of the same name, or another reason, says nothing.
    open(&*store, 4, ana, 100).await;
    let other = Sighting { provider: OTHER_PROVIDER, ..review("invoice-4", ReviewReason::NoDeposit, 5) };
    let other = item(&*store, other).await;
    assigned(&*store, assign(other, ana, "1")).await;
    assert!(!is_assigned(&*store, &id(4), "tx-4").await);
    assert_balanced(&*store).await;
}

pub async fn credited_money_is_not_assigned(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    open(&*store, 1, ana, 100).await;
    store.commit(credit(&row(&*store, 1).await, "tx", "20", 110)).await.unwrap();
    let own = id(1).to_string();
    for (reference, reason) in [
        ("tx", ReviewReason::PaymentOnSecondDeposit),
        ("invoice-1", ReviewReason::NoDeposit),
        ("bc1qexample1", ReviewReason::NoDeposit),
        (own.as_str(), ReviewReason::NoDeposit),
    ] {
        let late = item(&*store, review(reference, reason, 5)).await;
        let refused = store.assign_review(assign(late, ana, "20")).await.unwrap();
        assert_eq!(refused, Assigned::Posted { deposit: id(1) }, "{reference}");
        // Not even by who insists.
        let insisting = AssignReview { again: true, ..assign(late, ana, "20") };
        assert_eq!(store.assign_review(insisting).await.unwrap(), Assigned::Posted { deposit: id(1) });
        assert_eq!(store.dismiss_review(dismiss(late)).await.unwrap(), Dismissed::Yes);
    }
    // What its provider reports of a payment that is credited: only by who says that it is on top.
    let told = item(&*store, review("tx", ReviewReason::ProviderReports, 6)).await;
    let refused = store.assign_review(assign(told, ana, "1")).await.unwrap();
    assert_eq!(refused, Assigned::Posted { deposit: id(1) });
    assigned(&*store, AssignReview { again: true, ..assign(told, ana, "1") }).await;
    // Another provider's payment of the same name is other money.
    let other = Sighting { provider: OTHER_PROVIDER, ..review("tx", ReviewReason::NoDeposit, 5) };
    let other = item(&*store, other).await;
    assigned(&*store, assign(other, ana, "1")).await;
    assert_eq!(store.balances(ana).await.unwrap(), [usd("22")]);
    assert_balanced(&*store).await;
}

pub async fn an_assignment_and_a_credit_race(fixture: &dyn Fixture) {
    let (store, other) = (fixture.open().await, fixture.open().await);
    let ana = account(&*store, "ana").await.id;
    for n in 1..=12 {
        open(&*store, n, ana, 100).await;
        let reference = format!("tx-{n}");
        let waiting = item(&*store, review(&reference, ReviewReason::NeverConfirmed, 5)).await;
        let command = credit(&row(&*store, n).await, &reference, "1", 700);
        let (by_rule, by_hand) = if n % 2 == 0 {
            tokio::join!(store.commit(command), other.assign_review(assign(waiting, ana, "1")))
        } else {
            let (hand, rule) =
                tokio::join!(other.assign_review(assign(waiting, ana, "1")), store.commit(command));
            (rule, hand)
        };
        let by_rule = matches!(by_rule.unwrap(), Committed::Yes { .. });
        let by_hand = matches!(by_hand.unwrap(), Assigned::Yes { .. });
        assert!(by_rule != by_hand, "credited once: {by_rule} {by_hand}");
    }
    assert_eq!(store.balances(ana).await.unwrap(), [usd("12")]);
    assert_balanced(&*store).await;
}

pub async fn deposits_are_listed_by_time(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    for n in 1..=5 {
        open(&*store, n, ana, i64::from(n) * 100).await;
    }
    // Begun, shown to nobody.
    store.begin_create(begin(6, ana, 600)).await.unwrap();
    let list = |since, after: Option<u32>, limit| {
        let store = &store;
        async move {
            let after = after.map(id);
            let rows = store.deposits_since(PROVIDER, at(since), after.as_ref(), limit).await.unwrap();
            rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
        }
    };
    let ids = |all: &[u32]| all.iter().map(|n| id(*n)).collect::<Vec<_>>();
    assert_eq!(list(0, None, 99).await, ids(&[1, 2, 3, 4, 5]));
    assert_eq!(list(300, None, 99).await, ids(&[3, 4, 5]));
    assert_eq!(list(0, None, 2).await, ids(&[1, 2]));
    assert_eq!(list(0, Some(2), 2).await, ids(&[3, 4]));
    assert!(list(0, Some(5), 2).await.is_empty());
    assert!(store.deposits_since(OTHER_PROVIDER, at(0), None, 9).await.unwrap().is_empty());
    // One that has changed since counts as well.
    store.commit(credit(&row(&*store, 1).await, "tx", "1", 450)).await.unwrap();
    assert_eq!(list(450, None, 99).await, ids(&[1, 5]));
}

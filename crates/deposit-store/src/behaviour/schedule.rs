use deposit_core::{IntentRecord, ScanCursor};

use super::Fixture;
use super::fixtures::{OTHER_PROVIDER, PROVIDER, account, at, begin, commit, id, intent, open, row, terms};
use super::fixtures::{credit, delivery, finish, review};
use crate::{
    Backlog, Commit, Committed, FinishCreate, Finished, JournalEntry, JournalOutcome, OpenStanding, Phase,
    ReviewReason, Touch,
};

pub async fn due_reads_come_in_order(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    // Opened at 101, 102, … and due ten seconds later.
    for n in 1..=4 {
        open(&*store, n, ana, 100 + i64::from(n)).await;
    }
    assert_eq!(store.claim_checks(PROVIDER, at(110), at(200), 9).await.unwrap(), []);
    assert_eq!(store.claim_checks(OTHER_PROVIDER, at(999), at(2000), 9).await.unwrap(), []);

    // 3 has a payment under way, 1 was read just now.
    let under_way =
        Commit { under_way: true, next_check_at: Some(at(111)), ..commit(&row(&*store, 3).await, 105) };
    assert!(matches!(store.commit(under_way).await.unwrap(), Committed::Yes { .. }));
    let (_, number) = store.begin_read(&id(1)).await.unwrap().unwrap();
    let read = Touch { id: id(1), snapshot: number, next_check_at: Some(at(112)), now: at(111) };
    assert!(store.touch(read).await.unwrap());
    assert_eq!(store.claim_checks(PROVIDER, at(120), at(200), 3).await.unwrap(), [id(3), id(2), id(4)]);
    // Those are taken; the next caller gets the rest, and nobody anything until the lease ends.
    assert_eq!(store.claim_checks(PROVIDER, at(120), at(200), 3).await.unwrap(), [id(1)]);
    assert_eq!(store.claim_checks(PROVIDER, at(199), at(300), 9).await.unwrap(), []);
    // A hint brings one forward, never back.
    store.check_at(&id(4), at(150)).await.unwrap();
    store.check_at(&id(4), at(999)).await.unwrap();
    assert_eq!(store.claim_checks(PROVIDER, at(150), at(200), 9).await.unwrap(), [id(4)]);
    assert_eq!(
        store.claim_checks(PROVIDER, at(200), at(300), 9).await.unwrap(),
        [id(3), id(2), id(4), id(1)]
    );

    // One that is never to be read again, until something is heard of it.
    let never = Commit { next_check_at: None, ..commit(&row(&*store, 2).await, 210) };
    store.commit(never).await.unwrap();
    assert_eq!(store.claim_checks(PROVIDER, at(299), at(400), 9).await.unwrap(), []);
    store.check_at(&id(2), at(220)).await.unwrap();
    assert_eq!(store.claim_checks(PROVIDER, at(220), at(400), 9).await.unwrap(), [id(2)]);
    // Not for a row that is not open.
    store.begin_create(begin(5, ana, 100)).await.unwrap();
    store.check_at(&id(5), at(1)).await.unwrap();
    assert_eq!(store.claim_checks(PROVIDER, at(220), at(400), 9).await.unwrap(), []);
}

pub async fn expiries_and_unpriced_are_found(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    open(&*store, 1, ana, 200).await;
    open(&*store, 2, ana, 100).await;
    // A standing payment has no quote, so nothing that could expire.
    store.begin_create(begin(3, ana, 100)).await.unwrap();
    let standing = deposit_core::Terms { quote: None, ..terms(at(100)) };
    let finished = FinishCreate { intent: intent(3, standing), ..finish(3, 100) };
    assert_eq!(store.finish_create(finished).await.unwrap(), Finished::Yes);
    assert_eq!(store.due_expiries(at(3699), 9).await.unwrap(), []);
    assert_eq!(store.due_expiries(at(3800), 9).await.unwrap(), [id(2), id(1)]);
    assert_eq!(store.due_expiries(at(3800), 1).await.unwrap(), [id(2)]);
    let expired = Commit { expiry_pending: false, ..commit(&row(&*store, 2).await, 3800) };
    store.commit(expired).await.unwrap();
    assert_eq!(store.due_expiries(at(3800), 9).await.unwrap(), [id(1)]);

    assert_eq!(store.unpriced(9).await.unwrap(), []);
    for n in [1, 3] {
        let unpriced = Commit { unpriced: true, ..commit(&row(&*store, n).await, 3900) };
        store.commit(unpriced).await.unwrap();
    }
    assert_eq!(store.unpriced(9).await.unwrap().len(), 2);
    assert_eq!(store.unpriced(1).await.unwrap().len(), 1);
    store.commit(commit(&row(&*store, 1).await, 3901)).await.unwrap();
    assert_eq!(store.unpriced(9).await.unwrap(), [id(3)]);
}

pub async fn a_scan_s_cursor_is_kept(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    assert_eq!(store.scan_cursor(PROVIDER).await.unwrap(), None);
    for text in ["10", "12", "12", "7"] {
        let cursor = ScanCursor(text.to_owned());
        store.move_scan_cursor(PROVIDER, &cursor).await.unwrap();
        assert_eq!(store.scan_cursor(PROVIDER).await.unwrap(), Some(cursor));
    }
    assert_eq!(fixture.open().await.scan_cursor(PROVIDER).await.unwrap(), Some(ScanCursor("7".to_owned())));
}

pub async fn a_standing_deposit_opens_once(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    let mut standing = intent(1, terms(at(100)));
    standing.terms.quote = None;
    let command =
        OpenStanding { id: id(1), account: ana, provider: PROVIDER, intent: standing.clone(), now: at(100) };
    assert_eq!(store.open_standing(command.clone()).await.unwrap(), id(1));
    // Another process, or the same one after a crash, has another id for it: the payment has its deposit already.
    let again = OpenStanding { id: id(2), intent: intent(2, standing.terms), ..command };
    let again = OpenStanding {
        intent: IntentRecord { provider_ref: standing.provider_ref.clone(), ..again.intent },
        ..again
    };
    assert_eq!(store.open_standing(again).await.unwrap(), id(1));
    assert!(store.deposit(&id(2)).await.unwrap().is_none());
    let row = row(&*store, 1).await;
    assert_eq!((row.phase, row.version, row.history, row.account), (Phase::Open, 0, 0, ana));
    assert_eq!(row.intent, Some(standing.clone()));
    assert_eq!(store.deposit_by_ref(PROVIDER, &standing.provider_ref).await.unwrap(), Some(id(1)));
    let address = standing.instructions.address().unwrap();
    assert_eq!(
        store.deposit_by_address(PROVIDER, address).await.unwrap(),
        None,
        "the address is the account's"
    );
    assert!(store.due_expiries(at(1_000_000), 10).await.unwrap().is_empty());
    assert!(matches!(
        store.commit(credit(&row, "tx-1", "1", 110)).await.unwrap(),
        Committed::Yes { history: 1, .. }
    ));
}

pub async fn what_waits_is_counted(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    assert_eq!(store.backlog().await.unwrap(), Backlog::default());
    let ana = account(&*store, "ana").await.id;
    open(&*store, 1, ana, 100).await;
    let unpriced = Commit { unpriced: true, ..commit(&row(&*store, 1).await, 110) };
    store.commit(unpriced).await.unwrap();
    let mut first = None;
    for (n, provider) in [(3, PROVIDER), (2, OTHER_PROVIDER)] {
        let stored = store.journal(JournalEntry { provider, ..delivery("d", n) }).await.unwrap();
        if let JournalOutcome::New(id) = stored {
            first.get_or_insert(id);
        }
    }
    store.open_review(review("a", ReviewReason::NoDeposit, 1)).await.unwrap();
    store.open_review(review("b", ReviewReason::NoDeposit, 2)).await.unwrap();
    let waiting = Backlog { reviews: 2, deliveries: 2, oldest_delivery: Some(at(2)), unpriced: 1 };
    assert_eq!(store.backlog().await.unwrap(), waiting);
    store.finish_journal(first.unwrap(), "observed", at(9)).await.unwrap();
    store.commit(commit(&row(&*store, 1).await, 120)).await.unwrap();
    let less = Backlog { deliveries: 1, unpriced: 0, ..waiting };
    assert_eq!(store.backlog().await.unwrap(), less);
}

use deposit_core::{IntentRecord, ScanCursor};

use deposit_lifecycle::watch::{Ended, Ending, Lane, Lanes, Watch};

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
    let claim = async |provider, now: i64, until: i64, limits| {
        let mut ids = store.claim_checks(provider, at(now), at(until), limits).await.unwrap();
        ids.sort();
        ids
    };
    // Opened at 101, 102, … and due ten seconds later.
    for n in 1..=4 {
        open(&*store, n, ana, 100 + i64::from(n)).await;
    }
    assert_eq!(claim(PROVIDER, 110, 200, Lanes::all(9)).await, []);
    assert_eq!(claim(OTHER_PROVIDER, 999, 2000, Lanes::all(9)).await, []);
    assert_eq!(store.due_checks(PROVIDER, at(110), 9).await.unwrap(), Lanes::all(0));
    assert_eq!(store.first_due(PROVIDER, Lane::Young).await.unwrap(), Some(at(111)));
    assert_eq!(store.first_due(PROVIDER, Lane::Old).await.unwrap(), None);

    // 3 has a payment under way, 1 was read just now.
    let under_way = Watch { failures: 2, gone_since: Some(at(7)), ..Watch::at(at(111), Lane::UnderWay) };
    let commit_3 = Commit { under_way: true, watch: under_way, ..commit(&row(&*store, 3).await, 105) };
    assert!(matches!(store.commit(commit_3).await.unwrap(), Committed::Yes { .. }));
    assert_eq!(row(&*store, 3).await.watch, under_way);
    let (_, number) = store.begin_read(&id(1)).await.unwrap().unwrap();
    let read = Touch { id: id(1), snapshot: number, watch: Watch::at(at(115), Lane::Young), now: at(111) };
    assert!(store.touch(read).await.unwrap());
    assert_eq!(
        store.due_checks(PROVIDER, at(120), 2).await.unwrap(),
        Lanes { young: 2, under_way: 1, old: 0 },
        "counted no further than asked"
    );
    // Those that were due first, of each lane no more than asked for.
    let limits = Lanes { young: 2, under_way: 0, old: 9 };
    assert_eq!(claim(PROVIDER, 120, 200, limits).await, [id(2), id(4)]);
    assert_eq!(claim(PROVIDER, 120, 200, Lanes::all(9)).await, [id(1), id(3)]);
    // Those are taken, and nobody gets any until the lease ends.
    assert_eq!(claim(PROVIDER, 199, 300, Lanes::all(9)).await, []);
    // What is given back is due again; and a hint brings one forward, never back.
    store.release_checks(vec![id(2), id(3)], at(140)).await.unwrap();
    store.check_at(&id(4), at(150)).await.unwrap();
    store.check_at(&id(4), at(999)).await.unwrap();
    assert_eq!(claim(PROVIDER, 140, 200, Lanes::all(9)).await, [id(2), id(3)]);
    assert_eq!(claim(PROVIDER, 150, 200, Lanes::all(9)).await, [id(4)]);
    assert_eq!(claim(PROVIDER, 200, 300, Lanes::all(9)).await, [id(1), id(2), id(3), id(4)]);

    // One whose watch has ended, until something is heard of it.
    let ended = Some(Ended { at: at(210), why: Ending::Gone });
    let over = Watch { ended, ..Watch::default() };
    store.commit(Commit { watch: over, ..commit(&row(&*store, 2).await, 210) }).await.unwrap();
    assert_eq!(row(&*store, 2).await.watch, over);
    assert_eq!(claim(PROVIDER, 299, 400, Lanes::all(9)).await, []);
    store.check_at(&id(2), at(220)).await.unwrap();
    assert_eq!(row(&*store, 2).await.watch, Watch::at(at(220), Lane::Old));
    assert_eq!(claim(PROVIDER, 220, 400, Lanes::all(9)).await, [id(2)]);
    // Not for a row that is not open.
    store.begin_create(begin(5, ana, 100)).await.unwrap();
    store.check_at(&id(5), at(1)).await.unwrap();
    assert_eq!(claim(PROVIDER, 220, 400, Lanes::all(9)).await, []);
}

pub async fn expiries_and_unpriced_are_found(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    open(&*store, 1, ana, 200).await;
    open(&*store, 2, ana, 100).await;
    // A standing payment has no quote, so nothing that could expire.
    store.begin_create(begin(3, ana, 100)).await.unwrap();
    let standing = terms(at(100)).with_quote(None);
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
    store.sight(vec![review("a", ReviewReason::NoDeposit, 1)]).await.unwrap();
    store.sight(vec![review("b", ReviewReason::NoDeposit, 2)]).await.unwrap();
    let waiting = Backlog { reviews: 2, deliveries: 2, oldest_delivery: Some(at(2)), unpriced: 1 };
    assert_eq!(store.backlog().await.unwrap(), waiting);
    store.finish_journal(first.unwrap(), "observed", at(9)).await.unwrap();
    store.commit(commit(&row(&*store, 1).await, 120)).await.unwrap();
    let less = Backlog { deliveries: 1, unpriced: 0, ..waiting };
    assert_eq!(store.backlog().await.unwrap(), less);
}

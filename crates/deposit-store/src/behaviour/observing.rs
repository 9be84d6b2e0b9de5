use super::Fixture;
use super::fixtures::{
    OTHER_PROVIDER, PROVIDER, account, assert_balanced, at, begin, commit, credit, id, intent, open, order,
    paid, payment, posting, rate, review, row,
};
use crate::{Commit, Committed, EntryKind, ReviewReason, Touch};
use deposit_core::{Asset, PayInstructions, Signed, Status, Ticker};
use deposit_lifecycle::watch::{Lane, Lanes, Watch};

fn touch(n: u32, snapshot: u64, now: i64) -> Touch {
    Touch { id: id(n), snapshot, watch: Watch::at(at(now + 600), Lane::Young), now: at(now) }
}

pub async fn a_commit_writes_everything(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    open(&*store, 1, ana, 100).await;
    let (read, number) = store.begin_read(&id(1)).await.unwrap().unwrap();
    assert_eq!((number, read.version), (1, 1));
    let command = Commit {
        snapshot: Some(number),
        reviews: vec![review("stray", ReviewReason::WrongAsset, 120)],
        rates: vec![rate(Ticker::BTC, "49000", 110, 110)],
        watch: Watch::default(),
        ..credit(&read, "tx-1:0", "20.5", 120)
    };
    assert_eq!(store.commit(command.clone()).await.unwrap(), Committed::Yes { history: 2, version: 2 });
    let after = row(&*store, 1).await;
    assert_eq!((after.version, after.snapshot, after.history), (2, 1, 2));
    assert_eq!(
        (&after.evidence, &after.credit, after.status),
        (&command.evidence, &command.credit, Status::Completed)
    );
    assert_eq!((after.updated_at, after.intent), (at(120), read.intent.clone()));
    let history = store.history(&id(1), 1).await.unwrap();
    assert_eq!((history.len(), history[0].n, history[0].status), (1, 2, Status::Completed));
    assert_eq!(Some(&history[0].view), command.view.as_ref());
    assert_eq!(store.balances(ana).await.unwrap(), [Signed::parse("20.5", Asset::USD).unwrap()]);
    let entries = store.deposit_entries(&id(1)).await.unwrap();
    assert_eq!((entries.len(), entries[0].kind, entries[0].at), (1, EntryKind::Credit, at(120)));
    assert_eq!(
        (entries[0].deposit.clone(), entries[0].payment.clone()),
        (Some(id(1)), Some(payment("tx-1:0")))
    );
    assert_eq!(store.open_reviews().await.unwrap()[0].reference, "stray");
    assert_eq!(store.newest_rates().await.unwrap()[0].price.to_string(), "49000");
    // Never again, and no expiry either.
    assert!(
        store.claim_checks(PROVIDER, at(999_999), at(1_000_000), Lanes::all(9)).await.unwrap().is_empty()
    );
    assert!(store.due_expiries(at(999_999), 9).await.unwrap().is_empty());

    // A commit that nobody outside sees: no history row, the old time of change.
    let quiet = Commit { watch: Watch::at(at(130), Lane::Young), ..commit(&row(&*store, 1).await, 125) };
    assert_eq!(store.commit(quiet).await.unwrap(), Committed::Yes { history: 2, version: 3 });
    assert_eq!(row(&*store, 1).await.updated_at, at(120));
    assert_balanced(&*store).await;
}

pub async fn a_refused_commit_writes_nothing(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    let first = open(&*store, 1, ana, 100).await;
    assert!(matches!(store.commit(credit(&first, "tx-1", "20", 110)).await.unwrap(), Committed::Yes { .. }));
    let paid_row = row(&*store, 1).await;
    let second = open(&*store, 2, ana, 100).await;
    store.begin_create(begin(3, ana, 100)).await.unwrap();

    let with_all = |command: Commit| Commit {
        view: Some("{\"never\":true}".to_owned()),
        reviews: vec![review("never", ReviewReason::Overflow, 120)],
        rates: vec![rate(Ticker::XMR, "150", 1, 1)],
        ..command
    };
    let twice = Commit {
        evidence: paid("tx-2", 1),
        postings: vec![posting("tx-2", 1, "1"), posting("tx-2", 1, "1")],
        ..commit(&second, 120)
    };
    let again = Commit { postings: vec![posting("tx-1", 1, "20")], ..commit(&paid_row, 120) };
    let unopened = Commit { id: id(3), expected_version: 0, ..commit(&second, 120) };
    let unknown = Commit { id: id(4), ..commit(&second, 120) };
    let old = Commit { expected_version: 0, ..credit(&second, "tx-2", "20", 120) };
    let taken = Committed::PaymentTaken { payment: payment("tx-1"), owner: id(1) };
    for (command, answer) in [
        (credit(&second, "tx-1", "20", 120), taken),
        (again, Committed::Duplicate),
        (twice, Committed::Duplicate),
        (old, Committed::Conflict),
        (unopened, Committed::Conflict),
        (unknown, Committed::Conflict),
    ] {
        assert_eq!(store.commit(with_all(command)).await.unwrap(), answer);
    }
    // One that the database itself refuses: a posting for a payment that the evidence does not know.
    let stray = Commit { postings: vec![posting("tx-9", 1, "1")], ..commit(&second, 120) };
    assert!(store.commit(with_all(stray)).await.is_err());

    assert_eq!(row(&*store, 1).await, paid_row);
    assert_eq!(row(&*store, 2).await, second);
    assert_eq!(store.history(&id(2), 1).await.unwrap(), []);
    assert!(store.open_reviews().await.unwrap().is_empty());
    assert!(store.newest_rates().await.unwrap().is_empty());
    assert_eq!(store.balances(ana).await.unwrap(), [Signed::parse("20", Asset::USD).unwrap()]);
    // What was refused is nobody's: it can still be credited.
    assert!(matches!(store.commit(credit(&second, "tx-2", "5", 121)).await.unwrap(), Committed::Yes { .. }));
    assert_balanced(&*store).await;
}

pub async fn old_snapshots_are_dropped(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    open(&*store, 1, ana, 100).await;
    let mut numbers = Vec::new();
    for _ in 0..4 {
        numbers.push(store.begin_read(&id(1)).await.unwrap().unwrap().1);
    }
    assert_eq!(numbers, [1, 2, 3, 4]);
    let with = |snapshot, version| {
        let store = &store;
        async move {
            let command = Commit {
                snapshot: Some(snapshot),
                expected_version: version,
                ..commit(&row(&**store, 1).await, 110)
            };
            store.commit(command).await.unwrap()
        }
    };
    assert_eq!(with(2, 1).await, Committed::Yes { history: 1, version: 2 });
    // Stale comes first: reading the row again would not help.
    assert_eq!(with(1, 1).await, Committed::StaleSnapshot);
    assert_eq!(with(2, 2).await, Committed::StaleSnapshot);
    assert_eq!(with(3, 1).await, Committed::Conflict);
    // A read that changed nothing is the newest word as well.
    assert!(store.touch(touch(1, 3, 120)).await.unwrap());
    assert!(!store.touch(touch(1, 3, 121)).await.unwrap());
    assert!(!store.touch(touch(2, 9, 121)).await.unwrap());
    assert_eq!(with(3, 2).await, Committed::StaleSnapshot);
    let touched = row(&*store, 1).await;
    assert_eq!((touched.snapshot, touched.version, touched.updated_at), (3, 2, at(100)));
    // Facts have no number and are always in time.
    assert!(matches!(store.commit(commit(&touched, 130)).await.unwrap(), Committed::Yes { version: 3, .. }));
    assert_eq!(row(&*store, 1).await.snapshot, 3);
    assert_eq!(with(4, 3).await, Committed::Yes { history: 1, version: 4 });
}

pub async fn every_address_ever_shown_is_kept(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    let first = open(&*store, 1, ana, 100).await;
    open(&*store, 2, ana, 100).await;
    let mut moved = intent(1, first.terms);
    moved.provider_ref = order("invoice-1b");
    moved.instructions = PayInstructions::LightningInvoice {
        bolt11: "lnbc1example".to_owned(),
        uri: "lightning:lnbc1example".to_owned(),
    };
    let command = Commit { intent: Some(moved.clone()), ..commit(&first, 110) };
    assert!(matches!(store.commit(command).await.unwrap(), Committed::Yes { .. }));
    assert_eq!(row(&*store, 1).await.intent, Some(moved));
    for address in ["bc1qexample1", "lnbc1example"] {
        assert_eq!(store.deposit_by_address(PROVIDER, address).await.unwrap(), Some(id(1)), "{address}");
    }
    assert_eq!(store.orders_of(&id(1)).await.unwrap(), [order("invoice-1b"), order("invoice-1")]);
    // An address of another deposit stays that one's.
    let stolen = Commit { intent: Some(intent(2, first.terms)), ..commit(&row(&*store, 1).await, 120) };
    assert!(matches!(store.commit(stolen).await.unwrap(), Committed::Yes { .. }));
    assert_eq!(store.deposit_by_address(PROVIDER, "bc1qexample2").await.unwrap(), Some(id(2)));
    assert_eq!(store.deposit_by_ref(PROVIDER, &order("invoice-2")).await.unwrap(), Some(id(2)));
}

pub async fn a_payment_has_one_owner(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    let first = open(&*store, 1, ana, 100).await;
    let second = open(&*store, 2, ana, 100).await;
    // Owned as soon as it is seen, long before anything is posted.
    let seen = Commit { evidence: paid("shared", 5), ..commit(&first, 110) };
    assert!(matches!(store.commit(seen).await.unwrap(), Committed::Yes { .. }));
    assert_eq!(store.deposit_by_payment(PROVIDER, &payment("shared")).await.unwrap(), Some(id(1)));
    assert_eq!(store.deposit_by_payment(OTHER_PROVIDER, &payment("shared")).await.unwrap(), None);
    assert_eq!(store.deposit_by_payment(PROVIDER, &payment("other")).await.unwrap(), None);
    let answer = store.commit(credit(&second, "shared", "20", 120)).await.unwrap();
    assert_eq!(answer, Committed::PaymentTaken { payment: payment("shared"), owner: id(1) });
    let first = row(&*store, 1).await;
    assert!(matches!(
        store.commit(credit(&first, "shared", "20", 130)).await.unwrap(),
        Committed::Yes { .. }
    ));
    assert_balanced(&*store).await;
}

pub async fn history_is_read_by_pages_and_from_its_end(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    assert_eq!(store.newest_history(&id(1)).await.unwrap(), None);
    assert_eq!(store.history_page(&id(1), 0, 9).await.unwrap(), []);
    let ana = account(&*store, "ana").await.id;
    open(&*store, 1, ana, 100).await;
    // Another deposit's rows are not among them.
    open(&*store, 2, ana, 100).await;
    for number in 2..=12_i64 {
        let view = Some(format!("{{\"number\":{number}}}"));
        let command = Commit { view, ..commit(&row(&*store, 1).await, 100 + number) };
        assert!(matches!(store.commit(command).await.unwrap(), Committed::Yes { .. }));
    }
    let all = store.history(&id(1), 0).await.unwrap();
    assert_eq!(all.iter().map(|row| row.n).collect::<Vec<_>>(), (1..=12).collect::<Vec<_>>());
    for (after, limit, expected) in
        [(0, 5, 0..5), (5, 5, 5..10), (10, 5, 10..12), (12, 5, 12..12), (u64::MAX, 5, 12..12), (3, 0, 0..0)]
    {
        let page = store.history_page(&id(1), after, limit).await.unwrap();
        assert_eq!(page, all[expected], "after {after}");
    }
    assert_eq!(store.newest_history(&id(1)).await.unwrap().as_ref(), all.last());
    assert_eq!(store.newest_history(&id(2)).await.unwrap().unwrap().n, 1);
}

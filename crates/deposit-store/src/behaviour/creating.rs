use super::Fixture;
use super::fixtures::{
    PROVIDER, account, assert_balanced, at, begin, finish, id, intent, lease, open, order, rate, row, terms,
};
use crate::{BeginCreate, Begun, FinishCreate, Finished, Phase, ResumeCreate, Resumed};
use deposit_core::{Evidence, Status, Ticker};
use deposit_lifecycle::Credit;
use deposit_lifecycle::watch::Lanes;

fn resume(n: u32, owner: &str, now: i64) -> ResumeCreate {
    ResumeCreate { id: id(n), lease: lease(owner, now + 30), now: at(now) }
}

pub async fn a_deposit_opens(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    let locked = rate(Ticker::BTC, "50000", 90, 100);
    let begun = BeginCreate { rate: Some(locked.clone()), ..begin(1, ana, 100) };
    assert_eq!(store.begin_create(begun).await.unwrap(), Begun::Yes);
    assert_eq!(store.newest_rates().await.unwrap(), [locked]);

    let creating = row(&*store, 1).await;
    assert_eq!((creating.phase, creating.attempt, creating.attempted_at), (Phase::Creating, 1, at(100)));
    assert_eq!((creating.version, creating.history, creating.snapshot), (0, 0, 0));
    assert_eq!((&creating.terms, &creating.intent), (&terms(at(100)), &None));
    assert_eq!((creating.evidence, creating.credit), (Evidence::default(), Credit::default()));
    // Nothing of it is to be seen or asked about yet.
    assert_eq!(store.begin_read(&id(1)).await.unwrap(), None);
    assert!(store.history(&id(1), 0).await.unwrap().is_empty());
    assert!(store.due_expiries(at(99_999), 9).await.unwrap().is_empty());
    assert!(store.claim_checks(PROVIDER, at(99_999), at(100_000), Lanes::all(9)).await.unwrap().is_empty());

    // Quoted anew when it was opened: the intent's terms hold.
    let anew = terms(at(105));
    let command = FinishCreate {
        intent: intent(1, anew),
        other_orders: vec![order("twin-a"), order("twin-b")],
        rate: Some(rate(Ticker::BTC, "50001", 104, 105)),
        ..finish(1, 105)
    };
    assert_eq!(store.finish_create(command.clone()).await.unwrap(), Finished::Yes);
    let opened = row(&*store, 1).await;
    assert_eq!((opened.phase, opened.status, opened.account), (Phase::Open, Status::New, ana));
    assert_eq!((opened.ticker, opened.provider), (Ticker::BTC, PROVIDER));
    assert_eq!((&opened.terms, opened.intent.as_ref()), (&anew, Some(&command.intent)));
    assert_eq!((opened.version, opened.history), (1, 1));
    assert_eq!((opened.created_at, opened.updated_at), (at(100), at(105)));
    let history = store.history(&id(1), 0).await.unwrap();
    assert_eq!((history.len(), history[0].n, history[0].at, history[0].status), (1, 1, at(105), Status::New));
    assert_eq!(history[0].view, command.view);
    assert!(store.history(&id(1), 1).await.unwrap().is_empty());
    assert!(store.history(&id(1), u64::MAX).await.unwrap().is_empty());

    assert_eq!(
        store.orders_of(&id(1)).await.unwrap(),
        [order("invoice-1"), order("twin-a"), order("twin-b")]
    );
    assert_eq!(store.deposit_by_ref(PROVIDER, &order("twin-b")).await.unwrap(), Some(id(1)));
    assert_eq!(store.deposit_by_address(PROVIDER, "bc1qexample1").await.unwrap(), Some(id(1)));
    assert_eq!(store.deposit_by_address(PROVIDER, "bc1qexample2").await.unwrap(), None);
    assert_eq!(store.newest_rates().await.unwrap()[0].price.to_string(), "50001");
    assert_eq!(store.due_expiries(at(3704), 9).await.unwrap(), []);
    assert_eq!(store.due_expiries(at(3705), 9).await.unwrap(), [id(1)]);
    assert_eq!(store.claim_checks(PROVIDER, at(115), at(200), Lanes::all(9)).await.unwrap(), [id(1)]);
    // Finished twice: the row as it is.
    assert_eq!(store.finish_create(command).await.unwrap(), Finished::Open(Box::new(row(&*store, 1).await)));
    assert_eq!(store.deposit(&id(2)).await.unwrap(), None);
    assert_balanced(&*store).await;
}

pub async fn a_lost_claim_begins_nothing(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    let begun = BeginCreate {
        idempotency_key: Some("never-claimed".to_owned()),
        rate: Some(rate(Ticker::BTC, "50000", 1, 1)),
        ..begin(1, ana, 100)
    };
    assert_eq!(store.begin_create(begun).await.unwrap(), Begun::ClaimLost);
    assert_eq!(store.deposit(&id(1)).await.unwrap(), None);
    assert!(store.newest_rates().await.unwrap().is_empty());
}

pub async fn a_create_is_taken_up_by_one(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    assert_eq!(store.resume_create(resume(1, "second", 100)).await.unwrap(), Resumed::Gone);
    store.begin_create(begin(1, ana, 100)).await.unwrap();
    assert_eq!(store.resume_create(resume(1, "second", 129)).await.unwrap(), Resumed::Busy);

    let Resumed::Yes(taken) = store.resume_create(resume(1, "second", 130)).await.unwrap() else {
        panic!("the lease has ended");
    };
    // The new attempt's number, the old attempt's time.
    assert_eq!((taken.attempt, taken.attempted_at), (2, at(100)));
    let stored = row(&*store, 1).await;
    assert_eq!((stored.attempt, stored.attempted_at), (2, at(130)));
    assert_eq!(store.resume_create(resume(1, "third", 159)).await.unwrap(), Resumed::Busy);

    // A released one is taken up at once; not by a stranger's release.
    store.release_create(&id(1), "first", at(131)).await.unwrap();
    assert_eq!(store.resume_create(resume(1, "third", 131)).await.unwrap(), Resumed::Busy);
    store.release_create(&id(1), "second", at(131)).await.unwrap();
    let Resumed::Yes(taken) = store.resume_create(resume(1, "third", 131)).await.unwrap() else {
        panic!("the lease was given back");
    };
    assert_eq!((taken.attempt, taken.attempted_at), (3, at(130)));

    let finished = FinishCreate { owner: "third".to_owned(), ..finish(1, 132) };
    assert_eq!(store.finish_create(finished).await.unwrap(), Finished::Yes);
    let Resumed::Open(opened) = store.resume_create(resume(1, "fourth", 999)).await.unwrap() else {
        panic!("it is open");
    };
    assert_eq!(*opened, row(&*store, 1).await);
}

pub async fn a_lost_lease_finishes_nothing(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    assert_eq!(store.finish_create(finish(1, 100)).await.unwrap(), Finished::LeaseLost);
    store.begin_create(begin(1, ana, 100)).await.unwrap();
    assert!(matches!(store.resume_create(resume(1, "second", 130)).await.unwrap(), Resumed::Yes(_)));
    assert_eq!(store.finish_create(finish(1, 131)).await.unwrap(), Finished::LeaseLost);
    assert_eq!(row(&*store, 1).await.phase, Phase::Creating);
    assert_eq!(store.deposit_by_ref(PROVIDER, &order("invoice-1")).await.unwrap(), None);

    let second = FinishCreate { owner: "second".to_owned(), ..finish(1, 132) };
    assert_eq!(store.finish_create(second).await.unwrap(), Finished::Yes);
    let opened = row(&*store, 1).await;
    assert_eq!(store.finish_create(finish(1, 133)).await.unwrap(), Finished::Open(Box::new(opened)));
    // A lease that has ended and was taken by nobody is still good.
    store.begin_create(begin(2, ana, 100)).await.unwrap();
    assert_eq!(store.finish_create(finish(2, 500)).await.unwrap(), Finished::Yes);
}

pub async fn orders_and_addresses_belong_to_one_deposit(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    open(&*store, 1, ana, 100).await;
    store.begin_create(begin(2, ana, 100)).await.unwrap();
    let base = finish(2, 101);
    let mut same_order = base.clone();
    same_order.intent.provider_ref = order("invoice-1");
    let mut same_twin = base.clone();
    same_twin.other_orders = vec![order("invoice-1")];
    for taken in [same_order, same_twin] {
        assert_eq!(store.finish_create(taken).await.unwrap(), Finished::OrderTaken(id(1)));
        assert_eq!(row(&*store, 2).await.phase, Phase::Creating);
        assert!(store.orders_of(&id(2)).await.unwrap().is_empty());
    }
    // MWEB hands addresses of ended orders out again: the deposit opens, the address stays with whom it was first shown for.
    let mut same_address = base.clone();
    same_address.intent.instructions = intent(1, terms(at(101))).instructions;
    let address = same_address.intent.instructions.address().unwrap().to_owned();
    assert_eq!(store.finish_create(same_address).await.unwrap(), Finished::Yes);
    assert_eq!(store.deposit_by_address(PROVIDER, &address).await.unwrap(), Some(id(1)));
    // A further order is noted once, and never taken from its owner.
    store.add_order(&id(2), PROVIDER, &order("twin")).await.unwrap();
    store.add_order(&id(2), PROVIDER, &order("twin")).await.unwrap();
    store.add_order(&id(2), PROVIDER, &order("invoice-1")).await.unwrap();
    assert_eq!(store.orders_of(&id(2)).await.unwrap(), [order("invoice-2"), order("twin")]);
    assert_eq!(store.deposit_by_ref(PROVIDER, &order("invoice-1")).await.unwrap(), Some(id(1)));
}

pub async fn stale_creates_are_given_up(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    open(&*store, 1, ana, 100).await;
    store.begin_create(begin(2, ana, 100)).await.unwrap();
    store.begin_create(begin(3, ana, 100)).await.unwrap();
    assert!(matches!(store.resume_create(resume(3, "second", 170)).await.unwrap(), Resumed::Yes(_)));
    store.begin_create(begin(4, ana, 150)).await.unwrap();
    assert_eq!(store.abandon_stale_creates(at(100), at(180)).await.unwrap(), 0);
    assert_eq!(store.abandon_stale_creates(at(101), at(180)).await.unwrap(), 1);
    let phases = [row(&*store, 1).await, row(&*store, 2).await, row(&*store, 3).await, row(&*store, 4).await]
        .map(|r| r.phase);
    assert_eq!(phases, [Phase::Open, Phase::Abandoned, Phase::Creating, Phase::Creating]);
    assert_eq!(store.resume_create(resume(2, "late", 200)).await.unwrap(), Resumed::Gone);
    assert_eq!(store.finish_create(finish(2, 200)).await.unwrap(), Finished::LeaseLost);
    assert_eq!(store.begin_read(&id(2)).await.unwrap(), None);
}

pub async fn a_failed_begin_leaves_nothing(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    open(&*store, 1, ana, 100).await;
    let before = row(&*store, 1).await;
    let twin = BeginCreate { rate: Some(rate(Ticker::BTC, "1", 1, 1)), ..begin(1, ana, 200) };
    assert!(store.begin_create(twin).await.is_err());
    // The rate was stored before the row failed: it went with it.
    assert!(store.newest_rates().await.unwrap().is_empty());
    assert_eq!(row(&*store, 1).await, before);
}

use super::Fixture;
use super::fixtures::{account, at, begin, finish, id, lease, row};
use crate::{
    AccountId, Admission, Admit, BeginCreate, Begun, FinishCreate, Finished, IdempotencyClaim, RateLimit,
    RateState, Refuse, Store, StoredAnswer,
};
use deposit_core::Timestamp;

const DAY: i64 = 24 * 3600;
const LIMIT: RateLimit = RateLimit { requests: 10, window_millis: 600_000 };

fn claim(key: &str, fingerprint: Option<&str>, owner: &str, now: i64) -> IdempotencyClaim {
    IdempotencyClaim {
        key: key.to_owned(),
        fingerprint: fingerprint.map(str::to_owned),
        owner: owner.to_owned(),
        lease_until: at(now + 30),
        forget_before: at(now - DAY),
    }
}

fn admit(account: AccountId, claim: Option<IdempotencyClaim>, now: i64) -> Admit {
    Admit { account, limiter: format!("key:{}", account.0), limit: LIMIT, claim, now: at(now) }
}

fn refuse(account: AccountId, key: &str, owner: &str) -> Refuse {
    Refuse {
        account,
        key: key.to_owned(),
        owner: owner.to_owned(),
        status: 400,
        body: "{\"status\":400}".to_owned(),
    }
}

/// Sends requests at the given pauses (milliseconds) and compares every answer with a list of times.
pub async fn follow_rate_window(store: &dyn Store, limiter: &str, limit: RateLimit, pauses: &[i64]) {
    let mut counted: Vec<i64> = Vec::new();
    let mut now = 1_000_000;
    for pause in pauses {
        now += pause;
        let state = store.count_request(limiter, limit, Timestamp::from_millis(now)).await.unwrap();
        counted.retain(|hit| hit + limit.window_millis > now);
        let allowed = counted.len() < usize::try_from(limit.requests).unwrap();
        if allowed {
            counted.push(now);
        }
        let remaining = limit.requests - u32::try_from(counted.len()).unwrap();
        let reset_at = counted.first().map_or(now, |oldest| oldest + limit.window_millis);
        let expected = RateState { allowed, remaining, reset_at: Timestamp::from_millis(reset_at) };
        assert_eq!(state, expected, "at {now} with {counted:?}");
    }
}

pub async fn the_rate_window_is_exact(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let limit = RateLimit { requests: 3, window_millis: 100 };
    // Several at one moment, a refusal, one millisecond short of the window and on it, a window after the second.
    follow_rate_window(&*store, "edges", limit, &[0, 0, 50, 0, 49, 1, 0, 0, 50, 0, 1000]).await;
    follow_rate_window(&*store, "none", RateLimit { requests: 0, window_millis: 100 }, &[0, 1, 200]).await;
    let mut noise = 12_345_u32;
    let pauses: Vec<i64> = (0..200)
        .map(|_| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            i64::from(noise >> 26)
        })
        .collect();
    follow_rate_window(&*store, "noise", limit, &pauses).await;
}

pub async fn limiters_count_apart(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    for n in 0..10 {
        let Admission::Admitted { rate, resume: None } =
            store.admit(admit(ana, None, 100 + n)).await.unwrap()
        else {
            panic!("request {n} is within the limit");
        };
        assert_eq!(rate.remaining, u32::try_from(9 - n).unwrap());
    }
    let expected = RateState { allowed: false, remaining: 0, reset_at: at(700) };
    assert_eq!(store.admit(admit(ana, None, 699)).await.unwrap(), Admission::Limited { rate: expected });
    let address = store.count_request("ip:192.0.2.7", LIMIT, at(699)).await.unwrap();
    assert_eq!((address.allowed, address.remaining), (true, 9));
    assert!(matches!(store.admit(admit(ana, None, 700)).await.unwrap(), Admission::Admitted { .. }));
}

async fn open_with_key(store: &dyn Store, n: u32, account: AccountId, key: &str, owner: &str, now: i64) {
    let begun = BeginCreate {
        idempotency_key: Some(key.to_owned()),
        lease: lease(owner, now + 30),
        ..begin(n, account, now)
    };
    assert_eq!(store.begin_create(begun).await.unwrap(), Begun::Yes);
    let finished = FinishCreate { owner: owner.to_owned(), ..finish(n, now) };
    assert_eq!(store.finish_create(finished).await.unwrap(), Finished::Yes);
}

pub async fn the_first_answer_is_replayed(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    let first = store.admit(admit(ana, Some(claim("created", Some("f"), "a", 100)), 100)).await.unwrap();
    assert!(matches!(first, Admission::Admitted { resume: None, .. }));
    open_with_key(&*store, 1, ana, "created", "a", 100).await;
    store.admit(admit(ana, Some(claim("refused", Some("f"), "b", 101)), 101)).await.unwrap();
    // Somebody else's refusal is not the answer.
    store.refuse(refuse(ana, "refused", "stranger")).await.unwrap();
    store.refuse(refuse(ana, "refused", "b")).await.unwrap();
    // The first answer stays.
    store.refuse(Refuse { status: 500, ..refuse(ana, "refused", "b") }).await.unwrap();
    store.refuse(refuse(ana, "created", "a")).await.unwrap();

    // The hits are those at 100 and 101: the first leaves at 700.
    for (now, remaining) in [(102, 8), (699, 8), (700, 9), (100 + DAY, 10)] {
        for (key, answer) in [
            ("created", StoredAnswer::Created(id(1))),
            ("refused", StoredAnswer::Refused { status: 400, body: "{\"status\":400}".to_owned() }),
        ] {
            let again = store.admit(admit(ana, Some(claim(key, Some("f"), "c", now)), now)).await.unwrap();
            let Admission::Replay { answer: stored, rate } = again else {
                panic!("{key} at {now}: {again:?}")
            };
            assert_eq!(stored, answer);
            // A replay is not counted.
            assert_eq!(rate.remaining, remaining, "{key} at {now}");
        }
    }
}

pub async fn idempotency_table(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    // (what the key holds, content then, content now, seconds later, expected, is counted)
    let table = [
        ("running", Some("f"), Some("f"), 0, "running", false),
        ("running", Some("f"), Some("f"), 29, "running", false),
        ("running", Some("f"), Some("f"), 30, "admitted", true),
        ("running", Some("f"), Some("g"), 0, "conflict", true),
        ("running", Some("f"), None, 0, "conflict", true),
        ("running", None, Some("f"), 0, "conflict", true),
        ("running", None, None, 0, "conflict", true),
        ("released", Some("f"), Some("f"), 0, "admitted", true),
        ("released", Some("f"), Some("g"), 0, "conflict", true),
        ("refused", Some("f"), Some("f"), 0, "replay", false),
        ("refused", Some("f"), Some("f"), 9999, "replay", false),
        ("refused", Some("f"), Some("g"), 0, "conflict", true),
        ("refused", None, None, 0, "conflict", true),
        ("absent", None, Some("f"), 0, "admitted", true),
        ("absent", None, None, 0, "admitted", true),
    ];
    for (n, (holds, before, after, later, expected, counted)) in table.into_iter().enumerate() {
        let now = 1_000_000 + i64::try_from(n).unwrap() * 100_000;
        let key = format!("key-{n}");
        if holds != "absent" {
            let first = store.admit(admit(ana, Some(claim(&key, before, "a", now)), now)).await.unwrap();
            assert!(matches!(first, Admission::Admitted { .. }), "line {n}: {first:?}");
        }
        match holds {
            "released" => {
                store.release_claim(ana, &key, "stranger").await.unwrap();
                store.release_claim(ana, &key, "a").await.unwrap();
            }
            "refused" => store.refuse(refuse(ana, &key, "a")).await.unwrap(),
            _ => {}
        }
        let now = now + later;
        let hits = |rate: RateState| LIMIT.requests - rate.remaining;
        let before_it = u32::from(holds != "absent" && later < 600);
        let answer = store.admit(admit(ana, Some(claim(&key, after, "b", now)), now)).await.unwrap();
        let (word, rate) = match answer {
            Admission::Admitted { rate, resume } => {
                assert_eq!(resume, None, "line {n}");
                ("admitted", rate)
            }
            Admission::Replay { rate, .. } => ("replay", rate),
            Admission::Running { rate } => ("running", rate),
            Admission::Conflict { rate } => ("conflict", rate),
            Admission::Limited { rate } => ("limited", rate),
        };
        assert_eq!(word, expected, "line {n}");
        assert_eq!(hits(rate) - before_it, u32::from(counted), "line {n}");
        assert_eq!(rate.allowed, counted, "line {n}");
    }
}

pub async fn keys_are_each_account_s_own(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    let ben = account(&*store, "ben").await.id;
    for owner in [ana, ben] {
        let first = store.admit(admit(owner, Some(claim("same", Some("f"), "a", 10)), 10)).await.unwrap();
        assert!(matches!(first, Admission::Admitted { resume: None, .. }));
    }
    // Where there is no room, what has been answered or conflicts is answered all the same; the rest is limited and claims nothing.
    store.refuse(refuse(ana, "same", "a")).await.unwrap();
    for n in 0..9 {
        store.admit(admit(ana, None, 11 + n)).await.unwrap();
    }
    let with = |key: &str, fingerprint: &str| admit(ana, Some(claim(key, Some(fingerprint), "b", 30)), 30);
    assert!(matches!(store.admit(with("same", "f")).await.unwrap(), Admission::Replay { .. }));
    assert!(
        matches!(store.admit(with("same", "g")).await.unwrap(), Admission::Conflict { rate } if !rate.allowed)
    );
    assert!(matches!(store.admit(with("new", "f")).await.unwrap(), Admission::Limited { .. }));
    let later = admit(ana, Some(claim("new", Some("other"), "b", 700)), 700);
    assert!(matches!(store.admit(later).await.unwrap(), Admission::Admitted { .. }));
}

pub async fn a_dead_claim_is_taken_over_with_its_deposit(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    store.admit(admit(ana, Some(claim("k", Some("f"), "first", 10)), 10)).await.unwrap();
    let begun = BeginCreate { idempotency_key: Some("k".to_owned()), ..begin(1, ana, 10) };
    assert_eq!(store.begin_create(begun).await.unwrap(), Begun::Yes);
    let repeat = |owner: &str, now| admit(ana, Some(claim("k", Some("f"), owner, now)), now);
    assert!(matches!(store.admit(repeat("second", 39)).await.unwrap(), Admission::Running { .. }));
    let taken = store.admit(repeat("second", 40)).await.unwrap();
    assert!(matches!(taken, Admission::Admitted { resume: Some(deposit), .. } if deposit == id(1)));
    // Its lease is a new one, and the first request's word is no longer heard.
    assert!(matches!(store.admit(repeat("third", 69)).await.unwrap(), Admission::Running { .. }));
    store.refuse(refuse(ana, "k", "first")).await.unwrap();
    assert!(matches!(store.admit(repeat("third", 69)).await.unwrap(), Admission::Running { .. }));
    // Whoever finishes the deposit answers the key.
    assert_eq!(store.finish_create(finish(1, 69)).await.unwrap(), Finished::Yes);
    assert_eq!(row(&*store, 1).await.history, 1);
    let answer = store.admit(repeat("third", 70)).await.unwrap();
    assert!(
        matches!(answer, Admission::Replay { answer: StoredAnswer::Created(deposit), .. } if deposit == id(1))
    );
}

pub async fn an_abandoned_deposit_is_not_resumed(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    store.admit(admit(ana, Some(claim("k", Some("f"), "first", 10)), 10)).await.unwrap();
    let begun = BeginCreate { idempotency_key: Some("k".to_owned()), ..begin(1, ana, 10) };
    assert_eq!(store.begin_create(begun).await.unwrap(), Begun::Yes);
    assert_eq!(store.abandon_stale_creates(at(50), at(60)).await.unwrap(), 1);
    // The key is still claimed for its content, and begins a new deposit.
    let again = store.admit(admit(ana, Some(claim("k", Some("f"), "second", 61)), 61)).await.unwrap();
    assert!(matches!(again, Admission::Admitted { resume: None, .. }));
    open_with_key(&*store, 2, ana, "k", "second", 61).await;
    let again = store.admit(admit(ana, Some(claim("k", Some("f"), "third", 62)), 62)).await.unwrap();
    assert!(
        matches!(again, Admission::Replay { answer: StoredAnswer::Created(deposit), .. } if deposit == id(2))
    );
}

pub async fn claims_are_forgotten_in_time(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let ana = account(&*store, "ana").await.id;
    store.admit(admit(ana, Some(claim("k", Some("f"), "a", 1000)), 1000)).await.unwrap();
    store.refuse(refuse(ana, "k", "a")).await.unwrap();
    let other = |now| admit(ana, Some(claim("k", Some("g"), "b", now)), now);
    assert!(matches!(store.admit(other(1000 + DAY)).await.unwrap(), Admission::Conflict { .. }));
    let fresh = store.admit(other(1001 + DAY)).await.unwrap();
    assert!(matches!(fresh, Admission::Admitted { resume: None, .. }));
}

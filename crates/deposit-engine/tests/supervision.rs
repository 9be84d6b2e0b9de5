//! Adapters that break and providers that refuse us: seen, survived, and taken up again.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions
)]

mod common;

use std::time::{Duration, Instant};

use common::*;

/// Nothing here takes so long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

fn two_tills() -> Setup {
    Setup::of(vec![
        Till::new("till", Ticker::BTC, Asset::BTC, Replay::Key),
        Till::new("other", Ticker::LTC, Asset::LTC, Replay::Key),
    ])
}

async fn create(bench: &Bench, ticker: &str, amount: &str) -> DepositId {
    let request = CreateRequest { ticker: ticker.into(), ..bench.request(amount, None) };
    bench.engine.create(request).await.result.unwrap().id
}

async fn until(what: &str, mut is: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is().await {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn state(bench: &Bench, task: &str, provider: Option<&'static str>) -> TaskState {
    let provider = provider.map(ProviderId::constant);
    let all = bench.engine.task_states();
    all.into_iter().find(|state| state.task == task && state.provider == provider).unwrap()
}

fn troubles(bench: &Bench) -> Vec<(String, Call, Trouble)> {
    let of = |t: ProviderTrouble| (t.provider.to_string(), t.call, t.trouble);
    bench.engine.provider_troubles().into_iter().map(of).collect()
}

fn refused(till: &Till, kind: Option<ErrorKind>) {
    till.state().refuses = kind;
}

fn is_unavailable(outcome: CreateOutcome) -> bool {
    matches!(outcome.result, Err(CreateError::Unavailable { retry_after: None }))
}

#[tokio::test]
async fn a_loop_that_panics_is_told_of_and_begun_again_and_the_others_go_on() {
    let bench = two_tills().bench().await;
    let (broken, well) = (create(&bench, "btc", "0.004").await, create(&bench, "ltc", "1").await);
    let running = bench.engine.start().await.unwrap();
    assert!(bench.engine.readiness().await.is_ready());
    bench.tills[0].state().loops_panic = true;
    until("the loop breaks more than once", async || state(&bench, "poll", Some("till")).restarts >= 2).await;
    let readiness = bench.engine.readiness().await;
    assert!(!readiness.is_ready() && readiness.store_writes);
    let down: Vec<_> =
        readiness.tasks_down.iter().map(|s| (s.task, s.provider.unwrap().to_string())).collect();
    assert_eq!(down, [("poll", "till".to_owned())]);

    bench.tills[0].state().loops_panic = false;
    bench.tills[1].pay(&well, "p", "0", "1");
    bench.tills[0].pay(&broken, "q", "0", "0.004");
    bench.clock.advance_secs(12);
    until("the other one is polled", async || bench.status(&well).await == Status::Completed).await;
    until("this one is polled again", async || bench.status(&broken).await == Status::Completed).await;
    assert_eq!(state(&bench, "poll", Some("other")).restarts, 0);
    tokio::time::timeout(PATIENCE, running.stop()).await.unwrap();
    bench.check_settled(&broken).await;
}

#[tokio::test]
async fn a_read_that_panics_is_counted_and_takes_nobody_with_it() {
    let bench = two_tills().bench().await;
    let (broken, well) = (create(&bench, "btc", "0.004").await, create(&bench, "btc", "0.004").await);
    bench.till().state().panics = Some(bench.order(&broken).await);
    bench.till().pay(&well, "p", "0", "0.004");
    bench.till().pay(&broken, "q", "0", "0.004");
    bench.clock.advance_secs(12);
    let running = bench.engine.start().await.unwrap();
    until("the other order is read", async || bench.status(&well).await == Status::Completed).await;
    until("it is counted", async || {
        bench.engine.task_states().iter().any(|s| s.task == "poll" && s.panics == 1)
    })
    .await;
    let failed = bench.engine.failed_calls();
    let till = ProviderId::constant("till");
    assert!(failed.contains(&(till, Call::Read, Trouble::Panicked, 1)), "{failed:?}");
    assert!(bench.engine.readiness().await.is_ready(), "the task goes on");
    // Not before its claim ends.
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(state(&bench, "poll", Some("till")).panics, 1, "no hot loop");
    bench.till().state().panics = None;
    bench.clock.advance_secs(31);
    until("it is read again", async || bench.status(&broken).await == Status::Completed).await;
    running.stop().await;
}

#[tokio::test]
async fn a_delivery_that_panics_waits_for_its_lease_and_keeps_nobody_waiting() {
    let bench = two_tills().bench().await;
    let (broken, well) = (create(&bench, "btc", "0.004").await, create(&bench, "btc", "0.004").await);
    bench.till().state().panics = Some(bench.order(&broken).await);
    bench.till().pay(&well, "p", "0", "0.004");
    bench.till().pay(&broken, "q", "0", "0.004");
    bench.tell("d1", &bench.order(&broken).await, Observed::PaymentHint).await;
    bench.tell("d2", &bench.order(&well).await, Observed::PaymentHint).await;
    let running = bench.engine.start().await.unwrap();
    until("the other delivery is handled", async || bench.status(&well).await == Status::Completed).await;
    until("it is counted", async || {
        bench.engine.task_states().iter().any(|s| s.task == "deliver" && s.panics == 1)
    })
    .await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let panics: u64 =
        bench.engine.task_states().iter().filter(|s| s.task == "deliver").map(|s| s.panics).sum();
    assert_eq!(panics, 1, "no hot loop");
    assert_eq!(state(&bench, "deliver", None).restarts, 0);
    bench.till().state().panics = None;
    bench.clock.advance_secs(31);
    until("it is handled in the end", async || bench.status(&broken).await == Status::Completed).await;
    running.stop().await;
}

#[tokio::test]
async fn refused_credentials_are_seen_and_nobody_is_sent_to_pay_until_a_read_works() {
    let bench = two_tills().bench().await;
    let id = bench.create().await;
    refused(bench.till(), Some(ErrorKind::Authentication));
    bench.observe(&id).await;
    assert_eq!(troubles(&bench), [("till".to_owned(), Call::Read, Trouble::Authentication)]);
    let opened = bench.till().opened();
    assert!(is_unavailable(bench.try_create("0.004", None).await));
    assert_eq!(bench.till().opened(), opened, "the provider is not even asked");
    create(&bench, "ltc", "1").await;
    assert!(bench.engine.readiness().await.is_ready(), "its own tickers alone");

    refused(bench.till(), None);
    bench.observe(&id).await;
    assert_eq!(troubles(&bench), []);
    bench.create().await;
}

#[tokio::test]
async fn a_check_that_finds_all_well_lets_creates_go_on_and_so_does_time() {
    let bench = two_tills().bench().await;
    let id = bench.create().await;
    refused(bench.till(), Some(ErrorKind::Configuration));
    bench.observe(&id).await;
    bench.engine.probe_refused().await;
    assert!(
        is_unavailable(bench.try_create("0.004", None).await),
        "a check that looks at nothing says nothing"
    );
    bench.till().state().checked = Some(vec![CheckItem::wrong("credentials", "make a new key")]);
    bench.engine.probe_refused().await;
    assert!(is_unavailable(bench.try_create("0.004", None).await));
    assert!(troubles(&bench).contains(&("till".to_owned(), Call::Check, Trouble::Configuration)));
    // A webhook that is missing is wrong, and keeps no read from working.
    let items = vec![CheckItem::right("credentials"), CheckItem::wrong("webhook", "make one")];
    bench.till().state().checked = Some(items);
    bench.engine.probe_refused().await;
    bench.create().await;
    bench.till().state().checked = Some(vec![CheckItem::right("credentials")]);
    bench.engine.probe_refused().await;
    assert_eq!(troubles(&bench).len(), 2, "not every minute for that");
    bench.pass(300).await;
    bench.engine.probe_refused().await;
    assert_eq!(
        troubles(&bench),
        [("till".to_owned(), Call::Read, Trouble::Configuration)],
        "no read has worked yet"
    );

    // And where nothing is left that anybody reads, it ends by itself.
    bench.till().state().checked = None;
    bench.observe(&id).await;
    assert!(is_unavailable(bench.try_create("0.004", None).await));
    bench.pass(3 * 600 + 1).await;
    bench.create().await;
}

#[tokio::test]
async fn a_create_that_is_refused_is_seen_at_once_and_the_next_one_is_tried() {
    let bench = two_tills().bench().await;
    bench.till().next_open(Opening::Fails(ErrorKind::Authentication));
    assert!(is_unavailable(bench.try_create("0.004", None).await));
    assert_eq!(troubles(&bench), [("till".to_owned(), Call::Open, Trouble::Authentication)]);
    bench.create().await;
    assert_eq!(troubles(&bench), []);
}

#[tokio::test]
async fn batches_are_health_too_and_one_order_that_is_gone_is_not() {
    let till = Till::new("till", Ticker::BTC, Asset::BTC, Replay::Key).in_batches(10);
    let bench = Setup::of(vec![till]).bench().await;
    for _ in 0..3 {
        bench.create().await;
    }
    bench.clock.advance_secs(12);
    bench.till().next_read(Reading::Fails(ErrorKind::NotFound));
    bench.engine.poll(bench.till(), 100).await.unwrap();
    assert_eq!(troubles(&bench), []);
    bench.clock.advance_secs(1200);
    refused(bench.till(), Some(ErrorKind::Protocol));
    bench.engine.poll(bench.till(), 100).await.unwrap();
    assert_eq!(troubles(&bench), [("till".to_owned(), Call::ReadBatch, Trouble::Protocol)]);
    refused(bench.till(), None);
    bench.clock.advance_secs(7200);
    bench.engine.poll(bench.till(), 100).await.unwrap();
    assert_eq!(troubles(&bench), []);
}

#[tokio::test]
async fn a_feed_that_fails_is_seen_and_asked_more_rarely() {
    let till = Till::new("till", Ticker::BTC, Asset::BTC, Replay::Key).with_feed();
    let mut setup = Setup::of(vec![till]);
    setup.config.young_secs = 1;
    let bench = setup.bench().await;
    bench.till().state().scans_fail = Some(ErrorKind::Authentication);
    let running = bench.engine.start().await.unwrap();
    until("it is seen", async || !troubles(&bench).is_empty()).await;
    assert_eq!(troubles(&bench), [("till".to_owned(), Call::Scan, Trouble::Authentication)]);
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    let scans = bench.till().state().scans;
    assert!(scans <= 2, "{scans} scans in three seconds and a half, at 0 and 2");
    bench.till().state().scans_fail = None;
    until("it is seen that it works again", async || troubles(&bench).is_empty()).await;
    running.stop().await;
}

#[tokio::test]
async fn a_hint_of_a_feed_that_fails_is_not_lost_and_ends_the_wait() {
    let till = Till::new("till", Ticker::BTC, Asset::BTC, Replay::Key).with_feed();
    let bench = Setup::of(vec![till]).bench().await;
    bench.till().state().scans_fail = Some(ErrorKind::Transient { retry_after: None });
    let running = bench.engine.start().await.unwrap();
    until("it is scanned", async || bench.till().state().scans == 1).await;
    let begun = Instant::now();
    bench.till().state().scans_fail = None;
    bench.till().hint();
    // Twenty seconds without the hint.
    until("it is scanned again", async || bench.till().state().scans == 2).await;
    assert!(
        begun.elapsed() > Duration::from_millis(500),
        "not at once, since it fails: {:?}",
        begun.elapsed()
    );
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    // Ten seconds without the hint.
    bench.till().hint();
    until("it is scanned at once where all is well", async || bench.till().state().scans == 3).await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    running.stop().await;
}

#[tokio::test]
async fn an_order_that_breaks_a_batch_takes_none_of_the_others_along() {
    let till = Till::new("till", Ticker::BTC, Asset::BTC, Replay::Key).in_batches(10);
    let bench = Setup::of(vec![till]).bench().await;
    let (broken, well) = (bench.create().await, bench.create().await);
    let also = bench.create().await;
    bench.till().state().panics = Some(bench.order(&broken).await);
    for (id, payment) in [(&well, "p"), (&also, "q"), (&broken, "r")] {
        bench.till().pay(id, payment, "0", "0.004");
    }
    bench.clock.advance_secs(12);
    bench.engine.poll(bench.till(), 100).await.unwrap();
    assert_eq!(
        (bench.status(&well).await, bench.status(&also).await),
        (Status::Completed, Status::Completed)
    );
    assert_eq!(bench.status(&broken).await, Status::New);
    let row = bench.row(&broken).await;
    assert_eq!(row.watch.failures, 1, "asked for more rarely");
    let failed = bench.engine.failed_calls();
    let till = ProviderId::constant("till");
    for call in [Call::Read, Call::ReadBatch] {
        assert!(failed.contains(&(till, call, Trouble::Panicked, 1)), "{failed:?}");
    }
    // Nor is anything well where no order could be read.
    bench.till().state().panics = Some(String::new());
    bench.pass(60).await;
    bench.engine.poll(bench.till(), 100).await.unwrap();
    let both = [Call::Read, Call::ReadBatch].map(|call| ("till".to_owned(), call, Trouble::Panicked));
    assert_eq!(troubles(&bench), both);
    bench.till().state().panics = None;
    bench.pass(60).await;
    bench.engine.poll(bench.till(), 100).await.unwrap();
    assert_eq!(bench.status(&broken).await, Status::Completed);
    assert_eq!(troubles(&bench), []);
}

#[tokio::test]
async fn a_create_at_which_the_adapter_breaks_can_be_repeated_at_once() {
    let bench = two_tills().bench().await;
    bench.till().next_open(Opening::Panics);
    let first = bench.try_create("0.004", Some("key")).await;
    assert!(matches!(first.result, Err(CreateError::Unavailable { .. })), "{:?}", first.result);
    assert_eq!(troubles(&bench), [("till".to_owned(), Call::Open, Trouble::Panicked)]);
    let second = bench.try_create("0.004", Some("key")).await;
    let view = second.result.unwrap();
    assert_eq!(bench.till().opened(), 2);
    assert_eq!(bench.row(&view.id).await.attempt, 2, "the same row");
    assert_eq!(troubles(&bench), []);
}

#[tokio::test]
async fn a_feed_that_we_may_not_see_holds_no_create_back() {
    let till = Till::new("till", Ticker::BTC, Asset::BTC, Replay::Key).with_feed();
    let bench = Setup::of(vec![till]).bench().await;
    bench.till().state().scans_fail = Some(ErrorKind::Authentication);
    bench.engine.scan(bench.till()).await.unwrap();
    assert_eq!(troubles(&bench), [("till".to_owned(), Call::Scan, Trouble::Authentication)]);
    bench.create().await;
    bench.till().state().scans_fail = None;
    bench.engine.scan(bench.till()).await.unwrap();
    assert_eq!(troubles(&bench), [], "whoever asked");
}

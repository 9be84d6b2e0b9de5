#![allow(clippy::panic)]

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::clock::ManualClock;

const NAME: TaskName = TaskName { task: "poll", provider: None };

struct Under {
    tasks: Arc<Tasks>,
    runs: Arc<AtomicU64>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

/// A task that does this in its n-th run, from 1 on.
fn supervised<F>(work: impl Fn(u64, CancellationToken) -> F + Send + 'static) -> Under
where
    F: Future<Output = ()> + Send + 'static,
{
    let (tasks, runs, stop) =
        (Arc::new(Tasks::default()), Arc::new(AtomicU64::new(0)), CancellationToken::new());
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(Timestamp::from_secs(1_000)));
    let (count, token) = (Arc::clone(&runs), stop.clone());
    let again = move || work(count.fetch_add(1, Ordering::SeqCst) + 1, token.clone());
    let task = tokio::spawn(Arc::clone(&tasks).supervise(NAME, clock, stop.clone(), again));
    Under { tasks, runs, stop, task }
}

impl Under {
    fn state(&self) -> TaskState {
        self.tasks.states().pop().unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_panics_is_begun_again_and_is_down_until_it_has_run_for_a_while() {
    let under = supervised(|run, stop| async move {
        if run == 1 {
            panic!("broken");
        }
        stop.cancelled().await;
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let down_since = Some(Timestamp::from_secs(1_000));
    assert_eq!((under.state().restarts, under.state().down_since), (1, down_since));
    tokio::time::sleep(FIRST_PAUSE + Duration::from_secs(1)).await;
    assert_eq!(under.runs.load(Ordering::SeqCst), 2);
    assert_eq!(under.state().down_since, down_since, "it may break again");
    tokio::time::sleep(WELL_AFTER).await;
    assert_eq!((under.state().restarts, under.state().down_since), (1, None));
    under.stop.cancel();
    under.task.await.unwrap();
    assert_eq!(under.runs.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn one_that_breaks_at_once_every_time_is_no_hot_loop() {
    let under = supervised(|run, _| async move {
        if run % 2 == 0 {
            panic!("broken");
        }
        // An end that nobody asked for is no better.
    });
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let runs = under.runs.load(Ordering::SeqCst);
    assert!((60..=75).contains(&runs), "{runs} runs in an hour: the pause is a minute at last");
    assert_eq!(under.state().restarts, runs);
    under.stop.cancel();
    under.task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_task_that_was_well_again_begins_with_a_short_pause() {
    let under = supervised(|run, stop| async move {
        if run == 9 {
            // Well for a while, then it breaks once more.
            tokio::time::sleep(WELL_AFTER * 2).await;
        }
        if run <= 9 {
            panic!("broken");
        }
        stop.cancelled().await;
    });
    while under.runs.load(Ordering::SeqCst) < 9 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let begun = tokio::time::Instant::now();
    while under.runs.load(Ordering::SeqCst) < 10 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(begun.elapsed() < WELL_AFTER * 2 + Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_what_is_under_way() {
    let under = supervised(|_, stop| async move {
        stop.cancelled().await;
        tokio::time::sleep(Duration::from_secs(5)).await;
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    under.stop.cancel();
    let begun = tokio::time::Instant::now();
    under.task.await.unwrap();
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
}

#[tokio::test]
async fn the_words_of_a_panic_are_kept() {
    assert_eq!(caught(async { 5 }).await, Ok(5));
    let n = 7;
    assert_eq!(caught(async { panic!("fixed") }).await, Err::<(), _>("panicked: fixed".to_owned()));
    assert_eq!(caught(async { panic!("no {n}") }).await, Err::<(), _>("panicked: no 7".to_owned()));
}

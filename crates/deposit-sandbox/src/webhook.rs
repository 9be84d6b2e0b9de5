//! Webhooks on their way: one strictly ordered line per subscription, retries on the business clock.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::{self, Debug};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::faults::{FaultSwitch, WebhookMode};

/// How long an endpoint may take to answer, wall time: the default of the platforms that providers run on.
const TIMEOUT: Duration = Duration::from_secs(100);
/// How long a reordered delivery waits for others to be overtaken by, wall time.
const REORDER_WINDOW: Duration = Duration::from_millis(150);

/// What is sent for one event, made anew for each try.
pub trait Message: Debug + Send + Sync {
    /// The order it belongs to, as [`Webhooks::redeliver`] is asked for it.
    fn reference(&self) -> &str;
    /// The event's own id, for [`Webhooks::redeliver_one`].
    fn key(&self) -> &str;
    /// Try 0 is the first; later ones are redeliveries.
    fn render(&self, attempt: u32) -> Rendered;
}

/// The bytes of one try.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// The provider's id of this delivery.
    pub id: String,
    /// Beside `Content-Type: application/json`.
    pub headers: Vec<(&'static str, String)>,
    /// As it is signed.
    pub body: String,
}

/// Where a line's deliveries go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// This path of the gateways, each try to the next of them in turn.
    Gateways(&'static str),
    /// The same, with a path (and query) that is known only at run time.
    GatewaysAt(String),
    /// One address.
    Url(String),
}

/// When and whether a failed delivery is tried again.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// Seconds of business time before each further try.
    pub waits: &'static [u32],
    /// Whether an answer (`None`: no answer) is worth a further try.
    pub retries: fn(Option<u16>) -> bool,
}

/// One try that was made.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The provider's id of this delivery.
    pub id: String,
    /// When, business clock.
    pub at: i64,
    /// Where to.
    pub url: String,
    /// What was sent beside `Content-Type`.
    pub headers: Vec<(&'static str, String)>,
    /// What was sent.
    pub body: String,
    /// What was answered; `None`: nothing.
    pub status: Option<u16>,
    /// Why there was no answer.
    pub error: Option<String>,
}

#[derive(Debug)]
struct Event {
    line: String,
    message: Arc<dyn Message>,
    attempts: AtomicU32,
}

#[derive(Debug)]
struct Job {
    event: Arc<Event>,
    /// Which try this is; `None`: the next.
    number: Option<u32>,
    held: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    Sending,
    /// For a retry at this business time.
    Waiting(i64),
}

#[derive(Debug)]
struct Line {
    target: Target,
    retry: Option<RetryPolicy>,
    queue: VecDeque<Job>,
    phase: Phase,
    notify: Arc<Notify>,
    cancel: CancellationToken,
    attempts: Vec<Attempt>,
}

#[derive(Debug, Default)]
struct State {
    lines: BTreeMap<String, Line>,
    history: Vec<Arc<Event>>,
}

struct Inner {
    clock: Arc<Clock>,
    faults: Arc<FaultSwitch>,
    gateways: Arc<RwLock<Vec<String>>>,
    turn: AtomicUsize,
    client: Client<HttpConnector, Full<Bytes>>,
    tracker: TaskTracker,
    cancel: CancellationToken,
    changed: Notify,
    state: Mutex<State>,
}

/// The webhook lines of one emulator.
#[derive(Clone)]
pub struct Webhooks(Arc<Inner>);

impl Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhooks").finish_non_exhaustive()
    }
}

/// What lines of all emulators share.
#[derive(Debug, Clone)]
pub(crate) struct Runtime {
    pub(crate) clock: Arc<Clock>,
    pub(crate) gateways: Arc<RwLock<Vec<String>>>,
    pub(crate) tracker: TaskTracker,
    pub(crate) cancel: CancellationToken,
}

impl Webhooks {
    pub(crate) fn new(runtime: &Runtime, faults: Arc<FaultSwitch>) -> Self {
        // Plain HTTP: webhooks go to loopback. No connection is kept, since gateways come and go.
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
        Self(Arc::new(Inner {
            clock: runtime.clock.clone(),
            faults,
            gateways: runtime.gateways.clone(),
            turn: AtomicUsize::new(0),
            client,
            tracker: runtime.tracker.clone(),
            cancel: runtime.cancel.child_token(),
            changed: Notify::new(),
            state: Mutex::default(),
        }))
    }

    /// Opens a line, or points an open one elsewhere. `retry: None` tries once.
    pub fn open(&self, line: &str, target: Target, retry: Option<RetryPolicy>) {
        let mut state = self.0.state();
        if let Some(open) = state.lines.get_mut(line) {
            (open.target, open.retry) = (target, retry);
            return;
        }
        let (notify, cancel) = (Arc::new(Notify::new()), self.0.cancel.child_token());
        state.lines.insert(
            line.to_owned(),
            Line {
                target,
                retry,
                queue: VecDeque::new(),
                phase: Phase::Idle,
                notify: notify.clone(),
                cancel: cancel.clone(),
                attempts: Vec::new(),
            },
        );
        drop(state);
        let (inner, line) = (self.0.clone(), line.to_owned());
        self.0.tracker.spawn(async move {
            tokio::select! {
                () = cancel.cancelled() => {}
                () = inner.run(&line, &notify) => {}
            }
        });
    }

    /// Closes a line; what waits in it is gone.
    pub fn close(&self, line: &str) {
        let mut state = self.0.state();
        if let Some(closed) = state.lines.remove(line) {
            closed.cancel.cancel();
        }
        state.history.retain(|event| event.line != line);
        drop(state);
        self.0.changed.notify_waiters();
    }

    /// Queues an event, as the webhook fault in force says.
    pub fn send(&self, line: &str, message: Arc<dyn Message>) {
        let event = Arc::new(Event { line: line.to_owned(), message, attempts: AtomicU32::new(0) });
        self.0.state().history.push(event.clone());
        match self.0.faults.get().webhooks {
            WebhookMode::Normal => self.0.queue([Job { event, number: None, held: false }]),
            WebhookMode::Lost => {}
            WebhookMode::Duplicated => self.0.queue([
                Job { event: event.clone(), number: None, held: false },
                Job { event, number: Some(0), held: false },
            ]),
            WebhookMode::Reordered => self.0.queue([Job { event, number: None, held: true }]),
        }
    }

    /// Queues every event of a reference again, whatever the fault in force; answers how many.
    #[must_use]
    pub fn redeliver(&self, reference: &str) -> usize {
        let history = self.0.state().history.clone();
        let events: Vec<_> = history.into_iter().filter(|e| e.message.reference() == reference).collect();
        let count = events.len();
        for event in events {
            self.again(event);
        }
        count
    }

    /// Queues one event of a line again, by [`Message::key`]; answers the number that this try will have.
    #[must_use]
    pub fn redeliver_one(&self, line: &str, key: &str) -> Option<u32> {
        let mut events = self.0.state().history.clone().into_iter();
        let event = events.find(|e| e.line == line && e.message.key() == key)?;
        Some(self.again(event))
    }

    fn again(&self, event: Arc<Event>) -> u32 {
        // A lost event was never tried: its second telling is a redelivery all the same.
        _ = event.attempts.compare_exchange(0, 1, Ordering::SeqCst, Ordering::SeqCst);
        let number = event.attempts.fetch_add(1, Ordering::SeqCst);
        self.0.queue([Job { event, number: Some(number), held: false }]);
        number
    }

    /// The address of a target: of several gateways the first; `None` while no gateway is known.
    #[must_use]
    pub fn url_of(&self, target: &Target) -> Option<String> {
        self.0.url_of(target, 0)
    }

    /// Every try made on a line, oldest first.
    #[must_use]
    pub fn attempts(&self, line: &str) -> Vec<Attempt> {
        self.0.state().lines.get(line).map(|l| l.attempts.clone()).unwrap_or_default()
    }

    /// Returns when every line is empty or waits for a retry that is not due yet.
    pub async fn idle(&self) {
        loop {
            let now = self.0.clock.now();
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let busy = |l: &Line| match l.phase {
                Phase::Idle => !l.queue.is_empty(),
                Phase::Sending => true,
                Phase::Waiting(until) => until <= now,
            };
            if !self.0.state().lines.values().any(busy) {
                return;
            }
            changed.await;
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self, jobs: impl IntoIterator<Item = Job>) {
        let mut state = self.state();
        for job in jobs {
            if let Some(line) = state.lines.get_mut(&job.event.line) {
                line.queue.push_back(job);
                line.notify.notify_one();
            }
        }
    }

    fn enter(&self, line: &str, phase: Phase) {
        if let Some(line) = self.state().lines.get_mut(line) {
            line.phase = phase;
        }
        self.changed.notify_waiters();
    }

    async fn run(&self, line: &str, notify: &Notify) {
        loop {
            let first = {
                let mut state = self.state();
                let Some(line) = state.lines.get_mut(line) else { return };
                let first = line.queue.pop_front();
                line.phase = if first.is_some() { Phase::Sending } else { Phase::Idle };
                first
            };
            let Some(first) = first else {
                self.changed.notify_waiters();
                notify.notified().await;
                continue;
            };
            let mut batch = vec![first];
            if batch.iter().any(|job| job.held) {
                tokio::time::sleep(REORDER_WINDOW).await;
                let mut state = self.state();
                let Some(line) = state.lines.get_mut(line) else { return };
                while line.queue.front().is_some_and(|job| job.held) {
                    batch.extend(line.queue.pop_front());
                }
                batch.reverse();
            }
            for job in batch {
                self.deliver(line, job).await;
            }
        }
    }

    async fn deliver(&self, line: &str, job: Job) {
        let attempts = &job.event.attempts;
        let mut number = job.number.unwrap_or_else(|| attempts.fetch_add(1, Ordering::SeqCst));
        let mut waits = 0;
        loop {
            let Some((url, retry)) = self.destination(line) else { return };
            let rendered = job.event.message.render(number);
            let at = self.clock.now();
            let answer = self.post(&url, &rendered).await;
            let (status, error) = match answer {
                Ok(status) => (Some(status), None),
                Err(error) => (None, Some(error)),
            };
            let Rendered { id, headers, body } = rendered;
            tracing::debug!(delivery = %id, %url, ?status, ?error, "webhook");
            if let Some(line) = self.state().lines.get_mut(line) {
                line.attempts.push(Attempt { id, at, url, headers, body, status, error });
            }
            let done = status.is_some_and(|s| (200..300).contains(&s));
            let Some(retry) = retry.filter(|r| !done && (r.retries)(status)) else { return };
            let Some(wait) = retry.waits.get(waits) else { return };
            waits += 1;
            let until = at.saturating_add(i64::from(*wait));
            self.enter(line, Phase::Waiting(until));
            self.clock.reached(until).await;
            self.enter(line, Phase::Sending);
            number = attempts.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// `None` where nobody listens: no gateway is known yet, or the line was closed.
    fn destination(&self, line: &str) -> Option<(String, Option<RetryPolicy>)> {
        let state = self.state();
        let line = state.lines.get(line)?;
        let turn = match line.target {
            Target::Gateways(_) | Target::GatewaysAt(_) => self.turn.fetch_add(1, Ordering::SeqCst),
            Target::Url(_) => 0,
        };
        Some((self.url_of(&line.target, turn)?, line.retry))
    }

    fn url_of(&self, target: &Target, turn: usize) -> Option<String> {
        match target {
            Target::Url(url) => Some(url.clone()),
            Target::Gateways(path) => self.at_gateway(path, turn),
            Target::GatewaysAt(path) => self.at_gateway(path, turn),
        }
    }

    fn at_gateway(&self, path: &str, turn: usize) -> Option<String> {
        let gateways = self.gateways.read().unwrap_or_else(PoisonError::into_inner);
        let gateway = gateways.get(turn.checked_rem(gateways.len())?)?;
        Some(format!("{}{path}", gateway.trim_end_matches('/')))
    }

    async fn post(&self, url: &str, rendered: &Rendered) -> Result<u16, String> {
        let mut request = hyper::Request::post(url).header("Content-Type", "application/json; charset=utf-8");
        for (name, value) in &rendered.headers {
            request = request.header(*name, value);
        }
        let body = Full::new(Bytes::from(rendered.body.clone()));
        let request = request.body(body).map_err(|e| e.to_string())?;
        let exchange = async {
            let response = self.client.request(request).await.map_err(|e| causes(&e))?;
            let status = response.status().as_u16();
            // The answer's body is read so that the other side can finish writing it.
            _ = Limited::new(response.into_body(), 64 * 1024).collect().await;
            Ok(status)
        };
        tokio::time::timeout(TIMEOUT, exchange).await.unwrap_or_else(|_| Err("timed out".to_owned()))
    }
}

/// An error with its sources: "client error: tcp connect error: connection refused".
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

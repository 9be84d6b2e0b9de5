//! The engine's clock: injected, so that tests move it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use deposit_core::Timestamp;

/// Tells the time.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let millis = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            // A clock before 1970 is broken; time still has to go on from somewhere.
            Err(_) => 0,
        };
        Timestamp::from_millis(millis).plus_secs(ahead_secs())
    }
}

/// How far a kill test lets a restarted process wake up in the future: after the leases of the one that was killed.
#[cfg(feature = "crash-points")]
fn ahead_secs() -> i64 {
    static AHEAD: std::sync::OnceLock<i64> = std::sync::OnceLock::new();
    let read = || std::env::var("DEPOSIT_CLOCK_AHEAD").ok().and_then(|secs| secs.parse().ok());
    *AHEAD.get_or_init(|| read().unwrap_or(0))
}

/// Nothing moves the machine's clock outside kill tests.
#[cfg(not(feature = "crash-points"))]
const fn ahead_secs() -> i64 {
    0
}

/// A clock that a test moves by hand.
///
/// ```
/// use deposit_engine::{Clock, ManualClock};
/// use deposit_core::Timestamp;
/// let clock = ManualClock::at(Timestamp::from_secs(100));
/// clock.advance_secs(5);
/// assert_eq!(clock.now().secs(), 105);
/// ```
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// Starts at `at`.
    #[must_use]
    pub fn at(at: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(at.millis())))
    }

    /// Moves on by so many seconds.
    pub fn advance_secs(&self, secs: i64) {
        self.0.fetch_add(secs.saturating_mul(1000), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

//! How many requests the provider still takes: its limit is shared by all orders, and by everybody with our key.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use deposit_core::Operation;
use deposit_transport::Response;
use tokio::time::Instant;

/// Left to creates when the window runs out: a read can wait, a payer does not.
const RESERVE: u32 = 20;

/// A window longer than this is no window: the unit of `RateLimit-Reset` is unconfirmed.
const LONGEST: Duration = Duration::from_secs(3_600);

#[derive(Debug, Clone, Copy)]
struct Window {
    remaining: u32,
    ends: Instant,
}

/// Where the provider's window stands, as its last answer told.
#[derive(Debug, Default)]
pub(crate) struct Pace(Mutex<Option<Window>>);

impl Pace {
    fn window(&self) -> std::sync::MutexGuard<'_, Option<Window>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one request off the window, or says how long to wait.
    pub(crate) fn take(&self, operation: Operation) -> Result<(), Duration> {
        let now = Instant::now();
        let mut guard = self.window();
        let Some(window) = guard.as_mut().filter(|w| w.ends > now) else {
            *guard = None;
            return Ok(());
        };
        let reserve = if operation == Operation::Open { 0 } else { RESERVE };
        if window.remaining <= reserve {
            return Err(window.ends.saturating_duration_since(now));
        }
        window.remaining -= 1;
        Ok(())
    }

    /// What an answer says: `RateLimit-Remaining`, and `RateLimit-Reset` in seconds.
    pub(crate) fn told(&self, answer: &Response) {
        let number = |name| answer.header(name).and_then(|text| text.trim().parse::<u64>().ok());
        if let (Some(remaining), Some(reset)) = (number("ratelimit-remaining"), number("ratelimit-reset")) {
            self.set(remaining, Duration::from_secs(reset));
        }
    }

    /// The provider wants to be left alone for so long.
    pub(crate) fn stop(&self, wait: Duration) {
        self.set(0, wait);
    }

    fn set(&self, remaining: u64, reset: Duration) {
        if reset > LONGEST {
            return;
        }
        let remaining = u32::try_from(remaining).unwrap_or(u32::MAX);
        *self.window() = Some(Window { remaining, ends: Instant::now() + reset });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn reads_leave_some_to_creates_and_all_wait_for_the_window() {
        let pace = Pace::default();
        assert_eq!(pace.take(Operation::Read), Ok(()), "nothing is known yet");
        pace.set(u64::from(RESERVE) + 1, Duration::from_secs(30));
        assert_eq!(pace.take(Operation::Read), Ok(()));
        assert_eq!(pace.take(Operation::Read), Err(Duration::from_secs(30)));
        for _ in 0..RESERVE {
            assert_eq!(pace.take(Operation::Open), Ok(()));
        }
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(pace.take(Operation::Open), Err(Duration::from_secs(20)));
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!(pace.take(Operation::Read), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_stops_everything_for_its_time() {
        let pace = Pace::default();
        pace.stop(Duration::from_secs(5));
        assert_eq!(pace.take(Operation::Open), Err(Duration::from_secs(5)));
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(pace.take(Operation::Open), Ok(()));
        // An epoch time is no number of seconds to wait.
        pace.set(0, Duration::from_secs(1_785_000_000));
        assert_eq!(pace.take(Operation::Open), Ok(()));
    }
}

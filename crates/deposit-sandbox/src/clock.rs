//! The business clock: wall time (or a fixed start) plus what `POST /control/clock` added.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

/// Time as the emulated providers see it, in whole Unix seconds.
///
/// It runs with the wall clock from where it was last moved to; a frozen one moves only when told,
/// so that what is recorded from it is the same byte for byte.
#[derive(Debug)]
pub struct Clock {
    frozen: Option<i64>,
    offset: watch::Sender<i64>,
}

impl Clock {
    /// With `frozen`, a clock that stands at this Unix second until it is moved.
    #[must_use]
    pub fn new(frozen: Option<i64>) -> Self {
        Self { frozen, offset: watch::Sender::new(0) }
    }

    /// Business time now, Unix seconds.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.wall().saturating_add(*self.offset.borrow())
    }

    /// Wall time, Unix seconds: what signature stamps and token expiry keep. A frozen clock's start.
    #[must_use]
    pub fn wall(&self) -> i64 {
        self.frozen.unwrap_or_else(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
        })
    }

    /// Moves business time forward.
    pub fn advance(&self, seconds: u32) {
        self.offset.send_modify(|offset| *offset = offset.saturating_add(i64::from(seconds)));
    }

    /// Returns as soon as business time has reached `until` (Unix seconds).
    pub async fn reached(&self, until: i64) {
        let mut moved = self.offset.subscribe();
        loop {
            moved.mark_unchanged();
            let left = until.saturating_sub(self.now());
            if left <= 0 {
                return;
            }
            let seconds = u64::try_from(left).unwrap_or(0);
            if self.frozen.is_some() {
                if moved.changed().await.is_err() {
                    return;
                }
                continue;
            }
            tokio::select! {
                _ = moved.changed() => {}
                () = tokio::time::sleep(Duration::from_secs(seconds)) => {}
            }
        }
    }

    /// Returns when the clock is moved.
    pub async fn moved(&self) {
        let mut moved = self.offset.subscribe();
        // The sender lives in `self`, so this cannot fail.
        _ = moved.changed().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_frozen_clock_moves_only_when_told() {
        let clock = Clock::new(Some(1_000));
        assert_eq!(clock.now(), 1_000);
        clock.advance(60);
        assert_eq!((clock.now(), clock.wall()), (1_060, 1_000));
        clock.reached(1_060).await;
    }

    #[tokio::test]
    async fn a_wait_ends_when_the_clock_is_moved_past_it() {
        let clock = std::sync::Arc::new(Clock::new(Some(0)));
        let waiting = tokio::spawn({
            let clock = clock.clone();
            async move { clock.reached(600).await }
        });
        tokio::task::yield_now().await;
        clock.advance(599);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        clock.advance(1);
        waiting.await.unwrap();
    }

    #[test]
    fn a_running_clock_follows_the_wall() {
        let clock = Clock::new(None);
        assert!(clock.now() > 1_700_000_000);
        clock.advance(3_600);
        assert!(clock.now() - clock.wall() >= 3_600);
    }
}

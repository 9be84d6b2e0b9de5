//! Crash points: places where a test kills the process.

/// Aborts the process when it was started with `DEPOSIT_CRASH_AT` naming this point. Compiled to nothing without the feature
/// `crash-points`, which no release build has.
#[inline]
pub fn crash_point(name: &str) {
    #[cfg(feature = "crash-points")]
    {
        // `NAME`, or `NAME#N` for the Nth time it is passed.
        use std::sync::atomic::{AtomicU32, Ordering};
        static PASSED: AtomicU32 = AtomicU32::new(0);
        if let Ok(wanted) = std::env::var("DEPOSIT_CRASH_AT") {
            let (point, nth) = match wanted.split_once('#') {
                Some((point, nth)) => (point, nth.parse().unwrap_or(1)),
                None => (wanted.as_str(), 1),
            };
            if point == name && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == nth {
                // Not an exit: no destructor runs and nothing is flushed, as with SIGKILL.
                std::process::abort();
            }
        }
    }
    #[cfg(not(feature = "crash-points"))]
    let _ = name;
}

//! The transition table of the API contract, section 6.

use deposit_core::Status;

/// A history that is no path in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadStep {
    /// No deposit begins so.
    #[error("no deposit begins as {first}")]
    Opening {
        /// The status that it began with.
        first: Status,
    },
    /// The table has no such step.
    #[error("step {step} goes from {from} to {to}, which is not in the table")]
    Step {
        /// Number of the step, from 1.
        step: usize,
        /// Where it leaves.
        from: Status,
        /// Where it goes.
        to: Status,
    },
}

/// Whether the contract's table has this step. Staying is no step.
#[must_use]
pub const fn can_go(from: Status, to: Status) -> bool {
    use Status::{Completed, Expired, Failed, New, Paid, Pending, Processing};
    match from {
        New => !matches!(to, New),
        Pending => !matches!(to, New | Pending),
        Processing => !matches!(to, New | Processing),
        Paid => !matches!(to, New | Paid),
        Completed => false,
        Expired | Failed => matches!(to, Processing | Paid | Completed),
    }
}

/// Whether a deposit may begin so: [`Status::New`], or whatever the payment that opened it (to a standing address) stands at.
#[must_use]
pub const fn may_open(first: Status) -> bool {
    match first {
        Status::New | Status::Pending | Status::Processing | Status::Paid | Status::Completed => true,
        Status::Expired | Status::Failed => false,
    }
}

/// Checks a whole history. An empty one is fine.
///
/// # Errors
/// [`BadStep`], the first one.
pub fn check_path(history: &[Status]) -> Result<(), BadStep> {
    if let Some(&first) = history.first()
        && !may_open(first)
    {
        return Err(BadStep::Opening { first });
    }
    for (index, (&from, &to)) in history.iter().zip(history.iter().skip(1)).enumerate() {
        if !can_go(from, to) {
            return Err(BadStep::Step { step: index + 1, from, to });
        }
    }
    Ok(())
}

//! Where a scan stands, and what it remembers from one page to the next.

use std::time::Instant;

use deposit_core::{AccountIndex, ScanCursor};

use crate::address::Address;
use crate::book::Own;

/// How far the way through whole chains is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It begins: with what waits at the addresses, so that nobody's new payment waits for the chains of all.
    Beginning,
    /// What waits is being listed.
    Waiting,
    /// On the way.
    Chains,
    /// Done: only what is new is asked for.
    Live,
}

/// Where a scan stands: `chains-7-500`, `live-8-0`. The first number is that of the last page that showed chains or what was hinted at; whoever
/// comes back with it has stored what was on that page, so that need not be shown again. The second is the account that was looked at last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) stage: Stage,
    pub(crate) page: u64,
    pub(crate) after: AccountIndex,
}

impl Position {
    pub(crate) fn of(cursor: Option<&ScanCursor>) -> Self {
        let text = cursor.map(|cursor| cursor.0.as_str()).unwrap_or_default();
        let (word, rest) = text.split_once('-').unwrap_or((text, "0"));
        // As earlier releases wrote it: without an account.
        let (page, after) = rest.split_once('-').unwrap_or((rest, "0"));
        match (word, page.parse(), after.parse().map(AccountIndex)) {
            ("waiting", Ok(page), Ok(after)) => Self { stage: Stage::Waiting, page, after },
            ("live", Ok(page), Ok(after)) => Self { stage: Stage::Live, page, after },
            ("chains", Ok(page), Ok(after)) => Self { stage: Stage::Chains, page, after },
            // No cursor, or a text that is not ours: better once too often.
            _ => Self { stage: Stage::Beginning, page: 0, after: AccountIndex(0) },
        }
    }

    pub(crate) fn cursor(self) -> ScanCursor {
        let word = match self.stage {
            Stage::Beginning | Stage::Waiting => "waiting",
            Stage::Chains => "chains",
            Stage::Live => "live",
        };
        ScanCursor(format!("{word}-{}-{}", self.page, self.after.0))
    }
}

/// What a scan remembers from one page to the next. Lost with the process: the positions are stored, and a hint only makes things faster.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Number of the last page that showed chains or what was hinted at.
    pub(crate) page: u64,
    /// The chains, as that page showed them.
    pub(crate) looked: Vec<Own>,
    /// What was hinted at.
    pub(crate) hinted: Vec<Address>,
    /// When a slice was read last.
    pub(crate) swept: Option<Instant>,
}

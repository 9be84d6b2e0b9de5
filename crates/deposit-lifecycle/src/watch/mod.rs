//! The watch: when each deposit is read next, and when its watch ends. Pure functions of what is known and the time; `docs/watch.md` says
//! the rules in plain words, [`simulation`] shows what they promise.

mod lanes;
pub mod simulation;
mod tokens;

use deposit_core::{Evidence, Terms, TickerKind, Timestamp};
use serde::{Deserialize, Serialize};

pub use lanes::{LANES, Lane, Lanes, SHARES, Turns};
pub use tokens::Tokens;

use crate::credit::Credit;
use crate::status::{View, deadline};

/// A day, in seconds: no deposit that is watched is left alone for longer where its provider's budget allows.
pub const DAY_SECS: i64 = 86_400;
/// A payment under way is asked about after this part of the time for which nothing has moved.
const UNDER_WAY_PART: i64 = 16;
/// An order that nothing is expected of is asked about after this part of its age.
const OLD_PART: i64 = 8;
/// Where money was seen, the watch lasts for at least so long after the last movement, in seconds: longer than any provider takes to confirm, and
/// than an operator's rules take to call a payment undecided.
const MONEY_SECS: i64 = 7 * DAY_SECS;
/// An order is gone for good when the provider has not known it for so long, in seconds …
pub const GONE_SECS: i64 = DAY_SECS;
/// … and in so many answers.
pub const GONE_ANSWERS: u32 = 5;
/// A failed read is repeated no sooner, in seconds.
const SOONEST_SECS: i64 = 5;

/// Why the watch of a deposit has ended.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumString,
    strum::EnumIter,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Ending {
    /// The provider, while it answers for others, has not known the order for a day.
    Gone,
    /// Credited, beyond any reversal, and nothing more can be paid.
    Settled,
    /// Nothing has moved for as long as orders are watched.
    WindowOver,
}

/// When a deposit is read next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check {
    /// Not before.
    pub at: Timestamp,
    /// Out of which share of the provider's budget.
    pub lane: Lane,
}

/// When and why a watch has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub why: Ending,
}

/// How the watch of a deposit stands, as it is stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Watch {
    /// When it is read next; `None`: not until something is heard of it.
    pub next: Option<Check>,
    /// Since when nobody looks any more, and why.
    pub ended: Option<Ended>,
    /// Reads in a row that told nothing although the provider answered.
    pub failures: u32,
    /// Since when the provider says that it does not know the order, without a break.
    pub gone_since: Option<Timestamp>,
}

impl Watch {
    /// Read next at `at`, out of this lane.
    #[must_use]
    pub const fn at(at: Timestamp, lane: Lane) -> Self {
        Self { next: Some(Check { at, lane }), ended: None, failures: 0, gone_since: None }
    }
}

/// How often deposits are asked about; all in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// While it can be paid.
    pub young_secs: i64,
    /// When it is older.
    pub old_secs: i64,
    /// How long after the end of its quote, or its last movement, a deposit is watched.
    pub window_secs: i64,
    /// Whether the provider's feed shows what changes of orders that are past their quote.
    pub feed: bool,
}

/// What the schedule looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watched {
    /// Until when it can be paid; `None` for a payment to a standing address, which is paid already.
    pub payable_until: Option<Timestamp>,
    /// When it last changed, as seen from outside.
    pub moved_at: Timestamp,
    /// Whether as much as was asked for is seen.
    pub paid: bool,
    /// Whether some of it is not confirmed.
    pub in_flight: bool,
    /// Whether all that was seen is credited.
    pub credited: bool,
    /// Whether any payment was ever seen.
    pub money: bool,
    /// How long after its last movement a credited deposit of this kind is beyond reversal and beyond further payments, in seconds.
    pub final_after: Option<i64>,
}

impl Watched {
    /// Of a deposit as it stands.
    #[must_use]
    pub fn of(
        terms: &Terms,
        kind: Option<TickerKind>,
        evidence: &Evidence,
        credit: &Credit,
        view: &View,
        moved_at: Timestamp,
    ) -> Self {
        let asked = terms.requested().map_or(1, |amount| amount.minor().max(1));
        Self {
            payable_until: deadline(terms, &evidence.order),
            moved_at,
            paid: view.paid >= asked,
            in_flight: view.in_flight > 0,
            credited: credit.completed_at.is_some() && view.in_flight == 0,
            money: !evidence.payments.is_empty(),
            final_after: if terms.quote.is_none() { Some(DAY_SECS) } else { kind.and_then(final_after) },
        }
    }

    /// Whether a payer may be at it: it can be paid, and is not paid in full.
    fn awaited(&self, now: Timestamp) -> bool {
        !self.paid && self.payable_until.is_some_and(|end| now < end)
    }

    /// Since when nothing is expected.
    fn still_since(&self) -> Timestamp {
        self.payable_until.map_or(self.moved_at, |end| end.max(self.moved_at))
    }
}

/// Whether, and how long after its last movement, a credited deposit of this kind can neither be reversed nor paid again, in seconds. An
/// address can be paid twice, a swap goes on, a card is charged back for months: those are watched for the whole window.
const fn final_after(kind: TickerKind) -> Option<i64> {
    match kind {
        TickerKind::Invoice | TickerKind::Standing => Some(DAY_SECS),
        TickerKind::Address | TickerKind::Swap | TickerKind::MultiChain | TickerKind::Card => None,
    }
}

/// What comes after a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Read again in so many seconds.
    Read {
        /// From now.
        secs: i64,
        /// Out of which share of the budget.
        lane: Lane,
    },
    /// The watch ends.
    End(Ending),
}

/// What comes after a read that went well.
#[must_use]
pub fn after_read(watched: &Watched, pace: &Pace, now: Timestamp) -> Next {
    if watched.awaited(now) {
        return regular(watched, pace, now);
    }
    let still = secs_since(now, watched.moved_at);
    if watched.credited && watched.final_after.is_some_and(|secs| still >= secs) {
        return Next::End(Ending::Settled);
    }
    let window = if watched.money { pace.window_secs.max(MONEY_SECS) } else { pace.window_secs };
    if secs_since(now, watched.still_since()) >= window {
        return Next::End(Ending::WindowOver);
    }
    regular(watched, pace, now)
}

/// The interval that goes with the deposit's state and age, whether or not its watch should end.
fn regular(watched: &Watched, pace: &Pace, now: Timestamp) -> Next {
    let young = pace.young_secs.max(1);
    let old = pace.old_secs.max(young);
    let day = DAY_SECS.max(old);
    if watched.awaited(now) {
        return Next::Read { secs: young, lane: Lane::Young };
    }
    let still = secs_since(now, watched.moved_at);
    if watched.in_flight {
        let part = still / UNDER_WAY_PART;
        return if still < DAY_SECS {
            Next::Read { secs: part.clamp(young, old), lane: Lane::UnderWay }
        } else {
            // Whatever keeps it so long: it ages like anything else, and the lively ones have their share to themselves.
            Next::Read { secs: part.clamp(old, day), lane: Lane::Old }
        };
    }
    if pace.feed && watched.payable_until.is_none_or(|end| end <= now) {
        return Next::Read { secs: day, lane: Lane::Old };
    }
    if watched.money {
        // What was credited a moment ago is what a reorganisation or a refund takes back most likely.
        let lane = if still < DAY_SECS { Lane::UnderWay } else { Lane::Old };
        return Next::Read { secs: (still / OLD_PART).clamp(young, day), lane };
    }
    let age = secs_since(now, watched.still_since()).max(0);
    Next::Read { secs: (age / OLD_PART).clamp(old, day), lane: Lane::Old }
}

/// A read that told nothing although the provider answered: an answer that makes no sense, a refusal, an order that it does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// Which one in a row this is, from 1.
    pub failures: u32,
    /// Since when the provider says, without a break, that it does not know the order.
    pub gone_since: Option<Timestamp>,
    /// Whether it has answered for another order since then: one that knows none of ours has lost its memory, or we have the wrong one.
    pub knows_others: bool,
}

/// What comes after a read that told nothing: asked again soon, then ever more slowly. Only an order that is gone ends.
#[must_use]
pub fn after_failure(watched: &Watched, pace: &Pace, failure: &Failure, now: Timestamp) -> Next {
    let Next::Read { secs: usual, lane } = regular(watched, pace, now) else {
        return Next::End(Ending::WindowOver);
    };
    let gone = failure.gone_since.is_some_and(|since| {
        let enough = if watched.in_flight { GONE_SECS.max(MONEY_SECS) } else { GONE_SECS };
        failure.knows_others && failure.failures >= GONE_ANSWERS && secs_since(now, since) >= enough
    });
    if gone && !watched.awaited(now) {
        return Next::End(Ending::Gone);
    }
    let most = usual.max(pace.old_secs).max(SOONEST_SECS);
    let doublings = failure.failures.saturating_sub(1).min(20);
    let secs = pace.young_secs.max(SOONEST_SECS).saturating_mul(1_i64 << doublings).min(most);
    Next::Read { secs, lane }
}

/// The lane of a deposit whose provider could not be reached: how long to wait is the provider's affair.
#[must_use]
pub fn lane(watched: &Watched, pace: &Pace, now: Timestamp) -> Lane {
    match regular(watched, pace, now) {
        Next::Read { lane, .. } => lane,
        Next::End(_) => Lane::Old,
    }
}

const fn secs_since(now: Timestamp, then: Timestamp) -> i64 {
    now.millis_since(then).div_euclid(1000)
}

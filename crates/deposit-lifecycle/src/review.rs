//! Money in review: what waits for an operator, from what no rule credits and what was resolved by hand. Pure figures, in smallest units of what
//! was paid.
//!
//! One matter is one payment, or one order where nothing tells its payments apart. Its amount is cumulative and follows the evidence while an item
//! is open; a resolution is an amount; what comes on top opens an item again. So at any time, of each matter:
//! `due = min(due, assigned + dismissed) + open`, where `due` is what no rule credits.

/// What operators have resolved of a matter, in smallest units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ByHand {
    /// Credited by entries of their own: given away for good.
    pub assigned: u128,
    /// Looked at, with nothing to credit. Lapses as far as rules have taken over what it was about.
    pub dismissed: u128,
    /// Whether an item was resolved whose amount nobody knew.
    pub unknown: bool,
}

/// An item that waits for an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// None.
    Nothing,
    /// One whose amount is not known.
    Unknown,
    /// One of this amount.
    Amount(u128),
}

/// What was seen of a matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// So much is credited by no rule: all that was ever seen, cumulative.
    Amount(u128),
    /// Something, and the provider does not say how much. It is shown again at every look, so that it says nothing new once it was resolved.
    Unknown,
    /// Something that was told just now, in a message of its own, without saying how much: after a resolution it may be more money.
    News,
    /// The provider no longer tells of it, and nothing says what became of it.
    NotShown,
}

/// How a matter stands after a sighting.
///
/// ```
/// use deposit_lifecycle::review::{ByHand, Due, Waiting, sight};
///
/// // 3 were seen and assigned, then 2 more came: they wait.
/// let (by_hand, waiting) = sight(ByHand { assigned: 3, ..ByHand::default() }, Waiting::Nothing, Due::Amount(5));
/// assert_eq!((by_hand.assigned, waiting), (3, Waiting::Amount(2)));
/// ```
#[must_use]
pub fn sight(by_hand: ByHand, waiting: Waiting, due: Due) -> (ByHand, Waiting) {
    match (due, waiting) {
        (Due::Amount(due), _) => {
            let rest = due.saturating_sub(by_hand.assigned);
            // What a rule has credited since, or the provider has taken away, is not what was dismissed any more: the next money is new.
            let dismissed = by_hand.dismissed.min(rest);
            let open = rest.saturating_sub(dismissed);
            let waiting = if open == 0 { Waiting::Nothing } else { Waiting::Amount(open) };
            (ByHand { dismissed, ..by_hand }, waiting)
        }
        // What was never known to be an amount is not known to be gone.
        (Due::NotShown, Waiting::Unknown) => (by_hand, waiting),
        (Due::NotShown, Waiting::Nothing | Waiting::Amount(_)) => sight(by_hand, waiting, Due::Amount(0)),
        // An unknown amount closes nothing and takes nothing off.
        (Due::Unknown | Due::News, Waiting::Unknown | Waiting::Amount(_)) => (by_hand, waiting),
        (Due::News, Waiting::Nothing) => (by_hand, Waiting::Unknown),
        (Due::Unknown, Waiting::Nothing) => {
            let seen_before = by_hand.unknown || by_hand.assigned > 0 || by_hand.dismissed > 0;
            (by_hand, if seen_before { Waiting::Nothing } else { Waiting::Unknown })
        }
    }
}

/// What is resolved after an operator has assigned what waits.
#[must_use]
pub fn assign(by_hand: ByHand, waiting: Waiting) -> ByHand {
    match waiting {
        Waiting::Nothing => by_hand,
        Waiting::Unknown => ByHand { unknown: true, ..by_hand },
        Waiting::Amount(open) => ByHand { assigned: by_hand.assigned.saturating_add(open), ..by_hand },
    }
}

/// What is resolved after an operator has dismissed what waits.
#[must_use]
pub fn dismiss(by_hand: ByHand, waiting: Waiting) -> ByHand {
    match waiting {
        Waiting::Nothing => by_hand,
        Waiting::Unknown => ByHand { unknown: true, ..by_hand },
        Waiting::Amount(open) => ByHand { dismissed: by_hand.dismissed.saturating_add(open), ..by_hand },
    }
}

#[cfg(test)]
#[path = "review_tests.rs"]
mod tests;

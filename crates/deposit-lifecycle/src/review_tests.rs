use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone, Copy)]
enum Step {
    /// So much more is seen that no rule credits.
    Comes(u64),
    /// A rule credits so much of it, or the provider takes it away.
    Settles(u64),
    /// The provider says that there is something, and not how much.
    Hint,
    /// The same, in a message.
    News,
    Assign,
    Dismiss,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        any::<u64>().prop_map(Step::Comes),
        any::<u64>().prop_map(Step::Settles),
        Just(Step::Hint),
        Just(Step::News),
        Just(Step::Assign),
        Just(Step::Dismiss),
    ];
    proptest::collection::vec(step, 0..40)
}

fn open(waiting: Waiting) -> u128 {
    match waiting {
        Waiting::Amount(open) => open,
        Waiting::Nothing | Waiting::Unknown => 0,
    }
}

proptest! {
    #[test]
    fn seen_is_what_was_resolved_and_what_waits(steps in steps()) {
        let (mut by_hand, mut waiting) = (ByHand::default(), Waiting::Nothing);
        let mut due = 0_u128;
        // Kept apart from the figures under test: what operators were shown and have answered.
        let mut given = 0_u128;
        for step in steps {
            let (before, was) = (by_hand, waiting);
            match step {
                Step::Comes(more) => due += u128::from(more),
                // What was given away by hand no rule credits.
                Step::Settles(less) => due -= u128::from(less).min(due.saturating_sub(given)),
                Step::Hint => (by_hand, waiting) = sight(by_hand, waiting, Due::Unknown),
                Step::News => (by_hand, waiting) = sight(by_hand, waiting, Due::News),
                Step::Assign => {
                    given += open(waiting);
                    by_hand = assign(by_hand, waiting);
                    waiting = Waiting::Nothing;
                }
                Step::Dismiss => {
                    by_hand = dismiss(by_hand, waiting);
                    waiting = Waiting::Nothing;
                }
            }
            match step {
                Step::Hint | Step::News => {
                    prop_assert!(was == Waiting::Nothing || waiting == was, "an unknown amount closes nothing");
                    prop_assert_eq!(by_hand, before);
                }
                Step::Comes(_) | Step::Settles(_) | Step::Assign | Step::Dismiss => {
                    (by_hand, waiting) = sight(by_hand, waiting, Due::Amount(due));
                    prop_assert_eq!(due, by_hand.assigned + by_hand.dismissed + open(waiting));
                    prop_assert_eq!(by_hand.assigned, given);
                    // To see the same again changes nothing.
                    prop_assert_eq!(sight(by_hand, waiting, Due::Amount(due)), (by_hand, waiting));
                }
            }
            if let Step::Comes(more) = step {
                prop_assert!(open(waiting) >= u128::from(more), "what comes on top waits");
            }
        }
    }
}

#[test]
fn what_a_rule_has_taken_over_is_no_longer_dismissed() {
    let dismissed = dismiss(ByHand::default(), Waiting::Amount(3));
    let (later, waiting) = sight(dismissed, Waiting::Nothing, Due::Amount(0));
    assert_eq!(waiting, Waiting::Nothing);
    assert_eq!(sight(later, waiting, Due::Amount(2)).1, Waiting::Amount(2));
    // What was given away stays given.
    let assigned = assign(ByHand::default(), Waiting::Amount(3));
    let (later, waiting) = sight(assigned, Waiting::Nothing, Due::Amount(0));
    assert_eq!(sight(later, waiting, Due::Amount(2)).1, Waiting::Nothing);
}

#[test]
fn an_unknown_amount_comes_back_only_as_news() {
    let (none, waiting) = sight(ByHand::default(), Waiting::Nothing, Due::Unknown);
    assert_eq!(waiting, Waiting::Unknown);
    let resolved = dismiss(none, waiting);
    assert_eq!(sight(resolved, Waiting::Nothing, Due::Unknown).1, Waiting::Nothing);
    assert_eq!(sight(resolved, Waiting::Nothing, Due::News).1, Waiting::Unknown);
    assert_eq!(sight(none, Waiting::Unknown, Due::NotShown).1, Waiting::Unknown);
    assert_eq!(sight(none, Waiting::Amount(5), Due::NotShown).1, Waiting::Nothing);
    // Once the amount is known, all of it waits: how much of it was meant nobody can say.
    assert_eq!(sight(resolved, Waiting::Nothing, Due::Amount(5)).1, Waiting::Amount(5));
}

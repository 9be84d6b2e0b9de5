//! The closed vocabularies of the API: status and stage.

use serde::{Deserialize, Serialize};
use strum::{AsRefStr, Display, EnumIter, EnumString, IntoStaticStr};

/// Status of a deposit (section 6 of the API contract). Closed on purpose: every match names every word.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    EnumIter,
    IntoStaticStr,
    AsRefStr,
)]
pub enum Status {
    /// Created, nothing seen yet.
    New,
    /// Paid in part, the rest awaited.
    Pending,
    /// A payment is seen and being confirmed.
    Processing,
    /// Confirmed, the credit is pending (no rate yet, say).
    Paid,
    /// The balance is credited.
    Completed,
    /// The window is over; money that comes later is still credited.
    Expired,
    /// The provider failed; money that comes later is still credited.
    Failed,
}

/// Stage of one payment, as the API shows it.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    EnumIter,
    IntoStaticStr,
    AsRefStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Stage {
    /// Seen, no confirmation known.
    Seen,
    /// Seen, and the provider counts its confirmations.
    Confirming,
    /// Confirmed by the provider's rule.
    Confirmed,
    /// Taken back in full, or gone.
    Reversed,
}

#[cfg(test)]
mod tests {
    use super::*;
    use strum::IntoEnumIterator;

    #[test]
    fn words_are_those_of_the_contract() {
        let words: Vec<String> = Status::iter().map(|s| s.to_string()).collect();
        assert_eq!(words.join(" "), "New Pending Processing Paid Completed Expired Failed");
        let stages: Vec<String> = Stage::iter().map(|s| s.to_string()).collect();
        assert_eq!(stages.join(" "), "seen confirming confirmed reversed");
        assert_eq!("Paid".parse::<Status>(), Ok(Status::Paid));
    }
}

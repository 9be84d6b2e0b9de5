//! What the API's `statusReason` says.

use std::fmt;

use deposit_core::{Amount, Failure};
use serde::{Deserialize, Serialize};

/// Why a deposit stands where it stands, where that needs a word. `Display` is a sentence for the payer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Less was paid than asked for.
    Partial {
        /// The rest, in the received asset.
        missing: Amount,
    },
    /// More was paid than asked for.
    Excess {
        /// So much more, in the received asset.
        over: Amount,
    },
    /// The provider gave the order up.
    Failed(Failure),
    /// A payment came in another asset: it is not credited, an operator looks at it.
    WrongAsset,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Partial { missing } => {
                write!(f, "Paid in part: {missing} {} is missing.", missing.asset())
            }
            Self::Excess { over } => write!(f, "Paid {over} {} more than asked for.", over.asset()),
            Self::Failed(Failure::ProviderError) => f.write_str("The payment provider reported an error."),
            Self::Failed(Failure::Invalid) => {
                f.write_str("The payment provider marked the payment as invalid.")
            }
            Self::Failed(Failure::Bounced) => {
                f.write_str("The payment could not be delivered and was sent back.")
            }
            Self::Failed(Failure::Declined) => f.write_str("The payment was declined."),
            Self::Failed(Failure::Cancelled) => f.write_str("The payment was cancelled at the provider."),
            Self::WrongAsset => {
                f.write_str("A payment came in another currency than asked for; it is being looked at.")
            }
        }
    }
}

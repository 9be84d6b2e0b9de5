//! What is asked of a provider, and how it fails.

use deposit_core::{ErrorKind, ProviderId, Timestamp};

/// What a provider is asked for, or tells.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::Display,
    strum::EnumIter,
    strum::IntoStaticStr,
)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum Call {
    /// Opening an order.
    Open,
    /// Looking an order up by our id.
    LookUp,
    /// Reading one order.
    Read,
    /// Reading many orders in one request.
    ReadBatch,
    /// Its feed.
    Scan,
    /// Taking in what waits at a standing address.
    Receive,
    /// Its webhooks: genuine ones that cannot be read.
    Webhook,
    /// Its own limits.
    Bounds,
    /// The check of credentials, rights and settings.
    Check,
}

impl Call {
    /// After how many seconds without a further failure nothing is known any more: nobody may have asked since. `None` of what is asked
    /// all the time, so that a success would have come.
    pub(crate) fn fades_after_secs(self) -> Option<i64> {
        match self {
            Self::Open | Self::LookUp | Self::Receive | Self::Webhook => Some(900),
            // A little longer than the watch leaves an order alone at most; with the last order the reads end.
            Self::Read | Self::ReadBatch => Some(100_000),
            Self::Scan | Self::Bounds | Self::Check => None,
        }
    }
}

/// How a kind of call fails.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::Display,
    strum::EnumIter,
    strum::IntoStaticStr,
)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum Trouble {
    /// It does not answer, or asks to be left alone.
    Transient,
    /// The request left and no answer came.
    OutcomeUnknown,
    /// It refuses every order.
    Rejected,
    /// It knows none of our orders.
    NotFound,
    /// It refuses the credentials.
    Authentication,
    /// Our configuration cannot work.
    Configuration,
    /// Answers that its documents do not allow.
    Protocol,
    /// The adapter broke.
    Panicked,
}

impl Trouble {
    /// `None` where there is nothing to be mended: the adapter has no such call.
    pub(crate) fn of(kind: &ErrorKind) -> Option<Self> {
        Some(match kind {
            ErrorKind::Transient { .. } => Self::Transient,
            ErrorKind::OutcomeUnknown => Self::OutcomeUnknown,
            ErrorKind::Rejected(_) => Self::Rejected,
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::Authentication => Self::Authentication,
            ErrorKind::Configuration => Self::Configuration,
            ErrorKind::Unsupported => return None,
            ErrorKind::Protocol | _ => Self::Protocol,
        })
    }

    /// Whether it was an answer about one order: the provider is there, and takes our credentials.
    pub(crate) fn is_about_one(self) -> bool {
        matches!(self, Self::Rejected | Self::NotFound)
    }

    /// Whether it may pass without anybody doing anything.
    pub(crate) fn may_pass(self) -> bool {
        matches!(self, Self::Transient | Self::OutcomeUnknown)
    }

    /// Whether nothing but an operator mends it.
    pub(crate) fn needs_a_person(self) -> bool {
        matches!(self, Self::Authentication | Self::Configuration)
    }
}

/// A kind of call that fails at a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProviderTrouble {
    /// Whose.
    pub provider: ProviderId,
    /// What is asked for.
    pub call: Call,
    /// How it failed last.
    pub trouble: Trouble,
    /// Since the first failure after the last success.
    pub since: Timestamp,
    /// The last failure.
    pub last: Timestamp,
    /// How many failures since then.
    pub count: u64,
    /// The last failure's words; nothing secret is in them.
    pub words: String,
}

//! What a node says with HTTP 200 and an `error`, by what to do next.

use deposit_core::{ConfigError, ErrorKind, Operation, ProviderError, ProviderId};

/// As it is named in configurations, logs and the API.
pub(crate) const ID: ProviderId = ProviderId::constant("nano");

/// The `error` texts of a node that are worth telling apart (dossier, section 6). The node's own text goes no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NodeError {
    #[error("the account is not opened")]
    AccountNotFound,
    #[error("the node does not know the block")]
    BlockNotFound,
    #[error("the block is in the ledger already")]
    OldBlock,
    /// Also what a repeat of an accepted block answers.
    #[error("the block's balance does not fit its subtype")]
    BalanceForSubtype,
    #[error("another block has this place")]
    Fork,
    #[error("the node has not seen the parent or the source yet")]
    Gap,
    #[error("the payment was taken in already, or is not for this account")]
    Unreceivable,
    #[error("the work is not enough")]
    Work,
    #[error("the block is refused for good")]
    Refused,
    #[error("the node refuses the request's values")]
    BadRequest,
    #[error("the node is not set up to do this")]
    Disabled,
    #[error("the node does not know this action")]
    UnknownCommand,
    #[error("the node answers an error that no document lists")]
    Other,
}

impl NodeError {
    pub(crate) fn of(text: &str) -> Self {
        match text {
            "Account not found" => Self::AccountNotFound,
            "Block not found" => Self::BlockNotFound,
            "Old block" => Self::OldBlock,
            "Invalid block balance for given subtype" => Self::BalanceForSubtype,
            "Fork" => Self::Fork,
            "Gap previous block" | "Gap source block" => Self::Gap,
            "Unreceivable" => Self::Unreceivable,
            "Block work is less than threshold" | "Block work is insufficient" => Self::Work,
            "Bad signature"
            | "Block is invalid"
            | "This block cannot follow the previous block"
            | "Balance and amount delta do not match" => Self::Refused,
            "Bad account number"
            | "Bad hash number"
            | "Invalid block hash"
            | "Unable to parse JSON"
            | "Can only POST requests"
            | "Empty response" => Self::BadRequest,
            "RPC control is disabled"
            | "Work generation is disabled"
            | "Local work generation is disabled" => Self::Disabled,
            "Unknown command" => Self::UnknownCommand,
            _ => Self::Other,
        }
    }

    fn kind(self) -> ErrorKind {
        match self {
            Self::AccountNotFound | Self::BlockNotFound => ErrorKind::NotFound,
            Self::Gap => ErrorKind::Transient { retry_after: None },
            Self::Fork | Self::OldBlock | Self::BalanceForSubtype | Self::Unreceivable => {
                ErrorKind::Rejected("block_refused")
            }
            Self::Work => ErrorKind::Rejected("work_refused"),
            Self::Refused => ErrorKind::Rejected("block_invalid"),
            Self::BadRequest => ErrorKind::Rejected("bad_request"),
            Self::Disabled | Self::UnknownCommand => ErrorKind::Configuration,
            Self::Other => ErrorKind::Protocol,
        }
    }
}

/// A call that did not give what it should.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The node said why.
    Node(NodeError),
    /// Nothing that can be read came.
    Call(ProviderError),
}

impl Failed {
    /// As the trait tells it.
    pub(crate) fn told(self, operation: Operation) -> ProviderError {
        match self {
            Self::Node(error) => ProviderError::new(ID, operation, error.kind()).with_source(error),
            Self::Call(error) => error,
        }
    }

    /// The node was there, and did not like how it was asked: another form may fare better.
    pub(crate) fn is_about_the_request(&self) -> bool {
        match self {
            Self::Node(error) => matches!(error, NodeError::BadRequest | NodeError::Other),
            Self::Call(error) => matches!(error.kind(), ErrorKind::Rejected(_) | ErrorKind::Protocol),
        }
    }

    /// The account has no block.
    pub(crate) fn is_account_not_found(&self) -> bool {
        matches!(self, Self::Node(NodeError::AccountNotFound))
    }

    /// The node has no such action: `Unknown command`, or HTTP 4xx of RsNano and of proxies that let only some through.
    pub(crate) fn has_no_such_action(&self) -> bool {
        match self {
            Self::Node(error) => *error == NodeError::UnknownCommand,
            Self::Call(error) => matches!(error.kind(), ErrorKind::Rejected(_)),
        }
    }
}

/// A value of the configuration that cannot work.
pub(crate) fn invalid(key: &str, rule: impl ToString) -> ConfigError {
    ConfigError::new(format!("providers.nano.{key}"), rule.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_of_the_dossier_is_known() {
        use NodeError as E;
        for (text, error) in [
            ("Account not found", E::AccountNotFound),
            ("Block not found", E::BlockNotFound),
            ("Old block", E::OldBlock),
            ("Invalid block balance for given subtype", E::BalanceForSubtype),
            ("Fork", E::Fork),
            ("Gap previous block", E::Gap),
            ("Gap source block", E::Gap),
            ("Unreceivable", E::Unreceivable),
            ("Balance and amount delta do not match", E::Refused),
            ("Block work is less than threshold", E::Work),
            ("Block work is insufficient", E::Work),
            ("Bad signature", E::Refused),
            ("Block is invalid", E::Refused),
            ("This block cannot follow the previous block", E::Refused),
            ("Bad account number", E::BadRequest),
            ("Bad hash number", E::BadRequest),
            ("Invalid block hash", E::BadRequest),
            ("Unable to parse JSON", E::BadRequest),
            ("Can only POST requests", E::BadRequest),
            ("Empty response", E::BadRequest),
            ("RPC control is disabled", E::Disabled),
            ("Work generation is disabled", E::Disabled),
            ("Local work generation is disabled", E::Disabled),
            ("Unknown command", E::UnknownCommand),
            ("The moon is full", E::Other),
        ] {
            assert_eq!(NodeError::of(text), error, "{text}");
        }
    }

    #[test]
    fn the_kind_says_what_to_do_next() {
        let kind = |error| Failed::Node(error).told(Operation::Read).kind().clone();
        assert_eq!(kind(NodeError::BlockNotFound), ErrorKind::NotFound);
        assert_eq!(kind(NodeError::Gap), ErrorKind::Transient { retry_after: None });
        assert_eq!(kind(NodeError::Disabled), ErrorKind::Configuration);
        assert_eq!(kind(NodeError::Other), ErrorKind::Protocol);
        assert_eq!(kind(NodeError::Fork), ErrorKind::Rejected("block_refused"));
    }
}

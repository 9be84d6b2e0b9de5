//! Blocks as a node tells them.

use super::codec;
use super::ledger::{Block, Given};
use crate::json::Json;

/// Whose habits the node has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dialect {
    /// The C++ node.
    #[default]
    Cpp,
    /// RsNano.
    RsNano,
}

/// The block as it is written everywhere.
pub(super) fn block_json(block: &Block, dialect: Dialect) -> Json {
    given_json(&block.given, dialect)
}

pub(super) fn given_json(given: &Given, dialect: Dialect) -> Json {
    let work = match dialect {
        Dialect::Cpp => format!("{:016x}", given.work),
        Dialect::RsNano => format!("{:016X}", given.work),
    };
    Json::object([
        ("type", "state".into()),
        ("account", Json::text(codec::address(&given.account))),
        ("previous", Json::text(codec::upper(&given.previous))),
        ("representative", Json::text(codec::address(&given.representative))),
        ("balance", Json::text(given.balance.to_string())),
        ("link", Json::text(codec::upper(&given.link))),
        ("link_as_account", Json::text(codec::address(&given.link))),
        ("signature", Json::text(codec::upper(&given.signature))),
        ("work", Json::text(work)),
    ])
}

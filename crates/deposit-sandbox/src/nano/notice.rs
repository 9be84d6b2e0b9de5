//! What the websocket tells.

use std::sync::Arc;

use super::blocks::{Dialect, block_json};
use super::codec;
use super::codec::Id;
use super::ledger::Block;
use crate::faults::Faults;
use crate::json::Json;

/// What every connection hears.
#[derive(Debug, Clone)]
pub(super) enum Notice {
    /// A block was cemented.
    Confirmed {
        /// Owner, and receiver of a send: a filter may name either. In a receive the link is a hash, which is compared all the same.
        about: [Id; 2],
        text: Arc<str>,
    },
    /// The connections break.
    Cut,
}

impl Notice {
    pub(super) fn confirmed(block: &Block, now: i64, faults: &Faults) -> Self {
        let mut contents = block_json(block, Dialect::Cpp);
        if let Json::Object(members) = &mut contents {
            let kind = if faults.unknown_events { "frobnicate" } else { block.kind.word() };
            members.push(("subtype".to_owned(), kind.into()));
        }
        let message = Json::object([
            ("account", Json::text(codec::address(&block.given.account))),
            ("amount", Json::text(block.amount.to_string())),
            ("hash", Json::text(codec::upper(&block.hash))),
            ("confirmation_type", "active_quorum".into()),
            ("block", contents),
        ]);
        let text = Json::object([
            ("topic", "confirmation".into()),
            ("time", Json::text(millis(now))),
            ("message", message),
        ]);
        Self::Confirmed { about: [block.given.account, block.given.link], text: text.compact().into() }
    }
}

pub(super) fn millis(now: i64) -> String {
    now.saturating_mul(1_000).to_string()
}

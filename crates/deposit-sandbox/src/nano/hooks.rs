//! The HTTP callback: a POST for each cemented block, unsigned, tried once.

use super::blocks::{Dialect, block_json};
use super::codec;
use super::codec::Id;
use super::ledger::{Block, Kind};
use super::notice::Notice;
use super::state::{Nano, State};
use crate::faults::Faults;
use crate::json::Json;
use crate::webhook::{Message, Rendered, Target, Webhooks};

const LINE: &str = "nano/callback";
/// With a token that nobody was told.
const WRONG_LINE: &str = "nano/callback/wrong";

#[derive(Debug)]
struct Hook {
    /// Whom it is about: the receiver of a send, else the account itself.
    address: String,
    hash: String,
    body: String,
}

impl Message for Hook {
    fn reference(&self) -> &str {
        &self.address
    }

    fn key(&self) -> &str {
        &self.hash
    }

    fn render(&self, _attempt: u32) -> Rendered {
        Rendered { id: self.hash.clone(), headers: vec![], body: self.body.clone() }
    }
}

/// The address in the node's configuration carries the token.
pub(super) fn open(webhooks: &Webhooks, token: &str) {
    let target = |token: &str| Target::GatewaysAt(format!("/webhooks/nano?token={token}"));
    webhooks.open(LINE, target(token), None);
    webhooks.open(WRONG_LINE, target("of-somebody-else"), None);
}

pub(super) fn send(node: &Nano, dialect: Dialect, block: &Block, faults: &Faults) {
    let contents = block_json(block, dialect);
    let kind = if faults.unknown_events { "frobnicate" } else { block.kind.word() };
    let mut members = vec![
        ("account", Json::text(codec::address(&block.given.account))),
        ("hash", Json::text(codec::upper(&block.hash))),
    ];
    match dialect {
        Dialect::Cpp => {
            members.push(("block", Json::text(contents.pretty())));
            members.push(("amount", Json::text(block.amount.to_string())));
            members.push(("subtype", kind.into()));
        }
        Dialect::RsNano => {
            members.push(("block", contents));
            members.push(("amount", Json::text(block.amount.to_string())));
            members.push(("sub_type", kind.into()));
        }
    }
    if block.kind == Kind::Send {
        members.push(("is_send", "true".into()));
    }
    let whom = block.destination().unwrap_or(block.given.account);
    let hook = Hook {
        address: codec::address(&whom),
        hash: codec::upper(&block.hash),
        body: Json::object(members).compact(),
    };
    let line = if faults.bad_signature { WRONG_LINE } else { LINE };
    node.context.webhooks.send(line, std::sync::Arc::new(hook));
}

impl Nano {
    /// Cements a block with all that it stands on, and tells of it. Call it with the state locked, so that notices keep their order.
    pub(super) fn cement(&self, state: &mut State, hash: &Id) {
        for hash in state.ledger.confirm(hash) {
            self.tell(state, &hash);
        }
    }

    /// Tells of a cemented block, by socket and callback.
    pub(super) fn tell(&self, state: &State, hash: &Id) {
        let Some(block) = state.ledger.block(hash) else { return };
        let faults = self.context.faults.get();
        send(self, state.dialect, block, &faults);
        _ = self.notices.send(Notice::confirmed(block, self.now(), &faults));
    }
}

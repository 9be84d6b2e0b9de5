//! Whether the node is as payments need it. Reads only: no block is made, and no work is asked for that would cost anything.

use std::time::Duration;

use deposit_core::{AccountIndex, CheckItem, ErrorKind, Operation};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use url::Url;

use crate::address::Address;
use crate::api::{BlockCount, Frame, Quorum, Version};
use crate::block::Hash;
use crate::error::{Failed, NodeError};
use crate::provider::Nano;
use crate::work::Network;

const CHECK: Operation = Operation::Check;
/// More blocks than this that wait for another, or for their confirmation: the node is catching up.
const BEHIND: u128 = 100_000;
/// Longest wait for the websocket.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the node is asked for in daily work; and, in its place, something slower that does as well.
const ACTIONS: &[(&str, Option<&str>)] = &[
    ("accounts_receivable", Some("receivable")),
    ("receivable", None),
    ("accounts_frontiers", Some("account_info")),
    ("account_info", None),
    ("account_history", None),
    ("blocks_info", Some("block_info")),
    ("block_info", None),
];

fn question(action: &str, account: &str) -> Value {
    let hash = Hash::ZERO;
    match action {
        "accounts_receivable" => {
            json!({ "action": action, "accounts": [account], "count": "1", "threshold": "1", "source": "true" })
        }
        "receivable" => {
            json!({ "action": action, "account": account, "count": "1", "threshold": "1", "source": "true" })
        }
        "accounts_frontiers" => json!({ "action": action, "accounts": [account] }),
        "account_history" => json!({ "action": action, "account": account, "count": "1" }),
        "blocks_info" => {
            json!({ "action": action, "hashes": [hash], "json_block": "true", "include_not_found": "true" })
        }
        "block_info" => json!({ "action": action, "hash": hash, "json_block": "true" }),
        _ => json!({ "action": action, "account": account }),
    }
}

impl Nano {
    pub(crate) async fn look(&self) -> Vec<CheckItem> {
        let network = match self.client.call::<Version>(CHECK, json!({ "action": "version" })).await {
            Ok(version) => Network::of(&version.network),
            Err(failed) => {
                return vec![CheckItem::of_first(&failed.told(CHECK), "rpc_url", "rpc_authorization")];
            }
        };
        let mut items = vec![CheckItem::right("credentials")];
        let live = network == Network::Live;
        items.push(if live {
            CheckItem::right("network").seen("live")
        } else {
            CheckItem::advice(
                "network",
                "not the live network: its coins are worth nothing, and payments of the live one are not seen; fine for tests alone",
            )
            .seen(format!("{network:?}").to_lowercase())
        });
        items.push(self.synchronised().await);
        items.push(self.quorum(live).await);
        let account = self.seed.address(AccountIndex(1)).to_string();
        for (action, instead) in ACTIONS {
            items.push(self.action(action, *instead, &account).await);
        }
        items.push(self.work().await);
        if let Some(url) = &self.ws_url {
            items.push(socket(url).await);
        }
        items.push(self.representative(self.representative, live).await);
        items.push(CheckItem::right("seed").seen(format!("the first account's address is {account}")));
        items
    }

    async fn synchronised(&self) -> CheckItem {
        const WHAT: &str = "synchronised";
        match self.client.call::<BlockCount>(CHECK, json!({ "action": "block_count" })).await {
            Ok(BlockCount { count, unchecked, cemented }) => {
                let waiting = count.0.saturating_sub(cemented.map_or(count.0, |cemented| cemented.0));
                if unchecked.map_or(0, |unchecked| unchecked.0) > BEHIND || waiting > BEHIND {
                    CheckItem::wrong(
                        WHAT,
                        "the node is catching up with the network: payments are seen late; wait until `block_count` shows few unchecked blocks, and `cemented` close to `count`",
                    )
                } else {
                    CheckItem::right(WHAT).seen(format!("{} blocks", count.0))
                }
            }
            Err(failed) => CheckItem::of_later(WHAT, &failed.told(CHECK)),
        }
    }

    async fn quorum(&self, live: bool) -> CheckItem {
        const WHAT: &str = "quorum";
        let text = "too little voting weight is online in this node's view: nothing is confirmed, so nothing is credited; see that it has peers";
        match self.client.call::<Quorum>(CHECK, json!({ "action": "confirmation_quorum" })).await {
            Ok(Quorum { quorum_delta: Some(needed), online_stake_total: Some(online) }) => {
                if online.0 >= needed.0 {
                    CheckItem::right(WHAT)
                } else if live {
                    CheckItem::wrong(WHAT, text)
                } else {
                    CheckItem::advice(WHAT, text)
                }
            }
            Ok(_) => CheckItem::unknown(WHAT, "the node does not tell"),
            Err(failed) => CheckItem::of_later(WHAT, &failed.told(CHECK)),
        }
    }

    async fn action(&self, action: &str, instead: Option<&str>, account: &str) -> CheckItem {
        let what = format!("rpc {action}");
        match self.client.call::<Value>(CHECK, question(action, account)).await {
            Ok(_) => CheckItem::right(what),
            Err(failed) if failed.has_no_such_action() || is_disabled(&failed) => match instead {
                Some(instead) => CheckItem::advice(
                    what,
                    format!(
                        "the node, or a proxy before it, does not allow it: `{instead}` is asked one by one in its place, which is slow with many accounts"
                    ),
                ),
                None => CheckItem::wrong(
                    what,
                    "the node, or a proxy before it, does not allow it, and there is no other way: allow it, or use a newer node",
                ),
            },
            // An account that is not opened, a block that nobody knows: it is allowed.
            Err(Failed::Node(_)) => CheckItem::right(what),
            Err(failed) => CheckItem::of_later(what, &failed.told(CHECK)),
        }
    }

    async fn work(&self) -> CheckItem {
        const WHAT: &str = "work";
        match self.client.offers_work().await {
            Ok(()) => CheckItem::right(WHAT),
            Err(failed)
                if is_disabled(&failed) || matches!(failed, Failed::Node(NodeError::UnknownCommand)) =>
            {
                CheckItem::advice(
                    WHAT,
                    "nobody but this CPU makes work, some seconds for each payment that is taken in (credits do not wait for it): set `providers.nano.work_url`, or `enable_control` of the node",
                )
            }
            // It speaks, and would rather be asked otherwise.
            Err(Failed::Node(_)) => CheckItem::right(WHAT),
            Err(Failed::Call(error)) if matches!(error.kind(), ErrorKind::Rejected(_)) => CheckItem::unknown(
                WHAT,
                "it does not take the difficulty that was asked for: this CPU makes work where it gives none",
            ),
            Err(failed) => CheckItem::advice(
                WHAT,
                if *failed.told(CHECK).kind() == ErrorKind::Authentication {
                    "the work server refuses us: this CPU makes work; correct `providers.nano.work_url`"
                } else {
                    "no answer from where work is asked for: this CPU makes it; correct `providers.nano.work_url`"
                },
            ),
        }
    }

    async fn representative(&self, representative: Address, live: bool) -> CheckItem {
        const WHAT: &str = "representative";
        match self.client.account(CHECK, representative).await {
            Ok(None) if live => CheckItem::advice(
                WHAT,
                "the node knows no account of the address in `providers.nano.representative`: see that it is one that votes",
            ),
            Ok(_) => CheckItem::right(WHAT).seen(representative.to_string()),
            Err(failed) => CheckItem::of_later(WHAT, &failed.told(CHECK)),
        }
    }
}

fn is_disabled(failed: &Failed) -> bool {
    matches!(failed, Failed::Node(NodeError::Disabled))
}

/// Whether a node answers there.
async fn socket(url: &Url) -> CheckItem {
    let talk = async {
        let (mut socket, _) = connect_async(url.as_str()).await.ok()?;
        socket.send(Message::text(json!({ "action": "ping" }).to_string())).await.ok()?;
        loop {
            if let Message::Text(text) = socket.next().await?.ok()?
                && let Ok(Frame { ack: Some(ack), .. }) = serde_json::from_str(&text)
                && ack == "pong"
            {
                _ = socket.close(None).await;
                return Some(());
            }
        }
    };
    match timeout(PATIENCE, talk).await {
        Ok(Some(())) => CheckItem::right("websocket"),
        Ok(None) | Err(_) => CheckItem::wrong(
            "websocket",
            "no node answers at `providers.nano.ws_url`: switch `[node.websocket]` on there, correct the address, or leave the setting out; until then credits come with the next poll, seconds later",
        ),
    }
}

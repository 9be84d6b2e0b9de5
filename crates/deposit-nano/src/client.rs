//! Calls of the node. Every number and flag goes as text, which both implementations take.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deposit_core::{ConfigError, ErrorKind, Operation, ProviderError, Secret};
use deposit_transport::{HttpClient, HttpConfig, Method, Safety};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use url::Url;

use crate::address::Address;
use crate::api::{self, BlockInfo};
use crate::block::{Hash, StateBlock};
use crate::config::Checked;
use crate::error::{Failed, ID, NodeError};
use crate::work::{self, Network, Work};

/// How many sends of one account are asked for at first, and how many at most: a fixed count over dust would hide a payment.
const COUNTS: [usize; 3] = [64, 2_048, 16_384];
/// Blocks in one `blocks_info`.
pub(crate) const BLOCKS_AT_ONCE: usize = 64;
/// How long a work server may take, before this CPU does it.
const WORK_TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) struct Client {
    http: HttpClient,
    /// Another breaker and other time-outs: a work server that is down harms nobody's reads.
    work_http: HttpClient,
    rpc_url: Url,
    work_url: Option<Url>,
    authorization: Secret,
    network: OnceCell<Network>,
    /// Whether the work server, or the node, refused a difficulty as hex and made enough work without one: RsNano does.
    plain_work: AtomicBool,
}

/// Sends that wait, by their hashes.
pub(crate) type Waiting = BTreeMap<Hash, u128>;

fn protocol(operation: Operation) -> Failed {
    Failed::Call(ProviderError::new(ID, operation, ErrorKind::Protocol))
}

fn key<T: std::str::FromStr>(operation: Operation, text: &str) -> Result<T, Failed> {
    text.parse().map_err(|_| protocol(operation))
}

impl Client {
    pub(crate) fn new(config: &Checked, http: HttpConfig) -> Result<Self, ConfigError> {
        let mut work = http.clone();
        (work.timeout, work.read_timeout, work.deadline) = (WORK_TIMEOUT, WORK_TIMEOUT, WORK_TIMEOUT);
        work.max_tries = 1;
        let client = |http| {
            HttpClient::new(ID, http).map_err(|_| {
                ConfigError::new("providers.nano.rpc_url", "needs TLS, which this process does not have")
            })
        };
        Ok(Self {
            http: client(http)?,
            work_http: client(work)?,
            rpc_url: config.rpc_url.clone(),
            work_url: config.work_url.clone(),
            authorization: config.rpc_authorization.clone(),
            network: OnceCell::new(),
            plain_work: AtomicBool::new(false),
        })
    }

    async fn send<T: DeserializeOwned>(
        &self,
        http: &HttpClient,
        url: &Url,
        operation: Operation,
        body: &Value,
    ) -> Result<T, Failed> {
        // All of it may be repeated: `process` too, since a block's hash is its idempotency key.
        let mut request = http.request(operation, Safety::Idempotent, Method::POST, url.clone()).json(body);
        if *url == self.rpc_url && !self.authorization.is_empty() {
            request = request.secret_header("authorization", "", &self.authorization);
        }
        let answer = request.send().await.map_err(Failed::Call)?;
        match answer.json::<api::MaybeError>().map_err(Failed::Call)?.error {
            Some(text) => Err(Failed::Node(NodeError::of(&text))),
            None => answer.json().map_err(Failed::Call),
        }
    }

    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        operation: Operation,
        body: Value,
    ) -> Result<T, Failed> {
        self.send(&self.http, &self.rpc_url, operation, &body).await
    }

    /// Which network the node is of; asked once.
    pub(crate) async fn network(&self, operation: Operation) -> Result<&Network, Failed> {
        self.network
            .get_or_try_init(|| async {
                let version: api::Version = self.call(operation, json!({ "action": "version" })).await?;
                let network = Network::of(&version.network);
                if network != Network::Live {
                    tracing::warn!(
                        ?network,
                        "this Nano node is not of the live network: its coins are worth nothing"
                    );
                }
                Ok(network)
            })
            .await
    }

    pub(crate) async fn block_info(&self, operation: Operation, hash: Hash) -> Result<BlockInfo, Failed> {
        self.call(operation, json!({ "action": "block_info", "hash": hash, "json_block": "true" })).await
    }

    /// Those that the node knows of these blocks.
    pub(crate) async fn blocks(
        &self,
        operation: Operation,
        hashes: &[Hash],
    ) -> Result<BTreeMap<Hash, BlockInfo>, Failed> {
        let mut all = BTreeMap::new();
        for hashes in hashes.chunks(BLOCKS_AT_ONCE) {
            let body = json!({
                "action": "blocks_info",
                "hashes": hashes,
                "json_block": "true",
                "include_not_found": "true",
            });
            match self.call::<api::BlocksInfo>(operation, body).await {
                Ok(answer) => {
                    for (hash, info) in answer.blocks.0 {
                        all.insert(key(operation, &hash)?, info);
                    }
                }
                Err(error) if error.has_no_such_action() => {
                    for hash in hashes {
                        match self.block_info(operation, *hash).await {
                            Ok(info) => _ = all.insert(*hash, info),
                            Err(Failed::Node(NodeError::BlockNotFound)) => {}
                            Err(error) => return Err(error),
                        }
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    /// What waits at these addresses, from `threshold` raw on; unconfirmed sends too, unless `only_confirmed`.
    pub(crate) async fn waiting(
        &self,
        operation: Operation,
        addresses: &[Address],
        threshold: u128,
        only_confirmed: bool,
    ) -> Result<BTreeMap<Address, Waiting>, Failed> {
        let accounts: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        // Some nodes count the blocks of each account, others the accounts: more than there are addresses, so that neither cuts the answer unnoticed.
        let [least, ..] = COUNTS;
        let first = least.max(addresses.len().saturating_add(1));
        let body = receivable_options(
            "accounts_receivable",
            "accounts",
            json!(accounts),
            threshold,
            only_confirmed,
            first,
        );
        let mut all = BTreeMap::new();
        match self.call::<api::AccountsReceivable>(operation, body).await {
            Ok(answer) => {
                for (account, blocks) in answer.blocks.0 {
                    let address: Address = key(operation, &account)?;
                    let waiting = if blocks.0.len() >= first {
                        self.waiting_at(operation, address, threshold, only_confirmed).await?
                    } else {
                        by_hash(operation, blocks)?
                    };
                    all.insert(address, waiting);
                }
            }
            // A public provider, or an old node: one by one.
            Err(error) if error.has_no_such_action() => {
                for address in addresses {
                    let waiting = self.waiting_at(operation, *address, threshold, only_confirmed).await?;
                    all.insert(*address, waiting);
                }
            }
            Err(error) => return Err(error),
        }
        Ok(all)
    }

    /// As [`Client::waiting`] for one address, however much waits there.
    pub(crate) async fn waiting_at(
        &self,
        operation: Operation,
        address: Address,
        threshold: u128,
        only_confirmed: bool,
    ) -> Result<Waiting, Failed> {
        let mut waiting = Waiting::new();
        for count in COUNTS {
            let account = json!(address.to_string());
            let body = receivable_options("receivable", "account", account, threshold, only_confirmed, count);
            let answer: api::Receivable = self.call(operation, body).await?;
            waiting = by_hash(operation, answer.blocks)?;
            if waiting.len() < count {
                return Ok(waiting);
            }
        }
        tracing::warn!(%address, count = waiting.len(), "more waits at this address than is asked for: the largest are taken first");
        Ok(waiting)
    }

    /// Head and balance; `None` for an account without a block.
    pub(crate) async fn account(
        &self,
        operation: Operation,
        address: Address,
    ) -> Result<Option<api::AccountInfo>, Failed> {
        let body =
            json!({ "action": "account_info", "account": address.to_string(), "representative": "true" });
        match self.call(operation, body).await {
            Ok(info) => Ok(Some(info)),
            Err(Failed::Node(NodeError::AccountNotFound)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The newest block of each of these accounts that has one.
    pub(crate) async fn frontiers(
        &self,
        operation: Operation,
        addresses: &[Address],
    ) -> Result<BTreeMap<Address, Hash>, Failed> {
        let accounts: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        let body = json!({ "action": "accounts_frontiers", "accounts": accounts });
        match self.call::<api::AccountsFrontiers>(operation, body).await {
            Ok(answer) => {
                let all = answer.frontiers.0.into_iter();
                all.map(|(account, head)| Ok((key(operation, &account)?, head))).collect()
            }
            // An old node says this of all of them where one has no block.
            Err(error) if error.has_no_such_action() || error.is_account_not_found() => {
                let mut all = BTreeMap::new();
                for address in addresses {
                    all.extend(self.account(operation, *address).await?.map(|a| (*address, a.frontier)));
                }
                Ok(all)
            }
            Err(error) => Err(error),
        }
    }

    /// One page of the blocks of an account, newest first.
    pub(crate) async fn history(
        &self,
        operation: Operation,
        address: Address,
        head: Option<Hash>,
        count: usize,
    ) -> Result<api::History, Failed> {
        let mut body = json!({ "action": "account_history", "account": address.to_string(), "count": count.to_string() });
        if let (Some(head), Some(body)) = (head, body.as_object_mut()) {
            body.insert("head".to_owned(), json!(head));
        }
        match self.call(operation, body).await {
            Err(Failed::Node(NodeError::AccountNotFound)) => {
                Ok(api::History { history: vec![], previous: None })
            }
            answer => answer,
        }
    }

    /// Asks for an election. Best effort.
    pub(crate) async fn confirm(&self, operation: Operation, hash: Hash) {
        let asked = self.call::<Value>(operation, json!({ "action": "block_confirm", "hash": hash })).await;
        if let Err(error) = asked {
            tracing::debug!(%hash, ?error, "no election was started");
        }
    }

    /// Publishes a block of ours. Always with its subtype: on a wrong balance the node then refuses, instead of sending money away.
    pub(crate) async fn process(
        &self,
        block: &StateBlock,
        signature: &[u8; 64],
        work: Work,
    ) -> Result<Hash, Failed> {
        let subtype = if block.previous == Hash::ZERO { "open" } else { "receive" };
        let body = json!({
            "action": "process",
            "json_block": "true",
            "subtype": subtype,
            "block": {
                "type": "state",
                "account": block.account.to_string(),
                "previous": block.previous,
                "representative": block.representative.to_string(),
                "balance": block.balance.to_string(),
                "link": block.link,
                "signature": hex::encode_upper(signature),
                "work": work.to_string(),
            },
        });
        self.call::<api::Processed>(Operation::Receive, body).await.map(|answer| answer.hash)
    }

    /// Whether the work server, or else the node, makes work: asked for one that any nonce is enough for.
    pub(crate) async fn offers_work(&self) -> Result<(), Failed> {
        let body = json!({
            "action": "work_generate",
            "hash": Hash::ZERO,
            "difficulty": "0000000000000000",
        });
        let url = self.work_url.as_ref().unwrap_or(&self.rpc_url);
        self.send::<Value>(&self.http, url, Operation::Check, &body).await.map(|_| ())
    }

    /// Work for a receive or open block: from the work server, else the node, else this CPU. What others give is checked.
    pub(crate) async fn work(&self, root: [u8; 32]) -> Result<Work, Failed> {
        let threshold = self.network(Operation::Receive).await?.receive_threshold();
        let plain = json!({ "action": "work_generate", "hash": hex::encode_upper(root) });
        let mut exact = plain.clone();
        if let Some(members) = exact.as_object_mut() {
            members.insert("difficulty".to_owned(), json!(format!("{threshold:016x}")));
        }
        for url in self.work_url.iter().chain([&self.rpc_url]) {
            // What was taken the last time first; what a node asks of itself without being told is at least as much.
            let known = self.plain_work.load(Ordering::Relaxed);
            let dialects =
                if known { [(&plain, true), (&exact, false)] } else { [(&exact, false), (&plain, true)] };
            for (body, without) in dialects {
                let answer =
                    self.send::<api::Generated>(&self.work_http, url, Operation::Receive, body).await;
                match answer.map(|found| found.work.parse::<Work>()) {
                    Ok(Ok(work)) if work.is_enough(&root, threshold) => {
                        self.plain_work.store(without, Ordering::Relaxed);
                        return Ok(work);
                    }
                    Ok(_) => {
                        tracing::warn!("a work server gives work that is not enough");
                        break;
                    }
                    Err(error) => {
                        tracing::debug!(?error, without, "no work from a server");
                        // Not a matter of the request's form: another one would fare no better.
                        if !error.is_about_the_request() {
                            break;
                        }
                    }
                }
            }
        }
        work::generate(root, threshold).await.ok_or_else(|| {
            let kind = ErrorKind::Transient { retry_after: None };
            Failed::Call(ProviderError::new(ID, Operation::Receive, kind))
        })
    }
}

/// With `source`, so that amounts come along; the largest first, so that dust hides nothing.
fn receivable_options(
    action: &str,
    whose: &str,
    accounts: Value,
    threshold: u128,
    only_confirmed: bool,
    count: usize,
) -> Value {
    let flag = |yes: bool| if yes { "true" } else { "false" };
    json!({
        "action": action,
        whose: accounts,
        "count": count.to_string(),
        "threshold": threshold.to_string(),
        "source": "true",
        "sorting": "true",
        "include_only_confirmed": flag(only_confirmed),
        "include_active": flag(!only_confirmed),
    })
}

fn by_hash(operation: Operation, blocks: api::Entries<api::Waiting>) -> Result<Waiting, Failed> {
    blocks.0.into_iter().map(|(hash, waiting)| Ok((key(operation, &hash)?, waiting.amount.0))).collect()
}

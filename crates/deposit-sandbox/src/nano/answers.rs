//! The answers of the RPC that only read.

use super::args::{Args, Refusal};
use super::blocks::{Dialect, block_json};
use super::codec;
use super::codec::Id;
use super::ledger::{Block, GENESIS_HASH, Kind, Ledger};
use crate::json::Json;

type Answer = Result<Json, Refusal>;

/// An object, or what the C++ node's writer makes of an empty one.
fn object(members: Vec<(String, Json)>, dialect: Dialect) -> Json {
    if members.is_empty() && dialect == Dialect::Cpp { "".into() } else { Json::Object(members) }
}

fn list(items: Vec<Json>, dialect: Dialect) -> Json {
    if items.is_empty() && dialect == Dialect::Cpp { "".into() } else { Json::List(items) }
}

fn number(value: impl ToString) -> Json {
    Json::text(value.to_string())
}

pub(super) fn version(dialect: Dialect) -> Json {
    let vendor = match dialect {
        Dialect::Cpp => "Nano V28.2",
        Dialect::RsNano => "RsNano V3.0",
    };
    Json::object([
        ("rpc_version", "1".into()),
        ("store_version", "24".into()),
        ("protocol_version", "21".into()),
        ("node_vendor", vendor.into()),
        ("store_vendor", "LMDB 0.9.70".into()),
        ("network", "dev".into()),
        ("network_identifier", GENESIS_HASH.into()),
        ("build_info", "emulated".into()),
    ])
}

pub(super) fn block_count(ledger: &Ledger, behind: bool) -> Json {
    let (count, cemented) = ledger.count();
    let unchecked = if behind { 5_000_000 } else { 0 };
    Json::object([("count", number(count)), ("unchecked", number(unchecked)), ("cemented", number(cemented))])
}

pub(super) fn quorum(behind: bool) -> Json {
    let stake = if behind { "0".to_owned() } else { u128::MAX.to_string() };
    Json::object([
        ("quorum_delta", number(u128::MAX / 100 * 67)),
        ("online_weight_quorum_percent", "67".into()),
        ("online_weight_minimum", number(60_000_000_u128 * 10_u128.pow(30))),
        ("online_stake_total", Json::text(stake.clone())),
        ("trended_stake_total", Json::text(stake.clone())),
        ("peers_stake_total", Json::text(stake)),
    ])
}

/// What waits, by the options of a request.
struct Wanted {
    count: usize,
    threshold: Option<u128>,
    source: bool,
    sorting: bool,
    only_confirmed: bool,
    active: bool,
    offset: usize,
}

impl Wanted {
    fn read(args: &Args<'_>) -> Result<Self, Refusal> {
        Ok(Self {
            count: args.count("count")?.unwrap_or(usize::MAX),
            threshold: args.raw("threshold")?,
            source: args.flag("source", false)?,
            sorting: args.flag("sorting", false)?,
            only_confirmed: args.flag("include_only_confirmed", true)?,
            active: args.flag("include_active", false)?,
            offset: args.count("offset")?.unwrap_or(0),
        })
    }

    fn find<'a>(&self, ledger: &'a Ledger, account: &Id) -> Vec<&'a Block> {
        let mut blocks = ledger.waiting(account);
        // What is not cemented is being voted on all the time here.
        blocks.retain(|block| block.confirmed || (!self.only_confirmed && self.active));
        blocks.retain(|block| self.threshold.is_none_or(|threshold| block.amount >= threshold));
        if self.sorting {
            blocks.sort_by_key(|block| std::cmp::Reverse(block.amount));
        }
        blocks.into_iter().skip(self.offset).take(self.count).collect()
    }

    fn json(&self, blocks: &[&Block], dialect: Dialect) -> Json {
        let hash = |block: &Block| codec::upper(&block.hash);
        if self.source {
            let entry = |block: &&Block| {
                let source = Json::object([
                    ("amount", number(block.amount)),
                    ("source", Json::text(codec::address(&block.given.account))),
                ]);
                (hash(block), source)
            };
            object(blocks.iter().map(entry).collect(), dialect)
        } else if self.threshold.is_some() || self.sorting {
            object(blocks.iter().map(|block| (hash(block), number(block.amount))).collect(), dialect)
        } else {
            list(blocks.iter().map(|block| Json::text(hash(block))).collect(), dialect)
        }
    }
}

pub(super) fn receivable(ledger: &Ledger, args: &Args<'_>, dialect: Dialect, behind: bool) -> Answer {
    let account = args.account("account")?;
    let wanted = Wanted::read(args)?;
    let blocks = if behind { vec![] } else { wanted.find(ledger, &account) };
    Ok(Json::object([("blocks", wanted.json(&blocks, dialect))]))
}

pub(super) fn accounts_receivable(
    ledger: &Ledger,
    args: &Args<'_>,
    dialect: Dialect,
    behind: bool,
) -> Answer {
    let wanted = Wanted::read(args)?;
    let mut all = Vec::new();
    for text in args.list("accounts") {
        let account = codec::key_of(&text).ok_or(Refusal::Error("Bad account number"))?;
        let blocks = if behind { vec![] } else { wanted.find(ledger, &account) };
        if !blocks.is_empty() {
            all.push((codec::address(&account), wanted.json(&blocks, dialect)));
        }
        // Seen on the real programs: the C++ node counts blocks for each account, RsNano counts accounts.
        if dialect == Dialect::RsNano && all.len() >= wanted.count {
            break;
        }
    }
    Ok(Json::object([("blocks", object(all, dialect))]))
}

/// The sum of what waits; of 128 bits, since there is no more.
fn waits(ledger: &Ledger, account: &Id, only_confirmed: bool) -> u128 {
    let blocks = ledger.waiting(account).into_iter().filter(|block| block.confirmed || !only_confirmed);
    blocks.fold(0_u128, |sum, block| sum.saturating_add(block.amount))
}

pub(super) fn account_info(ledger: &Ledger, args: &Args<'_>) -> Answer {
    let account = args.account("account")?;
    let head = ledger.head(&account).ok_or(Refusal::Error("Account not found"))?;
    let confirmed = ledger.confirmed_head(&account);
    let mut first = head;
    while let Some(before) = ledger.block(&first.given.previous) {
        first = before;
    }
    let mut members = vec![
        ("frontier", Json::text(codec::upper(&head.hash))),
        ("open_block", Json::text(codec::upper(&first.hash))),
        ("representative_block", Json::text(codec::upper(&head.hash))),
        ("balance", number(head.given.balance)),
        ("modified_timestamp", number(head.at)),
        ("block_count", number(head.height)),
        ("account_version", "0".into()),
        ("confirmation_height", number(confirmed.map_or(0, |block| block.height))),
        (
            "confirmation_height_frontier",
            Json::text(codec::upper(&confirmed.map_or(codec::ZERO, |block| block.hash))),
        ),
    ];
    let include_confirmed = args.flag("include_confirmed", false)?;
    if include_confirmed {
        members.push(("confirmed_balance", number(confirmed.map_or(0, |block| block.given.balance))));
        members.push(("confirmed_height", number(confirmed.map_or(0, |block| block.height))));
        let frontier = confirmed.map_or(codec::ZERO, |block| block.hash);
        members.push(("confirmed_frontier", Json::text(codec::upper(&frontier))));
    }
    if args.flag("representative", false)? {
        members.push(("representative", Json::text(codec::address(&head.given.representative))));
    }
    if args.flag("receivable", false)? {
        members.push(("receivable", number(waits(ledger, &account, false))));
        if include_confirmed {
            members.push(("confirmed_receivable", number(waits(ledger, &account, true))));
        }
    }
    Ok(Json::object(members))
}

pub(super) fn balance(
    ledger: &Ledger,
    account: &Id,
    args: &Args<'_>,
) -> Result<[(&'static str, Json); 3], Refusal> {
    let only_confirmed = args.flag("include_only_confirmed", true)?;
    let head = if only_confirmed { ledger.confirmed_head(account) } else { ledger.head(account) };
    let waits = number(waits(ledger, account, only_confirmed));
    let balance = number(head.map_or(0, |head| head.given.balance));
    Ok([("balance", balance), ("pending", waits.clone()), ("receivable", waits)])
}

pub(super) fn accounts_balances(ledger: &Ledger, args: &Args<'_>, dialect: Dialect) -> Answer {
    let (mut balances, mut errors) = (Vec::new(), Vec::new());
    for text in args.list("accounts") {
        match codec::key_of(&text) {
            Some(account) => {
                balances.push((codec::address(&account), Json::object(balance(ledger, &account, args)?)));
            }
            None => errors.push((text, Json::text("Bad account number"))),
        }
    }
    let mut members = vec![("balances", object(balances, dialect))];
    if !errors.is_empty() {
        members.push(("errors", Json::Object(errors)));
    }
    Ok(Json::object(members))
}

pub(super) fn accounts_frontiers(ledger: &Ledger, args: &Args<'_>, dialect: Dialect) -> Json {
    let (mut frontiers, mut errors) = (Vec::new(), Vec::new());
    for text in args.list("accounts") {
        match codec::key_of(&text).map(|account| ledger.head(&account)) {
            Some(Some(head)) => frontiers.push((text, Json::text(codec::upper(&head.hash)))),
            Some(None) => errors.push((text, Json::text("Account not found"))),
            None => errors.push((text, Json::text("Bad account number"))),
        }
    }
    let mut members = vec![("frontiers", object(frontiers, dialect))];
    if !errors.is_empty() {
        members.push(("errors", Json::Object(errors)));
    }
    Json::object(members)
}

pub(super) fn account_history(ledger: &Ledger, args: &Args<'_>, dialect: Dialect) -> Answer {
    let account = args.account("account")?;
    let count = args.count("count")?.ok_or(Refusal::Error("Invalid count limit"))?;
    let raw = args.flag("raw", false)?;
    let reverse = args.flag("reverse", false)?;
    let offset = args.count("offset")?.unwrap_or(0);
    let newest = ledger.head(&account).ok_or(Refusal::Error("Account not found"))?;
    let mut chain = vec![newest];
    while let Some(before) = chain.last().and_then(|block| ledger.block(&block.given.previous)) {
        chain.push(before);
    }
    if reverse {
        chain.reverse();
    }
    if args.text("head")?.is_some() {
        let head = args.hash("head", "Invalid block hash")?;
        let at =
            chain.iter().position(|block| block.hash == head).ok_or(Refusal::Error("Block not found"))?;
        chain.drain(..at);
    }
    // Changes are in the raw form only.
    let shown = |block: &&&Block| raw || block.kind != Kind::Change;
    let mut rest = chain.iter().skip(offset);
    let lines = rest.by_ref().take(count).filter(shown).map(|block| history_line(ledger, block, raw));
    let lines: Vec<Json> = lines.collect();
    let mut members =
        vec![("account", Json::text(codec::address(&account))), ("history", list(lines, dialect))];
    if let Some(next) = rest.next() {
        let name = if reverse { "next" } else { "previous" };
        members.push((name, Json::text(codec::upper(&next.hash))));
    }
    Ok(Json::object(members))
}

fn history_line(ledger: &Ledger, block: &Block, raw: bool) -> Json {
    let other = match block.kind {
        Kind::Send => block.given.link,
        Kind::Open | Kind::Receive => {
            ledger.block(&block.given.link).map_or(block.given.account, |send| send.given.account)
        }
        Kind::Change => block.given.representative,
    };
    let kind = if block.kind == Kind::Send { "send" } else { "receive" };
    let mut members = vec![
        ("type", if raw { "state".into() } else { Json::text(kind) }),
        ("account", Json::text(codec::address(&other))),
        ("amount", number(block.amount)),
        ("local_timestamp", number(block.at)),
        ("height", number(block.height)),
        ("hash", Json::text(codec::upper(&block.hash))),
        ("confirmed", Json::text(block.confirmed.to_string())),
    ];
    if raw {
        members.extend([
            ("subtype", Json::text(block.kind.word())),
            ("representative", Json::text(codec::address(&block.given.representative))),
            ("link", Json::text(codec::upper(&block.given.link))),
            ("balance", number(block.given.balance)),
            ("previous", Json::text(codec::upper(&block.given.previous))),
        ]);
    }
    Json::object(members)
}

fn info_members(block: &Block, inline: bool, dialect: Dialect, unknown: bool) -> Vec<(&'static str, Json)> {
    let contents = block_json(block, dialect);
    let confirmed = if unknown { "mostly".to_owned() } else { block.confirmed.to_string() };
    vec![
        ("block_account", Json::text(codec::address(&block.given.account))),
        ("amount", number(block.amount)),
        ("balance", number(block.given.balance)),
        ("height", number(block.height)),
        ("local_timestamp", number(block.at)),
        ("successor", Json::text(codec::upper(&block.successor))),
        ("confirmed", Json::text(confirmed)),
        ("contents", if inline { contents } else { Json::text(contents.pretty()) }),
        ("subtype", Json::text(block.kind.word())),
    ]
}

pub(super) fn block_info(block: &Block, args: &Args<'_>, dialect: Dialect, unknown: bool) -> Answer {
    Ok(Json::object(info_members(block, args.flag("json_block", false)?, dialect, unknown)))
}

pub(super) fn blocks_info<'a>(
    known: impl Fn(&Id) -> Option<&'a Block>,
    args: &Args<'_>,
    dialect: Dialect,
    unknown: bool,
) -> Answer {
    let inline = args.flag("json_block", false)?;
    let include_not_found = args.flag("include_not_found", false)?;
    let receive_hash = args.flag("receive_hash", false)?;
    let (mut blocks, mut missing) = (Vec::new(), Vec::new());
    for text in args.list("hashes") {
        let hash = codec::id_of(&text).ok_or(Refusal::Error("Bad hash number"))?;
        match known(&hash) {
            Some(block) => {
                let mut members = info_members(block, inline, dialect, unknown);
                if receive_hash {
                    members.push(("receive_hash", Json::text(codec::upper(&block.received_by))));
                }
                blocks.push((codec::upper(&hash), Json::object(members)));
            }
            None if include_not_found => missing.push(Json::text(codec::upper(&hash))),
            None => return Err(Refusal::Error("Block not found")),
        }
    }
    let mut members = vec![("blocks", object(blocks, dialect))];
    if include_not_found {
        members.push(("blocks_not_found", list(missing, dialect)));
    }
    Ok(Json::object(members))
}

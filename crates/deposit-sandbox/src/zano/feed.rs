//! The wallet's list of transactions, and its other views of the same.

use std::collections::BTreeMap;

use super::ZANO_ID;
use super::chain::{Place, Spend, Transaction};
use super::reply::{Params, Refusal, whole};
use super::state::State;
use crate::json::Json;

const OLDEST_FIRST: &str = "FROM_BEGIN_TO_END";
const MINIMUM_FEE: u64 = 10_000_000_000;

/// `get_recent_txs_and_info3`
pub(super) fn recent(state: &State, params: &Params) -> Result<Json, Refusal> {
    let (offset, count) = (params.whole("offset")?, params.whole("count")?);
    // Anything else begins at the newest.
    let oldest_first = params.text("order")? == OLDEST_FIRST;
    let without_mining = params.flag("exclude_mining_txs")?;
    let without_pool = params.flag("exclude_unconfirmed")?;
    // Filled whatever is asked for.
    params.flag("update_provision_info")?;
    let mut result = vec![("pi", provision(state))];

    let mut listed = Vec::new();
    if offset == 0 && !without_pool {
        listed.extend(state.chain.unconfirmed(state.now).map(|tx| entry(state, tx, 0)));
    }
    let mut history = if state.blank { Vec::new() } else { state.chain.history() };
    if !oldest_first {
        history.reverse();
    }
    let mut last = 0;
    let fits = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let skip = usize::try_from(offset).unwrap_or(usize::MAX);
    for (index, tx) in history.iter().enumerate().skip(skip) {
        // The wallet looks at the count after it has added one.
        if count == 0 {
            break;
        }
        if without_mining && tx.mining {
            continue;
        }
        listed.push(entry(state, tx, fits(index)));
        last = fits(index);
        if fits(listed.len()) >= count {
            break;
        }
    }
    result.extend([
        ("transfers", Json::List(listed)),
        ("total_transfers", whole(fits(history.len()))),
        ("last_item_index", whole(last)),
    ]);
    Ok(Json::object(result))
}

fn provision(state: &State) -> Json {
    let history = state.chain.history();
    let count = u64::try_from(history.len()).unwrap_or(0);
    let balance = super::wallet::balance(state, ZANO_ID);
    Json::object([
        ("balance", whole(balance)),
        ("unlocked_balance", whole(balance)),
        ("transfers_count", whole(count)),
        ("transfer_entries_count", whole(count)),
        ("curent_height", whole(state.chain.seen_height())),
    ])
}

/// One transaction; `index` from the end that was asked for.
pub(super) fn entry(state: &State, tx: &Transaction, index: u64) -> Json {
    let (height, time) = match tx.place {
        Place::Block(height) => (height, tx.block_time),
        // A detached one keeps the height of the block that it was in.
        Place::Pool | Place::Nowhere => (tx.told_height, tx.heard),
    };
    let mut groups: BTreeMap<&str, Vec<Json>> = BTreeMap::new();
    for spend in &tx.spends {
        groups.entry(&spend.payment_id).or_default().push(Json::object([
            ("amount", whole(spend.amount)),
            ("asset_id", Json::text(&spend.asset_id)),
            ("is_income", Json::Bool(spend.income)),
        ]));
    }
    let groups = groups.into_iter().map(|(id, lines)| {
        let id = if state.shouting { id.to_uppercase() } else { id.to_owned() };
        Json::object([("payment_id", Json::Text(id)), ("subtransfers", Json::List(lines))])
    });
    let (received, spent): (Vec<_>, Vec<_>) =
        tx.spends.iter().enumerate().partition(|(_, spend)| spend.income);
    let employed = |spends: Vec<(usize, &Spend)>| Json::List(spends.into_iter().map(employed).collect());
    let tx_type = if tx.mining { 6 } else { 0 };
    Json::object([
        ("tx_hash", Json::text(&tx.hash)),
        ("height", whole(height)),
        ("timestamp", Json::int(time)),
        ("unlock_time", whole(tx.unlock_time)),
        ("fee", whole(if tx.mining { 0 } else { MINIMUM_FEE })),
        ("comment", Json::text("")),
        ("is_mining", Json::Bool(tx.mining)),
        ("is_mixing", Json::Bool(false)),
        ("is_service", Json::Bool(false)),
        ("tx_type", whole(tx_type)),
        ("tx_blob_size", whole(1_417)),
        ("show_sender", Json::Bool(false)),
        ("transfer_internal_index", whole(index)),
        ("employed_entries", Json::object([("receive", employed(received)), ("spent", employed(spent))])),
        ("subtransfers_by_pid", Json::List(groups.collect())),
    ])
}

fn employed((index, spend): (usize, &Spend)) -> Json {
    let bytes = hex::decode(&spend.payment_id).ok().and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
    Json::object([
        ("amount", whole(spend.amount)),
        ("asset_id", Json::text(&spend.asset_id)),
        ("index", whole(u64::try_from(index).unwrap_or(0))),
        // The same bytes, read as a little-endian number.
        ("payment_id", whole(bytes.map_or(0, u64::from_le_bytes))),
    ])
}

/// `search_for_transactions2`
pub(super) fn search(state: &State, params: &Params) -> Result<Json, Refusal> {
    let wanted = params.text("tx_id")?;
    let by_height = params.flag("filter_by_height")?;
    let heights = params.whole("min_height")?..=params.whole("max_height")?;
    let (incoming, outgoing, pool) = (params.flag("in")?, params.flag("out")?, params.flag("pool")?);
    let named = |tx: &&Transaction| wanted.is_empty() || tx.hash == wanted.to_lowercase();
    let within = |tx: &&Transaction| {
        !by_height || matches!(tx.place, Place::Block(height) if heights.contains(&height))
    };
    let listed = |yes: bool, income: bool| {
        let history = state.chain.history();
        let side = |tx: &&Transaction| yes && tx.spends.iter().any(|spend| spend.income == income);
        let found = history.into_iter().filter(|tx| side(tx) && named(tx) && within(tx));
        Json::List(found.map(|tx| entry(state, tx, 0)).collect())
    };
    let pooled = state.chain.pool().filter(|tx| pool && named(tx)).map(|tx| entry(state, tx, 0));
    Ok(Json::object([
        ("in", listed(incoming, true)),
        ("out", listed(outgoing, false)),
        ("pool", Json::List(pooled.collect())),
    ]))
}

/// `get_payments` and `get_bulk_payments`: the native coin alone, without what is unconfirmed.
pub(super) fn payments(state: &State, ids: &[String], min_height: u64) -> Result<Json, Refusal> {
    if ids.iter().any(|id| hex::decode(id).is_err()) {
        return Err(Refusal::WRONG_PAYMENT_ID);
    }
    let mut found = Vec::new();
    for tx in state.chain.history() {
        let Place::Block(height) = tx.place else { continue };
        for id in ids {
            let mut of_id =
                tx.spends.iter().filter(|s| s.income && s.payment_id == id.to_lowercase()).peekable();
            if height < min_height || of_id.peek().is_none() {
                continue;
            }
            let native = of_id.filter(|spend| spend.asset_id == ZANO_ID);
            let amount = native.fold(0_u64, |sum, spend| sum.saturating_add(spend.amount));
            found.push(Json::object([
                ("payment_id", Json::text(id)),
                ("tx_hash", Json::text(&tx.hash)),
                ("amount", whole(amount)),
                ("block_height", whole(height)),
                ("unlock_time", whole(tx.unlock_time)),
            ]));
        }
    }
    Ok(Json::object([("payments", Json::List(found))]))
}

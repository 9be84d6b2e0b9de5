//! The wallet's methods.

use super::chain::Place;
use super::reply::{Params, Refusal, whole};
use super::state::{AssetFacts, State};
use super::{address, feed};
use crate::json::Json;

type Answer = Result<Json, Refusal>;

/// Those that fail on newer transactions, or lose assets.
pub(super) const DEPRECATED: &[&str] =
    &["get_recent_txs_and_info", "get_recent_txs_and_info2", "search_for_transactions"];

pub(super) fn call(state: &mut State, method: &str, params: &Params) -> Answer {
    match method {
        "getaddress" => Ok(Json::object([("address", Json::Text(address::standard(&state.keys)))])),
        "get_wallet_info" => info(state),
        "make_integrated_address" => make(state, params),
        "split_integrated_address" => split(params),
        "getbalance" => Ok(balances(state)),
        "assets_whitelist_add" => whitelist(state, params),
        "assets_whitelist_remove" => {
            let id = params.text("asset_id")?;
            let was = state.whitelist.len();
            state.whitelist.retain(|listed| *listed != id);
            Ok(Json::object([("status", status(state.whitelist.len() < was))]))
        }
        "assets_whitelist_get" => {
            let listed = state.assets.iter().filter(|asset| state.whitelist.contains(&asset.id));
            Ok(Json::object([("local_whitelist", Json::List(listed.map(AssetFacts::json).collect()))]))
        }
        "get_recent_txs_and_info3" => feed::recent(state, params),
        "search_for_transactions2" => feed::search(state, params),
        "get_payments" => feed::payments(state, &[params.text("payment_id")?], 0),
        "get_bulk_payments" => {
            feed::payments(state, &params.texts("payment_ids")?, params.whole("min_block_height")?)
        }
        "force_rescan_tx_pool" | "store" => Ok(Json::object([("status", Json::text("OK"))])),
        deprecated if DEPRECATED.contains(&deprecated) => {
            state.deprecated_calls.push(deprecated.to_owned());
            Err(Refusal::DEPRECATED)
        }
        _ => Err(Refusal::UNKNOWN_METHOD),
    }
}

pub(super) fn status(found: bool) -> Json {
    Json::text(if found { "OK" } else { "NOT_FOUND" })
}

fn info(state: &State) -> Answer {
    let count = u64::try_from(state.chain.history().len()).unwrap_or(0);
    Ok(Json::object([
        ("address", Json::Text(address::standard(&state.keys))),
        ("current_height", whole(state.chain.seen_height())),
        ("transfers_count", whole(count)),
        ("transfer_entries_count", whole(count)),
        ("is_whatch_only", Json::Bool(true)),
        ("has_bare_unspent_outputs", Json::Bool(false)),
        ("path", Json::text("/wallet/deposits.zan")),
    ]))
}

/// An address for an id: nothing is kept of it by a real wallet.
fn make(state: &mut State, params: &Params) -> Answer {
    let asked = params.text("payment_id")?;
    let id = if asked.is_empty() { state.draw_id() } else { asked };
    let bytes = hex::decode(&id).map_err(|_| Refusal::WRONG_PAYMENT_ID)?;
    if bytes.is_empty() || bytes.len() > 8 {
        return Err(Refusal::WRONG_PAYMENT_ID);
    }
    // Shorter ones are padded on the left.
    let mut padded = vec![0; 8 - bytes.len()];
    padded.extend(bytes);
    let id = hex::encode(&padded);
    if !state.orders.contains(&id) {
        state.orders.push(id.clone());
    }
    let shown = if state.shouting { id.to_uppercase() } else { id };
    Ok(Json::object([
        ("integrated_address", Json::Text(address::integrated(&state.keys, &padded))),
        ("payment_id", Json::Text(shown)),
    ]))
}

fn split(params: &Params) -> Answer {
    let (keys, id) = address::decode(&params.text("integrated_address")?).ok_or(Refusal::WRONG_ADDRESS)?;
    Ok(Json::object([
        ("standard_address", Json::Text(address::standard(&keys))),
        ("payment_id", Json::Text(hex::encode(id))),
    ]))
}

fn whitelist(state: &mut State, params: &Params) -> Answer {
    let id = params.text("asset_id")?.to_lowercase();
    if id.len() != 64 || hex::decode(&id).is_err() {
        return Err(Refusal::WRONG_ARGUMENT);
    }
    let Some(asset) = state.assets.iter().find(|asset| asset.id == id) else {
        return Ok(Json::object([("status", status(false))]));
    };
    let answer = Json::object([("status", status(true)), ("asset_descriptor", asset.json())]);
    if !state.whitelist.contains(&id) {
        state.whitelist.push(id);
    }
    Ok(answer)
}

/// What is in blocks, in smallest units.
pub(super) fn balance(state: &State, asset_id: &str) -> u64 {
    let history = state.chain.history();
    let all = history.iter().flat_map(|tx| &tx.spends).filter(|spend| spend.asset_id == asset_id);
    let (mut came, mut went) = (0_u64, 0_u64);
    for spend in all {
        let side = if spend.income { &mut came } else { &mut went };
        *side = side.saturating_add(spend.amount);
    }
    came.saturating_sub(went)
}

/// Of what is in the pool.
fn awaiting(state: &State, asset_id: &str) -> u64 {
    let spends =
        state.chain.transactions.iter().filter(|tx| tx.place == Place::Pool).flat_map(|tx| &tx.spends);
    let mine = spends.filter(|spend| spend.income && spend.asset_id == asset_id);
    mine.fold(0, |sum, spend| sum.saturating_add(spend.amount))
}

/// Assets on the whitelist alone.
fn balances(state: &State) -> Json {
    let listed = state.assets.iter().filter(|asset| state.whitelist.contains(&asset.id)).map(|asset| {
        let total = balance(state, &asset.id);
        Json::object([
            ("asset_info", asset.json()),
            ("total", whole(total)),
            ("unlocked", whole(total)),
            ("awaiting_in", whole(awaiting(state, &asset.id))),
            ("awaiting_out", whole(0)),
        ])
    });
    let native = balance(state, super::ZANO_ID);
    Json::object([
        ("balance", whole(native)),
        ("unlocked_balance", whole(native)),
        ("balances", Json::List(listed.collect())),
    ])
}

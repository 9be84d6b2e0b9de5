//! The daemon's methods.

use super::address;
use super::chain::Place;
use super::reply::{Params, Refusal, whole};
use super::state::State;
use super::wallet::status;
use crate::json::Json;

/// Online, and synchronizing.
const ONLINE: u64 = 2;
const SYNCHRONIZING: u64 = 1;

pub(super) fn call(
    state: &State,
    method: &str,
    params: &Params,
    synchronized: bool,
) -> Result<Json, Refusal> {
    let top = whole(state.chain.height.saturating_add(1));
    let ok = ("status", Json::text("OK"));
    match method {
        "getinfo" => {
            params.whole("flags")?;
            let network = if synchronized { ONLINE } else { SYNCHRONIZING };
            Ok(Json::object([
                ("height", top.clone()),
                ("max_net_seen_height", top),
                ("daemon_network_state", whole(network)),
                ("synchronized_connections_count", whole(8)),
                ("default_fee", whole(10_000_000_000)),
                ("minimum_fee", whole(10_000_000_000)),
                ("pre_hf_tx_freeze_period_active", Json::Bool(false)),
                ("is_hardfok_active", Json::List(vec![Json::Bool(true); 7])),
                ("total_coins", Json::text("18446744073709551616")),
                ok,
            ]))
        }
        "getheight" => Ok(Json::object([("height", top), ok])),
        "getblockcount" => Ok(Json::object([("count", top), ok])),
        // Of the chain and of the pool.
        "get_tx_details" => {
            let hash = params.text("tx_hash")?.to_lowercase();
            let known = |tx: &&super::chain::Transaction| tx.hash == hash && tx.place != Place::Nowhere;
            let tx = state.chain.transactions.iter().find(known).ok_or(Refusal::TX_NOT_FOUND)?;
            let keeper = if let Place::Block(height) = tx.place { Json::int(height) } else { Json::int(-1) };
            let info = Json::object([("id", Json::text(&tx.hash)), ("keeper_block", keeper)]);
            Ok(Json::object([("tx_info", info), ok]))
        }
        "get_asset_info" => {
            let id = params.text("asset_id")?.to_lowercase();
            Ok(match state.assets.iter().find(|asset| asset.id == id) {
                Some(asset) => Json::object([("asset_descriptor", asset.json()), ok]),
                None => Json::object([("status", status(false))]),
            })
        }
        "get_integrated_address" => {
            let (keys, _) =
                address::decode(&params.text("regular_address")?).ok_or(Refusal::WRONG_ADDRESS)?;
            let id = hex::decode(params.text("payment_id")?).map_err(|_| Refusal::WRONG_PAYMENT_ID)?;
            if id.len() != 8 {
                return Err(Refusal::WRONG_PAYMENT_ID);
            }
            let made = Json::Text(address::integrated(&keys, &id));
            Ok(Json::object([("integrated_address", made), ("payment_id", Json::Text(hex::encode(id)))]))
        }
        _ => Err(Refusal::UNKNOWN_METHOD),
    }
}

//! Wire types of wallet and daemon. Lists that are empty are left out by their serializer; unknown members are ignored.

use serde::{Deserialize, Serialize};

use crate::entry::{self, Entry};

/// A request.
#[derive(Debug, Serialize)]
pub(crate) struct Call<'a, P> {
    pub(crate) id: u32,
    pub(crate) jsonrpc: &'static str,
    pub(crate) method: &'a str,
    pub(crate) params: P,
}

/// An answer: a result or an error, with HTTP 200 either way.
#[derive(Debug, Deserialize)]
pub(crate) struct Answer<T> {
    pub(crate) result: Option<T>,
    pub(crate) error: Option<RpcError>,
}

/// Its text is not read: it may hold what was sent.
#[derive(Debug, Deserialize)]
pub(crate) struct RpcError {
    pub(crate) code: i64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Nothing {}

#[derive(Debug, Serialize)]
pub(crate) struct MakeAddress<'a> {
    pub(crate) payment_id: &'a str,
}

#[derive(Debug, Deserialize)]
pub(crate) struct MadeAddress {
    pub(crate) integrated_address: String,
    pub(crate) payment_id: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct OwnAddress {
    pub(crate) address: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct GetWalletInfo {
    pub(crate) collect_utxo_data: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WalletInfo {
    /// Of the wallet's top block.
    pub(crate) current_height: Option<u64>,
    /// Spelt so.
    #[serde(rename = "is_whatch_only")]
    pub(crate) is_watch_only: Option<bool>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Balances {
    #[serde(default)]
    pub(crate) balances: Vec<Balance>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Balance {
    pub(crate) asset_info: BalanceAsset,
}

#[derive(Debug, Deserialize)]
pub(crate) struct BalanceAsset {
    pub(crate) asset_id: String,
    pub(crate) decimal_point: u8,
}

#[derive(Debug, Serialize)]
pub(crate) struct AssetQuestion<'a> {
    pub(crate) asset_id: &'a str,
}

#[derive(Debug, Serialize)]
pub(crate) struct TxQuestion<'a> {
    pub(crate) tx_hash: &'a str,
}

/// That it is known is all that is read.
#[derive(Debug, Deserialize)]
pub(crate) struct TxAnswer {
    pub(crate) status: Status,
}

#[derive(Debug, Deserialize)]
pub(crate) struct AssetAnswer {
    pub(crate) status: Status,
    pub(crate) asset_descriptor: Option<AssetDescriptor>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct AssetDescriptor {
    pub(crate) decimal_point: u8,
}

/// The word beside an answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) enum Status {
    #[serde(rename = "OK")]
    Ok,
    #[serde(rename = "BUSY")]
    Busy,
    #[serde(untagged)]
    Other(String),
}

#[derive(Debug, Serialize)]
pub(crate) struct GetInfo {
    pub(crate) flags: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Info {
    /// Of the top block, plus one.
    pub(crate) height: u64,
    /// 2 is online.
    pub(crate) daemon_network_state: u64,
    pub(crate) status: Status,
}

#[derive(Debug, Serialize)]
pub(crate) struct FeedQuestion {
    pub(crate) offset: u64,
    pub(crate) count: u64,
    pub(crate) order: Order,
    pub(crate) exclude_mining_txs: bool,
    pub(crate) exclude_unconfirmed: bool,
    pub(crate) update_provision_info: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Order {
    /// Oldest first.
    #[serde(rename = "FROM_BEGIN_TO_END")]
    OldestFirst,
    /// Newest first, whatever the guide's prose says (zano source).
    #[serde(rename = "FROM_END_TO_BEGIN")]
    NewestFirst,
}

/// One page of the feed. `total_transfers` and `last_item_index` are not filled where nothing is listed.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct FeedPage {
    pub(crate) pi: Option<Provision>,
    #[serde(default, deserialize_with = "entry::entries")]
    pub(crate) transfers: Vec<Entry>,
    #[serde(default)]
    pub(crate) total_transfers: u64,
    #[serde(default)]
    pub(crate) last_item_index: u64,
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Provision {
    /// The wallet's top block. Spelt so.
    #[serde(rename = "curent_height")]
    pub(crate) height: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Line;

    #[test]
    fn what_is_left_out_is_empty() {
        let page: FeedPage = serde_json::from_str("{}").unwrap();
        assert!(page.pi.is_none() && page.transfers.is_empty());
        let entry: Entry =
            serde_json::from_str(r#"{"tx_hash":"ab","height":0,"timestamp":1,"new":{}}"#).unwrap();
        assert!(entry.subtransfers_by_pid.is_empty());
    }

    #[test]
    fn amounts_are_whole_numbers_of_64_bits() {
        let line = |amount: &str| {
            serde_json::from_str::<Line>(&format!(r#"{{"amount":{amount},"asset_id":"a","is_income":true}}"#))
        };
        assert_eq!(line("18446744073709551615").unwrap().amount, u64::MAX);
        for bad in ["1.0", "1e3", "-1", "\"1\"", "18446744073709551616", "null"] {
            assert!(line(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_status_word() {
        let word = |text: &str| serde_json::from_str::<Status>(text).unwrap();
        assert_eq!(word("\"OK\""), Status::Ok);
        assert_eq!(word("\"BUSY\""), Status::Busy);
        assert_eq!(word("\"ok\""), Status::Other("ok".into()));
        assert!(serde_json::from_str::<Status>("7").is_err());
    }
}

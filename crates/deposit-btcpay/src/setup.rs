//! What the server says of itself and of the store, asked by a check and to tell refusals apart. Reads only.

use deposit_core::ProviderError;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::client::Client;
use crate::coin::Method;

pub(crate) async fn ask<T: DeserializeOwned>(
    client: &Client,
    path: &[&str],
    query: &[(&str, &str)],
) -> Result<T, ProviderError> {
    let request = client.look(path);
    query.iter().fold(request, |request, (name, value)| request.query(name, value)).send().await?.json()
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Server {
    pub(crate) version: Option<String>,
    #[serde(default)]
    pub(crate) sync_status: Vec<Chain>,
    /// Chains and plugins that the server was started with.
    supported_payment_methods: Option<Vec<String>>,
}

impl Server {
    /// `None` where the server does not tell.
    pub(crate) fn supports(&self, method: &Method) -> Option<bool> {
        self.supported_payment_methods.as_ref().map(|ids| ids.iter().any(|id| method.is(id)))
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Chain {
    #[serde(default)]
    pub(crate) payment_method_id: String,
    pub(crate) available: Option<bool>,
    chain_height: Option<i64>,
    sync_height: Option<i64>,
    /// Of a plugin, in its own words.
    summary: Option<Summary>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    synced: Option<bool>,
    daemon_available: Option<bool>,
    wallet_available: Option<bool>,
}

/// Blocks by which an index may be behind its node at any time.
const USUAL_LAG: i64 = 1;

impl Chain {
    /// Away, or not caught up: both pass.
    pub(crate) fn is_behind(&self) -> bool {
        let of_plugin = self.summary.as_ref().is_some_and(|summary| {
            [summary.synced, summary.daemon_available, summary.wallet_available].contains(&Some(false))
        });
        let of_index = match (self.chain_height, self.sync_height) {
            (Some(chain), Some(index)) => chain.saturating_sub(index) > USUAL_LAG,
            _ => false,
        };
        self.available == Some(false) || of_plugin || of_index
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StoreMethod {
    #[serde(default)]
    pub(crate) payment_method_id: String,
    #[serde(default)]
    pub(crate) enabled: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Store {
    pub(crate) network_fee_mode: Option<String>,
    #[serde(default)]
    payment_method_criteria: Vec<Criterion>,
}

/// Between which amounts the store offers a method.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Criterion {
    #[serde(alias = "paymentMethod", default)]
    payment_method_id: String,
}

impl Store {
    pub(crate) fn has_criteria_for(&self, method: &Method) -> bool {
        self.payment_method_criteria.iter().any(|criterion| method.is(&criterion.payment_method_id))
    }
}

#[cfg(test)]
mod tests {
    use deposit_core::Ticker;
    use serde_json::Value;

    use super::*;
    use crate::testing::methods;

    fn recorded<T: DeserializeOwned>(text: &str) -> T {
        let recorded: Value = serde_json::from_str(text).unwrap();
        serde_json::from_value(recorded["response"]["body"].clone()).unwrap()
    }

    /// A real server with nodes of LTC and XMR, both caught up.
    #[test]
    fn a_recorded_server_is_read() {
        let server: Server = recorded(include_str!("../../../fixtures/btcpay/live/server_info.json"));
        let there: Vec<StoreMethod> =
            recorded(include_str!("../../../fixtures/btcpay/live/payment_methods_of_store.json"));
        let all = methods();
        let supports = |ticker| server.supports(all.of(ticker).unwrap());
        assert_eq!(supports(Ticker::LTC), Some(true));
        assert_eq!(supports(Ticker::XMR), Some(true));
        assert_eq!(supports(Ticker::BTC), Some(false), "a create in it is 422");
        assert!(server.sync_status.len() == 2 && !server.sync_status.iter().any(Chain::is_behind));
        let ltc = all.of(Ticker::LTC).unwrap();
        assert!(there.iter().any(|method| method.enabled && ltc.is(&method.payment_method_id)));
    }

    /// An index is a block behind its node whenever one comes.
    #[test]
    fn a_block_behind_is_not_behind() {
        let chain = |sync: i64| -> Chain {
            let text = format!(r#"{{"available":true,"chainHeight":316,"syncHeight":{sync}}}"#);
            serde_json::from_str(&text).unwrap()
        };
        assert!(!chain(316).is_behind() && !chain(315).is_behind() && chain(314).is_behind());
    }
}

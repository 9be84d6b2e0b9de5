//! Why an invoice was refused, or came without our method: the server says the same 400 for a node that is away, a method that is off and an
//! amount under the dust limit (dossier, section 14). Only the first passes by itself.

use std::time::Duration;

use deposit_core::ErrorKind;

use crate::check::{Server, StoreMethod, ask};
use crate::client::Client;
use crate::coin::Method;

/// A node that is away or behind is asked again after so long.
const NODE_AWAY: Duration = Duration::from_secs(60);

/// What the server's state and the store's methods say; `method_missing` where they say nothing, or nothing against it: then it is the amount
/// (dust, or the store's criteria) or a rate.
pub(crate) async fn why(client: &Client, method: &Method) -> ErrorKind {
    let looks = async {
        let server = ask::<Server>(client, &["server", "info"], &[]).await;
        let chains = server.map(|server| server.sync_status).unwrap_or_default();
        if chains.iter().any(|chain| chain.available == Some(false) && method.is(&chain.payment_method_id)) {
            return ErrorKind::Transient { retry_after: Some(NODE_AWAY) };
        }
        let path = ["stores", client.store_id(), "payment-methods"];
        match ask::<Vec<StoreMethod>>(client, &path, &[]).await {
            Ok(there) if !there.iter().any(|m| m.enabled && method.is(&m.payment_method_id)) => {
                ErrorKind::Rejected("method_off")
            }
            _ => ErrorKind::Rejected("method_missing"),
        }
    };
    let patience = client.patience() / 4;
    tokio::time::timeout(patience, looks).await.unwrap_or(ErrorKind::Rejected("method_missing"))
}

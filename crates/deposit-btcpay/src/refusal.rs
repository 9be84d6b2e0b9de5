//! Why an invoice was refused, or came without our method. The server says the same 400 for a node that is away, a method that is off, the store's
//! criteria and an amount under the dust limit, and 422 for a chain or plugin that is not there (dossier, section 14). What passes by itself is
//! temporary; of what does not, the word says what has to change.

use std::time::Duration;

use deposit_core::{Amount, ErrorKind};

use crate::client::Client;
use crate::coin::Method;
use crate::setup::{Chain, Server, Store, StoreMethod, ask};

/// A node that is away or behind is asked again after so long.
const NODE_AWAY: Duration = Duration::from_secs(60);
/// A chain or plugin that the server was started without takes a restart of it.
const CHAIN_AWAY: Duration = Duration::from_secs(300);

/// Nothing speaks against it, or nobody says anything: then it is a rate, or the node's own idea of the amount.
const MISSING: ErrorKind = ErrorKind::Rejected("method_missing");

/// No method was left for this amount.
pub(crate) async fn why(client: &Client, method: &Method, amount: Amount) -> ErrorKind {
    within(client, MISSING, why_missing(client, method, amount)).await
}

/// The server does not take the method's id.
pub(crate) async fn why_unknown(client: &Client, method: &Method) -> ErrorKind {
    const UNKNOWN: ErrorKind = ErrorKind::Rejected("method_unknown");
    let look = async {
        match ask::<Server>(client, &["server", "info"], &[]).await {
            // It has the chain: then the id is refused for another reason.
            Ok(server) if server.supports(method) != Some(false) => UNKNOWN,
            // Whether it will ever be there nobody tells; what `config check --online` says of the method does not pass.
            Ok(_) => ErrorKind::Transient { retry_after: Some(CHAIN_AWAY) },
            Err(_) => UNKNOWN,
        }
    };
    within(client, UNKNOWN, look).await
}

async fn within(client: &Client, otherwise: ErrorKind, look: impl Future<Output = ErrorKind>) -> ErrorKind {
    tokio::time::timeout(client.patience() / 4, look).await.unwrap_or(otherwise)
}

async fn why_missing(client: &Client, method: &Method, amount: Amount) -> ErrorKind {
    let store = client.store_id();
    // A method that is off is off whatever its node does.
    let there = ask::<Vec<StoreMethod>>(client, &["stores", store, "payment-methods"], &[]).await;
    if let Ok(there) = there
        && !there.iter().any(|m| m.enabled && method.is(&m.payment_method_id))
    {
        return ErrorKind::Rejected("method_off");
    }
    let server = ask::<Server>(client, &["server", "info"], &[]).await;
    let chains = server.map(|server| server.sync_status).unwrap_or_default();
    if chains.iter().any(|chain| carries(chain, method) && chain.is_behind()) {
        return ErrorKind::Transient { retry_after: Some(NODE_AWAY) };
    }
    if amount.minor() < method.coin.least_payment {
        return ErrorKind::Rejected("below_minimum");
    }
    match ask::<Store>(client, &["stores", store], &[]).await {
        Ok(store) if store.has_criteria_for(method) => ErrorKind::Rejected("store_criteria"),
        _ => MISSING,
    }
}

/// Whether the method needs this chain's node: its own, and for Lightning the chain below it.
fn carries(chain: &Chain, method: &Method) -> bool {
    let below = || method.coin.is_lightning() && chain.payment_method_id.eq_ignore_ascii_case("BTC-CHAIN");
    method.is(&chain.payment_method_id) || below()
}

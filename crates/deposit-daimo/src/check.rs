//! Whether key, destination and webhook are as payments need them. Reads only.

use deposit_core::{CheckContext, CheckItem};

use crate::backend::Backend;
use crate::config::Api;
use crate::error::ID;
use crate::evm::Destination;

pub(crate) async fn run(
    backend: &dyn Backend,
    api: Api,
    destination: &Destination,
    context: &CheckContext,
) -> Vec<CheckItem> {
    let webhooks = match backend.look().await {
        Ok(webhooks) => webhooks,
        Err(error) => return vec![CheckItem::of_first(&error, "base_url", "api_key")],
    };
    vec![
        CheckItem::right("credentials"),
        CheckItem::right("api").seen(match api {
            Api::Payments => "payments",
            Api::Sessions => "sessions",
        }),
        CheckItem::right("destination")
            .seen(format!("USDC on chain {} to {}", destination.chain.id, destination.address)),
        CheckItem::right("refund address").seen(backend.refund_address()),
        webhook(webhooks.as_deref(), context),
    ]
}

/// `None`: this API lists none.
fn webhook(listed: Option<&[String]>, context: &CheckContext) -> CheckItem {
    const WHAT: &str = "webhook";
    let Some(url) = context.webhook_url(ID) else {
        return CheckItem::unknown(
            WHAT,
            "set `server.public_url`: without it nobody knows where Daimo has to send its webhooks",
        );
    };
    match listed {
        None => CheckItem::unknown(
            WHAT,
            format!(
                "the payments API shows a webhook only to who knows its id: look by hand that one to {url} was made, and that its token is in `providers.daimo.webhook_token`"
            ),
        ),
        Some(all) if all.iter().any(|one| one.trim_end_matches('/') == url) => {
            CheckItem::right(WHAT).seen(url)
        }
        Some(_) => CheckItem::wrong(
            WHAT,
            format!(
                "there is no webhook to {url}: make one for all events (POST /v1/webhooks), and put its secret into `providers.daimo.webhook_token`; until then payments are found by polling alone (or set `server.public_url`, where the gateway is known by another address)"
            ),
        ),
    }
}

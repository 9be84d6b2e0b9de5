//! Whether tokens and settings are as payments need them. Reads only.

use deposit_core::{CheckContext, CheckItem, ErrorKind};

use crate::client::{Client, UNTOLD};
use crate::error::ID;

/// An id that no order of ours has: it holds a character which no deposit's id has.
const NOBODY: &str = "config_check";

pub(crate) async fn run(
    client: &Client,
    callback_url: &str,
    confirmations: u32,
    context: &CheckContext,
) -> Vec<CheckItem> {
    // The secret is looked at before the id.
    let mut items = match client.look(NOBODY).await {
        Ok(()) => vec![CheckItem::right("credentials")],
        Err(error) if *error.kind() == ErrorKind::Rejected(UNTOLD) => vec![CheckItem::unknown(
            "credentials",
            "what answers says \"not found\" as any web server does: is `providers.promptcash.base_url` right? The first deposit tells whether the tokens are",
        )],
        Err(error) => return vec![CheckItem::of_first(&error, "base_url", "secret_token")],
    };
    items.push(CheckItem::unknown(
        "public_token",
        "only making a payment uses `providers.promptcash.public_token`, so the first deposit tells whether it is right: compare it with the account's page",
    ));
    items.push(if confirmations == 0 {
        CheckItem::advice(
            "confirmations",
            "payments are credited without a confirmation, at the risk of a double spend: set `providers.promptcash.confirmations` to 1",
        )
    } else {
        CheckItem::right("confirmations").seen(confirmations.to_string())
    });
    items.push(callback(callback_url, context));
    items
}

/// The service shows no list of its callbacks: what can be looked at is whether it is told the right address.
fn callback(told: &str, context: &CheckContext) -> CheckItem {
    const WHAT: &str = "webhook";
    let url = context.webhook_url(ID);
    match (told, url) {
        ("", url) => CheckItem::advice(
            WHAT,
            format!(
                "no callback is asked for, so payments are found by polling: set `providers.promptcash.callback_url` to {}, with https and a certificate that the world trusts",
                url.as_deref().unwrap_or("the gateway's /webhooks/promptcash")
            ),
        ),
        (told, Some(url)) if told.trim_end_matches('/') != url => CheckItem::wrong(
            WHAT,
            format!(
                "`providers.promptcash.callback_url` does not lead to this gateway: set it to {url}, or correct `server.public_url`"
            ),
        ),
        (told, _) if !told.starts_with("https://") => CheckItem::wrong(
            WHAT,
            "the service calls back to https alone, with a certificate that the world trusts: give `providers.promptcash.callback_url` such an address, or leave it out and poll",
        ),
        (told, Some(_)) => CheckItem::right(WHAT).seen(told),
        (_, None) => CheckItem::unknown(WHAT, "set `server.public_url`: it tells where callbacks have to go"),
    }
}

//! Whether server, store and key are set up as payments need it. Reads only.

use deposit_core::{CheckContext, CheckItem, ErrorKind, Ticker};
use serde::Deserialize;

use crate::client::Client;
use crate::coin::{Method, Methods};
use crate::error::ID;
use crate::setup::{Chain, Server, Store, StoreMethod, ask};

/// Rights without which payers are turned away, or money is not seen; and what each is for.
const NEEDED: &[(&str, &str)] = &[
    ("btcpay.store.cancreateinvoice", "opens orders"),
    ("btcpay.store.canviewinvoices", "reads orders and their payments"),
    ("btcpay.store.canmodifyinvoices", "closes orders that cannot be paid"),
    ("btcpay.store.canviewstoresettings", "reads the store's rates and settings"),
];
const WALLET: &str = "btcpay.store.canviewwallet";
const WEBHOOKS: &str = "btcpay.store.webhooks.canmodifywebhooks";

/// Rights that hold others (dossier, sections 2 and 14); `unrestricted` holds all.
const MODIFY_STORE: &str = "btcpay.store.canmodifystoresettings";
fn holders(right: &str) -> &'static [&'static str] {
    match right {
        "btcpay.store.cancreateinvoice" => &["btcpay.store.canmodifyinvoices", MODIFY_STORE],
        "btcpay.store.canviewinvoices" => {
            &["btcpay.store.canmodifyinvoices", "btcpay.store.canviewstoresettings", MODIFY_STORE]
        }
        "btcpay.store.canmodifyinvoices" | "btcpay.store.canviewstoresettings" | WEBHOOKS => &[MODIFY_STORE],
        _ => &[],
    }
}

/// Events that say something of money, and those that came later and an older server does not offer.
const EVENTS: &[&str] = &[
    "InvoiceReceivedPayment",
    "InvoicePaymentSettled",
    "InvoiceProcessing",
    "InvoiceSettled",
    "InvoiceExpired",
    "InvoiceInvalid",
];
const LATER_EVENTS: &[&str] = &["InvoiceExpiredPaidPartial", "InvoicePaidAfterExpiration", "InvoiceRefund"];

/// Newest invoices that are looked through for one in XMR.
const LOOKED_THROUGH: &str = "25";

#[derive(Debug, Deserialize)]
struct Key {
    #[serde(default)]
    permissions: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Invoice {
    #[serde(default)]
    payment_methods: Vec<Prompt>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Prompt {
    #[serde(default)]
    payment_method_id: String,
    additional_data: Option<Additional>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Additional {
    invoice_settled_confirmation_threshold: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Webhook {
    id: String,
    #[serde(default)]
    url: String,
    #[serde(default)]
    enabled: bool,
    #[serde(default)]
    automatic_redelivery: bool,
    authorized_events: Option<Events>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Events {
    #[serde(default)]
    everything: bool,
    #[serde(default)]
    specific_events: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    http_code: Option<u16>,
    status: Option<String>,
}

/// How the key has a right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grant {
    Here,
    ForAnotherStore,
    No,
}

fn grant(permissions: &[String], needed: &str, store: &str) -> Grant {
    let mut elsewhere = false;
    for granted in permissions {
        let (right, scope) = granted.split_once(':').unwrap_or((granted, store));
        if right == needed || right == "unrestricted" || holders(needed).contains(&right) {
            if scope == store {
                return Grant::Here;
            }
            elsewhere = true;
        }
    }
    if elsewhere { Grant::ForAnotherStore } else { Grant::No }
}

fn rights(permissions: &[String], store: &str) -> Vec<CheckItem> {
    let mut items = Vec::new();
    for (right, does) in NEEDED {
        let what = format!("right {right}");
        items.push(match grant(permissions, right, store) {
            Grant::Here => CheckItem::right(what),
            Grant::ForAnotherStore => CheckItem::wrong(
                what,
                format!("the API key has this right for another store than `providers.btcpay.store_id`: correct the id, or give the key the right for this store (it {does})"),
            ),
            Grant::No => CheckItem::wrong(
                what,
                format!("the API key has not this right, which {does}: make a key with it for this store, and put it into `providers.btcpay.api_key`"),
            ),
        });
    }
    let what = format!("right {WALLET}");
    items.push(match grant(permissions, WALLET, store) {
        Grant::Here => CheckItem::right(what),
        Grant::ForAnotherStore | Grant::No => CheckItem::advice(
            what,
            "optional, and the API key has it not: a credited payment that the chain loses later, and money to an address that the server watches no longer, cannot be seen; give the key this right to cover both",
        ),
    });
    items
}

/// Everything, in the order in which one thing rests on another.
pub(crate) async fn run(client: &Client, methods: &Methods, context: &CheckContext) -> Vec<CheckItem> {
    let key: Key = match ask(client, &["api-keys", "current"], &[]).await {
        Ok(key) => key,
        Err(error) => return vec![CheckItem::of_first(&error, "base_url", "api_key")],
    };
    let store = client.store_id();
    let mut items = vec![CheckItem::right("credentials")];
    items.extend(rights(&key.permissions, store));
    let has = |right| grant(&key.permissions, right, store) == Grant::Here;

    let server: Result<Server, _> = ask(client, &["server", "info"], &[]).await;
    items.push(match &server {
        Ok(Server { version: Some(version), .. }) => {
            CheckItem::right("server").seen(version.split('+').next().unwrap_or_default())
        }
        Ok(_) => CheckItem::right("server"),
        Err(error) => CheckItem::of_later("server", error),
    });
    let chains = server.map(|server| server.sync_status).unwrap_or_default();
    let mut xmr = methods.of(Ticker::XMR);
    if has("btcpay.store.canviewstoresettings") {
        match ask::<Store>(client, &["stores", store], &[]).await {
            Ok(settings) => items.push(fee_mode(settings.network_fee_mode.as_deref())),
            // The key has the right, so it is the store that is not there.
            Err(error) if matches!(error.kind(), ErrorKind::Rejected(_) | ErrorKind::NotFound) => {
                items.push(CheckItem::wrong(
                    "store",
                    "the server has no such store, or none that the key's user is a member of: correct `providers.btcpay.store_id`",
                ));
                return items;
            }
            Err(error) => items.push(CheckItem::of_later("store networkFeeMode", &error)),
        }
        match ask::<Vec<StoreMethod>>(client, &["stores", store, "payment-methods"], &[]).await {
            Ok(there) => {
                items.extend(methods_of(methods, &there, &chains));
                xmr = xmr.filter(|xmr| there.iter().any(|t| t.enabled && xmr.is(&t.payment_method_id)));
            }
            Err(error) => items.push(CheckItem::of_later("methods", &error)),
        }
    }
    if has("btcpay.store.canviewinvoices")
        && let Some(xmr) = xmr
    {
        items.push(threshold(client, store, xmr).await);
    }
    items.extend(webhook(client, store, has(WEBHOOKS), context).await);
    items
}

/// A store need not have every coin: those that it has not are refused to payers, which is right where it is meant.
fn methods_of(methods: &Methods, there: &[StoreMethod], chains: &[Chain]) -> Vec<CheckItem> {
    let none =
        !methods.0.iter().any(|method| there.iter().any(|t| t.enabled && method.is(&t.payment_method_id)));
    let item = |method: &Method| {
        let what = format!("method {}", method.id);
        let ticker = method.coin.ticker;
        let found = there.iter().find(|there| method.is(&there.payment_method_id));
        let node_away = chains.iter().any(|chain| chain.is_behind() && method.is(&chain.payment_method_id));
        match found {
            Some(there) if there.enabled && node_away => CheckItem::wrong(
                what,
                "the server says that the node of this coin is not available or still behind: start it, or wait until it has caught up",
            ),
            Some(there) if there.enabled => CheckItem::right(what),
            Some(_) => CheckItem::advice(
                what,
                format!(
                    "switched off in the store: deposits in {ticker} are refused; switch it on there if they should not be"
                ),
            ),
            None => CheckItem::advice(
                what,
                format!(
                    "the store has no such method: deposits in {ticker} are refused; set it up there (or name the right id in `providers.btcpay.method_ids`) if they should not be"
                ),
            ),
        }
    };
    let mut items: Vec<CheckItem> = methods.0.iter().map(item).collect();
    if none {
        items.push(CheckItem::wrong(
            "methods",
            "the store has none of the payment methods switched on: no deposit can be made; set up a wallet in the store",
        ));
    }
    items
}

/// Dossier, section 14: with a fee for each payment the server's books do not agree with what payers were asked for.
fn fee_mode(mode: Option<&str>) -> CheckItem {
    const WHAT: &str = "store networkFeeMode";
    match mode {
        Some("Never") => CheckItem::right(WHAT).seen("Never"),
        Some("MultiplePaymentsOnly") => CheckItem::advice(
            WHAT,
            "the server adds a network fee for each further payment of one order: its own page asks for it, and a small order that was paid exactly in two can stay open in its books (deposits are credited all the same); set the store's `networkFeeMode` to `Never` (in its settings: never add a network fee)",
        )
        .seen("MultiplePaymentsOnly"),
        Some("Always") => CheckItem::wrong(
            WHAT,
            "the server adds a network fee to every order: its own page asks for it, and a small order that was paid exactly can stay open in its books (deposits are credited all the same); set the store's `networkFeeMode` to `Never` (in its settings: never add a network fee)",
        )
        .seen("Always"),
        Some(_) => CheckItem::unknown(WHAT, "a mode that no document lists: it should be Never"),
        None => CheckItem::unknown(WHAT, "the server does not tell it: it should be Never"),
    }
}

/// The threshold is a setting of the plugin which only invoices show.
async fn threshold(client: &Client, store: &str, xmr: &Method) -> CheckItem {
    const WHAT: &str = "store XMR invoiceSettledConfirmationThreshold";
    let query = [("take", LOOKED_THROUGH), ("includePaymentMethods", "true")];
    let invoices: Vec<Invoice> = match ask(client, &["stores", store, "invoices"], &query).await {
        Ok(invoices) => invoices,
        Err(error) => return CheckItem::of_later(WHAT, &error),
    };
    let mut prompts = invoices.iter().flat_map(|invoice| &invoice.payment_methods);
    let Some(prompt) = prompts.find(|prompt| xmr.is(&prompt.payment_method_id)) else {
        return CheckItem::unknown(
            WHAT,
            "no invoice in XMR is there yet to tell it: it has to be empty, or 1 and more",
        );
    };
    match prompt.additional_data.as_ref().and_then(|data| data.invoice_settled_confirmation_threshold) {
        Some(blocks) if blocks <= 0 => CheckItem::wrong(
            WHAT,
            "payments in XMR are settled without any confirmation, and stay so when they are dropped; set 10 confirmations, or none of its own so that the speed policy holds, in the store's Monero settings",
        )
        .seen(blocks.to_string()),
        Some(blocks) => CheckItem::right(WHAT).seen(blocks.to_string()),
        None => CheckItem::right(WHAT).seen("by speed policy"),
    }
}

async fn webhook(client: &Client, store: &str, may_look: bool, context: &CheckContext) -> Vec<CheckItem> {
    let Some(url) = context.webhook_url(ID) else {
        return vec![CheckItem::unknown(
            "webhook",
            "set `server.public_url`: without it nobody knows where the server has to send its webhooks",
        )];
    };
    if !may_look {
        let why = format!(
            "only a key with {WEBHOOKS} may look at webhooks, and it may change them too: look by hand in the store's settings that one is there with the payload URL {url}, is enabled, sends every event, and was answered 2xx last time"
        );
        return vec![CheckItem::unknown("webhook", why)];
    }
    let all: Vec<Webhook> = match ask(client, &["stores", store, "webhooks"], &[]).await {
        Ok(all) => all,
        Err(error) => return vec![CheckItem::of_later("webhook", &error)],
    };
    let mut ours: Vec<&Webhook> = all.iter().filter(|hook| hook.url.trim_end_matches('/') == url).collect();
    // Of several the one that works.
    ours.sort_by_key(|hook| !hook.enabled);
    let Some(hook) = ours.first() else {
        let text = format!(
            "the store has no webhook with the payload URL {url}: make one there with every event, and put its secret into `providers.btcpay.webhook_secret`; until then payments are found by polling alone (or set `server.public_url`, where the gateway is known by another address)"
        );
        return vec![CheckItem::wrong("webhook", text)];
    };
    if !hook.enabled {
        let text = format!("the webhook to {url} is switched off: switch it on in the store's settings");
        return vec![CheckItem::wrong("webhook", text)];
    }
    let mut items = vec![CheckItem::right("webhook").seen(url.clone())];
    items.push(events_of(hook));
    if !hook.automatic_redelivery {
        items.push(CheckItem::advice(
            "webhook redelivery",
            "a delivery that fails is not tried again: switch automatic redelivery on for this webhook",
        ));
    }
    items.push(last_delivery(client, store, hook, &url).await);
    items
}

fn events_of(hook: &Webhook) -> CheckItem {
    const WHAT: &str = "webhook events";
    let missing = |wanted: &[&'static str]| -> Vec<&'static str> {
        let has = |name: &str| {
            hook.authorized_events
                .as_ref()
                .is_none_or(|events| events.everything || events.specific_events.iter().any(|e| e == name))
        };
        wanted.iter().copied().filter(|name| !has(name)).collect()
    };
    let (needed, later) = (missing(EVENTS), missing(LATER_EVENTS));
    if !needed.is_empty() {
        let text = format!(
            "the webhook does not send {}: choose \"Send me everything\", or add them",
            needed.join(", ")
        );
        CheckItem::wrong(WHAT, text)
    } else if !later.is_empty() {
        let text = format!(
            "the webhook does not send {}: what they tell is found by polling alone; add them where the server's version has them",
            later.join(", ")
        );
        CheckItem::advice(WHAT, text)
    } else {
        CheckItem::right(WHAT)
    }
}

async fn last_delivery(client: &Client, store: &str, hook: &Webhook, url: &str) -> CheckItem {
    const WHAT: &str = "webhook last delivery";
    let path = ["stores", store, "webhooks", &hook.id, "deliveries"];
    let sent: Vec<Sent> = match ask(client, &path, &[("count", "1")]).await {
        Ok(sent) => sent,
        Err(error) => return CheckItem::of_later(WHAT, &error),
    };
    let Some(last) = sent.first() else { return CheckItem::right(WHAT).seen("nothing was sent yet") };
    match (last.http_code, last.status.as_deref()) {
        (Some(code @ 200..=299), _) => CheckItem::right(WHAT).seen(code.to_string()),
        (Some(401), _) => CheckItem::wrong(
            WHAT,
            "it was refused (401) because its signature does not fit: put the webhook's own secret into `providers.btcpay.webhook_secret`, and redeliver what failed",
        ),
        (Some(code), _) => CheckItem::wrong(
            WHAT,
            format!(
                "it was answered {code}, and not 2xx: does {url} lead to this gateway, and through no proxy that answers itself? Redeliver what failed"
            ),
        ),
        (None, Some("HttpSuccess")) => CheckItem::right(WHAT),
        (None, _) => CheckItem::wrong(
            WHAT,
            format!(
                "the server could not reach {url}: open the way; an address in a private network has to be in the server's `ssrfexceptions` (from 2.4.5)"
            ),
        ),
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;

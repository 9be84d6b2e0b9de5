//! Whether account, key and webhook endpoint are set up as payments need it. Reads only.

use deposit_core::{CheckContext, CheckItem, ErrorKind, ProviderError};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::client::{API_VERSION, Client};
use crate::error::ID;
use crate::webhook::WANTED;

/// Rights of a restricted key, in Stripe's own words, with a list that each opens, and what it is for. A secret key has them all.
const RIGHTS: &[(&str, &[&str], &str)] = &[
    (
        "rak_payment_intent_read",
        &["payment_intents"],
        "PaymentIntents: Read; tells a payment under way from a failed one",
    ),
    ("rak_charge_read", &["refunds"], "Charges and Refunds: Read; shows refunds"),
    ("rak_dispute_read", &["disputes"], "Disputes: Read; shows disputes"),
    ("rak_event_read", &["events"], "Events: Read; finds what no webhook told"),
];
/// Opening sessions needs Write; a list shows Read alone, and nothing is made to see more.
const SESSIONS: &str = "right rak_checkout_session_write";
const NO_RIGHT: ErrorKind = ErrorKind::Rejected(crate::client::NO_RIGHT);

#[derive(Debug, Deserialize)]
struct List<T> {
    #[serde(default = "Vec::new")]
    data: Vec<T>,
}

#[derive(Debug, Deserialize)]
struct Account {
    charges_enabled: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct Endpoint {
    #[serde(default)]
    url: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    enabled_events: Vec<String>,
    api_version: Option<String>,
    livemode: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct Event {
    pending_webhooks: Option<i64>,
}

async fn ask<T: DeserializeOwned>(
    client: &Client,
    path: &[&str],
    query: &[(&str, &str)],
) -> Result<T, ProviderError> {
    let request = client.look(path);
    query.iter().fold(request, |request, (name, value)| request.query(name, value)).send().await?.json()
}

fn change_right(does: &str) -> String {
    format!(
        "the restricted key in `providers.stripe.secret_key` has not this right ({does}): edit the key in the Dashboard, or make a new one"
    )
}

/// Everything, in the order in which one thing rests on another.
pub(crate) async fn run(client: &Client, livemode: bool, context: &CheckContext) -> Vec<CheckItem> {
    let restricted = client.is_restricted();
    let sessions = ask::<List<IgnoredAny>>(client, &["checkout", "sessions"], &[("limit", "1")]).await;
    let mut items = Vec::new();
    match sessions {
        Ok(_) if restricted => {
            items.push(CheckItem::right("credentials"));
            items.push(CheckItem::unknown(
                SESSIONS,
                "the restricted key reads sessions; whether it may make them shows the first deposit alone: Checkout Sessions has to be on Write",
            ));
        }
        Ok(_) => items.push(CheckItem::right("credentials")),
        Err(error) if *error.kind() == NO_RIGHT => {
            items.push(CheckItem::right("credentials"));
            items.push(CheckItem::wrong(
                SESSIONS,
                change_right("Checkout Sessions: Write; opens and reads orders"),
            ));
        }
        Err(error) => return vec![CheckItem::of_first(&error, "base_url", "secret_key")],
    }
    items.push(CheckItem::right("mode").seen(if livemode { "live" } else { "test: no card is charged" }));
    if restricted {
        for (right, path, does) in RIGHTS {
            let what = format!("right {right}");
            items.push(match ask::<List<IgnoredAny>>(client, path, &[("limit", "1")]).await {
                Ok(_) => CheckItem::right(what),
                Err(error) if *error.kind() == NO_RIGHT => CheckItem::wrong(what, change_right(does)),
                Err(error) => CheckItem::of_later(what, &error),
            });
        }
    }
    items.push(account(client).await);
    items.extend(endpoint(client, livemode, context).await);
    items
}

async fn account(client: &Client) -> CheckItem {
    const WHAT: &str = "account charges_enabled";
    match ask::<Account>(client, &["account"], &[]).await {
        Ok(Account { charges_enabled: Some(true) }) => CheckItem::right(WHAT),
        Ok(Account { charges_enabled: Some(false) }) => CheckItem::wrong(
            WHAT,
            "Stripe does not let this account take cards: finish what the Dashboard asks for under \"Account status\"",
        ),
        Ok(Account { charges_enabled: None }) => CheckItem::unknown(WHAT, "the provider does not tell"),
        Err(error) if *error.kind() == NO_RIGHT => {
            CheckItem::unknown(WHAT, "could not be looked at: the restricted key may not read the account")
        }
        Err(error) => CheckItem::of_later(WHAT, &error),
    }
}

async fn endpoint(client: &Client, livemode: bool, context: &CheckContext) -> Vec<CheckItem> {
    const WHAT: &str = "webhook";
    let Some(url) = context.webhook_url(ID) else {
        return vec![CheckItem::unknown(
            WHAT,
            "set `server.public_url`: without it nobody knows where Stripe has to send its webhooks",
        )];
    };
    let all: List<Endpoint> = match ask(client, &["webhook_endpoints"], &[("limit", "100")]).await {
        Ok(all) => all,
        Err(error) if *error.kind() == NO_RIGHT => {
            let why = format!(
                "could not be looked at: it takes rak_webhook_read (Webhook Endpoints: Read), which is optional; look by hand in the Dashboard that an endpoint {url} is there and enabled, and was answered 2xx last time"
            );
            return vec![CheckItem::unknown(WHAT, why)];
        }
        Err(error) => return vec![CheckItem::of_later(WHAT, &error)],
    };
    let ours = |endpoint: &&Endpoint| {
        endpoint.url.trim_end_matches('/') == url && endpoint.livemode.is_none_or(|live| live == livemode)
    };
    let mut ours: Vec<&Endpoint> = all.data.iter().filter(ours).collect();
    // Of several the one that works.
    ours.sort_by_key(|endpoint| endpoint.status != "enabled");
    let Some(endpoint) = ours.first() else {
        let text = format!(
            "the account has no webhook endpoint {url} in {} mode: make one in the Dashboard with API version {API_VERSION}, and put its signing secret into `providers.stripe.webhook_secret`; until then payments are found by polling alone (or set `server.public_url`, where the gateway is known by another address)",
            if livemode { "live" } else { "test" }
        );
        return vec![CheckItem::wrong(WHAT, text)];
    };
    if endpoint.status != "enabled" {
        let text = format!(
            "the webhook endpoint {url} is disabled, by hand or by Stripe after days of failed deliveries: enable it in the Dashboard"
        );
        return vec![CheckItem::wrong(WHAT, text)];
    }
    let mut items = vec![CheckItem::right(WHAT).seen(url)];
    let sends = |kind: &str| endpoint.enabled_events.iter().any(|event| event == "*" || event == kind);
    let missing: Vec<&str> = WANTED.iter().copied().filter(|kind| !sends(kind)).collect();
    items.push(if missing.is_empty() {
        CheckItem::right("webhook events")
    } else {
        let text = format!("the endpoint does not send {}: add them in the Dashboard", missing.join(", "));
        CheckItem::wrong("webhook events", text)
    });
    match endpoint.api_version.as_deref() {
        Some(API_VERSION) => items.push(CheckItem::right("webhook api_version").seen(API_VERSION)),
        Some(other) => items.push(
            CheckItem::advice(
                "webhook api_version",
                format!("the endpoint sends bodies of another API version than this program reads: make it anew with {API_VERSION}"),
            )
            .seen(other),
        ),
        // The account's default, which is not told.
        None => items.push(CheckItem::unknown(
            "webhook api_version",
            format!("the endpoint follows the account's default version: {API_VERSION} is what this program reads"),
        )),
    }
    items.push(newest_event(client).await);
    items
}

/// Stripe shows no list of deliveries: an event tells how many endpoints have not taken it.
async fn newest_event(client: &Client) -> CheckItem {
    const WHAT: &str = "webhook last delivery";
    let names: Vec<String> = (0..WANTED.len()).map(|n| format!("types[{n}]")).collect();
    let mut query: Vec<(&str, &str)> = vec![("limit", "1")];
    query.extend(names.iter().map(String::as_str).zip(WANTED.iter().copied()));
    let events: List<Event> = match ask(client, &["events"], &query).await {
        Ok(events) => events,
        Err(error) => return CheckItem::of_later(WHAT, &error),
    };
    match events.data.first().map(|event| event.pending_webhooks) {
        None => CheckItem::right(WHAT).seen("nothing was sent yet"),
        Some(Some(0)) => CheckItem::right(WHAT),
        Some(_) => CheckItem::advice(
            WHAT,
            "an endpoint of the account has not taken the newest event yet: where this stays so, look at the endpoint's deliveries in the Dashboard; a 401 there means that `providers.stripe.webhook_secret` is another endpoint's",
        ),
    }
}

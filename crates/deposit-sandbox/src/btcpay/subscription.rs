//! Who gets webhooks.

use crate::json::Json;
use crate::webhook::{RetryPolicy, Target, Webhooks};

/// 10 s, 1 min, then 6 x 10 min: 9 tries in 61 min 10 s. Any 4xx but 429 and 408 is given up at once.
pub(super) const RETRY: RetryPolicy = RetryPolicy {
    waits: &[10, 60, 600, 600, 600, 600, 600, 600],
    retries: |status| status.is_none_or(|s| s >= 500 || s == 429 || s == 408),
};

/// Where a gateway takes this provider's webhooks.
const GATEWAY_PATH: &str = "/webhooks/btcpay";

pub(super) struct Subscription {
    pub(super) id: String,
    pub(super) target: Target,
    pub(super) enabled: bool,
    pub(super) automatic_redelivery: bool,
    pub(super) secret: String,
    pub(super) everything: bool,
    /// Matched exactly, with case; unknown names are kept.
    pub(super) events: Vec<String>,
}

impl Subscription {
    /// The one that is there from the start.
    pub(super) fn of_gateways(id: String, secret: String) -> Self {
        Self {
            id,
            target: Target::Gateways(GATEWAY_PATH),
            enabled: true,
            automatic_redelivery: true,
            secret,
            everything: true,
            events: vec![],
        }
    }

    pub(super) fn wants(&self, kind: &str) -> bool {
        self.enabled && (self.everything || self.events.iter().any(|e| e == kind))
    }

    /// Never with the secret: only the answer to its creation has that.
    pub(super) fn view(&self, webhooks: &Webhooks) -> Json {
        let url = webhooks.url_of(&self.target).unwrap_or_default();
        let events = self.events.iter().map(Json::text).collect();
        let authorized = Json::object([
            ("everything", Json::Bool(self.everything)),
            ("specificEvents", Json::List(events)),
        ]);
        Json::object([
            ("id", Json::text(&self.id)),
            ("enabled", Json::Bool(self.enabled)),
            ("automaticRedelivery", Json::Bool(self.automatic_redelivery)),
            ("url", Json::text(url)),
            ("authorizedEvents", authorized),
        ])
    }
}

/// Opens the subscription's line, or makes it what the subscription says now.
pub(super) fn open(webhooks: &Webhooks, subscription: &Subscription) {
    let retry = subscription.automatic_redelivery.then_some(RETRY);
    webhooks.open(&subscription.id, subscription.target.clone(), retry);
}

//! Events, and the endpoints that get them.

use super::version::Version;
use crate::json::Json;
use crate::webhook::{RetryPolicy, Target, Webhooks};

/// Three further tries over a few hours, as in a sandbox; anything but 2xx is a failure.
pub(super) const RETRY: RetryPolicy =
    RetryPolicy { waits: &[60, 1_800, 7_200], retries: |status| !matches!(status, Some(200..=299)) };

/// Where a gateway takes this provider's webhooks.
const GATEWAY_PATH: &str = "/webhooks/stripe";

/// Who made something happen: a request of the API and its idempotency key, or nobody.
#[derive(Debug, Clone, Default)]
pub(super) struct Cause {
    pub(super) request: String,
    pub(super) key: Option<String>,
}

pub(super) struct Endpoint {
    pub(super) id: String,
    pub(super) target: Target,
    pub(super) secret: String,
    pub(super) disabled: bool,
    /// `*` for all.
    pub(super) events: Vec<String>,
}

impl Endpoint {
    /// The one that is there from the start.
    pub(super) fn of_gateways(secret: String) -> Self {
        let target = Target::Gateways(GATEWAY_PATH);
        Self { id: "we_1Gateways".to_owned(), target, secret, disabled: false, events: vec!["*".to_owned()] }
    }

    pub(super) fn to(id: String, url: String, secret: String, events: Vec<String>) -> Self {
        Self { id, target: Target::Url(url), secret, disabled: false, events }
    }

    pub(super) fn wants(&self, kind: &str) -> bool {
        !self.disabled && self.events.iter().any(|event| event == "*" || event == kind)
    }

    /// The secret is shown by the answer to its creation, and never again.
    pub(super) fn view(&self, webhooks: &Webhooks, with_secret: bool) -> Json {
        let mut members = vec![
            ("id", Json::text(&self.id)),
            ("object", Json::text("webhook_endpoint")),
            ("api_version", Json::text(Version::DEFAULT)),
            ("enabled_events", Json::List(self.events.iter().map(Json::text).collect())),
            ("livemode", Json::Bool(false)),
        ];
        if with_secret {
            members.push(("secret", Json::text(&self.secret)));
        }
        members.push(("status", Json::text(if self.disabled { "disabled" } else { "enabled" })));
        members.push(("url", Json::text(webhooks.url_of(&self.target).unwrap_or_default())));
        Json::object(members)
    }
}

/// Opens the endpoint's line.
pub(super) fn open(webhooks: &Webhooks, endpoint: &Endpoint) {
    webhooks.open(&endpoint.id, endpoint.target.clone(), Some(RETRY));
}

/// Something that happened, with the object as it was then.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) id: String,
    pub(super) kind: &'static str,
    pub(super) created: i64,
    pub(super) object: Json,
    pub(super) previous: Option<Json>,
    pub(super) cause: Option<Cause>,
}

impl Event {
    pub(super) fn json(&self, kind: &str) -> Json {
        let mut data = vec![("object", self.object.clone())];
        data.extend(self.previous.clone().map(|previous| ("previous_attributes", previous)));
        let request = Json::object([
            ("id", Json::text_or_null(self.cause.as_ref().map(|cause| cause.request.as_str()))),
            ("idempotency_key", Json::text_or_null(self.cause.as_ref().and_then(|c| c.key.as_deref()))),
        ]);
        Json::object([
            ("id", Json::text(&self.id)),
            ("object", Json::text("event")),
            ("api_version", Json::text(Version::DEFAULT)),
            ("created", Json::int(self.created)),
            ("data", Json::object(data)),
            ("livemode", Json::Bool(false)),
            ("pending_webhooks", Json::int(1)),
            ("request", request),
            ("type", Json::text(kind)),
        ])
    }
}

//! Events and the endpoints that get them: dossier sections 4 to 6.

use std::fmt;
use std::sync::{Arc, Weak};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::server::{State, Stripe, Version};
use crate::json::Json;
use crate::webhook::{Message, Rendered, RetryPolicy, Target, Webhooks};

/// Three further tries over a few hours, as in a sandbox; anything but 2xx is a failure.
const RETRY: RetryPolicy =
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

    fn wants(&self, kind: &str) -> bool {
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
    object: Json,
    previous: Option<Json>,
    cause: Option<Cause>,
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

/// One event for one endpoint.
struct Hook {
    session: String,
    event: Arc<Event>,
    secret: String,
    server: Weak<Stripe>,
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook").field("event", &self.event.id).finish_non_exhaustive()
    }
}

/// What an event is about.
pub(super) struct News {
    pub(super) kind: &'static str,
    pub(super) object: Json,
    pub(super) previous: Option<Json>,
}

impl News {
    pub(super) fn new(kind: &'static str, object: Json) -> Self {
        Self { kind, object, previous: None }
    }
}

impl Stripe {
    /// Keeps an event about a session and sends it to every endpoint that wants it. The state is locked, so that events of
    /// two requests cannot overtake each other.
    pub(super) fn emit(&self, state: &mut State, session: &str, news: News, cause: Option<Cause>) {
        let event = Arc::new(Event {
            id: self.id(state, "event", "evt_1", 23),
            kind: news.kind,
            created: self.now(),
            object: news.object,
            previous: news.previous,
            cause,
        });
        state.events.push(event.clone());
        for endpoint in state.endpoints.iter().filter(|endpoint| endpoint.wants(event.kind)) {
            let hook = Hook {
                session: session.to_owned(),
                event: event.clone(),
                secret: endpoint.secret.clone(),
                server: self.this.clone(),
            };
            self.context.webhooks.send(&endpoint.id, Arc::new(hook));
        }
        self.context.wake.notify_one();
    }
}

impl Message for Hook {
    fn reference(&self) -> &str {
        &self.session
    }

    fn key(&self) -> &str {
        &self.event.id
    }

    /// The same body each time, signed anew.
    fn render(&self, _attempt: u32) -> Rendered {
        let Some(server) = self.server.upgrade() else {
            return Rendered { id: self.event.id.clone(), headers: vec![], body: String::new() };
        };
        let faults = server.faults();
        let kind = if faults.unknown_events { "checkout.session.frobnicated" } else { self.event.kind };
        let body = self.event.json(kind).pretty();
        let secret = if faults.bad_signature { "whsec_of_somebody_else" } else { self.secret.as_str() };
        let stamp = server.context.clock.wall();
        let headers = vec![
            ("Stripe-Signature", header(secret, stamp, body.as_bytes())),
            ("User-Agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)".to_owned()),
        ];
        Rendered { id: self.event.id.clone(), headers, body }
    }
}

/// `t=…,v0=…,v1=…`, in no promised order. `v0` is the decoy of test events: it must never be believed.
fn header(secret: &str, stamp: i64, body: &[u8]) -> String {
    let decoy = signature("v0-is-a-decoy", stamp, body);
    format!("t={stamp},v0={decoy},v1={}", signature(secret, stamp, body))
}

/// HMAC-SHA256 of `stamp.body`, keyed with the whole text of the secret.
fn signature(secret: &str, stamp: i64, body: &[u8]) -> String {
    // HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(stamp.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const S1: &str = "whsec_dGVzdF9vbmx5X3NlY3JldF9B";
    const S2: &str = "whsec_dGVzdF9vbmx5X3NlY3JldF9C";

    /// Section 4 of the dossier, whose values were checked against Stripe's own library.
    #[test]
    fn signs_as_the_vectors_say() {
        let a: &[u8] = br#"{"id":"evt_test_0001","object":"event"}"#;
        let c =
            "{\n  \"id\": \"evt_test_0002\",\n  \"object\": \"event\",\n  \"note\": \"Zahlung über 25 €\"\n}";
        assert_eq!((a.len(), c.len()), (39, 82));
        for (secret, stamp, body, expected) in [
            (S1, 1_790_000_000, a, "9d0ad21825aac46c0ca4bc99bb6c742cbcb4015b0db593bd12756d5e1fc4614b"),
            (S2, 1_790_000_000, a, "50afc063b9111caec56d106122723dad7692ffd87f5511d5c28b588e802940f6"),
            (S1, 1_790_000_001, a, "5c39a49e5109f5389e7d04f95de05c10b445cacdd79d8aa976b943acd8c9b59a"),
            (
                S1,
                1_790_000_200,
                c.as_bytes(),
                "8b60bf2771ad06970a1a248b2e63fa5e949b2861c415e4e51cbb2b1ddf1418df",
            ),
            (
                S2,
                1_790_000_200,
                c.as_bytes(),
                "408620a588cac1dd5f08661f6cad0c37f0d5fa506b83472a88e6616aeaf3e5c7",
            ),
            (S1, 1_790_000_300, b"", "e0df91aae0b58588f3791fe1024fbb16b2bc1287d0706e4cf985fdf735b577b9"),
        ] {
            assert_eq!(signature(secret, stamp, body), expected);
        }
    }

    #[test]
    fn only_2xx_ends_the_tries() {
        assert!((RETRY.retries)(None) && (RETRY.retries)(Some(301)) && (RETRY.retries)(Some(400)));
        assert!(!(RETRY.retries)(Some(200)) && !(RETRY.retries)(Some(204)));
    }
}

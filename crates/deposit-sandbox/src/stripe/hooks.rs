//! Events and the endpoints that get them: dossier sections 4 to 6.

use std::fmt;
use std::sync::{Arc, Weak};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::event::{Cause, Event};
use super::state::{State, Stripe};
use crate::json::Json;
use crate::webhook::{Message, Rendered};

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
    use super::super::event::RETRY;
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

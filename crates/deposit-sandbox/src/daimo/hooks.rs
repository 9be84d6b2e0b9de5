//! Webhook subscriptions of both generations and what they get: dossier, A4 and B4.

use std::sync::{Arc, Weak};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::order::{Generation, Happened, Order};
use super::state::{Daimo, State};
use super::view;
use crate::json::Json;
use crate::webhook::{Message, Rendered};

/// One event for one subscription.
#[derive(Debug)]
pub(super) struct Hook {
    id: String,
    subscription: String,
    generation: Generation,
    order: String,
    kind: &'static str,
    /// As things stood when it happened, without `type`.
    members: Vec<(String, Json)>,
    server: Weak<Daimo>,
}

/// Tells every subscription that wants it. With the state locked, so that events cannot overtake each other.
pub(super) fn publish(server: &Daimo, state: &mut State, order: &Order, happened: Happened) {
    let Some(kind) = view::kind(order.generation, happened) else { return };
    let wanting: Vec<_> = state
        .subscriptions
        .iter()
        .filter(|s| s.generation == order.generation && s.wants(kind))
        .map(|s| s.id.clone())
        .collect();
    for subscription in wanting {
        send(server, state, &subscription, order, happened, false);
    }
}

/// One event for one subscription; a test event too.
pub(super) fn send(
    server: &Daimo,
    state: &mut State,
    subscription: &str,
    order: &Order,
    happened: Happened,
    test: bool,
) {
    let Some(kind) = view::kind(order.generation, happened) else { return };
    state.sent += 1;
    let id = server.context.random.hex::<16>(&format!("daimo/event/{subscription}/{}", state.sent));
    let hook = Arc::new(Hook {
        members: view::event(order, happened, &id, server.now(), test),
        id,
        subscription: subscription.to_owned(),
        generation: order.generation,
        order: order.id.clone(),
        kind,
        server: server.this.clone(),
    });
    server.context.webhooks.send(subscription, hook);
}

impl Message for Hook {
    fn reference(&self) -> &str {
        &self.order
    }

    fn key(&self) -> &str {
        &self.id
    }

    /// The same body at each try; a signature's time is that of the try.
    fn render(&self, _attempt: u32) -> Rendered {
        let id = self.id.clone();
        let Some(server) = self.server.upgrade() else {
            return Rendered { id, headers: vec![], body: String::new() };
        };
        let faults = server.context.faults.get();
        let known =
            server.state().subscriptions.iter().find(|s| s.id == self.subscription).map(|s| s.secret.clone());
        let secret =
            if faults.bad_signature { "of-somebody-else".to_owned() } else { known.unwrap_or_default() };
        let kind = match (faults.unknown_events, self.generation) {
            (false, _) => self.kind,
            (true, Generation::Payment) => "payment_frobnicated",
            (true, Generation::Session) => "session.frobnicated",
        };
        let mut members = vec![("type".to_owned(), Json::text(kind))];
        members.extend(self.members.clone());
        let body = Json::Object(members).compact();
        let headers = match self.generation {
            Generation::Payment => {
                vec![("Authorization", format!("Basic {secret}")), ("Idempotency-Key", id.clone())]
            }
            Generation::Session => {
                let stamp = server.context.clock.wall();
                vec![("Daimo-Signature", signature(&secret, stamp, body.as_bytes()))]
            }
        };
        Rendered { id, headers, body }
    }
}

/// `t=…,v1=…`: HMAC-SHA256 over the time, a full stop and the raw body, keyed with the text of the secret.
pub(super) fn signature(secret: &str, stamp: i64, body: &[u8]) -> String {
    // HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(format!("{stamp}.").as_bytes());
    mac.update(body);
    format!("t={stamp},v1={}", hex::encode(mac.finalize().into_bytes()))
}

impl Daimo {
    /// Tells of what happened to an order. Call it with the state locked.
    pub(super) fn publish(&self, state: &mut State, index: usize, events: &[Happened]) {
        // An event shows the order as it was then, so each is told before the next thing happens.
        if let Some(order) = state.orders.get(index).cloned() {
            for happened in events {
                publish(self, state, &order, *happened);
            }
        }
        self.context.wake.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::super::subscription::RETRY;
    use super::*;

    #[test]
    fn ten_tries_with_waits_that_double() {
        assert_eq!(RETRY.waits.len() + 1, 10);
        for (n, wait) in (0_u32..).zip(RETRY.waits) {
            assert_eq!(*wait, 60 * 2_u32.pow(n));
        }
    }

    /// The reference was made with OpenSSL: `printf '1785000000.{}' | openssl dgst -sha256 -hmac whsec-sample-1`.
    #[test]
    fn signs_time_and_body() {
        let signed = signature("whsec-sample-1", 1_785_000_000, b"{}");
        assert_eq!(
            signed,
            "t=1785000000,v1=c75088eadc9d83313f47964ab184682e72a9b8b509ac30d35cf20b669b160494"
        );
        assert_ne!(signed, signature("whsec-sample-1", 1_785_000_000, b"{} "));
    }
}

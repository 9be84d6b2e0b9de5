//! Webhook subscriptions and the deliveries that they get: dossier section 11.

use std::sync::{Arc, Weak};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::invoice::Event;
use super::state::{BtcPay, Hook, State};
use crate::json::Json;
use crate::random::Random;
use crate::webhook::{Message, Rendered};

pub(super) fn publish(server: &BtcPay, state: &mut State, invoice: &str, event: &Event, this: &Weak<BtcPay>) {
    let faults = server.faults();
    let (kind, extra) = server.setting(&faults).event(event);
    let wanting: Vec<_> =
        state.subscriptions.iter().filter(|s| s.wants(kind)).map(|s| s.id.clone()).collect();
    for subscription in wanting {
        let label = format!("btcpay/delivery/{subscription}/{}", state.sent.len());
        let hook = Arc::new(Hook {
            original: server.context.random.base58_bytes::<16>(&label),
            subscription,
            kind,
            invoice: invoice.to_owned(),
            extra: extra.clone(),
            timestamp: server.now(),
            server: this.clone(),
        });
        state.sent.push(hook.clone());
        server.context.webhooks.send(&hook.subscription.clone(), hook);
    }
}

impl Hook {
    /// Each further delivery has an id of its own.
    pub(super) fn delivery_id(&self, random: &Random, attempt: u32) -> String {
        if attempt == 0 {
            return self.original.clone();
        }
        random.base58_bytes::<16>(&format!("btcpay/redelivery/{}/{attempt}", self.original))
    }
}

impl Message for Hook {
    fn reference(&self) -> &str {
        &self.invoice
    }

    fn key(&self) -> &str {
        &self.original
    }

    fn render(&self, attempt: u32) -> Rendered {
        let Some(server) = self.server.upgrade() else {
            return Rendered { id: self.original.clone(), headers: vec![], body: String::new() };
        };
        let state = server.state();
        let secret = state.subscriptions.iter().find(|s| s.id == self.subscription).map(|s| s.secret.clone());
        let metadata = state.invoices.iter().find(|i| i.id == self.invoice).map(|i| i.metadata.clone());
        drop(state);
        let faults = server.faults();
        let id = self.delivery_id(&server.context.random, attempt);
        let mut members = self.extra.clone();
        let common = [
            ("deliveryId", Json::text(&id)),
            ("webhookId", Json::text(&self.subscription)),
            ("originalDeliveryId", Json::text(&self.original)),
            ("isRedelivery", Json::Bool(attempt > 0)),
            ("type", Json::text(if faults.unknown_events { "InvoiceFrobnicated" } else { self.kind })),
            ("timestamp", Json::int(self.timestamp)),
            ("storeId", Json::text(&server.store_id)),
            ("invoiceId", Json::text(&self.invoice)),
            ("metadata", metadata.unwrap_or(Json::Null)),
        ];
        members.extend(common.map(|(name, value)| (name.to_owned(), value)));
        if attempt > 0 {
            // The order of members differs from that of the first delivery.
            members.reverse();
        }
        let body = Json::Object(members).pretty();
        let secret =
            if faults.bad_signature { "of somebody else".to_owned() } else { secret.unwrap_or_default() };
        let signature = signature(&secret, body.as_bytes());
        Rendered { id, headers: vec![("BTCPay-Sig", signature)], body }
    }
}

/// `sha256=` and the HMAC-SHA256 of the raw body, keyed with the text of the secret.
pub(super) fn signature(secret: &str, body: &[u8]) -> String {
    // HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

impl BtcPay {
    /// Sends the events of an invoice to every subscription that wants them. Call it with the state locked,
    /// so that events of two requests cannot overtake each other.
    pub(super) fn publish(&self, state: &mut State, invoice: &str, events: Vec<Event>) {
        for event in &events {
            publish(self, state, invoice, event, &self.this);
        }
        if !events.is_empty() {
            self.context.wake.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::subscription::RETRY;
    use super::*;

    #[test]
    fn signs_as_the_dossier_computed() {
        let body = br#"{"type":"InvoiceSettled","invoiceId":"Vx7KdQm2Rj8nTzW4cYhB6p"}"#;
        assert_eq!(body.len(), 62);
        assert_eq!(
            signature("whsec-sample-1", body),
            "sha256=b3aadf8c49d23cf963c808920c756fc4a0ad721a64a0e4148fc7dd8b2a543e6b"
        );
    }

    #[test]
    fn retries_take_61_minutes_and_10_seconds() {
        assert_eq!(RETRY.waits.len() + 1, 9);
        assert_eq!(RETRY.waits.iter().sum::<u32>(), 61 * 60 + 10);
        for retried in [None, Some(500), Some(503), Some(429), Some(408)] {
            assert!((RETRY.retries)(retried), "{retried:?}");
        }
        for dropped in [301, 400, 401, 404, 410, 422] {
            assert!(!(RETRY.retries)(Some(dropped)), "{dropped}");
        }
    }
}

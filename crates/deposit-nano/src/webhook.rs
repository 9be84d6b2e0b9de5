//! The node's HTTP callback. It cannot sign, so a token in the URL is all the proof there is; and the token proves nothing about
//! the body. Only the hash is used, and only as a hint.

use deposit_core::{Delivery, DeliveryId, Observation, Observed, RawDelivery, Target, Ticker, WebhookError};
use deposit_transport::{VerifiedBody, signature};

use crate::api::Notice;
use crate::map;
use crate::provider::Nano;

impl Nano {
    pub(crate) fn take(&self, delivery: &RawDelivery<'_>) -> Result<Delivery, WebhookError> {
        let token = delivery.query.iter().find(|(name, _)| name == "token").map(|(_, value)| value.as_str());
        self.told(signature::token(&self.callback_token, token, delivery.body)?)
    }

    fn told(&self, body: VerifiedBody<'_>) -> Result<Delivery, WebhookError> {
        let notice: Notice =
            serde_json::from_slice(body.as_bytes()).map_err(|_| WebhookError::Malformed("not a callback"))?;
        let id =
            DeliveryId::new(notice.hash.to_string()).map_err(|_| WebhookError::Malformed("no block hash"))?;
        let mut delivery = Delivery { id, observations: Vec::new(), concerns: Vec::new() };
        match map::notice_destination(&notice) {
            // A node tells of every block of the network: what is not sent to us is not for us.
            Ok(Some(to)) if self.shared.watches(&to) => {
                delivery.observations.push(Observation {
                    provider: Self::ID,
                    target: Target::Address(to.to_string()),
                    ticker: Some(Ticker::XNO),
                    ours: Some(true),
                    observed: Observed::PaymentHint,
                });
                self.shared.hint_at(to);
            }
            Ok(_) => {}
            Err(concern) => delivery.concerns.push(concern),
        }
        Ok(delivery)
    }
}

#[cfg(test)]
#[path = "webhook_tests.rs"]
mod tests;

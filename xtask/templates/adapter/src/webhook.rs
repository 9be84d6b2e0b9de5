//! Webhooks: verified, then read as hints. What they say about money is never taken from them; the order is read.

use deposit_core::{Delivery, RawDelivery, Secret, WebhookError};
use deposit_transport::signature;

/// From the provider's documents: header and scheme of the signature.
const SIGNATURE: &str = "@name@-signature";

#[derive(Debug)]
pub(crate) struct Webhooks {
    secret: Secret,
}

impl Webhooks {
    pub(crate) fn new(secret: Secret) -> Self {
        Self { secret }
    }

    pub(crate) fn take(&self, delivery: &RawDelivery<'_>) -> Result<Delivery, WebhookError> {
        let signature = delivery.header(SIGNATURE).ok_or(WebhookError::Unauthenticated)?;
        let _body = signature::hmac_sha256_hex(&self.secret, delivery.body, signature)?;
        Err(WebhookError::Malformed("to be written: `take` in crates/deposit-@name@/src/webhook.rs"))
    }
}

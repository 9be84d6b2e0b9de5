//! Who gets webhooks.

use super::order::Generation;
use crate::webhook::{RetryPolicy, Target};

/// Up to 10 tries; before the n-th further one a wait of 2^(n-1) minutes. Anything but 2xx is tried again.
pub(super) const RETRY: RetryPolicy =
    RetryPolicy { waits: &[60, 120, 240, 480, 960, 1_920, 3_840, 7_680, 15_360], retries: |_| true };

/// Where a gateway takes this provider's webhooks.
const GATEWAY_PATH: &str = "/webhooks/daimo";

#[derive(Clone)]
pub(super) struct Subscription {
    pub(super) id: String,
    pub(super) generation: Generation,
    pub(super) target: Target,
    /// The Basic token, or the secret that signs.
    pub(super) secret: String,
    /// Sessions: `*`, or names of events.
    pub(super) events: Vec<String>,
    pub(super) created: i64,
}

impl Subscription {
    /// One that is there from the start.
    pub(super) fn of_gateways(id: String, generation: Generation, secret: String, created: i64) -> Self {
        let target = Target::Gateways(GATEWAY_PATH);
        Self { id, generation, target, secret, events: vec!["*".to_owned()], created }
    }

    pub(super) fn wants(&self, kind: &str) -> bool {
        self.events.iter().any(|event| event == "*" || event == kind)
    }
}

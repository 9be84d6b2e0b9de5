//! The list of emulators: the one place that a further one is added to.

use std::sync::Arc;

use crate::btcpay::BtcPay;
use crate::emulator::{Context, Emulator};
use crate::stripe::Stripe;

/// Every emulator of this sandbox.
#[derive(Debug)]
pub struct Emulators {
    /// BTCPay Server.
    pub btcpay: Arc<BtcPay>,
    /// Stripe.
    pub stripe: Arc<Stripe>,
}

impl Emulators {
    pub(crate) fn new(mut context: impl FnMut(&'static str) -> Arc<Context>) -> Self {
        Self {
            btcpay: BtcPay::new(context(crate::btcpay::NAME)),
            stripe: Stripe::new(context(crate::stripe::NAME)),
        }
    }

    pub(crate) fn all(&self) -> Vec<Arc<dyn Emulator>> {
        vec![self.btcpay.clone(), self.stripe.clone()]
    }
}

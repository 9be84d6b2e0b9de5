//! The list of emulators: the one place that a further one is added to.

use std::sync::Arc;

use crate::btcpay::BtcPay;
use crate::emulator::{Context, Emulator};
use crate::nano::Nano;

/// Every emulator of this sandbox.
#[derive(Debug)]
pub struct Emulators {
    /// BTCPay Server.
    pub btcpay: Arc<BtcPay>,
    /// A Nano node.
    pub nano: Arc<Nano>,
}

impl Emulators {
    pub(crate) fn new(mut context: impl FnMut(&'static str) -> Arc<Context>) -> Self {
        Self {
            btcpay: BtcPay::new(context(crate::btcpay::NAME)),
            nano: Nano::new(context(crate::nano::NAME)),
        }
    }

    pub(crate) fn all(&self) -> Vec<Arc<dyn Emulator>> {
        vec![self.btcpay.clone(), self.nano.clone()]
    }
}

//! The list of emulators: the one place that a further one is added to.

use std::sync::Arc;

use crate::btcpay::BtcPay;
use crate::daimo::Daimo;
use crate::emulator::{Context, Emulator};

/// Every emulator of this sandbox.
#[derive(Debug)]
pub struct Emulators {
    /// BTCPay Server.
    pub btcpay: Arc<BtcPay>,
    /// Daimo Pay.
    pub daimo: Arc<Daimo>,
}

impl Emulators {
    pub(crate) fn new(mut context: impl FnMut(&'static str) -> Arc<Context>) -> Self {
        Self {
            btcpay: BtcPay::new(context(crate::btcpay::NAME)),
            daimo: Daimo::new(context(crate::daimo::NAME)),
        }
    }

    pub(crate) fn all(&self) -> Vec<Arc<dyn Emulator>> {
        vec![self.btcpay.clone(), self.daimo.clone()]
    }
}

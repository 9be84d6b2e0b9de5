//! The list of emulators: the one place that a further one is added to.

use std::sync::Arc;

use crate::btcpay::BtcPay;
use crate::emulator::{Context, Emulator};
use crate::zano::Zano;

/// Every emulator of this sandbox.
#[derive(Debug)]
pub struct Emulators {
    /// BTCPay Server.
    pub btcpay: Arc<BtcPay>,
    /// A Zano wallet.
    pub zano: Arc<Zano>,
}

impl Emulators {
    pub(crate) fn new(mut context: impl FnMut(&'static str) -> Arc<Context>) -> Self {
        Self {
            btcpay: BtcPay::new(context(crate::btcpay::NAME)),
            zano: Zano::new(context(crate::zano::NAME)),
        }
    }

    pub(crate) fn all(&self) -> Vec<Arc<dyn Emulator>> {
        vec![self.btcpay.clone(), self.zano.clone()]
    }
}

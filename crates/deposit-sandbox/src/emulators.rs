//! The list of emulators: the one place that a further one is added to.

use std::sync::Arc;

use crate::btcpay::BtcPay;
use crate::emulator::{Context, Emulator};
use crate::promptcash::PromptCash;

/// Every emulator of this sandbox.
#[derive(Debug)]
pub struct Emulators {
    /// BTCPay Server.
    pub btcpay: Arc<BtcPay>,
    /// Prompt.Cash.
    pub promptcash: Arc<PromptCash>,
}

impl Emulators {
    pub(crate) fn new(mut context: impl FnMut(&'static str) -> Arc<Context>) -> Self {
        Self {
            btcpay: BtcPay::new(context(crate::btcpay::NAME)),
            promptcash: PromptCash::new(context(crate::promptcash::NAME)),
        }
    }

    pub(crate) fn all(&self) -> Vec<Arc<dyn Emulator>> {
        vec![self.btcpay.clone(), self.promptcash.clone()]
    }
}

//! The table of emulators: one line each. A further one is its module and a line here.

use std::sync::Arc;

use crate::emulator::{Context, Emulator};

macro_rules! emulators {
    ($($name:ident: $type:ident, $doc:literal;)*) => {
        /// Every emulator of this sandbox.
        #[derive(Debug)]
        pub struct Emulators {
            $(
                #[doc = $doc]
                pub $name: Arc<crate::$name::$type>,
            )*
        }

        impl Emulators {
            pub(crate) fn new(mut context: impl FnMut(&'static str) -> Arc<Context>) -> Self {
                Self { $($name: crate::$name::$type::new(context(crate::$name::NAME)),)* }
            }

            pub(crate) fn all(&self) -> Vec<Arc<dyn Emulator>> {
                vec![$(self.$name.clone()),*]
            }
        }
    };
}

emulators! {
    btcpay: BtcPay, "BTCPay Server.";
    promptcash: PromptCash, "Prompt.Cash.";
    nanswap: Nanswap, "Nanswap.";
    zano: Zano, "Zano wallet.";
    daimo: Daimo, "Daimo Pay.";
    stripe: Stripe, "Stripe.";
    nano: Nano, "Nano node.";
}

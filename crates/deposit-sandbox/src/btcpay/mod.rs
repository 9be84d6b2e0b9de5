//! BTCPay Server, Greenfield API, as version 2.4 answers.
//!
//! One store with eight payment methods. What each scenario does here:
//!
//! | scenario | plays |
//! |---|---|
//! | `partial` | one confirmed payment of half of what is due, rounded up to the coin's smallest unit |
//! | `over` | one confirmed payment of what is due and half as much again, rounded up |
//! | `late` | this invoice's expiration moves one second and more into the past and is acted on (`InvoiceExpired`); then one confirmed payment of what is due. The global clock stays |
//! | `double` | two confirmed payments of what is due each |
//! | `reorg` | pays in full where nothing was paid; every payment is confirmed, then lost by the chain. Of an invoice that is `Settled` the payments stay `Settled`, and only the wallet shows it (no confirmations); of one that is `New` (paid in part) they go back to `Processing`; else they become `Invalid`. No webhook tells it. 400 for the plugins' coins and Lightning, where nothing is ever taken back |
//! | `return` | every payment undone by `reorg` counts again under the same id (`InvoicePaymentSettled` where it was `Invalid`); 400 where there is none |
//! | `replace` | beside the contract: every payment that was seen and not confirmed becomes `Invalid` (replaced by another transaction), without a webhook; 400 where there is none |
//! | `expire` | this invoice's expiration moves into the past and is acted on; 400 where the invoice is safe from expiry (`Processing`, `Settled`, `Invalid`) |
//! | `fail` | a `Processing` invoice runs out of its monitoring time and turns `Invalid`; one that is `New` or `Expired` (or was marked settled) is marked `Invalid` by hand; 400 elsewhere |
//! | `refund`, `refund_part`, `dispute` | 400: this provider has none |
//!
//! The store's `networkFeeMode` is `Never`, as its users are told to set it (a real store's default is `MultiplePaymentsOnly`; tests set the others);
//! the Monero plugin asks for its fee from the first payment on, whatever the store says. `tests/btcpay_recordings/` compares the answers with those
//! of a real server.
//!
//! Decisions where the real server leaves room: MWEB addresses are never given out twice; Lightning and MWEB take every scenario,
//! since the contract lists them by provider: a Lightning payment after expiry is recorded, as when its node
//! reports it in the moment of expiry, and a second one to the same BOLT11 is recorded as well.

mod api;
mod create;
mod decimal;
mod emulator;
mod error;
mod fee_mode;
mod hooks;
mod hooks_api;
mod invoice;
#[cfg(test)]
mod invoice_properties;
mod method;
mod payment;
mod play;
mod rates;
mod setup;
mod state;
mod subscription;
mod view;
mod wallet;

pub use state::{BtcPay, STORE_PERMISSIONS};

pub(crate) const NAME: &str = "btcpay";

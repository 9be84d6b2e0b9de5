//! Daimo Pay: both generations of the API at one address, with one key.
//!
//! | generation | paths | key | webhooks |
//! |---|---|---|---|
//! | payments | `/api/payment…`, `/api/webhook…`, the payer's page `/checkout?id=` | `Api-Key` | `Authorization: Basic TOKEN` |
//! | sessions | `/v1/sessions…`, `/v1/webhooks…`, the payer's page `/webview?session=&cs=` | `Authorization: Bearer` | `Daimo-Signature` |
//!
//! The gateways are subscribed to both: `webhook_token` of the configuration is the token of the one and the signing secret of the
//! other, so that a gateway changes its generation by `api` alone.
//!
//! An order is for a fixed amount: `pay` takes what is due and nothing else. The order's id is the payment's. The payer's coin is
//! `pay`'s `ticker` (USDC, USDT, ETH, SOL); what settles is USDC. Who pays in USDT does so from an exchange, which tells neither
//! his address nor a transaction.
//!
//! | scenario | plays |
//! |---|---|
//! | `fail` | started where it was not, then bounced: the money is at the refund address |
//! | `refund` | payments: paid in full where nothing was, then refunded; one that is started or bounced is refunded as it is. Sessions: 400, they have no such state |
//! | `expire` | sessions: `expired`, without an event, and never paid again. Payments: their page is over; the API has no word for that and tells nothing, and money that comes all the same counts |
//! | all others | 400 |
//!
//! Decisions where the dossier says that nothing is confirmed: a create is answered with 200; the same `Idempotency-Key` with the same
//! body repeats the first answer, with another one it is 409, and so is an `externalId` that another payment has. A payment is read
//! by itself by its id and in an object `{"payment":…}` by its external id, since both forms were seen. Webhooks of payments are
//! tried again as those of sessions are. Money that arrives after a session's expiry is not emulated. Destinations are USDC on the ten
//! chains that have it.

mod chain;
mod emulator;
mod hooks;
mod hooks_api;
mod order;
mod page;
mod payments;
mod play;
mod read;
mod sessions;
mod state;
mod subscription;
mod view;

pub use state::Daimo;

/// An EVM address with its checksum.
pub(crate) fn checksummed(address: &str) -> String {
    chain::address(address).unwrap_or_else(|| address.to_owned())
}

pub(crate) const NAME: &str = "daimo";

//! Nanswap, exchange API v1: an order gives a pay-in address, and what arrives there is swapped and paid out.
//!
//! Written from the dossier. What each control call does here:
//!
//! | call | plays |
//! |---|---|
//! | `pay`, `seen` | the pay-in is seen: the order is `exchanging` |
//! | `pay`, `confirmed` | what was seen is swapped at the rates of now and paid out: the order is `completed`, from `waiting` in one step |
//! | `partial`, `over` | one confirmed payment of half of what is due, rounded up, or half as much again |
//! | `late` | this order's lifetime ends and nothing was paid; then one confirmed payment of what is due |
//! | `expire` | this order's lifetime moves into the past; 400 unless it is `waiting` |
//! | `fail` | the order is in `error`, after the payer paid in full where nothing was paid; 400 where it is `completed` or in `error` |
//! | all others | 400: a swap is not undone, and a refund is made by people, by mail |
//!
//! A payment's id is the order's id: this provider tells totals only. A second payment is added to the totals when it is
//! confirmed. `ref` is the order's id or its pay-in address, of KAS with or without `kaspa:`.
//!
//! Decisions where the dossier leaves room:
//!
//! * An order whose lifetime is over stays `waiting` and shows `validUntil` in the past; a pay-in after that is swapped all the same.
//! * What arrives is swapped whatever the limits are; where nothing would be paid out the order is in `error`.
//! * Books are in binary floating point, as JSON numbers of such a server are. An amount that is the order's own, as such a
//!   number, counts as exactly that in the truth.
//! * 0.5 % is kept of a swap, 0.25 % between feeless coins; the final `amountTo` is another 0.1 % below the expected one.
//! * Limits are 0.02 and 3000 USD in the coin, at the rates of now, until [`Nanswap::set_limits`] says otherwise.
//! * 180 requests in 60 s of business time, all callers together; then 429. `RateLimit-Reset` is in seconds. `Date` is business time.
//! * Each third create leaves `status` out; each fourth order leaves `validUntil` out while it lives; figures that are not known are
//!   `null` in one order and absent in the next.

mod api;
mod create;
mod currency;
mod emulator;
mod figures;
mod order;
mod play;
mod state;

pub use state::Nanswap;

pub(crate) const NAME: &str = "nanswap";

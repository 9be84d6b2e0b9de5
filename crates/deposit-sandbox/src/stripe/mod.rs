//! Stripe, hosted Checkout for one-off card payments: API family v1, test mode, version `2026-06-24.dahlia` by default.
//!
//! One account with USD, EUR and GBP. What each scenario does here:
//!
//! | scenario | plays |
//! |---|---|
//! | `refund` | pays in full where nothing was paid; what is left of the charge is refunded (`refund.created`, `charge.refunded`); 400 where nothing is left |
//! | `refund_part` | the same with half of the charge, rounded down, at most what is left |
//! | `dispute` | pays in full where nothing was paid; a dispute about what is not refunded is opened and the money withdrawn; 400 where one is there already or nothing is left |
//! | `return` | the open dispute is won and its money reinstated; 400 where none is open |
//! | `expire` | an `open` session expires; 400 elsewhere |
//! | `fail` | a delayed payment fails: the session is `complete` and stays `unpaid`, the PaymentIntent is `requires_payment_method`; 400 where it is paid or expired |
//! | all others | 400: the page takes the exact amount, once and in time |
//!
//! `pay` takes the session's id, our `client_reference_id` or the PaymentIntent's id; an `amount` has to be what is due. With
//! `seen` the payment stays `processing` (a delayed method) until it is confirmed.
//!
//! Decisions where Stripe leaves room: the events of one payment go out in an order that follows from the seed; a delivery is
//! tried again three times over a few hours, as in Stripe's own sandboxes; a parameter that the dossier does not name is
//! refused as unknown; an idempotency key is forgotten after 24 hours, an event after 30 days. The hosted page takes Stripe's
//! test cards.

mod api;
mod create;
mod emulator;
mod error;
mod event;
mod form;
mod hooks;
mod list;
mod model;
mod page;
mod play;
mod reply;
mod setup;
mod state;
mod version;
mod view;

pub use state::Stripe;

pub(crate) const NAME: &str = "stripe";

//! Prompt.Cash, API v1: Bitcoin Cash at an address for each payment.
//!
//! | scenario | plays |
//! |---|---|
//! | `partial` | one confirmed transaction of half of what is due, rounded up to the satoshi; the payment stays `PENDING` |
//! | `over` | one confirmed transaction of what is due and half as much again |
//! | `late` | this payment's making moves so far into the past that its time is over (`EXPIRED`, with its callback); then one confirmed transaction of what is due: `PAID`. The global clock stays |
//! | `double` | two confirmed transactions of what is due each; the total has both |
//! | `expire` | as the first half of `late`; 400 where the payment is not `PENDING` |
//! | `reorg`, `return`, `refund`, `refund_part`, `dispute`, `fail`, `replace` | 400: this provider has none |
//!
//! The service tells totals only, so each order has one payment under its own `tx_id`. It is `seen` until the order is `PAID`, a part
//! of it for ever: confirmed is what the provider confirms. A transaction needs as many confirmations as the order asks for; `pay` with
//! stage `confirmed` gives it as many.
//!
//! Decisions where nothing is documented: a wrong secret is 401, a wrong public token 403, a field that breaks a rule 400, an unknown
//! payment 404, each with an `error`; a repeated `tx_id` brings the old payment back unchanged, whatever else the request says; what is
//! below 546 satoshi is refused; a late payment in full turns `EXPIRED` into `PAID`; a transaction on a paid order counts once it is
//! confirmed and calls nobody. A callback is sent when an order turns `PAID` or `EXPIRED`, and again after 10 s, 1 min and 10 min
//! where the answer is no answer or a 5xx. An order without a `callback` calls the gateways, as if the account had a default. A
//! `signature` may be left out; one that is there has to be right, in either of the two published forms.

mod api;
mod callback;
mod create;
mod emulator;
mod error;
mod order;
mod play;
mod state;

pub use state::PromptCash;

pub(crate) const NAME: &str = "promptcash";

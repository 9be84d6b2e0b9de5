//! The cases. Each panics where the adapter, or the harness, is wrong.
//!
//! Every case takes a harness that no other case used before.

mod batches;
mod capabilities;
mod check;
mod faults;
mod opening;
mod payments;
mod secrets;
mod standing;
mod webhooks;

pub use batches::*;
pub use capabilities::*;
pub use check::*;
pub use faults::*;
pub use opening::*;
pub use payments::*;
pub use secrets::*;
pub use standing::*;
pub use webhooks::*;

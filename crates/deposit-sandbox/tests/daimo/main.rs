//! Daimo Pay, emulated: both generations, their refusals, states, webhooks and pages.
#![allow(missing_docs, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod api;
mod play;
mod world;

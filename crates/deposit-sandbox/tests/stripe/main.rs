//! The Stripe emulator against its dossier: what the real API refuses is refused, what it keeps is kept.
#![allow(missing_docs, unreachable_pub, dead_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod api;
mod money;
mod world;

//! A provider of paper: in memory, with an adapter that can be given one flaw. It shows that the suite passes what is
//! right and fails what is wrong.

mod adapter;
mod world;

#[allow(unused_imports, reason = "the suite alone needs no flaw")]
pub use adapter::Flaw;
pub use world::PaperHarness;

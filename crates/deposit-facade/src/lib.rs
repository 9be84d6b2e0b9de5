//! Registry and router: ticker to adapter, limit checks, one Cargo feature per adapter.
#![forbid(unsafe_code)]

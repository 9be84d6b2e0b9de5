//! Durable state behind one trait: SQLite by default.
#![forbid(unsafe_code)]

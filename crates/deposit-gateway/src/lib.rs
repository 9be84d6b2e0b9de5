//! The deposit binary: HTTP API, webhooks, command line.
#![forbid(unsafe_code)]

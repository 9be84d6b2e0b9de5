//! The deposit binary: HTTP API, webhooks, command line.
#![forbid(unsafe_code)]

pub mod http;
pub mod cli;
pub mod config;
#[cfg(feature = "sandbox")]
mod demo;
pub mod gateway;
pub mod logging;

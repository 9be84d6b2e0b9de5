#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod cli;
mod client;
pub mod config;
#[cfg(feature = "sandbox")]
mod demo;
pub mod gateway;
pub mod http;
pub mod logging;

#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod breaker;
mod classify;
mod client;
mod config;
mod redact;
mod request;
mod response;
pub mod signature;
mod tls;
mod web_url;

pub use client::{BuildError, HttpClient, client_builder};
pub use config::{BreakerConfig, HttpConfig};
pub use redact::RedactedUrl;
pub use request::{Request, Safety};
pub use reqwest::{Method, StatusCode};
pub use response::{DecodeError, Response};
pub use signature::VerifiedBody;
pub use web_url::{InvalidUrl, base_url, endpoint};

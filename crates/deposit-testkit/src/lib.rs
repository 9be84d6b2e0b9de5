#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a failed check is a panic: that is what a test runner counts"
)]

mod recorded;
mod told;
mod world;

pub use recorded::{Answer, Exchange, Recorded};
pub use told::{told, wrong};
pub use world::World;

use std::net::TcpListener;
use std::time::Duration;

use deposit_conformance::CapturedDelivery;
use deposit_transport::HttpConfig;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Map, Value};
use sha2::Sha256;

/// Timeouts and a breaker so short that a slow answer, and the recovery after a fault, take no time
/// ([`deposit_conformance::Variant::Impatient`]).
#[must_use]
pub fn impatient() -> HttpConfig {
    let mut http = HttpConfig::default();
    http.read_timeout = Duration::from_millis(300);
    http.timeout = Duration::from_millis(400);
    http.deadline = Duration::from_millis(1_500);
    http.max_backoff = Duration::from_millis(20);
    http.min_backoff = Duration::from_millis(5);
    http.breaker.open_for = Duration::from_millis(200);
    http
}

/// `http://ADDR` at which nothing listens: a port that was free a moment ago.
#[must_use]
pub fn unreachable_url() -> String {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    format!("http://{}", free.expect("a free port"))
}

/// HMAC-SHA256 of the parts one after the other, in lower-case hex.
#[must_use]
pub fn hmac_sha256(secret: &str, parts: &[&[u8]]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length");
    parts.iter().for_each(|part| mac.update(part));
    hex::encode(mac.finalize().into_bytes())
}

/// The delivery with its JSON body changed, and everything else as it was.
#[must_use]
pub fn altered(sample: &CapturedDelivery, change: impl FnOnce(&mut Map<String, Value>)) -> CapturedDelivery {
    let mut body: Value = serde_json::from_slice(&sample.body).expect("a JSON body");
    change(body.as_object_mut().expect("an object"));
    CapturedDelivery { body: body.to_string().into_bytes(), ..sample.clone() }
}

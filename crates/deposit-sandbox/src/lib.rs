#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod address;
pub mod btcpay;
mod clock;
mod control;
mod control_error;
pub mod daimo;
mod emulator;
mod emulators;
mod faults;
mod json;
pub mod nano;
pub mod nanswap;
pub mod promptcash;
mod random;
mod rate_sources;
mod rates;
mod sandbox;
pub mod stripe;
mod webhook;
pub mod zano;

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::string_slice)]
mod validators;

pub use clock::Clock;
pub use control_error::ControlError;
pub use emulator::{
    Context, Emulator, PayRequest, PayStage, PlayedPayment, ScenarioName, ScenarioRequest, TruthOrder,
    TruthPayment, TruthStage,
};
pub use emulators::Emulators;
pub use faults::{FaultSwitch, Faults, WebhookMode};
pub use json::{Json, NotJson};
pub use random::Random;
pub use rates::Rates;
pub use sandbox::{Sandbox, SandboxConfig, StartError};
pub use webhook::{Attempt, Message, Rendered, RetryPolicy, Target, Webhooks};

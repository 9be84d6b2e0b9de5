#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod amount;
mod asset;
mod check;
mod config_error;
mod decimal;
mod error;
mod evidence;
mod ids;
mod intent;
pub mod json;
mod limits;
mod price;
mod printable;
mod provider;
mod secret;
mod status;
mod terms;
mod time;

pub use amount::{Amount, ParseAmountError, Signed};
pub use asset::{Asset, AssetCode, InvalidAsset, InvalidCode, MAX_SCALE, ProviderId, Ticker};
pub use check::{CheckContext, CheckItem, CheckOutcome};
pub use config_error::ConfigError;
pub use decimal::{DecimalText, NotADecimal, ScaleError, plain_decimal};
pub use error::{ErrorKind, Operation, ProviderError, WebhookError};
pub use evidence::{
    Concern, ConcernedMoney, Evidence, Facts, Failure, Observation, Observed, OrderEvidence, OrderState,
    PaymentEvidence, PaymentReading, Snapshot, Taking, Target,
};
pub use ids::{
    AccountIndex, AccountName, DeliveryId, DepositId, InvalidId, PaymentRef, ProviderRef, TakingId,
};
pub use intent::{DepositIntent, IntentRecord, PayInstructions};
pub use limits::{InvalidLimits, LimitError, Limits, UsdLimits};
pub use price::{InvalidPrice, Overflow, Price, Rounding, percent_of, share};
pub use printable::printable;
pub use provider::{
    Capabilities, Delivery, LookUpRequest, OpenRequest, PaymentProvider, RawDelivery, ReadOutcome, Received,
    Replay, RequestBudget, ScanCursor, ScanPage, StandingPosition, Taken, TickerKind, TickerSpec,
};
pub use secret::{BadSecret, Secret};
pub use status::{Stage, Status};
pub use terms::{Basis, CreditRule, FormulaVersion, Quote, Terms};
pub use time::Timestamp;

pub use async_trait::async_trait;
pub use rust_decimal::Decimal;

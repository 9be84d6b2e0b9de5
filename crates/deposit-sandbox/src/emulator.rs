//! What an emulator is: one provider's HTTP surface and what a payer can do to it.

use std::fmt::Debug;
use std::sync::Arc;

use axum::response::Response;
use deposit_core::{Amount, DecimalText, Ticker};
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::control_error::ControlError;
use crate::faults::FaultSwitch;
use crate::json::Json;
use crate::random::Random;
use crate::rates::Rates;
use crate::webhook::Webhooks;

/// What the sandbox gives to each emulator.
#[derive(Debug)]
pub struct Context {
    /// The business clock: expiry, payment times, retries.
    pub clock: Arc<Clock>,
    /// Ids, addresses, chance.
    pub random: Arc<Random>,
    /// What the rate sources say.
    pub rates: Arc<Rates>,
    /// The faults in force for this emulator.
    pub faults: Arc<FaultSwitch>,
    /// This emulator's own webhook lines.
    pub webhooks: Webhooks,
    /// Where its HTTP surface is, without a slash at the end: `http://127.0.0.1:4010/btcpay`.
    pub base_url: String,
    /// Wakes the task that calls [`Emulator::tick`]; notify it when a deadline was added.
    pub wake: Arc<Notify>,
}

/// How far a payment is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PayStage {
    /// On its way; not final.
    Seen,
    /// Final as far as the provider is concerned.
    Confirmed,
}

/// `POST /control/PROVIDER/pay`.
#[derive(Debug, Clone)]
pub struct PayRequest {
    /// The provider's reference, our order id where the provider was told it, or a pay-in address.
    pub reference: String,
    /// What is paid; `None`: what is due.
    pub amount: Option<DecimalText>,
    /// How far it goes. Left out: `confirmed`.
    pub stage: PayStage,
    /// A payment made before, to be moved on to a later stage.
    pub payment: Option<String>,
    /// For emulators with several coins at one address.
    pub ticker: Option<Ticker>,
}

/// The scenarios of the control API.
///
/// An emulator's own module says what each does with its provider, and refuses those that it cannot have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScenarioName {
    /// Half of what is due.
    Partial,
    /// Half as much again as is due.
    Over,
    /// The provider's expiry first, then in full.
    Late,
    /// In full, twice.
    Double,
    /// Confirmed, then undone.
    Reorg,
    /// What was undone counts again.
    Return,
    /// All of it goes back.
    Refund,
    /// Half of it goes back.
    RefundPart,
    /// A dispute is opened.
    Dispute,
    /// The provider's time to pay is over.
    Expire,
    /// The order fails.
    Fail,
    /// Beside the contract: a payment that was seen is replaced before it was ever confirmed.
    Replace,
}

impl ScenarioName {
    const ALL: &'static [(&'static str, Self)] = &[
        ("partial", Self::Partial),
        ("over", Self::Over),
        ("late", Self::Late),
        ("double", Self::Double),
        ("reorg", Self::Reorg),
        ("return", Self::Return),
        ("refund", Self::Refund),
        ("refund_part", Self::RefundPart),
        ("dispute", Self::Dispute),
        ("expire", Self::Expire),
        ("fail", Self::Fail),
        ("replace", Self::Replace),
    ];

    /// By the word of the control API.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(name, _)| *name == word).map(|(_, scenario)| *scenario)
    }

    /// The word of the control API.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, scenario)| *scenario == self).map_or("", |(name, _)| name)
    }

    /// All words, for an error's text.
    #[must_use]
    pub fn words() -> String {
        Self::ALL.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }
}

/// `POST /control/PROVIDER/scenario`.
#[derive(Debug, Clone)]
pub struct ScenarioRequest {
    /// As in [`PayRequest`].
    pub reference: String,
    /// What to play.
    pub name: ScenarioName,
    /// For providers that are never told an amount: what counts as due.
    pub amount: Option<DecimalText>,
    /// For emulators with several coins at one address.
    pub ticker: Option<Ticker>,
}

/// What has become of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TruthStage {
    /// On its way.
    Seen,
    /// Final.
    Confirmed,
    /// Confirmed once, taken back since.
    Reversed,
    /// Seen, and gone before it was ever confirmed.
    Withdrawn,
}

impl TruthStage {
    /// The word of the control API.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Confirmed => "confirmed",
            Self::Reversed => "reversed",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// One payment as it really is.
#[derive(Debug, Clone)]
pub struct TruthPayment {
    /// The id that an adapter sees.
    pub id: String,
    /// What arrived.
    pub amount: Amount,
    /// What has become of it.
    pub stage: TruthStage,
    /// Ever confirmed, cumulative.
    pub confirmed: Amount,
    /// Ever taken back, cumulative.
    pub reversed: Amount,
    /// Ever given back again, cumulative.
    pub reinstated: Amount,
    /// What a swap paid out.
    pub settled: Option<(Amount, Ticker)>,
    /// When it was seen, Unix seconds of the business clock.
    pub seen_at: i64,
}

impl TruthPayment {
    fn json(&self) -> Json {
        Json::object([
            ("id", Json::text(&self.id)),
            ("amount", Json::text(self.amount.to_string())),
            ("stage", Json::text(self.stage.word())),
            ("confirmed", Json::text(self.confirmed.to_string())),
            ("reversed", Json::text(self.reversed.to_string())),
            ("reinstated", Json::text(self.reinstated.to_string())),
            ("settled", Json::text_or_null(self.settled.map(|(amount, _)| amount.to_string()))),
            ("settledTicker", Json::text_or_null(self.settled.map(|(_, ticker)| ticker.to_string()))),
            ("seenAt", Json::text(rfc3339(self.seen_at))),
        ])
    }
}

/// One order as it really is.
#[derive(Debug, Clone)]
pub struct TruthOrder {
    /// The provider's own reference.
    pub reference: String,
    /// Our id, if the provider was told it.
    pub order: Option<String>,
    /// Where it is paid now.
    pub address: Option<String>,
    /// In which coin; `None` where no method is left on it.
    pub ticker: Option<Ticker>,
    /// What was asked for in all, before any payment.
    pub due: Option<Amount>,
    /// Every payment ever seen.
    pub payments: Vec<TruthPayment>,
}

impl TruthOrder {
    pub(crate) fn json(&self, provider: &str) -> Json {
        Json::object([
            ("provider", Json::text(provider)),
            ("ref", Json::text(&self.reference)),
            ("order", Json::text_or_null(self.order.as_deref())),
            ("address", Json::text_or_null(self.address.as_deref())),
            ("ticker", Json::text_or_null(self.ticker.map(|t| t.to_string()))),
            ("due", Json::text_or_null(self.due.map(|d| d.to_string()))),
            ("payments", Json::List(self.payments.iter().map(TruthPayment::json).collect())),
        ])
    }
}

/// Times as the deposit API writes them: UTC, milliseconds, `Z`.
fn rfc3339(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.to_string().replace('Z', ".000Z")
}

/// One payment in a scenario's answer.
#[derive(Debug, Clone)]
pub struct PlayedPayment {
    /// The id that an adapter sees.
    pub id: String,
    /// What arrived.
    pub amount: Amount,
    /// What has become of it.
    pub stage: TruthStage,
}

impl PlayedPayment {
    pub(crate) fn json(&self) -> Json {
        Json::object([
            ("id", Json::text(&self.id)),
            ("amount", Json::text(self.amount.to_string())),
            ("stage", Json::text(self.stage.word())),
        ])
    }
}

/// An emulated provider. State is behind its own lock; no method waits for anything.
///
/// The router is nested under `/NAME`, inside the layer that plays the faults which are the same for
/// every provider. What only the provider itself can get wrong (an unknown word, a missing
/// method) the emulator reads from [`Context::faults`].
pub trait Emulator: Debug + Send + Sync + 'static {
    /// Its name in paths and in `[providers.NAME]`.
    fn name(&self) -> &'static str;

    /// Its HTTP surface.
    fn router(self: Arc<Self>) -> axum::Router;

    /// The provider's own 5xx.
    fn server_error(&self) -> Response;

    /// The provider's own refusal of a key.
    fn unauthorized(&self) -> Response;

    /// What a gateway needs to be told under `[providers.NAME]`: keys and values.
    fn settings(&self) -> Vec<(&'static str, String)>;

    /// The payer pays; answers the payment's id, as an adapter will see it.
    ///
    /// # Errors
    /// Names the member and the rule; nothing was changed.
    fn pay(&self, request: &PayRequest) -> Result<String, ControlError>;

    /// Plays a scenario.
    ///
    /// # Errors
    /// Names the member and the rule; nothing was changed. One that the provider cannot have is refused.
    fn scenario(&self, request: &ScenarioRequest) -> Result<Vec<PlayedPayment>, ControlError>;

    /// Sends every webhook of this reference again; answers how many.
    ///
    /// # Errors
    /// Where the reference is unknown.
    fn redeliver(&self, reference: &str) -> Result<usize, ControlError>;

    /// Every order and every payment.
    fn truth(&self) -> Vec<TruthOrder>;

    /// Does what has fallen due; answers when the next thing will (Unix seconds, business clock).
    fn tick(&self) -> Option<i64>;
}

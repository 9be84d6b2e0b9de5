//! What providers know: evidence that only grows, facts that carry it, and snapshots of one read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString};

use crate::amount::Amount;
use crate::asset::{Asset, ProviderId, Ticker};
use crate::ids::{DepositId, PaymentRef, ProviderRef, TakingId};
use crate::intent::PayInstructions;
use crate::time::Timestamp;

/// One taking-back under its own stable id: cumulative, in the received asset's smallest units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taking {
    /// Taken so far.
    #[serde(with = "minor_text")]
    pub taken: u128,
    /// Of it given back so far.
    #[serde(with = "minor_text")]
    pub given_back: u128,
}

/// Evidence of one payment: cumulative figures in the received asset's smallest units. They only grow, so merging
/// takes the maximum of each (see `deposit_lifecycle::merge`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentEvidence {
    /// What was received.
    pub asset: Asset,
    /// Ever seen.
    #[serde(with = "minor_text")]
    pub seen: u128,
    /// The most of it that one read showed at a time, in flight and confirmed; 0 where no read did. `seen` counts again what was gone and
    /// came back, this does not: it is for showing what came, and no credit depends on it.
    #[serde(with = "minor_text", default, skip_serializing_if = "is_zero")]
    pub most: u128,
    /// Of it gone before it was ever confirmed.
    #[serde(with = "minor_text")]
    pub withdrawn: u128,
    /// Ever confirmed.
    #[serde(with = "minor_text")]
    pub confirmed: u128,
    /// What a swap paid out, in the other asset; cumulative too.
    pub settled: Option<Amount>,
    /// Takings-back by their own id.
    pub takings: BTreeMap<TakingId, Taking>,
    /// The order that it was paid on, where a deposit has several.
    pub order: Option<ProviderRef>,
    /// Confirmations, where the provider counts them.
    pub confirmations: Option<u32>,
    /// Confirmations that it wants.
    pub required_confirmations: Option<u32>,
    /// When it was paid, where the provider tells: the earliest that was ever told.
    pub paid_at: Option<Timestamp>,
}

impl PaymentEvidence {
    /// Nothing known yet of a payment in `asset`.
    #[must_use]
    pub const fn none(asset: Asset) -> Self {
        Self {
            asset,
            seen: 0,
            most: 0,
            withdrawn: 0,
            confirmed: 0,
            settled: None,
            takings: BTreeMap::new(),
            order: None,
            confirmations: None,
            required_confirmations: None,
            paid_at: None,
        }
    }
}

/// Why a provider gave an order up.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    EnumIter,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Failure {
    /// The provider reports an error.
    ProviderError,
    /// Marked as invalid, by the provider or by a person there.
    Invalid,
    /// The final transfer bounced; the money went to the refund address.
    Bounced,
    /// A delayed payment method was declined.
    Declined,
    /// Cancelled at the provider.
    Cancelled,
}

/// What is known of the order itself. Times are those of *our* observation, or the provider's own where it tells; the earliest wins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderEvidence {
    /// When the provider was first seen to have expired it.
    pub expired_at: Option<Timestamp>,
    /// When the provider was first seen to have given it up, and why.
    pub failed: Option<(Timestamp, Failure)>,
}

/// All that is known of a deposit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// By the provider's own reference of the payment.
    pub payments: BTreeMap<PaymentRef, PaymentEvidence>,
    /// The order itself.
    pub order: OrderEvidence,
}

/// Facts: pieces of evidence, each under its own id; they merge in any order and any number of times.
pub type Facts = Evidence;

/// One payment as one read showed it: how things stand, not what happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentReading {
    /// The provider's own reference.
    pub id: PaymentRef,
    /// What was received.
    pub asset: Asset,
    /// Seen and not confirmed, now, in smallest units.
    #[serde(with = "minor_text")]
    pub in_flight: u128,
    /// Confirmed, now, in smallest units; takings that are listed by id are *not* subtracted here.
    #[serde(with = "minor_text")]
    pub confirmed: u128,
    /// What a swap paid out.
    pub settled: Option<Amount>,
    /// Takings-back that the provider lists under their own ids (refunds, disputes).
    pub takings: BTreeMap<TakingId, Taking>,
    /// Confirmations, where the provider counts them.
    pub confirmations: Option<u32>,
    /// Confirmations that it wants.
    pub required_confirmations: Option<u32>,
    /// When it was paid, where the provider tells.
    pub paid_at: Option<Timestamp>,
}

impl PaymentReading {
    /// A payment that is seen and not yet confirmed.
    #[must_use]
    pub fn in_flight(id: PaymentRef, amount: Amount) -> Self {
        Self {
            id,
            asset: amount.asset(),
            in_flight: amount.minor(),
            confirmed: 0,
            settled: None,
            takings: BTreeMap::new(),
            confirmations: None,
            required_confirmations: None,
            paid_at: None,
        }
    }

    /// A payment that is confirmed.
    #[must_use]
    pub fn confirmed(id: PaymentRef, amount: Amount) -> Self {
        Self { in_flight: 0, confirmed: amount.minor(), ..Self::in_flight(id, amount) }
    }

    /// A payment that the provider lists as gone (replaced, orphaned, invalid).
    #[must_use]
    pub fn gone(id: PaymentRef, asset: Asset) -> Self {
        Self::in_flight(id, Amount::zero(asset))
    }
}

/// How the order itself stands, by one read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// Payable, or paid; also what an unknown word leaves it at.
    Open,
    /// The provider's own deadline is over.
    Expired,
    /// The provider gave it up.
    Failed(Failure),
}

/// Something that a person should see: an unknown word, a figure that was rounded, a marked invoice. Never contains a secret or
/// the payer's data.
///
/// One that [means money](Concern::money) is handed to an operator as a review item, once; any other is logged, once for each deposit and code.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Concern {
    /// Short stable word: `unknown_status`, `rounded`, `marked_settled`, …
    pub code: String,
    /// One sentence for the operator.
    pub detail: String,
    /// What money it is about; `None` where it means none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub money: Option<ConcernedMoney>,
}

/// Money that no rule will credit, or a credit that no rule will take back, as far as the provider tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ConcernedMoney {
    /// The payment, where the provider names one; `None`: the order as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<PaymentRef>,
    /// How much of it, as decimal text in units of `ticker` or of the deposit's own asset; cumulative. `None` where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
    /// In what `amount` is counted, where that is not the deposit's own ticker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticker: Option<Ticker>,
    /// Whether it went back: not money to credit, but a credit that no rule takes back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub taken_back: bool,
}

impl Concern {
    /// A concern that means no money.
    pub fn new(code: &str, detail: impl Into<String>) -> Self {
        Self { code: code.to_owned(), detail: detail.into(), money: None }
    }

    /// A concern about money: no rule will credit it, or no rule will take its credit back.
    pub fn money(code: &str, detail: impl Into<String>, money: ConcernedMoney) -> Self {
        Self { code: code.to_owned(), detail: detail.into(), money: Some(money) }
    }
}

impl ConcernedMoney {
    /// The order as a whole; how much is not known.
    #[must_use]
    pub fn of_order() -> Self {
        Self::default()
    }

    /// One payment; how much is not known.
    #[must_use]
    pub const fn of_payment(payment: PaymentRef) -> Self {
        Self { payment: Some(payment), amount: None, ticker: None, taken_back: false }
    }

    /// The same, of money that went back.
    #[must_use]
    pub fn that_went_back(self) -> Self {
        Self { taken_back: true, ..self }
    }

    /// The same, with how much of the deposit's own asset.
    #[must_use]
    pub fn amount(self, amount: Amount) -> Self {
        Self { amount: Some(amount.to_string()), ..self }
    }
}

/// What one read of one order showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The order that was read.
    pub order: ProviderRef,
    /// Whether every payment of the order was listed. Only then does absence count.
    pub complete: bool,
    /// How the order stands.
    pub state: OrderState,
    /// When the provider's own deadline passed, where it tells and where the order did pass it (`Expired`, or paid after that). Without
    /// it an expired order is dated by our observation, and a payment seen in the same read cannot be told to be late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expired_at: Option<Timestamp>,
    /// The payments as they stand.
    pub payments: Vec<PaymentReading>,
    /// Payments that were listed in words we do not know: their evidence stays as it is.
    pub undecided: Vec<PaymentRef>,
    /// Where to pay the rest, if that changed (a new address or BOLT11 after a part payment).
    pub instructions: Option<PayInstructions>,
    /// What an operator should see.
    pub concerns: Vec<Concern>,
}

impl Snapshot {
    /// A complete read of an open order without payments.
    #[must_use]
    pub fn empty(order: ProviderRef) -> Self {
        Self {
            order,
            complete: true,
            state: OrderState::Open,
            expired_at: None,
            payments: Vec::new(),
            undecided: Vec::new(),
            instructions: None,
            concerns: Vec::new(),
        }
    }
}

/// Whom an observation is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Our own id, which the provider was told.
    Deposit(DepositId),
    /// What the provider calls the order.
    Order(ProviderRef),
    /// A pay-in address that was shown at some time.
    Address(String),
    /// Nothing that we could know it by: for an operator.
    Unknown,
}

/// What an observation says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Observed {
    /// Something may have changed: read the order.
    Hint,
    /// The message speaks of money: read the order; if nobody knows it, an operator has to see it.
    PaymentHint,
    /// What one read showed.
    Snapshot(Box<Snapshot>),
    /// What only this message can show, under its own ids.
    Facts(Box<Facts>),
    /// Money that is ours by this provider but of no order: a payment to a standing address, or to nobody.
    Payment(Box<PaymentReading>),
}

/// A message about a deposit: from a webhook, a scan or a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// Who says so.
    pub provider: ProviderId,
    /// About whom.
    pub target: Target,
    /// The way of paying, where the message tells.
    pub ticker: Option<Ticker>,
    /// Whether the order carries our marker: an order of another program in the same provider account is journalled, never
    /// reviewed. `None` where the message cannot tell.
    pub ours: Option<bool>,
    /// What it says.
    pub observed: Observed,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_zero(minor: &u128) -> bool {
    *minor == 0
}

/// `u128` as decimal text, since JSON numbers of other programs end at 2^53.
pub(crate) mod minor_text {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(minor: &u128, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(minor)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<u128, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

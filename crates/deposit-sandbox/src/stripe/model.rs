//! What the account holds, and how it changes: dossier sections 2, 3, 7 and 8.

use deposit_core::{Amount, Asset, Ticker};

use super::form::Pair;
use crate::emulator::TruthStage;

/// A currency of this account: all with two decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Currency {
    /// As it is on the wire.
    pub(super) code: &'static str,
    pub(super) ticker: Ticker,
    pub(super) asset: Asset,
    /// Smallest charge, in cents.
    pub(super) minimum: i64,
}

/// Largest charge: eight digits.
pub(super) const MAXIMUM: i64 = 99_999_999;

pub(super) const CURRENCIES: [Currency; 3] = [
    Currency { code: "usd", ticker: Ticker::USD, asset: Asset::USD, minimum: 50 },
    Currency { code: "eur", ticker: Ticker::EUR, asset: Asset::EUR, minimum: 50 },
    Currency { code: "gbp", ticker: Ticker::GBP, asset: Asset::GBP, minimum: 30 },
];

impl Currency {
    /// Cents as an amount of the asset, which may be stored finer.
    pub(super) fn amount(self, cents: i64) -> Amount {
        let finer = 10_u128.pow(u32::from(self.asset.scale().saturating_sub(2)));
        Amount::new(u128::try_from(cents).unwrap_or(0).saturating_mul(finer), self.asset)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SessionStatus {
    Open,
    Complete,
    Expired,
}

impl SessionStatus {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Complete => "complete",
            Self::Expired => "expired",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PaymentStatus {
    Unpaid,
    Paid,
    NoPaymentRequired,
}

impl PaymentStatus {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Unpaid => "unpaid",
            Self::Paid => "paid",
            Self::NoPaymentRequired => "no_payment_required",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IntentStatus {
    RequiresPaymentMethod,
    Processing,
    RequiresCapture,
    Succeeded,
}

impl IntentStatus {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::RequiresPaymentMethod => "requires_payment_method",
            Self::Processing => "processing",
            Self::RequiresCapture => "requires_capture",
            Self::Succeeded => "succeeded",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChargeStatus {
    Pending,
    Succeeded,
    Failed,
}

impl ChargeStatus {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

/// What a new session was asked to be.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) currency: Currency,
    /// Cents.
    pub(super) total: i64,
    pub(super) client_reference_id: Option<String>,
    pub(super) customer_email: Option<String>,
    pub(super) metadata: Vec<Pair>,
    pub(super) intent_metadata: Vec<Pair>,
    pub(super) success_url: String,
    pub(super) cancel_url: Option<String>,
    pub(super) expires_at: Option<i64>,
    pub(super) methods: Vec<String>,
    pub(super) adaptive_pricing: bool,
    pub(super) manual_capture: bool,
    pub(super) locale: Option<String>,
    pub(super) submit_type: Option<String>,
    pub(super) ui_mode: String,
}

/// A Checkout Session with all that hangs on it.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) id: String,
    pub(super) created: i64,
    pub(super) expires_at: i64,
    pub(super) wanted: Wanted,
    pub(super) status: SessionStatus,
    pub(super) payment_status: PaymentStatus,
    pub(super) intent: Option<Intent>,
}

/// The PaymentIntent: made when the payer confirms, not before.
#[derive(Debug, Clone)]
pub(super) struct Intent {
    pub(super) id: String,
    pub(super) created: i64,
    pub(super) status: IntentStatus,
    /// Every try; the last one is `latest_charge`.
    pub(super) charges: Vec<Charge>,
}

#[derive(Debug, Clone)]
pub(super) struct Charge {
    pub(super) id: String,
    pub(super) created: i64,
    pub(super) status: ChargeStatus,
    pub(super) failure_code: Option<&'static str>,
    pub(super) refunds: Vec<Refund>,
    pub(super) dispute: Option<Dispute>,
}

#[derive(Debug, Clone)]
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) created: i64,
    pub(super) amount: i64,
    /// `succeeded`, `failed`, …
    pub(super) status: &'static str,
    pub(super) reason: Option<String>,
    pub(super) metadata: Vec<Pair>,
}

impl Refund {
    pub(super) fn counts(&self) -> bool {
        !matches!(self.status, "failed" | "canceled")
    }
}

#[derive(Debug, Clone)]
pub(super) struct Dispute {
    pub(super) id: String,
    pub(super) created: i64,
    pub(super) amount: i64,
    pub(super) status: &'static str,
    /// Whether money was ever withdrawn for it: not for an inquiry.
    pub(super) withdrawn: bool,
    /// Whether it came back.
    pub(super) reinstated: bool,
}

impl Charge {
    pub(super) fn refunded(&self) -> i64 {
        self.refunds.iter().filter(|refund| refund.counts()).map(|refund| refund.amount).sum()
    }
}

impl Session {
    pub(super) fn charge(&self) -> Option<&Charge> {
        self.intent.as_ref()?.charges.last()
    }

    pub(super) fn charge_mut(&mut self) -> Option<&mut Charge> {
        self.intent.as_mut()?.charges.last_mut()
    }

    /// The charge that brought the money.
    pub(super) fn paid(&self) -> Option<&Charge> {
        self.charge().filter(|charge| charge.status == ChargeStatus::Succeeded)
    }

    pub(super) fn intent_id(&self) -> Option<&str> {
        self.intent.as_ref().map(|intent| intent.id.as_str())
    }

    /// Ever taken back, and ever given back of it, in cents.
    pub(super) fn takings(&self) -> (i64, i64) {
        let (mut taken, mut given_back) = (0, 0);
        for charge in self.intent.iter().flat_map(|intent| &intent.charges) {
            for refund in &charge.refunds {
                taken += refund.amount;
                given_back += if refund.counts() { 0 } else { refund.amount };
            }
            if let Some(dispute) = charge.dispute.as_ref().filter(|dispute| dispute.withdrawn) {
                taken += dispute.amount;
                given_back += if dispute.reinstated { dispute.amount } else { 0 };
            }
        }
        (taken, given_back)
    }

    /// `None` where no payment was ever under way: a declined card is none.
    pub(super) fn stage(&self) -> Option<TruthStage> {
        let charge = self.charge()?;
        let (taken, given_back) = self.takings();
        match charge.status {
            ChargeStatus::Pending => Some(TruthStage::Seen),
            ChargeStatus::Succeeded if taken - given_back >= self.wanted.total => Some(TruthStage::Reversed),
            ChargeStatus::Succeeded => Some(TruthStage::Confirmed),
            ChargeStatus::Failed if self.status == SessionStatus::Complete => Some(TruthStage::Withdrawn),
            ChargeStatus::Failed => None,
        }
    }
}

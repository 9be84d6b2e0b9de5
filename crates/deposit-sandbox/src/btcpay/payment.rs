//! A payment to an invoice, as the server keeps it.

use deposit_core::Amount;

use super::decimal::Dec;
use super::method::{Kind, Method};
use crate::emulator::TruthStage;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PaymentStatus {
    Processing,
    Settled,
    /// Replaced, double-spent or orphaned: no longer accounted.
    Invalid,
}

#[derive(Debug, Clone)]
pub(super) struct Payment {
    pub(super) id: String,
    pub(super) method: &'static Method,
    pub(super) destination: String,
    pub(super) value: Amount,
    /// What the method asked for on top when it came: the rest of the value counts.
    pub(super) fee: Dec,
    pub(super) received: i64,
    pub(super) status: PaymentStatus,
    /// The chain lost it, and the invoice still says `Settled`: settled invoices are no longer watched.
    pub(super) lost: bool,
    /// It came while nobody watched its address: in the wallet, and nowhere in the invoice API.
    pub(super) unseen: bool,
    /// Cumulative, for the truth.
    pub(super) confirmed: Amount,
    pub(super) reversed: Amount,
    pub(super) reinstated: Amount,
}

impl Payment {
    /// Its value as the server keeps it: the plugins with all decimals, the core chains without zeros at the end.
    pub(super) fn exact(&self) -> Dec {
        let value = Dec::of(self.value);
        if self.method.kind == Kind::Shielded {
            value.fixed(self.method.divisibility)
        } else {
            value.trimmed()
        }
    }

    /// The chain lost it after it was confirmed, and has it not back.
    pub(super) fn is_undone(&self) -> bool {
        self.reversed.minor() > self.reinstated.minor()
    }

    pub(super) fn fee_text(&self) -> String {
        let plugin = self.method.kind == Kind::Shielded && !self.fee.is_zero();
        if plugin { self.fee.fixed(self.method.divisibility) } else { self.fee.trimmed() }.to_string()
    }

    pub(super) fn accounted(&self) -> bool {
        self.status != PaymentStatus::Invalid && !self.unseen
    }

    pub(super) fn stage(&self) -> TruthStage {
        match self.status {
            PaymentStatus::Processing if self.is_undone() => TruthStage::Reversed,
            PaymentStatus::Processing => TruthStage::Seen,
            PaymentStatus::Settled if self.lost => TruthStage::Reversed,
            PaymentStatus::Settled => TruthStage::Confirmed,
            PaymentStatus::Invalid if self.confirmed.is_zero() => TruthStage::Withdrawn,
            PaymentStatus::Invalid => TruthStage::Reversed,
        }
    }
}

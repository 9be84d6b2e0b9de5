//! The public object of a deposit, as data: what history rows hold and what the gateway puts into its JSON.

use deposit_core::{
    Amount, DepositId, PayInstructions, PaymentEvidence, PaymentRef, Price, Stage, Status, Ticker, Timestamp,
};
use deposit_lifecycle as lifecycle;
use deposit_store::DepositRow;
use serde::{Deserialize, Serialize};

/// One payment as the payer may see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentView {
    /// The provider's own reference.
    pub id: PaymentRef,
    /// What came, also where it is gone or taken back by now, in the received asset.
    pub amount: Amount,
    /// How much of it is gone or taken back; `None` where nothing is. (History of releases before this member has what is left as `amount`.)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reversed: Option<Amount>,
    /// How far it is.
    pub stage: Stage,
    /// Confirmations, where the provider counts them.
    pub confirmations: Option<u32>,
    /// Confirmations that it wants.
    pub required_confirmations: Option<u32>,
}

impl PaymentView {
    fn of(id: &PaymentRef, payment: &PaymentEvidence) -> Self {
        let came = lifecycle::came(payment);
        let reversed = came.saturating_sub(lifecycle::paid(payment));
        let stage = lifecycle::stage(payment);
        // Seen where confirmations are counted: it has none yet.
        let none_yet = payment.required_confirmations.filter(|_| stage == Stage::Seen).map(|_| 0);
        Self {
            id: id.clone(),
            amount: Amount::new(came, payment.asset),
            reversed: (reversed > 0).then(|| Amount::new(reversed, payment.asset)),
            stage,
            confirmations: payment.confirmations.or(none_yet),
            required_confirmations: payment.required_confirmations,
        }
    }

    /// What is left of it: seen and neither gone nor taken back. `None` if nothing is.
    #[must_use]
    pub fn standing(&self) -> Option<Amount> {
        let left = match self.reversed {
            Some(reversed) => self.amount.checked_sub(reversed)?,
            None => self.amount,
        };
        Some(left).filter(|left| !left.is_zero())
    }
}

/// A deposit as seen from outside, at one point of its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DepositView {
    /// Our id.
    pub id: DepositId,
    /// The way of paying.
    pub ticker: Ticker,
    /// The status.
    pub status: Status,
    /// What was asked for; `None` for a payment to a standing address.
    pub amount: Option<Amount>,
    /// USD for one unit of `amount` at creation.
    pub unit_price: Option<Price>,
    /// Bonus in percent.
    pub bonus_percent: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// End of the quote.
    pub expires_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// All that was seen, less what was reversed.
    pub paid: Amount,
    /// What is still to be paid: `None` where nothing was asked for, all of it was seen, or the rest is less than can be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Amount>,
    /// How to pay.
    pub instructions: PayInstructions,
    /// The payments.
    pub payments: Vec<PaymentView>,
    /// What the ledger has posted, net of reversals, with bonus; `None` before the first posting.
    pub credited: Option<Amount>,
    /// Of it the bonus.
    pub bonus: Option<Amount>,
    /// When it was first completed.
    pub completed_at: Option<Timestamp>,
    /// First paid after the expiry.
    pub late: bool,
    /// Credit was undone.
    pub reversed: bool,
    /// A sentence for `Failed`, partial or excess payment.
    pub reason: Option<String>,
}

impl DepositView {
    /// The view of an open row. `None` while it is not open.
    #[must_use]
    pub fn of(row: &DepositRow) -> Option<Self> {
        let intent = row.intent.as_ref()?;
        // The status and time of a view are those that were committed; `now` plays no part in the other members.
        let derived = lifecycle::status(&row.terms, &row.evidence, &row.credit, row.updated_at);
        let asset = row.terms.asset;
        let payments =
            row.evidence.payments.iter().map(|(id, payment)| PaymentView::of(id, payment)).collect();
        let posted_once = row.credit.payments.values().any(|c| c.postings > 0);
        let ledger = row.terms.credit.ledger;
        Some(Self {
            id: row.id.clone(),
            ticker: row.ticker,
            status: row.status,
            amount: row.terms.requested(),
            unit_price: row.terms.quote.map(|q| q.unit_price),
            bonus_percent: row.terms.bonus_percent.normalize().to_string(),
            created_at: row.terms.created_at,
            expires_at: row.terms.expires_at(),
            updated_at: row.updated_at,
            paid: Amount::new(derived.paid, asset),
            due: (derived.due > 0).then(|| Amount::new(derived.due, asset)),
            instructions: intent.instructions.clone(),
            payments,
            credited: posted_once.then(|| Amount::new(derived.credited, ledger)),
            bonus: posted_once
                .then(|| lifecycle::bonus_of(&row.terms, &row.evidence, &row.credit))
                .filter(|bonus| !bonus.is_zero()),
            completed_at: row.credit.completed_at,
            late: derived.late,
            reversed: derived.reversed,
            reason: derived.reason.map(|r| r.to_string()),
        })
    }

    /// Whether the two differ in anything but the time of the change.
    #[must_use]
    pub fn differs_from(&self, other: &Self) -> bool {
        let mut same_time = other.clone();
        same_time.updated_at = self.updated_at;
        *self != same_time
    }
}

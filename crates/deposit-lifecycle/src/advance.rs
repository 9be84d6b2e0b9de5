//! One step of a deposit: post what is owed, derive the status, remember what stays.

use deposit_core::{Evidence, PaymentRef, Status, Terms, Timestamp};

use crate::credit::{Closed, Credit, Owed, owed, post};
use crate::status::{View, status};

/// What a step came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advance {
    /// Postings to make, in the same transaction that commits `credit`.
    pub owed: Vec<Owed>,
    /// The credit after them; with `completed_at` and `closed` where this step brought them.
    pub credit: Credit,
    /// How the deposit stands then.
    pub view: View,
    /// Confirmed payments without a price: to be priced, then advanced again.
    pub unpriced: Vec<PaymentRef>,
    /// Payments in another asset, for an operator.
    pub foreign: Vec<PaymentRef>,
    /// Payments whose worth no amount can hold, for an operator.
    pub overflow: Vec<PaymentRef>,
}

/// Takes one step: what is owed, the credit with that posted, the status, and what stays for ever of it (the first
/// completion, the first closing).
///
/// Before it, the caller has merged the facts and given each new payment its entry in `credit` (time, late, price). Called again
/// with its own result it owes nothing and changes nothing. Every step from one call's status to the next one's is in the
/// transition table, whatever the facts and the clock: the credit remembers what the table has no way back from.
#[must_use]
pub fn advance(terms: &Terms, evidence: &Evidence, credit: Credit, now: Timestamp) -> Advance {
    let reckoning = owed(terms, evidence, &credit);
    let mut credit = post(credit, &reckoning.owed);
    let view = status(terms, evidence, &credit, now);
    match view.status {
        Status::Completed => credit.completed_at = credit.completed_at.or(Some(now)),
        Status::Expired => credit.closed = credit.closed.or(Some(Closed::Expired)),
        Status::Failed => credit.closed = credit.closed.or(Some(Closed::Failed)),
        Status::New | Status::Pending | Status::Processing | Status::Paid => {}
    }
    Advance {
        owed: reckoning.owed,
        credit,
        view,
        unpriced: reckoning.unpriced,
        foreign: reckoning.foreign,
        overflow: reckoning.overflow,
    }
}

/// Whether the deposit is [`Status::Completed`] now and never was before. [`advance`] sets `completed_at` by itself.
#[must_use]
pub fn completes(terms: &Terms, evidence: &Evidence, credit: &Credit, now: Timestamp) -> bool {
    credit.completed_at.is_none() && status(terms, evidence, credit, now).status == Status::Completed
}

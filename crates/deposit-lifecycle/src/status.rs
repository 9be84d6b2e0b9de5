//! The status of a deposit: a pure function of what is known, what was done, and the time.

use deposit_core::{Amount, Evidence, OrderEvidence, PaymentEvidence, PaymentRef, Status, Terms, Timestamp};

use crate::credit::{Closed, Credit, Standing, standing};
use crate::figures::{in_flight, net, paid};
use crate::reason::Reason;

/// How a deposit stands. Figures are sums over its payments in the terms' own asset, in smallest units, held at the largest
/// 128-bit number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// The status.
    pub status: Status,
    /// Paid after the deadline, at least in part.
    pub late: bool,
    /// Something that was credited is taken back now.
    pub reversed: bool,
    /// A word on it.
    pub reason: Option<Reason>,
    /// Seen, less what is gone or taken back.
    pub paid: u128,
    /// Confirmed and not taken back.
    pub net: u128,
    /// Seen, not confirmed.
    pub in_flight: u128,
    /// Posted, net of reversals, in the ledger asset's smallest units.
    pub credited: u128,
    /// What is still asked for; nothing where the rest is less than can be sent, or where nothing was asked for.
    pub due: u128,
    /// Whether the deadline is over.
    pub expired: bool,
}

/// When the window ends: our `expires_at`, or the provider's own expiry if that came first. `None` without a quote: a
/// standing address never expires.
#[must_use]
pub fn deadline(terms: &Terms, order: &OrderEvidence) -> Option<Timestamp> {
    let ours = terms.expires_at()?;
    Some(order.expired_at.map_or(ours, |theirs| theirs.min(ours)))
}

/// How the deposit stands at `now`. The rules, in their order, are in this crate's README.
#[must_use]
pub fn status(terms: &Terms, evidence: &Evidence, credit: &Credit, now: Timestamp) -> View {
    let sums = Sums::of(terms, evidence, credit);
    let end = deadline(terms, &evidence.order);
    let expired = end.is_some_and(|end| now >= end);
    let failed = evidence.order.failed.filter(|(at, _)| end.is_none_or(|end| *at < end));
    let closed = credit.closed.or(match (failed, expired) {
        (Some(_), _) => Some(Closed::Failed),
        (None, true) => Some(Closed::Expired),
        (None, false) => None,
    });
    let status = derive(terms, credit, &sums, closed);
    View {
        status,
        late: sums.late,
        reversed: sums.reversed,
        reason: reason(terms, evidence, &sums, status),
        paid: sums.paid,
        net: sums.net,
        in_flight: sums.in_flight,
        credited: sums.credited,
        due: terms.requested().map_or(0, |_| remainder(terms, sums.paid)),
        expired,
    }
}

fn derive(terms: &Terms, credit: &Credit, sums: &Sums, closed: Option<Closed>) -> Status {
    // A part that its provider will never confirm: more has to come, as if nothing were in flight.
    let stuck = terms.confirms_only_full && remainder(terms, sums.paid) > 0;
    let unpaid = match closed {
        Some(Closed::Expired) => Some(Status::Expired),
        Some(Closed::Failed) => Some(Status::Failed),
        None => None,
    };
    if credit.completed_at.is_some() {
        Status::Completed
    } else if sums.credit_pending {
        Status::Paid
    } else if sums.net > 0 && remainder(terms, sums.net) == 0 {
        Status::Completed
    } else if sums.in_flight > 0 && !stuck {
        Status::Processing
    } else if sums.net > 0 && closed.is_some() {
        // A credited part, and the rest will not come.
        Status::Completed
    } else if sums.net > 0 {
        Status::Pending
    } else if let Some(unpaid) = unpaid {
        unpaid
    } else if sums.ever_seen {
        Status::Pending
    } else {
        Status::New
    }
}

/// What is still to be paid where so much is: nothing where that is less than a payer can send, since nobody could ever complete the deposit
/// then. A provider that confirms full payments only waits for the whole of it all the same.
fn remainder(terms: &Terms, paid: u128) -> u128 {
    // Nobody quotes nothing; but if so, no payment is still no payment.
    let required = terms.requested().map_or(1, |amount| amount.minor().max(1));
    let rest = required.saturating_sub(paid);
    let sendable = terms.confirms_only_full || paid == 0 || rest >= terms.least_payment;
    if sendable { rest } else { 0 }
}

fn reason(terms: &Terms, evidence: &Evidence, sums: &Sums, status: Status) -> Option<Reason> {
    if let (Status::Failed, Some((_, why))) = (status, evidence.order.failed) {
        return Some(Reason::Failed(why));
    }
    if sums.foreign {
        return Some(Reason::WrongAsset);
    }
    let asked = terms.requested()?;
    if sums.paid == 0 || sums.reversed {
        // Not paid at all; or paid and taken back, of which `reversed` tells.
        return None;
    }
    let amount = |minor| Amount::new(minor, asked.asset());
    match (remainder(terms, sums.paid), sums.paid.checked_sub(asked.minor())) {
        (missing, _) if missing > 0 => Some(Reason::Partial { missing: amount(missing) }),
        (_, Some(over)) if over > 0 => Some(Reason::Excess { over: amount(over) }),
        (_, _) => None,
    }
}

/// What the payments come to.
#[derive(Default)]
struct Sums {
    paid: u128,
    net: u128,
    in_flight: u128,
    credited: u128,
    late: bool,
    reversed: bool,
    /// Something is confirmed whose credit is not what it should be: no price yet, say.
    credit_pending: bool,
    /// There was a payment once, in whatever asset.
    ever_seen: bool,
    /// There is one in another asset.
    foreign: bool,
}

impl Sums {
    fn of(terms: &Terms, evidence: &Evidence, credit: &Credit) -> Self {
        let mut sums = Self { ever_seen: !evidence.payments.is_empty(), ..Self::default() };
        // One that was gone again before anybody looked is listed with nothing in it: it was a payment all the same.
        for (id, payment) in &evidence.payments {
            sums.add(terms, id, payment, credit);
        }
        sums
    }

    fn add(&mut self, terms: &Terms, id: &PaymentRef, payment: &PaymentEvidence, credit: &Credit) {
        if payment.asset != terms.asset {
            self.foreign |= paid(payment) > 0;
            return;
        }
        let (paid, net) = (paid(payment), net(payment));
        self.paid = self.paid.saturating_add(paid);
        self.net = self.net.saturating_add(net);
        self.in_flight = self.in_flight.saturating_add(in_flight(payment));
        let entry = credit.payments.get(id);
        if let Some(entry) = entry {
            self.credited = self.credited.saturating_add(entry.posted);
            self.late |= entry.late && paid > 0;
            self.reversed |= entry.postings > 0 && net < payment.confirmed;
        }
        self.credit_pending |= net > 0 && standing(terms, payment, entry) != Standing::Even;
    }
}

//! One deposit: what its provider shows now against what is stored and posted. Pure.

use std::collections::BTreeSet;

use deposit_core::{
    Amount, Asset, DepositId, Evidence, PaymentEvidence, PaymentRef, ProviderId, Signed, Snapshot, Timestamp,
};
use deposit_lifecycle as lifecycle;
use deposit_store::{DepositRow, LedgerEntry};

/// What a difference is. The words are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, strum::Display, strum::EnumIter)]
#[strum(serialize_all = "snake_case")]
pub enum DifferenceKind {
    /// The provider shows money that has neither a deposit nor a review item.
    UnknownPayment,
    /// The provider shows a payment on a deposit, not yet confirmed, that is not known here.
    MissingPayment,
    /// More is confirmed at the provider, or owed for what is known, than the ledger has posted.
    MissingCredit,
    /// Less is confirmed at the provider than here: something was taken back.
    MissingReversal,
    /// The ledger has posted more than what is known is worth.
    ExcessCredit,
    /// The provider no longer has a payment or an order that is known here.
    MissingAtProvider,
    /// Money that was seen, and that neither a rule nor an operator has decided about yet: no price is known for it, its order has been over for
    /// long and it is still not confirmed, or its provider says of it what nobody understands.
    Undecided,
    /// Figures differ in another way: what is on its way, what a swap paid out, the asset.
    Amount,
    /// The provider could not be read.
    Unreadable,
}

/// One difference between a provider and the ledger.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// Which provider.
    pub provider: ProviderId,
    /// The payment's reference, the order's where no payment is known; `*` where it is all of the provider.
    pub reference: String,
    /// The deposit that it is about, where it is known.
    pub deposit: Option<DepositId>,
    /// What it is.
    pub kind: DifferenceKind,
    /// Our figure, as decimal text: of what was paid, or of the ledger's currency where the ledger differs from what is known.
    pub ours: Option<String>,
    /// Theirs, or why it is not known.
    pub theirs: Option<String>,
}

/// What is known here of a deposit, as of one moment.
pub(crate) struct Known<'a> {
    pub(crate) row: &'a DepositRow,
    pub(crate) entries: &'a [LedgerEntry],
    /// References that an operator was shown.
    pub(crate) reviewed: &'a BTreeSet<String>,
    /// How long after the end of its order a payment may be on its way, in seconds.
    pub(crate) undecided_secs: i64,
}

/// What is different, by payment.
pub(crate) fn compare(known: &Known<'_>, snapshots: &[Snapshot], now: Timestamp) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut theirs = known.row.evidence.clone();
    for snapshot in snapshots {
        let facts = lifecycle::facts_of(&theirs, snapshot, now);
        let merged = lifecycle::merge(std::mem::take(&mut theirs), &facts);
        for payment in &merged.conflicts {
            if let (Some(ours), Some(other)) =
                (merged.evidence.payments.get(payment), facts.payments.get(payment))
                && !known.reviewed.contains(payment.as_str())
            {
                let text =
                    |p: &PaymentEvidence| format!("{} {}", amount(p.asset, lifecycle::paid(p)), p.asset);
                found.push(known.difference(
                    payment,
                    DifferenceKind::Amount,
                    Some(text(ours)),
                    Some(text(other)),
                ));
            }
        }
        theirs = merged.evidence;
    }
    found.extend(by_payment(known, &theirs));
    found.extend(undecided(known, snapshots, now));
    found
}

/// What both agree about and nobody has decided.
fn undecided<'a>(
    known: &'a Known<'a>,
    snapshots: &'a [Snapshot],
    now: Timestamp,
) -> impl Iterator<Item = Difference> + 'a {
    let terms = &known.row.terms;
    let evidence = &known.row.evidence;
    let is_over = lifecycle::deadline(terms, &evidence.order)
        .is_some_and(|end| now >= end.plus_secs(known.undecided_secs));
    let unclear: BTreeSet<&PaymentRef> = snapshots.iter().flat_map(|snapshot| &snapshot.undecided).collect();
    let late = evidence.payments.iter().filter_map(move |(id, payment)| {
        let waiting = lifecycle::in_flight(payment);
        (is_over && waiting > 0).then(|| (id, Some(amount(payment.asset, waiting))))
    });
    let late: Vec<(&PaymentRef, Option<String>)> = late.collect();
    let told: BTreeSet<&PaymentRef> = late.iter().map(|(id, _)| *id).collect();
    let unclear: Vec<_> = unclear.into_iter().filter(|id| !told.contains(id)).map(|id| (id, None)).collect();
    late.into_iter()
        .chain(unclear)
        .filter(|(id, _)| !known.reviewed.contains(id.as_str()))
        .map(|(id, theirs)| known.difference(id, DifferenceKind::Undecided, None, theirs))
}

fn by_payment<'a>(known: &'a Known<'a>, theirs: &'a Evidence) -> impl Iterator<Item = Difference> + 'a {
    let stray = known
        .entries
        .iter()
        .filter_map(|entry| entry.payment.as_ref())
        .filter(|payment| !theirs.payments.contains_key(*payment))
        .collect::<BTreeSet<_>>()
        .into_iter()
        .filter(|payment| !known.posted(payment).is_zero())
        .map(|payment| {
            let posted = known.posted(payment).to_string();
            known.difference(payment, DifferenceKind::ExcessCredit, Some(posted), Some("0".to_owned()))
        });
    theirs
        .payments
        .iter()
        .filter_map(|(id, now)| match known.row.evidence.payments.get(id) {
            None => known.unknown(id, now),
            Some(before) => known.moved(id, before, now).or_else(|| known.unposted(id, before)),
        })
        .chain(stray)
}

impl Known<'_> {
    fn difference(
        &self,
        payment: &PaymentRef,
        kind: DifferenceKind,
        ours: Option<String>,
        theirs: Option<String>,
    ) -> Difference {
        let provider = self.row.provider;
        let deposit = Some(self.row.id.clone());
        Difference { provider, reference: payment.to_string(), deposit, kind, ours, theirs }
    }

    /// A payment that is not known here.
    fn unknown(&self, id: &PaymentRef, theirs: &PaymentEvidence) -> Option<Difference> {
        let paid = lifecycle::paid(theirs);
        if paid == 0 || self.reviewed.contains(id.as_str()) {
            return None;
        }
        let kind = if lifecycle::net(theirs) > 0 {
            DifferenceKind::MissingCredit
        } else {
            DifferenceKind::MissingPayment
        };
        Some(self.difference(id, kind, None, Some(amount(theirs.asset, paid))))
    }

    /// A payment that stands otherwise at the provider.
    fn moved(&self, id: &PaymentRef, ours: &PaymentEvidence, theirs: &PaymentEvidence) -> Option<Difference> {
        let (our_net, their_net) = (lifecycle::net(ours), lifecycle::net(theirs));
        let (our_paid, their_paid) = (lifecycle::paid(ours), lifecycle::paid(theirs));
        let figures = |kind, a, b| {
            let asset = ours.asset;
            Some(self.difference(id, kind, Some(amount(asset, a)), Some(amount(asset, b))))
        };
        if their_paid == 0 && our_paid > 0 {
            return figures(DifferenceKind::MissingAtProvider, our_paid, 0);
        }
        if their_net > our_net {
            return figures(DifferenceKind::MissingCredit, our_net, their_net);
        }
        if their_net < our_net {
            return figures(DifferenceKind::MissingReversal, our_net, their_net);
        }
        if their_paid != our_paid {
            return figures(DifferenceKind::Amount, our_paid, their_paid);
        }
        if ours.settled != theirs.settled {
            let text = |settled: Option<Amount>| settled.map(|a| format!("{a} {}", a.asset()));
            return Some(self.difference(
                id,
                DifferenceKind::Amount,
                text(ours.settled),
                text(theirs.settled),
            ));
        }
        None
    }

    /// A payment about which both agree, and the ledger does not.
    fn unposted(&self, id: &PaymentRef, payment: &PaymentEvidence) -> Option<Difference> {
        let terms = &self.row.terms;
        let posted = self.posted(id);
        let (net, paid) = (lifecycle::net(payment), lifecycle::paid(payment));
        let price = self.row.credit.payments.get(id).and_then(|credit| credit.price);
        let worth = match price {
            _ if payment.asset != terms.asset => None,
            Some(price) => lifecycle::worth(terms, payment, price).ok().map(|worth| worth.total()),
            None => (net == 0).then(|| Amount::zero(terms.credit.ledger)),
        };
        let Some(worth) = worth else {
            // No rule can post it: an operator was shown it, or is to be; or no rate is known.
            let kind = if payment.asset == terms.asset && price.is_none() {
                DifferenceKind::Undecided
            } else {
                DifferenceKind::MissingCredit
            };
            let shown = self.reviewed.contains(id.as_str());
            let nothing = net == 0 && (paid == 0 || payment.asset == terms.asset);
            return (!shown && !nothing).then(|| {
                let theirs = Some(amount(payment.asset, if net == 0 { paid } else { net }));
                self.difference(id, kind, Some(posted.to_string()), theirs)
            });
        };
        let kind = match posted.non_negative().map(|posted| posted.minor().cmp(&worth.minor())) {
            Some(std::cmp::Ordering::Equal) => return None,
            Some(std::cmp::Ordering::Greater) => DifferenceKind::ExcessCredit,
            // Assigned by hand, say: the rule posts nothing, and an operator knows.
            Some(std::cmp::Ordering::Less) if posted.is_zero() && self.reviewed.contains(id.as_str()) => {
                return None;
            }
            Some(std::cmp::Ordering::Less) | None => DifferenceKind::MissingCredit,
        };
        Some(self.difference(id, kind, Some(posted.to_string()), Some(worth.to_string())))
    }

    /// What the ledger has for a payment, in the deposit's ledger currency.
    fn posted(&self, id: &PaymentRef) -> Signed {
        let zero = Signed::zero(self.row.terms.credit.ledger);
        self.entries
            .iter()
            .filter(|entry| entry.payment.as_ref() == Some(id))
            .fold(zero, |sum, entry| sum.checked_add(entry.amount).unwrap_or(sum))
    }
}

fn amount(asset: Asset, minor: u128) -> String {
    Amount::new(minor, asset).to_string()
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;

//! Joining what two observations know: the maximum of each figure, per id. Idempotent, commutative, associative.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use deposit_core::{
    Amount, Asset, Evidence, Facts, OrderEvidence, PaymentEvidence, PaymentRef, Taking, TakingId,
};

/// Two pieces of evidence under one reference speak of different assets: one of them is wrong, and no rule can tell
/// which. A person has to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("evidence of one payment in two assets: {known} and {other}")]
pub struct AssetMismatch {
    /// What was known.
    pub known: Asset,
    /// What the other piece says.
    pub other: Asset,
}

/// What came of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The joined evidence.
    pub evidence: Evidence,
    /// Payments whose new evidence was in another asset: what was known is kept, an operator should see it.
    pub conflicts: Vec<PaymentRef>,
}

/// Joins what two observations know of one payment: any order, any repeats.
///
/// Figures and counts of confirmations: the larger. Takings: the larger figures of each id. The time of the payment: the
/// earlier. The order: the lesser of the two texts, which is arbitrary but does not depend on who came first.
///
/// # Errors
/// [`AssetMismatch`] if the received assets differ, or the assets that a swap paid out.
pub fn merge_payment(a: PaymentEvidence, b: &PaymentEvidence) -> Result<PaymentEvidence, AssetMismatch> {
    if a.asset != b.asset {
        return Err(AssetMismatch { known: a.asset, other: b.asset });
    }
    Ok(PaymentEvidence {
        asset: a.asset,
        seen: a.seen.max(b.seen),
        most: a.most.max(b.most),
        withdrawn: a.withdrawn.max(b.withdrawn),
        confirmed: a.confirmed.max(b.confirmed),
        settled: merge_settled(a.settled, b.settled)?,
        takings: merge_takings(a.takings, &b.takings),
        order: least(a.order, b.order.clone()),
        // `None` is less than any `Some`.
        confirmations: a.confirmations.max(b.confirmations),
        required_confirmations: a.required_confirmations.max(b.required_confirmations),
        paid_at: least(a.paid_at, b.paid_at),
    })
}

/// Joins facts into what is known. Where a payment's assets differ, what is known stays as it is and the payment is
/// reported; everything else is joined all the same.
#[must_use]
pub fn merge(a: Evidence, b: &Facts) -> Merged {
    let mut evidence = a;
    let mut conflicts = Vec::new();
    for (id, fact) in &b.payments {
        match evidence.payments.entry(id.clone()) {
            Entry::Vacant(slot) => {
                slot.insert(fact.clone());
            }
            Entry::Occupied(mut slot) => match merge_payment(slot.get().clone(), fact) {
                Ok(joined) => {
                    slot.insert(joined);
                }
                Err(AssetMismatch { .. }) => conflicts.push(id.clone()),
            },
        }
    }
    evidence.order = OrderEvidence {
        expired_at: least(evidence.order.expired_at, b.order.expired_at),
        failed: least(evidence.order.failed, b.order.failed),
    };
    Merged { evidence, conflicts }
}

fn merge_settled(a: Option<Amount>, b: Option<Amount>) -> Result<Option<Amount>, AssetMismatch> {
    match (a, b) {
        (Some(a), Some(b)) if a.asset() != b.asset() => {
            Err(AssetMismatch { known: a.asset(), other: b.asset() })
        }
        (Some(a), Some(b)) => Ok(Some(Amount::new(a.minor().max(b.minor()), a.asset()))),
        (some, None) | (None, some) => Ok(some),
    }
}

fn merge_takings(
    mut a: BTreeMap<TakingId, Taking>,
    b: &BTreeMap<TakingId, Taking>,
) -> BTreeMap<TakingId, Taking> {
    for (id, other) in b {
        let mine = a.entry(id.clone()).or_default();
        mine.taken = mine.taken.max(other.taken);
        mine.given_back = mine.given_back.max(other.given_back);
    }
    a
}

/// The lesser of those that are known.
fn least<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (some, None) | (None, some) => some,
    }
}

//! From how things stand to what must have happened.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use deposit_core::{
    Evidence, Facts, OrderEvidence, OrderState, PaymentEvidence, PaymentReading, PaymentRef, ProviderRef,
    Snapshot, Taking, TakingId, Timestamp,
};

use crate::merge::merge_payment;

/// Turns what one read showed into facts, knowing the evidence `before`: merged into it, they make the evidence stand as
/// the read shows it. `observed_at` is the time of our observation; it dates the end of the order.
///
/// * A payment that is listed stands as listed. What was confirmed and is no longer counts as taken under
///   [`TakingId::chain`], and as given back from there when it is confirmed again. What was seen and is no longer, without
///   having been confirmed, counts as withdrawn. Takings that the read lists by id are taken over as they are; one that it
///   lists as `chain` is ignored, since that id is kept here.
/// * A payment of the same order that is not listed is gone, if the read was complete.
/// * A payment among `undecided` stays as it is, even if it is listed too.
/// * A payment that is listed twice counts once, by the reading with more confirmed.
/// * A payment in another asset than before yields facts that the merge refuses and reports.
///
/// The same snapshot again, after the merge, changes nothing. Whether a snapshot is newer than the last one that was
/// committed is for the caller to know: an older one must not come here.
#[must_use]
pub fn facts_of(before: &Evidence, snapshot: &Snapshot, observed_at: Timestamp) -> Facts {
    let listed = listed(snapshot);
    let mut payments = BTreeMap::new();
    for (id, reading) in &listed {
        payments.insert((*id).clone(), facts_of_listed(before.payments.get(*id), reading));
    }
    if snapshot.complete {
        for (id, known) in &before.payments {
            let absent = known.order.as_ref() == Some(&snapshot.order)
                && !listed.contains_key(id)
                && !snapshot.undecided.contains(id);
            if absent {
                payments.insert(id.clone(), standing_at(known, 0, 0));
            }
        }
    }
    // A provider's clock ahead of ours cannot date a deadline into the future: what was observed has passed.
    let told = snapshot.expired_at.map(|at| at.min(observed_at));
    let order = match snapshot.state {
        OrderState::Open => OrderEvidence { expired_at: told, failed: None },
        OrderState::Expired => OrderEvidence { expired_at: told.or(Some(observed_at)), failed: None },
        OrderState::Failed(why) => OrderEvidence { expired_at: told, failed: Some((observed_at, why)) },
    };
    Facts { payments, order }
}

/// Sets what only the newest read knows and no merge can join: how many confirmations a payment has now, which a reorganisation makes
/// fewer. To be called after the facts of the same snapshot were merged; the caller knows that none newer was committed.
///
/// What a complete read does not list any more has none, where a count was known. A reading of a provider that tells no counts changes nothing.
pub fn set_newest(evidence: &mut Evidence, snapshot: &Snapshot) {
    let is_undecided = |id: &PaymentRef| snapshot.undecided.contains(id);
    let mut listed: BTreeMap<&PaymentRef, Option<u32>> = BTreeMap::new();
    let told = |r: &&PaymentReading| r.confirmations.is_some() || r.required_confirmations.is_some();
    for reading in snapshot.payments.iter().filter(told) {
        // Listed twice: the larger, as the merge has it.
        let count = listed.entry(&reading.id).or_default();
        *count = (*count).max(reading.confirmations);
    }
    for (id, known) in &mut evidence.payments {
        if is_undecided(id) || known.order.as_ref() != Some(&snapshot.order) {
            continue;
        }
        if let Some(count) = listed.get(id) {
            known.confirmations = *count;
        } else if snapshot.complete && !snapshot.payments.iter().any(|r| r.id == *id) {
            known.confirmations = known.confirmations.map(|_| 0);
        }
    }
}

/// One payment as the read lists it: how it stands, and what it tells besides.
struct Listed {
    confirmed: u128,
    in_flight: u128,
    told: PaymentEvidence,
}

/// The readings by reference, without the undecided.
fn listed(snapshot: &Snapshot) -> BTreeMap<&PaymentRef, Listed> {
    let mut by_id: BTreeMap<&PaymentRef, Listed> = BTreeMap::new();
    for reading in snapshot.payments.iter().filter(|r| !snapshot.undecided.contains(&r.id)) {
        let listed = Listed {
            confirmed: reading.confirmed,
            in_flight: reading.in_flight,
            told: told(reading, &snapshot.order),
        };
        match by_id.entry(&reading.id) {
            Entry::Vacant(slot) => {
                slot.insert(listed);
            }
            Entry::Occupied(mut slot) => {
                let first = slot.get_mut();
                // In two assets at once: the first stands.
                if let Ok(told) = merge_payment(first.told.clone(), &listed.told) {
                    first.told = told;
                    (first.confirmed, first.in_flight) =
                        (first.confirmed, first.in_flight).max((listed.confirmed, listed.in_flight));
                }
            }
        }
    }
    by_id
}

/// What a reading tells besides how the payment stands.
fn told(reading: &PaymentReading, order: &ProviderRef) -> PaymentEvidence {
    let mut takings = reading.takings.clone();
    takings.remove(&TakingId::chain());
    PaymentEvidence {
        settled: reading.settled,
        takings,
        order: Some(order.clone()),
        confirmations: reading.confirmations,
        required_confirmations: reading.required_confirmations,
        paid_at: reading.paid_at,
        ..PaymentEvidence::none(reading.asset)
    }
}

fn facts_of_listed(known: Option<&PaymentEvidence>, listed: &Listed) -> PaymentEvidence {
    let nothing = PaymentEvidence::none(listed.told.asset);
    let before = known.filter(|k| k.asset == listed.told.asset).unwrap_or(&nothing);
    let standing = standing_at(before, listed.in_flight, listed.confirmed);
    // Never refused: both are in one asset, and only one has a settled amount.
    merge_payment(standing.clone(), &listed.told).unwrap_or(standing)
}

/// The least facts after which a payment stands at `in_flight` and `confirmed`, takings by id aside.
fn standing_at(before: &PaymentEvidence, in_flight: u128, confirmed_now: u128) -> PaymentEvidence {
    let chain = before.takings.get(&TakingId::chain()).copied().unwrap_or_default();
    let confirmed = before.confirmed.max(confirmed_now);
    // Of all that was ever confirmed, this much has to be outstanding under `chain`.
    let outstanding = confirmed - confirmed_now.min(confirmed);
    let taken = chain.taken.max(chain.given_back.saturating_add(outstanding));
    let given_back = chain.given_back.max(taken.saturating_sub(outstanding));
    // In flight is seen - withdrawn - confirmed. Sums are held at 128 bits: no real figure comes near.
    let seen = before.seen.max(before.withdrawn.saturating_add(confirmed).saturating_add(in_flight));
    let withdrawn = before.withdrawn.max(seen.saturating_sub(confirmed).saturating_sub(in_flight));
    let most = before.most.max(in_flight.saturating_add(confirmed_now));
    let mut facts =
        PaymentEvidence { seen, most, withdrawn, confirmed, ..PaymentEvidence::none(before.asset) };
    if taken > 0 {
        facts.takings.insert(TakingId::chain(), Taking { taken, given_back });
    }
    facts
}

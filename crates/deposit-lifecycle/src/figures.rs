//! The figures that evidence of one payment comes to.

use deposit_core::{PaymentEvidence, Stage};
use ruint::Uint;

/// Wide enough for the sum of any number of 128-bit figures that fits a memory.
type Wide = Uint<256, 4>;

/// What is confirmed and not taken back, in smallest units of the received asset: `confirmed` less the outstanding
/// takings, never below zero and never above `confirmed`.
#[must_use]
pub fn net(payment: &PaymentEvidence) -> u128 {
    let (mut taken, mut given_back) = (Wide::ZERO, Wide::ZERO);
    for taking in payment.takings.values() {
        taken = taken.saturating_add(Wide::from(taking.taken));
        given_back = given_back.saturating_add(Wide::from(taking.given_back));
    }
    // More than 128 bits outstanding is more than was ever confirmed.
    u128::try_from(taken.saturating_sub(given_back))
        .map_or(0, |outstanding| payment.confirmed.saturating_sub(outstanding))
}

/// What is seen and neither gone nor confirmed, in smallest units.
#[must_use]
pub fn in_flight(payment: &PaymentEvidence) -> u128 {
    payment.seen.saturating_sub(payment.withdrawn).saturating_sub(payment.confirmed)
}

/// What counts as paid: in flight and net, in smallest units, held at the largest 128-bit number.
#[must_use]
pub fn paid(payment: &PaymentEvidence) -> u128 {
    in_flight(payment).saturating_add(net(payment))
}

/// What came, in smallest units, also where it is gone or taken back by now: never less than [`paid`]. What was gone and came back counts
/// once, as far as reads could tell.
#[must_use]
pub fn came(payment: &PaymentEvidence) -> u128 {
    match payment.most {
        // Known by messages alone, or from before reads noted it.
        0 => payment.seen.max(payment.confirmed),
        most => most.max(payment.confirmed).max(paid(payment)),
    }
}

/// The stage that the API shows. While any of it is in flight, the payment as a whole is not confirmed.
#[must_use]
pub fn stage(payment: &PaymentEvidence) -> Stage {
    match (in_flight(payment), net(payment), payment.confirmations) {
        (0, 0, _) => Stage::Reversed,
        (0, _, _) => Stage::Confirmed,
        (_, _, Some(_)) => Stage::Confirming,
        (_, _, None) => Stage::Seen,
    }
}

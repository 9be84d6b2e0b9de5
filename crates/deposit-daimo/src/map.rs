//! From an order as it was seen to the domain: pure functions.

use deposit_core::{
    Amount, Asset, Concern, ConcernedMoney, DepositId, Failure, IntentRecord, OrderState, PaymentReading,
    PaymentRef, ProviderRef, Snapshot, Taking, TakingId,
};
use serde_json::Value;

use crate::backend::{Seen, Stage};
use crate::evm::Destination;

/// The id of the one taking-back that there is: a payment's status tells that it was refunded, not how often.
const REFUND: &str = "refund";

/// What an order is not as it was asked for; `None`: it is. Nothing is concluded from one that is not: neither a payment nor
/// that there is none.
pub(crate) fn mismatch(
    deposit_id: &DepositId,
    asked: Amount,
    configured: &Destination,
    seen: &Seen,
) -> Option<Concern> {
    let noted = |name: &str| seen.metadata.get(name).and_then(Value::as_str);
    let ids: Vec<_> = [seen.external_id.as_deref(), noted("depositId")].into_iter().flatten().collect();
    if ids.is_empty() || ids.iter().any(|id| *id != deposit_id.as_str()) {
        return Some(Concern::new("order_mismatch", "the order does not carry the deposit's id"));
    }
    // As it was opened, where that is noted: another destination may be configured since.
    let wanted = noted("destination").map_or_else(|| configured.mark(), str::to_owned);
    let (Some(address), Some(chain), Some(token)) = (&seen.address, &seen.chain, &seen.token) else {
        return Some(Concern::new("destination_mismatch", "the order tells no destination"));
    };
    let told = format!("{}:{token}:{address}", chain.decimal());
    if !told.eq_ignore_ascii_case(&wanted) {
        let detail = "the order's address, chain or token is not what it was opened with";
        return Some(Concern::new("destination_mismatch", detail));
    }
    let other = |number: &deposit_core::json::NumberText| {
        Amount::from_decimal(number.decimal(), asked.asset(), asked.asset().scale()) != Ok(asked)
    };
    if seen.amount.as_ref().is_some_and(other) {
        return Some(Concern::new("amount_mismatch", "the order is not for the deposit's amount"));
    }
    None
}

/// One read of one order. There is one payment at most, under the order's own reference.
pub(crate) fn snapshot(intent: &IntentRecord, configured: &Destination, seen: &Seen) -> Snapshot {
    let mut snapshot = Snapshot::empty(intent.provider_ref.clone());
    // A reference is at least as long as an order's, so this cannot fail.
    let Ok(id) = PaymentRef::new(intent.provider_ref.as_str()) else { return snapshot };
    let Some(asked) = intent.terms.requested().filter(|asked| asked.asset() == Asset::USDC) else {
        let concern = Concern::new("amount_mismatch", "the deposit is not for an amount of USDC");
        snapshot.concerns.push(if_paid(concern, &id, seen));
        snapshot.undecided.push(id);
        return snapshot;
    };
    if let Some(concern) = mismatch(&intent.deposit_id, asked, configured, seen) {
        snapshot.concerns.push(if_paid(concern, &id, seen));
        snapshot.undecided.push(id);
        return snapshot;
    }
    let money = ConcernedMoney::of_payment(id.clone());
    match &seen.stage {
        Stage::Unpaid => {}
        Stage::Expired => snapshot.state = OrderState::Expired,
        // Not by `source`: that is the payer's coin.
        Stage::InFlight => snapshot.payments.push(PaymentReading::in_flight(id, asked)),
        Stage::Delivered => match delivered(asked, seen, &money, &mut snapshot.concerns) {
            Ok(amount) => snapshot.payments.push(PaymentReading::confirmed(id, amount)),
            Err(concern) => {
                snapshot.concerns.push(concern);
                snapshot.undecided.push(id);
            }
        },
        Stage::Bounced => {
            snapshot.state = OrderState::Failed(Failure::Bounced);
            snapshot.payments.push(PaymentReading::gone(id, Asset::USDC));
            let detail =
                "the delivery bounced: the money is at the refund address and has to be paid back by hand";
            snapshot.concerns.push(Concern::money("bounced", detail, money.amount(asked)));
        }
        Stage::Refunded => {
            // Whether it was ever delivered is not told: what was, is taken back by this; what was not, comes to nothing. The order
            // itself did not fail by it: a payment that is reversed before any credit leaves the deposit waiting until it expires.
            let mut reading = PaymentReading::confirmed(id, asked);
            if let Ok(taking) = TakingId::new(REFUND) {
                reading.takings.insert(taking, Taking { taken: asked.minor(), given_back: 0 });
            }
            snapshot.payments.push(reading);
            let detail = "the provider refunded the payer: whatever was credited is taken back";
            snapshot.concerns.push(Concern::new("refunded", detail));
        }
        Stage::Unknown(other) => {
            let detail = format!("unknown status {}: the payment stays as it was", word(other));
            // Whether there is money, and how much, is not told by a word that nobody knows.
            snapshot.concerns.push(Concern::money("unknown_status", detail, money));
            snapshot.undecided.push(id);
        }
    }
    snapshot
}

/// What is not as it was asked for means money as soon as anything was paid; how much, as the order tells it.
fn if_paid(concern: Concern, id: &PaymentRef, seen: &Seen) -> Concern {
    match &seen.stage {
        Stage::Unpaid | Stage::Expired => return concern,
        Stage::InFlight | Stage::Delivered | Stage::Bounced | Stage::Refunded | Stage::Unknown(_) => {}
    }
    let usdc = |number: &deposit_core::json::NumberText| {
        let amount = Amount::floor_from_decimal(number.decimal(), Asset::USDC);
        amount.ok().map(|(amount, _)| amount).filter(|amount| !amount.is_zero())
    };
    let arrived = seen.delivered.as_ref().filter(|_| seen.stage == Stage::Delivered);
    let money = ConcernedMoney::of_payment(id.clone());
    let money = match arrived.or(seen.amount.as_ref()).and_then(usdc) {
        Some(amount) => money.amount(amount),
        None => money,
    };
    Concern { money: Some(money), ..concern }
}

/// What arrived. An order is for a fixed amount, so anything else than that is not as documented: less is taken as it is, of
/// more no more than was asked for (a figure in smallest units would be a millionfold), and a person is told of the difference. `Err`:
/// undecided.
fn delivered(
    asked: Amount,
    seen: &Seen,
    money: &ConcernedMoney,
    concerns: &mut Vec<Concern>,
) -> Result<Amount, Concern> {
    let told =
        seen.delivered.as_ref().and_then(|n| Amount::floor_from_decimal(n.decimal(), Asset::USDC).ok());
    let Some((amount, exact)) = told.filter(|(amount, _)| !amount.is_zero()) else {
        let detail = "the order succeeded, but what arrived is not told";
        return Err(Concern::money("unreadable_amount", detail, money.clone()));
    };
    if !exact {
        concerns.push(Concern::new("rounded", "what arrived is finer than 6 decimals and was rounded down"));
    }
    if amount != asked {
        let detail =
            format!("{amount} USDC arrived where {asked} were asked for; no more than that is counted");
        // More than twice what was asked for is a figure in another unit rather than money.
        let difference = Amount::new(amount.minor().abs_diff(asked.minor()), Asset::USDC);
        let money = money.clone();
        let money = if difference.minor() > asked.minor() { money } else { money.amount(difference) };
        concerns.push(Concern::money("delivered_otherwise", detail, money));
    }
    Ok(Amount::new(amount.minor().min(asked.minor()), Asset::USDC))
}

/// What the provider calls an order; `None` where the text is none.
pub(crate) fn provider_ref(id: &str) -> Option<ProviderRef> {
    ProviderRef::new(id).ok()
}

/// A word of the provider that may be shown: short, and of harmless characters only.
pub(crate) fn word(text: &str) -> String {
    let fine = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    format!("`{}`", text.chars().filter(fine).take(40).collect::<String>())
}

#[cfg(test)]
#[path = "map_tests.rs"]
mod tests;

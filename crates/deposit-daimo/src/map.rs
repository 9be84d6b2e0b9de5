//! From an order as it was seen to the domain: pure functions.

use deposit_core::json::NumberText;
use deposit_core::{
    Amount, Asset, Concern, ConcernedMoney, DepositId, Facts, Failure, IntentRecord, OrderState,
    PaymentEvidence, PaymentReading, PaymentRef, ProviderRef, Snapshot, Taking, TakingId, printable,
};
use serde_json::Value;

use crate::backend::{Seen, Stage};
use crate::evm::Destination;

/// What the status alone takes back. It tells that money went back to the payer, not how much: so all of it counts as taken, until an event
/// names a figure (see [`refunded`]).
pub(crate) const REFUND: &str = "refund";

/// So many times what was asked for is still money. Beyond it a figure is rather one in another unit: smallest units for whole ones are a
/// million times too much.
const PLAUSIBLE_TIMES: u128 = 10;

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
    let other = |number: &NumberText| {
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
            let detail = "the provider refunded the payer and a read does not tell how much: all of it counts as taken back \
                          unless an event names less";
            // An event that names it closes this.
            let money = money.that_went_back();
            snapshot.concerns.push(Concern::money("refunded", detail, money));
        }
        Stage::Unknown(other) => {
            let detail = format!("unknown status {}: the payment stays as it was", printable(other));
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
    let usdc = |number: &NumberText| {
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

/// What arrived, which the provider's own documents say may differ from what was asked for: it is money, so it counts as it is, and a
/// person is told. `Err`: undecided, and shown: a figure that can be no money.
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
    if amount.minor() > asked.minor().saturating_mul(PLAUSIBLE_TIMES) {
        let detail = format!(
            "{amount} USDC are told to have arrived where {asked} were asked for: rather a figure in another unit"
        );
        return Err(Concern::money("implausible_amount", detail, money.clone()));
    }
    if !exact {
        concerns.push(Concern::new("rounded", "what arrived is finer than 6 decimals and was rounded down"));
    }
    if amount != asked {
        let detail = format!("{amount} USDC arrived where {asked} were asked for; what arrived is counted");
        concerns.push(Concern::new("delivered_otherwise", detail));
    }
    Ok(amount)
}

/// What a refund event names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NamedRefund<'a> {
    /// The transaction that the event tells.
    pub(crate) tx_hash: Option<&'a str>,
    pub(crate) token: Option<&'a str>,
    pub(crate) amount: Option<&'a NumberText>,
    /// Of the payment inside the event.
    pub(crate) order_token: Option<&'a str>,
    pub(crate) order_amount: Option<&'a NumberText>,
    /// Whether that payment shows a transaction at the destination. Without one nothing was ever delivered that a part of could be left.
    pub(crate) delivered: bool,
}

/// The part that an event says went back, as facts of its own: a read cannot show it. They hold in any order with what reads take back
/// by [`REFUND`]: what was taken there is given back, and the named figure is taken under the event's transaction. `None`: the event
/// names no figure that could be money of this order.
pub(crate) fn refunded(order: &ProviderRef, named: &NamedRefund<'_>) -> Option<Facts> {
    let usdc = |number: &NumberText| {
        let (amount, _) = Amount::floor_from_decimal(number.decimal(), Asset::USDC).ok()?;
        (!amount.is_zero()).then_some(amount)
    };
    let (amount, asked) = (usdc(named.amount?)?, usdc(named.order_amount?)?);
    let same_token = named.order_token.zip(named.token).is_some_and(|(a, b)| a.eq_ignore_ascii_case(b));
    if amount.minor() > asked.minor() || !same_token {
        return None;
    }
    let mut payment = PaymentEvidence { order: Some(order.clone()), ..PaymentEvidence::none(Asset::USDC) };
    let by_event = format!("{REFUND}:{}", named.tx_hash.unwrap_or_default());
    payment.takings.insert(TakingId::new(by_event).ok()?, Taking { taken: amount.minor(), given_back: 0 });
    if named.delivered {
        let voided = Taking { taken: asked.minor(), given_back: asked.minor() };
        payment.takings.insert(TakingId::new(REFUND).ok()?, voided);
    }
    let id = PaymentRef::new(order.as_str()).ok()?;
    Some(Facts { payments: [(id, payment)].into(), ..Facts::default() })
}

/// What the provider calls an order; `None` where the text is none.
pub(crate) fn provider_ref(id: &str) -> Option<ProviderRef> {
    ProviderRef::new(id).ok()
}

#[cfg(test)]
#[path = "map_tests.rs"]
mod tests;

//! Wire to domain: pure functions.

use deposit_core::{
    Amount, Asset, Concern, ConcernedMoney, Failure, IntentRecord, OrderState, PayInstructions,
    PaymentReading, PaymentRef, Snapshot, Timestamp, printable,
};

use crate::api::{self, Payment, Status};
use crate::quote;

/// The scheme of a wallet link and the prefix of a CashAddr are the same: it is there once.
const PREFIX: &str = "bitcoincash:";

/// The address without its prefix; `None` where it is none that takes BCH on the main chain (an SLP address, say).
pub(crate) fn bare_address(address: &str) -> Option<&str> {
    let bare = address.strip_prefix(PREFIX)?;
    let charset = |b: u8| b"qpzry9x8gf2tvdw0s3jn54khce6mua7l".contains(&b);
    let fine = bare.starts_with(['q', 'p']) && (42..=112).contains(&bare.len()) && bare.bytes().all(charset);
    fine.then_some(bare)
}

/// How to pay so much to a bare address.
pub(crate) fn instructions(bare: &str, amount: Amount) -> PayInstructions {
    PayInstructions::Address {
        address: bare.to_owned(),
        memo: None,
        uri: Some(format!("{PREFIX}{bare}?amount={amount}")),
    }
}

/// What a read has to know besides the payment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    /// The price of our order in USD.
    pub(crate) price: Option<Amount>,
    /// Minutes from its making to the service's own deadline.
    pub(crate) minutes: i64,
    /// Confirmations that are wanted.
    pub(crate) confirmations: u32,
}

/// What the status alone says of the money.
enum Verdict {
    /// Not confirmed: nothing, a part, or all of it on its way.
    Waiting,
    /// Confirmed, if the figures agree.
    Paid,
    /// Nothing is concluded, and an operator looks.
    Undecided(Concern),
}

/// One read of one order. `payment` names the order that was asked for; the caller has checked that.
pub(crate) fn snapshot(intent: &IntentRecord, asked: Asked, payment: &Payment) -> Snapshot {
    let mut snapshot = Snapshot::empty(intent.provider_ref.clone());
    // Totals only: one payment, under the order's reference.
    let Ok(id) = PaymentRef::new(intent.provider_ref.as_str()) else {
        snapshot.complete = false;
        let detail = "the order's id is no payment reference";
        snapshot.concerns.push(if_paid(Concern::new("unreadable_payment", detail), None, payment));
        return snapshot;
    };
    let (state, verdict) = status(&payment.status);
    snapshot.state = state;
    let paid_at = payment.paid.as_deref().and_then(time);
    let deadline =
        payment.created_at.as_deref().and_then(time).map(|created| created.plus_secs(asked.minutes * 60));
    if state == OrderState::Expired || paid_at > deadline {
        snapshot.expired_at = deadline;
    }
    match reading(intent, asked, payment, verdict, &id, paid_at, &mut snapshot.concerns) {
        Ok(None) => {}
        Ok(Some(reading)) => {
            if state == OrderState::Open && reading.confirmed == 0 {
                snapshot.instructions = rest(intent, reading.in_flight);
            }
            snapshot.payments.push(reading);
        }
        Err(concern) => {
            snapshot.concerns.push(if_paid(concern, Some(&id), payment));
            snapshot.undecided.push(id);
        }
    }
    snapshot
}

/// What is undecided means money, which no rule credits or takes back, unless the service says that nothing was paid. How much, as the
/// service tells it: all that came of the order.
fn if_paid(concern: Concern, id: Option<&PaymentRef>, payment: &Payment) -> Concern {
    let paid = &payment.paid_amount_crypto;
    let unpaid = match &payment.status {
        Status::Pending | Status::Expired | Status::Cancelled => {
            paid.decimal().is_zero() && payment.paid.as_deref().and_then(time).is_none()
        }
        Status::Confirming | Status::Paid | Status::Hold | Status::Refunded | Status::Other(_) => false,
    };
    if unpaid {
        return concern;
    }
    let money = id.cloned().map_or_else(ConcernedMoney::of_order, ConcernedMoney::of_payment);
    let bch = payment.crypto_currency == api::COIN;
    let amount = quote::received(paid.decimal()).map(|(amount, _)| amount);
    let money = match amount.filter(|amount| bch && !amount.is_zero()) {
        Some(amount) => money.amount(amount),
        // In what another coin is counted is not known, but its name says more than ours.
        None if !bch => ConcernedMoney { ticker: payment.crypto_currency.parse().ok(), ..money },
        None => money,
    };
    Concern { money: Some(money), ..concern }
}

/// Dossier, section 4; every word by name.
fn status(status: &Status) -> (OrderState, Verdict) {
    match status {
        Status::Pending | Status::Confirming => (OrderState::Open, Verdict::Waiting),
        Status::Paid => (OrderState::Open, Verdict::Paid),
        Status::Expired => (OrderState::Expired, Verdict::Waiting),
        Status::Cancelled => (OrderState::Failed(Failure::Cancelled), Verdict::Waiting),
        Status::Hold => {
            let detail = "Prompt.Cash holds the payment for review: nothing is credited or taken back for it";
            (OrderState::Open, Verdict::Undecided(Concern::new("on_hold", detail)))
        }
        Status::Refunded => {
            let detail =
                "Prompt.Cash says that the payment was refunded, not how much: nothing is taken back for it";
            (OrderState::Open, Verdict::Undecided(Concern::new("refund_at_provider", detail)))
        }
        Status::Other(other) => {
            let detail = format!("unknown status {}: the payment stays as it was", printable(other));
            (OrderState::Open, Verdict::Undecided(Concern::new("unknown_status", detail)))
        }
    }
}

/// `Ok(None)`: nothing was paid. `Err`: undecided.
fn reading(
    intent: &IntentRecord,
    asked: Asked,
    payment: &Payment,
    verdict: Verdict,
    id: &PaymentRef,
    paid_at: Option<Timestamp>,
    concerns: &mut Vec<Concern>,
) -> Result<Option<PaymentReading>, Concern> {
    whose(intent, asked, payment)?;
    let unreadable = || Concern::new("unreadable_amount", "a figure is negative or absurdly large");
    let (paid, exact) = quote::received(payment.paid_amount_crypto.decimal()).ok_or_else(unreadable)?;
    let due = quote::nearest_satoshi(payment.amount_crypto.decimal()).ok_or_else(unreadable)?;
    if !exact {
        concerns.push(Concern::new("rounded", "what was paid is finer than 8 decimals and was rounded down"));
    }
    let reading = match verdict {
        Verdict::Undecided(concern) => return Err(concern),
        Verdict::Waiting if paid_at.is_some() => {
            let detail = format!(
                "the payment was paid once and is now {}: nothing is taken back for it",
                shown(&payment.status)
            );
            return Err(Concern::new("was_paid", detail));
        }
        Verdict::Waiting if paid.is_zero() => return Ok(None),
        Verdict::Waiting => PaymentReading::in_flight(id.clone(), paid),
        Verdict::Paid if paid.is_zero() || paid.minor() < due.minor() => {
            let detail = "the payment is called paid, but less than its amount came: nothing is credited";
            return Err(Concern::new("paid_short", detail));
        }
        Verdict::Paid if payment.confirmations.unwrap_or(0) < asked.confirmations => {
            let detail = "the payment is called paid with fewer confirmations than were asked for: nothing is credited until it has them";
            return Err(Concern::new("unconfirmed", detail));
        }
        Verdict::Paid => PaymentReading { paid_at, ..PaymentReading::confirmed(id.clone(), paid) },
    };
    Ok(Some(PaymentReading {
        confirmations: payment.confirmations,
        required_confirmations: Some(asked.confirmations),
        ..reading
    }))
}

/// The payment has to be the one that was opened, in every member that the dossier names (section 6).
fn whose(intent: &IntentRecord, asked: Asked, payment: &Payment) -> Result<(), Concern> {
    if payment.crypto_currency != api::COIN {
        let detail = format!("the payment is in {}, not in BCH", printable(&payment.crypto_currency));
        return Err(Concern::new("currency_mismatch", detail));
    }
    let price = asked.price.is_some_and(|price| quote::can_be_price(payment.amount_fiat.decimal(), price));
    if payment.fiat_currency != api::FIAT || !price {
        return Err(Concern::new("order_mismatch", "the payment has another price than the deposit's"));
    }
    if bare_address(&payment.address) != intent.instructions.address() {
        return Err(Concern::new("order_mismatch", "the payment has another address than the deposit's"));
    }
    Ok(())
}

/// After a part: the same address, for what is missing of the amount that the payer was told.
fn rest(intent: &IntentRecord, paid: u128) -> Option<PayInstructions> {
    let missing = intent.terms.requested()?.minor().checked_sub(paid).filter(|missing| *missing > 0)?;
    Some(instructions(intent.instructions.address()?, Amount::new(missing, Asset::BCH)))
}

/// RFC 3339 with any offset; Go's zero time (year 1) and everything else before 1970 is none.
fn time(text: &str) -> Option<Timestamp> {
    let time: jiff::Timestamp = text.parse().ok()?;
    (time.as_second() > 0).then(|| Timestamp::from_millis(time.as_millisecond()))
}

fn shown(status: &Status) -> &'static str {
    match status {
        Status::Pending => "pending",
        Status::Confirming => "confirming",
        Status::Paid => "paid",
        Status::Expired => "expired",
        Status::Cancelled => "cancelled",
        Status::Hold => "on hold",
        Status::Refunded => "refunded",
        Status::Other(_) => "in an unknown state",
    }
}

#[cfg(test)]
#[path = "map_tests.rs"]
mod tests;

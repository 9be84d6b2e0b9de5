//! Wire to domain: pure functions.

use deposit_core::json::NumberText;
use deposit_core::{
    Amount, Asset, Concern, ConcernedMoney, Failure, IntentRecord, OrderState, PaymentReading, PaymentRef,
    Snapshot, Timestamp,
};

use crate::api::{Order, Status};

/// Where this adapter is paid out, and in what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Payout<'a> {
    pub(crate) asset: Asset,
    pub(crate) address: &'a str,
}

/// One read of one order. `at` is the provider's clock when it answered.
pub(crate) fn snapshot(
    intent: &IntentRecord,
    payout: Payout<'_>,
    order: &Order,
    at: Option<Timestamp>,
) -> Snapshot {
    let mut snapshot = Snapshot::empty(intent.provider_ref.clone());
    // This provider tells totals only: the order is the payment.
    let Ok(id) = PaymentRef::new(intent.provider_ref.as_str()) else {
        snapshot.complete = false;
        let detail = "the order's id is no payment reference";
        snapshot.concerns.push(Concern::money("unreadable_payment", detail, ConcernedMoney::of_order()));
        return snapshot;
    };
    let money = what_came(intent, order, &id);
    let elsewhere = order.payout_address.as_deref() != Some(payout.address);
    // There is no word for an order whose lifetime is over: its `validUntil` is held against the provider's own clock, and told
    // for a paid one too, since what came after it is late.
    let until = order.valid_until().and_then(|text| timestamp(&text));
    snapshot.expired_at = until.filter(|until| at.is_some_and(|at| at >= *until));
    match &order.status {
        Some(Status::Waiting) => waiting(intent, order, id, &mut snapshot),
        Some(Status::Exchanging | Status::Sending) => {
            let reading = seen(intent, order, &mut snapshot.concerns);
            list(id, reading, &money, &mut snapshot);
        }
        Some(Status::Completed) if elsewhere => snapshot.undecided.push(id),
        Some(Status::Completed) => {
            let reading = completed(intent, payout.asset, order, &money, &mut snapshot.concerns);
            match reading {
                Ok(reading) => {
                    snapshot.concerns.extend(paid_out_short(intent, payout.asset, order, &reading));
                    snapshot.payments.push(reading);
                }
                Err(concern) => {
                    snapshot.concerns.push(concern);
                    snapshot.undecided.push(id);
                }
            }
        }
        Some(Status::Error) => failed(intent, order, id, &money, &mut snapshot),
        Some(Status::Other(word)) => unknown(&shown(word), id, &money, &mut snapshot),
        None => unknown("none at all", id, &money, &mut snapshot),
    }
    if elsewhere {
        paid_out_elsewhere(order, money, &mut snapshot.concerns);
    }
    snapshot
}

/// The one payment, with what came of it where that is told.
fn what_came(intent: &IntentRecord, order: &Order, id: &PaymentRef) -> ConcernedMoney {
    let money = ConcernedMoney::of_payment(id.clone());
    let told = figure(order.amount_from.as_ref());
    match told.and_then(|figure| received(intent, figure, &mut Vec::new())).filter(|told| !told.is_zero()) {
        Some(amount) => money.amount(amount),
        None => money,
    }
}

/// An order that pays out to another address than ours: money as soon as a coin came. It is the reason for everything else that is wrong
/// with the payment, so it is what an operator gets.
fn paid_out_elsewhere(order: &Order, money: ConcernedMoney, concerns: &mut Vec<Concern>) {
    let came = match &order.status {
        Some(Status::Exchanging | Status::Sending | Status::Completed | Status::Error) => true,
        Some(Status::Waiting | Status::Other(_)) | None => figure(order.amount_from.as_ref()).is_some(),
    };
    let code = "payout_address_mismatch";
    let detail = "the order pays out to another address than the configured one: nothing is credited for it";
    for concern in &mut *concerns {
        concern.money = concern.money.take().filter(|_| !came);
    }
    concerns.insert(0, if came { Concern::money(code, detail, money) } else { Concern::new(code, detail) });
}

fn list(id: PaymentRef, amount: Option<Amount>, money: &ConcernedMoney, snapshot: &mut Snapshot) {
    match amount {
        Some(amount) => snapshot.payments.push(PaymentReading::in_flight(id, amount)),
        None => {
            snapshot.concerns.push(unreadable(money));
            snapshot.undecided.push(id);
        }
    }
}

fn unreadable(money: &ConcernedMoney) -> Concern {
    Concern::money("unreadable_amount", "an amount is negative or absurdly large", money.clone())
}

fn waiting(intent: &IntentRecord, order: &Order, id: PaymentRef, snapshot: &mut Snapshot) {
    if figure(order.amount_from.as_ref()).is_some() {
        // Against the documents, but money is money.
        let reading = seen(intent, order, &mut snapshot.concerns);
        let money = what_came(intent, order, &id);
        list(id, reading, &money, snapshot);
        return;
    }
    if snapshot.expired_at.is_some() {
        snapshot.state = OrderState::Expired;
    }
}

/// What came and is not paid out yet. Where the figure is not told yet it is what was asked for: that decides nothing but
/// whether the payer sees the payment.
fn seen(intent: &IntentRecord, order: &Order, concerns: &mut Vec<Concern>) -> Option<Amount> {
    match figure(order.amount_from.as_ref()) {
        Some(figure) => received(intent, figure, concerns),
        None => intent.terms.requested(),
    }
}

/// `Err`: undecided, for this reason. The expected amounts are never credited.
fn completed(
    intent: &IntentRecord,
    settles: Asset,
    order: &Order,
    money: &ConcernedMoney,
    concerns: &mut Vec<Concern>,
) -> Result<PaymentReading, Concern> {
    let missing = |detail: &str| Concern::money("amount_missing", detail, money.clone());
    let (from, to) = (figure(order.amount_from.as_ref()), figure(order.amount_to.as_ref()));
    let (Some(from), Some(to), Some(id)) = (from, to, &money.payment) else {
        let detail = "the swap is completed, but the provider does not tell what came or what was paid out";
        return Err(missing(detail));
    };
    let received = received(intent, from, concerns).ok_or_else(|| unreadable(money))?;
    let settled = amount(to, settles, concerns).ok_or_else(|| unreadable(money))?;
    if received.is_zero() || settled.is_zero() {
        return Err(missing("the swap is completed, but less than one unit came or was paid out"));
    }
    Ok(PaymentReading { settled: Some(settled), ..PaymentReading::confirmed(id.clone(), received) })
}

/// What came is worth what was paid out, whatever that is. Much less than was announced for it is for a person to take up with the
/// provider; how much of the difference is anybody's money is not known.
fn paid_out_short(
    intent: &IntentRecord,
    settles: Asset,
    order: &Order,
    reading: &PaymentReading,
) -> Option<Concern> {
    const STEPS: u128 = 1_000_000;
    let asked = intent.terms.requested()?;
    let (expected, _) =
        Amount::floor_from_decimal(order.expected_amount_to.as_ref()?.decimal(), settles).ok()?;
    // In millionths, so that nothing overflows and nothing rounds up.
    let came = reading.confirmed / (asked.minor() / STEPS).max(1);
    let announced = (expected.minor() / STEPS).saturating_mul(came);
    let paid_out = reading.settled?;
    if paid_out.minor() >= announced / 10 * 9 {
        return None;
    }
    let detail = format!(
        "the swap paid out {paid_out} {settles}, more than a tenth less than was announced for what came: that much is credited"
    );
    Some(Concern::money("paid_out_short", detail, ConcernedMoney::of_payment(reading.id.clone())))
}

/// Given up after the coin came in, for people to deal with. Not credited, and not shown as under way: a refund goes by mail.
fn failed(
    intent: &IntentRecord,
    order: &Order,
    id: PaymentRef,
    money: &ConcernedMoney,
    snapshot: &mut Snapshot,
) {
    snapshot.state = OrderState::Failed(Failure::ProviderError);
    let detail = "the provider could not finish the swap: its support has to be asked for the money";
    snapshot.concerns.push(Concern::money("swap_failed", detail, money.clone()));
    if order.has_payout_hash() {
        // Perhaps paid out, perhaps credited already.
        let detail = "the failed swap has a pay-out transaction: look whether it arrived";
        snapshot.concerns.push(Concern::new("failed_after_payout", detail));
        snapshot.undecided.push(id);
    } else if figure(order.amount_from.as_ref()).is_some() {
        snapshot.payments.push(PaymentReading::gone(id, intent.terms.asset));
    }
}

fn unknown(word: &str, id: PaymentRef, money: &ConcernedMoney, snapshot: &mut Snapshot) {
    let detail = format!("unknown order status {word}: everything stays as it was");
    snapshot.concerns.push(Concern::money("unknown_status", detail, money.clone()));
    snapshot.undecided.push(id);
}

/// A figure that is known: neither absent nor zero.
fn figure(number: Option<&NumberText>) -> Option<&NumberText> {
    number.filter(|number| !number.decimal().is_zero())
}

fn amount(number: &NumberText, asset: Asset, concerns: &mut Vec<Concern>) -> Option<Amount> {
    let (amount, exact) = Amount::floor_from_decimal(number.decimal(), asset).ok()?;
    if !exact {
        let detail = format!("an amount is finer than {} decimals and was rounded down", asset.scale());
        concerns.push(Concern::new("rounded", detail));
    }
    Some(amount)
}

/// What came. The provider counts in binary floating point: a figure that can be the double of what was asked for is that.
fn received(intent: &IntentRecord, number: &NumberText, concerns: &mut Vec<Concern>) -> Option<Amount> {
    let mut noise = Vec::new();
    let told = amount(number, intent.terms.asset, &mut noise);
    let asked = intent.terms.requested();
    let same = asked.filter(|asked| told.is_some_and(|told| is_same_double(asked.minor(), told.minor())));
    if same.is_none() {
        concerns.append(&mut noise);
    }
    same.or(told)
}

/// Within 1 in 10^15: a double and its shortest text are nearer than that, and no payer comes so near by chance.
fn is_same_double(asked: u128, told: u128) -> bool {
    asked.abs_diff(told).saturating_mul(1_000_000_000_000_000) <= asked
}

/// Within 1 in 10^12 of what was asked for: the provider may write fewer digits than it was sent.
pub(crate) fn is_asked(asked: Amount, told: &NumberText) -> bool {
    Amount::floor_from_decimal(told.decimal(), asked.asset()).is_ok_and(|(told, _)| {
        asked.minor().abs_diff(told.minor()) <= (asked.minor() / 1_000_000_000_000).max(1)
    })
}

/// ISO 8601, or seconds or milliseconds of the Unix epoch: which of them is unconfirmed (dossier, section 6).
fn timestamp(text: &str) -> Option<Timestamp> {
    if let Ok(number) = text.parse::<i64>() {
        // Seconds reach this in the year 5138, milliseconds did in 1973.
        return Some(if number < 100_000_000_000 {
            Timestamp::from_secs(number)
        } else {
            Timestamp::from_millis(number)
        });
    }
    text.parse::<jiff::Timestamp>().ok().map(|at| Timestamp::from_millis(at.as_millisecond()))
}

/// The `Date` of an answer.
pub(crate) fn http_date(text: &str) -> Option<Timestamp> {
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Timestamp::from_millis(at.as_millisecond()))
}

/// A word of the provider that may be shown: short, and of harmless characters only.
fn shown(text: &str) -> String {
    let fine = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    format!("`{}`", text.chars().filter(fine).take(40).collect::<String>())
}

#[cfg(test)]
#[path = "map_tests.rs"]
mod tests;

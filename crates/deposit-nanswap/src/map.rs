//! Wire to domain: pure functions.

use deposit_core::json::NumberText;
use deposit_core::{
    Amount, Asset, Concern, Failure, IntentRecord, OrderState, PaymentReading, PaymentRef, Snapshot,
    Timestamp,
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
        snapshot.concerns.push(Concern::new("unreadable_payment", "the order's id is no payment reference"));
        return snapshot;
    };
    let elsewhere = order.payout_address.as_deref() != Some(payout.address);
    if elsewhere {
        let detail =
            "the order pays out to another address than the configured one: nothing is credited for it";
        snapshot.concerns.push(Concern::new("payout_address_mismatch", detail));
    }
    // There is no word for an order whose lifetime is over: its `validUntil` is held against the provider's own clock, and told
    // for a paid one too, since what came after it is late.
    let until = order.valid_until().and_then(|text| timestamp(&text));
    snapshot.expired_at = until.filter(|until| at.is_some_and(|at| at >= *until));
    match &order.status {
        Some(Status::Waiting) => waiting(intent, order, id, &mut snapshot),
        Some(Status::Exchanging | Status::Sending) => {
            let reading = seen(intent, order, &mut snapshot.concerns);
            list(id, reading, &mut snapshot);
        }
        Some(Status::Completed) if elsewhere => snapshot.undecided.push(id),
        Some(Status::Completed) => {
            let reading = completed(intent, payout.asset, order, &id, &mut snapshot.concerns);
            match reading {
                Some(reading) => snapshot.payments.push(reading),
                None => snapshot.undecided.push(id),
            }
        }
        Some(Status::Error) => failed(intent, order, id, &mut snapshot),
        Some(Status::Other(word)) => unknown(&shown(word), id, &mut snapshot),
        None => unknown("none at all", id, &mut snapshot),
    }
    snapshot
}

fn list(id: PaymentRef, amount: Option<Amount>, snapshot: &mut Snapshot) {
    match amount {
        Some(amount) => snapshot.payments.push(PaymentReading::in_flight(id, amount)),
        None => snapshot.undecided.push(id),
    }
}

fn waiting(intent: &IntentRecord, order: &Order, id: PaymentRef, snapshot: &mut Snapshot) {
    if figure(order.amount_from.as_ref()).is_some() {
        // Against the documents, but money is money.
        let reading = seen(intent, order, &mut snapshot.concerns);
        list(id, reading, snapshot);
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

/// `None`: undecided, with a concern. The expected amounts are never credited.
fn completed(
    intent: &IntentRecord,
    settles: Asset,
    order: &Order,
    id: &PaymentRef,
    concerns: &mut Vec<Concern>,
) -> Option<PaymentReading> {
    let (from, to) = (figure(order.amount_from.as_ref()), figure(order.amount_to.as_ref()));
    let (Some(from), Some(to)) = (from, to) else {
        let detail = "the swap is completed, but the provider does not tell what came or what was paid out";
        concerns.push(Concern::new("amount_missing", detail));
        return None;
    };
    let received = received(intent, from, concerns)?;
    let settled = amount(to, settles, concerns)?;
    if received.is_zero() || settled.is_zero() {
        let detail = "the swap is completed, but less than one unit came or was paid out";
        concerns.push(Concern::new("amount_missing", detail));
        return None;
    }
    Some(PaymentReading { settled: Some(settled), ..PaymentReading::confirmed(id.clone(), received) })
}

/// Given up, for people to deal with. Not credited, and not shown as under way: a refund goes by mail.
fn failed(intent: &IntentRecord, order: &Order, id: PaymentRef, snapshot: &mut Snapshot) {
    snapshot.state = OrderState::Failed(Failure::ProviderError);
    let detail = "the provider could not finish the swap: its support has to be asked for the money";
    snapshot.concerns.push(Concern::new("swap_failed", detail));
    if order.has_payout_hash() {
        // Perhaps paid out, perhaps credited already.
        let detail = "the failed swap has a pay-out transaction: look whether it arrived";
        snapshot.concerns.push(Concern::new("failed_after_payout", detail));
        snapshot.undecided.push(id);
    } else if figure(order.amount_from.as_ref()).is_some() {
        snapshot.payments.push(PaymentReading::gone(id, intent.terms.asset));
    }
}

fn unknown(word: &str, id: PaymentRef, snapshot: &mut Snapshot) {
    let detail = format!("unknown order status {word}: everything stays as it was");
    snapshot.concerns.push(Concern::new("unknown_status", detail));
    snapshot.undecided.push(id);
}

/// A figure that is known: neither absent nor zero.
fn figure(number: Option<&NumberText>) -> Option<&NumberText> {
    number.filter(|number| !number.decimal().is_zero())
}

fn amount(number: &NumberText, asset: Asset, concerns: &mut Vec<Concern>) -> Option<Amount> {
    let Ok((amount, exact)) = Amount::floor_from_decimal(number.decimal(), asset) else {
        concerns.push(Concern::new("unreadable_amount", "an amount is negative or absurdly large"));
        return None;
    };
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

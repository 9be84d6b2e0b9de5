//! Wire to domain: pure functions.

use std::collections::BTreeMap;

use deposit_core::{
    Amount, Concern, ConcernedMoney, DepositId, Failure, IntentRecord, OrderState, PayInstructions,
    PaymentReading, PaymentRef, ProviderRef, Snapshot, Terms, Ticker, Timestamp, printable,
};
use serde_json::Value;

use crate::api::{self, InvoiceStatus, PaymentStatus};
use crate::coin::{Coin, Link, Method, canonical};

/// How to pay `amount` to a destination of this method; `None` where it is none.
pub(crate) fn instructions(method: &Method, destination: &str, amount: Amount) -> Option<PayInstructions> {
    let plain = !destination.is_empty() && destination.bytes().all(|b| b.is_ascii_alphanumeric());
    if !plain {
        return None;
    }
    match method.coin.link {
        Link::Address { scheme, parameter } => Some(PayInstructions::Address {
            address: destination.to_owned(),
            memo: None,
            uri: Some(format!("{scheme}:{destination}?{parameter}={amount}")),
        }),
        Link::Bolt11 => {
            let bolt11 = destination.to_ascii_lowercase();
            let uri = format!("lightning:{bolt11}");
            bolt11.starts_with("ln").then_some(PayInstructions::LightningInvoice { bolt11, uri })
        }
    }
}

/// The destination of our method, if the invoice has it and it is ready.
pub(crate) fn destination<'a>(method: &Method, methods: &'a [api::PaymentMethod]) -> Option<&'a str> {
    let prompt = methods.iter().find(|prompt| method.is(prompt.id()))?;
    prompt.destination.as_deref().filter(|_| prompt.activated != Some(false))
}

/// Whether payments by our method are settled while they are in the pool: the plugin's own threshold goes over the speed policy, and such a
/// payment stays settled when it is dropped (dossier, section 14).
pub(crate) fn needs_no_confirmation(method: &Method, methods: &[api::PaymentMethod]) -> bool {
    methods.iter().any(|prompt| method.is(prompt.id()) && prompt.threshold().is_some_and(|n| n <= 0))
}

/// Whether an invoice is what we asked for under this id: with our marker, the same amount and currency.
pub(crate) fn is_what_we_asked(
    invoice: &api::Invoice,
    store_id: &str,
    deposit_id: &DepositId,
    method: &Method,
    amount: Amount,
) -> bool {
    let same_amount = invoice.amount.as_ref().is_some_and(|number| {
        Amount::from_decimal(number.decimal(), amount.asset(), amount.asset().scale()) == Ok(amount)
    });
    let same_currency =
        invoice.currency.as_deref().is_some_and(|code| code.eq_ignore_ascii_case(method.coin.currency));
    let same_order = invoice.metadata.get("orderId").and_then(Value::as_str) == Some(deposit_id.as_str());
    let same_store = invoice.store_id.as_deref().is_none_or(|store| store == store_id);
    same_amount && same_currency && same_order && same_store && api::is_ours(&invoice.metadata) == Some(true)
}

/// One read of one order.
pub(crate) fn snapshot(
    intent: &IntentRecord,
    method: &Method,
    invoice: &api::Invoice,
    methods: &[api::PaymentMethod],
) -> Snapshot {
    let mut snapshot = Snapshot::empty(intent.provider_ref.clone());
    snapshot.state = order_state(&invoice.status, &mut snapshot.concerns);
    if snapshot.state == OrderState::Expired {
        // Late payments leave the status as it is (`Expired` with `PaidLate`), so this is all that tells that they were late.
        snapshot.expired_at = invoice.expiration_time.map(Timestamp::from_secs);
    }
    whose(intent, invoice, &mut snapshot.concerns);

    let mut found = false;
    for prompt in methods {
        if !method.is(prompt.id()) {
            other_method(prompt, &mut snapshot.concerns);
            continue;
        }
        found = true;
        payments(method, prompt, &mut snapshot);
        if snapshot.state == OrderState::Open {
            snapshot.instructions = changed_instructions(intent, method, prompt, &snapshot.payments);
        }
    }
    if !found {
        // Nothing is concluded from an absence: a renamed method would take back all that was credited.
        snapshot.complete = false;
        let detail = format!("the invoice has no payment method {}", printable(&method.id));
        snapshot.concerns.push(Concern::new("method_missing", detail));
    }
    if is_paid_by_nothing(invoice, methods) {
        let detail = "the invoice says that it was paid, and lists no payment: nothing is credited for that";
        snapshot.concerns.push(Concern::money("paid_by_nothing", detail, ConcernedMoney::of_order()));
    }
    marked(&intent.terms, invoice, &mut snapshot);
    snapshot
}

/// Payments by a method that is not the deposit's: real, but not what the deposit is about, so a person decides on each.
fn other_method(prompt: &api::PaymentMethod, concerns: &mut Vec<Concern>) {
    for payment in &prompt.payments {
        let detail = format!(
            "a payment came by the method {}, which is not the deposit's: no rule credits it",
            printable(prompt.id())
        );
        match (&payment.status, PaymentRef::new(payment.id.as_str())) {
            // What is not confirmed may still go away, and what went away is no money.
            (PaymentStatus::Processing | PaymentStatus::Invalid, _) => {
                concerns.push(Concern::new("method_mismatch", detail));
            }
            (PaymentStatus::Settled | PaymentStatus::Other(_), Ok(id)) => {
                let of = ConcernedMoney::of_payment(id);
                concerns.push(Concern::money("method_mismatch", detail, in_its_coin(of, prompt, payment)));
            }
            (PaymentStatus::Settled | PaymentStatus::Other(_), Err(_)) => {
                let of = in_its_coin(ConcernedMoney::of_order(), prompt, payment);
                concerns.push(Concern::money("method_mismatch", detail, of));
            }
        }
    }
}

/// How much a payment by another method than the deposit's is, in that method's own coin; without an amount where that is none of ours.
fn in_its_coin(money: ConcernedMoney, prompt: &api::PaymentMethod, payment: &api::Payment) -> ConcernedMoney {
    let id = canonical(prompt.id());
    let of_currency =
        |coin: &&Coin| prompt.currency().is_none_or(|currency| currency.eq_ignore_ascii_case(coin.currency));
    if let Some(coin) = Coin::ALL.iter().find(|coin| coin.method_id == id).filter(of_currency) {
        return match Amount::floor_from_decimal(payment.value.decimal(), coin.asset) {
            Ok((amount, _)) => ConcernedMoney { ticker: Some(coin.ticker), ..money.amount(amount) },
            Err(_) => ConcernedMoney { ticker: Some(coin.ticker), ..money },
        };
    }
    // A coin that is none of ours: its name says more than nothing, but in what it counts is not known.
    let named = prompt.currency().and_then(|code| code.to_ascii_uppercase().parse::<Ticker>().ok());
    ConcernedMoney { ticker: named, ..money }
}

/// An invoice that says it was paid, and lists no payment by any method: what was paid is somewhere, and no rule finds it.
pub(crate) fn is_paid_by_nothing(invoice: &api::Invoice, methods: &[api::PaymentMethod]) -> bool {
    let additional = invoice.additional_status.as_deref();
    let says_so = matches!(invoice.status, InvoiceStatus::Processing | InvoiceStatus::Settled)
        || matches!(additional, Some("PaidPartial" | "PaidOver" | "PaidLate"));
    // By a person's hand, without a payment: told by its own word.
    says_so && additional != Some("Marked") && methods.iter().all(|prompt| prompt.payments.is_empty())
}

fn order_state(status: &InvoiceStatus, concerns: &mut Vec<Concern>) -> OrderState {
    match status {
        // Settled too: it is derived from the payments, and more of them may come.
        InvoiceStatus::New | InvoiceStatus::Processing | InvoiceStatus::Settled => OrderState::Open,
        InvoiceStatus::Expired => OrderState::Expired,
        InvoiceStatus::Invalid => OrderState::Failed(Failure::Invalid),
        InvoiceStatus::Other(other) => {
            let detail = format!("unknown invoice status {}: the order counts as open", printable(other));
            concerns.push(Concern::new("unknown_status", detail));
            OrderState::Open
        }
    }
}

/// The invoice should still say that it is ours; an operator can edit its metadata.
fn whose(intent: &IntentRecord, invoice: &api::Invoice, concerns: &mut Vec<Concern>) {
    let order_id = invoice.metadata.get("orderId").and_then(Value::as_str);
    if order_id.is_some_and(|id| id != intent.deposit_id.as_str()) {
        concerns
            .push(Concern::new("order_mismatch", "the invoice carries another order id than the deposit's"));
    }
}

fn payments(method: &Method, prompt: &api::PaymentMethod, snapshot: &mut Snapshot) {
    let foreign = prompt.currency().filter(|code| !code.eq_ignore_ascii_case(method.coin.currency));
    snapshot.complete &= foreign.is_none();
    let mut listed: BTreeMap<PaymentRef, Vec<&api::Payment>> = BTreeMap::new();
    let mut order = Vec::new();
    let mut nameless = Vec::new();
    for payment in &prompt.payments {
        match PaymentRef::new(payment.id.as_str()) {
            Ok(id) => {
                let lines = listed.entry(id.clone()).or_default();
                if lines.is_empty() {
                    order.push(id);
                }
                lines.push(payment);
            }
            Err(_) => nameless.push(payment),
        }
    }
    if !nameless.is_empty() {
        snapshot.complete = false;
        snapshot.concerns.push(without_id(method, &nameless, foreign.is_some()));
    }
    for id in order {
        let reading = match listed.get(&id).map(Vec::as_slice) {
            Some([payment]) => match foreign {
                None => reading(method, prompt, payment, &id, &mut snapshot.concerns),
                Some(code) => Err(in_another_currency(method, prompt, payment, &id, code)),
            },
            lines => Err(listed_twice(method, &id, lines.unwrap_or_default(), foreign.is_some())),
        };
        match reading {
            Ok(reading) => snapshot.payments.push(reading),
            Err(concern) => {
                snapshot.concerns.push(concern);
                snapshot.undecided.push(id);
            }
        }
    }
}

/// Our figure of a payment that counts as money; `None` for one that is gone or cannot be read.
fn figure(method: &Method, payment: &api::Payment) -> Option<Amount> {
    let (amount, _) = Amount::floor_from_decimal(payment.value.decimal(), method.coin.asset).ok()?;
    (payment.status != PaymentStatus::Invalid && !amount.is_zero()).then_some(amount)
}

/// Payments without a usable id: they cannot be told apart, so what they come to is one sum.
fn without_id(method: &Method, nameless: &[&api::Payment], foreign: bool) -> Concern {
    let sum = nameless
        .iter()
        .filter_map(|payment| figure(method, payment))
        .try_fold(Amount::zero(method.coin.asset), Amount::checked_add)
        .filter(|sum| !foreign && !sum.is_zero());
    let money = ConcernedMoney::of_order();
    let money = sum.map_or(money.clone(), |sum| money.amount(sum));
    Concern::money("unreadable_payment", "a payment without a usable id is listed", money)
}

/// Which of the lines holds is not known; where they say the same, how much it is.
fn listed_twice(method: &Method, id: &PaymentRef, lines: &[&api::Payment], foreign: bool) -> Concern {
    let mut figures = lines.iter().map(|payment| figure(method, payment));
    let first = figures.next().flatten().filter(|_| !foreign);
    let same = first.filter(|first| figures.all(|other| other == Some(*first)));
    let money = ConcernedMoney::of_payment(id.clone());
    let money = same.map_or(money.clone(), |same| money.amount(same));
    Concern::money("duplicate_payment", "one payment is listed twice", money)
}

fn in_another_currency(
    method: &Method,
    prompt: &api::PaymentMethod,
    payment: &api::Payment,
    id: &PaymentRef,
    code: &str,
) -> Concern {
    let (ours, code) = (method.coin.currency, printable(code));
    let detail = format!("the method {} is in {code}, not in {ours}", printable(prompt.id()));
    if payment.status == PaymentStatus::Invalid {
        return Concern::new("currency_mismatch", detail);
    }
    let money = in_its_coin(ConcernedMoney::of_payment(id.clone()), prompt, payment);
    Concern::money("currency_mismatch", detail, money)
}

/// `Err`: undecided, for this reason.
fn reading(
    method: &Method,
    prompt: &api::PaymentMethod,
    payment: &api::Payment,
    id: &PaymentRef,
    concerns: &mut Vec<Concern>,
) -> Result<PaymentReading, Concern> {
    let asset = method.coin.asset;
    let money = ConcernedMoney::of_payment(id.clone());
    let Ok((amount, exact)) = Amount::floor_from_decimal(payment.value.decimal(), asset) else {
        let detail = "a payment's amount is negative or absurdly large";
        return Err(Concern::money("unreadable_amount", detail, money));
    };
    if !exact {
        let detail =
            format!("a payment's amount is finer than {} decimals and was rounded down", asset.scale());
        concerns.push(Concern::new("rounded", detail));
    }
    let reading = match &payment.status {
        PaymentStatus::Processing => PaymentReading::in_flight(id.clone(), amount),
        PaymentStatus::Settled if prompt.threshold().is_some_and(|n| n <= 0) => {
            let detail = "the store settles payments of this coin without any confirmation, and never takes one back: look at the wallet before this one is credited";
            return Err(Concern::money("no_confirmations", detail, money.amount(amount)));
        }
        PaymentStatus::Settled => PaymentReading::confirmed(id.clone(), amount),
        PaymentStatus::Invalid => PaymentReading::gone(id.clone(), asset),
        PaymentStatus::Other(other) => {
            let detail = format!("unknown payment status {}: the payment stays as it was", printable(other));
            return Err(Concern::money("unknown_status", detail, money.amount(amount)));
        }
    };
    Ok(PaymentReading { paid_at: payment.received_date.map(Timestamp::from_secs), ..reading })
}

/// After a part payment XMR and ZEC give a new address and Lightning a new BOLT11; the link is then for what is still due.
fn changed_instructions(
    intent: &IntentRecord,
    method: &Method,
    prompt: &api::PaymentMethod,
    payments: &[PaymentReading],
) -> Option<PayInstructions> {
    let destination = prompt.destination.as_deref().filter(|_| prompt.activated != Some(false))?;
    let (due, _) = Amount::floor_from_decimal(prompt.due.as_ref()?.decimal(), method.coin.asset).ok()?;
    // The server adds its own fee for each payment; the payer was quoted one figure, and what is left of that is what is asked for.
    let paid =
        payments.iter().fold(0_u128, |sum, p| sum.saturating_add(p.confirmed).saturating_add(p.in_flight));
    let due = match intent.terms.requested() {
        Some(asked) => due.minor().min(asked.minor().saturating_sub(paid)),
        None => due.minor(),
    };
    let due = Amount::new(due, method.coin.asset);
    if due.is_zero() {
        return None;
    }
    let new = instructions(method, destination, due)?;
    (new.address() != intent.instructions.address()).then_some(new)
}

/// A person marked the invoice as settled: never a credit, but whoever did it may have been paid in another way.
fn marked(terms: &Terms, invoice: &api::Invoice, snapshot: &mut Snapshot) {
    if invoice.status != InvoiceStatus::Settled || invoice.additional_status.as_deref() != Some("Marked") {
        return;
    }
    let confirmed = snapshot.payments.iter().fold(0_u128, |sum, p| sum.saturating_add(p.confirmed));
    if terms.requested().is_some_and(|asked| confirmed < asked.minor()) {
        let detail =
            "the invoice was marked as settled by hand without enough payments: nothing is credited for that";
        snapshot.concerns.push(Concern::money("marked_settled", detail, ConcernedMoney::of_order()));
    }
}

/// What the provider calls an order; `None` where the text is none.
pub(crate) fn provider_ref(id: &str) -> Option<ProviderRef> {
    ProviderRef::new(id).ok()
}

#[cfg(test)]
#[path = "map_tests.rs"]
mod tests;

//! Wire to domain: pure functions.

use deposit_core::{
    Amount, Concern, DepositId, Failure, IntentRecord, OrderState, PayInstructions, PaymentReading,
    PaymentRef, ProviderRef, Snapshot, Terms, Timestamp,
};
use serde_json::Value;

use crate::api::{self, InvoiceStatus, PaymentStatus};
use crate::coin::{Link, Method};

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
            // Money there is real but not what the deposit is about: a person decides.
            if !prompt.payments.is_empty() {
                let detail = format!(
                    "the invoice has {} payment(s) by the method {}, which is not the deposit's",
                    prompt.payments.len(),
                    word(prompt.id())
                );
                snapshot.concerns.push(Concern::new("method_mismatch", detail));
            }
            continue;
        }
        found = true;
        payments(method, prompt, &mut snapshot);
        if snapshot.state == OrderState::Open {
            snapshot.instructions = changed_instructions(intent, method, prompt);
        }
    }
    if !found {
        // Nothing is concluded from an absence: a renamed method would take back all that was credited.
        snapshot.complete = false;
        let detail = format!("the invoice has no payment method {}", word(&method.id));
        snapshot.concerns.push(Concern::new("method_missing", detail));
    }
    marked(&intent.terms, invoice, &mut snapshot);
    snapshot
}

fn order_state(status: &InvoiceStatus, concerns: &mut Vec<Concern>) -> OrderState {
    match status {
        // Settled too: it is derived from the payments, and more of them may come.
        InvoiceStatus::New | InvoiceStatus::Processing | InvoiceStatus::Settled => OrderState::Open,
        InvoiceStatus::Expired => OrderState::Expired,
        InvoiceStatus::Invalid => OrderState::Failed(Failure::Invalid),
        InvoiceStatus::Other(other) => {
            let detail = format!("unknown invoice status {}: the order counts as open", word(other));
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
    if let Some(code) = foreign {
        snapshot.complete = false;
        let detail =
            format!("the method {} is in {}, not in {}", word(prompt.id()), word(code), method.coin.currency);
        snapshot.concerns.push(Concern::new("currency_mismatch", detail));
    }
    for payment in &prompt.payments {
        let Ok(id) = PaymentRef::new(payment.id.as_str()) else {
            snapshot.complete = false;
            snapshot
                .concerns
                .push(Concern::new("unreadable_payment", "a payment without a usable id is listed"));
            continue;
        };
        if snapshot.payments.iter().any(|known| known.id == id) || snapshot.undecided.contains(&id) {
            snapshot.payments.retain(|known| known.id != id);
            snapshot.concerns.push(Concern::new("duplicate_payment", "one payment is listed twice"));
            if !snapshot.undecided.contains(&id) {
                snapshot.undecided.push(id);
            }
            continue;
        }
        let reading =
            if foreign.is_some() { None } else { reading(method, payment, &id, &mut snapshot.concerns) };
        match reading {
            Some(reading) => snapshot.payments.push(reading),
            None => snapshot.undecided.push(id),
        }
    }
}

/// `None`: undecided, with a concern.
fn reading(
    method: &Method,
    payment: &api::Payment,
    id: &PaymentRef,
    concerns: &mut Vec<Concern>,
) -> Option<PaymentReading> {
    let asset = method.coin.asset;
    let Ok((amount, exact)) = Amount::floor_from_decimal(payment.value.decimal(), asset) else {
        concerns.push(Concern::new("unreadable_amount", "a payment's amount is negative or absurdly large"));
        return None;
    };
    if !exact {
        let detail =
            format!("a payment's amount is finer than {} decimals and was rounded down", asset.scale());
        concerns.push(Concern::new("rounded", detail));
    }
    let reading = match &payment.status {
        PaymentStatus::Processing => PaymentReading::in_flight(id.clone(), amount),
        PaymentStatus::Settled => PaymentReading::confirmed(id.clone(), amount),
        PaymentStatus::Invalid => PaymentReading::gone(id.clone(), asset),
        PaymentStatus::Other(other) => {
            let detail = format!("unknown payment status {}: the payment stays as it was", word(other));
            concerns.push(Concern::new("unknown_status", detail));
            return None;
        }
    };
    Some(PaymentReading { paid_at: payment.received_date.map(Timestamp::from_secs), ..reading })
}

/// After a part payment XMR and ZEC give a new address and Lightning a new BOLT11; the link is then for what is still due.
fn changed_instructions(
    intent: &IntentRecord,
    method: &Method,
    prompt: &api::PaymentMethod,
) -> Option<PayInstructions> {
    let destination = prompt.destination.as_deref().filter(|_| prompt.activated != Some(false))?;
    let (due, _) = Amount::floor_from_decimal(prompt.due.as_ref()?.decimal(), method.coin.asset).ok()?;
    if due.is_zero() {
        return None;
    }
    let new = instructions(method, destination, due)?;
    (new.address() != intent.instructions.address()).then_some(new)
}

/// A person marked the invoice as settled: a note for ours, never a credit.
fn marked(terms: &Terms, invoice: &api::Invoice, snapshot: &mut Snapshot) {
    if invoice.status != InvoiceStatus::Settled || invoice.additional_status.as_deref() != Some("Marked") {
        return;
    }
    let confirmed = snapshot.payments.iter().fold(0_u128, |sum, p| sum.saturating_add(p.confirmed));
    if terms.requested().is_some_and(|asked| confirmed < asked.minor()) {
        let detail =
            "the invoice was marked as settled by hand without enough payments: nothing is credited for that";
        snapshot.concerns.push(Concern::new("marked_settled", detail));
    }
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

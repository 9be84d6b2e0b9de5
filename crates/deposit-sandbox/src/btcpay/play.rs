//! What the payer, the chain and the clock do: `pay`, the scenarios, the truth.

use deposit_core::{Amount, DecimalText};

use super::decimal::Dec;
use super::invoice::{Events, Invoice, Payment, PaymentStatus, Prompt, Status};
use super::method::Kind;
use super::state::{BtcPay, State};
use crate::control_error::ControlError;
use crate::emulator::{
    PayRequest, PayStage, PlayedPayment, ScenarioName, ScenarioRequest, TruthOrder, TruthPayment, TruthStage,
};

type Played<T> = Result<T, ControlError>;

/// Which invoice, and to which of its addresses if one was named.
struct Found {
    index: usize,
    address: Option<String>,
}

fn find(state: &State, reference: &str) -> Played<Found> {
    if let Some(index) = state.invoices.iter().position(|i| i.id == reference) {
        return Ok(Found { index, address: None });
    }
    let shown = |i: &Invoice| i.prompts.iter().any(|p| p.shown.iter().any(|a| a == reference));
    if let Some(index) = state.invoices.iter().position(shown) {
        return Ok(Found { index, address: Some(reference.to_owned()) });
    }
    // The order id is not unique: the newest that is still open, else the newest.
    let mut ours =
        state.invoices.iter().enumerate().filter(|(_, i)| i.order_id().as_deref() == Some(reference)).rev();
    let newest = ours.clone().next();
    let found = ours.find(|(_, i)| i.status == Status::New).or(newest);
    let index = found.map(|(index, _)| index);
    index
        .map(|index| Found { index, address: None })
        .ok_or_else(|| ControlError::field("ref", "no invoice, order id or address of this provider"))
}

/// The invoice that a reference means.
pub(super) fn invoice_id(server: &BtcPay, reference: &str) -> Played<String> {
    let state = server.state();
    let found = find(&state, reference)?;
    state.invoices.get(found.index).map(|i| i.id.clone()).ok_or_else(gone)
}

fn gone() -> ControlError {
    ControlError::field("ref", "the invoice is gone")
}

/// Where a payment goes: which prompt and which of its addresses.
fn aim<'a>(invoice: &'a Invoice, address: Option<&str>) -> Played<(&'a Prompt, String)> {
    let named = |p: &&Prompt| address.is_none_or(|a| p.shown.iter().any(|s| s == a));
    let prompt = invoice
        .prompts
        .iter()
        .find(named)
        .ok_or_else(|| ControlError::field("ref", "this invoice has no payment method left"))?;
    let current = prompt.shown.last().map(String::as_str);
    let to = address
        .or(current)
        .ok_or_else(|| ControlError::field("ref", "its payment method is not activated"))?;
    Ok((prompt, to.to_owned()))
}

/// What is due, in the smallest unit that is asked for; at least one.
fn due_units(invoice: &Invoice, prompt: &Prompt) -> Played<u128> {
    let places = u8::try_from(prompt.method.divisibility).unwrap_or(8);
    // Of the price: the fee that the server asks for on top is nothing that a gateway asks its payers for.
    let units = invoice.rest(prompt).over_up(Dec::ONE, u32::from(places)).and_then(|due| due.minor(places));
    units
        .filter(|u| *u > 0)
        .ok_or_else(|| ControlError::field("amount", "nothing is due on this invoice: say what is paid"))
}

/// From units of what is asked for to the asset that arrives (finer for Lightning).
fn amount_of(prompt: &Prompt, units: u128) -> Amount {
    let asset = prompt.method.asset;
    let finer = u32::from(asset.scale()).saturating_sub(prompt.method.divisibility);
    Amount::new(units.saturating_mul(10_u128.saturating_pow(finer)), asset)
}

fn asked(prompt: &Prompt, amount: &DecimalText) -> Played<Amount> {
    let asset = prompt.method.asset;
    let amount =
        Amount::from_decimal(amount, asset, asset.scale()).map_err(|e| ControlError::field("amount", e))?;
    if amount.is_zero() { Err(ControlError::field("amount", "must be above 0")) } else { Ok(amount) }
}

/// A payment as it will be recorded; nothing is changed yet.
fn new_payment(
    server: &BtcPay,
    invoice: &Invoice,
    prompt: &Prompt,
    to: String,
    value: Amount,
    n: usize,
) -> Payment {
    let number = invoice.payments.len() + n;
    let address = prompt.shown.iter().position(|a| *a == to).map_or(1, |i| i + 1);
    let zero = Amount::zero(value.asset());
    Payment {
        id: prompt.method.payment_id(&server.context.random, &invoice.id, number, address),
        method: prompt.method,
        destination: to,
        value,
        fee: Dec::ZERO,
        received: server.now(),
        status: PaymentStatus::Processing,
        lost: false,
        unseen: false,
        confirmed: zero,
        reversed: zero,
        reinstated: zero,
    }
}

fn receive(server: &BtcPay, invoice: &mut Invoice, payment: Payment, stage: PayStage, events: &mut Events) {
    let now = server.now();
    invoice.receive(payment, now, &server.context.random, events);
    if stage == PayStage::Confirmed {
        let last = invoice.payments.len().saturating_sub(1);
        invoice.confirm(last, now, events);
    }
}

pub(super) fn pay(server: &BtcPay, request: &PayRequest) -> Played<String> {
    let mut state = server.state();
    let found = find(&state, &request.reference)?;
    let invoice = state.invoices.get_mut(found.index).ok_or_else(gone)?;
    let mut events = Events::new();
    let id = match &request.payment {
        Some(id) => {
            move_on(server, invoice, id, request.stage, &mut events)?;
            id.clone()
        }
        None => {
            let (prompt, to) = aim(invoice, found.address.as_deref())?;
            check_ticker(prompt, request.ticker)?;
            let value = match &request.amount {
                Some(amount) => asked(prompt, amount)?,
                None => amount_of(prompt, due_units(invoice, prompt)?),
            };
            let payment = new_payment(server, invoice, prompt, to, value, 0);
            let id = payment.id.clone();
            receive(server, invoice, payment, request.stage, &mut events);
            id
        }
    };
    let invoice = invoice.id.clone();
    server.publish(&mut state, &invoice, events);
    Ok(id)
}

/// Pays in full to an address that nobody watches (the server was down, and the invoice had ended): the wallet alone shows it.
pub(super) fn pay_unseen(server: &BtcPay, reference: &str) -> Played<String> {
    let mut state = server.state();
    let found = find(&state, reference)?;
    let invoice = state.invoices.get_mut(found.index).ok_or_else(gone)?;
    let (prompt, to) = aim(invoice, found.address.as_deref())?;
    let value = amount_of(prompt, due_units(invoice, prompt)?);
    let mut payment = new_payment(server, invoice, prompt, to, value, 0);
    payment.unseen = true;
    payment.status = PaymentStatus::Settled;
    payment.confirmed = value;
    let id = payment.id.clone();
    invoice.payments.push(payment);
    Ok(id)
}

fn check_ticker(prompt: &Prompt, ticker: Option<deposit_core::Ticker>) -> Played<()> {
    match ticker {
        Some(ticker) if ticker != prompt.method.ticker => {
            Err(ControlError::field("ticker", format!("this invoice is paid in {}", prompt.method.ticker)))
        }
        _ => Ok(()),
    }
}

fn move_on(
    server: &BtcPay,
    invoice: &mut Invoice,
    id: &str,
    stage: PayStage,
    events: &mut Events,
) -> Played<()> {
    let index = invoice
        .payments
        .iter()
        .position(|p| p.id == id)
        .ok_or_else(|| ControlError::field("payment", "no payment of this invoice"))?;
    if invoice.payments.get(index).is_some_and(|p| !p.accounted()) {
        return Err(ControlError::field("payment", "it was replaced or undone and has no later stage"));
    }
    if stage == PayStage::Confirmed {
        invoice.confirm(index, server.now(), events);
    }
    Ok(())
}

pub(super) fn scenario(server: &BtcPay, request: &ScenarioRequest) -> Played<Vec<PlayedPayment>> {
    let mut state = server.state();
    let found = find(&state, &request.reference)?;
    let invoice = state.invoices.get_mut(found.index).ok_or_else(gone)?;
    let mut events = Events::new();
    let known = invoice.payments.len();
    let play = Play { server, address: found.address, request };
    let touched = match request.name {
        ScenarioName::Partial => play.pays(invoice, |due| vec![due.div_ceil(2)], &mut events)?,
        ScenarioName::Over => play.pays(invoice, |due| vec![due + due.div_ceil(2)], &mut events)?,
        ScenarioName::Double => play.pays(invoice, |due| vec![due, due], &mut events)?,
        ScenarioName::Late => {
            play.dues(invoice, &|due| vec![due])?;
            if invoice.status != Status::Expired {
                play.expire(invoice, &mut events)?;
            }
            play.pays(invoice, |due| vec![due], &mut events)?
        }
        ScenarioName::Reorg => play.reorg(invoice, &mut events)?,
        ScenarioName::Return => play.give_back(invoice, &mut events)?,
        ScenarioName::Replace => play.replace(invoice, &mut events)?,
        ScenarioName::Expire => {
            if invoice.status != Status::Expired {
                play.expire(invoice, &mut events)?;
            }
            (0..known).collect()
        }
        ScenarioName::Fail => {
            play.fail(invoice, &mut events)?;
            (0..known).collect()
        }
        ScenarioName::Refund | ScenarioName::RefundPart | ScenarioName::Dispute => {
            let rule = format!("{}: this provider has no such thing", request.name.word());
            return Err(ControlError::field("name", rule));
        }
    };
    let payments = touched.into_iter().filter_map(|i| invoice.payments.get(i)).map(|p| PlayedPayment {
        id: p.id.clone(),
        amount: p.value,
        stage: p.stage(),
    });
    let payments = payments.collect();
    let invoice = invoice.id.clone();
    server.publish(&mut state, &invoice, events);
    Ok(payments)
}

struct Play<'a> {
    server: &'a BtcPay,
    address: Option<String>,
    request: &'a ScenarioRequest,
}

/// Indices of the payments that a scenario touched.
type Touched = Played<Vec<usize>>;

impl Play<'_> {
    /// The amounts that would be paid, and where; refuses before anything is changed.
    fn dues(&self, invoice: &Invoice, split: &dyn Fn(u128) -> Vec<u128>) -> Played<(Vec<Amount>, String)> {
        let (prompt, to) = aim(invoice, self.address.as_deref())?;
        check_ticker(prompt, self.request.ticker)?;
        let places = u8::try_from(prompt.method.divisibility).unwrap_or(8);
        let due = match &self.request.amount {
            None => due_units(invoice, prompt)?,
            Some(amount) => {
                let exact = asked(prompt, amount)?;
                Dec::of(exact).over_up(Dec::ONE, u32::from(places)).and_then(|d| d.minor(places)).unwrap_or(1)
            }
        };
        Ok((split(due).into_iter().map(|units| amount_of(prompt, units)).collect(), to))
    }

    fn pays(&self, invoice: &mut Invoice, split: impl Fn(u128) -> Vec<u128>, events: &mut Events) -> Touched {
        let (amounts, to) = self.dues(invoice, &split)?;
        let first = invoice.payments.len();
        let (prompt, _) = aim(invoice, self.address.as_deref())?;
        let payments: Vec<_> = amounts
            .into_iter()
            .enumerate()
            .map(|(n, value)| new_payment(self.server, invoice, prompt, to.clone(), value, n))
            .collect();
        for payment in payments {
            receive(self.server, invoice, payment, PayStage::Confirmed, events);
        }
        Ok((first..invoice.payments.len()).collect())
    }

    fn refuse<T>(&self, invoice: &Invoice, why: &str) -> Played<T> {
        let (name, status) = (self.request.name.word(), invoice.status.word());
        Err(ControlError::field("name", format!("{name}: {why}; the invoice is {status}")))
    }

    /// Only this invoice: its own times move, not the clock.
    fn expire(&self, invoice: &mut Invoice, events: &mut Events) -> Played<()> {
        if invoice.status != Status::New {
            return self.refuse(invoice, "only one that waits for money expires");
        }
        let now = self.server.now();
        invoice.expiration = now - 2;
        invoice.monitoring = invoice.expiration.saturating_add(invoice.checkout.monitoring_seconds);
        invoice.update(now, events);
        Ok(())
    }

    fn fail(&self, invoice: &mut Invoice, events: &mut Events) -> Played<()> {
        let now = self.server.now();
        if invoice.status == Status::Processing {
            invoice.monitoring = now - 2;
            invoice.expiration = invoice.expiration.min(invoice.monitoring);
            invoice.update(now, events);
            return Ok(());
        }
        if invoice.mark(Status::Invalid, events) {
            Ok(())
        } else {
            self.refuse(invoice, "it cannot fail any more")
        }
    }

    fn reorg(&self, invoice: &mut Invoice, events: &mut Events) -> Touched {
        if invoice.prompts.iter().any(|prompt| prompt.method.kind != Kind::Chain) {
            return self.refuse(invoice, "this coin's plugin never takes anything back");
        }
        if invoice.payments.is_empty() {
            self.pays(invoice, |due| vec![due], events)?;
        }
        let now = self.server.now();
        let counting = indices(invoice, |p| (p.accounted() || p.unseen) && !p.is_undone());
        if counting.is_empty() {
            return self.refuse(invoice, "every payment is undone already");
        }
        for index in &counting {
            invoice.confirm(*index, now, events);
            invoice.undo(*index, now, events);
        }
        Ok(counting)
    }

    fn give_back(&self, invoice: &mut Invoice, events: &mut Events) -> Touched {
        let undone = indices(invoice, |p| p.stage() == TruthStage::Reversed);
        if undone.is_empty() {
            return self.refuse(invoice, "no payment was undone after it was confirmed");
        }
        for index in &undone {
            invoice.reinstate(*index, self.server.now(), events);
        }
        Ok(undone)
    }

    fn replace(&self, invoice: &mut Invoice, events: &mut Events) -> Touched {
        let seen = indices(invoice, |p| p.status == PaymentStatus::Processing);
        if seen.is_empty() {
            return self.refuse(invoice, "no payment is on its way");
        }
        for index in &seen {
            invoice.undo(*index, self.server.now(), events);
        }
        Ok(seen)
    }
}

fn indices(invoice: &Invoice, chosen: impl Fn(&Payment) -> bool) -> Vec<usize> {
    invoice.payments.iter().enumerate().filter(|(_, p)| chosen(p)).map(|(i, _)| i).collect()
}

pub(super) fn truth(server: &BtcPay) -> Vec<TruthOrder> {
    let order = |invoice: &Invoice| {
        let prompt = invoice.prompts.first();
        let due = prompt.filter(|_| !invoice.top_up).and_then(|p| {
            let units = p.amount.minor(u8::try_from(p.method.divisibility).ok()?)?;
            Some(amount_of(p, units))
        });
        let payment = |p: &Payment| TruthPayment {
            id: p.id.clone(),
            amount: p.value,
            stage: p.stage(),
            confirmed: p.confirmed,
            reversed: p.reversed,
            reinstated: p.reinstated,
            settled: None,
            seen_at: p.received,
        };
        TruthOrder {
            reference: invoice.id.clone(),
            order: invoice.order_id(),
            address: prompt.and_then(|p| p.shown.last().cloned()),
            ticker: prompt.map(|p| p.method.ticker),
            due,
            payments: invoice.payments.iter().map(payment).collect(),
        }
    };
    server.state().invoices.iter().map(order).collect()
}

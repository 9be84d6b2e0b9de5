//! What the payer and the clock do: `pay` and the scenarios.

use deposit_core::{Amount, DecimalText};

use super::figures::{final_amount, swapped};
use super::order::{Order, Status};
use super::state::{Nanswap, State};
use crate::control_error::ControlError;
use crate::emulator::{PayRequest, PayStage, PlayedPayment, ScenarioName, ScenarioRequest};

type Played<T> = Result<T, ControlError>;

fn bare(address: &str) -> &str {
    address.strip_prefix("kaspa:").unwrap_or(address)
}

/// The order that a reference means: by id, else by pay-in address.
pub(super) fn find(state: &State, reference: &str) -> Played<usize> {
    let by_id = state.orders.iter().position(|o| o.id == reference);
    by_id
        .or_else(|| state.orders.iter().position(|o| bare(&o.payin_address) == bare(reference)))
        .ok_or_else(|| ControlError::field("ref", "no order or pay-in address of this provider"))
}

fn order_of<'a>(state: &'a mut State, reference: &str) -> Played<&'a mut Order> {
    let index = find(state, reference)?;
    state.orders.get_mut(index).ok_or_else(|| ControlError::field("ref", "the order is gone"))
}

/// What is due; at least one unit.
fn due(order: &Order, amount: Option<&DecimalText>) -> Played<u128> {
    let asset = order.from.asset;
    let minor = match amount {
        None => order.asked.saturating_sub(order.done + order.pending),
        Some(amount) => Amount::from_decimal(amount, asset, asset.scale())
            .map_err(|e| ControlError::field("amount", e))?
            .minor(),
    };
    if minor == 0 {
        let rule = if amount.is_some() { "must be above 0" } else { "nothing is due: say what is paid" };
        return Err(ControlError::field("amount", rule));
    }
    order
        .done
        .checked_add(order.pending)
        .and_then(|sum| sum.checked_add(minor))
        .map(|_| minor)
        .ok_or_else(|| ControlError::field("amount", "too large"))
}

fn payable(order: &Order) -> Played<()> {
    match order.status {
        Status::Error => Err(ControlError::field("ref", "the order is in error: people deal with it")),
        Status::Waiting | Status::Exchanging | Status::Sending | Status::Completed => Ok(()),
    }
}

/// A pay-in arrives.
fn receive(server: &Nanswap, order: &mut Order, minor: u128) {
    let random = &server.context.random;
    order.pending += minor;
    order.seen_at.get_or_insert(server.now());
    if order.payin_hash.is_none() {
        order.payin_hash = Some(order.from.hash(random, &format!("nanswap/payin-hash/{}", order.id)));
        order.sender = Some(order.from.address(random, &format!("nanswap/sender/{}", order.id)).0);
    }
    if order.status == Status::Waiting {
        order.status = Status::Exchanging;
    }
}

/// What arrived is swapped at the rates of now and paid out.
fn settle(server: &Nanswap, order: &mut Order) -> Played<()> {
    if order.pending == 0 {
        return Ok(());
    }
    let out = swapped(&server.context.rates, order.from, order.to, order.pending).map(final_amount);
    let total = out.and_then(|out| order.paid_out.checked_add(out));
    let total = total.ok_or_else(|| ControlError::field("amount", "too large to be swapped"))?;
    if total == 0 {
        // Dust: there is nothing to pay out.
        order.status = Status::Error;
        return Ok(());
    }
    order.done += order.pending;
    order.pending = 0;
    order.paid_out = total;
    order.status = Status::Completed;
    if order.payout_hash.is_none() {
        let label = format!("nanswap/payout/{}", order.id);
        order.payout_hash = Some(order.to.hash(&server.context.random, &label));
    }
    Ok(())
}

fn check_ticker(order: &Order, ticker: Option<deposit_core::Ticker>) -> Played<()> {
    match ticker {
        Some(ticker) if ticker != order.from.ticker => {
            Err(ControlError::field("ticker", format!("this order is paid in {}", order.from.ticker)))
        }
        _ => Ok(()),
    }
}

pub(super) fn pay(server: &Nanswap, request: &PayRequest) -> Played<String> {
    let mut state = server.state();
    let order = order_of(&mut state, &request.reference)?;
    payable(order)?;
    check_ticker(order, request.ticker)?;
    let mut changed = order.clone();
    match &request.payment {
        Some(id) if *id != order.id => {
            return Err(ControlError::field("payment", "no payment of this order"));
        }
        Some(_) if order.seen_at.is_none() => {
            return Err(ControlError::field("payment", "nothing was paid yet"));
        }
        Some(_) => {}
        None => {
            let minor = due(order, request.amount.as_ref())?;
            receive(server, &mut changed, minor);
        }
    }
    if request.stage == PayStage::Confirmed {
        settle(server, &mut changed)?;
    }
    let id = changed.id.clone();
    *order = changed;
    Ok(id)
}

fn refuse<T>(name: ScenarioName, order: &Order, why: &str) -> Played<T> {
    let rule = format!("{}: {why}; the order is {}", name.word(), order.status.word());
    Err(ControlError::field("name", rule))
}

/// Only this order's lifetime moves, not the clock.
fn expire(server: &Nanswap, order: &mut Order, name: ScenarioName) -> Played<()> {
    if order.status != Status::Waiting {
        return refuse(name, order, "only one that waits for money expires");
    }
    order.valid_until = order.valid_until.min(server.now() - 2);
    order.tells_validity = true;
    Ok(())
}

pub(super) fn scenario(server: &Nanswap, request: &ScenarioRequest) -> Played<Vec<PlayedPayment>> {
    let mut state = server.state();
    let order = order_of(&mut state, &request.reference)?;
    check_ticker(order, request.ticker)?;
    let mut changed = order.clone();
    let name = request.name;
    let amount = request.amount.as_ref();
    let pays = |changed: &mut Order, share: fn(u128) -> u128| {
        payable(changed)?;
        let minor = share(due(changed, amount)?);
        receive(server, changed, minor);
        settle(server, changed)
    };
    match name {
        ScenarioName::Partial => pays(&mut changed, |due| due.div_ceil(2))?,
        ScenarioName::Over => pays(&mut changed, |due| due.saturating_add(due.div_ceil(2)))?,
        ScenarioName::Late => {
            expire(server, &mut changed, name)?;
            pays(&mut changed, |due| due)?;
        }
        ScenarioName::Expire => expire(server, &mut changed, name)?,
        ScenarioName::Fail => {
            if matches!(changed.status, Status::Completed | Status::Error) {
                return refuse(name, &changed, "it cannot fail any more");
            }
            if changed.seen_at.is_none() {
                let minor = due(&changed, amount)?;
                receive(server, &mut changed, minor);
            }
            // What was never paid out has no pay-out transaction.
            changed.payout_hash = None;
            changed.status = Status::Error;
        }
        ScenarioName::Double
        | ScenarioName::Reorg
        | ScenarioName::Return
        | ScenarioName::Refund
        | ScenarioName::RefundPart
        | ScenarioName::Dispute
        | ScenarioName::Replace => {
            let rule = format!("{}: this provider has no such thing", name.word());
            return Err(ControlError::field("name", rule));
        }
    }
    let played = changed.payment().map(|p| PlayedPayment { id: p.id, amount: p.amount, stage: p.stage });
    *order = changed;
    Ok(played.into_iter().collect())
}

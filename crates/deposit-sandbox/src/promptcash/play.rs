//! What the payer and the clock do: `pay`, the scenarios, the truth.

use deposit_core::{Amount, Asset, DecimalText, Ticker};

use super::order::{Order, Tx};
use super::state::{PromptCash, State};
use crate::control_error::ControlError;
use crate::emulator::{
    PayRequest, PayStage, PlayedPayment, ScenarioName, ScenarioRequest, TruthOrder, TruthPayment, TruthStage,
};

type Played<T> = Result<T, ControlError>;

/// By our id, the service's number, or the address with its prefix or without.
pub(super) fn find(state: &State, reference: &str) -> Played<usize> {
    let address = reference.strip_prefix("bitcoincash:").unwrap_or(reference);
    let is = |o: &Order| o.tx_id == reference || o.id.to_string() == reference || o.address == address;
    let index = state.orders.iter().position(is);
    index.ok_or_else(|| ControlError::field("ref", "no payment or address of this provider"))
}

fn check_ticker(ticker: Option<Ticker>) -> Played<()> {
    match ticker {
        Some(ticker) if ticker != Ticker::BCH => {
            Err(ControlError::field("ticker", "this provider takes BCH only"))
        }
        _ => Ok(()),
    }
}

fn asked(amount: &DecimalText) -> Played<u128> {
    let amount = Amount::from_decimal(amount, Asset::BCH, Asset::BCH.scale());
    let amount = amount.map_err(|e| ControlError::field("amount", e))?;
    if amount.is_zero() { Err(ControlError::field("amount", "must be above 0")) } else { Ok(amount.minor()) }
}

fn due(order: &Order, amount: Option<&DecimalText>) -> Played<u128> {
    match amount {
        Some(amount) => asked(amount),
        None if order.remaining() > 0 => Ok(order.remaining()),
        None => Err(ControlError::field("amount", "nothing is due on this payment: say what is paid")),
    }
}

/// A transaction to the order's address.
fn receive(server: &PromptCash, state: &mut State, index: usize, satoshi: u128, stage: PayStage) {
    let (seen, random) = (server.context().clock.now(), &server.context().random);
    if let Some(order) = state.orders.get_mut(index) {
        let hash = random.hex::<32>(&format!("promptcash/tx/{}/{}", order.tx_id, order.txs.len()));
        order.txs.push(Tx { hash, satoshi, seen, confirmed: stage == PayStage::Confirmed });
    }
    server.update(state, index);
}

pub(super) fn pay(server: &PromptCash, request: &PayRequest) -> Played<String> {
    check_ticker(request.ticker)?;
    let mut state = server.state();
    let index = find(&state, &request.reference)?;
    let gone = || ControlError::field("ref", "the payment is gone");
    let order = state.orders.get_mut(index).ok_or_else(gone)?;
    let tx_id = order.tx_id.clone();
    match &request.payment {
        None => {
            let satoshi = due(order, request.amount.as_ref())?;
            receive(server, &mut state, index, satoshi, request.stage);
        }
        Some(payment) if *payment != tx_id || order.txs.is_empty() => {
            return Err(ControlError::field("payment", "no payment of this order"));
        }
        // Totals only: all that was seen moves on together.
        Some(_) => {
            if request.stage == PayStage::Confirmed {
                order.txs.iter_mut().for_each(|tx| tx.confirmed = true);
            }
            server.update(&mut state, index);
        }
    }
    Ok(tx_id)
}

pub(super) fn scenario(server: &PromptCash, request: &ScenarioRequest) -> Played<Vec<PlayedPayment>> {
    check_ticker(request.ticker)?;
    let mut state = server.state();
    let index = find(&state, &request.reference)?;
    let gone = || ControlError::field("ref", "the payment is gone");
    let order = state.orders.get(index).ok_or_else(gone)?;
    let due = || due(order, request.amount.as_ref());
    let (expire, amounts) = match request.name {
        ScenarioName::Partial => (false, vec![due()?.div_ceil(2)]),
        ScenarioName::Over => due().map(|due| (false, vec![due + due.div_ceil(2)]))?,
        ScenarioName::Double => due().map(|due| (false, vec![due, due]))?,
        ScenarioName::Late => (true, vec![due()?]),
        ScenarioName::Expire => (true, vec![]),
        ScenarioName::Reorg
        | ScenarioName::Return
        | ScenarioName::Refund
        | ScenarioName::RefundPart
        | ScenarioName::Dispute
        | ScenarioName::Fail
        | ScenarioName::Replace => {
            let rule = format!("{}: this provider has no such thing", request.name.word());
            return Err(ControlError::field("name", rule));
        }
    };
    if expire && order.status() != "EXPIRED" {
        if order.status() != "PENDING" {
            let rule = format!("{}: only one that waits for money expires", request.name.word());
            return Err(ControlError::field("name", format!("{rule}; the payment is {}", order.status())));
        }
        let now = server.context().clock.now();
        if let Some(order) = state.orders.get_mut(index) {
            order.created = now - order.minutes * 60 - 2;
        }
        server.update(&mut state, index);
    }
    for satoshi in amounts {
        receive(server, &mut state, index, satoshi, PayStage::Confirmed);
    }
    let order = state.orders.get(index).ok_or_else(gone)?;
    let payments = truth(order).payments.into_iter();
    Ok(payments.map(|p| PlayedPayment { id: p.id, amount: p.amount, stage: p.stage }).collect())
}

/// An order as it really is.
pub(super) fn truth(order: &Order) -> TruthOrder {
    let amount = Amount::new(order.received(), Asset::BCH);
    let zero = Amount::zero(Asset::BCH);
    let paid = order.paid_at.is_some();
    let payment = order.txs.first().map(|first| TruthPayment {
        id: order.tx_id.clone(),
        amount,
        stage: if paid { TruthStage::Confirmed } else { TruthStage::Seen },
        confirmed: if paid { amount } else { zero },
        reversed: zero,
        reinstated: zero,
        settled: None,
        seen_at: first.seen,
    });
    TruthOrder {
        reference: order.tx_id.clone(),
        order: Some(order.tx_id.clone()),
        address: Some(order.address.clone()),
        ticker: Some(Ticker::BCH),
        due: Some(Amount::new(order.due(), Asset::BCH)),
        payments: payment.into_iter().collect(),
    }
}

impl PromptCash {
    /// Somebody at the service gives a payment a word: `CANCELLED`, `HOLD` or `REFUNDED`. Beside the control API; what really causes
    /// these words is not documented.
    ///
    /// # Errors
    /// Where the payment is unknown.
    pub fn mark(&self, reference: &str, word: &'static str) -> Result<(), ControlError> {
        let mut state = self.state();
        let index = find(&state, reference)?;
        if let Some(order) = state.orders.get_mut(index) {
            order.marked = Some(word);
        }
        Ok(())
    }
}

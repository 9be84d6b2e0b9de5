//! What the payer and Daimo do: `pay`, the scenarios, the truth.

use deposit_core::{Amount, Asset, DecimalText, Ticker};

use super::chain::{COINS, Coin};
use super::order::{Generation, Order, Stage, usdc};
use super::state::{Daimo, State};
use crate::control_error::ControlError;
use crate::emulator::{
    PayRequest, PayStage, PlayedPayment, ScenarioName, ScenarioRequest, TruthOrder, TruthPayment,
};

type Played<T> = Result<T, ControlError>;

fn find(state: &State, reference: &str) -> Played<usize> {
    if let Some(index) = state.orders.iter().position(|order| order.id == reference) {
        return Ok(index);
    }
    // Several sessions can carry one of our ids: the newest that can be paid, else the newest.
    let ours = |order: &Order| {
        order.our_id().as_deref() == Some(reference) || order.receivers.iter().any(|to| to == reference)
    };
    let newest = state.orders.iter().rposition(ours);
    let open = state.orders.iter().rposition(|order| ours(order) && order.payable());
    open.or(newest).ok_or_else(|| {
        ControlError::field("ref", "no payment, session, order id or address of this provider")
    })
}

/// The order that a reference means.
pub(super) fn order_id(server: &Daimo, reference: &str) -> Played<String> {
    let state = server.state();
    let index = find(&state, reference)?;
    state.orders.get(index).map(|order| order.id.clone()).ok_or_else(gone)
}

fn gone() -> ControlError {
    ControlError::field("ref", "the order is gone")
}

fn coin(ticker: Option<Ticker>) -> Played<&'static Coin> {
    let wanted = ticker.unwrap_or(Ticker::USDC);
    COINS
        .iter()
        .find(|coin| coin.ticker == wanted)
        .ok_or_else(|| ControlError::field("ticker", "must be USDC, USDT, ETH or SOL"))
}

/// What is paid: of a payment what is due and nothing else, of a session what the payer sends to its address.
fn amount(order: &Order, asked: Option<&DecimalText>) -> Played<DecimalText> {
    match (&order.amount, asked) {
        (Some(due), None) => Ok(due.clone()),
        (Some(due), Some(asked)) if due == asked => Ok(due.clone()),
        (Some(due), Some(_)) if order.generation == Generation::Payment => Err(ControlError::field(
            "amount",
            format!("must be what is due, {due}: the amount of an order is fixed"),
        )),
        (_, Some(asked)) => {
            let fine = usdc(asked).is_some_and(|a| !a.is_zero())
                && asked.decimals() <= u64::from(order.chain.decimals);
            if fine {
                Ok(asked.clone())
            } else {
                Err(ControlError::field("amount", "must be above 0, in USDC"))
            }
        }
        (None, None) => Err(ControlError::field("amount", "is missing: this session is for any amount")),
    }
}

/// Pays an order that waits for money.
pub(super) fn pay_order(
    server: &Daimo,
    state: &mut State,
    index: usize,
    ticker: Option<Ticker>,
    asked: Option<&DecimalText>,
    stage: PayStage,
) -> Played<()> {
    let order = state.orders.get_mut(index).ok_or_else(gone)?;
    let coin = coin(ticker)?;
    if !order.payable() {
        return Err(ControlError::field(
            "ref",
            format!("the order is {} and takes no payment", order.word()),
        ));
    }
    let amount = amount(order, asked)?;
    let context = &server.context;
    if order.generation == Generation::Session && order.method.is_empty() {
        // Who pays has chosen how.
        order.method = vec![("type".to_owned(), crate::json::Json::text("evm"))];
    }
    let started = order.start(coin, &amount, context.clock.now(), &context.random, &context.rates);
    server.publish(state, index, &[started]);
    if stage == PayStage::Confirmed {
        complete(server, state, index);
    }
    Ok(())
}

fn complete(server: &Daimo, state: &mut State, index: usize) {
    if let Some(order) = state.orders.get_mut(index) {
        let happened = order.complete(&server.context.random);
        server.publish(state, index, &[happened]);
    }
}

pub(super) fn pay(server: &Daimo, request: &PayRequest) -> Played<String> {
    let mut state = server.state();
    let index = find(&state, &request.reference)?;
    let order = state.orders.get(index).ok_or_else(gone)?;
    let id = order.id.clone();
    let Some(payment) = &request.payment else {
        pay_order(server, &mut state, index, request.ticker, request.amount.as_ref(), request.stage)?;
        return Ok(id);
    };
    if *payment != id {
        return Err(ControlError::field("payment", "no payment of this order: it has its order's id"));
    }
    match (order.stage, request.stage) {
        (Stage::Started, PayStage::Confirmed) => complete(server, &mut state, index),
        (Stage::Started, PayStage::Seen) | (Stage::Completed, PayStage::Seen | PayStage::Confirmed) => {}
        (Stage::Unpaid | Stage::Waiting | Stage::Bounced | Stage::Refunded | Stage::Expired, _) => {
            let rule = format!("the order is {} and its payment has no later stage", order.word());
            return Err(ControlError::field("payment", rule));
        }
    }
    Ok(id)
}

pub(super) fn scenario(server: &Daimo, request: &ScenarioRequest) -> Played<Vec<PlayedPayment>> {
    let mut state = server.state();
    let index = find(&state, &request.reference)?;
    match request.name {
        ScenarioName::Fail => fail(server, &mut state, index, request)?,
        ScenarioName::Refund => refund(server, &mut state, index, request)?,
        ScenarioName::Expire => expire(server, &mut state, index, request)?,
        ScenarioName::Partial
        | ScenarioName::Over
        | ScenarioName::Late
        | ScenarioName::Double
        | ScenarioName::Reorg
        | ScenarioName::Return
        | ScenarioName::RefundPart
        | ScenarioName::Dispute
        | ScenarioName::Replace => {
            let rule = format!(
                "{}: this provider cannot have it; it has fail, refund and expire",
                request.name.word()
            );
            return Err(ControlError::field("name", rule));
        }
    }
    let order = state.orders.get(index).ok_or_else(gone)?;
    let played = truth_payment(order).map(|p| PlayedPayment { id: p.id, amount: p.amount, stage: p.stage });
    Ok(played.into_iter().collect())
}

fn refuse<T>(order: &Order, request: &ScenarioRequest, why: &str) -> Played<T> {
    let (name, status) = (request.name.word(), order.word());
    Err(ControlError::field("name", format!("{name}: {why}; the order is {status}")))
}

fn fail(server: &Daimo, state: &mut State, index: usize, request: &ScenarioRequest) -> Played<()> {
    let order = state.orders.get(index).ok_or_else(gone)?;
    if order.payable() {
        pay_order(server, state, index, request.ticker, request.amount.as_ref(), PayStage::Seen)?;
    } else if order.stage != Stage::Started {
        return refuse(order, request, "only what is on its way can bounce");
    }
    if let Some(order) = state.orders.get_mut(index) {
        let happened = order.bounce(&server.context.random);
        server.publish(state, index, &[happened]);
    }
    Ok(())
}

fn refund(server: &Daimo, state: &mut State, index: usize, request: &ScenarioRequest) -> Played<()> {
    let order = state.orders.get(index).ok_or_else(gone)?;
    if order.generation == Generation::Session {
        return refuse(order, request, "a session has no such state");
    }
    if order.stage == Stage::Refunded {
        return refuse(order, request, "once is all");
    }
    // A part of it where an amount is given.
    let due = order.paid.as_ref().or(order.amount.as_ref());
    let amount = request.amount.as_ref().or(due).cloned();
    let most = due.and_then(usdc).map_or(0, |due| due.minor());
    let within = |a: &DecimalText| usdc(a).is_some_and(|a| !a.is_zero() && a.minor() <= most);
    let Some(amount) = amount.filter(within) else {
        return Err(ControlError::field("amount", "must be above 0 and no more than what is paid"));
    };
    if order.payable() {
        pay_order(server, state, index, request.ticker, None, PayStage::Confirmed)?;
    }
    if let Some(order) = state.orders.get_mut(index) {
        let happened = order.refund(amount);
        server.publish(state, index, &[happened]);
    }
    Ok(())
}

fn expire(server: &Daimo, state: &mut State, index: usize, request: &ScenarioRequest) -> Played<()> {
    let order = state.orders.get_mut(index).ok_or_else(gone)?;
    if !order.payable() {
        return refuse(order, request, "only one that waits for money expires");
    }
    order.expire(server.now());
    Ok(())
}

fn truth_payment(order: &Order) -> Option<TruthPayment> {
    let (stage, amount) = (order.truth_stage()?, order.paid()?);
    let zero = Amount::zero(Asset::USDC);
    Some(TruthPayment {
        id: order.id.clone(),
        amount,
        stage,
        confirmed: if order.ever_completed { amount } else { zero },
        reversed: if order.ever_completed { order.taken_back() } else { zero },
        reinstated: zero,
        settled: None,
        seen_at: order.source.as_ref().map_or(order.created, |source| source.at),
    })
}

pub(super) fn truth(server: &Daimo) -> Vec<TruthOrder> {
    let order = |order: &Order| TruthOrder {
        reference: order.id.clone(),
        order: order.our_id(),
        address: order.receivers.last().cloned(),
        // What settles; what the payer sent is his own affair.
        ticker: Some(Ticker::USDC),
        due: order.due(),
        payments: truth_payment(order).into_iter().collect(),
    };
    server.state().orders.iter().map(order).collect()
}

//! What payers do: `pay`, the scenarios, the truth.

use deposit_core::{Amount, Asset, DecimalText, Ticker};

use super::blocks::Dialect;
use super::codec;
use super::codec::{Id, Signer, ZERO};
use super::ledger::{Given, build};
use super::state::{Nano, Payment, State};
use crate::control_error::ControlError;
use crate::emulator::{
    PayRequest, PayStage, PlayedPayment, ScenarioName, ScenarioRequest, TruthOrder, TruthPayment, TruthStage,
};

type Played<T> = Result<T, ControlError>;

/// The key of the address that is paid.
pub(super) fn destination(reference: &str) -> Played<Id> {
    let key = codec::key_of(reference).filter(|key| *key != ZERO);
    key.ok_or_else(|| ControlError::field("ref", "must be the Nano address that is paid"))
}

fn check_ticker(ticker: Option<Ticker>) -> Played<()> {
    match ticker {
        None | Some(Ticker::XNO) => Ok(()),
        Some(_) => Err(ControlError::field("ticker", "must be XNO")),
    }
}

fn raw(amount: Option<&DecimalText>) -> Played<u128> {
    let rule = "is missing: a node is never told an amount";
    let amount = amount.ok_or_else(|| ControlError::field("amount", rule))?;
    let amount = Amount::from_decimal(amount, Asset::XNO, Asset::XNO.scale());
    let raw = amount.map_err(|e| ControlError::field("amount", e))?.minor();
    if raw == 0 { Err(ControlError::field("amount", "must be above 0")) } else { Ok(raw) }
}

fn taken(state: &mut State, given: Given, at: i64) -> Played<Id> {
    state.ledger.process(given, at).map_err(|e| ControlError::Refused(format!("amount: the node says {e}")))
}

fn payer(node: &Nano, number: u64) -> Signer {
    Signer::new(&node.context.random.bytes::<32>(&format!("nano/payer/{number}")))
}

/// A payer of its own gets the money from genesis, long ago so to speak, and sends it on.
fn send(node: &Nano, state: &mut State, to: Id, raw: u128) -> Played<Payment> {
    let genesis = Nano::genesis();
    let left = state.ledger.balance(&genesis.key()).checked_sub(raw);
    let left = left.ok_or_else(|| ControlError::field("amount", "is more than this network has left"))?;
    state.payers += 1;
    let (payer, at) = (payer(node, state.payers), node.now());
    let funded = build(&state.ledger, &genesis, left, payer.key());
    let funded = taken(state, funded, at)?;
    let opened = build(&state.ledger, &payer, raw, funded);
    let opened = taken(state, opened, at)?;
    // Not told: a network is full of blocks that are nobody's business here.
    _ = state.ledger.confirm(&opened);
    let sent = build(&state.ledger, &payer, 0, to);
    let hash = taken(state, sent, at)?;
    let payment = Payment { to, hash, raw, seen_at: at };
    state.payments.push(payment);
    Ok(payment)
}

pub(super) fn pay(node: &Nano, request: &PayRequest) -> Played<String> {
    check_ticker(request.ticker)?;
    let to = destination(&request.reference)?;
    let mut state = node.state();
    let hash = match &request.payment {
        Some(id) => {
            let hash = codec::id_of(id);
            let payment = state.payments.iter().find(|p| Some(p.hash) == hash && p.to == to);
            let payment =
                payment.ok_or_else(|| ControlError::field("payment", "no payment to this address"))?;
            payment.hash
        }
        None => {
            let raw = raw(request.amount.as_ref())?;
            send(node, &mut state, to, raw)?.hash
        }
    };
    if state.ledger.block(&hash).is_none() {
        return Err(ControlError::field("payment", "was replaced by another block"));
    }
    if request.stage == PayStage::Confirmed {
        node.cement(&mut state, &hash);
    }
    Ok(codec::upper(&hash))
}

pub(super) fn scenario(node: &Nano, request: &ScenarioRequest) -> Played<Vec<PlayedPayment>> {
    check_ticker(request.ticker)?;
    let to = destination(&request.reference)?;
    let amounts = match request.name {
        ScenarioName::Partial => vec![raw(request.amount.as_ref())? / 2],
        ScenarioName::Over => {
            let due = raw(request.amount.as_ref())?;
            let over = due.checked_add(due / 2);
            vec![over.ok_or_else(|| ControlError::field("amount", "is too large"))?]
        }
        ScenarioName::Double => vec![raw(request.amount.as_ref())?; 2],
        ScenarioName::Replace => vec![],
        ScenarioName::Late | ScenarioName::Expire | ScenarioName::Fail => {
            return Err(ControlError::field(
                "name",
                "nothing is asked for at this provider, so nothing ends",
            ));
        }
        ScenarioName::Reorg
        | ScenarioName::Return
        | ScenarioName::Refund
        | ScenarioName::RefundPart
        | ScenarioName::Dispute => {
            return Err(ControlError::field(
                "name",
                "a confirmed block is final: this provider cannot have it",
            ));
        }
    };
    if amounts.contains(&0) {
        return Err(ControlError::field("amount", "is too small to be halved"));
    }
    let mut state = node.state();
    if request.name == ScenarioName::Replace {
        replace(node, &mut state, &to)?;
    }
    for raw in amounts {
        let payment = send(node, &mut state, to, raw)?;
        node.cement(&mut state, &payment.hash);
    }
    Ok(truth_of(&state, &to)
        .into_iter()
        .map(|p| PlayedPayment { id: p.id, amount: p.amount, stage: p.stage })
        .collect())
}

/// Each payer of an uncemented payment to this address spends the money otherwise, and that is cemented.
fn replace(node: &Nano, state: &mut State, to: &Id) -> Played<()> {
    let open = |p: &&Payment| p.to == *to && state.ledger.block(&p.hash).is_some_and(|b| !b.confirmed);
    let open: Vec<Payment> = state.payments.iter().filter(open).copied().collect();
    if open.is_empty() {
        return Err(ControlError::field("ref", "no payment to this address waits for its confirmation"));
    }
    let genesis = Nano::genesis().key();
    for payment in open {
        let Some(account) = state.ledger.block(&payment.hash).map(|b| b.given.account) else { continue };
        let Some(payer) = (1..=state.payers).map(|n| payer(node, n)).find(|p| p.key() == account) else {
            continue;
        };
        state.ledger.roll_back(&payment.hash);
        let other = build(&state.ledger, &payer, 0, genesis);
        let other = taken(state, other, node.now())?;
        _ = state.ledger.confirm(&other);
    }
    Ok(())
}

fn truth_of(state: &State, to: &Id) -> Vec<TruthPayment> {
    let zero = Amount::zero(Asset::XNO);
    let payments = state.payments.iter().filter(|p| p.to == *to);
    payments
        .map(|payment| {
            let amount = Amount::new(payment.raw, Asset::XNO);
            let stage = match state.ledger.block(&payment.hash) {
                None => TruthStage::Withdrawn,
                Some(block) if block.confirmed => TruthStage::Confirmed,
                Some(_) => TruthStage::Seen,
            };
            TruthPayment {
                id: codec::upper(&payment.hash),
                amount,
                stage,
                confirmed: if stage == TruthStage::Confirmed { amount } else { zero },
                reversed: zero,
                reinstated: zero,
                settled: None,
                seen_at: payment.seen_at,
            }
        })
        .collect()
}

pub(super) fn truth(node: &Nano) -> Vec<TruthOrder> {
    let state = node.state();
    let mut paid: Vec<Id> = Vec::new();
    for payment in &state.payments {
        if !paid.contains(&payment.to) {
            paid.push(payment.to);
        }
    }
    paid.iter()
        .map(|to| TruthOrder {
            reference: codec::address(to),
            order: None,
            address: Some(codec::address(to)),
            ticker: Some(Ticker::XNO),
            due: None,
            payments: truth_of(&state, to),
        })
        .collect()
}

impl Nano {
    /// The signed and worked state block, as the JSON of `process`, with which the owner of this private key (hexadecimal) takes in a send
    /// that waits. For whoever plays a wallet.
    #[must_use]
    pub fn receive_block(&self, private_key: &str, send: &str) -> Option<String> {
        let signer = Signer::new(&codec::id_of(private_key)?);
        let state = self.state();
        let send = state.ledger.block(&codec::id_of(send)?)?;
        let balance = state.ledger.balance(&signer.key()).checked_add(send.amount)?;
        let given = super::ledger::build(&state.ledger, &signer, balance, send.hash);
        Some(super::blocks::given_json(&given, Dialect::Cpp).compact())
    }
}

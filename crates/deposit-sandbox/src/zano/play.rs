//! What the payer and the chain do: `pay`, the scenarios, the truth.

use std::collections::BTreeMap;

use deposit_core::{Amount, Asset, DecimalText, Ticker};

use super::chain::{Move, Place, Spend, Transaction};
use super::state::{State, Zano};
use super::{CONFIRMATIONS, FUSD_ID, ZANO_ID, address};
use crate::control_error::ControlError;
use crate::emulator::{
    PayRequest, PayStage, PlayedPayment, ScenarioName, ScenarioRequest, TruthOrder, TruthPayment, TruthStage,
};

type Played<T> = Result<T, ControlError>;

/// The payment id that a reference means; empty: the wallet's own address.
fn find(state: &State, reference: &str) -> Played<String> {
    let unknown = || ControlError::field("ref", "no payment id or address that this wallet was asked for");
    let lower = reference.to_ascii_lowercase();
    if state.orders.contains(&lower) {
        return Ok(lower);
    }
    let (keys, id) = address::decode(reference).ok_or_else(unknown)?;
    if keys == state.keys { Ok(hex::encode(id)) } else { Err(unknown()) }
}

pub(super) fn known(zano: &Zano, reference: &str) -> Played<()> {
    find(&zano.state(), reference).map(|_| ())
}

/// Asset id and asset of a ticker served here.
fn coin(ticker: Option<Ticker>) -> Played<(&'static str, Asset)> {
    match ticker.unwrap_or(Ticker::ZANO) {
        Ticker::ZANO => Ok((ZANO_ID, Asset::ZANO)),
        Ticker::FUSD => Ok((FUSD_ID, Asset::FUSD)),
        _ => Err(ControlError::field("ticker", "must be ZANO or FUSD")),
    }
}

/// A chain's amounts have 64 bits.
fn units(amount: Option<&DecimalText>, asset: Asset) -> Played<u64> {
    let wrong = |rule: &dyn std::fmt::Display| ControlError::field("amount", rule);
    let amount = amount.ok_or_else(|| wrong(&"is missing: this provider is never told what is due"))?;
    let amount = Amount::from_decimal(amount, asset, asset.scale()).map_err(|e| wrong(&e))?;
    match u64::try_from(amount.minor()) {
        Ok(0) => Err(wrong(&"must be above 0")),
        Ok(units) => Ok(units),
        Err(_) => Err(wrong(&"too large for this chain")),
    }
}

pub(super) fn send(
    zano: &Zano,
    state: &mut State,
    spends: Vec<Spend>,
    unlock_time: u64,
    mining: bool,
) -> String {
    let hash = zano.context.random.hex::<32>(&format!("zano/tx/{}", state.chain.transactions.len()));
    state.chain.add(hash.clone(), spends, unlock_time, mining, zano.context.clock.now());
    hash
}

/// Into a block, and deep enough.
fn confirm(zano: &Zano, state: &mut State, hash: &str) {
    state.chain.shift(&[hash], Move::Mine, zano.context.clock.now());
    deepen(state, hash);
}

fn deepen(state: &mut State, hash: &str) {
    let place = state.chain.transactions.iter().find(|tx| tx.hash == hash).map(|tx| tx.place);
    if let Some(Place::Block(height)) = place {
        let missing = (height + CONFIRMATIONS).saturating_sub(state.chain.height);
        state.chain.blocks(missing);
    }
}

fn payment_id_of(hash: &str, spend: &Spend) -> String {
    format!("{hash}:{}:{}", spend.payment_id, spend.asset_id)
}

pub(super) fn pay(zano: &Zano, request: &PayRequest) -> Played<String> {
    let mut state = zano.state();
    let payment_id = find(&state, &request.reference)?;
    let (asset_id, asset) = coin(request.ticker)?;
    if let Some(id) = &request.payment {
        return move_on(zano, &mut state, &payment_id, id, request.stage);
    }
    let amount = units(request.amount.as_ref(), asset)?;
    let spend = Spend { payment_id, asset_id: asset_id.to_owned(), amount, income: true };
    let hash = send(zano, &mut state, vec![spend.clone()], 0, false);
    if request.stage == PayStage::Confirmed {
        confirm(zano, &mut state, &hash);
    }
    Ok(payment_id_of(&hash, &spend))
}

fn move_on(zano: &Zano, state: &mut State, payment_id: &str, id: &str, stage: PayStage) -> Played<String> {
    let named = |tx: &&Transaction| {
        tx.spends.iter().any(|s| s.income && s.payment_id == payment_id && payment_id_of(&tx.hash, s) == id)
    };
    let found = state.chain.transactions.iter().find(named).map(|tx| (tx.hash.clone(), tx.place));
    let (hash, place) =
        found.ok_or_else(|| ControlError::field("payment", "no payment of this payment id"))?;
    match (stage, place) {
        (_, Place::Nowhere) => {
            return Err(ControlError::field("payment", "it was replaced or undone and has no later stage"));
        }
        (PayStage::Seen, Place::Pool | Place::Block(_)) => {}
        (PayStage::Confirmed, Place::Pool) => confirm(zano, state, &hash),
        (PayStage::Confirmed, Place::Block(_)) => deepen(state, &hash),
    }
    Ok(id.to_owned())
}

pub(super) fn scenario(zano: &Zano, request: &ScenarioRequest) -> Played<Vec<PlayedPayment>> {
    let mut state = zano.state();
    let payment_id = find(&state, &request.reference)?;
    let (asset_id, asset) = coin(request.ticker)?;
    let refused = |why: &str| ControlError::field("name", format!("{}: {why}", request.name.word()));
    let due = || units(request.amount.as_ref(), asset);
    let too_large = || ControlError::field("amount", "too large for this chain");
    let pays = |state: &mut State, amounts: &[u64]| {
        let mut hashes = Vec::new();
        for amount in amounts {
            let spend = Spend {
                payment_id: payment_id.clone(),
                asset_id: asset_id.to_owned(),
                amount: *amount,
                income: true,
            };
            let hash = send(zano, state, vec![spend], 0, false);
            confirm(zano, state, &hash);
            hashes.push(hash);
        }
        hashes
    };
    let hashes = match request.name {
        ScenarioName::Partial => pays(&mut state, &[due()?.div_ceil(2)]),
        ScenarioName::Over => {
            let due = due()?;
            let more = due.checked_add(due.div_ceil(2)).ok_or_else(too_large)?;
            pays(&mut state, &[more])
        }
        ScenarioName::Double => {
            let due = due()?;
            pays(&mut state, &[due, due])
        }
        ScenarioName::Reorg => {
            let due = due()?;
            if mine(&state, &payment_id, |tx| tx.place != Place::Nowhere).is_empty() {
                pays(&mut state, &[due]);
            }
            let all = mine(&state, &payment_id, |tx| tx.place != Place::Nowhere);
            for hash in &all {
                if is_in_pool(&state, hash) {
                    confirm(zano, &mut state, hash);
                }
                deepen(&mut state, hash);
            }
            shift(zano, &mut state, &all, Move::Drop);
            all
        }
        ScenarioName::Return => {
            let gone = mine(&state, &payment_id, |tx| tx.place == Place::Nowhere && tx.confirmed);
            if gone.is_empty() {
                return Err(refused("no payment was undone after it was confirmed"));
            }
            shift(zano, &mut state, &gone, Move::Mine);
            state.chain.blocks(CONFIRMATIONS);
            gone
        }
        ScenarioName::Replace => {
            let seen = mine(&state, &payment_id, |tx| tx.place == Place::Pool);
            if seen.is_empty() {
                return Err(refused("no payment is on its way"));
            }
            shift(zano, &mut state, &seen, Move::Drop);
            seen
        }
        ScenarioName::Late
        | ScenarioName::Refund
        | ScenarioName::RefundPart
        | ScenarioName::Dispute
        | ScenarioName::Expire
        | ScenarioName::Fail => return Err(refused("this provider has no such thing")),
    };
    let touched = state.chain.transactions.iter().filter(|tx| hashes.contains(&tx.hash));
    let payments = touched.flat_map(|tx| incoming(tx).map(move |spend| (tx, spend)));
    let payments = payments.filter(|(_, spend)| spend.payment_id == payment_id);
    Ok(payments
        .map(|(tx, spend)| PlayedPayment {
            id: payment_id_of(&tx.hash, spend),
            amount: amount_of(spend),
            stage: stage(tx),
        })
        .collect())
}

fn shift(zano: &Zano, state: &mut State, hashes: &[String], to: Move) {
    let hashes: Vec<&str> = hashes.iter().map(String::as_str).collect();
    state.chain.shift(&hashes, to, zano.context.clock.now());
}

fn is_in_pool(state: &State, hash: &str) -> bool {
    state.chain.pool().any(|tx| tx.hash == hash)
}

/// Hashes of the transactions that pay on this id.
fn mine(state: &State, payment_id: &str, chosen: impl Fn(&Transaction) -> bool) -> Vec<String> {
    let all = state.chain.transactions.iter();
    let ours = all.filter(|tx| incoming(tx).any(|spend| spend.payment_id == payment_id) && chosen(tx));
    ours.map(|tx| tx.hash.clone()).collect()
}

/// What can be paid with: neither mined nor locked.
fn incoming(tx: &Transaction) -> impl Iterator<Item = &Spend> {
    tx.spends.iter().filter(|spend| spend.income && !tx.mining && tx.unlock_time == 0)
}

fn ticker_of(asset_id: &str) -> Option<Ticker> {
    match asset_id {
        ZANO_ID => Some(Ticker::ZANO),
        FUSD_ID => Some(Ticker::FUSD),
        _ => None,
    }
}

/// Of another token in its smallest units.
fn amount_of(spend: &Spend) -> Amount {
    let asset = match ticker_of(&spend.asset_id) {
        Some(Ticker::FUSD) => Asset::FUSD,
        Some(_) => Asset::ZANO,
        None => {
            let begin: String = spend.asset_id.chars().take(13).collect();
            Asset::new(&format!("ZA-{}", begin.to_ascii_uppercase()), 0).unwrap_or(Asset::ZANO)
        }
    };
    Amount::new(u128::from(spend.amount), asset)
}

fn stage(tx: &Transaction) -> TruthStage {
    match (tx.place, tx.confirmed) {
        (Place::Nowhere, false) => TruthStage::Withdrawn,
        (_, false) => TruthStage::Seen,
        (_, true) if tx.taken > tx.given_back => TruthStage::Reversed,
        (_, true) => TruthStage::Confirmed,
    }
}

fn truth_of(tx: &Transaction, spend: &Spend) -> TruthPayment {
    let amount = amount_of(spend);
    let times = |n: u32| Amount::new(amount.minor().saturating_mul(u128::from(n)), amount.asset());
    TruthPayment {
        id: payment_id_of(&tx.hash, spend),
        amount,
        stage: stage(tx),
        confirmed: times(u32::from(tx.confirmed)),
        reversed: times(tx.taken),
        reinstated: times(tx.given_back),
        settled: None,
        seen_at: tx.heard,
    }
}

/// Each payment id that was asked for or paid on, once for each asset.
pub(super) fn truth(zano: &Zano) -> Vec<TruthOrder> {
    let state = zano.state();
    let paid = |id: &str| {
        let mut by_asset: BTreeMap<&str, Vec<TruthPayment>> = BTreeMap::new();
        for tx in &state.chain.transactions {
            for spend in incoming(tx).filter(|spend| spend.payment_id == id) {
                by_asset.entry(&spend.asset_id).or_default().push(truth_of(tx, spend));
            }
        }
        by_asset
    };
    let mut ids = state.orders.clone();
    for spend in state.chain.transactions.iter().flat_map(incoming) {
        if !ids.contains(&spend.payment_id) {
            ids.push(spend.payment_id.clone());
        }
    }
    let mut orders = Vec::new();
    for id in ids {
        let address = match hex::decode(&id) {
            Ok(bytes) if bytes.len() == 8 => address::integrated(&state.keys, &bytes),
            _ => address::standard(&state.keys),
        };
        let order = |ticker, payments| TruthOrder {
            reference: if id.is_empty() { address.clone() } else { id.clone() },
            order: None,
            address: Some(address.clone()),
            ticker,
            due: None,
            payments,
        };
        let by_asset = paid(&id);
        if by_asset.is_empty() {
            orders.push(order(None, Vec::new()));
        }
        orders.extend(by_asset.into_iter().map(|(asset, payments)| order(ticker_of(asset), payments)));
    }
    orders
}

impl Zano {
    /// A transaction with these lines, in the pool; answers its hash. `unlock_time` above 0 locks it.
    pub fn send(&self, spends: &[Spend], unlock_time: u64) -> String {
        send(self, &mut self.state(), spends.to_vec(), unlock_time, false)
    }

    /// A block with a coinbase transaction of this wallet.
    pub fn stake(&self, amount: u64) -> String {
        let mut state = self.state();
        let spend = Spend { payment_id: String::new(), asset_id: ZANO_ID.to_owned(), amount, income: true };
        let hash = send(self, &mut state, vec![spend], 0, true);
        state.chain.shift(&[&hash], Move::Mine, self.context.clock.now());
        hash
    }
}

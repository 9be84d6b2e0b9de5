//! From blocks to payments. Pure.

use deposit_core::{
    Amount, Asset, Concern, ConcernedMoney, IntentRecord, Observation, Observed, OrderState, PaymentReading,
    PaymentRef, ProviderRef, Snapshot, Taken, Target, Ticker, Timestamp, printable,
};

use crate::address::Address;
use crate::api::{BlockInfo, BlockType, Confirmed, Notice, Subtype};
use crate::block::Hash;
use crate::error::ID;

/// A send block: one payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Send {
    pub(crate) hash: Hash,
    pub(crate) to: Address,
    pub(crate) raw: u128,
    /// Cemented by a quorum: final. Nothing else is.
    pub(crate) confirmed: bool,
    /// The block before it on the sender's chain: if another one comes to follow that, this one is lost.
    pub(crate) previous: Option<Hash>,
    /// When our node first had it.
    pub(crate) at: Option<Timestamp>,
}

/// Why a block is no payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoPayment {
    /// It sends nothing.
    NotASend,
    /// In words that no document lists: nothing is concluded.
    Undecided(Concern),
}

fn undecided(code: &str, detail: String) -> NoPayment {
    NoPayment::Undecided(Concern::new(code, detail))
}

/// Where a block sends to.
fn destination(info: &BlockInfo) -> Result<Address, NoPayment> {
    let contents = &info.contents.0;
    let missing = || undecided("unreadable_payment", "a send block does not name its destination".to_owned());
    match (&contents.kind, &info.subtype) {
        // In a receive block the link is a hash, though it is shown as an address too: never looked at there.
        (BlockType::State, Some(Subtype::Send)) => {
            contents.link.map(|link| Address(link.0)).ok_or_else(missing)
        }
        (BlockType::State, Some(Subtype::Receive | Subtype::Open | Subtype::Change | Subtype::Epoch))
        | (BlockType::Receive | BlockType::Open | BlockType::Change, _) => Err(NoPayment::NotASend),
        // From before state blocks: no subtype, no link.
        (BlockType::Send, _) => contents.destination.ok_or_else(missing),
        (BlockType::State, Some(Subtype::Other(other))) => {
            Err(undecided("unknown_status", format!("unknown subtype {} of a block", printable(other))))
        }
        (BlockType::State, None) => {
            Err(undecided("unknown_status", "a state block without its subtype".to_owned()))
        }
        (BlockType::Other(other), _) => {
            Err(undecided("unknown_status", format!("unknown type {} of a block", printable(other))))
        }
    }
}

/// Whether it is final.
fn confirmed(info: &BlockInfo) -> Result<bool, NoPayment> {
    match &info.confirmed {
        Confirmed::True => Ok(true),
        Confirmed::False => Ok(false),
        Confirmed::Other(other) => {
            Err(undecided("unknown_status", format!("unknown word {} for confirmed", printable(other))))
        }
    }
}

/// The payment that a block is.
pub(crate) fn send(hash: Hash, info: &BlockInfo) -> Result<Send, NoPayment> {
    let to = destination(info)?;
    let missing = || undecided("unreadable_amount", "a send block without its amount".to_owned());
    let raw = info.amount.ok_or_else(missing)?.0;
    let seconds = info.local_timestamp.as_deref().and_then(|text| text.parse::<i64>().ok());
    Ok(Send {
        hash,
        to,
        raw,
        confirmed: confirmed(info)?,
        previous: info.contents.0.previous,
        // 0 where the node does not know it any more.
        at: seconds.filter(|s| *s > 0).map(Timestamp::from_secs),
    })
}

/// The reference of a payment: the hash of its send block, in upper case. `None` never happens: a hash is a reference.
pub(crate) fn payment_ref(hash: Hash) -> Option<PaymentRef> {
    PaymentRef::new(hash.to_string()).ok()
}

/// Which payment a block of ours took in.
pub(crate) fn taken(block: Hash, send: &Send) -> Option<Taken> {
    let block = ProviderRef::new(block.to_string()).ok()?;
    Some(Taken { block, payment: payment_ref(send.hash)?, amount: Amount::new(send.raw, Asset::XNO) })
}

fn reading(send: &Send) -> Option<PaymentReading> {
    let (id, amount) = (payment_ref(send.hash)?, Amount::new(send.raw, Asset::XNO));
    let reading = if send.confirmed {
        PaymentReading::confirmed(id, amount)
    } else {
        PaymentReading::in_flight(id, amount)
    };
    Some(PaymentReading { paid_at: send.at, ..reading })
}

/// A payment to a standing address, as a scan tells it.
pub(crate) fn observation(send: &Send) -> Option<Observation> {
    Some(Observation {
        provider: ID,
        target: Target::Address(send.to.to_string()),
        ticker: Some(Ticker::XNO),
        ours: Some(true),
        observed: Observed::Payment(Box::new(reading(send)?)),
    })
}

fn snapshot_of(intent: &IntentRecord) -> Snapshot {
    Snapshot { state: OrderState::Open, ..Snapshot::empty(intent.provider_ref.clone()) }
}

/// What a read of one payment shows.
pub(crate) fn snapshot(intent: &IntentRecord, hash: Hash, info: &BlockInfo) -> Snapshot {
    let mut snapshot = snapshot_of(intent);
    let concern = match send(hash, info) {
        Ok(send) => {
            let shown = intent.instructions.address().and_then(|a| a.parse::<Address>().ok());
            if shown == Some(send.to) {
                snapshot.payments.extend(reading(&send));
                return snapshot;
            }
            Concern::new("destination_mismatch", "the block sends to another address than the deposit's")
        }
        Err(NoPayment::NotASend) => {
            Concern::new("unreadable_payment", "the block of this payment sends nothing")
        }
        Err(NoPayment::Undecided(concern)) => concern,
    };
    // This deposit is there because its payment was seen: what cannot be understood of it now is money that no rule decides on.
    let money = payment_ref(hash).map_or_else(ConcernedMoney::of_order, ConcernedMoney::of_payment);
    let money = match info.amount.as_ref().filter(|raw| raw.0 > 0) {
        Some(raw) => money.amount(Amount::new(raw.0, Asset::XNO)),
        None => money,
    };
    snapshot.undecided.extend(payment_ref(hash));
    snapshot.concerns.push(Concern { money: Some(money), ..concern });
    snapshot
}

/// What a read shows of a payment that was proved to have lost its place to another block.
pub(crate) fn gone(intent: &IntentRecord, hash: Hash) -> Snapshot {
    let mut snapshot = snapshot_of(intent);
    snapshot.payments.extend(payment_ref(hash).map(|id| PaymentReading::gone(id, Asset::XNO)));
    snapshot
}

/// To whom a notice says that something was sent. `Err`: a subtype that nobody knows.
pub(crate) fn notice_destination(notice: &Notice) -> Result<Option<Address>, Concern> {
    let block = notice.block.as_ref().map(|b| &b.0);
    let subtype = block.and_then(|b| b.subtype.as_ref()).or(notice.subtype.as_ref());
    let legacy = block.and_then(|b| b.destination);
    let sent_to = || legacy.or_else(|| block.and_then(|b| b.link).map(|link| Address(link.0)));
    match subtype {
        Some(Subtype::Send) => Ok(sent_to()),
        None if notice.is_send.as_deref() == Some("true") => Ok(sent_to()),
        Some(Subtype::Receive | Subtype::Open | Subtype::Change | Subtype::Epoch) => Ok(None),
        None => Ok(legacy),
        Some(Subtype::Other(other)) => {
            Err(Concern::new("unknown_event", format!("a notice of an unknown subtype {}", printable(other))))
        }
    }
}

#[cfg(test)]
#[path = "map_tests.rs"]
mod tests;

//! The payments that a transaction holds, and how deep they are.

use std::collections::BTreeMap;

use deposit_core::PaymentRef;

use crate::asset::AssetId;
use crate::entry::Entry;

/// Money that came in by one transaction under one payment id in one asset: this is what a payment is.
#[derive(Debug, Clone)]
pub(crate) struct Paid<'f> {
    pub(crate) id: PaymentRef,
    /// Lower case; empty: the base address.
    pub(crate) payment_id: String,
    pub(crate) asset: AssetId,
    pub(crate) units: u64,
    /// The entry lists id and asset more than once: which figure holds is not known.
    pub(crate) repeated: bool,
    /// It could not be read: asset and figure are none.
    pub(crate) odd: bool,
    pub(crate) entry: &'f Entry,
}

/// The payments in a transaction; none in one that mines, none for lines that go out. Lines that cannot be read are among them.
pub(crate) fn paid(entry: &Entry) -> Vec<Paid<'_>> {
    let mut all: BTreeMap<PaymentRef, Paid<'_>> = BTreeMap::new();
    if entry.is_mining {
        return Vec::new();
    }
    let hash = AssetId::parse(&entry.tx_hash);
    let native = AssetId::native();
    for group in &entry.subtransfers_by_pid {
        let payment_id = group.payment_id.to_ascii_lowercase();
        for line in group.subtransfers.iter().filter(|line| line.is_income && (line.amount > 0 || line.odd)) {
            let asset = AssetId::parse(&line.asset_id).filter(|_| !line.odd);
            let read = hash.as_ref().zip(asset.as_ref());
            let id = read.and_then(|(hash, asset)| {
                PaymentRef::new(format!("{}:{payment_id}:{}", hash.as_str(), asset.as_str())).ok()
            });
            let (id, odd, payment_id) = if let Some(id) = id {
                (id, false, payment_id.clone())
            } else {
                let tx = hash.as_ref().map_or("odd", AssetId::as_str);
                let named =
                    PaymentRef::new(format!("{tx}:{payment_id}:odd")).map(|id| (id, payment_id.clone()));
                // An id that is none is nobody's.
                let named =
                    named.or_else(|_| PaymentRef::new(format!("{tx}::odd")).map(|id| (id, String::new())));
                let Ok((id, payment_id)) = named else { continue };
                (id, true, payment_id)
            };
            if let Some(known) = all.get_mut(&id) {
                known.repeated = true;
                continue;
            }
            let asset = asset.unwrap_or_else(|| native.clone());
            all.insert(
                id.clone(),
                Paid { id, payment_id, asset, units: line.amount, repeated: false, odd, entry },
            );
        }
    }
    all.into_values().collect()
}

/// How deep a transaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// In the pool: not in a block.
    Pool,
    /// In a block, not deep enough. So many confirmations.
    Confirming(u32),
    /// Deep enough.
    Confirmed,
    /// In a block, and the wallet does not tell its height.
    Unknown,
}

/// The guide's formula: confirmations = the wallet's height - the transaction's; 0 in the top block.
pub(crate) fn depth(height: u64, top: Option<u64>, required: u32) -> Depth {
    match (height, top) {
        (0, _) => Depth::Pool,
        (_, None) => Depth::Unknown,
        (height, Some(top)) => {
            let confirmations = u32::try_from(top.saturating_sub(height)).unwrap_or(u32::MAX);
            if confirmations >= required { Depth::Confirmed } else { Depth::Confirming(confirmations) }
        }
    }
}

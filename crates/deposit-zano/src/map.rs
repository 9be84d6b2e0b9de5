//! Wire to domain: pure functions.

use deposit_core::{
    Amount, Concern, ConcernedMoney, IntentRecord, PayInstructions, PaymentReading, PaymentRef, Snapshot,
    Ticker, Timestamp,
};

use crate::asset::Assets;
use crate::depth::Depths;
use crate::feed::Feed;
use crate::history::OVERLAP_BLOCKS;
use crate::memory::short;
use crate::payment::{Depth, Paid, depth};

/// How to pay `amount` to an integrated address. The link of ZANO goes without the asset's id, as its documented form may;
/// `amount` is in whole units with a point.
pub(crate) fn instructions(
    ticker: Ticker,
    assets: &Assets,
    address: &str,
    amount: Amount,
) -> PayInstructions {
    let mut uri = format!("zano:action=send&address={address}&amount={amount}");
    if ticker == Ticker::FUSD {
        uri.push_str(&format!("&asset_id={}", assets.fusd.as_str()));
    }
    PayInstructions::Address { address: address.to_owned(), memo: None, uri: Some(uri) }
}

/// What is needed to judge a payment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub(crate) assets: &'a Assets,
    pub(crate) required: u32,
    /// Whether the decimals of FUSD are those that it is counted in.
    pub(crate) fusd_fits: bool,
    /// The wallet's height is old: what is not far deeper than final may be of a branch that is no more.
    pub(crate) doubted: bool,
    /// Nobody could be asked for the decimals of FUSD.
    pub(crate) fusd_unknown: bool,
}

/// `Err`: undecided, for this reason.
pub(crate) fn reading(
    paid: &Paid<'_>,
    top: Option<u64>,
    rules: Rules<'_>,
) -> Result<PaymentReading, Concern> {
    // Money that stays undecided whatever comes after. What the wallet lists is all that is known of it.
    let undecided = |code, detail: &str, money| Err(Concern::money(code, detail, money));
    let payment = || ConcernedMoney::of_payment(paid.id.clone());
    if rules.doubted {
        let deep = rules.required.saturating_add(OVERLAP_BLOCKS);
        if depth(paid.entry.height, top, deep) != Depth::Confirmed {
            // Of the wallet, not of the payment.
            return Err(Concern::new(
                "wallet_behind",
                "the wallet shows an old state: only what is far deeper than final is believed",
            ));
        }
    }
    if paid.odd {
        return undecided(
            "unreadable_line",
            "the wallet lists a payment in a way that cannot be read",
            payment(),
        );
    }
    if rules.fusd_unknown && paid.asset == rules.assets.fusd {
        return Err(Concern::new(
            "fusd_unchecked",
            "nobody could be asked for the decimals of FUSD: its payments wait until somebody can",
        ));
    }
    let ticker = rules.assets.ticker(&paid.asset);
    let countable = paid.asset != rules.assets.fusd || rules.fusd_fits;
    if paid.entry.unlock_time != 0 {
        return undecided(
            "locked_payment",
            "a payment is locked by its sender (unlock_time): it is not credited",
            match rules.assets.amount(&paid.asset, paid.units).filter(|_| !paid.repeated && countable) {
                Some(amount) => ConcernedMoney { ticker, ..payment().amount(amount) },
                None => ConcernedMoney { ticker, ..payment() },
            },
        );
    }
    if paid.repeated {
        let detail = "a transaction lists one payment id and asset twice";
        // Which figure holds is not known.
        return undecided("repeated_line", detail, ConcernedMoney { ticker, ..payment() });
    }
    if !countable {
        return undecided(
            "asset_decimals",
            "FUSD has other decimals than it is counted in: it is not credited",
            ConcernedMoney { ticker, ..payment() },
        );
    }
    let Some(amount) = rules.assets.amount(&paid.asset, paid.units) else {
        return undecided("unknown_asset", "a payment is in an asset that cannot be named", payment());
    };
    let id = paid.id.clone();
    // Beyond what is asked for the number says nothing, and would change with each block.
    let (reading, confirmations) = match depth(paid.entry.height, top, rules.required) {
        Depth::Pool => (PaymentReading::in_flight(id, amount), None),
        Depth::Confirming(n) => (PaymentReading::in_flight(id, amount), Some(n)),
        Depth::Confirmed => (PaymentReading::confirmed(id, amount), Some(rules.required)),
        Depth::Unknown => {
            // Of the wallet, not of the payment: with the next height it is decided.
            return Err(Concern::new(
                "no_height",
                "the wallet does not tell its height: confirmations cannot be counted",
            ));
        }
    };
    Ok(PaymentReading {
        // None in the pool: it is seen.
        confirmations,
        required_confirmations: Some(rules.required),
        // In the pool the time is when the wallet heard of it; in a block it is the block's, and stays.
        paid_at: (paid.entry.height > 0)
            .then(|| i64::try_from(paid.entry.timestamp).ok().map(Timestamp::from_secs))
            .flatten(),
        ..reading
    })
}

/// One read of one order. `depths`: by what a payment is worth; else all as the rules have it.
pub(crate) fn snapshot(
    intent: &IntentRecord,
    feed: &Feed,
    payments: &[Paid<'_>],
    rules: Rules<'_>,
    depths: Option<&Depths>,
) -> Snapshot {
    let mut snapshot = Snapshot::empty(intent.provider_ref.clone());
    snapshot.complete = feed.complete;
    snapshot.concerns.clone_from(&feed.concerns);
    if !feed.covers(intent.terms.created_at) {
        snapshot.complete = false;
        let detail = "more transactions since the deposit was made than are read at once";
        snapshot.concerns.push(Concern::new("window_too_large", detail));
    }
    let ours = payments.iter().filter(|p| p.payment_id == intent.provider_ref.as_str());
    for paid in ours {
        // Whose figure it hides is not known.
        snapshot.complete &= !paid.odd;
        let required =
            depths.map_or(rules.required, |depths| depths.of(paid, payments, feed.height, &intent.terms));
        match reading(paid, feed.height, Rules { required, ..rules }) {
            Ok(reading) => {
                if rules.assets.ticker(&paid.asset).is_none() {
                    let begin: String = paid.asset.as_str().chars().take(16).collect();
                    let detail = format!("a payment is in another token, whose asset id begins {begin}");
                    snapshot.concerns.push(Concern::new("unknown_asset", detail));
                }
                snapshot.payments.push(reading);
            }
            Err(concern) => {
                snapshot.undecided.push(paid.id.clone());
                // What the wallet as a whole is doubted for is told once.
                let told =
                    concern.money.is_none() && snapshot.concerns.iter().any(|c| c.code == concern.code);
                if !told {
                    snapshot.concerns.push(concern);
                }
            }
        }
    }
    snapshot.payments.sort_by(|a, b| a.id.cmp(&b.id));
    snapshot.undecided.sort();
    snapshot.concerns.sort();
    snapshot.concerns.dedup();
    snapshot
}

/// These transactions were in blocks and are not listed so any more: what is known of them stays, until a second reading says the same.
pub(crate) fn missed(snapshot: &mut Snapshot, transactions: &[String]) {
    if transactions.is_empty() {
        return;
    }
    snapshot.complete = false;
    let is_missed = |id: &PaymentRef| transactions.contains(&short(id.as_str()));
    let (back, stays) = std::mem::take(&mut snapshot.payments).into_iter().partition(|p| is_missed(&p.id));
    snapshot.payments = stays;
    let back: Vec<PaymentReading> = back;
    snapshot.undecided.extend(back.into_iter().map(|p| p.id));
    snapshot.undecided.sort();
    snapshot.undecided.dedup();
    snapshot.concerns.push(Concern::new(
        "absence_unconfirmed",
        "a payment that was in a block is not listed there: believed when a second reading says the same at a greater height",
    ));
    snapshot.concerns.sort();
}

/// A read that found nothing out.
pub(crate) fn doubtful(intent: &IntentRecord, code: &str, detail: &str) -> Snapshot {
    let mut snapshot = Snapshot::empty(intent.provider_ref.clone());
    snapshot.complete = false;
    snapshot.concerns.push(Concern::new(code, detail));
    snapshot
}

#[cfg(test)]
#[path = "map_tests.rs"]
mod tests;

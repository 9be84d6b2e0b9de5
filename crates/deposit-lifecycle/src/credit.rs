//! What each payment is worth, and what of that the ledger still has to post.

use std::collections::BTreeMap;

use deposit_core::{
    Amount, Basis, Evidence, FormulaVersion, OrderEvidence, Overflow, PaymentEvidence, PaymentRef, Price,
    Rounding, Signed, Terms, Ticker, Timestamp, percent_of, share,
};
use serde::{Deserialize, Serialize};
use strum::{AsRefStr, Display, EnumIter, EnumString, IntoStaticStr};

use crate::figures::net;

/// What the ledger knows of one payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentCredit {
    /// The payment's time ([`payment_time`]), written once.
    pub at: Timestamp,
    /// Whether that was after the deadline ([`is_late`]), written once.
    pub late: bool,
    /// The price that it is credited at, written once; `None` while none is known.
    pub price: Option<Price>,
    /// Sum of its postings, in the ledger asset's smallest units.
    #[serde(with = "minor_text")]
    pub posted: u128,
    /// How many postings there were.
    pub postings: u32,
}

impl PaymentCredit {
    /// Nothing posted yet.
    #[must_use]
    pub const fn new(at: Timestamp, late: bool, price: Option<Price>) -> Self {
        Self { at, late, price, posted: 0, postings: 0 }
    }
}

/// How a deposit came to its end before it was paid. The first one stays: the transition table has no way from one to the
/// other, whatever the provider says later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Display, EnumString, EnumIter)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Closed {
    /// The window ended, ours or the provider's.
    Expired,
    /// The provider gave the order up.
    Failed,
}

/// What was done about a deposit's payments: the part of its state that is ours, not the provider's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credit {
    /// By payment.
    pub payments: BTreeMap<PaymentRef, PaymentCredit>,
    /// When it first was [`Completed`](deposit_core::Status::Completed). Set by [`advance`](crate::advance), never unset.
    pub completed_at: Option<Timestamp>,
    /// As what it was first closed, if it was. Set by [`advance`](crate::advance), never unset.
    #[serde(default)]
    pub closed: Option<Closed>,
}

/// The payment's time: the provider's own where it tells one, else when it was first heard of, held within
/// [`created_at`, `now`]. To be written once, at first sight.
#[must_use]
pub fn payment_time(
    terms: &Terms,
    provider_time: Option<Timestamp>,
    first_heard: Timestamp,
    now: Timestamp,
) -> Timestamp {
    // Not `clamp`, which panics if a clock went back behind `created_at`.
    provider_time.unwrap_or(first_heard).min(now).max(terms.created_at)
}

/// Whether a payment of time `at` is late: after our `expires_at`, or after the provider's own expiry.
#[must_use]
pub fn is_late(terms: &Terms, order: &OrderEvidence, at: Timestamp) -> bool {
    let after = |end: Option<Timestamp>| end.is_some_and(|end| at > end);
    terms.quote.is_some() && (after(terms.expires_at()) || after(order.expired_at))
}

/// Which price a payment needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PriceNeed {
    /// This one, frozen in the terms.
    Locked(Price),
    /// The stored rate of this ticker that was in force at this time.
    RateAt(Ticker, Timestamp),
}

/// The price that a payment of time `at` is credited at: the locked one up to and at `expires_at`, even where the provider
/// expired its order earlier.
#[must_use]
pub fn price_need(terms: &Terms, at: Timestamp) -> PriceNeed {
    match (terms.credit.priced_by, &terms.quote) {
        (None, _) => PriceNeed::Locked(Price::ONE),
        (Some(_), Some(quote)) if at <= quote.expires_at => PriceNeed::Locked(quote.rate),
        (Some(ticker), _) => PriceNeed::RateAt(ticker, at),
    }
}

/// What a payment's net is worth, in the ledger's asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Worth {
    /// At its price.
    pub base: Amount,
    /// The bonus on it.
    pub bonus: Amount,
}

impl Worth {
    /// Both together, held at the largest amount; [`worth`] never returns figures whose sum is larger.
    #[must_use]
    pub fn total(&self) -> Amount {
        Amount::new(self.base.minor().saturating_add(self.bonus.minor()), self.base.asset())
    }
}

/// What `payment`'s net is worth at `price`, by the formula that is frozen in the terms.
///
/// A swap that has not told what it paid out is worth nothing so far.
///
/// # Errors
/// [`Overflow`] if a figure passes 128 bits, or the bonus is negative.
pub fn worth(terms: &Terms, payment: &PaymentEvidence, price: Price) -> Result<Worth, Overflow> {
    match terms.formula {
        FormulaVersion::V1 => worth_v1(terms, payment, price),
    }
}

fn worth_v1(terms: &Terms, payment: &PaymentEvidence, price: Price) -> Result<Worth, Overflow> {
    let ledger = terms.credit.ledger;
    let net = net(payment);
    let figure = match (terms.credit.basis, payment.settled) {
        (Basis::Received, _) => Amount::new(net, payment.asset),
        (Basis::Settled, None) => Amount::zero(ledger),
        // Nothing confirmed, nothing settled for it: a share of nothing has no value.
        (Basis::Settled, Some(settled)) if net == 0 => Amount::zero(settled.asset()),
        (Basis::Settled, Some(settled)) => {
            let minor = share(settled.minor(), net, payment.confirmed).ok_or(Overflow)?;
            Amount::new(minor, settled.asset())
        }
    };
    let in_kind = terms.credit.priced_by.is_none() && figure.asset() == ledger;
    let base = if in_kind { figure } else { price.value_in(figure, ledger, Rounding::Down)? };
    let bonus = percent_of(base, terms.bonus_percent).ok_or(Overflow)?;
    base.checked_add(bonus).ok_or(Overflow)?;
    Ok(Worth { base, bonus })
}

/// Kind of a posting for a payment.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    EnumIter,
    AsRefStr,
    IntoStaticStr,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum PostingKind {
    /// The account gets more.
    Credit,
    /// The account gets less: something was taken back.
    Reversal,
}

/// One posting that the ledger has to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    /// For this payment.
    pub payment: PaymentRef,
    /// Number of the posting among the payment's own, from 1: with it, the posting is unique.
    pub posting: u32,
    /// How much, in the ledger's asset; never zero.
    pub amount: Signed,
    /// Which way.
    pub kind: PostingKind,
}

/// What has to be done about a deposit's payments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reckoning {
    /// To post.
    pub owed: Vec<Owed>,
    /// Confirmed, and no price is known.
    pub unpriced: Vec<PaymentRef>,
    /// Worth more than an amount can hold: never posted, for an operator.
    pub overflow: Vec<PaymentRef>,
    /// In another asset than the terms': never posted, for an operator.
    pub foreign: Vec<PaymentRef>,
}

/// How far the credit of one payment is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// What is posted is what it is worth.
    Even,
    /// This posting is missing.
    Owes { posting: u32, amount: Signed },
    /// No price is known.
    Unpriced,
    /// A swap that is confirmed and has not told what it paid out.
    Unsettled,
    /// Beyond 128 bits.
    Overflow,
}

/// How far the credit of a payment in the terms' own asset is.
pub(crate) fn standing(terms: &Terms, payment: &PaymentEvidence, entry: Option<&PaymentCredit>) -> Standing {
    let (posted, postings, price) = entry.map_or((0, 0, None), |e| (e.posted, e.postings, e.price));
    let has_net = net(payment) > 0;
    let price = match price {
        Some(price) => price,
        None if has_net => return Standing::Unpriced,
        // Nothing is worth nothing at any price.
        None => Price::ONE,
    };
    let Ok(worth) = worth(terms, payment, price) else { return Standing::Overflow };
    let posted = Amount::new(posted, terms.credit.ledger);
    match (Signed::difference(worth.total(), posted), postings.checked_add(1)) {
        (Some(difference), _) if difference.is_zero() => {
            let unsettled = terms.credit.basis == Basis::Settled && payment.settled.is_none();
            if has_net && unsettled { Standing::Unsettled } else { Standing::Even }
        }
        (Some(amount), Some(posting)) => Standing::Owes { posting, amount },
        (None, _) | (_, None) => Standing::Overflow,
    }
}

/// What is owed: for each payment in the terms' asset, what its net is worth less what is posted for it. So duplicates, parts,
/// refunds and returns are all the same thing: a difference.
#[must_use]
pub fn owed(terms: &Terms, evidence: &Evidence, credit: &Credit) -> Reckoning {
    let mut reckoning = Reckoning::default();
    for (id, payment) in &evidence.payments {
        if payment.asset != terms.asset {
            if payment.seen > 0 || payment.confirmed > 0 {
                reckoning.foreign.push(id.clone());
            }
            continue;
        }
        match standing(terms, payment, credit.payments.get(id)) {
            // An unsettled swap waits for the provider, not for us.
            Standing::Even | Standing::Unsettled => {}
            Standing::Owes { posting, amount } => {
                let kind = if amount.is_negative() { PostingKind::Reversal } else { PostingKind::Credit };
                reckoning.owed.push(Owed { payment: id.clone(), posting, amount, kind });
            }
            Standing::Unpriced => reckoning.unpriced.push(id.clone()),
            Standing::Overflow => reckoning.overflow.push(id.clone()),
        }
    }
    reckoning
}

/// The credit after these postings. A posting whose number is not the payment's next is passed over, so that the same
/// ones twice count once.
#[must_use]
pub fn post(credit: Credit, owed: &[Owed]) -> Credit {
    let mut credit = credit;
    for posting in owed {
        let Some(entry) = credit.payments.get_mut(&posting.payment) else { continue };
        if entry.postings.checked_add(1) != Some(posting.posting) {
            continue;
        }
        let size = posting.amount.size().minor();
        let posted = if posting.amount.is_negative() {
            entry.posted.checked_sub(size)
        } else {
            entry.posted.checked_add(size)
        };
        if let Some(posted) = posted {
            entry.posted = posted;
            entry.postings = posting.posting;
        }
    }
    credit
}

/// The part of the credit that is bonus, net of reversals, in the ledger's asset. Held at the largest amount.
#[must_use]
pub fn bonus_of(terms: &Terms, evidence: &Evidence, credit: &Credit) -> Amount {
    let minor = evidence
        .payments
        .iter()
        .filter(|(_, payment)| payment.asset == terms.asset)
        .filter_map(|(id, payment)| {
            let price = credit.payments.get(id).filter(|entry| entry.postings > 0)?.price?;
            worth(terms, payment, price).ok().map(|worth| worth.bonus.minor())
        })
        .fold(0, u128::saturating_add);
    Amount::new(minor, terms.credit.ledger)
}

/// `u128` as decimal text, since JSON numbers of other programs end at 2^53.
mod minor_text {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(minor: &u128, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(minor)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<u128, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

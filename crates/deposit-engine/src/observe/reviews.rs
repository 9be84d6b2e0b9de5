//! What an observation leaves to an operator: of each payment, how much no rule credits.

use std::collections::BTreeMap;

use deposit_core::{
    Amount, Asset, Concern, ConcernedMoney, Evidence, PaymentRef, ProviderRef, Snapshot, TakingId, Ticker,
    Timestamp,
};
use deposit_lifecycle::{self as lifecycle, Credit};
use deposit_store::{DepositRow, ReviewReason, SightedDue, Sighting};

/// Whether a payment waits in vain: its order has been closed for so long that nobody expects it to be confirmed any more.
pub(crate) fn never_confirmed(row: &DepositRow, evidence: &Evidence, now: Timestamp, wait_secs: i64) -> bool {
    let deadline = lifecycle::deadline(&row.terms, &evidence.order);
    deadline.is_some_and(|end| now >= end.plus_secs(wait_secs))
}

/// What of a payment waits for an operator, and why.
#[derive(Debug, Clone, Copy)]
pub(super) struct Withheld {
    pub(super) reason: ReviewReason,
    /// In smallest units.
    pub(super) minor: u128,
}

/// What one step shows of money that no rule credits.
pub(super) struct Reviews<'a> {
    pub(super) row: &'a DepositRow,
    pub(super) now: Timestamp,
    pub(super) items: Vec<Sighting>,
    /// Of what rules would credit and may not.
    pub(super) withheld: BTreeMap<PaymentRef, Withheld>,
}

impl<'a> Reviews<'a> {
    pub(super) fn new(row: &'a DepositRow, now: Timestamp) -> Self {
        Self { row, now, items: Vec::new(), withheld: BTreeMap::new() }
    }

    /// Of one payment. `None`: how much is not known.
    pub(super) fn add(&mut self, payment: &PaymentRef, amount: Option<(Asset, u128)>, reason: ReviewReason) {
        let amount = amount.map(|(asset, minor)| Amount::new(minor, asset));
        let ticker = amount.map_or(Some(self.row.terms.ticker), |amount| self.ticker_of(amount.asset()));
        let due = amount.map_or(SightedDue::Unknown, SightedDue::Amount);
        let sighting = self.sighting(payment.to_string(), due, ticker, reason);
        self.items.push(Sighting { order: self.order(), ..sighting });
    }

    /// All payments of the deposit: what no rule credits of each, which is nothing of most.
    pub(super) fn add_uncredited(
        &mut self,
        evidence: &Evidence,
        overflow: &[PaymentRef],
        never_confirmed: bool,
    ) {
        for (id, payment) in &evidence.payments {
            let withheld = self.withheld.get(id).copied();
            let waiting = if never_confirmed { lifecycle::in_flight(payment) } else { 0 };
            let (reason, minor) = if payment.asset != self.row.terms.asset {
                (ReviewReason::WrongAsset, lifecycle::paid(payment))
            } else if overflow.contains(id) {
                (ReviewReason::Overflow, lifecycle::paid(payment))
            } else if let Some(Withheld { reason, minor }) = withheld {
                (reason, minor.saturating_add(waiting))
            } else {
                (ReviewReason::NeverConfirmed, waiting)
            };
            self.add(id, Some((payment.asset, minor)), reason);
        }
    }

    /// What a read showed beside the evidence: money that only the provider tells of. What it told of before and does not now is settled where a
    /// rule has posted it meanwhile.
    pub(super) fn add_concerns(&mut self, snapshot: &Snapshot, evidence: &Evidence, credit: &Credit) {
        let order = &snapshot.order;
        let mut told: BTreeMap<(String, ReviewReason), Sighting> = BTreeMap::new();
        for concern in &snapshot.concerns {
            let Some(money) = &concern.money else { continue };
            let mut sighting = self.concerned(order, concern, money);
            if named_elsewhere(money, snapshot, evidence) {
                sighting.due = SightedDue::Amount(Amount::zero(self.row.terms.asset));
            }
            let key = (sighting.reference.clone(), sighting.reason);
            if let Some(before) = told.remove(&key) {
                sighting = both(before, sighting, money.payment.is_some());
            }
            told.insert(key, sighting);
        }
        if snapshot.complete {
            for reason in [ReviewReason::ProviderReports, ReviewReason::NotTakenBack] {
                for reference in known_by(order, evidence) {
                    if told.contains_key(&(reference.clone(), reason)) {
                        continue;
                    }
                    let posted = PaymentRef::new(&reference)
                        .ok()
                        .and_then(|id| credit.payments.get(&id))
                        .is_some_and(|credit| credit.postings > 0);
                    let due = if posted && reason == ReviewReason::ProviderReports {
                        SightedDue::Amount(Amount::zero(self.row.terms.asset))
                    } else {
                        SightedDue::NotShown
                    };
                    self.items.push(self.sighting(reference, due, None, reason));
                }
            }
        }
        self.items.extend(told.into_values());
    }

    fn concerned(&self, order: &ProviderRef, concern: &Concern, money: &ConcernedMoney) -> Sighting {
        let amount = amount_told(money, Some(self.row.terms.asset));
        let detail = match (&money.amount, amount) {
            // What cannot be counted is told at least.
            (Some(text), None) => format!("{} ({text})", concern.detail),
            _ => concern.detail.clone(),
        };
        let reason =
            if money.taken_back { ReviewReason::NotTakenBack } else { ReviewReason::ProviderReports };
        let ticker = money.ticker.or(Some(self.row.terms.ticker));
        let due = amount.map_or(SightedDue::Unknown, SightedDue::Amount);
        let (reference, order) = match &money.payment {
            Some(payment) => (payment.to_string(), Some(order.to_string())),
            None => (order.to_string(), None),
        };
        Sighting {
            order,
            code: Some(concern.code.clone()),
            detail: Some(detail),
            ..self.sighting(reference, due, ticker, reason)
        }
    }

    /// Whether there is anything that an operator should see.
    pub(super) fn shows(items: &[Sighting]) -> bool {
        items.iter().any(|item| match item.due {
            SightedDue::Amount(amount) => !amount.is_zero(),
            SightedDue::Unknown | SightedDue::News => true,
            SightedDue::NotShown => false,
        })
    }

    fn sighting(
        &self,
        reference: String,
        due: SightedDue,
        ticker: Option<Ticker>,
        reason: ReviewReason,
    ) -> Sighting {
        Sighting {
            provider: self.row.provider,
            reference,
            order: None,
            due,
            ticker,
            deposit: Some(self.row.id.clone()),
            reason,
            code: None,
            detail: None,
            at: self.now,
        }
    }

    fn order(&self) -> Option<String> {
        self.row.intent.as_ref().map(|intent| intent.provider_ref.to_string())
    }

    /// The ticker is the amount's unit: where something else was paid than was asked, the deposit's own would be wrong.
    fn ticker_of(&self, asset: Asset) -> Option<Ticker> {
        let terms = &self.row.terms;
        if asset == terms.asset {
            return Some(terms.ticker);
        }
        asset.code().as_str().parse().ok().filter(Ticker::is_known)
    }
}

/// Whether what went back in a way that this read cannot measure was named by another message since, under an id of its own: a rule has
/// followed it.
fn named_elsewhere(money: &ConcernedMoney, snapshot: &Snapshot, evidence: &Evidence) -> bool {
    let Some(payment) = money.payment.as_ref().filter(|_| money.taken_back && money.amount.is_none()) else {
        return false;
    };
    let shown = |id: &TakingId| {
        snapshot.payments.iter().any(|reading| reading.id == *payment && reading.takings.contains_key(id))
    };
    let known = evidence.payments.get(payment);
    known.is_some_and(|known| known.takings.keys().any(|id| *id != TakingId::chain() && !shown(id)))
}

/// By what money of this order is called: its payments, and itself.
fn known_by(order: &ProviderRef, evidence: &Evidence) -> Vec<String> {
    evidence.payments.keys().map(ToString::to_string).chain([order.to_string()]).collect()
}

/// How much a provider tells of, counted in this asset where it names no ticker; `None` where it tells none, or none that can be counted.
pub(crate) fn amount_told(money: &ConcernedMoney, own: Option<Asset>) -> Option<Amount> {
    let unit = money.ticker.map_or(own, asset_of)?;
    Amount::parse(money.amount.as_deref()?, unit).ok()
}

/// What is counted in a ticker's unit; `None` where its name does not tell.
pub(crate) fn asset_of(ticker: Ticker) -> Option<Asset> {
    let named = |ticker: Ticker| Asset::KNOWN.iter().find(|asset| asset.code().as_str() == ticker.as_str());
    named(ticker).or_else(|| deposit_rates::fallback(ticker).and_then(named)).copied()
}

/// Two that are told under one name: one payment told twice is one payment; of an order as a whole they are different money.
fn both(first: Sighting, second: Sighting, one_payment: bool) -> Sighting {
    let due = match (first.due, second.due) {
        (SightedDue::Amount(a), SightedDue::Amount(b)) if a.asset() == b.asset() => {
            let minor =
                if one_payment { Some(a.minor().max(b.minor())) } else { a.minor().checked_add(b.minor()) };
            minor.map_or(SightedDue::Unknown, |minor| SightedDue::Amount(Amount::new(minor, a.asset())))
        }
        _ => SightedDue::Unknown,
    };
    let joined = |a: Option<String>, b: Option<String>, by: &str| match (a, b) {
        (Some(a), Some(b)) if a != b => Some(format!("{a}{by}{b}")),
        (a, b) => a.or(b),
    };
    Sighting {
        due,
        code: joined(first.code, second.code, ","),
        detail: joined(first.detail, second.detail, "; "),
        ..second
    }
}

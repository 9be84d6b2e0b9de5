//! What an observation leaves to an operator.

use deposit_core::{Amount, Asset, Evidence, PaymentRef, Ticker, Timestamp};
use deposit_lifecycle as lifecycle;
use deposit_store::{DepositRow, NewReview, ReviewReason};

/// How long after the end of its order a part payment is still waited for, before an operator has to see it, in seconds.
const IN_VAIN_SECS: i64 = 24 * 3600;

/// Whether a part payment waits in vain: its provider confirms only full payments, and the order has been closed for long.
pub(super) fn never_confirmed(row: &DepositRow, evidence: &Evidence, now: Timestamp) -> bool {
    let deadline = lifecycle::deadline(&row.terms, &evidence.order);
    row.terms.confirms_only_full && deadline.is_some_and(|end| now >= end.plus_secs(IN_VAIN_SECS))
}

/// Review items of one step.
pub(super) struct Reviews<'a> {
    pub(super) row: &'a DepositRow,
    pub(super) now: Timestamp,
    pub(super) items: Vec<NewReview>,
}

impl Reviews<'_> {
    pub(super) fn add(&mut self, payment: &PaymentRef, amount: Option<(Asset, u128)>, reason: ReviewReason) {
        let terms = &self.row.terms;
        // The ticker is the amount's unit: where something else was paid than was asked, the deposit's own would be wrong.
        let ticker = match amount {
            Some((asset, _)) if asset != terms.asset => {
                asset.code().as_str().parse().ok().filter(Ticker::is_known)
            }
            Some(_) | None => Some(terms.ticker),
        };
        self.items.push(NewReview {
            provider: self.row.provider,
            reference: payment.to_string(),
            amount: amount.map(|(asset, minor)| Amount::new(minor, asset).to_string()),
            ticker,
            deposit: Some(self.row.id.clone()),
            reason,
            since: self.now,
        });
    }
}

//! Swaps that take too long: a hold by the provider's compliance has no word of its own (dossier, section 11).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use deposit_core::{Amount, Concern, ConcernedMoney, PaymentReading, ProviderRef};
use tokio::time::Instant;

/// After this a person should ask.
const PATIENCE: Duration = Duration::from_secs(3_600);
/// More than could be open within the request budget.
const MOST: usize = 10_000;

/// Since when this process sees an order being swapped. Only for the operator's eyes: a restart starts anew.
#[derive(Debug, Default)]
pub(crate) struct Stuck(Mutex<HashMap<ProviderRef, Instant>>);

impl Stuck {
    /// To be told of each read, with the payment that is being swapped; answers a concern where that takes too long.
    pub(crate) fn seen(&self, order: &ProviderRef, swapping: Option<&PaymentReading>) -> Option<Concern> {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(payment) = swapping else {
            since.remove(order);
            return None;
        };
        if since.len() >= MOST && !since.contains_key(order) {
            return None;
        }
        let first = *since.entry(order.clone()).or_insert_with(Instant::now);
        (first.elapsed() >= PATIENCE).then(|| {
            let held = Amount::new(payment.in_flight, payment.asset);
            Concern::money(
                "swap_stuck",
                "the swap is under way for more than an hour: ask the provider's support",
                ConcernedMoney::of_payment(payment.id.clone()).amount(held),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use deposit_core::Asset;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_hour_of_swapping_is_told() {
        let stuck = Stuck::default();
        let order: ProviderRef = "0a1b2c3d4e5f60".parse().unwrap();
        let payment =
            PaymentReading::in_flight("0a1b2c3d4e5f60".parse().unwrap(), Amount::new(150, Asset::KAS));
        assert_eq!(stuck.seen(&order, Some(&payment)), None);
        tokio::time::advance(PATIENCE).await;
        let told = stuck.seen(&order, Some(&payment)).unwrap();
        let held = ConcernedMoney::of_payment(payment.id.clone()).amount(Amount::new(150, Asset::KAS));
        assert_eq!((told.code.as_str(), told.money.as_ref()), ("swap_stuck", Some(&held)));
        assert_eq!(stuck.seen(&order, Some(&payment)), Some(told), "the same at every read");
        assert_eq!(stuck.seen(&order, None), None);
        assert_eq!(stuck.seen(&order, Some(&payment)), None);
    }
}

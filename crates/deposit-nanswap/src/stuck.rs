//! Swaps that take too long: a hold by the provider's compliance has no word of its own (dossier, section 11).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use deposit_core::{Concern, ProviderRef};
use tokio::time::Instant;

/// After this a person should ask.
const PATIENCE: Duration = Duration::from_secs(3_600);
/// More than could be open within the request budget.
const MOST: usize = 10_000;

/// Since when this process sees an order being swapped. Only for the operator's eyes: a restart starts anew.
#[derive(Debug, Default)]
pub(crate) struct Stuck(Mutex<HashMap<ProviderRef, Instant>>);

impl Stuck {
    /// To be told of each read; answers a concern where the order is being swapped for too long.
    pub(crate) fn seen(&self, order: &ProviderRef, swapping: bool) -> Option<Concern> {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !swapping {
            since.remove(order);
            return None;
        }
        if since.len() >= MOST && !since.contains_key(order) {
            return None;
        }
        let first = *since.entry(order.clone()).or_insert_with(Instant::now);
        (first.elapsed() >= PATIENCE).then(|| {
            Concern::new(
                "swap_stuck",
                "the swap is under way for more than an hour: ask the provider's support",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_hour_of_swapping_is_told() {
        let stuck = Stuck::default();
        let order: ProviderRef = "0a1b2c3d4e5f60".parse().unwrap();
        assert_eq!(stuck.seen(&order, true), None);
        tokio::time::advance(PATIENCE).await;
        assert_eq!(stuck.seen(&order, true).unwrap().code, "swap_stuck");
        assert_eq!(stuck.seen(&order, false), None);
        assert_eq!(stuck.seen(&order, true), None);
    }
}

//! From how many confirmations on a payment counts, by what it is worth.

use deposit_core::{Amount, ConfigError, Price, Rounding};
use deposit_core::{Asset, Terms};
use serde::Deserialize;

use crate::asset::asset_of;
use crate::error::invalid;
use crate::payment::Paid;

/// `[[providers.zano.confirmations_by_amount]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ConfirmationsByAmount {
    /// From this worth on, in USD as decimal text.
    pub from_usd: String,
    /// So many confirmations; no fewer than `confirmations`.
    pub confirmations: u32,
}

impl ConfirmationsByAmount {
    /// From `from_usd` USD on, `confirmations`.
    pub fn new(from_usd: impl Into<String>, confirmations: u32) -> Self {
        Self { from_usd: from_usd.into(), confirmations }
    }
}

/// How deep a payment has to be.
#[derive(Debug, Clone)]
pub(crate) struct Depths {
    pub(crate) base: u32,
    /// From this many USD on, so many.
    tiers: Vec<(Amount, u32)>,
}

impl Depths {
    pub(crate) fn new(base: u32, tiers: &[ConfirmationsByAmount]) -> Result<Self, ConfigError> {
        let mut read = Vec::new();
        for tier in tiers {
            let from = Amount::parse(&tier.from_usd, Asset::USD).ok().filter(|from| !from.is_zero());
            let from = from.ok_or_else(|| {
                invalid(
                    "confirmations_by_amount.from_usd",
                    "must be a decimal number of USD above 0, as text",
                )
            })?;
            if !(base..=1_000).contains(&tier.confirmations) {
                return Err(invalid(
                    "confirmations_by_amount.confirmations",
                    "must be from `confirmations` to 1000",
                ));
            }
            read.push((from, tier.confirmations));
        }
        Ok(Self { base, tiers: read })
    }

    /// Of any payment.
    pub(crate) fn most(&self) -> u32 {
        self.tiers.iter().map(|(_, confirmations)| *confirmations).max().unwrap_or(0).max(self.base)
    }

    /// Whether all payments have to be equally deep.
    pub(crate) fn is_one(&self) -> bool {
        self.most() == self.base
    }

    /// Of this payment to a deposit with these terms. Counted with it is what came before it or in the same block and is not as deep as any
    /// payment has to be: many small ones are no way around. What is worth nobody knows how much has to be deepest.
    pub(crate) fn of(&self, paid: &Paid<'_>, all: &[Paid<'_>], top: Option<u64>, terms: &Terms) -> u32 {
        if self.is_one() {
            return self.base;
        }
        let most = u64::from(self.most());
        let counted = all.iter().filter(|other| {
            let height = other.entry.height;
            other.payment_id == paid.payment_id
                && other.asset == paid.asset
                && (other.id == paid.id
                    || (height > 0
                        && height <= paid.entry.height
                        && top.is_some_and(|top| top.saturating_sub(height) < most)))
        });
        let units = counted.fold(0_u128, |sum, other| sum.saturating_add(u128::from(other.units)));
        let Some(worth) = worth(paid, units, terms) else { return self.most() };
        let reached = self.tiers.iter().filter(|(from, _)| worth.minor() >= from.minor());
        reached.map(|(_, confirmations)| *confirmations).max().unwrap_or(0).max(self.base)
    }
}

/// In USD, by the price that the deposit was quoted at; FUSD is held to be worth one.
fn worth(paid: &Paid<'_>, units: u128, terms: &Terms) -> Option<Amount> {
    let asset = if paid.asset.is_native() { Asset::ZANO } else { Asset::FUSD };
    let price = match &terms.quote {
        Some(quote) if asset_of(terms.ticker) == Some(asset) => quote.unit_price,
        // Another token is not credited whatever its depth.
        _ if asset == Asset::FUSD => Price::ONE,
        _ => return None,
    };
    price.value_of(Amount::new(units, asset), Rounding::Up).ok()
}

#[cfg(test)]
mod tests {
    use deposit_core::Ticker;

    use super::*;
    use crate::asset::{FUSD_ID, ZANO_ID};
    use crate::payment::paid;
    use crate::testing::{DEPOSIT, entry, intent, line};

    const TOP: u64 = 5_000;

    fn depths() -> Depths {
        let tiers = [ConfirmationsByAmount::new("1000", 20), ConfirmationsByAmount::new("5000.50", 60)];
        Depths::new(10, &tiers).unwrap()
    }

    #[test]
    fn the_more_the_deeper() {
        // One ZANO is worth one USD in the terms of the tests.
        let terms = |ticker| intent(DEPOSIT, ticker, "-").terms;
        let of = |asset, units, ticker| {
            let entry = entry(1, 4_990, &[("aa", vec![line(asset, units, true)])]);
            let all = paid(&entry);
            depths().of(&all[0], &all, Some(TOP), &terms(ticker))
        };
        let unit = 1_000_000_000_000;
        assert_eq!(of(ZANO_ID, 999 * unit, Ticker::ZANO), 10);
        assert_eq!(of(ZANO_ID, 1_000 * unit, Ticker::ZANO), 20);
        assert_eq!(of(ZANO_ID, 5_001 * unit, Ticker::ZANO), 60);
        assert_eq!(of(FUSD_ID, 10_000_000, Ticker::ZANO), 20, "1000 FUSD");
        assert_eq!(of(ZANO_ID, unit, Ticker::FUSD), 60, "of no known worth");
        assert_eq!(depths().most(), 60);
    }

    #[test]
    fn many_small_ones_are_no_way_around() {
        let unit = 1_000_000_000_000;
        let one = |n, height| entry(n, height, &[("aa", vec![line(ZANO_ID, 600 * unit, true)])]);
        let entries = [one(1, 4_900), one(2, 4_960), one(3, 4_970), one(4, 0)];
        let all: Vec<_> = entries.iter().flat_map(paid).collect();
        let terms = intent(DEPOSIT, Ticker::ZANO, "-").terms;
        let of: Vec<_> = all.iter().map(|p| depths().of(p, &all, Some(TOP), &terms)).collect();
        assert_eq!(of, [10, 10, 20, 10]);
    }

    #[test]
    fn tiers_that_cannot_work() {
        for (from, confirmations) in [("0", 20), ("x", 20), ("-1", 20), ("1000", 9), ("1000", 1_001)] {
            assert!(Depths::new(10, &[ConfirmationsByAmount::new(from, confirmations)]).is_err(), "{from}");
        }
    }
}

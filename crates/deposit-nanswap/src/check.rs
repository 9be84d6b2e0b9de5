//! Whether key, pairs and the settle address are as swaps need them. Reads only, and one request that can make nothing.

use deposit_core::{CheckContext, CheckItem, ErrorKind};

use crate::client::KeyAnswer;
use crate::coin::Coin;
use crate::provider::Nanswap;

impl Nanswap {
    pub(crate) async fn look(&self, _context: &CheckContext) -> Vec<CheckItem> {
        if let Err(error) = self.client().look().await {
            return vec![CheckItem::of_first(&error, "base_url", "api_key")];
        }
        let mut items = vec![CheckItem::right("reachable"), self.key().await];
        let settle = self.settle();
        items.push(CheckItem::right("settle address").seen(format!(
            "swaps pay out {} to {}",
            settle.ticker,
            self.settle_address()
        )));
        for coin in Coin::ALL {
            let what = format!("pair {}-{}", coin.ticker, settle.ticker);
            items.push(match self.pair(coin).await {
                Ok(pair) => CheckItem::right(what).seen(format!(
                    "{} to {}",
                    pair.limits.minimum, pair.limits.maximum
                )),
                Err(error) if matches!(error.kind(), ErrorKind::Rejected(_)) => CheckItem::advice(
                    what,
                    format!("not offered at present: deposits in {} are refused until it is; nothing to change here", coin.ticker),
                ),
                Err(error) if *error.kind() == ErrorKind::Configuration => CheckItem::wrong(
                    what,
                    "the provider wants a memo with the address that swaps pay out to, and the configuration has none: choose another `providers.nanswap.settle_ticker`",
                ),
                Err(error) => CheckItem::of_later(what, &error),
            });
        }
        items
    }

    async fn key(&self) -> CheckItem {
        match self.client().try_key().await {
            Ok(KeyAnswer::Taken) => CheckItem::right("credentials"),
            Ok(KeyAnswer::Refused) => CheckItem::wrong(
                "credentials",
                "the provider refuses `providers.nanswap.api_key`: it was revoked or is misspelt; make a new one there and put it here",
            ),
            Err(error) => CheckItem::of_later("credentials", &error),
        }
    }
}

//! Assets are their ids, nothing else: anybody can issue another token called fUSD.

use deposit_core::{Amount, Asset, CreditRule, Ticker, TickerKind, TickerSpec};

/// The native coin (zano source).
pub(crate) const ZANO_ID: &str = "d6329b5b1f7c0805b5c345f4957554002a2f557845f64d7645dae0e051a6498a";
/// Freedom Dollar (Zano governance ZAP2, in Zano's own repository).
pub(crate) const FUSD_ID: &str = "86143388bd056a8f0bab669f78f14873fac8e2dd8d57898cdb725a2d5e2e4f8f";

/// 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AssetId(String);

impl AssetId {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        (text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()))
            .then(|| Self(text.to_ascii_lowercase()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn native() -> Self {
        Self(ZANO_ID.to_owned())
    }

    pub(crate) fn is_native(&self) -> bool {
        self.0 == ZANO_ID
    }
}

/// The assets that are credited, by id.
#[derive(Debug, Clone)]
pub(crate) struct Assets {
    pub(crate) fusd: AssetId,
}

impl Assets {
    /// The ticker of an id; `None` for any other token.
    pub(crate) fn ticker(&self, id: &AssetId) -> Option<Ticker> {
        if id.is_native() { Some(Ticker::ZANO) } else { (*id == self.fusd).then_some(Ticker::FUSD) }
    }

    /// An amount of any token. One that nobody here knows becomes an asset of its own, counted in its smallest units: the payment
    /// is then shown as money in another asset than was asked for.
    pub(crate) fn amount(&self, id: &AssetId, units: u64) -> Option<Amount> {
        let asset = match self.ticker(id) {
            Some(ticker) => asset_of(ticker)?,
            None => {
                let begin: String = id.as_str().chars().take(13).collect();
                Asset::new(&format!("ZA-{}", begin.to_ascii_uppercase()), 0).ok()?
            }
        };
        Some(Amount::new(u128::from(units), asset))
    }
}

/// Of the tickers served here.
pub(crate) fn asset_of(ticker: Ticker) -> Option<Asset> {
    match ticker {
        Ticker::ZANO => Some(Asset::ZANO),
        Ticker::FUSD => Some(Asset::FUSD),
        _ => None,
    }
}

pub(crate) fn specs() -> Vec<TickerSpec> {
    let spec = |ticker, asset: Asset| {
        TickerSpec::new(ticker, asset, TickerKind::Address, CreditRule::at_rate_of(ticker))
    };
    vec![spec(Ticker::ZANO, Asset::ZANO), spec(Ticker::FUSD, Asset::FUSD)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assets() -> Assets {
        Assets { fusd: AssetId::parse(FUSD_ID).unwrap() }
    }

    #[test]
    fn an_asset_is_its_id() {
        let fusd = AssetId::parse(&FUSD_ID.to_uppercase()).unwrap();
        assert_eq!(assets().ticker(&fusd), Some(Ticker::FUSD));
        assert_eq!(assets().amount(&fusd, 10_000).unwrap().to_string(), "1");
        let zano = AssetId::parse(ZANO_ID).unwrap();
        assert_eq!(
            assets().amount(&zano, 1_000_000_000_000).unwrap(),
            Amount::parse("1", Asset::ZANO).unwrap()
        );
        assert_eq!(assets().amount(&zano, u64::MAX).unwrap().to_string(), "18446744.073709551615");
    }

    #[test]
    fn another_token_is_an_asset_of_its_own() {
        let other = AssetId::parse(&"ab".repeat(32)).unwrap();
        let amount = assets().amount(&other, 7).unwrap();
        assert_eq!((amount.asset().code().as_str(), amount.asset().scale()), ("ZA-ABABABABABABA", 0));
        assert_eq!(assets().ticker(&other), None);
    }

    #[test]
    fn scales_are_those_of_the_chain() {
        let scales: Vec<_> = specs().iter().map(|s| (s.ticker.to_string(), s.quote_decimals)).collect();
        assert_eq!(scales, [("ZANO".to_owned(), 12), ("FUSD".to_owned(), 4)]);
    }
}

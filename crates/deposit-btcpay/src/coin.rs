//! The ways of paying that BTCPay Server has, and their payment method ids.

use deposit_core::{Asset, CreditRule, Ticker, TickerKind, TickerSpec};

/// One way of paying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Coin {
    pub(crate) ticker: Ticker,
    pub(crate) asset: Asset,
    pub(crate) quote_decimals: u8,
    /// The prompt's currency: of LTC-MWEB it is LTC too, so the method id decides, never this.
    pub(crate) currency: &'static str,
    /// From 2.0.0 on.
    pub(crate) method_id: &'static str,
    /// How a wallet link is made.
    pub(crate) link: Link,
    /// Minutes by which the invoice outlives our quote.
    pub(crate) margin_minutes: i64,
    /// By how much the server may find an invoice underpaid and call it paid all the same. Never used for our own sums.
    pub(crate) tolerance_percent: u8,
    /// The least that a payer can send, in smallest units: a remainder below it is not asked for (`docs/depths.md`).
    pub(crate) least_payment: u128,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Link {
    /// `scheme:ADDRESS?parameter=amount`
    Address { scheme: &'static str, parameter: &'static str },
    /// `lightning:BOLT11`
    Bolt11,
}

const fn chain(
    ticker: Ticker,
    asset: Asset,
    currency: &'static str,
    method_id: &'static str,
    scheme: &'static str,
    decimals: u8,
    least_payment: u128,
) -> Coin {
    let link = Link::Address { scheme, parameter: "amount" };
    Coin {
        ticker,
        asset,
        quote_decimals: decimals,
        currency,
        method_id,
        link,
        margin_minutes: MARGIN,
        tolerance_percent: 0,
        least_payment,
    }
}

/// A payment in the last second is still one to an open invoice, and a BOLT11 does not end before our quote.
const MARGIN: i64 = 5;

/// Monero has no dust limit; sending less than the fee of a usual transaction (two inputs, two outputs) makes no sense. 0.00003 XMR.
const XMR_FEE: u128 = 30_000_000;

/// The conventional fee of a Zcash transaction (ZIP 317): 0.0001 ZEC.
const ZEC_FEE: u128 = 10_000;

/// MWEB addresses are given out again once their invoice is no longer watched: keep it watched for a day more.
const MWEB_MARGIN: i64 = 24 * 60;

impl Coin {
    pub(crate) const ALL: &'static [Self] = &[
        chain(Ticker::BTC, Asset::BTC, "BTC", "BTC-CHAIN", "bitcoin", 8, 546),
        Coin {
            ticker: Ticker::BTC_LN,
            asset: Asset::BTC_LN,
            quote_decimals: 8,
            currency: "BTC",
            method_id: "BTC-LN",
            link: Link::Bolt11,
            margin_minutes: MARGIN,
            tolerance_percent: 0,
            // An invoice is for whole satoshis with nearly every wallet; this asset counts thousandths.
            least_payment: 1_000,
        },
        chain(Ticker::LTC, Asset::LTC, "LTC", "LTC-CHAIN", "litecoin", 8, 5_460),
        Coin {
            margin_minutes: MWEB_MARGIN,
            ..chain(Ticker::LTC_MWEB, Asset::LTC, "LTC", "LTC-MWEB", "litecoin", 8, 5_460)
        },
        Coin {
            link: Link::Address { scheme: "monero", parameter: "tx_amount" },
            // The plugin always asks for a fee on top of what was asked for, and an exact payment would stay open there (dossier, section 14).
            tolerance_percent: 1,
            ..chain(Ticker::XMR, Asset::XMR, "XMR", "XMR-CHAIN", "monero", 12, XMR_FEE)
        },
        chain(Ticker::DOGE, Asset::DOGE, "DOGE", "DOGE-CHAIN", "dogecoin", 8, 1_000_000),
        chain(Ticker::DASH, Asset::DASH, "DASH", "DASH-CHAIN", "dash", 8, 546),
        chain(Ticker::ZEC, Asset::ZEC, "ZEC", "ZEC-CHAIN", "zcash", 8, ZEC_FEE),
    ];

    pub(crate) fn of(ticker: Ticker) -> Option<&'static Self> {
        Self::ALL.iter().find(|coin| coin.ticker == ticker)
    }

    /// Whether the server's own wallet holds it, which its API can show; the plugins and Lightning have none there.
    pub(crate) fn has_wallet(&self) -> bool {
        [Ticker::BTC, Ticker::LTC, Ticker::DOGE, Ticker::DASH].contains(&self.ticker)
    }

    pub(crate) fn spec(&self) -> TickerSpec {
        let kind = match self.link {
            Link::Address { .. } => TickerKind::Address,
            Link::Bolt11 => TickerKind::Invoice,
        };
        TickerSpec::new(self.ticker, self.asset, kind, CreditRule::at_rate_of(self.ticker))
            .with_quote_decimals(self.quote_decimals)
            .with_least_payment(self.least_payment)
    }
}

/// A coin under the id that the server gives it.
#[derive(Debug, Clone)]
pub(crate) struct Method {
    pub(crate) coin: &'static Coin,
    pub(crate) id: String,
}

impl Method {
    /// Whether an id of the server, in whatever vocabulary, is this method's.
    pub(crate) fn is(&self, id: &str) -> bool {
        canonical(id) == canonical(&self.id)
    }
}

/// All methods, as configured.
#[derive(Debug, Clone)]
pub(crate) struct Methods(pub(crate) Vec<Method>);

impl Methods {
    pub(crate) fn of(&self, ticker: Ticker) -> Option<&Method> {
        self.0.iter().find(|method| method.coin.ticker == ticker)
    }

    pub(crate) fn by_id(&self, id: &str) -> Option<&Method> {
        self.0.iter().find(|method| method.is(id))
    }
}

/// The id as the server compares it: case and `_` for `-` do not count, and the names from before 2.0.0 mean the new ones.
pub(crate) fn canonical(id: &str) -> String {
    let id = id.to_ascii_uppercase().replace('_', "-");
    match id.split_once('-') {
        None => format!("{id}-CHAIN"),
        Some((coin, "ONCHAIN" | "BITCOINLIKE" | "MONEROLIKE" | "ZCASHLIKE")) => format!("{coin}-CHAIN"),
        Some((coin, "LIGHTNINGNETWORK" | "LIGHTNINGLIKE" | "OFFCHAIN")) => format!("{coin}-LN"),
        Some((coin, "LNURLPAY")) => format!("{coin}-LNURL"),
        Some(_) => id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Dossier, section 4.
    #[test]
    fn old_names_mean_the_new_ones() {
        for (old, new) in [
            ("BTC", "BTC-CHAIN"),
            ("BTC-OnChain", "BTC-CHAIN"),
            ("BTC_BitcoinLike", "BTC-CHAIN"),
            ("btc-chain", "BTC-CHAIN"),
            ("BTC-LightningNetwork", "BTC-LN"),
            ("BTC_LightningLike", "BTC-LN"),
            ("BTC-OffChain", "BTC-LN"),
            ("BTC-LNURLPAY", "BTC-LNURL"),
            ("XMR-MoneroLike", "XMR-CHAIN"),
            ("ZEC-ZcashLike", "ZEC-CHAIN"),
            ("LTC-MWEB", "LTC-MWEB"),
        ] {
            assert_eq!(canonical(old), new);
        }
    }

    #[test]
    fn eight_tickers_that_quote_no_finer_than_they_store() {
        assert_eq!(Coin::ALL.len(), 8);
        for coin in Coin::ALL {
            assert!(coin.quote_decimals <= coin.asset.scale(), "{}", coin.ticker);
            assert_eq!(coin.spec().credit, CreditRule::at_rate_of(coin.ticker));
            assert_eq!(canonical(coin.method_id), coin.method_id);
        }
        assert_eq!(Coin::of(Ticker::XMR).unwrap().quote_decimals, 12);
        assert_eq!(Coin::of(Ticker::BTC_LN).unwrap().spec().kind, TickerKind::Invoice);
        assert!(Coin::of(Ticker::BCH).is_none());
    }
}

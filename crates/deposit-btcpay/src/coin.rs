//! The ways of paying that BTCPay Server has, and their payment method ids.

use deposit_core::{Amount, Asset, CreditRule, Ticker, TickerKind, TickerSpec};

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
    /// About what the server adds to what is asked for, for each payment, in smallest units: by its fee mode from the first payment or from the
    /// second on, and the Monero plugin always (dossier, section 14).
    pub(crate) server_fee: u128,
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
        server_fee: 0,
        least_payment,
    }
}

/// Payments of one order whose fee the tolerance covers: who pays in more than so many finds the invoice open there.
const PAYMENTS_COVERED: u128 = 3;
/// The tolerance goes no further: an invoice that is short by more stays open, and is watched.
const MOST_TOLERANCE: u8 = 3;

/// A payment in the last second is still one to an open invoice, and a BOLT11 does not end before our quote.
const MARGIN: i64 = 5;

/// Monero has no dust limit; sending less than the fee of a usual transaction (two inputs, two outputs) makes no sense. 0.00003 XMR.
const XMR_FEE: u128 = 30_000_000;

/// The conventional fee of a Zcash transaction (ZIP 317): 0.0001 ZEC.
const ZEC_FEE: u128 = 10_000;

/// MWEB addresses are given out again once their invoice is no longer watched: keep it watched for a day more.
const MWEB_MARGIN: i64 = 24 * 60;

impl Coin {
    /// With what the server adds for each payment.
    const fn asking(mut self, server_fee: u128) -> Self {
        self.server_fee = server_fee;
        self
    }

    pub(crate) const ALL: &'static [Self] = &[
        chain(Ticker::BTC, Asset::BTC, "BTC", "BTC-CHAIN", "bitcoin", 8, 546).asking(2_000),
        Coin {
            ticker: Ticker::BTC_LN,
            asset: Asset::BTC_LN,
            quote_decimals: 8,
            currency: "BTC",
            method_id: "BTC-LN",
            link: Link::Bolt11,
            margin_minutes: MARGIN,
            server_fee: 0,
            // An invoice is for whole satoshis with nearly every wallet; this asset counts thousandths.
            least_payment: 1_000,
        },
        chain(Ticker::LTC, Asset::LTC, "LTC", "LTC-CHAIN", "litecoin", 8, 5_460).asking(15_000),
        Coin {
            margin_minutes: MWEB_MARGIN,
            ..chain(Ticker::LTC_MWEB, Asset::LTC, "LTC", "LTC-MWEB", "litecoin", 8, 5_460).asking(15_000)
        },
        Coin {
            link: Link::Address { scheme: "monero", parameter: "tx_amount" },
            ..chain(Ticker::XMR, Asset::XMR, "XMR", "XMR-CHAIN", "monero", 12, XMR_FEE).asking(120_000)
        },
        chain(Ticker::DOGE, Asset::DOGE, "DOGE", "DOGE-CHAIN", "dogecoin", 8, 1_000_000).asking(1_000_000),
        chain(Ticker::DASH, Asset::DASH, "DASH", "DASH-CHAIN", "dash", 8, 546).asking(1_000),
        chain(Ticker::ZEC, Asset::ZEC, "ZEC", "ZEC-CHAIN", "zcash", 8, ZEC_FEE).asking(ZEC_FEE),
    ];

    pub(crate) fn of(ticker: Ticker) -> Option<&'static Self> {
        Self::ALL.iter().find(|coin| coin.ticker == ticker)
    }

    /// By how much, in percent, the server may find an invoice underpaid and call it paid all the same: what its fee comes to. Never used for our
    /// own sums.
    pub(crate) fn tolerance_percent(&self, asked: Amount) -> u8 {
        let fees = self.server_fee.saturating_mul(PAYMENTS_COVERED).saturating_mul(100);
        let percent = fees
            .checked_div(asked.minor())
            .map_or(0, |whole| whole.saturating_add(u128::from(!fees.is_multiple_of(asked.minor()))));
        u8::try_from(percent).unwrap_or(MOST_TOLERANCE).min(MOST_TOLERANCE)
    }

    pub(crate) fn is_lightning(&self) -> bool {
        self.link == Link::Bolt11
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

    /// What a real server found paid, its fee taken off, of orders that were paid exactly: with our tolerance that is enough for it.
    #[test]
    fn the_tolerance_covers_the_server_s_fee_and_little_more() {
        let asked = |ticker, text| Amount::parse(text, Coin::of(ticker).unwrap().asset).unwrap();
        for (ticker, order, found) in [
            // invoice_ltc_paid_in_two_settled, invoice_ltc_exact_fee_always; the second without the fee of a third payment.
            (Ticker::LTC, "0.05", "0.04985814"),
            (Ticker::LTC, "0.05", "0.04957442"),
            // payments_xmr_exact_settled, payments_xmr_paid_in_two_settled.
            (Ticker::XMR, "1", "0.9999998829"),
            (Ticker::XMR, "1", "0.9999997658"),
        ] {
            let (order, found) = (asked(ticker, order), asked(ticker, found));
            let tolerance = u128::from(Coin::of(ticker).unwrap().tolerance_percent(order));
            assert!(
                found.minor() * 100 >= order.minor() * (100 - tolerance),
                "{ticker} {order}: {tolerance} %"
            );
            assert_eq!(tolerance, 1);
        }
        let of = |ticker: Ticker, text| Coin::of(ticker).unwrap().tolerance_percent(asked(ticker, text));
        assert_eq!(of(Ticker::LTC, "0.0225"), 2);
        assert_eq!(of(Ticker::LTC, "0.0001"), 3, "no further, however small the order");
        assert_eq!(of(Ticker::BTC, "10"), 1);
        assert_eq!(of(Ticker::BTC_LN, "0.001"), 0);
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

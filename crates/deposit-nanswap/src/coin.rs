//! The coins that are swapped, what they are swapped for, and their wallet links.

use deposit_core::{Amount, Asset, CreditRule, PayInstructions, Ticker, TickerKind, TickerSpec};

/// One coin that a payer may send.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Coin {
    pub(crate) ticker: Ticker,
    pub(crate) asset: Asset,
    address: Form,
    link: Link,
}

/// What can be said of an address for sure.
#[derive(Debug, PartialEq, Eq)]
enum Form {
    /// Begins so.
    Prefix(&'static str),
    /// Is told with or without this before it, and shown with it: Kaspa's prefix is a part of the address (its checksum covers it), and the
    /// scheme of the link as well.
    Scheme(&'static str),
    /// 20 bytes in hexadecimal digits.
    Hex20,
    Any,
}

/// How a wallet link is made (deposit-api.md, section 2).
#[derive(Debug, PartialEq, Eq)]
enum Link {
    /// `banano:ADDR?amount=RAW`
    Banano,
    /// `kaspa:ADDR?amount=KAS`
    Kaspa,
    /// `ton://transfer/ADDR?amount=NANOTON`, with `&text=MEMO`
    Ton,
    /// Our own page.
    Page,
}

const fn coin(ticker: Ticker, asset: Asset, address: Form, link: Link) -> Coin {
    Coin { ticker, asset, address, link }
}

impl Coin {
    pub(crate) const ALL: &'static [Self] = &[
        coin(Ticker::BAN, Asset::BAN, Form::Prefix("ban_"), Link::Banano),
        coin(Ticker::KAS, Asset::KAS, Form::Scheme("kaspa:"), Link::Kaspa),
        coin(Ticker::TON, Asset::TON, Form::Any, Link::Ton),
        coin(Ticker::NEAR, Asset::NEAR, Form::Any, Link::Page),
        coin(Ticker::EGLD, Asset::EGLD, Form::Prefix("erd1"), Link::Page),
        coin(Ticker::VVV, Asset::VVV, Form::Hex20, Link::Page),
    ];

    pub(crate) fn of(ticker: Ticker) -> Option<&'static Self> {
        Self::ALL.iter().find(|coin| coin.ticker == ticker)
    }

    pub(crate) fn spec(&self, settle: Ticker) -> TickerSpec {
        TickerSpec::new(self.ticker, self.asset, TickerKind::Swap, CreditRule::settled_at_rate_of(settle))
    }

    /// How to pay `amount` to a pay-in address; `None` where it is no address of this chain, or the memo none that could be
    /// typed: then nothing is shown.
    pub(crate) fn instructions(
        &self,
        address: &str,
        memo: Option<&str>,
        amount: Amount,
    ) -> Option<PayInstructions> {
        let address = self.bare(address)?;
        let shown = match self.address {
            Form::Scheme(scheme) => format!("{scheme}{address}"),
            Form::Prefix(_) | Form::Hex20 | Form::Any => address.to_owned(),
        };
        let visible = |text: &&str| text.len() <= 128 && text.bytes().all(|b| b.is_ascii_graphic());
        let memo = memo.map(|memo| Some(memo).filter(visible)).unwrap_or(Some("")).map(str::to_owned)?;
        let memo = Some(memo).filter(|memo| !memo.is_empty());
        let uri = match (&self.link, &memo) {
            (Link::Banano, None) => Some(format!("banano:{address}?amount={}", amount.minor())),
            (Link::Kaspa, None) => Some(format!("{shown}?amount={amount}")),
            (Link::Ton, None) => Some(format!("ton://transfer/{address}?amount={}", amount.minor())),
            (Link::Ton, Some(memo)) => {
                Some(format!("ton://transfer/{address}?amount={}&text={}", amount.minor(), encoded(memo)))
            }
            // A link that cannot carry the memo would lose the money.
            (Link::Banano | Link::Kaspa, Some(_)) | (Link::Page, _) => None,
        };
        Some(PayInstructions::Address { address: shown, memo, uri })
    }

    /// The address without a scheme; `None` where it has not the form of this chain.
    fn bare<'a>(&self, address: &'a str) -> Option<&'a str> {
        let address = match self.address {
            Form::Scheme(scheme) => address.strip_prefix(scheme).unwrap_or(address),
            Form::Prefix(_) | Form::Hex20 | Form::Any => address,
        };
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        let right = match self.address {
            Form::Prefix(prefix) => address.starts_with(prefix),
            Form::Hex20 => {
                let digits = address.strip_prefix("0x").unwrap_or_default();
                digits.len() == 40 && digits.bytes().all(|b| b.is_ascii_hexdigit())
            }
            Form::Scheme(_) | Form::Any => true,
        };
        let usable = (2..=256).contains(&address.len()) && address.bytes().all(plain) && right;
        usable.then_some(address)
    }
}

/// For the query of a link: everything but unreserved characters in percent form.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// What a swap may pay out: coins that need no memo, and whose key at Nanswap is their ticker.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Settle {
    pub(crate) ticker: Ticker,
    pub(crate) asset: Asset,
}

impl Settle {
    const ALL: &'static [Self] = &[
        Self { ticker: Ticker::XNO, asset: Asset::XNO },
        Self { ticker: Ticker::BTC, asset: Asset::BTC },
        Self { ticker: Ticker::LTC, asset: Asset::LTC },
        Self { ticker: Ticker::XMR, asset: Asset::XMR },
        Self { ticker: Ticker::BCH, asset: Asset::BCH },
    ];

    pub(crate) fn of(ticker: Ticker) -> Option<&'static Self> {
        Self::ALL.iter().find(|settle| settle.ticker == ticker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(ticker: Ticker, address: &str, memo: Option<&str>, amount: &str) -> Option<PayInstructions> {
        let coin = Coin::of(ticker).unwrap();
        coin.instructions(address, memo, Amount::parse(amount, coin.asset).unwrap())
    }

    fn link(ticker: Ticker, address: &str, memo: Option<&str>, amount: &str) -> Option<String> {
        shown(ticker, address, memo, amount).unwrap().link().map(str::to_owned)
    }

    #[test]
    fn links_are_those_of_the_contract() {
        let of = |ticker, address, amount| link(ticker, address, None, amount);
        assert_eq!(
            of(Ticker::BAN, "ban_1abc", "25.5").unwrap(),
            "banano:ban_1abc?amount=2550000000000000000000000000000"
        );
        assert_eq!(of(Ticker::KAS, "kaspa:qabc", "12.5").unwrap(), "kaspa:qabc?amount=12.5");
        assert_eq!(of(Ticker::KAS, "qabc", "12.5").unwrap(), "kaspa:qabc?amount=12.5");
        assert_eq!(of(Ticker::TON, "UQ-a_b", "1.5").unwrap(), "ton://transfer/UQ-a_b?amount=1500000000");
        assert_eq!(of(Ticker::NEAR, "pool.near", "1.5"), None);
        assert_eq!(of(Ticker::EGLD, "erd1abc", "1.5"), None);
        assert_eq!(of(Ticker::VVV, &format!("0x{}", "aB".repeat(20)), "1.5"), None);
    }

    /// Kaspa's own code refuses one without its prefix.
    #[test]
    fn an_address_of_kaspa_is_shown_with_its_prefix() {
        for told in ["kaspa:qabc", "qabc"] {
            assert_eq!(shown(Ticker::KAS, told, None, "1").unwrap().address(), Some("kaspa:qabc"));
        }
    }

    #[test]
    fn a_memo_is_never_dropped() {
        let ton = shown(Ticker::TON, "UQab", Some("7 7"), "1");
        assert_eq!(ton, None, "a memo with a blank cannot be told from one without");
        let ton = shown(Ticker::TON, "UQab", Some("77&x=1"), "1").unwrap();
        assert_eq!(ton.memo(), Some("77&x=1"));
        assert_eq!(ton.link(), Some("ton://transfer/UQab?amount=1000000000&text=77%26x%3D1"));
        for (ticker, address) in
            [(Ticker::BAN, "ban_1a"), (Ticker::KAS, "qa"), (Ticker::NEAR, "a.near"), (Ticker::EGLD, "erd1a")]
        {
            let how = shown(ticker, address, Some("12345"), "1").unwrap();
            assert_eq!((how.memo(), how.link()), (Some("12345"), None), "{ticker}");
        }
        assert_eq!(shown(Ticker::TON, "UQab", Some(""), "1").unwrap().memo(), None);
    }

    #[test]
    fn an_address_of_another_chain_is_not_shown() {
        for (ticker, bad) in [
            (Ticker::BAN, "nano_1abc"),
            (Ticker::EGLD, "0xabc"),
            (Ticker::VVV, "0xabc"),
            (Ticker::VVV, "erd1abc"),
            (Ticker::KAS, "kaspa:kaspa:qa"),
            (Ticker::KAS, ""),
            (Ticker::TON, "UQ ab"),
            (Ticker::TON, "UQab?amount=1"),
            (Ticker::NEAR, ""),
        ] {
            assert_eq!(shown(ticker, bad, None, "1"), None, "{ticker} {bad}");
        }
    }

    #[test]
    fn a_swap_is_quoted_by_its_coin_and_credited_by_what_it_settles_in() {
        for coin in Coin::ALL {
            let spec = coin.spec(Ticker::XNO);
            assert_eq!((spec.kind, spec.quoted_by), (TickerKind::Swap, Some(coin.ticker)));
            assert_eq!(spec.credit, CreditRule::settled_at_rate_of(Ticker::XNO));
            assert!(Settle::of(coin.ticker).is_none(), "a coin cannot be swapped into itself");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_link_gives_back_the_memo_and_nothing_else(memo in "[!-~]{1,60}") {
            let link = link(Ticker::TON, "UQab", Some(&memo), "1").unwrap();
            let url: url::Url = link.replace("ton://", "https://").parse().unwrap();
            let pairs: Vec<_> = url.query_pairs().into_owned().collect();
            proptest::prop_assert_eq!(pairs, [("amount".into(), "1000000000".to_owned()), ("text".into(), memo)]);
            proptest::prop_assert!(url.fragment().is_none());
        }
    }
}

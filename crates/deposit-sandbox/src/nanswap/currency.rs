//! The currencies: `all-currencies`, what their addresses look like, and where a payer is sent.

use deposit_core::{Asset, Ticker};

use crate::address;
use crate::json::Json;
use crate::random::Random;

/// One currency under its key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Currency {
    pub(super) key: &'static str,
    pub(super) name: &'static str,
    pub(super) network: &'static str,
    pub(super) ticker: Ticker,
    pub(super) asset: Asset,
    pub(super) external_id: bool,
    pub(super) feeless: bool,
}

const fn coin(
    key: &'static str,
    name: &'static str,
    network: &'static str,
    ticker: Ticker,
    asset: Asset,
) -> Currency {
    Currency { key, name, network, ticker, asset, external_id: false, feeless: false }
}

/// One memo coin, suffixed ones, feeless ones, and one that is there on two networks.
pub(super) const CURRENCIES: &[Currency] = &[
    Currency { feeless: true, ..coin("XNO", "Nano", "xno", Ticker::XNO, Asset::XNO) },
    Currency { feeless: true, ..coin("BAN", "Banano", "ban", Ticker::BAN, Asset::BAN) },
    coin("KAS", "Kaspa", "kas", Ticker::KAS, Asset::KAS),
    Currency { external_id: true, ..coin("TON", "Toncoin", "ton", Ticker::TON, Asset::TON) },
    coin("NEAR", "NEAR Protocol", "near", Ticker::NEAR, Asset::NEAR),
    coin("EGLD", "MultiversX", "egld", Ticker::EGLD, Asset::EGLD),
    coin("VVV-BASE", "Venice Token", "base", Ticker::VVV, Asset::VVV),
    coin("BTC", "Bitcoin", "btc", Ticker::BTC, Asset::BTC),
    coin("LTC", "Litecoin", "ltc", Ticker::LTC, Asset::LTC),
    coin("USDC-BASE", "USD Coin", "base", Ticker::USDC, Asset::USDC),
    coin("USDC-SOL", "USD Coin", "sol", Ticker::USDC, Asset::USDC),
];

const NANO_ALPHABET: &[u8] = b"13456789abcdefghijkmnopqrstuwxyz";

/// The address of an account of the nano family.
pub(super) fn nano_account(prefix: &str, random: &Random, label: &str) -> String {
    crate::nano::account(prefix, &random.bytes::<32>(label))
}

impl Currency {
    pub(super) fn by_key(key: &str) -> Option<&'static Self> {
        CURRENCIES.iter().find(|c| c.key == key)
    }

    pub(super) fn entry(&self) -> Json {
        Json::object([
            ("name", Json::text(self.name)),
            ("logo", Json::text(format!("https://example.test/{}.svg", self.network))),
            ("network", Json::text(self.network)),
            ("hasExternalId", Json::Bool(self.external_id)),
            ("feeless", Json::Bool(self.feeless)),
        ])
    }

    /// As an order echoes it: a suffixed ticker is split, in lower case.
    pub(super) fn echo(&self) -> (String, Option<&'static str>) {
        match self.key.split_once('-') {
            Some((coin, _)) => (coin.to_ascii_lowercase(), Some(self.network)),
            None => (self.key.to_owned(), None),
        }
    }

    /// A fresh address of this chain, and its memo where it needs one.
    pub(super) fn address(&self, random: &Random, label: &str) -> (String, Option<String>) {
        let address = match self.network {
            "xno" => nano_account("nano", random, label),
            "ban" => nano_account("ban", random, label),
            "kas" => format!("kaspa:{}", address::cash::<32>("kaspa", random, label)),
            "ton" => address::ton(random, label),
            "near" => random.hex::<32>(label),
            "egld" => address::plain_bech32::<32>("erd", random, label),
            "base" => crate::daimo::checksummed(&format!("0x{}", random.hex::<20>(label))),
            "btc" => address::witness("bc", random, label),
            "ltc" => address::witness("ltc", random, label),
            _ => random.base58_bytes::<32>(label),
        };
        let memo = self.external_id.then(|| {
            let digits = random.bytes::<9>(&format!("{label}/memo"));
            digits.iter().map(|b| char::from(b'1' + b % 9)).collect()
        });
        (address, memo)
    }

    /// The id of a transaction of this chain.
    pub(super) fn hash(&self, random: &Random, label: &str) -> String {
        match self.network {
            "xno" | "ban" => random.hex::<32>(label).to_ascii_uppercase(),
            "base" => format!("0x{}", random.hex::<32>(label)),
            _ => random.hex::<32>(label),
        }
    }

    /// Whether a pay-out address has this chain's form.
    pub(super) fn takes(&self, address: &str) -> bool {
        let rest = |prefix: &str| address.strip_prefix(prefix);
        let nano = |rest: Option<&str>| {
            rest.is_some_and(|r| {
                r.len() == 60 && r.starts_with(['1', '3']) && r.bytes().all(|b| NANO_ALPHABET.contains(&b))
            })
        };
        match self.network {
            "xno" => nano(rest("nano_").or(rest("xrb_"))),
            "ban" => nano(rest("ban_")),
            "base" => rest("0x").is_some_and(|r| r.len() == 40 && r.bytes().all(|b| b.is_ascii_hexdigit())),
            "kas" => rest("kaspa:")
                .unwrap_or(address)
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()),
            _ => {
                (20..=128).contains(&address.len())
                    && address.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_the_form_of_its_chain() {
        let random = Random::new(7);
        for currency in CURRENCIES {
            let (address, memo) = currency.address(&random, currency.key);
            assert!(currency.takes(&address), "{} {address}", currency.key);
            assert_eq!(memo.is_some(), currency.external_id, "{}", currency.key);
            assert!(!currency.takes("x y"), "{}", currency.key);
        }
        assert!(!CURRENCIES[0].takes("nano_1short"));
    }

    #[test]
    fn wallets_take_every_address() {
        let random = Random::new(7);
        for currency in CURRENCIES {
            for n in 0..20 {
                let (address, _) = currency.address(&random, &format!("{} {n}", currency.key));
                assert!(
                    crate::validators::of_network(currency.network, &address),
                    "{} {address}",
                    currency.key
                );
            }
        }
    }

    #[test]
    fn suffixed_tickers_are_echoed_apart() {
        let echo = |key| Currency::by_key(key).unwrap().echo();
        assert_eq!(echo("USDC-BASE"), ("usdc".to_owned(), Some("base")));
        assert_eq!(echo("XNO"), ("XNO".to_owned(), None));
    }
}

//! The eight payment methods: ids in both vocabularies, addresses, payment links, payment ids.
//!
//! Dossier sections 4, 7 and 8.

use deposit_core::{Asset, Ticker};

use super::decimal::Dec;
use super::fee_mode::FeeMode;
use crate::address;
use crate::random::Random;

/// How a method's coin works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// BTC and its relatives, watched by the core indexer: has a dust limit, keeps its address.
    Chain,
    /// Monero and Zcash plugins: a new address after a part payment.
    Shielded,
    /// The Litecoin MWEB plugin.
    Mweb,
    /// Settled when recorded; a new BOLT11 after a part payment.
    Lightning,
}

/// One payment method of the store.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Method {
    /// From 2.0.0 on; the only form in answers.
    pub(super) id: &'static str,
    /// Names of 1.x and others that the parser maps to it, upper case with hyphens.
    aliases: &'static [&'static str],
    pub(super) ticker: Ticker,
    /// What arrives: Lightning in millisatoshi.
    pub(super) asset: Asset,
    /// The prompt's currency: LTC for MWEB.
    pub(super) currency: &'static str,
    /// Decimals of what is due.
    pub(super) divisibility: u32,
    pub(super) kind: Kind,
    scheme: &'static str,
    /// Smallest amount that the network relays, in the coin's smallest unit.
    dust: i128,
}

pub(super) const METHODS: &[Method] = &[
    Method {
        // Of a node with today's lower relay fee (0.1 satoshi a byte): the smallest amount that a gateway quotes is above it.
        id: "BTC-CHAIN",
        aliases: &["BTC", "BTC-ONCHAIN", "BTC-BITCOINLIKE"],
        ticker: Ticker::BTC,
        asset: Asset::BTC,
        currency: "BTC",
        divisibility: 8,
        kind: Kind::Chain,
        scheme: "bitcoin",
        dust: 30,
    },
    Method {
        id: "BTC-LN",
        aliases: &["BTC-LIGHTNINGNETWORK", "BTC-LIGHTNINGLIKE", "BTC-OFFCHAIN"],
        ticker: Ticker::BTC_LN,
        asset: Asset::BTC_LN,
        currency: "BTC",
        divisibility: 8,
        kind: Kind::Lightning,
        scheme: "lightning",
        dust: 0,
    },
    Method {
        id: "LTC-CHAIN",
        aliases: &["LTC", "LTC-ONCHAIN", "LTC-BITCOINLIKE"],
        ticker: Ticker::LTC,
        asset: Asset::LTC,
        currency: "LTC",
        divisibility: 8,
        kind: Kind::Chain,
        scheme: "litecoin",
        dust: 5_460,
    },
    Method {
        id: "LTC-MWEB",
        aliases: &[],
        ticker: Ticker::LTC_MWEB,
        asset: Asset::LTC,
        currency: "LTC",
        divisibility: 8,
        kind: Kind::Mweb,
        scheme: "litecoin",
        dust: 0,
    },
    Method {
        id: "XMR-CHAIN",
        aliases: &["XMR", "XMR-MONEROLIKE"],
        ticker: Ticker::XMR,
        asset: Asset::XMR,
        currency: "XMR",
        divisibility: 12,
        kind: Kind::Shielded,
        scheme: "monero",
        dust: 0,
    },
    Method {
        id: "DOGE-CHAIN",
        aliases: &["DOGE", "DOGE-ONCHAIN", "DOGE-BITCOINLIKE"],
        ticker: Ticker::DOGE,
        asset: Asset::DOGE,
        currency: "DOGE",
        divisibility: 8,
        kind: Kind::Chain,
        scheme: "dogecoin",
        dust: 1_000_000,
    },
    Method {
        id: "DASH-CHAIN",
        aliases: &["DASH", "DASH-ONCHAIN", "DASH-BITCOINLIKE"],
        ticker: Ticker::DASH,
        asset: Asset::DASH,
        currency: "DASH",
        divisibility: 8,
        kind: Kind::Chain,
        scheme: "dash",
        dust: 546,
    },
    Method {
        id: "ZEC-CHAIN",
        aliases: &["ZEC", "ZEC-ZCASHLIKE"],
        ticker: Ticker::ZEC,
        asset: Asset::ZEC,
        currency: "ZEC",
        divisibility: 8,
        kind: Kind::Shielded,
        scheme: "zcash",
        dust: 0,
    },
];

/// Ids that the server knows and this store has not set up: left out without a word.
const NOT_SET_UP: &[&str] = &["BTC-LNURL", "BTC-LNURLPAY", "LTC-LN", "LTC-LNURL"];

/// What a text in `checkout.paymentMethods` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MethodId {
    Known(&'static Method),
    NotSetUp,
    Unknown,
}

/// Takes `-` and `_`, ignores case, maps a bare coin to `-CHAIN`.
pub(super) fn parse_id(text: &str) -> MethodId {
    let id = text.trim().to_ascii_uppercase().replace('_', "-");
    let named = |m: &&Method| m.id == id || m.aliases.contains(&id.as_str());
    match METHODS.iter().find(named) {
        Some(method) => MethodId::Known(method),
        None if NOT_SET_UP.contains(&id.as_str()) => MethodId::NotSetUp,
        None => MethodId::Unknown,
    }
}

impl Method {
    /// When a payment is asked for a fee on top, and for how much: the core chains as the store says, for a transaction of usual size; the Monero
    /// plugin always.
    pub(super) fn fees(&self, of_store: FeeMode) -> (FeeMode, Dec) {
        match self.kind {
            Kind::Chain => (of_store, Dec::new(14_186, 8)),
            Kind::Shielded if self.ticker == Ticker::XMR => (FeeMode::Always, Dec::new(1_171, 10)),
            Kind::Shielded | Kind::Mweb | Kind::Lightning => (FeeMode::Never, Dec::ZERO),
        }
    }

    pub(super) fn dust(&self) -> Dec {
        Dec::new(self.dust, self.divisibility)
    }

    /// The `n`th address of an invoice, or its `n`th BOLT11 over what is due.
    pub(super) fn destination(&self, random: &Random, invoice: &str, n: usize, due: Dec) -> String {
        let label = format!("btcpay/{invoice}/{}/address/{n}", self.id);
        match self.id {
            "BTC-CHAIN" => address::witness("bc", random, &label),
            "BTC-LN" => address::bolt11(&bolt11_amount(due), random, &label),
            "LTC-CHAIN" => address::witness("ltc", random, &label),
            "LTC-MWEB" => address::mweb(random, &label),
            // A subaddress: 95 characters that begin with 8.
            "XMR-CHAIN" => address::monero(random, &label),
            "DOGE-CHAIN" => address::base58_check(30, random, &label),
            "DASH-CHAIN" => address::base58_check(76, random, &label),
            // A Sapling address: one that has no part which only a node's code could make.
            _ => address::plain_bech32::<43>("zs", random, &label),
        }
    }

    /// The `n`th payment to an invoice, paid to its `address`th address (from 1).
    pub(super) fn payment_id(&self, random: &Random, invoice: &str, n: usize, address: usize) -> String {
        let hash = random.hex::<32>(&format!("btcpay/{invoice}/{}/payment/{n}", self.id));
        match self.kind {
            Kind::Chain => format!("{hash}-{}", n % 3),
            Kind::Shielded => format!("{hash}#0#{address}"),
            Kind::Mweb | Kind::Lightning => hash,
        }
    }

    /// The link for what is still due.
    pub(super) fn link(&self, destination: &str, due: Dec) -> String {
        let due = if due.is_positive() { due.trimmed() } else { Dec::ZERO };
        let query = match self.kind {
            Kind::Lightning => String::new(),
            Kind::Chain if due.is_zero() => String::new(),
            Kind::Chain | Kind::Mweb => format!("?amount={due}"),
            Kind::Shielded if self.id == "XMR-CHAIN" => format!("?tx_amount={due}"),
            Kind::Shielded => format!("?amount={due}"),
        };
        format!("{}:{destination}{query}", self.scheme)
    }
}

/// BOLT11's amount: here always in nano-BTC, ten of which are a satoshi; none for an open amount.
fn bolt11_amount(due: Dec) -> String {
    match due.minor(9) {
        Some(nano) if nano > 0 => format!("{nano}n"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_vocabularies_are_read() {
        for (text, id) in [
            ("BTC", "BTC-CHAIN"),
            ("btc_bitcoinlike", "BTC-CHAIN"),
            ("BTC-OnChain", "BTC-CHAIN"),
            ("BTC-LightningNetwork", "BTC-LN"),
            ("BTC_LightningLike", "BTC-LN"),
            ("BTC-OffChain", "BTC-LN"),
            ("ltc-mweb", "LTC-MWEB"),
            ("XMR-MoneroLike", "XMR-CHAIN"),
            ("zec", "ZEC-CHAIN"),
        ] {
            assert!(matches!(parse_id(text), MethodId::Known(m) if m.id == id), "{text}");
        }
        assert_eq!(parse_id("BTC-LNURL"), MethodId::NotSetUp);
        for unknown in ["", "BCH", "LTCMWEB-CHAIN", "BTC-CHAINS"] {
            assert_eq!(parse_id(unknown), MethodId::Unknown, "{unknown}");
        }
    }

    #[test]
    fn addresses_look_like_the_coin_and_differ() {
        let random = Random::new(7);
        let due = Dec::parse("0.00038825").unwrap();
        for method in METHODS {
            let (one, two) =
                (method.destination(&random, "i", 1, due), method.destination(&random, "i", 2, due));
            assert_ne!(one, two);
            let (prefix, length) = match method.id {
                "BTC-CHAIN" => ("bc1q", 42),
                "BTC-LN" => ("lnbc388250n1", 251),
                "LTC-CHAIN" => ("ltc1q", 43),
                "LTC-MWEB" => ("ltcmweb1qq", 121),
                "XMR-CHAIN" => ("8", 95),
                "DOGE-CHAIN" => ("D", 34),
                "DASH-CHAIN" => ("X", 34),
                _ => ("zs1", 78),
            };
            assert!(one.starts_with(prefix) && one.len() == length, "{one}");
        }
    }

    #[test]
    fn wallets_take_every_address() {
        use crate::validators as v;
        let random = Random::new(7);
        let due = Dec::parse("0.00038825").unwrap();
        for method in METHODS {
            for n in 1..20 {
                let one = method.destination(&random, "i", n, due);
                let right = match method.id {
                    "BTC-CHAIN" => v::witness_v0("bc", &one),
                    "BTC-LN" => v::bolt11(&one),
                    "LTC-CHAIN" => v::witness_v0("ltc", &one),
                    "LTC-MWEB" => v::mweb(&one),
                    "XMR-CHAIN" => v::cryptonote(&[42], &one),
                    "DOGE-CHAIN" => v::base58_check(30, &one),
                    "DASH-CHAIN" => v::base58_check(76, &one),
                    "ZEC-CHAIN" => v::bech32_bytes("zs", 43, &one),
                    _ => false,
                };
                assert!(right, "{} {one}", method.id);
            }
        }
    }

    #[test]
    fn links_are_those_of_the_dossier() {
        let due = Dec::parse("0.000188250").unwrap();
        for (id, link, at_zero) in [
            ("BTC", "bitcoin:A?amount=0.00018825", "bitcoin:A"),
            ("BTC-LN", "lightning:A", "lightning:A"),
            ("LTC", "litecoin:A?amount=0.00018825", "litecoin:A"),
            ("LTC-MWEB", "litecoin:A?amount=0.00018825", "litecoin:A?amount=0"),
            ("XMR", "monero:A?tx_amount=0.00018825", "monero:A?tx_amount=0"),
            ("DOGE", "dogecoin:A?amount=0.00018825", "dogecoin:A"),
            ("DASH", "dash:A?amount=0.00018825", "dash:A"),
            ("ZEC", "zcash:A?amount=0.00018825", "zcash:A?amount=0"),
        ] {
            let MethodId::Known(method) = parse_id(id) else { panic!("{id}") };
            assert_eq!(method.link("A", due), link);
            assert_eq!(method.link("A", Dec::ZERO), at_zero);
        }
    }
}

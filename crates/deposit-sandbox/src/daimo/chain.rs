//! Chains, USDC on them, the payer's coins, addresses: dossier, C1.

use deposit_core::Ticker;
use sha3::{Digest as _, Keccak256};

/// USDC on a chain.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) id: i64,
    pub(super) name: &'static str,
    pub(super) usdc: &'static str,
    pub(super) decimals: u8,
}

const fn chain(id: i64, name: &'static str, usdc: &'static str, decimals: u8) -> Chain {
    Chain { id, name, usdc, decimals }
}

pub(super) const CHAINS: &[Chain] = &[
    chain(1, "Ethereum", "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48", 6),
    chain(10, "Optimism", "0x0b2C639c533813f4Aa9D7837CAf62653d097Ff85", 6),
    chain(56, "BNB Chain", "0x8AC76a51cc950d9822D68b83fE1Ad97B32Cd580d", 18),
    chain(137, "Polygon", "0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359", 6),
    chain(480, "World Chain", "0x79A02482A880bCE3F13e09Da970dC34db4CD24d1", 6),
    chain(8453, "Base", "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913", 6),
    chain(42161, "Arbitrum", "0xaf88d065e77c8cC2239327C5EDb3A432268e5831", 6),
    chain(42220, "Celo", "0xcebA9300f2b948710d2653dD7B07f33A8B32118C", 6),
    chain(59144, "Linea", "0x176211869cA2b568f2A7D4EE941E073a821EE1ff", 6),
    chain(534_352, "Scroll", "0x06eFdBFf2a14a7c8E15944D1F4A48F9F95F663A4", 6),
];

/// What a payer can pay with here.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Coin {
    pub(super) ticker: Ticker,
    pub(super) chain: i64,
    pub(super) chain_name: &'static str,
    pub(super) token: &'static str,
}

const fn coin(ticker: Ticker, chain: i64, chain_name: &'static str, token: &'static str) -> Coin {
    Coin { ticker, chain, chain_name, token }
}

/// Solana has Daimo's own number.
pub(super) const COINS: &[Coin] = &[
    coin(Ticker::USDC, 10, "Optimism", "0x0b2C639c533813f4Aa9D7837CAf62653d097Ff85"),
    coin(Ticker::USDT, 1, "Ethereum", "0xdAC17F958D2ee523a2206206994597C13D831ec7"),
    coin(Ticker::ETH, 1, "Ethereum", "0x0000000000000000000000000000000000000000"),
    coin(Ticker::SOL, 501, "Solana", "11111111111111111111111111111111"),
];

/// An address as this API takes it: 0x, 40 digits, and a right checksum where letters of both cases are in it. With its checksum.
pub(super) fn address(text: &str) -> Option<String> {
    let digits =
        text.strip_prefix("0x").filter(|d| d.len() == 40 && d.bytes().all(|b| b.is_ascii_hexdigit()))?;
    let lower = digits.to_ascii_lowercase();
    let hash = hex::encode(Keccak256::digest(lower.as_bytes()));
    let raise = |(digit, nibble): (char, char)| {
        if matches!(nibble, '8' | '9' | 'a'..='f') { digit.to_ascii_uppercase() } else { digit }
    };
    let right: String = lower.chars().zip(hash.chars()).map(raise).collect();
    let one_case = digits == lower || digits == digits.to_ascii_uppercase();
    (one_case || digits == right).then(|| format!("0x{right}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for chain in CHAINS {
            assert_eq!(address(chain.usdc).as_deref(), Some(chain.usdc), "{}", chain.name);
            assert_eq!(address(&chain.usdc.to_lowercase()).as_deref(), Some(chain.usdc));
        }
        assert_eq!(address("0x833589fCD6eDb6E08f4c7C32D4f71b54bdA0291"), None);
        assert_eq!(address("0x833589FCD6eDb6E08f4c7C32D4f71b54bdA02913"), None, "a wrong checksum");
        assert_eq!(address("11111111111111111111111111111111"), None);
    }
}

//! Chains that USDC can settle on, and addresses with their checksum (ERC-55).

use sha3::{Digest as _, Keccak256};

/// USDC on one chain (dossier, C1; from `@daimo/pay-common` 1.19.11, `token.ts` and `chain.ts`).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chain {
    pub(crate) id: u64,
    pub(crate) usdc: &'static str,
    /// Decimals of USDC there: not 6 everywhere.
    pub(crate) decimals: u8,
}

/// Every chain that can be configured as the destination.
pub(crate) const CHAINS: &[Chain] = &[
    Chain { id: 1, usdc: "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48", decimals: 6 },
    Chain { id: 10, usdc: "0x0b2C639c533813f4Aa9D7837CAf62653d097Ff85", decimals: 6 },
    Chain { id: 56, usdc: "0x8AC76a51cc950d9822D68b83fE1Ad97B32Cd580d", decimals: 18 },
    Chain { id: 137, usdc: "0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359", decimals: 6 },
    Chain { id: 480, usdc: "0x79A02482A880bCE3F13e09Da970dC34db4CD24d1", decimals: 6 },
    Chain { id: 8453, usdc: "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913", decimals: 6 },
    Chain { id: 42161, usdc: "0xaf88d065e77c8cC2239327C5EDb3A432268e5831", decimals: 6 },
    Chain { id: 42220, usdc: "0xcebA9300f2b948710d2653dD7B07f33A8B32118C", decimals: 6 },
    Chain { id: 59144, usdc: "0x176211869cA2b568f2A7D4EE941E073a821EE1ff", decimals: 6 },
    Chain { id: 534_352, usdc: "0x06eFdBFf2a14a7c8E15944D1F4A48F9F95F663A4", decimals: 6 },
];

/// A native coin, in the place of a token's address.
pub(crate) const NATIVE: &str = "0x0000000000000000000000000000000000000000";

impl Chain {
    pub(crate) fn by_id(id: u64) -> Option<&'static Self> {
        CHAINS.iter().find(|chain| chain.id == id)
    }
}

/// Where USDC is to arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Destination {
    /// With its checksum.
    pub(crate) address: String,
    pub(crate) chain: &'static Chain,
}

impl Destination {
    /// As it is written into an order's metadata, to be compared with later.
    pub(crate) fn mark(&self) -> String {
        format!("{}:{}:{}", self.chain.id, self.chain.usdc, self.address)
    }
}

/// An address with its checksum. One in small or in capital letters alone has none and gets it; one in mixed letters has to be
/// right, since a slip of the hand would send the money to nobody. The zero address is none.
pub(crate) fn checksummed(text: &str) -> Option<String> {
    let digits = text.strip_prefix("0x")?;
    if digits.len() != 40
        || !digits.bytes().all(|b| b.is_ascii_hexdigit())
        || digits.bytes().all(|b| b == b'0')
    {
        return None;
    }
    let lower = digits.to_ascii_lowercase();
    let hash = hex::encode(Keccak256::digest(lower.as_bytes()));
    let cased: String = lower
        .chars()
        .zip(hash.chars())
        .map(|(digit, nibble)| if nibble >= '8' { digit.to_ascii_uppercase() } else { digit })
        .collect();
    let bare = digits == lower || digits == digits.to_ascii_uppercase();
    (bare || digits == cased).then(|| format!("0x{cased}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of ERC-55.
    #[test]
    fn checksums() {
        for right in [
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
            "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
            "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
            "0x52908400098527886E0F7030069857D2E4169EE7",
            "0xde709f2102306220921060314715629080e2fb77",
        ] {
            assert_eq!(checksummed(right).as_deref(), Some(right));
            assert_eq!(checksummed(&right.to_ascii_lowercase()).as_deref(), Some(right));
            let upper = format!("0x{}", right.trim_start_matches("0x").to_ascii_uppercase());
            assert_eq!(checksummed(&upper).as_deref(), Some(right));
        }
        for wrong in [
            "0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAedd",
            "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeg",
            "",
            "0x",
            NATIVE,
        ] {
            assert_eq!(checksummed(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_table_is_right_to_the_letter() {
        for chain in CHAINS {
            assert_eq!(checksummed(chain.usdc).as_deref(), Some(chain.usdc));
            assert_eq!(CHAINS.iter().filter(|c| c.id == chain.id || c.usdc == chain.usdc).count(), 1);
            assert_eq!(chain.decimals, if chain.id == 56 { 18 } else { 6 });
        }
        assert_eq!(Chain::by_id(8453).map(|c| c.decimals), Some(6));
        assert_eq!(Chain::by_id(501), None);
    }
}

//! Addresses and payment ids (dossier, section 3).

use deposit_core::DepositId;
use sha2::{Digest as _, Sha256};
use sha3::Keccak256;

const ALPHABET: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/// Characters of an encoded block of so many bytes.
const BLOCK: [usize; 9] = [0, 2, 3, 5, 6, 7, 9, 10, 11];

/// Tags as they stand on the wire: a varint of two bytes.
const STANDARD: [u8; 2] = [0xc5, 0x01];
const INTEGRATED: [[u8; 2]; 2] = [[0xf8, 0x6c], [0xf8, 0x6d]];

/// The payment id of a deposit: 16 lower-case hexadecimal digits. The same for the same id, for good, so that a repeat gives the
/// same address.
///
/// The first eight bytes of SHA-256 of the id that do not begin with a zero byte: shorter ids are padded with zeros on one of the
/// chain's paths, and an id of zeros means none.
///
/// ```
/// let id = "Jq4vT9mZxK2cRw7LbYd3Hp".parse()?;
/// assert_eq!(deposit_zano::payment_id(&id).len(), 16);
/// # Ok::<(), deposit_core::InvalidId>(())
/// ```
#[must_use]
pub fn payment_id(deposit: &DepositId) -> String {
    let digest = Sha256::digest(deposit.as_str().as_bytes());
    let usable = digest.windows(8).find(|bytes| bytes.first().is_some_and(|first| *first != 0));
    // A digest that has none does not occur; an id has to be there all the same.
    hex::encode(usable.unwrap_or(b"no-id-00"))
}

/// The keys of an address: spend and view key.
pub(crate) type Keys = [u8; 64];

/// What an address says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) keys: Keys,
    /// 16 lower-case hexadecimal digits; `None` in a standard address.
    pub(crate) payment_id: Option<String>,
}

impl Address {
    /// A standard or an integrated address of this chain with a right checksum; `None` for any other text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = base58(text)?;
        let (body, checksum) = bytes.split_last_chunk::<4>()?;
        if Keccak256::digest(body).first_chunk::<4>() != Some(checksum) {
            return None;
        }
        let (tag, rest) = body.split_first_chunk::<2>()?;
        let (keys, id) = rest.split_first_chunk::<64>()?;
        let payment_id = match id.len() {
            0 if *tag == STANDARD => None,
            8 if INTEGRATED.contains(tag) => Some(hex::encode(id)),
            _ => return None,
        };
        Some(Self { keys: *keys, payment_id })
    }
}

/// CryptoNote's base58: blocks of 11 characters are 8 bytes each, the last one is shorter.
fn base58(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for block in text.as_bytes().chunks(11) {
        let size = BLOCK.iter().position(|characters| *characters == block.len())?;
        let mut number = 0_u128;
        for character in block {
            let digit = ALPHABET.iter().position(|c| c == character)?;
            number = number * 58 + u128::try_from(digit).ok()?;
        }
        if number >> (8 * size) != 0 {
            return None;
        }
        bytes.extend_from_slice(number.to_be_bytes().get(16 - size..)?);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Dossier, section 3.
    const STANDARD_SAMPLE: &str =
        "ZxCk74TxaFsRvbHrvebi5fgBLXDWukJ3VRXk6PENQ4orUTRfh11EHjCgCBxokeg5FEPHumvqJ76ikKHnD43iGjsE1cVfgebFa";
    const INTEGRATED_SAMPLE: &str = "iZ2EEMZWeKBRvbHrvebi5fgBLXDWukJ3VRXk6PENQ4orUTRfh11EHjCgCBxokeg5FEPHumvqJ76ikKHnD43iGjsECvV53PeAEkM3CLGRmST3";
    const MISPRINTED_SAMPLE: &str = "iZ2EMyPD7g28hgBfboZeCENaYrHBYZ1bLFi5cgWvn4WJLaxfgs4kqG6cJi9ai2zrXWSCpsvRXit14gKjeijx6YPCLJEv6Fx4rVm1hdAGQFis";

    #[test]
    fn the_published_samples() {
        let standard = Address::parse(STANDARD_SAMPLE).unwrap();
        let integrated = Address::parse(INTEGRATED_SAMPLE).unwrap();
        assert_eq!(standard.payment_id, None);
        assert_eq!(integrated.payment_id.as_deref(), Some("1dfe5a88ff9effb3"));
        assert_eq!(standard.keys, integrated.keys);
        // The official page shows another id beside it.
        let other = Address::parse(MISPRINTED_SAMPLE).unwrap();
        assert_eq!(other.payment_id.as_deref(), Some("e390c1f714d05193"));
        assert_ne!(other.keys, standard.keys);
    }

    #[test]
    fn one_wrong_character_is_noticed() {
        for at in 0..INTEGRATED_SAMPLE.len() {
            let mut altered: Vec<u8> = INTEGRATED_SAMPLE.bytes().collect();
            altered[at] = if altered[at] == b'z' { b'y' } else { b'z' };
            assert_eq!(Address::parse(std::str::from_utf8(&altered).unwrap()), None, "{at}");
        }
        for bad in [
            "",
            "1",
            "Zx",
            STANDARD_SAMPLE.trim_start_matches('Z'),
            &format!("{STANDARD_SAMPLE}1"),
            "zzzzzzzzzzz",
        ] {
            assert_eq!(Address::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn payment_ids_are_pinned() {
        // Must never change: the addresses of open deposits are made of it.
        let id = |text: &str| payment_id(&text.parse().unwrap());
        assert_eq!(
            id("Jq4vT9mZxK2cRw7LbYd3Hp"),
            hex::encode(&Sha256::digest(b"Jq4vT9mZxK2cRw7LbYd3Hp")[..8])
        );
        let shifted = (0..10_000)
            .map(|n| format!("deposit-number-{n:05}"))
            .find(|text| Sha256::digest(text.as_bytes())[0] == 0)
            .unwrap();
        assert_eq!(id(&shifted), hex::encode(&Sha256::digest(shifted.as_bytes())[1..9]));
    }

    proptest! {
        #[test]
        fn a_payment_id_never_begins_with_a_zero_byte(text in "[A-Za-z0-9_-]{16,64}") {
            let id = payment_id(&text.parse().unwrap());
            prop_assert_eq!(id.len(), 16);
            prop_assert!(!id.starts_with("00"));
            prop_assert!(id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,120}") {
            _ = Address::parse(&text);
        }
    }
}
